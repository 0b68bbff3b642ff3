//! Where a connection's requests may go: one parsed type instead of strings. Whatever path a connector asks for, the URL that
//! [`Origin::url`] makes lies within the origin, or there is none.

use std::fmt;
use std::sync::Arc;
use url::{Host, Url};

/// Scheme, host and port. `https`, or `http` for a loopback address; the scheme's own port is never written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin(Arc<Url>);

/// Why a text is no origin that the host would send to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// Not a URL at all.
    #[error("not a URL ({0}); write it as https://HOST")]
    Url(#[from] url::ParseError),
    /// Neither `https` nor `http`.
    #[error("the scheme is {0:?}; write it as https://HOST")]
    Scheme(String),
    /// `http` to another machine.
    #[error("http:// is taken for loopback addresses only, and {0} is none; use https://")]
    Plaintext(String),
    /// User name or password in it.
    #[error("it holds a user name or a password; credentials belong in \"auth\"")]
    UserInfo,
    /// Path, query or fragment.
    #[error("it has a path, query or fragment; only scheme, host and port are wanted")]
    MoreThanOrigin,
}

/// Why a path is not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It doesn't begin with exactly one `/`.
    #[error("the path must begin with exactly one \"/\"")]
    Beginning,
    /// A character that has to be percent-encoded.
    #[error("the path has {0:?} at byte {1}; percent-encode it")]
    Character(char, usize),
    /// Longer than the limit.
    #[error("the path has {0} bytes, more than the {1} that are sent")]
    Length(usize, usize),
    /// It doesn't make a URL within the origin.
    #[error("the path leaves the origin or makes no URL")]
    Escapes,
}

