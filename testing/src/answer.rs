//! What came back of a call.

use std::collections::BTreeMap;

use crate::Error;

/// An answer of HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers, names in lower case; of those that come several times, the last.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: String,
}

impl Answer {
    /// Reads what `curl --include` prints.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let mut rest = text;
        loop {
            let Some((head, body)) = rest.split_once("\r\n\r\n") else { return Err(Error::NoAnswer(text.to_owned())) };
            let mut lines = head.lines();
            let status = lines.next().filter(|line| line.starts_with("HTTP/")).and_then(|line| line.split(' ').nth(1));
            let Some(status) = status.and_then(|status| status.parse().ok()) else {
                return Err(Error::NoAnswer(text.to_owned()));
            };
            // What comes before the answer, such as 100 Continue.
            if (100..200).contains(&status) && body.starts_with("HTTP/") {
                rest = body;
                continue;
            }
            let headers = lines.filter_map(|line| line.split_once(':'));
            let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
            return Ok(Self { status, headers, body: body.to_owned() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_as_curl_prints_them() {
        let answer = Answer::parse(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Service Unavailable\r\nX-A: b\r\n\r\nno\r\n\r\nmore",
        );
        let answer = answer.expect("an answer");
        assert_eq!((answer.status, answer.body.as_str(), answer.headers["x-a"].as_str()), (503, "no\r\n\r\nmore", "b"));
        for text in ["", "HTTP/1.1 200 OK", "HTTP/1.1 what\r\n\r\n", "hello\r\n\r\n"] {
            assert!(matches!(Answer::parse(text), Err(Error::NoAnswer(_))), "{text}");
        }
    }
}
