//! The check `request`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::form::{ANY_TEXT, Fields, Names, Number, OneOf, OrWord, Pairs, Pairwise, Record, Text};
use super::caller::{CallerPod, LEGACY, RawCaller, caller};
use super::expect::{self, Expect, RawExpect};
use super::never::{self, Places};
use super::protocol::{self, BODY_BYTES, Body, HEADER_BYTES, Protocol, Said};
use super::service::{HELLOWORLD, ServiceUrl};
use super::{CheckProblem, Located, Problems, Scope, Span, Through, WAYS, from, raw_clusters};

/// Enough for any statistics, few enough to wait for.
pub(super) const MOST_REQUESTS: u32 = 10_000;
/// The user's own requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestCheck {
    /// What reports call it.
    pub name: Option<String>,
    /// What to call.
    pub target: Target,
    /// What is spoken there.
    #[serde(default)]
    pub protocol: Protocol,
    /// Clusters that call or, through their ingress gateways, are called.
    pub from: Vec<String>,
    /// By which way.
    #[serde(default)]
    pub through: Through,
    /// The pod that calls, unless calls come from outside.
    pub caller: CallerPod,
    /// HTTP method; GET when nothing is said.
    pub method: Option<String>,
    /// Headers to send.
    pub headers: BTreeMap<String, String>,
    /// Bytes of a header that is sent besides, if any.
    #[serde(default)]
    pub header_bytes: Option<u32>,
    /// What is sent; nothing when nothing is said.
    #[serde(default)]
    pub body: Option<Body>,
    /// Requests to send at least; what is expected may need more.
    pub times: u32,
    /// What must come back.
    pub expect: Expect,
}

impl RequestCheck {
    /// What is called, as the file says it.
    #[must_use]
    pub fn called(&self) -> String {
        match &self.target {
            Target::Service(service) => format!("{}{service}", self.protocol.scheme()),
            Target::Url(url) => url.clone(),
        }
    }
}

/// What a request goes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// A service of the mesh, without TLS of the caller's own.
    Service(ServiceUrl),
    /// Any URL of http, https, grpc, ws or tcp.
    Url(String),
}

/// As the file has it.
#[derive(Default)]
pub(in crate::scenario) struct RawRequest {
    name: Option<Located<String>>,
    service: Option<Located<String>>,
    url: Option<Located<String>>,
    from: Option<OrWord<Names>>,
    pub(super) through: Option<Located<Through>>,
    caller: Option<Located<RawCaller>>,
    method: Option<Located<String>>,
    headers: Option<Pairwise<Located<String>>>,
    header_bytes: Option<Located<u32>>,
    body: Option<Located<String>>,
    body_bytes: Option<Located<u32>>,
    times: Option<Located<u32>>,
    expect: Option<Located<RawExpect>>,
    /// Whether what is called is there and cannot be read.
    is_unreadable: bool,
}

impl Record for RawRequest {
    const ABOUT: &'static str = "What you say of one kind of request; one of service and url is needed";

    fn fields(f: &mut Fields<Self>) {
        f.field("name", ANY_TEXT, |r| &mut r.name, "What reports call it; by default the target")
            .example("only v1 answers");
        let about = "What is called: SERVICE.NAMESPACE:PORT/PATH over HTTP, or with grpc://, ws:// (a WebSocket) or tcp:// (without a path) before it";
        f.field("service", ANY_TEXT, |r| &mut r.service, about).example(HELLOWORLD);
        let about = "Any URL of http, https, grpc, ws or tcp, instead of a service";
        f.field("url", ANY_TEXT, |r| &mut r.url, about).example("http://10.0.0.1:80/hello");
        from(f, |r| &mut r.from);
        let form = OneOf { what: "way to call", words: &WAYS };
        let about = "ingress: from outside, through the ingress gateway of each of these clusters; `all` are then those that have one. loadBalancer: from outside, to the address of the Service in each of them, which is of type LoadBalancer";
        f.field("through", form, |r| &mut r.through, about).default("mesh").example("ingress");
        f.part("caller", |r| &mut r.caller, "{ namespace: legacy, app: sleep }");
        f.field("method", Text("^[A-Z]+$"), |r| &mut r.method, "HTTP method").default("GET");
        f.field("headers", Pairs(ANY_TEXT), |r| &mut r.headers, "Headers that are sent").example("{ x-user: a }");
        let about = "A header x-lab-padding of so many bytes is sent, too";
        f.field("headerBytes", HEADER_BYTES, |r| &mut r.header_bytes, about).example("30720");
        let about = "What is sent: a body (then the method is POST, if none is said), the message of a call of gRPC, a message over a WebSocket, or bytes over TCP";
        f.field("body", ANY_TEXT, |r| &mut r.body, about).example("hello");
        f.field("bodyBytes", BODY_BYTES, |r| &mut r.body_bytes, "So many bytes are sent instead of a body")
            .example("10485760");
        f.field("times", Number::new(1, MOST_REQUESTS), |r| &mut r.times, "How often it is sent at least")
            .default("1")
            .example("10");
        f.part("expect", |r| &mut r.expect, "{ status: 200 }").decisive();
    }

