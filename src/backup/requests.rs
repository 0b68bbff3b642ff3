//! Composite requests of a batch: what each of their parts asks for, and what its answer does to the object.

use super::batch::Batch;
use super::packing::{Address, Part};
use super::rows::{Keep, Place, Rows};
use super::{Chain, Cursor, Event, Object, Outcome, PageStep, Phase, Strategy};
use crate::host::{ConnectorError, Failure, Host, Level, Row};
use crate::org::{Body, Refused, SendFailure, Subrequest};
use crate::salesforce::{
    ApiError, Bodies, Broken, Class, Deleted, Describe, DescribeBodies, Page, PageBodies, Sub, SubBody, Updated, classify,
    moment_url, read_deleted, read_record, read_updated, refusal,
};
use crate::schema::schema_remarks;
use crate::schema::{describes, groups};
use crate::soql::{Bound, Filter, Operator, Query};
use serde::de::{self, MapAccess, value::MapAccessDeserializer};
use serde_json::value::RawValue;
use std::collections::BTreeSet;

/// A record is read by its address only where the names of its fields are no longer than this together: they are part of it.
const MAX_FIELDS_CHARS: usize = 6_000;

/// What was asked for in each part of a composite request, in their order.
pub(super) struct SubRequests {
    expected: Vec<Expected>,
    /// The `LIMIT` of each object's pages.
    limits: Vec<Option<u32>>,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Expected {
    Page,
    Updated(usize),
    Deleted(usize),
    Single(usize, String),
}

/// What a part of a composite answer says.
enum SubAnswer {
    Page(Page),
    Updated(Updated),
    Deleted(Deleted),
    Single,
}

struct SlotBodies<'a, 'h, H> {
    expected: &'a [Expected],
    rows: &'a mut Rows<'h, H>,
}

impl<H: Host> Bodies for SlotBodies<'_, '_, H> {
    type Body = SubAnswer;

    fn read<'de, M: MapAccess<'de>>(&mut self, position: usize, mut body: M) -> Result<SubAnswer, M::Error> {
        match self.expected.get(position) {
            Some(Expected::Updated(_)) => read_updated(MapAccessDeserializer::new(body)).map(SubAnswer::Updated),
            Some(Expected::Deleted(_)) => read_deleted(MapAccessDeserializer::new(body)).map(SubAnswer::Deleted),
            Some(Expected::Single(..)) => {
                let mut record = String::from("{");
                while let Some((name, value)) = body.next_entry::<String, Box<RawValue>>()? {
                    if record.len() > 1 {
                        record.push(',');
                    }
                    record += &serde_json::to_string(&name).map_err(de::Error::custom)?;
                    record.push(':');
                    record += value.get();
                }
                record.push('}');
                read_record(&record, position, &mut *self.rows).map_err(de::Error::custom)?;
                Ok(SubAnswer::Single)
            }
            _ => PageBodies { sink: &mut *self.rows }.read(position, body).map(SubAnswer::Page),
        }
    }
}

impl<'h, H: Host> Batch<'_, 'h, H> {
    /// Loads what is known of the describes of these objects.
    pub(super) fn load_describes(&mut self, objects: &[usize]) -> Result<(), ConnectorError> {
        let missing: Vec<usize> = objects
            .iter()
            .copied()
            .filter(|object_ix| !self.describes.contains_key(object_ix))
            .collect();
        let names: Vec<&str> = missing.iter().map(|object_ix| self.name(*object_ix)).collect();
        let found = describes::load(self.host(), &names)?;
        let known = missing
            .into_iter()
            .zip(found)
            .filter_map(|(object_ix, describe)| Some((object_ix, self.without_left_out(object_ix, describe?))))
            .collect::<Vec<_>>();
        self.describes.extend(known);
        Ok(())
    }

