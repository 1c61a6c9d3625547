//! Plain questions over HTTP: does a registry answer, does it hold a manifest, what does a gateway of a lab answer.

use std::collections::BTreeMap;
use std::time::Duration;

/// How long a registry may take to answer before it counts as unreachable.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Why nothing answered.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(String);

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// HTTP status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: BTreeMap<String, Vec<String>>,
    /// Body as text.
    pub body: String,
}

/// Asks registries, or a lab. One client serves all questions.
#[derive(Clone, Debug)]
pub struct Http {
    client: reqwest::Client,
}

impl Http {
    /// A client with the user's proxy settings.
    pub fn new() -> Result<Self, Unreachable> {
        // The binary installs ring's provider first thing; a library user or a test may not have. A second time changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .connect_timeout(TIMEOUT)
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::limited(3))
            .build()
            .map_err(|e| Unreachable(e.to_string()))?;
        Ok(Self { client })
    }

    /// A client for addresses of a lab on this machine: no proxy is asked, and each request has a connection of its own.
    pub fn direct() -> Result<Self, Unreachable> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| Unreachable(e.to_string()))?;
        Ok(Self { client })
    }

    /// Calls a URL; a header `Host` names the virtual host.
    pub async fn call(
        &self,
        method: &str,
        url: &str,
        headers: &BTreeMap<String, String>,
    ) -> Result<Answered, Unreachable> {
        let method = reqwest::Method::from_bytes(method.as_bytes()).map_err(|e| Unreachable(e.to_string()))?;
        let request = headers.iter().fold(self.client.request(method, url), |r, (name, value)| r.header(name, value));
        let response = request.send().await.map_err(|e| Unreachable(root_cause(&e)))?;
        let status = response.status().as_u16();
        let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in response.headers() {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            headers.entry(name.as_str().to_owned()).or_default().push(value);
        }
        let body = response.text().await.map_err(|e| Unreachable(root_cause(&e)))?;
        Ok(Answered { status, headers, body })
    }

    /// Asks for `BASE/v2/`, which every registry answers, if only with "who are you".
    pub async fn registry_answers(&self, base: &str) -> Result<(), Unreachable> {
        let response = self.client.get(format!("{base}/v2/")).send().await.map_err(|e| Unreachable(root_cause(&e)))?;
        match response.status().as_u16() {
            200 | 401 => Ok(()),
            status => Err(Unreachable(format!("it answered {status} to /v2/"))),
        }
    }

    /// Whether there is anything at a URL that can be read.
    pub async fn serves(&self, url: &str) -> Result<(), Unreachable> {
        let response = self.client.get(url).send().await.map_err(|e| Unreachable(root_cause(&e)))?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err(Unreachable(format!("it answered {}", status.as_u16()))),
        }
    }

    /// Whether a registry holds the manifest of `repository` at `tag`.
    pub async fn has_manifest(&self, base: &str, repository: &str, tag: &str) -> Result<bool, Unreachable> {
        let accept = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json, \
                      application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json";
        let request = self.client.head(format!("{base}/v2/{repository}/manifests/{tag}")).header("Accept", accept);
        let response = request.send().await.map_err(|e| Unreachable(root_cause(&e)))?;
        Ok(response.status().is_success())
    }
}

/// The innermost cause says what happened; the outer ones only that something did.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
