//! People: person accounts and their contacts, a contact's direct relation to its account, campaigns' statuses and members.

use crate::org::{
    Object, Org, RecordId, Sent, SentFields, Value, WriteError,
    write::{RowValues, Writing},
};

/// The record type whose accounts are people.
pub(crate) const PERSON_TYPE: &str = "PersonAccount";
/// Fields that only people have.
const PERSON_FIELDS: [&str; 3] = ["FirstName", "LastName", "PersonEmail"];

impl Org {
    /// Whether what was sent is for a person account; none where the org has no such accounts.
    pub(in crate::org) fn is_person(&self, object: &Object, fields: &SentFields, own: Option<RecordId>) -> Option<bool> {
        if object.name() != "Account" || object.field_index("IsPersonAccount").is_none() {
            return None;
        }
        if let Some(id) = own {
            return Some(self.value_at(id, "IsPersonAccount") == Value::Bool(true));
        }
        let person_type = object.schema.record_types.iter().find(|t| t.developer_name == PERSON_TYPE);
        Some(match fields.get("RecordTypeId") {
            Some(Sent::Text(id)) => id.parse().ok() == person_type.map(|t| t.id),
            _ => matches!(fields.get("LastName"), Some(Sent::Text(_))),
        })
    }

    /// What accounts of one kind can't be written with, and what people need.
    pub(in crate::org) fn check_person(
        &self,
        object: &Object,
        fields: &SentFields,
        own: Option<RecordId>,
    ) -> Result<(), WriteError> {
        let Some(is_person) = self.is_person(object, fields, own) else {
            return Ok(());
        };
        let sent = |name: &&str| fields.get(name).is_some_and(|value| is_person || *value != Sent::Null);
        let bad: Vec<&str> = if is_person {
            ["Name"].into_iter().filter(sent).collect()
        } else {
            PERSON_FIELDS.into_iter().filter(sent).collect()
        };
        if !bad.is_empty() {
            let message = format!("Account: bad field names on insert/update call: {}", bad.join(", "));
            return Err(WriteError::new("INVALID_FIELD_FOR_INSERT_UPDATE", message, &bad));
        }
        let has_last = matches!(fields.get("LastName"), Some(Sent::Text(text)) if !text.is_empty());
        let clears_last = fields.get("LastName").is_some() && !has_last;
        if is_person && (own.is_none() && !has_last || clears_last) {
            let message = "Required fields are missing: [LastName]";
            return Err(WriteError::new("REQUIRED_FIELD_MISSING", message, &["LastName"]));
        }
        Ok(())
    }

    /// A person's account is called by the person's names.
    pub(super) fn name_person(&self, values: &mut RowValues, id: Option<RecordId>) -> Result<(), WriteError> {
        let looked = self.with_draft("Account", values, id, |draft| {
            let names = ["FirstName", "LastName"].map(|field| draft.get(field).to_plain());
            let is_type = draft.id("RecordTypeId").is_some_and(|id| {
                let types = &draft.object.schema.record_types;
                types.iter().any(|t| t.id == id && t.developer_name == PERSON_TYPE)
            });
            let is_person = match &draft.old {
                Some(row) => row.value_of("IsPersonAccount") == Value::Bool(true),
                None => draft.object.field_index("IsPersonAccount").is_some() && (is_type || !names[1].is_empty()),
            };
            is_person.then(|| {
                names
                    .into_iter()
                    .filter(|name| !name.is_empty())
                    .collect::<Vec<_>>()
                    .join(" ")
            })
        });
        if let Some(Some(name)) = looked {
            self.give("Account", values, "Name", Value::text(name));
            self.give("Account", values, "IsPersonAccount", Value::Bool(true));
        }
        Ok(())
    }

