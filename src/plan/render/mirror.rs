//! The pod that stands in for those of a Service: an Envoy, which hands on what it gets to this machine, and takes this machine's calls into the mesh.
//!
//! It is the Envoy of the sidecars' own image, whose nodes have it. Beside it runs a sidecar as in any pod, so calls come and go as those of any app: with
//! mutual TLS, by the mesh's routes, to all clusters. Only the connection to this machine goes past the sidecar, which knows nothing of it.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::plan::mirror::{MIRROR_LABEL, MirrorPlace};

/// Where the image of sidecars has Envoy.
const ENVOY: &str = "/usr/local/bin/envoy";
/// A user that is not a sidecar's, whose calls would go past it.
const USER: i64 = 65534;
/// What a sidecar leaves alone.
const LEFT_ALONE: &str = "traffic.sidecar.istio.io/excludeOutboundIPRanges";
/// The first port that every user may listen on.
const UNPRIVILEGED: u16 = 1024;

/// Where the pod has what its Envoy does, and the file.
const DIRECTORY: &str = "/etc/lab";
const CONFIGURATION: &str = "envoy.json";
/// Annotation of the pod: where it reaches this machine.
const AT: &str = "dev.lab.mirror/at";

const CONNECTIONS: &str =
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const ROUTER: &str = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
const TCP_PROXY: &str = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
const FORWARD_FILTER: &str = "type.googleapis.com/envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig";
const FORWARD_CLUSTER: &str = "type.googleapis.com/envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig";

/// This machine, as the pod of a mirror knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorHost {
    /// Where it takes what the pod gets.
    pub at: SocketAddr,
    /// By which it is known where the pod takes calls: others of this machine must not make them in its name.
    pub password: String,
}

impl MirrorHost {
    /// Who sends calls to the proxy of a mirror.
    pub const USER: &str = "lab";

    /// The value of the header by which it is known.
    fn authorization(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", Self::USER, self.password)))
    }
}

/// The objects of a mirror: what its Envoy does, and the Deployment. `image` is that of sidecars. With `is_dual` its pod has an IPv6 address too.
#[must_use]
pub fn mirror(place: &MirrorPlace, image: &str, host: &MirrorHost, is_dual: bool) -> [Value; 2] {
    let (ready, _) = place.own_ports();
    let name = MirrorPlace::deployment_of(&place.service);
    let mut labels = place.labels.clone();
    labels.insert(MIRROR_LABEL.to_owned(), place.service.clone());
    let mut annotations = place.annotations.clone();
    // Another configuration is another pod.
    annotations.insert(AT.to_owned(), host.at.to_string());
    let alone = format!("{}/{}", host.at.ip(), if host.at.is_ipv4() { 32 } else { 128 });
    let left = annotations.entry(LEFT_ALONE.to_owned()).or_default();
    *left = if left.is_empty() { alone } else { format!("{left},{alone}") };
    let mut port = json!({ "containerPort": place.target });
    if let Some(name) = &place.target_name {
        port["name"] = json!(name);
    }
    let mut pod = json!({
        "terminationGracePeriodSeconds": 5,
        // A password is in it.
        "volumes": [{ "name": "configuration", "secret": { "secretName": name } }],
        "containers": [{
            "name": "mirror",
            "image": image,
            "imagePullPolicy": "IfNotPresent",
            "command": [ENVOY],
            "args": ["--config-path", format!("{DIRECTORY}/{CONFIGURATION}"), "--concurrency", "1", "--log-level", "warn", "--disable-hot-restart"],
            "volumeMounts": [{ "name": "configuration", "mountPath": DIRECTORY, "readOnly": true }],
            "ports": [port],
            "readinessProbe": { "httpGet": { "path": "/", "port": ready }, "periodSeconds": 1 },
            "securityContext": {
                "runAsUser": USER, "runAsGroup": USER, "runAsNonRoot": true, "allowPrivilegeEscalation": false,
                "capabilities": { "drop": ["ALL"] }, "seccompProfile": { "type": "RuntimeDefault" },
            },
        }],
    });
    if place.target < UNPRIVILEGED {
        let sysctl = json!({ "name": "net.ipv4.ip_unprivileged_port_start", "value": place.target.to_string() });
        pod["securityContext"] = json!({ "sysctls": [sysctl] });
    }
    if let Some(account) = &place.account {
        pod["serviceAccountName"] = json!(account);
    }
    let own = json!({ MIRROR_LABEL: place.service });
    let metadata = json!({ "name": name, "namespace": place.namespace, "labels": own });
    let configuration = STANDARD.encode(bootstrap(place, host, is_dual).to_string());
    let secret =
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": { CONFIGURATION: configuration } });
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": 1,
            "strategy": { "type": "Recreate" },
            "selector": { "matchLabels": own },
            "template": { "metadata": { "labels": labels, "annotations": annotations }, "spec": pod },
        },
    });
    [secret, deployment]
}

