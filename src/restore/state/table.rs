//! A sorted table of keys and small values, in pages that are values of the host: as large as a restore, and a page at a time in
//! memory.
//!
//! It knows no record. The rule it keeps: what was changed is in [`Table::changes`], to be put together with whatever it must be
//! durable with; until then nothing of it is stored.

use crate::host::{ConnectorError, Host};
use crate::values::{self, Entry};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Entries of a page at most: some 50 KB.
const PAGE_ENTRIES: usize = 1_000;

/// Pages that are kept in memory although nothing in them was changed.
const PAGES_KEPT: usize = 64;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Index {
    /// The number of the next page that is added.
    next: u32,
    /// Each page's first key and number, sorted.
    pages: Vec<(String, u32)>,
    /// Entries of all pages.
    entries: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Table<V> {
    name: String,
    index: Index,
    index_changed: bool,
    loaded: BTreeMap<u32, BTreeMap<String, V>>,
    changed: BTreeSet<u32>,
}

impl<V: Clone + Serialize + DeserializeOwned> Table<V> {
    /// Opens the table of this name, or a new one.
    pub fn open<H: Host>(host: &H, name: &str) -> Result<Table<V>, ConnectorError> {
        let index: Index = values::load(host, &index_key(name))?.unwrap_or_default();
        Ok(Table {
            name: name.to_owned(),
            index,
            index_changed: false,
            loaded: BTreeMap::new(),
            changed: BTreeSet::new(),
        })
    }

    /// Number of its entries.
    pub fn len(&self) -> u64 {
        self.index.entries
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a key.
    pub fn get<H: Host>(&mut self, host: &H, key: &str) -> Result<Option<V>, ConnectorError> {
        let Some(place) = self.place(key) else { return Ok(None) };
        Ok(self.page(host, place)?.get(key).cloned())
    }

    /// Sets the value of a key.
    pub fn set<H: Host>(&mut self, host: &H, key: &str, value: V) -> Result<(), ConnectorError> {
        let place = match self.place(key) {
            Some(place) => place,
            None if self.index.pages.is_empty() => {
                self.add_page(0, key.to_owned(), BTreeMap::new());
                0
            }
            // It comes before all others.
            None => {
                self.index.pages[0].0 = key.to_owned();
                self.index_changed = true;
                0
            }
        };
        let last = place + 1 == self.index.pages.len();
        let page = self.page(host, place)?;
        let goes_on = last && page.len() >= PAGE_ENTRIES && page.last_key_value().is_some_and(|(last, _)| last.as_str() < key);
        if goes_on {
            // Keys that come in order fill pages one after the other.
            self.add_page(place + 1, key.to_owned(), BTreeMap::from([(key.to_owned(), value)]));
            self.index.entries += 1;
            return Ok(());
        }
        let added = page.insert(key.to_owned(), value).is_none();
        let upper = (page.len() > PAGE_ENTRIES).then(|| {
            let middle = page.keys().nth(page.len() / 2).cloned().unwrap_or_default();
            (middle.clone(), page.split_off(&middle))
        });
        self.changed.insert(self.index.pages[place].1);
        if added {
            self.index.entries += 1;
            self.index_changed = true;
        }
        if let Some((first, upper)) = upper {
            self.add_page(place + 1, first, upper);
        }
        Ok(())
    }

    /// Entries after a key (exclusive; empty: from the first), as many as a page has; none at the end.
    pub fn after<H: Host>(&mut self, host: &H, key: &str) -> Result<Vec<(String, V)>, ConnectorError> {
        let mut place = self.place(key).unwrap_or(0);
        while place < self.index.pages.len() {
            let page = self.page(host, place)?;
            let entries: Vec<(String, V)> = page
                .range::<str, _>((std::ops::Bound::Excluded(key), std::ops::Bound::Unbounded))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            if !entries.is_empty() {
                return Ok(entries);
            }
            place += 1;
        }
        Ok(Vec::new())
    }

    /// What was changed since the last time, as entries to be put.
    pub fn changes(&mut self) -> Result<Vec<Entry>, ConnectorError> {
        let mut entries = Vec::new();
        for number in std::mem::take(&mut self.changed) {
            if let Some(page) = self.loaded.get(&number) {
                entries.push(values::entry(page_key(&self.name, number), page)?);
            }
        }
        if std::mem::take(&mut self.index_changed) {
            entries.push(values::entry(index_key(&self.name), &self.index)?);
        }
        if self.loaded.len() > PAGES_KEPT {
            self.loaded.clear();
        }
        Ok(entries)
    }

    /// The page that has a key, or would have it; none where all keys are greater.
    fn place(&self, key: &str) -> Option<usize> {
        self.index
            .pages
            .partition_point(|(first, _)| first.as_str() <= key)
            .checked_sub(1)
    }

    fn page<H: Host>(&mut self, host: &H, place: usize) -> Result<&mut BTreeMap<String, V>, ConnectorError> {
        let number = self.index.pages[place].1;
        match self.loaded.entry(number) {
            std::collections::btree_map::Entry::Occupied(page) => Ok(page.into_mut()),
            std::collections::btree_map::Entry::Vacant(vacant) => {
                let page: Option<BTreeMap<String, V>> = values::load(host, &page_key(&self.name, number))?;
                Ok(vacant.insert(page.unwrap_or_default()))
            }
        }
    }

    fn add_page(&mut self, place: usize, first: String, page: BTreeMap<String, V>) {
        let number = self.index.next;
        self.index.next += 1;
        self.index.pages.insert(place, (first, number));
        self.loaded.insert(number, page);
        self.changed.insert(number);
        self.index_changed = true;
    }
}

fn index_key(name: &str) -> String {
    format!("{name}/index")
}

fn page_key(name: &str, number: u32) -> String {
    format!("{name}/{number}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::scripted::{Reply, ScriptedHost};
    use proptest::prelude::*;

    fn keep(host: &ScriptedHost, table: &mut Table<u32>) {
        host.put(table.changes().unwrap()).unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn a_table_is_a_sorted_map_also_when_it_is_opened_again(
            writes in prop::collection::vec((0u32..6_000, any::<u32>()), 1..4_000), reopen in 1usize..900
        ) {
            let host = ScriptedHost::new(0, |_| Reply::ok(""));
            let mut model = BTreeMap::new();
            let mut table = Table::<u32>::open(&host, "v1/test").unwrap();
            for (position, (key, value)) in writes.into_iter().enumerate() {
                let key = format!("{key:05}");
                table.set(&host, &key, value).unwrap();
                model.insert(key, value);
                if position % reopen == 0 {
                    keep(&host, &mut table);
                    table = Table::open(&host, "v1/test").unwrap();
                }
            }
            prop_assert_eq!(table.len(), model.len() as u64);
            let (mut all, mut after) = (Vec::new(), String::new());
            loop {
                let page = table.after(&host, &after).unwrap();
                let Some((last, _)) = page.last() else { break };
                prop_assert!(page.len() <= PAGE_ENTRIES);
                after.clone_from(last);
                all.extend(page);
            }
            prop_assert_eq!(all, model.clone().into_iter().collect::<Vec<_>>());
            for key in ["", "00000", "03000", "99999"] {
                prop_assert_eq!(table.get(&host, key).unwrap(), model.get(key).copied());
            }
        }
    }

    #[test]
    fn keys_in_order_fill_their_pages() {
        let host = ScriptedHost::new(0, |_| Reply::ok(""));
        let mut table = Table::<u32>::open(&host, "v1/test").unwrap();
        for key in 0..10_000 {
            table.set(&host, &format!("{key:05}"), key).unwrap();
        }
        assert_eq!(table.index.pages.len(), 10);
    }

    #[test]
    fn nothing_is_stored_before_it_is_put() {
        let host = ScriptedHost::new(0, |_| Reply::ok(""));
        let mut table = Table::<u32>::open(&host, "v1/test").unwrap();
        table.set(&host, "a", 1).unwrap();
        assert!(Table::<u32>::open(&host, "v1/test").unwrap().is_empty());
        keep(&host, &mut table);
        assert_eq!(
            Table::<u32>::open(&host, "v1/test").unwrap().get(&host, "a").unwrap(),
            Some(1)
        );
        assert!(table.changes().unwrap().is_empty());
    }
}
