//! Steering of writes: the rules of the org's own people, and deletions at random.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use super::refused;
use crate::org::{DeleteRandom, DuplicateRule, RecordId, RecordLock, Trigger, Validation, WriteRules};
use crate::server::ServerState;

/// What is switched on; what isn't named stays as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Switches {
    validations: Option<Vec<Validation>>,
    duplicates: Option<Vec<DuplicateRule>>,
    triggers: Option<Vec<Trigger>>,
    locks: Option<Vec<RecordLock>>,
    assign_to: Option<String>,
    storage_left: Option<u64>,
    clear_lookups: Option<bool>,
}

pub(super) async fn switch_on(State(shared): State<ServerState>, Json(switches): Json<Switches>) -> Response {
    let assign_to = match switches.assign_to.as_deref().map(str::parse::<RecordId>).transpose() {
        Ok(id) => id,
        Err(malformed) => return refused(&malformed.to_string()),
    };
    let mut org = shared.service.org_mut();
    let rules = org.write_rules_mut();
    let before = std::mem::take(rules);
    *rules = WriteRules {
        validations: switches.validations.unwrap_or(before.validations),
        duplicates: switches.duplicates.unwrap_or(before.duplicates),
        triggers: switches.triggers.unwrap_or(before.triggers),
        locks: switches.locks.unwrap_or(before.locks),
        assign_to: assign_to.or(before.assign_to),
        storage_left: switches.storage_left.or(before.storage_left),
        clear_lookups: switches.clear_lookups.unwrap_or(before.clear_lookups),
    };
    StatusCode::NO_CONTENT.into_response()
}

pub(super) async fn switch_off(State(shared): State<ServerState>) -> StatusCode {
    *shared.service.org_mut().write_rules_mut() = WriteRules::default();
    StatusCode::NO_CONTENT
}

pub(super) async fn delete_random(State(shared): State<ServerState>, Json(wanted): Json<DeleteRandom>) -> Response {
    let now = shared.service.now();
    Json(shared.service.org_mut().delete_random(&wanted, now)).into_response()
}
