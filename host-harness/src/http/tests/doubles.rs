//! What stands around the client in tests: a gate that counts, blobs in memory, and everything put together.
#![allow(clippy::unwrap_used)]

use crate::credentials::{Auth, Credentials, CredentialsParts, SecretsFolder};
use crate::http::{
    BlobBody, BlobSink, Blobs, Client, ClientParts, Gate, Limits, Network, Origin, Transport, TransportError, TransportRequest,
    TransportResponse,
};
use async_trait::async_trait;
use backup_contract::{Body, Method, Request, SendError, StorageError};
use backup_runtime::imports::{Http, Response};
use backup_seams::{SeededRandomness, Timestamp, VirtualClock};
use bytes::Bytes;
use futures::StreamExt;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

/// Admits until its allowance is spent, and remembers everything.
#[derive(Default)]
pub(crate) struct CountingGate(Mutex<Count>);

#[derive(Clone, Debug, Default)]
pub(crate) struct Count {
    pub(crate) left: u32,
    /// Number and cost.
    pub(crate) admitted: Vec<(u64, u32)>,
    pub(crate) not_sent: Vec<u64>,
    pub(crate) answered: Vec<u64>,
}

impl CountingGate {
    pub(crate) fn new(left: u32) -> Arc<CountingGate> {
        Arc::new(CountingGate(Mutex::new(Count {
            left,
            ..Count::default()
        })))
    }

    pub(crate) fn count(&self) -> Count {
        self.0.lock().unwrap().clone()
    }

    /// Attempts that count, all of them settled.
    pub(crate) fn counted(&self) -> usize {
        let count = self.count();
        assert_eq!(count.admitted.len(), count.answered.len() + count.not_sent.len(), "{count:?}");
        count.answered.len()
    }
}

#[async_trait]
impl Gate for CountingGate {
    async fn admit(&self, cost: u32) -> Result<u64, SendError> {
        let mut count = self.0.lock().unwrap();
        count.left = count.left.checked_sub(cost).ok_or(SendError::AllowanceSpent)?;
        let number = count.admitted.len() as u64 + 1;
        count.admitted.push((number, cost));
        Ok(number)
    }

    fn not_sent(&self, number: u64) {
        let mut count = self.0.lock().unwrap();
        let cost = count.admitted.iter().find(|(admitted, _)| *admitted == number).unwrap().1;
        count.left += cost;
        count.not_sent.push(number);
    }

    fn answered(&self, number: u64) {
        self.0.lock().unwrap().answered.push(number);
    }
}

/// Blobs in memory; only finished ones are there.
#[derive(Clone, Default)]
pub(crate) struct MemoryBlobs(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl MemoryBlobs {
    pub(crate) fn put(&self, key: &str, bytes: &[u8]) {
        self.0.lock().unwrap().insert(key.to_owned(), bytes.to_vec());
    }

    pub(crate) fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.0.lock().unwrap().get(key).cloned()
    }
}

struct MemorySink {
    blobs: MemoryBlobs,
    key: String,
    bytes: Vec<u8>,
}

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn stage(&self, key: &str) -> Result<Box<dyn BlobSink>, StorageError> {
        Ok(Box::new(MemorySink {
            blobs: self.clone(),
            key: key.to_owned(),
            bytes: Vec::new(),
        }))
    }

    async fn open(&self, key: &str) -> Result<BlobBody, StorageError> {
        let bytes = self.get(key).ok_or_else(|| StorageError::BadName(format!("no blob {key}")))?;
        Ok(BlobBody {
            length: bytes.len() as u64,
            bytes: futures::stream::iter(
                bytes
                    .chunks(3)
                    .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
                    .collect::<Vec<_>>(),
            )
            .boxed(),
        })
    }
}

#[async_trait]
impl BlobSink for MemorySink {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<(), StorageError> {
        self.blobs.put(&self.key, &self.bytes);
        Ok(())
    }
}

/// The network, where the first sends don't get through.
#[derive(Debug)]
pub(crate) struct Unreachable {
    network: Network,
    times: AtomicU32,
}

impl Unreachable {
    pub(crate) fn for_the_first(times: u32) -> Arc<Unreachable> {
        Arc::new(Unreachable {
            network: Network::new().unwrap(),
            times: AtomicU32::new(times),
        })
    }
}

