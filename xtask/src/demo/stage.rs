//! How the story is shown: in short, with one line a step and a gauge that moves, or in full, with every command's output.
//!
//! The rule: the steps run the same commands and make the same checks however they are shown.

use super::gauge::Gauge;
use crate::running::HostProgram;
use anyhow::{Result, ensure};
use console::style;
use serde_json::Value;
use std::cell::RefCell;
use std::fmt::Write;
use std::io::{self, BufRead, BufReader, Read};
use std::process::Stdio;

/// Longest line of output that is shown whole.
const WIDTH: usize = 240;

/// How much of a command's output the full story shows.
#[derive(Clone, Copy)]
pub enum DemoShow {
    /// All of it.
    All,
    /// Its first and last lines.
    Ends {
        /// How many of the first.
        first: usize,
        /// How many of the last.
        last: usize,
    },
}

/// How a command has to end.
#[derive(Clone, Copy)]
pub enum Exit {
    /// With 0.
    Done,
    /// With 3, stopped at the limit.
    DemoPause,
}

impl Exit {
    fn code(self) -> i32 {
        match self {
            Exit::Done => 0,
            Exit::DemoPause => 3,
        }
    }
}

/// The host that is shown, and how.
pub struct Stage<'a> {
    /// The program.
    pub host: &'a HostProgram,
    telling: Telling,
}

enum Telling {
    /// One line a step.
    Short,
    /// Everything, printed and kept.
    Full(RefCell<String>),
}

impl<'a> Stage<'a> {
    /// For somebody who watches.
    pub fn short(host: &'a HostProgram) -> Self {
        Stage {
            host,
            telling: Telling::Short,
        }
    }

    /// For somebody who reads.
    pub fn full(host: &'a HostProgram) -> Self {
        Stage {
            host,
            telling: Telling::Full(RefCell::default()),
        }
    }

    /// What the full story has told.
    pub fn transcript(self) -> String {
        match self.telling {
            Telling::Short => String::new(),
            Telling::Full(told) => told.into_inner(),
        }
    }

    /// Begins a step of the full story.
    pub fn heading(&self, text: &str) {
        if let Telling::Full(_) = self.telling {
            println!("\n{}\n", style(text).bold());
            self.keep(&format!("\n## {text}\n\n"));
        }
    }

    /// Explains something in the full story.
    pub fn say(&self, text: &str) {
        if let Telling::Full(_) = self.telling {
            println!("{text}\n");
            self.keep(&format!("{text}\n\n"));
        }
    }

    /// Says what came of a step in the short story.
    pub fn note(&self, text: &str) {
        if let Telling::Short = self.telling {
            println!("  {text}");
        }
    }

    /// Runs a command, and shows it in either way. Gives what it printed to standard output.
    pub fn run(&self, arguments: &[&str], show: DemoShow, exit: Exit) -> Result<String> {
        match self.telling {
            Telling::Short => self.run_quietly(arguments, exit),
            Telling::Full(_) => self.run_aloud(arguments, show, exit),
        }
    }

    /// Runs a command of which only the full story tells.
    pub fn aside(&self, arguments: &[&str], show: DemoShow, exit: Exit) -> Result<()> {
        match self.telling {
            Telling::Short => Ok(()),
            Telling::Full(_) => self.run_aloud(arguments, show, exit).map(drop),
        }
    }

    fn run_aloud(&self, arguments: &[&str], show: DemoShow, exit: Exit) -> Result<String> {
        println!("$ backup-host {}", arguments.join(" "));
        // Both outputs in the order in which a user sees them.
        let (mut read, write) = io::pipe()?;
        let mut child = {
            let mut command = self.host.command(arguments);
            command.stdout(write.try_clone()?).stderr(write).spawn()?
        };
        let mut said = String::new();
        read.read_to_string(&mut said)?;
        let code = child.wait()?.code();
        let shown = shown(&said, show);
        println!("{}\n", shown.lines().map(cut).collect::<Vec<_>>().join("\n"));
        self.keep(&format!("```console\n$ backup-host {}\n{shown}```\n\n", arguments.join(" ")));
        ensure_ended(arguments, code, exit, &said)?;
        Ok(said)
    }

