//! Objects that are read by lists of another one's Ids: when, by which queries, and the Ids, loaded from what is committed of that one.

use super::batch::Batch;
use super::object::{ListPlace, Lists, Phase, listed_by};
use super::requests::object_filters;
use super::{Checkpoint, Object};
use crate::host::{ConnectorError, Host, Snapshot, Which};
use crate::salesforce::Describe;
use crate::soql::{Bound, Filter, Operator, Query};
use std::collections::BTreeSet;

impl Checkpoint {
    /// Where the object stands whose Ids an object's lists hold; `None` where it isn't read.
    fn principal(&self, object: &Object) -> Option<&Object> {
        let (_, principal) = listed_by(&object.name)?;
        let principal = self.objects.iter().find(|other| other.name == principal);
        principal.filter(|principal| !matches!(principal.phase, Phase::Skipped | Phase::Failed))
    }

    /// The object waits for another one to be read.
    pub fn waits_for_principal(&self, object: &Object) -> bool {
        let is_under_way = |principal: &Object| !matches!(principal.phase, Phase::Files(_) | Phase::Done);
        matches!(object.phase, Phase::Lists(_)) && self.principal(object).is_some_and(is_under_way)
    }
}

impl<H: Host> Batch<'_, '_, H> {
    /// Objects that can be read by lists: all Ids were committed before the batch began.
    pub(super) fn lists_ready(&mut self) -> Result<Vec<usize>, ConnectorError> {
        let mut ready = Vec::new();
        for object_ix in 0..self.checkpoint.objects.len() {
            let object = &self.checkpoint.objects[object_ix];
            if !matches!(object.phase, Phase::Lists(_)) || self.checkpoint.waits_for_principal(object) {
                continue;
            }
            if self.checkpoint.principal(object).is_some() {
                ready.push(object_ix);
                continue;
            }
            let principal = listed_by(&object.name).map_or("another object", |(_, principal)| principal);
            let mut events = Vec::new();
            self.checkpoint.objects[object_ix].no_ids(principal, &mut events);
            self.tell(object_ix, events)?;
        }
        Ok(ready)
    }

    /// Loads Ids for the next request of each of them that isn't `busy`.
    pub(super) fn load_ids(&mut self, busy: &BTreeSet<usize>) -> Result<(), ConnectorError> {
        for object_ix in self.lists_ready.clone() {
            if busy.contains(&object_ix) {
                continue;
            }
            while let Some(lists) = self.checkpoint.objects[object_ix].lists() {
                let (Some(after), Some((_, principal))) = (lists.wants_ids_after(), listed_by(self.name(object_ix))) else {
                    break;
                };
                let committed = self.checkpoint.principal(&self.checkpoint.objects[object_ix]);
                let at_once = committed.map_or(1, Object::rows_at_once);
                let (rows, next) = match self.host().open(Which::Current)? {
                    Some(snapshot) => snapshot.read(principal, after, at_once)?,
                    None => (Vec::new(), String::new()),
                };
                let all = rows.is_empty() || next.is_empty();
                let ids = rows.into_iter().map(|row| row.key).collect();
                let mut events = Vec::new();
                self.checkpoint.objects[object_ix].ids_loaded(ids, all, &mut events);
                self.tell(object_ix, events)?;
            }
        }
        Ok(())
    }

    /// This query of an object's lists.
    pub(super) fn list_url(&self, lists: &Lists, query_ix: usize, object: &Object, describe: &Describe) -> String {
        let ids = match lists.query(query_ix) {
            Some(ListPlace::Page(url)) => return url.to_owned(),
            Some(ListPlace::Ids(ids)) => ids.to_vec(),
            None => Vec::new(),
        };
        let mut filters = object_filters(object, describe);
        filters.extend(listed_by(&object.name).map(|(field, _)| Filter {
            field,
            operator: Operator::In,
            bound: Bound::Texts(ids),
        }));
        let query = Query {
            select: describe.names(),
            from: &object.name,
            filters,
            order_by: None,
            limit: None,
        };
        self.query_path(describe, &query)
    }
}
