//! Rules for apps and checks, and what they are when the scenario says nothing.

use std::collections::BTreeMap;

use super::{Draft, Located, Problems, data_cluster, manifests, names};
use crate::scenario::model::{App, Check, ServiceUrl};
use crate::scenario::problem::AppProblem;
use crate::scenario::raw::{RawApp, RawAppKind, RawCheck, RawSources, RawVersions};
use crate::scenario::tree::Span;

/// What helloworld serves, as Istio's sample has it.
const HELLOWORLD: &str = "helloworld.sample:5000/hello";

/// The apps and checks of a scenario, with defaults for what is left out.
pub(super) fn read(
    apps: Option<Vec<RawApp>>,
    checks: Option<Vec<RawCheck>>,
    drafts: &[Draft],
    problems: &mut Problems,
) -> (Vec<App>, Vec<Check>) {
    let apps = apps.unwrap_or_else(|| {
        let span = Span::default();
        let helloworld = RawAppKind::Helloworld { versions: None };
        vec![RawApp { span, kind: helloworld }, RawApp { span, kind: RawAppKind::Sleep }]
    });
    duplicates(&apps, problems);
    let helloworld = apps.iter().any(|a| matches!(a.kind, RawAppKind::Helloworld { .. }));
    let sleep = apps.iter().any(|a| matches!(a.kind, RawAppKind::Sleep));
    let checks = checks.unwrap_or_else(|| {
        let rotation = RawCheck::Rotation { span: Span::default(), service: None, from: RawSources::All };
        if helloworld && sleep { vec![rotation] } else { Vec::new() }
    });
    if !checks.is_empty() {
        for app in &apps {
            if let RawAppKind::Helloworld { versions: Some(versions) } = &app.kind {
                versions_apart(versions, problems);
            }
        }
    }
    let checks = checks.into_iter().filter_map(|c| check(c, helloworld, sleep, drafts, problems)).collect();
    (read_apps(apps, drafts, problems), checks)
}

/// The apps in their order; lab's own are read first, because others must not make the same objects.
fn read_apps(raw: Vec<RawApp>, drafts: &[Draft], problems: &mut Problems) -> Vec<App> {
    let given = raw.iter().filter_map(|a| if let RawAppKind::Manifests(m) = &a.kind { m.name.as_ref() } else { None });
    let taken: Vec<String> = given.map(|n| n.value.clone()).collect();
    let mut own = Vec::new();
    let mut others = Vec::new();
    for (i, RawApp { span, kind }) in raw.into_iter().enumerate() {
        match kind {
            RawAppKind::Sleep => own.push((i, App::Sleep)),
            RawAppKind::Helloworld { versions } => own.push((i, helloworld(versions, drafts, problems))),
            RawAppKind::Manifests(manifests) => others.push((i, span, manifests)),
        }
    }
    let own_apps: Vec<App> = own.iter().map(|(_, app)| app.clone()).collect();
    let mut reader = manifests::Reader::default();
    let others = others
        .into_iter()
        .map(|(i, span, raw)| (i, App::Manifests(reader.read(raw, span, &taken, &own_apps, drafts, problems))));
    let mut apps: Vec<(usize, App)> = own.into_iter().chain(others).collect();
    apps.sort_by_key(|(i, _)| *i);
    apps.into_iter().map(|(_, app)| app).collect()
}

fn duplicates(apps: &[RawApp], problems: &mut Problems) {
    for (i, app) in apps.iter().enumerate() {
        let name = match app.kind {
            RawAppKind::Helloworld { .. } => "helloworld",
            RawAppKind::Sleep => "sleep",
            RawAppKind::Manifests(_) => continue,
        };
        let same = |a: &&RawApp| std::mem::discriminant(&a.kind) == std::mem::discriminant(&app.kind);
        if let Some(first) = apps[..i].iter().find(same) {
            problems.add(app.span, AppProblem::Duplicate { app: name }).also(first.span, "first listed here");
        }
    }
}

fn helloworld(versions: Option<RawVersions>, drafts: &[Draft], problems: &mut Problems) -> App {
    let Some(versions) = versions else {
        let numbered =
            drafts.iter().filter(|d| !d.hosts).zip(1..).map(|(d, n): (_, u32)| (d.name.value.clone(), format!("v{n}")));
        return App::Helloworld { versions: numbered.collect() };
    };
    if versions.value.is_empty() {
        let remedy = "leave `versions` out to run v1, v2 and so on in all clusters, or remove the app";
        problems.add(versions.span, AppProblem::NamesNothing { field: "versions", remedy });
    }
    let mut valid = BTreeMap::new();
    for (cluster, version) in versions.value {
        let known = data_cluster("versions", &cluster, drafts, problems);
        if names::version(&version, problems) && known {
            valid.insert(cluster.value, version.value);
        }
    }
    App::Helloworld { versions: valid }
}

fn versions_apart(versions: &RawVersions, problems: &mut Problems) {
    for (i, (cluster, version)) in versions.value.iter().enumerate() {
        if let Some((first, theirs)) = versions.value[..i].iter().find(|(_, v)| v.value == version.value) {
            let problem = AppProblem::SameVersion {
                first: first.value.clone(),
                second: cluster.value.clone(),
                version: version.value.clone(),
            };
            problems.add(version.span, problem).also(theirs.span, "the same version");
        }
    }
}

fn check(raw: RawCheck, helloworld: bool, sleep: bool, drafts: &[Draft], problems: &mut Problems) -> Option<Check> {
    let RawCheck::Rotation { span, service, from } = raw;
    if !sleep {
        problems.add(span, AppProblem::NoCaller);
    }
    let service = service.unwrap_or(Located { value: HELLOWORLD.to_owned(), span });
    let url = match parse_service(&service.value) {
        Ok(url) => Some(url),
        Err(reason) => {
            problems.add(service.span, AppProblem::BadService { value: service.value.clone(), reason });
            None
        }
    };
    let served = helloworld && url.as_ref().is_some_and(|u| u.to_string() == HELLOWORLD);
    if url.is_some() && !served {
        let help = if helloworld {
            format!("`helloworld` serves `{HELLOWORLD}`")
        } else {
            format!("add `- helloworld` to `apps`, which serves `{HELLOWORLD}`")
        };
        problems.add(service.span, AppProblem::NoProvider { service: service.value, help });
    }
    Some(Check::Rotation { service: url?, from: sources(from, drafts, problems) })
}

fn sources(from: RawSources, drafts: &[Draft], problems: &mut Problems) -> Vec<String> {
    let RawSources::Named(named) = from else {
        return drafts.iter().filter(|d| !d.hosts).map(|d| d.name.value.clone()).collect();
    };
    if named.value.is_empty() {
        problems
            .add(named.span, AppProblem::NamesNothing { field: "from", remedy: "write `from: all`, or name clusters" });
    }
    for (i, name) in named.value.iter().enumerate() {
        data_cluster("from", name, drafts, problems);
        if let Some(first) = named.value[..i].iter().find(|n| n.value == name.value) {
            let problem = AppProblem::DuplicateSource { name: name.value.clone() };
            problems.add(name.span, problem).also(first.span, "first named here");
        }
    }
    named.value.into_iter().map(|n| n.value).collect()
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
    if !path.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("has characters in its path that a URL must escape");
    }
    Ok(ServiceUrl { service: service.to_owned(), namespace: namespace.to_owned(), port, path: format!("/{path}") })
}
