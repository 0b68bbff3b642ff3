//! `export --files`: the blobs of an object's live records, as files.
//!
//! A file that stands under its own name is whole: it is written beside it, its hash is checked, and then it is renamed.

use crate::failure::CommandError;
use crate::output::{bytes, counted, number};
use backup_store::{ObjectName, Snapshot, SourceKey, StoreError};
use futures::{StreamExt, TryStreamExt};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Records without a file that are named; of the others only how many.
const NAMED: usize = 10;

#[derive(Default)]
struct WrittenFiles {
    records: u64,
    files: u64,
    bytes: u64,
    damaged: u64,
    without: Vec<String>,
}

/// Writes them, and says on standard error how many there are and what is missing.
pub async fn write(snapshot: &Snapshot, object: &ObjectName, folder: &Path) -> Result<ExitCode, CommandError> {
    std::fs::create_dir_all(folder).map_err(|e| CommandError::failed(format!("{} can't be made: {e}", folder.display())))?;
    let mut written = WrittenFiles::default();
    let mut rows = snapshot.rows(object);
    while let Some(row) = rows.next().await {
        let row = row?;
        written.records += 1;
        let before = (written.files, written.damaged);
        record(snapshot, object, &row.key, folder, &mut written).await?;
        if (written.files, written.damaged) == before {
            written.without.push(row.key);
        }
    }
    say(&written, object, folder);
    Ok(if written.damaged > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

async fn record(
    snapshot: &Snapshot,
    object: &ObjectName,
    key: &str,
    folder: &Path,
    written: &mut WrittenFiles,
) -> Result<(), CommandError> {
    let prefix = format!("{object}/{key}/");
    let blobs = snapshot.fold().blobs.range(prefix.clone()..);
    for (source_key, _) in blobs.take_while(|(source_key, _)| source_key.starts_with(&prefix)) {
        let Some(parsed) = SourceKey::parse(source_key).filter(|parsed| parsed.row == key) else {
            continue;
        };
        match file(snapshot, source_key, folder, &name(&parsed)).await {
            Ok(length) => {
                written.files += 1;
                written.bytes += length;
            }
            Err(Problem::Damaged(damage)) => {
                written.damaged += 1;
                eprintln!("damaged: {damage}");
            }
            Err(Problem::Other(failure)) => return Err(failure),
        }
    }
    Ok(())
}

enum Problem {
    /// This one is not what was stored; the others may be.
    Damaged(String),
    Other(CommandError),
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        match error {
            StoreError::Damaged(damage) => Problem::Damaged(damage.to_string()),
            other => Problem::Other(other.into()),
        }
    }
}

async fn file(snapshot: &Snapshot, source_key: &str, folder: &Path, name: &str) -> Result<u64, Problem> {
    let unwritable = |error: std::io::Error| {
        let text = format!("{} can't be written: {error}", folder.join(name).display());
        Problem::Other(CommandError::failed(text))
    };
    let mut content = snapshot.blob(source_key)?.stream().await?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(unwritable)?;
    let mut length = 0;
    while let Some(chunk) = content.try_next().await? {
        length += chunk.len() as u64;
        file.write_all(&chunk).map_err(unwritable)?;
    }
    file.as_file().sync_all().map_err(unwritable)?;
    file.persist(folder.join(name)).map_err(|e| unwritable(e.error))?;
    Ok(length)
}

/// `<Id>.<Field>`, and which part of it. What could leave the folder is percent-encoded.
fn name(key: &SourceKey<'_>) -> String {
    let mut name = format!("{}.{}", encoded(key.row), encoded(key.field));
    if let Some(part) = key.part() {
        name.push('.');
        name.push_str(&encoded(part));
    }
    name
}

fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for (place, byte) in text.bytes().enumerate() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') || (byte == b'.' && place > 0) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn say(written: &WrittenFiles, object: &ObjectName, folder: &Path) {
    if written.files + written.damaged == 0 {
        eprintln!("this snapshot holds no file of {object}");
        return;
    }
    eprintln!(
        "{} ({}) of {} are in {}",
        counted(written.files, "file"),
        bytes(written.bytes),
        counted(written.records, "record"),
        folder.display()
    );
    if written.damaged > 0 {
        eprintln!("{} files are damaged and were not written", number(written.damaged));
    }
    if !written.without.is_empty() {
        let named = written.without.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        let more = if written.without.len() > NAMED { ", …" } else { "" };
        eprintln!(
            "{} records have no file in this snapshot: {named}{more}",
            number(written.without.len() as u64)
        );
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_name_leaves_its_folder_and_parts_have_their_own() {
        let name_of = |key: &str| name(&SourceKey::parse(key).unwrap());
        assert_eq!(name_of("Attachment/00P1/Body/r1"), "00P1.Body");
        assert_eq!(name_of("Article/ka0/Text__c/part:0EM1"), "ka0.Text__c.0EM1");
        assert_eq!(name_of("Thing/../../x/Body/r1"), "%2E.%2F..%2Fx.Body");
    }
}
