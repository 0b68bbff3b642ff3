//! The export `check`: one composite request tells which org this is, and what its user may see.
//!
//! Each permission that a backup wants is asked for, and what its lack hides is said in words.

use crate::host::{Checked, ConnectorError, Failure, Host, NamedValue};
use crate::org::{Org, Refused, SendFailure, Subrequest};
use crate::salesforce::{ApiError, Bodies, PERMISSIONS, Sub, SubBody, is_granted, permission_queries, read_composite};
use crate::soql;
use serde::Deserialize;
use serde::de::{MapAccess, value::MapAccessDeserializer};
use serde_json::{Map, Value};

/// All that is needed: where an org lacks a field of [`ORGANIZATION`] that query is refused, and this one, beside it, is not.
const ORGANIZATION_ID: &str = "SELECT Id FROM Organization";

const ORGANIZATION: &str =
    "SELECT Id, Name, OrganizationType, IsSandbox, InstanceName, NamespacePrefix, TrialExpirationDate FROM Organization";

/// Who the connection is, and what it may see.
pub fn check<H: Host>(host: &H) -> Result<Checked, ConnectorError> {
    let org = Org::open_for_check(host)?;
    match ask_all(&org) {
        Ok(subs) => checked(&subs),
        // Composite itself may be refused where the API isn't: the org's id is needed whatever else is unknown.
        Err(SendFailure::Refused(refused)) if !matches!(refused.status, 401 | 500..=599) && host.requests_left() > 0 => {
            let organization = ask_organization(&org).map_err(|_| refused.into_error())?;
            checked(&[Sub {
                status: 200,
                body: SubBody::Read(organization),
            }])
        }
        Err(stopped) => Err(stopped.into_error()),
    }
}

/// A query answer's rows, as the few that they are here.
#[derive(Clone, Debug, Deserialize)]
struct Rows {
    records: Vec<Map<String, Value>>,
}

struct RowBodies;

impl Bodies for RowBodies {
    type Body = Rows;

    fn read<'de, M: MapAccess<'de>>(&mut self, _: usize, body: M) -> Result<Rows, M::Error> {
        Rows::deserialize(MapAccessDeserializer::new(body))
    }
}

fn ask_all<H: Host>(org: &Org<'_, H>) -> Result<Vec<Sub<Rows>>, SendFailure> {
    let query = |soql: &str, reference: &str| {
        Subrequest::get(org.path(&format!("query?q={}", soql::encode(soql))), reference.to_owned())
    };
    let mut parts = vec![query(ORGANIZATION, "organization"), query(ORGANIZATION_ID, "organizationId")];
    for (n, soql) in permission_queries().iter().enumerate() {
        parts.push(query(soql, &format!("permissions{n}")));
    }
    let mut body = org.finish(org.composite(&parts)?)?;
    let mut subs = Vec::new();
    read_composite(&mut body, &mut RowBodies, &mut subs).map_err(|why| body.parse_failed(&why))?;
    Ok(subs)
}

fn ask_organization<H: Host>(org: &Org<'_, H>) -> Result<Rows, SendFailure> {
    let mut body = org.finish(org.get(&format!("query?q={}", soql::encode(ORGANIZATION_ID)))?)?;
    serde_json::from_reader(&mut body).map_err(|why| body.parse_failed(&why.into()))
}

/// A query that an org can't answer it won't answer the next time either.
fn refused(refused: Refused) -> ConnectorError {
    match (refused.status, refused.into_error()) {
        (400, ConnectorError::Source(failure)) => ConnectorError::Unsupported(failure),
        (_, error) => error,
    }
}

