//! Reads a composite answer as it arrives: `{"compositeResponse":[{"body":…,"httpHeaders":{},"httpStatusCode":200,
//! "referenceId":"…"}, …]}`.
//!
//! An answer may have 150 MB and no length, so no more than one record of it is held at a time. A sub-answer's status comes
//! after its body, so bodies are read by their form: an object is an answer, an array of objects with `errorCode` a refusal.
//! Sub-answers come in the order of the subrequests. Where the bytes end early, those that were whole are kept.

use super::{ApiError, buffered, refusal::ErrorList};
use serde::de::{self, DeserializeSeed, Deserializer as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::{fmt, io};

/// Reads the bodies of sub-answers that aren't refusals.
pub trait Bodies {
    /// What a body is condensed to.
    type Body;

    /// Reads the body of the sub-answer number `slot`, an object.
    fn read<'de, M: MapAccess<'de>>(&mut self, slot: usize, body: M) -> Result<Self::Body, M::Error>;
}

/// One sub-answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sub<B> {
    /// Its HTTP status.
    pub status: u16,
    /// Its body.
    pub body: SubBody<B>,
}

/// A sub-answer's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubBody<B> {
    /// An object, read by [`Bodies::read`].
    Read(B),
    /// A refusal.
    Refused(Vec<ApiError>),
    /// None, or something else.
    Empty,
}

/// Why an answer ended before its end, or is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub String);

impl From<serde_json::Error> for Broken {
    fn from(error: serde_json::Error) -> Broken {
        Broken(error.to_string())
    }
}

/// Reads a whole composite answer; `into` has the sub-answers that were whole, also where it fails.
pub fn read_composite<R: io::Read, B: Bodies>(body: R, bodies: &mut B, into: &mut Vec<Sub<B::Body>>) -> Result<(), Broken> {
    let mut json = serde_json::Deserializer::from_reader(buffered(body));
    json.deserialize_map(Outer { bodies, into })?;
    json.end()?;
    Ok(())
}

struct Outer<'a, B: Bodies> {
    bodies: &'a mut B,
    into: &'a mut Vec<Sub<B::Body>>,
}

impl<'de, B: Bodies> Visitor<'de> for Outer<'_, B> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with compositeResponse")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let mut found = false;
        while let Some(name) = map.next_key::<String>()? {
            if name == "compositeResponse" && !found {
                found = true;
                map.next_value_seed(Subs {
                    bodies: &mut *self.bodies,
                    into: &mut *self.into,
                })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        if found {
            Ok(())
        } else {
            Err(de::Error::missing_field("compositeResponse"))
        }
    }
}

struct Subs<'a, B: Bodies> {
    bodies: &'a mut B,
    into: &'a mut Vec<Sub<B::Body>>,
}

impl<'de, B: Bodies> DeserializeSeed<'de> for Subs<'_, B> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, B: Bodies> Visitor<'de> for Subs<'_, B> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of sub-answers")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<(), S::Error> {
        loop {
            let one = One {
                bodies: &mut *self.bodies,
                slot: self.into.len(),
            };
            match seq.next_element_seed(one)? {
                Some(sub) => self.into.push(sub),
                None => return Ok(()),
            }
        }
    }
}

struct One<'a, B: Bodies> {
    bodies: &'a mut B,
    slot: usize,
}

impl<'de, B: Bodies> DeserializeSeed<'de> for One<'_, B> {
    type Value = Sub<B::Body>;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, B: Bodies> Visitor<'de> for One<'_, B> {
    type Value = Sub<B::Body>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sub-answer")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let (mut body, mut status) = (None, None);
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "body" if body.is_none() => {
                    body = Some(map.next_value_seed(Body {
                        bodies: &mut *self.bodies,
                        slot: self.slot,
                    })?);
                }
                "httpStatusCode" => status = Some(map.next_value::<u16>()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Sub {
            status: status.ok_or_else(|| de::Error::missing_field("httpStatusCode"))?,
            body: body.unwrap_or(SubBody::Empty),
        })
    }
}

struct Body<'a, B: Bodies> {
    bodies: &'a mut B,
    slot: usize,
}

impl<'de, B: Bodies> DeserializeSeed<'de> for Body<'_, B> {
    type Value = SubBody<B::Body>;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, B: Bodies> Visitor<'de> for Body<'_, B> {
    type Value = SubBody<B::Body>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a body")
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Self::Value, M::Error> {
        self.bodies.read(self.slot, map).map(SubBody::Read)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, seq: S) -> Result<Self::Value, S::Error> {
        ErrorList.visit_seq(seq).map(SubBody::Refused)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(SubBody::Empty)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(SubBody::Empty)
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(SubBody::Empty)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    struct Names;

    impl Bodies for Names {
        type Body = String;

        fn read<'de, M: MapAccess<'de>>(&mut self, slot: usize, mut body: M) -> Result<String, M::Error> {
            let mut names = format!("{slot}:");
            while let Some((name, _)) = body.next_entry::<String, IgnoredAny>()? {
                names += &name;
            }
            Ok(names)
        }
    }

    fn read(text: &str) -> (Vec<Sub<String>>, Result<(), Broken>) {
        let mut into = Vec::new();
        let result = read_composite(text.as_bytes(), &mut Names, &mut into);
        (into, result)
    }

    const MIXED: &str = r#"{ "compositeResponse" : [ {
        "body" : { "totalSize" : 17, "done" : true }, "httpHeaders" : { }, "httpStatusCode" : 200, "referenceId" : "a" }, {
        "httpStatusCode" : 400, "body" : [ { "message" : "no", "errorCode" : "INVALID_TYPE" } ], "referenceId" : "b" },
        {"body": null, "httpHeaders":{"ETag":"x"}, "httpStatusCode":304,"referenceId":"c"} ] }"#;

    #[test]
    fn answers_and_refusals_come_in_order() {
        let (subs, result) = read(MIXED);
        result.unwrap();
        assert_eq!(subs.len(), 3);
        assert_eq!(subs[0].body, SubBody::Read("0:totalSizedone".into()));
        let SubBody::Refused(errors) = &subs[1].body else {
            panic!("{subs:?}")
        };
        assert_eq!((subs[1].status, errors[0].code.as_str()), (400, "INVALID_TYPE"));
        assert_eq!((subs[2].status, &subs[2].body), (304, &SubBody::Empty));
    }

    #[test]
    fn a_cut_answer_gives_what_was_whole() {
        for cut in 0..MIXED.len() {
            let (subs, result) = read(&MIXED[..cut]);
            assert!(result.is_err(), "cut at {cut} must not pass as whole");
            assert!(subs.len() <= 3);
        }
        let cut = MIXED.find(r#""httpStatusCode" : 400"#).unwrap();
        assert_eq!(read(&MIXED[..cut]).0.len(), 1);
    }

    #[test]
    fn what_is_no_composite_answer_is_broken() {
        for text in [
            "",
            "<html>down</html>",
            "[]",
            "{}",
            "null",
            "{\"compositeResponse\":3}",
            "{\"compositeResponse\":[1]}",
        ] {
            assert!(read(text).1.is_err(), "{text}");
        }
        assert!(read("{\"compositeResponse\":[]} trailing").1.is_err());
    }
}
