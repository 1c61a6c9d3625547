//! Rules for clusters whose nodes are in different zones.

use super::{Located, Problems, TopologyProblem, names};
use crate::scenario::raw::{MAX_WORKERS, RawLocality, RawNodes};

/// A zone's name is part of a version and with it of a Deployment's name.
const MAX_ZONE_NAME: usize = 20;

/// How many workers a cluster has, and the zone of each node where the file says them.
pub(super) fn read(
    cluster: &str,
    nodes: Option<RawNodes>,
    locality: Option<&Located<RawLocality>>,
    problems: &mut Problems,
) -> (u8, Vec<String>) {
    let RawNodes { workers, zones } = nodes.unwrap_or_default();
    let Some(zones) = zones else { return (workers.map_or(0, |w| w.value), Vec::new()) };
    let limit = MAX_WORKERS + 1;
    if zones.value.is_empty() {
        problems.add(zones.span, TopologyProblem::NoZones);
    }
    if zones.value.len() > usize::from(limit) {
        problems.add(zones.span, TopologyProblem::TooManyZones { count: zones.value.len(), limit });
    }
    if let Some(workers) = &workers {
        problems.add(workers.span, TopologyProblem::WorkersBesideZones).also(zones.span, "said here already");
    }
    match locality {
        None => _ = problems.add(zones.span, TopologyProblem::ZonesWithoutRegion { cluster: cluster.to_owned() }),
        Some(locality) => {
            let own = [("zone", &locality.value.zone), ("subzone", &locality.value.subzone)];
            for (field, place) in own.into_iter().filter_map(|(field, text)| Some((field, text.as_ref()?.span))) {
                let problem = TopologyProblem::LocalityBesideZones { field };
                problems.add(place, problem).also(zones.span, "each node's own");
            }
        }
    }
    for zone in &zones.value {
        names::dns_label("zone", zone, MAX_ZONE_NAME, problems);
    }
    let zones: Vec<String> = zones.value.into_iter().map(|z| z.value).take(usize::from(limit)).collect();
    (u8::try_from(zones.len().saturating_sub(1)).unwrap_or(MAX_WORKERS), zones)
}
