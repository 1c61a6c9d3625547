//! Questions to registries of images, asked as Docker's own client asks them.

use std::time::Duration;

use bollard::auth::DockerCredentials;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::{RequestBuilder, Response, StatusCode};

use super::{Http, Unreachable, is_loopback, silent};

/// What may be behind a tag.
const MANIFESTS: &str = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json";

/// The longest that a question waits because a registry asks it to.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a registry may ask for it.
const TIMES: usize = 3;

/// What a registry says of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// It has it.
    There,
    /// It does not have it.
    Absent,
    /// It denies it to who asks, with this status. It may still have it; Docker Hub denies what it does not have, so as not to tell.
    Denied(u16),
}

/// A repository at a registry, and who asks for it.
#[derive(Clone, Copy, Debug)]
pub struct Repository<'a> {
    /// The registry, as `https://quay.io`.
    pub base: &'a str,
    /// Its path there.
    pub path: &'a str,
    /// The login for the registry, if there is one.
    pub login: Option<&'a DockerCredentials>,
}

impl Http {
    /// Asks for `BASE/v2/`, which every registry answers, if only with "who are you".
    pub async fn registry_answers(&self, base: &str) -> Result<(), Unreachable> {
        let response = self.client(base).get(format!("{base}/v2/")).send().await.map_err(|e| silent(&e))?;
        match response.status().as_u16() {
            200 | 401 => Ok(()),
            status => Err(Unreachable::silent(format!("it answered {status} to /v2/"))),
        }
    }

    /// Whether a registry holds a manifest at `reference`, a tag or a digest, for who asks.
    pub async fn holds_manifest(&self, of: Repository<'_>, reference: &str) -> Result<Held, Unreachable> {
        Ok(self.manifest(of, reference).await?.map_or_else(|held| held, |_| Held::There))
    }

    /// The digest of that manifest; none where the registry does not have it, or does not tell.
    pub async fn manifest_digest(&self, of: Repository<'_>, reference: &str) -> Result<Option<String>, Unreachable> {
        let headers = self.manifest(of, reference).await?.ok();
        let digest = headers.as_ref().and_then(|headers| headers.get("docker-content-digest"));
        Ok(digest.and_then(|digest| digest.to_str().ok()).map(str::to_owned))
    }

    /// The headers of a manifest, or why there are none. A registry that wants to be asked later is, if that is soon.
    async fn manifest(&self, of: Repository<'_>, reference: &str) -> Result<Result<HeaderMap, Held>, Unreachable> {
        for _ in 1..TIMES {
            match self.manifest_now(of, reference).await {
                Err(Unreachable { retry_after: Some(wait), .. }) if wait <= PATIENCE => {
                    tokio::time::sleep(wait).await;
                }
                answer => return answer,
            }
        }
        self.manifest_now(of, reference).await
    }

    async fn manifest_now(&self, of: Repository<'_>, reference: &str) -> Result<Result<HeaderMap, Held>, Unreachable> {
        let url = format!("{}/v2/{}/manifests/{reference}", of.base, of.path);
        let ask = || self.client(&url).head(&url).header("Accept", MANIFESTS);
        let mut response = sent(ask()).await?;
        if response.status() == StatusCode::UNAUTHORIZED
            && let Some(answer) = self.as_somebody(ask(), response.headers(), of.login).await?
        {
            response = answer;
        }
        match response.status().as_u16() {
            200..=299 if is_manifest(response.headers()) => Ok(Ok(response.headers().clone())),
            // The page of a network that wants a login first answers everything.
            200..=299 => {
                Err(Unreachable::silent("what answers is no registry; open its address in a browser to see what does"))
            }
            status @ (401 | 403) => Ok(Err(Held::Denied(status))),
            404 => Ok(Err(Held::Absent)),
            status => Err(Unreachable::silent(format!("it answered {status} for {}", of.path))),
        }
    }

    /// Asks again in the way that a registry's challenge says; none where there is nothing to say to it.
    async fn as_somebody(
        &self,
        ask: RequestBuilder,
        headers: &HeaderMap,
        login: Option<&DockerCredentials>,
    ) -> Result<Option<Response>, Unreachable> {
        let challenge = headers.get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if let Some((realm, query)) = challenge_of(challenge) {
            let Some(token) = self.token(&realm, &query, login).await? else { return Ok(None) };
            return sent(ask.bearer_auth(token)).await.map(Some);
        }
        let is_basic = challenge.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic "));
        match login.filter(|_| is_basic).and_then(|login| login.username.as_ref().zip(login.password.as_ref())) {
            Some((user, password)) => sent(ask.basic_auth(user, Some(password))).await.map(Some),
            None => Ok(None),
        }
    }

    /// The token that a registry wants even from somebody without a login; none where its login server refuses.
    async fn token(
        &self,
        realm: &str,
        query: &[(String, String)],
        login: Option<&DockerCredentials>,
    ) -> Result<Option<String>, Unreachable> {
        let refused = |e| Unreachable::silent(format!("its login server is {realm}: {e}"));
        let mut url = reqwest::Url::parse(realm).map_err(|e| refused(e.to_string()))?;
        // A password is for nobody who listens on the way.
        let login = login.filter(|_| url.scheme() == "https" || is_loopback(realm));
        let request = match login {
            Some(DockerCredentials { identitytoken: Some(token), .. }) => {
                let own = [("grant_type", "refresh_token"), ("refresh_token", token.as_str()), ("client_id", "lab")];
                let all = query.iter().map(|(k, v)| (k.as_str(), v.as_str())).chain(own);
                let form = reqwest::Url::parse_with_params("http://form/", all).map_err(|e| refused(e.to_string()))?;
                let body = form.query().unwrap_or_default().to_owned();
                self.client(realm).post(url).header("Content-Type", "application/x-www-form-urlencoded").body(body)
            }
            login => {
                url.query_pairs_mut().extend_pairs(query);
                let request = self.client(realm).get(url);
                match login.and_then(|login| login.username.as_ref().zip(login.password.as_ref())) {
                    Some((user, password)) => request.basic_auth(user, Some(password)),
                    None => request,
                }
            }
        };
        let response = sent(request).await?;
        if !response.status().is_success() {
            return Ok(None);
        }
        let text = response.text().await.map_err(|e| silent(&e))?;
        let answer: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let token = answer["token"].as_str().or_else(|| answer["access_token"].as_str());
        Ok(token.map(str::to_owned))
    }
}

/// What is answered, unless it is that one has asked too often.
async fn sent(request: RequestBuilder) -> Result<Response, Unreachable> {
    let response = request.send().await.map_err(|e| silent(&e))?;
    if response.status() != StatusCode::TOO_MANY_REQUESTS {
        return Ok(response);
    }
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Err(Unreachable::too_often(seconds.map(Duration::from_secs)))
}

/// Whether an answer is a registry's about a manifest: it says which kind of manifest, or which one.
fn is_manifest(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    headers.contains_key("docker-content-digest") || MANIFESTS.split(", ").any(|manifest| manifest == kind)
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

#[cfg(test)]
mod tests;
