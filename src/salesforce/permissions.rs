//! Permissions that a backup wants, and what their lack hides. What a user may not see is no error anywhere in the API: rows and
//! fields vanish silently.

use serde::Deserialize;
use serde_json::{Map, Value};

/// A permission of the connection's user.
pub struct Permission {
    /// As `UserPermissionAccess` names it, without the prefix `Permissions`.
    pub name: &'static str,
    /// What is missing without it.
    pub hides: &'static str,
    /// For a permission whose lack hides data from a backup: the warning's code, and what to give whom.
    pub warning: Option<(&'static str, &'static str)>,
}

/// All that are asked for. Where an org lacks one of them the query for all is refused; those that come first are asked for alone too.
pub const PERMISSIONS: [Permission; 5] = [
    Permission {
        name: "ViewAllData",
        hides: "records that the user doesn't own or isn't given vanish from the backup without a trace",
        warning: Some((
            "view-all-data-missing",
            "give the connection's user the permission View All Data",
        )),
    },
    Permission {
        name: "QueryAllFiles",
        hides: "files of other users, and the links of their documents, can't be read",
        warning: Some((
            "query-all-files-missing",
            "give the connection's user the permission Query All Files",
        )),
    },
    Permission {
        name: "ViewSetup",
        hides: "record counts and limits can't be read, so estimates are rough; some setup objects are refused",
        warning: None,
    },
    Permission {
        name: "ApiEnabled",
        hides: "nothing can be read",
        warning: None,
    },
    Permission {
        name: "ModifyAllData",
        hides: "a restore can't write records of other users; a backup doesn't need it",
        warning: None,
    },
];

impl Permission {
    /// Its field of `UserPermissionAccess`.
    pub fn field(&self) -> String {
        format!("Permissions{}", self.name)
    }
}

/// Queries that tell them: one for all, and one each for the first `alone`.
pub fn permission_queries(alone: usize) -> Vec<String> {
    let fields: Vec<String> = PERMISSIONS.iter().map(Permission::field).collect();
    let query = |fields: &str| format!("SELECT {fields} FROM UserPermissionAccess");
    let all = query(&fields.join(", "));
    std::iter::once(all)
        .chain(fields.iter().take(alone).map(|field| query(field)))
        .collect()
}

/// Answer of one of these queries.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct PermissionRows {
    /// One row, where the org tells.
    pub records: Vec<Map<String, Value>>,
}

/// Whether the user has it, by the first answer that tells.
pub fn is_granted<'a>(permission: &Permission, rows: impl IntoIterator<Item = &'a Map<String, Value>>) -> Option<bool> {
    let field = permission.field();
    rows.into_iter().find_map(|row| row.get(&field)?.as_bool())
}
