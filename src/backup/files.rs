//! Files: the values of base64 fields, and the images within rich text. Each is a request of its own and goes to the store without
//! passing through here.
//!
//! Rows are walked by key, in what is committed of them; a file whose content the store has already is not fetched again. The
//! budget for files is the connection's: what is beyond it is left for the next backup, which looks for it first of all.

use super::Event;
use super::batch::Batch;
use super::object::{Files, Phase};
use crate::host::{ConnectorError, Failure, Host, Row, Snapshot, Which};
use crate::org::Stopped;
use crate::salesforce::Describe;
use serde_json::Value;

/// Under way at once.
const AT_ONCE: usize = 4;

/// Rows are walked no more than so many at once: a batch fetches few files.
const MAX_ROWS: u32 = 500;

/// The parameter of an image's address within rich text that names it.
const IMAGE_PARAMETER: &str = "refid=";

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct File {
    /// Key of its row.
    row: String,
    /// Its source key.
    blob: String,
    /// Where it can be had.
    resource: String,
}

impl File {
    /// The part of the source key that tells one content from another.
    fn content(&self) -> &str {
        self.blob.rsplit('/').next().unwrap_or_default()
    }

    /// Two files whose content is told by the same part are equal.
    fn is_by_checksum(&self) -> bool {
        self.content().starts_with("md5:")
    }
}

/// Why the walk over an object's rows ended.
enum Walked {
    All,
    Ended,
}

impl<H: Host> Batch<'_, '_, H> {
    /// Fetches files of objects whose rows are committed.
    pub(super) fn fetch_files(&mut self) -> Result<(), ConnectorError> {
        let ready = std::mem::take(&mut self.files_ready);
        for n in ready {
            if !self.may_send(0) && !self.budget_is_spent() {
                return Ok(());
            }
            self.load_describes(&[n])?;
            if let Walked::Ended = self.walk(n)? {
                return Ok(());
            }
            let (left, failed) = (self.files(n).left, self.files(n).failed);
            let object = &mut self.checkpoint.objects[n];
            let mut events: Vec<Event> = files_remark(&object.name, left, failed)
                .map(Event::Remark)
                .into_iter()
                .collect();
            object.files_read(&mut events);
            self.tell(n, events)?;
        }
        Ok(())
    }

    /// How far the files of an object are.
    fn files(&mut self, n: usize) -> &mut Files {
        self.checkpoint.objects[n].files.get_or_insert_default()
    }

    fn budget_is_spent(&self) -> bool {
        self.org
            .configuration()
            .file_requests
            .is_some_and(|budget| self.checkpoint.file_requests >= budget)
    }

    fn walk(&mut self, n: usize) -> Result<Walked, ConnectorError> {
        let (Some(describe), Some(snapshot)) = (self.describes.get(&n).cloned(), self.host().open(Which::Current)?) else {
            return Ok(Walked::All);
        };
        let object = &self.checkpoint.objects[n];
        let name = object.name.clone();
        let at_once = object.rows_at_once().min(MAX_ROWS);
        loop {
            let after = self.files(n).after.clone();
            let (rows, next) = snapshot.read(&name, &after, at_once)?;
            let mut wanted: Vec<File> = Vec::new();
            for row in &rows {
                for file in files_of(&name, &describe, row) {
                    if self.host().reuse_blob(&file.blob)?.is_none() {
                        wanted.push(file);
                    }
                }
            }
            let mut rest = wanted.as_slice();
            while !rest.is_empty() {
                if self.budget_is_spent() {
                    self.files(n).left += rest.len() as u64;
                    break;
                }
                let fetched = self.fetch(n, rest)?;
                rest = &rest[fetched..];
                let (true, Some(first)) = (fetched == 0, rest.first()) else {
                    continue;
                };
                // What stands before the row of the first missing file is whole.
                if let Some(whole) = rows.iter().take_while(|row| row.key < first.row).last() {
                    self.files(n).after.clone_from(&whole.key);
                }
                return Ok(Walked::Ended);
            }
            let Some(last) = rows.last() else { return Ok(Walked::All) };
            self.files(n).after.clone_from(&last.key);
            if next.is_empty() {
                return Ok(Walked::All);
            }
            if self.host().now() >= self.host().ends_at() || self.host().should_stop() {
                return Ok(Walked::Ended);
            }
        }
    }

    /// Fetches the first of these files, several at once; how many are dealt with.
    fn fetch(&mut self, n: usize, files: &[File]) -> Result<usize, ConnectorError> {
        let mut under_way = Vec::new();
        let mut reused = 0;
        for file in files.iter().take(AT_ONCE) {
            // A file before it may have had the same content.
            if under_way.is_empty() && self.host().reuse_blob(&file.blob)?.is_some() {
                reused += 1;
                continue;
            }
            let same = |(other, _): &(&File, H::Pending)| other.content() == file.content() && file.is_by_checksum();
            if under_way.iter().any(same) || !self.may_send(under_way.len()) || self.budget_is_spent() {
                break;
            }
            match self.org.start_file(&file.resource) {
                Ok(pending) => {
                    self.sent += 1;
                    self.checkpoint.file_requests += 1;
                    under_way.push((file, pending));
                }
                Err(stopped) => {
                    self.stopped(Some(stopped))?;
                    break;
                }
            }
        }
        let (mut dealt_with, mut broken) = (reused, false);
        for (file, pending) in under_way {
            let saved = self.org.finish(pending).and_then(|body| body.save(&file.blob));
            match saved {
                Ok(_) => {
                    self.got_somewhere = true;
                    self.files(n).fetched += 1;
                }
                Err(Stopped::Refused(_) | Stopped::TooLarge(_)) => {
                    self.got_somewhere = true;
                    self.files(n).failed += 1;
                }
                Err(stopped) => {
                    broken = true;
                    self.stopped(Some(stopped))?;
                }
            }
            // Files after one that is missing are in the store, and found there.
            dealt_with += usize::from(!broken);
        }
        Ok(dealt_with)
    }

