#![allow(clippy::unwrap_used)]
use crate::snapshot::{Difference, RecordChange, differences};
use crate::testing::fixture::{object, row, rows_of};
use crate::testing::host::{Host, batch};
use crate::{Snapshot, SnapshotId};
use backup_contract::{Row, Tombstone};
use futures::TryStreamExt;
use proptest::prelude::*;
use std::collections::BTreeSet;

async fn diff(before: &Snapshot, after: &Snapshot) -> Vec<Difference> {
    differences(before, after, &object()).try_collect().await.unwrap()
}

/// As a line: key, and what differs.
fn told(difference: &Difference) -> String {
    let what = match &difference.what {
        RecordChange::Added(row) => format!("added {}", String::from_utf8_lossy(&row.body)),
        RecordChange::Removed(row) => format!("removed {}", String::from_utf8_lossy(&row.body)),
        RecordChange::Fields(fields) => serde_json::to_string(fields).unwrap(),
    };
    format!("{} {what}", difference.key)
}

/// A row of another snapshot on top: a record, or its end.
type Step = (u64, u64, Option<u64>);

/// A snapshot of these batches on top of another one.
async fn snapshot(host: &mut Host, predecessor: Option<SnapshotId>, batches: &[Vec<Step>]) -> SnapshotId {
    let mut writer = host.begin(predecessor).await.unwrap();
    for steps in batches {
        let mut staged = writer.stage();
        for (key, revision, text) in steps {
            let key = format!("{key:02}");
            match text {
                Some(text) => staged
                    .append(&object(), vec![row(&key, *revision, &text.to_string())])
                    .await
                    .unwrap(),
                None => {
                    let gone = Tombstone { key, at: 1 };
                    staged.bury(&object(), vec![gone]).await.unwrap();
                }
            }
        }
        batch(&mut writer, staged).await;
    }
    let staged = writer.stage();
    host.end(writer, staged).await.unwrap()
}

#[tokio::test]
async fn records_that_came_went_or_changed_are_told_by_field() {
    let mut host = Host::new(1).await;
    let body = |key: &str, body: &str| Row {
        key: key.to_owned(),
        revision: 1,
        body: body.to_owned().into(),
    };
    let mut ids = Vec::new();
    for rows in [
        vec![
            body("a", r#"{"Id":"a","N":1.50,"Gone":7,"Empty":null}"#),
            body("b", r#"{"Id":"b","Text":"as it was","Order":1}"#),
            body("c", r#"{"Id":"c"}"#),
        ],
        vec![
            body("a", r#"{"Id":"a","N":1.5,"New":{"x":[1]},"Later":null}"#),
            body("b", r#"{"Order":1,"Text":"as it was","Id":"b","Added":null}"#),
            body("d", r#"{"Id":"d"}"#),
        ],
    ] {
        let writer = host.begin(None).await.unwrap();
        let mut staged = writer.stage();
        staged.append(&object(), rows).await.unwrap();
        ids.push(host.end(writer, staged).await.unwrap());
    }
    let (before, after) = (host.open(ids[0]).await, host.open(ids[1]).await);
    let found: Vec<String> = diff(&before, &after).await.iter().map(told).collect();
    assert_eq!(
        found,
        [
            r#"a [{"field":"N","before":1.50,"after":1.5},{"field":"Gone","before":7,"after":null},{"field":"New","before":null,"after":{"x":[1]}}]"#,
            r#"c removed {"Id":"c"}"#,
            r#"d added {"Id":"d"}"#
        ]
    );
    assert_eq!(diff(&before, &before).await.len(), 0);
}

#[tokio::test]
async fn segments_that_both_share_are_read_only_where_something_else_lies_on_them() {
    let mut host = Host::new(2).await;
    let batches: Vec<Vec<Step>> = [10, 20, 30]
        .map(|first| (first..first + 5).map(|key| (key, 1, Some(key))).collect())
        .into();
    let first = snapshot(&mut host, None, &batches).await;
    let shared: BTreeSet<_> = host.fixture.backend.paths().await.into_iter().collect();
    let second = snapshot(&mut host, Some(first), &[vec![(22, 2, Some(0)), (23, 1, None)]]).await;
    let (before, after) = (host.open(first).await, host.open(second).await);
    assert_eq!(diff(&before, &after).await.len(), 2);
    let segments = shared.iter().filter(|path| path.as_ref().contains("/segments/"));
    let segments: Vec<_> = segments.collect();
    assert_eq!(segments.len(), 3);
    // In the order of their names: the second one holds what changed.
    host.fixture.backend.lose(segments[0]).await;
    host.fixture.backend.lose(segments[2]).await;
    let keys: Vec<String> = diff(&before, &after).await.into_iter().map(|found| found.key).collect();
    assert_eq!(keys, ["22", "23"]);
    host.fixture.backend.lose(segments[1]).await;
    let damaged: Result<Vec<Difference>, _> = differences(&before, &after, &object()).try_collect().await;
    assert!(damaged.unwrap_err().to_string().contains("missing"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_two_snapshots_differ_in_what_reading_both_shows(
        snapshots in proptest::collection::vec(
            (any::<bool>(), proptest::collection::vec(
                proptest::collection::vec((0..40_u64, 0..3_u64, proptest::option::weighted(0.7, 0..3_u64)), 0..6),
                1..4,
            )),
            2..5,
        ),
    ) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            let mut host = Host::new(4).await;
            let mut ids: Vec<SnapshotId> = Vec::new();
            for (full, batches) in &snapshots {
                let predecessor = ids.last().copied().filter(|_| !full);
                ids.push(snapshot(&mut host, predecessor, batches).await);
            }
            for first in &ids {
                for second in &ids {
                    let (before, after) = (host.open(*first).await, host.open(*second).await);
                    let (rows_before, rows_after) = (rows_of(&before).await.unwrap(), rows_of(&after).await.unwrap());
                    let keys: BTreeSet<&String> = rows_before.keys().chain(rows_after.keys()).collect();
                    let expected: Vec<(&String, bool, bool)> = keys
                        .into_iter()
                        .filter(|key| rows_before.get(*key).map(|row| &row.body) != rows_after.get(*key).map(|row| &row.body))
                        .map(|key| (key, rows_before.contains_key(key), rows_after.contains_key(key)))
                        .collect();
                    let found = diff(&before, &after).await;
                    let found: Vec<(&String, bool, bool)> = found
                        .iter()
                        .map(|found| match found.what {
                            RecordChange::Added(_) => (&found.key, false, true),
                            RecordChange::Removed(_) => (&found.key, true, false),
                            RecordChange::Fields(_) => (&found.key, true, true),
                        })
                        .collect();
                    assert_eq!(found, expected);
                }
            }
        });
    }
}
