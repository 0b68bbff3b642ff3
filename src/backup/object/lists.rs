//! Objects that the org tells only for certain records of another one: ContentDocumentLink, where the user lacks *Query All Files*.
//! They are read by lists of that one's Ids, once it is read.
//!
//! Pure; the batch loads the Ids. A list is behind once its first page came: what follows that page is asked for at the address that
//! the page gives.

use super::{Event, Object, Outcome, Phase};
use crate::salesforce::limits::COMPOSITE_QUERIES;
use crate::salesforce::{ApiError, Class};
use serde::{Deserialize, Serialize};

/// The object, its field that lists are of, and whose Ids they hold.
const LISTED: [(&str, &str, &str); 1] = [("ContentDocumentLink", "ContentDocumentId", "ContentDocument")];

/// Ids of a list. A document has some links, and a page 2,000 of them; a query takes 100,000 characters.
const LIST_IDS: usize = 500;

/// How far reading by lists is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lists {
    /// The last Id that was asked for.
    after: String,
    /// Where pages of lists go on.
    open: Vec<String>,
    /// Ids after the last one, as far as they are loaded.
    #[serde(skip)]
    ids: Vec<String>,
    /// No others follow these.
    #[serde(skip)]
    all: bool,
}

/// What a place of a composite request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListPlace<'a> {
    /// The page at this address.
    Page(&'a str),
    /// The rows of these Ids.
    Ids(&'a [String]),
}

impl Lists {
    /// Queries that can be asked.
    pub fn queries(&self) -> usize {
        self.open.len() + self.ids.len().div_ceil(LIST_IDS)
    }

    /// What this one of them asks for.
    pub fn query(&self, query_ix: usize) -> Option<ListPlace<'_>> {
        match self.open.get(query_ix) {
            Some(page) => Some(ListPlace::Page(page)),
            None => self.ids.chunks(LIST_IDS).nth(query_ix - self.open.len()).map(ListPlace::Ids),
        }
    }

    /// After which Id a request's worth of them is to be loaded; `None` where it is.
    pub fn wants_ids_after(&self) -> Option<&str> {
        let is_enough = self.all || self.ids.len() >= COMPOSITE_QUERIES * LIST_IDS;
        (!is_enough).then(|| self.ids.last().unwrap_or(&self.after).as_str())
    }

    fn is_done(&self) -> bool {
        self.all && self.queries() == 0
    }
}

/// The field of an object that lists are of, and the object whose Ids they hold; `None` where no lists help.
pub fn listed_by(object: &str) -> Option<(&'static str, &'static str)> {
    let listed = LISTED.iter().find(|(name, ..)| *name == object);
    listed.map(|(_, field, principal)| (*field, *principal))
}

impl Object {
    /// A query without a filter was refused: from now on by lists. False where none help.
    pub(super) fn read_by_lists(&mut self) -> bool {
        if listed_by(&self.name).is_none() {
            return false;
        }
        let replaces = self.replaces || self.since.is_some();
        self.read_anew();
        self.replaces = replaces;
        self.phase = Phase::Lists(Lists::default());
        true
    }

    /// Waits until Ids for its lists are there.
    pub fn waits_for_ids(&self) -> bool {
        self.lists().is_some_and(|lists| lists.queries() == 0)
    }

    /// How far reading by lists is, where it is read by them.
    pub fn lists(&self) -> Option<&Lists> {
        match &self.phase {
            Phase::Lists(lists) => Some(lists),
            _ => None,
        }
    }

    /// More Ids are loaded; `all`: no others follow.
    pub fn ids_loaded(&mut self, ids: Vec<String>, all: bool, events: &mut Vec<Event>) {
        if let Phase::Lists(lists) = &mut self.phase {
            lists.ids.extend(ids);
            lists.all = all;
        }
        self.lists_end(events);
    }

    /// The object whose Ids its lists hold isn't read.
    pub fn no_ids(&mut self, principal: &str, events: &mut Vec<Event>) {
        let error = ApiError {
            code: "MALFORMED_QUERY".to_owned(),
            message: format!("it is told only for records of {principal}, which isn't read"),
        };
        self.skip("needs-filter", &error, events);
    }

    /// Moves it on by what came for its first queries.
    pub fn lists_came(&mut self, outcomes: Vec<Outcome>, events: &mut Vec<Event>) {
        let Phase::Lists(lists) = &mut self.phase else { return };
        let (mut came, mut go_on, mut refused) = (0, Vec::new(), None);
        for outcome in outcomes {
            match outcome {
                Outcome::Page(page) if !page.done && page.next.is_none() => {
                    let error = ApiError {
                        code: "PAGE_WITHOUT_NEXT".to_owned(),
                        message: "a page says that more follow, and not where".to_owned(),
                    };
                    refused = Some((Class::Halted, error));
                    break;
                }
                Outcome::Page(page) => {
                    self.counts.received += page.rows;
                    self.came |= page.rows > 0;
                    go_on.extend(page.next.filter(|_| !page.done));
                    came += 1;
                }
                Outcome::Refused(class, error) => {
                    refused = Some((class, error));
                    break;
                }
                Outcome::Missing => break,
            }
        }
        let pages = came.min(lists.open.len());
        let ids = ((came - pages) * LIST_IDS).min(lists.ids.len());
        lists.open.drain(..pages);
        lists.open.extend(go_on);
        if let Some(last) = lists.ids.drain(..ids).next_back() {
            lists.after = last;
        }
        if came > 0 {
            self.tries = 0;
            self.got_on();
        }
        match refused {
            Some((class, error)) => self.list_refused(class, &error, events),
            None => self.lists_end(events),
        }
    }