    /// Objects whose rows are committed, so that their files can be walked.
    pub(super) fn files_ready(&self) -> Vec<usize> {
        let objects = &self.checkpoint.objects;
        (0..objects.len()).filter(|n| objects[*n].phase == Phase::Files).collect()
    }
}

/// The files of one record.
fn files_of(object: &str, describe: &Describe, row: &Row) -> Vec<File> {
    let Ok(record) = serde_json::from_slice::<Value>(&row.body) else {
        return Vec::new();
    };
    let mut files = Vec::new();
    let length = describe
        .length_field()
        .and_then(|field| record.get(field))
        .and_then(Value::as_u64);
    let is_empty = describe.length_field().is_some() && length.unwrap_or(0) == 0;
    for field in describe.bodies.iter().filter(|_| !is_empty) {
        let length = length.map_or_else(String::new, |length| format!(":{length}"));
        let content = match record.get("Checksum").and_then(Value::as_str) {
            Some(checksum) if !checksum.is_empty() => format!("md5:{}{length}", checksum.to_ascii_lowercase()),
            _ => format!("rev:{}{length}", row.revision),
        };
        files.push(File {
            row: row.key.clone(),
            blob: format!("{object}/{}/{field}/{content}", row.key),
            resource: format!("sobjects/{object}/{}/{field}", row.key),
        });
    }
    for field in &describe.images {
        let html = record.get(field).and_then(Value::as_str).unwrap_or_default();
        for image in images(html) {
            files.push(File {
                row: row.key.clone(),
                blob: format!("{object}/{}/{field}/part:{image}", row.key),
                resource: format!("sobjects/{object}/{}/richTextImageFields/{field}/{image}", row.key),
            });
        }
    }
    files
}

/// Names of the images within rich text, each once.
fn images(html: &str) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for rest in html.split(IMAGE_PARAMETER).skip(1) {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let name = &rest[..end];
        if (15..=18).contains(&name.len()) && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn files_remark(object: &str, left: u64, failed: u64) -> Option<Failure> {
    if left > 0 {
        let message = format!("{object}: {left} files are left for the next backup, by the connection's file_requests");
        return Some(
            Failure::new("files-left", message)
                .remedy("raise file_requests, or back up again")
                .about(object)
                .detail("left", left),
        );
    }
    (failed > 0).then(|| {
        Failure::new("files-not-read", format!("{object}: {failed} files were refused"))
            .remedy("give the connection's user the permission Query All Files")
            .about(object)
            .detail("refused", failed)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(body: &str) -> Row {
        Row {
            key: "068000000000001AAA".into(),
            revision: 17,
            body: body.as_bytes().to_vec(),
        }
    }

    fn describe(length: &str) -> Describe {
        let field = |name: &str| crate::salesforce::Field {
            name: name.into(),
            kind: crate::salesforce::Kind::Text,
            formula: false,
            long: false,
        };
        Describe {
            fields: vec![field("Id"), field(length)],
            bodies: vec!["Body".into()],
            images: vec!["Notes".into()],
            ..Describe::default()
        }
    }

    fn blobs(describe: &Describe, body: &str) -> Vec<String> {
        files_of("X", describe, &row(body))
            .into_iter()
            .map(|file| file.blob)
            .collect()
    }

    #[test]
    fn a_file_is_known_by_its_checksum_or_by_record_revision_and_length() {
        assert_eq!(
            blobs(&describe("ContentSize"), r#"{"Checksum":"ABC","ContentSize":5}"#),
            ["X/068000000000001AAA/Body/md5:abc:5"]
        );
        assert_eq!(
            blobs(&describe("BodyLength"), r#"{"BodyLength":5}"#),
            ["X/068000000000001AAA/Body/rev:17:5"]
        );
        assert_eq!(
            blobs(&describe("Other"), r#"{"Other":0}"#),
            ["X/068000000000001AAA/Body/rev:17"]
        );
    }

    #[test]
    fn an_empty_file_costs_no_request() {
        assert!(blobs(&describe("BodyLength"), r#"{"BodyLength":0}"#).is_empty());
        assert!(blobs(&describe("BodyLength"), r#"{"BodyLength":null}"#).is_empty());
    }

    #[test]
    fn images_within_text_are_found_once_each() {
        let html = r#"<img src="https://x/servlet/rtaImage?eid=a0B&amp;feoid=00N&amp;refid=0EMR00000000FRv"><img src="/servlet/rtaImage?refid=0EMR00000000FRv&eid=1"> refid=short"#;
        assert_eq!(images(html), ["0EMR00000000FRv"]);
        let body = serde_json::json!({ "ContentSize": 0, "Notes": html }).to_string();
        assert_eq!(
            blobs(&describe("ContentSize"), &body),
            ["X/068000000000001AAA/Notes/part:0EMR00000000FRv"]
        );
    }
}
