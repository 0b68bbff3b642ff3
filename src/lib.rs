//! The Salesforce connector.

pub mod quota;
