//! A 403 that speaks of limits: is the day's allowance gone, or were too many requests under way at once?

/// What a refused request means for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The org has no requests left; pause, whatever the header on the same answer says.
    DailyLimit,
    /// Too many long requests at once; wait a little and go on.
    Concurrency,
}

/// `None` for every other error code.
///
/// Salesforce uses one code for both and tells them apart by an identifier in the message, `TotalRequests` or `Concurrent…`,
/// which is not localised. A message without either is taken for the day's limit: to wait too long is the lesser harm.
pub fn classify(error_code: &str, message: &str) -> Option<Refusal> {
    if error_code != "REQUEST_LIMIT_EXCEEDED" {
        return None;
    }
    Some(if message.to_ascii_lowercase().contains("concurrent") {
        Refusal::Concurrency
    } else {
        Refusal::DailyLimit
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_refusals_are_told_apart() {
        let of = |message| classify("REQUEST_LIMIT_EXCEEDED", message);
        assert_eq!(of("TotalRequests Limit exceeded."), Some(Refusal::DailyLimit));
        assert_eq!(of("ConcurrentPerOrgLongTxn Limit exceeded."), Some(Refusal::Concurrency));
        assert_eq!(
            of("ConcurrentRequests (Concurrent API Requests) Limit exceeded."),
            Some(Refusal::Concurrency)
        );
        assert_eq!(of("Une limite est atteinte."), Some(Refusal::DailyLimit));
        assert_eq!(classify("INVALID_SESSION_ID", "Concurrent"), None);
    }
}
