//! What the connector has in another form than the contract: a request, of which most is always the same, and a selection, whose
//! details are told apart.

use crate::host;
use crate::restore::Selection;
use backup_contract::{Body, NamedValue, Request, RestoreSelection};

impl From<host::Request> for Request {
    fn from(request: host::Request) -> Request {
        let mut headers = vec![NamedValue::new("Accept", request.accept)];
        if !request.body.is_empty() {
            headers.push(NamedValue::new("Content-Type", request.content_type));
        }
        headers.extend(request.headers.iter().map(|(name, value)| NamedValue::new(*name, *value)));
        Request {
            method: request.method,
            path: request.path,
            headers,
            body: if !request.form.is_empty() {
                Body::Form(request.form)
            } else if request.body.is_empty() {
                Body::None
            } else {
                Body::Bytes(request.body)
            },
            // A composite request counts as one, whatever it has within.
            cost: 1,
            repeatable: request.repeatable,
            options: Vec::new(),
        }
    }
}

impl From<RestoreSelection> for Selection {
    fn from(given: RestoreSelection) -> Selection {
        let mut selection = Selection {
            objects: given.objects.into_iter().collect(),
            with_related: given.with_related,
            ..Selection::default()
        };
        for record in given.records {
            selection.records.entry(record.object).or_default().insert(record.key);
        }
        for NamedValue { name, value } in given.details {
            match name.split_once(':') {
                Some(("where", object)) => {
                    selection.conditions.insert(object.to_owned(), value);
                }
                Some(("external-id", object)) => {
                    selection.external_ids.insert(object.to_owned(), value);
                }
                None if name == "mode" => selection.overwrite = value == "overwrite",
                None if name == "keep-changed-since" => selection.keep_changed_since = value.parse().ok(),
                None if name == "no-relink" => selection.no_relink = true,
                None if name == "verify" => selection.verify = true,
                None if name == "source-scope" => selection.source = value,
                None if name == "snapshot" => selection.snapshot = value,
                _ => {}
            }
        }
        selection
    }
}