    fn unreadable(&mut self, field: &'static str) {
        self.is_unreadable |= matches!(field, "service" | "url");
    }
}

impl RawRequest {
    /// Whether it takes a version for the cluster that runs it.
    pub(super) fn tells_clusters_apart(&self) -> bool {
        self.expect.as_ref().is_some_and(|e| e.value.tells_clusters_apart())
    }
}

/// The rules.
pub(super) fn check(raw: RawRequest, span: Span, scope: &Scope<'_>, problems: &mut Problems) -> Option<RequestCheck> {
    let (expect_place, method_place) = (raw.expect.as_ref().map(|e| e.span), raw.method.as_ref().map(|m| m.span));
    let raw_expect = raw.expect.map(|e| e.value).unwrap_or_default();
    let url_place = raw.url.as_ref().map(|u| u.span);
    let target_place = raw.service.as_ref().or(raw.url.as_ref()).map_or(span, |t| t.span);
    let spoken = target(raw.service, raw.url, span, raw.is_unreadable, raw_expect.is_denied(), scope, problems);
    let through_place = raw.through.as_ref().map(|t| t.span);
    if let Some((protocol, _)) = &spoken {
        let said = Said {
            method: raw.method.as_ref().map(|m| m.span),
            headers: raw.headers.as_ref().map(|h| h.span),
            header_bytes: raw.header_bytes.as_ref().map(|h| h.span),
            through: raw.through.as_ref().filter(|t| t.value != Through::Mesh).map(|t| t.span),
            ..raw_expect.said()
        };
        said.fits(*protocol, target_place, problems);
    }
    let through = scope.through(raw.through, problems);
    let from = scope.sources(raw.from, through, problems);
    if let (Through::Ingress | Through::LoadBalancer, Some(place)) = (through, through_place) {
        let remedy = "it is a call from outside, and goes to a `service`";
        let caller = raw.caller.as_ref().map(|c| ("caller", c.span));
        for (second, other) in caller.into_iter().chain(url_place.map(|span| ("url", span))) {
            problems
                .add(other, CheckProblem::Excluded { first: through.field(), second, remedy })
                .also(place, "said here");
        }
    }
    let caller = match through {
        Through::Ingress | Through::LoadBalancer => {
            CallerPod { namespace: "sample".to_owned(), app: "sleep".to_owned() }
        }
        Through::Mesh => caller(raw.caller, span, scope, problems),
    };
    if let Some(method) = &raw.method
        && (method.value.is_empty() || !method.value.bytes().all(|b| b.is_ascii_uppercase()))
    {
        problems.add(method.span, CheckProblem::BadMethod { value: method.value.clone() });
    }
    let headers = raw.headers.map(|h| headers(h, problems)).unwrap_or_default();
    let (protocol, target) = spoken.map_or((Protocol::Http, None), |(protocol, target)| (protocol, Some(target)));
    let body = protocol::body(raw.body, raw.body_bytes, (protocol, raw.header_bytes.as_ref()), problems);
    let of_helloworld = matches!(&target, Some(Target::Service(service)) if is_helloworld(service));
    let times = raw.times.map_or(1, |t| t.value);
    let expect = expect::check(raw_expect, (protocol, times), of_helloworld, scope, problems);
    if let (Some(Target::Service(service)), Expect::Denied { reason: None }) = (&target, &expect)
        && !scope.may_serve(service)
    {
        let why = format!(
            "nothing of this scenario is `{}.{}`, so every call of it is denied",
            service.service, service.namespace
        );
        let remedy = "say why it is denied, such as `reason: Could not resolve host`, or call what is there".to_owned();
        problems.add(target_place, CheckProblem::CannotFail { why, remedy });
    }
    if let Some(name) = &raw.name {
        let is_empty = name.value.trim().is_empty();
        let reason = if is_empty { "is empty" } else { "has a character that is no text" };
        if is_empty || name.value.chars().any(char::is_control) {
            problems.add(name.span, CheckProblem::BadName { reason });
        }
    }
    let check = RequestCheck {
        name: raw.name.map(|n| n.value),
        target: target?,
        protocol,
        from,
        through,
        caller,
        method: raw.method.map(|m| m.value),
        headers,
        header_bytes: raw.header_bytes.map(|h| h.value),
        body,
        times,
        expect,
    };
    let places = Places { target: target_place, method: method_place, expect: expect_place };
    never::check(&check, &places, scope, problems);
    Some(check)
}

