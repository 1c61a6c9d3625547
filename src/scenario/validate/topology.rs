//! Rules for topology, primaries and networks.

use super::{Draft, Located, Problems, Topology, TopologyProblem, known_cluster};
use crate::scenario::read::unknown_value;

/// The topology of that name, and what is not built yet.
pub(super) fn parse(name: &Located<String>, problems: &mut Problems) -> Topology {
    let topology = match name.value.as_str() {
        "multi-primary" => return Topology::MultiPrimary,
        "primary-remote" => Topology::PrimaryRemote,
        "external" => Topology::External,
        other => {
            let allowed = ["multi-primary", "primary-remote", "external"];
            problems.add(name.span, unknown_value("topology", other, &allowed));
            return Topology::default();
        }
    };
    let what = format!("topology `{}`", name.value);
    problems.add(
        name.span,
        TopologyProblem::NotBuilt { what, remedy: "leave `topology` out, or write `topology: multi-primary`" },
    );
    topology
}

/// Checks primaries and networks over all clusters.
pub(super) fn check(topology: Topology, drafts: &[Draft], problems: &mut Problems) {
    for draft in drafts {
        if let Some(primary) = &draft.primary
            && known_cluster("primary", primary, drafts, problems)
        {
            check_primary(topology, draft, primary, drafts, problems);
        }
    }
    for (i, draft) in drafts.iter().enumerate() {
        let Some(first) = drafts[..i].iter().find(|d| d.shares_network(draft)) else { continue };
        let place = |d: &Draft| d.network.as_ref().map_or(d.name.span, |n| n.span);
        let network = draft.network();
        let what = format!("clusters `{}` and `{}` share network `{network}`", first.name.value, draft.name.value);
        let remedy = "give each cluster a network of its own, or leave `network` out";
        problems
            .add(place(draft), TopologyProblem::NotBuilt { what, remedy })
            .also(place(first), "the other cluster's");
    }
}

fn check_primary(
    topology: Topology,
    draft: &Draft,
    primary: &Located<String>,
    drafts: &[Draft],
    problems: &mut Problems,
) {
    let (cluster, name) = (draft.name.value.clone(), primary.value.clone());
    if name == cluster {
        return;
    }
    if topology == Topology::MultiPrimary {
        problems.add(primary.span, TopologyProblem::RemoteInMultiPrimary { cluster, primary: name });
        return;
    }
    let of_primary = drafts.iter().find(|d| d.name.value == name).and_then(|d| d.primary.as_ref());
    if let Some(other) = of_primary.filter(|p| p.value != name) {
        let problem = TopologyProblem::PrimaryIsRemote { cluster, primary: name, other: other.value.clone() };
        problems.add(primary.span, problem).also(other.span, "it uses another control plane itself");
    }
}
