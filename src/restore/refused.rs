//! What it means that the org did not write a record.
//!
//! Pure. Codes are those of the REST API's `StatusCode`; texts are localised, so that they are read only for names of fields.

use crate::host::Failure;
use crate::salesforce::SaveError;

/// A restricted picklist doesn't have the value.
pub const NOT_IN_PICKLIST: &str = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST";

/// Records are given to active users only.
pub const INACTIVE_OWNER: &str = "INACTIVE_OWNER_OR_USER";

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Somebody else holds it at this moment.
    Locked,
    /// The record isn't there any more.
    Gone,
    /// It can be written without these fields.
    Fields(Vec<String>),
    /// Another record has a value that no two may have.
    Taken,
    /// A record that it doesn't name has to be there before: of a product's prices that of the standard price book.
    Early,
    /// The org takes no more data.
    StorageFull,
    /// Not like this.
    ForGood,
}

/// What a refusal means.
pub fn meaning(error: &SaveError) -> Refused {
    match error.code.as_str() {
        "UNABLE_TO_LOCK_ROW" | "SERVER_UNAVAILABLE" | "QUERY_TIMEOUT" => Refused::Locked,
        "STORAGE_LIMIT_EXCEEDED" => Refused::StorageFull,
        "DUPLICATE_VALUE" => Refused::Taken,
        "STANDARD_PRICE_NOT_DEFINED" => Refused::Early,
        "NOT_FOUND" => Refused::Gone,
        "ENTITY_IS_DELETED" | "INVALID_CROSS_REFERENCE_KEY" if names(error).is_empty() => Refused::Gone,
        "ENTITY_IS_DELETED"
        | "INVALID_CROSS_REFERENCE_KEY"
        | "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"
        | "INVALID_FIELD_FOR_INSERT_UPDATE"
        | "INVALID_FIELD"
        | "FIELD_INTEGRITY_EXCEPTION"
        | NOT_IN_PICKLIST => Refused::Fields(names(error)),
        INACTIVE_OWNER => Refused::Fields(match names(error) {
            names if names.is_empty() => vec!["OwnerId".to_owned()],
            names => names,
        }),
        _ => Refused::ForGood,
    }
}

/// Fields that a refusal is about: as listed, or as its text ends (`bad field names on insert/update call: A, B`).
fn names(error: &SaveError) -> Vec<String> {
    let listed: Vec<String> = error.fields.iter().filter(|field| *field != "Id").cloned().collect();
    if !listed.is_empty() {
        return listed;
    }
    let Some((_, list)) = error.message.rsplit_once("call: ") else {
        return Vec::new();
    };
    let name = |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    list.split(',').map(str::trim).filter(name).map(ToOwned::to_owned).collect()
}

/// A refusal, for people.
pub fn failure(error: &SaveError) -> Failure {
    let failure = Failure::new("refused", error.text()).detail("code", &error.code);
    match error.code.as_str() {
        "FIELD_CUSTOM_VALIDATION_EXCEPTION" => {
            failure.remedy("correct it, or switch the validation rule off, and restore again")
        }
        "DUPLICATE_VALUE" | "DUPLICATES_DETECTED" => {
            failure.remedy("another record has this value: decide which one is to stay")
        }
        INACTIVE_OWNER => {
            failure.remedy("its owner is inactive: it belongs to the connection's user now; give it to whom it should belong")
        }
        "STORAGE_LIMIT_EXCEEDED" => failure.remedy("free or buy storage, and restore again"),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn error(code: &str, message: &str, fields: &[&str]) -> SaveError {
        SaveError {
            code: code.into(),
            message: message.into(),
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        }
    }

    #[test]
    fn refusals_are_told_apart_by_their_codes() {
        let fields = |names: &[&str]| Refused::Fields(names.iter().map(|name| (*name).to_owned()).collect());
        for (code, message, listed, expected) in [
            (
                "UNABLE_TO_LOCK_ROW",
                "unable to obtain exclusive access",
                &[][..],
                Refused::Locked,
            ),
            ("STORAGE_LIMIT_EXCEEDED", "storage limit exceeded", &[], Refused::StorageFull),
            ("DUPLICATE_VALUE", "duplicate value found", &["Key__c"], Refused::Taken),
            (
                "STANDARD_PRICE_NOT_DEFINED",
                "No standard price defined for this product",
                &["Pricebook2Id"],
                Refused::Early,
            ),
            ("ENTITY_IS_DELETED", "entity is deleted", &[], Refused::Gone),
            ("ENTITY_IS_DELETED", "entity is deleted", &["Id"], Refused::Gone),
            (
                "INVALID_CROSS_REFERENCE_KEY",
                "invalid cross reference id",
                &["AccountId"],
                fields(&["AccountId"]),
            ),
            (
                "INVALID_FIELD_FOR_INSERT_UPDATE",
                "Unable to create/update fields: x. bad field names on insert/update call: Name, Other__c",
                &[],
                fields(&["Name", "Other__c"]),
            ),
            (
                "INACTIVE_OWNER_OR_USER",
                "operation performed with inactive user",
                &[],
                fields(&["OwnerId"]),
            ),
            (
                "REQUIRED_FIELD_MISSING",
                "Required fields are missing: [Name]",
                &["Name"],
                Refused::ForGood,
            ),
        ] {
            assert_eq!(meaning(&error(code, message, listed)), expected, "{code}");
        }
    }
}
