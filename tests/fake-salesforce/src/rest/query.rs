//! `/query`, `/queryAll` and the pages after the first.

use super::Service;
use super::answer::{Answer, AnswerBody};
use super::call::Call;
use crate::org::Scan;
use crate::soql::{QueryRequest, open};

pub(super) fn query(service: &Service, call: &Call) -> Answer {
    run(service, call, Scan::QUERY)
}

pub(super) fn query_all(service: &Service, call: &Call) -> Answer {
    run(service, call, Scan::QUERY_ALL)
}

fn run(service: &Service, call: &Call, scan: Scan) -> Answer {
    let Some(text) = call.parameter("q") else {
        return Answer::refusal(400, "MALFORMED_QUERY", "unexpected token: <EOF>");
    };
    let request = QueryRequest {
        text: text.to_owned(),
        scan,
        batch_size: batch_size(call.header("sforce-query-options")),
        now: service.now(),
    };
    let org = service.org();
    match open(&org, &service.viewer(), &request, service.rules().soql) {
        Ok(cursor) => {
            let page = service
                .locators
                .first_page(&org, &cursor, &call.version, service.clock.now_ms());
            Answer::of(AnswerBody::QueryPage(page))
        }
        Err(error) => error.into(),
    }
}

/// The page after an earlier one. Its size is that of the query's first page.
pub(super) fn more(service: &Service, call: &Call, locator: &str) -> Answer {
    match service
        .locators
        .page(&service.org(), locator, &call.version, service.clock.now_ms())
    {
        Some(page) => Answer::of(AnswerBody::QueryPage(page)),
        None => Answer::refusal(400, "INVALID_QUERY_LOCATOR", "invalid query locator"),
    }
}

/// `batchSize=500` of `Sforce-Query-Options`; anything else in it is ignored.
fn batch_size(header: Option<&str>) -> Option<usize> {
    header?.split([',', ';']).find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("batchSize")
            .then(|| value.trim().parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_batch_size_is_read_from_the_header() {
        assert_eq!(batch_size(Some("batchSize=500")), Some(500));
        assert_eq!(batch_size(Some("x=1, batchSize = 250")), Some(250));
        assert_eq!(batch_size(Some("batchSize=many")), None);
        assert_eq!(batch_size(None), None);
    }
}
