//! The access token in force for one connection, and how another comes into force.
//!
//! A renewal runs under two locks, one in the process and one in the secrets folder, and looks into the folder again once it
//! has them: what another host process got meanwhile is used instead of asking again. What the login host issues is durable
//! before it is used; where it can't be made durable it is kept in memory, not used, and written at the next attempt.
//!
//! Access tokens are kept in the folder too: a rotated refresh token is written there anyway, and a command line run then needs
//! no token request. They are trusted from there for an hour only: nothing says when one expires, and trying an expired one costs
//! a counted request.

use super::auth::Auth;
use super::folder::{Issued, SecretsError, Stored, Vault};
use super::secret::{Secret, SecretError};
use super::token::{self, Token, TokenRefusal};
use crate::http::{ATTEMPTS, Origin, OriginError, Transport, say_retrying};
use backup_seams::{Clock, Randomness};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};

/// Salesforce refuses assertions that live longer.
const ASSERTION_LIFE: Duration = Duration::from_secs(180);

/// How long after it was issued another process relies on an access token. Sessions last two hours where nobody changed it.
const TRUSTED_FOR: Duration = Duration::from_secs(3600);

/// An access token and where it is good for. Handed out by [`Credentials`] only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    token: Secret,
    origin: Origin,
}

impl Access {
    /// The token, for the `Authorization` header.
    pub fn token(&self) -> &Secret {
        &self.token
    }

    /// The only origin that it is sent to.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

/// What [`Credentials`] work with.
pub struct CredentialsParts {
    /// As configured.
    pub auth: Auth,
    /// `instance_url`, where the configuration has one; it then stands, whatever token answers say.
    pub origin: Option<Origin>,
    /// Where what is issued is kept.
    pub vault: Vault,
    /// The network. Token requests pass no gate.
    pub transport: Arc<dyn Transport>,
    /// Back-off, time-outs, the life of assertions.
    pub clock: Arc<dyn Clock>,
    /// Jitter.
    pub randomness: Arc<dyn Randomness>,
}

/// One connection's credentials. One per connection and process; cheap to share.
pub struct Credentials(Arc<CredentialsInner>);

struct CredentialsInner {
    parts: CredentialsParts,
    /// Held while renewing: the one refresher of this process.
    state: Mutex<TokenState>,
}

#[derive(Default)]
struct TokenState {
    current: Option<Access>,
    /// Issued, but the folder didn't take it.
    unsaved: Option<Issued>,
}

/// Why there is no access token.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The login host says no.
    #[error("{login} refuses the credentials ({code}: {description}); {remedy}")]
    Refused {
        /// The login host.
        login: Origin,
        /// OAuth's code, for instance `invalid_grant`.
        code: String,
        /// In the login host's words.
        description: String,
        /// What a person can do.
        remedy: &'static str,
    },
    /// It says nothing, or to come back later.
    #[error("{login} gives no token now ({reason}); try again later")]
    Unavailable {
        /// The login host.
        login: Origin,
        /// What came of the last try, as a clause.
        reason: String,
    },
    /// It answers as no login host does.
    #[error("{login} doesn't answer as a login host ({reason}); check \"login_url\"")]
    Strange {
        /// What was asked.
        login: Origin,
        /// What came.
        reason: String,
    },
    /// `login_url` isn't one.
    #[error("\"login_url\": {0}")]
    LoginUrl(#[from] OriginError),
    /// Neither the configuration nor the token answer says where the source is.
    #[error("the source's address isn't known: add \"instance_url\" to the configuration")]
    NoOrigin,
    /// A secret isn't where the configuration says.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The secrets folder can't be used.
    #[error(transparent)]
    Folder(#[from] SecretsError),
    /// Not a key to sign with.
    #[error("\"private_key\" can't sign ({0}); it has to be an RSA key in PEM")]
    Key(String),
    /// Somebody added the connection again while this host worked with the old `auth`.
    #[error("the connection was removed, or its \"auth\" was changed, meanwhile; start again")]
    Changed,
    /// The renewal ended without a word (the host is stopping).
    #[error("the renewal of the access token was broken off")]
    BrokenOff,
}

impl CredentialError {
    /// Whether the same may work a little later, with nothing done by a person.
    pub fn is_passing(&self) -> bool {
        matches!(self, CredentialError::Unavailable { .. } | CredentialError::BrokenOff)
    }
}

#[derive(Serialize)]
struct AssertionClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: u64,
}

impl Credentials {
    /// Opens no reference and asks nothing yet.
    pub fn new(parts: CredentialsParts) -> Credentials {
        Credentials(Arc::new(CredentialsInner {
            parts,
            state: Mutex::default(),
        }))
    }

