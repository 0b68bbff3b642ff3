//! References between the calls of a series: `@{p1.records[0].Id}`.
//!
//! Rule: names are case-sensitive, a number keeps its digits, and a value may hold references of its own, which are resolved
//! in turn.

use std::collections::HashMap;

use serde_json::value::RawValue;

/// A reference to a part of an earlier answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The id of the call whose answer is meant.
    pub id: String,
    /// The way into its body.
    pub path: Vec<PathStep>,
    /// The reference as written, without `@{` and `}`.
    pub text: String,
}

/// A step into JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathStep {
    /// A field of an object.
    Field(String),
    /// An element of an array.
    Index(usize),
}

/// A reference leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid reference specified. No value for {text} found in {id}")]
pub struct Unresolved {
    /// The reference as written.
    pub text: String,
    /// The id that it begins with.
    pub id: String,
}

/// How deep values may refer on.
const MAX_DEPTH: usize = 10;

impl Reference {
    fn parse(text: &str) -> Option<Self> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let id: String = text.chars().take_while(|c| is_word(*c)).collect();
        let mut rest = text.get(id.len()..)?;
        let mut path = Vec::new();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('.') {
                let name: String = after.chars().take_while(|c| is_word(*c)).collect();
                if name.is_empty() {
                    return None;
                }
                rest = after.get(name.len()..)?;
                path.push(PathStep::Field(name));
            } else {
                let (index, after) = rest.strip_prefix('[')?.split_once(']')?;
                path.push(PathStep::Index(index.parse().ok()?));
                rest = after;
            }
        }
        (!id.is_empty() && !path.is_empty()).then(|| Self {
            id,
            path,
            text: text.to_owned(),
        })
    }
}

/// Looks a reference up in the earlier answers.
pub type LookUp<'a> = dyn Fn(&Reference) -> Option<Box<RawValue>> + 'a;

/// A text with every reference in it replaced by its value.
///
/// # Errors
/// At the first that leads to no text, number or truth value.
pub fn resolve(text: &str, look_up: &LookUp<'_>) -> Result<String, Unresolved> {
    resolve_at_depth(text, look_up, 0)
}

fn resolve_at_depth(text: &str, look_up: &LookUp<'_>, depth: usize) -> Result<String, Unresolved> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("@{") {
        let Some((inner, after)) = after.split_once('}') else { break };
        out.push_str(before);
        let unresolved = || Unresolved {
            text: inner.to_owned(),
            id: inner.split(['.', '[']).next().unwrap_or_default().to_owned(),
        };
        let value = Reference::parse(inner)
            .and_then(|r| look_up(&r))
            .and_then(|v| scalar(v.get()))
            .ok_or_else(unresolved)?;
        if value.contains("@{") && depth < MAX_DEPTH {
            out.push_str(&resolve_at_depth(&value, look_up, depth + 1)?);
        } else {
            out.push_str(&value);
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// A JSON text with the references in its strings replaced; all else stays byte for byte.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_json(json: &str, look_up: &LookUp<'_>) -> Result<String, Unresolved> {
    if !json.contains("@{") {
        return Ok(json.to_owned());
    }
    let escaped = |reference: &Reference| {
        // The value stands inside a string, so it's escaped like one.
        let value = scalar(look_up(reference)?.get())?;
        let quoted = serde_json::to_string(&value).ok()?;
        let inner = quoted.trim_start_matches('"').strip_suffix('"')?.to_owned();
        RawValue::from_string(serde_json::to_string(&inner).ok()?).ok()
    };
    resolve(json, &escaped)
}

/// A text, number or truth value as plain text.
fn scalar(json: &str) -> Option<String> {
    match json.as_bytes().first()? {
        b'"' => serde_json::from_str(json).ok(),
        b'{' | b'[' | b'n' => None,
        _ => Some(json.to_owned()),
    }
}

/// The value at a path.
#[must_use]
pub fn navigate(json: &str, path: &[PathStep]) -> Option<Box<RawValue>> {
    match path {
        [] => RawValue::from_string(json.trim().to_owned()).ok(),
        [PathStep::Field(name), rest @ ..] => {
            let mut object: HashMap<String, Box<RawValue>> = serde_json::from_str(json).ok()?;
            navigate(object.remove(name)?.get(), rest)
        }
        [PathStep::Index(index), rest @ ..] => {
            let array: Vec<Box<RawValue>> = serde_json::from_str(json).ok()?;
            navigate(array.get(*index)?.get(), rest)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    const ANSWER: &str = r#"{"id":"001A","n":123456789012345678,"records":[{"Name":"a \"b\""},{"Owner":{"Id":"005"}}],"none":null,"again":"@{r.id}"}"#;

    fn look_up(reference: &Reference) -> Option<Box<RawValue>> {
        (reference.id == "r").then(|| navigate(ANSWER, &reference.path)).flatten()
    }

    #[test]
    fn references_lead_through_objects_and_arrays() {
        let resolved = resolve("/x/@{r.id}/@{r.records[1].Owner.Id}?n=@{r.n}", &look_up);
        assert_eq!(resolved.unwrap(), "/x/001A/005?n=123456789012345678");
    }

    #[test]
    fn a_value_that_refers_on_is_resolved_too() {
        assert_eq!(resolve("@{r.again}", &look_up).unwrap(), "001A");
    }

    #[test]
    fn what_leads_nowhere_says_so_in_the_words_of_the_field() {
        for (text, id) in [
            ("r.Id", "r"),
            ("r.none", "r"),
            ("r.records", "r"),
            ("r.records[7].Name", "r"),
            ("p1.nextRecordsUrl", "p1"),
        ] {
            let error = resolve(&format!("@{{{text}}}"), &look_up).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("Invalid reference specified. No value for {text} found in {id}")
            );
        }
    }

    #[test]
    fn a_value_put_into_json_stays_json() {
        let resolved = resolve_json(r#"{"Name":"x @{r.records[0].Name}","N":1.50}"#, &look_up).unwrap();
        assert_eq!(resolved, r#"{"Name":"x a \"b\"","N":1.50}"#);
    }

    proptest! {
        #[test]
        fn a_text_without_references_is_left_alone(text in "[^@]{0,60}") {
            prop_assert_eq!(resolve(&text, &look_up).unwrap(), text);
        }

        #[test]
        fn any_text_resolves_or_is_refused(text in "\\PC{0,60}") {
            let _ = resolve(&format!("@{{{text}}}"), &look_up);
        }
    }
}
