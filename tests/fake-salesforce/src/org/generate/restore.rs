//! Small orgs for restores, each seed another: every kind of reference that a restore has to put in order.
//!
//! Their rows are written (see `populate`), not generated, so that each went through the checks that a restore will meet.

use crate::org::{
    generate::{dice, dice::seed_of, preset::base},
    spec::{OrgSpec, ReferenceKind, ReferenceSpec},
};

/// Standard objects with about so many rows.
const STANDARD: &[(&str, u64)] = &[
    ("Account", 20),
    ("Contact", 24),
    ("Lead", 10),
    ("Product2", 6),
    ("Pricebook2", 3),
    ("PricebookEntry", 12),
    ("Campaign", 4),
    ("CampaignMemberStatus", 0),
    ("CampaignMember", 10),
    ("AccountContactRelation", 4),
    ("Opportunity", 14),
    ("OpportunityLineItem", 14),
    ("Case", 10),
    ("CaseComment", 6),
    ("Contract", 5),
    ("Order", 6),
    ("OrderItem", 8),
    ("Asset", 6),
    ("Task", 16),
    ("Event", 6),
    ("Note", 4),
    ("Attachment", 5),
    ("ContentDocument", 0),
    ("ContentVersion", 8),
    ("ContentDocumentLink", 5),
];
/// How long the chain of required references is.
const LEVELS: u64 = 6;

pub(crate) fn spec(seed: u64) -> OrgSpec {
    let roll = |name: &str, place: u64| dice(seed_of(seed, name), place);
    let mut spec = base(seed)
        .with_rows("User", 12)
        .with_rows("Group", 4)
        .with_rows("UserRole", 3)
        .with_rows("RecordType", 0);
    for (name, rows) in STANDARD {
        let rows = rows + roll(name, 1) % (rows / 4 + 1);
        spec = spec.with_written_rows(name, rows);
    }
    spec.person_accounts = roll("person accounts", 0).is_multiple_of(3);
    let nodes = 3 + roll("nodes", 0) % 4;
    let node = |number: u64| format!("Node_{number}__c");
    for number in 0..nodes {
        let name = node(number);
        spec = spec.with_written_rows(&name, 5 + roll(&name, 0) % 9);
        if number % 2 == 1 {
            spec = spec.without_key(&name);
        }
        // A ring over all of them, and other references across it.
        spec = spec.with_reference(&name, optional("Next__c", &[&node((number + 1) % nodes)]));
        for extra in 0..roll(&name, 1) % 3 {
            let to = match roll(&name, 2 + extra) % (nodes + 2) {
                place if place < nodes => node(place),
                place if place == nodes => "Contact".to_owned(),
                _ => "Opportunity".to_owned(),
            };
            spec = spec.with_reference(&name, optional(&format!("Link_{extra}__c"), &[&to]));
        }
    }
    let level = |number: u64| format!("Level_{number}__c");
    for number in 1..=LEVELS {
        let name = level(number);
        spec = spec.with_written_rows(&name, 5 + roll(&name, 0) % 5);
        if number > 1 {
            // No more than three levels of details are allowed; the rest are lookups that have to be there.
            let kind = match number {
                2 | 3 => ReferenceKind::Master,
                _ => ReferenceKind::Required,
            };
            let reference = ReferenceSpec {
                field: "Above__c".to_owned(),
                to: vec![level(number - 1)],
                kind,
            };
            spec = spec.with_reference(&name, reference);
        }
    }
    // From the top of the chain to its end: a cycle through required references that a second pass closes.
    spec.with_reference(&level(1), optional("Lowest__c", &[&level(LEVELS)]))
}

fn optional(field: &str, to: &[&str]) -> ReferenceSpec {
    ReferenceSpec {
        field: field.to_owned(),
        to: to.iter().map(|name| (*name).to_owned()).collect(),
        kind: ReferenceKind::Optional,
    }
}
