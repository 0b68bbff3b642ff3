//! What a restore knows of one record: whether it is wanted, whether the target has it, what became of it.
//!
//! Pure. Kept as a short text in a [`crate::restore::state::table::Table`]: a million records are a few dozen megabytes.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What is known of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordState {
    /// Only referred to; not looked up yet.
    Reference,
    /// Referred to by a record that can't be without it; not looked up yet.
    RequiredReference,
    /// To be restored; not looked up yet.
    Selected,
    /// Asked for, but none of its object's records can be written, and no other record refers to it.
    Excluded,
    /// Only referred to, and the target has it.
    There,
    /// Only referred to: a user whom the target has, and who isn't active any more.
    Inactive,
    /// Only referred to, and the target doesn't have it.
    Gone,
    /// To be created.
    Create,
    /// Will come to be with another record that is to be created.
    WithParent,
    /// Created by Salesforce as a side effect of another record. Its own Id is still unknown; the entry's Id is the other record's.
    AwaitingId,
    /// To be given the snapshot's values.
    Update,
    /// The target has it; references of it that are empty are to be set, and nothing else.
    Relink,
    /// Came to be with its parent, which this restore created; to be given the snapshot's values.
    Adopted,
    /// A change of it was refused as if it were gone. An error text is no knowledge: it is looked up before anything else is done.
    Doubted,
    /// The target has it as it is in the snapshot.
    Same,
    /// Was created.
    Created,
    /// Was given the snapshot's values.
    Updated,
    /// References of it that were empty were set.
    Relinked,
    /// Could not be written.
    Failed,
    /// May have been created, and nothing tells.
    Ambiguous,
}

/// Letters of [`RecordState`], as they are stored.
const LETTERS: [(RecordState, char); 20] = [
    (RecordState::Reference, 'r'),
    (RecordState::RequiredReference, 'n'),
    (RecordState::Selected, 'w'),
    (RecordState::Excluded, 'p'),
    (RecordState::There, 't'),
    (RecordState::Inactive, 'i'),
    (RecordState::Gone, 'g'),
    (RecordState::Create, 'c'),
    (RecordState::WithParent, 'k'),
    (RecordState::AwaitingId, 'b'),
    (RecordState::Update, 'u'),
    (RecordState::Relink, 'l'),
    (RecordState::Adopted, 'd'),
    (RecordState::Doubted, 'q'),
    (RecordState::Same, 's'),
    (RecordState::Created, 'C'),
    (RecordState::Updated, 'U'),
    (RecordState::Relinked, 'L'),
    (RecordState::Failed, 'f'),
    (RecordState::Ambiguous, 'a'),
];

/// What is done with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// It is created.
    Create,
    /// It is changed.
    Update,
}

/// A collection, or a request, was refused as a whole: what stood in it is sent in smaller parts, until the culprit is alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Apart {
    /// It stands only with those of the same number.
    pub part: u32,
    /// Nothing else is in its request.
    pub whole_request: bool,
}

/// What a restore knows of one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecordEntry {
    /// What is known.
    pub what: RecordState,
    /// Writing it was refused so often, for reasons that pass; of one that isn't known yet: it was looked for so often.
    pub tries: u8,
    /// References that could not be set yet are to be set in the end. Of one that is still to be changed: it refers to what is created,
    /// and comes after that.
    pub later: bool,
    /// What it stood in was refused as a whole.
    pub apart: Option<Apart>,
    /// Its Id in the target, where that isn't its Id in the snapshot.
    pub id: Option<String>,
}

impl RecordEntry {
    /// With nothing else known.
    pub fn new(what: RecordState) -> RecordEntry {
        RecordEntry {
            what,
            tries: 0,
            later: false,
            apart: None,
            id: None,
        }
    }

    /// The same, found in the target under this Id.
    #[must_use]
    pub fn with_id(mut self, id: Option<String>) -> RecordEntry {
        self.id = id;
        self
    }

    /// It isn't known yet whether the target has it.
    pub fn is_unknown(&self) -> bool {
        matches!(
            self.what,
            RecordState::Reference | RecordState::RequiredReference | RecordState::Selected | RecordState::Doubted
        )
    }

    /// What is done to have the target's record as it was.
    pub fn verb(&self) -> Verb {
        match self.what {
            RecordState::Create => Verb::Create,
            _ => Verb::Update,
        }
    }

    /// To be changed when what it refers to was created.
    pub fn comes_last(&self) -> bool {
        matches!(self.what, RecordState::Update | RecordState::Relink) && self.later
    }

    /// Written, but for references that are set in the end.
    pub fn is_unconnected(&self) -> bool {
        self.later && matches!(self.what, RecordState::Created | RecordState::Updated | RecordState::Relinked)
    }

