//! Files that fail: which are tried again, which have failed by name, and when all of them are left for the next backup.
//!
//! One that fails for a reason that may pass is tried twice more when the others are there; one that is refused has failed. Of an
//! earlier backup's failures each gets one attempt. Files that fail alike one after the other are no single failures: then this
//! backup asks for no more of them.

use super::super::batch::Batch;
use super::super::object::Late;
use super::super::trouble::as_error;
use super::File;
use crate::host::{ConnectorError, Failure, Host};
use crate::org::SendFailure;

/// Attempts that a file is worth in one backup, each of as many as the host makes.
const MAX_TRIES: u8 = 3;

/// So many that fail alike one after the other, for a reason that may pass, are an outage.
const OUTAGE: u32 = 5;

/// So many that are refused alike, one after the other, stand for all.
const REFUSED: u32 = 20;

/// Files of an object that wait for another try; more have failed.
const MAX_LATE: usize = 100;

impl<H: Host> Batch<'_, '_, H> {
    /// A file didn't come; true where the next one is to be asked for.
    pub(super) fn file_failed(
        &mut self,
        object_ix: usize,
        file: &File,
        tries: u8,
        stopped: SendFailure,
    ) -> Result<bool, ConnectorError> {
        let may_pass = match &stopped {
            SendFailure::Refused(refused) if refused.ends_session() => return self.stopped(Some(stopped)).map(|()| false),
            SendFailure::Refused(refused) => refused.may_pass(),
            SendFailure::TooLarge(_) => false,
            SendFailure::Broken(_) | SendFailure::Differs(_) | SendFailure::Later => true,
            _ => return self.stopped(Some(stopped)).map(|()| false),
        };
        if stopped == SendFailure::Later {
            self.end_busy();
        }
        let error = as_error(&stopped);
        let alike = self.checkpoint.failing_files.take().filter(|(_, code)| *code == error.code);
        let many = alike.map_or(0, |(many, _)| many) + 1;
        if many >= if may_pass { OUTAGE } else { REFUSED } {
            self.checkpoint.files_deferred.get_or_insert(error.text());
        }
        self.checkpoint.failing_files = Some((many, error.code.clone()));
        let failed_before = self.failed_parts(object_ix)?.get(&file.part()).is_some();
        let files = self.files(object_ix);
        if may_pass && !failed_before && tries + 1 < MAX_TRIES && files.late.len() < MAX_LATE {
            files.late.push(Late {
                file: file.clone(),
                tries: tries + 1,
            });
            return Ok(true);
        }
        files.failed += 1;
        let name = self.name(object_ix).to_owned();
        let code = match &stopped {
            SendFailure::Differs(_) => "content-differs",
            SendFailure::TooLarge(_) => "file-too-large",
            SendFailure::Refused(refused) if refused.status == 403 => "no-access",
            SendFailure::Refused(refused) if refused.status == 404 => "not-found",
            _ if may_pass => "not-answered",
            _ => "refused",
        };
        let failure = Failure::new(code, format!("{name} {} could not be had: {}", file.part(), error.text()))
            .about(&name)
            .detail("error-code", &error.code);
        let failure = match code {
            "no-access" => {
                failure.remedy("give the connection's user the permission Query All Files; the next backup tries again")
            }
            _ => failure.remedy("the next backup tries again"),
        };
        let now = self.host().now();
        self.failed_parts(object_ix)?.failed(&file.part(), now, &failure);
        self.host().part_failed(&name, &file.part(), failure);
        Ok(true)
    }

    /// Tries again what failed, once each; true where nothing of it is left to be tried.
    pub(super) fn fetch_late(&mut self, object_ix: usize) -> Result<bool, ConnectorError> {
        let name = self.name(object_ix).to_owned();
        let mut waiting = std::mem::take(&mut self.files(object_ix).late).into_iter();
        while let Some(late) = waiting.next() {
            if self.no_more_files() {
                self.files(object_ix).left += 1;
                continue;
            }
            let pending = match self.may_send(0) {
                true => self.start_file(object_ix, &name, &late.file)?,
                false => None,
            };
            let is_dealt_with = match pending {
                Some(pending) => self.finish_file(object_ix, &name, &late.file, pending, late.tries)?,
                None => false,
            };
            if !is_dealt_with {
                // Those that were not tried come first the next time.
                let tried = std::mem::take(&mut self.files(object_ix).late);
                self.files(object_ix).late = std::iter::once(late).chain(waiting).chain(tried).collect();
                return Ok(false);
            }
        }
        let is_done = self.files(object_ix).late.is_empty();
        if !is_done {
            self.end_busy();
        }
        Ok(is_done)
    }
}