    /// Fields that queries refuse are not asked for.
    fn without_left_out(&self, object_ix: usize, mut describe: Describe) -> Describe {
        let is_left_out = |name: &String| self.checkpoint.objects[object_ix].left_out.contains(name);
        describe.fields.retain(|field| !is_left_out(&field.name));
        describe.images.retain(|image| !is_left_out(image));
        describe
    }

    /// Loads the describes of these objects. False where one is missing: then it is asked for, and the batch packs again.
    pub(super) fn describes_known(&mut self, objects: &[usize]) -> Result<bool, ConnectorError> {
        self.load_describes(objects)?;
        let missing = objects.iter().filter(|object_ix| !self.describes.contains_key(object_ix));
        let mut all = true;
        for object_ix in missing {
            self.checkpoint.objects[*object_ix].describe_first();
            all = false;
        }
        Ok(all)
    }

    /// The parts of a composite request. Addresses come first: what is said of deletions is older than what queries then find.
    pub(super) fn subrequests(&self, parts: &[Part], addresses: &[Address]) -> (Vec<Subrequest>, SubRequests) {
        let mut asked = SubRequests {
            expected: Vec::new(),
            limits: Vec::new(),
            parts: parts.to_vec(),
        };
        let mut subrequests = Vec::new();
        for (place_ix, address) in addresses.iter().enumerate() {
            let Some((url, expected)) = self.address(address) else {
                continue;
            };
            subrequests.push(Subrequest::get(self.org.path(&url), format!("a{place_ix}")));
            asked.expected.push(expected);
        }
        for part in parts {
            let object = &self.checkpoint.objects[part.object];
            let Some(describe) = self.describes.get(&part.object) else {
                continue; // loaded by `describes_known`
            };
            let limit = self.limit(object, part);
            for place_ix in 0..part.places {
                let url = self.place_url(part, object, describe, place_ix, limit);
                let subrequest = Subrequest::get(url, format!("o{}p{place_ix}", part.object));
                subrequests.push(match object.batch_size {
                    Some(rows) => subrequest.batch_size(rows),
                    None => subrequest,
                });
                asked.expected.push(Expected::Page);
            }
            asked.limits.push(limit);
        }
        (subrequests, asked)
    }

    fn address(&self, address: &Address) -> Option<(String, Expected)> {
        let object = &self.checkpoint.objects[address.object()];
        let since = object.since.as_ref()?;
        let now = self.org.now();
        Some(match address {
            Address::Updated(object_ix) => (
                moment_url(&object.name, "updated", since.from, now),
                Expected::Updated(*object_ix),
            ),
            Address::Deleted(object_ix) => (
                moment_url(&object.name, "deleted", since.deletions_from, now),
                Expected::Deleted(*object_ix),
            ),
            Address::Single(object_ix, id) => {
                let fields = self.describes.get(object_ix)?.names().join(",");
                (
                    format!("sobjects/{}/{id}?fields={fields}", object.name),
                    Expected::Single(*object_ix, id.clone()),
                )
            }
        })
    }

    fn limit(&self, object: &Object, part: &Part) -> Option<u32> {
        let by_record = part.places > 1 && self.checkpoint.chain == Chain::LastRecord && object.strategy == Strategy::Keyset;
        match object.strategy {
            Strategy::Limited(rows) => Some(rows),
            Strategy::Keyset if object.narrowing().is_some() => object.narrowed_rows(),
            Strategy::Keyset if by_record || object.field_groups() > 1 => Some(object.rows_a_page()),
            Strategy::Keyset | Strategy::Plain => None,
        }
        .filter(|_| !matches!(object.phase, Phase::Lists(_)))
        .filter(|_| !matches!(object.step(), Some(PageStep::Scanning | PageStep::Asking)))
    }

