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

/// All that are asked for.
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

/// The one that orgs may lack as a field: the query for all is refused then.
const OPTIONAL: &str = "QueryAllFiles";

/// Queries that tell them: for all, for those that every org has, and for the other one.
pub fn permission_queries() -> [String; 3] {
    let query = |wanted: &dyn Fn(&Permission) -> bool| {
        let fields: Vec<String> = PERMISSIONS.iter().filter(|p| wanted(p)).map(Permission::field).collect();
        format!("SELECT {} FROM UserPermissionAccess", fields.join(", "))
    };
    [
        query(&|_| true),
        query(&|p| p.name != OPTIONAL),
        query(&|p| p.name == OPTIONAL),
    ]
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
