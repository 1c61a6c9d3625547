//! What a request speaks, what it sends, and what of a request goes with which protocol.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::form::Number;
use super::request::Target;
use super::service::{NO_PORT, ServiceUrl, is_url_text, port};
use super::{CheckProblem, Located, Problems, Span};

/// Most bytes of a body that is sent or expected: what two sidecars carry in a few seconds.
pub(super) const BODY_BYTES: Number<u32> = Number::new(1, 64 << 20);
/// Bytes of a header that is sent: more than any Envoy takes by default, and no more than one argument of a command may have.
pub(super) const HEADER_BYTES: Number<u32> = Number::new(1, 100_000);

/// What a request speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Protocol {
    /// HTTP/1.1, over TLS where a URL says so.
    #[default]
    Http,
    /// A unary call of gRPC, without TLS.
    Grpc,
    /// A WebSocket, without TLS.
    WebSocket,
    /// Bytes over a TCP connection.
    Tcp,
}

/// The schemes that say a protocol other than HTTP.
const SCHEMES: [(&str, Protocol); 3] =
    [("grpc://", Protocol::Grpc), ("ws://", Protocol::WebSocket), ("tcp://", Protocol::Tcp)];

impl Protocol {
    /// What a target begins with that is called so; nothing for HTTP, where a URL has its own.
    #[must_use]
    pub fn scheme(self) -> &'static str {
        SCHEMES.iter().find(|(_, protocol)| *protocol == self).map_or("", |(scheme, _)| scheme)
    }

    /// Whether each answer has a status of HTTP.
    #[must_use]
    pub fn has_status(self) -> bool {
        matches!(self, Self::Http | Self::WebSocket)
    }

    /// The status of an answer where nothing else is expected; 0 where answers have none.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Http | Self::Grpc => 200,
            Self::WebSocket => 101,
            Self::Tcp => 0,
        }
    }

    /// The protocol that a text begins with, and the rest.
    pub(super) fn split(text: &str) -> (Self, &str) {
        let said = SCHEMES.iter().find_map(|(scheme, protocol)| Some((*protocol, text.strip_prefix(scheme)?)));
        said.unwrap_or((Self::Http, text))
    }
}

/// What a request sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Body {
    /// This text.
    Text(String),
    /// So many bytes, which say nothing.
    Bytes(u32),
}

/// A service with what is spoken there: `SERVICE.NAMESPACE:PORT/PATH` over HTTP, or with `grpc://`, `ws://` or `tcp://` before it; TCP knows no path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpokenService {
    /// What is spoken.
    pub protocol: Protocol,
    /// Where.
    pub service: ServiceUrl,
}

impl std::fmt::Display for SpokenService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.protocol.scheme(), self.service)
    }
}

impl std::str::FromStr for SpokenService {
    type Err = &'static str;

    /// The error is what is wrong with it, in words that follow it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (protocol, rest) = Protocol::split(text);
        let service = parse(protocol, rest)?;
        Ok(Self { protocol, service })
    }
}

fn parse(protocol: Protocol, rest: &str) -> Result<ServiceUrl, &'static str> {
    match protocol {
        Protocol::Tcp if rest.contains('/') => Err("has a path, and TCP knows none"),
        Protocol::Tcp => format!("{rest}/").parse().map(|service| ServiceUrl { path: String::new(), ..service }),
        _ if rest.contains("://") => Err("has a scheme that is none of `grpc://`, `ws://` and `tcp://`"),
        Protocol::Grpc if !rest.split_once('/').is_some_and(|(_, path)| is_method(path)) => Err(NO_METHOD),
        _ => rest.parse(),
    }
}

/// A service as a request names it.
pub(super) fn service(named: &Located<String>, problems: &mut Problems) -> Option<(Protocol, ServiceUrl)> {
    match named.value.parse() {
        Ok(SpokenService { protocol, service }) => Some((protocol, service)),
        Err(reason) => {
            problems.add(named.span, CheckProblem::BadService { value: named.value.clone(), reason });
            None
        }
    }
}

/// A URL with what is spoken there.
pub(super) fn url(named: Located<String>, problems: &mut Problems) -> Option<(Protocol, Target)> {
    let Located { value, span } = named;
    let (protocol, rest) = match Protocol::split(&value) {
        (Protocol::Http, all) => (Protocol::Http, all.strip_prefix("http://").or_else(|| all.strip_prefix("https://"))),
        (other, rest) => (other, Some(rest)),
    };
    let reason = match rest {
        None => "does not begin with `http://`, `https://`, `grpc://`, `ws://` or `tcp://`",
        Some(rest) if rest.is_empty() || rest.starts_with(['/', ':', '?']) => "names no host",
        Some(rest) if !is_url_text(rest) => "has characters that a URL must escape",
        Some(rest) if protocol == Protocol::Tcp && rest.contains(['/', '?']) => "has a path, and TCP knows none",
        Some(rest) if protocol == Protocol::Tcp && !rest.contains(':') => "has no port",
        Some(rest) if protocol == Protocol::Grpc && !rest.split_once('/').is_some_and(|(_, path)| is_method(path)) => {
            NO_METHOD
        }
        Some(rest) => match authority(rest) {
            Some(reason) => reason,
            None => return Some((protocol, Target::Url(value))),
        },
    };
    problems.add(span, CheckProblem::BadUrl { value, reason });
    None
}

