//! Makes the first checkpoint of what planning learnt, and tells people what will be read, how, and what that costs.

use super::estimate;
use super::predecessor::{Reads, reads};
use super::state::{Candidate, State};
use crate::STATE_VERSION;
use crate::backup::{Checkpoint, Object, ObjectFiles, Since, Strategy, again, by_bulk, next_batch, ranges, skipped};
use crate::host::{BatchResult, ConnectorError, Failure, Host, Next, Note, Planned, Snapshot};
use crate::org::Org;
use crate::salesforce::limits::{MIN_PAGE_ROWS, PAGE_ROWS};
use crate::salesforce::{ApiError, Describe, PERMISSIONS, Skip};
use crate::schema::describes::{self, Known};
use crate::schema::{MAX_GROUPS, Mark, describe_key, marks, no_mark, schema_remarks};
use std::collections::BTreeMap;

/// What a field weighs in an answer besides its name: quotes, colon, comma, and a value that is short or null.
const FIELD_BYTES: usize = 16;

/// Of `attributes`, with the record's address.
const ATTRIBUTES_BYTES: usize = 100;

/// Where the org doesn't say up to where changes are known: transactions that run longer than this lose what they change to the
/// next full backup, in milliseconds.
const UNKNOWN_LAG_MS: u64 = 2 * 3_600_000;

/// Describes are handed on in pieces of about so many bytes.
const PIECE_BYTES: usize = 4 * 1024 * 1024;

/// Objects that bulk doesn't take, though nothing in their describe says so.
const NO_BULK: [&str; 9] = [
    "AcceptedEventRelation",
    "AttachedContentNote",
    "Attachment",
    "DeclinedEventRelation",
    "FieldSecurityClassification",
    "PartnerRole",
    "RecentlyViewed",
    "TaskPriority",
    "UndecidedEventRelation",
];

/// What a user may not see vanishes without an error: it is said with each plan and each snapshot.
fn warn_of_missing_permissions<H: Host>(host: &H, state: &State) {
    for permission in &PERMISSIONS {
        if let Some((code, remedy)) = permission.warning
            && state.missing.iter().any(|missing| missing == permission.name)
        {
            let message = format!("the connection's user lacks {}: {}", permission.name, permission.hides);
            host.warning(Failure::new(code, message).remedy(remedy));
        }
    }
}

pub(super) fn assemble<H: Host>(
    org: &Org<'_, H>,
    state: &State,
    known: &BTreeMap<String, Known>,
    predecessor: Option<&H::Snapshot>,
    writes: bool,
) -> Result<Planned, ConnectorError> {
    let host = org.host();
    warn_of_missing_permissions(host, state);
    let candidates: Vec<&Candidate> = state.candidates.iter().flatten().collect();
    let names: Vec<&str> = candidates.iter().map(|candidate| candidate.name.as_str()).collect();
    let mut marks = match predecessor {
        Some(snapshot) => marks(snapshot, &names)?,
        None => vec![None; names.len()],
    };
    if let Some(snapshot) = predecessor {
        let damaged = snapshot.damaged()?;
        for (name, mark) in names
            .iter()
            .zip(&mut marks)
            .filter(|(name, _)| damaged.iter().any(|object| object == *name))
        {
            *mark = None;
            host.warning(damaged_base(name));
        }
    }
    let failed = again::known(host, &names)?;
    let unreadable = again::unreadable(host, &names)?;
    let org_began = state.began.saturating_add_signed(state.ahead);
    let covered = state.covered.unwrap_or(org_began.saturating_sub(UNKNOWN_LAG_MS));
    let mut objects = Vec::new();
    let mut plans = Vec::new();
    for (((candidate, mark), failed), unreadable) in candidates.into_iter().zip(&marks).zip(failed).zip(unreadable) {
        // A full backup tries everything anew.
        let failed = failed.filter(|_| !state.full);
        if let Some(failed) = failed.as_ref().filter(|failed| !failed.is_due(host.now())) {
            host.failed(&candidate.name, failed.failure(&candidate.name));
            continue;
        }
        let (describe, groups) = match readable(candidate, known.get(&candidate.name)) {
            Ok(readable) => readable,
            Err(Unread::Skipped(why)) => {
                host.skipped(&candidate.name, why);
                continue;
            }
            Err(Unread::Failed(why)) => {
                if writes {
                    again::failed(host, &candidate.name, &why)?;
                    host.annotate(vec![no_mark(&candidate.name)])?;
                }
                host.failed(&candidate.name, why);
                continue;
            }
        };
        let mut object = first(candidate, describe, groups, mark.as_ref());
        object.failed_before = failed.is_some();
        leave_out(host, &mut object, unreadable, state.full);
        let configuration = org.configuration();
        if !configuration.rich_text_images && !describe.images.is_empty() && configuration.file_requests != Some(0) {
            host.remark(&object.name, images_left_out(&object.name));
        }
        if let Some(files) = &mut object.files {
            // Where there are images alone, and nobody wants them, it is as if nobody wanted files.
            let none_wanted = describe.bodies.is_empty() && !configuration.rich_text_images;
            files.off = configuration.file_requests == Some(0) || none_wanted;
        }
        object.covered = Some(covered);
        object.replaces = predecessor.is_some() && object.since.is_none();
        if let Some(mark) = mark {
            for remark in schema_remarks(&object.name, &mark.describe, describe) {
                host.remark(&object.name, remark);
            }
        }
        plans.push((candidate, describe, mark));
        objects.push(object);
    }
    for object_ix in by_bulk(&objects, org.configuration().bulk_rows) {
        let rows = objects[object_ix].remaining().unwrap_or(0);
        let jobs = ranges::how_many(rows, objects[object_ix].row_bytes);
        objects[object_ix].read_by_jobs(jobs);
    }
    if writes {
        keep_describes(host, state, known, &plans)?;
    }
    let mut checkpoint = Checkpoint::new(Vec::new());
    (checkpoint.began_at, checkpoint.covered, checkpoint.ahead) = (state.began, covered, state.ahead);
    let (candidates, describes): (Vec<_>, Vec<_>) = plans
        .into_iter()
        .map(|(candidate, describe, _)| (candidate, describe))
        .unzip();
    estimate::tell(org, &mut checkpoint, objects, &candidates, &describes)?;
    let next = match checkpoint.requests() {
        0 => Next::Done,
        _ => Next::Batch(next_batch(&checkpoint)),
    };
    Ok(Planned::Ready(BatchResult::new(STATE_VERSION, checkpoint.write()?, next)))
}

