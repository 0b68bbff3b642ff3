//! `/composite/graph`: up to 75 graphs of 500 calls together that count as one request; each graph is all or none.
//!
//! Responsible for: the limits, the order within a graph, what a failed graph takes back. Calls themselves are served as in a series.
//! Rule: a graph sees nothing of another one's calls.
//!
//! Choices where nothing is documented: the words of the refusals for what is too much, and that the kinds of calls are told apart by
//! the object alone.

use std::collections::{HashMap, HashSet};
use std::sync::PoisonError;

use bytes::Bytes;
use serde::Deserialize;

use super::{Part, ROLLED_BACK, bad_reference_id, halted, serve_part, written};
use crate::log::Subrequest;
use crate::rest::Service;
use crate::rest::answer::{Answer, AnswerBody, Piece};
use crate::rest::call::{Call, Target};

/// The most calls of all graphs together.
const MAX_NODES: usize = 500;
/// The most graphs.
const MAX_GRAPHS: usize = 75;
/// The longest way through references.
const MAX_DEPTH: usize = 15;
/// The most kinds of calls in a graph.
const MAX_KINDS: usize = 15;
/// After so many failed graphs the rest isn't tried.
const MAX_FAILURES: usize = 14;

#[derive(Debug, Deserialize)]
struct Graphs {
    graphs: Vec<Graph>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Graph {
    graph_id: String,
    composite_request: Vec<Part>,
}

/// Serves graphs; tells also what their calls were, for the log.
#[must_use]
pub fn serve(service: &Service, call: &Call) -> (Answer, Vec<Subrequest>) {
    if call.method != "POST" {
        return (Answer::method_not_allowed(&call.method, "POST"), Vec::new());
    }
    let graphs: Graphs = match serde_json::from_slice(&call.body) {
        Ok(graphs) => graphs,
        Err(error) => return (Answer::unreadable(&error.to_string()), Vec::new()),
    };
    if let Some(refusal) = refuse(&graphs.graphs) {
        return (refusal, Vec::new());
    }
    let mut pieces = vec![text("{\"graphs\":[")];
    let mut log = Vec::new();
    let mut rows = Vec::new();
    let mut failures = 0;
    for (place, graph) in graphs.graphs.iter().enumerate() {
        let done = if failures >= MAX_FAILURES {
            all_halted(graph)
        } else {
            run(service, call, graph, &mut log)
        };
        failures += usize::from(!done.is_successful);
        let id = serde_json::to_string(&graph.graph_id).unwrap_or_default();
        let head = format!("{}{{\"graphId\":{id},\"graphResponse\":", if place == 0 { "" } else { "," });
        pieces.push(Piece::Bytes(head.into()));
        let mut answers = done.answers;
        rows.extend(answers.iter_mut().flat_map(|(_, answer)| std::mem::take(&mut answer.written)));
        pieces.extend(written(answers));
        pieces.push(Piece::Bytes(format!(",\"isSuccessful\":{}}}", done.is_successful).into()));
    }
    pieces.push(text("]}"));
    let answer = Answer {
        written: rows,
        ..Answer::of(AnswerBody::Pieces(pieces))
    };
    (answer, log)
}

/// What is refused as a whole.
fn refuse(graphs: &[Graph]) -> Option<Answer> {
    let limit = |what: String| Some(Answer::refusal(400, "LIMIT_EXCEEDED", &what));
    let nodes: usize = graphs.iter().map(|graph| graph.composite_request.len()).sum();
    if graphs.len() > MAX_GRAPHS {
        return limit(format!("The request has {} graphs, {MAX_GRAPHS} are allowed", graphs.len()));
    }
    if nodes > MAX_NODES {
        return limit(format!("The request has {nodes} nodes, {MAX_NODES} are allowed"));
    }
    let mut ids = HashSet::new();
    for graph in graphs {
        if !ids.insert(graph.graph_id.as_str()) {
            let message = format!("Duplicate graph id: {}", graph.graph_id);
            return Some(Answer::refusal(400, "INVALID_INPUT", &message));
        }
        if let Some(refusal) = bad_reference_id(&graph.composite_request) {
            return Some(refusal);
        }
        let kinds: HashSet<String> = graph.composite_request.iter().map(|part| kind(&part.url)).collect();
        if kinds.len() > MAX_KINDS {
            return limit(format!(
                "Graph {} has {} kinds of nodes, {MAX_KINDS} are allowed",
                graph.graph_id,
                kinds.len()
            ));
        }
        let depth = depths(graph).into_values().max().unwrap_or(0);
        if depth > MAX_DEPTH {
            return limit(format!(
                "Graph {} is {depth} nodes deep, {MAX_DEPTH} are allowed",
                graph.graph_id
            ));
        }
    }
    None
}

/// The object that a call is about.
fn kind(url: &str) -> String {
    let target = Target::parse(url);
    target
        .ok()
        .and_then(|target| target.path.get(1).cloned())
        .unwrap_or_default()
        .to_lowercase()
}

/// How long the way to each call is, by its place. Calls that refer to each other in a circle have none.
fn depths(graph: &Graph) -> HashMap<usize, usize> {
    let parts = &graph.composite_request;
    let places: HashMap<&str, usize> = parts
        .iter()
        .enumerate()
        .map(|(n, part)| (part.reference_id.as_str(), n))
        .collect();
    let needs: Vec<Vec<usize>> = parts.iter().map(|part| needed(part, &places)).collect();
    let mut depths: HashMap<usize, usize> = HashMap::new();
    loop {
        let before = depths.len();
        for (place, needs) in needs.iter().enumerate() {
            let known: Option<Vec<usize>> = needs.iter().map(|need| depths.get(need).copied()).collect();
            if let (Some(known), false) = (known, depths.contains_key(&place)) {
                depths.insert(place, 1 + known.into_iter().max().unwrap_or(0));
            }
        }
        if depths.len() == before {
            return depths;
        }
    }
}

/// The places of the calls that one refers to.
fn needed(part: &Part, places: &HashMap<&str, usize>) -> Vec<usize> {
    let body = part.body.as_ref().map_or("", |body| body.get());
    let references = part.url.split("@{").skip(1).chain(body.split("@{").skip(1));
    references
        .filter_map(|rest| places.get(rest.split(['.', '[', '}']).next()?).copied())
        .collect()
}

/// What became of a graph.
struct Done<'a> {
    answers: Vec<(&'a str, Answer)>,
    is_successful: bool,
}

fn run<'a>(service: &Service, outer: &Call, graph: &'a Graph, log: &mut Vec<Subrequest>) -> Done<'a> {
    let _turn = service.turn.write().unwrap_or_else(PoisonError::into_inner);
    let service = &service.within_turn();
    let before = service.org().savepoint();
    let depths = depths(graph);
    let mut order: Vec<usize> = (0..graph.composite_request.len()).collect();
    order.sort_by_key(|place| depths.get(place).copied().unwrap_or(usize::MAX));
    let mut answers: Vec<(&str, Answer)> = Vec::with_capacity(order.len());
    let mut failed = false;
    for place in &order {
        let part = &graph.composite_request[*place];
        let (url, answer) = match failed {
            true => (part.url.clone(), halted(ROLLED_BACK)),
            false if !is_allowed(&part.url) => (part.url.clone(), Answer::not_found()),
            false => serve_part(service, outer, part, &answers),
        };
        failed |= !answer.is_success();
        log.push(Subrequest {
            reference: part.reference_id.clone(),
            method: part.method.to_ascii_uppercase(),
            url,
            status: answer.status,
        });
        answers.push((&part.reference_id, answer));
    }
    if failed {
        service.org_mut().roll_back(before);
        for (_, answer) in answers.iter_mut().filter(|(_, answer)| answer.is_success()) {
            let mut written = std::mem::take(&mut answer.written);
            written
                .iter_mut()
                .for_each(|row| row.error = Some("PROCESSING_HALTED".to_owned()));
            *answer = Answer {
                written,
                ..halted(ROLLED_BACK)
            };
        }
    }
    let mut in_order: Vec<(usize, (&str, Answer))> = order.into_iter().zip(answers).collect();
    in_order.sort_by_key(|(place, _)| *place);
    Done {
        answers: in_order.into_iter().map(|(_, answer)| answer).collect(),
        is_successful: !failed,
    }
}

/// A graph that isn't tried any more.
fn all_halted(graph: &Graph) -> Done<'_> {
    let message = format!("The graph wasn't processed because {MAX_FAILURES} graphs before it failed.");
    let parts = graph.composite_request.iter();
    Done {
        answers: parts.map(|part| (part.reference_id.as_str(), halted(&message))).collect(),
        is_successful: false,
    }
}

/// Single records alone go into a graph.
fn is_allowed(url: &str) -> bool {
    Target::parse(url).is_ok_and(|target| target.path.first().is_some_and(|first| first == "sobjects"))
}

fn text(text: &'static str) -> Piece {
    Piece::Bytes(Bytes::from_static(text.as_bytes()))
}
