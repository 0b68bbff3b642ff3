//! Files: the values of base64 fields, and the images within rich text. Each is a request of its own and goes to the store without
//! passing through here.
//!
//! Rows are walked by key, in what is committed of them, once: what is due goes into a working list ([`due`]) that batches take
//! from. A file whose content the store has already is not fetched again. What is beyond the connection's budget for files, or left
//! because all of them fail ([`failing`]), is for the next backup, which looks for it first of all; so is a file that failed.

mod due;
mod failing;
mod found;
pub mod held;
pub mod images;

pub use found::File;

use super::Event;
use super::again::Parts;
use super::batch::Batch;
use super::object::{FileWalk, Phase};
use crate::host::{ConnectorError, Failure, Host, Snapshot, Which};
use crate::org::SendFailure;
use std::collections::BTreeSet;

/// Under way at once.
const AT_ONCE: usize = 4;

/// Rows are asked of the store no more than so many at once.
const MAX_ROWS: u32 = 500;

/// A walk that found so many files in the store is committed before it goes on: what it found becomes one entry.
const MAX_FOUND: u64 = 20_000;

impl<H: Host> Batch<'_, '_, H> {
    /// Fetches files of objects whose rows are committed.
    pub(super) fn fetch_files(&mut self) -> Result<(), ConnectorError> {
        let ready = std::mem::take(&mut self.files_ready);
        for object_ix in ready.iter().copied() {
            if !self.may_send(0) && !self.no_more_files() {
                return Ok(());
            }
            // All are looked through before anything is fetched: then it is known how much there is to do.
            self.load_describes(&[object_ix])?;
            if self.files(object_ix).list.is_none() && !self.files(object_ix).walked {
                self.walk(object_ix)?;
            }
        }
        for object_ix in ready {
            if !self.may_send(0) && !self.no_more_files() {
                return Ok(());
            }
            self.fetch_listed(object_ix)?;
            let files = self.files(object_ix);
            if files.list.is_some() || !files.walked || !self.fetch_late(object_ix)? {
                return Ok(());
            }
            self.files_end(object_ix)?;
        }
        Ok(())
    }

    /// How far the files of an object are.
    pub(super) fn files(&mut self, object_ix: usize) -> &mut FileWalk {
        self.checkpoint.objects[object_ix].files_mut()
    }