    fn list_refused(&mut self, class: Class, error: &ApiError, events: &mut Vec<Event>) {
        if self.refused_in_general(class, error, events) {
            return;
        }
        match class {
            // Rows have the keys that they had, so nothing doubles.
            Class::LocatorExpired => {
                self.phase = Phase::Lists(Lists::default());
                self.counts = self.counts.restarted();
                self.try_again("cursor-lost", error, events);
            }
            Class::UnknownField => self.field_refused(error, events),
            Class::Never(code) => self.skip(code, error, events),
            Class::Unclear(code) => self.refused_unclearly(code, error, events),
            _ => self.try_again("not-answered", error, events),
        }
    }

    fn lists_end(&mut self, events: &mut Vec<Event>) {
        if self.lists().is_some_and(Lists::is_done) {
            self.rows_read(events);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::backup::Strategy;
    use crate::salesforce::Page;

    fn ids(numbers: std::ops::Range<usize>) -> Vec<String> {
        numbers.map(|n| format!("069{n:0>12}AAA")).collect()
    }

    fn refused() -> Object {
        let mut object = Object::new("ContentDocumentLink".to_owned(), Strategy::Keyset, None, 100);
        assert!(object.read_by_lists() && object.waits_for_ids());
        object
    }

    fn page(rows: u64, next: Option<&str>) -> Outcome {
        Outcome::Page(Page {
            rows,
            done: next.is_none(),
            next: next.map(str::to_owned),
            ..Page::default()
        })
    }

    fn asked(object: &Object) -> Vec<Option<usize>> {
        let lists = object.lists().unwrap();
        (0..lists.queries())
            .map(|query_ix| match lists.query(query_ix).unwrap() {
                ListPlace::Page(_) => None,
                ListPlace::Ids(ids) => Some(ids.len()),
            })
            .collect()
    }

    #[test]
    fn every_id_is_asked_for_once_and_long_pages_are_gone_on_with() {
        let mut object = refused();
        let mut events = Vec::new();
        object.ids_loaded(ids(0..1_100), true, &mut events);
        assert_eq!(asked(&object), [Some(500), Some(500), Some(100)]);
        object.lists_came(vec![page(2_000, Some("next")), page(900, None)], &mut events);
        assert_eq!(asked(&object), [None, Some(100)]);
        object.lists_came(vec![page(7, None), page(30, None)], &mut events);
        assert_eq!((&object.phase, object.counts.received), (&Phase::Done, 2_937));
        assert_eq!(events, [Event::Read, Event::Finished]);
    }

    #[test]
    fn what_a_list_did_not_answer_is_asked_for_again() {
        let mut object = refused();
        let mut events = Vec::new();
        object.ids_loaded(ids(0..1_000), true, &mut events);
        object.lists_came(vec![page(10, None), Outcome::Missing], &mut events);
        assert_eq!(asked(&object), [Some(500)]);
        let lists: Lists = serde_json::from_value(serde_json::to_value(object.lists().unwrap()).unwrap()).unwrap();
        assert_eq!(lists.wants_ids_after(), Some(ids(499..500)[0].as_str()));
        assert!(matches!(object.phase, Phase::Lists(_)));
    }

    #[test]
    fn an_expired_address_begins_the_lists_again() {
        let mut object = refused();
        let mut events = Vec::new();
        object.ids_loaded(ids(0..500), true, &mut events);
        object.lists_came(vec![page(2_000, Some("next"))], &mut events);
        let error = ApiError {
            code: "INVALID_QUERY_LOCATOR".to_owned(),
            message: String::new(),
        };
        object.lists_came(vec![Outcome::Refused(Class::LocatorExpired, error)], &mut events);
        assert_eq!(object.lists().unwrap().wants_ids_after(), Some(""));
        assert!(object.waits_for_ids() && object.counts.received == 0);
    }

    #[test]
    fn without_records_to_list_it_is_read_and_other_objects_are_not_read_by_lists() {
        let mut object = refused();
        let mut events = Vec::new();
        object.ids_loaded(Vec::new(), true, &mut events);
        assert_eq!(object.phase, Phase::Done);
        assert!(!Object::new("Vote".to_owned(), Strategy::Keyset, None, 100).read_by_lists());
    }
}
