//! Ports whose protocol nobody declares.

use serde_json::Value;

use super::Lab;
use crate::scenario::App;

/// What Istio takes the first word of a port's name for (its documentation of protocol selection).
const PROTOCOLS: [&str; 12] =
    ["grpc", "http", "http2", "https", "mongo", "mysql", "redis", "tcp", "tls", "udp", "auto", "thrift"];

/// The ports of the scenario's Services that declare no protocol, each with its Service and where that is written. The caller's sidecar then looks at the
/// first bytes of a connection, and tells the callee's what it found by ALPN: that is a filter of Istio's own, which Envoy from packages does not have.
#[must_use]
pub fn undeclared_ports(lab: &Lab) -> Vec<String> {
    let mut found = Vec::new();
    for manifests in lab.apps.iter().filter_map(|app| if let App::Manifests(m) = app { Some(m) } else { None }) {
        let places = manifests.places.0.iter().map(Some).chain(std::iter::repeat(None));
        for (service, place) in manifests.objects.iter().zip(places).filter(|(o, _)| is_service(o)) {
            let ports = service.pointer("/spec/ports").and_then(Value::as_array);
            for port in ports.into_iter().flatten().filter(|port| !is_declared(port)) {
                let namespace = service["metadata"]["namespace"].as_str().unwrap_or("default");
                let name = service["metadata"]["name"].as_str().unwrap_or_default();
                let place = place.map_or_else(String::new, |place| format!("{place}: "));
                found.push(format!("{place}port {} of Service {namespace}/{name} declares no protocol", port["port"]));
            }
        }
    }
    found
}

fn is_service(object: &Value) -> bool {
    object["apiVersion"] == "v1" && object["kind"] == "Service" && object["spec"]["type"] != "ExternalName"
}

/// Whether a port says what is spoken there: by `appProtocol`, or by the first word of its name. What is not TCP is never looked into.
fn is_declared(port: &Value) -> bool {
    let word = port["name"].as_str().unwrap_or_default().split('-').next().unwrap_or_default().to_ascii_lowercase();
    port["appProtocol"].is_string()
        || PROTOCOLS.contains(&word.as_str())
        || port["protocol"].as_str().is_some_and(|protocol| protocol != "TCP")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::resolve;
    use crate::scenario::parse;

    #[test]
    fn a_port_declares_its_protocol_by_its_name_or_by_a_field() {
        let of = |ports: &str| {
            let text = format!(
                "name: demo\nclusters: [c1]\napps: [manifests: {{ name: own, objects: [{{ apiVersion: v1, kind: Service, metadata: {{ name: web, namespace: shop }}, spec: {{ ports: [{ports}] }} }}] }}]\nchecks: []\n"
            );
            undeclared_ports(&resolve(&parse(&text, "lab.yaml").expect("valid")).expect("a lab"))
        };
        for declared in [
            "{ port: 80, name: http }",
            "{ port: 80, name: http2-web }",
            "{ port: 80, name: web, appProtocol: http }",
            "{ port: 53, name: dns, protocol: UDP }",
        ] {
            assert_eq!(of(declared), Vec::<String>::new(), "{declared}");
        }
        assert_eq!(
            of("{ port: 80, name: web }, { port: 81, name: http }, { port: 82, name: httpd }"),
            [80, 82].map(|port| format!("lab.yaml:3: port {port} of Service shop/web declares no protocol"))
        );
    }
}
