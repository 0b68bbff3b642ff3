//! A loaded connector: one method for each export of the contract, each call in a fresh instance that is dropped afterwards.
//! Responsible for the three clocks around a call, and for saying which limit ended it. The rule: a kill drops the call's
//! future and its store together; nothing of an instance is ever entered again.

use crate::bindings::{Plugin, PluginPre};
use crate::config::Processor;
use crate::error::{CallError, LoadError, SandboxLimitExceeded};
use crate::gate;
use crate::imported::{CallState, Export};
use crate::imports::Imports;
use crate::memory::Memory;
use crate::processor::Meter;
use crate::sandbox::{Occupancy, Sandbox};
use backup_contract::{
    BackupOptions, BatchResult, Checked, Checkpoint, ConnectorError, Description, Planned, RestoreSelection, Verdict,
};
use futures::future::{BoxFuture, Either, FutureExt, select};
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, WasmBacktrace};

/// A component that is ready to run. Cloning gives another handle on it; calls may run at the same time.
#[derive(Clone)]
pub struct Connector {
    sandbox: Arc<Sandbox>,
    ready: PluginPre<CallState>,
    digest: Arc<str>,
    description: Arc<Description>,
    stats: Arc<Mutex<CallStats>>,
}

/// What a connector's calls used since it was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallStats {
    /// Calls that began.
    pub calls: u64,
    /// Of these, calls that were ended by a trap or at a limit.
    pub ended: u64,
    /// The most memory that one call held, bytes.
    pub peak_memory: usize,
    /// Processor time of all calls together, as counted by [`Processor::Ticks`].
    pub cpu: Duration,
    /// Fuel of all calls together, as counted by [`Processor::Fuel`].
    pub fuel: u64,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("name", &self.description.name)
            .field("version", &self.description.version)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

/// What a call gives: the connector's own answer, or why there is none.
type Answer<T> = Result<Result<T, ConnectorError>, CallError>;

impl Connector {
    /// Instantiates for the first time, and asks for the description.
    pub(crate) async fn probe(
        sandbox: Arc<Sandbox>,
        ready: PluginPre<CallState>,
        digest: String,
    ) -> Result<Connector, LoadError> {
        let mut connector = Connector {
            sandbox,
            ready,
            digest: digest.into(),
            description: Arc::new(Description::default()),
            stats: Arc::default(),
        };
        connector.instantiates().await?;
        let description = connector.describe().await.map_err(LoadError::Describe)?;
        gate::check_description(&description)?;
        connector.description = Arc::new(description);
        Ok(connector)
    }

    /// SHA-256 of the component's bytes, lower-case hex.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What it said of itself when it was loaded.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// What of the sandbox that it runs in is in use right now, by any connector.
    pub fn occupancy(&self) -> Occupancy {
        self.sandbox.occupancy()
    }

