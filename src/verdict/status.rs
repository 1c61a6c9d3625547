//! What a lab is like at one moment, as far as it could be asked.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One look at a lab.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabStatus {
    /// The lab.
    pub lab: String,
    /// Its mesh in words.
    pub mesh: String,
    /// The Docker network that the nodes are on, with its subnet.
    pub docker_network: String,
    /// The clusters in the scenario's order.
    pub clusters: Vec<ClusterStatus>,
    /// The federation, if there is one.
    pub federation: Option<FederationStatus>,
    /// What is broken on purpose.
    pub faults: Vec<FaultStatus>,
    /// Services whose calls reach this machine (`lab mirror`), each as `calls to helloworld.sample:5000 in c1 reach port 8080 of this machine`.
    pub mirrors: Vec<String>,
    /// The last verdict, if there was one.
    pub last_verdict: Option<LastVerdict>,
}

/// One cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    /// Its name in the scenario.
    pub name: String,
    /// Istio's network.
    pub network: String,
    /// The cluster whose control plane it uses.
    pub primary: String,
    /// Who controls it, in words.
    pub controlled_by: String,
    /// `ready`, `no answer` or `not built`.
    pub api_server: &'static str,
    /// Where other networks reach it, as planned.
    pub east_west_gateway: Option<String>,
    /// Its nodes, running or not.
    pub nodes: Vec<NodeStatus>,
    /// Its istiod, if it runs one.
    pub istiod: Option<Replicas>,
    /// What its istiod watches beside its own cluster.
    pub remote_clusters: Vec<RemoteCluster>,
    /// Gateways, and what else has a load balancer's address.
    pub gateways: Vec<GatewayStatus>,
    /// What runs in it but for what lab itself installs.
    pub apps: Vec<AppStatus>,
    /// The Envoys in it that an istiod knows.
    pub proxies: Vec<ProxyStatus>,
    /// What could not be asked, and why.
    pub unanswered: Vec<String>,
}

/// What stands for Docker's words about a node that is no container of lab's.
pub const FOREIGN_NODE: &str = "not lab's";

/// A node of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// Its name, which is its container's too.
    pub name: String,
    /// Whether its container runs.
    pub running: bool,
    /// Docker's words about its container; that it is not there, or where it is not attached.
    pub status: String,
    /// Its address on the lab's network.
    pub address: Option<String>,
    /// Whether Kubernetes says that it is ready; unknown when it could not be asked.
    pub ready: Option<bool>,
}

/// How many replicas are ready, and how many must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replicas {
    /// So many are ready.
    pub ready: i32,
    /// So many must be.
    pub wanted: i32,
}

impl std::fmt::Display for Replicas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{} of {}", self.ready, self.wanted))
    }
}

/// A cluster that an istiod watches, or should.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemoteCluster {
    /// Its name.
    pub name: String,
    /// What istiod says of it, as `synced`; `not watched` when it does not know the cluster.
    pub sync: String,
}

/// A gateway of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatewayStatus {
    /// What it is, in words.
    pub name: &'static str,
    /// Address and, for a node port, port, as planned.
    pub planned: String,
    /// The addresses that its Service has, the planned one for a node port; unknown when it could not be asked.
    pub addresses: Option<Vec<String>>,
    /// Its pods; unknown when they could not be asked.
    pub replicas: Option<Replicas>,
}

/// Something that runs pods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppStatus {
    /// Its namespace.
    pub namespace: String,
    /// Its kind, as `Deployment`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its pods.
    pub replicas: Replicas,
}

/// An Envoy, as its istiod sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProxyStatus {
    /// `POD.NAMESPACE`.
    pub name: String,
    /// `sidecar` or `router`, which is a gateway.
    pub kind: String,
    /// Whether it has taken everything that it was sent.
    pub synced: bool,
    /// Kinds of configuration that it was sent and has not answered yet, as `Listener`.
    pub pending: Vec<String>,
    /// What it refused (a NACK): by kind of configuration, its own words.
    pub rejected: BTreeMap<String, String>,
}

/// Karmada and its members.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FederationStatus {
    /// The cluster that runs it.
    pub manager: String,
    /// `ready`, `no answer` or `not built`.
    pub api: &'static str,
    /// The members in the scenario's order.
    pub members: Vec<MemberStatus>,
}

/// A member of a federation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberStatus {
    /// The cluster.
    pub cluster: String,
    /// `push` or `pull`.
    pub mode: &'static str,
    /// Whether Karmada says that it is ready; unknown when it could not be asked.
    pub ready: Option<bool>,
}

/// A fault that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FaultStatus {
    /// What is so, as `istiod of c1 is gone`.
    pub fault: String,
    /// Its kind, as the command line has it.
    pub kind: &'static str,
    /// Seconds until it ends by itself; 0 where its time is over and nobody has ended it.
    pub left: u64,
}

/// The end of the last run of the checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastVerdict {
    /// Whether every check passed.
    pub passed: bool,
    /// When it was given, RFC 3339 in UTC.
    pub at: String,
    /// The causes that were found.
    pub causes: Vec<String>,
}