/// Whether a service is what helloworld serves, at whatever path.
pub(super) fn is_helloworld(service: &ServiceUrl) -> bool {
    HELLOWORLD.starts_with(&format!("{}.{}:{}/", service.service, service.namespace, service.port))
}

/// What is called, and what is spoken there.
fn target(
    service: Option<Located<String>>,
    url: Option<Located<String>>,
    span: Span,
    is_unreadable: bool,
    denied: bool,
    scope: &Scope<'_>,
    problems: &mut Problems,
) -> Option<(Protocol, Target)> {
    match (service, url) {
        (Some(service), None) => {
            let (protocol, parsed) = protocol::service(&service, problems)?;
            let sample = scope.versions.is_some() && is_helloworld(&parsed);
            let legacy = scope.reachability && parsed.service == "helloworld" && parsed.namespace == LEGACY;
            // What is denied need not be there: that may be the reason.
            if !(sample || legacy || denied || scope.own_apps) {
                scope.not_served(service, problems);
            }
            Some((protocol, Target::Service(parsed)))
        }
        (None, Some(url)) => protocol::url(url, problems),
        (Some(_), Some(url)) => {
            problems.add(url.span, CheckProblem::NotOneTarget { found: "both" });
            None
        }
        (None, None) => {
            // One that cannot be read has been told.
            if !is_unreadable {
                problems.add(span, CheckProblem::NotOneTarget { found: "neither" });
            }
            None
        }
    }
}

/// Headers that are sent or expected.
pub(super) fn headers(pairs: Pairwise<Located<String>>, problems: &mut Problems) -> BTreeMap<String, String> {
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

/// The way back.
pub(super) fn raw(check: &RequestCheck, all: &[String]) -> RawRequest {
    let RequestCheck {
        name,
        target,
        protocol,
        from,
        through,
        caller,
        method,
        headers,
        header_bytes,
        body,
        times,
        expect,
    } = check;
    let (service, url) = match target {
        Target::Service(_) => (Some(check.called().into()), None),
        Target::Url(url) => (None, Some(url.clone().into())),
    };
    let (body, body_bytes) = match body {
        None => (None, None),
        Some(Body::Text(text)) => (Some(text.clone().into()), None),
        Some(Body::Bytes(bytes)) => (None, Some((*bytes).into())),
    };
    let (through, caller) = match through {
        Through::Ingress | Through::LoadBalancer => (Some((*through).into()), None),
        Through::Mesh => {
            let CallerPod { namespace, app } = caller.clone();
            (None, Some(RawCaller { namespace: Some(namespace.into()), app: Some(app.into()) }.into()))
        }
    };
    RawRequest {
        is_unreadable: false,
        name: name.clone().map(Into::into),
        service,
        url,
        from: Some(raw_clusters(from, all)),
        through,
        caller,
        method: method.clone().map(Into::into),
        headers: raw_headers(headers),
        header_bytes: header_bytes.map(Into::into),
        body,
        body_bytes,
        times: Some((*times).into()),
        expect: Some(expect::raw(expect, *protocol).into()),
    }
}

/// Headers as the file would say them.
pub(super) fn raw_headers(headers: &BTreeMap<String, String>) -> Option<Pairwise<Located<String>>> {
    let pairs: Vec<_> = headers.iter().map(|(name, value)| (name.clone().into(), value.clone().into())).collect();
    (!pairs.is_empty()).then(|| pairs.into())
}
