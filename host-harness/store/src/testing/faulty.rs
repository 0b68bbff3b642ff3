//! An object store that misbehaves as real ones do, on demand and reproducibly. What it holds is in memory.

use crate::names::Sha256;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What happens to a put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is stored, and the answer is 500.
    ErrorAfterStoring,
    /// It is stored, and the answer says that it existed (the client's own retry came second).
    AlreadyExistsOnOwnWrite,
    /// Nothing is stored, and the answer says that it exists.
    ConflictWithNothingStored,
    /// The answer is 500, and it is stored after the next put has begun.
    LateWrite,
    /// Nothing is stored: no room.
    Full,
}

/// When a host dies at a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// It was not stored.
    Before,
    /// It was stored, and the host never knew.
    After,
}

#[derive(Debug, Default)]
struct State {
    writes: u64,
    every: Option<(u64, Fault)>,
    crash: Option<(u64, Crash)>,
    crashed: bool,
    unsorted: bool,
    keeps: bool,
    late: Vec<(Path, PutPayload)>,
}

/// The double. Writes are counted from 1: puts, completed uploads and deletions.
#[derive(Debug, Default)]
pub struct FaultyStore {
    inner: InMemory,
    state: Arc<Mutex<State>>,
}

impl std::fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FaultyStore")
    }
}

/// What is to be done with a write.
enum Admitted {
    Plain,
    Faulty(Fault),
    /// The host dies here.
    Dies(Crash),
}

impl FaultyStore {
    /// An empty one, without faults.
    pub fn new() -> Arc<FaultyStore> {
        Arc::default()
    }

    /// From now on every `k`-th write suffers this; rollups, which are caches, neither suffer nor count.
    pub fn fail_every(&self, k: u64, fault: Fault) {
        let mut state = self.state();
        state.writes = 0;
        state.every = Some((k, fault));
    }

    /// The host dies at the `n`-th write from now: that one is stored or not, and nothing answers any more.
    pub fn crash_at(&self, n: u64, crash: Crash) {
        let mut state = self.state();
        state.writes = 0;
        state.crash = Some((n, crash));
    }

    /// No more faults; a new host finds what was stored. Late writes arrive now.
    pub async fn heal(&self) {
        self.arrive_late().await;
        let mut state = self.state();
        let unsorted = state.unsorted;
        *state = State {
            unsorted,
            ..State::default()
        };
    }

    /// Lists come in an order that has nothing to do with names.
    pub fn list_unsorted(&self) {
        self.state().unsorted = true;
    }

    /// Nothing can be deleted from now on.
    pub fn refuse_deletions(&self) {
        self.state().keeps = true;
    }

    /// Writes since the last call that set a fault.
    pub fn writes(&self) -> u64 {
        self.state().writes
    }

    /// Whether it crashed as told.
    pub fn has_crashed(&self) -> bool {
        self.state().crashed
    }

    /// Everything that is stored, sorted.
    pub async fn paths(&self) -> Vec<Path> {
        let mut paths: Vec<Path> = self
            .inner
            .list(None)
            .filter_map(async |found| Some(found.ok()?.location))
            .collect()
            .await;
        paths.sort();
        paths
    }

    /// What is stored there, as it is.
    pub async fn content(&self, path: &Path) -> Option<Bytes> {
        self.inner.get(path).await.ok()?.bytes().await.ok()
    }

    /// Stores something there behind everybody's back: damage, or its repair.
    pub async fn overwrite(&self, path: &Path, content: Bytes) {
        // Putting to memory doesn't fail.
        let _ = self.inner.put(path, content.into()).await;
    }

    /// Removes something behind everybody's back.
    pub async fn lose(&self, path: &Path) {
        // It may be gone already.
        let _ = self.inner.delete(path).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self, path: &Path) -> Result<Admitted> {
        admit(&self.state, path)
    }

    fn refuse_after_crash(&self) -> Result<()> {
        if self.state().crashed {
            Err(generic(io::ErrorKind::ConnectionReset))
        } else {
            Ok(())
        }
    }

    async fn arrive_late(&self) {
        let late = std::mem::take(&mut self.state().late);
        for (path, payload) in late {
            // A late conditional write is still conditional.
            let _ = self.inner.put_opts(&path, payload, PutMode::Create.into()).await;
        }
    }
}

