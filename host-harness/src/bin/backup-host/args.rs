//! Arguments. A name is `CONNECTION` (tenant `default`) or `TENANT/CONNECTION`; a snapshot is an id, a unique prefix, or `latest`.

use crate::restore_args::RestoreArgs;
use backup_seams::Timestamp;
use backup_store::journal::Until;
use backup_store::{ConnectionName, ObjectName, Percent, Sha256};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Backs up Salesforce orgs within their API usage limit, into snapshots that can be read at any time.
#[derive(Debug, Parser)]
#[command(name = "backup-host", version, max_term_width = 110, after_help = EXAMPLES)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    /// Log what happens to standard error; BACKUP_HOST_LOG takes a finer filter.
    #[arg(long, short, global = true)]
    pub verbose: bool,
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Exit codes: 0 done, 1 failed, or a restore that is not whole, 2 wrong use, 3 stopped at the usage limit, 4 done with warnings,
11 another host or job has the connection, 12 credentials refused, 130 and 143 interrupted.

Examples:
  backup-host connection add acme --config acme.json      add a connection; sends nothing
  backup-host limit acme 90 --until first-backup-complete let the first backup use more, then go back
  backup-host backup acme                                 back up; exit code 3 where it pauses at the limit
  backup-host backup acme --wait                          the same, waiting out pauses
  backup-host export acme latest Account --format csv     read a snapshot, a partial one too
  backup-host audit acme --verify                         who changed what, and that nobody changed the trail";

#[derive(Debug, Args)]
pub struct Global {
    /// Where everything durable is: a folder, or the URL of an object store.
    #[arg(
        long,
        env = "BACKUP_HOST_DATA",
        default_value = "backup-data",
        global = true,
        value_name = "DIR|URL"
    )]
    pub data: String,
    /// Where secrets are kept on this host; outside the data folder. By default a folder of your own state folder.
    #[arg(long, env = "BACKUP_HOST_SECRETS", global = true, value_name = "DIR")]
    pub secrets: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add, list, show, set, check or remove connections.
    #[command(subcommand)]
    Connection(ConnectionCommand),
    /// Say what a backup would read and how many requests that takes.
    Plan {
        name: ConnectionName,
        /// Plan a full backup, whatever the next one would be.
        #[arg(long)]
        full: bool,
        /// Only these objects.
        #[arg(long = "object", value_name = "O")]
        objects: Vec<ObjectName>,
        /// At the limit, ask the org now how many requests are used, though nothing says that some came free. At most one such
        /// request is sent in 30 minutes, whoever asks.
        #[arg(long)]
        check_now: bool,
        /// Show all objects, and how each is read.
        #[arg(long)]
        all: bool,
        #[arg(long)]
        json: bool,
    },
    /// Back up: go on with a partial snapshot, or begin one that reads what changed since the last.
    #[command(
        after_help = "A backup that reaches the usage limit pauses: exit code 3. What it has is a partial snapshot that can be read; run it again \
when requests are available, or raise the limit, and it goes on in the same snapshot."
    )]
    Backup {
        name: ConnectionName,
        /// Read everything anew, into a new snapshot; a partial one is closed and stays readable.
        #[arg(long)]
        full: bool,
        /// Only these objects.
        #[arg(long = "object", value_name = "O")]
        objects: Vec<ObjectName>,
        /// Wait out pauses instead of ending with exit code 3.
        #[arg(long)]
        wait: bool,
        /// At the limit, ask the org now how many requests are used, though nothing says that some came free. At most one such
        /// request is sent in 30 minutes, whoever asks.
        #[arg(long)]
        check_now: bool,
        #[arg(long)]
        json: bool,
    },
    /// Write records of a snapshot back: those that are gone are created; with --overwrite others get the snapshot's values.
    #[command(
        after_help = "On a terminal the plan is shown and a question asked first; without one --yes is needed. --dry-run only shows the plan.

