#![allow(clippy::unwrap_used)]
use super::*;
use crate::testing::fixture::{Fixture, add, connection};
use crate::testing::{Fault, FaultyStore};
use object_store::memory::InMemory;

#[tokio::test]
async fn objects_in_a_folder_are_there_in_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let seams = Fixture::new(1).seams().clone();
    for location in [
        folder.path().to_str().unwrap().to_owned(),
        format!("file://{}", folder.path().display()),
    ] {
        let store = Store::open(&location, seams.clone()).await.unwrap();
        let mut journal = crate::Journal::open(&store, &connection()).await.unwrap();
        add(&mut journal).await.unwrap();
        assert_eq!(store.connections().await.unwrap(), [connection()]);
    }
    let format = std::fs::read_to_string(folder.path().join("format.json")).unwrap();
    assert_eq!(format, r#"{"format":1,"min_reader":1}"#);
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(
        !names.iter().any(|name| name.to_str().unwrap().starts_with("probe")),
        "{names:?}"
    );
}

#[tokio::test]
async fn a_folder_that_its_url_has_to_escape_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let seams = Fixture::new(1).seams().clone();
    let location = format!("file://{}/of%20acme", folder.path().display());
    assert!(matches!(
        Store::open_existing(&location, seams.clone()).await,
        Err(StoreError::NoStore(_))
    ));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "reading makes nothing");
    Store::open(&location, seams.clone()).await.unwrap();
    let store = Store::open_existing(&location, seams).await.unwrap();
    assert_eq!(
        store.folder(),
        Some(folder.path().canonicalize().unwrap().join("of acme").as_path())
    );
}

#[tokio::test]
async fn a_location_that_can_not_be_a_store_is_refused_with_the_reason() {
    let seams = Fixture::new(2).seams().clone();
    for (location, reason) in [("ftp://host/x", "is not known"), ("http://[", "address")] {
        let refused = Store::open(location, seams.clone()).await.unwrap_err().to_string();
        assert!(refused.contains(location) && refused.contains(reason), "{refused}");
    }
}

/// A store without conditional writes: every put succeeds.
#[derive(Debug)]
struct Careless(InMemory);

impl std::fmt::Display for Careless {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Careless")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Careless {
    async fn put_opts(
        &self,
        path: &Path,
        payload: object_store::PutPayload,
        _: object_store::PutOptions,
    ) -> object_store::Result<object_store::PutResult> {
        self.0.put_opts(path, payload, object_store::PutMode::Overwrite.into()).await
    }
    async fn put_multipart_opts(
        &self,
        path: &Path,
        opts: object_store::PutMultipartOptions,
    ) -> object_store::Result<Box<dyn object_store::MultipartUpload>> {
        self.0.put_multipart_opts(path, opts).await
    }
    async fn get_opts(&self, path: &Path, options: object_store::GetOptions) -> object_store::Result<object_store::GetResult> {
        self.0.get_opts(path, options).await
    }
    fn delete_stream(
        &self,
        paths: futures::stream::BoxStream<'static, object_store::Result<Path>>,
    ) -> futures::stream::BoxStream<'static, object_store::Result<Path>> {
        self.0.delete_stream(paths)
    }
    fn list(
        &self,
        prefix: Option<&Path>,
    ) -> futures::stream::BoxStream<'static, object_store::Result<object_store::ObjectMeta>> {
        self.0.list(prefix)
    }
    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<object_store::ListResult> {
        self.0.list_with_delimiter(prefix).await
    }
    async fn copy_opts(&self, from: &Path, to: &Path, options: object_store::CopyOptions) -> object_store::Result<()> {
        self.0.copy_opts(from, to, options).await
    }
}

#[tokio::test]
async fn a_store_that_creates_one_key_twice_is_refused() {
    let careless = Arc::new(Careless(InMemory::new()));
    let refused = Store::with_backend(careless, Arc::new(LeaseOnly), Fixture::new(3).seams().clone()).await;
    assert!(matches!(refused, Err(StoreError::Refused { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_store_of_a_newer_format_is_left_alone() {
    let backend = FaultyStore::new();
    backend
        .overwrite(&Path::from("format.json"), r#"{"format":3,"min_reader":2}"#.into())
        .await;
    let refused = Store::with_backend(backend, Arc::new(LeaseOnly), Fixture::new(4).seams().clone()).await;
    assert!(
        matches!(refused, Err(StoreError::NewerFormat { format: 2, reads: 1 })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_write_that_may_yet_arrive_is_said_to_be_unsettled() {
    let fixture = Fixture::new(5);
    let store = fixture.store().await.unwrap();
    fixture.backend.fail_every(1, Fault::ConflictWithNothingStored);
    let unsettled = store.create(&Path::from("a"), "x".into()).await;
    assert!(matches!(unsettled, Err(StoreError::Unsettled { .. })), "{unsettled:?}");
    assert_eq!(fixture.backend.writes(), 5, "bounded");
}
