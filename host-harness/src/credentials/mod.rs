//! Who the host is at the source: the four kinds of `auth`, where their secrets lie, and the access token in force.
//!
//! [`Auth`] is what a configuration says; [`SecretsFolder`] keeps what may not go to the object store; [`Credentials`] gives an
//! access token for one connection and gets another when that one is refused. Token requests go to `login_url` only, through
//! the HTTP seam, and are never counted: connectors can't reach them.
//!
//! The rules: a secret has no `Debug` and no `Display` that shows it; a rotated refresh token is durable before the access
//! token that came with it is used; one refresher per connection at a time, on this machine.

mod access;
mod auth;
mod folder;
mod secret;
#[cfg(test)]
mod tests;
mod token;

pub use access::{Access, CredentialError, Credentials, CredentialsParts};
pub use auth::{Auth, AuthError};
pub use folder::{Issued, SecretsError, SecretsFolder, Stored, Vault};
pub use secret::{Secret, SecretError, SecretReference, SecretSource};
