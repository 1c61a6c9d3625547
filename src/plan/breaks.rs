//! What breaks a lab, derived from its plan: each thing that a check should miss, with what must be seen then.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::render::{self, APP_NAMESPACE, EAST_WEST_GATEWAY, HELLOWORLD_INGRESS, INGRESS_GATEWAY, ISTIO_NAMESPACE};
use super::{Action, Gateway, Lab, LabCluster, Plan, helloworlds};
use crate::scenario::{App, Check, Through};

/// One thing that is broken, and by which it must be noticed.
#[derive(Clone, Debug, PartialEq)]
pub struct Break {
    /// The cluster in which it is done.
    pub cluster: String,
    /// What is done, in words: `Secret istio-system/istio-remote-secret-c2 of c1 deleted`.
    pub what: String,
    /// What is done.
    pub damage: Damage,
    /// The clusters whose own callers may notice.
    pub callers: BTreeSet<String>,
    /// The clusters at which callers from outside may notice.
    pub entrances: BTreeSet<String>,
    /// Words that one finding must have.
    pub named: Vec<String>,
    /// Whether it is the mesh's own, which some check must miss. What the user brings may be there for nobody.
    pub is_own: bool,
}

/// How an object is broken.
#[derive(Clone, Debug, PartialEq)]
pub enum Damage {
    /// It is deleted; its identity.
    Deleted(Value),
    /// A Deployment has no pods any more; namespace and name.
    Stopped {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// It is changed by a merge patch (RFC 7386).
    Changed {
        /// Its identity.
        identity: Value,
        /// The patch.
        patch: Value,
    },
}

/// Kinds of the user's objects that nobody calls for, or whose loss takes others along.
const PASSED_OVER: [&str; 9] = [
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "IPAddressPool",
    "L2Advertisement",
    "Namespace",
    "Role",
    "RoleBinding",
    "ServiceAccount",
];

/// Everything of a lab that is broken, one after the other: the mesh's own in the order in which causes precede each other, then what the user brings.
#[must_use]
pub fn breaks(lab: &Lab) -> Vec<Break> {
    let mut all = Vec::new();
    if lab.has_mesh() {
        all.extend(remote_secrets(lab));
        let data: Vec<&LabCluster> = lab.data_clusters().collect();
        all.extend(data.iter().flat_map(|cluster| gateways(lab, cluster)));
        all.extend(data.iter().filter_map(|cluster| entrance(lab, cluster)));
    }
    all.extend(own_apps(lab));
    all.extend(lab.clusters.iter().flat_map(|cluster| of_user(lab, cluster)));
    all
}

impl Break {
    fn of(cluster: &LabCluster, what: &str, damage: Damage) -> Self {
        Self {
            cluster: cluster.name.clone(),
            what: format!("{} of {} {what}", damage.object(), cluster.name),
            damage,
            callers: BTreeSet::new(),
            entrances: BTreeSet::new(),
            named: Vec::new(),
            is_own: true,
        }
    }

    fn noticed_by<'a>(mut self, callers: impl IntoIterator<Item = &'a LabCluster>) -> Self {
        self.callers = callers.into_iter().map(|c| c.name.clone()).collect();
        self
    }

    fn noticed_at<'a>(mut self, entrances: impl IntoIterator<Item = &'a LabCluster>) -> Self {
        self.entrances = entrances.into_iter().map(|c| c.name.clone()).collect();
        self
    }

    /// Anybody may notice.
    fn noticed(self, lab: &Lab) -> Self {
        self.noticed_by(&lab.clusters).noticed_at(&lab.clusters)
    }

    fn named(mut self, words: &[&str]) -> Self {
        self.named = words.iter().map(|w| (*w).to_owned()).collect();
        self
    }
}

impl Damage {
    /// The object, as `Kind namespace/name`.
    #[must_use]
    pub fn object(&self) -> String {
        match self {
            Self::Stopped { namespace, name } => format!("Deployment {namespace}/{name}"),
            Self::Deleted(identity) | Self::Changed { identity, .. } => {
                let text = |pointer| identity.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
                let namespace = text("/metadata/namespace");
                let slash = if namespace.is_empty() { "" } else { "/" };
                format!("{} {namespace}{slash}{}", text("/kind"), text("/metadata/name"))
            }
        }
    }
}

fn identity(api_version: &str, kind: &str, namespace: &str, name: &str) -> Value {
    json!({ "apiVersion": api_version, "kind": kind, "metadata": { "namespace": namespace, "name": name } })
}

