//! A fault that is a load of a node: programs that take its processors and its memory.

use std::fmt::Write as _;

use super::{Act, Look};

/// Memory that a machine keeps, in MiB: what would take the last of it would end anything, lab's own nodes too.
const SPARE: u32 = 1024;

/// Has so many programs do nothing as fast as they can, and one hold so many MiB. They are known by a variable of their environment.
pub(super) fn pressure(node: String, cpu: Option<u32>, memory: Option<u32>, id: &str) -> Act {
    let mark = format!("LAB_FAULT={id}");
    let mut script = format!("export {mark}\n");
    // Writing to a string cannot fail.
    for _ in 0..cpu.unwrap_or(0) {
        script.push_str("setsid sh -c 'while :; do :; done' >/dev/null 2>&1 </dev/null &\n");
    }
    if let Some(memory) = memory {
        // What is no line is held until its end, which does not come.
        let _ = writeln!(
            script,
            "setsid sh -c '{{ head -c {memory}M /dev/zero; exec sleep 86400; }} | tail' >/dev/null 2>&1 </dev/null &"
        );
    }
    script.push_str("true\n");
    let undo = format!(
        "for p in /proc/[0-9]*; do if tr '\\0' '\\n' 2>/dev/null <\"$p/environ\" | grep -qx '{mark}'; then kill -9 \"${{p#/proc/}}\" 2>/dev/null; fi; done; true\n"
    );
    let look = memory.map(|memory| Look {
        script: format!(
            "[ $(($(sed -n 's/^MemAvailable: *\\([0-9]*\\).*/\\1/p' /proc/meminfo) / 1024)) -ge {} ]",
            memory.saturating_add(SPARE)
        ),
        problem: format!("the machine has less than {memory} MiB of memory to spare beside {SPARE} MiB"),
        remedy: "take less memory".to_owned(),
    });
    Act::Shell { node, what: Some("the load".to_owned()), look, script, undo }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_known_by_their_mark() {
        let Act::Shell { script, undo, look, .. } = pressure("n".into(), Some(2), Some(300), "a1") else {
            panic!("a shell")
        };
        assert_eq!(script.matches("while :").count(), 2);
        assert!(script.contains("head -c 300M"), "{script}");
        assert!(undo.contains("grep -qx 'LAB_FAULT=a1'") && undo.contains("tr '\\0' '\\n'"), "{undo}");
        assert!(look.expect("memory is looked at").script.contains("-ge 1324"));
    }
}
