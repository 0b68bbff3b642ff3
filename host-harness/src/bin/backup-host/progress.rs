//! A job's progress: a bar on a terminal, plain lines when piped, JSON lines for programs.

use crate::output::{counted, number};
use backup_store::SnapshotKind;
use host_harness::jobs::{Progress, ProgressEvent, Usage};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Where progress goes.
pub enum Show {
    /// Standard error is a terminal.
    Bar(ProgressBar),
    /// Standard error is a pipe, a file, or a terminal without a cursor.
    Lines(Mutex<Option<Instant>>),
    /// Standard output, one object a line.
    Json,
}

/// Between plain lines that only say how far it is.
const LINE_EVERY: Duration = Duration::from_secs(5);

impl Show {
    pub fn new(json: bool) -> Show {
        if json {
            return Show::Json;
        }
        if !std::io::stderr().is_terminal() {
            return Show::Lines(Mutex::new(None));
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        // A terminal that can't move its cursor (TERM=dumb) shows no bar, nor what is printed above one.
        if bar.is_hidden() {
            return Show::Lines(Mutex::new(None));
        }
        // The template is a constant; a wrong one shows in the first run.
        if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
            bar.set_style(style);
        }
        Show::Bar(bar)
    }

    /// Takes the bar away, before the result is shown.
    pub fn end(&self) {
        if let Show::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }

    /// Where there is no bar, how far it is: not after each batch.
    fn say_now_and_then(&self, event: &ProgressEvent) {
        let Show::Lines(last) = self else { return };
        let mut last = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= LINE_EVERY) {
            *last = Some(Instant::now());
            self.say(&batch_text(event).unwrap_or_default());
        }
    }

    fn say(&self, text: &str) {
        match self {
            Show::Bar(bar) => bar.println(text),
            Show::Lines(_) => {
                let _ = writeln!(std::io::stderr(), "{text}");
            }
            Show::Json => {}
        }
    }
}

impl Progress for Show {
    fn tell(&self, event: &ProgressEvent) {
        if let Show::Json = self {
            if let Ok(text) = serde_json::to_string(event) {
                let _ = writeln!(std::io::stdout(), "{text}");
            }
            return;
        }
        if let Show::Bar(bar) = self
            && let Some(line) = bar_line(event)
        {
            bar.set_message(line);
        }
        if let ProgressEvent::Batch { .. } = event {
            self.say_now_and_then(event);
            return;
        }
        if let Some(text) = text_of(event) {
            self.say(&text);
        }
    }
}

fn text_of(event: &ProgressEvent) -> Option<String> {
    Some(match event {
        ProgressEvent::Snapshot { snapshot, new: true } => format!("started snapshot {snapshot}"),
        ProgressEvent::Snapshot { snapshot, new: false } => format!("resuming snapshot {snapshot}"),
        ProgressEvent::Restore { restore, new: true } => format!("started restore {restore}"),
        ProgressEvent::Restore { restore, new: false } => format!("resuming restore {restore}"),
        ProgressEvent::Restoring {
            done,
            records,
            sent,
            needed,
            usage,
        } => format!(
            "{} of {} written, {} sent, about {} to go{}",
            number(done.created + done.updated),
            counted((*records).max(done.created + done.updated), "record"),
            counted(*sent, "request"),
            number(*needed),
            usage_text(usage.as_ref())
        ),
        ProgressEvent::Planning { sent, usage } => {
            format!("planning: {} sent{}", counted(*sent, "request"), usage_text(usage.as_ref()))
        }
        ProgressEvent::Planned {
            kind: SnapshotKind::Incremental,
            objects,
            skipped,
            requests,
            ..
        } => format!(
            "planned: checks {} objects for changes in about {}; {skipped} are skipped",
            number(*objects),
            counted(*requests, "request")
        ),
        ProgressEvent::Planned {
            kind: SnapshotKind::Full,
            objects,
            skipped,
            requests,
            records,
        } => format!(
            "planned: {} of {} in about {}; {skipped} are skipped, and others may be once they are read",
            counted(*records, "record"),
            counted(*objects, "object"),
            counted(*requests, "request")
        ),
        ProgressEvent::Retrying { reason, tries, wait } => {
            format!("try {tries} failed: {reason}; again in {} s", wait.as_secs())
        }
        ProgressEvent::Waiting { wait } => format!("waiting {} s", wait.as_secs()),
        ProgressEvent::Probed { usage } => format!("checked the API usage{}", usage_text(usage.as_ref())),
        ProgressEvent::Paused { pause, .. } => {
            format!(
                "paused ({}): {} of {} requests used, usage limit {} % ({}); next check at {}",
                pause.reason,
                number(pause.used),
                number(pause.max),
                pause.limit_percent,
                number(pause.ceiling),
                pause.recheck_at
            )
        }
        ProgressEvent::GivingWay { to } => format!("waiting until {to} ends: a restore goes first"),
        ProgressEvent::WaitingFor { whom } => format!("waiting until {whom} yields, which it does after its batch"),
        ProgressEvent::WaitingToAsk { next, .. } => format!(
            "it isn't known how many requests are used, and the org was asked a short while ago; it is asked again at {next}"
        ),
        ProgressEvent::Resuming => "resuming".to_owned(),
        ProgressEvent::Batch { .. } => return None,
    })
}

