//! Query locators: what `nextRecordsUrl` leads to.
//!
//! Rule: a locator keeps the query and positions, never rows, for two days on the double's clock, and gives the same page
//! again when it's asked again.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::DAY_MS;
use crate::org::{KeyPrefix, Org, RecordId};
use crate::rest::answer::PageBody;
use crate::soql::{Cursor, QueryPage};

/// How long a locator lives.
pub const LOCATOR_LIFE_MS: i64 = 2 * DAY_MS;

#[derive(Debug)]
struct Locator {
    cursor: Arc<Cursor>,
    opened_ms: i64,
    /// Offsets at which pages began, and the ordinals there.
    starts: BTreeMap<u64, u64>,
}

/// All open locators.
#[derive(Debug, Default)]
pub struct Locators {
    open: Mutex<(u64, HashMap<String, Locator>)>,
}

impl Locators {
    /// The first page of a query, with a locator where there are more.
    #[must_use]
    pub fn first_page(&self, org: &Org, cursor: &Arc<Cursor>, version: &Arc<str>, now_ms: i64) -> PageBody {
        let page = cursor.page(org, 0, None);
        if page.is_last() {
            return PageBody {
                page,
                next_records_url: None,
                version: Arc::clone(version),
            };
        }
        let mut open = self.lock();
        open.0 += 1;
        let id = locator_id(open.0);
        let starts = page
            .resume()
            .map(|ordinal| (page.next_offset(), ordinal))
            .into_iter()
            .collect();
        open.1.retain(|_, l| now_ms < l.opened_ms + LOCATOR_LIFE_MS);
        open.1.insert(
            id.clone(),
            Locator {
                cursor: Arc::clone(cursor),
                opened_ms: now_ms,
                starts,
            },
        );
        body(page, &id, version)
    }

    /// The page that `id-offset` names; none where there's no such locator, or no more.
    #[must_use]
    pub fn page(&self, org: &Org, name: &str, version: &Arc<str>, now_ms: i64) -> Option<PageBody> {
        let (id, offset) = name.split_once('-').unwrap_or((name, "0"));
        let offset: u64 = offset.parse().ok()?;
        let (cursor, known) = {
            let open = self.lock();
            let locator = open.1.get(id).filter(|l| now_ms < l.opened_ms + LOCATOR_LIFE_MS)?;
            let known = locator.starts.range(..=offset).next_back().map(|(o, ordinal)| (*o, *ordinal));
            (Arc::clone(&locator.cursor), known)
        };
        let page = cursor.page(org, offset, known);
        if let (Some(ordinal), Some(locator)) = (page.resume(), self.lock().1.get_mut(id)) {
            locator.starts.insert(page.next_offset(), ordinal);
        }
        Some(body(page, id, version))
    }

    /// Forgets all: every `nextRecordsUrl` is invalid from now on.
    pub fn expire_all(&self) {
        self.lock().1.clear();
    }

    fn lock(&self) -> MutexGuard<'_, (u64, HashMap<String, Locator>)> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn body(page: QueryPage, id: &str, version: &Arc<str>) -> PageBody {
    let next_records_url = (!page.is_last()).then(|| format!("/services/data/{version}/query/{id}-{}", page.next_offset()));
    PageBody {
        page,
        next_records_url,
        version: Arc::clone(version),
    }
}

/// Ids of locators look like those of records.
fn locator_id(number: u64) -> String {
    KeyPrefix::new("01g").map_or_else(
        || number.to_string(),
        |prefix| RecordId::compose(prefix, *b"xx", number).to_string(),
    )
}
