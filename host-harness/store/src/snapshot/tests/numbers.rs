//! Whatever numbers are told, what is committed can be read.

use super::*;
use crate::ObjectReport;
use crate::snapshot::{Estimate, MAX_COUNT};

fn any_number() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(u64::MAX), Just(u64::MAX / 2), Just(1 << 61), any::<u64>()]
}

fn report(name: &str, told: [u64; 5]) -> ObjectReport {
    let [records, total, requests, estimated, bytes] = told;
    ObjectReport {
        records: Some(records),
        total: Some(total),
        estimate: Some(Estimate {
            way: "pages".to_owned(),
            requests,
            records: estimated,
            bytes,
        }),
        ..ObjectReport::new(name.parse().unwrap())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn sums_of_reported_numbers_stay_numbers(told in prop::collection::vec(prop::array::uniform5(any_number()), 1..6)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut host = Host::new(1).await;
            let mut writer = host.begin(None).await.unwrap();
            let mut step = commit(NextStep::Batch { requests: 1 });
            step.objects = told.iter().enumerate().map(|(n, told)| report(&format!("O{n}"), *told)).collect();
            writer.commit(writer.stage(), step).await.unwrap();
            let snapshot = host.open(writer.id()).await;
            let fold = snapshot.fold();
            assert!(fold.records() <= MAX_COUNT * told.len() as u64);
            let estimates = fold.objects.values().filter_map(|object| object.estimate.as_ref());
            let sum = estimates.fold(0u64, |sum, estimate| sum + estimate.requests + estimate.records + estimate.bytes);
            assert!(sum <= 3 * MAX_COUNT * told.len() as u64);
        });
    }
}