/// Records that an earlier backup could not read are left out of queries, and each is asked for alone once that is due.
fn leave_out<H: Host>(host: &H, object: &mut Object, unreadable: Vec<(String, again::Again)>, full: bool) {
    for (id, again) in unreadable.into_iter().filter(|_| object.strategy == Strategy::Keyset) {
        if full || again.is_due(host.now()) {
            object.ask_again.push(id.clone());
        } else {
            host.part_failed(&object.name, &id, again.failure(&object.name));
        }
        object.unreadable.push(id);
    }
}

/// An object before its first request.
fn first(candidate: &Candidate, describe: &Describe, groups: u8, mark: Option<&Mark>) -> Object {
    let strategy = Object::first_strategy(describe);
    let mut object = Object::new(candidate.name.clone(), strategy, candidate.counted, row_bytes(describe));
    object.groups = if groups > 1 { groups } else { 0 };
    object.bulk_able = groups == 1
        && describe.keyset
        && describe.durable_id.is_none()
        && describe.fits_csv()
        && !NO_BULK.contains(&object.name.as_str())
        && !object.name.ends_with("Status")
        && !object.name.ends_with("__mdt");
    if !describe.bodies.is_empty() || !describe.images.is_empty() {
        object.files = Some(Box::new(ObjectFiles {
            left: mark.map_or(0, |mark| mark.files_left),
            ..ObjectFiles::default()
        }));
    }
    if groups == 1 && describe.long_texts() > 1 {
        shorten_pages(&mut object, describe);
    }
    if let Some(mark) = mark {
        object.counts.counted = object.counts.counted.or(Some(mark.records));
        if let Reads::Changes { looks } = reads(mark, describe) {
            object.live = Some(mark.records);
            if groups == 1 {
                // Few rows come: one query has all their fields.
                object.groups = 0;
            }
            object.read_since(Since::new(mark.covered, mark.deletions_covered, describe.replicated), looks);
        }
    }
    object
}

/// Two fields of long text in a query make its pages short. Where each in a query of its own takes fewer of them, that is the way.
fn shorten_pages(object: &mut Object, describe: &Describe) {
    object.page_rows = MIN_PAGE_ROWS;
    let together = object.remaining().unwrap_or(0).div_ceil(u64::from(MIN_PAGE_ROWS));
    let rounds = object.remaining().unwrap_or(0).div_ceil(u64::from(PAGE_ROWS));
    let Ok(groups) = u8::try_from(describe.long_texts()) else {
        return;
    };
    let can_be_joined = describe.keyset && describe.durable_id.is_none() && groups <= MAX_GROUPS;
    if can_be_joined && rounds * u64::from(groups) < together {
        object.groups = groups;
        object.page_rows = PAGE_ROWS;
    }
}