#[async_trait]
impl Transport for Unreachable {
    async fn send(&self, request: TransportRequest) -> Result<TransportResponse, TransportError> {
        let left = self
            .times
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |times| times.checked_sub(1));
        match left {
            Ok(_) => Err(TransportError::NotSent("no route".to_owned())),
            Err(_) => self.network.send(request).await,
        }
    }
}

/// A client with everything it needs.
pub(crate) struct Bench {
    pub(crate) gate: Arc<CountingGate>,
    pub(crate) blobs: MemoryBlobs,
    pub(crate) clock: Arc<VirtualClock>,
    pub(crate) limits: Limits,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) auth: serde_json::Value,
    pub(crate) origin: Option<String>,
    pub(crate) secrets: tempfile::TempDir,
}

/// 2026-11-24, as good as any.
pub(crate) const START: Timestamp = Timestamp(1_795_500_000_000);

impl Bench {
    /// An access-token connection to `origin` with an allowance of 1,000.
    pub(crate) fn new(origin: &str) -> Bench {
        Bench {
            gate: CountingGate::new(1_000),
            blobs: MemoryBlobs::default(),
            clock: Arc::new(VirtualClock::new(START)),
            limits: Limits::default(),
            transport: Arc::new(Network::new().unwrap()),
            auth: serde_json::json!({ "kind": "access-token", "token": "00D-token" }),
            origin: Some(origin.to_owned()),
            secrets: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn allowance(mut self, left: u32) -> Bench {
        self.gate = CountingGate::new(left);
        self
    }

    /// The credentials of this connection, as a host that just started has them.
    pub(crate) fn credentials(&self) -> Credentials {
        let folder = SecretsFolder::locate(Some(self.secrets.path()), "s3://bucket").unwrap();
        let auth = Auth::parse(&self.auth).unwrap();
        if folder.load("default", "acme").unwrap().is_none() {
            folder.store_config_auth("default", "acme", &auth).unwrap();
        }
        Credentials::new(CredentialsParts {
            auth,
            origin: self.origin.as_deref().map(|origin| Origin::parse(origin).unwrap()),
            vault: folder.vault("default", "acme").unwrap(),
            transport: Arc::clone(&self.transport),
            clock: self.clock.clone(),
            randomness: Arc::new(SeededRandomness::new(1)),
        })
    }

    pub(crate) fn client(&self) -> Client {
        self.client_with(self.gate.clone())
    }

    pub(crate) fn client_with(&self, gate: Arc<dyn Gate>) -> Client {
        self.client_of(gate, Arc::new(self.blobs.clone()))
    }

    /// With blobs of another kind than those in memory.
    pub(crate) fn client_of(&self, gate: Arc<dyn Gate>, blobs: Arc<dyn Blobs>) -> Client {
        Client::new(ClientParts {
            transport: Arc::clone(&self.transport),
            credentials: Arc::new(self.credentials()),
            gate,
            blobs,
            clock: self.clock.clone(),
            randomness: Arc::new(SeededRandomness::new(2)),
            limits: self.limits,
        })
    }

    /// Sends one request and waits for its answer.
    pub(crate) async fn send(&self, request: Request) -> Result<Box<dyn Response>, SendError> {
        self.client().start(request).await?.finish().await
    }
}

pub(crate) fn get(path: &str) -> Request {
    Request {
        method: Method::Get,
        path: path.to_owned(),
        headers: Vec::new(),
        body: Body::None,
        cost: 1,
        repeatable: true,
        options: Vec::new(),
    }
}

/// A POST that may be sent once only.
pub(crate) fn post(path: &str, body: &str) -> Request {
    Request {
        method: Method::Post,
        body: Body::Bytes(body.as_bytes().to_vec()),
        repeatable: false,
        ..get(path)
    }
}

/// The whole body.
pub(crate) async fn body(response: &mut Box<dyn Response>) -> Result<Vec<u8>, SendError> {
    let mut body = Vec::new();
    loop {
        let piece = response.read(64 << 10).await?;
        if piece.is_empty() {
            return Ok(body);
        }
        body.extend_from_slice(&piece);
    }
}

/// What went wrong; there is no `Debug` of an answer.
pub(crate) fn error<T>(outcome: Result<T, SendError>) -> SendError {
    match outcome {
        Ok(_) => panic!("it was answered"),
        Err(error) => error,
    }
}
