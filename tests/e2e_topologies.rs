//! Every topology on the real stack, each in a test of its own that brings it up, looks at what is special about it, breaks one thing, sees
//! the verdict turn red with the cause named, and takes it down again.

mod e2e;

use e2e::{Own, lab, text};

/// Names of the Deployments of a namespace.
fn deployments(own: &Own, cluster: &str, namespace: &str) -> Vec<String> {
    let names = own.kubectl(cluster, &["-n", namespace, "get", "deployments", "-o", "name"]);
    names.lines().map(|l| l.trim_start_matches("deployment.apps/").to_owned()).collect()
}

/// Whether a Secret exists in istio-system.
fn has_secret(own: &Own, cluster: &str, name: &str) -> bool {
    let names = own.kubectl(cluster, &["-n", "istio-system", "get", "secrets", "-o", "name"]);
    names.lines().any(|l| l == format!("secret/{name}"))
}

/// The role that istiod has in clusters that it reads.
const READER: &str = "istio-reader-clusterrole-istio-system";

#[test]
fn primary_remote() {
    let mut own = Own::up("primary-remote");
    assert_eq!(deployments(&own, "c2", "istio-system"), ["istio-eastwestgateway"], "a remote has no istiod");
    assert!(!has_secret(&own, "c2", "cacerts"), "a remote signs nothing");
    assert!(!has_secret(&own, "c2", "istio-remote-secret-c1"), "a remote watches nobody");
    // New pods of the remote get their sidecar from the primary's istiod, through its gateway. Without a listener there, they are refused.
    own.kubectl("c1", &["-n", "istio-system", "delete", "gateways.networking.istio.io", "expose-istiod"]);
    own.delete_pods("c2", "sample", "app=sleep");
    let verdict = own.red("c2 cannot reach its istiod in c1");
    assert!(
        verdict["findings"].to_string().contains("Gateway istio-system/expose-istiod"),
        "{}",
        e2e::in_short(&verdict)
    );
    own.mend();

    // An istiod that may not write there leaves a remote without the certificate that every sidecar mounts.
    let rules = own.kubectl("c2", &["get", "clusterrole", READER, "-o", "json"]);
    let rules: serde_json::Value = serde_json::from_str(&rules).expect("a role");
    let rules = rules["rules"].as_array().expect("rules");
    let writes = |r: &serde_json::Value| {
        r["resources"].to_string().contains("configmaps") && r["verbs"].to_string().contains("create")
    };
    let place = rules.iter().position(writes).expect("istiod may write");
    let patch = format!(r#"[{{"op": "remove", "path": "/rules/{place}"}}]"#);
    own.kubectl("c2", &["patch", "clusterrole", READER, "--type=json", "-p", &patch]);
    own.kubectl("c2", &["-n", "sample", "delete", "configmap", "istio-ca-root-cert"]);
    own.delete_pods("c2", "sample", "app=sleep");
    own.broken_at("c2", "c1", "caller", "nobody gives it the root certificate");
    own.mend();
    own.kubectl("c2", &["annotate", "namespace", "istio-system", "topology.istio.io/controlPlaneClusters-"]);
    own.broken_at("c2", "c1", "control plane", "does not say which control plane manages it");
    own.mend();
}

/// One mesh with two versions of Istio, each on another minor version of Kubernetes. Its images are built for this scenario alone.
#[test]
fn mixed_versions_in_full() {
    let mut own = Own::up("mixed-versions");
    for (cluster, kubernetes, istio) in [("c1", "v1.36.", ":1.32-dev"), ("c2", "v1.35.", ":1.31-dev")] {
        let version = own.kubectl(cluster, &["version", "-o", "json"]);
        let version: serde_json::Value = serde_json::from_str(&version).expect("a version");
        let server = version["serverVersion"]["gitVersion"].as_str().expect("of the server");
        assert!(server.starts_with(kubernetes), "{cluster}: {server}");
        let image = "jsonpath={.items[*].spec.containers[0].image}";
        let istiod = own.kubectl(cluster, &["-n", "istio-system", "get", "pods", "-l", "app=istiod", "-o", image]);
        assert!(istiod.ends_with(istio), "{cluster}: {istiod}");
        let sidecar = "jsonpath={.items[0].spec['containers','initContainers'][?(@.name=='istio-proxy')].image}";
        let sidecar = own.kubectl(cluster, &["-n", "sample", "get", "pods", "-l", "app=sleep", "-o", sidecar]);
        assert!(sidecar.ends_with(istio), "{cluster}: {sidecar}");
    }
    // Versions stay as they were made.
    let other = lab(&["up", "scenarios/mixed-versions.yaml", "--kubernetes", "1.35"]);
    assert_eq!(other.status.code(), Some(0), "each cluster says its own: {}", text(&other.stderr));
    own.kubectl("c1", &["-n", "istio-system", "delete", "secret", "istio-remote-secret-c2"]);
    own.red("istiod of c1 does not watch c2");
    own.mend();
}

/// IPv6 beside IPv4. That calls are made over each is what its verdict says; this looks at what it calls, and takes one of the two away.
#[test]
fn dual_stack_in_full() {
    let mut own = Own::up("dual-stack");
    let sources = own.verdict["sources"].as_array().expect("sources");
    let of = |family: &str| sources.iter().filter(|s| s["check"].as_str().is_some_and(|c| c.ends_with(family))).count();
    assert_eq!((of("over IPv4"), of("over IPv6")), (4, 4), "each of two checks from each of two clusters");
    for source in sources {
        let sent = |e: &&serde_json::Value| {
            e["address"].as_str().is_some_and(|a| a.starts_with("[fd") && a.ends_with("]:15443"))
                && e["requests"].as_u64() > Some(0)
        };
        let endpoints = source["endpoints"].as_array().expect("endpoints");
        assert!(
            endpoints.iter().any(|e| sent(&e)),
            "nothing went to the IPv6 address of the other's gateway: {source}"
        );
    }
    let families = "jsonpath={.spec.ipFamilies[*]}";
    for (namespace, service) in [("sample", "helloworld"), ("istio-system", "istio-eastwestgateway")] {
        assert_eq!(own.kubectl("c1", &["-n", namespace, "get", "service", service, "-o", families]), "IPv4 IPv6");
    }
    // A pod of another network is as much out of reach as it is over IPv4.
    let pods = "jsonpath={.items[0].status.podIPs[1].ip}";
    let pod = own.kubectl("c2", &["-n", "sample", "get", "pods", "-l", "app=helloworld", "-o", pods]);
    let url = format!("http://[{pod}]:5000/hello");
    let command = ["sh", "-c", &format!("curl -s -m 3 '{url}' || echo out of reach")];
    assert_eq!(text(&own.node("c1", &command).stdout).trim(), "out of reach");
    // A gateway that has lost its second address. One that has lost both would stay in Istio's lists as it was.
    let address = "jsonpath={.status.loadBalancer.ingress[0].ip}";
    let gateway = ["-n", "istio-system", "get", "service", "istio-eastwestgateway", "-o", address];
    let address = own.kubectl("c2", &gateway);
    let patch = format!(
        r#"{{"metadata": {{"annotations": {{"metallb.io/loadBalancerIPs": "{address}"}}}},
            "spec": {{"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"]}}}}"#
    );
    let service = ["-n", "istio-system", "patch", "service", "istio-eastwestgateway", "--type=merge", "-p", &patch];
    own.kubectl("c2", &service);
    own.red("the east-west gateway of c2 does not have its address");
    own.mend();
}

