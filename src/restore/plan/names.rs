//! Finds by name, in the target, what has another Id there than in the snapshot: users, record types, queues, roles and the like,
//! which aren't restored but referred to; those of them that could be created, since an org takes none of the same name; and the one
//! standard price book that each org has.
//!
//! Asked only for what the target doesn't have under its Id, so that a restore into the same org sends nothing for it.

use crate::halt::{Halt, Step};
use crate::host::{ConnectorError, Host};
use crate::restore::plan::Planner;
use crate::restore::rules::{self, Values};
use crate::restore::state::job::Stage;
use crate::restore::state::record::{RecordEntry, RecordState};
use crate::salesforce::canonical;
use crate::salesforce::limits::COMPOSITE_QUERIES;
use crate::soql::literal;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// What tells a record of an object in every org (Object Reference: unique together); the first is what is asked by.
const NAMED: [(&str, &[&str]); 8] = [
    ("BusinessHours", &["Name"]),
    ("Folder", &["DeveloperName", "Type"]),
    ("Group", &["DeveloperName", "Type"]),
    ("Pricebook2", &["IsStandard"]),
    ("Profile", &["Name"]),
    ("RecordType", &["DeveloperName", "SobjectType"]),
    ("User", &["Username"]),
    ("UserRole", &["DeveloperName"]),
];

/// Records of one query.
const RECORDS: usize = 200;

/// Records of one object that are asked for together.
struct Asked {
    object: &'static str,
    told_by: &'static [&'static str],
    /// Keys in the snapshot, and names in order of preference.
    records: Vec<(String, Vec<Name>)>,
}

/// What a record may be called in the target.
#[derive(Debug, PartialEq, Eq)]
struct Name {
    /// The first field's value, as JSON.
    asked_by: String,
    /// All fields' values, in canonical form and in lower case: Salesforce doesn't tell cases apart.
    told_by: Vec<Vec<u8>>,
}

impl<H: Host> Planner<'_, '_, '_, H> {
    /// Finds by name what wasn't found by its Id.
    pub(super) fn find_by_name(&mut self) -> Step {
        loop {
            if self.context.must_end() {
                return Err(Halt::Call);
            }
            let from = self.context.job.place.clone();
            let asked = self.without_an_id()?;
            if asked.is_empty() {
                break;
            }
            let parts = self.context.ask_queries(asked.iter().map(query));
            let parts = self.context.or_back_to(from, parts)?;
            for (asked, part) in asked.iter().zip(&parts) {
                #[derive(Deserialize)]
                struct Page {
                    records: Vec<Values>,
                }
                // What can't be asked for stays without; records that need it are told.
                if let Ok(page) = part.read::<Page>() {
                    self.take_names(asked, page.records)?;
                }
            }
            self.context.save()?;
        }
        self.context.job.enter(Stage::Compare);
        Ok(())
    }

    /// The next records that the target doesn't have under their Ids, as many as one request asks for.
    fn without_an_id(&mut self) -> Result<Vec<Asked>, ConnectorError> {
        let mut asked = Vec::new();
        while let Some((object, told_by)) = NAMED.get(self.context.job.place.object).copied() {
            while let Some((page, last)) = self.context.page(object)? {
                // What is to be created is looked for too: an org takes no second queue or folder of a name.
                let gone = page
                    .into_iter()
                    .filter(|(_, entry)| matches!(entry.what, RecordState::Gone | RecordState::Create));
                let keys: Vec<String> = gone.map(|(key, _)| key).collect();
                for chunk in keys.chunks(RECORDS) {
                    if asked.len() == COMPOSITE_QUERIES {
                        return Ok(asked);
                    }
                    let mut records = Vec::new();
                    for row in self.context.rows(object, chunk)?.into_iter().flatten() {
                        let names = names(object, told_by, &rules::values(object, &row)?);
                        if !names.is_empty() {
                            records.push((row.key, names));
                        }
                    }
                    if let Some(last) = chunk.last() {
                        self.context.job.place.after.clone_from(last);
                    }
                    if !records.is_empty() {
                        asked.push(Asked {
                            object,
                            told_by,
                            records,
                        });
                    }
                }
                self.context.job.place.after = last;
            }
            self.context.job.place.next_object();
        }
        Ok(asked)
    }

    fn take_names(&mut self, asked: &Asked, found: Vec<Values>) -> Result<(), ConnectorError> {
        let mut by_name: BTreeMap<Vec<Vec<u8>>, Vec<String>> = BTreeMap::new();
        let mut inactive: BTreeSet<String> = BTreeSet::new();
        for record in found {
            if rules::is_false(&record, rules::INACTIVE.1) {
                inactive.extend(rules::text(&record, "Id"));
            }
            if let (Some(id), Some(name)) = (rules::text(&record, "Id"), name(asked.told_by, &record)) {
                by_name.entry(name.told_by).or_default().push(id);
            }
        }
        for (key, names) in &asked.records {
            // One of several can't be told from the others.
            let of_name = |name: &Name| match by_name.get(&name.told_by).map(Vec::as_slice) {
                Some([id]) => Some(id.clone()),
                _ => None,
            };
            let Some(id) = names.iter().find_map(of_name) else { continue };
            let was = self.context.records.get(asked.object, key)?.map(|entry| entry.what);
            let what = match was {
                Some(RecordState::Create) if self.context.job.selection.overwrite => RecordState::Update,
                Some(RecordState::Create) => {
                    self.context.job.object_mut(asked.object).tally_mut().skipped += 1;
                    RecordState::Same
                }
                _ if inactive.contains(&id) => RecordState::Inactive,
                _ => RecordState::There,
            };
            self.context
                .records
                .set(asked.object, key, RecordEntry::new(what).with_id(Some(id.clone())))?;
            self.context.records.map(asked.object, key, &id)?;
        }
        Ok(())
    }
}

