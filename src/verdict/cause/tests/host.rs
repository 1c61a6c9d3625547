//! Hosts that no Service has.

use super::*;
use crate::verdict::{Answered, CalledHost, Endpoint, HostFacts, Reply, Speaks};

/// c1, with a `ServiceEntry` in namespace `sample` of a host, whose endpoint is a gateway.
struct World {
    rules: Objects,
    called: CalledHost,
    elsewhere: Vec<&'static str>,
}

fn entry(spec: &Value) -> Value {
    let mut whole = json!({ "hosts": ["web.west.example"], "resolution": "STATIC", "location": "MESH_INTERNAL",
        "ports": [{ "number": 80, "name": "http", "protocol": "HTTP" }], "endpoints": [{ "address": "172.30.255.20" }] });
    for (key, value) in spec.as_object().expect("an object") {
        whole[key] = value.clone();
    }
    rule("ServiceEntry", "sample", whole)
}

fn world(objects: &[Value]) -> World {
    let rules = Objects { all: objects.to_vec(), mesh: Value::Null };
    World { rules, called: "http://web.west.example/".parse().expect("a host"), elsewhere: Vec::new() }
}

fn failed(status: u16, body: &str, error: &str) -> Vec<Reply> {
    vec![Reply { status, body: body.to_owned(), error: error.to_owned(), ..Reply::default() }; 5]
}

fn well() -> Vec<Reply> {
    vec![Reply { status: 200, body: "Hello version: v2, instance: x".to_owned(), ..Reply::default() }; 10]
}

impl World {
    fn facts(&self) -> HostFacts<'_> {
        HostFacts {
            lab: "demo",
            cluster: "c1",
            namespace: "sample",
            config: "c1",
            rules: &self.rules,
            elsewhere: self.elsewhere.clone(),
            called: &self.called,
            captures_dns: false,
        }
    }

    /// The first broken of the three hops, or that none is.
    fn told(&self, replies: &[Reply], speaks: Option<Speaks>) -> String {
        let facts = self.facts();
        let answered = Answered::of(replies, &[], &[]);
        let address = "172.30.255.20:15443".to_owned();
        let endpoint = Endpoint { address: address.clone(), healthy: true, ..Endpoint::default() };
        let (endpoints, speaks) = match speaks {
            Some(speaks) => (vec![endpoint], vec![(address, speaks)]),
            None => (Vec::new(), Vec::new()),
        };
        let hops = facts.known(&answered, replies).and_then(|known| {
            let reached = facts.entry().map(|(entry, _)| facts.reached(entry, true, &endpoints, &speaks, &answered));
            reached.transpose()?;
            facts.answer(replies, &speaks, &answered)?;
            Ok(known)
        });
        match hops {
            Ok(known) => format!("well: {known}"),
            Err(finding) => finding.cause,
        }
    }
}

const RESET: &str = "upstream connect error or disconnect/reset before headers. reset reason: connection termination";

#[test]
fn a_host_that_answers_is_never_called_broken() {
    let rules = [entry(&json!({ "exportTo": ["other"] })), entry(&json!({ "ports": [] })), entry(&json!({}))];
    for objects in [&rules[..0], &rules[..1], &rules[1..2], &rules[2..]] {
        let told = world(objects).told(&well(), Some(Speaks::Plain));
        assert!(told.starts_with("well: "), "{told}");
    }
}

#[test]
fn a_host_that_the_caller_is_not_told_of_is_named() {
    let unresolved = failed(0, "", "Could not resolve host: web.west.example");
    let refused = failed(502, "", "");
    let mut none = world(&[]);
    assert_eq!(none.told(&unresolved, None), "web.west.example does not resolve in c1, and no ServiceEntry has it");
    none.rules.mesh = json!({ "outboundTrafficPolicy": { "mode": "REGISTRY_ONLY" } });
    assert_eq!(
        none.told(&refused, None),
        "sidecars of c1 let out nothing that the mesh does not know, as web.west.example"
    );
    none.elsewhere = vec!["c2"];
    assert_eq!(none.told(&refused, None), "c1 has no ServiceEntry of web.west.example, and c2 has");
    let hidden = world(&[entry(&json!({ "exportTo": ["."] }))]);
    assert!(hidden.told(&well(), Some(Speaks::Tls)).starts_with("well: "));
    let hidden = world(&[entry(&json!({ "exportTo": ["shop"] }))]);
    assert_eq!(
        hidden.told(&refused, None),
        "the ServiceEntry of web.west.example is not for callers in namespace sample"
    );
    let other = world(&[entry(&json!({ "ports": [{ "number": 443 }] }))]);
    assert_eq!(other.told(&refused, None), "the ServiceEntry of web.west.example has no port 80");
    assert_eq!(
        world(&[entry(&json!({}))]).told(&unresolved, None),
        "web.west.example does not resolve in c1, although it has a ServiceEntry"
    );
}

