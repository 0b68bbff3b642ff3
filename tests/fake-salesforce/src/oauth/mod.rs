//! The token endpoint and the sessions that it opens.
//!
//! Responsible for: the grants client_credentials, refresh_token (with rotation, if chosen) and jwt-bearer, a fixed access
//! token, and sessions that can be made to expire.
//! Rule: secrets are made anew at every start from a seed, so that runs can be repeated; they protect nothing.
//!
//! Choices: access tokens of the endpoint live until they're expired on demand or for `session_life_ms`; a jwt's `exp` may
//! be late on the machine's clock or on the double's, since the client knows only its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock::OrgClock;
use crate::rest::answer::Answer;

/// What clients log in with, and how tokens behave.
#[derive(Clone, Debug)]
pub struct OauthOptions {
    /// The application's key.
    pub client_id: String,
    /// The application's secret.
    pub client_secret: String,
    /// An access token that is valid from the start.
    pub access_token: String,
    /// The first refresh token.
    pub refresh_token: String,
    /// Whether each use of a refresh token kills it and gives a new one.
    pub rotate_refresh_tokens: bool,
    /// The user that jwt-bearer may log in.
    pub username: String,
    /// The public key of jwt-bearer, in PEM; none refuses the grant.
    pub jwt_public_key: Option<String>,
    /// How long access tokens of the endpoint live, in milliseconds; none: until they're expired.
    pub session_life_ms: Option<i64>,
}

impl Default for OauthOptions {
    fn default() -> Self {
        Self {
            client_id: "3MVG9fake.client.id".to_owned(),
            client_secret: "fake-client-secret".to_owned(),
            access_token: "00D000000000001!fake.access.token".to_owned(),
            refresh_token: "5Aep861fake.refresh.token".to_owned(),
            rotate_refresh_tokens: false,
            username: "backup@example.com".to_owned(),
            jwt_public_key: None,
            session_life_ms: None,
        }
    }
}

#[derive(Debug)]
struct Tokens {
    /// Valid access tokens, and when they end.
    access: HashMap<String, Option<i64>>,
    refresh: Vec<String>,
    issued: u64,
}

/// A handle to the sessions; clones are handles to the same.
#[derive(Clone, Debug)]
pub struct Oauth {
    options: Arc<OauthOptions>,
    clock: OrgClock,
    tokens: Arc<Mutex<Tokens>>,
}

/// What a jwt of the grant claims.
#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Value,
    exp: i64,
}

/// Why a token isn't given: an object, not the array that other errors are.
struct Refused {
    error: &'static str,
    description: &'static str,
}

const fn refused(error: &'static str, description: &'static str) -> Refused {
    Refused { error, description }
}

impl Oauth {
    /// Sessions on a clock.
    #[must_use]
    pub fn new(clock: OrgClock, options: OauthOptions) -> Self {
        let tokens = Tokens {
            access: HashMap::from([(options.access_token.clone(), None)]),
            refresh: vec![options.refresh_token.clone()],
            issued: 0,
        };
        Self {
            options: Arc::new(options),
            clock,
            tokens: Arc::new(Mutex::new(tokens)),
        }
    }

    /// What clients log in with.
    #[must_use]
    pub fn options(&self) -> &OauthOptions {
        &self.options
    }

    /// Whether an `Authorization` header opens a session.
    #[must_use]
    pub fn is_session(&self, authorization: Option<&str>) -> bool {
        let token = authorization
            .and_then(|h| h.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("oauth"));
        let now_ms = self.clock.now_ms();
        token.is_some_and(|(_, token)| {
            self.lock()
                .access
                .get(token.trim())
                .is_some_and(|end| end.is_none_or(|end| now_ms < end))
        })
    }

    /// Ends every session: the fixed access token too.
    pub fn expire_sessions(&self) {
        self.lock().access.clear();
    }

    /// Makes an access token valid.
    pub fn open_session(&self, token: &str) {
        self.lock().access.insert(token.to_owned(), None);
    }

    /// Makes every refresh token invalid.
    pub fn revoke_refresh_tokens(&self) {
        self.lock().refresh.clear();
    }

    /// The refresh tokens that are valid now.
    #[must_use]
    pub fn refresh_tokens(&self) -> Vec<String> {
        self.lock().refresh.clone()
    }