    /// A person account brings its contact.
    pub(super) fn add_person_contact(&mut self, by: &Writing<'_>, account: RecordId) -> Result<(), WriteError> {
        if self.value_at(account, "IsPersonAccount") != Value::Bool(true) {
            return Ok(());
        }
        let fields = [
            ("AccountId", Value::Id(account)),
            ("FirstName", self.value_at(account, "FirstName")),
            ("LastName", self.value_at(account, "LastName")),
            ("Email", self.value_at(account, "PersonEmail")),
            ("OwnerId", self.value_at(account, "OwnerId")),
            ("IsPersonAccount", Value::Bool(true)),
        ];
        if let Some(contact) = self.add_by_itself(by, "Contact", &fields)? {
            self.change_by_itself(by, account, &[("PersonContactId", Value::Id(contact))]);
        }
        Ok(())
    }

    /// A contact with an account brings its direct relation to it.
    pub(super) fn add_direct_relation(&mut self, by: &Writing<'_>, contact: RecordId) -> Result<(), WriteError> {
        let account = self.value_at(contact, "AccountId");
        if account.is_null() {
            return Ok(());
        }
        let fields = [
            ("AccountId", account),
            ("ContactId", Value::Id(contact)),
            ("IsDirect", Value::Bool(true)),
            ("IsActive", Value::Bool(true)),
        ];
        self.add_by_itself(by, "AccountContactRelation", &fields).map(|_| ())
    }

    /// A contact is related to an account once, the direct relation included.
    pub(super) fn check_relation(&self, values: &RowValues, id: Option<RecordId>) -> Result<(), WriteError> {
        let ends = self.with_draft("AccountContactRelation", values, id, |draft| {
            [draft.get("AccountId"), draft.get("ContactId")]
        });
        let Some([account, contact]) = ends.filter(|_| id.is_none()) else {
            return Ok(());
        };
        let same = self.first_row("AccountContactRelation", |row| {
            row.value_of("ContactId") == contact && row.value_of("AccountId") == account
        });
        match same {
            Some(_) => {
                let message = "There's already a relationship between this account and this contact.";
                Err(WriteError::new("DUPLICATE_VALUE", message, &[]))
            }
            None => Ok(()),
        }
    }

    /// A campaign brings the two statuses that its members can have.
    pub(super) fn add_member_statuses(&mut self, by: &Writing<'_>, campaign: RecordId) -> Result<(), WriteError> {
        for (place, (label, responded)) in [("Sent", false), ("Responded", true)].into_iter().enumerate() {
            let fields = [
                ("CampaignId", Value::Id(campaign)),
                ("Label", Value::text(label)),
                ("SortOrder", Value::Number((place + 1).to_string())),
                ("IsDefault", Value::Bool(!responded)),
                ("HasResponded", Value::Bool(responded)),
            ];
            self.add_by_itself(by, "CampaignMemberStatus", &fields)?;
        }
        Ok(())
    }

    /// A member is a lead or a contact, once in a campaign.
    pub(super) fn check_member(&self, values: &mut RowValues, id: Option<RecordId>) -> Result<(), WriteError> {
        let looked = self.with_draft("CampaignMember", values, id, |draft| {
            let ends = ["CampaignId", "LeadId", "ContactId"].map(|field| draft.get(field));
            (ends, draft.get("Status") == Value::text("Responded"))
        });
        let Some(([campaign, lead, contact], has_responded)) = looked else {
            return Ok(());
        };
        self.give("CampaignMember", values, "HasResponded", Value::Bool(has_responded));
        if id.is_some() {
            return Ok(());
        }
        if lead.is_null() == contact.is_null() {
            let message = "Required fields are missing: [LeadId, ContactId]";
            return Err(WriteError::new("REQUIRED_FIELD_MISSING", message, &["LeadId", "ContactId"]));
        }
        let same = self.first_row("CampaignMember", |row| {
            row.value_of("CampaignId") == campaign && row.value_of("LeadId") == lead && row.value_of("ContactId") == contact
        });
        match same {
            Some(_) => Err(WriteError::new("DUPLICATE_VALUE", "Already a campaign member.", &[])),
            None => Ok(()),
        }
    }
}
