//! What an API server answered instead of doing what it was asked, in words for a person.

use std::error::Error as StdError;
use std::fmt;
use std::ops::Deref;

use kube::core::Status;
use kube::core::response::StatusCause;

use super::credentials;
use crate::sys::words;

/// The longest answer that is shown as it is, in characters. The API server repeats whole objects in longer ones.
const LONGEST: usize = 400;

/// The longest cause that is shown as it is, in characters.
const LONGEST_CAUSE: usize = 160;

/// So many causes are shown of an answer that is too long.
const CAUSES: usize = 5;

/// Why a request failed. It is shown by the message of the API server alone: the library's own text adds a dump of its data.
#[derive(Debug)]
pub struct Answer(Box<kube::Error>);

impl From<kube::Error> for Answer {
    fn from(error: kube::Error) -> Self {
        Self(Box::new(error))
    }
}

impl Deref for Answer {
    type Target = kube::Error;

    fn deref(&self) -> &kube::Error {
        &self.0
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&in_words(&self.0))
    }
}

impl StdError for Answer {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &*self.0 {
            // These are told whole by their words.
            kube::Error::Auth(_) | kube::Error::Api(_) | kube::Error::Service(_) | kube::Error::HyperError(_) => None,
            error => error.source().and_then(StdError::source),
        }
    }
}

/// An error of the Kubernetes client in words for a person.
pub(super) fn in_words(error: &kube::Error) -> String {
    if let Some(told) = credentials::in_words(error) {
        return told;
    }
    match error {
        kube::Error::Api(status) => refusal(status),
        // The libraries' own words say only that something went wrong on the way.
        kube::Error::Service(error) => words::innermost(&**error),
        kube::Error::HyperError(error) => words::innermost(error),
        error => words::of(error),
    }
}

/// The message of an answer. One that repeats whole objects is replaced by its causes, field by field.
fn refusal(status: &Status) -> String {
    let message = status.message.trim();
    if message.is_empty() {
        return format!("the API server answered {} {}", status.code, status.reason).trim_end().to_owned();
    }
    if message.chars().count() <= LONGEST {
        return message.to_owned();
    }
    let causes = causes(status);
    if causes.is_empty() {
        return cut(message, LONGEST);
    }
    let subject = message.split_once(" is invalid: ").map_or("the object", |(subject, _)| subject);
    let told: Vec<String> = causes.iter().take(CAUSES).map(cause).collect();
    let more = if causes.len() > CAUSES { format!("; and {} more", causes.len() - CAUSES) } else { String::new() };
    format!("{subject} is invalid: {}{more}", told.join("; "))
}

/// What an answer says of single fields.
pub(super) fn causes(status: &Status) -> &[StatusCause] {
    status.details.as_ref().map_or(&[], |details| details.causes.as_slice())
}

/// One field and what is wrong with it, without a long value.
pub(super) fn cause(cause: &StatusCause) -> String {
    let message = cause.message.trim();
    let reason = if message.chars().count() <= LONGEST_CAUSE {
        message.to_owned()
    } else {
        // "Invalid value: {the whole value}: what is wrong with it".
        let reason =
            ["}: ", "]: ", "\": "].iter().filter_map(|end| Some(message.rsplit_once(end)?.1)).min_by_key(|r| r.len());
        cut(reason.unwrap_or(message), LONGEST_CAUSE)
    };
    if cause.field.is_empty() { reason } else { format!("{}: {reason}", cause.field) }
}

fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use kube::core::response::StatusDetails;

    use super::*;

    /// What an API server answers to a change that it refuses.
    pub fn refused(code: u16, message: &str, causes: &[(&str, &str)]) -> kube::Error {
        let causes = causes.iter().map(|(field, message)| StatusCause {
            reason: "FieldValueInvalid".to_owned(),
            message: (*message).to_owned(),
            field: (*field).to_owned(),
        });
        let details = StatusDetails {
            name: String::new(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
            causes: causes.collect(),
            retry_after_seconds: 0,
        };
        kube::Error::Api(Box::new(Status::failure(message, "Invalid").with_code(code).with_details(details)))
    }

    #[test]
    fn a_refusal_is_its_message() {
        let answer = Answer::from(refused(403, "pods \"a\" is forbidden: exceeded quota", &[]));
        assert_eq!(answer.to_string(), "pods \"a\" is forbidden: exceeded quota");
        assert!(answer.source().is_none());
        assert_eq!(Answer::from(refused(500, "", &[])).to_string(), "the API server answered 500 Invalid");
    }

    #[test]
    fn a_refusal_that_repeats_an_object_is_told_by_its_causes() {
        let value = format!("{{\"metadata\":{{\"a\":\"{}: \"}}}}", "x".repeat(15_000));
        let cause = format!("Invalid value: {value}: field is immutable");
        let message = format!("Job.batch \"seed\" is invalid: spec.template: {cause}");
        let answer = Answer::from(refused(422, &message, &[("spec.template", &cause)]));
        assert_eq!(answer.to_string(), "Job.batch \"seed\" is invalid: spec.template: field is immutable");
        let many: Vec<(&str, &str)> = std::iter::repeat_n(("spec.a", "no"), 7).collect();
        let told = Answer::from(refused(422, &message, &many)).to_string();
        assert!(told.ends_with("spec.a: no; and 2 more"), "{told}");
        let bare = Answer::from(refused(422, &message, &[])).to_string();
        assert!(bare.chars().count() == LONGEST + 1, "{bare}");
    }
}
