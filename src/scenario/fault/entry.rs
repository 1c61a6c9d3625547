//! Faults as a scenario lists them: their kinds, their rules, and the way back.

use super::super::check::{Scope, raw_service};
use super::super::error::Problems;
use super::super::form::{Entry, Kind, Part, Written, kind, raw_names};
use super::super::model::Gateway;
use super::super::problem::FaultProblem;
use super::super::tree::{Located, Span};
use super::expect::{self, About};
use super::raw::{
    OfAll, OfApiServer, OfCluster, OfDiscovery, OfDns, OfGateway, OfIstiod, OfSecret, RawAt, RawClock, RawCommon,
    RawNetwork, RawNode, RawPartition, RawPressure,
};
use super::{DEFAULT, Fault, FaultKind, Ground, Link};

/// A fault as the file has it.
pub(in crate::scenario) enum RawFault {
    Partition(RawPartition),
    Network(RawNetwork),
    Gateway(RawAt<OfGateway>),
    Istiod(RawAt<OfIstiod>),
    Discovery(RawAt<OfDiscovery>),
    ApiServer(RawAt<OfApiServer>),
    Node(RawNode),
    Cluster(RawAt<OfAll>),
    Pressure(RawPressure),
    Dns(RawAt<OfDns>),
    RemoteSecret(RawAt<OfSecret>),
    ClockSkew,
}

impl Entry for RawFault {
    const THING: &'static str = "fault";
    const EXAMPLE: &'static str = "istiod: { cluster: c1 }";

    fn kinds() -> Vec<Kind<Self>> {
        vec![
            kind("partition", Self::Partition, "{ between: [c1, c2] }"),
            kind("network", Self::Network, "{ between: [c1, c2], loss: 5% }"),
            kind("gateway", Self::Gateway, "{ cluster: c1 }"),
            kind("istiod", Self::Istiod, "{ cluster: c1 }"),
            kind("discovery", Self::Discovery, "{ cluster: c1 }"),
            kind("apiServer", Self::ApiServer, "{ cluster: c1 }"),
            kind("node", Self::Node, "{ node: c1-worker }"),
            kind("cluster", Self::Cluster, "{ cluster: c1 }"),
            kind("pressure", Self::Pressure, "{ node: c1-worker, cpu: 2 }"),
            kind("dns", Self::Dns, "{ cluster: c1 }"),
            kind("remoteSecret", Self::RemoteSecret, "{ cluster: c1, of: c2 }"),
            kind("clockSkew", |_: RawClock| Self::ClockSkew, "{}"),
        ]
    }

    fn written(self) -> (&'static str, Written) {
        match self {
            Self::Partition(raw) => ("partition", Part::written(raw)),
            Self::Network(raw) => ("network", Part::written(raw)),
            Self::Gateway(raw) => ("gateway", Part::written(raw)),
            Self::Istiod(raw) => ("istiod", Part::written(raw)),
            Self::Discovery(raw) => ("discovery", Part::written(raw)),
            Self::ApiServer(raw) => ("apiServer", Part::written(raw)),
            Self::Node(raw) => ("node", Part::written(raw)),
            Self::Cluster(raw) => ("cluster", Part::written(raw)),
            Self::Pressure(raw) => ("pressure", Part::written(raw)),
            Self::Dns(raw) => ("dns", Part::written(raw)),
            Self::RemoteSecret(raw) => ("remoteSecret", Part::written(raw)),
            Self::ClockSkew => ("clockSkew", Part::written(RawClock)),
        }
    }
}

