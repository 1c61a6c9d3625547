//! What is sent again and again, and how curl is told of it.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};

use super::{LARGEST_BATCH, REQUEST_LIMIT};
use crate::scenario::{Expect, Protocol};
use crate::verdict::REPLY_FORMAT;

/// Bytes of bodies that one curl may print.
const AT_ONCE: u32 = 8 << 20;

/// Longest value of a header that is an argument.
const LONGEST: usize = 32 << 10;

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::observe) enum Family {
    Ipv4,
    Ipv6,
}

impl Family {
    /// curl's flag for it.
    fn flag(self) -> &'static str {
        match self {
            Self::Ipv4 => "-4",
            Self::Ipv6 => "-6",
        }
    }

    /// Its name.
    pub(in crate::observe) fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        }
    }
}

/// What is sent again and again.
pub(in crate::observe) struct Call<'a> {
    /// With scheme, without fragment.
    pub url: String,
    /// What is spoken there.
    pub protocol: Protocol,
    /// When nothing is said, GET, or POST with a body.
    pub method: Option<&'a str>,
    /// Sent with each request.
    pub headers: &'a BTreeMap<String, String>,
    /// The body, the message, or the bytes that are sent.
    pub body: Option<Bytes>,
    /// Seconds that one request may take.
    pub limit: u32,
    /// To addresses of which family, where it is not left to the caller.
    pub family: Option<Family>,
    /// Whether a batch ends at the first request without any answer. Then a batch may be large: one that times out costs no more than this one.
    pub to_first_failure: bool,
    /// Bytes of body that come back with each answer, where they are counted and no more than the beginning is kept.
    pub counted: Option<u32>,
    /// What must come back, which says when a conversation is over; without it the first that comes ends one.
    pub expect: Option<&'a Expect>,
}

/// Headers of a call that has none.
static NO_HEADERS: BTreeMap<String, String> = BTreeMap::new();

impl Call<'_> {
    /// A GET with nothing special about it.
    pub fn get(url: String) -> Self {
        Self {
            url,
            protocol: Protocol::Http,
            method: None,
            headers: &NO_HEADERS,
            body: None,
            limit: REQUEST_LIMIT,
            family: None,
            to_first_failure: false,
            counted: None,
            expect: None,
        }
    }

    /// How many requests are sent before it is looked whether enough have failed: no more by one curl than what it prints can be held, and of conversations,
    /// each of which is a command of its own, one.
    pub(super) fn most_at_once(&self) -> u32 {
        if matches!(self.protocol, Protocol::Tcp | Protocol::WebSocket) {
            return 1;
        }
        self.counted.and_then(|bytes| AT_ONCE.checked_div(bytes)).map_or(LARGEST_BATCH, |requests| requests.max(1))
    }

    /// Arguments by which one curl sends so many requests.
    pub(super) fn arguments(&self, requests: u32) -> Vec<String> {
        // Without a buffer each answer is heard when it comes.
        let mut arguments: Vec<String> =
            ["-sN", "-k", "-m", &self.limit.to_string(), "-w", REPLY_FORMAT].map(str::to_owned).into();
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(|word| (*word).to_owned()));
        if let Some(family) = self.family {
            add(&[family.flag()]);
        }
        if self.to_first_failure {
            add(&["--fail-early"]);
        }
        match self.method {
            // Of a HEAD request curl would wait for a body, unless this flag says what it is; then it prints headers in its place.
            Some("HEAD") => add(&["-I", "-o", "/dev/null"]),
            Some(method) => add(&["-X", method]),
            None => {}
        }
        for (name, value) in self.headers {
            if !self.is_by_input(value) {
                add(&["-H", &header_argument(name, value)]);
            }
        }
        if self.headers.values().any(|value| self.is_by_input(value)) {
            add(&["-H", "@-"]);
        }
        // Of what is encrypted nobody on the way sees single requests, so each gets a connection of its own, and may be answered by another.
        if self.url.starts_with("https://") {
            add(&["--http1.1", "-H", "Connection: close"]);
        }
        if self.body.is_some() || self.protocol == Protocol::Grpc {
            // It would ask first whether it may send a large one.
            add(&["-H", "Expect:", "--data-binary", "@-"]);
        }
        if self.protocol == Protocol::Grpc {
            let (place, path) = self.place();
            add(&["-H", "content-type: application/grpc", "-H", "te: trailers"]);
            if !self.headers.keys().any(|name| name.eq_ignore_ascii_case("host")) {
                add(&["-H", &format!("Host: {place}")]);
            }
            // Trailers are printed behind the body by the option that prints headers before it.
            add(&["-D", "-", "--http2-prior-knowledge"]);
            // A name of its own gives each request a connection of its own: curl 7.88 fails at the second request over one.
            add(&["--connect-to", &format!("::{place}"), &format!("http://[1-{requests}].lab{path}")]);
        } else {
            // One curl for all of them: it numbers them in the fragment, which is not sent.
            add(&[&format!("{}#[1-{requests}]", self.url)]);
        }
        arguments
    }

    /// Whether a header comes by the standard input, since no command in a pod may be as long.
    fn is_by_input(&self, value: &str) -> bool {
        value.len() > LONGEST && self.body.is_none() && self.protocol == Protocol::Http
    }

    /// What curl reads from its standard input, once for all requests.
    pub(super) fn input(&self) -> Bytes {
        let by_input = self.headers.iter().filter(|(_, value)| self.is_by_input(value));
        let lines: Vec<String> = by_input.map(|(name, value)| format!("{name}: {value}\n")).collect();
        if !lines.is_empty() {
            return Bytes::from(lines.concat());
        }
        let body = self.body.clone().unwrap_or_default();
        if self.protocol != Protocol::Grpc {
            return body;
        }
        // A message of gRPC: that it is not compressed, its length, itself.
        let mut message = BytesMut::with_capacity(5 + body.len());
        message.put_u8(0);
        message.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
        message.put(body);
        message.freeze()
    }

    /// `HOST:PORT` and the path of what is called.
    pub(super) fn place(&self) -> (String, &str) {
        let rest = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let place = if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
        (place, if path.is_empty() { "/" } else { path })
    }
}

