//! What Salesforce wants of single objects beyond what their describes say.
//!
//! Pure. Sources: Object Reference (Account, Contact, Order, Contract, OpportunityLineItem, ContentVersion, sharing objects), help
//! article on person accounts; release v62–v68.

use crate::host::{ConnectorError, Failure, Row};
use crate::salesforce::WritableField;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The code that says so.
pub const BY_SALESFORCE: &str = "written-by-salesforce";

/// A record's fields, by name, as they are in the snapshot.
pub type Values = BTreeMap<String, Box<RawValue>>;

/// The fields of a snapshot's record.
pub fn values(object: &str, row: &Row) -> Result<Values, ConnectorError> {
    serde_json::from_slice(&row.body).map_err(|error| {
        let why = format!("the record {} of the snapshot can't be read: {error}", row.key);
        ConnectorError::State(Failure::new("row", why).about(object))
    })
}

/// A field's text; none where it is empty, or no text.
pub fn text(values: &Values, field: &str) -> Option<String> {
    serde_json::from_str(values.get(field)?.get()).ok()
}

/// Whether a field is true.
fn is_true(values: &Values, field: &str) -> bool {
    values.get(field).is_some_and(|value| value.get() == "true")
}

/// Whether Salesforce has archived a record, where it archives records of its kind, as it does old activities.
pub fn is_archived(values: &Values) -> Option<bool> {
    values.contains_key("IsArchived").then(|| is_true(values, "IsArchived"))
}

/// Whether a field is false.
pub fn is_false(values: &Values, field: &str) -> bool {
    values.get(field).is_some_and(|value| value.get() == "false")
}

fn is_set(values: &Values, field: &str) -> bool {
    values.get(field).is_some_and(|value| value.get() != "null")
}

/// Whether a field of this record is left out although its describe says that it can be set.
pub fn is_left_out(object: &str, field: &str, values: &Values) -> bool {
    match object {
        // A person's name is the contact's, which comes to be with the account; a company has no contact's fields.
        "Account" if is_true(values, "IsPersonAccount") => field == "Name",
        "Account" => {
            matches!(field, "FirstName" | "LastName" | "MiddleName" | "Salutation" | "Suffix")
                || field.ends_with("__pc")
                || (field.starts_with("Person") && values.contains_key("IsPersonAccount"))
        }
        // Either of both is refused beside the other.
        "OpportunityLineItem" | "QuoteLineItem" => field == "TotalPrice" && is_set(values, "UnitPrice"),
        // It follows the products, where there are any.
        "Opportunity" => field == "TotalOpportunityQuantity" && is_true(values, "HasOpportunityLineItem"),
        _ => false,
    }
}

/// A field that has to have a certain value while the record's parts are created, and its own in the end: which, and the value as
/// JSON.
pub fn held(object: &str) -> Option<(&'static str, &'static str)> {
    match object {
        "Order" | "Contract" => Some(("Status", "\"Draft\"")),
        _ => None,
    }
}

/// Why records of this object can't be restored although its describe says that they can be created; code and text.
pub fn never(object: &str) -> Option<(&'static str, &'static str)> {
    let ends = |end: &str| object.ends_with(end);
    if ends("__mdt") {
        Some(("metadata", "custom metadata is deployed, not written as data"))
    } else if ends("__b") {
        Some(("big-object", "big objects aren't restored"))
    } else if ends("__x") {
        Some(("external-object", "its records are another system's"))
    } else if ends("History") || ends("__History") || ends("Feed") || ends("ChangeEvent") {
        Some((BY_SALESFORCE, "Salesforce writes it by itself"))
    } else if matches!(
        object,
        "User" | "Profile" | "PermissionSet" | "Organization" | "RecordType" | "UserRole" | "LoginHistory" | "SetupAuditTrail"
    ) {
        Some(("set-up", "users and set-up aren't restored as data"))
    } else {
        None
    }
}

/// Whether its records are data, not users or set-up.
pub fn is_data(object: &str) -> bool {
    never(object).is_none() && object != "Group"
}

