//! Reads the pages of query answers, `{"totalSize":…,"done":…,"nextRecordsUrl":…,"records":[…]}`, record by record.
//!
//! Each record is made a row and handed on before the next is read. What is learnt of the page as a whole (how many rows, is
//! there more, can its ids be trusted) is the [`Page`].

use super::{Bodies, Broken, Shape, record};
use crate::host::Row;
use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::{collections::BTreeSet, fmt};

/// Takes rows as they are read.
pub trait RecordSink {
    /// How rows of the sub-answer number `slot` are keyed and dated.
    fn shape(&self, slot: usize) -> Shape<'_>;

    /// Takes one. An error ends the reading; the text is for the log, the sink keeps its own reason.
    fn take(&mut self, slot: usize, row: Row) -> Result<(), String>;
}

/// What the ids of a page's rows are good for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ids {
    /// Each row has its own: reading can go on after the last one.
    #[default]
    Own,
    /// Rows have none, or the one that stands for none.
    Missing,
    /// Several rows have the same.
    Repeated,
}

/// What a page says besides its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Rows on it.
    pub rows: u64,
    /// Bytes of its records.
    pub bytes: u64,
    /// `totalSize`: rows of the whole query; `None` where the org doesn't say (−1).
    pub total: Option<u64>,
    /// Nothing follows.
    pub done: bool,
    /// Where what follows can be had.
    pub next: Option<String>,
    /// What its ids are good for.
    pub ids: Ids,
    /// Id of the last row.
    pub last_id: Option<String>,
    /// DurableId of the last row.
    pub last_durable_id: Option<String>,
}

/// Reads the pages of a composite answer into a sink.
pub struct PageBodies<'a, S> {
    /// Where rows go.
    pub sink: &'a mut S,
}

impl<S: RecordSink> Bodies for PageBodies<'_, S> {
    type Body = Page;

    fn read<'de, M: MapAccess<'de>>(&mut self, slot: usize, mut body: M) -> Result<Page, M::Error> {
        let mut page = Page::default();
        let (mut records, mut done) = (false, None);
        while let Some(name) = body.next_key::<String>()? {
            match name.as_str() {
                "totalSize" => page.total = body.next_value::<Option<i64>>()?.and_then(|total| u64::try_from(total).ok()),
                "done" => done = Some(body.next_value::<bool>()?),
                "nextRecordsUrl" => page.next = body.next_value::<Option<String>>()?,
                "records" if !records => {
                    records = true;
                    body.next_value_seed(Records {
                        slot,
                        sink: &mut *self.sink,
                        page: &mut page,
                    })?;
                }
                _ => {
                    body.next_value::<IgnoredAny>()?;
                }
            }
        }
        if !records {
            return Err(de::Error::missing_field("records"));
        }
        page.done = done.ok_or_else(|| de::Error::missing_field("done"))?;
        Ok(page)
    }
}

/// Reads a record that is an answer by itself into a sink.
pub fn read_record<S: RecordSink>(record: &str, slot: usize, sink: &mut S) -> Result<(), Broken> {
    let made = record::row(record, sink.shape(slot))?;
    sink.take(slot, made.row).map_err(Broken)
}

struct Records<'a, S> {
    slot: usize,
    sink: &'a mut S,
    page: &'a mut Page,
}

