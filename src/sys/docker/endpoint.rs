//! Which engine `docker` uses, so that lab, kind and the user always talk to the same one.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// Where an engine is when nothing says otherwise.
const SOCKET: &str = "unix:///var/run/docker.sock";

/// The context that is none.
const DEFAULT: &str = "default";

/// An engine, and what says that it is this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it is, as `DOCKER_HOST` would have it.
    pub host: String,
    /// Who says so.
    pub from: Chosen,
}

/// What says which engine is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// The variable `DOCKER_HOST`.
    Variable,
    /// A context, chosen by `DOCKER_CONTEXT` or by `docker context use`.
    Context(String),
    /// Nothing.
    Default,
}

/// What lab has to know of `config.json`.
#[derive(Default, Deserialize)]
struct Config {
    #[serde(rename = "currentContext", default)]
    current_context: String,
}

/// What lab has to know of a context.
#[derive(Deserialize)]
struct Context {
    #[serde(rename = "Endpoints", default)]
    endpoints: std::collections::BTreeMap<String, ContextEndpoint>,
}

#[derive(Deserialize)]
struct ContextEndpoint {
    #[serde(rename = "Host", default)]
    host: String,
}

impl Endpoint {
    /// The engine that `docker` uses for this user, here and now.
    ///
    /// # Errors
    /// A context is named that is not there or cannot be read: what is wrong.
    pub fn here() -> Result<Self, String> {
        Self::of(&|name| std::env::var(name).ok(), &|path| std::fs::read_to_string(path).ok())
    }

