//! The tools that are measured, and how each of them makes a pass.

use crate::bench::clients::{Client, Heard, Span};
use crate::bench::compare::{self, Comparison};
use crate::bench::{Bench, CONNECTION, restores};
use crate::running::{Fake, Host};
use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::Serialize;
use std::fs;
use std::path::PathBuf;

/// Who reads the org.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tool {
    /// This project.
    Ours,
    /// tap-salesforce over REST.
    TapSalesforce,
    /// simple-salesforce's query_all.
    SimpleSalesforce,
    /// jsforce's query with autoFetch.
    JsforceQuery,
    /// jsforce's bulk2.query.
    JsforceBulk,
}

impl Tool {
    /// All of them, ours first.
    pub const ALL: [Tool; 5] = [
        Tool::Ours,
        Tool::TapSalesforce,
        Tool::SimpleSalesforce,
        Tool::JsforceQuery,
        Tool::JsforceBulk,
    ];

    /// As it stands in a table.
    pub fn title(self) -> &'static str {
        match self {
            Tool::Ours => "this project",
            Tool::TapSalesforce => "tap-salesforce 2.8.1, REST",
            Tool::SimpleSalesforce => "simple-salesforce 1.12.10, `query_all`",
            Tool::JsforceQuery => "jsforce 3.9.1, `query` with `autoFetch`",
            Tool::JsforceBulk => "jsforce 3.9.1, `bulk2.query`",
        }
    }

    /// The same, as it restores; none where it only reads.
    pub fn restores(self) -> Option<restores::Tool> {
        match self {
            Tool::Ours => Some(restores::Tool::Ours),
            Tool::TapSalesforce | Tool::SimpleSalesforce => None,
            Tool::JsforceQuery => Some(restores::Tool::JsforceCollections),
            Tool::JsforceBulk => Some(restores::Tool::JsforceBulk),
        }
    }

    fn folder_name(self) -> &'static str {
        match self {
            Tool::Ours => "ours",
            Tool::TapSalesforce => "tap-salesforce",
            Tool::SimpleSalesforce => "simple-salesforce",
            Tool::JsforceQuery => "jsforce-query",
            Tool::JsforceBulk => "jsforce-bulk",
        }
    }
}

/// What a pass is known to have brought.
pub enum Brought {
    /// Ours: every value was compared.
    Compared(Comparison),
    /// A client's own account, still to be held against the org.
    Told(Heard),
}

/// A tool with its files, ready for a pass.
pub struct Reader {
    folder: PathBuf,
    kind: Kind,
}

enum Kind {
    Ours(Host),
    Client(Client),
}

impl Reader {
    /// Installs what it needs, and connects it where that sends nothing.
    pub fn new(tool: Tool, bench: &Bench<'_>, fake: &Fake) -> Result<Self> {
        let folder = bench.folder("requests").join(tool.folder_name());
        let kind = match tool {
            Tool::Ours => {
                let host = Host::new(&bench.programs, folder.clone(), fake.client_secret())?;
                host.connect(CONNECTION, &super::configuration(fake))?;
                Kind::Ours(host)
            }
            Tool::TapSalesforce => Kind::Client(Client::python(bench, "tap_salesforce")?),
            Tool::SimpleSalesforce => Kind::Client(Client::python(bench, "simple_salesforce")?),
            Tool::JsforceQuery => Kind::Client(Client::node(bench, "jsforce", "rest")?),
            Tool::JsforceBulk => Kind::Client(Client::node(bench, "jsforce", "bulk")?),
        };
        if let Kind::Client(_) = kind {
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
            fs::create_dir_all(&folder)?;
        }
        Ok(Self { folder, kind })
    }

    /// Where its files are.
    pub fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    /// Makes a pass; only this is timed and counted.
    pub fn pass(&self, fake: &Fake, span: &Span<'_>) -> Result<Option<Heard>> {
        match &self.kind {
            Kind::Client(client) => client.run(fake, &self.folder, span).map(Some),
            Kind::Ours(host) => {
                if !span.incremental {
                    host.output(&["connection", "check", CONNECTION])?;
                    host.output(&["plan", CONNECTION])?;
                }
                host.json(&["backup", CONNECTION]).context("our backup did not complete")?;
                Ok(None)
            }
        }
    }

    /// What the pass has brought.
    pub fn brought(&self, fake: &Fake, heard: Option<Heard>) -> Result<Brought> {
        match (&self.kind, heard) {
            (Kind::Ours(host), _) => compare::newest_snapshot(host, fake, CONNECTION, &[]).map(Brought::Compared),
            (Kind::Client(_), heard) => Ok(Brought::Told(heard.unwrap_or_default())),
        }
    }
}
