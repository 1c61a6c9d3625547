//! Processes of lab's own that outlive the one that starts them.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::marked;

/// This binary, also when another one has been put in its place.
const SELF: &str = "/proc/self/exe";
/// What such a process prints as soon as nothing that ends the one that started it ends it too.
const THERE: &str = "there";

/// Starts this binary with these arguments, and waits until it is there.
///
/// # Errors
/// It cannot be started, or it is not there in time.
pub async fn start(args: &[&str], limit: Duration) -> std::io::Result<()> {
    let mut command = tokio::process::Command::new(SELF);
    command
        .args(args)
        // It is no program that an aborted run has left.
        .env_remove(marked::VARIABLE)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(false);
    let mut child = command.spawn()?;
    let Some(out) = child.stdout.take() else { return Err(std::io::Error::other("it has no output")) };
    let mut line = String::new();
    let said = tokio::time::timeout(limit, BufReader::new(out).read_line(&mut line)).await;
    match said {
        Ok(Ok(_)) if line.trim_end() == THERE => Ok(()),
        _ => {
            let _ = child.start_kill();
            Err(std::io::Error::new(
                std::io::ErrorKind::TimedOut,
                format!("it was not there within {} s", limit.as_secs()),
            ))
        }
    }
}

/// Leaves the terminal and the process group of whoever has started this process, and says that it is there.
pub fn settle() {
    // It fails where this process leads a group of its own already, and then there is nothing to leave.
    let _ = rustix::process::setsid();
    println!("{THERE}");
}
