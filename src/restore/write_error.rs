//! What it means that the org did not write a record.
//!
//! Pure. Codes are those of the REST API's `StatusCode`; texts are localised, so that they are read only for names of fields.

use crate::host::Failure;
use crate::salesforce::{ApiError, Class, SaveError, classify};

/// A restricted picklist doesn't have the value.
pub const NOT_IN_PICKLIST: &str = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST";

/// Records are given to active users only.
pub const INACTIVE_OWNER: &str = "INACTIVE_OWNER_OR_USER";

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// Somebody else holds it at this moment.
    Locked,
    /// It sounds as if the record weren't there any more. Only a look can tell.
    Gone,
    /// It may be written without these fields. None: it isn't said which.
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

/// A record is never written without what these are about: it would be one that people decided not to have, or not twice.
const DECIDED: [&str; 7] = [
    "CANNOT_EXECUTE_FLOW_TRIGGER",
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
    "DUPLICATES_DETECTED",
    "DUPLICATE_EXTERNAL_ID",
    "DUPLICATE_USERNAME",
    "FIELD_CUSTOM_VALIDATION_EXCEPTION",
    "REQUIRED_FIELD_MISSING",
];

/// What a refusal means.
pub fn meaning(error: &SaveError) -> WriteError {
    match error.code.as_str() {
        "UNABLE_TO_LOCK_ROW" | "SERVER_UNAVAILABLE" | "QUERY_TIMEOUT" => WriteError::Locked,
        "STORAGE_LIMIT_EXCEEDED" => WriteError::StorageFull,
        "DUPLICATE_VALUE" => WriteError::Taken,
        "STANDARD_PRICE_NOT_DEFINED" => WriteError::Early,
        "NOT_FOUND" => WriteError::Gone,
        "ENTITY_IS_DELETED" | "INVALID_CROSS_REFERENCE_KEY" if names(error).is_empty() => WriteError::Gone,
        INACTIVE_OWNER => WriteError::Fields(names(error)),
        code if DECIDED.contains(&code) => WriteError::ForGood,
        _ => match names(error) {
            names if names.is_empty() => WriteError::ForGood,
            names => WriteError::Fields(names),
        },
    }
}

/// What all errors of one record mean: the first that no field is to blame for, else all fields together.
pub fn decisive(errors: Vec<SaveError>) -> SaveError {
    let for_fields = |error: &SaveError| matches!(meaning(error), WriteError::Fields(_));
    if let Some(decisive) = errors.iter().find(|error| !for_fields(error)) {
        return decisive.clone();
    }
    let mut errors = errors.into_iter();
    let mut first = errors.next().unwrap_or_default();
    let others: Vec<String> = errors.flat_map(|error| names(&error)).collect();
    if !others.is_empty() {
        first.fields = names(&first);
        first.fields.extend(others);
    }
    first
}

/// Whether a refusal says that the object isn't (any more) what its describe said: it is asked anew then.
pub fn is_about_describe(creates: bool, error: &SaveError) -> bool {
    match error.code.as_str() {
        "INVALID_FIELD" | "INVALID_FIELD_FOR_INSERT_UPDATE" | "INVALID_TYPE" | "INVALID_SOBJECT" => true,
        "NOT_FOUND" => creates,
        _ => false,
    }
}

/// What it means that a collection, or a request, was refused as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    /// What its records refer to wasn't created.
    Halted,
    /// It passes.
    Passes,
    /// Something in it is to blame; smaller parts tell what.
    Parts,
}

/// See [`Whole`].
pub fn whole(status: u16, errors: &[ApiError]) -> Whole {
    let passing = |code: &str| matches!(code, "INVALID_SESSION_ID" | "REQUEST_LIMIT_EXCEEDED");
    match classify(status, errors) {
        Class::Halted => Whole::Halted,
        Class::DailyLimit => Whole::Passes,
        // A status alone says nothing of what is to blame.
        Class::Later | Class::TimedOut if status < 500 => Whole::Passes,
        _ if matches!(status, 401 | 408 | 420 | 429) || errors.iter().any(|error| passing(&error.code)) => Whole::Passes,
        _ => Whole::Parts,
    }
}

/// Fields that a refusal is about, where any are.
pub fn fields(error: &SaveError) -> Vec<String> {
    match meaning(error) {
        WriteError::Fields(names) => names,
        _ => Vec::new(),
    }
}

/// The same refusal of one record, with the field that has the value which it quotes: `Cannot deserialize instance of date from
/// VALUE_STRING value X or request may be …`. `sent`: the record as it was sent.
pub fn with_fields(error: &SaveError, sent: &str) -> SaveError {
    let quoted = error
        .message
        .split_once("VALUE_")
        .and_then(|(_, rest)| Some(rest.split_once(" value ")?.1));
    let Some(quoted) = quoted.filter(|_| error.fields.is_empty()) else {
        return error.clone();
    };
    let ends = [" or request may be", " at ["]
        .iter()
        .filter_map(|end| quoted.find(end))
        .min();
    let quoted = &quoted[..ends.unwrap_or(quoted.len())];
    let sent: serde_json::Map<String, serde_json::Value> = serde_json::from_str(sent).unwrap_or_default();
    let is_quoted = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text == quoted,
        serde_json::Value::Number(number) => number.to_string() == quoted,
        _ => false,
    };
    let mut fields = sent.into_iter().filter(|(_, value)| is_quoted(value)).map(|(name, _)| name);
    // Of several with the same value it isn't known which.
    let (field, other) = (fields.next(), fields.next());
    SaveError {
        fields: field.filter(|_| other.is_none()).into_iter().collect(),
        ..error.clone()
    }
}

