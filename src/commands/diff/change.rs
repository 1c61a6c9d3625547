//! What would change, and how it is told.

use schemars::JsonSchema;
use serde::Serialize;

use crate::steps::applied::line;
use crate::sys::kube::{ByHand, FieldChange};

/// What would change.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Docker networks that would be made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<NetworkChange>,
    /// Clusters, and what would be done to each as a whole.
    pub clusters: Vec<ClusterChange>,
    /// Clusters whose nodes would get other routes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteChange>,
    /// Objects that would change.
    pub objects: Vec<ObjectChange>,
    /// What runs pods that would be restarted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub restarts: Vec<Restart>,
    /// Objects of the scenario in which a person has set what the file does not say. Those are not all changed by `lab up`: only a field that
    /// has a default is set back, which is then among `objects`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by_hand: Vec<HandChange>,
}

/// What a person has set in an object of the scenario.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct HandChange {
    /// The cluster, or `karmada/api`.
    pub cluster: String,
    /// Kind, namespace and name.
    pub object: String,
    /// The fields, and who has set them.
    pub fields: Vec<ByHand>,
}

/// A Docker network that would be made.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct NetworkChange {
    /// Its name.
    pub network: String,
    /// Its subnet.
    pub subnet: String,
}

/// A cluster whose nodes would get other routes.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RouteChange {
    /// The cluster.
    pub cluster: String,
    /// How they differ from what is planned.
    pub reason: String,
}

/// What runs pods that would be restarted.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Restart {
    /// The cluster.
    pub cluster: String,
    /// Kind, namespace and name.
    pub workload: String,
    /// What of its pods is not as it would be; or by which change it may not be.
    pub reason: String,
    /// Whether it is certain. What a sidecar gets after a change is known only once the control plane has it.
    pub certain: bool,
}

/// What would be done to a cluster as a whole.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ClusterChange {
    /// Its name.
    pub cluster: String,
    /// What would be done.
    pub change: ClusterVerb,
    /// What of its nodes is the reason, as `x-c1-worker is paused`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
}

/// What would be done to a cluster as a whole. Its objects are not compared then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClusterVerb {
    /// It is not there.
    Create,
    /// Its nodes do not run, or its API server does not answer.
    Start,
    /// The scenario no longer has it.
    Remove,
}

/// What would be done to an object.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectChange {
    /// The cluster, or `karmada/api`.
    pub cluster: String,
    /// Kind, namespace and name.
    pub object: String,
    /// What would be done.
    pub change: ObjectVerb,
    /// The fields, where the object stays.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
    /// Why the API server would refuse it, or what of it cannot be changed in place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What would be done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ObjectVerb {
    /// It is not there.
    Create,
    /// Fields differ.
    Change,
    /// It cannot be changed in place, and is deleted and made anew.
    Remake,
    /// It gets back what it had before lab applied to it.
    Restore,
    /// It is no longer planned.
    Delete,
    /// The API server would refuse the change.
    Refuse,
}

impl Difference {
    /// Whether `lab up` would change nothing.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.networks.is_empty()
            && self.clusters.is_empty()
            && self.routes.is_empty()
            && self.objects.is_empty()
            && self.restarts.is_empty()
    }

    /// A line for each cluster and each object.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let networks = self.networks.iter().map(|n| format!("create   Docker network {}, {}", n.network, n.subnet));
        let clusters = self.clusters.iter().map(|c| match c.change {
            ClusterVerb::Create => format!("create   {}  the cluster, with all that is planned in it", c.cluster),
            ClusterVerb::Start => {
                let nodes = if c.nodes.is_empty() { String::new() } else { format!(" ({})", c.nodes.join(", ")) };
                format!("start    {}  its nodes{nodes}; what is in it cannot be compared before", c.cluster)
            }
            ClusterVerb::Remove => {
                format!("remove   {}  the cluster, with all that is in it: {}", c.cluster, c.nodes.join(", "))
            }
        });
        let objects = self.objects.iter().map(|o| {
            let verb = match o.change {
                ObjectVerb::Create => "create",
                ObjectVerb::Change => "change",
                ObjectVerb::Remake => "remake",
                ObjectVerb::Restore => "restore",
                ObjectVerb::Delete => "delete",
                ObjectVerb::Refuse => "refuse",
            };
            let reason = o.reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default();
            format!("{}{reason}", line(verb, &o.cluster, &o.object, &o.fields, usize::MAX))
        });
        let routes = self.routes.iter().map(|r| format!("change   {}  routes of its nodes: {}", r.cluster, r.reason));
        let restarts = self.restarts.iter().map(|r| {
            let verb = if r.certain { "restart" } else { "restart?" };
            format!("{verb:<8} {}  {}: {}", r.cluster, r.workload, r.reason)
        });
        let by_hand = self.by_hand.iter().map(|h| {
            let fields: Vec<String> = h.fields.iter().map(ToString::to_string).collect();
            format!("{}: {}", line("by hand", &h.cluster, &h.object, &[], 0), fields.join(", "))
        });
        networks.chain(clusters).chain(routes).chain(objects).chain(restarts).chain(by_hand).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_routes_and_restarts_are_told() {
        let restart = |certain| Restart {
            cluster: "c1".to_owned(),
            workload: "Deployment sample/sleep".to_owned(),
            reason: "why".to_owned(),
            certain,
        };
        let start = |nodes: &[&str]| ClusterChange {
            cluster: "c2".to_owned(),
            change: ClusterVerb::Start,
            nodes: nodes.iter().map(|n| (*n).to_owned()).collect(),
        };
        let all = Difference {
            clusters: vec![start(&["x-c2-worker is paused"]), start(&[])],
            networks: vec![NetworkChange { network: "lab-x".to_owned(), subnet: "172.30.0.0/16".to_owned() }],
            routes: vec![RouteChange { cluster: "c1".to_owned(), reason: "none".to_owned() }],
            restarts: vec![restart(true), restart(false)],
            ..Difference::default()
        };
        let lines = [
            "create   Docker network lab-x, 172.30.0.0/16",
            "start    c2  its nodes (x-c2-worker is paused); what is in it cannot be compared before",
            "start    c2  its nodes; what is in it cannot be compared before",
            "change   c1  routes of its nodes: none",
            "restart  c1  Deployment sample/sleep: why",
            "restart? c1  Deployment sample/sleep: why",
        ];
        assert_eq!(all.lines(), lines);
        assert!(!all.is_nothing() && Difference::default().is_nothing());
    }
}