/// What its Envoy does: what comes for the Service goes to this machine; that it is ready is told; and what this machine sends it goes to the host that each
/// request names.
fn bootstrap(place: &MirrorPlace, host: &MirrorHost, is_dual: bool) -> Value {
    let (ready, out) = place.own_ports();
    let everywhere = if is_dual { "::" } else { "0.0.0.0" };
    let names = json!({ "name": "names", "dns_lookup_family": "V4_PREFERRED" });
    let laptop = json!({ "endpoint": { "address": address(&host.at.ip().to_string(), host.at.port()) } });
    let handed_on = json!({ "name": "tcp", "typed_config": {
        "@type": TCP_PROXY, "stat_prefix": "in", "cluster": "laptop", "idle_timeout": "0s",
    } });
    let any = json!({ "prefix": "/" });
    let told = http("ready", &json!([{ "match": any, "direct_response": { "status": 200 } }]), &json!([]), Vec::new());
    let known = json!([{ "name": "proxy-authorization", "string_match": { "exact": host.authorization() } }]);
    let tunnel = json!([{ "upgrade_type": "CONNECT", "connect_config": {} }]);
    let challenge = json!({ "header": { "key": "proxy-authenticate", "value": "Basic realm=\"lab\"" } });
    let routes = json!([
        { "match": { "connect_matcher": {}, "headers": known }, "route": { "cluster": "named", "timeout": "0s", "upgrade_configs": tunnel } },
        { "match": { "prefix": "/", "headers": known }, "route": { "cluster": "named", "timeout": "0s" } },
        { "match": { "connect_matcher": {} }, "direct_response": { "status": 407 }, "response_headers_to_add": [challenge] },
        { "match": any, "direct_response": { "status": 407 }, "response_headers_to_add": [challenge] },
    ]);
    let forward = json!({ "name": "forward", "typed_config": { "@type": FORWARD_FILTER, "dns_cache_config": names } });
    let upgrades = json!([{ "upgrade_type": "CONNECT" }, { "upgrade_type": "websocket" }]);
    let sent = http("out", &routes, &upgrades, vec![forward]);
    json!({
        "node": { "id": "mirror", "cluster": "mirror" },
        "static_resources": {
            "listeners": [
                listener("in", everywhere, place.target, &handed_on),
                listener("ready", everywhere, ready, &told),
                // Only the pod itself has it, and who may forward its ports.
                listener("out", "127.0.0.1", out, &sent),
            ],
            "clusters": [
                {
                    "name": "laptop", "type": "STATIC", "connect_timeout": "5s",
                    "load_assignment": { "cluster_name": "laptop", "endpoints": [{ "lb_endpoints": [laptop] }] },
                },
                {
                    "name": "named", "connect_timeout": "5s", "lb_policy": "CLUSTER_PROVIDED",
                    "cluster_type": { "name": "forward", "typed_config": { "@type": FORWARD_CLUSTER, "dns_cache_config": names } },
                },
            ],
        },
    })
}

fn address(ip: &str, port: u16) -> Value {
    let mut socket = json!({ "address": ip, "port_value": port });
    if ip == "::" {
        socket["ipv4_compat"] = json!(true);
    }
    json!({ "socket_address": socket })
}

fn listener(name: &str, ip: &str, port: u16, filter: &Value) -> Value {
    json!({ "name": name, "address": address(ip, port), "filter_chains": [{ "filters": [filter] }] })
}

