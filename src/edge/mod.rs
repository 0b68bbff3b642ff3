//! The component's edge: the exports of `wit/connector.wit` over the library, and the library's [`Host`] over the imports.
//!
//! Nothing is decided here; it converts. Built for wasm32 only.

#![allow(missing_docs, reason = "wit-bindgen writes most of it")]

mod convert;
mod imports;

use crate::{
    NAME, READS_STATE_VERSIONS, STATE_VERSION, check, decide, migrate_state, org, plan, quota, read_quota, restore, run_batch,
};
use bindings::backup::connector::types::{Checkpoint, ConnectorError};
use bindings::exports::backup::connector::connector::{
    BackupOptions, BatchResult, Checked, Description, Guest, Pause, Planned, RestoreSelection, Verdict,
};
use imports::Imports;

mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "plugin" });
    use super::Connector;
    export!(Connector);
}

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
        Ok(check(&Imports)?.into())
    }

    fn plan_backup(options: BackupOptions) -> Result<Planned, ConnectorError> {
        let writes = options.details.iter().any(|detail| detail.name == "snapshot");
        let options = plan::Options {
            objects: &options.objects,
            full: options.full,
            writes,
        };
        Ok(plan::plan_backup(&Imports, options)?.into())
    }

    fn plan_restore(selection: RestoreSelection) -> Result<Planned, ConnectorError> {
        let runs = selection.details.iter().any(|detail| detail.name == "restore");
        Ok(restore::plan_restore(&Imports, selection.into(), runs)?.into())
    }

    fn run_batch(at: Checkpoint) -> Result<BatchResult, ConnectorError> {
        Ok(run_batch(&Imports, at.state_version, &at.data)?.into())
    }

    fn decide(next_cost: u32) -> Result<Verdict, ConnectorError> {
        Ok(match decide(&Imports, next_cost)? {
            quota::Verdict::Proceed(requests) => Verdict::Proceed(requests),
            quota::Verdict::Probe(requests) => Verdict::Probe(requests),
            quota::Verdict::Pause(pause) => Verdict::Pause(Pause {
                reason: pause.reason.as_str().to_owned(),
                used: pause.used,
                max: pause.max,
                ceiling: pause.ceiling,
                recheck_after: pause.recheck_after,
            }),
        })
    }

    fn read_quota() -> Result<(), ConnectorError> {
        Ok(read_quota(&Imports)?)
    }

    fn migrate_state(at: Checkpoint, to: u32) -> Result<Checkpoint, ConnectorError> {
        Ok(Checkpoint {
            data: migrate_state(at.state_version, at.data, to)?,
            state_version: to,
        })
    }
}
