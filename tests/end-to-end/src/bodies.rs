//! Files of an org, and whether a snapshot holds them.

use crate::Rig;
use backup_store::Snapshot;
use fake_salesforce::Fake;
use fake_salesforce::org::{FieldType, Scan};
use futures::TryStreamExt;
use host_harness::jobs::BackupResult;
use std::collections::BTreeMap;

/// Bodies that an org has: object, Id and field, and their bytes.
pub fn bodies(fake: &Fake) -> BTreeMap<(String, String, String), Vec<u8>> {
    let viewer = fake.user();
    let org = fake.org().read().unwrap().clone();
    let scan = Scan {
        deleted: false,
        archived: true,
    };
    let mut bodies = BTreeMap::new();
    for object in org.objects() {
        let fields: Vec<String> = object
            .visible_fields(&viewer)
            .filter(|(_, field)| field.kind == FieldType::Base64)
            .map(|(_, field)| field.name.to_string())
            .collect();
        for field in fields {
            for row in object.rows(&viewer, scan) {
                if let Some(blob) = fake.body(object.name(), row.id(), &field)
                    && blob.length() > 0
                {
                    let bytes = blob.read(0, usize::try_from(blob.length()).unwrap());
                    bodies.insert(
                        (object.name().to_string(), row.id().to_string(), field.clone()),
                        bytes.to_vec(),
                    );
                }
            }
        }
    }
    bodies
}

impl Rig {
    /// Asserts that a snapshot holds the body of every file of the org, and no other body of these fields.
    pub async fn assert_files_equal_org(&self, result: &BackupResult) {
        let snapshot = self.snapshot(&result.snapshot).await;
        for ((object, id, field), bytes) in bodies(&self.fake) {
            let held = snapshot
                .blobs_of(&object.parse().unwrap(), std::slice::from_ref(&id))
                .remove(0);
            let of_field = format!("{object}/{id}/{field}/");
            let keys: Vec<&String> = held
                .iter()
                .map(|blob| &blob.key)
                .filter(|key| key.starts_with(&of_field))
                .collect();
            let [key] = keys.as_slice() else {
                panic!("{of_field}: {keys:?}");
            };
            assert!(body(&snapshot, key).await == bytes, "{key} has other bytes than the org");
        }
    }
}

async fn body(snapshot: &Snapshot, key: &str) -> Vec<u8> {
    let parts = snapshot.blob(key).unwrap().stream().await.unwrap();
    let parts: Vec<_> = parts.try_collect().await.unwrap();
    parts.concat()
}
