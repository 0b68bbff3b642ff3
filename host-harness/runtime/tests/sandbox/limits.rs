use super::platform::{Platform, Source};
use super::{assert_nothing_left, beginning, config, hostile};
use backup_contract::{BackupOptions, BatchResult, Checkpoint, ConnectorError, Next, Planned, RestoreSelection, Verdict};
use backup_runtime::{CallError, Connector, Processor, RuntimeConfig};

/// One batch of a connector that behaves so.
async fn batch(connector: &Connector, platform: &Platform) -> Result<Result<BatchResult, ConnectorError>, CallError> {
    connector.run_batch(platform.imports(5), beginning()).await
}

/// Why a batch of a connector that behaves so was ended.
async fn ended(behaviour: &str) -> CallError {
    let connector = hostile(config()).await;
    let error = batch(&connector, &Platform::behaving(behaviour)).await.unwrap_err();
    assert_nothing_left(&connector);
    assert_eq!(connector.stats().ended, 1);
    error
}

/// Code and text of what a connector that behaves so was answered.
async fn answered(platform: &Platform) -> (String, String) {
    let connector = hostile(config()).await;
    let Err(ConnectorError::Host(failure)) = batch(&connector, platform).await.unwrap() else {
        panic!("the connector tells what it was answered as a host error");
    };
    (failure.code, failure.message)
}

#[tokio::test]
async fn a_backup_runs_from_plan_to_done() {
    let connector = hostile(config()).await;
    let platform = Platform::new("{}");
    assert_eq!(connector.check(platform.imports(1)).await.unwrap().unwrap().scope, "hostile");
    let planned = connector
        .plan_backup(platform.imports(0), BackupOptions::default())
        .await
        .unwrap()
        .unwrap();
    let Planned::Ready(mut stands) = planned else {
        panic!("{planned:?}")
    };
    let mut batches = 0;
    while let Next::Batch(cost) = stands.next {
        let verdict = connector.decide(platform.imports(0), cost).await.unwrap().unwrap();
        assert_eq!(verdict, Verdict::Proceed(5));
        stands = connector.run_batch(platform.imports(cost), stands.at).await.unwrap().unwrap();
        batches += 1;
    }
    assert_eq!((stands.next, batches), (Next::Done, 2));
    let done = platform.done();
    assert_eq!(done.rows.len(), 10);
    assert_eq!(done.progress.last(), Some(&("Thing".to_owned(), 10)));
    assert_eq!(done.readings.last().unwrap().used, 11);
    assert_eq!(done.readings.last().unwrap().request, Some(11));
    drop(done);
    assert_nothing_left(&connector);
    let stats = connector.stats();
    assert_eq!(stats.ended, 0);
    assert!(stats.peak_memory > 0 && stats.peak_memory < 4 << 20, "{stats:?}");
}

#[tokio::test]
async fn an_allowance_that_is_spent_ends_a_batch_normally() {
    let connector = hostile(config()).await;
    let platform = Platform::behaving("proceed-always");
    let result = connector.run_batch(platform.imports(3), beginning()).await.unwrap().unwrap();
    assert_eq!(result.at.data, b"3");
    assert_eq!(platform.done().started, 3);
    let verdict = connector.decide(platform.imports(0), 1).await.unwrap().unwrap();
    assert_eq!(
        verdict,
        Verdict::Proceed(u32::MAX),
        "it claims everything; holding it to less is the host's"
    );
}

#[tokio::test]
async fn a_trap_is_told_with_its_place() {
    let CallError::Trapped { message, backtrace } = ended("trap").await else {
        panic!()
    };
    assert!(message.contains("unreachable"), "{message}");
    assert!(backtrace.contains("wasm"), "{backtrace}");
}

#[tokio::test]
async fn endless_recursion_is_a_trap_of_the_guest_alone() {
    let CallError::Trapped { message, .. } = ended("overflow-stack").await else {
        panic!()
    };
    assert!(message.contains("stack"), "{message}");
}

