//! What only somebody wants to know who has no lab yet. Pure: facts go in.

use std::error::Error;

use miette::Diagnostic;

use crate::images::{Asked, SourceFacts, ToolFacts, ToolPlace};
use crate::sys::docker::EngineFacts;
use crate::sys::docker::{DockerError, NO_ENGINE};
use crate::verdict::Judgement;

/// Names of capabilities by number, without `CAP_`; the newest have none here.
const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

pub(super) fn no_engine(error: &DockerError) -> Judgement {
    let why = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    Judgement::failure(
        "engine",
        format!("{error}{why}"),
        error.help().map_or_else(|| NO_ENGINE.to_owned(), |help| help.to_string()),
    )
}

/// `tried` is how the trial went; its error is one that has nothing to do with privileges. `lacking` are capabilities, by number.
pub(super) fn privileged(tried: Result<Result<(), String>, String>, facts: &EngineFacts, lacking: &[u32]) -> Judgement {
    const WHAT: &str = "privileges";
    let name = |n: &u32| CAPABILITIES.get(*n as usize).map_or_else(|| n.to_string(), |name| (*name).to_owned());
    let names: Vec<String> = lacking.iter().map(name).collect();
    let lacks = match &names[..] {
        [] => String::new(),
        [one] => format!("; this machine cannot give the capability {one}"),
        several => format!("; this machine cannot give the capabilities {}", several.join(", ")),
    };
    let by = facts.runtime.as_ref().map_or_else(String::new, |runtime| format!(" by {runtime}"));
    match tried {
        Err(reason) => {
            Judgement::unknown(WHAT, format!("whether privileged containers start was not found out: {reason}"))
        }
        Ok(Err(reason)) => Judgement::failure(
            WHAT,
            format!("nodes are privileged containers, and none starts{by}: {reason}{lacks}"),
            "let Docker 23 or later run them, or an engine that `./dev setup` starts as root, with a runtime that asks only for what is there",
        ),
        Ok(Ok(())) => Judgement::ok(WHAT, format!("privileged containers start{by}{lacks}")),
    }
}

/// No version is refused: kubelet is told to start on hosts with either.
pub(super) fn cgroups(version: Option<&str>) -> Judgement {
    const WHAT: &str = "control groups";
    match version {
        None => Judgement::unknown(WHAT, "the engine does not tell their version"),
        Some("1") => Judgement::ok(WHAT, "version 1, which kubelet is told to bear"),
        Some(version) => Judgement::ok(WHAT, format!("version {version}")),
    }
}

/// Which program will be used. kubectl is for kustomizations only, so no lab fails for want of it.
pub(super) fn tool(tool: &ToolFacts) -> Judgement {
    let ToolFacts { name, version, accepted, place, passed_over } = tool;
    let over = passed_over
        .as_ref()
        .map_or_else(String::new, |path| format!("; {} is passed over, as lab needs {accepted}", path.display()));
    let purpose = if *name == "kubectl" { ", for kustomizations only" } else { "" };
    match place {
        ToolPlace::Here(path) => Judgement::ok(name, format!("{version}{purpose}: {}{over}", path.display())),
        ToolPlace::ToCome(how) => {
            Judgement::ok(name, format!("{version}{purpose}: will be {how} when it is first needed{over}"))
        }
        ToolPlace::Nowhere(tried) => {
            let found = format!("{version}{purpose}: it is not on this machine, and no way leads to it: {tried}{over}");
            let remedy = format!(
                "put {name} on PATH ({accepted}), or install Go (https://go.dev/dl); or bring everything with `lab images import`"
            );
            if *name == "kubectl" {
                Judgement::warning(name, found, remedy)
            } else {
                Judgement::failure(name, found, remedy)
            }
        }
    }
}

/// Where images will come from, and what answers. What no lab needs now is told, and not held against the machine.
pub(super) fn sources(facts: &SourceFacts) -> Vec<Judgement> {
    let mirror = if facts.mirrored { "the mirror" } else { "upstream's registries" };
    let silent = failing(&facts.registries);
    let lacking: Vec<String> = failing(&facts.builders).into_iter().chain(failing(&facts.packages)).collect();
    let registries = !facts.registries.is_empty() && silent.is_empty();
    let packages = lacking.is_empty() && !facts.mirrored;
    let serving = match &facts.prepared {
        Some(prepared) => Judgement::ok("images", format!("prepared already: {prepared}")),
        None if registries => Judgement::ok("images", format!("will be pulled from {mirror}")),
        None if packages => {
            Judgement::ok("images", "will be built from packages, which can take half an hour on two cores")
        }
        None if facts.mirrored => Judgement::failure(
            "images",
            format!("nodes would pull everything from the mirror, and it does not answer: {}", silent.join("; ")),
            "start that registry, or name another as images.mirror; it is asked over plain HTTP, as HOST:PORT",
        ),
        None => Judgement::failure(
            "images",
            format!("they cannot be had: {}; and packages cannot be built here", silence(facts, &silent)),
            "mend one of both, see below; or bring everything from another machine with `lab images export` and `lab images import`",
        ),
    };
    let serves = facts.prepared.is_some() || registries || packages;
    let told = |what: &'static str, well: bool, found: String, remedy: &str| match (well, serves) {
        (true, _) => Judgement::ok(what, found),
        (false, true) => Judgement::ok(what, format!("{found}; not needed")),
        (false, false) => Judgement::warning(what, found, remedy),
    };
    let mut all = vec![serving];
    let answer =
        if registries { format!("every image is at {}", names(&facts.registries)) } else { silence(facts, &silent) };
    if !facts.mirrored {
        all.push(told(
            "registries",
            registries,
            answer,
            "see whether a proxy is needed (HTTPS_PROXY), or name a mirror as images.mirror",
        ));
        let found = if packages {
            format!("can be built: {} are there; {} answer", names(&facts.builders), names(&facts.packages))
        } else {
            format!("cannot be built: {}", lacking.join("; "))
        };
        all.push(told(
            "packages",
            packages,
            found,
            "install what is missing; `./dev setup` as root does on Debian and Ubuntu",
        ));
    }
    all
}

/// How the registries that do not serve are told: all of them in one word, since their reasons are mostly the same.
fn silence(facts: &SourceFacts, silent: &[String]) -> String {
    match silent {
        [first, ..] if silent.len() == facts.registries.len() => format!("no registry serves ({first})"),
        some => format!("not all registries serve: {}", some.join("; ")),
    }
}

fn failing(asked: &[Asked]) -> Vec<String> {
    asked.iter().filter_map(|(name, answer)| Some(format!("{name}: {}", answer.as_ref().err()?))).collect()
}

fn names(asked: &[Asked]) -> String {
    asked.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