    /// Still to be written.
    pub fn is_open(&self) -> bool {
        matches!(
            self.what,
            RecordState::Create | RecordState::Update | RecordState::Relink | RecordState::Adopted
        )
    }

    /// Not written yet, and not given up.
    pub fn is_unwritten(&self) -> bool {
        self.is_open() || self.comes_by_itself() || self.what == RecordState::Doubted
    }

    /// Only references of it that are empty are set.
    pub fn is_relink(&self) -> bool {
        matches!(self.what, RecordState::Relink | RecordState::Relinked)
    }

    /// Will come to be, or came to be, with another record, and its Id isn't known.
    pub fn comes_by_itself(&self) -> bool {
        matches!(self.what, RecordState::WithParent | RecordState::AwaitingId)
    }

    /// Part of what is restored, not only referred to.
    pub fn is_wanted(&self) -> bool {
        !matches!(
            self.what,
            RecordState::Reference
                | RecordState::RequiredReference
                | RecordState::There
                | RecordState::Inactive
                | RecordState::Gone
                | RecordState::Excluded
        )
    }

    /// The target has it; its Id there, for one whose Id in the snapshot is `key`.
    pub fn in_target<'a>(&'a self, key: &'a str) -> Option<&'a str> {
        let there = matches!(
            self.what,
            RecordState::There
                | RecordState::Inactive
                | RecordState::Update
                | RecordState::Relink
                | RecordState::Adopted
                | RecordState::Doubted
                | RecordState::Same
                | RecordState::Created
                | RecordState::Updated
                | RecordState::Relinked
        );
        there.then(|| self.id.as_deref().unwrap_or(key))
    }
}

impl fmt::Display for RecordEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = LETTERS
            .iter()
            .find(|(what, _)| *what == self.what)
            .map_or('?', |(_, letter)| *letter);
        write!(f, "{letter}")?;
        if self.tries > 0 {
            write!(f, "{}", self.tries)?;
        }
        if let Some(Apart { part, whole_request }) = self.apart {
            write!(f, "{}{part}", if whole_request { '^' } else { '~' })?;
        }
        if self.later {
            f.write_str("!")?;
        }
        match &self.id {
            Some(id) => write!(f, ":{id}"),
            None => Ok(()),
        }
    }
}

impl From<RecordEntry> for String {
    fn from(entry: RecordEntry) -> String {
        entry.to_string()
    }
}

impl TryFrom<String> for RecordEntry {
    type Error = String;

    fn try_from(text: String) -> Result<RecordEntry, String> {
        text.parse()
    }
}

impl FromStr for RecordEntry {
    type Err = String;

    fn from_str(text: &str) -> Result<RecordEntry, String> {
        let unknown = || format!("{text} is no entry of a record");
        let (head, id) = match text.split_once(':') {
            Some((head, id)) => (head, Some(id.to_owned())),
            None => (text, None),
        };
        let (head, later) = match head.strip_suffix('!') {
            Some(head) => (head, true),
            None => (head, false),
        };
        let (head, apart) = match head.split_once(['~', '^']) {
            Some((rest, part)) => {
                let whole_request = head[rest.len()..].starts_with('^');
                let part = part.parse().map_err(|_| unknown())?;
                (rest, Some(Apart { part, whole_request }))
            }
            None => (head, None),
        };
        let letter = head.chars().next().ok_or_else(unknown)?;
        let what = LETTERS.iter().find(|(_, known)| *known == letter).map(|(what, _)| *what);
        let tries = &head[letter.len_utf8()..];
        Ok(RecordEntry {
            what: what.ok_or_else(unknown)?,
            tries: if tries.is_empty() {
                0
            } else {
                tries.parse().map_err(|_| unknown())?
            },
            later,
            apart,
            id,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_standing_is_read_as_it_was_written() {
        for (what, _) in LETTERS {
            for tries in [0, 1, 12] {
                for later in [false, true] {
                    for (id, apart) in [
                        (None, None),
                        (Some("001000000000001AAA".to_owned()), Some((7, true))),
                        (None, Some((0, false))),
                    ] {
                        let apart = apart.map(|(part, whole_request)| Apart { part, whole_request });
                        let entry = RecordEntry {
                            what,
                            tries,
                            later,
                            apart,
                            id,
                        };
                        assert_eq!(entry.to_string().parse(), Ok(entry));
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_no_standing_is_refused() {
        for text in ["", "x", "c-", "é", "cc:1", "!", "c~", "c^x", "~1"] {
            assert!(text.parse::<RecordEntry>().is_err(), "{text}");
        }
    }
}
