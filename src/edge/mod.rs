//! The component's edge: the exports of `wit/connector.wit` over the library, and the library's [`Host`] over the imports.
//!
//! Nothing is decided here; it converts. Built for wasm32 only.

#![allow(missing_docs, reason = "wit-bindgen writes most of it")]

mod bindings;
mod convert;
mod imports;

use crate::{
    NAME, READS_STATE_VERSIONS, STATE_VERSION, check, decide, migrate_state, org, plan, quota, read_quota, restore, run_batch,
};
use backup_contract::{
    BackupOptions, BatchResult, Checked, Checkpoint, ConnectorError, Description, Planned, RestoreSelection, Verdict,
};
use bindings::exports::backup::connector::connector::Guest;
use imports::Imports;

struct Connector;

impl Guest for Connector {
    fn describe() -> Description {
        Description {
            name: NAME.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            quota: quota::DAILY_API_REQUESTS.to_owned(),
            state_version: STATE_VERSION,
            reads_state_versions: READS_STATE_VERSIONS.to_vec(),
            configuration_schema: org::SCHEMA.to_owned(),
            facts: Vec::new(),
        }
    }

    fn check() -> Result<Checked, ConnectorError> {
        check(&Imports)
    }

    fn plan_backup(options: BackupOptions) -> Result<Planned, ConnectorError> {
        let writes = options.details.iter().any(|detail| detail.name == "snapshot");
        let options = plan::Options {
            objects: &options.objects,
            full: options.full,
            writes,
        };
        plan::plan_backup(&Imports, options)
    }

    fn plan_restore(selection: RestoreSelection) -> Result<Planned, ConnectorError> {
        let runs = selection.details.iter().any(|detail| detail.name == "restore");
        restore::plan_restore(&Imports, selection.into(), runs)
    }

    fn run_batch(at: Checkpoint) -> Result<BatchResult, ConnectorError> {
        run_batch(&Imports, at.state_version, &at.data)
    }

    fn decide(next_cost: u32) -> Result<Verdict, ConnectorError> {
        decide(&Imports, next_cost)
    }

    fn read_quota() -> Result<(), ConnectorError> {
        read_quota(&Imports)
    }

    fn migrate_state(at: Checkpoint, to: u32) -> Result<Checkpoint, ConnectorError> {
        Ok(Checkpoint {
            data: migrate_state(at.state_version, at.data, to)?,
            state_version: to,
        })
    }
}