fn admit(state: &Mutex<State>, path: &Path) -> Result<Admitted> {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    if state.crashed {
        return Err(generic(io::ErrorKind::ConnectionReset));
    }
    // A cache that isn't written is no failure, and would prove nothing.
    if state.every.is_some() && path.as_ref().contains("/rollup/") {
        return Ok(Admitted::Plain);
    }
    state.writes += 1;
    let writes = state.writes;
    if let Some((n, crash)) = state.crash
        && writes == n
    {
        state.crashed = true;
        return Ok(Admitted::Dies(crash));
    }
    match state.every {
        Some((k, fault)) if writes.is_multiple_of(k) => Ok(Admitted::Faulty(fault)),
        _ => Ok(Admitted::Plain),
    }
}

fn generic(kind: io::ErrorKind) -> Error {
    Error::Generic {
        store: "FaultyStore",
        source: Box::new(io::Error::from(kind)),
    }
}

fn exists(path: &Path) -> Error {
    Error::AlreadyExists {
        path: path.to_string(),
        source: Box::new(io::Error::from(io::ErrorKind::AlreadyExists)),
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        // Lets two hosts in one test take turns.
        tokio::task::yield_now().await;
        let admitted = self.admit(path)?;
        self.arrive_late().await;
        match admitted {
            Admitted::Plain => self.inner.put_opts(path, payload, opts).await,
            Admitted::Dies(Crash::Before) => Err(generic(io::ErrorKind::ConnectionReset)),
            Admitted::Dies(Crash::After) | Admitted::Faulty(Fault::ErrorAfterStoring) => {
                self.inner.put_opts(path, payload, opts).await?;
                Err(generic(io::ErrorKind::ConnectionReset))
            }
            Admitted::Faulty(Fault::AlreadyExistsOnOwnWrite) => {
                self.inner.put_opts(path, payload, opts).await?;
                Err(exists(path))
            }
            Admitted::Faulty(Fault::ConflictWithNothingStored) => Err(exists(path)),
            Admitted::Faulty(Fault::LateWrite) => {
                self.state().late.push((path.clone(), payload));
                Err(generic(io::ErrorKind::TimedOut))
            }
            Admitted::Faulty(Fault::Full) => Err(generic(io::ErrorKind::StorageFull)),
        }
    }

    async fn put_multipart_opts(&self, path: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.refuse_after_crash()?;
        Ok(Box::new(FaultyUpload {
            inner: self.inner.put_multipart_opts(path, opts).await?,
            path: path.clone(),
            state: Arc::clone(&self.state),
        }))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        tokio::task::yield_now().await;
        self.refuse_after_crash()?;
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let state = Arc::clone(&self.state);
        let admitted = paths.map(move |path| {
            let path = path?;
            if state.lock().unwrap_or_else(PoisonError::into_inner).keeps {
                return Err(generic(io::ErrorKind::PermissionDenied));
            }
            match admit(&state, &path)? {
                Admitted::Plain => Ok(path),
                _ => Err(generic(io::ErrorKind::ConnectionReset)),
            }
        });
        self.inner.delete_stream(admitted.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        if let Err(error) = self.refuse_after_crash() {
            return futures::stream::iter([Err(error)]).boxed();
        }
        let listed = self.inner.list(prefix);
        if !self.state().unsorted {
            return listed;
        }
        let scrambled = async move {
            let mut all: Vec<ObjectMeta> = listed.try_collect().await?;
            all.sort_by_key(|meta| Sha256::of(meta.location.as_ref().as_bytes()));
            Ok::<_, Error>(futures::stream::iter(all.into_iter().map(Ok)))
        };
        futures::stream::once(scrambled).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.refuse_after_crash()?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.refuse_after_crash()?;
        self.inner.copy_opts(from, to, options).await
    }
}

/// An upload in parts; its completion is the write that can fail.
#[derive(Debug)]
struct FaultyUpload {
    inner: Box<dyn MultipartUpload>,
    path: Path,
    state: Arc<Mutex<State>>,
}

#[async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        match admit(&self.state, &self.path)? {
            Admitted::Plain => self.inner.complete().await,
            Admitted::Faulty(Fault::ErrorAfterStoring | Fault::AlreadyExistsOnOwnWrite) | Admitted::Dies(Crash::After) => {
                self.inner.complete().await?;
                Err(generic(io::ErrorKind::ConnectionReset))
            }
            Admitted::Faulty(Fault::Full) => Err(generic(io::ErrorKind::StorageFull)),
            Admitted::Faulty(_) | Admitted::Dies(Crash::Before) => Err(generic(io::ErrorKind::ConnectionReset)),
        }
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}
