//! Keeps the example true.

#[path = "sandbox/component.rs"]
mod component;
#[path = "../examples/embed.rs"]
#[allow(dead_code, clippy::unwrap_used, missing_docs)]
mod embed;

use backup_contract::Next;

#[tokio::test]
async fn the_example_backs_up() {
    let connection = embed::Connection::default();
    let next = embed::back_up(&component::hostile(), &connection)
        .await
        .expect("the example runs");
    assert_eq!(next, Next::Done);
    assert_eq!(connection.known().rows.len(), 10, "ten answers are ten rows");
    assert_eq!(connection.known().sent, 11, "ten, and one that told the first reading");
}
