//! Date literals of SOQL: names for spans of days that move with the clock.
//!
//! Choice: the user's time zone is UTC, and weeks begin on Sunday as in the locale en_US.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, Utc};

/// A named span, for instance `LAST_N_DAYS:7`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateLiteral {
    /// The name in upper case.
    name: String,
    /// The number after the colon.
    number: Option<u32>,
}

/// From a moment up to, not including, another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first moment in it.
    pub start: DateTime<Utc>,
    /// The first moment after it.
    pub end: DateTime<Utc>,
}

const PLAIN: [&str; 17] = [
    "YESTERDAY",
    "TODAY",
    "TOMORROW",
    "LAST_WEEK",
    "THIS_WEEK",
    "NEXT_WEEK",
    "LAST_MONTH",
    "THIS_MONTH",
    "NEXT_MONTH",
    "LAST_90_DAYS",
    "NEXT_90_DAYS",
    "THIS_QUARTER",
    "LAST_QUARTER",
    "NEXT_QUARTER",
    "THIS_YEAR",
    "LAST_YEAR",
    "NEXT_YEAR",
];
const NUMBERED: [&str; 11] = [
    "LAST_N_DAYS",
    "NEXT_N_DAYS",
    "N_DAYS_AGO",
    "LAST_N_WEEKS",
    "NEXT_N_WEEKS",
    "LAST_N_MONTHS",
    "NEXT_N_MONTHS",
    "LAST_N_QUARTERS",
    "NEXT_N_QUARTERS",
    "LAST_N_YEARS",
    "NEXT_N_YEARS",
];

impl DateLiteral {
    /// The literal of a text like `TODAY` or `last_n_days:30`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let upper = text.to_ascii_uppercase();
        match upper.split_once(':') {
            None => PLAIN.contains(&upper.as_str()).then_some(Self {
                name: upper,
                number: None,
            }),
            Some((name, number)) => {
                let number = number.trim().parse().ok()?;
                let name = name.trim();
                NUMBERED.contains(&name).then(|| Self {
                    name: name.to_owned(),
                    number: Some(number),
                })
            }
        }
    }

    /// The span that it names at a time. Spans that leave the calendar are cut at its ends.
    #[must_use]
    pub fn span(&self, now: DateTime<Utc>) -> Span {
        let today = now.date_naive();
        let n = self.number.unwrap_or(0);
        let days = |from: i64, to: i64| (day_shift(today, from), day_shift(today, to));
        let week = day_shift(today, -i64::from(today.weekday().num_days_from_sunday()));
        let weeks = |from: i64, to: i64| (day_shift(week, 7 * from), day_shift(week, 7 * to));
        let month = today.with_day(1).unwrap_or(today);
        let months = |from: i64, to: i64| (month_shift(month, from), month_shift(month, to));
        let quarter = month_shift(month, -i64::from(month.month0() % 3));
        let quarters = |from: i64, to: i64| (month_shift(quarter, 3 * from), month_shift(quarter, 3 * to));
        let year = month_shift(month, -i64::from(month.month0()));
        let years = |from: i64, to: i64| (month_shift(year, 12 * from), month_shift(year, 12 * to));
        let count = i64::from(n);
        let (start, end) = match self.name.as_str() {
            "YESTERDAY" => days(-1, 0),
            "TOMORROW" => days(1, 2),
            "LAST_90_DAYS" => days(-90, 1),
            "NEXT_90_DAYS" => days(1, 91),
            "LAST_N_DAYS" => days(-count, 1),
            "NEXT_N_DAYS" => days(1, count + 1),
            "N_DAYS_AGO" => days(-count, 1 - count),
            "LAST_WEEK" => weeks(-1, 0),
            "THIS_WEEK" => weeks(0, 1),
            "NEXT_WEEK" => weeks(1, 2),
            "LAST_N_WEEKS" => weeks(-count, 0),
            "NEXT_N_WEEKS" => weeks(1, count + 1),
            "LAST_MONTH" => months(-1, 0),
            "THIS_MONTH" => months(0, 1),
            "NEXT_MONTH" => months(1, 2),
            "LAST_N_MONTHS" => months(-count, 0),
            "NEXT_N_MONTHS" => months(1, count + 1),
            "LAST_QUARTER" => quarters(-1, 0),
            "THIS_QUARTER" => quarters(0, 1),
            "NEXT_QUARTER" => quarters(1, 2),
            "LAST_N_QUARTERS" => quarters(-count, 0),
            "NEXT_N_QUARTERS" => quarters(1, count + 1),
            "LAST_YEAR" => years(-1, 0),
            "THIS_YEAR" => years(0, 1),
            "NEXT_YEAR" => years(1, 2),
            "LAST_N_YEARS" => years(-count, 0),
            "NEXT_N_YEARS" => years(1, count + 1),
            _ => days(0, 1), // TODAY: `parse` lets nothing else through
        };
        Span {
            start: midnight(start),
            end: midnight(end),
        }
    }
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

fn day_shift(day: NaiveDate, by: i64) -> NaiveDate {
    let days = Days::new(by.unsigned_abs());
    if by < 0 {
        day.checked_sub_days(days).unwrap_or(NaiveDate::MIN)
    } else {
        day.checked_add_days(days).unwrap_or(NaiveDate::MAX)
    }
}

fn month_shift(day: NaiveDate, by: i64) -> NaiveDate {
    let months = Months::new(u32::try_from(by.unsigned_abs()).unwrap_or(u32::MAX));
    if by < 0 {
        day.checked_sub_months(months).unwrap_or(NaiveDate::MIN)
    } else {
        day.checked_add_months(months).unwrap_or(NaiveDate::MAX)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn span(text: &str) -> (String, String) {
        let now = DateTime::parse_from_rfc3339("2024-03-13T15:00:00Z").unwrap().to_utc(); // a Wednesday
        let span = DateLiteral::parse(text).unwrap().span(now);
        (span.start.date_naive().to_string(), span.end.date_naive().to_string())
    }

    #[test]
    fn literals_name_the_documented_spans() {
        let expected = [
            ("TODAY", "2024-03-13", "2024-03-14"),
            ("yesterday", "2024-03-12", "2024-03-13"),
            ("LAST_N_DAYS:7", "2024-03-06", "2024-03-14"),
            ("N_DAYS_AGO:2", "2024-03-11", "2024-03-12"),
            ("THIS_WEEK", "2024-03-10", "2024-03-17"),
            ("LAST_MONTH", "2024-02-01", "2024-03-01"),
            ("THIS_QUARTER", "2024-01-01", "2024-04-01"),
            ("LAST_N_YEARS:2", "2022-01-01", "2024-01-01"),
        ];
        for (text, start, end) in expected {
            assert_eq!(span(text), (start.to_owned(), end.to_owned()), "{text}");
        }
    }

    #[test]
    fn other_words_are_no_literals() {
        for text in ["SOMEDAY", "LAST_N_DAYS", "TODAY:3", "LAST_N_DAYS:x", "NOW"] {
            assert_eq!(DateLiteral::parse(text), None, "{text}");
        }
    }
}
