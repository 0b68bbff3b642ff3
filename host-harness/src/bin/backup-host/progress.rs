//! A job's progress: a bar on a terminal, plain lines when piped, JSON lines for programs.

use crate::output::number;
use host_harness::jobs::{Progress, ProgressEvent, Usage};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::Instant;

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
const LINE_EVERY: std::time::Duration = std::time::Duration::from_secs(5);

impl Show {
    pub fn new(json: bool) -> Show {
        if json {
            return Show::Json;
        }
        if !std::io::stderr().is_terminal() {
            return Show::Lines(Mutex::new(None));
        }
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        // A terminal that can't move its cursor (TERM=dumb) shows no bar, nor what is printed above one.
        if bar.is_hidden() {
            return Show::Lines(Mutex::new(None));
        }
        // The template is a constant; a wrong one shows in the first run.
        if let Ok(style) = ProgressStyle::with_template("{bar:20} {percent:>3}%  {eta} left  {wide_msg}") {
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
        if let ProgressEvent::Batch {
            records,
            expected,
            sent,
            estimated,
            usage,
            ..
        } = event
        {
            let requests = format!(
                "{} of about {} requests{}",
                number(*sent),
                number(*estimated),
                usage_text(usage.as_ref())
            );
            match self {
                Show::Bar(bar) => {
                    bar.set_length((*expected).max(*records));
                    bar.set_position(*records);
                    bar.set_message(format!("{} records, {requests}", number(*records)));
                }
                Show::Lines(last) => {
                    let mut last = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    if last.is_none_or(|last| last.elapsed() >= LINE_EVERY) {
                        *last = Some(Instant::now());
                        self.say(&format!(
                            "{} of about {} records, {requests}",
                            number(*records),
                            number((*expected).max(*records))
                        ));
                    }
                }
                Show::Json => {}
            }
            return;
        }
        if let Some(text) = text_of(event) {
            self.say(&text);
        }
    }
}

fn text_of(event: &ProgressEvent) -> Option<String> {
    Some(match event {
        ProgressEvent::Snapshot { snapshot, new: true } => format!("snapshot {snapshot} begun"),
        ProgressEvent::Snapshot { snapshot, new: false } => format!("going on with snapshot {snapshot}"),
        ProgressEvent::Restore { restore, new: true } => format!("restore {restore} begun"),
        ProgressEvent::Restore { restore, new: false } => format!("going on with restore {restore}"),
        ProgressEvent::Restoring {
            done,
            records,
            sent,
            needed,
            usage,
        } => format!(
            "{} of {} records written, {} requests sent, about {} to go{}",
            number(done.created + done.updated),
            number((*records).max(done.created + done.updated)),
            number(*sent),
            number(*needed),
            usage_text(usage.as_ref())
        ),
        ProgressEvent::Planning { sent, usage } => {
            format!("planning: {} requests sent{}", number(*sent), usage_text(usage.as_ref()))
        }
        ProgressEvent::Planned {
            objects,
            skipped,
            requests,
            records,
        } => format!(
            "planned: {} records of {objects} objects in about {} requests; {skipped} objects can't be read",
            number(*records),
            number(*requests)
        ),
        ProgressEvent::Retrying { reason, tries, wait } => {
            format!("try {tries} failed: {reason}; again in {} s", wait.as_secs())
        }
        ProgressEvent::Waiting { wait } => format!("waiting {} s", wait.as_secs()),
        ProgressEvent::Probed { usage } => format!("asked how many requests are used{}", usage_text(usage.as_ref())),
        ProgressEvent::Paused { pause } => {
            format!(
                "paused ({}): {} of {} used, ceiling {}; next look at {}",
                pause.reason, pause.used, pause.max, pause.ceiling, pause.recheck_at
            )
        }
        ProgressEvent::GivingWay { to } => format!("waiting until {to} ends: a restore goes first"),
        ProgressEvent::WaitingFor { whom } => format!("waiting until {whom} gives way, which it does after its batch"),
        ProgressEvent::Resuming => "going on".to_owned(),
        ProgressEvent::Batch { .. } => return None,
    })
}

/// `; org: 312 used / ceiling 500 / max 1,000, 120 by others`
pub fn usage_text(usage: Option<&Usage>) -> String {
    let Some(Usage {
        used,
        max,
        ceiling,
        others,
    }) = usage
    else {
        return String::new();
    };
    let [used, max, ceiling, others] = [used, max, ceiling, others].map(|n| number(*n));
    format!("; org: {used} used / ceiling {ceiling} / max {max}, {others} by others")
}