/// Whether a path without its first slash is that of a method of gRPC: `PACKAGE.SERVICE/METHOD`.
fn is_method(path: &str) -> bool {
    path.split_once('/').is_some_and(|(service, method)| !service.is_empty() && !method.is_empty())
}

const NO_METHOD: &str = "names no method of gRPC, which is `/PACKAGE.SERVICE/METHOD` after the port";

/// What is wrong with the host and the port that a URL begins with after its scheme; nothing where they can be called.
fn authority(rest: &str) -> Option<&'static str> {
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let (host, number) = place.split_once(':').map_or((place, None), |(host, number)| (host, Some(number)));
    if host.is_empty() || !host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) {
        return Some("names no host");
    }
    number.is_some_and(|number| port(number).is_none()).then_some(NO_PORT)
}

/// Bytes of a header that can be sent beside a body or a message.
const BESIDE_BODY: u32 = 32 << 10;

/// What a request sends: the one of two fields that is said.
pub(super) fn body(
    text: Option<Located<String>>,
    bytes: Option<Located<u32>>,
    (protocol, header_bytes): (Protocol, Option<&Located<u32>>),
    problems: &mut Problems,
) -> Option<Body> {
    let sent = text.as_ref().map(|t| ("body", t.span)).or(bytes.as_ref().map(|b| ("bodyBytes", b.span)));
    let sent = match protocol {
        Protocol::Http => sent,
        Protocol::Grpc => header_bytes.map(|h| ("grpc://", h.span)),
        Protocol::WebSocket | Protocol::Tcp => None,
    };
    if let (Some((first, place)), Some(header)) = (sent, header_bytes.filter(|h| h.value > BESIDE_BODY)) {
        let remedy = "beside something that is sent there is room for 32768 bytes of headers";
        let problem = CheckProblem::Excluded { first, second: "headerBytes", remedy };
        problems.add(header.span, problem).also(place, "sent here");
    }
    if let (Some(text), Some(bytes)) = (&text, &bytes) {
        let remedy = "each says what is sent: keep one of them";
        let problem = CheckProblem::Excluded { first: "body", second: "bodyBytes", remedy };
        problems.add(bytes.span, problem).also(text.span, "said here already");
    }
    text.map(|t| Body::Text(t.value)).or(bytes.map(|b| Body::Bytes(b.value)))
}

/// Where a request says what not every protocol has.
#[derive(Default)]
pub(super) struct Said {
    pub method: Option<Span>,
    pub headers: Option<Span>,
    pub header_bytes: Option<Span>,
    pub through: Option<Span>,
    pub status: Option<Span>,
    pub grpc_status: Option<Span>,
    pub expected_headers: Option<Span>,
    pub body_bytes: Option<Span>,
    pub within: Option<Span>,
    pub at_least: Option<Span>,
    pub mirror: Option<Span>,
}

impl Said {
    /// Records what does not go with the protocol.
    pub(super) fn fits(&self, protocol: Protocol, place: Span, problems: &mut Problems) {
        use Protocol::{Grpc, Http, Tcp, WebSocket};
        let first = match protocol {
            Http => "http://",
            Grpc => "grpc://",
            WebSocket => "ws://",
            Tcp => "tcp://",
        };
        let fields: [(&'static str, Option<Span>, &[Protocol], &'static str); 11] = [
            ("method", self.method, &[Http], "only HTTP has methods to choose: leave it out"),
            ("headers", self.headers, &[Http, Grpc, WebSocket], "TCP has no headers: leave them out"),
            ("headerBytes", self.header_bytes, &[Http, Grpc, WebSocket], "TCP has no headers: leave it out"),
            ("through", self.through, &[Http], "calls from outside are HTTP only: leave `through` out"),
            ("status", self.status, &[Http, WebSocket], NO_STATUS),
            (
                "grpcStatus",
                self.grpc_status,
                &[Grpc],
                "only gRPC has it: write `grpc://` before the service, or `status`",
            ),
            ("headers", self.expected_headers, &[Http, Grpc, WebSocket], "TCP has no headers: expect a `body`"),
            ("bodyBytes", self.body_bytes, &[Http], "only a body of HTTP has a length of its own: expect a `body`"),
            ("within", self.within, &[Http, Grpc], NO_TIME),
            ("atLeast", self.at_least, &[Http, Grpc], NO_TIME),
            ("mirror", self.mirror, &[Http, Grpc], "only requests are copied, and none is sent here: leave it out"),
        ];
        for (second, span, of, remedy) in fields {
            if let Some(span) = span.filter(|_| !of.contains(&protocol)) {
                let problem = CheckProblem::Excluded { first, second, remedy };
                problems.add(span, problem).also(place, "called here");
            }
        }
    }
}

const NO_STATUS: &str = "its answers have no status of HTTP: gRPC has a `grpcStatus`, TCP only a `body`";
const NO_TIME: &str = "the way to the pod that calls would be measured too: leave it out";
