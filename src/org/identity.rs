//! Whether the org that answers is the connection's. A run asks once, in front of the first composite request that it sends anyway,
//! so that it costs none of its own; only where that doesn't tell (no composite is due, or the org refuses) a query does.
//!
//! The rule it keeps: who answers is confirmed before anything else of that answer is read.

use super::{Body, Org, SendFailure, Subrequest};
use crate::host::{ConnectorError, Failure, Host};
use crate::salesforce::limits::{COMPOSITE_QUERIES, SUBREQUESTS};
use crate::salesforce::{Bodies, Broken, Part, Sub, SubBody, read_composite, read_parts};
use crate::soql;
use serde::Deserialize;
use serde::de::{MapAccess, value::MapAccessDeserializer};

const ORGANIZATION: &str = "SELECT Id FROM Organization";

/// The part of a composite request that asks who the org is: a query where one more may be sent, else the organization's record.
/// `None`: nothing is to be confirmed, or there is no room.
pub(super) fn question<H: Host>(org: &Org<'_, H>, parts: &[Subrequest]) -> Option<Subrequest> {
    let scope = org.to_confirm()?;
    if parts.len() >= SUBREQUESTS {
        return None;
    }
    let url = match parts.iter().filter(|part| part.is_query()).count() < COMPOSITE_QUERIES {
        true => org.path(&format!("query?q={}", soql::encode(ORGANIZATION))),
        false => org.path(&format!("sobjects/Organization/{scope}?fields=Id")),
    };
    Some(Subrequest::get(url, "identity".to_owned()))
}

impl<H: Host> Org<'_, H> {
    /// Reads a whole composite answer; `into` has the sub-answers that were whole, also where it fails. Where the request asked who
    /// the org is, that is heard first.
    pub fn read_composite<B: Bodies>(
        &self,
        body: &mut Body<H::Answer>,
        bodies: &mut B,
        into: &mut Vec<Sub<B::Body>>,
    ) -> Result<(), SendFailure> {
        if !body.asked_identity() {
            return read_composite(&mut *body, bodies, into).map_err(|why| body.parse_failed(&why));
        }
        let mut subs = Vec::new();
        let mut behind = Behind {
            host: self.host,
            bodies,
            other: false,
        };
        let read = read_composite(&mut *body, &mut behind, &mut subs);
        if behind.other {
            return Err(another_org());
        }
        into.extend(subs.into_iter().skip(1).map(|sub| Sub {
            status: sub.status,
            body: match sub.body {
                SubBody::Read(Heard::Other(body)) => SubBody::Read(body),
                SubBody::Refused(errors) => SubBody::Refused(errors),
                SubBody::Read(Heard::Identity) | SubBody::Empty => SubBody::Empty,
            },
        }));
        read.map_err(|why| body.parse_failed(&why))?;
        self.confirm()
    }

    /// The same where the parts' answers are read as they are.
    pub fn read_parts(&self, body: &mut Body<H::Answer>) -> Result<Vec<Part>, SendFailure> {
        let mut parts = read_parts(&mut *body).map_err(|why| body.parse_failed(&why))?;
        if body.asked_identity() {
            let identity = parts.drain(..1.min(parts.len())).next();
            let organization = identity.and_then(|part| part.read::<Organization>().ok());
            if let Some(id) = organization.as_ref().and_then(Organization::id)
                && !self.host.confirm_scope(id)
            {
                return Err(another_org());
            }
            self.confirm()?;
        }
        Ok(parts)
    }

    /// Whether this run knows that the org is the connection's, or knows of none to compare with.
    pub fn is_confirmed(&self) -> bool {
        self.to_confirm().is_none()
    }

    /// The organization's id, where this run has still to confirm it.
    fn to_confirm(&self) -> Option<String> {
        self.host.scope_to_confirm().filter(|_| !self.is_check)
    }

    /// Asks who the org is by a request of its own, where this run doesn't know it yet.
    pub fn confirm(&self) -> Result<(), SendFailure> {
        if self.is_confirmed() {
            return Ok(());
        }
        let mut body = self.ask(&format!("query?q={}", soql::encode(ORGANIZATION)))?;
        let answer: Organization =
            serde_json::from_reader(&mut body).map_err(|why| body.parse_failed(&Broken(why.to_string())))?;
        match answer.id() {
            Some(id) if self.host.confirm_scope(id) => Ok(()),
            Some(_) => Err(another_org()),
            None => Err(SendFailure::Host(Box::new(ConnectorError::Authorization(
                Failure::new("org-unknown", "the org doesn't tell its id")
                    .remedy("let the connection's user read the object Organization"),
            )))),
        }
    }
}

/// The host knows which org it is, and says so.
fn another_org() -> SendFailure {
    SendFailure::Host(Box::new(ConnectorError::Configuration(
        Failure::new("another-org", "another org than the connection's answers at its address")
            .remedy("check instance_url and the credential, or add another connection for that org"),
    )))
}

/// What a part of the answer says.
enum Heard<B> {
    Identity,
    Other(B),
}

/// The bodies behind the first one, which tells who the org is.
struct Behind<'a, H, B> {
    host: &'a H,
    bodies: &'a mut B,
    other: bool,
}

impl<H: Host, B: Bodies> Bodies for Behind<'_, H, B> {
    type Body = Heard<B::Body>;

    fn read<'de, M: MapAccess<'de>>(&mut self, slot: usize, body: M) -> Result<Self::Body, M::Error> {
        if let Some(slot) = slot.checked_sub(1) {
            return self.bodies.read(slot, body).map(Heard::Other);
        }
        let organization = Organization::deserialize(MapAccessDeserializer::new(body))?;
        if let Some(id) = organization.id()
            && !self.host.confirm_scope(id)
        {
            self.other = true;
            return Err(serde::de::Error::custom("another org answers"));
        }
        Ok(Heard::Identity)
    }
}

/// A query's answer, or the record itself.
#[derive(Deserialize)]
struct Organization {
    #[serde(rename = "Id")]
    id: Option<String>,
    #[serde(default)]
    records: Vec<Identified>,
}

#[derive(Deserialize)]
struct Identified {
    #[serde(rename = "Id")]
    id: String,
}

impl Organization {
    fn id(&self) -> Option<&str> {
        self.id.as_deref().or_else(|| Some(self.records.first()?.id.as_str()))
    }
}
