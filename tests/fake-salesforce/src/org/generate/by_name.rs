//! Objects that have no entry of their own: what they are like follows from their name, as with real ones (`…__c`, `…History`, `…Share`).

use crate::org::{
    field::{Field, FieldType},
    generate::{
        draft::{Audit, Draft},
        fields::*,
        refusals::Oddity,
        sales::{self, auto_number},
        setup,
        shape::Kind,
        words::Words,
    },
    spec::{ReferenceKind, ReferenceSpec},
};

/// The object of this name, of whatever kind.
pub(crate) fn draft(name: &str) -> Draft {
    sales::object(name)
        .or_else(|| setup::object(name))
        .or_else(|| setup::refusing(name))
        .unwrap_or_else(|| from_ending(name))
}

fn from_ending(name: &str) -> Draft {
    if let Some(stem) = name.strip_suffix("__History") {
        return history(name, "ParentId", &format!("{stem}__c"));
    }
    if let Some(stem) = name.strip_suffix("__Share") {
        return share(name, "ParentId", "AccessLevel", &format!("{stem}__c"));
    }
    if let Some(stem) = name.strip_suffix("__Feed") {
        return feed(name, &format!("{stem}__c"));
    }
    if let Some(stem) = name.strip_suffix("__ChangeEvent") {
        return change_event(name, &format!("{stem}__c"));
    }
    match name.rsplit_once("__") {
        Some((_, "mdt")) => return metadata_type(name),
        Some((_, "b")) => return big(name),
        Some((_, "x")) => return external(name),
        Some((_, "e")) => return platform_event(name),
        Some((stem, "c")) if stem.ends_with("Setting") => return custom_setting(name),
        Some((_, "c")) => return custom(name),
        _ => {}
    }
    let stem = |ending: &str| name.strip_suffix(ending).filter(|stem| stem.len() > 2);
    if let Some(parent) = stem("ChangeEvent") {
        change_event(name, parent)
    } else if let Some(parent) = stem("History") {
        history(name, &format!("{parent}Id"), parent)
    } else if let Some(parent) = stem("Share") {
        share(name, &format!("{parent}Id"), &format!("{parent}AccessLevel"), parent)
    } else if let Some(parent) = stem("Feed") {
        feed(name, parent)
    } else if stem("Status").is_some() || stem("Priority").is_some() {
        status(name)
    } else {
        ordinary(name)
    }
}

fn history(name: &str, parent_field: &str, parent: &str) -> Draft {
    let mut history = Draft::setup(name, "").read_only().audit(Audit::Created).uncounted().with([
        lookup(parent_field, &[parent])
            .read_only()
            .filled(100)
            .cascading()
            .children("Histories"),
        picklist("Field", &["created", "Name", "Status", "Owner"])
            .read_only()
            .filled(100),
        picklist("DataType", &["Text", "EntityId", "Double"]).read_only(),
        any("OldValue"),
        any("NewValue"),
    ]);
    history.schema.associate_entity_type = Some("History".into());
    history.schema.associate_parent_entity = Some(parent.to_owned());
    history.id_prefix = crate::org::KeyPrefix::new("017");
    history
}

fn share(name: &str, parent_field: &str, level_field: &str, parent: &str) -> Draft {
    let mut share = Draft::setup(name, "")
        .not_replicateable()
        .audit(Audit::Nothing)
        .uncounted()
        .with([
            lookup(parent_field, &[parent])
                .mandatory()
                .set_once()
                .cascading()
                .children("Shares"),
            lookup("UserOrGroupId", &["User", "Group"]).mandatory().set_once(),
            picklist(level_field, &["Read", "Edit", "All"]).mandatory().restricted(),
            picklist("RowCause", &["Owner", "Manual", "Rule"]).set_once().defaulted(),
            of_row("LastModifiedDate", FieldType::Datetime, Kind::LastModifiedDate),
            lookup("LastModifiedById", &["User"]).read_only().filled(100),
            of_row("IsDeleted", FieldType::Boolean, Kind::IsDeleted),
        ]);
    share.schema.associate_entity_type = Some("Share".into());
    share.schema.associate_parent_entity = Some(parent.to_owned());
    share
}

fn feed(name: &str, parent: &str) -> Draft {
    let mut feed = Draft::setup(name, "").uncounted().with([
        lookup("ParentId", &[parent])
            .read_only()
            .filled(100)
            .cascading()
            .children("Feeds"),
        picklist("Type", &["TrackedChange", "TextPost", "LinkPost"])
            .read_only()
            .filled(100),
        integer("CommentCount", 0, 30).read_only(),
        text("Title", 255, Words::Sentence).read_only().filled(20),
        area("Body", 10_000, Words::Html).read_only(),
        url("LinkUrl").read_only().filled(5),
    ]);
    (feed.schema.createable, feed.schema.updateable) = (false, false);
    feed.schema.associate_entity_type = Some("Feed".into());
    feed.schema.associate_parent_entity = Some(parent.to_owned());
    feed
}