    /// The access token in force; asks the login host where there is none.
    pub async fn access(&self) -> Result<Access, CredentialError> {
        let state = self.0.state.lock().await;
        if let Some(current) = &state.current {
            return Ok(current.clone());
        }
        drop(state);
        self.renewal(None).await
    }

    /// Another access token in place of one that the source refused; `None` where this kind of `auth` has no other.
    pub async fn renewed(&self, refused: &Access) -> Result<Option<Access>, CredentialError> {
        if matches!(self.0.parts.auth, Auth::AccessToken { .. }) {
            return Ok(None);
        }
        self.renewal(Some(refused.token.clone())).await.map(Some)
    }

    /// Runs to its end also where the caller is dropped (a batch is killed): otherwise the refresh token that is on its way
    /// here would be lost, and with it the authorisation. The only task that this module spawns.
    async fn renewal(&self, refused: Option<Secret>) -> Result<Access, CredentialError> {
        let inner = Arc::clone(&self.0);
        let renewal = tokio::spawn(async move {
            let state = inner.state.lock().await;
            inner.renew(state, refused.as_ref()).await
        });
        renewal.await.unwrap_or(Err(CredentialError::BrokenOff))
    }
}

impl CredentialsInner {
    async fn renew(&self, mut state: MutexGuard<'_, TokenState>, refused: Option<&Secret>) -> Result<Access, CredentialError> {
        if let Some(current) = state.current.as_ref().filter(|current| Some(&current.token) != refused) {
            return Ok(current.clone());
        }
        let issued = match &self.parts.auth {
            Auth::AccessToken { token } => return self.in_force(&mut state, token.resolve()?, None),
            auth => {
                let _lock = self.lock().await?;
                self.issued(auth, &mut state, refused).await?
            }
        };
        self.in_force(&mut state, issued.access_token, issued.instance_url.as_deref())
    }

    fn in_force(&self, state: &mut TokenState, token: Secret, instance_url: Option<&str>) -> Result<Access, CredentialError> {
        let told = || instance_url.and_then(|url| Origin::parse(url).ok());
        let origin = self.parts.origin.clone().or_else(told).ok_or(CredentialError::NoOrigin)?;
        let access = Access { token, origin };
        state.current = Some(access.clone());
        Ok(access)
    }

    /// The lock of the secrets folder. Waiting for another process blocks, so it waits on a thread for that.
    async fn lock(&self) -> Result<std::fs::File, CredentialError> {
        let vault = self.parts.vault.clone();
        match tokio::task::spawn_blocking(move || vault.lock()).await {
            Ok(lock) => Ok(lock?),
            Err(_) => Err(CredentialError::BrokenOff),
        }
    }

    /// Under both locks: what was issued last and isn't refused, or else what the login host issues now, durable.
    async fn issued(&self, auth: &Auth, state: &mut TokenState, refused: Option<&Secret>) -> Result<Issued, CredentialError> {
        let to = auth.fingerprint()?;
        let stored = self.parts.vault.read()?;
        if stored.as_ref().is_none_or(|stored| stored.auth != *auth) {
            return Err(CredentialError::Changed);
        }
        let mut last = stored.and_then(|stored| stored.issued).filter(|issued| issued.to == to);
        if let Some(unsaved) = state.unsaved.clone() {
            self.keep(auth, state, unsaved.clone())?;
            last = Some(unsaved);
        }
        let now = self.parts.clock.now();
        let good = |last: &&Issued| Some(&last.access_token) != refused && now.since(last.at) < TRUSTED_FOR;
        if let Some(last) = last.as_ref().filter(good) {
            return Ok(last.clone());
        }
        let rotated = last.and_then(|last| last.refresh_token);
        let token = self.ask(auth, rotated.as_ref()).await?;
        let issued = Issued {
            to,
            at: self.parts.clock.now(),
            access_token: token.access_token,
            refresh_token: token.refresh_token.or(rotated),
            instance_url: token.instance_url,
        };
        self.keep(auth, state, issued.clone())?;
        Ok(issued)
    }

    /// Under the vault's lock.
    fn keep(&self, auth: &Auth, state: &mut TokenState, issued: Issued) -> Result<(), CredentialError> {
        state.unsaved = Some(issued.clone());
        // What was removed while the login host was asked stays removed.
        if self.parts.vault.read()?.is_none_or(|stored| stored.auth != *auth) {
            return Err(CredentialError::Changed);
        }
        self.parts.vault.write(&Stored {
            auth: auth.clone(),
            issued: Some(issued),
        })?;
        state.unsaved = None;
        Ok(())
    }

