//! Makes orgs from a seed.

mod dice;
pub(crate) mod preset;
mod shape;

pub(crate) use self::{
    dice::{Stamps, dice},
    shape::Shape,
};
use crate::org::{Org, OrgSpec};

pub(crate) fn org(spec: &OrgSpec) -> Org {
    Org::assemble(spec.now, Vec::new())
}
