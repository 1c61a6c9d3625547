//! Rules for checks, and what they are when the scenario says nothing.

mod federation;
mod request;

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Draft, Located, Problems, data_cluster, names, repeated};
use crate::scenario::model::{Check, FailoverCheck, Federation, Mesh, ServiceUrl, Through, Topology};
use crate::scenario::problem::{CheckProblem, FederationProblem};
use crate::scenario::raw::{Names, RawApp, RawAppKind, RawCheck, RawCheckKind, RawFailover, RawSources, RawVersions};
use crate::scenario::read::unknown_value;
use crate::scenario::tree::Span;

/// What helloworld serves, as Istio's sample has it.
const HELLOWORLD: &str = "helloworld.sample:5000/hello";

/// What a scenario has, for checks to be about.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    pub apps: &'a [RawApp],
    pub drafts: &'a [Draft],
    pub federation: Option<&'a Federation>,
    pub mesh: &'a Mesh,
}

/// What checks can be about.
struct Scope<'a> {
    drafts: &'a [Draft],
    /// Version of helloworld by cluster, if the scenario has helloworld.
    versions: Option<BTreeMap<&'a str, String>>,
    sleep: bool,
    /// Whether there are apps of the user's own, which may serve and call anything.
    own_apps: bool,
    /// Whether helloworld is in the namespace `legacy` too.
    reachability: bool,
    federation: Option<&'a Federation>,
    mesh: &'a Mesh,
}

/// The checks of a scenario with these apps, with a default for what is left out.
pub(super) fn read(checks: Option<Vec<RawCheck>>, about: About<'_>, problems: &mut Problems) -> Vec<Check> {
    let About { apps, drafts, federation, mesh } = about;
    let reachability = |c: &RawCheck| matches!(c.kind, RawCheckKind::Reachability);
    let scope = Scope {
        drafts,
        versions: apps.iter().find_map(|app| versions(app, drafts)),
        sleep: apps.iter().any(|a| matches!(a.kind, RawAppKind::Sleep)),
        own_apps: apps.iter().any(|a| !matches!(a.kind, RawAppKind::Sleep | RawAppKind::Helloworld { .. }))
            || federation.is_some_and(|f| !f.objects.is_empty()),
        reachability: checks.iter().flatten().any(reachability),
        federation,
        mesh,
    };
    let checks = checks.unwrap_or_else(|| {
        let kind = RawCheckKind::Rotation { service: None, from: RawSources::All, through: None };
        let rotation = RawCheck { span: Span::default(), kind };
        if scope.versions.is_some() && scope.sleep && mesh.topology != Topology::None {
            vec![rotation]
        } else {
            Vec::new()
        }
    });
    if checks.iter().any(tells_clusters_apart) {
        for app in apps {
            if let RawAppKind::Helloworld { versions: Some(versions) } = &app.kind {
                versions_apart(versions, problems);
            }
        }
    }
    checks.into_iter().filter_map(|c| check(c, &scope, problems)).collect()
}

fn versions<'a>(app: &'a RawApp, drafts: &'a [Draft]) -> Option<BTreeMap<&'a str, String>> {
    match &app.kind {
        RawAppKind::Helloworld { versions: Some(versions) } => {
            Some(versions.value.iter().map(|(c, v)| (c.value.as_str(), v.value.clone())).collect())
        }
        RawAppKind::Helloworld { versions: None } => Some(
            drafts
                .iter()
                .filter(|d| !d.is_outside())
                .zip(1..)
                .map(|(d, n): (_, u32)| (d.name.value.as_str(), format!("v{n}")))
                .collect(),
        ),
        _ => None,
    }
}

/// Whether a check takes a version for the cluster that runs it.
fn tells_clusters_apart(check: &RawCheck) -> bool {
    match &check.kind {
        RawCheckKind::Request(request) => request.expect.clusters.is_some(),
        RawCheckKind::Federation(_) => false,
        RawCheckKind::Rotation { .. } | RawCheckKind::Failover(_) | RawCheckKind::Reachability => true,
    }
}