/// Where the fields of a fault are.
type FieldPlaces = Vec<(&'static str, Span)>;

/// Where the fields of a fault of one cluster are, and the cluster.
fn at<K: OfCluster>(raw: &RawAt<K>) -> Option<(FieldPlaces, String)> {
    let places = [("cluster", raw.cluster.as_ref()), ("of", raw.of.as_ref())];
    let places = places.into_iter().filter_map(|(field, value)| Some((field, value?.span))).collect();
    Some((places, raw.cluster.as_ref()?.value.clone()))
}

/// The faults of a scenario.
pub(in crate::scenario) fn read(
    raw: Option<Located<Vec<Located<RawFault>>>>,
    scope: &Scope<'_>,
    ground: &Ground,
    problems: &mut Problems,
) -> Vec<Fault> {
    let all = raw.map(|all| all.value).unwrap_or_default();
    all.into_iter().filter_map(|raw| one(raw, scope, ground, problems)).collect()
}

fn one(raw: Located<RawFault>, scope: &Scope<'_>, ground: &Ground, problems: &mut Problems) -> Option<Fault> {
    let Located { value, span } = raw;
    scope.needs_callers("fault", span, problems)?;
    let (mut places, kind, common) = taken(value, span, problems)?;
    let RawCommon { seconds, service, expect } = common;
    places.extend(seconds.as_ref().map(|s| ("for", s.span)));
    let seconds = seconds.map_or(DEFAULT, |s| s.value);
    let wrong = ground.refuse_measured(&kind, seconds);
    for (field, problem) in &wrong {
        let place = places.iter().find(|(name, _)| name == field).map_or(span, |(_, place)| *place);
        problems.add(place, problem.clone());
    }
    let service = scope.helloworld(service, span, problems);
    if !wrong.is_empty() {
        return None;
    }
    let answering = scope.answering();
    let about = About { kind: &kind, ground, seconds, answering: &answering };
    let expect = expect::check(expect.map(|e| e.value).unwrap_or_default(), &about, problems);
    Some(Fault { kind, seconds, service: service?, expect })
}

/// Takes a fault apart: where its fields are, what it is, and what every fault has. `None` where something is missing or cannot be had, which is recorded.
fn taken(raw: RawFault, span: Span, problems: &mut Problems) -> Option<(FieldPlaces, FaultKind, RawCommon)> {
    Some(match raw {
        RawFault::Partition(raw) => {
            let between = raw.between?;
            let places = vec![("between", between.span)];
            let between = between.value.into_iter().map(|side| side.value).collect();
            let (one_way, refuse) = (raw.one_way.is_some_and(|o| o.value), raw.how.is_some_and(|h| h.value));
            (places, FaultKind::Partition { between, one_way, refuse }, raw.common)
        }
        RawFault::Network(raw) => {
            let between = raw.between?;
            let mut places = vec![("between", between.span)];
            places.extend(raw.jitter.as_ref().map(|j| ("jitter", j.span)));
            let link = Link {
                latency: raw.latency.map(|l| l.value),
                jitter: raw.jitter.map(|j| j.value),
                loss: raw.loss.and_then(|l| u8::try_from(l.value).ok()),
                bandwidth: raw.bandwidth.map(|b| b.value),
            };
            let between = between.value.into_iter().map(|side| side.value).collect();
            let one_way = raw.one_way.is_some_and(|o| o.value);
            (places, FaultKind::Network { between, one_way, link }, raw.common)
        }
        RawFault::Gateway(raw) => {
            let (places, cluster) = at(&raw)?;
            let gateway = raw.gateway.map_or(Gateway::EastWestGateway, |g| g.value);
            (places, FaultKind::Gateway { cluster, gateway }, raw.common)
        }
        RawFault::Istiod(raw) => {
            let (places, cluster) = at(&raw)?;
            (places, FaultKind::Istiod { cluster }, raw.common)
        }
        RawFault::Discovery(raw) => {
            let (places, cluster) = at(&raw)?;
            (places, FaultKind::Discovery { cluster }, raw.common)
        }
        RawFault::ApiServer(raw) => {
            let (places, cluster) = at(&raw)?;
            (places, FaultKind::ApiServer { cluster }, raw.common)
        }
        RawFault::Node(raw) => {
            let node = raw.node?;
            let away = raw.away.map(|a| a.value).unwrap_or_default();
            (vec![("node", node.span)], FaultKind::Node { node: node.value, away }, raw.common)
        }
        RawFault::Pressure(raw) => {
            let node = raw.node?;
            let (cpu, memory) = (raw.cpu.map(|c| c.value), raw.memory.map(|m| m.value));
            (vec![("node", node.span)], FaultKind::Pressure { node: node.value, cpu, memory }, raw.common)
        }
        RawFault::Cluster(raw) => {
            let (places, cluster) = at(&raw)?;
            let away = raw.away.map(|a| a.value).unwrap_or_default();
            (places, FaultKind::Cluster { cluster, away }, raw.common)
        }
        RawFault::Dns(raw) => {
            let (places, cluster) = at(&raw)?;
            (places, FaultKind::Dns { cluster }, raw.common)
        }
        RawFault::RemoteSecret(raw) => {
            let (places, cluster) = at(&raw)?;
            let of = raw.of?.value;
            (places, FaultKind::RemoteSecret { cluster, of }, raw.common)
        }
        RawFault::ClockSkew => {
            problems.add(span, FaultProblem::clock_skew());
            return None;
        }
    })
}

impl RawFault {
    /// A fault as the file would say it.
    pub(in crate::scenario) fn of(fault: &Fault) -> Self {
        let Fault { kind, seconds, service, expect } = fault;
        let common = RawCommon {
            seconds: Some((*seconds).into()),
            service: Some(raw_service(service)),
            expect: expect::raw(expect),
        };
        let cluster = |cluster: &String| Some(cluster.clone().into());
        match kind {
            FaultKind::Partition { between, one_way, refuse } => Self::Partition(RawPartition {
                between: Some(raw_names(between)),
                one_way: one_way.then(|| true.into()),
                how: refuse.then(|| true.into()),
                common,
            }),
            FaultKind::Network { between, one_way, link } => {
                let Link { latency, jitter, loss, bandwidth } = *link;
                Self::Network(RawNetwork {
                    between: Some(raw_names(between)),
                    one_way: one_way.then(|| true.into()),
                    latency: latency.map(Into::into),
                    jitter: jitter.map(Into::into),
                    loss: loss.map(|l| u32::from(l).into()),
                    bandwidth: bandwidth.map(Into::into),
                    common,
                })
            }
            FaultKind::Gateway { cluster: name, gateway } => Self::Gateway(RawAt {
                cluster: cluster(name),
                gateway: Some((*gateway).into()),
                common,
                ..RawAt::default()
            }),
            FaultKind::Istiod { cluster: name } => {
                Self::Istiod(RawAt { cluster: cluster(name), common, ..RawAt::default() })
            }
            FaultKind::Discovery { cluster: name } => {
                Self::Discovery(RawAt { cluster: cluster(name), common, ..RawAt::default() })
            }
            FaultKind::ApiServer { cluster: name } => {
                Self::ApiServer(RawAt { cluster: cluster(name), common, ..RawAt::default() })
            }
            FaultKind::Node { node, away } => {
                Self::Node(RawNode { node: Some(node.clone().into()), away: Some((*away).into()), common })
            }
            FaultKind::Pressure { node, cpu, memory } => Self::Pressure(RawPressure {
                node: Some(node.clone().into()),
                cpu: cpu.map(Into::into),
                memory: memory.map(Into::into),
                common,
            }),
            FaultKind::Cluster { cluster: name, away } => {
                Self::Cluster(RawAt { cluster: cluster(name), away: Some((*away).into()), common, ..RawAt::default() })
            }
            FaultKind::Dns { cluster: name } => Self::Dns(RawAt { cluster: cluster(name), common, ..RawAt::default() }),
            FaultKind::RemoteSecret { cluster: name, of } => Self::RemoteSecret(RawAt {
                cluster: cluster(name),
                of: Some(of.clone().into()),
                common,
                ..RawAt::default()
            }),
        }
    }
}