    /// What its calls used so far.
    pub fn stats(&self) -> CallStats {
        *self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it says of itself; asked in an instance without imports.
    pub async fn describe(&self) -> Result<Description, CallError> {
        let description = self.call(Export::Describe, None, |plugin, store| {
            plugin.backup_connector_connector().call_describe(store).boxed()
        });
        Ok(description.await?.into())
    }

    /// Asks the source who the connection is and what it may read.
    pub async fn check(&self, imports: Imports) -> Answer<Checked> {
        let checked = self.call(Export::Check, Some(imports), |plugin, store| {
            plugin.backup_connector_connector().call_check(store).boxed()
        });
        answer(checked.await?)
    }

    /// Plans a backup, as far as the allowance goes.
    pub async fn plan_backup(&self, imports: Imports, options: BackupOptions) -> Answer<Planned> {
        let options = options.into();
        let planned = self.call(Export::PlanBackup, Some(imports), |plugin, store| {
            async move { plugin.backup_connector_connector().call_plan_backup(store, &options).await }.boxed()
        });
        self.planned(answer(planned.await?))
    }

    /// Plans writing back, as far as the allowance goes.
    pub async fn plan_restore(&self, imports: Imports, selection: RestoreSelection) -> Answer<Planned> {
        let selection = selection.into();
        let planned = self.call(Export::PlanRestore, Some(imports), |plugin, store| {
            async move { plugin.backup_connector_connector().call_plan_restore(store, &selection).await }.boxed()
        });
        self.planned(answer(planned.await?))
    }

    /// Goes on from a checkpoint.
    pub async fn run_batch(&self, imports: Imports, at: Checkpoint) -> Answer<BatchResult> {
        let at = at.into();
        let result = self.call(Export::RunBatch, Some(imports), |plugin, store| {
            async move { plugin.backup_connector_connector().call_run_batch(store, &at).await }.boxed()
        });
        let result: Result<BatchResult, _> = answer(result.await?)?;
        if let Ok(result) = &result {
            self.checkpoint_fits(&result.at)?;
        }
        Ok(result)
    }

    /// May a step of `next_cost` requests be sent now? `http` is taken out of the imports.
    pub async fn decide(&self, imports: Imports, next_cost: u32) -> Answer<Verdict> {
        let imports = Imports { http: None, ..imports };
        let verdict = self.call(Export::Decide, Some(imports), move |plugin, store| {
            plugin.backup_connector_connector().call_decide(store, next_cost).boxed()
        });
        answer(verdict.await?)
    }

    /// One request that yields a reading.
    pub async fn read_quota(&self, imports: Imports) -> Answer<()> {
        let read = self.call(Export::ReadQuota, Some(imports), |plugin, store| {
            plugin.backup_connector_connector().call_read_quota(store).boxed()
        });
        Ok(read.await?.map_err(ConnectorError::from))
    }

    /// The same place in another state version; asked in an instance without imports.
    pub async fn migrate_state(&self, at: Checkpoint, to: u32) -> Answer<Checkpoint> {
        let at = at.into();
        let migrated = self.call(Export::MigrateState, None, move |plugin, store| {
            async move { plugin.backup_connector_connector().call_migrate_state(store, &at, to).await }.boxed()
        });
        let migrated: Result<Checkpoint, _> = answer(migrated.await?)?;
        if let Ok(checkpoint) = &migrated {
            self.checkpoint_fits(checkpoint)?;
        }
        Ok(migrated)
    }

    fn planned(&self, planned: Answer<Planned>) -> Answer<Planned> {
        if let Ok(Ok(Planned::Ready(first))) = &planned {
            self.checkpoint_fits(&first.at)?;
        }
        planned
    }

    fn checkpoint_fits(&self, checkpoint: &Checkpoint) -> Result<(), CallError> {
        let (bytes, limit) = (checkpoint.data.len(), self.sandbox.config.checkpoint);
        if bytes > limit {
            return Err(CallError::CheckpointTooLarge { bytes, limit });
        }
        Ok(())
    }

    /// Tells a component that doesn't fit the contract from one that traps: here only what wasmtime checks can fail.
    async fn instantiates(&self) -> Result<(), LoadError> {
        let _room = self.sandbox.admit().await.map_err(LoadError::Describe)?;
        let (mut store, _) = self.store(Export::Describe, None);
        match self.ready.instantiate_async(&mut store).await {
            Ok(_) => Ok(()),
            Err(error) if error.is::<Trap>() || error.is::<SandboxLimitExceeded>() => {
                Err(LoadError::Describe(self.judge(&error, &store)))
            }
            Err(error) => Err(LoadError::DoesNotFit {
                message: format!("{error:#}"),
                host: crate::CONTRACT_VERSION,
            }),
        }
    }

    /// Runs one export in an instance of its own, within its limits.
    async fn call<T: Send>(
        &self,
        export: Export,
        imports: Option<Imports>,
        run: impl for<'a> FnOnce(&'a Plugin, &'a mut Store<CallState>) -> BoxFuture<'a, wasmtime::Result<T>> + Send,
    ) -> Result<T, CallError> {
        // Dropped after the store, so that a slot of the pool is free before the next call is admitted.
        let _room = self.sandbox.admit().await?;
        let (mut store, meter) = self.store(export, imports);
        let wall_clock = self.sandbox.config.wall_clock;

        let outcome = {
            let mut work = pin!(async {
                let plugin = self.ready.instantiate_async(&mut store).await?;
                run(&plugin, &mut store).await
            });
            let metered = poll_fn(|cx| {
                let Some(meter) = &meter else { return work.as_mut().poll(cx) };
                meter.enter();
                let polled = work.as_mut().poll(cx);
                match meter.leave() {
                    // The time went into an import, where no epoch is looked at.
                    true if polled.is_pending() => Poll::Ready(Err(SandboxLimitExceeded::Cpu.into())),
                    _ => polled,
                }
            });
            match select(metered, self.sandbox.config.clock.deadline(wall_clock)).await {
                Either::Left((result, _)) => Some(result),
                Either::Right(((), _)) => None,
            }
        };
        let result = match outcome {
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) => Err(self.judge(&error, &store)),
            None => Err(CallError::WallClockExceeded { limit: wall_clock }),
        };
        self.count(export, &store, meter.as_ref(), result.as_ref().err());
        result
    }

