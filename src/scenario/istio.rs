//! The file by which Istio's own tests know their clusters (`prow/config/topology/*.json` of its repository), as a scenario. It is read into the same
//! raw file as a scenario of lab, so that every rule of those holds, and what is wrong is shown where it is written.

use serde_json::{Value as Json, json};

use super::error::{Problems, ScenarioErrors};
use super::form::{ANY_TEXT, Fields, Form, LABEL, List, OrWord, Part, Place, Record, SUBNET, Truth, TruthOr, Written};
use super::model::{Scenario, Topology};
use super::problem::TopologyProblem;
use super::raw::{RawCluster, RawMesh, RawScenario};
use super::tree::{Located, Node, Span};
use super::{tree, validate};

/// A cluster of Istio's tests.
#[derive(Default)]
struct Entry {
    kind: Option<Located<String>>,
    name: Option<Located<String>>,
    network: Option<Located<String>>,
    primary: Option<Located<String>>,
    config: Option<Located<String>>,
    pods: Option<Located<String>>,
    services: Option<Located<String>>,
    proxy: Option<Located<String>>,
    proxies_kubectl: Option<Located<bool>>,
    meta: Option<Span>,
}

impl Record for Entry {
    const ABOUT: &'static str = "A cluster of Istio's own tests";

    fn fields(f: &mut Fields<Self>) {
        let primary = "The cluster whose istiod it uses; by default its own";
        let config = "The cluster from which that istiod reads its configuration; by default the one that it runs in";
        f.field("kind", ANY_TEXT, |r| &mut r.kind, "Always Kubernetes").default("Kubernetes");
        f.field("clusterName", LABEL, |r| &mut r.name, "Its name").required().example("primary");
        f.field("network", ANY_TEXT, |r| &mut r.network, "Istio's network").example("network-1");
        f.field("primaryClusterName", LABEL, |r| &mut r.primary, primary).example("primary");
        f.field("configClusterName", LABEL, |r| &mut r.config, config).example("config");
        f.field("podSubnet", SUBNET, |r| &mut r.pods, "Addresses of pods").example("10.10.0.0/16");
        f.field("svcSubnet", SUBNET, |r| &mut r.services, "Addresses of services").example("10.255.10.0/24");
        f.field("httpProxy", ANY_TEXT, |r| &mut r.proxy, "The way to a cluster that is there")
            .example("http://proxy:80");
        f.field("proxyKubectlOnly", Truth, |r| &mut r.proxies_kubectl, "Whether only kubectl goes it").example("true");
        f.field("meta", Anything, |r| &mut r.meta, "What tests are told of it").example("{ fakeVM: false }");
    }
}

/// What is not looked at.
struct Anything;

impl Form for Anything {
    type Value = Span;

    fn read(&self, node: &Node, _: &Place, _: &mut Problems) -> Option<Span> {
        Some(node.span)
    }

    fn write(&self, _: Span) -> Written {
        Written::Free(Json::Null)
    }

    fn schema(&self) -> Json {
        json!({})
    }
}

impl Entry {
    fn name(&self) -> &str {
        self.name.as_ref().map_or("", |name| &name.value)
    }

    /// The cluster with its istiod.
    fn primary(&self) -> &str {
        self.primary.as_ref().map_or_else(|| self.name(), |primary| &primary.value)
    }

    /// The cluster that its istiod reads its configuration from.
    fn config(&self) -> &str {
        self.config.as_ref().map_or_else(|| self.primary(), |config| &config.value)
    }

    fn is_external(&self) -> bool {
        self.primary() != self.config()
    }
}

/// Reads a topology of Istio's own tests. `file` is its name for messages only, `name` that of the lab.
///
/// # Errors
///
/// Everything that is wrong with it, in the order of the file.
pub fn from_istio_topology(text: &str, file: &str, name: &str) -> Result<Scenario, ScenarioErrors> {
    let mut problems = Problems::default();
    let place = Place {
        field: "",
        what: "a topology of Istio's tests".to_owned(),
        example: r#"[{ "clusterName": "primary", "network": "network-1" }]"#.to_owned(),
    };
    let entries = tree::parse(text, &mut problems)
        .and_then(|root| List::whole(Part::<Entry>::FORM).read(&root, &place, &mut problems));
    let scenario = entries.and_then(|entries| {
        let raw = raw(entries, name, &mut problems);
        // Control planes that lab does not build would be told of once more, in words of scenarios.
        if problems.count() == 0 { validate::scenario(raw, None, &mut problems) } else { None }
    });
    problems.into_result(scenario, text, file)
}