fn stopped(namespace: &str, name: &str) -> Damage {
    Damage::Stopped { namespace: namespace.to_owned(), name: name.to_owned() }
}

/// Without its remote secret a cluster's pods are known to nobody whom that istiod serves.
fn remote_secrets(lab: &Lab) -> Vec<Break> {
    let planned = Plan::of(lab).steps.into_iter().filter_map(|step| match step.action {
        Action::RemoteSecret { of, to } => Some((of, to)),
        _ => None,
    });
    let secret = |(of, to): (String, String)| {
        let (read, reader) = (lab.cluster(&of)?, lab.cluster(&to)?);
        // The kubeconfig of an external istiod: it reads that once, when it starts.
        if render::lent_account(lab, read) != Some(render::READER_ACCOUNT) {
            return None;
        }
        let secret = identity("v1", "Secret", ISTIO_NAMESPACE, &format!("istio-remote-secret-{of}"));
        let served = lab.data_clusters().filter(|c| c.primary == reader.name);
        let damage = Break::of(reader, "deleted", Damage::Deleted(secret));
        let entrances = served.clone();
        Some(damage.noticed_by(served).noticed_at(entrances).named(&[&format!("istiod of {to}"), &of]))
    };
    planned.filter_map(secret).collect()
}

/// What lets other networks in.
fn gateways(lab: &Lab, cluster: &LabCluster) -> Vec<Break> {
    let others = || lab.data_clusters().filter(|c| c.network != cluster.network);
    if cluster.east_west_endpoint().is_none() || others().next().is_none() {
        return Vec::new();
    }
    let mut all = Vec::new();
    let stopped = Break::of(cluster, "stopped", stopped(ISTIO_NAMESPACE, EAST_WEST_GATEWAY));
    // Whoever gets its configuration through the gateway keeps what it has.
    all.push(stopped.noticed_by(others()).noticed_at(others()).named(&["gateway", &cluster.name]));
    if lab.is_config_cluster(cluster) && lab.is_multi_network() {
        let opens = identity("networking.istio.io/v1", "Gateway", ISTIO_NAMESPACE, "cross-network-gateway");
        // It opens the gateways of all clusters whose istiod reads it.
        let opened: Vec<&LabCluster> =
            lab.data_clusters().filter(|c| lab.config_cluster(c).name == cluster.name).collect();
        let callers = lab.data_clusters().filter(|c| opened.iter().any(|o| o.network != c.network));
        let entrances = callers.clone();
        let closed = Break::of(cluster, "deleted", Damage::Deleted(opens));
        all.push(closed.noticed_by(callers).noticed_at(entrances).named(&["gateway", "listen"]));
    }
    // Other meshes are told the address, and read no label.
    let is_found = lab.meshed_with(cluster).any(|c| c.network != cluster.network);
    if !lab.mesh.mesh_networks && is_found {
        let service = identity("v1", "Service", ISTIO_NAMESPACE, EAST_WEST_GATEWAY);
        let patch = json!({ "metadata": { "labels": { "topology.istio.io/network": "elsewhere" } } });
        let astray = Break::of(cluster, "labelled with another network", Damage::Changed { identity: service, patch });
        all.push(astray.noticed_by(others()).noticed_at(others()).named(&["network", &cluster.name]));
    }
    all
}

/// What lets calls from outside in.
fn entrance(lab: &Lab, cluster: &LabCluster) -> Option<Break> {
    let has = cluster.addresses.contains_key(&Gateway::IngressGateway);
    let stopped = Break::of(cluster, "stopped", stopped(ISTIO_NAMESPACE, INGRESS_GATEWAY));
    let is_called = lab.checks.iter().any(Check::is_through_ingress);
    (has && is_called).then(|| stopped.noticed_at([cluster]).named(&["ingress gateway", &cluster.name]))
}

