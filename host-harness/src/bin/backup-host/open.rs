//! From global arguments to a host: the real clock, randomness, network and store.

use crate::args::Global;
use crate::failure::CommandError;
use backup_runtime::{Runtime, RuntimeConfig};
use backup_seams::{Clock, SystemClock, SystemRandomness};
use backup_store::{Actor, ConnectionName, Journal, Seams, Store};
use host_harness::credentials::SecretsFolder;
use host_harness::http::{Limits, Network};
use host_harness::jobs::{Host, HostParts};
use std::path::PathBuf;
use std::sync::Arc;

/// How a host of the command line calls itself, before its process id.
pub const PROCESS: &str = "process ";

/// What commands work with. Reading commands get by with the store.
pub struct Opened {
    pub store: Store,
    place: String,
    secrets: Option<PathBuf>,
    data: String,
}

impl Opened {
    /// `may_make`: where there is no store yet, one is made.
    pub async fn open(global: &Global, may_make: bool) -> Result<Opened, CommandError> {
        let seams = Seams {
            clock: Arc::new(SystemClock),
            randomness: Arc::new(SystemRandomness),
        };
        let store = if may_make {
            Store::open(&global.data, seams).await?
        } else {
            Store::open_existing(&global.data, seams).await?
        };
        let place = store
            .folder()
            .map_or_else(|| global.data.clone(), |folder| folder.display().to_string());
        Ok(Opened {
            store,
            place,
            secrets: global.secrets.clone(),
            data: global.data.clone(),
        })
    }

    /// Who works on a store, for people.
    pub fn host_name() -> String {
        format!("{PROCESS}{}", std::process::id())
    }

    /// Where everything is, for people.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The whole host, for commands that run a connector.
    pub fn host(&self) -> Result<Host, CommandError> {
        let secrets =
            SecretsFolder::locate(self.secrets.as_deref(), &self.data).map_err(|e| CommandError::failed(e.to_string()))?;
        // Beside the secrets, where nobody else can write: what is kept there runs as native code.
        let compilation_cache = Some(secrets.path().join("compiled"));
        let runtime = Runtime::new(RuntimeConfig {
            compilation_cache,
            ..RuntimeConfig::default()
        });
        let runtime = runtime.map_err(|e| CommandError::failed(e.to_string()))?;
        let transport = Network::new().map_err(|e| CommandError::failed(e.to_string()))?;
        Ok(Host::new(HostParts {
            store: self.store.clone(),
            runtime,
            transport: Arc::new(transport),
            secrets,
            http_limits: Limits::default(),
            name: Opened::host_name(),
        }))
    }

    /// The journal of a connection that exists.
    pub async fn journal(&self, name: &ConnectionName) -> Result<Journal, CommandError> {
        let journal = Journal::open(&self.store, name).await?;
        if !journal.state().exists() && journal.entries().is_empty() {
            return Err(CommandError::unknown(name));
        }
        Ok(journal)
    }

    pub fn clock(&self) -> &dyn Clock {
        &*self.store.seams().clock
    }
}

/// Who runs the command, for the audit trail.
pub fn actor(by: Option<&str>) -> Actor {
    let user = || std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).ok();
    Actor(
        by.map(str::to_owned)
            .or_else(user)
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| "command line".to_owned()),
    )
}

/// The connector's bytes: the file that was named, or the component that stands beside this program.
pub fn connector(named: Option<&PathBuf>) -> Result<Vec<u8>, CommandError> {
    let path = match named {
        Some(path) => path.clone(),
        None => {
            let program = std::env::current_exe()
                .map_err(|e| CommandError::failed(format!("this program's own place is not known: {e}")))?;
            program.with_file_name("salesforce.wasm")
        }
    };
    std::fs::read(&path).map_err(|error| {
        let text = format!(
            "the connector {} can't be read ({error}); build it with `cargo xtask build`, or name one with --connector",
            path.display()
        );
        CommandError::failed(text)
    })
}
