//! What a mesh carries besides small requests over HTTP, on the real stack: TCP, gRPC, `WebSockets`, large bodies and headers, TLS of the apps' own.

mod e2e;

use e2e::{Own, assert_named, assert_red, of_check};

/// Ports that say another protocol than is spoken, a route by server name that is gone, an Envoy that takes less, and a callee that is away.
#[test]
fn protocols_in_full() {
    let mut own = Own::up("protocols");
    for words in
        ["TCP whose server speaks first", "gRPC reaches", "WebSockets reach", "10 MiB go", "TLS of the app's own"]
    {
        for source in of_check(&own.verdict, words) {
            assert!(["v1", "v2"].iter().all(|v| source["versions"][v].as_u64() > Some(0)), "{words}: {source:#}");
        }
    }
    // A call that is explained speaks them too; of a server that says nothing first, a connection that stays open is enough.
    let explained = |to: &str, service: &str| {
        let output = e2e::lab(&["explain", "protocols", "c1", to, "--service", service]);
        (output.status.code(), e2e::text(&output.stdout))
    };
    for service in [
        "tcp://protocols.sample:7000",
        "grpc://protocols.sample:9090/lab.Protocols/Hello",
        "ws://protocols.sample:8080/ws",
        "tcp://remote.sample:7000",
    ] {
        let (code, said) = explained("c2", service);
        assert_eq!(code, Some(0), "{service}: {said}");
        assert!(said.starts_with(&format!("c1 calls {service} in c2\n")) && said.contains("c2 answers c1"), "{said}");
    }
    let (code, said) = explained("c2", "grpc://remote.sample:9090/lab.Protocols/Fail/9");
    assert!(code == Some(1) && said.contains("reach the app, and it fails"), "{said}");
    let sample = |cluster: &str, arguments: &[&str]| own.kubectl(cluster, &[&["-n", "sample"], arguments].concat());
    for cluster in ["c1", "c2"] {
        let port = |at: u32, name: &str| {
            format!(r#"[{{"op": "replace", "path": "/spec/ports/{at}/name", "value": "{name}"}}]"#)
        };
        sample(cluster, &["patch", "service", "protocols", "--type=json", "-p", &port(2, "http-tcp")]);
        sample(cluster, &["patch", "service", "remote", "--type=json", "-p", &port(1, "http-grpc")]);
    }
    sample("c1", &["delete", "virtualservices.networking.istio.io", "secure"]);
    // kubectl runs in the node, and sees no file of the host.
    let small = "/tmp/small.yaml";
    let written = own.node("c2", &["sh", "-c", &format!("cat >{small} <<'END'\n{SMALL}\nEND")]);
    assert!(written.status.success(), "{written:?}");
    sample("c2", &["apply", "-f", small]);
    let verdict = own.red("port 7000 of protocols.sample is declared as http, and is called over plain TCP");
    e2e::assert_cause(&verdict, "port 9090 of remote.sample is declared as http, and is called over gRPC");
    assert_named(&verdict, &["VirtualService sample/secure", "Service sample/protocols", "Service sample/remote"]);
    for words in ["TCP whose server speaks first", "TCP goes both ways", "alone answers over gRPC", "a status of gRPC"]
    {
        assert_red(&verdict, words, &["c1", "c2"]);
    }
    for words in ["10 MiB go to", "30 KiB of headers go to"] {
        assert_red(&verdict, words, &["c1", "c2"]);
    }
    assert_red(&verdict, "TLS is led to c2", &["c1"]);
    for words in
        ["gRPC reaches", "WebSockets reach", "10 MiB come back", "alone answers over TCP", "alone answers over TLS"]
    {
        assert_red(&verdict, words, &[]);
    }
    sample("c2", &["delete", "-f", small]);
    own.mend();

    own.kubectl("c2", &["-n", "sample", "scale", "deployment", "remote", "--replicas=0"]);
    let verdict = own.red("nothing behind remote.sample is ready in c2");
    for service in ["tcp://remote.sample:7000", "grpc://remote.sample:9090/lab.Protocols/Hello"] {
        let (code, said) = explained("c2", service);
        assert!(code == Some(1) && said.contains("BROKEN  callee"), "{service}: {said}");
    }
    for words in ["alone answers over TCP", "alone answers over gRPC", "over a WebSocket", "alone answers over TLS"] {
        assert_red(&verdict, words, &["c1", "c2"]);
    }
    assert_red(&verdict, "both clusters", &[]);
    own.mend();
}

/// Has the Envoy beside the version of c2 take bodies of 1 MiB and headers of 20 KiB only.
const SMALL: &str = r#"
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: { name: small, namespace: sample }
spec:
  workloadSelector: { labels: { app: protocols } }
  configPatches:
    - applyTo: NETWORK_FILTER
      match: { context: SIDECAR_INBOUND, listener: { filterChain: { filter: { name: envoy.filters.network.http_connection_manager } } } }
      patch:
        operation: MERGE
        value:
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
            max_request_headers_kb: 20
    - applyTo: HTTP_FILTER
      match: { context: SIDECAR_INBOUND, listener: { filterChain: { filter: { name: envoy.filters.network.http_connection_manager } } } }
      patch:
        operation: INSERT_FIRST
        value:
          name: small
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
            default_source_code:
              inline_string: |
                function envoy_on_request(handle)
                  if tonumber(handle:headers():get("content-length") or "0") > 1048576 then
                    handle:respond({ [":status"] = "413" }, "too large")
                  end
                end
"#;
