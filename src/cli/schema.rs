//! `lab schema`: the format of scenarios, for editors, and that of what verbs print with `--output json`, for scripts.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use super::{CliError, args, list, output, plan, snapshots, version};
use crate::commands::dev::DevEvent;
use crate::commands::diff::Difference;
use crate::commands::mirror::MirrorEvent;
use crate::images::Entry;
use crate::verdict::{
    Explanation, FaultVerdict, Judgement, LabStatus, MachineReport, Passage, Proof, Soak, Trace, Verdict,
};

pub(super) fn run(args: &args::Schema) -> Result<(), CliError> {
    match &args.output {
        None => output::print_json(&crate::scenario::schema()),
        Some(verb) => output::print_json(&of_output(verb)),
    }
}

/// A verb, and the type of what it prints.
type Printed = (&'static str, fn(&mut SchemaGenerator) -> Schema);

/// Every verb with `--output json`. Of `images list` and `snapshots list` both words are one here.
const PRINTED: &[Printed] = &[
    ("up", root::<Verdict>),
    ("diff", root::<Difference>),
    ("verify", root::<Verdict>),
    ("prove", root::<Proof>),
    ("soak", root::<Soak>),
    ("rotate", root::<Passage>),
    ("upgrade", root::<Passage>),
    ("explain", root::<Explanation>),
    ("trace", root::<Trace>),
    ("doctor", root::<MachineReport>),
    ("plan", root::<plan::Planned>),
    ("list", root::<Vec<list::Row>>),
    ("status", root::<LabStatus>),
    ("fault", root::<FaultVerdict>),
    ("dev", root::<DevEvent>),
    ("mirror", root::<MirrorEvent>),
    ("restore", root::<Verdict>),
    ("snapshots-list", root::<Vec<snapshots::Row>>),
    ("images-list", root::<Vec<Entry>>),
    ("version", root::<version::Version>),
    ("self-check", root::<Vec<Judgement>>),
];

fn root<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.root_schema_for::<T>()
}

/// The verbs whose output has a schema.
pub(super) fn verbs() -> impl Iterator<Item = &'static str> {
    PRINTED.iter().map(|(verb, _)| *verb)
}

/// The JSON schema (draft 7, as that of scenarios) of what a verb prints. A field may be added in another version of lab; what is there stays as it is.
fn of_output(verb: &str) -> Value {
    let mut generator = SchemaSettings::draft07().for_serialize().into_generator();
    let root = PRINTED.iter().find(|(name, _)| *name == verb).map(|(_, of)| of(&mut generator));
    let mut schema = root.map(Value::from).unwrap_or_default();
    let command = match verb {
        "snapshots-list" => "snapshots list",
        "images-list" => "images list",
        verb => verb,
    };
    let lines = if matches!(verb, "dev" | "mirror") { ", a line each" } else { "" };
    schema["title"] = format!("What `lab {command} --output json` prints{lines}").into();
    in_plain_words(&mut schema);
    schema
}

/// Descriptions are comments of the code: without line breaks, and without links into it.
fn in_plain_words(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "description" => {
                        *text = text.replace('\n', " ").replace("[`", "`").replace("`]", "`").replace("`Self::", "`");
                    }
                    value => in_plain_words(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(in_plain_words),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory as _;

    use super::*;

    /// Verbs below this one that print JSON.
    fn printing(command: &clap::Command, before: &str) -> Vec<String> {
        let mut all = Vec::new();
        for verb in command.get_subcommands() {
            let name = format!("{before}{}", verb.get_name());
            let prints = verb.get_arguments().any(|arg| {
                arg.get_id() == "output" && arg.get_possible_values().iter().any(|value| value.get_name() == "json")
            });
            all.extend(prints.then(|| name.clone()));
            all.extend(printing(verb, &format!("{name}-")));
        }
        all
    }

    #[test]
    fn every_verb_that_prints_json_has_a_schema() {
        let printing: BTreeSet<String> = printing(&crate::cli::Args::command(), "").into_iter().collect();
        assert_eq!(printing, verbs().map(str::to_owned).collect());
    }

    #[test]
    fn every_field_says_what_it_is() {
        fn undescribed(schema: &Value, place: &str, found: &mut Vec<String>) {
            match schema {
                Value::Object(fields) => {
                    for (name, value) in fields {
                        if name == "properties" {
                            let fields = value.as_object().expect("fields").iter();
                            let bare = fields.filter(|(_, of)| of.get("description").is_none());
                            found.extend(bare.map(|(field, _)| format!("{place}.{field}")));
                        }
                        undescribed(value, &format!("{place}.{name}"), found);
                    }
                }
                Value::Array(items) => items.iter().for_each(|item| undescribed(item, place, found)),
                _ => {}
            }
        }
        for verb in verbs().filter(|verb| *verb != "plan") {
            let mut found = Vec::new();
            undescribed(&of_output(verb), verb, &mut found);
            assert_eq!(found, [""; 0]);
        }
    }
}