A restore that reaches the usage limit stops (exit code 3) and says how many requests it still needs, and which limit covers them. Run \
the same again and it continues where it stopped; nothing is written twice. --raise-limit raises the limit for this restore alone:

  backup-host restore acme latest --object Account --with-related --dry-run
  backup-host restore acme latest --object Account --with-related --yes
  backup-host restore acme latest --object Account --with-related --yes --raise-limit 90"
    )]
    Restore(Box<RestoreArgs>),
    /// List restores, oldest first.
    Restores {
        name: ConnectionName,
        #[arg(long)]
        json: bool,
    },
    /// Show where a connection stands: limit, requests, open snapshot.
    Status {
        name: ConnectionName,
        #[arg(long)]
        json: bool,
    },
    /// List snapshots, oldest first.
    Snapshots {
        name: ConnectionName,
        #[arg(long)]
        json: bool,
    },
    /// List the objects of a snapshot, or the keys of one object's records.
    Ls {
        name: ConnectionName,
        snapshot: String,
        object: Option<ObjectName>,
        #[arg(long)]
        json: bool,
    },
    /// Write the records of one object to standard output. Works on partial snapshots.
    #[command(
        after_help = "With --files each file of these records is written to DIR/<Id>.<Field> too (images within a text to \
DIR/<Id>.<Field>.<image>), and checked against its hash. Standard error says how many, and which records have none."
    )]
    Export {
        name: ConnectionName,
        snapshot: String,
        object: ObjectName,
        #[arg(long, value_enum, default_value_t = ExportFormat::Ndjson)]
        format: ExportFormat,
        /// Also write every file of these records there.
        #[arg(long, value_name = "DIR")]
        files: Option<PathBuf>,
        /// Instead of records, the source's own description of the object as it was then, JSON.
        #[arg(long, conflicts_with_all = ["files", "format"])]
        schema: bool,
    },
    /// Say what two snapshots differ in, or a snapshot and the org as it is now: objects, records, fields.
    #[command(
        after_help = "With `live` a backup of what was changed is taken now, a few dozen requests, and compared: its snapshot stays. Where it pauses at \
the usage limit what it has is compared, and the exit code is 3. Records in which only modification and view dates differ count as touched."
    )]
    Diff {
        name: ConnectionName,
        /// The earlier one: an id, a unique prefix of one, or `latest`.
        #[arg(value_name = "SNAPSHOT")]
        before: String,
        /// The later one, or `live`.
        #[arg(value_name = "SNAPSHOT|live")]
        after: String,
        /// Only these objects.
        #[arg(long = "object", value_name = "O")]
        objects: Vec<ObjectName>,
        /// With `live`, at the limit: ask the org now how many requests are used, though nothing says that some came free. At most
        /// one such request is sent in 30 minutes, whoever asks.
        #[arg(long)]
        check_now: bool,
        #[arg(long)]
        json: bool,
    },
    /// Show the usage limit, or set it. Every change is in the audit trail.
    #[command(
        after_help = "The limit is the percent of the org's daily API requests that all applications together may have used when backups stop: \
with 80, the last 20 % are never touched. For the first backup 90-100 is advised:

  backup-host limit acme 90 --until first-backup-complete
  backup-host limit acme 90 --until 2days"
    )]
    Limit {
        name: ConnectionName,
        /// 1-100.
        #[arg(value_parser = parse_percent)]
        percent: Option<Percent>,
        /// Go back to the limit before, then: `first-backup-complete`, or a duration such as 12h or 2days.
        #[arg(long, requires = "percent", value_parser = parse_until)]
        until: Option<UntilArgument>,
        /// Who changes it.
        #[arg(long, value_name = "ACTOR")]
        by: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Show the audit trail, or verify it.
    Audit {
        name: ConnectionName,
        /// Check every entry's hash and the chain.
        #[arg(long)]
        verify: bool,
        /// Also check that this hash, kept elsewhere, is one of its entries: finds entries that were cut off the end.
        #[arg(long, requires = "verify", value_name = "HEAD")]
        expect: Option<Sha256>,
        #[arg(long)]
        json: bool,
    },
    /// Read again and verify all that is stored of a connection.
    Check {
        name: ConnectionName,
        #[arg(long)]
        json: bool,
    },
    /// Delete what nothing refers to.
    Gc {
        name: ConnectionName,
        #[arg(long)]
        json: bool,
    },
    /// Write a completion script for a shell.
    #[command(after_help = "  backup-host completions bash > /etc/bash_completion.d/backup-host")]
    Completions { shell: clap_complete::Shell },
}

impl Command {
    /// Whether it may create the data folder; only `connection add` may.
    pub fn may_make_a_store(&self) -> bool {
        matches!(self, Command::Connection(ConnectionCommand::Add { .. }))
    }
}

