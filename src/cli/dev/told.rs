//! What happens in `lab dev`, for people or programs.

use std::fmt::Write as _;

use crate::commands::dev::{DevEvent, Done, Happened, Phase};

/// An event as lines for people; nothing for one that says nothing to them.
pub(super) fn text(event: &DevEvent) -> String {
    let clusters = event.clusters.join(", ");
    let word = |option: &Option<String>| option.clone().unwrap_or_default();
    let line = match event.event {
        Happened::Log => return format!("{clusters} {} | {}\n", word(&event.pod), word(&event.line)),
        Happened::Printed => return format!("         | {}\n", word(&event.line)),
        Happened::Edited if event.files.is_empty() => return String::new(),
        Happened::Edited => {
            let shown = event.files.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = event.files.len().saturating_sub(3);
            format!("edited   {shown}{}", if more > 0 { format!(" and {more} more") } else { String::new() })
        }
        Happened::Built => format!("built    {}", word(&event.image)),
        Happened::Loaded => {
            format!("loaded   {} kB into {clusters}", event.bytes.unwrap_or_default().div_ceil(1000))
        }
        Happened::Applied => format!("{} {} in {clusters}", done(event.done), word(&event.object)),
        Happened::Live => format!("live     in {clusters}"),
        Happened::Unchanged => "same     nothing of what runs has changed".to_owned(),
        Happened::Failed => {
            let mut line = format!("FAILED   {}: {}", phase(event.phase), word(&event.problem));
            if let Some(remedy) = event.remedy.as_ref().filter(|remedy| !remedy.is_empty()) {
                // Writing to a string cannot fail.
                let _ = write!(line, "\n         hint: {remedy}");
            }
            line
        }
    };
    format!("{:6.1}s  {line}\n", event.after.unwrap_or_default())
}

fn done(done: Option<Done>) -> &'static str {
    match done {
        Some(Done::Created) => "created ",
        Some(Done::Deleted) => "deleted ",
        Some(Done::Changed) | None => "changed ",
    }
}

fn phase(phase: Option<Phase>) -> &'static str {
    match phase {
        Some(Phase::Build) => "it does not build",
        Some(Phase::Manifests) => "a manifest is wrong",
        Some(Phase::Load) => "nodes do not take the image",
        Some(Phase::Apply) => "a cluster refuses it",
        Some(Phase::Live) | None => "it does not run",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_read_as_lines() {
        let of = |event: DevEvent| text(&DevEvent { after: Some(1.26), ..event });
        let clusters = || vec!["c1".to_owned(), "c2".to_owned()];
        let edited = DevEvent::of(Happened::Edited);
        let files = ["a", "b", "c", "d"].map(str::to_owned).into();
        assert_eq!(of(DevEvent { files, ..edited }), "   1.3s  edited   a, b, c and 1 more\n");
        assert_eq!(
            of(DevEvent { clusters: clusters(), ..DevEvent::of(Happened::Live) }),
            "   1.3s  live     in c1, c2\n"
        );
        let log = DevEvent { pod: Some("p".to_owned()), line: Some("x".to_owned()), ..DevEvent::of(Happened::Log) };
        assert_eq!(of(DevEvent { clusters: clusters(), ..log }), "c1, c2 p | x\n");
        let failed = DevEvent {
            phase: Some(Phase::Build),
            problem: Some("main.go:3: no".to_owned()),
            remedy: Some("mend it".to_owned()),
            ..DevEvent::of(Happened::Failed)
        };
        assert_eq!(of(failed), "   1.3s  FAILED   it does not build: main.go:3: no\n         hint: mend it\n");
    }
}
