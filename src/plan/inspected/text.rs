//! A mesh that was found, as the scenario file that leads lab there.

use std::fmt::Write as _;

use super::FoundMesh;
use crate::scenario::{FoundGateway, Topology};

/// The scenario file; what is known beside it, and what could not be told, are comments.
#[must_use]
pub fn found_yaml(name: &str, mesh: &FoundMesh) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let mut line = |indent: usize, said: &str| _ = writeln!(text, "{:indent$}{said}", "");
    line(
        0,
        "# A mesh that somebody else installed, as `lab inspect` found it. `lab attach` makes a lab of it, at which lab only looks.",
    );
    for remark in &mesh.remarks {
        line(0, &format!("# {}", comment(remark)));
    }
    for warning in &mesh.warnings {
        line(0, &format!("# warning: {}", comment(warning)));
    }
    line(0, &format!("name: {}", quoted(name)));
    line(0, "mesh:");
    line(2, "existing: true");
    line(2, &format!("id: {}", quoted(&mesh.id)));
    line(2, &format!("trustDomain: {}", quoted(&mesh.trust_domain)));
    let topology = match mesh.topology {
        Topology::PrimaryRemote => "primary-remote",
        Topology::External => "external",
        Topology::MultiPrimary | Topology::None => "multi-primary",
    };
    line(2, &format!("topology: {topology}"));
    for (field, is_so) in
        [("meshNetworks", mesh.mesh_networks), ("dnsCapture", mesh.dns_capture), ("accessLogs", mesh.access_logs)]
    {
        if is_so {
            line(2, &format!("{field}: true"));
        }
    }
    line(0, "clusters:");
    for cluster in &mesh.clusters {
        line(2, &format!("# {}", comment(&cluster.about)));
        line(2, &format!("- name: {}", quoted(&cluster.name)));
        line(4, &format!("network: {}", quoted(&cluster.network)));
        line(4, &format!("primary: {}", quoted(&cluster.primary)));
        if let Some(locality) = &cluster.locality {
            let mut said = vec![format!("region: {}", quoted(&locality.region))];
            said.extend(locality.zone.iter().map(|zone| format!("zone: {}", quoted(zone))));
            said.extend(locality.subzone.iter().map(|subzone| format!("subzone: {}", quoted(subzone))));
            line(4, &format!("locality: {{ {} }}", said.join(", ")));
        }
        let existing = &cluster.existing;
        line(4, "existing:");
        line(6, &format!("kubeconfig: {}", quoted(&existing.kubeconfig)));
        line(6, &format!("context: {}", quoted(&existing.context)));
        if let Some(id) = &existing.cluster_id {
            line(6, &format!("clusterId: {}", quoted(id)));
        }
        if let Some(revision) = &existing.revision {
            line(6, &format!("revision: {}", quoted(revision)));
        }
        for (field, found) in
            [("eastWestGateway", &existing.east_west_gateway), ("ingressGateway", &existing.ingress_gateway)]
        {
            if let Some(FoundGateway { service, address }) = found {
                let address = address.as_ref().map_or_else(String::new, |a| format!(", address: {}", quoted(a)));
                line(6, &format!("{field}: {{ service: {}{address} }}", quoted(service)));
            }
        }
    }
    text
}