/// The org's own describes become part of the snapshot, where it doesn't have them as they are.
fn keep_describes<H: Host>(
    host: &H,
    state: &State,
    known: &BTreeMap<String, Known>,
    plans: &[(&Candidate, &Describe, &Option<Mark>)],
) -> Result<(), ConnectorError> {
    let (mut piece, mut bytes) = (Vec::new(), 0);
    for (candidate, describe, mark) in plans {
        let asked_now = known.get(&candidate.name).is_some_and(|known| known.began == state.began);
        let has_it = mark.as_ref().is_some_and(|mark| mark.describe == **describe);
        if has_it && !asked_now {
            continue;
        }
        if let Some(whole) = describes::whole(host, &candidate.name)? {
            bytes += whole.len();
            piece.push(Note {
                key: describe_key(&candidate.name),
                body: whole,
            });
        }
        if bytes > PIECE_BYTES {
            host.annotate(std::mem::take(&mut piece))?;
            bytes = 0;
        }
    }
    if !piece.is_empty() {
        host.annotate(piece)?;
    }
    Ok(())
}

/// Why an object isn't read.
enum Unread {
    /// By its nature.
    Skipped(Failure),
    /// The org gave no answer.
    Failed(Failure),
}

/// Part of the predecessor is damaged: what of it is good is no base to go on from.
fn damaged_base(object: &str) -> Failure {
    Failure::new(
        "damaged-base",
        "something of it that an earlier snapshot holds is damaged; it is read in full, which heals it",
    )
    .about(object)
    .remedy("find out what damaged the store; `backup-host check` names what is damaged")
    .detail("count", 1)
}

/// The describe of an object that can be read, and in how many groups its fields are.
fn readable<'k>(candidate: &Candidate, known: Option<&'k Known>) -> Result<(&'k Describe, u8), Unread> {
    let name = &candidate.name;
    if let Some(code) = &candidate.skipped {
        return Err(Unread::Skipped(not_tried(name, code)));
    }
    let describe = match known.map(|known| &known.answer) {
        Some(Ok(describe)) => describe,
        Some(Err(Skip::Refused(error))) => {
            return Err(match describes::nature(error) {
                Some(code) => Unread::Skipped(skipped(name, code, error, 0)),
                None => Unread::Failed(skipped(name, "not-answered", error, 0)),
            });
        }
        Some(Err(Skip::NotQueryable)) => return Err(Unread::Skipped(not_tried(name, "no-query"))),
        None => {
            let error = ApiError {
                code: "NO_DESCRIBE".to_owned(),
                message: "the org gave no describe of it".to_owned(),
            };
            return Err(Unread::Failed(skipped(name, "not-answered", &error, 0)));
        }
    };
    if describe.fields.is_empty() {
        return Err(Unread::Skipped(not_tried(name, "no-fields")));
    }
    match describes::field_groups(name, describe) {
        Ok(groups) => Ok((describe, groups)),
        Err(error) => Err(Unread::Skipped(skipped(name, "field-list-too-long", &error, 0))),
    }
}

fn images_left_out(object: &str) -> Failure {
    let message = "images in its rich text are left out, by the connection's rich_text_images";
    Failure::new("images-left-out", message)
        .remedy("remove rich_text_images from the connection's configuration to back them up")
        .about(object)
}

fn not_tried(name: &str, code: &str) -> Failure {
    match code {
        "external-object" => Failure::new(
            code,
            format!("{name} is an external object: its records are in another system, which each query would call"),
        )
        .remedy(format!("name it to read it all the same: --object {name}")),
        "big-object" => Failure::new(code, format!("{name} is a big object"))
            .remedy("big objects are read by their index, which this connector doesn't do yet"),
        "no-fields" => Failure::new(code, format!("{name} has no field that the user may read"))
            .remedy("give the connection's user access to its fields"),
        _ => Failure::new(code, format!("{name} takes no queries")),
    }
    .about(name)
}

fn row_bytes(describe: &Describe) -> u32 {
    let bytes = describe
        .fields
        .iter()
        .map(|field| field.name.len() + FIELD_BYTES)
        .sum::<usize>()
        + ATTRIBUTES_BYTES;
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
