//! Describe global: which objects the org has, condensed to their names and whether queries may be tried.

use serde::{Deserialize, Deserializer, Serialize};

/// One object of the org.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GlobalObject {
    /// API name.
    pub name: String,
    /// Whether Salesforce says that it can be queried. Some say so and refuse.
    #[serde(default)]
    pub queryable: bool,
}

/// The org's objects, by name, each once.
pub fn read_global<'de, D: Deserializer<'de>>(body: D) -> Result<Vec<GlobalObject>, D::Error> {
    #[derive(Deserialize)]
    struct Global {
        sobjects: Vec<GlobalObject>,
    }
    let Global { mut sobjects } = Global::deserialize(body)?;
    sobjects.retain(|object| is_name(&object.name));
    sobjects.sort_by(|a, b| a.name.cmp(&b.name));
    sobjects.dedup_by(|a, b| a.name == b.name);
    Ok(sobjects)
}

/// Letters, digits and `_`: it goes into URLs, queries and names of stored objects.
fn is_name(name: &str) -> bool {
    (1..=255).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_come_sorted_and_what_is_no_name_is_left_out() {
        let body = r#"{"encoding":"UTF-8","maxBatchSize":200,"sobjects":[{"name":"B","queryable":true,"urls":{}},{"name":"A","queryable":false},
            {"name":"../x","queryable":true},{"name":"","queryable":true},{"name":"B","queryable":true}]}"#;
        let names: Vec<(String, bool)> = read_global(&mut serde_json::Deserializer::from_str(body))
            .unwrap()
            .into_iter()
            .map(|o| (o.name, o.queryable))
            .collect();
        assert_eq!(names, [("A".into(), false), ("B".into(), true)]);
        assert!(read_global(&mut serde_json::Deserializer::from_str("<html>")).is_err());
    }
}
