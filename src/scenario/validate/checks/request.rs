//! Rules for a request of the user's own.

use std::collections::BTreeMap;

use super::{CheckProblem, HELLOWORLD, Located, Problems, Scope, Span, is_url_text, named, plain};
use crate::scenario::model::{Answers, CallerPod, Expect, RequestCheck, ServiceUrl, Target, Through, Who};
use crate::scenario::raw::{Names, Pairs, RawCaller, RawExpect, RawRequest};
use crate::scenario::read::suggestion;

/// Enough for any statistics, few enough to wait for.
const MOST_REQUESTS: u64 = 10_000;
/// The namespace whose apps have no sidecar.
const LEGACY: &str = "legacy";

pub(super) fn request(raw: RawRequest, span: Span, scope: &Scope<'_>, problems: &mut Problems) -> Option<RequestCheck> {
    let denied = raw.expect.denied.as_ref().is_some_and(|d| d.value);
    let url_place = raw.url.as_ref().map(|u| u.span);
    let target = target(raw.service, raw.url, span, denied, scope, problems);
    let from = scope.sources(raw.from, problems);
    let through_place = raw.through.as_ref().map(|t| t.span);
    let through = scope.through(raw.through, problems);
    if let (Some(Through::Ingress), Some(place)) = (through, through_place) {
        let remedy = "what comes through an ingress gateway comes from outside, and goes to a `service`";
        let caller = raw.caller.as_ref().map(|c| ("caller", c.span));
        for (second, other) in caller.into_iter().chain(url_place.map(|span| ("url", span))) {
            problems
                .add(other, CheckProblem::Excluded { first: "through: ingress", second, remedy })
                .also(place, "said here");
        }
    }
    let caller = match through {
        Some(Through::Ingress) => CallerPod { namespace: "sample".to_owned(), app: "sleep".to_owned() },
        _ => caller(raw.caller, span, scope, problems),
    };
    if let Some(method) = &raw.method
        && (method.value.is_empty() || !method.value.bytes().all(|b| b.is_ascii_uppercase()))
    {
        problems.add(method.span, CheckProblem::BadMethod { value: method.value.clone() });
    }
    let times = raw.times.map_or(1, |t| in_range("times", &t, 1, MOST_REQUESTS, problems));
    let headers = raw.headers.map(|h| headers(h, problems)).unwrap_or_default();
    let of_helloworld = match &target {
        Some(Target::Service(service)) => is_helloworld(service),
        _ => false,
    };
    let expect = expect(raw.expect, of_helloworld, scope, problems);
    Some(RequestCheck {
        name: raw.name.map(|n| n.value),
        target: target?,
        from,
        through: through?,
        caller,
        method: raw.method.map(|m| m.value),
        headers,
        times: u32::try_from(times).unwrap_or(1),
        expect,
    })
}

fn is_helloworld(service: &ServiceUrl) -> bool {
    HELLOWORLD.starts_with(&format!("{}.{}:{}/", service.service, service.namespace, service.port))
}

fn target(
    service: Option<Located<String>>,
    url: Option<Located<String>>,
    span: Span,
    denied: bool,
    scope: &Scope<'_>,
    problems: &mut Problems,
) -> Option<Target> {
    match (service, url) {
        (Some(service), None) => {
            let parsed = Scope::service(&service, problems)?;
            let sample = scope.versions.is_some() && is_helloworld(&parsed);
            let legacy = scope.reachability && parsed.service == "helloworld" && parsed.namespace == LEGACY;
            // What is denied need not be there: that may be the reason.
            if !(sample || legacy || denied || scope.own_apps) {
                scope.not_served(service, problems);
            }
            Some(Target::Service(parsed))
        }
        (None, Some(url)) => {
            let rest = url.value.strip_prefix("http://").or_else(|| url.value.strip_prefix("https://"));
            let reason = match rest {
                None => "does not begin with `http://` or `https://`",
                Some(rest) if rest.is_empty() || rest.starts_with(['/', ':', '?']) => "names no host",
                Some(rest) if !is_url_text(rest) => "has characters that a URL must escape",
                Some(_) => return Some(Target::Url(url.value)),
            };
            problems.add(url.span, CheckProblem::BadUrl { value: url.value, reason });
            None
        }
        (Some(_), Some(url)) => {
            problems.add(url.span, CheckProblem::NotOneTarget { found: "both" });
            None
        }
        (None, None) => {
            problems.add(span, CheckProblem::NotOneTarget { found: "neither" });
            None
        }
    }
}

fn caller(raw: Option<RawCaller>, span: Span, scope: &Scope<'_>, problems: &mut Problems) -> CallerPod {
    let given = raw.as_ref().map(|c| c.span);
    let (namespace, app) = raw.map_or((None, None), |c| (c.namespace, c.app));
    let or = |name: Option<Located<String>>, default: &str| name.map_or_else(|| default.to_owned(), |n| n.value);
    let caller = CallerPod { namespace: or(namespace, "sample"), app: or(app, "sleep") };
    let known = match (caller.namespace.as_str(), caller.app.as_str()) {
        _ if scope.own_apps => true,
        ("sample", "sleep") => scope.sleep,
        (LEGACY, "sleep") => true,
        _ => false,
    };
    match given {
        _ if known => {}
        None => {
            problems.add(span, CheckProblem::NoCaller { check: "request" });
        }
        Some(place) => {
            let CallerPod { namespace, app } = caller.clone();
            problems.add(place, CheckProblem::UnknownCaller { namespace, app });
        }
    }
    caller
}