    fn place_url(&self, part: &Part, object: &Object, describe: &Describe, place_ix: usize, limit: Option<u32>) -> String {
        let groups = object.field_groups();
        if groups > 1 && object.reads_rows() {
            let fields = groups::fields(describe, place_ix, groups);
            return self.first_page_url(object, describe, fields, limit);
        }
        if let Phase::Bounding(_) = object.phase {
            let query = Query {
                select: vec!["Id"],
                from: &object.name,
                filters: object_filters(object, describe),
                order_by: Some(if place_ix == 0 { "Id" } else { "Id DESC" }),
                limit: Some(1),
            };
            return self.query_path(describe, &query);
        }
        if let (true, Some(id)) = (object.asks_again(), object.asked_again()) {
            return self.record_url(id, object, describe);
        }
        if let Some(lists) = object.lists() {
            return self.list_url(lists, place_ix, object, describe);
        }
        if place_ix == 0 {
            let fields = match object.step() {
                Some(PageStep::Counting | PageStep::Comparing) => vec!["COUNT()"],
                Some(PageStep::Scanning) => vec!["Id"],
                Some(PageStep::Rows) if object.asks_id() => vec!["Id"],
                _ => describe.names(),
            };
            return self.first_page_url(object, describe, fields, limit);
        }
        let previous = format!("o{}p{}", part.object, place_ix - 1);
        match limit {
            None => format!("@{{{previous}.nextRecordsUrl}}"),
            Some(limit) => {
                let field = object.key_field(describe);
                let last = Bound::Reference(format!("{previous}.records[{}].{field}", limit.saturating_sub(1)));
                self.query_url(object, describe, describe.names(), Some(last), Some(limit))
            }
        }
    }

    fn first_page_url(&self, object: &Object, describe: &Describe, fields: Vec<&str>, limit: Option<u32>) -> String {
        let after = match object.cursor() {
            Cursor::Locator(url) => return url.clone(),
            _ if counts(object) => None,
            Cursor::After(key) => Some(Bound::Text(key.clone())),
            Cursor::Start => None,
        };
        self.query_url(object, describe, fields, after, limit)
    }

    fn query_url(
        &self,
        object: &Object,
        describe: &Describe,
        select: Vec<&str>,
        after: Option<Bound>,
        limit: Option<u32>,
    ) -> String {
        let key = object.key_field(describe);
        let mut filters = object_filters(object, describe);
        filters.extend(after.map(|bound| Filter {
            field: key,
            operator: Operator::After,
            bound,
        }));
        let query = Query {
            select,
            from: &object.name,
            filters,
            order_by: (!counts(object) && object.strategy != Strategy::Plain).then_some(key),
            limit,
        };
        self.query_path(describe, &query)
    }

    pub(super) fn query_path(&self, describe: &Describe, query: &Query<'_>) -> String {
        let resource = if describe.archived { "queryAll" } else { "query" };
        self.org.path(&format!("{resource}?q={}", query.encoded()))
    }