    /// Serves `POST /services/oauth2/token`. `instance_url` and `org_and_user` go into the answer.
    #[must_use]
    pub fn token(
        &self,
        form: &[(String, String)],
        basic: Option<(String, String)>,
        instance_url: &str,
        org_and_user: &str,
    ) -> Answer {
        let value = |name: &str| form.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let (basic_id, basic_secret) = basic.unzip();
        let client_id = value("client_id").map(str::to_owned).or(basic_id);
        let client_secret = value("client_secret").map(str::to_owned).or(basic_secret);
        let granted = match value("grant_type") {
            Some("client_credentials") => self.client_credentials(client_id.as_deref(), client_secret.as_deref()),
            Some("refresh_token") => self.refresh(client_id.as_deref(), client_secret.as_deref(), value("refresh_token")),
            Some("urn:ietf:params:oauth:grant-type:jwt-bearer") => self.jwt(value("assertion"), instance_url),
            _ => Err(refused("unsupported_grant_type", "grant type not supported")),
        };
        match granted {
            Ok(refresh_token) => {
                let mut body = json!({
                    "access_token": self.issue(),
                    "signature": "c2lnbmF0dXJlIG9mIHRoZSBkb3VibGU=",
                    "scope": "api refresh_token",
                    "instance_url": instance_url,
                    "id": format!("{instance_url}/id/{org_and_user}"),
                    "token_type": "Bearer",
                    "issued_at": self.clock.now_ms().to_string(),
                });
                if let Some(token) = refresh_token {
                    body["refresh_token"] = json!(token);
                }
                Answer::json(&body)
            }
            Err(refused) => Answer::json_with(
                400,
                &json!({ "error": refused.error, "error_description": refused.description }),
            ),
        }
    }

    /// Serves `POST /services/oauth2/revoke`.
    #[must_use]
    pub fn revoke(&self, token: &str) -> Answer {
        let mut tokens = self.lock();
        let known = tokens.access.remove(token).is_some() || tokens.refresh.contains(&token.to_owned());
        tokens.refresh.retain(|t| t != token);
        if known {
            Answer::empty(200)
        } else {
            Answer::json_with(
                400,
                &json!({ "error": "unsupported_token_type", "error_description": "this token type is not supported" }),
            )
        }
    }

    fn client_credentials(&self, id: Option<&str>, secret: Option<&str>) -> Result<Option<String>, Refused> {
        self.check_client(id)?;
        match secret {
            Some(secret) if secret == self.options.client_secret => Ok(None),
            _ => Err(refused("invalid_client", "invalid client credentials")),
        }
    }

    fn check_client(&self, id: Option<&str>) -> Result<(), Refused> {
        match id {
            Some(id) if id == self.options.client_id => Ok(()),
            _ => Err(refused("invalid_client_id", "client identifier invalid")),
        }
    }

    /// The secret may be left out (a public client), but not be wrong.
    fn refresh(&self, id: Option<&str>, secret: Option<&str>, token: Option<&str>) -> Result<Option<String>, Refused> {
        self.check_client(id)?;
        if secret.is_some_and(|s| s != self.options.client_secret) {
            return Err(refused("invalid_client", "invalid client credentials"));
        }
        let mut tokens = self.lock();
        let known = token.and_then(|t| tokens.refresh.iter().position(|r| r == t));
        let Some(place) = known else {
            return Err(refused("invalid_grant", "expired access/refresh token"));
        };
        if !self.options.rotate_refresh_tokens {
            return Ok(None);
        }
        tokens.issued += 1;
        let next = format!("{}.{}", self.options.refresh_token, tokens.issued);
        tokens.refresh[place] = next.clone();
        Ok(Some(next))
    }

    fn jwt(&self, assertion: Option<&str>, instance_url: &str) -> Result<Option<String>, Refused> {
        let invalid = || refused("invalid_grant", "invalid assertion");
        let key = self.options.jwt_public_key.as_ref().ok_or_else(invalid)?;
        let key = DecodingKey::from_rsa_pem(key.as_bytes()).map_err(|_| invalid())?;
        let mut validation = Validation::new(Algorithm::RS256);
        // Time and audience are looked at below: the double's time isn't the machine's, and there are several audiences.
        validation.validate_exp = false;
        validation.validate_aud = false;
        let claims = jsonwebtoken::decode::<Claims>(assertion.unwrap_or_default(), &key, &validation)
            .map_err(|_| invalid())?
            .claims;
        self.check_client(Some(&claims.iss))?;
        if claims.sub != self.options.username {
            return Err(refused("invalid_grant", "user hasn't approved this consumer"));
        }
        let audiences = ["https://login.salesforce.com", "https://test.salesforce.com", instance_url];
        let claimed: Vec<&str> = match &claims.aud {
            Value::String(one) => vec![one],
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if !claimed.iter().any(|a| audiences.contains(&a.trim_end_matches('/'))) {
            return Err(refused("invalid_grant", "audience is invalid"));
        }
        let machine_s = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX));
        if claims.exp < machine_s.min(self.clock.now_ms() / 1000) {
            return Err(refused("invalid_grant", "expired authorization code"));
        }
        Ok(None)
    }

    fn issue(&self) -> String {
        let end = self.options.session_life_ms.map(|life| self.clock.now_ms() + life);
        let mut tokens = self.lock();
        tokens.issued += 1;
        let token = format!("{}.{}", self.options.access_token, tokens.issued);
        tokens.access.insert(token.clone(), end);
        token
    }

    fn lock(&self) -> MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
