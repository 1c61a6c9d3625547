//! What a scenario asserts over its lab. Each kind of check has a file with what it is: its fields, its rules, its model and the way back.
//! What was seen of it is judged in the file of that name in `verdict`.

mod about;
mod brought;
mod caller;
mod expect;
mod failover;
mod federation;
mod never;
mod protocol;
mod reachability;
mod request;
mod rotation;
mod service;
mod site;

pub use caller::CallerPod;
pub use expect::{Answers, Expect, Who};
pub use failover::FailoverCheck;
pub use federation::FederationCheck;
pub use protocol::{Body, Protocol, SpokenService};
pub use request::{RequestCheck, Target};
pub use service::ServiceUrl;
pub(super) use service::{HELLOWORLD, raw as raw_service};
pub use site::{Level, Site};

use std::collections::{BTreeMap, BTreeSet, HashMap};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::Problems;
use super::form::{
    ALL_OR_NAMES, Entry, Fields, Kind, Names, OneOf, OrWord, Pairwise, Part, Record, Written, kind, raw_clusters,
    raw_names,
};
use super::model::{Federation, IngressGateways, Mesh, Topology};
use super::problem::{CheckProblem, FederationProblem, MeshProblem};
use super::raw::{RawApp, RawHelloworld};
use super::tree::{Located, Span};
use super::validate::{Draft, data_cluster};
pub(super) use about::named;
use brought::Brought;
use failover::RawFailover;
use federation::RawFederationCheck;
use reachability::RawReachability;
use request::RawRequest;
use rotation::RawRotation;

/// An assertion over the running lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Check {
    /// Calls from each source reach every version, and nothing fails.
    Rotation {
        /// What to call: `SERVICE.NAMESPACE:PORT/PATH`.
        service: ServiceUrl,
        /// Clusters that call or, through their ingress gateways, are called.
        from: Vec<String>,
        /// By which way.
        #[serde(default)]
        through: Through,
    },
    /// Requests of the user's own, and what must come back.
    Request(Box<RequestCheck>),
    /// Who answers whom while all is well and, if exercised, when that one is gone.
    Failover(FailoverCheck),
    /// Who reaches what in every other cluster, and who must not.
    Reachability,
    /// Where a federation runs the replicas of a Deployment.
    Federation(FederationCheck),
}

/// By which way a check calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Through {
    /// From pods in the mesh.
    #[default]
    Mesh,
    /// From outside, through the ingress gateway of each cluster.
    Ingress,
    /// From outside, to the load balancer's address of the service itself in each cluster.
    LoadBalancer,
}

impl Through {
    /// What reports add to what is called.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Mesh => "",
            Self::Ingress => " through ingress",
            Self::LoadBalancer => " through its load balancer",
        }
    }

    /// How a scenario says it.
    fn field(self) -> &'static str {
        match self {
            Self::Mesh => "through: mesh",
            Self::Ingress => "through: ingress",
            Self::LoadBalancer => "through: loadBalancer",
        }
    }
}

/// A check as the file has it.
pub(super) enum RawCheck {
    Rotation(RawRotation),
    Request(Box<RawRequest>),
    Failover(RawFailover),
    Reachability(RawReachability),
    Federation(RawFederationCheck),
}

impl Entry for RawCheck {
    const THING: &'static str = "check";
    const EXAMPLE: &'static str = "rotation";

    fn kinds() -> Vec<Kind<Self>> {
        vec![
            kind("rotation", Self::Rotation, "{ service: helloworld.sample:5000/hello, from: all }"),
            kind(
                "request",
                |request| Self::Request(Box::new(request)),
                "{ service: helloworld.sample:5000/hello, expect: { status: 200 } }",
            ),
            kind("failover", Self::Failover, "{ order: { c1: [c1, c2], c2: [c2, c1] } }"),
            kind("reachability", Self::Reachability, "{}"),
            kind("federation", Self::Federation, "{ deployment: demo/hello, replicas: { c2: 2, c3: 1 } }"),
        ]
    }