/// A value as YAML reads it as this text: plain where nothing in it means anything to YAML.
fn quoted(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
        && !matches!(text.to_lowercase().as_str(), "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n");
    if is_plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

/// Text of one line.
fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::super::{ClusterFacts, GatewayFacts, IstiodFacts, SecretFacts, found_mesh};
    use super::*;
    use crate::plan::{Gateway, resolve, scenario_yaml};
    use crate::scenario::{parse, render};

    fn secret(id: &str, of: &str) -> SecretFacts {
        SecretFacts { id: Some(id.to_owned()), server: format!("https://{of}:6443"), authority: Some(of.to_owned()) }
    }

    /// A primary with an id, a network, and secrets for others.
    fn cluster(context: &str, id: &str, secrets: &[SecretFacts]) -> ClusterFacts {
        ClusterFacts {
            kubeconfig: "/home/me/.kube/config".to_owned(),
            context: context.to_owned(),
            uid: context.to_owned(),
            kubernetes: "v1.36.3".to_owned(),
            nodes: vec![BTreeMap::from([("topology.kubernetes.io/region".to_owned(), "eu".to_owned())])],
            authority: Some(context.to_owned()),
            network_label: Some(format!("net-{id}")),
            istiods: vec![IstiodFacts {
                version: "1.32".to_owned(),
                cluster_id: Some(id.to_owned()),
                available: 1,
                ..IstiodFacts::default()
            }],
            mesh: json!({ "trustDomain": "shop.local", "defaultConfig": { "meshId": "m7" } }),
            root: Some("root".to_owned()),
            secrets: secrets.to_vec(),
            gateways: vec![
                GatewayFacts {
                    namespace: "istio-system".to_owned(),
                    name: "istio-ingressgateway".to_owned(),
                    kind: Some("ingressgateway".to_owned()),
                    ports: vec![80, 15443],
                    addresses: vec!["10.9.0.2".to_owned()],
                    ..GatewayFacts::default()
                },
                GatewayFacts {
                    namespace: "gateways".to_owned(),
                    name: "cross-network".to_owned(),
                    network: Some(format!("net-{id}")),
                    ports: vec![15021, 15443],
                    addresses: vec!["10.9.0.1".to_owned()],
                    ..GatewayFacts::default()
                },
            ],
            ..ClusterFacts::default()
        }
    }

    /// The file, that must be a scenario which says the same when lab writes it.
    fn written(facts: &[ClusterFacts]) -> String {
        let text = found_yaml("found", &found_mesh(facts));
        let scenario = parse(&text, "found.yaml").unwrap_or_else(|e| panic!("{}\n{text}", render(&e)));
        let lab = resolve(&scenario).expect("a lab");
        let again = parse(&scenario_yaml(&lab), "again.yaml").unwrap_or_else(|e| panic!("{}", render(&e)));
        assert_eq!(resolve(&again).expect("a lab"), lab);
        text
    }

    #[test]
    fn two_primaries_on_two_networks() {
        let facts = [
            cluster("kind-east", "east", &[secret("west", "kind-west")]),
            cluster("kind-west", "west", &[secret("east", "kind-east")]),
        ];
        let text = written(&facts);
        insta::assert_snapshot!(text);
        let lab = resolve(&parse(&text, "x").expect("valid")).expect("a lab");
        let addresses = &lab.clusters[0].addresses;
        assert_eq!(addresses.get(&Gateway::EastWestGateway).map(ToString::to_string).as_deref(), Some("10.9.0.1"));
        assert!(lab.is_existing() && lab.is_multi_network() && lab.checks.is_empty());
    }

    #[test]
    fn a_remote_is_known_by_its_certificate_and_a_host_by_what_it_reads() {
        let mut remote = cluster("gke_shop_eu_7", "x", &[]);
        remote.istiods.clear();
        remote.control_planes = Some("east".to_owned());
        let primary = cluster("kind-east", "east", &[secret("Cluster_2", "gke_shop_eu_7")]);
        let mut host = cluster("kind-host", "Cluster_2", &[SecretFacts { id: None, ..secret("", "gke_shop_eu_7") }]);
        host.istiods[0].is_external = true;
        // Its configuration is read from the first cluster of the mesh, in whatever order they were named.
        let mut other = cluster("kind-other", "other", &[]);
        other.istiods.clear();
        let ordered = found_mesh(&[host.clone(), other, remote.clone()]);
        assert_eq!(ordered.clusters[0].existing.context, "gke_shop_eu_7");
        insta::assert_snapshot!(format!("{}\n---\n{}", written(&[primary, remote.clone()]), written(&[host, remote])));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let mut one = cluster("one", "Kubernetes", &[]);
        let mut two = cluster("two", "Kubernetes", &[]);
        one.network_label = None;
        one.injected = json!({ "global": { "network": "n1" } });
        one.istiods[0].available = 0;
        one.istiods.push(IstiodFacts {
            revision: Some("1-31".to_owned()),
            version: "1.31.2".to_owned(),
            available: 1,
            ..IstiodFacts::default()
        });
        two.root = Some("another".to_owned());
        two.secrets_unread = Some("secrets is forbidden".to_owned());
        two.mesh = json!({ "trustDomain": "cluster.local" });
        two.gateways.clear();
        two.unread.push("nodes cannot be listed: forbidden".to_owned());
        let zone = |zone: &str| {
            BTreeMap::from([
                ("topology.kubernetes.io/region".to_owned(), "eu".to_owned()),
                ("topology.kubernetes.io/zone".to_owned(), zone.to_owned()),
            ])
        };
        two.nodes = vec![zone("a"), zone("b")];
        insta::assert_snapshot!(written(&[one, two]));
    }
}
