//! Rows of one object from all its segments, by key, each key once.
//!
//! A segment is opened when the merge reaches its least key and dropped at its end, so segments that don't overlap are read one
//! after another, and memory is bounded by those that do.

use super::entry::SegmentKind;
use super::inherited::{Age, PlacedSegment};
use super::segment::SegmentReader;
use crate::backend::Store;
use crate::error::{Damage, StoreError};
use backup_contract::Row;
use object_store::path::Path;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Where a row of a key comes from: later is greater. Segments of one entry are told apart by their position in it.
type RowPlace = (Age, usize);

/// All that segments hold of one key: which row of it stands.
#[derive(Debug, Default)]
pub(super) struct KeyVersions {
    rows: Vec<(RowPlace, bool, Row)>,
    gone_at: Option<Age>,
}

impl KeyVersions {
    /// `latest`: as its segment's reference has it.
    pub fn add(&mut self, kind: SegmentKind, place: RowPlace, latest: bool, row: Row) {
        match kind {
            SegmentKind::Rows | SegmentKind::Notes => self.rows.push((place, latest, row)),
            SegmentKind::Tombstones => self.gone_at = self.gone_at.max(Some(place.0)),
        }
    }

    /// A tombstone hides rows of its own and of earlier entries. Of what is left the latest stands; among segments of older versions
    /// the greatest revision, then the latest.
    pub fn row(mut self) -> Option<Row> {
        let gone_at = self.gone_at;
        self.rows.sort_by_key(|(place, ..)| *place);
        let alive = self
            .rows
            .into_iter()
            .filter(|(place, ..)| gone_at.is_none_or(|gone| place.0 > gone));
        alive.fold(None, |stands: Option<Row>, (_, latest, row)| match stands {
            Some(stands) if !latest && stands.revision > row.revision => Some(stands),
            _ => Some(row),
        })
    }
}

/// A merge under way.
#[derive(Debug)]
pub(super) struct Merge {
    store: Store,
    connection_dir: Path,
    after: String,
    /// By least key.
    waiting: VecDeque<(usize, PlacedSegment)>,
    open: Vec<Option<(PlacedSegment, usize, SegmentReader)>>,
    next: BinaryHeap<Reverse<(String, usize)>>,
}

impl Merge {
    /// Rows with keys after `after`; of all rows where it is empty.
    pub fn new(store: &Store, connection_dir: &Path, segments: &[PlacedSegment], after: &str) -> Merge {
        let mut waiting: Vec<_> = segments
            .iter()
            .cloned()
            .enumerate()
            .filter(|(_, placed)| placed.segment.max.as_str() > after)
            .collect();
        waiting.sort_by(|a, b| a.1.segment.min.cmp(&b.1.segment.min));
        Merge {
            store: store.clone(),
            connection_dir: connection_dir.clone(),
            after: after.to_owned(),
            waiting: waiting.into(),
            open: Vec::new(),
            next: BinaryHeap::new(),
        }
    }

    /// The next row. After `Damaged` it may be called again and goes on without that segment.
    pub async fn next(&mut self) -> Result<Option<Row>, StoreError> {
        loop {
            self.open_what_is_due().await?;
            let Some(Reverse((key, _))) = self.next.peek() else {
                return Ok(None);
            };
            let key = key.clone();
            let mut versions = KeyVersions::default();
            while self.next.peek().is_some_and(|Reverse((next, _))| *next == key) {
                let Some(Reverse((_, slot))) = self.next.pop() else { break };
                let Some((placed, ordinal, reader)) = &mut self.open[slot] else {
                    continue;
                };
                let (kind, place, latest) = (placed.segment.kind, (placed.age(), *ordinal), placed.segment.latest);
                let row = reader.next();
                match reader.peek() {
                    Some(next) if row.is_ok() => self.next.push(Reverse((next.to_owned(), slot))),
                    _ => self.open[slot] = None,
                }
                if let Some(row) = row? {
                    versions.add(kind, place, latest, row);
                }
            }
            if let Some(row) = versions.row() {
                return Ok(Some(row));
            }
        }
    }

    async fn open_what_is_due(&mut self) -> Result<(), StoreError> {
        while let Some((_, placed)) = self.waiting.front() {
            if self.next.peek().is_some_and(|Reverse((key, _))| *key < placed.segment.min) {
                break;
            }
            let opened = open(&self.store, &self.connection_dir, placed).await;
            // Not there at the moment: whoever asks again gets it then. Damaged: go on without it.
            if let Err(error) = &opened
                && !matches!(error, StoreError::Damaged(_))
            {
                return opened.map(drop);
            }
            let Some((ordinal, placed)) = self.waiting.pop_front() else {
                break;
            };
            let mut reader = opened?;
            reader.skip_through(&self.after)?;
            if let Some(key) = reader.peek() {
                let free = self.open.iter().position(Option::is_none).unwrap_or(self.open.len());
                self.next.push(Reverse((key.to_owned(), free)));
                if free == self.open.len() {
                    self.open.push(None);
                }
                self.open[free] = Some((placed, ordinal, reader));
            }
        }
        Ok(())
    }
}

/// Where a segment lies.
pub(crate) fn segment_path(connection_dir: &Path, placed: &super::SegmentRef) -> Path {
    let folder = match placed.kind {
        SegmentKind::Rows | SegmentKind::Tombstones => connection_dir.clone().join("segments").join(placed.object.as_str()),
        SegmentKind::Notes => connection_dir.clone().join("notes"),
    };
    folder.join(format!("{}.ndjson.zst", placed.name))
}

/// Reads a segment and checks its hash.
pub(super) async fn open(store: &Store, connection_dir: &Path, placed: &PlacedSegment) -> Result<SegmentReader, StoreError> {
    let path = segment_path(connection_dir, &placed.segment);
    let bytes = store.read(&path).await?.ok_or_else(|| {
        Damage::new(
            &path,
            format!(
                "it is missing; it holds {} rows of {}",
                placed.segment.rows, placed.segment.object
            ),
            "bring it back from a copy of the store, or take a new full backup; the other segments are readable",
        )
    })?;
    Ok(SegmentReader::open(path.as_ref(), &placed.segment, bytes)?)
}