    /// Tells the object's part of the plan anew, where more files were found than it has.
    fn estimate_files(&mut self, object_ix: usize) {
        let budget = self.org.configuration().file_requests.unwrap_or(u64::MAX);
        let others = self
            .checkpoint
            .objects
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != object_ix);
        let planned = others.filter_map(|(_, object)| Some(object.files.as_ref()?.plan.as_ref()?.files));
        let room = budget.saturating_sub(planned.fold(0, u64::saturating_add));
        let name = self.name(object_ix).to_owned();
        let known = self.files(object_ix).due.min(room);
        let files = self.checkpoint.objects[object_ix].files.as_mut();
        let Some(plan) = files.and_then(|files| files.plan.as_mut()).filter(|plan| plan.files < known) else {
            return;
        };
        plan.files = known;
        let plan = plan.clone();
        let requests = plan.rows.saturating_add(plan.files);
        self.host().estimate(&name, &plan.method, requests, plan.records, plan.bytes);
    }

    /// This backup asks for no more files: its budget is spent, or all of them fail.
    fn no_more_files(&self) -> bool {
        let budget = self.org.configuration().file_requests;
        self.checkpoint.files_deferred.is_some() || budget.is_some_and(|budget| self.checkpoint.file_requests >= budget)
    }

    /// Files and records of the object that failed in earlier backups.
    pub(in crate::backup) fn failed_parts(&mut self, object_ix: usize) -> Result<&mut Parts, ConnectorError> {
        if !self.failed_parts.contains_key(&object_ix) {
            let parts = Parts::load(self.host(), self.name(object_ix))?;
            self.failed_parts.insert(object_ix, parts);
        }
        Ok(self.failed_parts.entry(object_ix).or_default())
    }

    /// Looks through the object's rows, from where the last walk ended until a list is full, and lists the files that are due.
    fn walk(&mut self, object_ix: usize) -> Result<(), ConnectorError> {
        let host = self.host();
        let (Some(mut describe), Some(snapshot)) = (self.describes.get(&object_ix).cloned(), host.open(Which::Current)?) else {
            self.files(object_ix).walked = true;
            return Ok(());
        };
        if !self.org.configuration().rich_text_images {
            describe.images.clear();
        }
        let name = self.name(object_ix).to_owned();
        let at_once = self.checkpoint.objects[object_ix].rows_at_once().min(MAX_ROWS);
        let counts_only = self.no_more_files();
        let now = host.now();
        self.files(object_ix).rounds += 1;
        let mut list = due::Writer::new(host, &name, self.files(object_ix).rounds);
        let (mut in_store, mut contents) = (0, BTreeSet::new());
        while !list.is_full() && in_store < MAX_FOUND && host.now() < host.ends_at() && !host.should_stop() {
            let (rows, next) = snapshot.read(&name, &self.files(object_ix).after, at_once)?;
            for row in &rows {
                for file in found::files_of(&describe, row) {
                    let is_there = host.reuse_blob(&file.blob(&name))?.is_some();
                    let is_known = file.checksum().is_some_and(|content| !contents.insert(content.to_owned()));
                    self.files(object_ix).count(&file, is_there, is_known);
                    if is_there {
                        in_store += 1;
                    } else if counts_only {
                        self.files(object_ix).left += 1;
                    } else if let Some(again) = self
                        .failed_parts(object_ix)?
                        .get(&file.part())
                        .filter(|again| !again.is_due(now))
                    {
                        host.part_failed(&name, &file.part(), again.failure(&name));
                        self.files(object_ix).failed += 1;
                    } else {
                        list.add(file)?;
                    }
                }
            }
            let files = self.files(object_ix);
            files.rows += rows.len() as u64;
            if let Some(last) = rows.last() {
                files.after.clone_from(&last.key);
            }
            if rows.is_empty() || next.is_empty() {
                files.walked = true;
                break;
            }
        }
        let files = self.files(object_ix);
        files.list = list.finish()?;
        files.listed |= files.list.is_some();
        self.estimate_files(object_ix);
        Ok(())
    }

    /// Takes files from the list, as long as requests may be sent.
    fn fetch_listed(&mut self, object_ix: usize) -> Result<(), ConnectorError> {
        let name = self.name(object_ix).to_owned();
        while let Some(listed) = self.files(object_ix).list.clone() {
            let Some(piece) = due::piece(self.host(), &name, &listed)? else {
                let files = self.files(object_ix);
                *files = FileWalk {
                    rounds: files.rounds,
                    listed: true,
                    fetched: files.fetched,
                    due: files.fetched,
                    late: std::mem::take(&mut files.late),
                    ..FileWalk::default()
                };
                return Ok(());
            };
            let mut taken = listed.taken as usize;
            while taken < piece.len() && !self.no_more_files() {
                let fetched = self.fetch(object_ix, &name, &piece[taken..])?;
                taken += fetched;
                if let Some(list) = &mut self.files(object_ix).list {
                    list.take(fetched);
                }
                if fetched == 0 {
                    return Ok(());
                }
            }
            let spent = self.no_more_files();
            let files = self.files(object_ix);
            if spent {
                files.left += files.list.take().map_or(0, |list| list.left);
            } else {
                files.list = files.list.take().and_then(super::object::Listed::next_piece);
            }
        }
        Ok(())
    }

    /// Fetches the first of these files, several at once; how many are dealt with.
    fn fetch(&mut self, object_ix: usize, name: &str, files: &[File]) -> Result<usize, ConnectorError> {
        let mut under_way: Vec<(&File, H::Pending)> = Vec::new();
        let mut reused = 0;
        // After one that failed they go one by one, so that an outage takes few requests.
        let at_once = if self.checkpoint.failing_files.is_some() { 1 } else { AT_ONCE };
        for file in files.iter().take(at_once) {
            // A file before it may have had the same content.
            if under_way.is_empty() && self.host().reuse_blob(&file.blob(name))?.is_some() {
                reused += 1;
                continue;
            }
            let same = under_way.iter().any(|(other, _)| other.equals(file));
            if same || !self.may_send(under_way.len()) || self.no_more_files() {
                break;
            }
            match self.start_file(object_ix, name, file)? {
                Some(pending) => under_way.push((file, pending)),
                None => break,
            }
        }
        let (mut dealt_with, mut broken) = (reused, false);
        for (file, pending) in under_way {
            let is_dealt_with = self.finish_file(object_ix, name, file, pending, 0)?;
            broken |= !is_dealt_with;
            // Files after one that is missing are in the store, and found there.
            dealt_with += usize::from(!broken);
        }
        Ok(dealt_with)
    }

    /// Asks for a file; `None` where nothing more may be sent.
    fn start_file(&mut self, object_ix: usize, name: &str, file: &File) -> Result<Option<H::Pending>, ConnectorError> {
        let failed_before = self.failed_parts(object_ix)?.get(&file.part()).is_some();
        self.org.send_once(failed_before);
        let started = self.org.start_file(&file.resource(name));
        self.org.send_once(false);
        match started {
            Ok(pending) => {
                self.sent += 1;
                self.checkpoint.file_requests += 1;
                Ok(Some(pending))
            }
            Err(stopped) => {
                self.stopped(Some(stopped))?;
                Ok(None)
            }
        }
    }

    /// Stores a file; true where nothing more is to be done for it now. `tries`: how often it failed before.
    fn finish_file(
        &mut self,
        object_ix: usize,
        name: &str,
        file: &File,
        pending: H::Pending,
        tries: u8,
    ) -> Result<bool, ConnectorError> {
        let blob = file.blob(name);
        let saved = self.org.finish(pending).and_then(|body| body.save(&blob));
        let one_body = self
            .describes
            .get(&object_ix)
            .is_some_and(|describe| describe.bodies.len() == 1);
        let promised = file.length().filter(|_| one_body);
        let stopped = match (saved, promised) {
            (Ok(length), Some(promised)) if length != promised => {
                self.host().drop_blob(&blob)?;
                SendFailure::Differs(Failure::new(
                    "content-differs",
                    format!("the body has {length} bytes, its record says {promised}"),
                ))
            }
            (Ok(_), _) => {
                self.files(object_ix).fetched += 1;
                self.checkpoint.failing_files = None;
                self.failed_parts(object_ix)?.came(&file.part());
                self.answer_came();
                return Ok(true);
            }
            (Err(stopped), _) => stopped,
        };
        self.file_failed(object_ix, file, tries, stopped)
    }

    /// All files of the object are there, or left.
    fn files_end(&mut self, object_ix: usize) -> Result<(), ConnectorError> {
        let files = self.files(object_ix).clone();
        let object = &mut self.checkpoint.objects[object_ix];
        let deferred = self.checkpoint.files_deferred.as_deref();
        let mut events: Vec<Event> = files_remark(&object.name, files.left, files.failed, deferred)
            .map(Event::Remark)
            .into_iter()
            .collect();
        object.files_read(&mut events);
        let name = object.name.clone();
        if files.left > 0 {
            self.org.host().warning(deferred_warning(&name, files.left, deferred));
        }
        let missing = files.left.saturating_add(files.failed);
        held::keep(self.host(), &name, files.rows.saturating_sub(missing))?;
        let before = images::known(self.host(), &[&name])?.pop().flatten();
        if files.images > 0 || before.is_some() {
            let now = images::Images::after(before, files.images, files.images_due, missing);
            let wanted = self.org.configuration().rich_text_images;
            images::keep(self.host(), &name, wanted.then_some(now))?;
        }
        if files.listed {
            // A batch that is lost after this walks again, which costs no request.
            due::forget(self.host(), &name)?;
        }
        self.tell(object_ix, events)
    }

    /// Objects whose rows are committed, so that their files can be walked.
    pub(super) fn files_ready(&self) -> Vec<usize> {
        let objects = &self.checkpoint.objects;
        (0..objects.len())
            .filter(|object_ix| matches!(objects[*object_ix].phase, Phase::Files(_)))
            .collect()
    }
}

