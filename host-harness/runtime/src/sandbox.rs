//! The sandbox that all connectors of a host share: engine, instance pool, admission and ticks. The rule: nothing runs that
//! wasn't admitted, so the pool is never asked for more than it has.

use crate::bindings::Plugin;
use crate::config::{Processor, RuntimeConfig};
use crate::error::{CallError, RuntimeError};
use crate::imported::CallState;
use crate::processor::Ticker;
use futures::future::{Either, select};
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Cache, CacheConfig, Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// What one component may consist of. One built with `wit-component` has three core instances, one memory and two tables.
const CORE_INSTANCES: u32 = 4;
const MEMORIES: u32 = 1;
const TABLES: u32 = 3;
const TABLES_PER_MODULE: u32 = 2;

/// See the module.
pub struct Sandbox {
    pub config: RuntimeConfig,
    pub engine: Engine,
    pub ticker: Option<Ticker>,
    pub linker: Linker<CallState>,
    room: Arc<Semaphore>,
}

/// What of the sandbox is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occupancy {
    /// Calls under way.
    pub calls: u32,
    /// Calls that may be under way at once.
    pub calls_at_once: u32,
    /// Instances in the pool: no more than calls, and none left behind by those that ended.
    pub instances: u64,
}

impl Sandbox {
    /// Reserves address space for every call that may run at once, and memory for none.
    pub fn new(config: RuntimeConfig) -> Result<Sandbox, RuntimeError> {
        let engine_error = |error: wasmtime::Error| RuntimeError::Engine {
            calls: config.calls_at_once(),
            message: format!("{error:#}"),
        };
        let engine = Engine::new(&engine_config(&config)?).map_err(engine_error)?;
        let mut linker = Linker::new(&engine);
        Plugin::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut CallState| state).map_err(engine_error)?;
        let ticker = match config.processor {
            Processor::Ticks { every, .. } => Some(Ticker::start(&engine, every)?),
            Processor::Fuel { .. } => None,
        };
        let room = Arc::new(Semaphore::new(config.calls_at_once() as usize));
        Ok(Sandbox {
            config,
            engine,
            ticker,
            linker,
            room,
        })
    }

    /// What is in use right now.
    pub fn occupancy(&self) -> Occupancy {
        let calls_at_once = self.config.calls_at_once();
        let free = u32::try_from(self.room.available_permits()).unwrap_or(calls_at_once);
        let metrics = self.engine.pooling_allocator_metrics();
        Occupancy {
            calls: calls_at_once.saturating_sub(free),
            calls_at_once,
            instances: metrics.map_or(0, |metrics| metrics.component_instances()),
        }
    }

    /// Waits for room. The permit has to outlive the call's store.
    pub async fn admit(&self) -> Result<OwnedSemaphorePermit, CallError> {
        let patience = self.config.clock.deadline(self.config.admission_wait);
        let full = format!("{} calls were under way all the time", self.config.calls_at_once());
        match select(pin!(self.room.clone().acquire_owned()), patience).await {
            Either::Left((Ok(permit), _)) => Ok(permit),
            // The semaphore is never closed; were it, there would be no room either.
            Either::Left((Err(_), _)) | Either::Right(_) => Err(CallError::Unavailable { message: full }),
        }
    }
}

fn engine_config(config: &RuntimeConfig) -> Result<Config, RuntimeError> {
    let calls = config.calls_at_once();
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(calls)
        .total_core_instances(calls * CORE_INSTANCES)
        .total_memories(calls * MEMORIES)
        .total_tables(calls * TABLES)
        .total_stacks(calls)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_tables_per_module(TABLES_PER_MODULE)
        .max_memory_size(config.memory_per_call);

    let mut engine = Config::new();
    engine
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        // Exports are called one at a time, each in an instance of its own: half the cost of a call is saved.
        .concurrency_support(false);
    match config.processor {
        Processor::Ticks { .. } => engine.epoch_interruption(true),
        Processor::Fuel { .. } => engine.consume_fuel(true),
    };
    if let Some(folder) = &config.compilation_cache {
        let refused = |message: String| RuntimeError::Cache { message };
        let mut cache = CacheConfig::new();
        cache.with_directory(std::path::absolute(folder).map_err(|error| refused(error.to_string()))?);
        engine.cache(Some(Cache::new(cache).map_err(|error| refused(format!("{error:#}")))?));
    }
    Ok(engine)
}