    /// Asks the login host, again where that may help.
    async fn ask(&self, auth: &Auth, rotated: Option<&Secret>) -> Result<Token, CredentialError> {
        let CredentialsParts {
            transport,
            clock,
            randomness,
            ..
        } = &self.parts;
        let login = auth.login_origin()?.ok_or(CredentialError::NoOrigin)?;
        let mut failures = 0;
        loop {
            let fields = self.fields(auth, rotated)?;
            let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.expose())).collect();
            let reason = match token::request(&**transport, &**clock, &login, &fields).await {
                Ok(token) => return Ok(token),
                Err(TokenRefusal::Refused { code, description }) => {
                    let remedy = remedy(auth, &code);
                    return Err(CredentialError::Refused {
                        login,
                        code,
                        description,
                        remedy,
                    });
                }
                Err(TokenRefusal::Strange(reason)) => return Err(CredentialError::Strange { login, reason }),
                Err(TokenRefusal::Passing(reason)) => reason,
            };
            failures += 1;
            if failures == ATTEMPTS {
                return Err(CredentialError::Unavailable { login, reason });
            }
            let wait = token::pause(failures, &**randomness);
            say_retrying(&login, &reason, failures + 1, wait);
            clock.sleep(wait).await;
        }
    }

    /// What is sent: names and values of the form.
    fn fields(&self, auth: &Auth, rotated: Option<&Secret>) -> Result<Vec<(&'static str, Secret)>, CredentialError> {
        let open = |text: &str| Secret::new(text.to_owned());
        Ok(match auth {
            // Never asks; an empty form asks for nothing.
            Auth::AccessToken { .. } => Vec::new(),
            Auth::ClientCredentials {
                client_id,
                client_secret,
                ..
            } => vec![
                ("grant_type", open("client_credentials")),
                ("client_id", open(client_id)),
                ("client_secret", client_secret.resolve()?),
            ],
            Auth::RefreshToken {
                client_id,
                client_secret,
                refresh_token,
                ..
            } => {
                let token = match rotated {
                    Some(rotated) => rotated.clone(),
                    None => refresh_token.resolve()?,
                };
                let mut fields = vec![
                    ("grant_type", open("refresh_token")),
                    ("client_id", open(client_id)),
                    ("refresh_token", token),
                ];
                if let Some(client_secret) = client_secret {
                    fields.push(("client_secret", client_secret.resolve()?));
                }
                fields
            }
            Auth::JwtBearer {
                login_url,
                client_id,
                username,
                private_key,
                audience,
            } => {
                let claims = AssertionClaims {
                    iss: client_id,
                    sub: username,
                    aud: audience.as_deref().unwrap_or(login_url),
                    exp: self.parts.clock.now().after(ASSERTION_LIFE).0 / 1000,
                };
                let key = private_key.resolve()?;
                let refused = |error: jsonwebtoken::errors::Error| CredentialError::Key(error.to_string());
                let key = EncodingKey::from_rsa_pem(key.expose().as_bytes()).map_err(refused)?;
                let assertion = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &key).map_err(refused)?;
                vec![
                    ("grant_type", open("urn:ietf:params:oauth:grant-type:jwt-bearer")),
                    ("assertion", Secret::new(assertion)),
                ]
            }
        })
    }
}

/// What to do about a code of OAuth's, or of Salesforce's.
fn remedy(auth: &Auth, code: &str) -> &'static str {
    match (code, auth) {
        ("invalid_grant", Auth::RefreshToken { .. }) => {
            "the refresh token is expired, revoked or used up: authorise the app again and add the connection with the new token"
        }
        ("invalid_grant", Auth::JwtBearer { .. }) => {
            "check that the app holds the key's certificate, that the user is approved for the app, and \"username\" and \"audience\""
        }
        ("invalid_grant", _) => "check that the app may use the client credentials flow and has a user to run as",
        ("invalid_client_id" | "invalid_client" | "invalid_client_credentials", _) => {
            "check \"client_id\" and the client secret, and that \"login_url\" is the org's My Domain"
        }
        ("unsupported_grant_type" | "unauthorized_client", _) => "allow this flow in the app's OAuth settings",
        ("inactive_user" | "inactive_org", _) => "have the user or the org activated",
        _ => "check the app's OAuth settings and the connection's \"auth\"",
    }
}
