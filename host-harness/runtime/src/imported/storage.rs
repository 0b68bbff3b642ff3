//! Interface `storage`: the checks of [`crate::limits`] before each call, and in `decide` nothing but the two functions that it
//! may use.

use super::{CallState, Export};
use crate::bindings::{storage, types};
use crate::handles::SnapshotHandle;
use crate::limits;
use backup_contract::{HeldBlob, Note, Row, StorageError, Tombstone};
use bytes::Bytes;
use wasmtime::Result as Trappable;
use wasmtime::component::Resource;

/// What storage answers, inside what may trap.
type Answer<T> = Trappable<Result<T, storage::StorageError>>;

/// Passes a check's refusal to the guest, as the answer to its call.
macro_rules! check {
    ($check:expr) => {
        if let Err(refused) = $check {
            return Ok(Err(refused.into()));
        }
    };
}

impl CallState {
    /// Refuses, in `decide`, what it may not use. Traps where there are no imports at all.
    fn beyond_deciding(&mut self, import: &'static str) -> Trappable<Result<(), StorageError>> {
        self.imports(import)?;
        if self.export == Export::Decide {
            let text = format!("`{import}` may not be used in `decide`");
            return Ok(Err(StorageError::other("not-permitted", text)));
        }
        Ok(Ok(()))
    }
}

impl storage::Host for CallState {
    async fn append(&mut self, object: String, rows: Vec<storage::Row>) -> Answer<()> {
        check!(self.beyond_deciding("storage.append")?);
        let rows: Vec<Row> = rows.into_iter().map(Row::from).collect();
        check!(limits::object(&object));
        check!(limits::rows(&rows, self.limits.append));
        let (imports, handles) = self.parts("storage.append")?;
        let appended = handles.pendings.beside(imports.storage.append(&object, rows)).await;
        Ok(appended.map_err(Into::into))
    }

    async fn bury(&mut self, object: String, rows: Vec<storage::Tombstone>) -> Answer<()> {
        check!(self.beyond_deciding("storage.bury")?);
        let rows: Vec<Tombstone> = rows.into_iter().map(Tombstone::from).collect();
        check!(limits::object(&object));
        check!(limits::tombstones(&rows));
        let (imports, handles) = self.parts("storage.bury")?;
        let buried = handles.pendings.beside(imports.storage.bury(&object, rows)).await;
        Ok(buried.map_err(Into::into))
    }

    async fn annotate(&mut self, notes: Vec<storage::Note>) -> Answer<()> {
        check!(self.beyond_deciding("storage.annotate")?);
        let notes: Vec<Note> = notes.into_iter().map(Note::from).collect();
        check!(limits::notes(&notes, self.limits.note));
        let (imports, handles) = self.parts("storage.annotate")?;
        let annotated = handles.pendings.beside(imports.storage.annotate(notes)).await;
        Ok(annotated.map_err(Into::into))
    }

    async fn replace_inherited(&mut self, object: String) -> Answer<()> {
        check!(self.beyond_deciding("storage.replace-inherited")?);
        check!(limits::object(&object));
        let (imports, handles) = self.parts("storage.replace-inherited")?;
        let replaced = handles.pendings.beside(imports.storage.replace_inherited(&object)).await;
        Ok(replaced.map_err(Into::into))
    }

    async fn reuse_blob(&mut self, key: String) -> Answer<Option<u64>> {
        check!(self.beyond_deciding("storage.reuse-blob")?);
        let (imports, handles) = self.parts("storage.reuse-blob")?;
        let reused = handles.pendings.beside(imports.storage.reuse_blob(&key)).await;
        Ok(reused.map_err(Into::into))
    }

    async fn drop_blob(&mut self, key: String) -> Answer<()> {
        check!(self.beyond_deciding("storage.drop-blob")?);
        let (imports, handles) = self.parts("storage.drop-blob")?;
        let dropped = handles.pendings.beside(imports.storage.drop_blob(&key)).await;
        Ok(dropped.map_err(Into::into))
    }

    async fn read_blob(&mut self, key: String, offset: u64, max: u32) -> Answer<Vec<u8>> {
        check!(self.beyond_deciding("storage.read-blob")?);
        let max = max.min(self.limits.read);
        let (imports, handles) = self.parts("storage.read-blob")?;
        let read = handles.pendings.beside(imports.storage.read_blob(&key, offset, max)).await;
        Ok(read.map(Vec::from).map_err(Into::into))
    }

    async fn open(&mut self, of: storage::Which) -> Answer<Option<Resource<SnapshotHandle>>> {
        check!(self.beyond_deciding("storage.open")?);
        let handle = self.handles.reserve()?;
        let (imports, handles) = self.parts("storage.open")?;
        let opened = handles.pendings.beside(imports.storage.open(of.into())).await;
        if let Ok(Some(snapshot)) = opened {
            handles.fill(&handle, snapshot)?;
            return Ok(Ok(Some(handle)));
        }
        handles.release(handle)?;
        Ok(opened.map(|_| None).map_err(Into::into))
    }

    async fn put(&mut self, entries: Vec<storage::Entry>) -> Answer<()> {
        check!(self.beyond_deciding("storage.put")?);
        for entry in &entries {
            check!(limits::value(&entry.key, entry.value.as_deref(), self.limits.value));
        }
        let entries = entries
            .into_iter()
            .map(|entry| (entry.key, entry.value.map(Bytes::from)))
            .collect();
        let (imports, handles) = self.parts("storage.put")?;
        let put = handles.pendings.beside(imports.storage.put(entries)).await;
        Ok(put.map_err(Into::into))
    }

