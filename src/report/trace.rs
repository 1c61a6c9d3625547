//! A trace for a person: a line for each proxy on the way, with a bar for the time that it took.

use std::fmt::Write as _;

use crate::verdict::{Span, Trace};

/// Characters of the longest bar.
const BAR: i64 = 30;

/// The trace as text, legible without colour.
#[must_use]
pub fn trace_text(trace: &Trace) -> String {
    let outcome = match trace.status {
        0 => format!("no answer ({})", trace.error),
        status => format!("status {status}"),
    };
    let mut text = format!(
        "{} in {} calls {}: {outcome} after {}, request {}\n\n",
        trace.caller,
        trace.from,
        trace.service,
        millis(trace.micros),
        trace.id
    );
    let whole = trace.spans.iter().filter_map(|s| Some(s.start.max(0) + i64::try_from(s.micros?).ok()?)).max();
    let whole = whole.unwrap_or(1).max(1);
    let place = |span: &Span| format!("{} {}", span.cluster, span.pod);
    let width = trace.spans.iter().map(|s| place(s).len()).max().unwrap_or(0);
    for span in &trace.spans {
        // Writing to a string cannot fail.
        let _ =
            writeln!(text, "{:<7}  {:<width$}  |{}|  {}", span.role.word(), place(span), bar(span, whole), words(span));
        if let Some(said) = &span.said {
            let _ = writeln!(text, "         {:<width$}  {said}", "");
        }
    }
    let _ = writeln!(text, "\n{}", trace.conclusion());
    text
}

/// When a proxy had the request, out of the whole time.
fn bar(span: &Span, whole: i64) -> String {
    let Some(micros) = span.micros.and_then(|m| i64::try_from(m).ok()) else { return " ".repeat(to_usize(BAR)) };
    let begin = (span.start.clamp(0, whole) * BAR / whole).min(BAR - 1);
    let length = (micros * BAR / whole).clamp(1, BAR - begin);
    let parts = [(" ", begin), ("#", length), (" ", BAR - begin - length)];
    parts.map(|(mark, times)| mark.repeat(to_usize(times))).concat()
}

fn to_usize(number: i64) -> usize {
    usize::try_from(number).unwrap_or_default()
}

fn words(span: &Span) -> String {
    let mut words = match span.micros {
        Some(micros) => format!("{} from {}", millis(micros), millis(span.start.max(0).unsigned_abs())),
        None if span.start < 0 => format!("a connection that began {} before", millis(span.start.unsigned_abs())),
        None => "a new connection".to_owned(),
    };
    if let Some(status) = span.status {
        let _ = write!(words, ", {status}");
    }
    if let Some(tries) = span.tries {
        let _ = write!(words, ", {tries} tries");
    }
    if let Some(to) = &span.to {
        let whom = span.to_whom.as_ref().map_or_else(String::new, |w| format!(", {w}"));
        let _ = write!(words, ", to {to}{whom}");
    }
    words
}

/// Microseconds as milliseconds, or as seconds where those are many.
fn millis(micros: u64) -> String {
    match micros {
        1_000_000.. => format!("{}.{} s", micros / 1_000_000, micros / 100_000 % 10),
        _ => format!("{}.{} ms", micros / 1000, micros / 100 % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Role;

    fn span(role: Role, start: i64, micros: Option<u64>) -> Span {
        let (cluster, pod) = ("c1".into(), format!("sample/{}", role.word()));
        let (status, tries, to, to_whom, identity, said) = (micros.map(|_| 200), None, None, None, None, None);
        Span { role, cluster, pod, start, micros, status, tries, to, to_whom, identity, said }
    }

    #[test]
    fn bars_are_in_proportion_and_a_connection_has_none() {
        let spans = vec![
            Span {
                to: Some("172.30.0.9:15443".into()),
                to_whom: Some("the east-west gateway of c2".into()),
                ..span(Role::Caller, 0, Some(6_000))
            },
            span(Role::Gateway, -2_500_000, None),
            Span { tries: Some(3), ..span(Role::Callee, 2_000, Some(3_000)) },
        ];
        let [lab, from, caller, service, id] =
            ["two", "c1", "sample/sleep", "helloworld.sample:5000/hello", "1b9d"].map(str::to_owned);
        let trace = Trace { lab, from, caller, service, id, status: 200, error: String::new(), micros: 6_400, spans };
        assert_eq!(
            trace_text(&trace),
            "sample/sleep in c1 calls helloworld.sample:5000/hello: status 200 after 6.4 ms, request 1b9d\n\n\
             caller   c1 sample/caller   |##############################|  6.0 ms from 0.0 ms, 200, to 172.30.0.9:15443, the east-west gateway of c2\n\
             gateway  c1 sample/gateway  |                              |  a connection that began 2.5 s before\n\
             callee   c1 sample/callee   |          ###############     |  3.0 ms from 2.0 ms, 200, 3 tries\n\n\
             answered by sample/callee in c1\n"
        );
        let failed = Trace { status: 0, error: "no route".into(), spans: Vec::new(), ..trace };
        assert!(trace_text(&failed).contains("no answer (no route)"));
        assert!(trace_text(&failed).ends_with("no proxy wrote anything of it\n"));
    }
}
