//! How far the search for what a request without an answer created has come, and what it has found: values of the host, so that one request
//! a call is enough.

use crate::host::{ConnectorError, Failure, Host};
use crate::org::SendFailure;
use crate::restore::rules::Values;
use crate::salesforce::Part;
use crate::values::{self, Entry, key};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How far the search for what a request created has come.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Search {
    /// The request's transaction is over.
    pub(super) over: bool,
    /// Objects and addresses of pages that are still to be read.
    pub(super) waiting: Vec<(String, String)>,
    /// Values that hold what was found.
    pub(super) pages: u32,
    /// Objects that the org lets nobody look through.
    #[serde(default)]
    pub(super) refused: BTreeSet<String>,
}

/// A value has at most 1 MiB.
const VALUE_BYTES: usize = 900 * 1024;

/// Records of the org, with their objects.
type Found = Vec<(String, Values)>;

impl Search {
    pub(super) fn load<H: Host>(host: &H) -> Result<Option<Search>, ConnectorError> {
        values::cached(host, key::SEARCH)
    }

    /// Takes in records that were found.
    pub(super) fn keep(&mut self, object: &str, records: Vec<Values>, entries: &mut Vec<Entry>) -> Result<(), ConnectorError> {
        let mut kept: Vec<(&str, Values)> = Vec::new();
        let mut bytes = 0;
        for record in records {
            let more: usize = record.iter().map(|(name, value)| name.len() + value.get().len() + 8).sum();
            if bytes + more > VALUE_BYTES && !kept.is_empty() {
                entries.push(values::entry(key::search_page(self.pages), &std::mem::take(&mut kept))?);
                self.pages += 1;
                bytes = 0;
            }
            bytes += more;
            kept.push((object, record));
        }
        if !kept.is_empty() {
            entries.push(values::entry(key::search_page(self.pages), &kept)?);
            self.pages += 1;
        }
        Ok(())
    }

    pub(super) fn put<H: Host>(&self, host: &H, mut entries: Vec<Entry>) -> Result<(), ConnectorError> {
        entries.push(values::entry(key::SEARCH, self)?);
        Ok(host.put(entries)?)
    }

    pub(super) fn page<H: Host>(&self, host: &H, number: u32) -> Result<Found, ConnectorError> {
        let found = values::load(host, &key::search_page(number))?;
        found.ok_or_else(|| {
            let what = format!("part {number} of what was found of a request without an answer is gone");
            ConnectorError::State(
                Failure::new("search", what).remedy("bring the connection's values back from a copy of the store"),
            )
        })
    }

    /// The entries that say that it is over.
    pub(super) fn over<H: Host>(host: &H) -> Result<Vec<Entry>, ConnectorError> {
        let pages = Search::load(host)?.map_or(0, |search| search.pages);
        let mut entries = vec![values::removal(key::SEARCH)];
        entries.extend((0..pages).map(|number| values::removal(key::search_page(number))));
        Ok(entries)
    }
}

/// A page of candidates, and where the next one is.
pub(super) fn page(object: &str, part: &Part) -> Result<(Vec<Values>, Option<String>), SendFailure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Page {
        records: Vec<Values>,
        next_records_url: Option<String>,
    }
    match part.read::<Page>() {
        Ok(page) if part.status < 300 => {
            let plain = |mut record: Values| {
                record.remove("attributes");
                record
            };
            Ok((page.records.into_iter().map(plain).collect(), page.next_records_url))
        }
        _ => {
            let why = format!("records of {object} can't be looked for: {}", part.why());
            let failure = Failure::new("look-refused", why);
            Err(SendFailure::Broken(failure.about(object)))
        }
    }
}
