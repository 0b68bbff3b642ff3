//! The double as a client sees it on the wire.
//!
//! The client here is written over the bare socket, so that tests see what a library would hide: a missing Content-Length,
//! the case of header names, an answer that breaks off.
#![allow(clippy::unwrap_used, missing_docs)]

mod bulk;
mod client;
mod composite;
mod definitions;
mod faults;
mod files;
mod graph;
mod incremental;
mod ingest;
mod multipart;
mod oauth;
mod query;
mod quota;
mod resources;
mod write_faults;
mod writes;

use fake_salesforce::org::OrgSpec;
use fake_salesforce::{Fake, Options};

/// A double of an org with enough accounts for several pages.
fn fake() -> Fake {
    Fake::start(options()).unwrap()
}

fn options() -> Options {
    Options::of(OrgSpec::of(
        7,
        &[
            ("Account", 6_500),
            ("Contact", 300),
            ("Task", 400),
            ("User", 20),
            ("ContentVersion", 3),
        ],
    ))
}
