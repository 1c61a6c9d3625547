//! The verbs, a section each.

use std::fmt::Write as _;

use clap::{Arg, Command};

use super::{MARK, head, row, sentence};

const INTRODUCTION: &str = "\
# Commands

`lab VERB --help` says the same in a terminal, and `lab man` as manual pages. What all verbs have in common is in
[Output and exit codes](output.md).
";

/// The page about the command line. Hidden verbs are left out.
#[must_use]
pub fn commands(command: Command) -> String {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut page = format!("{MARK}{INTRODUCTION}");
    verbs(&mut command, &mut page);
    page
}

fn verbs(command: &mut Command, page: &mut String) {
    for verb in command.get_subcommands_mut().filter(|verb| !verb.is_hide_set()) {
        if verb.has_subcommands() {
            verbs(verb, page);
        } else {
            page.push_str(&section(verb));
        }
    }
}

fn section(verb: &mut Command) -> String {
    let usage = verb.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").to_owned();
    let title = verb.get_bin_name().unwrap_or_else(|| verb.get_name());
    let about = verb.get_long_about().or(verb.get_about()).map(ToString::to_string).unwrap_or_default();
    let mut text = format!("\n## {title}\n\n{}\n\n    {usage}\n", sentence(&about));
    let arguments: Vec<&Arg> = verb.get_arguments().filter(|a| !a.is_hide_set() && a.get_id() != "help").collect();
    if !arguments.is_empty() {
        text.push('\n');
        text.push_str(&head(&["argument", "meaning", "when left out"]));
    }
    for argument in arguments {
        // A flag that is not given is off, which nobody has to be told.
        let defaults = if argument.get_action().takes_values() { argument.get_default_values() } else { &[] };
        let defaults = defaults.iter().map(|value| format!("`{}`", value.to_string_lossy()));
        let left_out = defaults.collect::<Vec<_>>().join(", ");
        text.push_str(&row(&[&name(argument), &meaning(argument), &left_out]));
    }
    if let Some(more) = verb.get_after_help() {
        _ = writeln!(text, "\n{more}");
    }
    text
}

/// How the argument is written.
fn name(argument: &Arg) -> String {
    let short = argument.get_short().map(|short| format!("`-{short}`, ")).unwrap_or_default();
    format!("{short}`{argument}`")
}

fn meaning(argument: &Arg) -> String {
    let help = argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
    let takes_value = argument.get_action().takes_values();
    let values = argument.get_possible_values();
    let values = values.iter().filter(|value| takes_value && !value.is_hide_set()).map(|value| {
        let help = value.get_help().map(|help| format!(" ({})", help.to_string().trim_end_matches('.')));
        format!("`{}`{}", value.get_name(), help.unwrap_or_default())
    });
    let values: Vec<String> = values.collect();
    if values.is_empty() { help } else { format!("{help}: {}", values.join(", ")) }
}
