//! The answers of describe, for objects and for the whole org, in the shape of recorded ones.

use crate::org::{Object, Org, Viewer};

/// What describe answers depend on besides object and user.
#[derive(Debug, Clone, Copy)]
pub struct DescribeOptions<'a> {
    /// `v62.0`.
    pub version: &'a str,
    /// `https://…` of the org, for the links of its user interface.
    pub instance_url: &'a str,
}

impl Org {
    /// The body of `GET /sobjects`.
    pub fn describe_global(&self, viewer: &Viewer, options: DescribeOptions<'_>) -> Vec<u8> {
        let _ = (viewer, options);
        Vec::new()
    }

    /// The `objectDescribe` part of `GET /sobjects/X` (one entry of describe global).
    pub fn describe_basic(&self, object: &Object, options: DescribeOptions<'_>) -> serde_json::Value {
        let _ = (object, options);
        serde_json::Value::Null
    }

    /// The body of `GET /sobjects/X/describe`.
    pub fn describe(&self, object: &Object, viewer: &Viewer, options: DescribeOptions<'_>) -> Vec<u8> {
        let _ = (object, viewer, options);
        Vec::new()
    }
}