fn change_event(name: &str, parent: &str) -> Draft {
    let mut event = Draft::setup(name, "")
        .read_only()
        .not_replicateable()
        .audit(Audit::Nothing)
        .odd(Oddity::NotQueryable)
        .with([
            text("ReplayId", 1000, Words::Code).read_only(),
            complex("ChangeEventHeader"),
            text("Name", 255, Words::Company).read_only(),
        ]);
    (event.schema.queryable, event.schema.triggerable) = (false, true);
    event.schema.associate_entity_type = Some("ChangeEvent".into());
    event.schema.associate_parent_entity = Some(parent.to_owned());
    event
}

fn metadata_type(name: &str) -> Draft {
    let mut metadata = Draft::setup(name, "")
        .read_only()
        .not_replicateable()
        .audit(Audit::Nothing)
        .not_bulk()
        .uncounted()
        .with([
            text("DeveloperName", 40, Words::DeveloperName).read_only().filled(100),
            text("MasterLabel", 40, Words::Product).read_only().filled(100).naming(),
            picklist("Language", &["en_US"]).read_only().filled(100),
            text("NamespacePrefix", 15, Words::Code).read_only().filled(0),
            text("QualifiedApiName", 70, Words::DeveloperName).read_only().filled(100),
            of_row("SystemModstamp", FieldType::Datetime, Kind::SystemModstamp),
            text("Value__c", 255, Words::Sentence).read_only(),
            flag("Is_Active__c", 80).read_only(),
        ]);
    metadata.schema.custom = true;
    metadata
}

fn big(name: &str) -> Draft {
    let mut big = Draft::setup(name, "")
        .not_replicateable()
        .audit(Audit::Nothing)
        .odd(Oddity::Big)
        .with([
            lookup("Account__c", &["Account"]).mandatory().set_once(),
            datetime("Happened_At__c").mandatory().set_once(),
            text("Payload__c", 255, Words::Sentence),
            of_row("CreatedDate", FieldType::Datetime, Kind::CreatedDate),
        ]);
    (big.schema.custom, big.schema.updateable, big.schema.retrieveable) = (true, false, false);
    for field in &mut big.schema.fields {
        let in_index = matches!(field.name.as_str(), "Account__c" | "Happened_At__c");
        (field.filterable, field.sortable) = (in_index, in_index);
    }
    big
}

fn external(name: &str) -> Draft {
    let mut external = Draft::setup(name, "")
        .read_only()
        .not_replicateable()
        .audit(Audit::Nothing)
        .odd(Oddity::UnknownTotal)
        .with([
            external_key("ExternalId", "ext-").read_only().naming(),
            url("DisplayUrl").read_only(),
            text("City__c", 80, Words::City).read_only(),
            double("Balance__c", 6, 2).read_only(),
        ]);
    external.schema.custom = true;
    external
}

fn platform_event(name: &str) -> Draft {
    let mut event = Draft::setup(name, "")
        .not_replicateable()
        .audit(Audit::Nothing)
        .odd(Oddity::NotQueryable)
        .with([
            text("ReplayId", 1000, Words::Code).read_only(),
            text("Message__c", 255, Words::Sentence),
        ]);
    event.schema.custom = true;
    (event.schema.queryable, event.schema.retrieveable, event.schema.updateable) = (false, false, false);
    event
}

fn custom_setting(name: &str) -> Draft {
    let mut setting = Draft::setup(name, "").with([
        text("Name", 80, Words::DeveloperName).filled(100).naming(),
        lookup("SetupOwnerId", &["Organization", "User", "Profile"])
            .mandatory()
            .set_once(),
        text("Endpoint__c", 255, Words::Url),
        flag("Enabled__c", 50),
    ]);
    (setting.schema.custom, setting.schema.custom_setting) = (true, true);
    setting
}

fn status(name: &str) -> Draft {
    Draft::setup(name, "")
        .read_only()
        .not_replicateable()
        .audit(Audit::NoBin)
        .not_bulk()
        .with([
            text("MasterLabel", 255, Words::Title).read_only().filled(100).naming(),
            text("ApiName", 255, Words::DeveloperName).read_only().filled(100),
            integer("SortOrder", 1, 20).read_only(),
            flag("IsDefault", 10).read_only(),
        ])
}

/// A custom object. Two of three are details of an account or free; the third are found by an auto-number. Two of five have a second
/// long text, which makes pages short.
fn custom(name: &str) -> Draft {
    let number = name.bytes().fold(0u32, |sum, byte| sum + u32::from(byte));
    let kind = number % 3;
    let mut custom = Draft::business(name, "");
    custom.schema.custom = true;
    let name_field = match kind {
        0 => auto_number("Name", "N-"),
        _ => text("Name", 80, Words::Product).mandatory().naming(),
    };
    custom = custom.with([name_field]);
    custom = match kind {
        1 => custom.with([master("Account__c", "Account").children(&format!("{}s__r", name.trim_end_matches("__c")))]),
        _ => custom
            .owned(&["User", "Group"], kind == 2)
            .with([lookup("Account__c", &["Account"]).filled(40)]),
    };
    let same = parent_of_same("Parent__c", name).children("Children__r");
    custom
        .with([
            Field {
                relationship_name: Some("Parent__r".into()),
                ..same
            },
            external_key("External_Key__c", "X-"),
            picklist("Stage__c", &["Open", "Won", "Lost", "On hold; waiting"]),
            multi_picklist("Tags__c", &["red", "grün", "青", "a,b"]),
            double("Amount__c", 12, 3),
            eighteen_digits("Meter__c"),
            integer("Units__c", 0, 5_000),
            formula("Points__c", "Units__c"),
            percent("Share__c").filled(30),
            date("Due__c"),
            datetime("Seen_At__c").filled(40),
            flag("Flagged__c", 15),
            area("Notes__c", 32_768, Words::Lines).filled(35),
            encrypted("Secret__c").filled(20),
        ])
        .with((number % 5 < 2).then(|| rich_text("Body_Text__c").filled(10)))
        .with(if kind == 0 { place("Site") } else { Vec::new() })
}