    fn written(self) -> (&'static str, Written) {
        match self {
            Self::Rotation(raw) => ("rotation", Part::written(raw)),
            Self::Request(raw) => ("request", Part::written(*raw)),
            Self::Failover(raw) => ("failover", Part::written(raw)),
            Self::Reachability(raw) => ("reachability", Part::written(raw)),
            Self::Federation(raw) => ("federation", Part::written(raw)),
        }
    }
}

impl RawCheck {
    /// By which way it calls from outside, where it says so.
    pub(super) fn through(&self) -> Option<&Located<Through>> {
        let through = match self {
            Self::Rotation(raw) => raw.through.as_ref(),
            Self::Request(raw) => raw.through.as_ref(),
            Self::Failover(_) | Self::Reachability(_) | Self::Federation(_) => None,
        };
        through.filter(|through| through.value != Through::Mesh)
    }

    /// A check as the file would say it. `all` are the clusters that `all` stands for.
    pub(super) fn of(check: &Check, all: &[String]) -> Self {
        match check {
            Check::Rotation { service, from, through } => Self::Rotation(rotation::raw(service, from, *through, all)),
            Check::Request(check) => Self::Request(Box::new(request::raw(check, all))),
            Check::Failover(check) => Self::Failover(failover::raw(check)),
            Check::Reachability => Self::Reachability(RawReachability),
            Check::Federation(check) => Self::Federation(federation::raw(check)),
        }
    }

    /// What a message calls a check that is about a mesh.
    fn of_mesh(&self) -> Option<&'static str> {
        match self {
            Self::Rotation(_) => Some("rotation"),
            Self::Failover(_) => Some("failover"),
            Self::Reachability(_) => Some("reachability check"),
            Self::Request(_) | Self::Federation(_) => None,
        }
    }

    /// Whether it takes a version for the cluster that runs it.
    fn tells_clusters_apart(&self) -> bool {
        match self {
            Self::Request(request) => request.tells_clusters_apart(),
            Self::Federation(_) => false,
            Self::Rotation(_) | Self::Failover(_) | Self::Reachability(_) => true,
        }
    }

    fn check(self, span: Span, scope: &Scope<'_>, problems: &mut Problems) -> Option<Check> {
        if let Some(check) = self.of_mesh().filter(|_| scope.mesh.topology == Topology::None) {
            problems.add(span, FederationProblem::NoMesh { check });
            return None;
        }
        match self {
            Self::Rotation(raw) => rotation::check(raw, span, scope, problems),
            Self::Request(raw) => request::check(*raw, span, scope, problems).map(|r| Check::Request(Box::new(r))),
            Self::Failover(raw) => failover::check(raw, span, scope, problems).map(Check::Failover),
            Self::Reachability(_) => Some(Check::Reachability),
            Self::Federation(raw) => federation::check(raw, span, scope, problems).map(Check::Federation),
        }
    }
}

/// What checks can be about.
pub(super) struct Scope<'a> {
    drafts: &'a [Draft],
    /// Versions of helloworld by cluster, if the scenario has helloworld.
    versions: Option<BTreeMap<&'a str, Vec<String>>>,
    sleep: bool,
    /// Whether there are apps of the user's own, which may serve and call anything.
    own_apps: bool,
    /// What those bring.
    brought: Brought,
    /// Whether helloworld is in the namespace `legacy` too.
    reachability: bool,
    federation: Option<&'a Federation>,
    mesh: &'a Mesh,
}

