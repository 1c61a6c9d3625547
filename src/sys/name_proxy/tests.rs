//! Names of a lab, names of others, and who may ask.

use futures::FutureExt as _;

use super::*;

/// A server that says its own name to whoever connects; gives its address.
async fn greeter(name: &'static str) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let at = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(name.as_bytes()).await;
        }
    });
    at
}

/// A proxy that knows one name; gives where it is, and what it asks for.
async fn proxy(name: &'static str, at: Place, onward: Option<Onward>) -> (String, String) {
    let proxy = NameProxy::bind().await.expect("a port");
    let (place, authorization) = (format!("127.0.0.1:{}", proxy.port), basic(USER, &proxy.secret));
    let find: Find = Arc::new(move |host, port| {
        let found = if host == name && port == 6443 { at.clone() } else { Ok(None) };
        async move { found }.boxed()
    });
    tokio::spawn(proxy.serve(find, onward));
    (place, authorization)
}

/// What comes back of a request.
async fn said(proxy: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(proxy).await.expect("the proxy");
    stream.write_all(request.as_bytes()).await.expect("a request");
    let mut all = String::new();
    let _ = tokio::time::timeout(std::time::Duration::from_secs(5), stream.read_to_string(&mut all)).await;
    all
}

fn connect_to(host: &str, authorization: &str) -> String {
    format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\nproxy-authorization: {authorization}\r\n\r\n")
}

#[tokio::test]
async fn a_name_of_the_lab_leads_to_where_it_is_now() {
    let node = greeter("the API server").await;
    let (at, authorization) = proxy("demo-c1-control-plane", Ok(Some(node)), None).await;
    let answer = said(&at, &connect_to("demo-c1-control-plane:6443", &authorization)).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nthe API server"), "{answer}");
}

#[tokio::test]
async fn a_node_that_is_not_there_is_named() {
    let (at, authorization) = proxy("c1", Err("it does not run".to_owned()), None).await;
    let answer = said(&at, &connect_to("c1:6443", &authorization)).await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    assert!(answer.ends_with("c1:6443 is not reached: it does not run\n"), "{answer}");
}

#[tokio::test]
async fn other_names_are_reached_as_without_it() {
    let far = greeter("somebody else").await;
    let (at, authorization) = proxy("c1", Ok(None), None).await;
    let answer = said(&at, &connect_to(&far, &authorization)).await;
    assert!(answer.ends_with("\r\n\r\nsomebody else"), "{answer}");

    // By the user's own proxy where there is one: this one is of the same kind.
    let (other, asks) = proxy("c9", Ok(Some(far)), None).await;
    let password =
        String::from_utf8(STANDARD.decode(asks.trim_start_matches("Basic ")).expect("base64")).expect("text");
    let onward = Onward::parse(&format!("http://{password}@{other}")).expect("a proxy");
    let (at, authorization) = proxy("c1", Ok(None), Some(onward)).await;
    let answer = said(&at, &connect_to("c9:6443", &authorization)).await;
    assert!(answer.ends_with("\r\n\r\nsomebody else"), "{answer}");
    let onward = Onward::parse(&other).expect("a proxy");
    let (at, authorization) = proxy("c1", Ok(None), Some(onward)).await;
    let answer = said(&at, &connect_to("c9:6443", &authorization)).await;
    assert!(answer.contains("says: HTTP/1.1 407 Proxy Authentication Required"), "{answer}");
}

#[tokio::test]
async fn nobody_else_goes_through_it() {
    let (at, authorization) = proxy("c1", Ok(None), None).await;
    for wrong in ["", "Basic bGFiOng="] {
        let answer = said(&at, &connect_to("c1:6443", wrong)).await;
        assert!(answer.starts_with("HTTP/1.1 407 "), "{answer}");
    }
    let get = format!("GET http://example.com/ HTTP/1.1\r\nProxy-Authorization: {authorization}\r\n\r\n");
    assert!(said(&at, &get).await.starts_with("HTTP/1.1 405 "));
}

#[test]
fn proxies_of_the_user_are_those_asked_by_http() {
    let parsed = |text: &str| Onward::parse(text).map(|onward| (onward.at, onward.authorization));
    assert_eq!(parsed("proxy.example:3128"), Ok(("proxy.example:3128".to_owned(), None)));
    assert_eq!(parsed("http://proxy.example"), Ok(("proxy.example:80".to_owned(), None)));
    assert_eq!(parsed("http://me:a%40b@proxy.example:1"), Ok(("proxy.example:1".to_owned(), Some(basic("me", "a@b")))));
    let refused = parsed("socks5://me:secret@proxy.example:1").expect_err("SOCKS");
    assert_eq!(refused, "the proxy proxy.example:1 is asked in another way than by HTTP");
}
