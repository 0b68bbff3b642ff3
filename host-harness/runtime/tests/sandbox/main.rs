//! The sandbox from outside: components are refused or loaded, limits hold and are named, the clocks end what they should and
//! nothing else, and no call hurts another. Everything with the hostile connector runs through the real component.
#![allow(clippy::unwrap_used)]

mod clocks;
mod component;
mod limits;
mod loading;
mod platform;

use backup_contract::Checkpoint;
use backup_runtime::{Connector, Processor, Runtime, RuntimeConfig};
use std::time::Duration;

/// The limits that tests change: little processor time, so that a loop ends soon.
fn config() -> RuntimeConfig {
    RuntimeConfig {
        processor: Processor::Ticks {
            every: Duration::from_millis(5),
            limit: Duration::from_secs(4),
        },
        memory_for_guests: 16 * RuntimeConfig::default().memory_per_call,
        ..RuntimeConfig::default()
    }
}

async fn hostile(config: RuntimeConfig) -> Connector {
    Runtime::new(config).unwrap().load(&component::hostile()).await.unwrap()
}

/// Where every backup of the hostile connector begins.
fn beginning() -> Checkpoint {
    Checkpoint {
        state_version: 1,
        data: b"0".to_vec(),
    }
}

/// Nothing is left of calls that ended, however they did.
fn assert_nothing_left(connector: &Connector) {
    let occupancy = connector.occupancy();
    assert_eq!((occupancy.calls, occupancy.instances), (0, 0), "{occupancy:?}");
}
