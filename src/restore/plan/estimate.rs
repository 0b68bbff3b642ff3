//! What a restore will do, and what that costs, as planning tells it.

use crate::host::{ConnectorError, Failure, Host, Tally};
use crate::restore::plan::lookup::IDS_A_REQUEST;
use crate::restore::request::RECORDS_A_REQUEST;
use crate::restore::rules;
use crate::restore::run::Run;
use crate::restore::state::job::Stage;
use crate::restore::state::record::{RecordEntry, RecordState};
use crate::restore::state::records::Pages;
use crate::restore::write::documents::DOCUMENTS_A_REQUEST;
use crate::restore::write::ingest;
use crate::restore::write::verify;
use crate::salesforce::limits::{COLLECTION_RECORDS, COMPOSITE_QUERIES, SUBREQUESTS};

/// Looks at what records refer to, where that isn't known yet.
const REFERRED_LOOKS: u64 = 2;

/// Requests that writing may take beyond its records: looks for what comes by itself, what can only be written then, references that
/// are set in the end.
const WAVES: u64 = 6;

impl<H: Host> Run<'_, '_, H> {
    /// Tells people what will be done, object by object in the order of writing.
    pub(in crate::restore) fn tell_plan(&mut self) -> Result<(), ConnectorError> {
        let host = self.host();
        let mut before = 0;
        for object in &self.job.objects {
            let tally = self.job.tallies.get(object).copied().unwrap_or_default();
            let open = self.left_of(object);
            let done = tally.created + tally.updated + tally.relinked;
            if open == 0 && tally == Tally::default() {
                continue;
            }
            let (way, requests) = self.way(object, open, &mut before);
            host.estimate(object, way, requests, open + done, 0);
            host.expected(object, self.expected(object, tally));
        }
        for (object, (code, why)) in &self.job.closed {
            host.skipped(object, Failure::new(code, why).about(object));
        }
        for (object, (of, all)) in &self.job.matches {
            let failure = Failure::new("matches", format!("{of} of {all} records match the condition"));
            host.remark(object, failure.about(object));
        }
        for object in self.job.lost.keys().cloned().collect::<Vec<_>>() {
            self.tell_lost(&object)?;
        }
        Ok(())
    }

    /// How the records of an object are written, and the requests that it adds to those of the objects before it.
    fn way(&self, object: &str, open: u64, before: &mut u64) -> (&'static str, u64) {
        if object == rules::BROUGHT.2 {
            return (
                "come with their versions, which are asked for them",
                open.div_ceil(DOCUMENTS_A_REQUEST),
            );
        }
        if let Some(files) = self.job.files.get(object) {
            return ("with their files, as parts of collections of 200", files.requests());
        }
        if let Some(rows) = self.job.bulk.get(object) {
            return ("bulk ingest jobs", ingest::requests(open, *rows));
        }
        let requests = (*before + open).div_ceil(RECORDS_A_REQUEST) - before.div_ceil(RECORDS_A_REQUEST);
        *before += open;
        ("collections of 200, five to a composite request", requests)
    }

    /// Objects of so many records that bulk jobs take fewer requests.
    pub(in crate::restore) fn choose_bulk(&mut self) {
        for (object, open) in &self.job.open {
            let bytes = self.job.bytes.get(object).copied().unwrap_or_default();
            if self.job.files.contains_key(object) || object == rules::BROUGHT.2 {
                continue;
            }
            let to_own = self.job.to_own.get(object).copied().unwrap_or_default();
            if let Some(rows) = ingest::rows_a_job(*open, bytes, to_own) {
                self.job.unconnected += to_own;
                self.job.bulk.insert(object.clone(), rows);
                self.job.composites = self.job.composites.saturating_sub(open / RECORDS_A_REQUEST);
            }
        }
        self.job.together = self.together();
    }

    fn expected(&self, object: &str, so_far: Tally) -> Tally {
        let updates = self.job.updates.get(object).copied().unwrap_or_default();
        let relinks = self.job.relinks.get(object).copied().unwrap_or_default();
        let open = self.left_of(object);
        Tally {
            created: so_far.created + open.saturating_sub(updates + relinks),
            updated: so_far.updated + updates.min(open),
            relinked: so_far.relinked + relinks.min(open),
            ..so_far
        }
    }