impl Origin {
    /// Takes `https://host[:port][/]`; `http` for loopback only.
    pub fn parse(text: &str) -> Result<Origin, OriginError> {
        let url = Url::parse(text.trim())?;
        let origin = Origin::of(&url)?;
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(OriginError::MoreThanOrigin);
        }
        Ok(origin)
    }

    /// The origin of a whole URL, under the same rules.
    pub fn of(url: &Url) -> Result<Origin, OriginError> {
        let Some(host) = url.host() else {
            return Err(OriginError::Scheme(url.scheme().to_owned()));
        };
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&host) => {}
            "http" => return Err(OriginError::Plaintext(host.to_string())),
            other => return Err(OriginError::Scheme(other.to_owned())),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(OriginError::UserInfo);
        }
        let mut bare = url.clone();
        bare.set_path("/");
        bare.set_query(None);
        bare.set_fragment(None);
        Ok(Origin(Arc::new(bare)))
    }

    /// Whether it's this machine, where `http` is allowed and no proxy is used.
    pub fn is_loopback(&self) -> bool {
        self.0.host().is_some_and(|host| is_loopback(&host))
    }

    /// Joins a path and query, `/…`, percent-encoded, of at most `limit` bytes.
    pub fn url(&self, path: &str, limit: usize) -> Result<Url, PathError> {
        if path.len() > limit {
            return Err(PathError::Length(path.len(), limit));
        }
        if !path.starts_with('/') || path.starts_with("//") {
            return Err(PathError::Beginning);
        }
        // A backslash is a slash to URL parsers, tabs and line breaks are nothing; a fragment would be cut off silently.
        if let Some((at, found)) = path
            .char_indices()
            .find(|(_, c)| !c.is_ascii_graphic() || matches!(*c, '\\' | '#'))
        {
            return Err(PathError::Character(found, at));
        }
        let base = self.0.as_str().trim_end_matches('/');
        let url = Url::parse(&format!("{base}{path}")).map_err(|_| PathError::Escapes)?;
        if self.holds(&url) { Ok(url) } else { Err(PathError::Escapes) }
    }

    /// Whether a URL lies within this origin.
    pub fn holds(&self, url: &Url) -> bool {
        Origin::of(url).is_ok_and(|origin| origin == *self)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const LIMIT: usize = 16 << 10;

    #[test]
    fn one_origin_has_one_form() {
        for text in ["https://acme.example", "https://ACME.example/", " https://acme.example:443 "] {
            assert_eq!(Origin::parse(text).unwrap().to_string(), "https://acme.example");
        }
        assert_eq!(
            Origin::parse("https://acme.example:8443").unwrap().to_string(),
            "https://acme.example:8443"
        );
        for text in [
            "http://127.0.0.1:8080",
            "http://localhost",
            "http://[::1]:80/",
            "http://127.9.9.9",
        ] {
            assert!(Origin::parse(text).unwrap().is_loopback(), "{text}");
        }
    }

    #[test]
    fn plaintext_is_for_loopback_only() {
        for text in [
            "http://acme.example",
            "http://10.0.0.1",
            "http://localhost.acme.example",
            "http://0.0.0.0",
        ] {
            assert!(matches!(Origin::parse(text), Err(OriginError::Plaintext(_))), "{text}");
        }
    }

    #[test]
    fn a_url_that_is_more_or_less_than_an_origin_is_refused() {
        for text in [
            "acme.example",
            "ftp://acme.example",
            "file:///etc/passwd",
            "data:x",
            "https://user@acme.example",
            "https://user:pass@acme.example",
            "https://acme.example/path",
            "https://acme.example?q",
            "https://acme.example#f",
            "https://",
            "",
        ] {
            assert!(Origin::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_path_is_sent_as_it_is() {
        let origin = Origin::parse("https://acme.example").unwrap();
        let path = "/services/data/v62.0/query?q=SELECT%20Id+FROM%20Account%20WHERE%20Name%3D%27a//b%27&x=@{p1.nextRecordsUrl}";
        let url = origin.url(path, LIMIT).unwrap();
        assert_eq!(url.as_str(), format!("https://acme.example{path}"));
    }

    fn origins() -> impl Strategy<Value = Origin> {
        prop::sample::select(vec![
            "https://acme.example",
            "https://acme.example:8443",
            "http://127.0.0.1:9",
            "http://[::1]",
        ])
        .prop_map(|text| Origin::parse(text).unwrap())
    }

    /// Pieces that URL parsers are tricked with, and anything else.
    fn paths() -> impl Strategy<Value = String> {
        let trick = prop::sample::select(vec![
            "/",
            "//",
            "\\",
            "..",
            "/../",
            "%2e%2e",
            "@",
            "@evil.example",
            "evil.example",
            ":",
            ":80",
            "https:",
            "http://evil.example",
            "#",
            "?",
            "%00",
            "%2f",
            "%5c",
            "\t",
            "\n",
            "\r",
            " ",
            "\u{0}",
            "\u{ff0f}",
            "\u{3002}",
            ";",
            "[",
            "]",
            "javascript:",
        ])
        .prop_map(str::to_owned);
        prop_oneof![
            prop::collection::vec(prop_oneof![trick, ".{0,3}".prop_map(|text| text)], 0..12).prop_map(|pieces| pieces.concat()),
            any::<String>(),
            "/[ -~]{0,60}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn no_path_leads_out_of_the_connections_origin(origin in origins(), path in paths(), slash in any::<bool>()) {
            let path = if slash { format!("/{path}") } else { path };
            if let Ok(url) = origin.url(&path, LIMIT) {
                prop_assert_eq!(&Origin::of(&url).unwrap(), &origin);
                prop_assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
                prop_assert!(path.starts_with('/') && !path.starts_with("//"));
                // What goes on the wire is parsed once more, by the HTTP library.
                let wire: http::Uri = url.as_str().parse().unwrap();
                let authority = origin.to_string();
                let authority = authority.split_once("://").unwrap().1;
                prop_assert_eq!(wire.authority().unwrap().as_str(), authority);
            }
        }

        #[test]
        fn an_origin_reads_itself_back(origin in origins()) {
            prop_assert_eq!(&Origin::parse(&origin.to_string()).unwrap(), &origin);
        }
    }
}
