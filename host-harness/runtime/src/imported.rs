//! What a guest's imports run: the limits of each call, then the implementation that the embedder gave in [`Imports`].
//! Responsible for handles, and for moving on every request under way while the guest waits in any import, so that an `Http`
//! need not spawn. The rule: what an export may not use is refused here, whatever the embedder gave.

mod around;
mod http;
mod storage;

use crate::config::RuntimeConfig;
use crate::error::SandboxLimitExceeded;
use crate::handles::Handles;
use crate::imports::Imports;
use crate::memory::Memory;
use backup_seams::Clock;
use std::sync::Arc;

/// The export under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Export {
    Describe,
    Check,
    PlanBackup,
    PlanRestore,
    RunBatch,
    Decide,
    ReadQuota,
    MigrateState,
}

impl Export {
    /// Its name in the contract.
    pub fn name(self) -> &'static str {
        match self {
            Export::Describe => "describe",
            Export::Check => "check",
            Export::PlanBackup => "plan-backup",
            Export::PlanRestore => "plan-restore",
            Export::RunBatch => "run-batch",
            Export::Decide => "decide",
            Export::ReadQuota => "read-quota",
            Export::MigrateState => "migrate-state",
        }
    }

    /// Whether `report` may be used.
    fn reports(self) -> bool {
        matches!(self, Export::PlanBackup | Export::PlanRestore | Export::RunBatch)
    }
}

/// The limits of single import calls, each as [`RuntimeConfig`] has it.
struct SandboxLimits {
    read: u32,
    entries: u32,
    append: usize,
    note: usize,
    value: usize,
}

/// What the store of one call holds.
pub struct CallState {
    /// Of this call.
    pub memory: Memory,
    export: Export,
    /// `None` in the exports that get none.
    imports: Option<Imports>,
    clock: Arc<dyn Clock>,
    handles: Handles,
    limits: SandboxLimits,
}

impl CallState {
    pub fn new(export: Export, imports: Option<Imports>, config: &RuntimeConfig) -> Self {
        CallState {
            memory: Memory::new(config.memory_per_call),
            export,
            imports,
            clock: config.clock.clone(),
            handles: Handles::new(config.handles),
            limits: SandboxLimits {
                read: config.read,
                entries: config.entries,
                append: config.append,
                note: config.note,
                value: config.value,
            },
        }
    }

    /// The imports, where this export has any, and what is under way beside them; `import` names what was called.
    fn parts(&mut self, import: &'static str) -> wasmtime::Result<(&mut Imports, &mut Handles)> {
        let export = self.export.name();
        match &mut self.imports {
            Some(imports) => Ok((imports, &mut self.handles)),
            None => Err(SandboxLimitExceeded::NotPermitted { import, export }.into()),
        }
    }

    /// Only the imports, for calls that never wait.
    fn imports(&mut self, import: &'static str) -> wasmtime::Result<&mut Imports> {
        Ok(self.parts(import)?.0)
    }
}
