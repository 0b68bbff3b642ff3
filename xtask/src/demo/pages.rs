//! `docs/DEMO.md`: the full story as the program told it, in a form that is the same whenever it is told.
//!
//! Ids, moments, hashes and ports differ from run to run; they are replaced by ones that don't. So is the size of what is stored:
//! it is compressed, Ids and all.

use super::stage::cut;
use anyhow::{Result, bail};
use std::collections::BTreeMap;

/// What stands before the story.
const INTRODUCTION: &str = "# The demo, in full\n\n\
    Written by the program itself: `cargo xtask demo --write`; `cargo xtask demo --check` fails where this page is not what it\n\
    would write. Ids, moments and hashes are replaced by ones that stay the same, and lines that say how far a job is are left\n\
    out. Every number is checked against the fake org's own books while the story runs.\n";

/// The page of a story.
pub fn page(story: &str) -> String {
    let mut page = INTRODUCTION.to_owned();
    let mut names = Names::default();
    for line in story.lines() {
        page.push_str(&cut(names.steady(line).trim_end()));
        page.push('\n');
    }
    page
}

/// Names the first line in which a page differs from what it should be.
pub fn ensure_same(kept: &str, page: &str) -> Result<()> {
    if kept == page {
        return Ok(());
    }
    let (mut kept, mut page) = (kept.lines(), page.lines());
    for number in 1.. {
        let (is, should) = (kept.next(), page.next());
        if is != should {
            let text = |line: Option<&str>| line.map_or_else(|| "the end".to_owned(), |line| format!("`{line}`"));
            bail!("line {number} is {}, and should be {}", text(is), text(should));
        }
    }
    Ok(())
}

/// Names that stand for what differs from run to run, in the order in which they come up.
#[derive(Default)]
struct Names {
    ids: BTreeMap<String, String>,
}

impl Names {
    fn steady(&mut self, line: &str) -> String {
        if let Some((before, size)) = line.split_once("; verified ")
            && let Some((_, after)) = size.split_once(" MiB: ")
        {
            return format!("{before}; verified 8 MiB: {after}");
        }
        let mut text = String::new();
        let mut word = String::new();
        for character in line.chars().chain([' ']) {
            if character.is_ascii_alphanumeric() || "-:.".contains(character) {
                word.push(character);
            } else {
                text.push_str(&self.word(&word));
                text.push(character);
                word.clear();
            }
        }
        text
    }

    fn word(&mut self, word: &str) -> String {
        let bare = word.trim_end_matches(['.', ':']);
        let rest = &word[bare.len()..];
        let steady = if is_moment(bare) {
            "2026-01-01T00:00:00.000Z".to_owned()
        } else if bare.len() == 13 && bare.starts_with('1') && bare.chars().all(|c| c.is_ascii_digit()) {
            // The same in milliseconds since 1970.
            "1767225600000".to_owned()
        } else if bare.len() == 26
            && bare.starts_with("01")
            && bare.chars().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase())
        {
            let next = self.ids.len() + 1;
            self.ids
                .entry(bare.to_owned())
                .or_insert_with(|| format!("01{next:024}"))
                .clone()
        } else if bare.len() == 64 && bare.chars().all(|c| c.is_ascii_hexdigit()) {
            "0".repeat(64)
        } else if let Some(port) = bare.strip_prefix("127.0.0.1:").filter(|port| port.parse::<u16>().is_ok()) {
            bare.replace(port, "8080")
        } else {
            bare.to_owned()
        };
        steady + rest
    }
}

/// `2026-11-25T04:40:04.835Z`
fn is_moment(word: &str) -> bool {
    let mark = |place: usize| word.as_bytes().get(place).copied();
    word.len() >= 20 && mark(4) == Some(b'-') && mark(10) == Some(b'T') && mark(13) == Some(b':') && word.ends_with('Z')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_story_at_another_time_makes_the_same_page() {
        let one =
            "snapshot 01M88G1WZ3WX7DHG6YKD33EJEN begun at 2026-11-25T04:40:04.835Z.\nat http://127.0.0.1:35211: 12 records";
        let other =
            "snapshot 01M99G1WZ3WX7DHG6YKD33EJEN begun at 2027-11-25T04:41:04.835Z.\nat http://127.0.0.1:4001: 12 records";
        assert_eq!(page(one), page(other));
        assert!(page(one).ends_with("at http://127.0.0.1:8080: 12 records\n"), "{}", page(one));
        assert!(page(one).contains("snapshot 01000000000000000000000001 begun at 2026-01-01T00:00:00.000Z."));
    }

    #[test]
    fn a_store_of_another_size_makes_the_same_page() {
        let told = |size: &str| page(&format!("acme: no errors found; verified {size} MiB: 383 data files"));
        assert_eq!(told("7.96"), told("7.97"));
        assert_ne!(
            page("a; verified 7.96 MiB: 3 data files"),
            page("a; verified 7.96 MiB: 4 data files")
        );
    }

    #[test]
    fn numbers_that_differ_make_another_page() {
        assert_ne!(page("12 records"), page("13 records"));
    }
}
