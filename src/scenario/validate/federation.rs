//! Rules for a federation.

use std::collections::BTreeMap;

use super::{Draft, Located, Mesh, Problems, data_cluster, known_cluster, manifests};
use crate::scenario::model::{Federation, FederationFailover, Member, MemberMode};
use crate::scenario::problem::FederationProblem;
use crate::scenario::raw::{RawFederation, RawMember, TOLERATION};

/// Says of each draft whether it runs Karmada.
pub(super) fn assign(federation: Option<&Located<RawFederation>>, drafts: &mut [Draft]) {
    let manager = federation.and_then(|f| f.value.manager.as_ref()).map(|m| m.value.as_str());
    for draft in drafts {
        draft.manages = manager == Some(draft.name.value.as_str());
    }
}

/// The federation, with all that is wrong with it recorded.
pub(super) fn read(
    raw: Located<RawFederation>,
    mesh: &Mesh,
    drafts: &[Draft],
    problems: &mut Problems,
) -> Option<Federation> {
    let Located { value: mut raw, span } = raw;
    let manager = raw.manager.filter(|m| known_cluster("manager", m, drafts, problems));
    for draft in drafts {
        roles(draft, drafts, problems);
    }
    let members = if let Some(named) = raw.members {
        members(named.value, drafts, problems)
    } else {
        let all = drafts.iter().filter(|d| !d.is_outside());
        all.map(|d| Member { cluster: d.name.value.clone(), mode: MemberMode::Push }).collect()
    };
    // Members that were refused are no lack of members.
    if members.is_empty() && manager.is_some() && problems.count() == 0 {
        problems.add(span, FederationProblem::NoMembers);
    }
    let failover = raw.failover.map(|f| {
        let toleration_seconds = f.value.toleration_seconds.map_or(TOLERATION, |seconds| seconds.value);
        FederationFailover { toleration_seconds }
    });
    let objects = manifests::federated(raw.manifests.take_objects(), mesh, problems);
    Some(Federation { manager: manager?.value, members, failover, objects })
}

/// What the manager must not be to the mesh.
fn roles(draft: &Draft, drafts: &[Draft], problems: &mut Problems) {
    let Some(primary) = &draft.primary else {
        return;
    };
    let is_manager = |name: &str| drafts.iter().any(|d| d.manages && d.name.value == name);
    let own = primary.value == draft.name.value;
    let (what, remedy) = if draft.manages && !own {
        ("it has a `primary`", "remove `primary`")
    } else if !own && is_manager(&primary.value) {
        ("another cluster names it as `primary`", "name a cluster of the mesh, or another manager")
    } else {
        return;
    };
    let cluster = if draft.manages { &draft.name.value } else { &primary.value };
    problems.add(primary.span, FederationProblem::ManagerInMesh { cluster: cluster.clone(), what, remedy });
}

fn members(named: Vec<Located<RawMember>>, drafts: &[Draft], problems: &mut Problems) -> Vec<Member> {
    let mut seen: BTreeMap<String, Located<String>> = BTreeMap::new();
    let mut modes = BTreeMap::new();
    for Located { value: RawMember { cluster, mode }, .. } in named {
        // That it is missing is recorded.
        let Some(cluster) = cluster else { continue };
        let mode = mode.map_or(MemberMode::Push, |mode| mode.value);
        let name = cluster.value.clone();
        if drafts.iter().any(|d| d.manages && d.name.value == name) {
            problems.add(cluster.span, FederationProblem::ManagerIsMember { cluster: name });
            continue;
        }
        data_cluster("members", &cluster, drafts, problems);
        if let Some(first) = seen.get(&name) {
            let problem = FederationProblem::SameMember { cluster: name };
            problems.add(cluster.span, problem).also(first.span, "first named here");
            continue;
        }
        modes.insert(name.clone(), mode);
        seen.insert(name, cluster);
    }
    // In the scenario's order, so that a list of all and none are the same.
    let known = drafts.iter().map(|d| d.name.value.clone());
    known.filter_map(|cluster| Some(Member { mode: *modes.get(&cluster)?, cluster })).collect()
}