/// Speaks HTTP, and adds nothing to what goes through that its sidecar would not.
fn http(name: &str, routes: &Value, upgrades: &Value, mut filters: Vec<Value>) -> Value {
    filters.push(json!({ "name": "router", "typed_config": { "@type": ROUTER, "suppress_envoy_headers": true } }));
    json!({ "name": "http", "typed_config": {
        "@type": CONNECTIONS,
        "stat_prefix": name,
        "stream_idle_timeout": "0s",
        "generate_request_id": false,
        "server_header_transformation": "PASS_THROUGH",
        "upgrade_configs": upgrades,
        "route_config": { "virtual_hosts": [{
            "name": name, "domains": ["*"], "request_headers_to_remove": ["proxy-connection", "proxy-authorization"], "routes": routes,
        }] },
        "http_filters": filters,
    } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(target: u16) -> MirrorPlace {
        MirrorPlace {
            cluster: "c1".to_owned(),
            namespace: "shop".to_owned(),
            service: "web".to_owned(),
            port: 80,
            target,
            target_name: Some("main".to_owned()),
            labels: [("app".to_owned(), "web".to_owned())].into(),
            annotations: [(LEFT_ALONE.to_owned(), "10.0.0.0/8".to_owned())].into(),
            account: Some("seller".to_owned()),
            stood_in_for: Vec::new(),
        }
    }

    fn host() -> MirrorHost {
        MirrorHost { at: "172.30.0.1:4000".parse().expect("an address"), password: "secret".to_owned() }
    }

    #[test]
    fn the_pod_is_selected_as_those_that_it_stands_in_for() {
        let [secret, deployment] = mirror(&place(80), "proxy", &host(), false);
        let template = &deployment["spec"]["template"];
        assert_eq!(template["metadata"]["labels"], json!({ "app": "web", MIRROR_LABEL: "web" }));
        assert_eq!(template["metadata"]["annotations"][LEFT_ALONE], "10.0.0.0/8,172.30.0.1/32");
        let pod = &template["spec"];
        assert_eq!((&pod["serviceAccountName"], &pod["containers"][0]["image"]), (&json!("seller"), &json!("proxy")));
        assert_eq!(pod["containers"][0]["ports"], json!([{ "name": "main", "containerPort": 80 }]));
        assert_eq!(pod["securityContext"]["sysctls"][0]["value"], "80");
        assert!(
            mirror(&place(8080), "proxy", &host(), false)[1]["spec"]["template"]["spec"]["securityContext"].is_null()
        );
        // What a process is started with others can read.
        assert_eq!(pod["volumes"][0]["secret"]["secretName"], secret["metadata"]["name"]);
        assert!(!deployment.to_string().contains(&host().authorization()));
    }

    #[test]
    fn only_who_has_the_password_goes_out() {
        let bootstrap = bootstrap(&place(8080), &host(), false);
        let routes = bootstrap.pointer(
            "/static_resources/listeners/2/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts/0/routes",
        );
        let routes = routes.and_then(Value::as_array).expect("routes");
        let leads_out = |route: &&Value| !route["route"].is_null();
        assert_eq!(routes.iter().filter(leads_out).count(), 2);
        for route in routes.iter().filter(leads_out) {
            assert_eq!(route["match"]["headers"][0]["string_match"]["exact"], "Basic bGFiOnNlY3JldA==");
        }
    }

    #[test]
    fn envoy_listens_for_the_service_and_for_this_machine() {
        let ports = |is_dual| {
            let bootstrap = bootstrap(&place(14999), &host(), is_dual);
            let listeners = bootstrap["static_resources"]["listeners"].as_array().expect("listeners").clone();
            let of = |l: &Value| {
                let address = &l["address"]["socket_address"];
                (
                    address["address"].as_str().unwrap_or_default().to_owned(),
                    address["port_value"].as_u64().unwrap_or_default(),
                )
            };
            listeners.iter().map(of).collect::<Vec<_>>()
        };
        let at = |ip: &str, port| (ip.to_owned(), port);
        assert_eq!(ports(false), [at("0.0.0.0", 14999), at("0.0.0.0", 14996), at("127.0.0.1", 14997)]);
        assert_eq!(ports(true)[0], at("::", 14999));
    }
}
