use super::*;
use crate::verdict::{
    AppStatus, FaultStatus, FederationStatus, GatewayStatus, MemberStatus, NodeStatus, ProxyStatus, RemoteCluster,
    Replicas,
};

fn proxy(name: &str, rejected: &[(&str, &str)]) -> ProxyStatus {
    let rejected: BTreeMap<String, String> =
        rejected.iter().map(|(kind, error)| ((*kind).to_owned(), (*error).to_owned())).collect();
    let synced = rejected.is_empty();
    ProxyStatus { name: name.to_owned(), kind: "sidecar".to_owned(), synced, pending: Vec::new(), rejected }
}

fn status() -> LabStatus {
    let cluster = |name: &str, api_server, addresses: &[&str]| ClusterStatus {
        name: name.to_owned(),
        network: format!("network-{name}"),
        primary: name.to_owned(),
        controlled_by: name.to_owned(),
        api_server,
        gateways: vec![GatewayStatus {
            name: "east-west gateway",
            planned: "172.28.255.10".to_owned(),
            addresses: (api_server == "ready").then(|| addresses.iter().map(|a| (*a).to_owned()).collect()),
            replicas: (!addresses.is_empty()).then_some(Replicas { ready: 1, wanted: 1 }),
        }],
        ..ClusterStatus::default()
    };
    let mut c1 = cluster("c1", "ready", &["172.28.255.10"]);
    c1.nodes = vec![NodeStatus {
        name: "two-c1-control-plane".to_owned(),
        running: true,
        status: "Up 3 minutes".to_owned(),
        address: Some("172.28.240.2".to_owned()),
        ready: Some(true),
    }];
    c1.istiod = Some(Replicas { ready: 1, wanted: 1 });
    c1.remote_clusters = vec![RemoteCluster { name: "c2".to_owned(), sync: "timeout".to_owned() }];
    c1.apps = vec![AppStatus {
        namespace: "sample".to_owned(),
        kind: "Deployment",
        name: "sleep".to_owned(),
        replicas: Replicas { ready: 1, wanted: 1 },
    }];
    c1.proxies = vec![proxy("gateway-1.istio-system", &[]), proxy("sleep-1.sample", &[("Listener", "no such filter")])];
    let mut c2 = cluster("c2", "no answer", &[]);
    c2.unanswered = vec!["istiod: no pod of it runs".to_owned()];
    LabStatus {
        lab: "two".to_owned(),
        mesh: "mesh mesh1, multi-primary".to_owned(),
        docker_network: "lab-two 172.28.240.0/20".to_owned(),
        clusters: vec![c1, c2],
        federation: Some(FederationStatus {
            manager: "m".to_owned(),
            api: "ready",
            members: vec![MemberStatus { cluster: "c1".to_owned(), mode: "push", ready: Some(false) }],
        }),
        faults: vec![
            FaultStatus { fault: "istiod of c1 is gone".to_owned(), kind: "istiod", left: 12 },
            FaultStatus { fault: "c2 has no DNS server".to_owned(), kind: "dns", left: 0 },
        ],
        mirrors: vec!["calls to web.shop:80 in c1 reach port 8080 of this machine".to_owned()],
        last_verdict: Some(LastVerdict {
            passed: false,
            at: "2026-01-01T00:00:00Z".to_owned(),
            causes: vec!["istiod of c1 has not synchronised with c2".to_owned()],
        }),
    }
}

#[test]
fn all_of_a_lab_is_told() {
    insta::assert_snapshot!(status_text(&status()));
}

#[test]
fn a_change_is_a_line_and_time_alone_is_none() {
    let (mut watched, mut after) = (Watched::default(), status());
    assert!(watched.look(&after).contains(&"c1: API server: ready".to_owned()));
    after.clusters[0].nodes[0].status = "Up 4 minutes".to_owned();
    assert_eq!(watched.look(&after), Vec::<String>::new());
    after.clusters[0].nodes[0].ready = Some(false);
    after.clusters[0].proxies[1] = proxy("sleep-2.sample", &[]);
    assert_eq!(
        watched.look(&after),
        [
            "c1: proxy sleep-1.sample: gone (was rejected its Listener: no such filter)",
            "c1: node two-c1-control-plane: not ready (was ready)",
            "c1: proxy sleep-2.sample: in sync",
        ]
    );
}

#[test]
fn of_a_silent_cluster_nothing_is_gone() {
    let (mut watched, before) = (Watched::default(), status());
    watched.look(&before);
    let mut silent = status();
    let c1 = &mut silent.clusters[0];
    c1.api_server = "no answer";
    (c1.apps, c1.proxies, c1.remote_clusters, c1.istiod) = (Vec::new(), Vec::new(), Vec::new(), None);
    (c1.gateways[0].addresses, c1.nodes[0].ready) = (None, None);
    assert_eq!(watched.look(&silent), ["c1: API server: no answer (was ready)"]);
    assert_eq!(watched.look(&before), ["c1: API server: ready (was no answer)"]);
}
