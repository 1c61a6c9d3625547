//! Plain questions over HTTP: does a registry answer, does it hold a manifest, what does a gateway of a lab answer.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::words;

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

/// Asks registries, or a lab.
#[derive(Clone, Debug)]
pub struct Http {
    client: reqwest::Client,
    /// For what is on this machine, to which no proxy leads.
    direct: reqwest::Client,
}

impl Http {
    /// A client with the user's proxy settings, which are for other machines only.
    pub fn new() -> Result<Self, Unreachable> {
        let plain = || {
            let redirect = reqwest::redirect::Policy::limited(3);
            builder().connect_timeout(TIMEOUT).timeout(TIMEOUT).redirect(redirect)
        };
        Ok(Self { client: built(plain())?, direct: built(plain().no_proxy())? })
    }

    /// A client for addresses of a lab on this machine: no proxy is asked, and each request has a connection of its own.
    pub fn direct() -> Result<Self, Unreachable> {
        let redirect = reqwest::redirect::Policy::none();
        let client = built(builder().no_proxy().pool_max_idle_per_host(0).timeout(TIMEOUT).redirect(redirect))?;
        Ok(Self { direct: client.clone(), client })
    }

    /// The client for a URL.
    fn client(&self, url: &str) -> &reqwest::Client {
        if is_loopback(url) { &self.direct } else { &self.client }
    }

    /// Calls a URL; a header `Host` names the virtual host.
    pub async fn call(
        &self,
        method: &str,
        url: &str,
        headers: &BTreeMap<String, String>,
    ) -> Result<Answered, Unreachable> {
        let method = reqwest::Method::from_bytes(method.as_bytes()).map_err(|e| Unreachable(words::innermost(&e)))?;
        let request =
            headers.iter().fold(self.client(url).request(method, url), |r, (name, value)| r.header(name, value));
        let response = request.send().await.map_err(|e| Unreachable(words::innermost(&e)))?;
        let status = response.status().as_u16();
        let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in response.headers() {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            headers.entry(name.as_str().to_owned()).or_default().push(value);
        }
        let body = response.text().await.map_err(|e| Unreachable(words::innermost(&e)))?;
        Ok(Answered { status, headers, body })
    }

    /// Asks for `BASE/v2/`, which every registry answers, if only with "who are you".
    pub async fn registry_answers(&self, base: &str) -> Result<(), Unreachable> {
        let response =
            self.client(base).get(format!("{base}/v2/")).send().await.map_err(|e| Unreachable(words::innermost(&e)))?;
        match response.status().as_u16() {
            200 | 401 => Ok(()),
            status => Err(Unreachable(format!("it answered {status} to /v2/"))),
        }
    }

    /// Whether there is anything at a URL that can be read.
    pub async fn serves(&self, url: &str) -> Result<(), Unreachable> {
        let response = self.client(url).get(url).send().await.map_err(|e| Unreachable(words::innermost(&e)))?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err(Unreachable(format!("it answered {}", status.as_u16()))),
        }
    }

    /// Whether a registry holds the manifest of `repository` at `reference`, a tag or a digest, for somebody without a login. A registry that
    /// denies it has nothing for us either: Docker Hub denies what it does not have, so as not to tell.
    pub async fn has_manifest(&self, base: &str, repository: &str, reference: &str) -> Result<bool, Unreachable> {
        Ok(self.manifest(base, repository, reference).await?.is_some())
    }

    /// The digest of that manifest; none where the registry does not have it, or does not tell.
    pub async fn manifest_digest(
        &self,
        base: &str,
        repository: &str,
        reference: &str,
    ) -> Result<Option<String>, Unreachable> {
        let headers = self.manifest(base, repository, reference).await?;
        let digest = headers.as_ref().and_then(|headers| headers.get("docker-content-digest"));
        Ok(digest.and_then(|digest| digest.to_str().ok()).map(str::to_owned))
    }

    /// The headers of a manifest, if the registry has it.
    async fn manifest(
        &self,
        base: &str,
        repository: &str,
        reference: &str,
    ) -> Result<Option<reqwest::header::HeaderMap>, Unreachable> {
        let accept = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json, \
                      application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json";
        let url = format!("{base}/v2/{repository}/manifests/{reference}");
        let ask = || self.client(base).head(&url).header("Accept", accept);
        let mut response = ask().send().await.map_err(|e| Unreachable(words::innermost(&e)))?;
        if response.status() == reqwest::StatusCode::UNAUTHORIZED
            && let Some(token) = self.token(response.headers()).await?
        {
            response = ask().bearer_auth(token).send().await.map_err(|e| Unreachable(words::innermost(&e)))?;
        }
        match response.status().as_u16() {
            200..=299 => Ok(Some(response.headers().clone())),
            401 | 403 | 404 => Ok(None),
            status => Err(Unreachable(format!("it answered {status} for {repository}"))),
        }
    }

    /// The token that a registry wants even from somebody without a login, from where its challenge says; none where it wants something else.
    async fn token(&self, headers: &reqwest::header::HeaderMap) -> Result<Option<String>, Unreachable> {
        let challenge = headers.get(reqwest::header::WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
        let Some((realm, query)) = challenge.and_then(challenge_of) else { return Ok(None) };
        let mut url =
            reqwest::Url::parse(&realm).map_err(|e| Unreachable(format!("its login server is {realm}: {e}")))?;
        url.query_pairs_mut().extend_pairs(query);
        let response =
            self.client(url.as_str()).get(url.clone()).send().await.map_err(|e| Unreachable(words::innermost(&e)))?;
        if !response.status().is_success() {
            return Ok(None);
        }
        let text = response.text().await.map_err(|e| Unreachable(words::innermost(&e)))?;
        let answer: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let token = answer["token"].as_str().or_else(|| answer["access_token"].as_str());
        Ok(token.map(str::to_owned))
    }
}

