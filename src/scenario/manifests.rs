//! The files that a scenario names, as text that somebody else has read, and the objects in them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::Problems;
use super::form::OrWord;
use super::guard;
use super::object::{self, Step};
use super::problem::ManifestProblem;
use super::raw::{RawApp, RawAuthority, RawManifests, RawObject, RawPem, RawScenario};
use super::tree::{self, Span};

/// What is at the paths that a scenario names, by the path as it is written there.
pub type Files = BTreeMap<String, Result<Vec<ManifestFile>, Unusable>>;

/// Text with objects, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestFile {
    /// Name for messages.
    pub name: String,
    /// YAML documents; JSON is YAML too.
    pub text: String,
}

/// Why there is no text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// Completes "PATH cannot be used: ".
    pub reason: String,
    /// What to do.
    pub remedy: String,
}

/// The paths that a scenario names, each once.
pub(super) fn paths(raw: &mut RawScenario) -> Vec<String> {
    let mut paths = pem_paths(raw);
    paths.extend(manifests(raw).flat_map(|m| m.files().iter().map(|f| f.value.clone()).collect::<Vec<_>>()));
    paths.sort();
    paths.dedup();
    paths
}

/// Those of a certificate authority.
pub(super) fn pem_paths(raw: &mut RawScenario) -> Vec<String> {
    authority_files(raw).map(|file| file.path.value.clone()).collect()
}

/// The manifests of apps and of the federation.
fn manifests(raw: &mut RawScenario) -> impl Iterator<Item = &mut RawManifests> {
    let apps = raw.apps.iter_mut().flat_map(|apps| &mut apps.value);
    let own = apps.filter_map(|app| if let RawApp::Manifests(m) = &mut app.value { Some(m) } else { None });
    own.chain(raw.federation.as_mut().map(|f| &mut f.value.manifests))
}

/// The files of a certificate authority.
fn authority_files(raw: &mut RawScenario) -> impl Iterator<Item = &mut RawPem> {
    let mesh = if let Some(OrWord::Value(mesh)) = &mut raw.mesh { mesh.value.ca.as_mut() } else { None };
    mesh.into_iter().flat_map(|ca| RawAuthority::files(&mut ca.value))
}

/// Puts the objects of the files before those that the scenario itself has.
///
/// `text` is that of the scenario, whose name is `name`.
pub(super) fn load(raw: &mut RawScenario, files: &Files, text: &str, name: &str, problems: &mut Problems) {
    let lines = Lines::of(text);
    if let Some(OrWord::Value(mesh)) = &mut raw.mesh
        && let Some(values) = &mut mesh.value.values
    {
        let (line, column) = lines.place(text, values.span.start);
        values.at = format!("{name}:{line}:{column}");
    }
    for manifests in manifests(raw) {
        let mut objects = Vec::new();
        for path in manifests.files() {
            let before = objects.len();
            let found = match files.get(&path.value) {
                Some(Ok(found)) => found,
                Some(Err(unusable)) => {
                    let problem = ManifestProblem::File {
                        path: path.value.clone(),
                        reason: unusable.reason.clone(),
                        remedy: unusable.remedy.clone(),
                    };
                    problems.add(path.span, problem);
                    continue;
                }
                None => {
                    let problem = ManifestProblem::File {
                        path: path.value.clone(),
                        reason: "it was not read".to_owned(),
                        remedy: "write the objects below `objects:`".to_owned(),
                    };
                    problems.add(path.span, problem);
                    continue;
                }
            };
            let problems_before = problems.count();
            for file in found {
                read(file, path.span, &mut objects, problems);
            }
            if objects.len() == before && problems.count() == problems_before {
                problems.add(path.span, ManifestProblem::Empty { path: path.value.clone() });
            }
        }
        objects.append(&mut manifests.take_objects());
        for object in &mut objects {
            object.at = object.place.clone().unwrap_or_else(|| format!("{name}:{}", lines.at(object.span.start)));
        }
        manifests.objects = Some(objects.into());
    }
}

/// Where the lines of a text end, so that the line of each of many places is found without counting from the beginning.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// The line of a byte, from 1.
    fn at(&self, byte: usize) -> usize {
        self.0.partition_point(|end| *end < byte) + 1
    }

    /// Line and column of a byte of the text, both from 1.
    fn place(&self, text: &str, byte: usize) -> (usize, usize) {
        let line = self.at(byte);
        let start = line.checked_sub(2).and_then(|before| self.0.get(before)).map_or(0, |end| end + 1);
        (line, text.get(start..byte).unwrap_or_default().chars().count() + 1)
    }
}

