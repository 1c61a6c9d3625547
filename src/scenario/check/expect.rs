//! What a request must be answered.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::super::form::{
    ANY_TEXT, Fields, Form, LABEL, List, Names, Number, Pairs, Pairwise, Place, Record, Text, Truth, Written,
};
use super::super::read::suggestion;
use super::super::tree::Node;
use super::protocol::{BODY_BYTES, Protocol, Said};
use super::request::{MOST_REQUESTS, headers, raw_headers};
use super::service::ServiceUrl;
use super::{CheckProblem, Located, Problems, Scope, named, plain, raw_names};

/// What must come back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Expect {
    /// Answers like this.
    Answers(Answers),
    /// No request may be answered with status 2xx or 3xx.
    Denied {
        /// Text that each failure must contain, so that it does not fail for another reason.
        reason: Option<String>,
    },
}

/// What answers must be like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answers {
    /// HTTP status of each answer; 0 over TCP, which has none.
    pub status: u16,
    /// The status of gRPC with which each call ends, where that is spoken.
    #[serde(default)]
    pub grpc_status: Option<u8>,
    /// Bytes that each body has.
    #[serde(default)]
    pub body_bytes: Option<u32>,
    /// Text that each body contains.
    pub body: Option<String>,
    /// Text that each answer's header of that name contains.
    pub headers: BTreeMap<String, String>,
    /// Who may answer.
    pub who: Who,
    /// Milliseconds that 95 of 100 answers may take.
    pub within: Option<u64>,
    /// Milliseconds that each answer takes at least.
    #[serde(default)]
    pub at_least: Option<u64>,
    /// A service that gets a copy of each request, at whatever path.
    #[serde(default)]
    pub mirror: Option<ServiceUrl>,
    /// Requests that may fail.
    pub failures: u32,
    /// Whether outlier detection must have taken an endpoint out afterwards.
    pub ejected: bool,
}

/// Who may answer, told apart by helloworld's version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Who {
    /// Anybody.
    Anybody,
    /// Exactly these versions, each at least once.
    Versions(Vec<String>),
    /// These versions with these shares in percent, which add up to 100.
    Weights(BTreeMap<String, u8>),
    /// Only the helloworld of these clusters.
    Clusters(Vec<String>),
}

/// As the file has it.
#[derive(Default)]
pub(super) struct RawExpect {
    status: Option<Located<u16>>,
    grpc_status: Option<Located<u8>>,
    body_bytes: Option<Located<u32>>,
    body: Option<Located<String>>,
    headers: Option<Pairwise<Located<String>>>,
    versions: Option<Names>,
    weights: Option<Pairwise<Located<u8>>>,
    clusters: Option<Names>,
    within: Option<Located<u64>>,
    at_least: Option<Located<u64>>,
    mirror: Option<Located<String>>,
    failures: Option<Located<u32>>,
    ejected: Option<Located<bool>>,
    denied: Option<Located<bool>>,
    reason: Option<Located<String>>,
}

impl Record for RawExpect {
    const ABOUT: &'static str = "What must come back";

    fn fields(f: &mut Fields<Self>) {
        let headers = "Text that each of these headers contains";
        let versions = "Exactly these versions of helloworld answer";
        let clusters = "helloworld of exactly these clusters answers";
        let ejected = "Whether outlier detection has taken an endpoint out afterwards";
        let mirror = "SERVICE.NAMESPACE:PORT that answers a copy of every request, as the caller's Envoy counts them";
        f.field(
            "status",
            Number::new(100, 599),
            |r| &mut r.status,
            "HTTP status; that of a WebSocket is 101 when nothing is said",
        )
        .default("200")
        .example("404");
        let grpc = "Status with which a call of gRPC ends; its HTTP status is 200";
        f.field("grpcStatus", Number::new(0, 16), |r| &mut r.grpc_status, grpc).default("0").example("14");
        f.field("bodyBytes", BODY_BYTES, |r| &mut r.body_bytes, "So many bytes the body has").example("10485760");
        f.field("body", ANY_TEXT, |r| &mut r.body, "Text that the body contains").example("Hello");
        f.field("headers", Pairs(ANY_TEXT), |r| &mut r.headers, headers).example("{ server: envoy }");
        f.field("versions", List::whole(ANY_TEXT), |r| &mut r.versions, versions).example("[v1]");
        f.field("weights", Pairs(Number::new(0, 100)), |r| &mut r.weights, "Shares of versions in percent")
            .example("{ v1: 80, v2: 20 }");
        f.field("clusters", List::whole(LABEL), |r| &mut r.clusters, clusters).example("[c1]");
        f.field("within", Duration, |r| &mut r.within, "95 of 100 answers take at most this").example("500ms");
        f.field("atLeast", Duration, |r| &mut r.at_least, "Every answer takes at least this").example("1s");
        f.field("mirror", Text(MIRROR), |r| &mut r.mirror, mirror).example("audit.shop:80");
        f.field("failures", Number::new(0, MOST_REQUESTS), |r| &mut r.failures, "So many requests may fail")
            .default("0")
            .example("3");
        f.field("ejected", Truth, |r| &mut r.ejected, ejected).default("false").example("true");
        f.field("denied", Truth, |r| &mut r.denied, "Whether nothing is answered with 2xx or 3xx")
            .default("false")
            .example("true")
            // Whether there is an answer to say anything of cannot be told then.
            .decisive();
        f.field("reason", ANY_TEXT, |r| &mut r.reason, "What the failure of a denied request says")
            .example("Connection refused");
    }
}

