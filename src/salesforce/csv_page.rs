//! Reads pages of bulk results: CSV, a line of names, then a line for each record.
//!
//! A page may have a gigabyte, so it is read from any record on, for as long as the caller likes; where it stopped is told in
//! bytes. CSV doesn't say where it ends: how many records a page has is a header's to tell, and the caller's to compare.

use super::record::{NO_ID, milliseconds};
use super::{Broken, Describe, Kind, value};
use crate::host::Row;
use std::io;

/// The columns of a page, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvColumns {
    /// `"Name":` as JSON, and the form of the values.
    columns: Vec<(Vec<u8>, Kind)>,
    id: usize,
    revision: Option<usize>,
    /// Bytes of the line of names.
    pub header_bytes: u64,
}

/// Where reading stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CsvEnd {
    /// Rows that were handed on.
    pub rows: u64,
    /// Bytes that were read for them.
    pub bytes: u64,
    /// The page has no more.
    pub done: bool,
}

fn reader<R: io::Read>(body: R) -> csv::Reader<R> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .buffer_capacity(256 * 1024)
        .from_reader(body)
}

/// Reads the line of names. `body`: the page from its beginning.
pub fn read_csv_header<R: io::Read>(body: R, describe: &Describe) -> Result<CsvColumns, Broken> {
    let mut csv = reader(body);
    let mut names = csv::StringRecord::new();
    if !csv.read_record(&mut names).map_err(broken)? {
        return Err(Broken("the page has no line of names".to_owned()));
    }
    let place = |name: &str| names.iter().position(|column| column == name);
    let columns = names
        .iter()
        .map(|name| {
            let mut json = serde_json::to_vec(name).unwrap_or_default(); // a text always can be written
            json.push(b':');
            (json, describe.field(name).map_or(Kind::Text, |field| field.kind))
        })
        .collect();
    Ok(CsvColumns {
        columns,
        id: place("Id").ok_or_else(|| Broken("the page has no column Id".to_owned()))?,
        revision: describe.revision.as_deref().and_then(place),
        header_bytes: csv.position().byte(),
    })
}

/// Reads rows until `take` says that it is enough. `body`: the page from the beginning of a record on.
pub fn read_csv_rows<R: io::Read>(
    body: R,
    columns: &CsvColumns,
    mut take: impl FnMut(Row, u64) -> Result<bool, Broken>,
) -> Result<CsvEnd, Broken> {
    let mut csv = reader(body);
    let mut record = csv::StringRecord::new();
    let mut end = CsvEnd {
        rows: 0,
        bytes: 0,
        done: false,
    };
    loop {
        if !csv.read_record(&mut record).map_err(broken)? {
            end.done = true;
            return Ok(end);
        }
        if record.len() != columns.columns.len() {
            return Err(Broken(format!(
                "a record has {} columns of {}",
                record.len(),
                columns.columns.len()
            )));
        }
        let row = row(&record, columns)?;
        end.rows += 1;
        end.bytes = csv.position().byte();
        if !take(row, end.bytes)? {
            return Ok(end);
        }
    }
}

fn row(record: &csv::StringRecord, columns: &CsvColumns) -> Result<Row, Broken> {
    let key = record.get(columns.id).unwrap_or_default();
    if key.is_empty() || key == NO_ID || key.len() > 255 {
        return Err(Broken(format!("{key:?} is no Id that a record can be kept by")));
    }
    let mut body =
        Vec::with_capacity(record.as_slice().len() + columns.columns.iter().map(|(name, _)| name.len() + 3).sum::<usize>());
    for ((name, kind), text) in columns.columns.iter().zip(record) {
        body.push(if body.is_empty() { b'{' } else { b',' });
        body.extend_from_slice(name);
        value::write_csv(&mut body, *kind, text);
    }
    body.push(b'}');
    let revision = columns.revision.and_then(|at| record.get(at)).and_then(milliseconds);
    Ok(Row {
        key: key.to_owned(),
        revision: revision.unwrap_or(0),
        body,
    })
}