/// Puts the text of its files into a certificate authority.
pub(super) fn load_authority(raw: &mut RawScenario, files: &Files, problems: &mut Problems) {
    for file in authority_files(raw) {
        let reason = match files.get(&file.path.value) {
            Some(Ok(found)) if found.len() == 1 => {
                file.content = found.first().map(|f| (f.name.clone(), f.text.clone()));
                continue;
            }
            Some(Ok(_)) => "it is a directory".to_owned(),
            Some(Err(unusable)) => unusable.reason.clone(),
            None => "it was not read".to_owned(),
        };
        let remedy = "give a PEM file, relative to the scenario's file".to_owned();
        problems.add(file.path.span, ManifestProblem::File { path: file.path.value.clone(), reason, remedy });
    }
}

/// Reads the documents of one file.
fn read(file: &ManifestFile, span: Span, objects: &mut Vec<RawObject>, problems: &mut Problems) {
    for (document, first_line) in documents(&file.text) {
        if let Err(refusal) = guard::check(&document) {
            let place = format!("{}:{}:{}", file.name, first_line + refusal.line - 1, refusal.column);
            problems.add(span, ManifestProblem::Refused { place, message: refusal.message });
            continue;
        }
        // As kubectl reads it: `yes` is true and `0644` is octal.
        let options = serde_yaml::options! { legacy_octal_numbers: true, with_snippet: false };
        match serde_yaml::from_str_with_options::<Value>(&document, options) {
            Ok(Value::Null) => {}
            Ok(value) => {
                let content = document.lines().position(|l| !l.trim().is_empty() && !l.trim_start().starts_with('#'));
                let place = format!("{}:{}", file.name, first_line + content.unwrap_or(0));
                let written = Written { document: &document, first_line, file: &file.name, span };
                // What `kubectl get -o yaml` prints.
                if value.get("kind").is_some_and(|k| k == "List")
                    && let Some(Value::Array(items)) = value.get("items")
                {
                    for (i, item) in items.iter().enumerate() {
                        written.check(item, &[Step::Key("items".to_owned()), Step::Index(i)], problems);
                    }
                    objects.extend(items.iter().map(|item| RawObject {
                        value: item.clone(),
                        span,
                        place: Some(place.clone()),
                        at: String::new(),
                    }));
                } else {
                    written.check(&value, &[], problems);
                    objects.push(RawObject { value, span, place: Some(place), at: String::new() });
                }
            }
            Err(error) => {
                let (line, column) = error.location().map_or((1, 1), |l| (l.line(), l.column()));
                let line = first_line + usize::try_from(line).unwrap_or(1).saturating_sub(1);
                let (message, place) = (bare(&error.to_string()), format!("{}:{line}:{column}", file.name));
                let problem = match in_words(&message) {
                    Some(message) => ManifestProblem::Refused { place, message },
                    None => ManifestProblem::Syntax { place, message },
                };
                problems.add(span, problem);
            }
        }
    }
}

/// A document of a file.
struct Written<'d> {
    document: &'d str,
    /// Where it begins in the file, from 1.
    first_line: usize,
    file: &'d str,
    /// Where the scenario names the file.
    span: Span,
}

impl Written<'_> {
    /// Records what is wrong with an object that is at a path of the document.
    fn check(&self, object: &Value, path: &[Step], problems: &mut Problems) {
        let faults = object::faults(object);
        if faults.is_empty() {
            return;
        }
        // Places are looked for only now: the document is read for its values first, as kubectl reads it.
        let root = tree::parse(self.document, &mut Problems::default());
        let lines = Lines::of(self.document);
        for fault in faults {
            let whole = [path, &fault.path].concat();
            let byte = root.as_ref().map_or(0, |root| object::place(root, &whole, fault.is_key).start);
            let (line, column) = lines.place(self.document, byte);
            let place = format!("{}:{}:{column}", self.file, self.first_line + line - 1);
            problems.add(self.span, ManifestProblem::of_fault(fault, Some(place)));
        }
    }
}

/// The parser's message without the place, which is told in the file's own lines.
fn bare(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let line = match line.split_once(": ") {
        Some((place, rest)) if place.contains("line ") => rest,
        _ => line,
    };
    line.split(" at line ").next().unwrap_or(line).trim_end_matches([',', ':', ' ']).to_owned()
}

/// What is wrong with a value of sound YAML, for the parser's words that are those of its program.
fn in_words(message: &str) -> Option<String> {
    if let Some((key, _)) = message.strip_prefix("duplicate mapping key: ").and_then(|rest| rest.split_once(", set ")) {
        return Some(format!("`{key}` is given twice"));
    }
    let words = [
        ("recursion limit", "it is nested too deeply"),
        ("budget breached", "it is nested too deeply, or too large"),
        ("invalid digit", "this is no whole number"),
        ("invalid u", "this is no whole number"),
        ("invalid i", "this is no whole number"),
        ("invalid floating point", "this is no number"),
        ("invalid boolean", "this is neither `true` nor `false`"),
        ("expected string scalar", "the name of a field must be text"),
        ("cannot deserialize null into string", "the name of a field must be text"),
        ("YAML merge value", "`<<` takes a mapping, or a list of mappings"),
        ("non-finite float", "no number of JSON is infinite, or none: put quotes around it"),
        ("alias references unknown anchor", "this alias names an anchor that is not defined above it"),
    ];
    words.iter().find(|(theirs, _)| message.starts_with(theirs)).map(|(_, ours)| (*ours).to_owned())
}