#[test]
fn primary_two_remotes() {
    let mut own = Own::up("primary-two-remotes");
    for remote in ["c2", "c3"] {
        assert_eq!(deployments(&own, remote, "istio-system"), ["istio-eastwestgateway"], "a remote has no istiod");
    }
    own.kubectl("c1", &["-n", "istio-system", "delete", "secret", "istio-remote-secret-c3"]);
    own.red("istiod of c1 does not watch c3");
    own.mend();
}

#[test]
fn external_control_plane() {
    let mut own = Own::up("external-control-plane");
    for cluster in ["w1", "w2", "w3"] {
        assert_eq!(
            deployments(&own, cluster, "istio-system"),
            ["istio-eastwestgateway"],
            "a data cluster has no istiod"
        );
    }
    assert_eq!(deployments(&own, "control", "istio-system"), ["istiod"]);
    let namespaces = own.kubectl("control", &["get", "namespaces", "-o", "name"]);
    assert!(!namespaces.contains("namespace/sample"), "the host of the control plane runs no apps: {namespaces}");
    // Its address answers from a cluster of the mesh, with TLS, on both ports.
    for port in ["443", "15017"] {
        let url = format!("https://172.23.255.10:{port}/inject");
        let answer = own.node("w3", &["curl", "-sk", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", &url]);
        assert_eq!(text(&answer.stdout), "400", "istiod wants a review to inject into");
    }
    own.kubectl("control", &["-n", "istio-system", "scale", "deployment", "istiod", "--replicas=0"]);
    own.delete_pods("control", "istio-system", "app=istiod");
    own.delete_pods("w2", "sample", "app=sleep");
    own.red("istiod of control does not run: no configuration for w1, w2, w3");
    own.mend();
}

/// The hosted mesh whose host is a work cluster as well. Its guided lab takes the control plane away.
#[test]
fn hosted_mesh_in_full() {
    let mut own = Own::up("hosted-mesh");
    assert_eq!(
        deployments(&own, "c1", "istio-system"),
        ["istio-eastwestgateway", "istio-ingressgateway", "istiod"],
        "the host is a work cluster, with the only ingress gateway"
    );
    for cluster in ["c2", "c3"] {
        assert_eq!(deployments(&own, cluster, "istio-system"), ["istio-eastwestgateway"], "{cluster}");
    }
    let names = ["-n", "istio-system", "get", "gateways.networking.istio.io", "-o", "name"];
    let gateways = own.kubectl("c1", &names);
    assert!(!gateways.contains("expose-istiod"), "the gateway leads to no istiod: {gateways}");
    let endpoints = own.endpoints("c2");
    for gateway in ["172.23.223.73:15443", "172.23.223.77:15443"] {
        assert!(endpoints.contains(&gateway.to_owned()), "{gateway} is listed in meshNetworks: {endpoints:?}");
    }
    own.kubectl("c1", &["-n", "istio-system", "delete", "service", "istiod-external"]);
    let verdict = own.red("istiod of c1 cannot be reached from other clusters: it does not have its address");
    let sources = verdict["sources"].as_array().expect("sources");
    for source in sources {
        let is_plain = source["check"].as_str().is_some_and(|c| c.ends_with("asked in plain"));
        assert_eq!(source["passed"], !is_plain, "calls go on without it: {source:#}");
    }
    own.mend();
    own.kubectl("c1", &["-n", "istio-system", "delete", "virtualservice", "helloworld-ingress"]);
    own.red("the ingress gateway of c1 has no listener for what comes to it");
    own.mend();
}

#[test]
fn single_network() {
    let mut own = Own::up("single-network");
    for cluster in ["c1", "c2", "c3"] {
        assert!(!deployments(&own, cluster, "istio-system").contains(&"istio-eastwestgateway".to_owned()));
        let endpoints = own.endpoints(cluster);
        for pods in ["10.101.", "10.102.", "10.103."] {
            assert!(endpoints.iter().any(|e| e.starts_with(pods) && e.ends_with(":5000")), "{cluster}: {endpoints:?}");
        }
        assert_eq!(endpoints.len(), 3);
    }
    // Every check but the set of versions looks healthy without a route: the endpoint is healthy, and retries hide the failures.
    let routes = text(&own.node("c1", &["ip", "route"]).stdout);
    for route in routes.lines().filter(|l| l.starts_with("10.102.")) {
        let words: Vec<&str> = route.split_whitespace().collect();
        own.node("c1", &[&["ip", "route", "del"], &words[..]].concat());
    }
    let verdict = own.red("the nodes of c1 do not route to the other clusters of network flat");
    assert!(verdict["findings"].to_string().contains("no route to 10.102."), "{}", e2e::in_short(&verdict));
    own.mend();
}

#[test]
fn overlapping_subnets() {
    let mut own = Own::up("overlapping-subnets");
    let first = own.endpoints("c1");
    assert_eq!(first.iter().filter(|e| e.starts_with("10.110.")).count(), 1, "its own pod alone: {first:?}");

    // The same clusters on one network are refused before anything is made.
    let file = e2e::run_dir().join("overlapping-on-one-network.yaml");
    let flat = std::fs::read_to_string("scenarios/overlapping-subnets.yaml").expect("the scenario");
    let flat = ["network1", "network2", "network3"].iter().fold(flat, |text, network| text.replace(network, "flat"));
    std::fs::write(&file, flat).expect("a scenario");
    let refused = lab(&["up", &file.to_string_lossy()]);
    assert_eq!(refused.status.code(), Some(2));
    let said = text(&refused.stderr);
    assert!(
        said.contains("on the same network `flat`") && said.contains("pods of one network reach each other by address"),
        "{said}"
    );

    own.kubectl("c2", &["-n", "istio-system", "delete", "gateways.networking.istio.io", "cross-network-gateway"]);
    own.restart("c1", "sample", "sleep");
    own.red("the east-west gateway of c2 has no listener for what comes to it");
    own.mend();
}

#[test]
fn mesh_networks() {
    let mut own = Own::up("mesh-networks");
    let endpoints = own.endpoints("c1");
    assert!(endpoints.iter().any(|e| e.ends_with(":31444")), "the published node port: {endpoints:?}");
    for cluster in ["c1", "c2"] {
        let labels = own.kubectl(cluster, &["get", "namespace", "istio-system", "--show-labels", "--no-headers"]);
        assert!(!labels.contains("topology.istio.io/network"), "networks are listed, not labelled: {labels}");
    }
    let patch = r#"[{"op": "replace", "path": "/spec/ports/1/nodePort", "value": 31999}]"#;
    own.kubectl("c2", &["-n", "istio-system", "patch", "service", "istio-eastwestgateway", "--type=json", "-p", patch]);
    // Calls over connections that are open already go on; a new sidecar opens its own.
    own.restart("c1", "sample", "sleep");
    own.red("the east-west gateway of c2 does not have the node port behind port 31444 of the host");
    own.mend();
}

#[test]
fn node_ports_in_full() {
    let mut own = Own::up("node-ports");
    for (cluster, port) in [("c1", ":31444"), ("c2", ":31443")] {
        let endpoints = own.endpoints(cluster);
        assert!(endpoints.iter().any(|e| e.ends_with(port)), "the other's published node port: {endpoints:?}");
        assert!(!own.kubectl(cluster, &["get", "namespaces", "-o", "name"]).contains("metallb-system"));
    }
    // What c2 asks istiod through, and then what calls go through.
    let patch = |port: &str| format!(r#"[{{"op": "replace", "path": "/spec/ports/{port}/nodePort", "value": 31999}}]"#);
    let gateway = ["-n", "istio-system", "patch", "service", "istio-eastwestgateway", "--type=json", "-p"];
    own.kubectl("c1", &[&gateway[..], &[&patch("2")]].concat());
    // A new sidecar does not get ready without istiod.
    own.delete_pods("c2", "sample", "app=sleep");
    own.red("does not have the node port behind port 15012 of the host");
    own.mend();
    own.kubectl("c2", &[&gateway[..], &[&patch("1")]].concat());
    own.restart("c1", "sample", "sleep");
    own.red("the east-west gateway of c2 does not have the node port behind port 31444 of the host");
    own.mend();
}

#[test]
fn mixed_networks() {
    let mut own = Own::up("mixed-networks");
    let endpoints = own.endpoints("c1");
    let pods = endpoints.iter().filter(|e| e.ends_with(":5000")).count();
    let gateways = endpoints.iter().filter(|e| e.ends_with(":15443")).count();
    assert_eq!((pods, gateways), (2, 2), "pods of its own network, gateways of the other: {endpoints:?}");
    let cells = own.verdict["reachability"].as_array().expect("a matrix").clone();
    assert_eq!(cells.len(), 5 * 4 * 4);
    let negative = cells.iter().filter(|c| c["expected"] == false).count();
    assert_eq!(negative, 2 * 2 * 4, "pods and node ports, two clusters, from each of four");

    // One route opens the pods of the other network to a sender, unless the receiver drops what comes from there.
    let c3 = own.node("c3", &["hostname", "-i"]);
    let (c3, pods) = (text(&c3.stdout), own.node("c1", &["ip", "route", "show", "type", "unreachable"]));
    assert!(text(&pods.stdout).contains("10.103.0.0/16"), "{}", text(&pods.stdout));
    own.node("c1", &["ip", "route", "replace", "10.103.0.0/16", "via", c3.trim()]);
    let held = text(&lab(&["verify", &own.name, "--output", "json"]).stdout);
    let held: serde_json::Value = serde_json::from_str(&held).expect("a verdict");
    assert_eq!(held["passed"], true, "the receiver's rules hold against a route: {}", e2e::in_short(&held));
    own.node("c3", &["iptables", "-t", "raw", "-F", "LAB-NETWORK"]);
    let verdict = own.red("the nodes of c3 do not keep other networks away from it");
    let wrong: Vec<&serde_json::Value> =
        verdict["reachability"].as_array().expect("a matrix").iter().filter(|c| c["expected"] != c["found"]).collect();
    assert!(wrong.iter().any(|c| c["from"] == "c1" && c["to"] == "c3" && c["kind"] == "pod"), "{wrong:?}");
    own.mend();

    // The rules are there again after a restart of the node, before `lab up` has looked.
    let node = format!("{}-c3-control-plane", own.name);
    let restarted = std::process::Command::new("docker").args(["restart", "-t", "1", &node]).output().expect("docker");
    assert!(restarted.status.success());
    let mut rules = String::new();
    for _ in 0..150 {
        rules = text(&own.node("c3", &["iptables", "-t", "raw", "-S", "LAB-NETWORK"]).stdout);
        if rules.contains("-d 10.103.0.0/16 -j DROP") {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    panic!("no rules after a restart: {rules}");
}

/// The remote has the only ingress gateway, and shares a network with its primary. It reaches istiod by the primary's east-west gateway, and then at an
/// address of istiod's own.
#[test]
fn a_remote_with_the_ingress_on_one_network_in_full() {
    let text = |address: &str| {
        format!(
            "dockerNetwork: {{ subnet: 172.22.16.0/20 }}\nmesh: {{ topology: primary-remote, ingressGateway: [c2] }}\n\
             clusters:\n  - {{ name: c1, network: flat, loadBalancer: {{ pool: 172.22.31.10-172.22.31.19{address} }} }}\n  \
             - {{ name: c2, network: flat, primary: c1 }}\nchecks: [rotation, rotation: {{ through: ingress }}]\n"
        )
    };
    let mut own = Own::of("e2e-one-network", &text(""));
    assert_eq!(deployments(&own, "c1", "istio-system"), ["istio-eastwestgateway", "istiod"]);
    assert_eq!(deployments(&own, "c2", "istio-system"), ["istio-ingressgateway"]);
    for cluster in ["c1", "c2"] {
        let endpoints = own.endpoints(cluster);
        assert!(endpoints.iter().all(|e| e.ends_with(":5000")), "pods, without a gateway: {endpoints:?}");
    }
    // Routes are read from the primary, which has no ingress gateway.
    own.kubectl("c1", &["-n", "istio-system", "delete", "virtualservice", "helloworld-ingress"]);
    own.red("the ingress gateway of c2 has no listener for what comes to it");

    own.becomes(&text(", addresses: { istiod: 172.22.31.15 }"), &[]);
    assert_eq!(deployments(&own, "c1", "istio-system"), ["istiod"], "no gateway leads to it any more");
    own.kubectl("c1", &["-n", "istio-system", "delete", "service", "istiod-external"]);
    own.delete_pods("c2", "sample", "app=sleep");
    own.red("istiod of c1 cannot be reached from other clusters: it does not have its address");
    own.mend();
}