/// What the checks of a scenario with these apps can be about.
pub(super) fn scope<'a>(
    checks: Option<&[Located<RawCheck>]>,
    apps: &'a [Located<RawApp>],
    drafts: &'a [Draft],
    federation: Option<&'a Federation>,
    mesh: &'a Mesh,
) -> Scope<'a> {
    let reachability = |c: &Located<RawCheck>| matches!(c.value, RawCheck::Reachability(_));
    Scope {
        drafts,
        versions: apps.iter().find_map(|app| versions(app, drafts)),
        sleep: apps.iter().any(|a| matches!(a.value, RawApp::Sleep(_))),
        // What runs in a mesh of somebody else's no file tells.
        own_apps: mesh.existing
            || apps.iter().any(|a| !matches!(a.value, RawApp::Sleep(_) | RawApp::Helloworld(_)))
            || federation.is_some_and(|f| !f.objects.is_empty()),
        brought: Brought::of(apps, federation),
        reachability: checks.into_iter().flatten().any(reachability),
        federation,
        mesh,
    }
}

/// The checks, with a default for what is left out.
pub(super) fn read(
    checks: Option<Vec<Located<RawCheck>>>,
    apps: &[Located<RawApp>],
    scope: &Scope<'_>,
    problems: &mut Problems,
) -> Vec<Check> {
    let Scope { drafts, mesh, .. } = scope;
    let checks = checks.unwrap_or_else(|| {
        if scope.versions.is_some() && scope.sleep && mesh.topology != Topology::None {
            vec![RawCheck::Rotation(RawRotation::default()).into()]
        } else {
            Vec::new()
        }
    });
    if checks.iter().any(|c| c.value.tells_clusters_apart()) {
        refuse_same_versions(apps, drafts, problems);
    }
    let spans: Vec<Span> = checks.iter().map(|check| check.span).collect();
    let read: Vec<Option<Check>> = checks.into_iter().map(|c| c.value.check(c.span, scope, problems)).collect();
    about::names(spans.into_iter().zip(&read), problems);
    read.into_iter().flatten().collect()
}

/// Records clusters that answer alike, where somebody tells clusters apart by who answers.
pub(super) fn refuse_same_versions(apps: &[Located<RawApp>], drafts: &[Draft], problems: &mut Problems) {
    for app in apps {
        if let RawApp::Helloworld(RawHelloworld { versions: Some(versions) }) = &app.value {
            versions_apart(versions, drafts, problems);
        }
    }
}

/// Whether any of the checks has told already of clusters that answer alike.
pub(super) fn tell_clusters_apart(checks: Option<&[Located<RawCheck>]>) -> bool {
    checks.is_none_or(|checks| checks.iter().any(|c| c.value.tells_clusters_apart()))
}

fn versions<'a>(app: &'a Located<RawApp>, drafts: &'a [Draft]) -> Option<BTreeMap<&'a str, Vec<String>>> {
    match &app.value {
        RawApp::Helloworld(RawHelloworld { versions: Some(versions) }) => {
            Some(versions.value.iter().map(|(c, v)| (c.value.as_str(), in_zones(c, v, drafts))).collect())
        }
        RawApp::Helloworld(RawHelloworld { versions: None }) => Some(
            drafts
                .iter()
                .filter(|d| !d.is_outside())
                .zip(1..)
                .map(|(d, n): (_, u32)| (d.name.value.as_str(), d.versions_of(&format!("v{n}"))))
                .collect(),
        ),
        _ => None,
    }
}

/// The versions of a cluster that is to run this one, in its zones if it has any.
fn in_zones(cluster: &Located<String>, version: &Located<String>, drafts: &[Draft]) -> Vec<String> {
    let draft = drafts.iter().find(|d| d.name.value == cluster.value);
    draft.map_or_else(|| vec![version.value.clone()], |d| d.versions_of(&version.value))
}

fn versions_apart(versions: &Pairwise<Located<String>>, drafts: &[Draft], problems: &mut Problems) {
    let mut seen: HashMap<String, (&Located<String>, &Located<String>)> = HashMap::new();
    for (cluster, given) in &versions.value {
        let all: BTreeSet<String> = in_zones(cluster, given, drafts).into_iter().collect();
        if let Some((version, (first, theirs))) = all.iter().find_map(|v| Some((v, seen.get(v)?))) {
            let (first, second) = (first.value.clone(), cluster.value.clone());
            let problem = CheckProblem::SameVersion { first, second, version: version.clone() };
            problems.add(given.span, problem).also(theirs.span, "the same version");
        } else {
            seen.extend(all.into_iter().map(|version| (version, (cluster, given))));
        }
    }
}

