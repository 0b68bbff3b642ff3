#![allow(clippy::unwrap_used)]
use super::*;
use crate::testing::fixture::{Fixture, actor, claim, connection};
use crate::verify::{gc, verify};

fn value(text: &str) -> Option<Bytes> {
    Some(Bytes::from(text.to_owned()))
}

#[tokio::test]
async fn values_put_together_are_there_together_in_another_process() {
    let fixture = Fixture::new(1);
    let store = fixture.store().await.unwrap();
    let claimed = claim(&store).await.unwrap();
    let mut values = Values::open(&store, &connection()).await.unwrap();
    let bytes = Some(Bytes::from_static(&[0, 255, 10]));
    values
        .put(
            &claimed,
            vec![
                ("v1/a".into(), value("x")),
                ("v1/b".into(), bytes.clone()),
                ("v2/c".into(), value("")),
            ],
        )
        .await
        .unwrap();
    values
        .put(&claimed, vec![("v1/a".into(), None), ("v1/d".into(), value("y"))])
        .await
        .unwrap();
    let read = Values::open(&store, &connection()).await.unwrap();
    for values in [&values, &read] {
        assert_eq!(values.get("v1/a"), None);
        assert_eq!(values.get("v1/b"), bytes);
        assert_eq!(values.get("v2/c"), value(""));
        assert_eq!(values.keys("v1/", "", 10), ["v1/b", "v1/d"]);
        assert_eq!(values.keys("v1/", "v1/b", 10), ["v1/d"]);
        assert_eq!(values.keys("", "v1/b", 1), ["v1/d"]);
    }
}

#[tokio::test]
async fn a_value_that_can_not_be_stored_stores_none_of_its_put() {
    let fixture = Fixture::new(2);
    let store = fixture.store().await.unwrap();
    let claimed = claim(&store).await.unwrap();
    let mut values = Values::open(&store, &connection()).await.unwrap();
    let large = Some(Bytes::from(vec![b'x'; MAX_VALUE_BYTES + 1]));
    let refused = values
        .put(&claimed, vec![("good".into(), value("x")), ("large".into(), large)])
        .await;
    assert!(matches!(refused, Err(StoreError::TooLarge { .. })));
    assert!(values.put(&claimed, vec![(String::new(), None)]).await.is_err());
    assert_eq!(Values::open(&store, &connection()).await.unwrap().get("good"), None);
}

#[tokio::test]
async fn compacted_values_are_the_same_values_in_fewer_entries() {
    let fixture = Fixture::new(3);
    let (store, mut journal) = fixture.added().await;
    let mut claimed = claim(&store).await.unwrap();
    let mut values = Values::open(&store, &connection()).await.unwrap();
    for n in 0..100 {
        let large = Some(Bytes::from(vec![b'x'; 700_000]));
        let entries = vec![
            (format!("k{}", n % 10), value(&n.to_string())),
            (format!("large{}", n % 8), large),
        ];
        values.put(&claimed, entries).await.unwrap();
    }
    let collected = gc(&mut claimed, &mut journal, &actor()).await.unwrap();
    assert_eq!(collected.values, 100);
    let after = Values::open(&store, &connection()).await.unwrap();
    assert_eq!(after.values, values.values);
    assert!(after.chain.head().seq > 101, "more than one part");
    assert_eq!(verify(&store, &connection()).await.unwrap().damages, []);
    let mut after = after;
    after.put(&claimed, vec![("k0".into(), None)]).await.unwrap();
    assert_eq!(Values::open(&store, &connection()).await.unwrap().get("k0"), None);
}

#[tokio::test]
async fn a_base_that_was_cut_short_by_a_crash_counts_for_nothing() {
    let mut died = true;
    // Within the base's two parts, within the deletions after it, and not at all.
    for n in [1, 2, 3, 40, 200] {
        let fixture = Fixture::new(n);
        let store = fixture.store().await.unwrap();
        let claimed = claim(&store).await.unwrap();
        let mut values = Values::open(&store, &connection()).await.unwrap();
        for i in 0..70 {
            let text = "x".repeat(if i < 6 { 900_000 } else { 1 });
            values
                .put(&claimed, vec![(format!("k{}", i.min(9)), value(&text))])
                .await
                .unwrap();
        }
        let before = values.values.clone();
        fixture.backend.crash_at(n, crate::testing::Crash::After);
        died = values.compact(&store, &claimed).await.is_err();
        assert_eq!(died, fixture.backend.has_crashed());
        fixture.backend.heal().await;
        assert_eq!(
            Values::open(&store, &connection()).await.unwrap().values,
            before,
            "dead at write {n}"
        );
    }
    assert!(!died, "the last one is not cut short");
}

#[tokio::test]
async fn another_host_takes_over_and_the_first_one_can_not_put() {
    let fixture = Fixture::new(4);
    let store = fixture.store().await.unwrap();
    let first = claim(&store).await.unwrap();
    let mut slow = Values::open(&store, &connection()).await.unwrap();
    let mut quick = Values::open(&store, &connection()).await.unwrap();
    quick.put(&first, vec![("a".into(), value("1"))]).await.unwrap();
    let lost = slow.put(&first, vec![("a".into(), value("2"))]).await;
    assert!(matches!(lost, Err(StoreError::Lost { .. })));
}
