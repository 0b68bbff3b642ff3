//! Two of the four seams through which a host touches the world: [`Clock`] and [`Randomness`]. The others are the object store
//! (`object_store::ObjectStore`, with `backup_store`'s lock) and the HTTP transport (`host_harness::http`).
//!
//! The rule: no other code of the host reads the time, sleeps or draws a random number. With the seams replaced a host runs
//! deterministically from one seed.

mod clock;
mod randomness;
mod timestamp;

pub use clock::{Clock, SystemClock, VirtualClock};
pub use randomness::{Randomness, SeededRandomness, SystemRandomness};
pub use timestamp::Timestamp;