/// The field `from` of a check.
fn from<R: Record>(f: &mut Fields<R>, place: fn(&mut R) -> &mut Option<OrWord<Names>>) {
    let from = f.field("from", ALL_OR_NAMES, place, "The clusters that call");
    // Of a check without its sources nothing can be said.
    from.default("all").example("[c1, c2]").decisive();
}

/// The ways to call, the last for services that have a load balancer themselves.
const WAYS: [(&str, Through); 3] =
    [("mesh", Through::Mesh), ("ingress", Through::Ingress), ("loadBalancer", Through::LoadBalancer)];

/// The field `through` of a check.
fn through<R: Record>(f: &mut Fields<R>, place: fn(&mut R) -> &mut Option<Located<Through>>) {
    let form = OneOf { what: "way to call", words: &WAYS[..2] };
    let about = "ingress: from outside, through the ingress gateway of each of these clusters; `all` are then those that have one";
    f.field("through", form, place, about).default("mesh").example("ingress");
}

impl Scope<'_> {
    /// Records that nobody calls in a mesh; `what` is what needs it.
    pub(super) fn needs_callers(&self, what: &'static str, span: Span, problems: &mut Problems) -> Option<()> {
        if self.mesh.topology == Topology::None {
            problems.add(span, FederationProblem::NoMesh { check: what });
            return None;
        }
        if !self.sleep {
            problems.add(span, CheckProblem::NoCaller { check: what });
        }
        Some(())
    }

    /// The clusters that run helloworld.
    pub(super) fn answering(&self) -> Vec<String> {
        self.versions.iter().flat_map(BTreeMap::keys).map(|c| (*c).to_owned()).collect()
    }

    /// The clusters that `all` stands for.
    fn all(&self) -> Vec<String> {
        self.drafts.iter().filter(|d| !d.is_outside()).map(|d| d.name.value.clone()).collect()
    }

    /// By which way a check calls: in the mesh when nothing is said.
    fn through(&self, through: Option<Located<Through>>, problems: &mut Problems) -> Through {
        let Some(way) = through else {
            return Through::Mesh;
        };
        if way.value == Through::Ingress && self.mesh.ingress_gateway == IngressGateways::None {
            problems.add(way.span, CheckProblem::NoIngressGateway);
        }
        way.value
    }

    /// The clusters that a check calls from or, from outside, through.
    fn sources(&self, from: Option<OrWord<Names>>, through: Through, problems: &mut Problems) -> Vec<String> {
        let gateways = &self.mesh.ingress_gateway;
        let is_source = |cluster: &str| through != Through::Ingress || gateways.has(cluster);
        let Some(OrWord::Value(named_clusters)) = from else {
            return self.all().into_iter().filter(|cluster| is_source(cluster)).collect();
        };
        named("from", "cluster", "write `from: all`, or name clusters", &named_clusters, problems);
        for name in &named_clusters.value {
            let is_there = data_cluster("from", name, self.drafts, problems);
            // That there is none at all has been told.
            if is_there && *gateways != IngressGateways::None && !is_source(&name.value) {
                problems.add(name.span, CheckProblem::NotEntered { cluster: name.value.clone() });
            }
        }
        plain(named_clusters)
    }

    /// Records a cluster that does not exist, or in which nothing would answer.
    fn runs_helloworld(&self, field: &'static str, cluster: &Located<String>, problems: &mut Problems) {
        let runs = self.versions.as_ref().is_none_or(|v| v.contains_key(cluster.value.as_str()));
        if data_cluster(field, cluster, self.drafts, problems) && !runs {
            problems.add(cluster.span, CheckProblem::RunsNothing { field, cluster: cluster.value.clone() });
        }
    }
}

fn plain(names: Names) -> Vec<String> {
    names.value.into_iter().map(|n| n.value).collect()
}
