//! Secrets as values: where one comes from, and a type that can't be printed by mistake.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A secret in memory: overwritten when the last clone is dropped, never shown by `Debug`.
///
/// It serialises in clear, since the secrets folder is written that way; nothing else serialises it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Takes the text over.
    pub fn new(text: String) -> Secret {
        Secret(Arc::new(Zeroizing::new(text)))
    }

    /// The text itself: for a header or a token request, for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        String::deserialize(deserializer).map(Secret::new)
    }
}

/// `SECRET` of the configuration: `"…"`, `{"env": "VAR"}` or `{"file": "PATH"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SecretSource {
    /// In the configuration itself. Kept in the secrets folder.
    Inline(Secret),
    /// Elsewhere.
    Reference(SecretReference),
}

/// Where a secret lies. Looked up each time it is used, so that it can be changed while the host runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretReference {
    /// An environment variable of the host.
    Env(String),
    /// A file that the host can read; a line break at its end doesn't belong to the secret.
    File(PathBuf),
}

/// A reference that leads to no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable isn't set, or isn't UTF-8.
    #[error("the environment variable {0} is not set; set it for the host, or change the connection's \"auth\"")]
    Env(String),
    /// The file can't be read.
    #[error("the secret's file {} can't be read ({source}); make it readable for the host, or change the connection's \"auth\"", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
    /// Nothing is in it.
    #[error("the secret from {0} is empty")]
    Empty(String),
}

impl SecretSource {
    /// The secret itself.
    pub fn resolve(&self) -> Result<Secret, SecretError> {
        let (text, origin) = match self {
            SecretSource::Inline(secret) => return Ok(secret.clone()),
            SecretSource::Reference(SecretReference::Env(env)) => {
                let text = std::env::var(env).map_err(|_| SecretError::Env(env.clone()))?;
                (text, format!("the environment variable {env}"))
            }
            SecretSource::Reference(SecretReference::File(file)) => {
                let text = std::fs::read_to_string(file).map_err(|source| SecretError::File {
                    path: file.clone(),
                    source,
                })?;
                (text, file.display().to_string())
            }
        };
        let text = Zeroizing::new(text);
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(SecretError::Empty(origin)),
            trimmed => Ok(Secret::new(trimmed.to_owned())),
        }
    }

    /// What may be shown and kept in the journal: the reference, or that there is one in the secrets folder.
    pub fn description(&self) -> serde_json::Value {
        match self {
            SecretSource::Inline(_) => serde_json::json!({ "stored": true }),
            SecretSource::Reference(SecretReference::Env(env)) => serde_json::json!({ "env": env }),
            SecretSource::Reference(SecretReference::File(file)) => serde_json::json!({ "file": file }),
        }
    }
}