/// A line of istiod's `/debug/syncz`.
#[derive(Deserialize)]
struct Syncz {
    #[serde(default)]
    cluster_id: String,
    #[serde(default)]
    proxy: String,
    #[serde(default)]
    proxy_type: String,
    #[serde(default)]
    resources: BTreeMap<String, Resource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    #[serde(default)]
    sent: String,
    #[serde(default)]
    acked: String,
    #[serde(default)]
    last_error: String,
}

/// The Envoys of istiod's `/debug/syncz`, each with its cluster.
///
/// # Errors
/// It is not that: the text says how.
pub fn proxies(syncz: &str) -> Result<Vec<(String, ProxyStatus)>, String> {
    let all: Vec<Syncz> = serde_json::from_str(syncz).map_err(|e| e.to_string())?;
    let proxy = |line: Syncz| {
        let kind = |url: &str| url.rsplit('.').next().unwrap_or(url).to_owned();
        let (mut pending, mut rejected) = (Vec::new(), BTreeMap::new());
        for (url, resource) in line.resources {
            // An answer to what was sent last counts, whichever it is; istiod keeps the words of a refusal until something is taken.
            if !resource.last_error.is_empty() {
                rejected.insert(kind(&url), one_line(&resource.last_error));
            } else if resource.sent != resource.acked {
                pending.push(kind(&url));
            }
        }
        let synced = pending.is_empty() && rejected.is_empty();
        (line.cluster_id, ProxyStatus { name: line.proxy, kind: line.proxy_type, synced, pending, rejected })
    };
    Ok(all.into_iter().map(proxy).collect())
}

/// Envoy has a line for each object that it refuses, and dozens of them for the same reason.
fn one_line(error: &str) -> String {
    const ENOUGH: usize = 300;
    let line = error.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("; ");
    match line.char_indices().nth(ENOUGH) {
        Some((end, _)) => format!("{} …", &line[..end]),
        None => line,
    }
}

/// What an istiod says in `/debug/clusterz` of those that it must watch, in their order, and of others that it watches as well.
///
/// # Errors
/// It is not that: the text says how.
pub fn remote_clusters(clusterz: &str, own: &str, expected: &[&str]) -> Result<Vec<RemoteCluster>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Line {
        id: String,
        #[serde(default)]
        sync_status: String,
    }
    let mut lines: Vec<Line> = serde_json::from_str(clusterz).map_err(|e| e.to_string())?;
    lines.retain(|line| line.id != own);
    let mut all: Vec<RemoteCluster> = Vec::new();
    for name in expected.iter().filter(|name| **name != own) {
        let found = lines.iter().position(|line| line.id == *name).map(|at| lines.remove(at).sync_status);
        let sync = found.unwrap_or_else(|| "not watched".to_owned());
        all.push(RemoteCluster { name: (*name).to_owned(), sync });
    }
    all.extend(lines.into_iter().map(|line| RemoteCluster { name: line.id, sync: line.sync_status }));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYNCZ: &str = r#"[
      {"cluster_id":"c1","proxy":"sleep-1.sample","proxy_type":"sidecar","resources":{
        "type.googleapis.com/envoy.config.cluster.v3.Cluster":{"sent":"a","acked":"a","sentTime":"2026-01-01T00:00:00Z"},
        "type.googleapis.com/envoy.config.listener.v3.Listener":{"sent":"b","acked":"a","lastError":"no such filter\n 0.0.0.0_80: neither\n"}}},
      {"cluster_id":"c2","proxy":"gateway-1.istio-system","proxy_type":"router","resources":{
        "type.googleapis.com/envoy.config.route.v3.RouteConfiguration":{"sent":"b","acked":"a"}}},
      {"cluster_id":"c2","proxy":"sleep-2.sample","proxy_type":"sidecar"}]"#;

    #[test]
    fn a_refusal_is_no_delay() {
        let all = proxies(SYNCZ).expect("JSON");
        let of =
            |at: usize| (all[at].0.as_str(), all[at].1.synced, all[at].1.pending.clone(), all[at].1.rejected.len());
        assert_eq!(of(0), ("c1", false, vec![], 1));
        assert_eq!(all[0].1.rejected["Listener"], "no such filter; 0.0.0.0_80: neither");
        assert_eq!(one_line(&"é".repeat(400)).chars().count(), 302);
        assert_eq!(of(1), ("c2", false, vec!["RouteConfiguration".to_owned()], 0));
        assert_eq!(of(2), ("c2", true, vec![], 0));
        assert!(proxies("not ready").is_err());
    }

    #[test]
    fn a_cluster_that_is_not_watched_is_told() {
        let clusterz = r#"[{"id":"c1","secretName":"","syncStatus":"synced"},
            {"id":"c3","secretName":"istio-system/x","syncStatus":"timeout"},{"id":"zz","syncStatus":"synced"}]"#;
        let all = remote_clusters(clusterz, "c1", &["c1", "c2", "c3"]).expect("JSON");
        let all: Vec<(&str, &str)> = all.iter().map(|r| (r.name.as_str(), r.sync.as_str())).collect();
        assert_eq!(all, [("c2", "not watched"), ("c3", "timeout"), ("zz", "synced")]);
    }
}