    /// Requests that planning still needs, and those with the writing of all that may have to be written: which of it, only planning
    /// can tell.
    pub(in crate::restore) fn needed_at_most(&mut self) -> Result<(u64, u64), ConnectorError> {
        let (mut describes, mut looks, mut written, mut with_files) = (0_u64, 0, 0_u64, 0);
        for object in self.job.objects.clone() {
            let (mut unknown, mut wanted) = (0_u64, 0_u64);
            let mut pages = Pages::default();
            while let Some(some) = pages.next(&mut self.records, &object)? {
                let may_be_written = |entry: &RecordEntry| entry.is_wanted() && entry.what != RecordState::Same;
                unknown += some.iter().filter(|(_, entry)| entry.is_unknown()).count() as u64;
                wanted += some.iter().filter(|(_, entry)| may_be_written(entry)).count() as u64;
            }
            looks += unknown.div_ceil(IDS_A_REQUEST / COMPOSITE_QUERIES as u64);
            written += wanted;
            describes += u64::from(wanted > 0 && !self.is_described(&object)?);
            let has_files = self
                .writable(&object)?
                .is_some_and(|of| of.fields.iter().any(|field| field.binary));
            with_files += if has_files {
                wanted.div_ceil(COLLECTION_RECORDS as u64)
            } else {
                0
            };
        }
        // What the records refer to is found once it is known how they are written.
        let referred = if self.job.stage < Stage::LookUp { REFERRED_LOOKS } else { 0 };
        let planning = (describes.div_ceil(SUBREQUESTS as u64) + looks.div_ceil(COMPOSITE_QUERIES as u64) + referred).max(1);
        let waves = if written > 0 { WAVES } else { 0 };
        Ok((planning, planning + written.div_ceil(RECORDS_A_REQUEST) + with_files + waves))
    }

    /// Requests that writing still needs.
    pub(in crate::restore) fn needed(&self) -> u64 {
        let open: u64 = self.job.open.values().sum();
        let files = self.job.files.iter();
        let files: u64 = files.map(|(object, files)| files.left(self.left_of(object))).sum();
        let bulk = self.job.bulk.iter();
        let bulk: u64 = bulk.map(|(object, rows)| ingest::requests(self.left_of(object), *rows)).sum();
        let literal = self.job.literal.min(open).div_ceil(COLLECTION_RECORDS as u64);
        let verify = if self.job.selection.verify {
            let tallies = self.job.tallies.values();
            let written: u64 = tallies.map(|tally| tally.created + tally.updated + tally.relinked).sum();
            (written + open).div_ceil(verify::RECORDS_A_REQUEST)
        } else {
            0
        };
        let connect = self.job.unconnected.div_ceil(RECORDS_A_REQUEST);
        self.needed_together() + files + bulk + literal + self.needed_for_what_comes() + connect + verify
    }

    /// Records that share composite requests.
    fn together(&self) -> u64 {
        let apart = |object: &String| {
            self.job.files.contains_key(object) || self.job.bulk.contains_key(object) || object == rules::BROUGHT.2
        };
        let open = self.job.open.iter();
        open.filter(|(object, _)| !apart(object)).map(|(_, open)| open).sum()
    }

    /// Of the composite requests that were rehearsed, as many as there are records left.
    fn needed_together(&self) -> u64 {
        let left = self.together();
        let planned = self.job.together.max(left).max(1);
        let waves = u64::from(self.job.waiting > 0 && left > 0);
        (self.job.composites * left)
            .div_ceil(planned)
            .max(left.div_ceil(RECORDS_A_REQUEST))
            + waves
    }

    /// Asking for documents; for records that come with their parents; and what can only be written then.
    fn needed_for_what_comes(&self) -> u64 {
        let documents = self.left_of(rules::BROUGHT.2);
        let later_versions = self.left_of(rules::BROUGHT.0) > documents && documents > 0;
        let parent = |object| match object {
            "CampaignMemberStatus" => "Campaign",
            "AccountContactRelation" => "Contact",
            _ => rules::BROUGHT.2,
        };
        let comes = rules::CREATED_WITH_PARENT
            .iter()
            .map(|(object, ..)| *object)
            .any(|object| object != "Contact" && self.left_of(object) > 0 && self.left_of(parent(object)) > 0);
        documents.div_ceil(DOCUMENTS_A_REQUEST) + u64::from(later_versions) + 2 * u64::from(comes)
    }

    pub(in crate::restore) fn left_of(&self, object: &str) -> u64 {
        self.job.open.get(object).copied().unwrap_or_default()
    }
}
