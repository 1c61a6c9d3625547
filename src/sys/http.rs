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

    /// Whether a registry holds the manifest of `repository` at `reference`, a tag or a digest, for somebody without a login. A registry that
    /// denies it has nothing for us either: Docker Hub denies what it does not have, so as not to tell.
    pub async fn has_manifest(&self, base: &str, repository: &str, reference: &str) -> Result<bool, Unreachable> {
        let accept = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json, \
                      application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json";
        let url = format!("{base}/v2/{repository}/manifests/{reference}");
        let ask = || self.client.head(&url).header("Accept", accept);
        let mut response = ask().send().await.map_err(|e| Unreachable(root_cause(&e)))?;
        if response.status() == reqwest::StatusCode::UNAUTHORIZED
            && let Some(token) = self.token(response.headers()).await?
        {
            response = ask().bearer_auth(token).send().await.map_err(|e| Unreachable(root_cause(&e)))?;
        }
        match response.status().as_u16() {
            200..=299 => Ok(true),
            401 | 403 | 404 => Ok(false),
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
        let response = self.client.get(url).send().await.map_err(|e| Unreachable(root_cause(&e)))?;
        if !response.status().is_success() {
            return Ok(None);
        }
        let text = response.text().await.map_err(|e| Unreachable(root_cause(&e)))?;
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

/// The innermost cause says what happened; the outer ones only that something did.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
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
            ("HEAD /v2/istio/pilot/manifests/1.31.1 HTTP/1.1", true) => (200, String::new(), ""),
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
}
