//! Doubles of the object store's seam, for the tests of this crate and of those that build on it.

mod faulty;
#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
pub(crate) mod host;

pub use faulty::{Crash, Fault, FaultyStore};