    /// Reads rows to the host, then moves the objects on. With it: the objects of which not all came that was asked for.
    pub(super) fn read_reads(
        &mut self,
        mut body: Body<H::Answer>,
        asked: SubRequests,
    ) -> Result<(Option<SendFailure>, BTreeSet<usize>), ConnectorError> {
        let mut rows = Rows::new(self.host(), self.places(&asked));
        let mut subs = Vec::new();
        let mut bodies = SlotBodies {
            expected: &asked.expected,
            rows: &mut rows,
        };
        let read = self.org.read_composite(&mut body, &mut bodies, &mut subs);
        let too_many = subs.len() > asked.expected.len();
        let came_short = subs.len() < asked.expected.len();
        let mut came: Vec<Option<Sub<SubAnswer>>> = subs.into_iter().map(Some).collect();
        came.resize_with(asked.expected.len(), || None);
        let object_at = |position: usize| asked.addressed(position).or_else(|| asked.object_of(position));
        let objects: BTreeSet<usize> = (0..came.len()).filter_map(object_at).collect();
        if let Some(refused) = session_refused(&came).filter(|_| objects.len() > 1) {
            return Ok((Some(SendFailure::Refused(refused)), BTreeSet::new()));
        }
        let missed = (0..came.len()).filter(|position| came[*position].is_none());
        let missed = missed.filter_map(object_at).collect();
        self.refused_for_today(&came, body.request_number())?;
        let mut position = 0;
        while let Some(Expected::Updated(_) | Expected::Deleted(_) | Expected::Single(..)) = asked.expected.get(position) {
            self.address_came(&asked.expected[position], came[position].take())?;
            position += 1;
        }
        for (part, limit) in asked.parts.iter().zip(&asked.limits) {
            let outcomes: Vec<Outcome> = came[position..position + part.places]
                .iter_mut()
                .map(|sub| sub.take().map_or(Outcome::Missing, outcome))
                .collect();
            self.part_came(part, *limit, position, outcomes, &mut rows)?;
            position += part.places;
        }
        rows.flush()?;
        let keys = std::mem::take(&mut rows.keys);
        let too_large = std::mem::take(&mut rows.too_large);
        drop(rows);
        for (position, keys) in keys {
            if let Some(object) = object_at(position) {
                self.changes.appended(object, keys);
            }
        }
        for (object_ix, key) in too_large {
            self.too_large(object_ix, &key);
        }
        let stopped = match read {
            Ok(()) if too_many => Some(body.parse_failed(&Broken("it has more sub-answers than were asked for".to_owned()))),
            Ok(()) if came_short => Some(body.parse_failed(&Broken("it has fewer sub-answers than were asked for".to_owned()))),
            Ok(()) => None,
            Err(stopped) => Some(stopped),
        };
        Ok((stopped, missed))
    }

    /// A refusal of the daily limit within the answer ends the batch, whatever its header says.
    fn refused_for_today(&mut self, came: &[Option<Sub<SubAnswer>>], request: u64) -> Result<(), ConnectorError> {
        let limit = |sub: &Sub<SubAnswer>| matches!(&sub.body, SubBody::Refused(errors) if classify(sub.status, errors) == Class::DailyLimit);
        if !came.iter().flatten().any(limit) || self.halt == Some(SendFailure::DailyLimit.into()) {
            return Ok(());
        }
        match self.org.refused_by_daily_limit(None, Some(request)) {
            Ok(()) => {
                self.end(SendFailure::DailyLimit.into());
                Ok(())
            }
            Err(stopped) => Err(stopped.into_error()),
        }
    }

    fn places(&self, asked: &SubRequests) -> Vec<Place> {
        let place = |object_ix: usize, keep: Keep| {
            let object = &self.checkpoint.objects[object_ix];
            Place {
                object: object_ix,
                name: object.name.clone(),
                revision: self.describes.get(&object_ix).and_then(|describe| describe.revision.clone()),
                hashed: object.hashed,
                keep,
            }
        };
        (0..asked.expected.len())
            .map(|position| match (&asked.expected[position], asked.object_of(position)) {
                (Expected::Single(object, _), _) => place(*object, Keep::RowsAndKeys),
                (Expected::Updated(object) | Expected::Deleted(object), _) => place(*object, Keep::Keys),
                (Expected::Page, object) => {
                    let object_ix = object.unwrap_or_default();
                    let object = &self.checkpoint.objects[object_ix];
                    let keep = match object.step() {
                        Some(PageStep::Scanning) => Keep::Keys,
                        Some(PageStep::Rows) if object.asks_id() => Keep::Keys,
                        Some(PageStep::Rows) if object.field_groups() > 1 => Keep::Parts,
                        None if matches!(object.phase, Phase::Bounding(_)) => Keep::Keys,
                        _ => Keep::stored(object.since.is_some()),
                    };
                    place(object_ix, keep)
                }
            })
            .collect()
    }

