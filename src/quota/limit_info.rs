//! The header `Sforce-Limit-Info`: lenient in form, exact in content.
//!
//! Forms seen: `api-usage=18/5000`, `api-usage=25/5000; per-app-api-usage=17/250(appName=sample)`, the same with `,` or without
//! the blank, and either part first. Only a segment whose name *is* `api-usage` counts: `per-app-api-usage` ends with the same
//! letters and has the numbers of one application.

use super::Usage;

/// The header's name; HTTP compares it in any case.
pub const HEADER: &str = "Sforce-Limit-Info";

/// Usage of the whole org. `None` where the header doesn't tell it beyond doubt: broken numbers, no such segment, or two that
/// disagree. The caller then keeps its estimate.
pub fn parse(header: &str) -> Option<Usage> {
    let mut found = segments(header).filter_map(|segment| {
        let (name, value) = segment.split_once('=')?;
        name.trim().eq_ignore_ascii_case("api-usage").then(|| usage(value))
    });
    let first = found.next()??;
    found.all(|other| other == Some(first)).then_some(first)
}

fn usage(value: &str) -> Option<Usage> {
    let (used, max) = value.split_once('/')?;
    Some(Usage {
        used: number(used)?,
        max: number(max)?,
    })
}

/// Digits only: `u64::from_str` alone would take a sign.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Parts between `;` and `,` outside of parentheses: an application's name stands in parentheses and may hold anything.
fn segments(header: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0usize;
    header.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && (c == ';' || c == ',')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_documented_form_is_read() {
        let expected = Some(Usage { used: 25, max: 5000 });
        for header in [
            "api-usage=25/5000",
            "api-usage=25/5000; per-app-api-usage=17/250(appName=sample-connected-app)",
            "per-app-api-usage=17/250(appName=sample-connected-app); api-usage=25/5000",
            "api-usage=25/5000;per-app-api-usage=17/250(appName=a)",
            "api-usage=25/5000,per-app-api-usage=17/250(appName=a)",
            "per-app-api-usage=17/250(appName=x; api-usage=0/9), api-usage=25/5000",
            "  API-Usage = 25 / 5000 ",
            "something-new=1;api-usage=25/5000",
        ] {
            assert_eq!(parse(header), expected, "{header}");
        }
        assert_eq!(
            parse("api-usage=120001/100000"),
            Some(Usage {
                used: 120_001,
                max: 100_000
            }),
            "over max is legal"
        );
    }

    #[test]
    fn what_is_broken_is_not_plenty() {
        for header in [
            "",
            "api-usage",
            "api-usage=",
            "api-usage=/",
            "api-usage=25",
            "api-usage=25/",
            "api-usage=/5000",
            "api-usage=-1/5000",
            "api-usage=+1/5000",
            "api-usage=2 5/5000",
            "api-usage=25/5000/1",
            "api-usage=25/5000x",
            "api-usage=25.0/5000",
            "api-usage=99999999999999999999/5000",
            "per-app-api-usage=17/250(appName=sample)",
            "xapi-usage=1/2",
            "per-app-api-usage=17/250(appName=x; api-usage=0/9)",
            "api-usage=1/5000; api-usage=25/5000",
            "api-usage=broken; api-usage=25/5000",
        ] {
            assert_eq!(parse(header), None, "{header}");
        }
    }

    proptest! {
        #[test]
        fn any_numbers_in_any_order_and_case_are_read(used: u64, max: u64, app in "[a-zA-Z0-9 ;,=/-]{0,20}", per_app_first: bool, upper: bool) {
            let org = format!("api-usage={used}/{max}");
            let per_app = format!("per-app-api-usage=1/2(appName={app})");
            let header = if per_app_first { format!("{per_app}; {org}") } else { format!("{org}; {per_app}") };
            let header = if upper { header.to_uppercase() } else { header };
            prop_assert_eq!(parse(&header), Some(Usage { used, max }));
        }

        #[test]
        fn any_text_is_taken_without_a_panic(text in ".*") {
            let _ = parse(&text);
        }
    }
}
