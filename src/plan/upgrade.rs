//! A cluster whose Istio becomes another one: the control planes that it has meanwhile, by revision. Pure.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Lab, LabCluster};
use crate::scenario::{Matrix, Minor, Product};

/// A control plane beside the one that new pods of a cluster get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Beside {
    /// Its version, as [`crate::scenario::Versions`] has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub istio: Option<Minor>,
    /// Its revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

/// The revision under which a version comes beside another.
#[must_use]
pub fn revision_of(version: Minor) -> String {
    version.to_string().replace('.', "-")
}

impl LabCluster {
    /// Name of the Deployment and of the Service of its control plane.
    #[must_use]
    pub fn istiod(&self) -> String {
        self.revision.as_ref().map_or_else(|| "istiod".to_owned(), |revision| format!("istiod-{revision}"))
    }

    /// The cluster as its other control plane has it, while there is one: the gateways are not that one's.
    #[must_use]
    pub fn with_other(&self) -> Option<Self> {
        let mut other = self.clone();
        other.swap()?;
        other.is_other = true;
        other.addresses.clear();
        other.published_gateway = None;
        Some(other)
    }

    /// The cluster as its control plane of that revision has it.
    #[must_use]
    pub fn of_revision(&self, revision: Option<&str>) -> Cow<'_, Self> {
        let is_meant = |cluster: &Self| cluster.revision.as_deref() == revision;
        if is_meant(self) {
            return Cow::Borrowed(self);
        }
        self.with_other().filter(is_meant).map_or(Cow::Borrowed(self), Cow::Owned)
    }

    /// Whether it was ever upgraded: its nodes may then lack images of its Istio.
    #[must_use]
    pub fn is_upgraded(&self) -> bool {
        self.revision.is_some() || self.beside.is_some()
    }

    /// Has new pods get the other control plane, and the one that they get now stay beside it; nothing where there is no other.
    fn swap(&mut self) -> Option<()> {
        let Beside { istio, revision } = self.beside.take()?;
        let beside = Beside { istio: self.versions.istio, revision: self.revision.take() };
        (self.versions.istio, self.revision, self.beside) = (istio, revision, Some(beside));
        Some(())
    }
}

/// The way of a lab to another version of Istio, and back: both are the same way.
#[derive(Clone, Copy, Debug)]
pub struct Upgrade {
    /// The version.
    pub to: Minor,
    /// Which sources serve the lab, packages and registry: what nobody asks for is the newest that they have.
    pub sources: (bool, bool),
}

impl Upgrade {
    /// The version that a cluster runs.
    #[must_use]
    pub fn from(self, cluster: &LabCluster) -> Minor {
        self.version(cluster.versions.istio)
    }

    /// The version that is beside it.
    #[must_use]
    pub fn beside(self, cluster: &LabCluster) -> Option<Minor> {
        cluster.beside.as_ref().map(|beside| self.version(beside.istio))
    }

    fn version(self, asked: Option<Minor>) -> Minor {
        Matrix::embedded().effective(Product::Istio, asked, self.sources)
    }

    /// Whether new pods of a cluster get the version already.
    #[must_use]
    pub fn is_over(self, cluster: &LabCluster) -> bool {
        self.from(cluster) == self.to
    }

    /// Whether nothing is left to be done in the whole lab.
    #[must_use]
    pub fn is_done(self, lab: &Lab) -> bool {
        lab.istio_clusters().all(|c| self.is_over(c) && c.beside.is_none())
    }

    /// Whether some cluster has the version already, and another one besides: this way was begun, or leads back from half-way.
    #[must_use]
    pub fn is_begun(self, lab: &Lab) -> bool {
        lab.istio_clusters().any(|c| c.beside.is_some())
    }

    /// The lab with a control plane of the version beside that of a cluster.
    #[must_use]
    pub fn with_beside(self, lab: &Lab, cluster: &str) -> Lab {
        changed(lab, cluster, |cluster| {
            if cluster.beside.is_none() && !self.is_over(cluster) {
                cluster.beside = Some(Beside { istio: Some(self.to), revision: Some(revision_of(self.to)) });
            }
        })
    }

    /// The lab in which new pods of a cluster get the version, if it is beside the one that they get now.
    #[must_use]
    pub fn with_over(self, lab: &Lab, cluster: &str) -> Lab {
        changed(lab, cluster, |cluster| {
            if self.beside(cluster) == Some(self.to) {
                cluster.swap();
            }
        })
    }

