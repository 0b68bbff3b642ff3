//! Asks a store at first use whether creating a key that exists fails. Everything rests on that: two hosts that both "win" an
//! entry of a log would both go on.

use super::Store;
use crate::error::StoreError;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutMode, PutPayload};

pub(super) async fn refuse_a_store_that_creates_twice(store: &Store, location: &str) -> Result<(), StoreError> {
    let path = Path::from(format!("probe-{}", store.nonce()));
    store.create(&path, "first".into()).await?;
    let second = store
        .backend()
        .put_opts(&path, PutPayload::from_static(b"second"), PutMode::Create.into())
        .await;
    // Whether it said so or did so: both show a store that doesn't keep the promise.
    let kept = second.is_err() && store.read(&path).await?.as_deref() == Some(b"first");
    // A leftover probe key does no harm.
    let _ = store.backend().delete(&path).await;
    if kept {
        Ok(())
    } else {
        Err(StoreError::Refused {
            location: location.to_owned(),
            why: "it lets one key be created twice (PUT with `If-None-Match: *`), so two hosts could overwrite each other; use a \
                  store that has conditional writes"
                .to_owned(),
        })
    }
}