impl FileWalk {
    /// Counts a file of a row.
    fn count(&mut self, file: &File, is_there: bool, is_known: bool) {
        self.images += u64::from(file.is_image());
        self.images_due += u64::from(file.is_image() && !is_there);
        self.due += u64::from(!is_there && !is_known);
    }
}

fn left_text(left: u64, deferred: Option<&str>) -> String {
    match deferred {
        Some(why) => {
            format!("{left} files are left for the next backup, since one file after the other failed: {why}")
        }
        None => format!("{left} files are left for the next backup, by the connection's file_requests"),
    }
}

/// Files that this snapshot lacks and the next one is to have.
fn deferred_warning(object: &str, left: u64, deferred: Option<&str>) -> Failure {
    let warning = Failure::new("files-deferred", left_text(left, deferred));
    let warning = match deferred {
        Some(_) => warning.remedy("back up again"),
        None => warning.remedy("raise file_requests, or back up again"),
    };
    warning.about(object).detail("count", left)
}

fn files_remark(object: &str, left: u64, failed: u64, deferred: Option<&str>) -> Option<Failure> {
    if left > 0 {
        return Some(
            Failure::new("files-left", left_text(left, deferred))
                .remedy("raise file_requests, or back up again")
                .about(object)
                .detail("left", left),
        );
    }
    (failed > 0).then(|| {
        Failure::new("files-not-read", format!("{failed} files could not be had"))
            .remedy("each is named with its reason; the next backup tries them again")
            .about(object)
            .detail("failed", failed)
    })
}
