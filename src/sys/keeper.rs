//! Keepers: between lab and each program that it runs stands lab's own binary once more. It ends the program, with all that it started, as soon as
//! lab is gone, whatever ended lab.
//!
//! Lab holds the other end of the keeper's standard input as long as it wants the program, and the kernel closes that end when lab dies. Keeper and
//! program share a process group of their own, so that what the program starts in turn, as kind starts `docker run`, ends with it.

use std::ffi::{OsStr, OsString};
use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use rustix::process::{Signal, getpgrp, getpid, kill_current_process_group};

use super::words;

/// First argument of a keeper. The next are the number of bytes of standard input that are the program's, the program, and its arguments.
const VERB: &str = "keep-child";
/// This binary, also when another one has been put in its place.
const SELF: &str = "/proc/self/exe";
/// The keeper could not start the program.
const NOT_STARTED: u8 = 127;

/// Whether this process is one that can be its own keeper: the binary, not a test of the library.
static ARMED: OnceLock<()> = OnceLock::new();

/// Is a keeper, if the command line says so, and gives its exit code. Otherwise this process has keepers from now on.
#[must_use]
pub fn serve() -> Option<u8> {
    let mut args = std::env::args_os().skip(1);
    if args.next().as_deref() == Some(OsStr::new(VERB)) {
        return Some(keep(args));
    }
    let _ = ARMED.set(());
    None
}

/// What starts a program that reads so many bytes of input: its keeper or, where there can be none, the program itself.
pub(super) fn command(program: &Path, input: usize) -> Command {
    if !holds() {
        return Command::new(program);
    }
    let mut command = Command::new(SELF);
    command.arg(VERB).arg(input.to_string()).arg(program);
    command
}

/// Whether programs have keepers, which hold standard input open until the end.
pub(super) fn holds() -> bool {
    ARMED.get().is_some()
}

fn keep(mut args: impl Iterator<Item = OsString>) -> u8 {
    let input: Option<usize> = args.next().and_then(|n| n.to_str()?.parse().ok());
    // Who shares a group with others must not end it.
    let (Some(input), Some(program), true) = (input, args.next(), getpgrp() == getpid()) else {
        eprintln!("error: this verb is lab's own: it starts programs by it");
        return 2;
    };
    let stdin = if input == 0 { Stdio::null() } else { Stdio::piped() };
    let mut child = match Command::new(&program).args(args).stdin(stdin).spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("cannot start {}: {}", program.display(), words::io_error(&error));
            return NOT_STARTED;
        }
    };
    let stdin = child.stdin.take();
    std::thread::spawn(move || {
        let mut lab = std::io::stdin().lock();
        let mut given = vec![0; input];
        if lab.read_exact(&mut given).is_ok() {
            // A program that reads nothing must not keep its keeper from seeing the end of lab.
            std::thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&given)));
            // Nothing more is written: what comes is the end.
            let _ = std::io::copy(&mut lab, &mut std::io::sink());
        }
        let _ = kill_current_process_group(Signal::KILL);
    });
    let Ok(status) = child.wait() else { return NOT_STARTED };
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
