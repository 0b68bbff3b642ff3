//! Text for people and JSON for programs.

use crate::failure::CommandError;
use comfy_table::{CellAlignment, presets};
use indicatif::{HumanBytes, HumanCount};
use serde::Serialize;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

/// The result has been written: an error that comes after it is told on standard error alone.
static WRITTEN: AtomicBool = AtomicBool::new(false);

/// Of the members of results.
const SCHEMA_VERSION: u32 = 1;

/// The result, on a line of its own: the last one. An object says that it is one; an array stays as it is.
pub fn json(value: &impl Serialize) -> Result<(), CommandError> {
    let mut value = serde_json::to_value(value).map_err(|e| CommandError::failed(e.to_string()))?;
    if let Some(members) = value.as_object_mut() {
        members.insert("event".to_owned(), "result".into());
        members.insert("schema_version".to_owned(), SCHEMA_VERSION.into());
    }
    json_line(&value)?;
    WRITTEN.store(true, Ordering::Relaxed);
    Ok(())
}

/// One JSON value on a line of its own, of which others follow.
pub fn json_line(value: &impl Serialize) -> Result<(), CommandError> {
    let text = serde_json::to_string(value).map_err(|e| CommandError::failed(e.to_string()))?;
    line(&text)
}

/// Whether the result has been written.
pub fn is_written() -> bool {
    WRITTEN.load(Ordering::Relaxed)
}

/// One line of text.
pub fn line(text: &str) -> Result<(), CommandError> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    Ok(())
}

/// Columns, as wide as their widest cell. Numbers stand to the right.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> Result<(), CommandError> {
    line(&columns(head, rows))
}

fn columns(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(presets::NOTHING).set_header(head.to_vec()).add_rows(rows);
    for (place, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        let mut cells = rows
            .iter()
            .filter_map(|row| row.get(place))
            .filter(|cell| !cell.is_empty())
            .peekable();
        if cells.peek().is_some() && cells.all(|cell| cell.bytes().all(|b| b.is_ascii_digit() || b == b',')) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// 1234567 as 1,234,567.
pub fn number(number: u64) -> String {
    HumanCount(number).to_string()
}

/// `1 request`, `1,200 requests`.
pub fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", number(count))
}

/// Bytes as people read them.
pub fn bytes(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_any_other_number_plural() {
        assert_eq!(
            [0, 1, 2_000].map(|count| counted(count, "request")),
            ["0 requests", "1 request", "2,000 requests"].map(String::from)
        );
    }

    #[test]
    fn numbers_stand_to_the_right_and_nothing_behind_the_last_cell() {
        let row = |cells: [&str; 3]| cells.map(String::from).to_vec();
        let rows = [row(["Account", "1,200", ""]), row(["é", "", "late: 3"])];
        assert_eq!(
            columns(&["OBJECT", "READ", "NOTE"], &rows),
            "OBJECT    READ  NOTE\nAccount  1,200\né               late: 3"
        );
        assert_eq!(columns(&["OBJECT", "READ"], &[]), "OBJECT  READ");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(number),
            ["0", "999", "1,000", "1,234,567"].map(String::from)
        );
    }
}
