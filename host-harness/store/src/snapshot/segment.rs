//! One segment file: records of one object, sorted by key, that standard tools can read.
//!
//! ```text
//! zstd frame        one record's body a line, byte for byte       zstdcat FILE | jq
//! skippable frame   zstd of one `["key",revision]` a line         passed over by every zstd reader
//! ```
//!
//! A tombstone's body is `{"key":…,"at":…}`, its revision that time. A row's key need not be in its body, so both are kept apart;
//! in this order also readers that look at the first frame only get the records.

use super::entry::{SegmentKind, SegmentRef};
use crate::error::{Damage, StoreError};
use crate::names::{ObjectName, Sha256};
use backup_contract::{Note, Row, Tombstone, rules};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::io::{BufRead, BufReader, Cursor, Read, Write};
use zstd::stream::{read::Decoder, write::Encoder};
use zstd::zstd_safe::find_frame_compressed_size;

/// A segment is closed before it passes this, so that with its keys it stays below 8 MiB.
const MAX_STORED: usize = 7 << 20;
const LEVEL: i32 = 3;
/// One of the sixteen magic numbers of skippable frames; nothing else is known to use this one.
const SKIPPABLE: u32 = 0x184D_2A5B;
const SKIPPABLE_HEADER: usize = 8;

/// Whether a row can be stored.
pub(super) fn check_row(object: &ObjectName, row: &Row) -> Result<(), StoreError> {
    check_key(object, &row.key)?;
    check_body(object, &row.key, &row.body, rules::MAX_APPEND_BYTES).map(drop)
}

/// What a row takes in memory while it is staged.
pub(super) fn staged_bytes(row: &Row) -> usize {
    size_of::<Row>() + row.key.len() + row.body.len()
}

/// A body is one JSON object on one line.
fn check_body<'a>(object: &ObjectName, key: &str, body: &'a [u8], limit: usize) -> Result<&'a RawValue, StoreError> {
    let what = || format!("{object} {key}");
    let bad = |why: &str| StoreError::BadRow {
        what: what(),
        why: why.to_owned(),
    };
    if body.len() > limit {
        return Err(StoreError::TooLarge {
            what: what(),
            limit: limit as u64,
        });
    }
    if !rules::is_one_line(body) {
        return Err(bad("its body has a line break"));
    }
    let text = std::str::from_utf8(body).map_err(|_| bad("its body is not UTF-8"))?;
    if !text.trim_start().starts_with('{') {
        return Err(bad("its body is not a JSON object"));
    }
    serde_json::from_str(text).map_err(|e| bad(&format!("its body is not a JSON object ({e})")))
}

pub(super) fn check_key(object: &ObjectName, key: &str) -> Result<(), StoreError> {
    if rules::is_key(key) {
        return Ok(());
    }
    let shown: String = key.chars().take(40).collect();
    Err(StoreError::BadRow {
        what: format!("{object} \"{shown}\""),
        why: format!("its key has {} bytes; 1 to 255 are allowed", key.len()),
    })
}

fn tombstone_row(tombstone: Tombstone) -> Row {
    let body = serde_json::json!({"key": tombstone.key, "at": tombstone.at}).to_string();
    Row {
        revision: tombstone.at,
        key: tombstone.key,
        body: body.into(),
    }
}

/// A note's line: plain zstd readers see its key too.
#[derive(Serialize, Deserialize)]
struct NoteLine<'a> {
    key: Cow<'a, str>,
    #[serde(borrow)]
    note: &'a RawValue,
}

/// A note as it is stored. Of one key the last one stands, so all have the same revision.
pub(super) fn note_row(note: Note) -> Result<Row, StoreError> {
    let object = ObjectName::of_notes();
    check_key(&object, &note.key)?;
    let line = NoteLine {
        key: Cow::Borrowed(&note.key),
        note: check_body(&object, &note.key, &note.body, rules::MAX_NOTE_BYTES)?,
    };
    let body = serde_json::to_vec(&line).map_err(|e| StoreError::State(format!("note {}: {e}", note.key)))?;
    Ok(Row {
        key: note.key,
        revision: 0,
        body,
    })
}