#[derive(Debug, Subcommand)]
pub enum ConnectionCommand {
    /// Add a connection. Sends nothing.
    #[command(after_help = "The file:
  {\"instance_url\": \"https://acme.my.salesforce.com\", \"api_version\": \"v62.0\", \"usage_limit\": 50, \"full_every\": 30,
   \"auth\": {\"kind\": \"client-credentials\", \"login_url\": \"https://acme.my.salesforce.com\",
            \"client_id\": \"…\", \"client_secret\": {\"env\": \"ACME_SECRET\"}}}

Kinds of auth: access-token, client-credentials, refresh-token, jwt-bearer. A secret is a text, {\"env\": \"VAR\"} or {\"file\": \"PATH\"}.")]
    Add {
        name: ConnectionName,
        /// The configuration, JSON.
        #[arg(long, value_name = "FILE.json")]
        config: PathBuf,
        /// The connector. Without it, salesforce.wasm beside this program.
        #[arg(long, value_name = "FILE.wasm")]
        connector: Option<PathBuf>,
        #[arg(long)]
        json: bool,
    },
    /// List connections.
    List {
        #[arg(long)]
        json: bool,
    },
    /// Show a connection's configuration, without secrets.
    Show {
        name: ConnectionName,
        #[arg(long)]
        json: bool,
    },
    /// Ask the org who the connection is and what it may read. Takes one request.
    Check {
        name: ConnectionName,
        /// At the limit, ask the org now how many requests are used, though nothing says that some came free. At most one such
        /// request is sent in 30 minutes, whoever asks.
        #[arg(long)]
        check_now: bool,
        #[arg(long)]
        json: bool,
    },
    /// Change a connection's configuration. Snapshots stay, and the next backup goes on from them. Sends nothing.
    #[command(after_help = "\
  backup-host connection set acme file_requests=200
  backup-host connection set acme accept_warnings=view-all-data-missing,files-deferred
  backup-host connection set acme rich_text_images=        back to the default
  backup-host connection set acme --config acme.json       all of it; without `auth` in it the credentials stay

The usage limit is set with `backup-host limit`.")]
    Set {
        name: ConnectionName,
        /// Members and their new values; an empty value takes a member away.
        #[arg(value_name = "KEY=VALUE", value_parser = parse_member, required_unless_present = "config")]
        members: Vec<(String, String)>,
        /// A whole configuration, JSON.
        #[arg(long, value_name = "FILE.json", conflicts_with = "members")]
        config: Option<PathBuf>,
        #[arg(long)]
        json: bool,
    },
    /// Stop using a connection and forget its secrets. Snapshots stay readable.
    Remove { name: ConnectionName },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ExportFormat {
    /// One JSON object a line, as stored.
    Ndjson,
    /// A header, then one record a line; nested values as JSON.
    Csv,
}

/// `--until` as typed: a duration is not a moment yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UntilArgument {
    FirstBackupComplete,
    After(Duration),
}

impl UntilArgument {
    pub fn at(self, now: Timestamp) -> Until {
        match self {
            UntilArgument::FirstBackupComplete => Until::FirstBackupComplete,
            UntilArgument::After(duration) => Until::At(now.after(duration)),
        }
    }
}

pub(crate) fn parse_percent(text: &str) -> Result<Percent, String> {
    let percent = text.trim_end_matches('%').parse().ok().and_then(Percent::new);
    percent.ok_or_else(|| "a usage limit is a whole number from 1 to 100".to_owned())
}

fn parse_until(text: &str) -> Result<UntilArgument, String> {
    if text == "first-backup-complete" {
        return Ok(UntilArgument::FirstBackupComplete);
    }
    match humantime::parse_duration(text) {
        Ok(duration) if !duration.is_zero() => Ok(UntilArgument::After(duration)),
        _ => Err("say `first-backup-complete`, or a duration such as 90m, 12h or 2days".to_owned()),
    }
}

fn parse_member(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write KEY=VALUE, e.g. file_requests=200")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn limits_and_their_ends_are_parsed() {
        assert_eq!(parse_percent("80%").unwrap(), parse_percent("80").unwrap());
        for wrong in ["0", "101", "-1", "x", "50.5", ""] {
            assert!(parse_percent(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse_until("12h"), Ok(UntilArgument::After(Duration::from_secs(12 * 3600))));
        assert_eq!(parse_until("first-backup-complete"), Ok(UntilArgument::FirstBackupComplete));
        assert!(parse_until("soon").is_err() && parse_until("0s").is_err());
    }
}