/// The documents of a file, each with the number of its first line, from 1. They are cut apart before they are read, so that a mistake in one is told with
/// its place in the file and the others are still looked at.
fn documents(text: &str) -> Vec<(String, usize)> {
    let mut documents = vec![(String::new(), 1)];
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let separates = line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']));
        if separates {
            documents.push((String::new(), number));
        }
        let Some((document, _)) = documents.last_mut() else {
            continue;
        };
        // A directive would belong to a document that is cut off here; none changes what objects mean.
        if separates {
            document.push_str("   ");
            document.push_str(&line[3..]);
        } else if !line.starts_with('%') {
            document.push_str(line);
        }
        document.push('\n');
    }
    documents
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(text: &str) -> (Vec<RawObject>, usize) {
        let (mut objects, mut problems) = (Vec::new(), Problems::default());
        let file = ManifestFile { name: "web.yaml".to_owned(), text: text.to_owned() };
        read(&file, Span::default(), &mut objects, &mut problems);
        (objects, problems.count())
    }

    #[test]
    fn documents_keep_their_lines() {
        let (found, problems) = objects("# Source: chart\n---\n# more\na: 1\n---\n---\nb: yes\n--- {c: 0644}\n...\n");
        assert_eq!(problems, 0);
        let places: Vec<_> = found.iter().map(|o| o.place.clone().unwrap_or_default()).collect();
        assert_eq!(places, ["web.yaml:4", "web.yaml:7", "web.yaml:8"]);
        assert_eq!(found[1].value["b"], true);
        assert_eq!(found[2].value["c"], 0o644);
    }

    #[test]
    fn values_that_cannot_be_are_told_in_words_of_a_file() {
        let told = |value: &str| {
            let mut problems = Problems::default();
            let file = ManifestFile { name: "web.yaml".to_owned(), text: format!("a: {value}\n") };
            read(&file, Span::default(), &mut Vec::new(), &mut problems);
            format!("{problems:?}")
        };
        for (value, words) in [
            ("!!int x", "this is no whole number"),
            ("!!float x", "this is no number"),
            ("!!bool x", "neither `true` nor `false`"),
            (&format!("{}1{}", "[".repeat(3000), "]".repeat(3000)), "nested too deeply"),
            ("*x", "not defined above"),
            ("{ b: 1, b: 2 }", "`b` is given twice"),
            ("{ <<: 7 }", "`<<` takes a mapping"),
            ("{ [b]: 7 }", "must be text"),
            ("{ ~: 7 }", "must be text"),
            (".inf", "put quotes around it"),
        ] {
            assert!(told(value).contains(words), "{}", told(value));
        }
    }

    #[test]
    fn no_value_of_a_secret_is_told() {
        for (field, hidden, words) in [
            ("data: { p: \"hidden!\" }", "hidden", "move it to `stringData`"),
            ("stringData: { p: 40271 }", "40271", "must be text"),
        ] {
            let mut problems = Problems::default();
            let text = format!("apiVersion: v1\nkind: Secret\nmetadata: {{ name: s }}\n{field}\n");
            let file = ManifestFile { name: "web.yaml".to_owned(), text };
            read(&file, Span::default(), &mut Vec::new(), &mut problems);
            let told = format!("{problems:?}");
            assert!(told.contains(words) && !told.contains(hidden), "{told}");
        }
    }

    #[test]
    fn the_line_of_a_place_is_as_it_is_counted() {
        let text = "a\n\nbc\nd";
        let counted = |byte: usize| text[..byte].matches('\n').count() + 1;
        let lines = Lines::of(text);
        for byte in 0..=text.len() {
            assert_eq!(lines.at(byte), counted(byte), "byte {byte}");
        }
    }

    #[test]
    fn a_list_is_its_items() {
        let (found, _) = objects("apiVersion: v1\nkind: List\nitems:\n  - {kind: A}\n  - {kind: B}\n");
        assert_eq!(found.iter().map(|o| o.value["kind"].as_str()).collect::<Vec<_>>(), [Some("A"), Some("B")]);
    }

    #[test]
    fn a_mistake_in_one_document_does_not_hide_the_next() {
        let (found, problems) = objects("a: [1\n---\nb: 2\n---\nc: {\n");
        assert_eq!((found.len(), problems), (1, 2));
    }
}