fn broken(error: csv::Error) -> Broken {
    Broken(error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::salesforce::{Field, Shape, record};
    use proptest::prelude::*;

    fn describe() -> Describe {
        let field = |name: &str, kind| Field {
            name: name.to_owned(),
            kind,
            formula: false,
            long: false,
        };
        Describe {
            fields: vec![
                field("Id", Kind::Text),
                field("Name", Kind::Text),
                field("Amount", Kind::Number),
                field("Closed", Kind::Boolean),
                field("SystemModstamp", Kind::DateTime),
            ],
            revision: Some("SystemModstamp".to_owned()),
            ..Describe::default()
        }
    }

    const PAGE: &str = "\"Id\",\"Name\",\"Amount\",\"Closed\",\"SystemModstamp\"\n\
        \"001\",\"a \"\"b\"\"\n, c\",\"1.5E3\",\"true\",\"2023-10-22T06:25:12.123Z\"\n\
        \"002\",\"\",\"\",\"false\",\"2023-10-22T06:25:12.000Z\"\n";

    fn read_from(text: &str, at: u64, most: u64) -> Result<(Vec<Row>, CsvEnd), Broken> {
        let columns = read_csv_header(text.as_bytes(), &describe())?;
        let at = at.max(columns.header_bytes);
        let mut rows = Vec::new();
        let end = read_csv_rows(&text.as_bytes()[usize::try_from(at).unwrap()..], &columns, |row, _| {
            rows.push(row);
            Ok((rows.len() as u64) < most)
        })?;
        Ok((
            rows,
            CsvEnd {
                bytes: at + end.bytes,
                ..end
            },
        ))
    }

    #[test]
    fn a_record_has_the_bytes_that_it_has_by_rest() {
        let (rows, end) = read_from(PAGE, 0, 10).unwrap();
        assert_eq!((rows.len(), end.rows, end.done), (2, 2, true));
        let rest = [
            r#"{"attributes":{},"Id":"001","Name":"a \"b\"\n, c","Amount":1500.0,"Closed":true,"SystemModstamp":"2023-10-22T06:25:12.123+0000"}"#,
            r#"{"attributes":{},"Id":"002","Name":null,"Amount":null,"Closed":false,"SystemModstamp":"2023-10-22T06:25:12.000+0000"}"#,
        ];
        let shape = Shape {
            revision: Some("SystemModstamp"),
            hashed: false,
        };
        for (bulk, rest) in rows.iter().zip(rest) {
            assert_eq!(*bulk, record::row(rest, shape).unwrap().row);
        }
    }

    #[test]
    fn reading_goes_on_where_it_stopped() {
        let (first, end) = read_from(PAGE, 0, 1).unwrap();
        assert_eq!((first.len(), end.done), (1, false));
        let (second, end) = read_from(PAGE, end.bytes, 10).unwrap();
        assert_eq!((second[0].key.as_str(), end.done), ("002", true));
    }

    #[test]
    fn a_page_of_no_records_is_whole() {
        let header = PAGE.lines().next().unwrap();
        assert!(read_from(header, 0, 1).unwrap().1.done);
        assert!(read_from("", 0, 1).is_err() && read_from("\"Name\"\n", 0, 1).is_err());
    }

    proptest! {
        #[test]
        fn any_page_is_read_the_same_in_any_pieces(names in prop::collection::vec("[ -~\n\r\"é]{0,12}", 1..20), most in 1u64..5) {
            let mut writer = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
            writer.write_record(["Id", "Name", "Amount", "Closed", "SystemModstamp"]).unwrap();
            for (n, name) in names.iter().enumerate() {
                writer.write_record([&format!("a{n:017}"), name.as_str(), "", "true", "2023-10-22T06:25:12.000Z"]).unwrap();
            }
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            let (mut read, mut at) = (Vec::new(), 0);
            loop {
                let (rows, end) = read_from(&text, at, most).unwrap();
                read.extend(rows);
                at = end.bytes;
                if end.done { break }
            }
            prop_assert_eq!(read.len(), names.len());
            for (row, name) in read.iter().zip(&names) {
                let value: serde_json::Value = serde_json::from_slice(&row.body).unwrap();
                let kept = value["Name"].as_str().unwrap_or_default();
                prop_assert_eq!(kept, name);
            }
        }
    }
}
