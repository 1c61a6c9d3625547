//! What curl says about each request.

use std::collections::BTreeMap;

use serde_json::Value;

/// What curl is told to print after each body (its option `-w`): a line that no body contains by chance, with status code, seconds,
/// bytes of the body and what went wrong; the headers as JSON; and a line that ends them.
pub const REPLY_FORMAT: &str =
    "\n--lab-status--%{http_code} %{time_total} %{size_download} %{errormsg}\n%{header_json}\n--lab-end--\n";

/// What is said of a conversation over TCP in which nothing came, and which nobody ended.
pub const NOTHING_IN_TIME: &str = "nothing came in time";

const STATUS: &str = "--lab-status--";
const END: &str = "--lab-end--";

/// What one request came back with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status; 0 without an answer, and of an answer that is no HTTP.
    pub status: u16,
    /// Status and message with which a call of gRPC ended.
    pub grpc: Option<(u8, String)>,
    /// What curl says about a failure; empty if there was none.
    pub error: String,
    /// Microseconds from the start to the last byte.
    pub micros: u64,
    /// Headers, names in lower case.
    pub headers: BTreeMap<String, Vec<String>>,
    /// Body.
    pub body: String,
    /// Bytes of the body, however much of it is kept.
    pub bytes: u64,
}

/// Reads what curl printed for a series of requests by [`REPLY_FORMAT`].
#[must_use]
pub fn parse_replies(output: &str) -> Vec<Reply> {
    let mut replies = Vec::new();
    let mut reply = Reply::default();
    let mut headers: Option<String> = None;
    for line in output.lines() {
        match &mut headers {
            None => {
                if let Some(outcome) = line.strip_prefix(STATUS) {
                    let mut words = outcome.splitn(4, ' ');
                    reply.status = words.next().and_then(|w| w.parse().ok()).unwrap_or(0);
                    reply.micros = words.next().map_or(0, micros);
                    reply.bytes = words.next().and_then(|w| w.parse().ok()).unwrap_or(0);
                    words.next().unwrap_or_default().trim().clone_into(&mut reply.error);
                    headers = Some(String::new());
                } else {
                    reply.body.push_str(line);
                    reply.body.push('\n');
                }
            }
            Some(_) if line == END => {
                let text = headers.take().unwrap_or_default();
                let mut done = std::mem::take(&mut reply);
                done.headers = read_headers(&text);
                // The format begins with a line's end of its own.
                done.body.pop();
                replies.push(done);
            }
            Some(text) => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    replies
}

/// Seconds with six decimals, as curl prints them.
fn micros(seconds: &str) -> u64 {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let fraction: String = fraction.chars().chain("000000".chars()).take(6).collect();
    whole.parse().unwrap_or(0_u64) * 1_000_000 + fraction.parse().unwrap_or(0)
}

fn read_headers(text: &str) -> BTreeMap<String, Vec<String>> {
    let Ok(Value::Object(headers)) = serde_json::from_str(text) else { return BTreeMap::new() };
    let values = |value: Value| match value {
        Value::Array(values) => values.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), values(value))).collect()
}

/// Names of the statuses of gRPC, by their numbers (its document `statuscodes.md`).
const GRPC_STATUSES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Whether a body is what curl prints for a call of gRPC by its option `-D -`: headers, messages, and trailers behind the last message.
/// Takes them apart.
#[must_use]
pub fn grpc_reply(mut reply: Reply) -> Reply {
    let mut rest = reply.body.as_str();
    // An answer that says more will follow has headers of its own.
    while rest.starts_with("HTTP/") {
        rest = rest.split_once("\n\n").map_or("", |(_, rest)| rest);
    }
    let trailer = |name: &str| {
        let (at, _) = rest.rmatch_indices(&format!("{name}: ")).next()?;
        let value = rest[at..].lines().next()?.split_once(": ")?.1;
        Some((at, value.trim().to_owned()))
    };
    let (status, message) = (trailer("grpc-status"), trailer("grpc-message"));
    let end = [&status, &message].into_iter().flatten().map(|(at, _)| *at).min();
    // A call that failed before there was any message has them among its headers.
    let header = |name: &str| Some(reply.headers.get(name)?.first()?.trim().to_owned());
    let status = status.map(|(_, value)| value).or_else(|| header("grpc-status"));
    let message = message.map(|(_, value)| value).or_else(|| header("grpc-message")).unwrap_or_default();
    let body = rest[..end.unwrap_or(rest.len())].to_owned();
    reply.grpc = status.and_then(|status| status.parse().ok()).map(|status| (status, message));
    reply.body = body;
    reply
}