/// Why this one record can't be created, where the describe says nothing of it; code and text.
pub fn never_created(object: &str, values: &Values) -> Option<(&'static str, &'static str)> {
    let is_share = object.ends_with("Share") && values.contains_key("RowCause");
    let manual = values.get("RowCause").is_some_and(|cause| cause.get() == "\"Manual\"");
    if is_share && !manual {
        return Some((BY_SALESFORCE, "Salesforce shares it by itself: its cause isn't Manual"));
    }
    if object == "Contact" && is_true(values, "IsPersonAccount") {
        return Some((BY_SALESFORCE, "it comes to be with its person account"));
    }
    if object == "Pricebook2" && is_true(values, "IsStandard") {
        return Some((
            BY_SALESFORCE,
            "an org has one standard price book, and can't be given another",
        ));
    }
    None
}

/// An object of which Salesforce creates some records by itself, when their parent is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreatedWithParent {
    /// API name of the object.
    pub object: &'static str,
    /// The field that names the parent.
    pub parent: &'static str,
    /// The fields that tell its records apart under one parent.
    pub told_by: &'static [&'static str],
}

/// All of them.
pub const CREATED_WITH_PARENT: [CreatedWithParent; 4] = [
    CreatedWithParent {
        object: "CampaignMemberStatus",
        parent: "CampaignId",
        told_by: &["Label"],
    },
    CreatedWithParent {
        object: "AccountContactRelation",
        parent: "ContactId",
        told_by: &["AccountId"],
    },
    CreatedWithParent {
        object: "ContentDocumentLink",
        parent: "ContentDocumentId",
        told_by: &["LinkedEntityId"],
    },
    CreatedWithParent {
        object: "Contact",
        parent: "AccountId",
        told_by: &["IsPersonAccount"],
    },
];

/// What Salesforce creates by itself of an object; `None`: nothing.
pub fn created_with_parent(object: &str) -> Option<CreatedWithParent> {
    CREATED_WITH_PARENT.into_iter().find(|created| created.object == object)
}

/// Whether Salesforce may have created this record together with its parent.
pub fn may_come_by_itself(object: &str, values: &Values) -> bool {
    created_with_parent(object).is_some() && (object != "Contact" || is_true(values, "IsPersonAccount"))
}

/// Whether Salesforce creates this record together with its parent, as far as a plan can tell: an org in another language calls its
/// campaigns' first statuses otherwise.
pub fn comes_by_itself(object: &str, values: &Values, parent: &Values) -> bool {
    let is_one_of = |field: &str, of: &[&str]| text(values, field).is_some_and(|value| of.contains(&value.as_str()));
    match object {
        "CampaignMemberStatus" => is_one_of("Label", &["Sent", "Responded"]),
        "AccountContactRelation" => is_true(values, "IsDirect"),
        "ContentDocumentLink" => text(values, "LinkedEntityId") == text(parent, "OwnerId"),
        _ => false,
    }
}

/// A record that Salesforce creates together with the first record that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Companion {
    /// API name of the object whose records name it.
    pub of: &'static str,
    /// The field by which they do.
    pub field: &'static str,
    /// API name of its object.
    pub brings: &'static str,
}

/// A file's document, which comes to be with its first version.
pub const FILE_DOCUMENT: Companion = Companion {
    of: "ContentVersion",
    field: "ContentDocumentId",
    brings: "ContentDocument",
};

/// What tells of a user whether records can be given to it: the object and the field.
pub const INACTIVE: (&str, &str) = ("User", "IsActive");

/// Whether Salesforce refuses inactive users in this field, to all that don't have *Update Records with Inactive Owners*.
pub fn is_of_active_users(field: &str) -> bool {
    OF_ACTIVE_USERS.contains(&field)
}

/// See [`is_of_active_users`].
pub const OF_ACTIVE_USERS: [&str; 3] = ["OwnerId", "CreatedById", "LastModifiedById"];

/// Whether this field can be set to lead to a record again that came back under another Id.
pub fn may_be_relinked(field: &WritableField) -> bool {
    let leads_to_data = field.refers_to.iter().any(|object| is_data(object));
    field.update && leads_to_data && !is_of_active_users(&field.name)
}

/// Whether this field names a record that comes to be with the first that names it.
pub fn brings(object: &str, field: &str) -> bool {
    (object, field) == (FILE_DOCUMENT.of, FILE_DOCUMENT.field)
}