/// helloworld, and the Service by which callers know it.
fn own_apps(lab: &Lab) -> Vec<Break> {
    let mut all = Vec::new();
    let mut known = BTreeSet::new();
    for hello in helloworlds(lab) {
        let Some(cluster) = lab.cluster(hello.cluster) else { continue };
        let name = format!("helloworld-{}", hello.version);
        let gone = Break::of(cluster, "stopped", stopped(APP_NAMESPACE, &name));
        all.push(gone.noticed(lab).named(&[&hello.version, &cluster.name]));
        known.insert(cluster.name.clone());
    }
    if !known.is_empty() {
        for cluster in lab.data_clusters() {
            let service = Damage::Deleted(identity("v1", "Service", APP_NAMESPACE, "helloworld"));
            all.push(
                Break::of(cluster, "deleted", service)
                    .noticed(lab)
                    .named(&["Service sample/helloworld", &cluster.name]),
            );
        }
        for cluster in lab.data_clusters().filter(|c| lab.is_entered(c) && lab.is_config_cluster(c)) {
            let route = identity("networking.istio.io/v1", "VirtualService", ISTIO_NAMESPACE, HELLOWORLD_INGRESS);
            let is_called = lab.checks.iter().any(|c| matches!(c, Check::Rotation { through: Through::Ingress, .. }));
            let read = lab.data_clusters().filter(|c| lab.config_cluster(c).name == cluster.name);
            let gone = Break::of(cluster, "deleted", Damage::Deleted(route)).noticed_at(read);
            all.extend(is_called.then(|| gone.named(&["ingress gateway"])));
        }
    }
    all
}

/// The objects of the user's own.
fn of_user(lab: &Lab, cluster: &LabCluster) -> Vec<Break> {
    let manifests = lab.apps.iter().filter_map(|app| if let App::Manifests(m) = app { Some(m) } else { None });
    let objects = manifests.filter(|m| m.is_in(&cluster.name)).flat_map(|m| {
        m.objects.iter().map(|object| {
            let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
            let namespace = text("/metadata/namespace").or_else(|| m.namespace.clone());
            (text("/apiVersion"), text("/kind"), namespace, text("/metadata/name"))
        })
    });
    let broken = objects.filter_map(|(version, kind, namespace, name)| {
        let (version, kind, name) = (version?, kind?, name?);
        if PASSED_OVER.contains(&kind.as_str()) {
            return None;
        }
        let namespace = namespace.unwrap_or_else(|| "default".to_owned());
        let deleted = Damage::Deleted(identity(&version, &kind, &namespace, &name));
        let gone = Break::of(cluster, "deleted", deleted).noticed(lab).named(&[&name, &cluster.name]);
        Some(Break { is_own: false, ..gone })
    });
    broken.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab(text: &str) -> Lab {
        let scenario =
            crate::scenario::parse(text, "a.yaml").unwrap_or_else(|e| panic!("{}", crate::scenario::render(&e)));
        crate::plan::resolve(&scenario).expect("a lab")
    }

    fn told(lab: &Lab) -> Vec<String> {
        breaks(lab).iter().map(|b| b.what.clone()).collect()
    }

    #[test]
    fn what_two_primaries_on_two_networks_cannot_do_without() {
        let lab = lab("name: a\nclusters: [c1, c2]\n");
        let all = told(&lab);
        for what in [
            "Secret istio-system/istio-remote-secret-c2 of c1 deleted",
            "Deployment istio-system/istio-eastwestgateway of c2 stopped",
            "Gateway istio-system/cross-network-gateway of c1 deleted",
            "Service istio-system/istio-eastwestgateway of c1 labelled with another network",
            "Deployment sample/helloworld-v2 of c2 stopped",
            "Service sample/helloworld of c1 deleted",
        ] {
            assert!(all.iter().any(|w| w == what), "{what}: {all:#?}");
        }
        let secret = breaks(&lab).into_iter().find(|b| b.what.contains("remote-secret-c2")).expect("a secret");
        assert_eq!(secret.callers.into_iter().collect::<Vec<_>>(), ["c1"], "only c1 reads c2");
    }

    #[test]
    fn one_network_has_no_gateway_to_lose() {
        let all = told(&lab("name: a\nclusters: [{ name: c1, network: n }, { name: c2, network: n }]\n"));
        assert!(!all.iter().any(|w| w.contains("gateway")), "{all:#?}");
    }

    #[test]
    fn what_the_user_brings_is_broken_where_it_is() {
        let text = "name: a\nclusters: [c1, c2]\napps:\n  - helloworld\n  - sleep\n  - manifests:\n      name: m\n      clusters: [c2]\n      namespace: shop\n      objects:\n        - { apiVersion: v1, kind: ConfigMap, metadata: { name: x }, data: { a: b } }\n        - { apiVersion: v1, kind: ServiceAccount, metadata: { name: y } }\n";
        let users: Vec<String> = breaks(&lab(text)).into_iter().filter(|b| !b.is_own).map(|b| b.what).collect();
        assert_eq!(users, ["ConfigMap shop/x of c2 deleted"]);
    }
}