impl Reply {
    /// Whether it is an answer, rather than a refusal or nothing: HTTP that is no failure, a call of gRPC that ended well, a connection that is
    /// switched to another protocol, or anything that comes over TCP.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        match (self.status, &self.grpc) {
            (0, _) => self.error.is_empty() && !self.body.is_empty(),
            (200, Some((status, _))) => *status == 0,
            (status, _) => status == 101 || (200..400).contains(&status),
        }
    }

    /// Whether it shows that somebody was reached: an answer, or a connection over TCP that was kept open, as by a server that waits to be spoken to. An
    /// Envoy that finds nobody closes it.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.is_answer() || self.is_kept_open()
    }

    fn is_kept_open(&self) -> bool {
        self.status == 0 && self.error == NOTHING_IN_TIME
    }

    /// What an answer says of itself, in a few words that group equal ones.
    #[must_use]
    pub fn said(&self) -> String {
        match (self.version(), self.status) {
            (Some(version), _) => version.to_owned(),
            (None, 0) if self.is_kept_open() => "a connection that is kept open".to_owned(),
            (None, 0) => first_line(&self.body),
            (None, status) => match &self.grpc {
                Some((status, _)) => format!("gRPC status {status}"),
                None => format!("status {status}"),
            },
        }
    }

    /// Keeps no more of the body than the beginning.
    pub fn shorten(&mut self, most: usize) {
        let end = (0..=most.min(self.body.len())).rev().find(|at| self.body.is_char_boundary(*at));
        self.body.truncate(end.unwrap_or(0));
        self.body.shrink_to_fit();
    }

    /// The failure in a few words that group equal ones: curl's message, or the status and the first line of the body.
    #[must_use]
    pub fn reason(&self) -> String {
        if let (200, Some((status, message))) = (self.status, &self.grpc) {
            let name = GRPC_STATUSES.get(usize::from(*status)).copied().unwrap_or("which gRPC does not know");
            return format!("gRPC status {status} ({name}){}{message}", if message.is_empty() { "" } else { ": " });
        }
        match (self.status, self.error.as_str()) {
            (0, "") if self.body.is_empty() => "no answer".to_owned(),
            (0, "") => format!("answered: {}", first_line(&self.body)),
            (0, error) => format!("no answer: {}", without_numbers(error)),
            (code, _) => {
                let reason = first_line(&self.body);
                format!("status {code}{}{reason}", if reason.is_empty() { "" } else { ": " })
            }
        }
    }

    /// The version in an answer of Istio's helloworld, `Hello version: v1, instance: ...`.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        let (_, rest) = self.body.split_once("version: ")?;
        rest.split([',', '\n', ' ']).next().filter(|v| !v.is_empty())
    }
}

/// The beginning of a text's first line.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().chars().take(120).collect()
}

