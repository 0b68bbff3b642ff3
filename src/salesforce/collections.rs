//! Answers of collections (several records in one subrequest), alone or as parts of a composite answer.
//!
//! They are bounded by what was asked for (200 written, 2,000 looked up), so that, unlike pages of records, they are read whole.

use super::ApiError;
use super::composite::Broken;
use super::record::milliseconds;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::io::{self, Read as _};

/// One part of a composite answer, as it came.
#[derive(Debug, Deserialize)]
pub struct Part {
    /// Its HTTP status.
    #[serde(rename = "httpStatusCode")]
    pub status: u16,
    body: Option<Box<RawValue>>,
}

impl Part {
    /// The answer of a collections request that isn't part of a composite one.
    pub fn alone<R: io::Read>(body: R) -> Result<Part, Broken> {
        Ok(Part {
            status: 200,
            body: Some(serde_json::from_reader(super::buffered(body))?),
        })
    }

    /// The answer to writing one record, as a collection of one; of a changed one it is empty.
    pub fn of_one<R: io::Read>(body: R) -> Result<Part, Broken> {
        let mut text = String::new();
        super::buffered(body)
            .read_to_string(&mut text)
            .map_err(|error| Broken(error.to_string()))?;
        let saved = if text.trim().is_empty() {
            r#"{"success":true}"#.to_owned()
        } else {
            text
        };
        Part::collection_of(saved)
    }

    /// One that an answer doesn't have.
    pub fn missing() -> Part {
        Part { status: 500, body: None }
    }

    /// The refusal of one record, as a collection of one.
    pub fn refused_one(errors: &[ApiError]) -> Part {
        let errors: Vec<_> = errors
            .iter()
            .map(|error| serde_json::json!({ "statusCode": error.code, "message": error.message }))
            .collect();
        let saved = serde_json::json!({ "success": false, "errors": errors }).to_string();
        Part::collection_of(saved).unwrap_or(Part::missing())
    }

    /// The answer to writing one record in a part of its own, as a collection of one. Where it says nothing of the record (it was
    /// halted, or the server failed) it stays as it is.
    pub fn of_record(self) -> Part {
        let halted = self.errors().iter().any(|error| error.code == "PROCESSING_HALTED");
        let saved = match (self.status, self.body.as_ref().map(|body| body.get())) {
            (..300, None | Some("null")) => r#"{"success":true}"#.to_owned(),
            (..300, Some(saved)) => saved.to_owned(),
            (..500, Some(errors)) if !halted => format!(r#"{{"success":false,"errors":{errors}}}"#),
            _ => return self,
        };
        Part::collection_of(saved).unwrap_or(self)
    }

    fn collection_of(saved: String) -> Result<Part, Broken> {
        Ok(Part {
            status: 200,
            body: Some(RawValue::from_string(format!("[{saved}]"))?),
        })
    }

    /// Its body, where it is one of this form.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Broken> {
        let text = self.body.as_ref().map_or("null", |body| body.get());
        Ok(serde_json::from_str(text)?)
    }

    /// Why it was refused, in one line.
    pub fn why(&self) -> String {
        self.errors().first().map(ApiError::text).unwrap_or_default()
    }

    /// Its first refusal, with the fields that it names.
    pub fn save_error(&self) -> SaveError {
        let first = self
            .read::<Vec<SaveError>>()
            .ok()
            .and_then(|errors| errors.into_iter().next());
        let first = first.filter(|error| !error.code.is_empty());
        first.unwrap_or_else(|| SaveError::of_api(&ApiError::of_status(self.status)))
    }

    /// Its refusals; of a part that has none, its status.
    pub fn errors(&self) -> Vec<ApiError> {
        match self.read::<Vec<ApiError>>() {
            Ok(errors) if !errors.is_empty() => errors,
            _ => vec![ApiError::of_status(self.status)],
        }
    }
}

/// Reads a composite answer whose parts are collections.
pub fn read_parts<R: io::Read>(body: R) -> Result<Vec<Part>, Broken> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "compositeResponse")]
        parts: Vec<Part>,
    }
    let Answer { parts } = serde_json::from_reader(super::buffered(body))?;
    Ok(parts)
}

/// A record that was looked up.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Found {
    /// Its Id, of 18 characters.
    #[serde(rename = "Id")]
    pub id: String,
    /// Its last modification, as text.
    #[serde(rename = "SystemModstamp", alias = "LastModifiedDate", default)]
    pub stamp: Option<String>,
    /// Whether a user is active, where that was asked for.
    #[serde(rename = "IsActive", default)]
    pub is_active: Option<bool>,
    /// What else was asked for.
    #[serde(flatten)]
    pub values: serde_json::Map<String, serde_json::Value>,
}

impl Found {
    /// Its last modification, in milliseconds since 1970.
    pub fn revision(&self) -> Option<u64> {
        self.stamp.as_deref().and_then(milliseconds)
    }
}

/// What became of one record that was written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Saved {
    /// Its Id, where it was written.
    #[serde(default)]
    pub id: Option<String>,
    /// It was written.
    pub success: bool,
    /// Why not.
    #[serde(default)]
    pub errors: Vec<SaveError>,
}

