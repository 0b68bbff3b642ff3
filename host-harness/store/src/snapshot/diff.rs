//! What two snapshots of one connection differ in, record by record and field by field.
//!
//! Both are walked by key at once, so memory is bounded as for reading them. Segments that both consist of are read only as far as
//! others may change what stands in them: of an incremental snapshot and its base, next to nothing.

use super::inherited::PlacedSegment;
use super::merge::Merge;
use super::reader::Snapshot;
use crate::error::StoreError;
use crate::names::ObjectName;
use backup_contract::Row;
use futures::StreamExt;
use futures::stream::BoxStream;
use serde::Serialize;
use serde_json::value::RawValue;
use std::cmp::Ordering;
use std::collections::HashMap;

/// A record that isn't the same in both.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Its key.
    pub key: String,
    /// How it differs.
    pub what: RecordChange,
}

/// How a record differs.
#[derive(Clone, Debug)]
pub enum RecordChange {
    /// Only the later snapshot has it.
    Added(Row),
    /// Only the earlier one has it.
    Removed(Row),
    /// Fields with other values, at least one.
    Fields(Vec<FieldChange>),
}

/// A field with another value. A field that a record doesn't have is as one that is null.
#[derive(Clone, Debug, Serialize)]
pub struct FieldChange {
    /// API name of the field.
    pub field: String,
    /// Its value in the earlier snapshot, as stored.
    pub before: Option<Box<RawValue>>,
    /// Its value in the later one.
    pub after: Option<Box<RawValue>>,
}

/// All records of an object that differ, by key. Ends with the first error: what comes after it can't be told.
pub fn differences(
    before: &Snapshot,
    after: &Snapshot,
    object: &ObjectName,
) -> BoxStream<'static, Result<Difference, StoreError>> {
    let (of_before, of_after) = (before.segments(object), after.segments(object));
    let mut changed: Vec<&PlacedSegment> = only_in_first(of_before, of_after);
    changed.extend(only_in_first(of_after, of_before));
    let spans = Spans::of(&changed);
    let side = |snapshot: &Snapshot, segments: &[PlacedSegment]| {
        let met = segments
            .iter()
            .filter(|placed| spans.meet(&placed.segment.min, &placed.segment.max));
        let met: Vec<PlacedSegment> = met.cloned().collect();
        Side {
            merge: snapshot.merge(&met),
            next: None,
        }
    };
    let join = Join {
        before: side(before, of_before),
        after: side(after, of_after),
        spans,
        object: object.clone(),
    };
    let walked = futures::stream::unfold(Some(join), |join| async {
        let mut join = join?;
        match join.next().await {
            Ok(Some(found)) => Some((Ok(found), Some(join))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    });
    walked.boxed()
}

/// Segments that the second one doesn't consist of.
fn only_in_first<'a>(first: &'a [PlacedSegment], second: &[PlacedSegment]) -> Vec<&'a PlacedSegment> {
    let second: HashMap<&str, &PlacedSegment> = second.iter().map(|placed| (placed.segment.name.as_str(), placed)).collect();
    let is_shared = |placed: &&PlacedSegment| {
        let other = second.get(placed.segment.name.as_str());
        other.is_some_and(|other| other.segment == placed.segment)
    };
    first.iter().filter(|placed| !is_shared(placed)).collect()
}

/// Spans of keys, from first to last, apart from each other and sorted.
#[derive(Debug, Default)]
struct Spans(Vec<(String, String)>);

impl Spans {
    fn of(segments: &[&PlacedSegment]) -> Spans {
        let mut sorted: Vec<(&String, &String)> = segments
            .iter()
            .map(|placed| (&placed.segment.min, &placed.segment.max))
            .collect();
        sorted.sort();
        let mut spans: Vec<(String, String)> = Vec::new();
        for (min, max) in sorted {
            match spans.last_mut() {
                Some((_, last)) if *last >= *min => {
                    if *last < *max {
                        last.clone_from(max);
                    }
                }
                _ => spans.push((min.clone(), max.clone())),
            }
        }
        Spans(spans)
    }

