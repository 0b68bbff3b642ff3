//! Asks the org for what planning doesn't know yet: describe global, record counts, describes. Everything that is learnt is kept
//! before the next request is waited for.

use super::describes::{self, Answered, Known};
use super::state::{Candidate, State};
use crate::host::{ConnectorError, Failure, Host, Level, Planned};
use crate::org::{Body, Org, Stopped};
use crate::salesforce::{ApiError, Broken, DescribeBodies, GlobalObject, Skip, read_composite, read_counts, read_global};
use std::collections::BTreeMap;

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
    let stopped = match ask(org, state, &mut known)? {
        Asked::All => return Ok(Found::All(known)),
        Asked::Unknown(names) => return Ok(Found::NotYet(Planned::Blocked(unknown_objects(&names)))),
        Asked::Stopped(stopped) => stopped,
    };
    let more = Planned::More(u32::try_from(still_needed(state, &known).clamp(1, MAX_MORE)).unwrap_or(1));
    match stopped {
        Stopped::AllowanceSpent | Stopped::DailyLimit => Ok(Found::NotYet(more)),
        Stopped::Later if state.refused_in_a_row <= MAX_REFUSALS => {
            let seconds = (u32::from(state.refused_in_a_row) * 5).clamp(5, 30);
            Ok(Found::NotYet(Planned::AgainAfter(seconds)))
        }
        Stopped::Broken(_) | Stopped::TooLarge(_) if state.learnt => Ok(Found::NotYet(more)),
        stopped => Err(stopped.into_error()),
    }
}

enum Asked {
    All,
    Unknown(Vec<String>),
    Stopped(Stopped),
}

fn ask<H: Host>(org: &Org<'_, H>, state: &mut State, known: &mut BTreeMap<String, Known>) -> Result<Asked, ConnectorError> {
    let host = org.host();
    if state.candidates.is_none() {
        let global = match ask_one(org, "sobjects", |body| read_global(body)) {
            Ok(global) => global,
            Err(stopped) => return stop(host, state, stopped),
        };
        match candidates(&global, &state.wanted) {
            Ok(candidates) => state.candidates = Some(candidates),
            Err(names) => return Ok(Asked::Unknown(names)),
        }
        keep(host, state, Vec::new())?;
    }
    if !state.counted {
        match ask_one(org, "limits/recordCount", |body| read_counts(body)) {
            Ok(counts) => {
                for candidate in state.candidates.iter_mut().flatten() {
                    candidate.counted = counts.get(&candidate.name).copied();
                }
            }
            // Needs View Setup. Without counts estimates are rough, and that is all.
            Err(Stopped::Refused(refused)) if refused.status != 401 => {
                host.log(
                    Level::Info,
                    "record counts can't be read",
                    &[("why", refused.code().to_owned())],
                );
            }
            Err(stopped) => return stop(host, state, stopped),
        }
        state.counted = true;
        keep(host, state, Vec::new())?;
    }
    ask_describes(org, state, known)
}

/// One `GET`, and what its body says.
fn ask_one<H: Host, T>(
    org: &Org<'_, H>,
    resource: &str,
    parse: impl FnOnce(&mut Body<H::Answer>) -> Result<T, Broken>,
) -> Result<T, Stopped> {
    let mut body = org.finish(org.get(resource)?)?;
    parse(&mut body).map_err(|why| body.gave_up(&why))
}

fn ask_describes<H: Host>(
    org: &Org<'_, H>,
    state: &mut State,
    known: &mut BTreeMap<String, Known>,
) -> Result<Asked, ConnectorError> {
    let host = org.host();
    let names: Vec<String> = state
        .candidates
        .iter()
        .flatten()
        .filter(|c| c.skipped.is_none())
        .map(|c| c.name.clone())
        .collect();
    let refs: Vec<&str> = names.iter().map(String::as_str).collect();
    for (name, found) in names.iter().zip(describes::known(host, &refs)?) {
        if let Some(found) = found.filter(|found| found.began == state.began) {
            known.insert(name.clone(), found);
        }
    }
    let mut waiting: Vec<String> = names.into_iter().filter(|name| !known.contains_key(name)).rev().collect();
    let mut under_way: Vec<(H::Pending, Vec<String>)> = Vec::new();
    let mut stopped = None;
    loop {
        while stopped.is_none() && !waiting.is_empty() && under_way.len() < at_once(host) {
            if host.should_stop() || host.now() >= host.ends_at() {
                stopped = Some(Stopped::AllowanceSpent);
                break;
            }
            let some = waiting.split_off(waiting.len().saturating_sub(state.describes_at_once.max(1)));
            let some: Vec<String> = some.into_iter().rev().collect();
            match org.composite(&describes::subrequests(org, some.iter().map(String::as_str))) {
                Ok(pending) => under_way.push((pending, some)),
                Err(why) => stopped = Some(why),
            }
        }
        if under_way.is_empty() {
            break;
        }
        let pending: Vec<&H::Pending> = under_way.iter().map(|(pending, _)| pending).collect();
        let answered = host.wait_any(&pending).min(under_way.len() - 1);
        let (pending, asked) = under_way.remove(answered);
        if let Err(why) = take_describes(org, state, known, pending, &asked)? {
            stopped.get_or_insert(why);
        }
    }
    match stopped {
        Some(stopped) => stop(host, state, stopped),
        None if all_known(state, known) => Ok(Asked::All),
        None => Ok(Asked::Stopped(Stopped::Broken(Failure::new(
            "unexpected-answer",
            "an answer has fewer describes than were asked for",
        )))),
    }
}

