//! The sizes of org that tests need.
use chrono::DateTime;

use crate::org::{Language, OrgSpec};

pub(crate) fn base(seed: u64) -> OrgSpec {
    OrgSpec {
        seed,
        now: DateTime::from_timestamp(1_780_272_000, 0).unwrap_or_default(),
        language: Language::default(),
        objects: Vec::new(),
    }
}
pub(crate) fn tiny(seed: u64) -> OrgSpec {
    base(seed)
}
pub(crate) fn small(seed: u64) -> OrgSpec {
    base(seed)
}
pub(crate) fn real(seed: u64) -> OrgSpec {
    base(seed)
}
pub(crate) fn wide(seed: u64) -> OrgSpec {
    base(seed)
}
pub(crate) fn million(seed: u64) -> OrgSpec {
    base(seed)
}