    /// The lab without the control planes that no pod has any more.
    #[must_use]
    pub fn retired(lab: &Lab) -> Lab {
        let mut lab = lab.clone();
        lab.clusters.iter_mut().for_each(|cluster| cluster.beside = None);
        lab
    }
}

fn changed(lab: &Lab, cluster: &str, change: impl Fn(&mut LabCluster)) -> Lab {
    let mut lab = lab.clone();
    lab.clusters.iter_mut().filter(|c| c.name == cluster).for_each(change);
    lab
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Action, Plan, StepId, resolve};
    use crate::scenario::parse;

    fn lab() -> Lab {
        let text = "name: x\nversions: { istio: '1.31' }\nclusters: [c1, c2]\n";
        resolve(&parse(text, "x").expect("a scenario")).expect("a lab")
    }

    fn to(version: &str) -> Upgrade {
        Upgrade { to: version.parse().expect("a version"), sources: (true, false) }
    }

    fn steps(lab: &Lab) -> Vec<String> {
        let of_istiod = |id: &&StepId| matches!(id.verb(), "istiod" | "render-istio" | "istio-images");
        let plan = Plan::of(lab);
        let mut steps: Vec<String> =
            plan.steps.iter().map(|s| &s.id).filter(of_istiod).map(|id| id.0.clone()).collect();
        steps.sort();
        steps.retain(|id| id.contains("c1"));
        steps
    }

    #[test]
    fn a_control_plane_keeps_its_steps_whichever_pods_get() {
        let (old, up) = (lab(), to("1.32"));
        assert_eq!(steps(&old), ["istiod/c1", "render-istio/c1"]);
        let beside = up.with_beside(&old, "c1");
        let both = ["istio-images/c1", "istiod/c1", "istiod/c1/1-32", "render-istio/c1", "render-istio/c1/1-32"];
        assert_eq!(steps(&beside), both);
        let over = up.with_over(&beside, "c1");
        assert_eq!(steps(&over), both);
        assert_eq!((over.clusters[0].istiod(), up.is_over(&over.clusters[0])), ("istiod-1-32".to_owned(), true));
        assert_eq!(over.clusters[1], old.clusters[1]);
        let alone = Upgrade::retired(&over);
        assert_eq!(steps(&alone), ["istio-images/c1", "istiod/c1/1-32", "render-istio/c1/1-32"]);
        assert!(
            !up.is_done(&alone) && up.is_done(&Upgrade::retired(&up.with_over(&up.with_beside(&alone, "c2"), "c2")))
        );
    }

    #[test]
    fn the_way_back_from_half_way_ends_where_it_began() {
        let (old, up, back) = (lab(), to("1.32"), to("1.31"));
        for half in [up.with_beside(&old, "c1"), up.with_over(&up.with_beside(&old, "c1"), "c1")] {
            assert!(up.is_begun(&half) && back.is_begun(&half) && !back.is_done(&half));
            let again = back.with_over(&back.with_beside(&half, "c1"), "c1");
            assert_eq!(Upgrade::retired(&again), old);
        }
        // From the end of it, the old version is one like any other.
        let there = Upgrade::retired(&up.with_over(&up.with_beside(&old, "c1"), "c1"));
        let again = Upgrade::retired(&back.with_over(&back.with_beside(&there, "c1"), "c1"));
        assert_eq!(again.clusters[0].istiod(), "istiod-1-31");
    }

    #[test]
    fn pods_are_made_once_the_control_plane_that_they_no_longer_get_has_let_go() {
        let up = to("1.32");
        let plan = Plan::of(&up.with_over(&up.with_beside(&lab(), "c1"), "c1"));
        let needs = |action: Action| plan.step(&action.id()).expect("a step").needs.clone();
        let gateway = needs(Action::EastWestGateway { cluster: "c1".to_owned() });
        assert!(gateway.contains(&StepId("istiod/c1".to_owned())), "{gateway:?}");
        let old = needs(Action::Istiod { cluster: "c1".to_owned(), revision: None });
        assert!(old.contains(&StepId("istiod/c1/1-32".to_owned())), "{old:?}");
    }

    #[test]
    fn the_gateways_are_those_of_one_control_plane() {
        let up = to("1.32");
        let beside = up.with_beside(&lab(), "c1");
        let other = beside.clusters[0].with_other().expect("another");
        assert!(other.is_other && other.addresses.is_empty() && other.east_west_endpoint().is_none());
        assert_eq!(beside.clusters[0].of_revision(Some("1-32")).into_owned(), other);
        assert_eq!(beside.clusters[0].of_revision(None).into_owned(), beside.clusters[0]);
        assert_eq!(beside.clusters[1].with_other(), None);
    }
}
