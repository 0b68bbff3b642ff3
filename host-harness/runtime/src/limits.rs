//! What names and sizes the contract lets through: pure checks of what a guest hands over, made before any implementation of
//! [`crate::imports`] sees it. The rule: what passes here can't leave the connection's own names.

use backup_contract::rules::{is_key, is_object_name, is_one_line, is_value_key};
use backup_contract::{Note, Row, StorageError, Tombstone};

fn bad(what: impl Into<String>) -> StorageError {
    StorageError::BadName(what.into())
}

/// Text from the guest, cut so that an error's text stays short.
fn shown(name: &str) -> String {
    name.chars().take(80).collect::<String>().escape_debug().to_string()
}

/// 1–255 characters of `A–Z a–z 0–9 _ - .`, not beginning with a dot.
pub fn object(name: &str) -> Result<(), StorageError> {
    if !is_object_name(name) {
        return Err(bad(format!(
            "an object's name is 1–255 characters of A–Z a–z 0–9 _ - . and begins with no dot: `{}`",
            shown(name)
        )));
    }
    Ok(())
}

/// 1–255 bytes.
pub fn row_key(key: &str) -> Result<(), StorageError> {
    if !is_key(key) {
        return Err(bad(format!(
            "a row's key has 1–255 bytes: `{}` has {}",
            shown(key),
            key.len()
        )));
    }
    Ok(())
}

/// Rows of one `append`, against a limit in bytes.
pub fn rows(rows: &[Row], limit: usize) -> Result<(), StorageError> {
    let bytes: usize = rows.iter().map(|row| row.key.len() + row.body.len()).sum();
    if bytes > limit {
        return Err(too_large(limit));
    }
    for row in rows {
        row_key(&row.key)?;
        if !is_one_line(&row.body) {
            return Err(bad(format!("the body of row `{}` has a line break", shown(&row.key))));
        }
    }
    Ok(())
}

/// Deletions of one `bury`.
pub fn tombstones(rows: &[Tombstone]) -> Result<(), StorageError> {
    rows.iter().try_for_each(|row| row_key(&row.key))
}

/// Notes of one `annotate`, each against a limit in bytes.
pub fn notes(notes: &[Note], limit: usize) -> Result<(), StorageError> {
    for Note { key, body } in notes {
        if !is_key(key) {
            return Err(bad(format!(
                "a note's key has 1–255 bytes: `{}` has {}",
                shown(key),
                key.len()
            )));
        }
        if body.len() > limit {
            return Err(too_large(limit));
        }
        if !is_one_line(body) {
            return Err(bad(format!("the body of note `{}` has a line break", shown(key))));
        }
    }
    Ok(())
}

/// `v<state version>/…`, at most 255 bytes.
pub fn value_key(key: &str) -> Result<(), StorageError> {
    if !is_value_key(key) {
        return Err(bad(format!(
            "a value's key begins with v<state version>/ and has at most 255 bytes: `{}`",
            shown(key)
        )));
    }
    Ok(())
}

/// One value to be put, against a limit in bytes.
pub fn value(key: &str, value: Option<&[u8]>, limit: usize) -> Result<(), StorageError> {
    value_key(key)?;
    match value {
        Some(value) if value.len() > limit => Err(too_large(limit)),
        _ => Ok(()),
    }
}

fn too_large(limit: usize) -> StorageError {
    StorageError::TooLarge(u64::try_from(limit).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn objects_are_named_without_a_way_out() {
        for good in ["Account", "My_Object__c", "a-b.c", &"x".repeat(255)] {
            object(good).unwrap();
        }
        for evil in [
            "",
            ".",
            "..",
            ".hidden",
            "../other",
            "a/b",
            "a\\b",
            "a b",
            "ä",
            "a\0",
            &"x".repeat(256),
        ] {
            assert!(matches!(object(evil), Err(StorageError::BadName(_))), "{evil:?}");
        }
    }

    #[test]
    fn value_keys_begin_with_their_state_version() {
        for good in ["v1/plan", "v12/", "v0/a/../b", &format!("v1/{}", "x".repeat(252))] {
            value_key(good).unwrap();
        }
        for evil in [
            "",
            "plan",
            "v/plan",
            "v1",
            "vx/plan",
            "v01/plan",
            "v+1/plan",
            "../v1/plan",
            "v99999999999/x",
        ] {
            assert!(matches!(value_key(evil), Err(StorageError::BadName(_))), "{evil:?}");
        }
        assert!(value_key(&format!("v1/{}", "x".repeat(253))).is_err());
    }

    #[test]
    fn the_limit_is_the_last_size_that_passes() {
        let row = |body: &str| Row {
            key: "k".into(),
            revision: 1,
            body: body.as_bytes().to_vec(),
        };
        rows(&[row("{\"a\":12}"), row("")], 10).unwrap();
        assert_eq!(rows(&[row("{\"a\":123}"), row("")], 10), Err(StorageError::TooLarge(10)));
        value("v1/x", Some(&[0; 10]), 10).unwrap();
        assert_eq!(value("v1/x", Some(&[0; 11]), 10), Err(StorageError::TooLarge(10)));
    }

    #[test]
    fn a_note_has_a_key_and_is_one_line_within_the_limit() {
        let note = |key: &str, body: &str| Note {
            key: key.to_owned(),
            body: body.as_bytes().to_vec(),
        };
        notes(&[note("describe/Account", "{\"a\":12}"), note("k", "{}")], 8).unwrap();
        assert_eq!(notes(&[note("k", "{\"a\":123}")], 8), Err(StorageError::TooLarge(8)));
        for (key, body) in [("", "{}"), (&*"k".repeat(256), "{}"), ("k", "{}\n{}")] {
            assert!(matches!(notes(&[note(key, body)], 8), Err(StorageError::BadName(_))), "{key}");
        }
    }

    #[test]
    fn a_row_is_one_line() {
        let row = Row {
            key: "k".into(),
            revision: 1,
            body: b"{}\n{}".to_vec(),
        };
        assert!(matches!(rows(&[row], 100), Err(StorageError::BadName(_))));
    }
}