/// A standard object of which no more is known than its name.
fn ordinary(name: &str) -> Draft {
    let kind = name.bytes().fold(0u32, |sum, byte| sum + u32::from(byte)) % 4;
    let draft = match kind {
        0 => Draft::business(name, "").owned(&["User"], false).with(ordinary_fields()),
        1 => Draft::setup(name, "").audit(Audit::NoBin).with(ordinary_fields()),
        2 => Draft::setup(name, "").with(ordinary_fields()),
        _ => Draft::setup(name, "")
            .read_only()
            .not_replicateable()
            .audit(Audit::NoBin)
            .with(ordinary_fields().map(Field::read_only)),
    };
    if NOT_BULK.contains(&name) { draft.not_bulk() } else { draft }
}

/// Objects that bulk queries don't take, as clients in the field list them, beside statuses and priorities.
const NOT_BULK: &[&str] = &[
    "AcceptedEventRelation",
    "DeclinedEventRelation",
    "UndecidedEventRelation",
    "PartnerRole",
    "FieldSecurityClassification",
];

fn ordinary_fields() -> [Field; 6] {
    [
        text("Name", 255, Words::Product).mandatory().naming(),
        text("DeveloperName", 80, Words::DeveloperName),
        area("Description", 1000, Words::Lines).filled(25),
        picklist("Status", &["Draft", "Active", "Retired"]),
        integer("SortOrder", 0, 500),
        date("EffectiveDate").filled(20),
    ]
}

/// A reference that a spec adds.
pub(crate) fn reference(wanted: &ReferenceSpec) -> Field {
    let to: Vec<&str> = wanted.to.iter().map(String::as_str).collect();
    let stem = wanted.field.trim_end_matches("__c");
    let field = match wanted.kind {
        ReferenceKind::Optional => lookup(&wanted.field, &to),
        ReferenceKind::Required => lookup(&wanted.field, &to).mandatory().cascading(),
        ReferenceKind::Master => master(&wanted.field, to.first().copied().unwrap_or_default()),
    };
    field.children(&format!("By_{stem}__r"))
}

/// A field as an administrator adds it, of a type by its everyday name; none where there's no such type.
pub(crate) fn new_field(name: &str, kind: &str) -> Option<Field> {
    Some(match kind {
        "text" => text(name, 255, Words::Sentence),
        "area" => area(name, 32_768, Words::Lines),
        "rich-text" => rich_text(name),
        "number" => double(name, 12, 3),
        "checkbox" => flag(name, 30),
        "date" => date(name),
        "datetime" => datetime(name),
        "picklist" => picklist(name, &["One", "Two", "Three"]),
        "formula" => formula(name, "NumberOfEmployees"),
        _ => return None,
    })
}

/// The additional formula number `number`, over a number field.
pub(crate) fn extra_formula(number: usize, of: &str) -> Field {
    formula(&format!("Computed_{number:04}__c"), of)
}

/// The custom field number `number` of a wide object: mostly empty, of every type.
pub(crate) fn extra_field(number: usize, long_name: bool, of: &str) -> Field {
    // A package's prefix of 15 characters and a name of 40 are the longest there are.
    let name = |kind: &str| match long_name {
        false => format!("Extra_{kind}_{number:04}__c"),
        true => format!(
            "measuringdevice__{:x<35}_{number:04}__c",
            format!("Extra_{kind}_of_the_device_")
        ),
    };
    match number % 12 {
        0 => double(&name("Number"), 12, 4).filled(45),
        1 => picklist(&name("Choice"), &["Alpha", "Beta", "Gamma \"quoted\"", "Δ"]).filled(45),
        2 => date(&name("Date")).filled(40),
        3 => flag(&name("Flag"), 30),
        4 => area(&name("Long_Text"), 32_768, Words::Sentence).filled(25),
        5 => formula(&name("Formula"), of),
        6 => datetime(&name("Moment")).filled(40),
        7 => currency(&name("Currency")).filled(40),
        8 => lookup(&name("Lookup"), &["User"]).filled(40),
        9 => eighteen_digits(&name("Digits")).filled(30),
        _ => text(&name("Text"), 255, Words::Sentence).filled(35),
    }
}