/// A header for curl, which takes a value that is empty only after a semicolon.
fn header_argument(name: &str, value: &str) -> String {
    if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_grpc_has_its_length_before_it() {
        let url = "grpc://api.shop:50051/shop.Orders/List".to_owned();
        let mut call = Call { protocol: Protocol::Grpc, ..Call::get(url) };
        assert_eq!(&call.input()[..], [0; 5]);
        call.body = Some(Bytes::from_static(b"abc"));
        assert_eq!(&call.input()[..], b"\0\0\0\0\x03abc");
        let arguments = call.arguments(7).join(" ");
        for wanted in [
            "--data-binary @-",
            "-H te: trailers",
            "-H Host: api.shop:50051",
            "--connect-to ::api.shop:50051 http://[1-7].lab/shop.Orders/List",
        ] {
            assert!(arguments.contains(wanted), "{arguments}");
        }
    }

    #[test]
    fn plain_requests_send_nothing_and_are_numbered() {
        let mut call = Call::get("http://a.b:80/x?y".to_owned());
        let arguments = call.arguments(20);
        assert_eq!(arguments.last().map(String::as_str), Some("http://a.b:80/x?y#[1-20]"));
        assert!(!arguments.iter().any(|a| a.starts_with("--data")), "{arguments:?}");
        assert_eq!(call.most_at_once(), LARGEST_BATCH);
        (call.counted, call.body) = (Some(10 << 20), Some(Bytes::from_static(b"x")));
        assert_eq!(call.most_at_once(), 1);
        assert!(call.arguments(1).join(" ").contains("--data-binary @-"));
        assert_eq!(call.place(), ("a.b:80".to_owned(), "/x?y"));
        assert!(!call.arguments(1).join(" ").contains("close"));
        call.url = "https://a.b/".to_owned();
        assert!(call.arguments(1).join(" ").contains("-H Connection: close"));
    }

    #[test]
    fn a_header_that_no_command_can_have_comes_by_the_input() {
        let headers = BTreeMap::from([("x-a".to_owned(), "b".to_owned()), ("x-b".to_owned(), "c".repeat(70_000))]);
        let call = Call { headers: &headers, ..Call::get("http://a.b:80/".to_owned()) };
        assert!(call.arguments(1).join(" ").contains("-H x-a: b -H @-"));
        assert_eq!(call.input().len(), "x-b: \n".len() + 70_000);
        let conversation = Call { protocol: Protocol::Tcp, ..Call::get("tcp://a.b:80".to_owned()) };
        assert_eq!(conversation.most_at_once(), 1);
    }
}
