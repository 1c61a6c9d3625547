//! A program that has this terminal, or whatever else is lab's own input and output, while lab does something for it.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

/// How long a program may take to end by the interrupt that it has had itself, before it is told by lab.
const BY_ITSELF: Duration = Duration::from_secs(1);

/// Runs a program with these variables of the environment too, and gives its exit code: 128 and the signal's number where a signal has ended it, as shells
/// have it. An interrupt of lab is one of the program, which may end in its own time.
///
/// # Errors
/// It cannot be started.
pub async fn run(
    command: &[OsString],
    variables: &[(&str, OsString)],
    interrupt: &CancellationToken,
) -> io::Result<u8> {
    let (program, args) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let variables = variables.iter().map(|(name, value)| (name, value));
    let mut child = Command::new(program).args(args).envs(variables).kill_on_drop(true).spawn()?;
    let status = tokio::select! {
        status = child.wait() => status?,
        () = interrupt.cancelled() => {
            // What is typed at a terminal both have had.
            if let Ok(status) = tokio::time::timeout(BY_ITSELF, child.wait()).await {
                status?
            } else {
                let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
                // It may have ended meanwhile.
                let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
                child.wait().await?
            }
        }
    };
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(u8::try_from(code).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ended(script: &str, interrupt: &CancellationToken) -> u8 {
        let command = ["sh", "-c", script].map(OsString::from);
        run(&command, &[("LAB_WORD", "word".into())], interrupt).await.expect("a shell")
    }

    #[tokio::test]
    async fn a_command_ends_as_it_does() {
        let interrupt = CancellationToken::new();
        assert_eq!(ended("[ $LAB_WORD = word ] && exit 7", &interrupt).await, 7);
        assert_eq!(ended("kill -KILL $$", &interrupt).await, 137);
        let none = run(&["/nonexistent/program".into()], &[], &interrupt).await;
        assert_eq!(none.map_err(|e| e.kind()), Err(io::ErrorKind::NotFound));
    }

    #[tokio::test]
    async fn an_interrupted_command_may_end_in_order() {
        let interrupt = CancellationToken::new();
        interrupt.cancel();
        assert_eq!(ended("trap 'exit 9' TERM; while :; do sleep 0.1; done", &interrupt).await, 9);
    }
}
