//! Arguments of `restore`.

use backup_seams::Timestamp;
use backup_store::{ConnectionName, ObjectName, Percent};
use clap::Args;
use host_harness::jobs::RestoreRequest;

#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// Into this connection.
    pub name: ConnectionName,
    /// An id, a unique prefix of one, or `latest`.
    pub snapshot: String,
    /// All records of these objects, but for those that --id or --where narrow.
    #[arg(long = "object", value_name = "O")]
    pub objects: Vec<ObjectName>,
    /// Single records: an Id, or OBJECT:ID. Other objects that are named are whole.
    #[arg(long = "id", value_name = "[O:]ID", value_parser = parse_id)]
    pub ids: Vec<(Option<ObjectName>, String)>,
    /// All records of all objects.
    #[arg(long, conflicts_with_all = ["objects", "ids"])]
    pub all: bool,
    /// Of one object only records for which this holds, e.g. "Opportunity: StageName = 'Closed Won' AND Amount >= 1000"; the object
    /// may be left out where exactly one is named.
    #[arg(long = "where", value_name = "[O:] CONDITION", value_parser = parse_condition)]
    pub conditions: Vec<(Option<ObjectName>, String)>,
    /// Create what is gone, and set references that are empty and led to it; nothing else. This is what is done anyway.
    #[arg(long, conflicts_with = "overwrite")]
    pub missing: bool,
    /// Also give records that were changed since the snapshot its values back.
    #[arg(long)]
    pub overwrite: bool,
    /// With --overwrite: records that were changed after this moment stay (2026-11-01T00:00:00Z).
    #[arg(long, value_name = "TIME", requires = "overwrite", value_parser = parse_time)]
    pub keep_changed_since: Option<Timestamp>,
    /// References of records that are there stay as they are.
    #[arg(long)]
    pub no_relink: bool,
    /// With the records that these need, and those that belong to them.
    #[arg(long)]
    pub with_related: bool,
    /// A field whose value identifies a record, OBJECT.FIELD.
    #[arg(long = "external-id", value_name = "OBJECT.FIELD", value_parser = parse_field)]
    pub external_ids: Vec<(ObjectName, String)>,
    /// The snapshot is this connection's.
    #[arg(long, value_name = "NAME")]
    pub from: Option<ConnectionName>,
    /// The usage limit until this restore has ended. Both changes are in the audit trail.
    #[arg(long, value_name = "PERCENT", value_parser = super::args::parse_percent)]
    pub raise_limit: Option<Percent>,
    /// Only show what would be done, and what it would cost.
    #[arg(long)]
    pub dry_run: bool,
    /// Don't ask. Needed where there is no terminal to ask on.
    #[arg(long)]
    pub yes: bool,
    /// Afterwards read back what was written, and tell what differs.
    #[arg(long)]
    pub verify: bool,
    /// Wait for requests instead of stopping at the limit.
    #[arg(long)]
    pub wait: bool,
    /// At the limit, ask the org now how many requests are used, though nothing says that some came free. At most one such
    /// request is sent in 30 minutes, whoever asks.
    #[arg(long)]
    pub check_now: bool,
    #[arg(long)]
    pub json: bool,
}

impl RestoreArgs {
    /// What is asked for; what is wrong with it, where it can't be.
    pub fn request(&self) -> Result<RestoreRequest, String> {
        let mut conditions = Vec::new();
        for (object, condition) in &self.conditions {
            let object = match (object, self.objects.as_slice()) {
                (Some(object), _) | (None, [object]) => object.clone(),
                _ => return Err("say of which object --where chooses: --where \"Account: Name = 'Acme'\"".to_owned()),
            };
            if conditions.iter().any(|(other, _)| *other == object) {
                return Err(format!("{object} has two conditions; join them by AND"));
            }
            conditions.push((object, condition.clone()));
        }
        Ok(RestoreRequest {
            snapshot: self.snapshot.clone(),
            from: self.from.clone(),
            objects: self.objects.clone(),
            all: self.all,
            ids: self.ids.clone(),
            with_related: self.with_related,
            overwrite: self.overwrite,
            keep_changed_since: self.keep_changed_since,
            no_relink: self.no_relink,
            raise_limit: self.raise_limit,
            conditions,
            external_ids: self.external_ids.clone(),
            verify: self.verify,
            dry_run: self.dry_run,
            wait: self.wait,
            check_now: self.check_now,
            ..RestoreRequest::default()
        })
    }
}

fn parse_object(text: &str) -> Result<ObjectName, String> {
    text.parse().map_err(|error: backup_store::NameError| error.to_string())
}

fn parse_id(text: &str) -> Result<(Option<ObjectName>, String), String> {
    match text.trim().split_once(':') {
        Some((object, key)) => Ok((Some(parse_object(object.trim())?), key.trim().to_owned())),
        None => Ok((None, text.trim().to_owned())),
    }
}

/// `OBJECT: CONDITION`, or a condition alone; times in a condition have colons too.
fn parse_condition(text: &str) -> Result<(Option<ObjectName>, String), String> {
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    match text.split_once(':') {
        Some((object, condition)) if is_name(object.trim()) => {
            Ok((Some(parse_object(object.trim())?), condition.trim().to_owned()))
        }
        _ => Ok((None, text.trim().to_owned())),
    }
}

fn parse_field(text: &str) -> Result<(ObjectName, String), String> {
    let (object, field) = text.split_once('.').ok_or("write OBJECT.FIELD, e.g. Account.Number__c")?;
    Ok((parse_object(object)?, field.to_owned()))
}

fn parse_time(text: &str) -> Result<Timestamp, String> {
    let time = chrono::DateTime::parse_from_rfc3339(text.trim()).ok();
    let since = time.and_then(|time| u64::try_from(time.timestamp_millis()).ok());
    since
        .map(Timestamp)
        .ok_or_else(|| format!("{text} is no moment; write 2026-11-01T00:00:00Z"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn conditions_name_their_object_or_have_one() {
        let parsed = |text| parse_condition(text).unwrap();
        let lead: ObjectName = "Lead".parse().unwrap();
        assert_eq!(parsed("Lead: A = 1"), (Some(lead), "A = 1".to_owned()));
        for alone in ["CreatedDate >= 2026-01-01T00:00:00Z", "Name = 'a: b'"] {
            assert_eq!(parsed(alone), (None, alone.to_owned()));
        }
    }

    #[test]
    fn ids_and_moments_are_read() {
        assert_eq!(parse_id(" 001Fk000004tEi3 ").unwrap(), (None, "001Fk000004tEi3".to_owned()));
        assert_eq!(parse_id("Lead: 00Q1").unwrap().1, "00Q1");
        assert_eq!(parse_time("1970-01-01T00:00:01Z"), Ok(Timestamp(1_000)));
        assert!(parse_time("yesterday").is_err());
    }
}