/// Fields that a refusal is about: as listed, or as its text tells (`bad field names on insert/update call: A, B`, `No such column
/// 'A' on sobject of type B`).
fn names(error: &SaveError) -> Vec<String> {
    let listed: Vec<String> = error.fields.iter().filter(|field| *field != "Id").cloned().collect();
    if !listed.is_empty() {
        return listed;
    }
    if !error.code.starts_with("INVALID_FIELD") {
        return Vec::new();
    }
    let is_name = |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if let Some((_, list)) = error.message.rsplit_once("call: ") {
        return list
            .split(',')
            .map(str::trim)
            .filter(is_name)
            .map(ToOwned::to_owned)
            .collect();
    }
    let quoted = error
        .message
        .split_once('\'')
        .and_then(|(_, rest)| Some(rest.split_once('\'')?.0));
    quoted.filter(is_name).map(ToOwned::to_owned).into_iter().collect()
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
        INACTIVE_OWNER => failure
            .remedy("give it an active owner, or the connection's user the permission Update Records with Inactive Owners"),
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
        let fields = |names: &[&str]| WriteError::Fields(names.iter().map(|name| (*name).to_owned()).collect());
        for (code, message, listed, expected) in [
            (
                "UNABLE_TO_LOCK_ROW",
                "unable to obtain exclusive access",
                &[][..],
                WriteError::Locked,
            ),
            (
                "STORAGE_LIMIT_EXCEEDED",
                "storage limit exceeded",
                &[],
                WriteError::StorageFull,
            ),
            ("DUPLICATE_VALUE", "duplicate value found", &["Key__c"], WriteError::Taken),
            (
                "STANDARD_PRICE_NOT_DEFINED",
                "No standard price defined for this product",
                &["Pricebook2Id"],
                WriteError::Early,
            ),
            ("ENTITY_IS_DELETED", "entity is deleted", &[], WriteError::Gone),
            ("ENTITY_IS_DELETED", "entity is deleted", &["Id"], WriteError::Gone),
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
                fields(&[]),
            ),
            ("STRING_TOO_LONG", "data value too large", &["Name"], fields(&["Name"])),
            ("SOME_CODE_TO_COME", "words", &["A__c", "B__c"], fields(&["A__c", "B__c"])),
            ("SOME_CODE_TO_COME", "a call: Name", &[], WriteError::ForGood),
            (
                "INVALID_FIELD",
                "No such column 'Short__c' on sobject of type Node__c",
                &[],
                fields(&["Short__c"]),
            ),
            ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "no", &["A__c"], WriteError::ForGood),
            ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "no", &["A__c"], WriteError::ForGood),
            ("DUPLICATES_DETECTED", "no", &["A__c"], WriteError::ForGood),
            (
                "REQUIRED_FIELD_MISSING",
                "Required fields are missing: [Name]",
                &["Name"],
                WriteError::ForGood,
            ),
        ] {
            assert_eq!(meaning(&error(code, message, listed)), expected, "{code}");
        }
    }

    #[test]
    fn of_several_errors_the_one_decides_that_no_field_is_to_blame_for() {
        let long = error("STRING_TOO_LONG", "long", &["A"]);
        let mail = error("INVALID_EMAIL_ADDRESS", "mail", &["B"]);
        let rule = error("FIELD_CUSTOM_VALIDATION_EXCEPTION", "no", &["C"]);
        assert_eq!(decisive(vec![long.clone(), mail.clone(), rule.clone()]), rule);
        assert_eq!(decisive(vec![long, mail]).fields, ["A", "B"]);
        assert_eq!(decisive(Vec::new()), SaveError::default());
    }

    #[test]
    fn a_whole_refusal_passes_or_has_a_culprit() {
        let errors = |code: &str, message: &str| {
            vec![ApiError {
                code: code.into(),
                message: message.into(),
            }]
        };
        for (status, code, message, expected) in [
            (400, "JSON_PARSER_ERROR", "Cannot deserialize instance of date", Whole::Parts),
            (400, "PROCESSING_HALTED", "Invalid reference specified", Whole::Halted),
            (500, "UNKNOWN_EXCEPTION", "An unexpected error occurred", Whole::Parts),
            (503, "SERVER_UNAVAILABLE", "busy", Whole::Parts),
            (400, "UNABLE_TO_LOCK_ROW", "locked", Whole::Passes),
            (401, "INVALID_SESSION_ID", "expired", Whole::Passes),
            (
                403,
                "REQUEST_LIMIT_EXCEEDED",
                "ConcurrentRequests Limit exceeded.",
                Whole::Passes,
            ),
        ] {
            assert_eq!(whole(status, &errors(code, message)), expected, "{status} {code}");
        }
        assert_eq!(whole(500, &[]), Whole::Parts);
    }
}