    fn address_came(&mut self, expected: &Expected, sub: Option<Sub<SubAnswer>>) -> Result<(), ConnectorError> {
        let Some(sub) = sub else { return Ok(()) };
        let (Expected::Updated(object_ix) | Expected::Deleted(object_ix) | Expected::Single(object_ix, _)) = expected else {
            return Ok(());
        };
        let mut events = Vec::new();
        let object = &mut self.checkpoint.objects[*object_ix];
        let status = sub.status;
        match (expected, sub.body) {
            (Expected::Updated(_), SubBody::Read(SubAnswer::Updated(updated))) if status < 300 => {
                let chars = |describe: &Describe| describe.fields.iter().map(|field| field.name.len() + 1).sum::<usize>();
                let short = self
                    .describes
                    .get(object_ix)
                    .is_some_and(|describe| chars(describe) <= MAX_FIELDS_CHARS);
                object.updated_came(updated, short && object.field_groups() == 1, &mut events);
            }
            (Expected::Deleted(_), SubBody::Read(SubAnswer::Deleted(deleted))) if status < 300 => {
                let gone = object.deleted_came(deleted, &mut events);
                self.changes.deleted(*object_ix, gone);
            }
            (Expected::Single(_, id), SubBody::Read(_)) if status < 300 => object.single_came(id, &mut events),
            (Expected::Single(_, id), SubBody::Refused(errors)) => match refusal(status, errors) {
                // It went meanwhile: deletions tell it, now or the next time. Another 404 says nothing of it.
                (_, error) if error.code == "ENTITY_IS_DELETED" => object.single_came(id, &mut events),
                (class, error) => object.single_refused(class, &error, &mut events),
            },
            (Expected::Updated(_), SubBody::Refused(errors)) => {
                let (class, error) = refusal(status, errors);
                object.updated_refused(class, &error, &mut events);
            }
            (Expected::Deleted(_), SubBody::Refused(errors)) => {
                let (class, error) = refusal(status, errors);
                object.deleted_refused(class, &error, &mut events);
            }
            (Expected::Updated(_), _) => {
                object.updated_refused(Class::Unclear("refused"), &ApiError::of_status(status), &mut events)
            }
            (Expected::Deleted(_), _) => {
                object.deleted_refused(Class::Unclear("refused"), &ApiError::of_status(status), &mut events)
            }
            (_, _) => object.single_refused(Class::Unclear("refused"), &ApiError::of_status(status), &mut events),
        }
        self.tell(*object_ix, events)
    }