fn all_known(state: &State, known: &BTreeMap<String, Known>) -> bool {
    state
        .candidates
        .iter()
        .flatten()
        .all(|c| c.skipped.is_some() || known.contains_key(&c.name))
}

fn at_once<H: Host>(host: &H) -> usize {
    (host.requests_left() as usize / 8).clamp(1, MAX_AT_ONCE)
}

/// Reads one answer, and keeps what it tells.
fn take_describes<H: Host>(
    org: &Org<'_, H>,
    state: &mut State,
    known: &mut BTreeMap<String, Known>,
    pending: H::Pending,
    asked: &[String],
) -> Result<Result<(), Stopped>, ConnectorError> {
    let mut subs = Vec::new();
    let mut stopped = match org.finish(pending) {
        Ok(mut body) => read_composite(&mut body, &mut DescribeBodies, &mut subs)
            .err()
            .map(|why| body.gave_up(&why)),
        Err(stopped) => Some(stopped),
    };
    let mut entries = Vec::new();
    for (name, sub) in asked.iter().zip(subs) {
        let answer = match describes::outcome(sub) {
            Answered::Described(describe) => Ok(describe),
            Answered::Refused(error) => Err(Skip::Refused(error)),
            Answered::Later(error) if state.refused_in_a_row >= MAX_REFUSALS => Err(Skip::Refused(error)),
            Answered::Later(_) => {
                stopped.get_or_insert(Stopped::Later);
                continue;
            }
        };
        let found = Known {
            began: state.began,
            answer,
        };
        entries.push(describes::entry(name, &found)?);
        known.insert(name.clone(), found);
    }
    if let Some(Stopped::TooLarge(limit)) = stopped {
        if let [alone] = asked {
            let found = Known {
                began: state.began,
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
        state.refused_in_a_row = 0;
    }
    if !entries.is_empty() || matches!(stopped, Some(Stopped::TooLarge(_))) {
        keep(org.host(), state, entries)?;
    }
    Ok(stopped.map_or(Ok(()), Err))
}

fn keep<H: Host>(host: &H, state: &mut State, mut entries: Vec<(String, Option<Vec<u8>>)>) -> Result<(), ConnectorError> {
    state.learnt = true;
    entries.push(state.entry(host)?);
    Ok(host.put(entries)?)
}

fn stop<H: Host>(host: &H, state: &mut State, stopped: Stopped) -> Result<Asked, ConnectorError> {
    match stopped {
        Stopped::Host(error) => return Err(*error),
        Stopped::Later => {
            state.refused_in_a_row = state.refused_in_a_row.saturating_add(1);
            let entry = state.entry(host)?;
            host.put(vec![entry])?;
        }
        _ => {}
    }
    Ok(Asked::Stopped(stopped))
}

fn still_needed(state: &State, known: &BTreeMap<String, Known>) -> usize {
    let Some(candidates) = &state.candidates else { return 3 };
    let describes = candidates
        .iter()
        .filter(|c| c.skipped.is_none() && !known.contains_key(&c.name))
        .count();
    usize::from(!state.counted) + describes.div_ceil(state.describes_at_once.max(1))
}

/// What is to be read of the org's objects; or the wanted names that it doesn't have.
fn candidates(global: &[GlobalObject], wanted: &[String]) -> Result<Vec<Candidate>, Vec<String>> {
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
        [one] => failure.about(one),
        _ => failure,
    }
}
