//! Which files a record has: the values of its base64 fields, and the images within its rich text.
//!
//! Pure. The rule it keeps: what a file is known by tells its content, so that what the store has is not fetched again.

use crate::host::Row;
use crate::salesforce::Describe;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The parameter of an image's address within rich text that names it.
const IMAGE_PARAMETER: &str = "refid=";

/// Begins what an image is known by.
const IMAGE: &str = "part:";

/// One file of an object's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct File {
    /// Key of its row.
    #[serde(rename = "r")]
    row: String,
    /// The field that has it.
    #[serde(rename = "f")]
    field: String,
    /// What tells its content from another.
    #[serde(rename = "c")]
    content: String,
}

impl File {
    /// Its source key.
    pub(super) fn blob(&self, object: &str) -> String {
        format!("{object}/{}/{}/{}", self.row, self.field, self.content)
    }

    /// Where it can be had.
    pub(super) fn resource(&self, object: &str) -> String {
        match self.content.strip_prefix(IMAGE) {
            Some(image) => format!("sobjects/{object}/{}/richTextImageFields/{}/{image}", self.row, self.field),
            None => format!("sobjects/{object}/{}/{}", self.row, self.field),
        }
    }

    /// An image within rich text.
    pub(super) fn is_image(&self) -> bool {
        self.content.starts_with(IMAGE)
    }

    /// What tells its content from that of any other file; `None` where nothing does.
    pub(super) fn checksum(&self) -> Option<&str> {
        self.content.starts_with("md5:").then_some(&self.content)
    }

    /// Both are known to have the same content.
    pub(super) fn equals(&self, other: &File) -> bool {
        self.checksum().is_some_and(|content| content == other.content)
    }
}

/// The files of one record.
pub(super) fn files_of(describe: &Describe, row: &Row) -> Vec<File> {
    let Ok(record) = serde_json::from_slice::<Value>(&row.body) else {
        return Vec::new();
    };
    let file = |field: &str, content: String| File {
        row: row.key.clone(),
        field: field.to_owned(),
        content,
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
        files.push(file(field, content));
    }
    for field in &describe.images {
        let html = record.get(field).and_then(Value::as_str).unwrap_or_default();
        files.extend(images(html).into_iter().map(|image| file(field, format!("{IMAGE}{image}"))));
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
        files_of(describe, &row(body)).iter().map(|file| file.blob("X")).collect()
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
