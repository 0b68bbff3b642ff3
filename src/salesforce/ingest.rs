//! Bulk API 2.0 ingest jobs: what is asked for, and what became of its rows.
//!
//! Source: Bulk API 2.0 Developer Guide, *Create a Job*, *Upload Job Data*, *Get Job Info*, *Get Job Successful Record Results*.
//! Results come in no order; each row has what was sent of it, so that it is told by that.

use super::Broken;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io;

/// Asks for a job: the body of `POST jobs/ingest`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewIngest<'a> {
    object: &'a str,
    operation: &'static str,
    content_type: &'static str,
    column_delimiter: &'static str,
    line_ending: &'static str,
}

impl<'a> NewIngest<'a> {
    /// A job that creates records of this object, or changes them.
    pub fn new(object: &'a str, creates: bool) -> NewIngest<'a> {
        NewIngest {
            object,
            operation: if creates { "insert" } else { "update" },
            content_type: "CSV",
            column_delimiter: "COMMA",
            line_ending: "LF",
        }
    }
}

/// Tells rows apart by what is sent of them.
pub type Fingerprint = u128;

/// The fingerprint of a row: its cells, whatever the order of columns and the ends of lines within.
fn fingerprint<'a>(cells: impl IntoIterator<Item = (&'a str, &'a str)>) -> Fingerprint {
    let mut digest = Sha256::new();
    let sorted: BTreeMap<&str, &str> = cells.into_iter().filter(|(_, cell)| !cell.is_empty()).collect();
    for (column, cell) in sorted {
        digest.update(column.to_ascii_lowercase().as_bytes());
        digest.update([0]);
        for piece in cell.split('\r') {
            digest.update(piece.as_bytes());
        }
        digest.update([0]);
    }
    let mut first = [0; 16];
    first.copy_from_slice(&digest.finalize()[..16]);
    Fingerprint::from_be_bytes(first)
}

/// An empty field of a record that is changed; of one that is created, nothing is written.
const NULL: &str = "#N/A";

/// The table of a job that is being filled.
pub struct Table {
    csv: csv::Writer<Vec<u8>>,
    columns: Vec<String>,
    bytes: usize,
    rows: usize,
}

impl Table {
    /// With these columns, and room for so many bytes.
    pub fn new(columns: Vec<String>, bytes: usize) -> Result<Table, Broken> {
        // What grows by doubling would need three times the room.
        let mut csv = csv::WriterBuilder::new().from_writer(Vec::with_capacity(bytes + bytes / 8));
        csv.write_record(&columns).map_err(|error| Broken(error.to_string()))?;
        Ok(Table {
            csv,
            columns,
            bytes: 0,
            rows: 0,
        })
    }

    /// Adds a row: fields and their values as JSON. `None`: CSV can't tell one of them from another value.
    pub fn add(&mut self, fields: &BTreeMap<String, Box<serde_json::value::RawValue>>) -> Result<Option<Fingerprint>, Broken> {
        let mut cells = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let Some(cell) = fields.get(column).map_or(Some(String::new()), |value| cell(value.get())) else {
                return Ok(None);
            };
            cells.push(cell);
        }
        self.csv.write_record(&cells).map_err(|error| Broken(error.to_string()))?;
        self.rows += 1;
        self.bytes += cells.iter().map(|cell| cell.len() + 3).sum::<usize>();
        let named = self.columns.iter().map(String::as_str).zip(cells.iter().map(String::as_str));
        Ok(Some(fingerprint(named)))
    }

    /// Rows so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes so far, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The table as it is uploaded.
    pub fn finish(self) -> Result<Vec<u8>, Broken> {
        self.csv.into_inner().map_err(|error| Broken(error.to_string()))
    }
}

