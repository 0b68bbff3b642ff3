//! The `Sforce-Limit-Info` header in every form that is documented or was seen in the field, and two that a careful
//! client must survive: missing and broken.
//!
//! Not for: how much is used; that's the window's.

use serde::{Deserialize, Serialize};

/// The header's name as Salesforce spells it.
pub const NAME: &str = "Sforce-Limit-Info";

/// How the usage is told on each answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeaderForm {
    /// `api-usage=18/15000`
    #[default]
    Plain,
    /// `api-usage=25/5000; per-app-api-usage=17/250(appName=sample-connected-app)`
    WithPerApp,
    /// The same two the other way round.
    PerAppFirst,
    /// Plain, and the header's name in lower case on connections opened from then on.
    LowerCaseName,
    /// Both parts, parted by a comma.
    CommaSeparated,
    /// Both parts, parted by a semicolon without a space.
    NoSpace,
    /// Only the part of the one application, which says nothing about the org.
    PerAppOnly,
    /// No header at all.
    Missing,
    /// A value that doesn't parse.
    Broken,
}

/// What the per-app part says: requests of this application, its own limit, its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerApp<'a> {
    /// Requests of the asking application in the window.
    pub used: u64,
    /// What the org's administrator allows this application.
    pub limit: u64,
    /// The connected application's name.
    pub name: &'a str,
}

impl HeaderForm {
    /// The header's value, or none where the form leaves it out.
    #[must_use]
    pub fn render(self, used: u64, max: u64, app: &PerApp<'_>) -> Option<String> {
        let org = format!("api-usage={used}/{max}");
        let per_app = format!("per-app-api-usage={}/{}(appName={})", app.used, app.limit, app.name);
        Some(match self {
            Self::Plain | Self::LowerCaseName => org,
            Self::WithPerApp => format!("{org}; {per_app}"),
            Self::PerAppFirst => format!("{per_app}; {org}"),
            Self::CommaSeparated => format!("{org},{per_app}"),
            Self::NoSpace => format!("{org};{per_app}"),
            Self::PerAppOnly => per_app,
            Self::Missing => return None,
            Self::Broken => "api-usage=unknown/".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_those_of_the_documentation() {
        let app = PerApp {
            used: 17,
            limit: 250,
            name: "sample-connected-app",
        };
        let render = |form: HeaderForm| form.render(25, 5000, &app);
        assert_eq!(render(HeaderForm::Plain).as_deref(), Some("api-usage=25/5000"));
        assert_eq!(
            render(HeaderForm::WithPerApp).as_deref(),
            Some("api-usage=25/5000; per-app-api-usage=17/250(appName=sample-connected-app)")
        );
        assert_eq!(
            render(HeaderForm::PerAppFirst).as_deref(),
            Some("per-app-api-usage=17/250(appName=sample-connected-app); api-usage=25/5000")
        );
        assert_eq!(render(HeaderForm::Missing), None);
        assert!(!render(HeaderForm::PerAppOnly).unwrap_or_default().starts_with("api-usage"));
    }
}
