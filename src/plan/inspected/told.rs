//! What of a mesh a reader should know: what is missing, who watches whom, and whether all trust one root.

use std::collections::{BTreeMap, BTreeSet};

use super::ClusterFacts;
use super::mesh::{FoundCluster, Role, east_west, is_of};
use crate::plan::render::EAST_WEST_PORT;

/// Tells of gateways that are missing, or have no address.
pub(super) fn gateways(
    facts: &[ClusterFacts],
    roles: &[Role],
    clusters: &[FoundCluster],
    listed: bool,
    warnings: &mut Vec<String>,
) {
    let members = || facts.iter().zip(roles).zip(clusters).filter(|((_, role), _)| **role != Role::Host);
    let networks: BTreeSet<&str> = members().map(|(_, c)| c.network.as_str()).collect();
    if networks.len() < 2 {
        return;
    }
    for ((f, _), cluster) in members() {
        let name = &cluster.name;
        match &cluster.existing.east_west_gateway {
            None => warnings.push(format!("{name}: no east-west gateway was found (a Service with port {EAST_WEST_PORT} for its network), so no other network reaches it")),
            Some(gateway) if gateway.address.is_none() => warnings.push(format!("{name}: Service {} has no address, so no other network reaches it", gateway.service)),
            Some(gateway) if gateway.endpoint().is_none() => warnings.push(format!(
                "{name}: the address of {} is a name, so endpoints that lead there are not compared", gateway.service
            )),
            Some(gateway) => {
                let found = east_west(&f.gateways).and_then(|g| g.network.as_deref());
                if found != Some(&cluster.network) && !listed {
                    let said = found.map_or_else(|| "has no label".to_owned(), |n| format!("says {n} by its label"));
                    warnings.push(format!("{name}: Service {} {said} topology.istio.io/network, and the cluster is on {}", gateway.service, cluster.network));
                }
            }
        }
    }
}

/// Tells which istiod watches which cluster.
pub(super) fn watched(
    facts: &[ClusterFacts],
    roles: &[Role],
    ids: &[String],
    names: &[String],
    remarks: &mut Vec<String>,
    warnings: &mut Vec<String>,
) {
    for (at, f) in facts.iter().enumerate().filter(|(at, _)| roles[*at] != Role::Remote) {
        if let Some(why) = &f.secrets_unread {
            warnings.push(format!("{}: whom its istiod watches cannot be told: {why}", names[at]));
            continue;
        }
        let secrets = &f.secrets;
        let watches =
            |o: &usize| secrets.iter().any(|s| s.id.as_deref() == Some(ids[*o].as_str()) || is_of(s, &facts[*o]));
        let others = (0..facts.len()).filter(|o| *o != at && roles[*o] != Role::Host);
        let (known, missed): (Vec<usize>, Vec<usize>) = others.partition(watches);
        let list = |of: &[usize]| of.iter().map(|o| names[*o].as_str()).collect::<Vec<_>>().join(", ");
        if !known.is_empty() {
            remarks.push(format!("istiod of {} watches {}", names[at], list(&known)));
        }
        if !missed.is_empty() {
            warnings.push(format!(
                "istiod of {} has no remote secret for {}, so it does not know their endpoints",
                names[at],
                list(&missed)
            ));
        }
        let strangers: Vec<&str> =
            secrets.iter().filter_map(|s| s.id.as_deref()).filter(|id| !ids.iter().any(|known| known == id)).collect();
        if !strangers.is_empty() {
            remarks.push(format!(
                "istiod of {} also watches {}, for which no context was named",
                names[at],
                strangers.join(", ")
            ));
        }
    }
}

/// Tells whether all pods trust one root.
pub(super) fn roots(
    facts: &[ClusterFacts],
    roles: &[Role],
    names: &[String],
    remarks: &mut Vec<String>,
    warnings: &mut Vec<String>,
) {
    let mut by_root: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for ((f, _), name) in facts.iter().zip(roles).zip(names).filter(|((_, role), _)| **role != Role::Host) {
        match &f.root {
            Some(root) => by_root.entry(fingerprint(root)).or_default().push(name),
            None => warnings.push(format!(
                "{name}: its root certificate cannot be told (no ConfigMap istio-system/istio-ca-root-cert)"
            )),
        }
    }
    match by_root.len() {
        0 => {}
        1 => remarks.extend(
            by_root
                .into_iter()
                .map(|(root, names)| format!("root certificate {root} (SHA-256) in {}", names.join(", "))),
        ),
        _ => {
            let all: Vec<String> =
                by_root.into_iter().map(|(root, names)| format!("{root} in {}", names.join(", "))).collect();
            warnings.push(format!(
                "the clusters do not trust the same root certificate, so mutual TLS between them fails: {} (SHA-256)",
                all.join("; ")
            ));
        }
    }
}

fn fingerprint(pem: &str) -> String {
    use sha2::Digest as _;
    format!("{:x}", sha2::Sha256::digest(pem.trim().as_bytes()))[..12].to_owned()
}