fn cell(value: &str) -> Option<String> {
    match value.as_bytes().first() {
        None | Some(b'{' | b'[') => None,
        Some(b'"') => {
            let text: String = serde_json::from_str(value).ok()?;
            (!text.is_empty() && text != NULL).then_some(text)
        }
        Some(b'n') => Some(NULL.to_owned()),
        Some(_) => Some(value.to_owned()),
    }
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngestResult {
    /// Tells which row it is.
    pub row: Fingerprint,
    /// The record's Id, where it was written.
    pub id: String,
    /// Why it wasn't: `CODE:text:fields --`.
    pub error: String,
}

/// Reads successful or failed results, row by row.
pub fn read_ingest_results<R: io::Read>(body: R, mut take: impl FnMut(IngestResult)) -> Result<u64, Broken> {
    let broken = |error: csv::Error| Broken(error.to_string());
    let mut csv = csv::ReaderBuilder::new().from_reader(body);
    let names = csv.headers().map_err(broken)?.clone();
    // A page of HTML has rows too, and what they don't tell of would be written again.
    if !names.iter().any(|name| name == "sf__Id") {
        return Err(Broken("the results have no column sf__Id".to_owned()));
    }
    let mut rows = 0;
    for record in csv.into_records() {
        let record = record.map_err(broken)?;
        let value = |name: &str| {
            let at = names.iter().position(|column| column == name);
            at.and_then(|at| record.get(at)).unwrap_or_default().to_owned()
        };
        let sent = names.iter().zip(&record).filter(|(name, _)| !name.starts_with("sf__"));
        rows += 1;
        take(IngestResult {
            row: fingerprint(sent),
            id: value("sf__Id"),
            error: value("sf__Error"),
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{JobState, read_job};
    use super::*;

    fn fields(json: &str) -> BTreeMap<String, Box<serde_json::value::RawValue>> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_row_is_told_by_what_was_sent_of_it_in_whatever_order_it_comes_back() {
        let columns = ["Name", "Note__c", "Amount__c"].map(str::to_owned).to_vec();
        let mut table = Table::new(columns, 1_000).unwrap();
        let a = table.add(&fields(
            "{\"Name\":\"a, \\\"b\\\"\",\"Note__c\":\"x\\r\\ny\",\"Amount__c\":1.50}",
        ));
        let b = table.add(&fields(r#"{"Name":"b","Amount__c":null}"#));
        let (a, b) = (a.unwrap().unwrap(), b.unwrap().unwrap());
        assert_ne!(a, b);
        assert_eq!(table.rows(), 2);
        let csv = String::from_utf8(table.finish().unwrap()).unwrap();
        assert_eq!(csv, "Name,Note__c,Amount__c\n\"a, \"\"b\"\"\",\"x\r\ny\",1.50\nb,,#N/A\n");
        let results = "\"sf__Id\",\"sf__Created\",\"AMOUNT__C\",\"Name\",\"Note__c\"\n\
            \"001B\",\"true\",\"#N/A\",\"b\",\"\"\n\"001A\",\"true\",\"1.50\",\"a, \"\"b\"\"\",\"x\ny\"\n";
        let mut read = Vec::new();
        assert_eq!(read_ingest_results(results.as_bytes(), |row| read.push(row)).unwrap(), 2);
        assert_eq!((read[0].row, read[0].id.as_str()), (b, "001B"));
        assert_eq!((read[1].row, read[1].id.as_str()), (a, "001A"));
        let failed = "sf__Id,sf__Error,Name,Note__c,Amount__c\n,REQUIRED_FIELD_MISSING:Missing:Name --,b,,#N/A\n";
        read_ingest_results(failed.as_bytes(), |row| read.push(row)).unwrap();
        assert_eq!(read[2].row, b);
        assert!(read[2].error.starts_with("REQUIRED_FIELD_MISSING:"));
    }

    #[test]
    fn what_csv_cannot_tell_apart_is_not_taken() {
        let mut table = Table::new(vec!["Name".to_owned()], 100).unwrap();
        for value in [r##"{"Name":"#N/A"}"##, r#"{"Name":""}"#, r#"{"Name":{"a":1}}"#] {
            assert_eq!(table.add(&fields(value)).unwrap(), None, "{value}");
        }
        assert_eq!((table.rows(), table.bytes()), (0, 0));
    }

    #[test]
    fn a_job_is_read_as_it_comes() {
        let text =
            r#"{"id":"7505e000002","operation":"insert","object":"Account","state":"UploadComplete","numberRecordsFailed":0}"#;
        let job = read_job(text.as_bytes()).unwrap();
        assert_eq!((job.state, job.number_records_failed), (JobState::Running, 0));
        assert!(read_job(text.replace("7505e", "../").as_bytes()).is_err());
        assert_eq!(
            serde_json::to_string(&NewIngest::new("Account", true)).unwrap(),
            r#"{"object":"Account","operation":"insert","contentType":"CSV","columnDelimiter":"COMMA","lineEnding":"LF"}"#
        );
    }

    #[test]
    fn what_is_no_table_of_results_is_broken_and_not_empty() {
        for text in ["", "<html>\n<body>down for maintenance</body>\n</html>", "Id,Name\n1,a\n"] {
            assert!(read_ingest_results(text.as_bytes(), |_| ()).is_err(), "{text}");
        }
        assert_eq!(
            read_ingest_results(b"sf__Id,sf__Created,Name\n".as_slice(), |_| ()).map_err(|why| why.0),
            Ok(0)
        );
    }
}
