//! Whether the source still is the one that the connection is of. A run asks once, with the first request that it sends anyway;
//! the rule: nothing of another one is committed, and nothing more is sent to it.

use backup_store::Scope;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What one run knows of the source's identity.
#[derive(Debug)]
pub(super) struct Identity {
    known: Option<Scope>,
    seen: Mutex<SeenSource>,
}

#[derive(Debug)]
enum SeenSource {
    /// Nobody has asked in this run.
    Nothing,
    /// It is the known one.
    Same,
    /// It is another one.
    Other(String),
}

impl Identity {
    /// Of a connection whose scope is known, or not yet; to be confirmed by this run.
    pub(super) fn unconfirmed(known: Option<Scope>) -> Identity {
        Identity {
            known,
            seen: Mutex::new(SeenSource::Nothing),
        }
    }

    /// What the source has just said that it is.
    pub(super) fn confirmed(scope: Scope) -> Identity {
        Identity {
            known: Some(scope),
            seen: Mutex::new(SeenSource::Same),
        }
    }

    /// The scope that is still to be confirmed.
    pub(super) fn to_confirm(&self) -> Option<String> {
        match *self.seen() {
            SeenSource::Nothing => self.known.as_ref().map(ToString::to_string),
            SeenSource::Same | SeenSource::Other(_) => None,
        }
    }

    /// The source says that it is this one. False where it is another than the known one; that stands for the rest of the run.
    pub(super) fn confirm(&self, scope: &str) -> bool {
        let mut seen = self.seen();
        if matches!(*seen, SeenSource::Other(_)) {
            return false;
        }
        let same = self.known.as_ref().is_none_or(|known| known.to_string() == scope);
        *seen = if same {
            SeenSource::Same
        } else {
            SeenSource::Other(scope.to_owned())
        };
        same
    }

    /// The known scope, and the other one that the source says it is.
    pub(super) fn other(&self) -> Option<(Scope, String)> {
        match (&*self.seen(), &self.known) {
            (SeenSource::Other(other), Some(known)) => Some((known.clone(), other.clone())),
            _ => None,
        }
    }

    fn seen(&self) -> MutexGuard<'_, SeenSource> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_org_is_confirmed_once_and_another_one_stays_refused() {
        let known: Scope = "00D1".parse().unwrap();
        let identity = Identity::unconfirmed(Some(known.clone()));
        assert_eq!(identity.to_confirm(), Some("00D1".to_owned()));
        assert!(identity.confirm("00D1"));
        assert_eq!(identity.to_confirm(), None);
        assert!(!identity.confirm("00D2"));
        assert!(!identity.confirm("00D1"), "it was another one in this run");
        assert_eq!(identity.other(), Some((known, "00D2".to_owned())));
    }

    #[test]
    fn a_connection_that_knows_no_org_has_none_to_confirm() {
        let identity = Identity::unconfirmed(None);
        assert_eq!(identity.to_confirm(), None);
        assert!(identity.confirm("00D1"));
        assert_eq!(identity.other(), None);
    }
}
