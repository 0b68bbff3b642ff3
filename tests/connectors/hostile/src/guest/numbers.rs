//! Numbers, wherever the contract wants one that says what is: of objects, rows, readings, pauses and restores. The rule: what is
//! sent stays as it is, so that only what is told differs from a connector that behaves.

use super::backup::connector::report::{self, Outcome, Tally};
use super::backup::connector::storage;
use super::backup::connector::types::{Checkpoint, ConnectorError, NamedValue, Reading, ReadingSource};
use super::configuration::{Behaviour, Configuration};
use super::exports::backup::connector::connector::{BatchResult, Next, Pause, Planned};
use super::{QUOTA, STATE_VERSION, failure};

/// An object of which nothing is stored.
const UNREAD: &str = "Unread";

/// A checkpoint of these bytes is a restore's.
const RESTORE: &[u8] = b"restore";

/// Whether that is what it is told to do.
pub fn are_told(configuration: &Configuration) -> bool {
    configuration.behaviour == Behaviour::TellNumbers
}

/// Of what there is to read, and what that takes.
pub fn of_a_plan(configuration: &Configuration) {
    let number = |place| configuration.number(place);
    for (object, first) in [(configuration.object.as_str(), 0), (UNREAD, 4)] {
        report::estimate(object, "by numbers", number(first), number(first + 1), number(first + 2));
        report::uncounted(object, "images", Some(number(first + 3)));
    }
    for (code, count) in [
        ("view-all-data-missing", number(8).to_string()),
        ("files-deferred", "-1".to_owned()),
    ] {
        let mut warning = failure(code, "a number of things is hidden");
        warning.details.push(NamedValue {
            name: "count".into(),
            value: count,
        });
        report::warning(&warning);
    }
    report::needed(number(9));
}

/// Requests that the next step takes; not none, since that would never end.
pub fn requests(configuration: &Configuration) -> u32 {
    as_u32(configuration.number(10)).max(1)
}

/// Of what was read, and a row that is gone.
pub fn of_a_batch(configuration: &Configuration, is_last: bool) -> Result<(), ConnectorError> {
    let number = |place| configuration.number(place);
    report::progress(&configuration.object, number(11), Some(number(12)));
    report::progress(UNREAD, number(13), Some(number(14)));
    let gone = storage::Tombstone {
        key: "gone".into(),
        at: number(15),
    };
    storage::bury(&configuration.object, &[gone]).map_err(|error| not_taken(&error))?;
    observe(configuration, "AnotherQuota", 16)?;
    if is_last {
        report::finished(UNREAD);
        // From here on nothing may be sent, or anything.
        observe(configuration, QUOTA, 20)?;
    }
    Ok(())
}

/// The revision of a row.
pub fn revision(configuration: &Configuration, position: u64) -> u64 {
    if are_told(configuration) {
        configuration.number(usize::try_from(position).unwrap_or_default())
    } else {
        position
    }
}

/// Why nothing may be sent.
pub fn pause(configuration: &Configuration) -> Pause {
    Pause {
        reason: "usage-limit".into(),
        used: configuration.number(24),
        max: configuration.number(25),
        ceiling: configuration.number(26),
        recheck_after: as_u32(configuration.number(27)),
    }
}

/// Of what would be restored.
pub fn of_a_restore(configuration: &Configuration) -> Planned {
    report::estimate(&configuration.object, "by numbers", configuration.number(28), 1, 1);
    report::expected(&configuration.object, tally(configuration, 29));
    report::expected(UNREAD, tally(configuration, 35));
    report::needed(configuration.number(41));
    Planned::Ready(BatchResult {
        at: Checkpoint {
            state_version: STATE_VERSION,
            data: RESTORE.to_vec(),
        },
        next: Next::Batch(requests(configuration)),
    })
}

/// Of what was restored, where this is a restore's batch.
pub fn restored(configuration: &Configuration, at: &Checkpoint) -> Option<BatchResult> {
    if at.data != RESTORE {
        return None;
    }
    report::restored(&configuration.object, tally(configuration, 42));
    report::restored(UNREAD, tally(configuration, 48));
    let why = failure("differs", "it reads back with another value");
    report::record_outcome(&configuration.object, "1", Outcome::Differs, &why);
    report::needed(configuration.number(54));
    Some(BatchResult {
        at: at.clone(),
        next: Next::Done,
    })
}

fn tally(configuration: &Configuration, first: usize) -> Tally {
    let number = |place| configuration.number(first + place);
    Tally {
        created: number(0),
        updated: number(1),
        relinked: number(2),
        skipped: number(3),
        failed: number(4),
        ambiguous: number(5),
    }
}

fn observe(configuration: &Configuration, quota: &str, first: usize) -> Result<(), ConnectorError> {
    let number = |place| configuration.number(first + place);
    let reading = Reading {
        quota: quota.into(),
        used: number(0),
        max: number(1),
        observed_at: number(2),
        source: ReadingSource::ResponseHeader,
        request: Some(number(3)),
    };
    storage::observe(&reading).map_err(|error| not_taken(&error))
}

fn not_taken(error: &storage::StorageError) -> ConnectorError {
    ConnectorError::Host(failure("not-taken", format!("{error:?}")))
}

fn as_u32(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