#[test]
fn a_service_is_no_host() {
    let service = json!({ "kind": "Service", "metadata": { "name": "web", "namespace": "shop" } });
    let mut world = world(&[service]);
    for host in ["web.shop:8080", "http://web.shop.svc.cluster.local:8080"] {
        world.called = host.parse().expect("a host");
        assert_eq!(
            world.told(&well(), None),
            "well: Service shop/web in c1 has this name: `lab explain demo c1 CLUSTER --service web.shop:8080/` follows calls of it"
        );
    }
}

#[test]
fn what_an_endpoint_speaks_is_held_against_the_mode_of_tls() {
    let tls = |mode: &str| {
        rule(
            "DestinationRule",
            "sample",
            json!({ "host": "web.west.example",
            "trafficPolicy": { "tls": { "mode": mode, "sni": "outbound_.80_._.web.shop.svc.cluster.local" } } }),
        )
    };
    let plain = world(&[entry(&json!({}))]);
    let mutual = world(&[entry(&json!({})), tls("ISTIO_MUTUAL")]);
    let reset = failed(503, RESET, "");
    for (world, speaks, cause) in [
        (&plain, Speaks::Nothing, "the endpoint 172.30.255.20:15443 of web.west.example takes no connection from c1"),
        (&plain, Speaks::Tls, "calls of web.west.example go out in plain, and 172.30.255.20:15443 speaks TLS"),
        (&mutual, Speaks::Plain, "calls of web.west.example go out with TLS, and 172.30.255.20:15443 speaks none"),
        (
            &plain,
            Speaks::Closes,
            "172.30.255.20:15443 closes connections for web.west.example: gateways of a mesh do so with what comes without TLS",
        ),
        (
            &mutual,
            Speaks::Closes,
            "172.30.255.20:15443 closes connections for web.west.example: nobody there answers to the name that is asked for, or one side refuses the other's certificate",
        ),
        (
            &mutual,
            Speaks::Tls,
            "172.30.255.20:15443 closes connections for web.west.example: nobody there answers to the name that is asked for, or one side refuses the other's certificate",
        ),
        (&mutual, Speaks::Silent, "everything on the way is there, and web.west.example does not answer c1"),
    ] {
        assert_eq!(world.told(&reset, Some(speaks)), cause);
    }
    assert_eq!(
        mutual.told(&failed(403, "RBAC: access denied", ""), Some(Speaks::Tls)),
        "who answers for web.west.example does not let the caller in"
    );
    assert_eq!(mutual.told(&reset, None), "the ServiceEntry of web.west.example has no endpoint");
    // A path that the app does not have is no fault of the way.
    let mut unknown = failed(404, "404 page not found", "");
    let by_envoy = ("x-envoy-upstream-service-time".to_owned(), vec!["1".to_owned()]);
    unknown.iter_mut().for_each(|reply| reply.headers.extend([by_envoy.clone()]));
    assert_eq!(
        mutual.told(&unknown, Some(Speaks::Closes)),
        "calls from c1 reach web.west.example, and it answers so itself"
    );
}

#[test]
fn a_greeting_of_tls_tells_what_is_spoken() {
    for (printed, speaks) in [
        ("0.000000 Failed to connect to 127.0.0.1 port 9 after 0 ms: Couldn't connect to server", Speaks::Nothing),
        ("0.000000 Connection timed out after 3001 milliseconds", Speaks::Nothing),
        ("0.000000 OpenSSL/3.0.22: error:0A00010B:SSL routines::wrong version number", Speaks::Plain),
        ("0.005934 OpenSSL SSL_read: error:0A00045C:SSL routines::tlsv13 alert certificate required", Speaks::Tls),
        ("0.008013 getpeername() failed with errno 107: Transport endpoint is not connected", Speaks::Tls),
        ("0.000000 OpenSSL SSL_connect: error:0A000410:SSL routines::sslv3 alert handshake failure", Speaks::Tls),
        ("0.005927 ", Speaks::Tls),
        ("0.000000 Recv failure: Connection reset by peer", Speaks::Closes),
        ("0.000000 SSL connection timeout", Speaks::Silent),
    ] {
        assert_eq!(Speaks::of(printed), speaks, "{printed}");
    }
}

#[test]
fn hosts_are_read_as_people_write_them() {
    let read = |text: &str| text.parse::<CalledHost>().map(|host| host.to_string());
    assert_eq!(read("web.west.example"), Ok("http://web.west.example:80/".to_owned()));
    assert_eq!(read("https://Web.west.example/a?b"), Ok("https://web.west.example:443/a?b".to_owned()));
    assert_eq!(read("web.west.example:8080/a"), Ok("http://web.west.example:8080/a".to_owned()));
    for (text, refused) in [
        ("ftp://a.b", "is called by neither http nor https"),
        ("a.b:x", "has no port from 1 to 65535"),
        ("a.b:0", "has no port from 1 to 65535"),
        ("http://c1", "is no host name with a dot in it"),
        ("http://a..b", "is no host name with a dot in it"),
        ("a.b/c d", "has a path with white space in it"),
    ] {
        assert_eq!(read(text), Err(refused), "{text}");
    }
}
