//! The sandbox that all connectors of a host share: engine, instance pool, admission and ticks. The rule: nothing runs that
//! wasn't admitted, so the pool is never asked for more than it has.

use crate::CONTRACT_VERSION;
use crate::bindings::{Plugin, PluginPre};
use crate::config::{Processor, RuntimeConfig};
use crate::connector::Connector;
use crate::error::{CallError, LoadError, RuntimeError};
use crate::gate;
use crate::imported::CallState;
use crate::processor::Ticker;
use futures::future::{Either, select};
use sha2::{Digest, Sha256};
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Cache, CacheConfig, Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// What one component may consist of. One built with `wit-component` has three core instances, one memory and two tables.
const CORE_INSTANCES: u32 = 4;
const MEMORIES: u32 = 1;
const TABLES: u32 = 3;
const TABLES_PER_MODULE: u32 = 2;

/// Loads connectors and runs their calls. Cloning gives another handle on the same sandbox.
#[derive(Clone)]
pub struct Runtime {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) config: RuntimeConfig,
    pub(crate) engine: Engine,
    pub(crate) ticker: Option<Ticker>,
    linker: Linker<CallState>,
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

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("occupancy", &self.occupancy())
            .finish_non_exhaustive()
    }
}

impl Runtime {
    /// Sets the sandbox up. Reserves address space for every call that may run at once, and memory for none.
    pub fn new(config: RuntimeConfig) -> Result<Runtime, RuntimeError> {
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
        Ok(Runtime {
            shared: Arc::new(Shared {
                config,
                engine,
                ticker,
                linker,
                room,
            }),
        })
    }

    /// Checks, compiles and probes a component, and asks it to describe itself. Compiling takes some tenths of a second of the
    /// calling thread, and nothing where the compilation cache has it.
    ///
    /// The probe instantiates: a changed record in an export fits as long as nothing is instantiated.
    pub async fn load(&self, bytes: &[u8]) -> Result<Connector, LoadError> {
        gate::check_imports(bytes)?;
        let does_not_fit = |error: wasmtime::Error| LoadError::DoesNotFit {
            message: format!("{error:#}"),
            host: CONTRACT_VERSION,
        };
        let component = Component::new(&self.shared.engine, bytes).map_err(|error| LoadError::Compile {
            message: format!("{error:#}"),
        })?;
        let ready = self.shared.linker.instantiate_pre(&component).map_err(does_not_fit)?;
        let ready = PluginPre::new(ready).map_err(does_not_fit)?;
        let digest = hex::encode(Sha256::digest(bytes));
        Connector::probe(self.shared.clone(), ready, digest).await
    }

    /// The limits in force.
    pub fn config(&self) -> &RuntimeConfig {
        &self.shared.config
    }

    /// What is in use right now.
    pub fn occupancy(&self) -> Occupancy {
        let calls_at_once = self.shared.config.calls_at_once();
        let free = u32::try_from(self.shared.room.available_permits()).unwrap_or(calls_at_once);
        Occupancy {
            calls: calls_at_once.saturating_sub(free),
            calls_at_once,
            instances: self
                .shared
                .engine
                .pooling_allocator_metrics()
                .map_or(0, |m| m.component_instances()),
        }
    }
}

impl Shared {
    /// Waits for room. The permit has to outlive the call's store.
    pub(crate) async fn admit(&self) -> Result<OwnedSemaphorePermit, CallError> {
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
