//! `lab shell` and `lab env`: kubectl and its like on a lab, with the clusters' names as contexts.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::PathBuf;

use super::{CliError, args, kubeconfig, output};
use crate::plan::Lab;
use crate::sys::state::State;
use crate::sys::{proxy, words};

/// The kubeconfig with short names, in the lab's state.
const FILE: &str = "kubeconfig.yaml";

fn write(name: &str) -> Result<(Lab, PathBuf), CliError> {
    let state = State::open()?.existing(name)?;
    let lab: Lab = state.load()?;
    let merged = kubeconfig::merged(&state, &lab, "", kubeconfig::Reached::Published)?;
    state.write(FILE, &merged)?;
    Ok((lab, state.path(FILE)))
}

pub(super) fn env(args: &args::Named) -> Result<(), CliError> {
    let (lab, file) = write(&args.name)?;
    // In single quotes a shell reads everything but the quote itself as it stands.
    let file = file.display().to_string().replace('\'', "'\\''");
    let mut text = format!("export LAB='{}'\nexport KUBECONFIG='{file}'\n", lab.name);
    for (name, hosts) in proxy::without(&lab.own_hosts()) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "export {name}='{}'", hosts.replace('\'', "'\\''"));
    }
    output::print(&text)
}

/// Becomes the shell: nothing of lab is left between it and the terminal.
pub(super) fn shell(args: &args::Named) -> Result<(), CliError> {
    let (lab, file) = write(&args.name)?;
    let names: Vec<&str> = lab.clusters.iter().map(|c| c.name.as_str()).collect();
    eprintln!("contexts {}; `exit` leaves", names.join(", "));
    let shell = std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
    let no_proxy = proxy::without(&lab.own_hosts());
    let mut variables: Vec<(&str, &OsStr)> = vec![("LAB", lab.name.as_ref()), ("KUBECONFIG", file.as_ref())];
    variables.extend(no_proxy.iter().map(|(name, hosts)| (*name, hosts.as_ref())));
    let error = crate::sys::process::become_program(&shell, &variables);
    Err(CliError::Usage {
        problem: format!("cannot start the shell {}: {}", PathBuf::from(shell).display(), words::io_error(&error)),
        remedy: "name another in the variable SHELL".to_owned(),
    })
}
