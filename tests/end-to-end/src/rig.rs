use crate::components::compiled;
use crate::transport::{BeforeSend, Observed};
use crate::{SharedClock, component, folder};
use backup_runtime::{Runtime, RuntimeConfig};
use backup_seams::SeededRandomness;
use backup_store::{Actor, ConnectionName, Journal, LeaseOnly, Percent, Seams, Snapshot, SnapshotId, Store};
use bigdecimal::BigDecimal;
use fake_salesforce::oracle::OracleQuery;
use fake_salesforce::org::{FieldType, Scan};
use fake_salesforce::{Fake, Options};
use futures::StreamExt;
use host_harness::connections::ConnectionConfig;
use host_harness::credentials::SecretsFolder;
use host_harness::http::Limits;
use host_harness::jobs::{
    AddConnection, BackupRequest, BackupResult, BackupState, Host, HostParts, JobError, ObjectResult, RestoreRequest,
    RestoreResult, Silent,
};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// What a rig is built with.
pub struct RigOptions {
    /// The org and how it counts.
    pub fake: Options,
    /// The usage limit.
    pub limit: u8,
    /// Which component: `salesforce` or `hostile`.
    pub component: &'static str,
    /// More members of the connector's configuration.
    pub settings: Value,
    /// A store of the test's own, behind the seam; its clock has to be the fake's.
    pub backend: Option<Arc<dyn object_store::ObjectStore>>,
    /// Called before each request that is sent.
    pub before_send: Option<BeforeSend>,
}

impl RigOptions {
    /// The real connector at the usual limit. Files, a request each, are left out: most promises have nothing to do with them.
    pub fn of(fake: Options) -> RigOptions {
        RigOptions {
            fake,
            limit: 50,
            component: "salesforce",
            settings: json!({"api_version": "v62.0", "file_requests": 0}),
            backend: None,
            before_send: None,
        }
    }

    /// Files too.
    pub fn with_files(mut self) -> RigOptions {
        if let Some(settings) = self.settings.as_object_mut() {
            settings.remove("file_requests");
        }
        self
    }

    /// At another limit.
    pub fn limit(mut self, percent: u8) -> RigOptions {
        self.limit = percent;
        self
    }
}

/// One org, one host, one connection.
pub struct Rig {
    /// The org.
    pub fake: Fake,
    /// The host.
    pub host: Host,
    /// The connection.
    pub name: ConnectionName,
    /// The folder of the store, where it is one.
    pub data: PathBuf,
    folder: TempDir,
    settings: Value,
    component: &'static str,
}

impl Rig {
    /// Starts the org and adds the connection. Nothing is sent yet.
    pub async fn new(options: RigOptions) -> Rig {
        let fake = Fake::start(options.fake).unwrap();
        let folder = folder();
        let data = folder.path().join("data");
        let seams = seams(&fake);
        let store = match options.backend {
            Some(backend) => Store::with_backend(backend, Arc::new(LeaseOnly), seams).await.unwrap(),
            None => Store::open(data.to_str().unwrap(), seams).await.unwrap(),
        };
        let host = host(store, &folder.path().join("secrets"), &data, options.before_send);
        let name = "acme".parse().unwrap();
        let rig = Rig {
            fake,
            host,
            name,
            data,
            folder,
            settings: options.settings,
            component: options.component,
        };
        rig.add(&rig.host, &rig.name, options.limit).await;
        rig
    }

    /// Adds a connection on this org.
    pub async fn add(&self, host: &Host, name: &ConnectionName, limit: u8) {
        self.add_of(&self.fake, host, name, limit).await;
    }

