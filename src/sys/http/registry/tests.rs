use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::fixture::answering;
use super::*;

type Answer = (u16, String, &'static str);

/// A registry on loopback that answers each request with what `answer` makes of its text.
async fn registry(answer: impl Fn(&str, &str) -> Answer + Send + 'static) -> String {
    answering(move |request, base| {
        let (status, headers, body) = answer(request, base);
        format!("HTTP/1.1 {status} x\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    })
    .await
}

fn says(request: &str, header: &str) -> bool {
    request.lines().any(|line| line.eq_ignore_ascii_case(header))
}

/// As Docker Hub: a token for everybody, and denial of what is not there. Somebody with a login sees one repository more.
fn hub(request: &str, base: &str) -> Answer {
    let line = request.lines().next().unwrap_or_default();
    let token = |token| (200, String::new(), token);
    if line.starts_with("GET /token?service=hub&scope=repository%3Aa%3Apull%2Cpush ") {
        // me:secret
        return token(if says(request, "authorization: Basic bWU6c2VjcmV0") {
            r#"{"token":"known"}"#
        } else {
            r#"{"token":"anybody"}"#
        });
    }
    if line.starts_with("POST /token ") && request.contains("refresh_token=r%2Fs&client_id=lab") {
        return token(r#"{"access_token":"known"}"#);
    }
    let (known, anybody) =
        (says(request, "authorization: Bearer known"), says(request, "authorization: Bearer anybody"));
    match line {
        "HEAD /v2/istio/pilot/manifests/1.31.1 HTTP/1.1" if known || anybody => {
            (200, "docker-content-digest: sha256:0123\r\n".to_owned(), "")
        }
        "HEAD /v2/mine/own/manifests/1 HTTP/1.1" if known => {
            (200, "content-type: application/vnd.oci.image.index.v1+json; charset=utf-8\r\n".to_owned(), "")
        }
        _ if known || anybody => (404, String::new(), ""),
        _ => {
            let header = format!(
                "www-authenticate: Bearer realm=\"{base}/token\",service=\"hub\",scope=\"repository:a:pull,push\"\r\n"
            );
            (401, header, "")
        }
    }
}

async fn held(base: &str, path: &str, reference: &str, login: Option<&DockerCredentials>) -> Result<Held, Unreachable> {
    Http::direct().expect("a client").holds_manifest(Repository { base, path, login }, reference).await
}

async fn has(base: &str, path: &str, reference: &str, login: Option<&DockerCredentials>) -> Result<bool, Unreachable> {
    Ok(held(base, path, reference, login).await? == Held::There)
}

#[tokio::test]
async fn a_registry_is_asked_for_the_image_and_not_whether_it_answers() {
    let base = registry(hub).await;
    assert!(has(&base, "istio/pilot", "1.31.1", None).await.expect("an answer"));
    assert!(!has(&base, "istio/pilot", "1.99", None).await.expect("an answer"));
    let of = Repository { base: &base, path: "istio/pilot", login: None };
    let digest = Http::direct().expect("a client").manifest_digest(of, "1.31.1").await.expect("an answer");
    assert_eq!(digest.as_deref(), Some("sha256:0123"));

    // `/v2/` is answered by each of these.
    let base = registry(|_, _| (403, String::new(), "")).await;
    assert_eq!(held(&base, "istio/pilot", "1.31.1", None).await.expect("an answer"), Held::Denied(403));
    // As does the page of a network that wants a login first, whatever it is asked for.
    for headers in ["content-type: text/html\r\n", ""] {
        let base = registry(move |_, _| (200, headers.to_owned(), "")).await;
        let refused = has(&base, "istio/pilot", "1.31.1", None).await.expect_err("no registry");
        assert!(refused.to_string().contains("no registry"), "{refused}");
    }
    let base = registry(|_, _| (503, String::new(), "")).await;
    let refused = has(&base, "istio/pilot", "1.31.1", None).await.expect_err("no answer");
    assert_eq!(refused.to_string(), "it answered 503 for istio/pilot");
}

#[tokio::test]
async fn a_registry_is_asked_with_the_login_that_docker_has_for_it() {
    let password = DockerCredentials {
        username: Some("me".to_owned()),
        password: Some("secret".to_owned()),
        ..DockerCredentials::default()
    };
    let token = DockerCredentials { identitytoken: Some("r/s".to_owned()), ..DockerCredentials::default() };
    let base = registry(hub).await;
    assert!(!has(&base, "mine/own", "1", None).await.expect("an answer"));
    for login in [&password, &token] {
        assert!(has(&base, "mine/own", "1", Some(login)).await.expect("an answer"), "{login:?}");
    }
    let base = registry(|request, _| {
        if says(request, "authorization: Basic bWU6c2VjcmV0") {
            (200, "docker-content-digest: sha256:0\r\n".to_owned(), "")
        } else {
            (401, "www-authenticate: Basic realm=\"x\"\r\n".to_owned(), "")
        }
    })
    .await;
    assert!(!has(&base, "mine/own", "1", None).await.expect("an answer"));
    assert!(has(&base, "mine/own", "1", Some(&password)).await.expect("an answer"));
}

#[tokio::test]
async fn a_password_goes_to_no_login_server_that_others_can_listen_to() {
    let login = DockerCredentials {
        username: Some("me".to_owned()),
        password: Some("secret".to_owned()),
        ..DockerCredentials::default()
    };
    // A proxy on this machine stands for the network on the way.
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&seen);
    let proxy = registry(move |request, _| {
        counted.fetch_add(usize::from(request.to_lowercase().contains("authorization:")), Ordering::SeqCst);
        (200, String::new(), "{}")
    })
    .await;
    let client =
        super::super::builder().proxy(reqwest::Proxy::all(&proxy).expect("a proxy")).build().expect("a client");
    let http = Http { client, ..Http::direct().expect("a client") };
    let token = http.token("http://login.example/token", &[], Some(&login)).await.expect("an answer");
    assert_eq!((token, seen.load(Ordering::SeqCst)), (None, 0));
}

#[tokio::test]
async fn a_registry_that_wants_to_be_asked_later_is() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let base = registry(move |_, _| match counted.fetch_add(1, Ordering::SeqCst) {
        0 => (429, "retry-after: 0\r\n".to_owned(), ""),
        _ => (200, "docker-content-digest: sha256:0\r\n".to_owned(), ""),
    })
    .await;
    assert!(has(&base, "istio/pilot", "1.31.1", None).await.expect("an answer"));
    assert_eq!(asked.load(Ordering::SeqCst), 2);

    for (header, told) in [("retry-after: 3600\r\n", "; again in 3600 s"), ("", "")] {
        let base = registry(move |_, _| (429, header.to_owned(), "")).await;
        let refused = has(&base, "istio/pilot", "1.31.1", None).await.expect_err("no answer");
        assert_eq!(refused.to_string(), format!("it lets nobody ask this often (429){told}"));
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
