//! Plain questions over HTTP: does a registry answer, does it hold a manifest, what does a gateway of a lab answer; and files to download.

mod download;
#[cfg(test)]
pub mod fixture;
mod registry;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;

use super::words;
pub use registry::{Held, Repository};

/// How long a registry may take to answer before it counts as unreachable.
const TIMEOUT: Duration = Duration::from_secs(3);

/// How long a download may stand still.
const STALLED: Duration = Duration::from_secs(30);

/// Why nothing useful came back.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Unreachable {
    reason: String,
    /// When to ask again, of who was asked too often and says so.
    retry_after: Option<Duration>,
}

impl Unreachable {
    /// Nothing answered, or not what was asked for.
    fn silent(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), retry_after: None }
    }

    /// It was asked too often.
    fn too_often(retry_after: Option<Duration>) -> Self {
        Self { reason: format!("it lets nobody ask this often (429){}", again(retry_after)), retry_after }
    }
}

fn again(after: Option<Duration>) -> String {
    after.map_or_else(String::new, |after| format!("; again in {} s", after.as_secs()))
}

/// What a request failed of.
fn silent(error: &(dyn std::error::Error + 'static)) -> Unreachable {
    Unreachable::silent(words::innermost(error))
}

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

/// Asks registries, or a lab.
#[derive(Clone, Debug)]
pub struct Http {
    client: reqwest::Client,
    /// For what is on this machine, to which no proxy leads.
    direct: reqwest::Client,
    /// For files, which take longer than answers.
    files: reqwest::Client,
}

impl Http {
    /// A client with the user's proxy settings, which are for other machines only.
    pub fn new() -> Result<Self, Unreachable> {
        let plain = || {
            let redirect = reqwest::redirect::Policy::limited(3);
            builder().connect_timeout(TIMEOUT).timeout(TIMEOUT).redirect(redirect)
        };
        let files = builder().connect_timeout(TIMEOUT).read_timeout(STALLED);
        Ok(Self { client: built(plain())?, direct: built(plain().no_proxy())?, files: built(files)? })
    }

    /// A client for addresses of a lab on this machine: no proxy is asked, and each request has a connection of its own.
    pub fn direct() -> Result<Self, Unreachable> {
        let redirect = reqwest::redirect::Policy::none();
        let client = built(builder().no_proxy().pool_max_idle_per_host(0).timeout(TIMEOUT).redirect(redirect))?;
        Ok(Self { direct: client.clone(), files: client.clone(), client })
    }

    /// The client for a URL.
    fn client(&self, url: &str) -> &reqwest::Client {
        if is_loopback(url) { &self.direct } else { &self.client }
    }

    /// Calls a URL with a body, which may be empty; a header `Host` names the virtual host.
    pub async fn call(
        &self,
        method: &str,
        url: &str,
        headers: &BTreeMap<String, String>,
        body: Bytes,
    ) -> Result<Answered, Unreachable> {
        let method = reqwest::Method::from_bytes(method.as_bytes()).map_err(|e| silent(&e))?;
        let request =
            headers.iter().fold(self.client(url).request(method, url), |r, (name, value)| r.header(name, value));
        let request = if body.is_empty() { request } else { request.body(body) };
        let response = request.send().await.map_err(|e| silent(&e))?;
        let status = response.status().as_u16();
        let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in response.headers() {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            headers.entry(name.as_str().to_owned()).or_default().push(value);
        }
        let body = response.text().await.map_err(|e| silent(&e))?;
        Ok(Answered { status, headers, body })
    }

    /// Whether there is anything at a URL that can be read.
    pub async fn serves(&self, url: &str) -> Result<(), Unreachable> {
        let response = self.client(url).get(url).send().await.map_err(|e| silent(&e))?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err(Unreachable::silent(format!("it answered {}", status.as_u16()))),
        }
    }
}

fn builder() -> reqwest::ClientBuilder {
    // The binary installs ring's provider first thing; a library user or a test may not have. A second time changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
}

fn built(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, Unreachable> {
    // The library reads the file too, whatever it is and as long as it gives anything.
    crate::sys::host::certificate_authorities().map_err(Unreachable::silent)?;
    builder.build().map_err(|e| silent(&e))
}

/// Whether a URL names this machine itself.
pub(super) fn is_loopback(url: &str) -> bool {
    let url = reqwest::Url::parse(url).ok();
    let host = url.as_ref().and_then(|url| url.host_str()).unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.ends_with(".localhost") || bare.parse::<IpAddr>().is_ok_and(|a| a.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_needs_no_proxy() {
        for url in ["http://127.0.0.1:5000/v2/", "http://localhost:5000", "https://[::1]/x", "http://r.localhost/"] {
            assert!(is_loopback(url), "{url}");
        }
        for url in ["https://registry.k8s.io/v2/", "http://10.0.0.1:5000", "http://127.0.0.1.example.org/"] {
            assert!(!is_loopback(url), "{url}");
        }
    }
}
