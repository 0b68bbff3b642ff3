//! `auth` of a connection's configuration, parsed.

use super::secret::{SecretError, SecretSource};
use crate::http::{Origin, OriginError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// How a connection proves who it is: one of four kinds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Auth {
    /// A token got elsewhere. It can't be renewed: a 401 is final.
    AccessToken {
        /// The token.
        token: SecretSource,
    },
    /// The app itself logs in, as the user that the org's administrator chose for it.
    ClientCredentials {
        /// The org's My Domain.
        login_url: String,
        /// The app.
        client_id: String,
        /// Its secret.
        client_secret: SecretSource,
    },
    /// A person authorised the app once.
    RefreshToken {
        /// Where it was authorised.
        login_url: String,
        /// The app.
        client_id: String,
        /// Its secret, where it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_secret: Option<SecretSource>,
        /// The token, or, where tokens rotate, the first of them.
        refresh_token: SecretSource,
    },
    /// The app signs for a user that it was approved for.
    JwtBearer {
        /// Where the token is asked for.
        login_url: String,
        /// The app.
        client_id: String,
        /// The user.
        username: String,
        /// RSA key, PEM.
        private_key: SecretSource,
        /// `aud` of the assertion; `login_url` where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        audience: Option<String>,
    },
}

/// Why a configuration's `auth` can't be used. Never holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Not an object with a known `kind`.
    #[error("\"auth\" has to be an object whose \"kind\" is access-token, client-credentials, refresh-token or jwt-bearer")]
    Kind,
    /// A field is missing, unknown or of another type.
    #[error("\"auth\" of kind {kind} can't be read: {reason}")]
    Fields {
        /// The kind.
        kind: String,
        /// Which field, and why.
        reason: String,
    },
    /// `login_url` isn't one.
    #[error("\"login_url\": {0}")]
    LoginUrl(#[from] OriginError),
}

const KINDS: [&str; 4] = ["access-token", "client-credentials", "refresh-token", "jwt-bearer"];

impl Auth {
    /// Parses `auth`, and its `login_url`. Opens no reference: where a secret lies is looked at when it's used.
    pub fn parse(value: &Value) -> Result<Auth, AuthError> {
        // Looked at first, so that no message of serde can quote a secret in a wrong place.
        let kind = value.get("kind").and_then(Value::as_str).ok_or(AuthError::Kind)?;
        if !KINDS.contains(&kind) {
            return Err(AuthError::Kind);
        }
        let auth = Auth::deserialize(value).map_err(|error| AuthError::Fields {
            kind: kind.to_owned(),
            reason: error.to_string(),
        })?;
        auth.login_origin()?;
        Ok(auth)
    }

    /// The kind's name.
    pub fn kind(&self) -> &'static str {
        match self {
            Auth::AccessToken { .. } => KINDS[0],
            Auth::ClientCredentials { .. } => KINDS[1],
            Auth::RefreshToken { .. } => KINDS[2],
            Auth::JwtBearer { .. } => KINDS[3],
        }
    }

    /// Where token requests go, and nothing else does; `None` where there are none.
    pub fn login_origin(&self) -> Result<Option<Origin>, OriginError> {
        match self {
            Auth::AccessToken { .. } => Ok(None),
            Auth::ClientCredentials { login_url, .. }
            | Auth::RefreshToken { login_url, .. }
            | Auth::JwtBearer { login_url, .. } => Origin::parse(login_url).map(Some),
        }
    }

    /// Whether an answer to a token request tells the origin, so that `instance_url` may be left out.
    pub fn tells_origin(&self) -> bool {
        !matches!(self, Auth::AccessToken { .. })
    }

    /// What may be shown and kept in the journal: everything but inline secrets.
    pub fn description(&self) -> Value {
        match self {
            Auth::AccessToken { token } => json!({ "kind": self.kind(), "token": token.description() }),
            Auth::ClientCredentials {
                login_url,
                client_id,
                client_secret,
            } => json!({
                "kind": self.kind(),
                "login_url": login_url,
                "client_id": client_id,
                "client_secret": client_secret.description(),
            }),
            Auth::RefreshToken {
                login_url,
                client_id,
                client_secret,
                refresh_token,
            } => {
                let mut description = json!({
                    "kind": self.kind(),
                    "login_url": login_url,
                    "client_id": client_id,
                    "refresh_token": refresh_token.description(),
                });
                if let Some(client_secret) = client_secret {
                    description["client_secret"] = client_secret.description();
                }
                description
            }
            Auth::JwtBearer {
                login_url,
                client_id,
                username,
                private_key,
                audience,
            } => {
                let mut description = json!({
                    "kind": self.kind(),
                    "login_url": login_url,
                    "client_id": client_id,
                    "username": username,
                    "private_key": private_key.description(),
                });
                if let Some(audience) = audience {
                    description["audience"] = json!(audience);
                }
                description
            }
        }
    }

    /// Tells whether tokens issued earlier came from this very `auth`: lower-case hex SHA-256 over all of it, references
    /// resolved. It lies beside the secrets and nowhere else.
    pub(super) fn fingerprint(&self) -> Result<String, SecretError> {
        let mut hash = Sha256::new();
        let mut add = |part: &str| {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        };
        add(self.kind());
        match self {
            Auth::AccessToken { token } => add(token.resolve()?.expose()),
            Auth::ClientCredentials {
                login_url,
                client_id,
                client_secret,
            } => {
                add(login_url);
                add(client_id);
                add(client_secret.resolve()?.expose());
            }
            // The app's secret may be changed without a new authorisation: the chain of refresh tokens goes on.
            Auth::RefreshToken {
                login_url,
                client_id,
                refresh_token,
                client_secret: _,
            } => {
                add(login_url);
                add(client_id);
                add(refresh_token.resolve()?.expose());
            }
            Auth::JwtBearer {
                login_url,
                client_id,
                username,
                private_key,
                audience,
            } => {
                add(login_url);
                add(client_id);
                add(username);
                add(private_key.resolve()?.expose());
                add(audience.as_deref().unwrap_or_default());
            }
        }
        Ok(hex::encode(hash.finalize()))
    }
}