/// A batch, as a line of text.
fn batch_text(event: &ProgressEvent) -> Option<String> {
    let ProgressEvent::Batch {
        records,
        expected,
        requests,
        estimated,
        usage,
        ..
    } = event
    else {
        return None;
    };
    Some(format!(
        "{} of about {}, {} of about {}{}",
        number(*requests),
        counted((*estimated).max(*requests), "request"),
        number(*records),
        counted((*expected).max(*records), "record"),
        usage_text(usage.as_ref())
    ))
}

/// Columns of a terminal that everybody has.
const COLUMNS: usize = 80;

/// Places of the bar.
const PLACES: usize = 10;

/// The line that stays at the bottom: how far it is by requests, and what they do to the org's usage. `None`: as it was.
fn bar_line(event: &ProgressEvent) -> Option<String> {
    let line = match event {
        ProgressEvent::Planning { usage, .. } => {
            format!("[{}]    ?  {}planning", " ".repeat(PLACES), usage_short(usage.as_ref()))
        }
        ProgressEvent::Batch {
            records,
            expected,
            requests,
            estimated,
            usage,
            ..
        } => {
            let percent = percent(*requests, *estimated);
            let full = percent * PLACES / 100;
            format!(
                "[{}{}] {percent:>3}%  {}{}/{} records",
                "#".repeat(full),
                "-".repeat(PLACES - full),
                usage_short(usage.as_ref()),
                short(*records),
                short((*expected).max(*records))
            )
        }
        ProgressEvent::Paused { pause, wait } => next_check(&pause.recheck_at, *wait),
        ProgressEvent::WaitingToAsk { next, wait } => next_check(next, *wait),
        ProgressEvent::GivingWay { .. } => "waiting for a restore".to_owned(),
        _ => return None,
    };
    Some(line.chars().take(COLUMNS).collect())
}

/// `at`: 2026-11-26T16:49:00Z
fn next_check(at: &str, wait: Duration) -> String {
    let minutes = number(wait.as_secs().div_ceil(60));
    let at = at.get(11..16).unwrap_or(at);
    format!("waiting for API requests; next check {at} UTC (in {minutes} min)")
}

/// Never all: what is found while it runs comes on top.
fn percent(done: u64, planned: u64) -> usize {
    let percent = u128::from(done) * 100 / u128::from(planned.max(done).max(1));
    usize::try_from(percent).unwrap_or(99).min(99)
}

/// `API 2,359/2,500 (limit 50 %)  `
fn usage_short(usage: Option<&Usage>) -> String {
    let shown = |usage: &Usage| {
        let (used, ceiling) = (number(usage.used), number(usage.ceiling));
        format!("API {used}/{ceiling} (limit {} %)  ", usage.limit_percent)
    };
    usage.map(shown).unwrap_or_default()
}

/// `9,999`, `42k`, `1.2M`
fn short(n: u64) -> String {
    match n {
        0..10_000 => number(n),
        10_000..1_000_000 => format!("{}k", n / 1_000),
        _ => format!("{}.{}M", number(n / 1_000_000), n % 1_000_000 / 100_000),
    }
}

/// `; org: 312 of 1,000 requests used, 120 by other apps; usage limit 50 % (500)`
pub fn usage_text(usage: Option<&Usage>) -> String {
    let Some(Usage {
        used,
        max,
        ceiling,
        limit_percent,
        others,
    }) = usage
    else {
        return String::new();
    };
    let [used, max, ceiling, others] = [used, max, ceiling, others].map(|n| number(*n));
    format!("; API requests (24 h): {used} of {max} used, {others} by other apps; usage limit {limit_percent} % ({ceiling})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(requests: u64, estimated: u64, used: u64) -> ProgressEvent {
        ProgressEvent::Batch {
            records: 42_300,
            expected: 66_000,
            objects_complete: 3,
            objects: 9,
            sent: requests,
            requests,
            estimated,
            usage: Some(Usage {
                used,
                max: used.saturating_mul(2),
                ceiling: used.saturating_add(141),
                limit_percent: 50,
                others: 0,
            }),
        }
    }

    #[test]
    fn the_line_has_usage_first_and_goes_by_requests() {
        assert_eq!(
            bar_line(&batch(58, 100, 2_359)).as_deref(),
            Some("[#####-----]  58%  API 2,359/2,500 (limit 50 %)  42k/66k records")
        );
    }

    #[test]
    fn nothing_is_complete_before_it_is_and_no_line_is_wider_than_a_terminal() {
        for (requests, estimated) in [(0, 0), (219, 219), (500, 219), (u64::MAX, 1), (1, u64::MAX)] {
            for used in [0, 900_000, u64::MAX] {
                let line = bar_line(&batch(requests, estimated, used)).unwrap_or_default();
                assert!(line.len() <= COLUMNS && !line.contains("100%"), "{line}");
            }
        }
    }

    #[test]
    fn a_pause_has_no_bar_and_says_when_it_looks_again() {
        let pause = host_harness::jobs::PauseResult {
            reason: "usage-limit".to_owned(),
            used: 500,
            max: 1_000,
            limit_percent: 50,
            ceiling: 500,
            recheck_at: "2026-11-26T16:49:00Z".to_owned(),
            asked_at: None,
        };
        let wait = Duration::from_secs(28 * 60 + 1);
        assert_eq!(
            bar_line(&ProgressEvent::Paused { pause, wait }).as_deref(),
            Some("waiting for API requests; next check 16:49 UTC (in 29 min)")
        );
    }
}
