//! Names that become paths, parsed once at the edge: whoever holds one of these types needs no further check.
//!
//! The rule: no name can leave its folder, hide in it (leading dot), or differ from another only in how a file system spells it.

use backup_contract::rules::is_object_name;
use serde::{Deserialize, Serialize};
use sha2::Digest;
use std::fmt;
use std::str::FromStr;

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} \"{text}\" is not valid: {rule}")]
pub struct NameError {
    /// What it should name.
    pub what: &'static str,
    /// What was given.
    pub text: String,
    /// What is expected.
    pub rule: &'static str,
}

const WORD_RULE: &str = "1 to 255 characters of A-Z a-z 0-9 _ - . are allowed, not beginning with a dot";

fn word(what: &'static str, text: &str) -> Result<String, NameError> {
    if is_object_name(text) {
        Ok(text.to_owned())
    } else {
        Err(NameError {
            what,
            text: text.chars().take(300).collect(),
            rule: WORD_RULE,
        })
    }
}

macro_rules! text_name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $parse:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// As text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                let parse: fn(&'static str, &str) -> Result<String, NameError> = $parse;
                parse($what, text).map($name)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_name! {
    /// A tenant of the platform: the first folder below the root.
    TenantName, "tenant", |what, text| {
        word(what, text).and_then(|text| {
            // A connection is never called so, and a tenant's scopes lie beside its connections.
            if text == SCOPES { Err(NameError { what, text, rule: "`scopes` is reserved" }) } else { Ok(text) }
        })
    }
}

text_name! {
    /// An object of the source, as the contract allows it.
    ObjectName, "object", word
}

text_name! {
    /// What shares one quota: an org's id, or, before the first answer, a connection by itself.
    Scope, "scope", |what, text| {
        if (1..=1024).contains(&text.len()) {
            Ok(text.to_owned())
        } else {
            Err(NameError { what, text: text.chars().take(300).collect(), rule: "1 to 1024 bytes are allowed" })
        }
    }
}

impl ObjectName {
    /// What stands for the object in segments of notes, which belong to none.
    pub(crate) fn of_notes() -> ObjectName {
        ObjectName("notes".to_owned())
    }
}

impl Scope {
    /// The scope that a connection stands for until its source has told the real one.
    pub fn own(connection: &ConnectionName) -> Scope {
        Scope(format!("connection:{connection}"))
    }

    /// What a login is to its source, by a hash that says which: the first question of all is bounded by it, whatever
    /// connections are added and removed meanwhile.
    pub fn login(hash: &Sha256) -> Scope {
        Scope(format!("login:{hash}"))
    }

    /// Whether it is a connection's own, that is, whether the real one is still unknown.
    pub fn is_own(&self) -> bool {
        self.0.starts_with("connection:")
    }
}

/// The folder of a tenant that holds the journals of its scopes.
pub(crate) const SCOPES: &str = "scopes";

/// A connection within its tenant; parsed from `CONNECTION` (tenant `default`) or `TENANT/CONNECTION`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConnectionName {
    tenant: TenantName,
    connection: String,
}

impl ConnectionName {
    /// The tenant it belongs to.
    pub fn tenant(&self) -> &TenantName {
        &self.tenant
    }

    /// Its name within the tenant.
    pub fn connection(&self) -> &str {
        &self.connection
    }
}

impl FromStr for ConnectionName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let (tenant, connection) = text.split_once('/').unwrap_or(("default", text));
        let tenant = tenant.parse()?;
        let connection = word("connection", connection)?;
        if connection == SCOPES {
            return Err(NameError {
                what: "connection",
                text: connection,
                rule: "`scopes` is reserved",
            });
        }
        Ok(ConnectionName { tenant, connection })
    }
}

impl TryFrom<String> for ConnectionName {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<ConnectionName> for String {
    fn from(name: ConnectionName) -> String {
        name.to_string()
    }
}

impl fmt::Display for ConnectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.connection)
    }
}

/// An id that is a ULID, so that ids sort by when they were made.
macro_rules! ulid_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(ulid::Ulid);

        impl $name {
            /// A new one, from the host's time and randomness.
            pub fn generate(clock: &dyn backup_seams::Clock, randomness: &dyn backup_seams::Randomness) -> $name {
                let random = (u128::from(randomness.next()) << 64) | u128::from(randomness.next());
                $name(ulid::Ulid::from_parts(clock.now().0, random))
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                ulid::Ulid::from_string(text).map($name).map_err(|_| NameError {
                    what: $what,
                    text: text.chars().take(300).collect(),
                    rule: "26 characters of a ULID are expected",
                })
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

ulid_id!(
    /// A snapshot.
    SnapshotId,
    "snapshot"
);

ulid_id!(
    /// A restore.
    RestoreId,
    "restore"
);

/// A SHA-256, shown as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256(pub [u8; 32]);

impl Sha256 {
    /// All zero: what the first entry of a chain has as `prev`.
    pub const ZERO: Sha256 = Sha256([0; 32]);

    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Sha256 {
        Sha256(sha2::Sha256::digest(bytes).into())
    }
}

impl FromStr for Sha256 {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let mut bytes = [0; 32];
        let lower = !text.bytes().any(|b| b.is_ascii_uppercase());
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) if lower => Ok(Sha256(bytes)),
            _ => Err(NameError {
                what: "hash",
                text: text.chars().take(300).collect(),
                rule: "64 lower-case hexadecimal digits of a SHA-256 are expected",
            }),
        }
    }
}

impl TryFrom<String> for Sha256 {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Sha256> for String {
    fn from(hash: Sha256) -> String {
        hash.to_string()
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_name_can_not_leave_its_folder() {
        for bad in [
            "", ".", "..", ".hidden", "a/b/c", "a\\b", "a b", "ä", "a/..", "../a", "a\0", "scopes", "t/scopes", "scopes/c",
        ] {
            assert!(bad.parse::<ConnectionName>().is_err(), "{bad:?}");
        }
        assert!("a".repeat(256).parse::<ObjectName>().is_err());
        assert!("My_Object__c".parse::<ObjectName>().is_ok());
    }

    #[test]
    fn a_connection_without_a_tenant_belongs_to_default() {
        let name: ConnectionName = "sales".parse().unwrap();
        assert_eq!(name.to_string(), "default/sales");
        assert_eq!("acme/sales".parse::<ConnectionName>().unwrap().tenant().as_str(), "acme");
    }

    #[test]
    fn a_hash_has_one_spelling() {
        let hash = Sha256::of(b"a");
        assert_eq!(hash.to_string().parse::<Sha256>().unwrap(), hash);
        assert!(hash.to_string().to_uppercase().parse::<Sha256>().is_err());
    }
}