/// Why a record was not written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct SaveError {
    /// Salesforce's code.
    #[serde(rename = "statusCode", alias = "errorCode", default)]
    pub code: String,
    /// Its text, in the org's language.
    #[serde(default)]
    pub message: String,
    /// Fields that it is about.
    #[serde(default)]
    pub fields: Vec<String>,
}

impl SaveError {
    /// As bulk results tell it: `CODE:text:FIELD,FIELD --`.
    pub fn of_bulk(text: &str) -> SaveError {
        let text = text.trim();
        let (code, rest) = text.split_once(':').unwrap_or((text, ""));
        let rest = rest.trim_end_matches("--").trim_end();
        let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let listed = rest
            .rsplit_once(':')
            .filter(|(_, fields)| fields.is_empty() || fields.split(',').map(str::trim).all(is_name));
        let (message, fields) = listed.unwrap_or((rest, ""));
        SaveError {
            code: code.to_owned(),
            message: message.to_owned(),
            fields: fields
                .split(',')
                .map(str::trim)
                .filter(|field| !field.is_empty())
                .map(ToOwned::to_owned)
                .collect(),
        }
    }

    /// Of a request as a whole.
    pub fn of_api(error: &ApiError) -> SaveError {
        SaveError {
            code: error.code.clone(),
            message: error.message.clone(),
            fields: Vec::new(),
        }
    }

    /// Code and text in one line.
    pub fn text(&self) -> String {
        let message = self.message.split_whitespace().collect::<Vec<_>>().join(" ");
        format!("{}: {message}", self.code)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_error_of_bulk_is_read_as_any_other() {
        let error = SaveError::of_bulk("REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --");
        assert_eq!(
            (error.code.as_str(), error.fields),
            ("REQUIRED_FIELD_MISSING", vec!["Name".to_owned()])
        );
        let error = SaveError::of_bulk("UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--");
        assert_eq!((error.code.as_str(), error.fields.len()), ("UNABLE_TO_LOCK_ROW", 0));
        let error = SaveError::of_bulk("FIELD_CUSTOM_VALIDATION_EXCEPTION:At 12:30 it closes --");
        assert_eq!(error.message, "At 12:30 it closes");
    }

    #[test]
    fn a_record_in_a_part_of_its_own_is_answered_as_in_a_collection() {
        let part = |status: u16, body: &str| {
            let answer = format!(r#"{{"compositeResponse":[{{"body":{body},"httpStatusCode":{status}}}]}}"#);
            read_parts(answer.as_bytes()).unwrap().remove(0).of_record()
        };
        let saved = |status, body| part(status, body).read::<Vec<Saved>>().map(|mut saved| saved.remove(0));
        let created = saved(201, r#"{"id":"001","success":true,"errors":[]}"#).unwrap();
        assert_eq!((created.id.as_deref(), created.success), (Some("001"), true));
        assert!(saved(204, "null").unwrap().success);
        let refused = saved(
            400,
            r#"[{"errorCode":"REQUIRED_FIELD_MISSING","message":"m","fields":["Name"]}]"#,
        )
        .unwrap();
        assert_eq!(
            (refused.success, refused.errors[0].code.as_str()),
            (false, "REQUIRED_FIELD_MISSING")
        );
        assert_eq!(refused.errors[0].fields, ["Name"]);
        let halted = part(400, r#"[{"errorCode":"PROCESSING_HALTED","message":"m"}]"#);
        assert_eq!(halted.status, 400);
        assert_eq!(part(500, "null").status, 500);
    }

    #[test]
    fn parts_are_read_by_what_was_asked_for() {
        let answer = br#"{"compositeResponse":[
            {"body":[{"attributes":{"type":"A"},"Id":"001000000000001AAA","SystemModstamp":"2026-01-02T03:04:05.000+0000"},null],"httpHeaders":{},"httpStatusCode":200,"referenceId":"a"},
            {"body":[{"id":"001000000000002AAA","success":true,"errors":[]},
                     {"success":false,"errors":[{"statusCode":"REQUIRED_FIELD_MISSING","message":"Required fields are missing: [Name]","fields":["Name"]}]}],"httpStatusCode":200},
            {"body":[{"errorCode":"PROCESSING_HALTED","message":"Invalid reference"}],"httpStatusCode":400},
            {"body":null,"httpStatusCode":500}]}"#;
        let parts = read_parts(&answer[..]).unwrap();
        let found: Vec<Option<Found>> = parts[0].read().unwrap();
        assert_eq!(found[0].as_ref().unwrap().id, "001000000000001AAA");
        assert_eq!(found[1], None);
        let saved: Vec<Saved> = parts[1].read().unwrap();
        assert!(saved[0].success && !saved[1].success);
        assert_eq!(saved[1].errors[0].fields, ["Name"]);
        assert_eq!(parts[2].errors()[0].code, "PROCESSING_HALTED");
        assert!(parts[2].read::<Vec<Saved>>().is_err());
        assert_eq!(parts[3].errors()[0].code, "HTTP_500");
        assert!(read_parts(&answer[..100]).is_err());
    }
}