#[tokio::test]
async fn a_memory_bomb_is_told_as_one() {
    let limit = config().memory_per_call;
    let connector = hostile(config()).await;
    let error = batch(&connector, &Platform::behaving("bomb-memory")).await.unwrap_err();
    assert_eq!(error, CallError::MemoryExceeded { limit });
    let peak = connector.stats().peak_memory;
    assert!(peak <= limit && peak > limit / 2, "{peak}");
    assert_nothing_left(&connector);
}

#[tokio::test]
async fn peak_memory_is_what_the_guest_held() {
    let connector = hostile(config()).await;
    let platform = Platform::new(r#"{"behaviour":"hold-memory","bytes":33554432}"#);
    batch(&connector, &platform).await.unwrap().unwrap();
    let peak = connector.stats().peak_memory;
    assert!((32 << 20..40 << 20).contains(&peak), "{peak}");
}

#[tokio::test]
async fn a_reading_told_before_a_trap_is_not_lost() {
    let connector = hostile(config()).await;
    let platform = Platform::behaving("trap-after-observe");
    assert!(matches!(batch(&connector, &platform).await, Err(CallError::Trapped { .. })));
    let done = platform.done();
    assert_eq!((done.readings.len(), done.rows.len(), done.under_way), (1, 0, 0));
}

#[tokio::test]
async fn a_checkpoint_over_the_limit_is_refused_and_one_at_it_is_not() {
    let connector = hostile(config()).await;
    let limit = 1 << 20;
    let sized = |bytes: usize| Platform::new(&format!(r#"{{"behaviour":"huge-checkpoint","bytes":{bytes}}}"#));
    let error = batch(&connector, &sized(limit + 1)).await.unwrap_err();
    assert_eq!(error, CallError::CheckpointTooLarge { bytes: limit + 1, limit });
    let result = batch(&connector, &sized(limit)).await.unwrap().unwrap();
    assert_eq!(result.at.data.len(), limit);
}

#[tokio::test]
async fn an_append_over_the_limit_is_answered_so_and_one_at_it_is_not() {
    let platform = Platform::behaving("huge-append");
    let (_, text) = answered(&platform).await;
    assert_eq!(text, format!("Err(StorageError::TooLarge({}))", 8 << 20));
    assert!(platform.done().rows.is_empty());
    let (_, text) = answered(&Platform::new(&format!(
        r#"{{"behaviour":"huge-append","bytes":{}}}"#,
        8 << 20
    )))
    .await;
    assert_eq!(text, "Ok(())");
}

#[tokio::test]
async fn more_data_at_once_than_the_host_takes_ends_the_call() {
    let connector = hostile(config()).await;
    let platform = Platform::new(r#"{"behaviour":"huge-append","bytes":20000000}"#);
    let error = batch(&connector, &platform).await.unwrap_err();
    assert_eq!(error, CallError::TooMuchData { limit: 16 << 20 });
    assert_nothing_left(&connector);
}

#[tokio::test]
async fn handles_are_counted() {
    let connector = hostile(config()).await;
    let platform = Platform::behaving("handle-bomb");
    let error = connector
        .run_batch(platform.imports(u32::MAX), beginning())
        .await
        .unwrap_err();
    assert_eq!(error, CallError::TooManyHandles { limit: 1_000 });
    let done = platform.done();
    assert_eq!(done.started, 1_000, "refused before it was sent");
    assert_eq!(done.under_way, 0, "all were let go");
}

#[tokio::test]
async fn waiting_for_any_of_no_requests_is_a_trap() {
    let CallError::Trapped { message, .. } = ended("wait-any-of-nothing").await else {
        panic!()
    };
    assert!(message.contains("wait-any"), "{message}");
}

#[tokio::test]
async fn a_request_can_be_finished_once() {
    let (_, text) = answered(&Platform::behaving("finish-twice")).await;
    assert!(
        text.starts_with("Ok((Ok(200), Err(SendError::Other(") && text.contains("finished"),
        "{text}"
    );
}

#[tokio::test]
async fn names_that_lead_out_of_the_connection_are_refused() {
    let platform = Platform::behaving("foreign-key");
    let (code, text) = answered(&platform).await;
    assert_eq!(code, "refused", "{text}");
    let done = platform.done();
    assert!(done.values.is_empty() && done.rows.is_empty());
}

#[tokio::test]
async fn a_cut_body_reaches_the_connector_as_an_error() {
    let connector = hostile(config()).await;
    let platform = Platform::new("{}").with_source(Source::CutsBodies);
    let Err(ConnectorError::Source(failure)) = batch(&connector, &platform).await.unwrap() else {
        panic!()
    };
    assert_eq!(failure.code, "cut-body");
    assert!(
        failure.message.contains("the connection was cut in the body"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn nothing_can_be_sent_while_deciding() {
    let connector = hostile(config()).await;
    let platform = Platform::new(r#"{"behaviour":"send-anywhere","in":"decide"}"#);
    let Err(ConnectorError::Host(failure)) = connector.decide(platform.imports(5), 1).await.unwrap() else {
        panic!()
    };
    assert!(failure.message.contains("NotPermitted"), "{}", failure.message);
    assert_eq!(platform.done().started, 0);
}

#[tokio::test]
async fn reports_are_for_jobs_only() {
    let connector = hostile(config()).await;
    let platform = Platform::new(r#"{"behaviour":"report-anywhere","in":"check"}"#);
    let error = connector.check(platform.imports(1)).await.unwrap_err();
    let (import, export) = ("report.finished", "check");
    assert_eq!(error, CallError::NotPermitted { import, export });
}

#[tokio::test]
async fn migrating_gets_no_import_at_all() {
    let connector = hostile(config()).await;
    let at = Checkpoint {
        state_version: 1,
        data: b"use an import".to_vec(),
    };
    let error = connector.migrate_state(at, 1).await.unwrap_err();
    let (import, export) = ("job.requests-left", "migrate-state");
    assert_eq!(error, CallError::NotPermitted { import, export });
    assert_eq!(connector.migrate_state(beginning(), 1).await.unwrap().unwrap(), beginning());
    let refused = connector.migrate_state(beginning(), 2).await.unwrap().unwrap_err();
    assert!(matches!(refused, ConnectorError::Unsupported(_)));
}

#[tokio::test]
async fn the_connectors_own_refusal_is_an_answer_and_no_kill() {
    let connector = hostile(config()).await;
    let platform = Platform::new("{}");
    let refused = connector
        .plan_restore(platform.imports(0), RestoreSelection::default())
        .await
        .unwrap()
        .unwrap_err();
    assert!(matches!(refused, ConnectorError::Unsupported(_)));
    let platform = Platform::behaving("fail-always");
    assert!(matches!(
        batch(&connector, &platform).await.unwrap(),
        Err(ConnectorError::Source(_))
    ));
    let platform = Platform::new("not json");
    assert!(matches!(
        batch(&connector, &platform).await.unwrap(),
        Err(ConnectorError::Configuration(_))
    ));
    assert_eq!(connector.stats().ended, 0);
}

#[tokio::test]
async fn a_kill_leaves_nothing_however_often_it_happens() {
    let connector = hostile(config()).await;
    for round in 0..100 {
        let behaviour = ["trap", "wait-any-of-nothing", "handle-bomb", "overflow-stack"][round % 4];
        let error = connector
            .run_batch(Platform::behaving(behaviour).imports(2_000), beginning())
            .await;
        assert!(error.is_err(), "{behaviour}");
        assert_nothing_left(&connector);
    }
    let platform = Platform::new("{}");
    batch(&connector, &platform).await.unwrap().unwrap();
}

#[tokio::test]
async fn fuel_ends_a_loop_and_counts_the_same_each_time() {
    let fueled = RuntimeConfig {
        processor: Processor::Fuel {
            every: 10_000,
            limit: 50_000_000,
        },
        ..config()
    };
    let connector = hostile(fueled.clone()).await;
    let error = batch(&connector, &Platform::behaving("loop")).await.unwrap_err();
    assert_eq!(error, CallError::CpuExceeded { limit: fueled.processor });
    let mut counts = vec![];
    for _ in 0..2 {
        let before = connector.stats().fuel;
        batch(&connector, &Platform::new("{}")).await.unwrap().unwrap();
        counts.push(connector.stats().fuel - before);
    }
    assert!(counts[0] > 0 && counts[0] == counts[1], "{counts:?}");
    assert_nothing_left(&connector);
}