/// A note from what [`note_row`] gave.
pub(super) fn note_of_row(place: &str, row: Row) -> Result<Note, Damage> {
    let line: NoteLine<'_> = serde_json::from_slice(&row.body).map_err(|_| damage(place, "a line of it is not a note"))?;
    let body = line.note.get().as_bytes().to_vec();
    Ok(Note { key: row.key, body })
}

/// A segment before it has a name.
pub(super) struct Built {
    pub bytes: Bytes,
    pub reference: SegmentRef,
}

/// Sorts rows and cuts them into segments. Of rows of one key the last one stays: it was asked for last, and a transaction that took
/// long may leave a row with an earlier stamp than the row before it had.
pub(super) fn build(object: &ObjectName, mut rows: Vec<Row>) -> Result<Vec<Built>, StoreError> {
    rows.sort_by(|a, b| a.key.cmp(&b.key)); // stable: those of one key stay in their order
    // `dedup_by` gives (later, earlier) and drops the later one: swap first, so that the last of a key stays.
    rows.dedup_by(|later, earlier| {
        let same = later.key == earlier.key;
        if same {
            std::mem::swap(later, earlier);
        }
        same
    });
    cut(object, SegmentKind::Rows, rows)
}

/// The same for notes.
pub(super) fn build_notes(rows: Vec<Row>) -> Result<Vec<Built>, StoreError> {
    let mut built = build(&ObjectName::of_notes(), rows)?;
    built.iter_mut().for_each(|built| built.reference.kind = SegmentKind::Notes);
    Ok(built)
}

/// The same for tombstones; of one key the latest stays.
pub(super) fn build_tombstones(object: &ObjectName, mut tombstones: Vec<Tombstone>) -> Result<Vec<Built>, StoreError> {
    tombstones.sort_by(|a, b| a.key.cmp(&b.key).then(b.at.cmp(&a.at)));
    tombstones.dedup_by(|later, earlier| later.key == earlier.key);
    cut(
        object,
        SegmentKind::Tombstones,
        tombstones.into_iter().map(tombstone_row).collect(),
    )
}

fn cut(object: &ObjectName, kind: SegmentKind, rows: Vec<Row>) -> Result<Vec<Built>, StoreError> {
    let unfit = |error: std::io::Error| StoreError::State(format!("{object} can not be compressed ({error})"));
    let mut built = Vec::new();
    let mut open: Option<Cutting> = None;
    for row in rows {
        // A row that doesn't compress may add all of itself; what the encoders still hold is less than the reserve.
        if open
            .as_ref()
            .is_some_and(|cutting| cutting.stored() + row.body.len() > MAX_STORED)
            && let Some(full) = open.take()
        {
            built.push(full.close(object, kind).map_err(unfit)?);
        }
        let cutting = match &mut open {
            Some(cutting) => cutting,
            None => open.insert(Cutting::new(&row.key).map_err(unfit)?),
        };
        cutting.add(row).map_err(unfit)?;
    }
    if let Some(last) = open {
        built.push(last.close(object, kind).map_err(unfit)?);
    }
    Ok(built)
}

/// A segment that is being written.
struct Cutting {
    bodies: Encoder<'static, Vec<u8>>,
    index: Encoder<'static, Vec<u8>>,
    rows: u64,
    raw_bytes: u64,
    min: String,
    max: String,
}

impl Cutting {
    fn new(min: &str) -> std::io::Result<Cutting> {
        let mut bodies = Encoder::new(Vec::new(), LEVEL)?;
        bodies.include_checksum(true)?;
        Ok(Cutting {
            bodies,
            index: Encoder::new(Vec::new(), LEVEL)?,
            rows: 0,
            raw_bytes: 0,
            min: min.to_owned(),
            max: String::new(),
        })
    }

    fn stored(&self) -> usize {
        self.bodies.get_ref().len() + self.index.get_ref().len()
    }

    fn add(&mut self, row: Row) -> std::io::Result<()> {
        self.bodies.write_all(&row.body)?;
        self.bodies.write_all(b"\n")?;
        serde_json::to_writer(&mut self.index, &(&row.key, row.revision))?;
        self.index.write_all(b"\n")?;
        self.rows += 1;
        self.raw_bytes += row.body.len() as u64 + 1;
        self.max = row.key;
        Ok(())
    }

