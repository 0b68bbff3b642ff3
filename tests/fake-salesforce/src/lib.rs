//! Under construction.

pub mod org;