/// A service with its port, without a path.
const MIRROR: &str = "^[^/]+:[0-9]+$";

/// `500ms` or `2s`, one minute at most; read as milliseconds.
struct Duration;

impl Form for Duration {
    type Value = Located<u64>;

    fn read(&self, node: &Node, place: &Place, problems: &mut Problems) -> Option<Located<u64>> {
        let text = ANY_TEXT.read(node, place, problems)?;
        let millis = duration(&text.value);
        if millis.is_none() {
            problems.add(text.span, CheckProblem::BadDuration { value: text.value });
        }
        millis.map(|value| Located { value, span: node.span })
    }

    fn write(&self, millis: Located<u64>) -> Written {
        format!("{}ms", millis.value).into()
    }

    fn schema(&self) -> Json {
        json!({ "type": "string", "pattern": "^[0-9]+(ms|s)$" })
    }
}

fn duration(text: &str) -> Option<u64> {
    let millis = match text.strip_suffix("ms") {
        Some(number) => number.parse().ok()?,
        None => text.strip_suffix('s')?.parse::<u64>().ok()?.checked_mul(1000)?,
    };
    (1..=60_000).contains(&millis).then_some(millis)
}

impl RawExpect {
    /// Whether nothing may be answered.
    pub(super) fn is_denied(&self) -> bool {
        self.denied.as_ref().is_some_and(|d| d.value)
    }

    /// Where it says what not every protocol has.
    pub(super) fn said(&self) -> Said {
        Said {
            status: self.status.as_ref().map(|f| f.span),
            grpc_status: self.grpc_status.as_ref().map(|f| f.span),
            expected_headers: self.headers.as_ref().map(|f| f.span),
            body_bytes: self.body_bytes.as_ref().map(|f| f.span),
            within: self.within.as_ref().map(|f| f.span),
            at_least: self.at_least.as_ref().map(|f| f.span),
            mirror: self.mirror.as_ref().map(|f| f.span),
            ..Said::default()
        }
    }

    /// Whether it takes a version for the cluster that runs it.
    pub(super) fn tells_clusters_apart(&self) -> bool {
        self.clusters.is_some()
    }
}

