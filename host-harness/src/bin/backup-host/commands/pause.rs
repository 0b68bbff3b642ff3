//! What people are told when a plan or a backup pauses.

use crate::failure::CommandError;
use crate::output::{line, number};
use host_harness::jobs::PauseResult;

/// What pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PausedPart {
    /// A plan: it keeps what it has learnt, and there is no snapshot.
    Planning,
    /// A backup whose snapshot holds nothing yet.
    Begun,
    /// A backup whose snapshot can be read.
    Reading,
}

/// `left`: requests that are still needed, where that is known.
pub fn print_pause(pause: &PauseResult, connection: &str, what: PausedPart, left: Option<u64>) -> Result<(), CommandError> {
    text(pause, connection, what, left).iter().try_for_each(|text| line(text))
}

fn text(pause: &PauseResult, connection: &str, what: PausedPart, left: Option<u64>) -> Vec<String> {
    let [used, max, ceiling] = [pause.used, pause.max, pause.ceiling].map(number);
    let who = if what == PausedPart::Planning {
        "planning"
    } else {
        "the backup"
    };
    let mut text = vec![match pause.reason.as_str() {
        "bulk-limit" => format!(
            "{who} is paused: another daily limit of the org is spent, without which it can't continue ({used} of {max} requests are used)"
        ),
        "org-limit" => format!("{who} is paused: the org itself refuses more requests today ({used} of {max} used)"),
        // The org says that there is room, and the host's own count that there isn't.
        _ if pause.used < pause.ceiling => format!(
            "{who} is paused at the usage limit: the org says that {used} of {max} API requests are used, but by its own count this host \
             itself has sent as many in the last 24 hours as {} % allow, {ceiling}",
            pause.limit_percent
        ),
        _ => format!(
            "{who} is paused at the usage limit: {used} of {max} API requests (24 h) are used by all applications, and {} % is {ceiling}",
            pause.limit_percent
        ),
    }];
    if let Some(asked_at) = &pause.asked_at {
        text.push(format!(
            "the org last answered at {asked_at}; it is asked next at {}, or as soon as that is allowed with --check-now",
            pause.recheck_at
        ));
    }
    let again = match what {
        PausedPart::Planning => "there is no plan yet; what was learnt is kept. Run it again",
        PausedPart::Begun => "nothing is read yet. It resumes when run again",
        PausedPart::Reading => "it resumes in the same snapshot when run again",
    };
    let raised = match pause.reason.as_str() {
        "usage-limit" if pause.limit_percent < 100 => {
            format!(", or at once after `backup-host limit {connection} PERCENT` with a higher limit")
        }
        _ => String::new(),
    };
    text.push(format!(
        "{again} after requests have come free (next check at {}){raised}",
        pause.recheck_at
    ));
    // What a day gives at most, whatever the usage limit is.
    if let Some(left) = left.filter(|left| *left > pause.max.saturating_sub(pause.used)) {
        text.push(format!(
            "it still needs about {} requests: more than the org's daily API request limit ({max}) leaves today at 100 %, so it takes more \
             than a day; docs/SALESFORCE.md says how to have Salesforce raise the limit",
            number(left)
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(limit_percent: u8) -> PauseResult {
        PauseResult {
            reason: "usage-limit".to_owned(),
            used: 500,
            max: 1_000,
            limit_percent,
            ceiling: 500,
            recheck_at: "2026-11-26T16:49:00Z".to_owned(),
            asked_at: Some("2026-11-26T16:19:00Z".to_owned()),
        }
    }

    fn all(limit: u8, what: PausedPart, left: Option<u64>) -> String {
        text(&pause(limit), "acme", what, left).join("\n")
    }

    #[test]
    fn a_higher_limit_is_hinted_at_only_where_there_is_one() {
        assert!(all(99, PausedPart::Reading, None).contains("backup-host limit acme"));
        assert!(!all(100, PausedPart::Reading, None).contains("backup-host limit"));
    }

    #[test]
    fn a_snapshot_is_spoken_of_only_where_there_is_one() {
        assert!(all(50, PausedPart::Reading, None).contains("in the same snapshot"));
        for what in [PausedPart::Planning, PausedPart::Begun] {
            assert!(!all(50, what, None).contains("snapshot"), "{what:?}");
        }
    }

    #[test]
    fn a_pause_that_no_limit_would_end_says_how_to_get_more_requests() {
        assert!(all(50, PausedPart::Reading, Some(501)).contains("docs/SALESFORCE.md"));
        assert!(!all(50, PausedPart::Reading, Some(500)).contains("docs/SALESFORCE.md"));
    }
}
