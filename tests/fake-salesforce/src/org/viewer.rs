//! The user on whose behalf a request is made: what the user may do, and what stays hidden.
//!
//! Salesforce hides without a word: rows that aren't shared and fields under field-level security are simply not there.

use std::collections::{HashMap, HashSet};

use crate::org::record_id::RecordId;

/// A user's rights, as far as they change what the API answers.
#[derive(Debug, Clone)]
pub struct Viewer {
    /// The user's row in `User`; owner of what it creates.
    pub user_id: RecordId,
    /// *API Enabled*.
    pub api_enabled: bool,
    /// *View All Data*: without it only own rows of private objects are seen.
    pub view_all_data: bool,
    /// *Modify All Data*.
    pub modify_all_data: bool,
    /// *View Setup and Configuration*: without it `/limits` and recordCount refuse.
    pub view_setup: bool,
    /// *Query All Files*.
    pub query_all_files: bool,
    /// *View Encrypted Data*: without it encrypted fields are masked.
    pub view_encrypted_data: bool,
    /// *Manage Users*: without it `/limits` lacks the storage entries.
    pub manage_users: bool,
    /// *Set Audit Fields upon Record Creation*, in an org that allows it: creation and last change can be given at create.
    pub set_audit_fields: bool,
    /// *Update Records with Inactive Owners*.
    pub update_inactive_owners: bool,
    /// Fields hidden by field-level security, by object (names as in describe).
    pub hidden_fields: HashMap<String, HashSet<String>>,
    /// Objects without read permission: not in describe global, `INVALID_TYPE` in queries.
    pub hidden_objects: HashSet<String>,
}

impl Viewer {
    /// A user who may do all that a profile gives, and sees all.
    pub fn administrator(user_id: RecordId) -> Viewer {
        Viewer {
            user_id,
            api_enabled: true,
            view_all_data: true,
            modify_all_data: true,
            view_setup: true,
            query_all_files: true,
            view_encrypted_data: true,
            manage_users: true,
            // Neither comes with a profile.
            set_audit_fields: false,
            update_inactive_owners: false,
            hidden_fields: HashMap::new(),
            hidden_objects: HashSet::new(),
        }
    }

    /// Hides one field.
    #[must_use]
    pub fn without_field(mut self, object: &str, field: &str) -> Viewer {
        self.hidden_fields
            .entry(object.to_owned())
            .or_default()
            .insert(field.to_owned());
        self
    }

    /// Whether field-level security lets the field be seen.
    pub fn sees_field(&self, object: &str, field: &str) -> bool {
        !self.hidden_fields.get(object).is_some_and(|fields| fields.contains(field))
    }

    /// Whether the object may be read at all.
    pub fn sees_object(&self, object: &str) -> bool {
        !self.hidden_objects.contains(object)
    }

    /// The permission that `UserPermissionAccess` calls by this name (`PermissionsViewAllData`); false for all others.
    pub fn permission(&self, name: &str) -> bool {
        match name {
            "PermissionsApiEnabled" => self.api_enabled,
            "PermissionsViewAllData" => self.view_all_data,
            "PermissionsModifyAllData" => self.modify_all_data,
            "PermissionsViewSetup" => self.view_setup,
            "PermissionsQueryAllFiles" => self.query_all_files,
            "PermissionsViewEncryptedData" => self.view_encrypted_data,
            "PermissionsManageUsers" => self.manage_users,
            "PermissionsCreateAuditFields" => self.set_audit_fields,
            "PermissionsUpdateWithInactiveOwner" => self.update_inactive_owners,
            _ => false,
        }
    }
}