fn in_range(field: &'static str, number: &Located<u64>, least: u64, most: u64, problems: &mut Problems) -> u64 {
    if !(least..=most).contains(&number.value) {
        problems.add(number.span, CheckProblem::OutOfRange { field, value: number.value, least, most });
    }
    number.value
}

fn headers(pairs: Pairs<String>, problems: &mut Problems) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    for (name, value) in pairs.value {
        let named =
            !name.value.is_empty() && name.value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if !named || value.value.chars().any(char::is_control) {
            let problem = CheckProblem::BadHeader { name: name.value.clone(), value: value.value.clone() };
            problems.add(name.span, problem);
        }
        headers.insert(name.value, value.value);
    }
    headers
}

fn expect(raw: RawExpect, of_helloworld: bool, scope: &Scope<'_>, problems: &mut Problems) -> Expect {
    if let Some(denied) = raw.denied.as_ref().filter(|d| d.value) {
        let others = [
            ("status", raw.status.as_ref().map(|f| f.span)),
            ("body", raw.body.as_ref().map(|f| f.span)),
            ("headers", raw.headers.as_ref().map(|f| f.span)),
            ("versions", raw.versions.as_ref().map(|f| f.span)),
            ("weights", raw.weights.as_ref().map(|f| f.span)),
            ("clusters", raw.clusters.as_ref().map(|f| f.span)),
            ("within", raw.within.as_ref().map(|f| f.span)),
            ("failures", raw.failures.as_ref().map(|f| f.span)),
            ("ejected", raw.ejected.as_ref().map(|f| f.span)),
        ];
        for (second, place) in others.into_iter().filter_map(|(field, span)| Some((field, span?))) {
            let remedy = "what is denied has no answer: only `reason` can be expected of it";
            let problem = CheckProblem::Excluded { first: "denied", second, remedy };
            problems.add(place, problem).also(denied.span, "denied here");
        }
        return Expect::Denied { reason: raw.reason.map(|r| r.value) };
    }
    if let Some(reason) = &raw.reason {
        problems.add(reason.span, CheckProblem::ReasonForNothing);
    }
    let status = raw.status.map_or(200, |s| in_range("status", &s, 100, 599, problems));
    let failures = raw.failures.map_or(0, |f| in_range("failures", &f, 0, MOST_REQUESTS, problems));
    let within = raw.within.and_then(|w| {
        let parsed = duration(&w.value);
        if parsed.is_none() {
            problems.add(w.span, CheckProblem::BadDuration { value: w.value });
        }
        parsed
    });
    Expect::Answers(Answers {
        status: u16::try_from(status).unwrap_or(200),
        body: raw.body.map(|b| b.value),
        headers: raw.headers.map(|h| headers(h, problems)).unwrap_or_default(),
        who: who(raw.versions, raw.weights, raw.clusters, of_helloworld, scope, problems),
        within,
        failures: u32::try_from(failures).unwrap_or(0),
        ejected: raw.ejected.is_some_and(|e| e.value),
    })
}

fn who(
    versions: Option<Names>,
    weights: Option<Pairs<u64>>,
    clusters: Option<Names>,
    of_helloworld: bool,
    scope: &Scope<'_>,
    problems: &mut Problems,
) -> Who {
    let given = [
        ("versions", versions.as_ref().map(|v| v.span)),
        ("weights", weights.as_ref().map(|w| w.span)),
        ("clusters", clusters.as_ref().map(|c| c.span)),
    ];
    let given: Vec<_> = given.into_iter().filter_map(|(field, span)| Some((field, span?))).collect();
    if let [(first, theirs), rest @ ..] = &given[..] {
        for (second, place) in rest {
            let remedy = "each says who answers: keep one of them";
            problems.add(*place, CheckProblem::Excluded { first, second, remedy }).also(*theirs, "said here already");
        }
    }
    let known = |field, version: &Located<String>, problems: &mut Problems| {
        let Some(all) = scope.versions.as_ref().filter(|_| of_helloworld && !scope.own_apps) else { return };
        let all: Vec<&str> = all.values().map(String::as_str).collect();
        if !all.contains(&version.value.as_str()) {
            let help = suggestion(&version.value, &all, "the versions are");
            problems.add(version.span, CheckProblem::UnknownVersion { field, version: version.value.clone(), help });
        }
    };
    if let Some(versions) = versions {
        named("versions", "version", "leave `versions` out to let any answer", &versions, problems);
        versions.value.iter().for_each(|v| known("versions", v, problems));
        return Who::Versions(plain(versions));
    }
    if let Some(weights) = weights {
        weights.value.iter().for_each(|(version, _)| known("weights", version, problems));
        let sum = weights.value.iter().fold(0_u64, |sum, (_, w)| sum.saturating_add(w.value));
        if sum != 100 {
            problems.add(weights.span, CheckProblem::BadWeights { sum });
        }
        let share = |w: u64| u8::try_from(w.min(100)).unwrap_or(100);
        return Who::Weights(weights.value.into_iter().map(|(v, w)| (v.value, share(w.value))).collect());
    }
    if let Some(clusters) = clusters {
        named("clusters", "cluster", "leave `clusters` out to let any answer", &clusters, problems);
        clusters.value.iter().for_each(|c| scope.runs_helloworld("clusters", c, problems));
        return Who::Clusters(plain(clusters));
    }
    Who::Anybody
}

/// Milliseconds of `500ms` or `2s`, one minute at most.
fn duration(text: &str) -> Option<u64> {
    let millis = match text.strip_suffix("ms") {
        Some(number) => number.parse().ok()?,
        None => text.strip_suffix('s')?.parse::<u64>().ok()?.checked_mul(1000)?,
    };
    (1..=60_000).contains(&millis).then_some(millis)
}