/// Where a `WWW-Authenticate: Bearer` sends for a token, and with which parameters.
fn challenge_of(header: &str) -> Option<(String, Vec<(String, String)>)> {
    let (scheme, mut rest) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let (mut realm, mut query) = (None, Vec::new());
    // A quoted value may have commas in it: `scope="repository:a/b:pull,push"`.
    while let Some((key, value)) = rest.split_once("=\"") {
        let (value, after) = value.split_once('"')?;
        let key = key.trim_start_matches([',', ' ']).to_ascii_lowercase();
        if key == "realm" {
            realm = Some(value.to_owned());
        } else {
            query.push((key, value.to_owned()));
        }
        rest = after;
    }
    Some((realm?, query))
}

fn builder() -> reqwest::ClientBuilder {
    // The binary installs ring's provider first thing; a library user or a test may not have. A second time changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
}

fn built(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, Unreachable> {
    builder.build().map_err(|e| Unreachable(words::innermost(&e)))
}

/// Whether a URL names this machine itself.
fn is_loopback(url: &str) -> bool {
    let url = reqwest::Url::parse(url).ok();
    let host = url.as_ref().and_then(|url| url.host_str()).unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.ends_with(".localhost") || bare.parse::<IpAddr>().is_ok_and(|a| a.is_loopback())
}

/// Variables that keep a child, and what it starts in turn, from asking a proxy for `hosts`: names, addresses and subnets. There are none where the
/// user has no proxy.
#[must_use]
pub fn without_proxy(hosts: &[String]) -> Vec<(&'static str, String)> {
    exceptions(hosts, |name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

fn exceptions(hosts: &[String], variable: impl Fn(&str) -> Option<String>) -> Vec<(&'static str, String)> {
    const PROXIES: [&str; 6] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
    if !PROXIES.iter().any(|name| variable(name).is_some()) {
        return Vec::new();
    }
    let given = ["NO_PROXY", "no_proxy"].into_iter().filter_map(&variable);
    let given: Vec<String> =
        given.flat_map(|list| list.split(',').map(|host| host.trim().to_owned()).collect::<Vec<_>>()).collect();
    let mut all: Vec<String> = Vec::new();
    for host in given.iter().chain(hosts).filter(|host| !host.is_empty()) {
        if !all.contains(host) {
            all.push(host.clone());
        }
    }
    // Some programs read the one, some the other.
    ["NO_PROXY", "no_proxy"].map(|name| (name, all.join(","))).into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// A registry on loopback that answers each request line with what `answer` makes of it and of its token: status, headers, body.
    async fn registry(answer: fn(&str, bool, &str) -> (u16, String, &'static str)) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let shared = Arc::new(base.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = vec![0; 8192];
                let read = stream.read(&mut request).await.unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..read]).into_owned();
                let known = request.to_lowercase().contains("authorization: bearer let-me-in");
                let (status, headers, body) = answer(request.lines().next().unwrap_or_default(), known, &shared);
                let text = format!(
                    "HTTP/1.1 {status} x\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(text.as_bytes()).await;
            }
        });
        base
    }

    /// As Docker Hub: a token for everybody, and denial of what is not there.
    fn hub(line: &str, known: bool, base: &str) -> (u16, String, &'static str) {
        if line.starts_with("GET /token?service=hub&scope=repository%3Aistio%2Fpilot%3Apull%2Cpush ") {
            return (200, String::new(), r#"{"token":"let-me-in"}"#);
        }
        match (line, known) {
            ("HEAD /v2/istio/pilot/manifests/1.31.1 HTTP/1.1", true) => {
                (200, "docker-content-digest: sha256:0123\r\n".to_owned(), "")
            }
            (_, true) => (404, String::new(), ""),
            _ => {
                let scope = "repository:istio/pilot:pull,push";
                let header =
                    format!("www-authenticate: Bearer realm=\"{base}/token\",service=\"hub\",scope=\"{scope}\"\r\n");
                (401, header, "")
            }
        }
    }

    #[tokio::test]
    async fn a_registry_is_asked_for_the_image_and_not_whether_it_answers() {
        let http = Http::direct().expect("a client");
        let base = registry(hub).await;
        assert!(http.has_manifest(&base, "istio/pilot", "1.31.1").await.expect("an answer"));
        assert!(!http.has_manifest(&base, "istio/pilot", "1.99").await.expect("an answer"));
        let digest = http.manifest_digest(&base, "istio/pilot", "1.31.1").await.expect("an answer");
        assert_eq!(digest.as_deref(), Some("sha256:0123"));

        // `/v2/` is answered by each of these.
        let base = registry(|_, _, _| (403, String::new(), "")).await;
        assert!(!http.has_manifest(&base, "istio/pilot", "1.31.1").await.expect("an answer"));
        let base = registry(|_, _, _| (401, "www-authenticate: Basic realm=\"x\"\r\n".to_owned(), "")).await;
        assert!(!http.has_manifest(&base, "istio/pilot", "1.31.1").await.expect("an answer"));
        for status in [429, 503] {
            let answer: fn(&str, bool, &str) -> (u16, String, &'static str) =
                if status == 429 { |_, _, _| (429, String::new(), "") } else { |_, _, _| (503, String::new(), "") };
            let refused =
                http.has_manifest(&registry(answer).await, "istio/pilot", "1.31.1").await.expect_err("no answer");
            assert_eq!(refused.to_string(), format!("it answered {status} for istio/pilot"));
        }
    }

    #[test]
    fn challenges() {
        let (realm, query) =
            challenge_of(r#"Bearer realm="https://a/t",service="r.io",scope="repository:a/b:pull,push""#).expect("one");
        assert_eq!(realm, "https://a/t");
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        assert_eq!(query, [pair("service", "r.io"), pair("scope", "repository:a/b:pull,push")]);
        assert_eq!(challenge_of(r#"Basic realm="x""#), None);
        assert_eq!(challenge_of("Bearer"), None);
    }

    #[test]
    fn this_machine_needs_no_proxy() {
        for url in ["http://127.0.0.1:5000/v2/", "http://localhost:5000", "https://[::1]/x", "http://r.localhost/"] {
            assert!(is_loopback(url), "{url}");
        }
        for url in ["https://registry.k8s.io/v2/", "http://10.0.0.1:5000", "http://127.0.0.1.example.org/"] {
            assert!(!is_loopback(url), "{url}");
        }
    }

    #[test]
    fn children_ask_no_proxy_for_a_lab() {
        let hosts = ["localhost".to_owned(), "172.30.0.0/16".to_owned()];
        let asked = |set: &[(&str, &str)]| {
            exceptions(&hosts, |name| set.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(asked(&[("NO_PROXY", "a")]), []);
        let both = |list: &str| vec![("NO_PROXY", list.to_owned()), ("no_proxy", list.to_owned())];
        assert_eq!(asked(&[("https_proxy", "p")]), both("localhost,172.30.0.0/16"));
        assert_eq!(
            asked(&[("ALL_PROXY", "p"), ("NO_PROXY", "a, localhost"), ("no_proxy", "b")]),
            both("a,localhost,b,172.30.0.0/16")
        );
    }
}
