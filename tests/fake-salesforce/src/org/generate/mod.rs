//! Makes orgs from a seed: the catalogue of objects, their fields, and the rule by which each row has its values.
//!
//! Nothing is stored for generated rows. The rule kept here: everything is a function of the spec alone, and the seed of an object
//! depends on its name, so that adding an object to a spec changes no row of the others but what they refer to.

pub(crate) mod bench;
mod by_name;
mod dice;
mod draft;
mod fields;
mod named;
mod populate;
pub(crate) mod preset;
mod refusals;
pub(crate) mod restore;
mod sales;
mod setup;
mod shape;
mod words;

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use rpds::{RedBlackTreeMapSync, RedBlackTreeSetSync};

pub(crate) use self::{
    by_name::new_field,
    dice::{Stamps, dice, seed_of},
    shape::Shape,
};
use self::{
    draft::{Audit, Draft},
    shape::{Kind, ReferenceTarget},
};
use crate::org::{
    Field, FieldType, Org, OrgSpec, Value,
    object::{Object, RecordType},
    record_id::KeyPrefix,
    spec::ObjectSpec,
    table::{Every, IdSpace, Table},
};

/// Salesforce's seconds in five years: no row is older.
const FIVE_YEARS: i64 = 5 * 365 * 86_400;

/// An object with what its table will be.
struct PlannedTable {
    draft: Draft,
    spec: ObjectSpec,
    seed: u64,
    ids: IdSpace,
    deleted: Option<Every>,
}

/// Makes the org.
pub(crate) fn org(spec: &OrgSpec) -> Org {
    let mut org = Org::assemble(spec, objects(spec));
    populate::populate(&mut org, spec);
    org
}

/// Makes the objects of an org, in the order of the spec.
pub(crate) fn objects(spec: &OrgSpec) -> Vec<Object> {
    let mut planned = plan(spec);
    list_record_types(&mut planned);
    list_entities(&mut planned, spec);
    let targets: HashMap<String, ReferenceTarget> = planned
        .iter()
        .map(|p| {
            (
                p.draft.schema.name.clone(),
                ReferenceTarget {
                    ids: p.ids,
                    rows: p.spec.rows,
                    deleted: p.deleted,
                },
            )
        })
        .collect();
    planned.into_iter().map(|p| finish(p, spec, &targets)).collect()
}

fn plan(spec: &OrgSpec) -> Vec<PlannedTable> {
    let drafts: Vec<Draft> = spec.objects.iter().map(|object| by_name::draft(&object.name)).collect();
    let mut taken: HashSet<KeyPrefix> = drafts.iter().filter_map(|d| d.id_prefix).collect();
    let mut custom = (0..).map(|number| KeyPrefix::numbered(b'a', number));
    let mut standard = (0..).map(|number| KeyPrefix::numbered(b'1', number));
    let mut metadata = (0..).map(|number| KeyPrefix::numbered(b'm', number));
    let mut external = (0..).map(|number| KeyPrefix::numbered(b'x', number));
    drafts
        .into_iter()
        .zip(&spec.objects)
        .map(|(mut draft, object)| {
            let name = draft.schema.name.clone();
            let pool: &mut dyn Iterator<Item = KeyPrefix> = match name.rsplit_once("__") {
                Some((_, "mdt")) => &mut metadata,
                Some((_, "x")) => &mut external,
                Some((_, "c" | "Share" | "Feed" | "b" | "e")) => &mut custom,
                _ => &mut standard,
            };
            if object.without_key {
                draft.schema.fields.retain(|field| !field.external_id);
            }
            draft.schema.fields.extend(object.references.iter().map(by_name::reference));
            if spec.person_accounts {
                sales::let_be_people(&mut draft);
            }
            let prefix = draft.id_prefix.unwrap_or_else(|| next_free(pool, &mut taken));
            if draft.id_prefix.is_none() && draft.schema.associate_entity_type.is_none() && !draft.schema.behaviour.shared_id {
                draft.schema.key_prefix = Some(prefix);
            }
            draft.id_prefix = Some(prefix);
            if let Some(oddity) = draft.oddity {
                oddity.apply(&mut draft.schema.behaviour, &draft.schema.name, spec.language);
            }
            let has_units = draft.schema.fields.iter().any(|f| f.name == "Units__c");
            let of = if has_units { "Units__c" } else { "NumberOfEmployees" };
            let extra = |number| by_name::extra_field(number, object.long_names, of);
            draft.schema.fields.extend((0..object.extra_fields).map(extra));
            let formula = |number| by_name::extra_formula(number, of);
            draft.schema.fields.extend((0..object.formulas).map(formula));
            draft.finish_fields();
            let seed = seed_of(spec.seed, &draft.schema.name);
            let first = 1_000 + dice(seed, 1) % 100_000_000;
            let period = 17 + dice(seed, 2) % 31;
            let has_bin = matches!(draft.audit, Audit::Full) && draft.schema.deletable;
            PlannedTable {
                ids: IdSpace {
                    prefix,
                    instance: spec.instance,
                    first,
                    stride: 7,
                    seed,
                },
                deleted: has_bin.then_some(Every {
                    period,
                    phase: dice(seed, 3) % period,
                }),
                spec: object.clone(),
                seed,
                draft,
            }
        })
        .collect()
}

/// The next key prefix that no object has. The pools hold as many prefixes as two characters tell apart, far more than objects.
fn next_free(pool: &mut dyn Iterator<Item = KeyPrefix>, taken: &mut HashSet<KeyPrefix>) -> KeyPrefix {
    loop {
        match pool.next() {
            Some(prefix) if taken.insert(prefix) => return prefix,
            Some(_) => {}
            None => return KeyPrefix::numbered(b'z', 0), // the pools are endless
        }
    }
}

