//! Clusters that lab did not make, as they are in a lab. Pure.

use super::render::EAST_WEST_PORT;
use super::{Lab, LabCluster};
use crate::scenario::{Existing, FoundGateway, Gateway};

/// Puts what was found into a cluster, in the place of what lab would decide.
pub(super) fn place(cluster: &mut LabCluster, existing: &Existing) {
    (cluster.pool, cluster.published_gateway) = (None, None);
    cluster.addresses.clear();
    cluster.reserved.clear();
    cluster.revision.clone_from(&existing.revision);
    if let Some(endpoint) = existing.east_west_gateway.as_ref().and_then(FoundGateway::endpoint) {
        // What is at another port is known by both.
        if endpoint.port() == EAST_WEST_PORT {
            cluster.addresses.insert(Gateway::EastWestGateway, *endpoint.ip());
        } else {
            cluster.published_gateway = Some(endpoint);
        }
    }
    if let Some(endpoint) = existing.ingress_gateway.as_ref().and_then(FoundGateway::endpoint) {
        cluster.addresses.insert(Gateway::IngressGateway, *endpoint.ip());
    }
    cluster.existing = Some(existing.clone());
}

impl Lab {
    /// A command as it reaches clusters that lab did not make: by the user's own kubeconfig, in the place of the context that `lab kubeconfig` names.
    #[must_use]
    pub fn reached(&self, command: &str) -> String {
        let mut words: Vec<String> = command.split(' ').map(str::to_owned).collect();
        for at in 1..words.len() {
            let known = self.clusters.iter().filter_map(|c| Some((self.context(c), c.place()?)));
            let found = known.into_iter().find(|(context, _)| words[at - 1] == "--context" && words[at] == *context);
            if let Some((_, (kubeconfig, context))) = found {
                words[at - 1] = format!("--kubeconfig {} --context", quoted(kubeconfig));
                words[at] = quoted(context);
            }
        }
        words.join(" ")
    }
}

/// A word as a shell reads it as this text.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@=+,".contains(c);
    if text.chars().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

impl LabCluster {
    /// The ID by which Istio knows the cluster.
    #[must_use]
    pub fn id(&self) -> &str {
        self.existing.as_ref().and_then(|e| e.cluster_id.as_deref()).unwrap_or(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::resolve;
    use crate::scenario::parse;

    #[test]
    fn commands_lead_there_by_the_users_own_kubeconfig() {
        let text = "name: a\nmesh: { existing: true }\nclusters: [{ name: c1, existing: { kubeconfig: /k, context: east } }, { name: c10, existing: { kubeconfig: /a b, context: x } }]\n";
        let lab = resolve(&parse(text, "x").expect("a scenario")).expect("a lab");
        assert_eq!(
            lab.reached(
                "see: kubectl --context lab-a-c1 get pods; kubectl --context lab-a-c10 get x --context lab-b-c1"
            ),
            "see: kubectl --kubeconfig /k --context east get pods; kubectl --kubeconfig '/a b' --context x get x --context lab-b-c1"
        );
        let own = resolve(&parse("name: a\nclusters: [c1]\n", "x").expect("a scenario")).expect("a lab");
        assert_eq!(own.reached("kubectl --context lab-a-c1 get pods"), "kubectl --context lab-a-c1 get pods");
    }
}
