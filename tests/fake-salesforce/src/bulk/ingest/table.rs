//! The uploaded table: which fields its columns are, and what a row of it sends.

use csv::StringRecord;

use crate::bulk::csv::{Dialect, LineEnding};
use crate::org::{Object, Org, Sent, SentFields, Viewer};

/// What stands for null; an empty value means that the field is left alone.
const NULL: &str = "#N/A";

/// What a column is for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum CsvColumn {
    /// A field.
    Field(String),
    /// `Parent.Ext__c`, or `Type:Parent.Ext__c`: the parent that has this key.
    Parent {
        relationship: String,
        of_type: Option<String>,
        key: String,
    },
}

/// A table whose columns are known.
#[derive(Debug)]
pub(super) struct CsvTable {
    header: StringRecord,
    columns: Vec<CsvColumn>,
    rows: Vec<StringRecord>,
}

impl CsvTable {
    /// Reads a table for an object; says in Salesforce's words why a job with it fails.
    pub fn read(content: &[u8], dialect: Dialect, org: &Org, viewer: &Viewer, object: &Object) -> Result<Self, String> {
        let has_crlf = content
            .iter()
            .position(|byte| *byte == b'\n')
            .is_some_and(|at| at > 0 && content[at - 1] == b'\r');
        if has_crlf != (dialect.line_ending == LineEnding::Crlf) && content.contains(&b'\n') {
            let setting = dialect.line_ending.name();
            return Err(format!(
                "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is {setting}"
            ));
        }
        let unreadable = |error: csv::Error| format!("InvalidBatch : The table can't be read: {error}");
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(dialect.delimiter.sign())
            .from_reader(content);
        let header = reader.headers().map_err(unreadable)?.clone();
        if header.is_empty() {
            return Err("InvalidBatch : The table has no header".to_owned());
        }
        let columns = header.iter().map(|name| column(name, org, viewer, object));
        let columns = columns.collect::<Result<Vec<CsvColumn>, String>>()?;
        let rows = reader
            .records()
            .collect::<Result<Vec<StringRecord>, _>>()
            .map_err(unreadable)?;
        Ok(Self { header, columns, rows })
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Names of the columns as they were sent.
    pub fn header(&self) -> impl Iterator<Item = &str> {
        self.header.iter()
    }

    /// A row as it was sent.
    pub fn texts(&self, row: usize) -> impl Iterator<Item = &str> {
        self.rows.get(row).into_iter().flat_map(StringRecord::iter)
    }

    /// What a row sends.
    pub fn sent(&self, row: usize) -> SentFields {
        let mut fields = SentFields::default();
        for (column, text) in self.columns.iter().zip(self.texts(row)) {
            if text.is_empty() {
                continue;
            }
            let value = match text {
                NULL => Sent::Null,
                text => Sent::Text(text.to_owned()),
            };
            match column {
                CsvColumn::Field(name) => fields.set(name, value),
                CsvColumn::Parent {
                    relationship,
                    of_type,
                    key,
                } if value != Sent::Null => {
                    let mut parent = SentFields::default();
                    if let Some(of_type) = of_type {
                        let mut attributes = SentFields::default();
                        attributes.set("type", Sent::Text(of_type.clone()));
                        parent.set("attributes", Sent::Nested(attributes));
                    }
                    parent.set(key, value);
                    fields.set(relationship, Sent::Nested(parent));
                }
                CsvColumn::Parent { .. } => {}
            }
        }
        fields
    }
}

fn column(name: &str, org: &Org, viewer: &Viewer, object: &Object) -> Result<CsvColumn, String> {
    let not_found = || format!("InvalidBatch : Field name not found : {name}");
    let Some((path, key)) = name.split_once('.') else {
        let (_, field) = object.field(viewer, name).ok_or_else(not_found)?;
        return Ok(CsvColumn::Field(field.name.clone()));
    };
    let (of_type, relationship) = match path.split_once(':') {
        Some((of_type, relationship)) => (Some(of_type), relationship),
        None => (None, path),
    };
    let (_, field) = object.relationship(viewer, relationship).ok_or_else(not_found)?;
    let parents = field
        .reference_to
        .iter()
        .filter(|to| of_type.is_none_or(|said| said.eq_ignore_ascii_case(to)));
    let has_key = |parent: &String| {
        let parent = org.visible_object(viewer, parent)?;
        parent.field(viewer, key).filter(|(_, f)| f.external_id || f.id_lookup)
    };
    if parents.into_iter().all(|parent| has_key(parent).is_none()) {
        return Err(not_found());
    }
    Ok(CsvColumn::Parent {
        relationship: relationship.to_owned(),
        of_type: of_type.map(str::to_owned),
        key: key.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::org::OrgSpec;

    fn read(text: &str) -> Result<CsvTable, String> {
        let org = Org::generate(&OrgSpec::tiny(1));
        let viewer = org.administrator();
        CsvTable::read(
            text.as_bytes(),
            Dialect::default(),
            &org,
            &viewer,
            org.object("Contact").unwrap(),
        )
    }

    #[test]
    fn empty_values_are_left_alone_and_na_is_null() {
        let table = read("lastname,Phone,Title\nA,,#N/A\n").unwrap();
        let sent = table.sent(0);
        assert_eq!(sent.get("LastName"), Some(&Sent::Text("A".into())));
        assert_eq!(sent.get("Phone"), None);
        assert_eq!(sent.get("Title"), Some(&Sent::Null));
    }

    #[test]
    fn parents_are_named_by_their_keys() {
        let table = read("LastName,Account.Legacy_Key__c\nA,LEG-1\n").unwrap();
        let sent = table.sent(0);
        assert!(matches!(sent.get("Account"), Some(Sent::Nested(key)) if key.get("Legacy_Key__c").is_some()));
    }

    #[test]
    fn what_a_table_can_not_be_fails_the_job_in_salesforces_words() {
        let why = |text| read(text).unwrap_err();
        assert_eq!(
            why("LastName,Nope__c\nA,b\n"),
            "InvalidBatch : Field name not found : Nope__c"
        );
        assert_eq!(
            why("LastName,Account.Phone\nA,b\n"),
            "InvalidBatch : Field name not found : Account.Phone"
        );
        assert!(why("LastName\r\nA\r\n").starts_with("ClientInputError : LineEnding is invalid"));
        assert!(why("LastName,Phone\nA\n").starts_with("InvalidBatch"));
    }
}