    /// The same, by a way to look up variables and one to read files.
    pub(super) fn of(
        variable: &dyn Fn(&str) -> Option<String>,
        read: &dyn Fn(&Path) -> Option<String>,
    ) -> Result<Self, String> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        // In this order `docker` looks as well.
        if let Some(host) = set("DOCKER_HOST") {
            return Ok(Self { host, from: Chosen::Variable });
        }
        let config = set("DOCKER_CONFIG").map(PathBuf::from).or_else(|| Some(Path::new(&set("HOME")?).join(".docker")));
        let Some(config) = config else { return Ok(Self { host: SOCKET.to_owned(), from: Chosen::Default }) };
        let current = || {
            let text = read(&config.join("config.json"))?;
            serde_json::from_str::<Config>(&text).ok().map(|c| c.current_context).filter(|name| !name.is_empty())
        };
        let Some(name) = set("DOCKER_CONTEXT").or_else(current).filter(|name| name != DEFAULT) else {
            return Ok(Self { host: SOCKET.to_owned(), from: Chosen::Default });
        };
        // Docker keeps a context in a directory that is named by the digest of its name.
        let directory = format!("{:x}", Sha256::digest(name.as_bytes()));
        let path = config.join("contexts/meta").join(directory).join("meta.json");
        let text = read(&path).ok_or_else(|| format!("there is no Docker context `{name}`"))?;
        let context: Context = serde_json::from_str(&text)
            .map_err(|e| format!("the Docker context `{name}` cannot be read ({}): {e}", path.display()))?;
        let host = context.endpoints.get("docker").map(|e| e.host.clone()).filter(|host| !host.is_empty());
        Ok(Self { host: host.unwrap_or_else(|| SOCKET.to_owned()), from: Chosen::Context(name) })
    }

    /// The socket of an engine that is reached by one.
    #[must_use]
    pub fn socket(&self) -> Option<&Path> {
        self.host.strip_prefix("unix://").map(Path::new)
    }

    /// The name of the machine of an engine that is reached over a network.
    #[must_use]
    pub fn machine(&self) -> Option<&str> {
        let (scheme, rest) = self.host.split_once("://").filter(|(scheme, _)| *scheme != "unix")?;
        let authority = rest.split('/').next().unwrap_or_default();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let name = match host.strip_prefix('[').and_then(|v6| v6.split_once(']')) {
            Some((v6, _)) => v6,
            None => host.rsplit_once(':').map_or(host, |(name, _)| name),
        };
        // `tcp://:2375` is the machine itself.
        Some(if name.is_empty() && scheme != "ssh" { "localhost" } else { name })
    }

    /// Variables for a child, with which its `docker` uses this very engine whatever has been chosen since.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        match &self.from {
            // A context may have certificates of its own, so it is named rather than written out.
            Chosen::Context(name) => vec![("DOCKER_CONTEXT", name.clone())],
            // What it calls http, `docker` calls tcp.
            Chosen::Variable | Chosen::Default => {
                vec![(
                    "DOCKER_HOST",
                    self.host.strip_prefix("http://").map_or_else(|| self.host.clone(), |rest| format!("tcp://{rest}")),
                )]
            }
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        match &self.from {
            Chosen::Variable => f.write_str(" (DOCKER_HOST)"),
            Chosen::Context(name) => write!(f, " (Docker context `{name}`)"),
            Chosen::Default => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A context `far`, in the home directory of the user or in another.
    fn endpoint(variables: &[(&str, &str)], current: &str) -> Result<Endpoint, String> {
        let variable = |name: &str| {
            let given = variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
            given.or_else(|| (name == "HOME").then(|| "/home/u".to_owned()))
        };
        let far = format!("{:x}", Sha256::digest(b"far"));
        let read = |path: &Path| {
            let below = path.strip_prefix("/home/u/.docker").or_else(|_| path.strip_prefix("/etc/other")).ok()?;
            if below == Path::new("config.json") {
                return Some(format!("{{\"auths\":{{}},\"currentContext\":\"{current}\"}}"));
            }
            (below == Path::new("contexts/meta").join(&far).join("meta.json")).then(|| {
                r#"{"Name":"far","Metadata":{},"Endpoints":{"docker":{"Host":"ssh://me@far.example","SkipTLSVerify":false}}}"#
                    .to_owned()
            })
        };
        Endpoint::of(&variable, &read)
    }

    #[test]
    fn the_engine_is_the_one_that_docker_uses() {
        let told = |variables: &[(&str, &str)], current| endpoint(variables, current).expect("an engine").to_string();
        assert_eq!(told(&[], ""), "unix:///var/run/docker.sock");
        assert_eq!(told(&[], "default"), "unix:///var/run/docker.sock");
        assert_eq!(told(&[], "far"), "ssh://me@far.example (Docker context `far`)");
        assert_eq!(told(&[("DOCKER_CONTEXT", "default")], "far"), "unix:///var/run/docker.sock");
        assert_eq!(told(&[("DOCKER_CONTEXT", "far")], ""), "ssh://me@far.example (Docker context `far`)");
        assert_eq!(told(&[("DOCKER_CONFIG", "/etc/other")], "far"), "ssh://me@far.example (Docker context `far`)");
        // The variable is stronger than any context.
        assert_eq!(told(&[("DOCKER_HOST", "tcp://x:1"), ("DOCKER_CONTEXT", "far")], "far"), "tcp://x:1 (DOCKER_HOST)");
        assert_eq!(told(&[("DOCKER_HOST", "")], "far"), "ssh://me@far.example (Docker context `far`)");
        assert_eq!(endpoint(&[("DOCKER_CONTEXT", "near")], ""), Err("there is no Docker context `near`".to_owned()));
    }

    #[test]
    fn children_use_the_same_engine() {
        let variables = |variables: &[(&str, &str)]| endpoint(variables, "far").expect("an engine").variables();
        assert_eq!(variables(&[]), [("DOCKER_CONTEXT", "far".to_owned())]);
        assert_eq!(variables(&[("DOCKER_HOST", "http://x:1")]), [("DOCKER_HOST", "tcp://x:1".to_owned())]);
        assert_eq!(
            variables(&[("DOCKER_CONTEXT", "default")]),
            [("DOCKER_HOST", "unix:///var/run/docker.sock".to_owned())]
        );
    }

    #[test]
    fn a_machine_has_a_name() {
        let machine =
            |host: &str| Endpoint { host: host.to_owned(), from: Chosen::Variable }.machine().map(str::to_owned);
        assert_eq!(machine("unix:///run/docker.sock"), None);
        assert_eq!(machine("tcp://10.0.0.5:2376").as_deref(), Some("10.0.0.5"));
        assert_eq!(machine("tcp://[::1]:2375/x").as_deref(), Some("::1"));
        assert_eq!(machine("tcp://:2375").as_deref(), Some("localhost"));
        assert_eq!(machine("ssh://me@far.example:22").as_deref(), Some("far.example"));
    }
}
