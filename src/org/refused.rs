//! A request that the org refused as a whole, and what a person can do about it.

use crate::host::{ConnectorError, Failure};
use crate::salesforce::{ApiError, Class, classify};

/// A refusal: the status, and the errors of its body. None where the body was something else, such as a page of HTML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// HTTP status.
    pub status: u16,
    /// As the body has them.
    pub errors: Vec<ApiError>,
}

impl Refused {
    /// The first error's code; empty where there is none.
    pub fn code(&self) -> &str {
        self.errors.first().map_or("", |error| error.code.as_str())
    }

    /// What it means.
    pub fn class(&self) -> Class {
        classify(self.status, &self.errors)
    }

    /// The session is over: nothing that is sent with it will be answered.
    pub fn ends_session(&self) -> bool {
        self.class() == Class::Session
    }

    /// The same may work a little later, whatever was asked for.
    pub fn may_pass(&self) -> bool {
        matches!(self.class(), Class::Later | Class::TimedOut)
    }

    /// Code and text in one line, and the error for what it concerns.
    pub fn error(&self) -> ApiError {
        self.errors
            .first()
            .cloned()
            .unwrap_or_else(|| ApiError::of_status(self.status))
    }

    /// Whether it is about the one record that was sent, and not about the request.
    pub fn is_about_a_record(&self) -> bool {
        matches!(self.status, 400 | 404) && !self.errors.is_empty() && self.code() != "INVALID_SESSION_ID"
    }

    /// As the error that ends a call.
    pub fn into_error(self) -> ConnectorError {
        let said = match self.errors.first() {
            Some(error) => format!("the org answered {} {}", self.status, error.text()),
            None => format!("the org answered {} without saying why", self.status),
        };
        let failure = |code: &str| {
            Failure::new(code, said.clone())
                .detail("status", self.status)
                .detail("error-code", self.code())
        };
        match (self.status, self.code()) {
            (401, _) | (_, "INVALID_SESSION_ID" | "INVALID_AUTH_HEADER") => ConnectorError::Authorization(
                failure("session-refused")
                    .remedy("renew the connection's credential; its user must be active and may use the API"),
            ),
            (_, "API_DISABLED_FOR_ORG" | "API_CURRENTLY_DISABLED") => ConnectorError::Authorization(
                failure("api-disabled")
                    .remedy("turn the REST API on for the org, and give the user the permission API Enabled"),
            ),
            (_, "TXN_SECURITY_METERING_ERROR") => ConnectorError::Authorization(
                failure("transaction-security").remedy("give the user the permission Exempt from Transaction Security"),
            ),
            (403, _) => {
                ConnectorError::Authorization(failure("forbidden").remedy("give the connection's user the right to do this"))
            }
            (404 | 410, _) | (_, "URL_NOT_RESET") => ConnectorError::Configuration(
                failure("not-found").remedy("check the connection's instance_url (the org's My Domain) and api_version"),
            ),
            (420 | 500..=599, _) => ConnectorError::Source(
                failure("org-unavailable").remedy("see trust.salesforce.com for maintenance; the backup can go on later"),
            ),
            _ => ConnectorError::Source(failure("unexpected-answer")),
        }
    }
}
