//! Requests to the source and why there is no answer; `http` in `wit/`.

use crate::NamedValue;

/// HTTP methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
}

/// Bytes, or a blob that the host sends by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// From guest memory.
    Bytes(Vec<u8>),
    /// Staged or stored under this source key.
    Blob(String),
}

/// One part of a `multipart/form-data` body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormPart {
    /// The part's own headers.
    pub headers: Vec<NamedValue>,
    /// Its content.
    pub content: Content,
}

/// A request's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// None.
    None,
    /// From guest memory.
    Bytes(Vec<u8>),
    /// Staged or stored under this source key.
    Blob(String),
    /// `multipart/form-data`.
    Form(Vec<FormPart>),
}

/// A request as the connector asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// Path and query, beginning with `/`, percent-encoded.
    pub path: String,
    /// Headers, without those that are the host's.
    pub headers: Vec<NamedValue>,
    /// Its body.
    pub body: Body,
    /// What the source counts for one attempt, at least 1.
    pub cost: u32,
    /// Sending it twice does no harm.
    pub repeatable: bool,
    /// Reserved.
    pub options: Vec<NamedValue>,
}

/// Why there is no answer, or no more of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Nothing more was sent: what is left doesn't cover the cost.
    #[error("nothing more was sent: the allowance is spent")]
    AllowanceSpent,
    /// Nothing was sent: the call, the origin or a header is not permitted.
    #[error("not permitted: {0}")]
    NotPermitted(String),
    /// It provably did not reach the source.
    #[error("not sent: {0}")]
    NotSent(String),
    /// It may have been sent; no answer came.
    #[error("no answer: {0}")]
    OutcomeUnknown(String),
    /// The body passed the limit, in bytes.
    #[error("the answer has more than {0} bytes")]
    TooLarge(u64),
    /// Anything else, by its name.
    #[error("{0}")]
    Other(NamedValue),
}

impl SendError {
    /// One that the contract has no variant for.
    pub fn other(name: &str, text: impl Into<String>) -> SendError {
        SendError::Other(NamedValue::new(name, text))
    }
}
