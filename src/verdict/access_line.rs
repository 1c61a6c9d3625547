//! A line that a proxy has written of a call, with the keys that `plan/render/access_log.rs` asks for.

use serde_json::Value;

/// What Envoy writes where it has nothing to say.
const NOTHING: &str = "-";

/// A line of an access log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessLine {
    /// Microseconds since 1970 at which the request, or the connection, came.
    pub at: i64,
    /// Microseconds from its first to its last byte; of a connection, nothing.
    pub micros: Option<u64>,
    /// The request's identifier; none of a connection.
    pub id: Option<String>,
    /// HTTP status; none of a connection, and 0 where the caller went before there was one.
    pub status: Option<u16>,
    /// What Envoy found special, as `UF,URX`.
    pub flags: Option<String>,
    /// Why there is that status; `via_upstream` where the called one gave it.
    pub details: Option<String>,
    /// Why no connection to the called one could be made.
    pub failure: Option<String>,
    /// How often the request was sent on.
    pub tries: Option<u64>,
    /// The route that it took.
    pub route: Option<String>,
    /// Envoy's name of where it was sent, as `outbound|5000||HOST` or `inbound|5000||`.
    pub cluster: Option<String>,
    /// Whom it was sent to, `ADDRESS:PORT`.
    pub to: Option<String>,
    /// The own end of the connection by which it was sent.
    pub from: Option<String>,
    /// The other end of the connection by which it came.
    pub peer: Option<String>,
    /// Who called, by its certificate.
    pub identity: Option<String>,
}

impl AccessLine {
    /// Reads a line; what is none of an access log is nothing.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let line: Value = serde_json::from_str(text.trim()).ok().filter(Value::is_object)?;
        let words = |key: &str| match &line[key] {
            Value::String(text) if !text.is_empty() && text != NOTHING => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let number = |key: &str| words(key)?.parse::<u64>().ok();
        let at: k8s_openapi::jiff::Timestamp = words("start")?.parse().ok()?;
        let is_request = words("method").is_some();
        Some(Self {
            at: at.as_microsecond(),
            micros: number("micros").filter(|_| is_request),
            id: words("id").filter(|_| is_request),
            status: number("status").and_then(|s| u16::try_from(s).ok()).filter(|_| is_request),
            flags: words("flags"),
            details: words("details"),
            failure: words("failure"),
            tries: number("tries"),
            route: words("route"),
            cluster: words("cluster"),
            to: words("to"),
            from: words("from"),
            peer: words("peer"),
            identity: words("identity"),
        })
    }

    /// Whether it is about the request of that identifier. Envoy writes into one character of it why it traces the request.
    #[must_use]
    pub fn is_of(&self, id: &str) -> bool {
        const TRACED: usize = 14;
        let same = |own: &String| {
            own.len() == id.len()
                && own.bytes().zip(id.bytes()).enumerate().all(|(i, (a, b))| i == TRACED || a.eq_ignore_ascii_case(&b))
        };
        self.id.as_ref().is_some_and(same)
    }

    /// Whether the proxy handed the request to the app beside it.
    #[must_use]
    pub fn is_inbound(&self) -> bool {
        self.cluster.as_ref().is_some_and(|c| c.starts_with("inbound|"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_and_a_connection_has_no_status() {
        let line = AccessLine::parse(
            r#"{"start":"2026-11-26T10:00:00.000250Z","micros":1500,"id":"a","method":"GET","status":200,"flags":"-","details":"via_upstream","cluster":"inbound|5000||","to":"10.1.0.5:5000","from":"127.0.0.6:4","peer":"10.1.0.9:41000","failure":null,"tries":1}"#,
        )
        .expect("a line");
        assert_eq!((line.at % 1_000_000, line.micros, line.status, line.tries), (250, Some(1500), Some(200), Some(1)));
        assert_eq!((line.flags.as_deref(), line.failure.as_deref()), (None, None));
        assert!(line.is_inbound() && line.is_of("a") && !line.is_of("b"));
        let connection = AccessLine::parse(
            r#"{"start":"2026-11-26T10:00:00.000250Z","micros":null,"id":null,"method":null,"status":0,"from":"10.1.0.9:41000"}"#,
        )
        .expect("a line");
        assert_eq!(
            (connection.status, connection.micros, connection.from.as_deref()),
            (None, None, Some("10.1.0.9:41000"))
        );
        for other in ["", "2026 info ready", "[1]", "{\"level\":\"info\"}", "{\"start\":\"today\"}"] {
            assert_eq!(AccessLine::parse(other), None, "{other}");
        }
    }

    #[test]
    fn an_identifier_is_the_same_though_envoy_has_noted_why_it_traces() {
        let line = AccessLine { id: Some("1b9d6bcd-bbfd-9b2d-9b5d-ab8dfbbd4bed".into()), ..AccessLine::default() };
        assert!(line.is_of("1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"));
        assert!(!line.is_of("1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bee"));
        assert!(!line.is_of("1b9d6bcd"));
    }
}