    fn close(self, object: &ObjectName, kind: SegmentKind) -> std::io::Result<Built> {
        let mut bytes = self.bodies.finish()?;
        let index = self.index.finish()?;
        let length = u32::try_from(index.len()).map_err(std::io::Error::other)?;
        bytes.extend_from_slice(&SKIPPABLE.to_le_bytes());
        bytes.extend_from_slice(&length.to_le_bytes());
        let keys_at = bytes.len() as u64;
        bytes.extend_from_slice(&index);
        let reference = SegmentRef {
            object: object.clone(),
            name: String::new(),
            kind,
            rows: self.rows,
            min: self.min,
            max: self.max,
            raw_bytes: self.raw_bytes,
            stored_bytes: bytes.len() as u64,
            keys_at: Some(keys_at),
            latest: true,
            sha256: Sha256::of(&bytes),
        };
        Ok(Built {
            bytes: bytes.into(),
            reference,
        })
    }
}

/// A segment that is read, row after row. Its keys are all in memory, its bodies are decompressed as they are asked for.
pub(crate) struct SegmentReader {
    place: String,
    keys_at: u64,
    index: Vec<(String, u64)>,
    at: usize,
    compressed: Bytes,
    bodies: Bodies,
}

type Bodies = BufReader<Decoder<'static, Cursor<Bytes>>>;

fn bodies(place: &str, compressed: &Bytes) -> Result<Bodies, Damage> {
    let decoder = Decoder::with_buffer(Cursor::new(compressed.clone())).map_err(|e| unreadable(place, &e))?;
    Ok(BufReader::new(decoder.single_frame()))
}

impl std::fmt::Debug for SegmentReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SegmentReader({} at row {} of {})", self.place, self.at, self.index.len())
    }
}

impl SegmentReader {
    /// Believes bytes whose hash is the log's.
    pub fn open(place: &str, reference: &SegmentRef, bytes: Bytes) -> Result<SegmentReader, Damage> {
        if Sha256::of(&bytes) != reference.sha256 {
            return Err(damage(place, "its hash is not the one in the log"));
        }
        let data = find_frame_compressed_size(&bytes).map_err(|_| damage(place, "it is not a zstd file"))?;
        let frame = bytes.get(data..).unwrap_or_default();
        let (header, index) = frame
            .split_at_checked(SKIPPABLE_HEADER)
            .ok_or_else(|| damage(place, "it has no keys"))?;
        if header[..4] != SKIPPABLE.to_le_bytes() || header[4..] != (index.len() as u32).to_le_bytes() {
            return Err(damage(place, "it has no keys"));
        }
        let index = zstd::decode_all(index).map_err(|e| unreadable(place, &e))?;
        let index: Vec<(String, u64)> = serde_json::Deserializer::from_slice(&index)
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(|e| unreadable(place, &e))?;
        let compressed = bytes.slice(..data);
        Ok(SegmentReader {
            place: place.to_owned(),
            keys_at: (data + SKIPPABLE_HEADER) as u64,
            index,
            at: 0,
            bodies: bodies(place, &compressed)?,
            compressed,
        })
    }

    /// The key of the next row.
    pub fn peek(&self) -> Option<&str> {
        self.index.get(self.at).map(|(key, _)| key.as_str())
    }

    /// The next row.
    pub fn next(&mut self) -> Result<Option<Row>, Damage> {
        let Some((key, revision)) = self.index.get(self.at) else {
            return Ok(None);
        };
        let mut body = Vec::new();
        let read = self.bodies.read_until(b'\n', &mut body);
        if !matches!(read, Ok(1..)) || body.pop() != Some(b'\n') {
            return Err(fewer(&self.place));
        }
        self.at += 1;
        Ok(Some(Row {
            key: key.clone(),
            revision: *revision,
            body,
        }))
    }

    /// Passes over a row.
    fn pass(&mut self) -> Result<(), Damage> {
        match self.bodies.skip_until(b'\n') {
            Ok(1..) => self.at += 1,
            _ => return Err(fewer(&self.place)),
        }
        Ok(())
    }

