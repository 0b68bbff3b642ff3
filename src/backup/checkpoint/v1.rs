//! Checkpoints of state version 1, and how they become today's.
//!
//! They are JSON as it is, with fields of one or two letters, without those that are empty. An object's phase is a name, and what
//! belongs to a phase stands beside it, whatever the phase is: what belongs to another one says nothing, and is left behind.

use serde_json::{Map, Value};

/// Names of version 1, and today's.
type Names = &'static [(&'static str, &'static str)];

const OBJECT: Names = &[
    ("n", "name"),
    ("w", "strategy"),
    ("h", "hashed"),
    ("g", "page_rows"),
    ("b", "row_bytes"),
    ("s", "batch_size"),
    ("t", "tries"),
    ("x", "restarts"),
    ("d", "described_again"),
    ("o", "covered"),
    ("l", "live"),
    ("a", "replaces"),
    ("z", "groups"),
    ("q", "bulk_able"),
    ("fs", "failures"),
    ("fb", "failed_before"),
    ("ca", "came"),
    ("di", "disagrees"),
    ("lo", "left_out"),
    ("ur", "unreadable"),
    ("aa", "ask_again"),
    ("fr", "failed_records"),
];

const COUNTS: Names = &[
    ("r", "received"),
    ("k", "counted"),
    ("e", "expected"),
    ("m", "promised"),
    ("v", "verified"),
    ("u", "uncountable"),
];

const SINCE: Names = &[
    ("m", "from"),
    ("d", "deletions_from"),
    ("l", "asks_deletions"),
    ("k", "deletions_covered"),
    ("c", "compares"),
    ("x", "changed"),
];

const NARROWING: Names = &[("a", "among"), ("t", "tries"), ("i", "asks_id"), ("w", "why")];

const RANGE: Names = &[("a", "after"), ("u", "until"), ("s", "state"), ("l", "lost"), ("n", "rows")];

const LISTS: Names = &[("a", "after"), ("o", "open")];

/// Of an object's files, what is known of them whatever is being read.
const FILES: Names = &[("o", "off"), ("w", "walked"), ("l", "left"), ("f", "failed")];

/// Of an object's files, the walk.
const WALK: Names = &[
    ("a", "after"),
    ("k", "rows"),
    ("w", "walked"),
    ("r", "rounds"),
    ("e", "listed"),
    ("n", "fetched"),
    ("l", "left"),
    ("f", "failed"),
    ("im", "images"),
    ("id", "images_due"),
    ("du", "due"),
];

const LISTED: Names = &[("r", "round"), ("n", "pieces"), ("p", "piece"), ("a", "taken"), ("l", "left")];

const ESTIMATE: Names = &[
    ("w", "method"),
    ("q", "rows"),
    ("f", "files"),
    ("r", "records"),
    ("b", "bytes"),
];

/// A file's own names are those of the lists that are kept beside the checkpoint.
const FILE: Names = &[("r", "r"), ("f", "f"), ("c", "c")];

/// The JSON of today's checkpoint, of that of version 1.
pub(super) fn migrated(json: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    let mut checkpoint: Map<String, Value> = serde_json::from_slice(json)?;
    if let Some(Value::Array(objects)) = checkpoint.get_mut("objects") {
        objects.iter_mut().for_each(|old| *old = object(old));
    }
    serde_json::to_vec(&checkpoint)
}

fn object(old: &Value) -> Value {
    let mut new = renamed(old, OBJECT);
    new.insert("counts".to_owned(), renamed(old, COUNTS).into());
    new.insert("phase".to_owned(), phase(old));
    if old["i"].is_object() {
        new.insert("since".to_owned(), renamed(&old["i"], SINCE).into());
    }
    if old["y"].is_object() {
        let mut files = Map::new();
        if old["p"] != "files" {
            files = renamed(&old["y"], FILES);
        }
        files.extend(
            old["y"]
                .get("pl")
                .map(|plan| ("plan".to_owned(), renamed(plan, ESTIMATE).into())),
        );
        new.insert("files".to_owned(), files.into());
    }
    new.into()
}

fn phase(old: &Value) -> Value {
    match old["p"].as_str().unwrap_or_default() {
        "describing" => {
            let then = match (&old["j"], &old["ls"]) {
                (Value::Object(_), _) => bulk(old),
                (_, Value::Object(_)) => lists(old),
                _ => pages(old, "rows"),
            };
            variant("describing", then)
        }
        "singles" => variant("singles", old["i"]["s"].clone()),
        "bounding" => variant("bounding", items(&old["j"]["r"]).count().into()),
        "bulk" => bulk(old),
        "listing" => lists(old),
        "files" => files(old),
        "reading" => pages(old, "rows"),
        "deleting" => pages(old, "deletions"),
        step @ ("counting" | "confirming" | "asking" | "comparing" | "scanning") => pages(old, step),
        // Those without data of their own have the names that they had.
        _ => old["p"].clone(),
    }
}

fn pages(old: &Value, step: &str) -> Value {
    let mut pages = renamed(old, &[("c", "cursor"), ("f", "confirmed")]);
    pages.insert("step".to_owned(), step.into());
    if old["nr"].is_object() {
        pages.insert("narrowing".to_owned(), renamed(&old["nr"], NARROWING).into());
    }
    variant("pages", pages.into())
}

fn bulk(old: &Value) -> Value {
    let mut bulk = renamed(&old["j"], &[("m", "most_records")]);
    let ranges = items(&old["j"]["r"]).map(|range| renamed(range, RANGE).into());
    bulk.insert("ranges".to_owned(), Value::Array(ranges.collect()));
    variant("bulk", bulk.into())
}

fn lists(old: &Value) -> Value {
    variant("lists", renamed(&old["ls"], LISTS).into())
}

fn files(old: &Value) -> Value {
    let old = &old["y"];
    let mut walk = renamed(old, WALK);
    walk.extend(old.get("d").map(|list| ("list".to_owned(), renamed(list, LISTED).into())));
    let late = items(&old["la"]).map(|late| {
        let mut new = renamed(late, &[("t", "tries")]);
        new.insert("file".to_owned(), renamed(late, FILE).into());
        new.into()
    });
    walk.insert("late".to_owned(), Value::Array(late.collect()));
    variant("files", walk.into())
}

/// A variant with its data.
fn variant(name: &str, data: Value) -> Value {
    Map::from_iter([(name.to_owned(), data)]).into()
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// The members that have a name today, by it.
fn renamed(old: &Value, names: &[(&str, &str)]) -> Map<String, Value> {
    let member = |(before, now): &(&str, &str)| Some(((*now).to_owned(), old.get(*before)?.clone()));
    names.iter().filter_map(member).collect()
}