    fn run_quietly(&self, arguments: &[&str], exit: Exit) -> Result<String> {
        println!("{} {}", style("$ backup-host").dim(), arguments.join(" "));
        let is_job = matches!(arguments.first(), Some(&("backup" | "restore")));
        let json = if is_job { ["--json"].as_slice() } else { &[] };
        let mut command = self.host.command(&[arguments, json].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut gauge = Gauge::default();
        let mut said = String::new();
        if let Some(output) = child.stdout.take() {
            for line in BufReader::new(output).lines() {
                let line = line?;
                if is_job && let Ok(event) = serde_json::from_str::<Value>(&line) {
                    gauge.observe(&event);
                }
                writeln!(said, "{line}")?;
            }
        }
        gauge.finish();
        let ended = child.wait_with_output()?;
        ensure_ended(arguments, ended.status.code(), exit, &String::from_utf8_lossy(&ended.stderr))?;
        Ok(said)
    }

    fn keep(&self, text: &str) {
        if let Telling::Full(told) = &self.telling {
            told.borrow_mut().push_str(text);
        }
    }
}

fn ensure_ended(arguments: &[&str], code: Option<i32>, exit: Exit, said: &str) -> Result<()> {
    ensure!(
        code == Some(exit.code()),
        "`backup-host {}` ended with {code:?}, not {}: {}",
        arguments.join(" "),
        exit.code(),
        said.trim()
    );
    Ok(())
}

fn shown(said: &str, show: DemoShow) -> String {
    let lines: Vec<&str> = said.lines().filter(|line| !is_progress(line)).collect();
    let (first, last) = match show {
        DemoShow::All => (lines.len(), 0),
        DemoShow::Ends { first, last } => (first, last),
    };
    let mut text = String::new();
    let left_out = lines.len().saturating_sub(first + last);
    for (place, line) in lines.iter().enumerate() {
        if place == first && left_out > 0 {
            let lines = if left_out == 1 { "line" } else { "lines" };
            text.push_str(&format!("    … {left_out} {lines} left out\n"));
        }
        if place < first || place >= first + left_out {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// Whether a line says how far a job is: how many there are depends on the machine's speed.
fn is_progress(line: &str) -> bool {
    let counts = line.contains("; API requests (24 h): ");
    line.starts_with("planning: ")
        || (counts && (line.contains(" request") && line.contains(" of about ") || line.contains(" written, ")))
}

/// A line as far as it is shown.
pub fn cut(line: &str) -> String {
    match line.char_indices().nth(WIDTH) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_output_is_cut_in_the_middle_and_says_so() {
        let said = "a\nb\nc\nd\ne\n";
        assert_eq!(shown(said, DemoShow::All), "a\nb\nc\nd\ne\n");
        assert_eq!(
            shown(said, DemoShow::Ends { first: 1, last: 2 }),
            "a\n    … 2 lines left out\nd\ne\n"
        );
        assert_eq!(
            shown(said, DemoShow::Ends { first: 0, last: 1 }),
            "    … 4 lines left out\ne\n"
        );
        assert_eq!(shown(said, DemoShow::Ends { first: 3, last: 2 }), shown(said, DemoShow::All));
        assert_eq!(
            shown(said, DemoShow::Ends { first: 1, last: 0 }),
            "a\n    … 4 lines left out\n"
        );
        assert_eq!(shown("", DemoShow::All), "");
    }

    #[test]
    fn lines_that_say_how_far_a_job_is_are_left_out() {
        let said = "snapshot 1 begun\nplanning: 3 requests sent; API requests (24 h): 1 of 2 used\n9 of about 9 requests, 1 of about 2 records; API requests (24 h): 1 of 2 used\ndone";
        assert_eq!(shown(said, DemoShow::All), "snapshot 1 begun\ndone\n");
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let line = "é".repeat(WIDTH + 1);
        assert_eq!(cut(&line), format!("{}…", "é".repeat(WIDTH)));
        assert_eq!(cut("short"), "short");
    }
}