/// The rules.
pub(super) fn check(
    raw: RawExpect,
    (protocol, times): (Protocol, u32),
    of_helloworld: bool,
    scope: &Scope<'_>,
    problems: &mut Problems,
) -> Expect {
    for (field, text) in [("body", &raw.body), ("reason", &raw.reason)] {
        if let Some(text) = text.as_ref().filter(|text| text.value.is_empty()) {
            let why = format!("every {field} contains the empty text");
            let remedy = format!("write what `{field}` must contain, or leave it out");
            problems.add(text.span, CheckProblem::CannotFail { why, remedy });
        }
    }
    if let Some(denied) = raw.denied.as_ref().filter(|d| d.value) {
        let others = [
            ("status", raw.status.as_ref().map(|f| f.span)),
            ("grpcStatus", raw.grpc_status.as_ref().map(|f| f.span)),
            ("bodyBytes", raw.body_bytes.as_ref().map(|f| f.span)),
            ("body", raw.body.as_ref().map(|f| f.span)),
            ("headers", raw.headers.as_ref().map(|f| f.span)),
            ("versions", raw.versions.as_ref().map(|f| f.span)),
            ("weights", raw.weights.as_ref().map(|f| f.span)),
            ("clusters", raw.clusters.as_ref().map(|f| f.span)),
            ("within", raw.within.as_ref().map(|f| f.span)),
            ("atLeast", raw.at_least.as_ref().map(|f| f.span)),
            ("mirror", raw.mirror.as_ref().map(|f| f.span)),
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
    if let Some(failures) = raw.failures.as_ref().filter(|f| f.value >= times)
        && raw.versions.is_none()
        && raw.weights.is_none()
        && raw.clusters.is_none()
        && raw.mirror.is_none()
        && !raw.ejected.as_ref().is_some_and(|e| e.value)
    {
        let why = format!("{} of its {times} requests may fail", failures.value);
        let remedy = "send more with `times`, or let fewer fail".to_owned();
        problems.add(failures.span, CheckProblem::CannotFail { why, remedy });
    }
    if let (Some(most), Some(least)) = (&raw.within, &raw.at_least)
        && most.value < least.value
    {
        problems.add(least.span, CheckProblem::NeverInTime).also(most.span, "which is shorter");
    }
    Expect::Answers(Answers {
        status: raw.status.map_or(protocol.status(), |s| s.value),
        grpc_status: (protocol == Protocol::Grpc).then(|| raw.grpc_status.map_or(0, |s| s.value)),
        body_bytes: raw.body_bytes.map(|b| b.value),
        body: raw.body.map(|b| b.value),
        headers: raw.headers.map(|h| headers(h, problems)).unwrap_or_default(),
        who: who(raw.versions, raw.weights, raw.clusters, of_helloworld, scope, problems),
        within: raw.within.map(|w| w.value),
        at_least: raw.at_least.map(|l| l.value),
        mirror: raw.mirror.and_then(|service| mirror(service, scope, problems)),
        failures: raw.failures.map_or(0, |f| f.value),
        ejected: raw.ejected.is_some_and(|e| e.value),
    })
}

/// The service that gets copies.
fn mirror(named: Located<String>, scope: &Scope<'_>, problems: &mut Problems) -> Option<ServiceUrl> {
    let Located { value, span } = named;
    // A copy goes to the path of its request.
    let parsed: Result<ServiceUrl, _> =
        if value.contains('/') { Err("has a path") } else { format!("{value}/").parse() };
    match parsed {
        Err(reason) => {
            problems.add(span, CheckProblem::BadMirror { value, reason });
            None
        }
        Ok(service) if !scope.may_serve(&service) => {
            let help = "bring its Service with `manifests`, or name one that is there".to_owned();
            problems.add(span, CheckProblem::NoProvider { service: value, help });
            None
        }
        Ok(service) => Some(service),
    }
}

fn who(
    versions: Option<Names>,
    weights: Option<Pairwise<Located<u8>>>,
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
        let all: Vec<&str> = all.values().flatten().map(String::as_str).collect();
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
        let sum = weights.value.iter().map(|(_, w)| u64::from(w.value)).sum();
        if sum != 100 {
            problems.add(weights.span, CheckProblem::BadWeights { sum });
        }
        return Who::Weights(weights.value.into_iter().map(|(v, w)| (v.value, w.value)).collect());
    }
    if let Some(clusters) = clusters {
        named("clusters", "cluster", "leave `clusters` out to let any answer", &clusters, problems);
        clusters.value.iter().for_each(|c| scope.runs_helloworld("clusters", c, problems));
        return Who::Clusters(plain(clusters));
    }
    Who::Anybody
}

/// The way back.
pub(super) fn raw(expect: &Expect, protocol: Protocol) -> RawExpect {
    let Answers { status, grpc_status, body_bytes, body, headers, who, within, at_least, mirror, failures, ejected } =
        match expect {
            Expect::Denied { reason } => {
                let denied = Some(true.into());
                return RawExpect { denied, reason: reason.clone().map(Into::into), ..RawExpect::default() };
            }
            Expect::Answers(answers) => answers,
        };
    let (mut versions, mut weights, mut clusters) = (None, None, None);
    match who {
        Who::Anybody => {}
        Who::Versions(names) => versions = Some(raw_names(names)),
        Who::Weights(shares) => {
            let shares: Vec<_> =
                shares.iter().map(|(version, share)| (version.clone().into(), (*share).into())).collect();
            weights = Some(shares.into());
        }
        Who::Clusters(names) => clusters = Some(raw_names(names)),
    }
    RawExpect {
        status: protocol.has_status().then(|| (*status).into()),
        grpc_status: grpc_status.map(Into::into),
        body_bytes: body_bytes.map(Into::into),
        body: body.clone().map(Into::into),
        headers: raw_headers(headers),
        versions,
        weights,
        clusters,
        within: within.map(Into::into),
        at_least: at_least.map(Into::into),
        mirror: mirror.as_ref().map(|service| service.place().into()),
        failures: Some((*failures).into()),
        ejected: Some((*ejected).into()),
        denied: None,
        reason: None,
    }
}