/// curl's words without milliseconds, so that equal failures count together.
pub(super) fn without_numbers(error: &str) -> String {
    let is_count = |w: &str| !w.is_empty() && w.chars().all(|c| c.is_ascii_digit());
    error.split(' ').map(|w| if is_count(w) { "N" } else { w }).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_is_reached_who_waits_to_be_spoken_to() {
        let silent = Reply { error: NOTHING_IN_TIME.to_owned(), ..Reply::default() };
        assert!(silent.is_reached() && !silent.is_answer());
        assert_eq!(silent.said(), "a connection that is kept open");
        let closed = Reply { error: "the connection was closed before anything came".to_owned(), ..Reply::default() };
        assert!(!closed.is_reached());
        let grpc = |status| Reply { status: 200, grpc: Some((status, String::new())), ..Reply::default() };
        assert!(grpc(0).is_reached() && !grpc(5).is_reached());
        assert_eq!(grpc(0).said(), "gRPC status 0");
        assert_eq!(Reply { status: 101, ..Reply::default() }.said(), "status 101");
        assert_eq!(Reply { body: "hello\nworld".to_owned(), ..Reply::default() }.said(), "hello");
    }

    #[test]
    fn reads_bodies_headers_times_and_errors() {
        let output = "Hello version: v1, instance: a\n\n--lab-status--200 0.002763 31 \n{\"server\":[\"envoy\"],\n\"Set-Cookie\":[\"a\",\"b\"]\n}\n--lab-end--\n\
                      \n--lab-status--000 2.000845 0 Operation timed out after 2000 milliseconds with 0 bytes received\n{\n}\n--lab-end--\n\
                      no newline\n--lab-status--503 12 10 \n{}\n--lab-end--\nhalf an answer";
        let replies = parse_replies(output);
        assert_eq!(replies.len(), 3);
        assert_eq!((replies[0].status, replies[0].micros, replies[0].version()), (200, 2763, Some("v1")));
        assert_eq!(replies.iter().map(|r| r.bytes).collect::<Vec<_>>(), [31, 0, 10]);
        assert_eq!(replies[0].headers["set-cookie"], ["a", "b"]);
        assert_eq!(replies[0].body, "Hello version: v1, instance: a\n");
        assert_eq!((replies[1].status, replies[1].micros), (0, 2_000_845));
        assert_eq!(replies[1].reason(), "no answer: Operation timed out after N milliseconds with N bytes received");
        assert_eq!((replies[2].reason().as_str(), replies[2].micros), ("status 503: no newline", 12_000_000));
        assert_eq!(replies[2].version(), None);
    }

    /// What curl prints of one call of gRPC.
    fn grpc(printed: &str, headers: &str) -> Reply {
        let output = format!("{printed}\n--lab-status--200 0.1 54 \n{headers}\n--lab-end--\n");
        grpc_reply(parse_replies(&output).remove(0))
    }

    #[test]
    fn trailers_of_grpc_are_behind_its_messages() {
        let head = "HTTP/2 200 \r\ncontent-type: application/grpc\r\n\r\n";
        for message in ["Hello version: v1, instance: a\n", "Hello version: v1, instance: a"] {
            let reply = grpc(&format!("{head}\0\0\0\0\x1f{message}grpc-message: \r\ngrpc-status: 0\r\n\r\n"), "{}");
            assert_eq!((reply.grpc.clone(), reply.version()), (Some((0, String::new())), Some("v1")));
            assert!(reply.is_answer() && reply.body.ends_with(message), "{reply:?}");
        }
        let failed = grpc(&format!("{head}grpc-status: 14\r\ngrpc-message: no healthy upstream\r\n"), "{}");
        assert_eq!(failed.reason(), "gRPC status 14 (UNAVAILABLE): no healthy upstream");
        assert!(!failed.is_answer() && failed.body.is_empty());
        let headers = r#"{"grpc-status":["7"],"grpc-message":["RBAC: access denied"]}"#;
        assert_eq!(grpc(head, headers).reason(), "gRPC status 7 (PERMISSION_DENIED): RBAC: access denied");
        let none = grpc("HTTP/2 200 \r\n\r\nHello", "{}");
        assert_eq!((none.grpc, none.body.as_str()), (None, "Hello"));
    }

    #[test]
    fn what_comes_over_tcp_is_an_answer() {
        let mut said = Reply { body: "Hello version: v2\nmore".to_owned(), ..Reply::default() };
        assert!(said.is_answer() && !Reply::default().is_answer());
        assert_eq!(said.reason(), "answered: Hello version: v2");
        said.shorten(5);
        assert_eq!(said.body, "Hello");
        let mut wide = Reply { body: "ää".to_owned(), ..Reply::default() };
        wide.shorten(3);
        assert_eq!(wide.body, "ä");
    }
}
