//! What is known of a quota; `types.reading` and `storage` in `wit/`. Stored with every durable record that changes it.

use serde::{Deserialize, Serialize};

/// How a reading was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadingSource {
    /// A header of an answer to a counted request: the newest there is.
    ResponseHeader,
    /// A resource that reports limits, which may lag by minutes.
    LimitsResource,
    /// A refusal: nothing is left.
    Refusal,
    /// Another one, from a newer contract.
    Other,
}

impl ReadingSource {
    /// What wit-bindgen's code calls to read one; the number is its place in `wit/`.
    #[doc(hidden)]
    pub fn _lift(place: u8) -> ReadingSource {
        match place {
            0 => ReadingSource::ResponseHeader,
            1 => ReadingSource::LimitsResource,
            2 => ReadingSource::Refusal,
            _ => ReadingSource::Other,
        }
    }
}

/// What the source said of one quota at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// The source's name of it.
    pub quota: String,
    /// By every application together.
    pub used: u64,
    /// How many there are; 0 where a refusal came before any number was known.
    pub max: u64,
    /// When, in milliseconds since 1970.
    pub observed_at: u64,
    /// How it was come by.
    pub source: ReadingSource,
    /// The host's number of the request whose answer told it.
    pub request: Option<u64>,
}

/// The last reading of one quota, and what this platform has sent since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The reading.
    #[serde(flatten)]
    pub last: Reading,
    /// Own requests that it doesn't count yet.
    pub own_since: u64,
    /// Sent before the reading's request and not answered yet. Not stored: nothing is under way in what is read back.
    #[serde(skip)]
    pub in_flight: u32,
}

/// Own requests of one clock hour. Laid out as the component model has it: lists of it are handed over as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(C)]
pub struct Hour {
    /// A full hour, in milliseconds since 1970.
    pub start: u64,
    /// Requests sent in it.
    pub sent: u64,
}