fn versions_apart(versions: &RawVersions, problems: &mut Problems) {
    let mut seen: HashMap<&str, (&Located<String>, &Located<String>)> = HashMap::new();
    for (cluster, version) in &versions.value {
        if let Some((first, theirs)) = seen.get(version.value.as_str()) {
            let problem = CheckProblem::SameVersion {
                first: first.value.clone(),
                second: cluster.value.clone(),
                version: version.value.clone(),
            };
            problems.add(version.span, problem).also(theirs.span, "the same version");
        } else {
            seen.insert(version.value.as_str(), (cluster, version));
        }
    }
}

fn check(raw: RawCheck, scope: &Scope<'_>, problems: &mut Problems) -> Option<Check> {
    let of_mesh = match &raw.kind {
        RawCheckKind::Rotation { .. } => Some("rotation"),
        RawCheckKind::Failover(_) => Some("failover"),
        RawCheckKind::Reachability => Some("reachability check"),
        RawCheckKind::Request(_) | RawCheckKind::Federation(_) => None,
    };
    if let Some(check) = of_mesh.filter(|_| scope.mesh.topology == Topology::None) {
        problems.add(raw.span, FederationProblem::NoMesh { check });
        return None;
    }
    match raw.kind {
        RawCheckKind::Rotation { service, from, through } => {
            let through = scope.through(through, problems);
            if !scope.sleep && through == Some(Through::Mesh) {
                problems.add(raw.span, CheckProblem::NoCaller { check: "rotation" });
            }
            let service = scope.helloworld(service, raw.span, problems);
            let from = scope.sources(from, problems);
            Some(Check::Rotation { service: service?, from, through: through? })
        }
        RawCheckKind::Request(request) => {
            request::request(*request, raw.span, scope, problems).map(|r| Check::Request(Box::new(r)))
        }
        RawCheckKind::Failover(raw_check) => failover(raw_check, raw.span, scope, problems).map(Check::Failover),
        RawCheckKind::Reachability => Some(Check::Reachability),
        RawCheckKind::Federation(raw_check) => {
            federation::federation(raw_check, raw.span, scope, problems).map(Check::Federation)
        }
    }
}

fn failover(raw: RawFailover, span: Span, scope: &Scope<'_>, problems: &mut Problems) -> Option<FailoverCheck> {
    if !scope.sleep {
        problems.add(span, CheckProblem::NoCaller { check: "failover" });
    }
    let service = scope.helloworld(raw.service, span, problems);
    if let (Some(service), Some(exercise)) = (&service, &raw.exercise)
        && service.to_string() != HELLOWORLD
    {
        problems.add(exercise.span, CheckProblem::ExerciseOfAnother { service: service.to_string() });
    }
    let raw_order = raw.order?;
    if raw_order.value.is_empty() {
        let remedy = "write for each calling cluster who answers it, such as `order: { c1: [c1, c2] }`";
        problems.add(raw_order.span, CheckProblem::NamesNothing { field: "order", what: "cluster", remedy });
    }
    let mut order = BTreeMap::new();
    for (caller, clusters) in raw_order.value {
        data_cluster("order", &caller, scope.drafts, problems);
        let remedy = "name the clusters in the order in which they answer";
        named("order", "cluster", remedy, &clusters, problems);
        for cluster in &clusters.value {
            scope.runs_helloworld("order", cluster, problems);
        }
        order.insert(caller.value, plain(clusters));
    }
    let (mut exercise, mut exercised) = (Vec::new(), HashSet::new());
    for cluster in raw.exercise.map(|e| e.value).unwrap_or_default() {
        let theirs: &[String] = order.get(&cluster.value).map_or(&[], Vec::as_slice);
        let why = match theirs {
            _ if !data_cluster("exercise", &cluster, scope.drafts, problems) => None,
            [] => Some("`order` says nothing of calls from there"),
            [first, ..] if *first != cluster.value => Some("calls from there go elsewhere anyway"),
            [_] => Some("its order has nobody else"),
            _ => None,
        };
        if let Some(why) = why {
            problems.add(cluster.span, CheckProblem::CannotExercise { cluster: cluster.value.clone(), why });
        }
        if !exercised.insert(cluster.value.clone()) {
            let name = cluster.value.clone();
            problems.add(cluster.span, CheckProblem::Duplicate { field: "exercise", what: "cluster", name });
        }
        exercise.push(cluster.value);
    }
    Some(FailoverCheck { service: service?, order, exercise })
}

