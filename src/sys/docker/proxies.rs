//! The proxies of which `docker` tells every container that it makes.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::endpoint::Endpoint;
use super::login::config_file;

/// Proxies by the names of variables, in capitals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies(BTreeMap<&'static str, String>);

/// The part of Docker's configuration file that is about proxies: by engine, as `DOCKER_HOST` has it, or `default`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Config {
    proxies: BTreeMap<String, Settings>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    #[serde(rename = "httpProxy")]
    http: String,
    #[serde(rename = "httpsProxy")]
    https: String,
    #[serde(rename = "noProxy")]
    no: String,
    #[serde(rename = "allProxy")]
    all: String,
}

impl Proxies {
    /// Those for the containers of an engine. A configuration that cannot be read has none: `docker` says what is wrong with it.
    #[must_use]
    pub fn of(endpoint: &Endpoint) -> Self {
        let text = config_file().and_then(|file| std::fs::read_to_string(file).ok());
        Self::read(&text.unwrap_or_default(), &endpoint.host)
    }

    fn read(text: &str, host: &str) -> Self {
        let mut config: Config = serde_json::from_str(text).unwrap_or_default();
        let found = config.proxies.remove(host).or_else(|| config.proxies.remove("default")).unwrap_or_default();
        let Settings { http, https, no, all } = found;
        let all = [("HTTP_PROXY", http), ("HTTPS_PROXY", https), ("NO_PROXY", no), ("ALL_PROXY", all)];
        Self(all.into_iter().filter(|(_, value)| !value.is_empty()).collect())
    }

    /// The value of a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_has_proxies_of_its_own_or_those_of_all() {
        let text = r#"{ "auths": {}, "proxies": {
            "default": { "httpProxy": "http://p:1", "noProxy": "a,b" },
            "tcp://far:2376": { "httpsProxy": "http://q:1" }
        } }"#;
        let all = Proxies::read(text, "unix:///var/run/docker.sock");
        assert_eq!(
            (all.get("HTTP_PROXY").as_deref(), all.get("NO_PROXY").as_deref()),
            (Some("http://p:1"), Some("a,b"))
        );
        assert_eq!(all.get("HTTPS_PROXY"), None);
        let own = Proxies::read(text, "tcp://far:2376");
        assert_eq!((own.get("HTTP_PROXY"), own.get("HTTPS_PROXY").as_deref()), (None, Some("http://q:1")));
        assert!(Proxies::read("", "x").is_empty() && Proxies::read("{}", "x").is_empty());
    }
}