    /// Adds a connection on another org.
    pub async fn add_of(&self, fake: &Fake, host: &Host, name: &ConnectionName, limit: u8) {
        let mut config = self.settings.clone();
        config["instance_url"] = json!(fake.url());
        config["usage_limit"] = json!(limit);
        config["auth"] = json!({"kind": "access-token", "token": fake.access_token()});
        let config = ConnectionConfig::parse(config.to_string().as_bytes()).unwrap();
        let add = AddConnection {
            name: name.clone(),
            config,
            connector: component(self.component),
            actor: Actor::host(),
        };
        host.add_connection(add).await.unwrap();
    }

    /// Another host on the same data, with locks of its own: what a second process is.
    pub async fn second_host(&self) -> Host {
        let store = Store::open(self.data.to_str().unwrap(), seams(&self.fake)).await.unwrap();
        host(store, &self.folder.path().join("secrets"), &self.data, None)
    }

    /// The same, where the machine's clock was set back.
    pub async fn second_host_behind(&self, behind_ms: i64) -> Host {
        let seams = Seams {
            clock: Arc::new(SharedClock::behind(self.fake.clock().clone(), behind_ms)),
            ..seams(&self.fake)
        };
        let store = Store::open(self.data.to_str().unwrap(), seams).await.unwrap();
        host(store, &self.folder.path().join("secrets"), &self.data, None)
    }

    /// Goes on with a store of the test's own, as a host that was just started.
    pub async fn reopen(&mut self, backend: Arc<dyn object_store::ObjectStore>) {
        let store = Store::with_backend(backend, Arc::new(LeaseOnly), seams(&self.fake))
            .await
            .unwrap();
        self.host = host(store, &self.folder.path().join("secrets"), &self.data, None);
    }

    /// A run by hand of all objects.
    pub async fn backup(&self) -> Result<BackupResult, JobError> {
        self.backup_with(&BackupRequest::default()).await
    }

    /// A run by hand.
    pub async fn backup_with(&self, request: &BackupRequest) -> Result<BackupResult, JobError> {
        self.host.backup(&self.name, &Actor::host(), request, &Silent).await
    }

    /// So long passes that the org may be asked again how many requests are used.
    pub fn until_asked_again(&self) {
        self.fake.clock().advance(31 * 60 * 1_000);
    }

    /// A run by hand that has to complete, and then to hold what the org has.
    pub async fn complete(&self) -> BackupResult {
        let result = self.backup().await.unwrap();
        assert_eq!((result.state, &result.failed), (BackupState::Complete, &None));
        self.assert_equals_org(&result).await;
        result
    }

    /// Restores by hand.
    pub async fn restore(&self, request: &RestoreRequest) -> Result<RestoreResult, JobError> {
        self.host.restore(&self.name, &Actor::host(), request, &Silent).await
    }

    /// Sets the limit as another process would.
    pub async fn set_limit(&self, percent: u8) {
        let mut journal = self.journal().await;
        let now = self.host.store().seams().clock.now();
        journal
            .set_usage_limit(&Actor::host(), Percent::new(percent).unwrap(), None, now)
            .await
            .unwrap();
    }

    /// The journal as it is now.
    pub async fn journal(&self) -> Journal {
        Journal::open(self.host.store(), &self.name).await.unwrap()
    }

    /// What is committed of a snapshot.
    pub async fn snapshot(&self, id: &str) -> Snapshot {
        let journal = self.journal().await;
        let id: SnapshotId = id.parse().unwrap();
        Snapshot::open(self.host.store(), &self.name, journal.state(), id)
            .await
            .unwrap()
    }

    /// Records of each object of a snapshot, as lines.
    pub async fn records(&self, snapshot: &str) -> BTreeMap<String, Vec<String>> {
        let snapshot = self.snapshot(snapshot).await;
        let mut records = BTreeMap::new();
        for object in snapshot.fold().objects.keys() {
            let mut lines = Vec::new();
            let mut rows = snapshot.rows(object);
            while let Some(row) = rows.next().await {
                lines.push(canonical(std::str::from_utf8(&row.unwrap().body).unwrap()));
            }
            records.insert(object.to_string(), lines);
        }
        records
    }