    /// Whether one of them has a key in common with this one.
    fn meet(&self, min: &str, max: &str) -> bool {
        let place = self.0.partition_point(|(_, last)| last.as_str() < min);
        self.0.get(place).is_some_and(|(first, _)| first.as_str() <= max)
    }
}

/// One snapshot's rows.
#[derive(Debug)]
struct Side {
    merge: Merge,
    next: Option<Row>,
}

impl Side {
    /// The next row that may differ.
    async fn fill(&mut self, spans: &Spans) -> Result<Option<&str>, StoreError> {
        while self.next.is_none() {
            match self.merge.next().await? {
                // What stands there was not read in full; it is the same in both.
                Some(row) if !spans.meet(&row.key, &row.key) => {}
                Some(row) => self.next = Some(row),
                None => break,
            }
        }
        Ok(self.next.as_ref().map(|row| row.key.as_str()))
    }
}

struct Join {
    before: Side,
    after: Side,
    spans: Spans,
    object: ObjectName,
}

impl Join {
    async fn next(&mut self) -> Result<Option<Difference>, StoreError> {
        loop {
            let before = self.before.fill(&self.spans).await?;
            let after = self.after.fill(&self.spans).await?;
            let order = match (before, after) {
                (None, None) => return Ok(None),
                (Some(before), Some(after)) => before.cmp(after),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
            };
            let before = self.before.next.take_if(|_| order.is_le());
            let after = self.after.next.take_if(|_| order.is_ge());
            let (key, what) = match (before, after) {
                (Some(before), Some(after)) => {
                    let fields = self.changed(&before, &after)?;
                    if fields.is_empty() {
                        continue;
                    }
                    (after.key, RecordChange::Fields(fields))
                }
                (Some(row), None) => (row.key.clone(), RecordChange::Removed(row)),
                (None, Some(row)) => (row.key.clone(), RecordChange::Added(row)),
                (None, None) => return Ok(None),
            };
            return Ok(Some(Difference { key, what }));
        }
    }

    fn changed(&self, before: &Row, after: &Row) -> Result<Vec<FieldChange>, StoreError> {
        if before.body == after.body {
            return Ok(Vec::new());
        }
        let unreadable = |error: serde_json::Error| StoreError::BadRow {
            what: format!("{} {}", self.object, after.key),
            why: format!("its body is not a JSON object ({error})"),
        };
        changed_fields(&before.body, &after.body).map_err(unreadable)
    }
}

/// Fields of a record with other values, in its order. The order of fields makes no difference.
fn changed_fields(before: &[u8], after: &[u8]) -> Result<Vec<FieldChange>, serde_json::Error> {
    let (before, after) = (members(before)?, members(after)?);
    let mut there: HashMap<&str, &RawValue> = after.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let mut changes = Vec::new();
    for (field, value) in &before {
        changes.extend(change(field, Some(value), there.remove(field.as_str())));
    }
    // What is left only the later one has.
    let new = after.iter().filter(|(field, _)| there.contains_key(field.as_str()));
    changes.extend(new.filter_map(|(field, value)| change(field, None, Some(value))));
    Ok(changes)
}

fn change(field: &str, before: Option<&RawValue>, after: Option<&RawValue>) -> Option<FieldChange> {
    let is_value = |value: &&RawValue| value.get() != "null";
    let (before, after) = (before.filter(is_value), after.filter(is_value));
    let differs = before.map(RawValue::get) != after.map(RawValue::get);
    differs.then(|| FieldChange {
        field: field.to_owned(),
        before: before.map(ToOwned::to_owned),
        after: after.map(ToOwned::to_owned),
    })
}

/// A record's fields in their order, values as they are stored.
pub fn members(body: &[u8]) -> Result<Vec<(String, &RawValue)>, serde_json::Error> {
    struct Members<'a>(Vec<(String, &'a RawValue)>);
    impl<'de: 'a, 'a> serde::Deserialize<'de> for Members<'a> {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = Vec<(String, &'de RawValue)>;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("a record")
                }
                fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                    let mut members = Vec::new();
                    while let Some(member) = map.next_entry()? {
                        members.push(member);
                    }
                    Ok(members)
                }
            }
            deserializer.deserialize_map(Visitor).map(Members)
        }
    }
    let members: Members<'_> = serde_json::from_slice(body)?;
    Ok(members.0)
}