    /// Passes over rows up to and including this key.
    pub fn skip_through(&mut self, key: &str) -> Result<(), Damage> {
        while self.peek().is_some_and(|next| next <= key) {
            self.pass()?;
        }
        Ok(())
    }

    /// The rows of these keys, which are sorted. Stops decompressing after the last of them, and goes on from there the next time
    /// where that can be.
    pub fn find(&mut self, keys: &[&str]) -> Result<Vec<Row>, Damage> {
        let passed = self.at.checked_sub(1).and_then(|last| self.index.get(last));
        if passed.is_some_and(|(last, _)| keys.first().is_some_and(|first| *first <= last.as_str())) {
            self.bodies = bodies(&self.place, &self.compressed)?;
            self.at = 0;
        }
        let mut found = Vec::new();
        for key in keys {
            let rest = self.index.get(self.at..).unwrap_or_default();
            let Ok(ahead) = rest.binary_search_by(|(there, _)| there.as_str().cmp(key)) else {
                continue;
            };
            for _ in 0..ahead {
                self.pass()?;
            }
            found.extend(self.next()?);
        }
        Ok(found)
    }

    /// All of it, from the first row.
    pub(super) fn decompress(mut self) -> Result<DecompressedSegment, Damage> {
        let mut all = Vec::new();
        self.bodies.read_to_end(&mut all).map_err(|e| unreadable(&self.place, &e))?;
        let ends: Vec<usize> = all
            .iter()
            .enumerate()
            .filter(|(_, b)| **b == b'\n')
            .map(|(at, _)| at)
            .collect();
        if ends.len() != self.index.len() {
            return Err(fewer(&self.place));
        }
        Ok(DecompressedSegment {
            index: self.index,
            ends,
            bodies: all.into(),
        })
    }

    /// Reads all of it and checks that it is what the log says.
    pub fn check(mut self, reference: &SegmentRef) -> Result<(), Damage> {
        if reference.keys_at.is_some_and(|at| at != self.keys_at) {
            return Err(damage(&self.place, "its keys don't begin where the log says"));
        }
        let sorted = self.index.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let first = self.index.first().map(|(key, _)| key.clone());
        let last = self.index.last().map(|(key, _)| key.clone());
        let told = first.as_ref() == Some(&reference.min) && last.as_ref() == Some(&reference.max);
        if !sorted || !told || self.index.len() as u64 != reference.rows {
            return Err(damage(&self.place, "its keys are not those that the log says"));
        }
        while self.next()?.is_some() {}
        match self.bodies.fill_buf() {
            Ok([]) => Ok(()),
            _ => Err(damage(&self.place, "it has more records than keys")),
        }
    }
}

/// A segment that is whole in memory.
#[derive(Debug)]
pub(super) struct DecompressedSegment {
    index: Vec<(String, u64)>,
    /// Where each body ends.
    ends: Vec<usize>,
    bodies: Bytes,
}

impl DecompressedSegment {
    /// The rows of these keys.
    pub fn find(&self, keys: &[&str]) -> Vec<Row> {
        let row = |key: &&str| {
            let at = self.index.binary_search_by(|(there, _)| there.as_str().cmp(key)).ok()?;
            let begin = at.checked_sub(1).map_or(0, |before| self.ends[before] + 1);
            let (key, revision) = &self.index[at];
            Some(Row {
                key: key.clone(),
                revision: *revision,
                body: self.bodies[begin..self.ends[at]].to_vec(),
            })
        };
        keys.iter().filter_map(row).collect()
    }
}

fn unreadable(place: &str, error: &dyn std::fmt::Display) -> Damage {
    damage(place, &format!("it can't be decompressed ({error})"))
}

fn fewer(place: &str) -> Damage {
    damage(place, "it has fewer records than keys")
}

fn damage(place: &str, what: &str) -> Damage {
    Damage::new(
        place,
        what,
        "bring it back from a copy of the store, or take a new full backup; the other segments are readable",
    )
}

#[cfg(test)]
mod tests;
