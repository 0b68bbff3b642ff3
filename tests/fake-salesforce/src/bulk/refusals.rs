//! What a bulk query can't be made of, in Salesforce's words where they were recorded.
//!
//! Not for: mistakes that any query can have; those come from SOQL itself.

use crate::org::{FieldType, Org};
use crate::rest::answer::Answer;
use crate::soql::Cursor;

fn refusal(code: &str, message: &str) -> Answer {
    Answer::refusal(400, code, message)
}

/// An object that bulk queries don't take.
pub(super) fn not_supported(object: &str) -> Answer {
    refusal(
        "INVALIDENTITY",
        &format!("Entity '{object}' is not supported by the Bulk API."),
    )
}

/// What the text alone shows: subqueries and TYPEOF in the list of fields.
pub(super) fn by_text(query: &str) -> Option<Answer> {
    let words: Vec<String> = words_before_from(query);
    if words.windows(2).any(|w| w == ["(", "SELECT"]) {
        // Recorded.
        let message = "Aggregate Relationships not supported in Bulk V2 Query with CSV content type";
        return Some(refusal("API_ERROR", message));
    }
    let has_typeof = words.iter().any(|w| w == "TYPEOF");
    has_typeof.then(|| refusal("API_ERROR", "TYPEOF clause not supported in Bulk Query"))
}

/// Words in upper case and opening parentheses, up to the first FROM.
fn words_before_from(query: &str) -> Vec<String> {
    let upper = query.to_ascii_uppercase().replace('(', " ( ").replace([')', ','], " ");
    let words = upper.split_whitespace().map(str::to_owned);
    words.take_while(|word| word != "FROM").collect()
}

/// What only the bound query shows.
pub(super) fn by_query(org: &Org, cursor: &Cursor) -> Option<Answer> {
    if cursor.cells().is_empty() {
        return Some(refusal(
            "API_ERROR",
            "Aggregate functions and GROUP BY not supported in Bulk Query",
        ));
    }
    if cursor.has_offset() {
        return Some(refusal("API_ERROR", "OFFSET clause not supported in Bulk Query"));
    }
    let object = org.object(cursor.object())?;
    let kinds = cursor.cells().iter().filter_map(|(_, access)| access.field(org, object));
    kinds.map(|field| field.kind).find_map(|kind| match kind {
        // Both recorded.
        FieldType::Address | FieldType::Location => {
            Some(refusal("API_ERROR", "Selecting compound data not supported in Bulk Query"))
        }
        FieldType::Base64 => Some(refusal("FEATURENOTENABLED", "Binary field not supported")),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subqueries_and_typeof_are_seen_in_the_list_of_fields_only() {
        assert!(by_text("SELECT Id, (select Id FROM Contacts) FROM Account").is_some());
        assert!(by_text("SELECT Id, typeof What WHEN Account THEN Phone END FROM Task").is_some());
        assert!(by_text("SELECT Id FROM Account WHERE Name = '(SELECT TYPEOF'").is_none());
        assert!(by_text("SELECT Id, Name FROM Account WHERE (Name = 'x')").is_none());
    }
}