fn raw(entries: Located<Vec<Located<Entry>>>, name: &str, problems: &mut Problems) -> RawScenario {
    let span = entries.span;
    let mut entries = entries.value;
    for kind in entries.iter().filter_map(|entry| entry.value.kind.as_ref()).filter(|kind| kind.value != "Kubernetes") {
        problems.add(kind.span, TopologyProblem::NotKubernetes { kind: kind.value.clone() });
    }
    let external = entries.iter().find(|e| e.value.is_external());
    let external = external.map(|e| (e.value.primary().to_owned(), e.value.config().to_owned()));
    if let Some((host, config)) = &external {
        for entry in entries.iter().filter(|e| (e.value.primary(), e.value.config()) != (host, config)) {
            let cluster = entry.value.name().to_owned();
            problems.add(
                entry.span,
                TopologyProblem::OtherControlPlane { cluster, host: host.clone(), config: config.clone() },
            );
        }
        if let Some(at) = entries.iter().find(|e| e.value.is_external()).and_then(|e| e.value.config.as_ref())
            && !entries.iter().any(|e| e.value.name() == config)
        {
            problems.add(at.span, TopologyProblem::NoConfigCluster { config: config.clone() });
        }
        // The first cluster of the mesh is the one that the configuration is read from.
        entries.sort_by_key(|e| (e.value.name() != host, e.value.name() != config));
    }
    let topology = match &external {
        Some(_) => Topology::External,
        None if entries.iter().any(|e| e.value.primary() != e.value.name()) => Topology::PrimaryRemote,
        None => Topology::MultiPrimary,
    };
    let mesh = RawMesh {
        topology: Some(Located { value: topology, span }),
        // Most of Istio's tests call in from outside.
        ingress_gateway: Some(TruthOr::Truth(true)),
        ..RawMesh::default()
    };
    let clusters = entries.into_iter().map(|entry| Located { value: cluster(entry.value), span: entry.span });
    let mut raw = RawScenario::default();
    raw.name = Some(name.to_owned().into());
    raw.mesh = Some(OrWord::Value(Located { value: mesh, span }));
    raw.clusters = Some(Located { value: clusters.collect(), span });
    raw
}

fn cluster(entry: Entry) -> RawCluster {
    let is_remote = entry.primary() != entry.name();
    RawCluster {
        primary: entry.primary.filter(|_| is_remote),
        name: entry.name,
        network: entry.network,
        pod_subnet: entry.pods,
        service_subnet: entry.services,
        ..RawCluster::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{parse, render, to_yaml};

    /// Clusters by name, network, and what else is said of them.
    fn topology(clusters: &[(&str, &str, &str)]) -> String {
        let entry = |(name, network, more): &(&str, &str, &str)| {
            format!(
                "  {{\n    \"kind\": \"Kubernetes\", \"clusterName\": \"{name}\",\n    \"network\": \"{network}\"{more}\n  }}"
            )
        };
        format!("[\n{}\n]\n", clusters.iter().map(entry).collect::<Vec<_>>().join(",\n"))
    }

    fn read(text: &str) -> Scenario {
        let scenario = from_istio_topology(text, "t.json", "demo").unwrap_or_else(|e| panic!("{}", render(&e)));
        assert_eq!(parse(&to_yaml(&scenario), "lab.yaml").expect("a scenario"), scenario);
        scenario
    }

    #[test]
    fn what_is_no_cluster_of_kubernetes_is_refused() {
        let text = topology(&[("a", "n", ""), ("b", "m", "")]).replacen("Kubernetes", "StaticVM", 1);
        let told = render(&from_istio_topology(&text, "t.json", "demo").expect_err("refused"));
        assert!(told.contains("no clusters of kind `StaticVM`"), "{told}");
    }

    #[test]
    fn istiods_are_where_the_tests_expect_them() {
        let subnets = ", \"podSubnet\": \"10.20.0.0/16\", \"svcSubnet\": \"10.255.20.0/24\"";
        let remote = format!(", \"primaryClusterName\": \"primary\", \"meta\": {{ \"fakeVM\": false }}{subnets}");
        let scenario = read(&topology(&[
            ("primary", "network-1", ""),
            ("remote", "network-1", &remote),
            ("cross-network-primary", "network-2", ""),
        ]));
        assert_eq!(scenario.mesh.topology, Topology::PrimaryRemote);
        let primaries: Vec<_> = scenario.clusters.iter().map(|c| c.primary.as_str()).collect();
        assert_eq!(primaries, ["primary", "primary", "cross-network-primary"]);
        assert_eq!(scenario.clusters[1].service_subnet.map(|s| s.to_string()).as_deref(), Some("10.255.20.0/24"));

        assert_eq!(read(&topology(&[("a", "n", ""), ("b", "m", "")])).mesh.topology, Topology::MultiPrimary);
    }

    #[test]
    fn an_external_control_plane_comes_first_and_then_whom_it_reads() {
        let used = ", \"primaryClusterName\": \"external\", \"configClusterName\": \"config\"";
        let of = |names: &[&str]| {
            let all: Vec<_> = names
                .iter()
                .map(|name| (*name, if *name == "remote" { "network-2" } else { "network-1" }, used))
                .collect();
            topology(&all)
        };
        let scenario = read(&of(&["remote", "config", "external"]));
        assert_eq!(scenario.mesh.topology, Topology::External);
        let names: Vec<_> = scenario.clusters.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["external", "config", "remote"]);
        let two = of(&["config", "external"]).replacen(']', ", { \"clusterName\": \"own\" }]", 1);
        insta::assert_snapshot!(render(&from_istio_topology(&two, "t.json", "demo").expect_err("two of them")));
    }

    #[test]
    fn what_is_wrong_is_shown_where_it_is() {
        let told = |text: &str| render(&from_istio_topology(text, "t.json", "demo").expect_err("wrong"));
        let old = topology(&[("a", "n", ""), ("b", "n", ", \"controlPlaneClusterName\": \"a\"")]);
        let nobody = topology(&[("a", "n", ""), ("b", "n", ", \"primaryClusterName\": \"c\"")]);
        let config = ", \"primaryClusterName\": \"a\", \"configClusterName\": \"c\"";
        let unread = topology(&[("a", "n", config), ("b", "n", config)]);
        insta::assert_snapshot!(
            [old, nobody, unread, "{}".to_owned(), "[".to_owned()].map(|text| told(&text)).join("\n")
        );
    }
}
