//! What proxies write of each call: a line of JSON, whose keys are here and whose values Envoy knows.
//!
//! The operators are those of Envoy's access logging, the fields of the mesh configuration those of Istio's `MeshConfig`.

use serde_json::{Value, json};

use super::ISTIO_NAMESPACE;

/// The keys of a line, and what Envoy writes for each.
const KEYS: [(&str, &str); 19] = [
    ("start", "%START_TIME(%Y-%m-%dT%H:%M:%S.%6fZ)%"),
    ("micros", "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%"),
    ("id", "%REQ(X-REQUEST-ID)%"),
    ("method", "%REQ(:METHOD)%"),
    ("authority", "%REQ(:AUTHORITY)%"),
    ("path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
    ("protocol", "%PROTOCOL%"),
    ("status", "%RESPONSE_CODE%"),
    ("flags", "%RESPONSE_FLAGS%"),
    ("details", "%RESPONSE_CODE_DETAILS%"),
    ("failure", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"),
    ("tries", "%UPSTREAM_REQUEST_ATTEMPT_COUNT%"),
    ("route", "%ROUTE_NAME%"),
    ("cluster", "%UPSTREAM_CLUSTER%"),
    ("to", "%UPSTREAM_HOST%"),
    ("from", "%UPSTREAM_LOCAL_ADDRESS%"),
    ("peer", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%"),
    ("identity", "%DOWNSTREAM_PEER_URI_SAN%"),
    ("sni", "%REQUESTED_SERVER_NAME%"),
];

/// Asks in a mesh configuration for a line of each call.
pub(super) fn ask(mesh_config: &mut Value) {
    let keys: serde_json::Map<String, Value> =
        KEYS.iter().map(|(key, operator)| ((*key).to_owned(), json!(operator))).collect();
    mesh_config["accessLogFile"] = json!("/dev/stdout");
    mesh_config["accessLogEncoding"] = json!("JSON");
    mesh_config["accessLogFormat"] = json!(Value::Object(keys).to_string());
}

/// Has east-west gateways write a line of a connection as soon as it stands. They pass TLS through, so they see no requests, and by default they tell of
/// a connection at its end, long after the requests that went through it.
pub(super) fn at_connection() -> Value {
    const TCP_PROXY: &str = "envoy.filters.network.tcp_proxy";
    json!({
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": { "name": "log-at-connection", "namespace": ISTIO_NAMESPACE },
        "spec": {
            "workloadSelector": { "labels": { "istio": "eastwestgateway" } },
            "configPatches": [{
                "applyTo": "NETWORK_FILTER",
                "match": { "context": "GATEWAY", "listener": { "filterChain": { "filter": { "name": TCP_PROXY } } } },
                "patch": { "operation": "MERGE", "value": {
                    "name": TCP_PROXY,
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                        "access_log_options": { "flush_access_log_on_connected": true },
                    },
                } },
            }],
        },
    })
}