    fn store(&self, export: Export, imports: Option<Imports>) -> (Store<CallState>, Option<Meter>) {
        let config = &self.sandbox.config;
        let mut store = Store::new(&self.sandbox.engine, CallState::new(export, imports, config));
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(config.host_call_data);
        store.set_max_component_handles(config.handles);
        match (config.processor, &self.sandbox.ticker) {
            (Processor::Ticks { limit, .. }, Some(ticker)) => {
                let meter = ticker.meter(limit);
                store.set_epoch_deadline(1);
                store.epoch_deadline_callback({
                    let meter = meter.clone();
                    move |_| meter.at_tick()
                });
                (store, Some(meter))
            }
            (Processor::Fuel { every, limit }, _) => {
                // Both fail only on an engine without fuel, or for a step of 0.
                let _ = store.set_fuel(limit);
                let _ = store.fuel_async_yield_interval(Some(every.max(1)));
                (store, None)
            }
            (Processor::Ticks { .. }, None) => unreachable!("`Runtime::new` starts a ticker for ticks"),
        }
    }

    /// Which limit an error of wasmtime stands for.
    fn judge(&self, error: &wasmtime::Error, store: &Store<CallState>) -> CallError {
        let config = &self.sandbox.config;
        let text = format!("{error:#}");
        let cpu = CallError::CpuExceeded { limit: config.processor };
        match error.downcast_ref::<SandboxLimitExceeded>() {
            Some(SandboxLimitExceeded::Cpu) => return cpu,
            Some(SandboxLimitExceeded::Handles) => return CallError::TooManyHandles { limit: config.handles },
            Some(&SandboxLimitExceeded::NotPermitted { import, export }) => return CallError::NotPermitted { import, export },
            Some(SandboxLimitExceeded::WaitAnyOfNothing | SandboxLimitExceeded::NoSuchHandle) | None => {}
        }
        if error.downcast_ref::<Trap>() == Some(&Trap::OutOfFuel) {
            return cpu;
        }
        if error.is::<PoolConcurrencyLimitError>() {
            return CallError::Unavailable { message: text };
        }
        // wasmtime has no public types for these two; the tests with the hostile connector hold the texts.
        if text.contains("fuel allocated for hostcalls has been exhausted") {
            return CallError::TooMuchData {
                limit: config.host_call_data,
            };
        }
        if text.contains("store handle limit exceeded") {
            return CallError::TooManyHandles { limit: config.handles };
        }
        if store.data().memory.refused() {
            return CallError::MemoryExceeded {
                limit: config.memory_per_call,
            };
        }
        CallError::Trapped {
            message: error.root_cause().to_string(),
            backtrace: error
                .downcast_ref::<WasmBacktrace>()
                .map(WasmBacktrace::to_string)
                .unwrap_or_default(),
        }
    }

    fn count(&self, export: Export, store: &Store<CallState>, meter: Option<&Meter>, error: Option<&CallError>) {
        let memory: &Memory = &store.data().memory;
        let cpu = meter.map(Meter::spent).unwrap_or_default();
        let fuel = match self.sandbox.config.processor {
            Processor::Fuel { limit, .. } => limit.saturating_sub(store.get_fuel().unwrap_or(limit)),
            Processor::Ticks { .. } => 0,
        };
        tracing::debug!(
            connector = self.description.name,
            export = export.name(),
            peak_memory = memory.peak(),
            cpu_ms = u64::try_from(cpu.as_millis()).unwrap_or(u64::MAX),
            error = error.map(tracing::field::display),
            "call ended"
        );
        let mut stats = self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        stats.calls += 1;
        stats.ended += u64::from(error.is_some());
        stats.peak_memory = stats.peak_memory.max(memory.peak());
        stats.cpu += cpu;
        stats.fuel += fuel;
    }
}

/// The connector's answer in this crate's types.
fn answer<A, B: From<A>, E>(answer: Result<A, E>) -> Answer<B>
where
    ConnectorError: From<E>,
{
    Ok(answer.map(B::from).map_err(ConnectorError::from))
}
