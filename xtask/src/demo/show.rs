//! How the demo shows what a user would see: each command is printed before it runs, and what it says after.
//!
//! Progress goes where a user would see it, to standard error; long output is cut, and says so.

use crate::running::Host;
use anyhow::{Result, ensure};
use std::process::Stdio;

/// Longest line that is shown whole.
const WIDTH: usize = 240;

/// How much of a command's output is shown.
#[derive(Clone, Copy)]
pub enum Show {
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
    /// With 3, paused at the limit.
    Paused,
}

/// Shows a command, runs it, shows what it prints. Gives all of that.
pub fn run(host: &Host, arguments: &[&str], show: Show, exit: Exit) -> Result<String> {
    println!("$ backup-host {}", arguments.join(" "));
    let output = host.command(arguments).stderr(Stdio::inherit()).output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    print!("{}", shown(&said, show));
    println!();
    let expected = match exit {
        Exit::Done => 0,
        Exit::Paused => 3,
    };
    let code = output.status.code();
    ensure!(
        code == Some(expected),
        "`backup-host {}` ended with {code:?}, not {expected}",
        arguments.join(" ")
    );
    Ok(said)
}

fn shown(said: &str, show: Show) -> String {
    let lines: Vec<&str> = said.lines().collect();
    let (first, last) = match show {
        Show::All => (lines.len(), 0),
        Show::Ends { first, last } => (first, last),
    };
    let mut text = String::new();
    let left_out = lines.len().saturating_sub(first + last);
    for (place, line) in lines.iter().enumerate() {
        if place == first && left_out > 0 {
            let lines = if left_out == 1 { "line" } else { "lines" };
            text.push_str(&format!("    … {left_out} {lines} left out\n"));
        }
        if place < first || place >= first + left_out {
            text.push_str(&format!("    {}\n", cut(line)));
        }
    }
    text
}

fn cut(line: &str) -> String {
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
        assert_eq!(shown(said, Show::All), "    a\n    b\n    c\n    d\n    e\n");
        assert_eq!(
            shown(said, Show::Ends { first: 1, last: 2 }),
            "    a\n    … 2 lines left out\n    d\n    e\n"
        );
        assert_eq!(
            shown(said, Show::Ends { first: 0, last: 1 }),
            "    … 4 lines left out\n    e\n"
        );
        assert_eq!(shown(said, Show::Ends { first: 3, last: 2 }), shown(said, Show::All));
        assert_eq!(
            shown(said, Show::Ends { first: 1, last: 0 }),
            "    a\n    … 4 lines left out\n"
        );
        assert_eq!(shown("", Show::All), "");
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let line = "é".repeat(WIDTH + 1);
        assert_eq!(cut(&line), format!("{}…", "é".repeat(WIDTH)));
        assert_eq!(cut("short"), "short");
    }
}
