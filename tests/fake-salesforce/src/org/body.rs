//! Bodies: of base64 fields, giving a row one of any length, and the checksums that Salesforce tells of them; of images in rich texts.
//!
//! Rule: a body is never held whole, however long; its checksum is worked out once.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use md5::Digest as _;

use crate::org::{Blob, FieldType, KeyPrefix, Object, Org, RecordId, Value, Viewer, WriteError, generate::dice, row::Scan};

/// Bytes that a checksum is worked out over at a time.
const PIECE_BYTES: usize = 64 * 1024;
/// Checksums of generated bodies longer than this are kept: they take a while.
const KEPT_FROM_BYTES: u64 = 1 << 20;

/// Where rich texts say that their images are. Only the id in it leads anywhere: to the resource that gives the image.
const IMAGE_HOST: &str = "https://fake.file.force.com";
/// The longest image.
const IMAGE_BYTES: u64 = 40_000;

static KEPT: LazyLock<Mutex<HashMap<(u64, u64), String>>> = LazyLock::new(Mutex::default);

impl Blob {
    /// The MD5 of the bytes, in hexadecimal.
    #[must_use]
    pub fn md5(&self) -> String {
        let key = match self {
            Blob::Filed(body) => return body.md5().to_owned(),
            Blob::Generated { length, seed } if *length >= KEPT_FROM_BYTES => (*length, *seed),
            _ => return self.md5_anew(),
        };
        let kept = || KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept().get(&key) {
            return known.clone();
        }
        let sum = self.md5_anew();
        kept().insert(key, sum.clone());
        sum
    }

    fn md5_anew(&self) -> String {
        let mut hash = md5::Md5::new();
        let mut at = 0;
        while at < self.length() {
            let piece = self.read(at, PIECE_BYTES);
            hash.update(&piece);
            at += piece.len() as u64;
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Org {
    /// Gives a row a body of so many bytes, as an upload would; its checksum is known when this returns.
    ///
    /// # Errors
    /// Where there's no such row, or no such base64 field.
    pub fn set_body(&mut self, id: RecordId, field: &str, length: u64, now: DateTime<Utc>) -> Result<(), WriteError> {
        let object = self
            .object_of(id)
            .ok_or_else(|| WriteError::new("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", &[]))?;
        let ordinal = object.table.ordinal(id);
        let index = object
            .field_index(field)
            .filter(|i| object.schema.fields[*i].kind == FieldType::Base64);
        let (Some(ordinal), Some(index)) = (ordinal, index) else {
            let message = format!("{} {id} has no base64 field {field}", object.name());
            return Err(WriteError::new("INVALID_FIELD", message, &[field]));
        };
        let name = object.name().to_owned();
        let body = Blob::Generated { length, seed: length };
        let _ = body.md5(); // kept from now on
        self.change(&name, ordinal, now, |stored| {
            stored.values.insert(index, Value::Blob(body));
        });
        Ok(())
    }
}

/// The tag of an image in a rich text of a row; `number` tells images apart.
pub(crate) fn image_tag(row: RecordId, number: u64) -> String {
    let id = |prefix: &str, counter: u64| {
        let prefix = KeyPrefix::new(prefix).unwrap_or(row.key_prefix());
        RecordId::compose(prefix, *b"Fk", counter % 1_000_000_000_000)
    };
    let (field, image) = (id("00N", dice(number, 1)), id("0EM", dice(number, 2)));
    format!("<img alt=\"image.png\" src=\"{IMAGE_HOST}/servlet/rtaImage?eid={row}&amp;feoid={field}&amp;refid={image}\"></img>")
}

impl Object {
    /// The image that a rich text of a row shows under this id; none where the text shows no such image.
    #[must_use]
    pub fn rich_text_image(&self, viewer: &Viewer, row: RecordId, field: &str, image: RecordId) -> Option<Blob> {
        let row = self.row(viewer, Scan::QUERY, row)?;
        let (index, schema) = self.field(viewer, field)?;
        let text = schema.html_formatted.then(|| row.value(index).to_plain())?;
        text.contains(&format!("refid={image}")).then(|| {
            let seed = image.counter().unwrap_or_default();
            let length = 1 + dice(seed, 3) % IMAGE_BYTES;
            Blob::Generated { length, seed }
        })
    }
}
