//! Which files a record has: the values of its base64 fields, and the images within its rich text.
//!
//! Pure. The rule it keeps: what a file is known by tells its content, so that what the store has is not fetched again.

use crate::host::Row;
use crate::salesforce::Describe;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The parameter of an image's address within rich text that names it.
const IMAGE_PARAMETER: &str = "refid=";

/// Tells lengths of 2 GB and more, since API version 66.
const LONG_LENGTH: &str = "ContentSizeLong";

/// What the older field tells of a file that is as long or longer.
const MOST_BYTES: u64 = 2_147_483_647;

/// Begins what an image is known by.
const IMAGE: &str = "part:";

/// One file of an object's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
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

    /// Its name within the object, for people.
    pub(super) fn part(&self) -> String {
        match self.content.strip_prefix(IMAGE) {
            Some(image) => format!("{}/{}/{image}", self.row, self.field),
            None => format!("{}/{}", self.row, self.field),
        }
    }

    /// Its length, where that is all that is known of its content.
    pub(super) fn length(&self) -> Option<u64> {
        self.content.strip_prefix("rev:")?.split(':').nth(1)?.parse().ok()
    }

    /// Both are known to have the same content.
    pub(super) fn equals(&self, other: &File) -> bool {
        self.checksum().is_some_and(|content| content == other.content)
    }
}

/// The files of one record.
pub(super) fn files_of(describe: &Describe, row: &Row) -> Vec<File> {
    // Rows are taken in with their values as they are, and so they are read here: what another parser refuses of one value must not
    // cost the record its files.
    let record: BTreeMap<String, &RawValue> = serde_json::from_slice(&row.body).unwrap_or_default();
    let file = |field: &str, content: String| File {
        row: row.key.clone(),
        field: field.to_owned(),
        content,
    };
    let mut files = Vec::new();
    let length = length(describe, &record);
    for field in describe.bodies.iter().filter(|_| length != Some(0)) {
        let length = length.map_or_else(String::new, |length| format!(":{length}"));
        let content = match record.get("Checksum").and_then(|sum| text(sum)).as_deref() {
            Some(checksum) if !checksum.is_empty() => format!("md5:{}{length}", checksum.to_ascii_lowercase()),
            _ => format!("rev:{}{length}", row.revision),
        };
        files.push(file(field, content));
    }
    for field in &describe.images {
        // Names of images have no escapes: they can be found in a text that no parser takes, too.
        let html = record
            .get(field)
            .map(|html| text(html).unwrap_or_else(|| html.get().replace("\\u003d", "=")));
        let html = html.unwrap_or_default();
        files.extend(images(&html).into_iter().map(|image| file(field, format!("{IMAGE}{image}"))));
    }
    files
}

fn text(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

/// How long a record's file is; `None` where that isn't known, which is not the same as nothing: of 2 GB and more the older field
/// can't tell.
fn length(describe: &Describe, record: &BTreeMap<String, &RawValue>) -> Option<u64> {
    let number = |name: &str| {
        record
            .get(name)
            .and_then(|value| serde_json::from_str::<f64>(value.get()).ok())
    };
    let exact = |length: f64| (length >= 0.0 && length.fract() == 0.0).then_some(length as u64);
    if let Some(length) = number(LONG_LENGTH) {
        return exact(length);
    }
    let length = number(describe.length_field()?)?;
    exact(length).filter(|length| *length < MOST_BYTES)
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
        assert!(blobs(&describe("ContentSize"), r#"{"ContentSize":7,"ContentSizeLong":0}"#).is_empty());
    }

    #[test]
    fn a_length_that_is_not_known_is_not_zero() {
        for size in ["null", "-2147483648", "2147483647", "\"x\""] {
            let record = format!(r#"{{"Checksum":"abc","ContentSize":{size}}}"#);
            assert_eq!(
                blobs(&describe("ContentSize"), &record),
                ["X/068000000000001AAA/Body/md5:abc"],
                "{size}"
            );
        }
        for size in ["null", "0", "-2147483648", "2147483647"] {
            let record = format!(r#"{{"Checksum":"abc","ContentSize":{size},"ContentSizeLong":2500000000}}"#);
            let expected = ["X/068000000000001AAA/Body/md5:abc:2500000000"];
            assert_eq!(blobs(&describe("ContentSize"), &record), expected, "{size}");
        }
        assert_eq!(blobs(&describe("BodyLength"), "{}"), ["X/068000000000001AAA/Body/rev:17"]);
    }

    #[test]
    fn a_value_that_a_parser_refuses_costs_no_file() {
        for odd in [r#""\ud800""#, "1e999", "\"\\ud83d\\ud83d\""] {
            let record = format!(
                r#"{{"Name":{odd},"BodyLength":5,"Notes":"\ud800 <img src=\"/servlet/rtaImage?refid=0EMR00000000FRv\">"}}"#
            );
            assert_eq!(
                blobs(&describe("BodyLength"), &record),
                [
                    "X/068000000000001AAA/Body/rev:17:5",
                    "X/068000000000001AAA/Notes/part:0EMR00000000FRv"
                ],
                "{odd}"
            );
        }
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
