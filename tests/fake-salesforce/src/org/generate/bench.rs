//! The orgs of benchmarks: plain objects that every client can read, in the proportions of real orgs (few large, most small).
//!
//! Rule: an org has the stated number of rows as a query counts them, without those in the bin and archived ones; and rows are rules, so that an org of 200 million rows starts as fast as one of fifty thousand.

use crate::org::{
    Org, Scan,
    generate::{
        by_name, dice,
        dice::seed_of,
        preset::{ORDINARY, of},
    },
    spec::OrgSpec,
};

/// What every bench org has beside its data.
const SETUP: &[(&str, u64)] = &[("Group", 8), ("UserRole", 12), ("RecordType", 0), ("EntityDefinition", 0)];
/// More steps than it ever takes to meet a number of rows.
const FILLING_STEPS: usize = 20;

/// 20 objects, 50,000 rows.
pub(crate) fn small(seed: u64) -> OrgSpec {
    let spec = of(
        seed,
        &[
            ("Account", 6_000),
            ("Contact", 11_000),
            ("Lead", 4_000),
            ("Opportunity", 5_000),
            ("OpportunityLineItem", 7_000),
            ("Case", 3_500),
            ("Task", 8_000),
            ("Product2", 150),
            ("Pricebook2", 3),
            ("PricebookEntry", 300),
            ("Shipment__c", 900),
        ],
    );
    filled(with_setup(spec).with_rows("User", 30), "Invoice__c", 50_000)
}

/// The large objects of a middle-sized org.
const LARGE: &[(&str, u64)] = &[
    ("Account", 80_000),
    ("Contact", 140_000),
    ("Lead", 60_000),
    ("Opportunity", 70_000),
    ("OpportunityLineItem", 110_000),
    ("Case", 90_000),
    ("CaseComment", 60_000),
    ("Task", 150_000),
    ("Event", 25_000),
    ("Campaign", 400),
    ("CampaignMember", 40_000),
    ("Contract", 800),
    ("Order", 12_000),
    ("OrderItem", 30_000),
    ("Asset", 22_000),
    ("Product2", 700),
    ("Pricebook2", 6),
    ("PricebookEntry", 900),
    ("Shipment__c", 45_000),
    ("Timesheet__c", 70_000),
    ("Reading__c", 120_000),
    ("Ticket__c", 18_000),
    ("Visit__c", 16_000),
];

/// 150 objects, 1,200,000 rows, in 20 of them 10,000 or more.
pub(crate) fn middle(seed: u64) -> OrgSpec {
    let mut spec = with_setup(of(seed, LARGE))
        .with_rows("User", 180)
        .with_rows_per_stamp("Lead", 6_000);
    spec = with_small(spec, 149, |roll| 5 + roll % 896);
    filled(spec, "Invoice__c", 1_200_000)
}

/// 800 objects, 200 million rows, by their number alone.
pub(crate) fn large(seed: u64) -> OrgSpec {
    let mut spec = of(seed, &[]);
    for (name, rows) in LARGE {
        spec = spec.with_rows(name, rows * 100);
    }
    for number in 0..40 {
        let name = format!("Ledger_{number:02}__c");
        let rows = 250_000 + dice(seed_of(seed, &name), 0) % 3_000_000;
        spec = spec.with_rows(&name, rows);
    }
    spec = with_setup(spec).with_rows("User", 4_000).with_rows_per_stamp("Lead", 10_000);
    spec = with_small(spec, 799, |roll| match roll % 10 {
        0..3 => 0,
        3..8 => 1 + (roll >> 8) % 900,
        8 => 900 + (roll >> 8) % 20_000,
        _ => 20_000 + (roll >> 8) % 200_000,
    });
    filled(spec, "Invoice__c", 200_000_000)
}

/// A few hundred files of several objects. Every third version of a file has the same bytes as others.
pub(crate) fn files(seed: u64) -> OrgSpec {
    let spec = of(
        seed,
        &[
            ("Account", 80),
            ("Contact", 120),
            ("Case", 60),
            ("Opportunity", 40),
            ("Folder", 5),
            ("Document", 45),
            ("Attachment", 120),
            ("ContentDocument", 150),
            ("ContentVersion", 210),
            ("ContentDocumentLink", 240),
            ("EmailMessage", 50),
            ("Invoice__c", 60),
        ],
    );
    with_setup(spec)
}

/// Objects whose fields don't fit into one query: by formulas, and, at the widest, by the length of their names alone.
pub(crate) fn widest(seed: u64) -> OrgSpec {
    of(
        seed,
        &[
            ("Account", 40),
            ("Wide_Names__c", 2_500),
            ("Widest__c", 600),
            ("Formulas__c", 900),
            ("Group", 3),
        ],
    )
    .with_formulas("Formulas__c", 400)
    .with_extra_fields("Wide_Names__c", 800)
    .with_long_names("Wide_Names__c")
    .with_extra_fields("Widest__c", 1_700)
    .with_long_names("Widest__c")
}

fn with_setup(spec: OrgSpec) -> OrgSpec {
    SETUP.iter().fold(spec, |spec, (name, rows)| spec.with_rows(name, *rows))
}

/// Adds small plain objects until there are so many: two of three made in the org, the others of Salesforce.
fn with_small(mut spec: OrgSpec, objects: usize, rows: impl Fn(u64) -> u64) -> OrgSpec {
    let plain = |name: &&&str| {
        let schema = by_name::draft(name).schema;
        schema.queryable && schema.replicateable && schema.createable && schema.behaviour.bulk
    };
    let mut standard = ORDINARY.iter().filter(plain);
    let mut number = 0;
    while spec.objects.len() < objects {
        number += 1;
        let name = match number % 3 {
            0 => standard.next().map(|name| (*name).to_owned()),
            _ => None,
        };
        let name = name.unwrap_or_else(|| format!("Record_{number:03}__c"));
        let count = rows(dice(seed_of(spec.seed, &name), 0));
        spec = spec.with_rows(&name, count);
    }
    spec
}

/// Gives one object what is missing of a number of rows that a query sees: not in the bin, not archived.
fn filled(spec: OrgSpec, object: &str, live_rows: u64) -> OrgSpec {
    let mut spec = spec.with_rows(object, 0);
    // Each row added may be one for the bin, so that it takes more than one step.
    let mut added = 0;
    for _ in 0..FILLING_STEPS {
        let org = Org::generate(&spec);
        let everybody = org.administrator();
        let live: u64 = org.objects().iter().map(|o| o.count(&everybody, Scan::QUERY)).sum();
        if live >= live_rows {
            break;
        }
        added += live_rows - live;
        spec = spec.with_rows(object, added);
    }
    spec
}
