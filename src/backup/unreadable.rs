//! Records that can't be read: what is asked for to find them and to try them again, and what its answers do. The rules are the object's
//! ([`super::object`]).

use super::batch::Batch;
use super::{Object, Outcome};
use crate::host::{ConnectorError, Failure, Host};
use crate::salesforce::{Class, Describe};
use crate::soql::{Bound, Filter, Operator, Query};

impl<H: Host> Batch<'_, '_, H> {
    /// Asks for one record.
    pub(super) fn record_url(&self, id: &str, object: &Object, describe: &Describe) -> String {
        let mut filters = vec![Filter {
            field: "Id",
            operator: Operator::Equal,
            bound: Bound::Text(id.to_owned()),
        }];
        filters.extend(describe.archived.then(Filter::not_deleted));
        let query = Query {
            select: describe.names(),
            from: &object.name,
            filters,
            order_by: None,
            limit: None,
        };
        self.query_path(describe, &query)
    }

    /// The record came that was asked for alone, or it didn't.
    pub(super) fn asked_came(&mut self, object_ix: usize, outcomes: Vec<Outcome>) -> Result<(), ConnectorError> {
        let mut events = Vec::new();
        match outcomes.into_iter().next() {
            Some(Outcome::Page(page)) => self.checkpoint.objects[object_ix].asked_record_came(page.rows, &mut events),
            Some(Outcome::Refused(Class::DailyLimit, _) | Outcome::Missing) | None => {}
            Some(Outcome::Refused(_, error)) => self.checkpoint.objects[object_ix].asked_in_vain(&error, &mut events),
        }
        self.tell(object_ix, events)
    }

    /// The Id came of a record that can't be read, or it didn't.
    pub(super) fn id_came(&mut self, object_ix: usize, ids: Vec<String>, outcomes: Vec<Outcome>) -> Result<(), ConnectorError> {
        let mut events = Vec::new();
        match outcomes.into_iter().next() {
            Some(Outcome::Page(_)) => self.checkpoint.objects[object_ix].record_found(ids.into_iter().next(), &mut events),
            Some(Outcome::Refused(Class::DailyLimit, _) | Outcome::Missing) | None => {}
            Some(Outcome::Refused(_, error)) => {
                self.checkpoint.objects[object_ix].request_failed(true, true, &error, &mut events)
            }
        }
        self.tell(object_ix, events)
    }

    /// One record failed: it is named, and later backups ask for it alone.
    pub(super) fn record_failed(&mut self, object_ix: usize, id: &str, why: Failure) -> Result<(), ConnectorError> {
        let now = self.host().now();
        self.failed_parts(object_ix)?.failed(id, now, &why);
        self.host().part_failed(self.name(object_ix), id, why);
        Ok(())
    }
}