    /// Asserts that a snapshot holds every record of every object that isn't skipped, with every value that the org has, and no
    /// other; and that the result has their number.
    pub async fn assert_equals_org(&self, result: &BackupResult) {
        let mut read = self.records(&result.snapshot).await;
        for ObjectResult {
            name, state, records, ..
        } in &result.objects
        {
            if *state == backup_store::ObjectState::Skipped {
                continue;
            }
            let found: BTreeSet<String> = read.remove(name).unwrap_or_default().into_iter().collect();
            assert_eq!(*records, found.len() as u64, "{name}: the number that is told");
            let expected: BTreeSet<String> = self.oracle(name).into_iter().collect();
            let missing = expected.difference(&found).next();
            let extra = found.difference(&expected).next();
            assert!(
                missing.is_none() && extra.is_none(),
                "{name}: {} records in the org, {} in the snapshot; the org has {missing:?}, the snapshot has {extra:?}",
                expected.len(),
                found.len()
            );
        }
    }

    /// What the org has of an object, as a backup should hold it: all but deleted rows, archived ones too, without base64 bodies.
    pub fn oracle(&self, object: &str) -> Vec<String> {
        Rig::oracle_of(&self.fake, object)
    }

    /// The same of any org.
    pub fn oracle_of(fake: &Fake, object: &str) -> Vec<String> {
        // Compound fields repeat what their parts say, and bodies are blobs.
        let left_out = [FieldType::Address, FieldType::Location, FieldType::Base64];
        let viewer = fake.user();
        let org = fake.org().read().unwrap();
        let object_of_org = org.object(object).unwrap();
        let visible = object_of_org.visible_fields(&viewer).map(|(_, field)| field);
        let fields = visible
            .filter(|field| !left_out.contains(&field.kind))
            .map(|field| field.name.to_string())
            .collect();
        drop(org);
        let scan = Scan {
            deleted: false,
            archived: true,
        };
        lines(&fake.oracle_of(
            object,
            &OracleQuery {
                scan,
                fields: Some(fields),
                ..OracleQuery::default()
            },
        ))
    }

    /// Counted requests of ours that the org has seen.
    pub fn counted(&self) -> u64 {
        self.fake.totals().client
    }

    /// The folder of the data.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Records of a text, one a line, in the form that [`canonical`] gives them.
pub fn lines(text: &[u8]) -> Vec<String> {
    std::str::from_utf8(text).unwrap().lines().map(canonical).collect()
}

/// A record so that two of the same values are the same text: members by name, numbers by their value, all of their digits kept.
fn canonical(record: &str) -> String {
    let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(record).unwrap();
    let values = members.into_iter().map(|(name, value)| {
        let text = value.get();
        let value = match text.parse::<BigDecimal>() {
            Ok(number) => number.normalized().to_string(),
            Err(_) => match serde_json::from_str::<String>(text) {
                Ok(text) => Value::from(text).to_string(),
                Err(_) => text.to_owned(),
            },
        };
        format!("{name}={value}")
    });
    values.collect::<Vec<_>>().join(" ")
}

fn seams(fake: &Fake) -> Seams {
    Seams {
        clock: Arc::new(SharedClock::new(fake.clock().clone())),
        randomness: Arc::new(SeededRandomness::new(7)),
    }
}

fn host(store: Store, secrets: &Path, data: &Path, before_send: Option<BeforeSend>) -> Host {
    let clock = Arc::clone(&store.seams().clock);
    Host::new(HostParts {
        store,
        runtime: Runtime::new(RuntimeConfig {
            clock,
            compilation_cache: Some(compiled()),
            ..RuntimeConfig::default()
        })
        .unwrap(),
        transport: Arc::new(Observed::new(before_send)),
        secrets: SecretsFolder::locate(Some(secrets), data.to_str().unwrap()).unwrap(),
        http_limits: Limits::default(),
        name: "test".to_owned(),
    })
}