/// Organization first, twice; whatever follows may tell permissions.
fn checked(subs: &[Sub<Rows>]) -> Result<Checked, ConnectorError> {
    let mut rows = subs.iter().map(|sub| match &sub.body {
        SubBody::Read(rows) => Ok(rows),
        SubBody::Refused(errors) => Err((sub.status, errors.clone())),
        SubBody::Empty => Err((sub.status, Vec::<ApiError>::new())),
    });
    let organization = match (rows.next(), rows.next()) {
        (Some(Ok(rows)), _) | (_, Some(Ok(rows))) => rows.records.first(),
        (Some(Err((status, errors))), _) => return Err(refused(Refused { status, errors })),
        (None, _) => None,
    };
    let scope = organization
        .and_then(|o| o.get("Id"))
        .and_then(Value::as_str)
        .filter(|id| id.len() == 18);
    let (Some(organization), Some(scope)) = (organization, scope) else {
        return Err(ConnectorError::Authorization(
            Failure::new("org-unknown", "the org doesn't tell its id")
                .remedy("let the connection's user read the object Organization"),
        ));
    };
    let mut facts = Vec::new();
    for (field, fact) in [
        ("Name", "org-name"),
        ("OrganizationType", "org-edition"),
        ("IsSandbox", "org-is-sandbox"),
        ("InstanceName", "org-instance"),
        ("NamespacePrefix", "org-namespace"),
        ("TrialExpirationDate", "org-trial-ends"),
    ] {
        match organization.get(field) {
            Some(Value::String(text)) => facts.push(NamedValue::new(fact, text)),
            Some(Value::Bool(flag)) => facts.push(NamedValue::new(fact, flag.to_string())),
            _ => {}
        }
    }
    let permissions: Vec<&Map<String, Value>> = rows.flatten().filter_map(|rows| rows.records.first()).collect();
    for permission in &PERMISSIONS {
        let state = match is_granted(permission, permissions.iter().copied()) {
            Some(true) => "granted".to_owned(),
            Some(false) => format!("missing: {}", permission.hides),
            None => format!("unknown: the org doesn't tell; without it {}", permission.hides),
        };
        facts.push(NamedValue::new(format!("permission:{}", permission.name), state));
    }
    Ok(Checked {
        scope: scope.to_owned(),
        facts,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::scripted::{Reply, ScriptedHost};

    const ORG: &str = r#"{"totalSize":1,"done":true,"records":[{"attributes":{},"Id":"00D000000000001EAA","Name":"Acme","IsSandbox":false,"NamespacePrefix":null}]}"#;

    const ID: &str = r#"{"totalSize":1,"done":true,"records":[{"Id":"00D000000000001EAA"}]}"#;

    fn ok(body: &str) -> String {
        format!(r#"{{"body":{body},"httpHeaders":{{}},"httpStatusCode":200,"referenceId":"x"}}"#)
    }

    fn refused_query() -> String {
        r#"{"body":[{"errorCode":"INVALID_FIELD","message":"No such column"}],"httpStatusCode":400}"#.to_owned()
    }

    fn composite(subs: &[String]) -> Reply {
        Reply::ok(format!(r#"{{"compositeResponse":[{}]}}"#, subs.join(",")))
    }

    fn fact<'a>(checked: &'a Checked, name: &str) -> &'a str {
        &checked.facts.iter().find(|fact| fact.name == name).unwrap().value
    }

    #[test]
    fn one_request_tells_the_org_and_what_missing_permissions_hide() {
        let host = ScriptedHost::new(5, |request| {
            let body = String::from_utf8(request.body.clone()).unwrap();
            assert_eq!(
                body.matches("\"url\"").count(),
                5,
                "no more than five queries go into a composite request"
            );
            let all =
                r#"{"totalSize":1,"done":true,"records":[{"PermissionsViewAllData":false,"PermissionsApiEnabled":true}]}"#;
            composite(&[ok(ORG), ok(ID), ok(all), refused_query(), refused_query()])
        });
        let checked = check(&host).unwrap();
        assert_eq!(host.sent(), 1);
        assert_eq!(checked.scope, "00D000000000001EAA");
        assert_eq!(fact(&checked, "org-name"), "Acme");
        assert!(fact(&checked, "permission:ViewAllData").starts_with("missing: "));
        assert_eq!(fact(&checked, "permission:ApiEnabled"), "granted");
        assert!(fact(&checked, "permission:QueryAllFiles").starts_with("unknown: "));
    }

    #[test]
    fn a_permission_that_the_org_lacks_hides_no_other() {
        let host = ScriptedHost::new(5, |_| {
            composite(&[
                ok(ORG),
                ok(ID),
                refused_query(),
                ok(r#"{"records":[{"PermissionsViewAllData":true,"PermissionsViewSetup":false}]}"#),
                refused_query(),
            ])
        });
        let checked = check(&host).unwrap();
        assert_eq!(fact(&checked, "permission:ViewAllData"), "granted");
        assert!(fact(&checked, "permission:ViewSetup").starts_with("missing: "));
    }

    #[test]
    fn a_field_of_the_org_that_it_lacks_costs_nothing_but_the_org_s_facts() {
        let host = ScriptedHost::new(5, |_| {
            composite(&[refused_query(), ok(ID), refused_query(), refused_query(), refused_query()])
        });
        assert_eq!(check(&host).unwrap().scope, "00D000000000001EAA");
        assert_eq!(host.sent(), 1);
    }

    #[test]
    fn a_query_that_the_org_refuses_for_good_is_no_trouble_that_passes() {
        let host = ScriptedHost::new(5, |_| composite(&[refused_query(), refused_query()]));
        assert!(matches!(check(&host), Err(ConnectorError::Unsupported(_))));
        assert_eq!(host.sent(), 1);
    }

    #[test]
    fn an_org_that_refuses_composite_is_asked_plainly() {
        let host = ScriptedHost::new(2, |request| {
            if request.path.ends_with("/composite") {
                Reply::status(403, r#"[{"errorCode":"API_DISABLED_FOR_ORG","message":"no"}]"#)
            } else {
                Reply::ok(ORG)
            }
        });
        assert_eq!(check(&host).unwrap().scope, "00D000000000001EAA");
        assert_eq!(host.sent(), 2);
    }

    #[test]
    fn an_org_without_an_id_is_an_error_that_says_what_to_do() {
        for reply in [
            composite(&[]),
            composite(&[refused_query()]),
            composite(&[refused_query(), refused_query()]),
            composite(&[ok(r#"{"records":[]}"#)]),
            Reply::ok("<html>"),
        ] {
            let host = ScriptedHost::new(1, move |_| reply.clone());
            check(&host).unwrap_err();
        }
    }
}
