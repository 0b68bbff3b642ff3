//! Source keys of blobs: `<object>/<row key>/<field>/<content>`, the value of one field of one record, and `work/…`.
//!
//! `content` tells one value of the field from another; `md5:<hex>:<length>` says what the content is, `part:…` that the field may
//! have several. Only a row's key may hold a `/`. A key of another shape is taken as it is: it stands for itself alone.

/// What `work/…` begins with.
pub(super) const WORK: &str = "work/";

/// The parts of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceKey<'a> {
    /// The object.
    pub object: &'a str,
    /// The record's key.
    pub row: &'a str,
    /// The field.
    pub field: &'a str,
    /// What tells this value of it from another.
    pub content: &'a str,
}

impl<'a> SourceKey<'a> {
    /// `None` for working blobs and keys of another shape.
    pub fn parse(key: &'a str) -> Option<SourceKey<'a>> {
        if is_work(key) {
            return None;
        }
        let (object, rest) = key.split_once('/')?;
        let (rest, content) = rest.rsplit_once('/')?;
        let (row, field) = rest.rsplit_once('/')?;
        let whole = [object, row, field, content].iter().all(|part| !part.is_empty());
        whole.then_some(SourceKey {
            object,
            row,
            field,
            content,
        })
    }

    /// Which of several, where the field may have several.
    pub fn part(&self) -> Option<&'a str> {
        self.content.strip_prefix("part:")
    }
}

/// Whether it is a working blob: only for its job, no part of what people see.
pub(super) fn is_work(key: &str) -> bool {
    key.starts_with(WORK)
}

/// What all values of one field of one record begin with, of which only the last one stays. `None` for parts, working blobs and
/// keys of another shape.
pub(super) fn slot(key: &str) -> Option<&str> {
    let parsed = SourceKey::parse(key)?;
    match parsed.part() {
        Some(_) => None,
        None => Some(&key[..key.len() - parsed.content.len()]),
    }
}

/// `md5:<hex>:<length>` at the end of a key: blobs of the same one have the same content.
pub(super) fn checksum(key: &str) -> Option<&str> {
    let content = SourceKey::parse(key)?.content;
    let (hex, length) = content.strip_prefix("md5:")?.split_once(':')?;
    let told = hex.len() == 32
        && hex.bytes().all(|b| b.is_ascii_hexdigit())
        && !length.is_empty()
        && length.bytes().all(|b| b.is_ascii_digit());
    told.then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_rows_key_may_hold_a_slash() {
        let parsed = SourceKey::parse("Document/a/b/Body/r7");
        assert_eq!(
            parsed,
            Some(SourceKey {
                object: "Document",
                row: "a/b",
                field: "Body",
                content: "r7"
            })
        );
        for other in ["", "file", "a/b", "a/b/c", "a//c/d", "/b/c/d", "a/b/c/", "work/a/b/c"] {
            assert_eq!(SourceKey::parse(other), None, "{other}");
        }
    }

    #[test]
    fn values_of_one_field_share_a_slot_and_parts_have_none() {
        assert_eq!(slot("Document/015/Body/r1"), Some("Document/015/Body/"));
        assert_eq!(slot("Document/015/Body/r1"), slot("Document/015/Body/md5:0:1"));
        for alone in ["Article/ka0/Text/part:0EM1", "work/page/1/2", "file"] {
            assert_eq!(slot(alone), None, "{alone}");
        }
    }

    #[test]
    fn a_checksum_is_one_only_in_full() {
        let sum = "md5:0123456789abcdef0123456789abcdef:12";
        assert_eq!(checksum(&format!("ContentVersion/068/VersionData/{sum}")), Some(sum));
        for none in [
            "a/b/c/md5:0123:12",
            "a/b/c/md5:0123456789abcdef0123456789abcdef:",
            "a/b/c/0123",
            sum,
        ] {
            assert_eq!(checksum(none), None, "{none}");
        }
    }
}
