//! Rules for versions: each must be had, and those of one mesh must fit each other.

use super::{Draft, Located, Mesh, Problems, Span, Versions};
use crate::scenario::model::{Scenario, Topology};
use crate::scenario::problem::VersionProblem;
use crate::scenario::raw::RawVersions;
use crate::scenario::versions::{Matrix, Minor, Product};

/// Reads what a lab or a cluster asks for; what there is not is left out and recorded.
pub(super) fn read(raw: Option<Located<RawVersions>>, problems: &mut Problems) -> Versions {
    let Some(raw) = raw else { return Versions::default() };
    let matrix = Matrix::embedded();
    let mut known = |product: Product, version: Option<Located<String>>| {
        let version = version?;
        let minor = version.value.parse::<Minor>().ok().filter(|minor| matrix.find(product, *minor).is_some());
        if minor.is_none() {
            let there = matrix.told(product);
            problems.add(version.span, VersionProblem::Unknown { product, version: version.value, there });
        }
        minor
    };
    let kubernetes = known(Product::Kubernetes, raw.value.kubernetes);
    Versions { kubernetes, istio: known(Product::Istio, raw.value.istio) }
}

/// One cluster, as the rules see it.
struct Member {
    cluster: String,
    /// The cluster whose control plane it uses.
    uses: String,
    /// Whether Istio runs in it.
    has_istio: bool,
    versions: Versions,
}

/// The first rule that is broken, with the place of its cluster in the list.
fn broken(members: &[Member]) -> Option<(usize, VersionProblem)> {
    let matrix = Matrix::embedded();
    let all = || members.iter().map(|m| m.versions);
    let sources = matrix.served(all());
    if sources == (false, false) {
        let served = |upto: usize| matrix.served(all().take(upto + 1)) == (false, false);
        let at = (0..members.len()).find(|at| served(*at)).unwrap_or_default();
        let versions = members[at].versions.to_string();
        return Some((at, VersionProblem::NoSource { cluster: members[at].cluster.clone(), versions }));
    }
    if !members.iter().any(|m| m.has_istio)
        && let Some((at, istio)) = members.iter().enumerate().find_map(|(at, m)| Some((at, m.versions.istio?)))
    {
        return Some((at, VersionProblem::NoIstio { istio }));
    }
    let istio = |m: &Member| matrix.effective(Product::Istio, m.versions.istio, sources);
    for (at, member) in members.iter().enumerate().filter(|(_, m)| m.has_istio) {
        let (cluster, version) = (member.cluster.clone(), istio(member));
        let kubernetes = matrix.effective(Product::Kubernetes, member.versions.kubernetes, sources);
        if let Some([least, most]) = matrix.unsupported(version, kubernetes) {
            return Some((at, VersionProblem::Unsupported { cluster, istio: version, kubernetes, least, most }));
        }
        let primary = members.iter().find(|m| m.cluster == member.uses);
        if let Some(primary) = primary.filter(|primary| istio(primary) != version) {
            let (primary, of_primary) = (primary.cluster.clone(), istio(primary));
            return Some((at, VersionProblem::RemoteDiffers { cluster, istio: version, primary, of_primary }));
        }
        let far = members.iter().filter(|m| m.has_istio).find(|m| !version.may_share_a_mesh(istio(m)));
        if let Some(other) = far {
            let (other, of_other) = (other.cluster.clone(), istio(other));
            return Some((at, VersionProblem::Skew { cluster, istio: version, other, of_other }));
        }
    }
    None
}

/// The rules for a scenario whose versions were chosen on the command line.
pub(in crate::scenario) fn of_scenario(scenario: &Scenario) -> Result<(), VersionProblem> {
    let matrix = Matrix::embedded();
    if let Some((product, minor)) = scenario.versions.asked().find(|(p, minor)| matrix.find(*p, *minor).is_none()) {
        let there = matrix.told(product);
        return Err(VersionProblem::Unknown { product, version: minor.to_string(), there });
    }
    let manages = |name: &str| scenario.federation.as_ref().is_some_and(|f| f.manager == name);
    let members: Vec<Member> = scenario
        .clusters
        .iter()
        .map(|c| Member {
            cluster: c.name.clone(),
            uses: c.primary.clone(),
            has_istio: scenario.mesh.topology != Topology::None && !manages(&c.name),
            versions: scenario.versions_of(c),
        })
        .collect();
    broken(&members).map_or(Ok(()), |(_, problem)| Err(problem))
}

/// Checks what all clusters together run. The place of a mistake is the cluster's, or else the lab's.
pub(super) fn check(mesh: &Mesh, of_lab: Versions, at: Option<Span>, drafts: &[Draft], problems: &mut Problems) {
    let members: Vec<Member> = drafts
        .iter()
        .map(|d| Member {
            cluster: d.name.value.clone(),
            uses: d.uses.clone(),
            has_istio: mesh.topology != Topology::None && !d.manages,
            versions: {
                let primary = drafts.iter().find(|p| p.name.value == d.uses).map(|p| p.versions);
                d.versions.of_cluster(primary.unwrap_or_default(), of_lab)
            },
        })
        .collect();
    if let Some((which, problem)) = broken(&members) {
        let span = drafts[which].versions_at.or(at).unwrap_or(drafts[which].name.span);
        problems.add(span, problem);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_of_istio_needs_an_istio() {
        let member = |has_istio| Member {
            cluster: "c1".to_owned(),
            uses: "c1".to_owned(),
            has_istio,
            versions: Versions { istio: "1.31".parse().ok(), ..Versions::default() },
        };
        assert!(matches!(broken(&[member(false)]), Some((0, VersionProblem::NoIstio { .. }))));
        assert!(broken(&[member(true), member(false)]).is_none());
    }
}
