//! What the product promises, each promise held by the real component in the real host over real HTTP.

#![allow(clippy::unwrap_used)]

mod archives;
mod changes;
mod component;
mod crashes;
mod damage;
mod decisions;
mod diffs;
mod faults;
mod files;
mod hostile;
mod hosts;
mod jobs;
mod limits;
mod memory;
mod numbers;
mod orgs;
mod pauses;
mod plans;
mod programs;
mod reserve;
mod restores;
mod sessions;
mod states;
mod stores;
mod turns;
