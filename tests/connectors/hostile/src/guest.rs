//! The exports. Each misbehaves where the configuration says so, and otherwise does the least that the contract asks for.

mod configuration;
mod misdeeds;
mod numbers;
mod sending;

use backup::connector::types::{Checkpoint, ConnectorError, Failure};
use backup::connector::{job, report, storage};
use configuration::{Behaviour, Configuration, Export};
use exports::backup::connector::connector::{
    BackupOptions, BatchResult, Checked, Description, Guest, Next, Pause, Planned, RestoreSelection, Verdict,
};

wit_bindgen::generate!({ path: "../../../wit", world: "plugin" });

struct Hostile;
export!(Hostile);

const STATE_VERSION: u32 = 1;
const QUOTA: &str = "DailyApiRequests";

fn failure(code: &str, message: impl Into<String>) -> Failure {
    Failure {
        code: code.into(),
        message: message.into(),
        remedy: None,
        object: None,
        details: vec![],
    }
}

/// How many answers were kept so far.
fn position(at: &Checkpoint) -> Result<u64, ConnectorError> {
    let text = String::from_utf8_lossy(&at.data);
    text.parse()
        .map_err(|_| ConnectorError::State(failure("unreadable-checkpoint", format!("{text:?} is no number"))))
}

fn checkpoint(position: u64) -> Checkpoint {
    Checkpoint {
        state_version: STATE_VERSION,
        data: position.to_string().into_bytes(),
    }
}

impl Guest for Hostile {
    fn describe() -> Description {
        Description {
            name: "hostile".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            quota: QUOTA.into(),
            state_version: STATE_VERSION,
            reads_state_versions: vec![STATE_VERSION],
            configuration_schema: r#"{"type":"object"}"#.into(),
            facts: vec![],
        }
    }

    fn check() -> Result<Checked, ConnectorError> {
        let configuration = Configuration::read()?;
        misdeeds::commit(&configuration, Export::Check)?;
        sending::send(&configuration)?;
        Ok(Checked {
            scope: configuration.scope,
            facts: vec![],
        })
    }

    fn plan_backup(_options: BackupOptions) -> Result<Planned, ConnectorError> {
        let configuration = Configuration::read()?;
        misdeeds::commit(&configuration, Export::PlanBackup)?;
        let total = configuration.total;
        let next = if numbers::are_told(&configuration) {
            numbers::of_a_plan(&configuration);
            Next::Batch(numbers::requests(&configuration))
        } else {
            report::estimate(&configuration.object, "one record a request", total, total, 0);
            Next::Batch(configuration.requests)
        };
        Ok(Planned::Ready(BatchResult { at: checkpoint(0), next }))
    }

    fn plan_restore(_selection: RestoreSelection) -> Result<Planned, ConnectorError> {
        let configuration = Configuration::read()?;
        if numbers::are_told(&configuration) {
            return Ok(numbers::of_a_restore(&configuration));
        }
        Err(ConnectorError::Unsupported(failure(
            "no-restore",
            "this connector restores nothing",
        )))
    }

    fn run_batch(at: Checkpoint) -> Result<BatchResult, ConnectorError> {
        let configuration = Configuration::read()?;
        if let Some(restored) = numbers::restored(&configuration, &at) {
            return Ok(restored);
        }
        let mut position = position(&at)?;
        misdeeds::commit(&configuration, Export::RunBatch)?;
        match configuration.behaviour {
            Behaviour::FailObject => {
                report::failed(
                    &configuration.object,
                    &failure("unreadable", "it can't be read, as it was told to"),
                );
                let next = Next::Done;
                return Ok(BatchResult { at, next });
            }
            Behaviour::GoNowhere => {
                sending::send(&configuration)?;
                let next = Next::Batch(configuration.requests);
                return Ok(BatchResult { at, next });
            }
            _ => {}
        }
        let requests = match configuration.behaviour {
            // Whatever it was granted, and more.
            Behaviour::ProceedAlways | Behaviour::InventReadings | Behaviour::AskMoreThanLeft => u32::MAX,
            _ => configuration.requests,
        };
        for _ in 0..requests {
            if position >= configuration.total || job::should_stop() {
                break;
            }
            let Some(body) = sending::send(&configuration)? else { break };
            position += 1;
            sending::keep(&configuration, position, &body)?;
            report::progress(&configuration.object, position, Some(configuration.total));
        }
        if numbers::are_told(&configuration) {
            numbers::of_a_batch(&configuration, position >= configuration.total)?;
        }
        let next = if position < configuration.total {
            Next::Batch(configuration.requests)
        } else {
            report::finished(&configuration.object);
            Next::Done
        };
        let at = match configuration.behaviour {
            Behaviour::HugeCheckpoint => Checkpoint {
                state_version: STATE_VERSION,
                data: vec![b'0'; configuration.bytes.unwrap_or((1 << 20) + 1)],
            },
            _ => checkpoint(position),
        };
        Ok(BatchResult { at, next })
    }

    fn decide(next_cost: u32) -> Result<Verdict, ConnectorError> {
        let configuration = Configuration::read()?;
        misdeeds::commit(&configuration, Export::Decide)?;
        if matches!(
            configuration.behaviour,
            Behaviour::ProceedAlways | Behaviour::InventReadings | Behaviour::AskMoreThanLeft
        ) {
            return Ok(Verdict::Proceed(u32::MAX));
        }
        let readings =
            storage::readings().map_err(|error| ConnectorError::Host(failure("no-readings", format!("{error:?}"))))?;
        let Some(standing) = readings.iter().find(|standing| standing.last.quota == QUOTA) else {
            return Ok(Verdict::Probe(1));
        };
        let (used, max) = (standing.last.used, standing.last.max);
        let ceiling = max / 100 * u64::from(job::usage_limit()) + max % 100 * u64::from(job::usage_limit()) / 100;
        let spent = used
            .saturating_add(standing.own_since)
            .saturating_add(standing.in_flight.into());
        Ok(match u32::try_from(ceiling.saturating_sub(spent)).unwrap_or(u32::MAX) {
            0 if numbers::are_told(&configuration) => Verdict::Pause(numbers::pause(&configuration)),
            0 => Verdict::Pause(Pause {
                reason: "usage-limit".into(),
                used,
                max,
                ceiling,
                recheck_after: 1_800,
            }),
            left => Verdict::Proceed(left.min(next_cost)),
        })
    }

    fn read_quota() -> Result<(), ConnectorError> {
        let configuration = Configuration::read()?;
        misdeeds::commit(&configuration, Export::ReadQuota)?;
        sending::send(&configuration)?;
        Ok(())
    }

    fn migrate_state(at: Checkpoint, to: u32) -> Result<Checkpoint, ConnectorError> {
        // With a checkpoint of these words it tries what this export may not do.
        if at.data == b"use an import" {
            job::requests_left();
        }
        if to != STATE_VERSION {
            return Err(ConnectorError::Unsupported(failure(
                "one-state-version",
                "there is one state version",
            )));
        }
        Ok(at)
    }
}
