//! What the target has: how its objects are written, which records are there, what is in them. Only reads.

pub(in crate::restore) mod describe;
pub(in crate::restore) mod lookup;
mod lost;
pub(in crate::restore) mod verify;