fn name(told_by: &[&str], record: &Values) -> Option<Name> {
    let values: Option<Vec<&str>> = told_by
        .iter()
        .map(|field| Some(record.get(*field)?.get()).filter(|value| *value != "null"))
        .collect();
    Some(Name::of(&values?))
}

impl Name {
    fn of(values: &[&str]) -> Name {
        Name {
            asked_by: values.first().copied().unwrap_or_default().to_owned(),
            told_by: values.iter().map(|value| canonical(&value.to_lowercase())).collect(),
        }
    }
}

/// Candidate names of a record in the target, most likely first; empty if the identifying field is null.
fn names(object: &str, told_by: &[&str], values: &Values) -> Vec<Name> {
    let Some(own) = name(told_by, values) else {
        return Vec::new();
    };
    match object {
        // All price books but the standard one are restored.
        "Pricebook2" if values.get("IsStandard").is_none_or(|standard| standard.get() != "true") => Vec::new(),
        "User" => {
            // A sandbox's users have its name at their end (`a@example.com.full`); theirs in production don't.
            let without_sandbox = rules::text(values, "Username").and_then(|name| {
                let (name, _) = name.rsplit_once('.')?;
                let (_, domain) = name.split_once('@')?;
                domain.contains('.').then(|| Name::of(&[&format!("\"{name}\"")]))
            });
            std::iter::once(own).chain(without_sandbox).collect()
        }
        _ => vec![own],
    }
}

fn query(asked: &Asked) -> String {
    let (users, is_active) = rules::INACTIVE;
    let of_users = (asked.object == users).then_some(is_active);
    let fields: Vec<&str> = asked.told_by.iter().copied().chain(of_users).collect();
    let fields = fields.join(",");
    let first = asked.told_by[0];
    let mut values: Vec<String> = Vec::new();
    for (_, names) in &asked.records {
        for name in names {
            let value = match serde_json::from_str::<String>(&name.asked_by) {
                Ok(text) => literal(&text),
                Err(_) => name.asked_by.clone(),
            };
            if !values.contains(&value) {
                values.push(value);
            }
        }
    }
    format!(
        "SELECT Id,{fields} FROM {} WHERE {first} IN ({}) LIMIT 2000",
        asked.object,
        values.join(",")
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(object: &str, json: &str) -> Vec<Name> {
        let told_by = NAMED.iter().find(|(name, _)| *name == object).unwrap().1;
        names(object, told_by, &serde_json::from_str(json).unwrap())
    }

    #[test]
    fn a_user_of_a_sandbox_is_known_without_its_name() {
        let names = of("User", r#"{"Username":"A.B@example.com.full"}"#);
        let told: Vec<&[u8]> = names.iter().map(|name| name.told_by[0].as_slice()).collect();
        assert_eq!(told, [b"\"a.b@example.com.full\"".as_slice(), b"\"a.b@example.com\""]);
        assert_eq!(of("User", r#"{"Username":"a@example.com"}"#).len(), 1);
    }

    #[test]
    fn only_the_standard_price_book_is_known_by_what_it_is() {
        assert_eq!(of("Pricebook2", r#"{"IsStandard":true}"#).len(), 1);
        assert!(of("Pricebook2", r#"{"IsStandard":false}"#).is_empty());
        assert!(of("RecordType", r#"{"DeveloperName":"A","SobjectType":null}"#).is_empty());
    }

    #[test]
    fn what_is_asked_for_is_written_as_soql_has_it() {
        let asked = |object: &'static str, json: &str| Asked {
            object,
            told_by: NAMED.iter().find(|(name, _)| *name == object).unwrap().1,
            records: vec![("k".into(), of(object, json))],
        };
        assert_eq!(
            query(&asked("RecordType", r#"{"DeveloperName":"It's","SobjectType":"Account"}"#)),
            r"SELECT Id,DeveloperName,SobjectType FROM RecordType WHERE DeveloperName IN ('It\'s') LIMIT 2000"
        );
        assert_eq!(
            query(&asked("Pricebook2", r#"{"IsStandard":true}"#)),
            "SELECT Id,IsStandard FROM Pricebook2 WHERE IsStandard IN (true) LIMIT 2000"
        );
    }
}