    fn part_came(
        &mut self,
        part: &Part,
        limit: Option<u32>,
        position: usize,
        mut outcomes: Vec<Outcome>,
        rows: &mut Rows<'h, H>,
    ) -> Result<(), ConnectorError> {
        let object_ix = part.object;
        let before = self.checkpoint.chain;
        let object = &self.checkpoint.objects[object_ix];
        let (step, reads_rows) = (object.step(), object.reads_rows());
        if step == Some(PageStep::Scanning) {
            let ids: Vec<Vec<String>> = (0..part.places)
                .map(|place_ix| rows.keys.remove(&(position + place_ix)).unwrap_or_default())
                .collect();
            self.scanned(object_ix, &outcomes, ids)?;
            if self.checkpoint.objects[object_ix].step() != step {
                return Ok(());
            }
        }
        if let Phase::Lists(_) = self.checkpoint.objects[object_ix].phase {
            let mut events = Vec::new();
            self.checkpoint.objects[object_ix].lists_came(outcomes, &mut events);
            return self.tell(object_ix, events);
        }
        if step == Some(PageStep::Asking) {
            return self.asked_came(object_ix, outcomes);
        }
        if reads_rows && self.checkpoint.objects[object_ix].asks_id() {
            let ids = rows.keys.remove(&position).unwrap_or_default();
            return self.id_came(object_ix, ids, outcomes);
        }
        if let Phase::Bounding(_) = self.checkpoint.objects[object_ix].phase {
            let id = |place_ix: usize, rows: &mut Rows<'h, H>| {
                rows.keys
                    .remove(&(position + place_ix))
                    .and_then(|ids| ids.into_iter().next())
            };
            let ids = (id(0, rows), id(1, rows));
            if outcomes.contains(&Outcome::Missing) {
                return Ok(());
            }
            let bounds = ids.0.as_deref().zip(ids.1.as_deref());
            self.checkpoint.objects[object_ix].bounds_came(bounds);
            return Ok(());
        }
        if self.checkpoint.objects[object_ix].field_groups() > 1 && reads_rows {
            outcomes = vec![self.joined(object_ix, position, outcomes, rows)?];
        }
        let tells_size = *self.checkpoint.objects[object_ix].cursor() == Cursor::Start && reads_rows;
        let events = self.checkpoint.objects[object_ix].apply(outcomes, limit, &mut self.checkpoint.chain);
        if self.checkpoint.chain != before {
            let chain = format!("{:?}", self.checkpoint.chain);
            self.host().log(
                Level::Warn,
                "the org refused to chain pages within a request",
                &[("now", chain)],
            );
        }
        self.tell(object_ix, events)?;
        if tells_size {
            self.bulk_where_cheaper(object_ix);
        }
        let object = &self.checkpoint.objects[object_ix];
        if object.since.is_none() && !object.has_ended() {
            self.host().progress(
                &object.name,
                object.counts.received,
                object.counts.expected.or(object.counts.counted),
            );
        }
        Ok(())
    }

    /// Parts of wide records become whole ones. A refusal of one part is one of the page.
    fn joined(
        &mut self,
        object_ix: usize,
        position: usize,
        outcomes: Vec<Outcome>,
        rows: &mut Rows<'h, H>,
    ) -> Result<Outcome, ConnectorError> {
        let mut parts: Vec<(Page, Vec<Row>)> = Vec::new();
        for (place_ix, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Outcome::Page(mut page) => {
                    let came = rows.parts.remove(&(position + place_ix)).unwrap_or_default();
                    if rows.cut.remove(&(position + place_ix)) {
                        page.done = false;
                        page.last_id = came.last().map(|row| row.key.clone());
                    }
                    parts.push((page, came));
                }
                other => return Ok(other),
            }
        }
        let object = &self.checkpoint.objects[object_ix];
        let Some(describe) = self.describes.get(&object_ix) else {
            return Ok(Outcome::Missing);
        };
        let groups::Joined { rows: whole, page } = groups::join(parts, describe, object.tries);
        if object.since.is_some() {
            rows.keys.insert(position, whole.iter().map(|row| row.key.clone()).collect());
        }
        for row in whole {
            rows.store(position, row)?;
        }
        Ok(Outcome::Page(page))
    }

    pub(super) fn read_describes(
        &mut self,
        mut body: Body<H::Answer>,
        objects: &[usize],
    ) -> Result<(Option<SendFailure>, Vec<usize>), ConnectorError> {
        let mut subs = Vec::new();
        let read = self.org.read_composite(&mut body, &mut DescribeBodies, &mut subs);
        let missed = objects.iter().skip(subs.len()).copied().collect();
        for (object_ix, sub) in objects.iter().zip(subs) {
            let object = &mut self.checkpoint.objects[*object_ix];
            let mut events = Vec::new();
            match describes::outcome(sub) {
                describes::Answered::Described(described) => {
                    let before = describes::load(self.org.host(), &[&object.name])?.remove(0);
                    describes::store(self.org.host(), &object.name, &described)?;
                    if let Ok(describe) = &described.condensed {
                        object.described_again = true;
                        object.got_on();
                        object.described(describe);
                        for remark in before
                            .iter()
                            .flat_map(|before| schema_remarks(&object.name, before, describe))
                        {
                            events.push(Event::Remark(remark));
                        }
                    }
                    self.describes.remove(object_ix);
                    self.annotate_describe(*object_ix)?;
                }
                describes::Answered::Unchanged => object.describe_unchanged(),
                describes::Answered::Refused(error) if is_natural(&error) => object.skip("not-visible", &error, &mut events),
                describes::Answered::Refused(error) => object.refused_unclearly("refused", &error, &mut events),
                describes::Answered::Later(error) => {
                    object.try_again("not-answered", &error, &mut events);
                    events.push(Event::Busy);
                }
            }
            self.tell(*object_ix, events)?;
        }
        Ok((read.err(), missed))
    }

    pub(super) fn too_large(&self, object_ix: usize, key: &str) {
        let name = self.name(object_ix);
        let remark = Failure::new(
            "record-too-large",
            format!("{name} {key} has more than 7 MiB and is not stored"),
        )
        .about(name)
        .detail("id", key);
        self.host().remark(name, remark);
    }
}

