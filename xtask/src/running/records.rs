//! The fake's own records of an object, line by line, with as many fields as there are.
//!
//! A URL holds some thousand fields at most, so that more of them are asked for in groups; the groups' lines, which come in the same
//! order, are put together. The rule: a line has the fields in the order in which they were asked for.

use anyhow::{Result, bail};
use std::io::BufRead;

/// Characters of field names that one URL holds.
pub const NAMES_OF_A_URL: usize = 8_000;

/// Splits fields into groups that a URL holds.
pub fn groups(fields: &[String]) -> Vec<&[String]> {
    let mut groups = Vec::new();
    let (mut from, mut length) = (0, 0);
    for (at, name) in fields.iter().enumerate() {
        if length + name.len() >= NAMES_OF_A_URL && at > from {
            groups.push(&fields[from..at]);
            (from, length) = (at, 0);
        }
        length += name.len() + 1;
    }
    groups.push(&fields[from..]);
    groups
}

/// Lines of records, a stream for each group of fields.
pub struct Records {
    streams: Vec<Box<dyn BufRead>>,
    part: Vec<u8>,
}

impl Records {
    /// The streams of all groups, in their order.
    pub fn new(streams: Vec<Box<dyn BufRead>>) -> Self {
        Self {
            streams,
            part: Vec::new(),
        }
    }

    /// Reads the next record into `line`, without its line break; `false` at the end.
    pub fn next_into(&mut self, line: &mut Vec<u8>) -> Result<bool> {
        line.clear();
        let mut ended = 0;
        for stream in &mut self.streams {
            self.part.clear();
            if stream.read_until(b'\n', &mut self.part)? == 0 {
                ended += 1;
                continue;
            }
            let part = self.part.strip_suffix(b"\n").unwrap_or(&self.part);
            match line.pop() {
                None => line.extend_from_slice(part),
                // The brace that ended the group before is gone now, and so is the one that begins this group.
                Some(_) => {
                    line.push(b',');
                    line.extend_from_slice(part.strip_prefix(b"{").unwrap_or(part));
                }
            }
        }
        match ended {
            0 => Ok(true),
            all if all == self.streams.len() => Ok(false),
            some => bail!(
                "{some} of {} groups of fields have fewer records than the others",
                self.streams.len()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn all(streams: &[&'static str]) -> Result<Vec<String>> {
        let streams = streams.iter().map(|text| Box::new(text.as_bytes()) as Box<dyn BufRead>);
        let mut records = Records::new(streams.collect());
        let (mut line, mut lines) = (Vec::new(), Vec::new());
        while records.next_into(&mut line)? {
            lines.push(String::from_utf8(line.clone())?);
        }
        Ok(lines)
    }

    #[test]
    fn groups_of_fields_are_put_together_record_by_record() {
        let lines = all(&["{\"A\":1}\n{\"A\":2}\n", "{\"B\":\"}\"}\n{\"B\":null}\n"]).unwrap();
        assert_eq!(lines, ["{\"A\":1,\"B\":\"}\"}", "{\"A\":2,\"B\":null}"]);
    }

    #[test]
    fn a_group_that_ends_early_is_an_error() {
        assert!(all(&["{\"A\":1}\n{\"A\":2}\n", "{\"B\":1}\n"]).is_err());
    }

    #[test]
    fn every_field_is_in_one_group_that_a_url_holds() {
        let fields: Vec<String> = (0..1_000)
            .map(|number| format!("A_long_name_of_a_field_{number}__c"))
            .collect();
        let groups = groups(&fields);
        assert!(groups.len() > 1);
        assert_eq!(groups.concat(), fields);
        assert!(groups.iter().all(|group| group.join(",").len() <= NAMES_OF_A_URL));
    }
}
