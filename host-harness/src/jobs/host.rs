//! A host: the store, the sandbox and the network that all jobs share, and what needs no claim — connections and their limits.

use super::error::JobError;
use crate::connections::{ChangedConfig, ConfigChange, ConfigError, ConnectionConfig, unread_members};
use crate::credentials::SecretsFolder;
use crate::http::{Limits, Transport};
use backup_runtime::{Connector, Runtime};
use backup_store::{Actor, ConnectionName, Event, Journal, Sha256, Store};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a host is made of. All four seams are in here: clock and randomness (in the store's), object store, transport.
pub struct HostParts {
    /// Where everything durable is.
    pub store: Store,
    /// Where connectors run.
    pub runtime: Runtime,
    /// The network.
    pub transport: Arc<dyn Transport>,
    /// Where secrets are.
    pub secrets: SecretsFolder,
    /// What one request may take.
    pub http_limits: Limits,
    /// This host, for people: name and process.
    pub name: String,
}

/// Runs jobs. Cheap to clone.
#[derive(Clone)]
pub struct Host {
    pub(super) parts: Arc<HostParts>,
    loaded: Arc<tokio::sync::Mutex<BTreeMap<String, Connector>>>,
}

/// What a connection is added with.
pub struct AddConnection {
    /// A name that no connection of its tenant has.
    pub name: ConnectionName,
    /// Its configuration.
    pub config: ConnectionConfig,
    /// The component's bytes. The connection is pinned to them.
    pub connector: Vec<u8>,
    /// Who adds it.
    pub actor: Actor,
}

/// What a connection's configuration is changed by.
pub struct SetConnection {
    /// A connection that is there.
    pub name: ConnectionName,
    /// The change.
    pub change: ConfigChange,
    /// Who changes it.
    pub actor: Actor,
}

impl Host {
    /// A host of these parts.
    pub fn new(parts: HostParts) -> Host {
        Host {
            parts: Arc::new(parts),
            loaded: Arc::default(),
        }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.parts.store
    }

    /// Adds a connection. Sends nothing: configuration and component are checked, secrets go to their folder, the rest into the
    /// journal.
    pub async fn add_connection(&self, add: AddConnection) -> Result<(), JobError> {
        let AddConnection {
            name,
            config,
            connector,
            actor,
        } = add;
        let mut journal = Journal::open(self.store(), &name).await?;
        if journal.state().exists() {
            return Err(JobError::ConnectionExists(name));
        }
        let loaded = self.load(&connector).await?;
        let description = loaded.description().clone();
        config.check_schema(&description.configuration_schema)?;
        let digest = self.store().put_component(connector.into()).await?;
        self.parts
            .secrets
            .store_config_auth(name.tenant().as_str(), name.connection(), &config.auth)?;
        let added = Event::ConnectionAdded {
            config: config.without_secrets(),
            usage_limit: config.usage_limit,
        };
        journal.append(&actor, added).await?;
        let installed = Event::ConnectorInstalled {
            name: description.name,
            version: description.version,
            digest,
        };
        journal.append(&actor, installed).await?;
        Ok(())
    }

    /// Changes a connection's configuration, for jobs that begin from now on. Sends nothing; snapshots and what goes on from them
    /// stay. False where it is as it was.
    pub async fn set_connection(&self, set: SetConnection) -> Result<bool, JobError> {
        let SetConnection { name, change, actor } = set;
        let mut journal = self.journal(&name).await?;
        let schema = self.schema(&name, &journal).await?;
        let before = journal.state().config().cloned().unwrap_or_default();
        let ChangedConfig { kept, auth } = ChangedConfig::of(&before, journal.state().lasting_limit(), &change, &schema)?;
        if kept == before && auth.is_none() {
            return Ok(false);
        }
        if let Some(auth) = auth {
            let secrets = &self.parts.secrets;
            secrets.store_config_auth(name.tenant().as_str(), name.connection(), &auth)?;
        }
        journal.append(&actor, Event::ConnectionChanged { config: kept }).await?;
        Ok(true)
    }

    /// Members of a connection's configuration that nobody reads: an older version took them.
    pub async fn unread_members(&self, name: &ConnectionName) -> Result<Vec<ConfigError>, JobError> {
        let journal = self.journal(name).await?;
        let schema = self.schema(name, &journal).await?;
        let unread = journal.state().config().map(|kept| unread_members(kept, &schema));
        Ok(unread.unwrap_or_default())
    }

    async fn schema(&self, name: &ConnectionName, journal: &Journal) -> Result<String, JobError> {
        let digest = journal.state().connector();
        let digest = digest.ok_or_else(|| JobError::NoConnection(name.clone()))?;
        let connector = self.connector(name, digest).await?;
        Ok(connector.description().configuration_schema.clone())
    }

    /// Removes a connection: it is no longer used and its secrets are forgotten. What it stored stays readable.
    pub async fn remove_connection(&self, name: &ConnectionName, actor: &Actor) -> Result<(), JobError> {
        let mut journal = self.journal(name).await?;
        journal.append(actor, Event::ConnectionRemoved).await?;
        self.parts.secrets.remove(name.tenant().as_str(), name.connection())?;
        Ok(())
    }

    /// The journal of a connection that exists.
    pub async fn journal(&self, name: &ConnectionName) -> Result<Journal, JobError> {
        let journal = Journal::open(self.store(), name).await?;
        if !journal.state().exists() {
            return Err(JobError::NoConnection(name.clone()));
        }
        Ok(journal)
    }

    /// The connector that a connection is pinned to.
    pub(super) async fn connector(&self, name: &ConnectionName, digest: Sha256) -> Result<Connector, JobError> {
        if let Some(loaded) = self.loaded.lock().await.get(&digest.to_string()) {
            return Ok(loaded.clone());
        }
        let component = self.store().component(digest).await?;
        let component = component.ok_or_else(|| JobError::NoComponent {
            digest,
            connection: name.clone(),
        })?;
        self.load(&component).await
    }

    async fn load(&self, component: &[u8]) -> Result<Connector, JobError> {
        let connector = self.parts.runtime.load(component).await?;
        self.loaded
            .lock()
            .await
            .insert(connector.digest().to_owned(), connector.clone());
        Ok(connector)
    }
}
