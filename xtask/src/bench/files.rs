//! The file bodies of a snapshot against the org's own, byte by byte.
//!
//! Not for rich-text images, which the org tells of in another way. The rule: neither side is held in memory.

use super::difference::ObjectDifference;
use crate::running::{FakeProcess, HostProgram};
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};

/// Bodies of an object that are named where they differ.
const EXAMPLES: usize = 3;

/// Gives how many bodies the org has of an object, and how the snapshot's differ.
pub fn compare(
    host: &HostProgram,
    fake: &FakeProcess,
    connection: &str,
    object: &str,
) -> Result<(u64, Option<ObjectDifference>)> {
    let bodies = fake.bodies(object)?;
    let bodies: Vec<_> = bodies.iter().filter(|body| body.length > 0).collect();
    if bodies.is_empty() {
        return Ok((0, None));
    }
    let folder = host.folder().join("files");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let shown = folder.to_string_lossy().into_owned();
    let mut exported = host.lines(&["export", connection, "latest", object, "--files", &shown])?;
    let mut line = Vec::new();
    while exported.next_into(&mut line)? {}
    let mut odd = Vec::new();
    for body in &bodies {
        let name = format!("{}.{}", body.id, body.field);
        let path = folder.join(&name);
        if !path.exists() {
            odd.push(format!("{name} is not in the snapshot"));
        } else if !same(BufReader::new(File::open(&path)?), fake.body(object, body)?)
            .with_context(|| format!("{name} can't be compared"))?
        {
            odd.push(format!("{name} has other bytes in the snapshot"));
        }
    }
    fs::remove_dir_all(&folder)?;
    let difference = (!odd.is_empty()).then(|| ObjectDifference {
        object: object.to_owned(),
        of_the_org: odd.len() as u64,
        of_the_snapshot: 0,
        examples: odd.iter().take(EXAMPLES).cloned().collect(),
    });
    Ok((bodies.len() as u64, difference))
}

/// Whether two streams have the same bytes.
fn same(left: impl Read, right: impl Read) -> io::Result<bool> {
    let (mut left, mut right) = (BufReader::new(left), BufReader::new(right));
    loop {
        let (a, b) = (left.fill_buf()?, right.fill_buf()?);
        let length = a.len().min(b.len());
        if length == 0 {
            return Ok(a.len() == b.len());
        }
        if a[..length] != b[..length] {
            return Ok(false);
        }
        left.consume(length);
        right.consume(length);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::same;

    #[test]
    fn a_body_that_is_cut_or_changed_is_another_one() {
        let whole = vec![7; 100_000];
        let mut changed = whole.clone();
        changed[99_999] = 8;
        assert!(same(&whole[..], &whole[..]).unwrap());
        assert!(!same(&whole[..], &whole[..99_999]).unwrap());
        assert!(!same(&whole[..], &changed[..]).unwrap());
    }
}
