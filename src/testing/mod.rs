//! Doubles of the contract's other side, for native tests of the connector: hosts and orgs in memory.
//!
//! Not for: the product's own tests, which run the real component against `tests/fake-salesforce`.

pub(crate) mod scripted;
pub(crate) mod shelf;
pub(crate) mod target_org;
pub(crate) mod tiny_org;
