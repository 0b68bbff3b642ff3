//! What a restore will do, and what that costs: as planning tells it, and as far as it has come.

use crate::host::{ConnectorError, Failure, Host, Tally};
use crate::restore::context::Context;
use crate::restore::limits::{
    DOCUMENTS_A_REQUEST, IDS_A_REQUEST, RECORDS_A_REQUEST, RECORDS_READ_BACK, bulk_requests, rows_a_job,
};
use crate::restore::rules::{self, FILE_DOCUMENT};
use crate::restore::state::job::{Job, Stage};
use crate::restore::state::objects::{ObjectJob, Strategy};
use crate::restore::state::record::{RecordEntry, RecordState};
use crate::restore::state::records::Pages;
use crate::salesforce::limits::{COLLECTION_RECORDS, COMPOSITE_QUERIES, SUBREQUESTS};

/// Looks at what records refer to, where that isn't known yet.
const REFERRED_LOOKS: u64 = 2;

/// Requests that writing may take beyond its records: looks for what comes by itself, what can only be written then, references that
/// are set in the end.
const WAVES: u64 = 6;

impl ObjectJob {
    /// Its records come with others.
    fn is_brought(&self) -> bool {
        self.name() == FILE_DOCUMENT.brings
    }

    /// What will have become of its records.
    fn expected(&self) -> Tally {
        let so_far = self.tally.unwrap_or_default();
        Tally {
            created: so_far.created + self.open.saturating_sub(self.updates + self.relinks),
            updated: so_far.updated + self.updates.min(self.open),
            relinked: so_far.relinked + self.relinks.min(self.open),
            ..so_far
        }
    }

    /// How its records are written, for people, and the requests that it adds to those of the objects before it. `before`: their
    /// records that share composite requests.
    fn described_strategy(&self, before: &mut u64) -> (&'static str, u64) {
        if self.is_brought() {
            return (
                "come with their versions, which are asked for them",
                self.open.div_ceil(DOCUMENTS_A_REQUEST),
            );
        }
        match self.strategy {
            Strategy::Files(files) => ("with their files, as parts of collections of 200", files.requests()),
            Strategy::Bulk { rows_a_job } => ("bulk ingest jobs", bulk_requests(self.open, rows_a_job)),
            Strategy::Collections => {
                let requests = (*before + self.open).div_ceil(RECORDS_A_REQUEST) - before.div_ceil(RECORDS_A_REQUEST);
                *before += self.open;
                ("collections of 200, five to a composite request", requests)
            }
        }
    }
}

impl Job {
    /// Objects of so many records that bulk jobs take fewer requests.
    pub(in crate::restore) fn choose_bulk(&mut self) {
        for object in self.objects.iter_mut().filter(|object| object.open > 0) {
            if object.strategy.files().is_some() || object.is_brought() {
                continue;
            }
            if let Some(rows_a_job) = rows_a_job(object.open, object.bytes, object.to_own) {
                self.unconnected += object.to_own;
                object.strategy = Strategy::Bulk { rows_a_job };
                self.plan.composites = self.plan.composites.saturating_sub(object.open / RECORDS_A_REQUEST);
            }
        }
        self.plan.together = self.together();
    }

    /// Records of all objects that are still to be written.
    pub(in crate::restore) fn open(&self) -> u64 {
        self.objects.iter().map(|object| object.open).sum()
    }

    /// Requests that writing still needs.
    pub(in crate::restore) fn needed(&self) -> u64 {
        let open = self.open();
        let requests = |object: &ObjectJob| match object.strategy {
            Strategy::Files(files) => files.left(object.open),
            Strategy::Bulk { rows_a_job } => bulk_requests(object.open, rows_a_job),
            Strategy::Collections => 0,
        };
        let apart: u64 = self.objects.iter().map(requests).sum();
        let literal = self.plan.literal.min(open).div_ceil(COLLECTION_RECORDS as u64);
        let verify = if self.selection.verify {
            let written: u64 = self.objects.iter().map(ObjectJob::written).sum();
            (written + open).div_ceil(RECORDS_READ_BACK)
        } else {
            0
        };
        let connect = self.unconnected.div_ceil(RECORDS_A_REQUEST);
        self.needed_together() + apart + literal + self.needed_for_what_comes() + connect + verify
    }

