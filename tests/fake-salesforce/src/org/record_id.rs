//! Record ids: fifteen case-sensitive characters plus the three-character suffix that makes them safe where case is lost.
//!
//! Rule kept here: an id that exists is well formed. Its order is the order of its fifteen characters as ASCII, which is the order
//! that `ORDER BY Id` gives and that keyset paging relies on.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

/// The digits of ids, in the order in which they sort.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// What the suffix is written in: 32 signs, one for each pattern of capitals in five characters.
const SUFFIX: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
/// How many of the fifteen characters count records: the rest is key prefix (3), instance (2) and a reserved zero.
const COUNTER_DIGITS: usize = 9;

/// The id of one record. `Display` gives eighteen characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId([u8; 15]);

/// Why a text is no record id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed id {text}")]
pub struct MalformedId {
    /// The text as it was sent.
    pub text: String,
}

impl RecordId {
    /// The id of rows that have none of their own (`AppDefinition`, big objects).
    pub const EMPTY: RecordId = RecordId(*b"000000000000000");

    /// The id number `counter` of the objects with this key prefix on this instance. `counter` must be below 62⁹.
    pub fn compose(key_prefix: KeyPrefix, instance: [u8; 2], counter: u64) -> RecordId {
        let mut id = *b"000000000000000";
        id[..3].copy_from_slice(&key_prefix.0);
        id[3..5].copy_from_slice(&instance);
        let mut rest = counter;
        for place in id[15 - COUNTER_DIGITS..].iter_mut().rev() {
            *place = DIGITS[(rest % 62) as usize];
            rest /= 62;
        }
        debug_assert_eq!(rest, 0, "an id counter past 62^9");
        RecordId(id)
    }

    /// The three characters that tell the object.
    pub fn key_prefix(&self) -> KeyPrefix {
        KeyPrefix([self.0[0], self.0[1], self.0[2]])
    }

    /// The two characters that tell the instance it was created on.
    pub fn instance(&self) -> [u8; 2] {
        [self.0[3], self.0[4]]
    }

    /// The number of the record within its object and instance; `None` where the reserved character isn't zero.
    pub fn counter(&self) -> Option<u64> {
        if self.0[5] != b'0' {
            return None;
        }
        let mut counter = 0u64;
        for sign in &self.0[15 - COUNTER_DIGITS..] {
            counter = counter * 62 + digit(*sign)?;
        }
        Some(counter)
    }

    /// The fifteen characters without suffix.
    pub fn as_15(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default() // always ASCII: `from_str` and `compose` let nothing else in
    }

    fn suffix(&self) -> [u8; 3] {
        let mut suffix = [0; 3];
        for (group, sign) in self.0.chunks(5).zip(&mut suffix) {
            let capitals = group
                .iter()
                .rev()
                .fold(0usize, |bits, c| (bits << 1) | usize::from(c.is_ascii_uppercase()));
            *sign = SUFFIX[capitals];
        }
        suffix
    }

    /// All eighteen characters as bytes.
    pub fn bytes_18(&self) -> [u8; 18] {
        let mut all = [0; 18];
        all[..15].copy_from_slice(&self.0);
        all[15..].copy_from_slice(&self.suffix());
        all
    }
}

fn digit(sign: u8) -> Option<u64> {
    match sign {
        b'0'..=b'9' => Some(u64::from(sign - b'0')),
        b'A'..=b'Z' => Some(u64::from(sign - b'A') + 10),
        b'a'..=b'z' => Some(u64::from(sign - b'a') + 36),
        _ => None,
    }
}

impl FromStr for RecordId {
    type Err = MalformedId;

    /// Takes 15 characters, or 18 whose suffix fits (the suffix in any case, and then it repairs the case of the rest, as Salesforce does).
    fn from_str(text: &str) -> Result<RecordId, MalformedId> {
        let malformed = || MalformedId { text: text.to_owned() };
        let bytes = text.as_bytes();
        if !matches!(bytes.len(), 15 | 18) || !bytes.iter().all(u8::is_ascii_alphanumeric) {
            return Err(malformed());
        }
        let mut id = [0; 15];
        id.copy_from_slice(&bytes[..15]);
        if bytes.len() == 18 {
            for (group, sign) in id.chunks_mut(5).zip(&bytes[15..]) {
                let sign = sign.to_ascii_uppercase();
                let capitals = SUFFIX.iter().position(|s| *s == sign).ok_or_else(malformed)?;
                for (bit, c) in group.iter_mut().enumerate() {
                    let capital = capitals >> bit & 1 == 1;
                    if capital && !c.is_ascii_alphabetic() {
                        return Err(malformed());
                    }
                    *c = if capital {
                        c.to_ascii_uppercase()
                    } else {
                        c.to_ascii_lowercase()
                    };
                }
            }
        }
        Ok(RecordId(id))
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.bytes_18();
        f.write_str(std::str::from_utf8(&all).unwrap_or_default()) // always ASCII, as above
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for RecordId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The first three characters of an object's ids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPrefix([u8; 3]);

impl KeyPrefix {
    /// Of three ASCII letters or digits; anything else gives `None`.
    pub fn new(text: &str) -> Option<KeyPrefix> {
        let bytes: [u8; 3] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_alphanumeric).then_some(KeyPrefix(bytes))
    }

    /// Number `number` of those that begin with `first`: two more digits, so at most 3,844.
    pub fn numbered(first: u8, number: usize) -> KeyPrefix {
        KeyPrefix([first, DIGITS[number / 62 % 62], DIGITS[number % 62]])
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default() // always ASCII: `new` and `numbered` let nothing else in
    }
}

impl fmt::Debug for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn suffix_is_the_one_salesforce_gives() {
        // Ids of recorded answers.
        for id in [
            "0012300000bVTq1AAG",
            "01254000001upcKAAQ",
            "012000000000000AAA",
            "0057e00000RmwSWAAZ",
        ] {
            assert_eq!(id[..15].parse::<RecordId>().unwrap().to_string(), id);
            assert_eq!(id.parse::<RecordId>().unwrap().to_string(), id);
        }
    }

    #[test]
    fn lost_case_comes_back_from_the_suffix() {
        assert_eq!(
            "0012300000bvtq1aag".parse::<RecordId>().unwrap().to_string(),
            "0012300000bVTq1AAG"
        );
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "001", "0012300000bVTq1AA", "0012300000bVTq!", "0012300000bVTq1AA6"] {
            assert!(text.parse::<RecordId>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn order_of_ids_is_the_order_of_their_numbers(a in 0u64..1 << 50, b in 0u64..1 << 50) {
            let prefix = KeyPrefix::new("001").unwrap();
            let (x, y) = (RecordId::compose(prefix, *b"5g", a), RecordId::compose(prefix, *b"5g", b));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(x.as_15().cmp(y.as_15()), a.cmp(&b));
            prop_assert_eq!(x.counter(), Some(a));
            prop_assert_eq!(x.to_string().parse::<RecordId>().unwrap(), x);
        }
    }
}
