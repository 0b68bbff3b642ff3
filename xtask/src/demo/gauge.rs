//! The gauge of the short story: what of the org's daily API requests is used, by whom, and what stays free.
//!
//! It moves on a terminal; elsewhere its last state is printed once.

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

/// Columns that all requests of a day take.
const COLUMNS: u64 = 50;

/// A job's usage as it changes.
#[derive(Default)]
pub struct Gauge {
    bar: Option<ProgressBar>,
    last: Option<GaugeUsage>,
}

/// What the host knows of the org's requests of the last 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct GaugeUsage {
    used: u64,
    others: u64,
    ceiling: u64,
    max: u64,
}

impl GaugeUsage {
    fn of(event: &Value) -> Option<Self> {
        let usage = event.get("usage")?;
        let number = |name: &str| usage.get(name)?.as_u64();
        Some(Self {
            used: number("used")?,
            others: number("others")?,
            ceiling: number("ceiling")?,
            max: number("max").filter(|max| *max > 0)?,
        })
    }

    fn line(self) -> String {
        let columns = |requests: u64| requests.min(self.max) * COLUMNS / self.max;
        let others = columns(self.others.min(self.used));
        let used = columns(self.used).max(others);
        let limit = columns(self.ceiling).max(used);
        let part = |mark: &str, from: u64, to: u64| mark.repeat(usize::try_from(to - from).unwrap_or_default());
        format!(
            "  {}{}{}│{} {} of {} used",
            part("▒", 0, others),
            part("█", others, used),
            part(" ", used, limit),
            part("·", limit, COLUMNS),
            self.used,
            self.max
        )
    }
}

impl Gauge {
    /// Takes one event of `--json`; those that tell no usage change nothing.
    pub fn observe(&mut self, event: &Value) {
        let Some(usage) = GaugeUsage::of(event) else { return };
        self.last = Some(usage);
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::new_spinner();
            // The template is a constant that indicatif knows.
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                bar.set_style(style);
            }
            bar
        });
        bar.set_message(usage.line());
        bar.tick();
    }

    /// Leaves the last state on the screen.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        if let Some(usage) = self.last {
            println!("{}", usage.line());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_gauge_shows_others_own_free_and_reserved_requests() {
        let event = json!({"event": "batch", "usage": {"used": 460, "others": 430, "ceiling": 500, "max": 1_000}});
        let line = GaugeUsage::of(&event).map(GaugeUsage::line);
        let expected = format!("  {}██  │{} 460 of 1000 used", "▒".repeat(21), "·".repeat(25));
        assert_eq!(line, Some(expected));
    }

    #[test]
    fn numbers_that_contradict_each_other_make_a_line_all_the_same() {
        for (used, others, ceiling) in [(u64::MAX / 100, 0, 500), (0, 900, 0), (1_200, 1_300, 500)] {
            let line = GaugeUsage {
                used,
                others,
                ceiling,
                max: 1_000,
            }
            .line();
            assert!(line.chars().filter(|mark| "▒█ │·".contains(*mark)).count() >= 50, "{line}");
        }
        assert_eq!(
            GaugeUsage::of(&json!({"usage": {"used": 1, "others": 0, "ceiling": 0, "max": 0}})),
            None
        );
        assert_eq!(GaugeUsage::of(&json!({"event": "planned"})), None);
    }
}
