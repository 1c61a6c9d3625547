//! A host that is called and no Service has, and what its endpoints speak.

use std::str::FromStr;

/// A host that is called, as `http://legacy.example:8080/path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalledHost {
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Its name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The path, with its slash.
    pub path: String,
}

impl FromStr for CalledHost {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = match text.split_once("://") {
            None => ("http", text),
            Some(("http", rest)) => ("http", rest),
            Some(("https", rest)) => ("https", rest),
            Some(_) => return Err("is called by neither http nor https"),
        };
        let (place, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let (host, port) = match place.split_once(':') {
            None => (place, if scheme == "https" { 443 } else { 80 }),
            Some((host, port)) => (host, port.parse().ok().filter(|p| *p > 0).ok_or("has no port from 1 to 65535")?),
        };
        let is_label = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !host.contains('.') || !host.split('.').all(is_label) {
            return Err("is no host name with a dot in it");
        }
        if path.bytes().any(|b| b.is_ascii_whitespace() || b.is_ascii_control()) {
            return Err("has a path with white space in it");
        }
        Ok(Self { scheme, host: host.to_ascii_lowercase(), port, path: path.to_owned() })
    }
}

impl std::fmt::Display for CalledHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}:{}{}", self.scheme, self.host, self.port, self.path)
    }
}

/// What an endpoint speaks, as a greeting of TLS without a certificate was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// TLS.
    Tls,
    /// Something else.
    Plain,
    /// It takes connections, and closes them: it wants another greeting, as a gateway or a sidecar of a mesh does.
    Closes,
    /// It takes connections, and says nothing in time.
    Silent,
    /// It takes no connection.
    Nothing,
}

impl Speaks {
    /// Reads what curl prints of `https://` by `%{time_appconnect} %{errormsg}`. When it has connected it does not say where the greeting fails.
    #[must_use]
    pub fn of(printed: &str) -> Self {
        let (greeted, error) = printed.trim().split_once(' ').unwrap_or((printed.trim(), ""));
        let error = error.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| error.contains(word));
        if greeted.bytes().any(|b| (b'1'..=b'9').contains(&b)) || says(&["alert"]) {
            Self::Tls
        } else if says(&["wrong version number", "packet length too long", "record layer failure"]) {
            Self::Plain
        } else if says(&["failed to connect", "connection refused", "no route"])
            || error.starts_with("connection timed out")
        {
            Self::Nothing
        } else if says(&["timed out", "timeout"]) {
            Self::Silent
        } else {
            Self::Closes
        }
    }
}
