//! What curl says about each request.

use std::collections::BTreeMap;

use serde_json::Value;

/// What curl is told to print after each body (its option `-w`): a line that no body contains by chance, with status code, seconds and
/// what went wrong; the headers as JSON; and a line that ends them.
pub const REPLY_FORMAT: &str = "\n--lab-status--%{http_code} %{time_total} %{errormsg}\n%{header_json}\n--lab-end--\n";

const STATUS: &str = "--lab-status--";
const END: &str = "--lab-end--";

/// What one request came back with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status; 0 without an answer.
    pub status: u16,
    /// What curl says about a failure; empty if there was none.
    pub error: String,
    /// Microseconds from the start to the last byte.
    pub micros: u64,
    /// Headers, names in lower case.
    pub headers: BTreeMap<String, Vec<String>>,
    /// Body.
    pub body: String,
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
                    let mut words = outcome.splitn(3, ' ');
                    reply.status = words.next().and_then(|w| w.parse().ok()).unwrap_or(0);
                    reply.micros = words.next().map_or(0, micros);
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

impl Reply {
    /// The failure in a few words that group equal ones: curl's message, or the status and the first line of the body.
    #[must_use]
    pub fn reason(&self) -> String {
        match (self.status, self.error.as_str()) {
            (0, "") => "no answer".to_owned(),
            (0, error) => format!("no answer: {}", without_numbers(error)),
            (code, _) => {
                let reason: String = self.body.lines().next().unwrap_or_default().trim().chars().take(120).collect();
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

/// curl's words without milliseconds, so that equal failures count together.
fn without_numbers(error: &str) -> String {
    let is_count = |w: &str| !w.is_empty() && w.chars().all(|c| c.is_ascii_digit());
    error.split(' ').map(|w| if is_count(w) { "N" } else { w }).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_bodies_headers_times_and_errors() {
        let output = "Hello version: v1, instance: a\n\n--lab-status--200 0.002763 \n{\"server\":[\"envoy\"],\n\"Set-Cookie\":[\"a\",\"b\"]\n}\n--lab-end--\n\
                      \n--lab-status--000 2.000845 Operation timed out after 2000 milliseconds with 0 bytes received\n{\n}\n--lab-end--\n\
                      no newline\n--lab-status--503 12 \n{}\n--lab-end--\nhalf an answer";
        let replies = parse_replies(output);
        assert_eq!(replies.len(), 3);
        assert_eq!((replies[0].status, replies[0].micros, replies[0].version()), (200, 2763, Some("v1")));
        assert_eq!(replies[0].headers["set-cookie"], ["a", "b"]);
        assert_eq!(replies[0].body, "Hello version: v1, instance: a\n");
        assert_eq!((replies[1].status, replies[1].micros), (0, 2_000_845));
        assert_eq!(replies[1].reason(), "no answer: Operation timed out after N milliseconds with N bytes received");
        assert_eq!((replies[2].reason().as_str(), replies[2].micros), ("status 503: no newline", 12_000_000));
        assert_eq!(replies[2].version(), None);
    }
}