    /// Records that share composite requests.
    fn together(&self) -> u64 {
        let together = |object: &&ObjectJob| object.strategy == Strategy::Collections && !object.is_brought();
        self.objects.iter().filter(together).map(|object| object.open).sum()
    }

    /// Of the composite requests that were rehearsed, as many as there are records left.
    fn needed_together(&self) -> u64 {
        let left = self.together();
        let planned = self.plan.together.max(left).max(1);
        let waves = u64::from(self.plan.waiting > 0 && left > 0);
        (self.plan.composites * left)
            .div_ceil(planned)
            .max(left.div_ceil(RECORDS_A_REQUEST))
            + waves
    }

    /// Asking for documents; for records that come with their parents; and what can only be written then.
    fn needed_for_what_comes(&self) -> u64 {
        let left = |object: &str| self.object(object).open;
        let documents = left(FILE_DOCUMENT.brings);
        let later_versions = left(FILE_DOCUMENT.of) > documents && documents > 0;
        let parent = |object| match object {
            "CampaignMemberStatus" => "Campaign",
            "AccountContactRelation" => "Contact",
            _ => FILE_DOCUMENT.brings,
        };
        let comes = rules::CREATED_WITH_PARENT
            .iter()
            .map(|created| created.object)
            .any(|object| object != "Contact" && left(object) > 0 && left(parent(object)) > 0);
        documents.div_ceil(DOCUMENTS_A_REQUEST) + u64::from(later_versions) + 2 * u64::from(comes)
    }
}

impl<H: Host> Context<'_, '_, H> {
    /// Tells people what will be done, object by object in the order of writing.
    pub(in crate::restore) fn tell_plan(&mut self) -> Result<(), ConnectorError> {
        let host = self.host();
        let mut before = 0;
        for object in self.job.objects.walked() {
            let tally = object.tally.unwrap_or_default();
            if object.open == 0 && tally == Tally::default() {
                continue;
            }
            let (strategy, requests) = object.described_strategy(&mut before);
            host.estimate(object.name(), strategy, requests, object.open + object.written(), 0);
            host.expected(object.name(), object.expected());
        }
        for object in self.job.objects.by_name() {
            if let Some(closed) = &object.closed {
                let failure = Failure::new(&closed.code, closed.message.clone());
                host.skipped(object.name(), failure.about(object.name()));
            }
        }
        for object in self.job.objects.by_name() {
            if let Some(matches) = object.matches {
                let why = format!("{} of {} records match the condition", matches.matching, matches.all);
                host.remark(object.name(), Failure::new("matches", why).about(object.name()));
            }
        }
        let losing = self.job.objects.by_name().filter(|object| !object.lost.is_empty());
        for object in losing.map(|object| object.name().to_owned()).collect::<Vec<_>>() {
            self.tell_lost(&object)?;
        }
        Ok(())
    }

    /// Requests that planning still needs, and those with the writing of all that may have to be written: which of it, only planning
    /// can tell.
    pub(in crate::restore) fn needed_at_most(&mut self) -> Result<(u64, u64), ConnectorError> {
        let (mut describes, mut looks, mut written, mut with_files) = (0_u64, 0, 0_u64, 0);
        for object in self.job.objects.walk() {
            let (mut unknown, mut wanted) = (0_u64, 0_u64);
            let mut pages = Pages::default();
            while let Some(page) = pages.next(&mut self.records, &object)? {
                let may_be_written = |entry: &RecordEntry| entry.is_wanted() && entry.what != RecordState::Same;
                unknown += page.iter().filter(|(_, entry)| entry.is_unknown()).count() as u64;
                wanted += page.iter().filter(|(_, entry)| may_be_written(entry)).count() as u64;
            }
            looks += unknown.div_ceil(IDS_A_REQUEST / COMPOSITE_QUERIES as u64);
            written += wanted;
            describes += u64::from(wanted > 0 && !self.is_described(&object)?);
            let has_files = self
                .writable(&object)?
                .is_some_and(|writable| writable.fields.iter().any(|field| field.binary));
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
}