    async fn get(&mut self, keys: Vec<String>) -> Answer<Vec<Option<Vec<u8>>>> {
        check!(self.beyond_deciding("storage.get")?);
        check!(keys.iter().try_for_each(|key| limits::value_key(key)));
        let (imports, handles) = self.parts("storage.get")?;
        let got = handles.pendings.beside(imports.storage.get(keys)).await;
        let owned = |values: Vec<Option<Bytes>>| values.into_iter().map(|value| value.map(Vec::from)).collect();
        Ok(got.map(owned).map_err(Into::into))
    }

    async fn keys(&mut self, prefix: String, after: String, max: u32) -> Answer<Vec<String>> {
        check!(self.beyond_deciding("storage.keys")?);
        let max = max.min(self.limits.entries);
        let (imports, handles) = self.parts("storage.keys")?;
        let keys = handles.pendings.beside(imports.storage.keys(&prefix, &after, max)).await;
        Ok(keys.map_err(Into::into))
    }

    async fn observe(&mut self, what: types::Reading) -> Answer<()> {
        check!(self.beyond_deciding("storage.observe")?);
        let (imports, handles) = self.parts("storage.observe")?;
        let observed = handles.pendings.beside(imports.storage.observe(what.into())).await;
        Ok(observed.map_err(Into::into))
    }

    async fn readings(&mut self) -> Answer<Vec<storage::Standing>> {
        let (imports, handles) = self.parts("storage.readings")?;
        let readings = handles.pendings.beside(imports.storage.readings()).await;
        let converted = readings.map(|all| all.into_iter().map(storage::Standing::from).collect());
        Ok(converted.map_err(Into::into))
    }

    async fn own_requests(&mut self, hours: u32) -> Answer<Vec<storage::Hour>> {
        let hours = hours.min(self.limits.entries);
        let (imports, handles) = self.parts("storage.own-requests")?;
        let sent = handles.pendings.beside(imports.storage.own_requests(hours)).await;
        let converted = sent.map(|all| all.into_iter().map(storage::Hour::from).collect());
        Ok(converted.map_err(Into::into))
    }
}

impl storage::HostSnapshot for CallState {
    async fn objects(&mut self, snapshot: Resource<SnapshotHandle>) -> Answer<Vec<String>> {
        let (snapshot, pendings) = self.handles.open(&snapshot)?;
        let objects = pendings.beside(snapshot.objects()).await;
        Ok(objects.map_err(Into::into))
    }

    async fn damaged(&mut self, snapshot: Resource<SnapshotHandle>) -> Answer<Vec<String>> {
        let (snapshot, pendings) = self.handles.open(&snapshot)?;
        let damaged = pendings.beside(snapshot.damaged()).await;
        Ok(damaged.map_err(Into::into))
    }

    async fn read(
        &mut self,
        snapshot: Resource<SnapshotHandle>,
        object: String,
        cursor: String,
        max: u32,
    ) -> Answer<(Vec<storage::Row>, String)> {
        check!(limits::object(&object));
        let max = max.min(self.limits.entries);
        let (snapshot, pendings) = self.handles.open(&snapshot)?;
        let read = pendings.beside(snapshot.read(&object, &cursor, max)).await;
        let converted = read.map(|(rows, next)| (rows.into_iter().map(storage::Row::from).collect(), next));
        Ok(converted.map_err(Into::into))
    }

    async fn find(
        &mut self,
        snapshot: Resource<SnapshotHandle>,
        object: String,
        keys: Vec<String>,
    ) -> Answer<Vec<Option<storage::Row>>> {
        check!(limits::object(&object));
        let (snapshot, pendings) = self.handles.open(&snapshot)?;
        let found = pendings.beside(snapshot.find(&object, keys)).await;
        let converted = found.map(|rows| rows.into_iter().map(|row| row.map(storage::Row::from)).collect());
        Ok(converted.map_err(Into::into))
    }

    async fn notes(&mut self, snapshot: Resource<SnapshotHandle>, keys: Vec<String>) -> Answer<Vec<Option<Vec<u8>>>> {
        let (snapshot, pendings) = self.handles.open(&snapshot)?;
        let found = pendings.beside(snapshot.notes(keys)).await;
        let owned = |notes: Vec<Option<Bytes>>| notes.into_iter().map(|note| note.map(Vec::from)).collect();
        Ok(found.map(owned).map_err(Into::into))
    }

    async fn blobs(
        &mut self,
        snapshot: Resource<SnapshotHandle>,
        object: String,
        keys: Vec<String>,
    ) -> Answer<Vec<Vec<storage::HeldBlob>>> {
        check!(limits::object(&object));
        let (snapshot, pendings) = self.handles.open(&snapshot)?;
        let held = pendings.beside(snapshot.blobs(&object, keys)).await;
        let converted = held.map(|rows| {
            let row = |blobs: Vec<HeldBlob>| blobs.into_iter().map(storage::HeldBlob::from).collect();
            rows.into_iter().map(row).collect()
        });
        Ok(converted.map_err(Into::into))
    }

    async fn drop(&mut self, snapshot: Resource<SnapshotHandle>) -> Trappable<()> {
        Ok(self.handles.release(snapshot)?)
    }
}