/// Whether a record can be created however what it refers to by this field is changed. Prices can, and have to be: those of the
/// standard price book come before the same products' in other books (`STANDARD_PRICE_NOT_DEFINED`).
pub fn takes_as_it_is(object: &str, field: &str) -> bool {
    (object, field) == ("PricebookEntry", "Pricebook2Id")
}

/// Objects whose records belong to another one's that names them: with the first, the second is asked for too. Object, field, and
/// the other object.
pub const BELONGS_UP: (&str, &str, &str) = ("ContentDocumentLink", "ContentDocumentId", "ContentDocument");

/// A field that can only be set on the first version of a file (Object Reference, ContentVersion).
pub fn is_of_first(object: &str, field: &str) -> bool {
    object == FILE_DOCUMENT.of && field == "FirstPublishLocationId"
}

/// Whether a base64 field can't be changed, whatever its describe says.
pub fn is_fixed(object: &str) -> bool {
    object == FILE_DOCUMENT.of
}

/// Length of a record's file in bytes, where the record tells it.
pub fn file_length(values: &Values) -> Option<u64> {
    let tells = |field: &&str| values.contains_key(*field);
    let field = ["ContentSize", "BodyLength"].into_iter().find(tells)?;
    Some(serde_json::from_str::<Option<u64>>(values[field].get()).ok()?.unwrap_or(0))
}

/// Fields that change with every write: no difference by themselves.
pub fn is_stamp(field: &str) -> bool {
    matches!(
        field,
        "SystemModstamp" | "LastModifiedDate" | "LastModifiedById" | "LastViewedDate" | "LastReferencedDate"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn values(json: &str) -> Values {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_person_has_no_company_name_and_a_company_no_first_name() {
        let person = values(r#"{"IsPersonAccount":true,"Name":"A B","FirstName":"A"}"#);
        assert!(is_left_out("Account", "Name", &person) && !is_left_out("Account", "FirstName", &person));
        let company = values(r#"{"IsPersonAccount":false,"Name":"A","PersonEmail":null}"#);
        assert!(!is_left_out("Account", "Name", &company) && is_left_out("Account", "PersonEmail", &company));
        let plain = values(r#"{"Name":"A","Personnel__c":"x"}"#);
        assert!(!is_left_out("Account", "Personnel__c", &plain));
    }

    #[test]
    fn a_line_has_one_price() {
        let line = values(r#"{"UnitPrice":1,"TotalPrice":2}"#);
        assert!(is_left_out("OpportunityLineItem", "TotalPrice", &line));
        assert!(!is_left_out(
            "OpportunityLineItem",
            "TotalPrice",
            &values(r#"{"UnitPrice":null,"TotalPrice":2}"#)
        ));
    }

    #[test]
    fn what_a_parent_brings_is_foreseen() {
        for (object, json, comes) in [
            ("CampaignMemberStatus", r#"{"Label":"Responded"}"#, true),
            ("CampaignMemberStatus", r#"{"Label":"Invited"}"#, false),
            ("AccountContactRelation", r#"{"IsDirect":true}"#, true),
            ("AccountContactRelation", r#"{"IsDirect":false}"#, false),
            ("ContentDocumentLink", r#"{"LinkedEntityId":"0051"}"#, true),
            ("ContentDocumentLink", r#"{"LinkedEntityId":"0052"}"#, false),
            ("Account", "{}", false),
        ] {
            let parent = values(r#"{"OwnerId":"0051"}"#);
            assert_eq!(comes_by_itself(object, &values(json), &parent), comes, "{object} {json}");
        }
    }

    #[test]
    fn only_manual_shares_can_be_restored() {
        assert!(never_created("AccountShare", &values(r#"{"RowCause":"Owner"}"#)).is_some());
        assert!(never_created("AccountShare", &values(r#"{"RowCause":"Manual"}"#)).is_none());
        assert!(never_created("MarketShare", &values(r#"{"Name":"x"}"#)).is_none());
    }

    #[test]
    fn what_isnt_data_is_never_restored() {
        for object in ["Setting__mdt", "Log__b", "Order__x", "AccountHistory", "CaseFeed", "User"] {
            assert!(never(object).is_some(), "{object}");
        }
        assert!(never("Account").is_none());
    }
}