impl Scope<'_> {
    /// The clusters that `all` stands for.
    fn all(&self) -> Vec<String> {
        self.drafts.iter().filter(|d| !d.is_outside()).map(|d| d.name.value.clone()).collect()
    }

    /// By which way a check calls: in the mesh when nothing is said.
    fn through(&self, through: Option<Located<String>>, problems: &mut Problems) -> Option<Through> {
        let Some(way) = through else { return Some(Through::Mesh) };
        match way.value.as_str() {
            "mesh" => Some(Through::Mesh),
            "ingress" => {
                if !self.mesh.ingress_gateway {
                    problems.add(way.span, CheckProblem::NoIngressGateway);
                }
                Some(Through::Ingress)
            }
            other => {
                problems.add(way.span, unknown_value("way to call", other, &["mesh", "ingress"]));
                None
            }
        }
    }

    /// A service that is what helloworld serves, which it is when nothing is said.
    fn helloworld(&self, service: Option<Located<String>>, span: Span, problems: &mut Problems) -> Option<ServiceUrl> {
        let service = service.unwrap_or(Located { value: HELLOWORLD.to_owned(), span });
        let url = Self::service(&service, problems)?;
        let served = self.own_apps || (self.versions.is_some() && service.value == HELLOWORLD);
        if !served {
            self.not_served(service, problems);
        }
        Some(url)
    }

    fn service(service: &Located<String>, problems: &mut Problems) -> Option<ServiceUrl> {
        match parse_service(&service.value) {
            Ok(url) => Some(url),
            Err(reason) => {
                problems.add(service.span, CheckProblem::BadService { value: service.value.clone(), reason });
                None
            }
        }
    }

    fn not_served(&self, service: Located<String>, problems: &mut Problems) {
        let help = if self.versions.is_some() {
            format!("`helloworld` serves `{HELLOWORLD}`")
        } else {
            format!("add `- helloworld` to `apps`, which serves `{HELLOWORLD}`")
        };
        problems.add(service.span, CheckProblem::NoProvider { service: service.value, help });
    }

    fn sources(&self, from: RawSources, problems: &mut Problems) -> Vec<String> {
        let RawSources::Named(named_clusters) = from else {
            return self.all();
        };
        named("from", "cluster", "write `from: all`, or name clusters", &named_clusters, problems);
        for name in &named_clusters.value {
            data_cluster("from", name, self.drafts, problems);
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

/// Records a list that names nothing, or something twice.
fn named(field: &'static str, what: &'static str, remedy: &'static str, names: &Names, problems: &mut Problems) {
    if names.value.is_empty() {
        problems.add(names.span, CheckProblem::NamesNothing { field, what, remedy });
    }
    for (name, first) in repeated(&names.value) {
        let problem = CheckProblem::Duplicate { field, what, name: name.value.clone() };
        problems.add(name.span, problem).also(first, "first named here");
    }
}

fn plain(names: Names) -> Vec<String> {
    names.value.into_iter().map(|n| n.value).collect()
}

impl std::str::FromStr for ServiceUrl {
    type Err = &'static str;

    /// Reads `SERVICE.NAMESPACE:PORT/PATH`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_service(text)
    }
}

/// `SERVICE.NAMESPACE:PORT/PATH`, or what is wrong with it.
fn parse_service(text: &str) -> Result<ServiceUrl, &'static str> {
    if text.contains("://") {
        return Err("has a scheme, and a service is named without one");
    }
    let (authority, path) = text.split_once('/').ok_or("has no path, not even `/`")?;
    let (host, port) = authority.split_once(':').ok_or("has no port")?;
    let (service, namespace) = host.split_once('.').ok_or("has no namespace")?;
    if !names::is_dns_label(service) || !names::is_dns_label(namespace) {
        return Err("does not begin with a service and a namespace that are DNS labels");
    }
    let port = port.parse().ok().filter(|p| *p > 0).ok_or("has a port that is no number from 1 to 65535")?;
    if !is_url_text(path) {
        return Err("has characters in its path that a URL must escape");
    }
    Ok(ServiceUrl { service: service.to_owned(), namespace: namespace.to_owned(), port, path: format!("/{path}") })
}

/// Whether text can be part of a URL as it is (RFC 3986, without a fragment, which is not sent). What curl takes for a pattern is none of it.
fn is_url_text(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}[]#".contains(&b))
}
