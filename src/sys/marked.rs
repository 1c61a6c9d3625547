//! What an earlier run of lab left running, and its end. Every program that a run starts has a mark in its environment, which all that it starts in
//! turn inherit, so no foreign process is ever taken for one of them.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Variable with the mark.
pub(super) const VARIABLE: &str = "LAB_CHILD_OF";
/// How often it is looked whether all is gone. What waits for a disk ends when that has answered.
const LOOKS: usize = 100;
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

static MARK: OnceLock<String> = OnceLock::new();

/// From now on all programs that this process starts have this mark; the first mark counts.
pub fn mark(mark: String) {
    let _ = MARK.set(mark);
}

/// The variable of the environment that a program is started with.
pub(super) fn variable() -> Option<(&'static str, &'static str)> {
    MARK.get().map(|mark| (VARIABLE, mark.as_str()))
}

/// Ends all processes with this mark. Only who holds the lock may ask, since what runs then cannot belong to a run that still goes on.
/// Gives the command lines of those that it ended.
pub async fn end(mark: &str) -> Vec<String> {
    let wanted = format!("{VARIABLE}={mark}");
    let mut ended = Vec::new();
    for _ in 0..LOOKS {
        let left: Vec<PathBuf> = processes().filter(|process| has(process, &wanted)).collect();
        if left.is_empty() {
            break;
        }
        for process in left {
            let words = std::fs::read(process.join("cmdline")).unwrap_or_default();
            let words = String::from_utf8_lossy(&words).trim_end_matches('\0').replace('\0', " ");
            if kill(&process, &wanted) && !ended.contains(&words) {
                ended.push(words);
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    ended
}

/// Directories of `/proc` of all processes but this one.
fn processes() -> impl Iterator<Item = PathBuf> {
    let own = std::process::id();
    let is_other = move |name: &str| name.parse::<u32>().is_ok_and(|pid| pid != own);
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter(move |entry| entry.file_name().to_str().is_some_and(is_other)).map(|entry| entry.path())
}

/// Whether a process carries the mark. One that has ended has no environment any more, and that of other users cannot be read.
fn has(process: &std::path::Path, wanted: &str) -> bool {
    let environment = std::fs::read(process.join("environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
}

/// Kills one process with the mark. A number may be given to another process at any time, so the process is held before it is looked at once more.
fn kill(process: &std::path::Path, wanted: &str) -> bool {
    let number = process.file_name().and_then(|name| name.to_str()?.parse().ok());
    let Some(held) = number.and_then(Pid::from_raw).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) else {
        return false;
    };
    has(process, wanted) && pidfd_send_signal(&held, Signal::KILL).is_ok()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[tokio::test]
    async fn only_what_carries_the_mark_ends() {
        let sleep = |mark: &str| {
            let mut command = Command::new("sh");
            // A shell in between, and a group of its own: a mark is inherited whatever becomes of the parent.
            command.args(["-c", "sleep 60 & wait"]).env(VARIABLE, mark).stdout(Stdio::null());
            command.spawn().expect("sh starts")
        };
        let own = format!("test {}", std::process::id());
        let (mut left, mut foreign) = (sleep(&own), sleep(&format!("{own} too")));
        // The environment is there once the program has started.
        while !processes().any(|p| has(&p, &format!("{VARIABLE}={own}"))) {
            tokio::time::sleep(PAUSE).await;
        }
        let ended = end(&own).await;
        assert!(ended.iter().any(|words| words.contains("sleep 60")), "{ended:?}");
        assert!(!left.wait().expect("ends").success());
        assert!(foreign.try_wait().expect("looks").is_none(), "another mark must not end");
        let _ = end(&format!("{own} too")).await;
        let _ = foreign.wait();
        assert_eq!(end(&own).await, [""; 0]);
    }
}