/// Sets the values that a field's rows have in turn.
fn list(planned: &mut PlannedTable, field: &str, values: Vec<Value>) {
    let fields = &mut planned.draft.schema.fields;
    if let Some(field) = fields.iter_mut().find(|f| f.name == field) {
        field.shape = Shape::always(Kind::Listed(values.into()));
    }
}

/// Makes a row of `RecordType` for each record type, and tells the objects their ids.
fn list_record_types(planned: &mut [PlannedTable]) {
    let Some(at) = planned.iter().position(|p| p.draft.schema.name == "RecordType") else {
        return;
    };
    let ids = planned[at].ids;
    let mut rows: Vec<(String, &str)> = Vec::new();
    for object in planned.iter_mut() {
        for developer_name in object.draft.record_types {
            object.draft.schema.record_types.push(RecordType {
                id: ids.id(rows.len() as u64),
                developer_name: (*developer_name).to_owned(),
                name: developer_name.replace('_', " "),
            });
            rows.push((object.draft.schema.name.clone(), developer_name));
        }
    }
    let record_type = &mut planned[at];
    record_type.spec.rows = rows.len() as u64;
    list(
        record_type,
        "Name",
        rows.iter().map(|(_, name)| Value::text(name.replace('_', " "))).collect(),
    );
    list(
        record_type,
        "DeveloperName",
        rows.iter().map(|(_, name)| Value::text(*name)).collect(),
    );
    list(
        record_type,
        "SobjectType",
        rows.iter().map(|(object, _)| Value::text(object.clone())).collect(),
    );
}

/// Makes a row of `EntityDefinition` for each object.
fn list_entities(planned: &mut [PlannedTable], spec: &OrgSpec) {
    let Some(at) = planned.iter().position(|p| p.draft.schema.name == "EntityDefinition") else {
        return;
    };
    let of_each = |value: &dyn Fn(&PlannedTable) -> Value| planned.iter().map(value).collect::<Vec<_>>();
    let names = of_each(&|p| Value::text(p.draft.schema.name.clone()));
    let labels = of_each(&|p| Value::text(p.draft.schema.label.clone()));
    let prefixes = of_each(&|p| {
        p.draft
            .schema
            .key_prefix
            .map_or(Value::Null, |prefix| Value::text(prefix.as_str()))
    });
    let changed = of_each(&|p| first_told(p.draft.schema.custom, defined_at(spec, p.seed)));
    let entity = &mut planned[at];
    entity.spec.rows = names.len() as u64;
    list(entity, "DurableId", names.clone());
    list(entity, "QualifiedApiName", names);
    list(entity, "Label", labels);
    list(entity, "KeyPrefix", prefixes);
    list(entity, "LastModifiedDate", changed);
}

/// When the definition of a generated object last changed.
fn defined_at(spec: &OrgSpec, seed: u64) -> DateTime<Utc> {
    spec.now - TimeDelta::seconds(86_400 + (dice(seed, 5) % 34_560_000) as i64)
}

fn finish(planned: PlannedTable, spec: &OrgSpec, targets: &HashMap<String, ReferenceTarget>) -> Object {
    let PlannedTable {
        draft,
        spec: object,
        seed,
        ids,
        deleted,
    } = planned;
    let mut schema = draft.schema;
    let record_types: Vec<Value> = schema.record_types.iter().map(|t| Value::Id(t.id)).collect();
    for field in &mut schema.fields {
        if let Kind::Reference(rows) = &mut field.shape.kind {
            *rows = field
                .reference_to
                .iter()
                .filter_map(|name| targets.get(name))
                .copied()
                .collect();
        }
        if let Kind::Body { first, .. } = &mut field.shape.kind {
            *first = object.first_body;
        }
        if field.name == "RecordTypeId" {
            field.shape.kind = Kind::OneOf(record_types.clone().into());
        }
    }
    let rows_per_stamp = object.rows_per_stamp.max(1);
    // Objects are as old as their seed says, and the org is looked at an hour after the last change.
    let span = FIVE_YEARS / 10 + (dice(seed, 4) % (FIVE_YEARS.unsigned_abs() * 9 / 10)) as i64;
    let stamps = Stamps {
        first: spec.now.timestamp() - 3_600 - span,
        span,
        rows: object.rows,
        rows_per_stamp,
        seed,
    };
    let owner_field = schema.fields.iter().position(|f| f.name == "OwnerId");
    let is_key = |field: &Field| field.kind != FieldType::Id && (field.unique || field.external_id || field.id_lookup);
    let fields = schema.fields.iter().enumerate();
    let key_fields = fields.filter(|(_, f)| is_key(f)).map(|(index, _)| index).collect();
    let archived_below = object.rows * draft.archived_percent / 100;
    let table = Table {
        ids,
        seed,
        generated: object.rows,
        created: 0,
        deleted,
        archived_below,
        stamps,
        owner_field,
        key_fields,
        stored: RedBlackTreeMapSync::new_sync(),
        keys: RedBlackTreeSetSync::new_sync(),
    };
    Object::new(schema, table, defined_at(spec, seed))
}

/// What `EntityDefinition` says at first: objects that come with Salesforce and that nobody changed have no date.
fn first_told(object_is_custom: bool, changed: DateTime<Utc>) -> Value {
    if object_is_custom {
        Value::DateTime(changed)
    } else {
        Value::Null
    }
}