/// The code is one that Salesforce has for objects that can't be read.
fn is_natural(error: &ApiError) -> bool {
    matches!(classify(400, std::slice::from_ref(error)), Class::Never(_))
}

/// The session is over where all parts of an answer say so, and they are of several objects; otherwise they say it of themselves.
fn session_refused(came: &[Option<Sub<SubAnswer>>]) -> Option<Refused> {
    let mut refusals = came.iter().map(|sub| match sub {
        Some(Sub {
            status,
            body: SubBody::Refused(errors),
        }) if classify(*status, errors) == Class::Session => Some(errors),
        _ => None,
    });
    let first = refusals.next()??;
    refusals.all(|refusal| refusal.is_some()).then(|| Refused {
        status: 401,
        errors: first.clone(),
    })
}

impl SubRequests {
    /// The object that a part is of which is no query.
    fn addressed(&self, position: usize) -> Option<usize> {
        match self.expected.get(position)? {
            Expected::Page => None,
            Expected::Updated(object_ix) | Expected::Deleted(object_ix) | Expected::Single(object_ix, _) => Some(*object_ix),
        }
    }

    /// The object whose query stands in this part.
    fn object_of(&self, position: usize) -> Option<usize> {
        let mut first = self
            .expected
            .iter()
            .take_while(|expected| **expected != Expected::Page)
            .count();
        self.parts.iter().find_map(|part| {
            let mine = (first..first + part.places).contains(&position);
            first += part.places;
            mine.then_some(part.object)
        })
    }
}

/// What every query of an object's rows, or of their number, filters by.
pub(super) fn object_filters<'a>(object: &Object, describe: &'a Describe) -> Vec<Filter<'a>> {
    let mut filters = Vec::new();
    if describe.archived {
        filters.push(Filter::not_deleted());
    }
    let whole = matches!(object.step(), Some(PageStep::Comparing | PageStep::Scanning));
    if !object.unreadable.is_empty() && !whole && object.strategy == Strategy::Keyset {
        filters.push(Filter {
            field: "Id",
            operator: Operator::NotIn,
            bound: Bound::Texts(object.unreadable.clone()),
        });
    }
    if let (Some(since), Some(revision), false) = (&object.since, &describe.revision, whole) {
        filters.push(Filter {
            field: revision,
            operator: Operator::From,
            bound: Bound::Moment(since.from),
        });
    }
    filters
}

/// Its next query asks for a number.
fn counts(object: &Object) -> bool {
    matches!(object.step(), Some(PageStep::Counting | PageStep::Comparing))
}

fn outcome(sub: Sub<SubAnswer>) -> Outcome {
    match sub.body {
        SubBody::Read(SubAnswer::Page(page)) if sub.status < 300 => Outcome::Page(page),
        SubBody::Refused(errors) => refused(sub.status, errors),
        SubBody::Read(_) | SubBody::Empty => refused(sub.status, Vec::new()),
    }
}

fn refused(status: u16, errors: Vec<ApiError>) -> Outcome {
    let (class, error) = refusal(status, errors);
    Outcome::Refused(class, error)
}
