//! What is known of an object's definition: kept from one batch to the next, from one snapshot to the next, and how records with too
//! many fields for one query are read.

pub mod describes;
pub mod groups;
mod mark;
mod remarks;

pub use groups::MAX_GROUPS;
pub use mark::{Mark, describe_key, marks, no_mark};
pub(crate) use remarks::{added_fields, schema_remarks};
