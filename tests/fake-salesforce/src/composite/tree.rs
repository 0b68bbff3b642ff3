//! `/composite/tree/X`: rows and their children created in one request, all or none.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::collections::{MAX_ROWS, error_entry};
use crate::log::Written;
use crate::org::{Org, Sent, SentFields, WriteError};
use crate::rest::Service;
use crate::rest::answer::Answer;
use crate::rest::call::Call;

/// The most levels of a tree.
const MAX_LEVELS: usize = 5;
/// The most types of rows in it.
const MAX_TYPES: usize = 5;

#[derive(Debug, Deserialize)]
struct Tree {
    records: Vec<SentFields>,
}

/// A row of the tree, ready to be created once its parent's id is known.
struct Node {
    object: String,
    reference: String,
    fields: SentFields,
    /// The parent's place in the list and the field that refers to it.
    parent: Option<(usize, String)>,
}

/// Serves a tree.
#[must_use]
pub fn serve(service: &Service, call: &Call, object: &str) -> Answer {
    if call.method != "POST" {
        return Answer::method_not_allowed(&call.method, "POST");
    }
    let tree: Tree = match serde_json::from_slice(&call.body) {
        Ok(tree) => tree,
        Err(error) => return Answer::unreadable(&error.to_string()),
    };
    let mut org = service.org_mut();
    let mut nodes = Vec::new();
    if let Err((reference, error)) = flatten(&org, object, tree.records, None, 1, &mut nodes) {
        return failed(&[(reference, error)]);
    }
    let types: HashSet<&str> = nodes.iter().map(|n| n.object.as_str()).collect();
    if nodes.len() > MAX_ROWS || types.len() > MAX_TYPES {
        let message = format!(
            "The tree has {} records of {} types, {MAX_ROWS} of {MAX_TYPES} are allowed",
            nodes.len(),
            types.len()
        );
        return Answer::refusal(400, "LIMIT_EXCEEDED", &message);
    }
    let viewer = service.viewer();
    let by = call.writing(&viewer, service.now());
    let savepoint = org.savepoint();
    let mut ids = Vec::with_capacity(nodes.len());
    for node in &mut nodes {
        if let Some((parent, field)) = &node.parent {
            let id: Option<&String> = ids.get(*parent);
            node.fields.set(field, id.map_or(Sent::Null, |id| Sent::Text(id.clone())));
        }
        match org.create_by(&by, &node.object, &node.fields) {
            Ok(id) => ids.push(id.to_string()),
            Err(error) => {
                org.roll_back(savepoint);
                return failed(&[(node.reference.clone(), error)]);
            }
        }
    }
    let results: Vec<Value> = nodes
        .iter()
        .zip(&ids)
        .map(|(n, id)| json!({ "referenceId": n.reference, "id": id }))
        .collect();
    let written = nodes.into_iter().zip(ids).map(|(node, id)| Written {
        object: node.object,
        operation: "create",
        id: Some(id),
        error: None,
    });
    Answer {
        written: written.collect(),
        ..Answer::json_with(201, &json!({ "hasErrors": false, "results": results }))
    }
}

/// Lists a tree's rows, parents before children.
fn flatten(
    org: &Org,
    object: &str,
    rows: Vec<SentFields>,
    parent: Option<(usize, &str)>,
    level: usize,
    nodes: &mut Vec<Node>,
) -> Result<(), (String, WriteError)> {
    for row in rows {
        let reference = match row.get("attributes") {
            Some(Sent::Nested(attributes)) => match attributes.get("referenceId") {
                Some(Sent::Text(text)) => text.clone(),
                _ => String::new(),
            },
            _ => String::new(),
        };
        let object = row.attributes_type().unwrap_or(object).to_owned();
        if level > MAX_LEVELS {
            return Err((reference, invalid(format!("more than {MAX_LEVELS} levels"))));
        }
        let parent_field = match parent {
            Some((place, relationship)) => {
                let field = org.object(&object).and_then(|child| {
                    child
                        .schema
                        .fields
                        .iter()
                        .find(|f| f.child_relationship_name.as_deref() == Some(relationship))
                });
                let field = field.ok_or_else(|| {
                    (
                        reference.clone(),
                        invalid(format!("no relationship {relationship} to {object}")),
                    )
                })?;
                Some((place, field.name.clone()))
            }
            None => None,
        };
        let mut children = Vec::new();
        let mut fields = Vec::new();
        for (name, value) in row.iter() {
            match value {
                Sent::Nested(inner) if inner.get("records").is_some() => {
                    let list = if let Some(Sent::List(json)) = inner.get("records") {
                        json.as_str()
                    } else {
                        "[]"
                    };
                    let rows: Vec<SentFields> =
                        serde_json::from_str(list).map_err(|e| (reference.clone(), invalid(e.to_string())))?;
                    children.push((name.to_owned(), rows));
                }
                other => fields.push((name.to_owned(), other.clone())),
            }
        }
        let place = nodes.len();
        nodes.push(Node {
            object,
            reference,
            fields: fields.into_iter().collect(),
            parent: parent_field,
        });
        for (relationship, rows) in children {
            flatten(org, "", rows, Some((place, &relationship)), level + 1, nodes)?;
        }
    }
    Ok(())
}

fn invalid(message: String) -> WriteError {
    WriteError {
        status_code: "INVALID_INPUT".to_owned(),
        message,
        fields: Vec::new(),
        http_status: 400,
    }
}

fn failed(errors: &[(String, WriteError)]) -> Answer {
    let results: Vec<Value> = errors
        .iter()
        .map(|(reference, e)| json!({ "referenceId": reference, "errors": [error_entry(e)] }))
        .collect();
    Answer::json_with(400, &json!({ "hasErrors": true, "results": results }))
}
