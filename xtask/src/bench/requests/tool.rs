//! The tools that are measured, and how each of them makes a pass.

use crate::bench::clients::{BenchClient, Heard, PassSpan};
use crate::bench::compare::{self, Comparison};
use crate::bench::{Bench, CONNECTION, restores};
use crate::running::{FakeProcess, HostProgram};
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
    pub fn restores(self) -> Option<restores::RestoreTool> {
        match self {
            Tool::Ours => Some(restores::RestoreTool::Ours),
            Tool::TapSalesforce | Tool::SimpleSalesforce => None,
            Tool::JsforceQuery => Some(restores::RestoreTool::JsforceCollections),
            Tool::JsforceBulk => Some(restores::RestoreTool::JsforceBulk),
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
pub struct ToolReader {
    folder: PathBuf,
    kind: ToolKind,
}

enum ToolKind {
    Ours(HostProgram),
    BenchClient(BenchClient),
}

impl ToolReader {
    /// Installs what it needs, and connects it where that sends nothing.
    pub fn new(tool: Tool, bench: &Bench<'_>, fake: &FakeProcess) -> Result<Self> {
        let folder = bench.folder("requests").join(tool.folder_name());
        let kind = match tool {
            Tool::Ours => {
                let host = HostProgram::new(&bench.programs, folder.clone(), fake.client_secret())?;
                host.connect(CONNECTION, &super::configuration(fake))?;
                ToolKind::Ours(host)
            }
            Tool::TapSalesforce => ToolKind::BenchClient(BenchClient::python(bench, "tap_salesforce")?),
            Tool::SimpleSalesforce => ToolKind::BenchClient(BenchClient::python(bench, "simple_salesforce")?),
            Tool::JsforceQuery => ToolKind::BenchClient(BenchClient::node(bench, "jsforce", "rest")?),
            Tool::JsforceBulk => ToolKind::BenchClient(BenchClient::node(bench, "jsforce", "bulk")?),
        };
        if let ToolKind::BenchClient(_) = kind {
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
    pub fn pass(&self, fake: &FakeProcess, span: &PassSpan<'_>) -> Result<Option<Heard>> {
        match &self.kind {
            ToolKind::BenchClient(client) => client.run(fake, &self.folder, span).map(Some),
            ToolKind::Ours(host) => {
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
    pub fn brought(&self, fake: &FakeProcess, heard: Option<Heard>) -> Result<Brought> {
        match (&self.kind, heard) {
            (ToolKind::Ours(host), _) => compare::newest_snapshot(host, fake, CONNECTION, &[]).map(Brought::Compared),
            (ToolKind::BenchClient(_), heard) => Ok(Brought::Told(heard.unwrap_or_default())),
        }
    }
}
