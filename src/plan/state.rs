//! What planning has learnt so far, kept in one value until the first batch begins.

use crate::host::{ConnectorError, Host};
use crate::salesforce::limits::SUBREQUESTS;
use crate::values::{self, Entry, key};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Planning that nobody went on with for so long begins anew: the org has changed.
const STALE_MS: u64 = 7 * 24 * 3_600_000;

/// No org has more records of one object: a number beyond it is a mistake, and may not lead to sums that overflow.
const MOST_RECORDS: u64 = 1_000_000_000_000;

/// A number of records, or of files, as an org tells it.
pub fn clamped(number: u64) -> u64 {
    number.min(MOST_RECORDS)
}

/// An object that may be read. Programs of state version 1 named its fields by one letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// API name.
    #[serde(alias = "n")]
    pub name: String,
    /// Records by the record count resource.
    #[serde(alias = "k", default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<u64>,
    /// Files that it has, as far as the org counts them: those within rich text aren't.
    #[serde(alias = "f", default, skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
    /// When its definition was last changed, in the org's own words.
    #[serde(alias = "m", default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    /// Isn't read, for the reason with this code.
    #[serde(alias = "s", default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

/// What planning has learnt so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// When it began, in milliseconds since 1970; tells its describes from older ones.
    pub began: u64,
    /// When it last learnt something.
    pub touched: u64,
    /// What was asked for.
    pub wanted: Vec<String>,
    /// Everything is read, whatever an earlier snapshot has.
    #[serde(default)]
    pub full: bool,
    /// No change before this moment, in milliseconds since 1970, turns up any more; `None` where the org doesn't say.
    #[serde(default)]
    pub covered: Option<u64>,
    /// How far the org's clock is ahead of the host's, in milliseconds.
    #[serde(default)]
    pub ahead: i64,
    /// Names of permissions that the user lacks, as far as the org tells.
    #[serde(default)]
    pub missing: Vec<String>,
    /// The org's objects that were asked for; `None` before describe global.
    pub candidates: Option<Vec<Candidate>>,
    /// Record counts were asked for.
    pub counted: bool,
    /// What record counts leave out was asked for.
    #[serde(default)]
    pub tallied: bool,
    /// Describes in one request; fewer after an answer that was too large.
    pub describes_at_once: usize,
    /// Objects whose describes are asked for alone, since a request with them failed as a whole, and how often that failed alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub alone: BTreeMap<String, u8>,
    /// Requests for describes that failed as a whole since the last answer.
    #[serde(default)]
    pub failing: u8,
    /// Refusals for too much at once since the last answer.
    pub refused_in_a_row: u8,
    /// This call learnt something.
    #[serde(skip)]
    pub learnt: bool,
}

impl State {
    /// Planning that is under way for the same objects, or a new one.
    pub fn load<H: Host>(host: &H, wanted: &[String], full: bool) -> Result<State, ConnectorError> {
        let now = host.now();
        let ahead = values::cached(host, key::CLOCK)?.unwrap_or(0);
        let known: Option<State> = values::cached(host, key::PLAN)?;
        let usable =
            |state: &State| state.wanted == wanted && state.full == full && now.saturating_sub(state.touched) < STALE_MS;
        Ok(known.filter(usable).unwrap_or_else(|| State {
            began: now,
            touched: now,
            wanted: wanted.to_vec(),
            full,
            covered: None,
            ahead,
            missing: Vec::new(),
            candidates: None,
            counted: false,
            tallied: false,
            describes_at_once: SUBREQUESTS,
            alone: BTreeMap::new(),
            failing: 0,
            refused_in_a_row: 0,
            learnt: false,
        }))
    }

    /// As entries to be put, together with what else was learnt.
    pub fn entries<H: Host>(&mut self, host: &H) -> Result<Vec<Entry>, ConnectorError> {
        self.touched = host.now();
        Ok(vec![values::entry(key::PLAN, self)?, values::entry(key::CLOCK, &self.ahead)?])
    }
}
