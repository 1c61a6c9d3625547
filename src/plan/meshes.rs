//! Which mesh a cluster is in. A lab has one; or several, where its scenario names one for each cluster: each with an ID, a trust domain and a root of
//! its own, and with the roots and the domains of the others trusted.

use std::collections::BTreeSet;

use super::{Lab, LabCluster, helloworlds};

impl LabCluster {
    /// Whether it is in the mesh of another cluster, so that each may know the other's services.
    #[must_use]
    pub fn is_meshed_with(&self, other: &Self) -> bool {
        self.mesh == other.mesh
    }
}

impl Lab {
    /// The names of its meshes in the order of their first clusters; none in a lab whose one mesh has no name of its own.
    #[must_use]
    pub fn meshes(&self) -> Vec<&str> {
        let mut known = BTreeSet::new();
        self.clusters.iter().filter_map(|c| c.mesh.as_deref()).filter(|mesh| known.insert(*mesh)).collect()
    }

    /// The mesh ID of a cluster.
    #[must_use]
    pub fn mesh_id<'a>(&'a self, cluster: &'a LabCluster) -> &'a str {
        cluster.mesh.as_deref().unwrap_or(&self.mesh.id)
    }

    /// The trust domain of a cluster.
    #[must_use]
    pub fn trust_domain(&self, cluster: &LabCluster) -> String {
        cluster.mesh.as_deref().map_or_else(|| self.mesh.trust_domain.clone(), trust_domain)
    }

    /// The trust domains of the other meshes, whose workloads a cluster lets in as well.
    #[must_use]
    pub fn trusted_domains(&self, cluster: &LabCluster) -> Vec<String> {
        self.meshes().into_iter().filter(|mesh| Some(*mesh) != cluster.mesh.as_deref()).map(trust_domain).collect()
    }

    /// The clusters of a cluster's mesh that run apps, itself included.
    pub fn meshed_with<'a>(&'a self, cluster: &'a LabCluster) -> impl Iterator<Item = &'a LabCluster> + Clone {
        self.data_clusters().filter(|c| c.is_meshed_with(cluster))
    }

    /// Every version of helloworld in the mesh of a cluster once, in alphabetical order.
    #[must_use]
    pub fn versions_meshed_with(&self, cluster: &LabCluster) -> Vec<String> {
        let here = |name: &str| self.cluster(name).is_some_and(|c| c.is_meshed_with(cluster));
        let versions: BTreeSet<String> = helloworlds(self).filter(|h| here(h.cluster)).map(|h| h.version).collect();
        versions.into_iter().collect()
    }

    /// Its meshes, each with its clusters, as `mesh1` or `east (c1), west (c2, c3)`.
    #[must_use]
    pub fn meshes_in_words(&self) -> String {
        let of = |mesh: &str| {
            let clusters = self.clusters.iter().filter(|c| c.mesh.as_deref() == Some(mesh));
            format!("{mesh} ({})", clusters.map(|c| c.name.as_str()).collect::<Vec<_>>().join(", "))
        };
        match self.meshes()[..] {
            [] => self.mesh.id.clone(),
            ref meshes => meshes.iter().map(|mesh| of(mesh)).collect::<Vec<_>>().join(", "),
        }
    }
}

/// The trust domain of a mesh of this name.
fn trust_domain(mesh: &str) -> String {
    format!("{mesh}.local")
}

#[cfg(test)]
mod tests {
    use crate::plan::render::{Images, istio_operator};
    use crate::plan::{Action, Lab, Plan, resolve};
    use crate::scenario::parse;

    fn lab() -> Lab {
        let text = "name: demo\nmesh: { meshNetworks: true }\nclusters: [{ name: c1, mesh: east }, { name: c2, mesh: west }, { name: c3, mesh: east }]\n";
        resolve(&parse(text, "lab.yaml").expect("a scenario")).expect("a lab")
    }

    #[test]
    fn control_planes_read_the_clusters_of_their_mesh_alone() {
        let lab = lab();
        let mut secrets: Vec<String> = Plan::of(&lab)
            .steps
            .iter()
            .filter(|s| matches!(s.action, Action::RemoteSecret { .. }))
            .map(|s| s.id.to_string())
            .collect();
        secrets.sort();
        assert_eq!(secrets, ["remote-secret/c1/c3", "remote-secret/c3/c1"]);
        assert_eq!(lab.versions_meshed_with(&lab.clusters[0]), ["v1", "v3"]);
        assert_eq!(lab.versions_meshed_with(&lab.clusters[1]), ["v2"]);
        assert_eq!(lab.meshes_in_words(), "east (c1, c3), west (c2)");
    }

    #[test]
    fn each_mesh_has_its_own_domain_and_lets_the_others_in() {
        let lab = lab();
        let of =
            |i: usize| istio_operator(&lab, &lab.clusters[i], &Images::new(), &serde_json::Value::Null)["spec"].clone();
        let (east, west) = (of(0), of(1));
        assert_eq!(east["meshConfig"]["trustDomain"], "east.local");
        assert_eq!(east["meshConfig"]["trustDomainAliases"], serde_json::json!(["west.local"]));
        assert_eq!(west["values"]["global"]["meshID"], "west");
        let networks = west["values"]["global"]["meshNetworks"].as_object().expect("networks");
        assert_eq!(networks.keys().collect::<Vec<_>>(), ["network-c2"]);
    }
}
