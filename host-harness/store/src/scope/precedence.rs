//! Who goes first in a scope: a restore says that it is under way, and a backup makes room for it.
//!
//! A note beside the scope's journal, on any store. It is renewed for as long as its restore lives and void soon after, so that one
//! that died holds nobody up. It grants nothing: who may send, the claim says.

use crate::backend::Store;
use crate::error::StoreError;
use crate::names::{Scope, TenantName};
use backup_seams::Timestamp;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a note is believed.
const VALID: Duration = Duration::from_secs(60);
/// When it is renewed; well before that, since clocks differ.
const RENEWED: Duration = Duration::from_secs(15);

/// How often a note may be replaced while it is looked at.
const TRIES: u32 = 10;

/// A restore's word that it goes first.
#[derive(Debug)]
pub struct Precedence {
    store: Store,
    dir: Path,
    /// Who, for people.
    by: String,
    last: Option<(Timestamp, Path)>,
}

#[derive(Serialize, Deserialize)]
struct PrecedenceNote {
    by: String,
}

impl Precedence {
    /// Of a restore in this scope. Nothing is said yet.
    pub fn new(store: &Store, tenant: &TenantName, scope: &Scope, by: String) -> Precedence {
        Precedence {
            store: store.clone(),
            dir: dir(store, tenant, scope),
            by,
            last: None,
        }
    }

    /// Says that it is under way, unless that was said a moment ago.
    pub async fn renew(&mut self) -> Result<(), StoreError> {
        let now = self.store.clock().now();
        if self.last.as_ref().is_some_and(|(at, _)| now.since(*at) < RENEWED) {
            return Ok(());
        }
        if self.last.is_none() {
            for (path, _) in notes(&self.store, &self.dir)
                .await?
                .into_iter()
                .filter(|(_, at)| is_void(*at, now))
            {
                self.store.delete(&path).await?;
            }
        }
        let path = self.dir.clone().join(format!("{:013}-{}.json", now.0, self.store.nonce()));
        let note = PrecedenceNote { by: self.by.clone() };
        let note = serde_json::to_vec(&note).map_err(|error| StoreError::State(error.to_string()))?;
        self.store.create(&path, note.into()).await?;
        if let Some((_, before)) = self.last.replace((now, path)) {
            self.store.delete(&before).await?;
        }
        Ok(())
    }

    /// Takes it back: nobody has to wait any more, for those neither that died before. One that lives renews its own.
    pub async fn withdraw(&mut self) -> Result<(), StoreError> {
        if self.last.take().is_some() {
            for (path, _) in notes(&self.store, &self.dir).await? {
                self.store.delete(&path).await?;
            }
        }
        Ok(())
    }
}

/// The restore that goes first in a scope now, if there is one: who it is, for people.
pub async fn preceding(store: &Store, tenant: &TenantName, scope: &Scope) -> Result<Option<String>, StoreError> {
    for _ in 0..TRIES {
        let now = store.clock().now();
        let mut renewed = false;
        for (path, at) in notes(store, &dir(store, tenant, scope)).await? {
            if is_void(at, now) {
                continue;
            }
            match store.read(&path).await? {
                // What can't be read holds nobody up.
                Some(bytes) => match serde_json::from_slice(&bytes) {
                    Ok(PrecedenceNote { by }) => return Ok(Some(by)),
                    Err(error) => tracing::warn!(%path, %error, "not a note"),
                },
                // Taken back, or there is a newer one by now.
                None => renewed = true,
            }
        }
        if !renewed {
            break;
        }
    }
    Ok(None)
}

fn dir(store: &Store, tenant: &TenantName, scope: &Scope) -> Path {
    store.scope_dir(tenant, scope).join("first")
}

/// All notes, and when each was written.
async fn notes(store: &Store, dir: &Path) -> Result<Vec<(Path, Timestamp)>, StoreError> {
    let names = store.list(dir).await?.into_iter().map(|(name, _)| name);
    let written = |name: &str| Some(Timestamp(name.split_once('-')?.0.parse().ok()?));
    Ok(names
        .filter_map(|name| Some((dir.clone().join(name.as_str()), written(&name)?)))
        .collect())
}

/// Another host's clock may be ahead by as much as it may be behind.
fn is_void(at: Timestamp, now: Timestamp) -> bool {
    now.since(at).max(at.since(now)) >= VALID
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::fixture::{Fixture, claim, connection, scope};

    async fn seen(store: &Store) -> Option<String> {
        preceding(store, connection().tenant(), &scope()).await.unwrap()
    }

    #[tokio::test]
    async fn a_note_holds_as_long_as_it_is_renewed_and_not_much_longer() {
        let fixture = Fixture::new(1);
        let (ours, theirs) = (fixture.leased_store().await, fixture.leased_store().await);
        let mut first = Precedence::new(&ours, connection().tenant(), &scope(), "a restore".to_owned());
        assert_eq!(seen(&theirs).await, None);
        for _ in 0..20 {
            first.renew().await.unwrap();
            fixture.clock.advance(Duration::from_secs(20));
            assert_eq!(seen(&theirs).await.as_deref(), Some("a restore"));
        }
        // Its host dies.
        drop(first);
        fixture.clock.advance(VALID);
        assert_eq!(seen(&theirs).await, None);
        let mut second = Precedence::new(&ours, connection().tenant(), &scope(), "another".to_owned());
        second.renew().await.unwrap();
        let notes = || async {
            notes(&ours, &dir(&ours, connection().tenant(), &scope()))
                .await
                .unwrap()
                .len()
        };
        assert_eq!(notes().await, 1, "what the dead one left is gone");
        // The next one dies sooner than its note is void, and is followed by one that comes to its end.
        drop(second);
        let mut third = Precedence::new(&ours, connection().tenant(), &scope(), "a third".to_owned());
        third.renew().await.unwrap();
        assert_eq!(notes().await, 2);
        third.withdraw().await.unwrap();
        assert_eq!((seen(&theirs).await, notes().await), (None, 0));
    }

    #[tokio::test]
    async fn a_note_is_no_entry_of_the_scopes_journal() {
        let fixture = Fixture::new(2);
        let store = fixture.store().await.unwrap();
        let mut held = claim(&store).await.unwrap();
        let mut first = Precedence::new(&store, connection().tenant(), &scope(), "a restore".to_owned());
        first.renew().await.unwrap();
        let spending = held.spending();
        held.release(spending).await.unwrap();
        let mut again = claim(&store).await.unwrap();
        let spending = again.spending();
        again.release(spending).await.unwrap();
        let verified = crate::verify::verify(&store, &connection()).await.unwrap();
        assert_eq!(verified.damages, []);
    }
}
