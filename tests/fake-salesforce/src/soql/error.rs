//! Why a query is refused, with the codes and the layout of Salesforce's texts.
//!
//! Rule: texts that were recorded or are documented are kept to the letter, since clients match them.

/// A refused query: the entry of the error body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct SoqlError {
    /// The HTTP status.
    pub status: u16,
    /// `MALFORMED_QUERY`, `INVALID_FIELD`, …
    pub code: String,
    /// The text, with the place where that is known.
    pub message: String,
}

/// How much of a long line is shown on each side of the place.
const EXCERPT_CHARS: usize = 60;

impl SoqlError {
    /// An error without a place.
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            status: 400,
            code: code.to_owned(),
            message: message.into(),
        }
    }

    /// An error at a byte offset of the query: the line with a caret under the place, then the text.
    #[must_use]
    pub fn at(code: &str, query: &str, offset: usize, text: &str) -> Self {
        let before = query.get(..offset).unwrap_or(query);
        let row = before.matches('\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = query
            .get(line_start..)
            .and_then(|rest| rest.split('\n').next())
            .unwrap_or_default();
        let column = before.get(line_start..).unwrap_or_default().chars().count();
        let shown_from = column.saturating_sub(EXCERPT_CHARS);
        let excerpt: String = line.chars().skip(shown_from).take(2 * EXCERPT_CHARS).collect();
        let caret = " ".repeat(column - shown_from);
        Self::new(
            code,
            format!("\n{excerpt}\n{caret}^\nERROR at Row:{row}:Column:{}\n{text}", column + 1),
        )
    }

    /// No such object, or one that the user may not see.
    #[must_use]
    pub fn no_such_object(query: &str, offset: usize, object: &str) -> Self {
        let text = format!(
            "sObject type '{object}' is not supported. If you are attempting to use a custom object, be sure to append the '__c' \
             after the entity name. Please reference your WSDL or the describe call for the appropriate names."
        );
        Self::at("INVALID_TYPE", query, offset, &text)
    }

    /// No such field, or one that the user may not see.
    #[must_use]
    pub fn no_such_field(query: &str, offset: usize, object: &str, field: &str) -> Self {
        let text = format!(
            "No such column '{field}' on entity '{object}'. If you are attempting to use a custom field, be sure to append the \
             '__c' after the custom field name. Please reference your WSDL or the describe call for the appropriate names."
        );
        Self::at("INVALID_FIELD", query, offset, &text)
    }

    /// No such relationship.
    #[must_use]
    pub fn no_such_relationship(query: &str, offset: usize, relationship: &str) -> Self {
        let text = format!(
            "Didn't understand relationship '{relationship}' in field path. If you are attempting to use a custom relationship, be \
             sure to append the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the \
             appropriate names."
        );
        Self::at("INVALID_FIELD", query, offset, &text)
    }

    /// The text doesn't parse at this place.
    #[must_use]
    pub fn unexpected(query: &str, offset: usize) -> Self {
        let rest = query.get(offset..).unwrap_or_default();
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let token: String = match rest.chars().next() {
            None => String::new(),
            Some(first) if is_word(first) => rest.chars().take_while(|c| is_word(*c)).take(EXCERPT_CHARS).collect(),
            Some(first) => first.to_string(),
        };
        let text = if token.is_empty() {
            "unexpected token: <EOF>".to_owned()
        } else {
            format!("unexpected token: '{token}'")
        };
        Self::at("MALFORMED_QUERY", query, offset, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_object_reads_as_recorded() {
        let error = SoqlError::no_such_object("select count() from XYZZY", 20, "XYZZY");
        assert_eq!(
            error.message,
            "\nselect count() from XYZZY\n                    ^\nERROR at Row:1:Column:21\nsObject type 'XYZZY' is not supported. If \
             you are attempting to use a custom object, be sure to append the '__c' after the entity name. Please reference your WSDL \
             or the describe call for the appropriate names."
        );
        assert_eq!((error.status, error.code.as_str()), (400, "INVALID_TYPE"));
    }

    #[test]
    fn a_long_query_is_cut_around_the_place() {
        let query = format!("SELECT {}Nope FROM Account", "Name, ".repeat(1000));
        let error = SoqlError::no_such_field(&query, 6007, "Account", "Nope");
        assert!(error.message.len() < 600, "{}", error.message);
        assert!(error.message.contains("ERROR at Row:1:Column:6008"), "{}", error.message);
    }

    #[test]
    fn rows_count_from_the_text_and_columns_from_the_line() {
        let error = SoqlError::unexpected("SELECT Id\nFORM Account", 10);
        assert_eq!(
            error.message,
            "\nFORM Account\n^\nERROR at Row:2:Column:1\nunexpected token: 'FORM'"
        );
    }
}