impl<'de, S: RecordSink> DeserializeSeed<'de> for Records<'_, S> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, S: RecordSink> Visitor<'de> for Records<'_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let page = self.page;
        let mut seen = BTreeSet::new();
        while let Some(raw) = seq.next_element::<Box<RawValue>>()? {
            let mut shape = self.sink.shape(self.slot);
            shape.hashed |= page.ids == Ids::Repeated;
            let mut made = record::row(raw.get(), shape).map_err(de::Error::custom)?;
            match &made.id {
                None if page.ids == Ids::Own => page.ids = Ids::Missing,
                Some(id) if !seen.insert(id.clone()) && made.durable_id.is_none() && page.ids != Ids::Repeated => {
                    page.ids = Ids::Repeated;
                    shape = self.sink.shape(self.slot);
                    shape.hashed = true;
                    made = record::row(raw.get(), shape).map_err(de::Error::custom)?;
                }
                _ => {}
            }
            page.rows += 1;
            page.bytes += raw.get().len() as u64;
            (page.last_id, page.last_durable_id) = (made.id, made.durable_id);
            self.sink.take(self.slot, made.row).map_err(de::Error::custom)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::salesforce::{SubBody, buffered, read_composite};
    use serde::Deserializer as _;
    use std::io;

    /// Reads a page that is an answer by itself, not a part of a composite one.
    fn read_page<R: io::Read, S: RecordSink>(body: R, sink: &mut S) -> Result<Page, Broken> {
        struct Alone<'a, S>(PageBodies<'a, S>);
        impl<'de, S: RecordSink> Visitor<'de> for Alone<'_, S> {
            type Value = Page;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a query answer")
            }
            fn visit_map<M: MapAccess<'de>>(mut self, map: M) -> Result<Page, M::Error> {
                self.0.read(0, map)
            }
        }
        let mut json = serde_json::Deserializer::from_reader(buffered(body));
        let page = json.deserialize_map(Alone(PageBodies { sink }))?;
        json.end()?;
        Ok(page)
    }

    #[derive(Default)]
    struct Kept {
        rows: Vec<(usize, Row)>,
        room: Option<usize>,
    }

    impl RecordSink for Kept {
        fn shape(&self, _: usize) -> Shape<'_> {
            Shape {
                revision: None,
                hashed: false,
            }
        }

        fn take(&mut self, slot: usize, row: Row) -> Result<(), String> {
            if self.room == Some(self.rows.len()) {
                return Err("full".into());
            }
            self.rows.push((slot, row));
            Ok(())
        }
    }

    fn read(text: &str) -> (Result<Page, Broken>, Vec<String>) {
        let mut kept = Kept::default();
        let page = read_page(text.as_bytes(), &mut kept);
        (page, kept.rows.into_iter().map(|(_, row)| row.key).collect())
    }

    #[test]
    fn a_page_is_read_whatever_the_order_of_its_members() {
        for text in [
            r#"{"totalSize":3,"done":false,"nextRecordsUrl":"/n","records":[{"Id":"a"},{"Id":"b"}]}"#,
            r#"{"records":[{"Id":"a"},{"Id":"b"}],"nextRecordsUrl":"/n","more":{"x":[]},"done":false,"totalSize":3}"#,
        ] {
            let (page, keys) = read(text);
            let page = page.unwrap();
            assert_eq!(
                (page.rows, page.total, page.done, page.next.as_deref()),
                (2, Some(3), false, Some("/n"))
            );
            assert_eq!((page.ids, page.last_id.as_deref()), (Ids::Own, Some("b")));
            assert_eq!(keys, ["a", "b"]);
        }
    }

    #[test]
    fn an_unknown_total_is_none() {
        assert_eq!(read(r#"{"totalSize":-1,"done":true,"records":[]}"#).0.unwrap().total, None);
    }

    #[test]
    fn ids_that_identify_nothing_are_noticed() {
        let (page, keys) = read(
            r#"{"totalSize":2,"done":true,"records":[{"Id":"000000000000000AAA","N":1},{"Id":"000000000000000AAA","N":2}]}"#,
        );
        assert_eq!(page.unwrap().ids, Ids::Missing);
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), 2);
        let (page, keys) = read(r#"{"totalSize":3,"done":true,"records":[{"Id":"a","N":1},{"Id":"a","N":2},{"Id":"b"}]}"#);
        assert_eq!(page.unwrap().ids, Ids::Repeated);
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), 3);
    }

    #[test]
    fn rows_are_handed_on_before_the_answer_ends() {
        let mut kept = Kept::default();
        let mut subs = Vec::new();
        let text = r#"{"compositeResponse":[{"body":{"totalSize":1,"done":true,"records":[{"Id":"a"}]},"httpStatusCode":200},
            {"body":{"totalSize":9,"done":true,"records":[{"Id":"b"},{"Id":"#;
        read_composite(text.as_bytes(), &mut PageBodies { sink: &mut kept }, &mut subs).unwrap_err();
        assert_eq!(
            kept.rows
                .iter()
                .map(|(slot, row)| (*slot, row.key.as_str()))
                .collect::<Vec<_>>(),
            [(0, "a"), (1, "b")]
        );
        assert!(matches!(&subs[..], [whole] if matches!(&whole.body, SubBody::Read(page) if page.rows == 1)));
    }

    #[test]
    fn a_sink_that_refuses_ends_the_reading() {
        let mut kept = Kept {
            room: Some(1),
            ..Kept::default()
        };
        let text = r#"{"totalSize":2,"done":true,"records":[{"Id":"a"},{"Id":"b"}]}"#;
        assert!(read_page(text.as_bytes(), &mut kept).unwrap_err().0.contains("full"));
    }

    #[test]
    fn what_is_no_page_is_broken() {
        for text in [
            "",
            "<html>",
            "[]",
            "{}",
            r#"{"records":[]}"#,
            r#"{"done":true,"records":[3]}"#,
            r#"{"done":true,"records":{}}"#,
        ] {
            assert!(read(text).0.is_err(), "{text}");
        }
    }
}
