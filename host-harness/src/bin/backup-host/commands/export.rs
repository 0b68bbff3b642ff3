//! `export`: the records of one object, as stored or as CSV; its schema.

use super::files;
use super::held::held;
use super::snapshots::selected;
use crate::args::ExportFormat;
use crate::failure::CommandError;
use crate::open::Opened;
use backup_store::{ConnectionName, ObjectName, Snapshot};
use futures::StreamExt;
use serde_json::value::RawValue;
use std::collections::{HashMap, HashSet};
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// What `export` gives out.
pub struct ExportRequest {
    /// An id, a unique prefix of one, or `latest`.
    pub snapshot: String,
    /// In whatever case it is written.
    pub object: ObjectName,
    /// Of the records.
    pub format: ExportFormat,
    /// Where the object's files go; `None`: nowhere.
    pub files: Option<PathBuf>,
}

pub async fn run(open: &Opened, name: &ConnectionName, request: &ExportRequest) -> Result<ExitCode, CommandError> {
    let snapshot = selected(open, name, &request.snapshot).await?;
    let held = held(&snapshot, &request.object)?;
    let object = &held.object;
    let out = BufWriter::new(std::io::stdout().lock());
    match request.format {
        ExportFormat::Ndjson => ndjson(&snapshot, object, out).await?,
        ExportFormat::Csv => csv(&snapshot, object, out).await?,
    }
    match &request.files {
        Some(folder) => {
            let written = files::write(&snapshot, object, folder).await?;
            Ok(if written == ExitCode::SUCCESS {
                held.exit_code
            } else {
                written
            })
        }
        None => Ok(held.exit_code),
    }
}

/// What the source itself said of the object when the snapshot was made.
pub async fn schema(open: &Opened, name: &ConnectionName, text: &str, object: &ObjectName) -> Result<ExitCode, CommandError> {
    let snapshot = selected(open, name, text).await?;
    let object = &super::held::named(&[&snapshot], object)?;
    let notes = snapshot.notes(&[format!("describe/{object}")]).await?;
    let Some(schema) = notes.into_iter().flatten().next() else {
        return Err(CommandError::failed(format!(
            "snapshot {} holds no schema of {object}",
            snapshot.info().id
        )));
    };
    let mut out = std::io::stdout().lock();
    out.write_all(&schema)?;
    out.write_all(b"\n")?;
    Ok(ExitCode::SUCCESS)
}

async fn ndjson(snapshot: &Snapshot, object: &ObjectName, mut out: impl Write) -> Result<(), CommandError> {
    let mut rows = snapshot.rows(object);
    while let Some(row) = rows.next().await {
        out.write_all(&row?.body)?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

/// Reads twice: the first time only for the columns, since records of one object may differ in their fields.
async fn csv(snapshot: &Snapshot, object: &ObjectName, out: impl Write) -> Result<(), CommandError> {
    let mut columns = Vec::new();
    let mut known = HashSet::new();
    let mut rows = snapshot.rows(object);
    while let Some(row) = rows.next().await {
        let row = row?;
        for name in members(&row.body)?.into_iter().map(|(name, _)| name) {
            if !known.contains(&name) {
                known.insert(name.clone());
                columns.push(name);
            }
        }
    }
    let mut writer = csv::Writer::from_writer(out);
    if columns.is_empty() {
        return Ok(());
    }
    writer.write_record(&columns).map_err(csv_failure)?;
    let mut rows = snapshot.rows(object);
    while let Some(row) = rows.next().await {
        let row = row?;
        let members: HashMap<String, &RawValue> = members(&row.body)?.into_iter().collect();
        for column in &columns {
            writer
                .write_field(members.get(column).map(|value| cell(value)).unwrap_or_default())
                .map_err(csv_failure)?;
        }
        writer.write_record(None::<&[u8]>).map_err(csv_failure)?;
    }
    Ok(writer.flush()?)
}

/// A record's fields, values untouched.
fn members(body: &[u8]) -> Result<Vec<(String, &RawValue)>, CommandError> {
    backup_store::snapshot::members(body).map_err(|e| CommandError::failed(format!("a record is not one JSON object: {e}")))
}

/// Texts without quotes, null as nothing, numbers digit by digit, anything nested as JSON.
fn cell(value: &RawValue) -> String {
    match value.get() {
        "null" => String::new(),
        text if text.starts_with('"') => serde_json::from_str(text).unwrap_or_else(|_| text.to_owned()),
        other => other.to_owned(),
    }
}

fn csv_failure(error: csv::Error) -> CommandError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error.into(),
        other => CommandError::failed(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_keep_their_digits_and_texts_lose_their_quotes() {
        let body = br#"{"Id":"001","N":1.6147805824397E13,"B":123456789012345678,"T":"a \"b\"\nc","E":null,"A":{"city":"X"}}"#;
        let cells: Vec<String> = members(body).unwrap().into_iter().map(|(_, value)| cell(value)).collect();
        assert_eq!(
            cells,
            [
                "001",
                "1.6147805824397E13",
                "123456789012345678",
                "a \"b\"\nc",
                "",
                r#"{"city":"X"}"#
            ]
        );
    }
}
