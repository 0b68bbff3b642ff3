//! What the product promises, each promise held by the real component in the real host over real HTTP.

#![allow(clippy::unwrap_used)]

mod component;
mod crashes;
mod damage;
mod decisions;
mod faults;
mod hostile;
mod hosts;
mod limits;
mod memory;
mod pauses;
mod programs;
mod stores;
