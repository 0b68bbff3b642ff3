//! An honest double of Salesforce's REST API and Bulk API 2.0: what it answers, what it refuses, and above all how it counts.
//!
//! It is built from Salesforce's documentation and recorded answers, not from what this project's connector needs. Every
//! counted request goes through one quota over a rolling window on a clock that tests move. What isn't documented is a
//! choice, named where it is made.
//!
//! `Fake::start(Options::of(OrgSpec::tiny(1)))` gives a running double with handles to its clock, quota, faults, org and log.

pub mod bulk;
pub mod clock;
pub mod composite;
mod control;
pub mod faults;
pub mod log;
pub mod oauth;
pub mod oracle;
pub mod org;
pub mod quota;
pub mod rest;
mod server;
pub mod soql;

pub use self::server::{ClockMode, Fake, Options, StartError, User};
