//! Rules for checks, and what they are when the scenario says nothing.

use super::{Draft, Located, Problems, known_cluster, names};
use crate::scenario::model::{Check, ServiceUrl};
use crate::scenario::problem::AppProblem;
use crate::scenario::raw::{RawApp, RawAppKind, RawCheck, RawSources, RawVersions};
use crate::scenario::tree::Span;

/// What helloworld serves, as Istio's sample has it.
const HELLOWORLD: &str = "helloworld.sample:5000/hello";

/// The checks of a scenario with these apps, with a default for what is left out.
pub(super) fn read(
    checks: Option<Vec<RawCheck>>,
    apps: &[RawApp],
    drafts: &[Draft],
    problems: &mut Problems,
) -> Vec<Check> {
    let helloworld = apps.iter().any(|a| matches!(a.kind, RawAppKind::Helloworld { .. }));
    let sleep = apps.iter().any(|a| matches!(a.kind, RawAppKind::Sleep));
    let checks = checks.unwrap_or_else(|| {
        let rotation = RawCheck::Rotation { span: Span::default(), service: None, from: RawSources::All };
        if helloworld && sleep { vec![rotation] } else { Vec::new() }
    });
    if !checks.is_empty() {
        for app in apps {
            if let RawAppKind::Helloworld { versions: Some(versions) } = &app.kind {
                versions_apart(versions, problems);
            }
        }
    }
    checks.into_iter().filter_map(|c| check(c, helloworld, sleep, drafts, problems)).collect()
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
        return drafts.iter().map(|d| d.name.value.clone()).collect();
    };
    if named.value.is_empty() {
        problems
            .add(named.span, AppProblem::NamesNothing { field: "from", remedy: "write `from: all`, or name clusters" });
    }
    for (i, name) in named.value.iter().enumerate() {
        known_cluster("from", name, drafts, problems);
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
