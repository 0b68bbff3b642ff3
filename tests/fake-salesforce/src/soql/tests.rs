//! What the grammar takes, refuses, and where it points.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::ast::{Condition, LiteralValue, Operator, Select};
use super::*;

fn refused(text: &str) -> String {
    let error = parse(text).unwrap_err();
    assert_eq!(error.code, "MALFORMED_QUERY", "{text}");
    error.message
}

#[test]
fn queries_that_backups_send_are_taken() {
    for text in [
        "SELECT Id FROM Account",
        "select count() from Account",
        "SELECT COUNT(Id) FROM Account WHERE IsDeleted = false",
        "SELECT Id, Owner.Name, a.Parent.Owner.Email FROM Account a ORDER BY Id ASC NULLS LAST LIMIT 10 OFFSET 5",
        "SELECT FIELDS(ALL) FROM Account LIMIT 200",
        "SELECT Id FROM Account USING SCOPE mine WHERE Name LIKE 'A%' AND (CreatedDate > 2020-01-01T00:00:00Z OR Id IN ('a','b'))",
        "SELECT Id FROM Account WHERE NOT (Name = 'x') AND NOT Name = 'y'",
        "SELECT Id FROM Account WHERE SystemModstamp >= 2020-10-22T21:03:23.000+00:00 AND SystemModstamp < 2020-10-22T21:03:23.000-0800",
        "SELECT Id FROM Account WHERE CreatedDate = LAST_N_DAYS:30 AND CloseDate = 2024-02-29 AND X__c != null AND Y__c <> TRUE",
        "SELECT Id FROM Account WHERE Amount >= -1.5E3 AND Tags__c INCLUDES ('a;b', 'c') AND T__c EXCLUDES ('z')",
        "SELECT OwnerId, COUNT(Id) total FROM Account GROUP BY OwnerId",
        "SELECT\n  Id\n,Name\tFROM\r\nAccount",
        "SELECT Id FROM Account WHERE Id NOT IN ('001000000000001AAA')",
        "SELECT Id FROM Order ORDER BY Id",
        "SELECT Id FROM Group WHERE Notes__c = null",
    ] {
        if let Err(error) = parse(text) {
            panic!("{text}: {error}");
        }
    }
}

#[test]
fn a_syntax_error_points_at_the_first_token_that_does_not_fit() {
    assert!(refused("SELECT Id FORM Account").ends_with("ERROR at Row:1:Column:11\nunexpected token: 'FORM'"));
    assert!(refused("SELECT Id FROM Account WHERE").ends_with("unexpected token: <EOF>"));
    assert!(refused("SELECT FROM Account").contains("unexpected token: '"));
    assert!(refused("SELECT Id FROM Account LIMIT x").ends_with("ERROR at Row:1:Column:30\nunexpected token: 'x'"));
    assert!(
        refused("SELECT (SELECT Id FROM Contacts) FROM Account").ends_with("ERROR at Row:1:Column:8\nunexpected token: '('")
    );
    assert!(refused("SELECT Id FROM Account WHERE CreatedDate = SOMEDAY").ends_with("unexpected token: 'SOMEDAY'"));
    assert!(refused("SELECT Id FROM Account WHERE CreatedDate > 2023-02-30").contains("Column:44"));
}

#[test]
fn and_does_not_mix_with_or_without_parentheses() {
    assert!(refused("SELECT Id FROM Account WHERE A = 1 AND B = 2 OR C = 3").ends_with("unexpected token: 'OR'"));
    assert!(parse("SELECT Id FROM Account WHERE A = 1 AND (B = 2 OR C = 3)").is_ok());
}

#[test]
fn strings_are_unescaped_and_numbers_keep_their_digits() {
    let query =
        parse(r"SELECT Id FROM A WHERE N = 'It\'s \u00e9 \\ \n' OR D = 999999999999999999 OR E = 1.6147805824397E13").unwrap();
    let Some(Condition::Any(terms)) = query.filter else {
        panic!("{query:?}")
    };
    let values: Vec<_> = terms
        .into_iter()
        .map(|t| match t {
            Condition::Compare {
                value,
                operator: Operator::Equal,
                ..
            } => value.value,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        values,
        [
            LiteralValue::Text("It's é \\ \n".into()),
            LiteralValue::Number("999999999999999999".into()),
            LiteralValue::Number("1.6147805824397E13".into())
        ]
    );
}

#[test]
fn a_text_of_more_than_100000_characters_is_refused_before_it_is_read() {
    let text = format!("SELECT Id FROM Account WHERE Name = '{}'", "x".repeat(MAX_CHARS));
    assert_eq!(refused(&text), "SOQL statements can not be longer than 100000 characters");
    let fields = "Field_Number__c, ".repeat(5_800);
    assert!(parse(&format!("SELECT {fields}Id FROM Account")).is_ok());
}

#[test]
fn pages_get_shorter_with_width_and_with_long_texts() {
    let rules = SoqlRules::default();
    assert_eq!(rules.page_rows(100, 0, None), 2_000);
    assert_eq!(rules.page_rows(500, 0, None), 400);
    assert_eq!(rules.page_rows(10, 2, None), 200);
    assert_eq!(rules.page_rows(10, 0, Some(500)), 500);
    assert_eq!(rules.page_rows(10, 0, Some(5)), 200);
    assert_eq!(rules.page_rows(10, 0, Some(50_000)), 2_000);
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,80}") {
        let _ = parse(&text);
        let _ = parse(&format!("SELECT Id FROM Account WHERE {text}"));
    }

    #[test]
    fn keywords_read_in_any_case_and_any_layout(
        fields in prop::collection::vec("[A-Z][a-z]{2,6}__c", 1..6),
        limit in 0u64..5_000,
        space in "[ \t\r\n]{1,3}",
        upper in any::<bool>(),
    ) {
        let words = ["select", "from", "order", "by", "limit"].map(|w| if upper { w.to_uppercase() } else { w.to_owned() });
        let list = fields.join(&format!("{space},{space}"));
        let text = format!("{}{space}{list}{space}{}{space}X__c{space}{}{space}{}{space}Id{space}{}{space}{limit}",
            words[0], words[1], words[2], words[3], words[4]);
        let query = parse(&text).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(query.limit, Some(limit));
        let Select::Items(items) = query.select else { return Err(TestCaseError::fail("no items")) };
        prop_assert_eq!(items.len(), fields.len());
    }
}
