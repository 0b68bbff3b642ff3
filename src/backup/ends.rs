//! What a batch does besides requests: its end, the marks of objects that are done, and the passes that narrow
//! the window of a backup that took long.

use super::Phase;
use super::batch::Batch;
use super::files::images;
use super::object::Since;
use crate::host::{ConnectorError, Host, Note, Which};
use crate::schema::describes;
use crate::schema::{Mark, describe_key};

/// A backup that took longer is followed by a pass over what was changed meanwhile, in milliseconds.
const CATCH_UP_AFTER: u64 = 24 * 3_600_000;

/// No more passes than this.
const MAX_CATCH_UPS: u8 = 3;

/// Tombstones are handed on so many at once.
const TOMBSTONES_AT_ONCE: usize = 10_000;

impl<H: Host> Batch<'_, '_, H> {
    /// The org's own describe of an object becomes part of the snapshot.
    pub(super) fn annotate_describe(&self, object_ix: usize) -> Result<(), ConnectorError> {
        let name = self.name(object_ix);
        if let Some(whole) = describes::whole(self.host(), name)? {
            self.host().annotate(vec![Note {
                key: describe_key(name),
                body: whole,
            }])?;
        }
        Ok(())
    }

    /// Counts what the batch changed so far.
    pub(super) fn count_changes(&mut self) -> Result<(), ConnectorError> {
        let objects = self.changes.objects();
        if objects.is_empty() {
            return Ok(());
        }
        let before = self.host().open(Which::Current)?;
        for object_ix in objects {
            let object = &mut self.checkpoint.objects[object_ix];
            // An object that is read in full counts what comes.
            if object.since.is_some() {
                let base = object.records();
                let live = self
                    .changes
                    .count(object_ix, base, &object.name, object.rows_at_once(), before.as_ref())?;
                object.live = Some(live);
            }
        }
        Ok(())
    }

    /// Stages what the batch has found out, at its end.
    pub(super) fn settle(&mut self) -> Result<(), ConnectorError> {
        let host = self.host();
        for object_ix in self.changes.objects() {
            let object = &self.checkpoint.objects[object_ix];
            for tombstones in self.changes.tombstones(object_ix).chunks(TOMBSTONES_AT_ONCE) {
                host.bury(&object.name, tombstones.to_vec())?;
            }
            if object.since.is_some() {
                host.progress(&object.name, object.records(), None);
            }
        }
        for (object_ix, mut parts) in std::mem::take(&mut self.failed_parts) {
            parts.keep(host, self.name(object_ix))?;
        }
        let finished: Vec<usize> = std::mem::take(&mut self.finished);
        self.load_describes(&finished)?;
        let not_looked_through = finished.iter().filter_map(|object_ix| {
            let object = &self.checkpoint.objects[*object_ix];
            let files = object.files.as_ref().filter(|files| !files.walked)?;
            Some((object.name.as_str(), !files.off))
        });
        images::not_looked_through(host, &not_looked_through.collect::<Vec<_>>())?;
        let names: Vec<&str> = finished.iter().map(|object_ix| self.name(*object_ix)).collect();
        super::again::forget(host, &names)?;
        let mut marks = Vec::new();
        for object_ix in finished {
            let object = &self.checkpoint.objects[object_ix];
            self.org
                .host()
                .progress(&object.name, object.records(), Some(object.records()));
            self.org.host().finished(&object.name);
            if let Some(describe) = self.describes.get(&object_ix) {
                let covered = object.covered.unwrap_or(self.checkpoint.covered);
                let since = object.since.as_ref();
                let mark = Mark {
                    covered,
                    deletions_covered: match since {
                        Some(since) => since.deletions_covered.unwrap_or(since.deletions_from),
                        None => covered,
                    },
                    records: object.records(),
                    changed: since.is_some_and(|since| since.changed),
                    // Of those that nobody wanted it isn't known how many there are.
                    files_left: object.files.as_ref().map_or(0, |files| {
                        let images_off = !self.org.configuration().rich_text_images && !describe.images.is_empty();
                        let missing = files.left.saturating_add(files.failed);
                        missing.max(u64::from(files.off || images_off))
                    }),
                    disagrees: object.disagrees,
                    catch_ups: self.checkpoint.catch_ups,
                    describe: describe.clone(),
                };
                marks.push(mark.note(&object.name)?);
            }
        }
        if !marks.is_empty() {
            self.org.host().annotate(marks)?;
        }
        Ok(())
    }

    /// A backup that took long reads once more what was changed meanwhile, as long as that makes its window shorter.
    pub(super) fn catch_up(&mut self) -> Result<(), ConnectorError> {
        let now = self.host().now();
        let took = now.saturating_sub(self.checkpoint.began_at);
        let checkpoint = &self.checkpoint;
        let shrinks = checkpoint.catch_ups == 0 || took < checkpoint.last_took;
        if !checkpoint.is_done() || took <= CATCH_UP_AFTER || !shrinks || checkpoint.catch_ups >= MAX_CATCH_UPS {
            return Ok(());
        }
        let done: Vec<usize> = (0..checkpoint.objects.len())
            .filter(|object_ix| checkpoint.objects[*object_ix].phase == Phase::Done)
            .collect();
        // What ends with this batch is marked by it.
        self.settle()?;
        self.load_describes(&done)?;
        for object_ix in done {
            let object = &mut self.checkpoint.objects[object_ix];
            let Some(describe) = self.describes.get(&object_ix).filter(|describe| describe.since) else {
                continue;
            };
            let from = object.covered.unwrap_or(self.checkpoint.covered);
            let deletions = object
                .since
                .as_ref()
                .and_then(|since| since.deletions_covered)
                .unwrap_or(from);
            object.live = Some(object.records());
            object.replaces = false;
            object.read_since(Since::new(from, deletions, describe.replicated), describe.replicated);
        }
        self.checkpoint.catch_ups += 1;
        self.checkpoint.last_took = took;
        self.checkpoint.began_at = now;
        Ok(())
    }
}
