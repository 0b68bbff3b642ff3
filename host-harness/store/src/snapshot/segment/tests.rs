#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

fn object() -> ObjectName {
    "Account".parse().unwrap()
}

fn any_row() -> impl Strategy<Value = Row> {
    ("\\PC{1,20}|[\\x00-\\x1f\"\\\\]{1,6}", any::<u64>(), any::<String>()).prop_map(|(key, revision, text)| Row {
        key,
        revision,
        body: serde_json::json!({"text": text, "n": 1}).to_string().into(),
    })
}

fn read_all(built: Vec<Built>) -> Vec<Row> {
    let mut rows = Vec::new();
    for Built { bytes, reference } in built {
        let mut reader = SegmentReader::open("s", &reference, bytes.clone()).unwrap();
        while let Some(row) = reader.next().unwrap() {
            rows.push(row);
        }
        SegmentReader::open("s", &reference, bytes)
            .unwrap()
            .check(&reference)
            .unwrap();
    }
    rows
}

proptest! {
    #[test]
    fn rows_are_read_as_they_were_written_to_the_byte(rows in proptest::collection::vec(any_row(), 1..60)) {
        let mut model = std::collections::BTreeMap::<String, Row>::new();
        for row in &rows {
            check_row(&object(), row).unwrap();
            model.insert(row.key.clone(), row.clone());
        }
        let read = read_all(build(&object(), rows).unwrap());
        prop_assert_eq!(read, model.into_values().collect::<Vec<_>>());
    }
}

#[test]
fn a_plain_zstd_reader_sees_the_bodies_and_nothing_else() {
    let rows = ["b", "a"].map(|key| Row {
        key: key.to_owned(),
        revision: 1,
        body: format!("{{\"Id\":\"{key}\",\"n\":0.10}}").into(),
    });
    let built = build(&object(), rows.to_vec()).unwrap();
    let plain = zstd::decode_all(&*built[0].bytes).unwrap();
    assert_eq!(plain, b"{\"Id\":\"a\",\"n\":0.10}\n{\"Id\":\"b\",\"n\":0.10}\n");
}

#[test]
fn rows_that_do_not_compress_are_cut_into_segments_of_at_most_8_mib() {
    let mut state = 1_u64;
    let mut noise = |length: usize| -> String {
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[(state % 64) as usize])
        };
        (0..length).map(|_| next()).collect()
    };
    let rows: Vec<Row> = (0..30)
        .map(|i| Row {
            key: format!("{i:03}"),
            revision: 1,
            body: format!("{{\"x\":\"{}\"}}", noise(1 << 20)).into(),
        })
        .collect();
    let built = build(&object(), rows.clone()).unwrap();
    assert!(built.len() > 2, "{}", built.len());
    assert!(built.iter().all(|b| b.bytes.len() <= 8 << 20));
    assert_eq!(read_all(built), rows);
}

#[test]
fn a_row_that_can_not_be_a_line_is_refused() {
    for body in ["", "1", "[]", "{\"a\":1}\n", "{\"a\":1}{}", "{a:1}", "{\"a\":\"\r\"}"] {
        let row = Row {
            key: "k".to_owned(),
            revision: 1,
            body: body.into(),
        };
        assert!(check_row(&object(), &row).is_err(), "{body:?}");
    }
    for key in [String::new(), "k".repeat(256)] {
        assert!(check_key(&object(), &key).is_err());
    }
}
