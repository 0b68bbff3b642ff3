//! What a platform opens first: it loads components into a sandbox that all of them share.

use crate::CONTRACT_VERSION;
use crate::bindings::PluginPre;
use crate::config::RuntimeConfig;
use crate::connector::Connector;
use crate::error::{LoadError, RuntimeError};
use crate::gate;
use crate::sandbox::{Occupancy, Sandbox};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;
use wasmtime::component::Component;

/// Loads connectors and runs their calls. Cloning gives another handle on the same sandbox.
#[derive(Clone)]
pub struct Runtime {
    sandbox: Arc<Sandbox>,
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
        let sandbox = Arc::new(Sandbox::new(config)?);
        Ok(Runtime { sandbox })
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
        let component = Component::new(&self.sandbox.engine, bytes).map_err(|error| LoadError::Compile {
            message: format!("{error:#}"),
        })?;
        let ready = self.sandbox.linker.instantiate_pre(&component).map_err(does_not_fit)?;
        let ready = PluginPre::new(ready).map_err(does_not_fit)?;
        let digest = hex::encode(Sha256::digest(bytes));
        Connector::probe(self.sandbox.clone(), ready, digest).await
    }

    /// The limits in force.
    pub fn config(&self) -> &RuntimeConfig {
        &self.sandbox.config
    }

    /// What is in use right now.
    pub fn occupancy(&self) -> Occupancy {
        self.sandbox.occupancy()
    }
}
