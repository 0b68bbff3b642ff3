//! Asks the org for what planning doesn't know yet: describe global, record counts, describes. Everything that is learnt is kept
//! before the next request is waited for.

use super::state::{Candidate, State, clamped};
use super::tally;
use crate::backup::again;
use crate::backup::files::held;
use crate::halt::{Halt, Step};
use crate::host::{ConnectorError, Failure, Host, Level, Planned};
use crate::org::{Body, Org, SendFailure, Subrequest};
use crate::salesforce::limits::COMPOSITE_QUERIES;
use crate::salesforce::{
    ApiError, Bodies, Broken, Class, DescribeBodies, GlobalObject, PERMISSIONS, Permission, PermissionRows, Skip, Sub, SubBody,
    Updated, classify, is_granted, moment_url, permission_queries, read_counts, read_global, read_updated,
};
use crate::schema::describes::{self, Answered, Known};
use crate::soql;
use crate::values::Entry;
use serde::de::{MapAccess, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::io;

/// As while reading: more at once gain nothing.
const MAX_AT_ONCE: usize = 4;

/// Refusals for too much at once that planning bears with, one after the other.
const MAX_REFUSALS: u8 = 5;

/// `more` says how many requests are still needed, but no more than this: a grant is a bounded need.
const MAX_MORE: usize = 16;

/// Where asking got to.
pub(super) enum Found {
    /// Everything is known: of each candidate that isn't skipped.
    All(BTreeMap<String, Known>),
    /// Not yet, or never.
    NotYet(Planned),
}

/// Asks until all is known, or nothing more may be sent.
pub(super) fn discover<H: Host>(org: &Org<'_, H>, state: &mut State) -> Result<Found, ConnectorError> {
    let mut known = BTreeMap::new();
    let halt = match ask(org, state, &mut known) {
        Ok(()) => return Ok(Found::All(known)),
        Err(halt) => halt,
    };
    let failure = match halt {
        Halt::Failed(error) => return Err(*error),
        Halt::Blocked(failure) => return Ok(Found::NotYet(Planned::Blocked(*failure))),
        Halt::Send(failure) => *failure,
        Halt::Call | Halt::Wait(_) => SendFailure::AllowanceSpent,
    };
    let is_busy = failure == SendFailure::Later || org.asks_to_wait().is_some();
    if is_busy && !matches!(failure, SendFailure::Host(_)) {
        state.refused_in_a_row = state.refused_in_a_row.saturating_add(1);
        org.host().put(state.entries(org.host())?)?;
    }
    let more = Planned::More(u32::try_from(still_needed(state, &known).clamp(1, MAX_MORE)).unwrap_or(1));
    Ok(Found::NotYet(match failure {
        SendFailure::AllowanceSpent | SendFailure::DailyLimit => more,
        SendFailure::Host(error) => return Err(*error),
        _ if is_busy && state.refused_in_a_row <= MAX_REFUSALS => {
            let seconds = (u32::from(state.refused_in_a_row) * 5).clamp(5, 30);
            Planned::AgainAfter(org.asks_to_wait().unwrap_or_default().max(seconds))
        }
        SendFailure::NotSent(_) | SendFailure::Broken(_) | SendFailure::TooLarge(_)
            if state.learnt && state.failing < OUTAGE =>
        {
            more
        }
        failure => return Err(failure.into_error()),
    }))
}

fn ask<H: Host>(org: &Org<'_, H>, state: &mut State, known: &mut BTreeMap<String, Known>) -> Step {
    let host = org.host();
    if state.candidates.is_none() {
        org.set_ahead(state.ahead);
        let first = first(org)?;
        state.ahead = org.ahead();
        state.covered = first.covered;
        state.missing = first.missing;
        let candidates = candidates(&first.global, &state.wanted, &first.definitions);
        state.candidates = Some(candidates.map_err(|names| Halt::Blocked(Box::new(unknown_objects(&names))))?);
        keep(host, state, Vec::new())?;
    }
    // What was read before is counted by its marks.
    if !state.counted && state.full {
        match ask_one(org, "limits/recordCount", |body| read_counts(body)) {
            Ok(counts) => {
                for candidate in state.candidates.iter_mut().flatten() {
                    candidate.counted = counts.get(&candidate.name).copied().map(clamped);
                }
            }
            // Needs View Setup. Without counts estimates are rough, and that is all.
            Err(SendFailure::Refused(refused)) if !refused.ends_session() && org.asks_to_wait().is_none() => {
                host.log(
                    Level::Info,
                    "record counts can't be read",
                    &[("why", refused.code().to_owned())],
                );
            }
            Err(SendFailure::Broken(failure)) => {
                host.log(Level::Info, "record counts can't be read", &[("why", failure.message)]);
            }
            Err(failure) => return Err(failure.into()),
        }
        state.counted = true;
        keep(host, state, Vec::new())?;
    }
    ask_describes(org, state, known)?;
    if state.full && !state.tallied {
        ask_tally(org, state, known)?;
    }
    Ok(())
}

/// Asks for what record counts leave out, where estimates depend on it. Without answers they are rough, and that is all.
fn ask_tally<H: Host>(org: &Org<'_, H>, state: &mut State, known: &BTreeMap<String, Known>) -> Step {
    let host = org.host();
    let files = org.configuration().file_requests != Some(0);
    let candidates = state.candidates.get_or_insert_default();
    let names: Vec<&str> = candidates.iter().map(|candidate| candidate.name.as_str()).collect();
    let held = held::known(host, &names)?;
    for (candidate, held) in candidates.iter_mut().zip(held) {
        candidate.files = held.map(|held| candidate.counted.unwrap_or(0).saturating_sub(held));
    }
    for questions in tally::questions(candidates, known, files).chunks(COMPOSITE_QUERIES) {
        let parts = questions.iter().enumerate().filter_map(|(place_ix, question)| {
            let path = org.path(&question.path(candidates, known)?);
            Some(Subrequest::get(path, format!("t{place_ix}")))
        });
        let mut subs = Vec::new();
        let answered = org
            .composite(&parts.collect::<Vec<_>>())
            .and_then(|pending| org.finish(pending));
        let read = answered.and_then(|mut body| {
            org.read_composite(&mut body, &mut TallyBodies, &mut subs)?;
            Ok(body.request_number())
        });
        match read {
            Ok(request) if subs.iter().any(is_daily_limit) => {
                org.refused_by_daily_limit(None, Some(request))?;
                return Err(SendFailure::DailyLimit.into());
            }
            Ok(_) => {}
            Err(SendFailure::Refused(refused)) if !refused.ends_session() => {
                host.log(
                    Level::Info,
                    "what record counts leave out can't be counted",
                    &[("why", refused.code().to_owned())],
                );
            }
            Err(SendFailure::Broken(failure)) => {
                let why = [("why", failure.message)];
                host.log(Level::Info, "what record counts leave out can't be counted", &why);
            }
            Err(failure) => return Err(failure.into()),
        }
        for (question, sub) in questions.iter().zip(subs) {
            if let (200, SubBody::Read(answer)) = (sub.status, sub.body) {
                question.answered(candidates, &answer);
            }
        }
    }
    state.tallied = true;
    Ok(keep(host, state, Vec::new())?)
}

fn is_daily_limit<B>(sub: &Sub<B>) -> bool {
    matches!(&sub.body, SubBody::Refused(errors) if classify(sub.status, errors) == Class::DailyLimit)
}

struct TallyBodies;

impl Bodies for TallyBodies {
    type Body = tally::Answer;

    fn read<'de, M: MapAccess<'de>>(&mut self, _: usize, body: M) -> Result<tally::Answer, M::Error> {
        tally::read_answer(MapAccessDeserializer::new(body))
    }
}

/// What the first request tells.
#[derive(Default)]
struct First {
    global: Vec<GlobalObject>,
    /// When definitions were last changed, by object.
    definitions: BTreeMap<String, String>,
    covered: Option<u64>,
    /// Names of permissions that the user lacks.
    missing: Vec<String>,
}

/// Parts of the first request's answer.
enum FirstPart {
    Global(Vec<GlobalObject>),
    Definitions(BTreeMap<String, String>),
    Updated(Updated),
    Permissions(PermissionRows),
}

struct FirstBodies;

impl Bodies for FirstBodies {
    type Body = FirstPart;

    fn read<'de, M: MapAccess<'de>>(&mut self, slot: usize, body: M) -> Result<FirstPart, M::Error> {
        let body = MapAccessDeserializer::new(body);
        match slot {
            0 => read_global(body).map(FirstPart::Global),
            1 => read_definitions(body).map(FirstPart::Definitions),
            2 => read_updated(body).map(FirstPart::Updated),
            _ => PermissionRows::deserialize(body).map(FirstPart::Permissions),
        }
    }
}

/// Of every definition, when it was last changed.
const DEFINITIONS: &str = "SELECT QualifiedApiName,LastModifiedDate FROM EntityDefinition LIMIT 2000";

/// getUpdated is asked of this object for what it covers: every org has it.
const COVERED_BY: &str = "User";

/// What getUpdated is asked of, back from now, in milliseconds.
const COVERED_SPAN_MS: u64 = 3_600_000;

/// Describe global, what tells which definitions were changed, up to where changes are known, and what the user may see: answers
/// for one request.
/// An org that refuses to give them together is asked for the objects alone; without the others all is described, and overlaps.
fn first<H: Host>(org: &Org<'_, H>) -> Result<First, SendFailure> {
    let now = org.now();
    let updated = moment_url(COVERED_BY, "updated", now.saturating_sub(COVERED_SPAN_MS), now);
    let query =
        |soql: &str, reference: String| Subrequest::get(org.path(&format!("query?q={}", soql::encode(soql))), reference);
    let mut parts = vec![
        Subrequest::get(org.path("sobjects"), "global".to_owned()),
        query(DEFINITIONS, "definitions".to_owned()),
        Subrequest::get(org.path(&updated), "covered".to_owned()),
    ];
    let permissions = permission_queries().into_iter().enumerate();
    parts.extend(permissions.map(|(place_ix, soql)| query(&soql, format!("permissions{place_ix}"))));
    let mut body = match org.composite(&parts).and_then(|pending| org.finish(pending)) {
        Err(SendFailure::Refused(refused)) if refused.status != 401 && org.asks_to_wait().is_none() => return alone(org),
        body => body?,
    };
    let mut subs = Vec::new();
    org.read_composite(&mut body, &mut FirstBodies, &mut subs)?;
    let request = body.request_number();
    let mut first = First::default();
    let mut known = false;
    let mut permissions = Vec::new();
    for sub in subs {
        match sub.body {
            SubBody::Read(FirstPart::Global(global)) if sub.status < 300 => {
                known = true;
                first.global = global;
            }
            SubBody::Read(FirstPart::Definitions(definitions)) if sub.status < 300 => first.definitions = definitions,
            SubBody::Read(FirstPart::Updated(updated)) if sub.status < 300 => first.covered = updated.covered,
            SubBody::Read(FirstPart::Permissions(rows)) if sub.status < 300 => permissions.extend(rows.records),
            SubBody::Refused(errors) => match classify(sub.status, &errors) {
                Class::DailyLimit => {
                    org.refused_by_daily_limit(None, Some(request))?;
                    return Err(SendFailure::DailyLimit);
                }
                Class::Later => return Err(SendFailure::Later),
                _ => {}
            },
            SubBody::Read(_) | SubBody::Empty => {}
        }
    }
    let lacks = |permission: &&Permission| is_granted(permission, &permissions) == Some(false);
    first.missing = PERMISSIONS
        .iter()
        .filter(lacks)
        .map(|lacked| lacked.name.to_owned())
        .collect();
    if known {
        return Ok(first);
    }
    let global = alone(org)?.global;
    Ok(First { global, ..first })
}

fn alone<H: Host>(org: &Org<'_, H>) -> Result<First, SendFailure> {
    let global = ask_one(org, "sobjects", |body| {
        let mut json = serde_json::Deserializer::from_reader(io::BufReader::new(body));
        read_global(&mut json).map_err(Broken::from)
    })?;
    Ok(First {
        global,
        ..First::default()
    })
}

/// Answer of [`DEFINITIONS`]. A page that isn't all of them is of no use for those that it lacks.
fn read_definitions<'de, D: Deserializer<'de>>(body: D) -> Result<BTreeMap<String, String>, D::Error> {
    #[derive(Deserialize)]
    struct Answer {
        records: Vec<Definition>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Definition {
        qualified_api_name: String,
        last_modified_date: Option<String>,
    }
    let Answer { records } = Answer::deserialize(body)?;
    let known = records
        .into_iter()
        .map(|record| (record.qualified_api_name, record.last_modified_date.unwrap_or_default()));
    Ok(known.collect())
}

/// One `GET`, and what its body says.
fn ask_one<H: Host, T>(
    org: &Org<'_, H>,
    resource: &str,
    parse: impl FnOnce(&mut Body<H::Answer>) -> Result<T, Broken>,
) -> Result<T, SendFailure> {
    let mut body = org.ask(resource)?;
    parse(&mut body).map_err(|why| body.parse_failed(&why))
}

fn ask_describes<H: Host>(org: &Org<'_, H>, state: &mut State, known: &mut BTreeMap<String, Known>) -> Step {
    let host = org.host();
    let names: Vec<String> = state
        .candidates
        .iter()
        .flatten()
        .filter(|c| c.skipped.is_none())
        .map(|c| c.name.clone())
        .collect();
    let refs: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut older = BTreeMap::new();
    for (name, found) in names.iter().zip(describes::known(host, &refs)?) {
        let Some(found) = found else { continue };
        if found.began == state.began || is_fresh(state, name, &found) {
            known.insert(name.clone(), found);
        } else if !state.full && found.answer.is_ok() {
            older.insert(name.clone(), found);
        }
    }
    failed_before(host, state, &refs, known)?;
    let mut waiting: Vec<String> = names
        .iter()
        .filter(|name| !known.contains_key(*name))
        .rev()
        .cloned()
        .collect();
    // Those that are asked for alone come last.
    waiting.sort_by_key(|name| !state.alone.contains_key(name));
    let mut under_way: Vec<(H::Pending, Vec<String>)> = Vec::new();
    // What is under way is answered all the same, and the first reason stands.
    let mut halt = None;
    loop {
        while halt.is_none() && !waiting.is_empty() && under_way.len() < at_once(host, state) {
            if host.should_stop() || host.now() >= host.ends_at() {
                halt = Some(Halt::Call);
                break;
            }
            let together = waiting
                .iter()
                .rev()
                .take_while(|name| !state.alone.contains_key(*name))
                .count();
            let many = together.min(state.describes_at_once).max(1);
            let names = waiting.split_off(waiting.len().saturating_sub(many));
            let names: Vec<String> = names.into_iter().rev().collect();
            let parts = describes::subrequests(org, names.iter().map(|name| asked_since(&older, name)));
            org.send_once(matches!(&names[..], [alone] if state.alone.get(alone) == Some(&(ALONE_TRIES - 1))));
            let sent = org.composite(&parts);
            org.send_once(false);
            match sent {
                Ok(pending) => under_way.push((pending, names)),
                Err(failure) => halt = Some(failure.into()),
            }
        }
        if under_way.is_empty() {
            break;
        }
        let pending: Vec<&H::Pending> = under_way.iter().map(|(pending, _)| pending).collect();
        let answered = host.wait_any(&pending).min(under_way.len() - 1);
        let (pending, asked) = under_way.remove(answered);
        match take_describes(org, state, known, &older, pending, &asked) {
            Ok(()) => {}
            Err(Halt::Failed(error)) => return Err(Halt::Failed(error)),
            Err(why) => _ = halt.get_or_insert(why),
        }
    }
    match halt {
        Some(halt) => Err(halt),
        None if all_known(state, known) => Ok(()),
        None => Err(too_few_describes().into()),
    }
}

fn all_known(state: &State, known: &BTreeMap<String, Known>) -> bool {
    state
        .candidates
        .iter()
        .flatten()
        .all(|c| c.skipped.is_some() || known.contains_key(&c.name))
}

fn at_once<H: Host>(host: &H, state: &State) -> usize {
    let most = if state.failing > 0 { 1 } else { MAX_AT_ONCE };
    (host.requests_left() as usize / 8).clamp(1, most)
}

/// What failed in earlier backups is asked for alone, and once; nothing is asked of what isn't due yet.
fn failed_before<H: Host>(
    host: &H,
    state: &mut State,
    names: &[&str],
    known: &mut BTreeMap<String, Known>,
) -> Result<(), ConnectorError> {
    if state.full {
        return Ok(());
    }
    for (name, failed) in names.iter().zip(again::known(host, names)?) {
        let Some(failed) = failed.filter(|_| !known.contains_key(*name)) else {
            continue;
        };
        if failed.is_due(host.now()) {
            state.alone.entry((*name).to_owned()).or_insert(ALONE_TRIES - 1);
        } else {
            let error = ApiError {
                code: failed.code,
                message: failed.message,
            };
            let found = Known {
                began: 0,
                asked_at: 0,
                definition: None,
                answer: Err(Skip::Refused(error)),
            };
            known.insert((*name).to_owned(), found);
        }
    }
    Ok(())
}

/// So many different requests that fail as a whole, one after the other, are an outage of the org.
const OUTAGE: u8 = 5;

/// A describe that is asked for alone so many times in vain is not to be had.
const ALONE_TRIES: u8 = 3;

/// A request for these describes failed as a whole: from now on each is asked for alone, and one that fails alone again and again
/// costs its object only.
fn narrow<H: Host>(
    host: &H,
    state: &mut State,
    missing: &[String],
    stopped: SendFailure,
) -> Result<SendFailure, ConnectorError> {
    let failed_alone = |name: &String| state.alone.get(name).is_some_and(|tries| *tries > 0);
    if !matches!(missing, [name] if failed_alone(name)) {
        state.failing = state.failing.saturating_add(1);
    }
    let mut entries = Vec::new();
    if let [name] = missing
        && let Some(tries) = state.alone.get_mut(name)
    {
        *tries += 1;
        if *tries >= ALONE_TRIES {
            state.alone.remove(name);
            let error = match &stopped {
                SendFailure::Refused(refused) => refused.error(),
                other => ApiError {
                    code: "NOT_ANSWERED".to_owned(),
                    message: match other {
                        SendFailure::Broken(failure) => failure.message.clone(),
                        other => format!("{other:?}"),
                    },
                },
            };
            let found = Known {
                began: state.began,
                asked_at: host.now(),
                definition: None,
                answer: Err(Skip::Refused(error)),
            };
            entries.push(describes::entry(name, &found)?);
        }
    } else {
        state.alone.extend(missing.iter().map(|name| (name.clone(), 0)));
    }
    keep(host, state, entries)?;
    if state.failing >= OUTAGE {
        return Ok(stopped);
    }
    // What failed is known, so another call asks for something else.
    Ok(SendFailure::Broken(match stopped {
        SendFailure::Broken(failure) => failure,
        other => Failure::new("org-unavailable", other.into_error().to_string()),
    }))
}

/// A definition of which the org doesn't say when it was changed is believed to be unchanged for so long, in milliseconds.
const UNDATED_MS: u64 = 7 * 24 * 3_600_000;

/// A describe that was asked for before is as good as a new one where the definition wasn't changed since. A full backup describes
/// all anew: what a user may see changes without the definition.
fn is_fresh(state: &State, name: &str, known: &Known) -> bool {
    let same = |candidate: &Candidate| candidate.name == name && candidate.definition == known.definition;
    let dated = match known.definition.as_deref() {
        None => false,
        Some("") => state.began.saturating_sub(known.asked_at) < UNDATED_MS,
        Some(_) => true,
    };
    // What wasn't answered may be answered now.
    let is_answer = !matches!(&known.answer, Err(Skip::Refused(error)) if describes::nature(error).is_none());
    !state.full && dated && is_answer && state.candidates.iter().flatten().any(same)
}

fn asked_since<'n>(older: &BTreeMap<String, Known>, name: &'n str) -> (&'n str, Option<u64>) {
    let at = older.get(name).map(|known| known.asked_at).filter(|at| *at > 0);
    (name, at)
}

/// Reads one answer, and keeps what it tells. `older`: what an earlier planning knew.
fn take_describes<H: Host>(
    org: &Org<'_, H>,
    state: &mut State,
    known: &mut BTreeMap<String, Known>,
    older: &BTreeMap<String, Known>,
    pending: H::Pending,
    asked: &[String],
) -> Step {
    let mut subs: Vec<Sub<crate::salesforce::Described>> = Vec::new();
    let mut stopped = match org.finish(pending) {
        Ok(mut body) => org.read_composite(&mut body, &mut DescribeBodies, &mut subs).err(),
        Err(stopped) => Some(stopped),
    };
    let came = subs.len();
    if stopped.is_none() && came < asked.len() {
        stopped = Some(too_few_describes());
    }
    let mut entries = Vec::new();
    let now = org.host().now();
    for (name, sub) in asked.iter().zip(subs) {
        let answer = match describes::outcome(sub) {
            Answered::Described(described) => {
                entries.extend(describes::whole_entry(name, described.packed));
                described.condensed
            }
            Answered::Unchanged => match older.get(name) {
                Some(older) => older.answer.clone(),
                // Nobody asked for it under a condition.
                None => Err(Skip::Refused(unasked())),
            },
            Answered::Refused(error) => Err(Skip::Refused(error)),
            Answered::Later(error)
                if state.refused_in_a_row >= MAX_REFUSALS || state.alone.get(name) == Some(&(ALONE_TRIES - 1)) =>
            {
                Err(Skip::Refused(error))
            }
            Answered::Later(_) => {
                stopped.get_or_insert(SendFailure::Later);
                continue;
            }
        };
        let definition = state.candidates.iter().flatten().find(|candidate| candidate.name == *name);
        let found = Known {
            began: state.began,
            asked_at: now,
            definition: definition.and_then(|candidate| candidate.definition.clone()),
            answer,
        };
        entries.push(describes::entry(name, &found)?);
        known.insert(name.clone(), found);
    }
    if let Some(SendFailure::TooLarge(limit)) = stopped {
        if let [alone] = asked {
            let found = Known {
                began: state.began,
                asked_at: now,
                definition: None,
                answer: Err(Skip::Refused(ApiError {
                    code: "TOO_LARGE".to_owned(),
                    message: format!("its describe has more than the {limit} bytes that the host takes"),
                })),
            };
            entries.push(describes::entry(alone, &found)?);
            known.insert(alone.clone(), found);
            stopped = None;
        } else {
            state.describes_at_once = (asked.len() / 2).max(1);
        }
    }
    if stopped.is_none() {
        (state.refused_in_a_row, state.failing) = (0, 0);
    }
    if !entries.is_empty() || matches!(stopped, Some(SendFailure::TooLarge(_))) {
        keep(org.host(), state, entries)?;
    }
    let can_be_narrowed = match &stopped {
        Some(SendFailure::Broken(_)) => true,
        Some(SendFailure::Refused(refused)) => refused.may_pass(),
        _ => false,
    };
    match stopped {
        Some(failure) if can_be_narrowed && came < asked.len() => {
            Err(narrow(org.host(), state, &asked[came..], failure)?.into())
        }
        Some(failure) => Err(failure.into()),
        None => Ok(()),
    }
}

fn too_few_describes() -> SendFailure {
    SendFailure::Broken(Failure::new(
        "unexpected-answer",
        "an answer has fewer describes than were asked for",
    ))
}

fn unasked() -> ApiError {
    ApiError {
        code: "HTTP_304".to_owned(),
        message: "a describe is said to be unchanged that wasn't known".to_owned(),
    }
}

fn keep<H: Host>(host: &H, state: &mut State, mut entries: Vec<Entry>) -> Result<(), ConnectorError> {
    state.learnt = true;
    entries.extend(state.entries(host)?);
    Ok(host.put(entries)?)
}

fn still_needed(state: &State, known: &BTreeMap<String, Known>) -> usize {
    let Some(candidates) = &state.candidates else { return 3 };
    let describes = candidates
        .iter()
        .filter(|c| c.skipped.is_none() && !known.contains_key(&c.name))
        .count();
    usize::from(!state.counted && state.full) + describes.div_ceil(state.describes_at_once.max(1))
}

/// What is to be read of the org's objects; or the wanted names that it doesn't have.
fn candidates(
    global: &[GlobalObject],
    wanted: &[String],
    definitions: &BTreeMap<String, String>,
) -> Result<Vec<Candidate>, Vec<String>> {
    let mut picked: BTreeMap<&str, &GlobalObject> = BTreeMap::new();
    if wanted.is_empty() {
        picked.extend(
            global
                .iter()
                .filter(|object| object.queryable)
                .map(|object| (object.name.as_str(), object)),
        );
    } else {
        let by_name: BTreeMap<String, &GlobalObject> = global
            .iter()
            .map(|object| (object.name.to_ascii_lowercase(), object))
            .collect();
        let mut unknown = Vec::new();
        for name in wanted {
            match by_name.get(&name.to_ascii_lowercase()) {
                Some(object) => {
                    picked.insert(object.name.as_str(), object);
                }
                None => unknown.push(name.clone()),
            }
        }
        if !unknown.is_empty() {
            return Err(unknown);
        }
    }
    let candidate = |(name, object): (&str, &GlobalObject)| {
        let skipped = if !object.queryable {
            Some("no-query")
        } else if name.ends_with("__x") && wanted.is_empty() {
            Some("external-object")
        } else if name.ends_with("__b") {
            Some("big-object")
        } else {
            None
        };
        Candidate {
            name: name.to_owned(),
            counted: None,
            files: None,
            definition: definitions.get(name).cloned(),
            skipped: skipped.map(ToOwned::to_owned),
        }
    };
    Ok(picked.into_iter().map(candidate).collect())
}

fn unknown_objects(names: &[String]) -> Failure {
    let failure = Failure::new(
        "unknown-object",
        format!("the org has no object {}, or the user can't see it", names.join(", ")),
    )
    .remedy("write the API name, e.g. Account or Invoice__c, and give the connection's user access to the object");
    match names {
        [name] => failure.about(name),
        _ => failure,
    }
}
