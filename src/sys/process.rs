//! Child processes: output captured, ended with their whole group when dropped or when lab itself ends, errors that tell what to do.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use miette::Diagnostic;
use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};

use super::words::Io;
use super::{cache, keeper, marked};

/// A process could not be run, or it failed.
#[derive(Debug, Error, Diagnostic)]
pub enum ProcessError {
    /// It could not be started.
    #[error("cannot start {program}")]
    #[diagnostic(help("install {program} or put it on PATH"))]
    Start {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: Io,
    },
    /// Its input or output broke.
    #[error("lost contact with {program}")]
    #[diagnostic(help(
        "run the command again, which continues where it stopped; `lab doctor` tells whether the machine is short of something"
    ))]
    Io {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: Io,
    },
    /// It ended with a failure.
    #[error("{command} failed ({status}):\n{tail}")]
    #[diagnostic(help("its own output is above; `lab doctor` tells whether the machine is short of something"))]
    Failed {
        /// The program and its arguments.
        command: String,
        /// Its exit status.
        status: std::process::ExitStatus,
        /// The last lines of what it printed.
        tail: String,
    },
    /// It has not ended in time, and was ended.
    #[error("{command} did not end within {} s and was stopped; its last output:\n{tail}", limit.as_secs())]
    #[diagnostic(help(
        "run the command again, which continues where it stopped; `lab doctor` tells whether the machine is short of something"
    ))]
    Late {
        /// The program and its arguments.
        command: String,
        /// How long it might take.
        limit: Duration,
        /// The last lines of what it printed.
        tail: String,
    },
}

/// Becomes another program, with these variables of the environment too; gives why it cannot.
#[must_use]
pub fn become_program(program: &OsStr, envs: &[(&str, &OsStr)]) -> std::io::Error {
    use std::os::unix::process::CommandExt as _;
    std::process::Command::new(program).envs(envs.iter().copied()).exec()
}

/// Shows an address in this user's browser, as the desktop has it, and does not wait for it.
///
/// # Errors
/// There is no desktop, or it has no browser.
pub fn open_browser(url: &str) -> std::io::Result<()> {
    open::that_detached(url)
}

/// A command to run, with no standard input unless given.
#[derive(Debug, Clone)]
pub struct Process {
    program: PathBuf,
    args: Vec<String>,
    envs: Vec<(String, String)>,
    dir: Option<PathBuf>,
    input: Option<Vec<u8>>,
    limit: Duration,
}

/// How long a program may take that only answers a question, or writes what it is given in another form.
const LIMIT: Duration = Duration::from_secs(120);

/// How many lines of a failed process's output its error shows.
const TAIL: usize = 20;

impl Process {
    /// A command for `program`, which may take two minutes unless [`limit`](Self::limit) says otherwise.
    pub fn new(program: impl AsRef<Path>) -> Self {
        let program = program.as_ref().to_owned();
        Self { program, args: Vec::new(), envs: Vec::new(), dir: None, input: None, limit: LIMIT }
    }

    /// Sets how long it may take. Then it is ended with all that it started, and that is an error.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<str>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Sets one environment variable of the child.
    #[must_use]
    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.envs.push((key.to_owned(), value.as_ref().to_string_lossy().into_owned()));
        self
    }

    /// Sets several.
    #[must_use]
    pub fn envs<V: AsRef<OsStr>>(self, variables: impl IntoIterator<Item = (&'static str, V)>) -> Self {
        variables.into_iter().fold(self, |process, (key, value)| process.env(key, value))
    }

    /// Sets the working directory.
    #[must_use]
    pub fn dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.dir = Some(dir.as_ref().to_owned());
        self
    }

    /// Gives standard input.
    #[must_use]
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = Some(input.into());
        self
    }

    /// Runs to the end, at most as long as the limit, and returns standard output. `on_line` sees every line of both streams as it comes.
    pub async fn run(self, on_line: impl FnMut(&str)) -> Result<String, ProcessError> {
        let (limit, command) = (self.limit, self.words());
        let mut tail = Tail::default();
        match tokio::time::timeout(limit, self.until_its_end(on_line, &mut tail)).await {
            Ok(ended) => {
                let (status, out) = ended?;
                if status.success() {
                    return Ok(out);
                }
                Err(ProcessError::Failed { command, status, tail: tail.to_string() })
            }
            Err(_) => Err(ProcessError::Late { command, limit, tail: tail.to_string() }),
        }
    }

    /// How it ended, and its standard output; `tail` gets the last lines as they come.
    async fn until_its_end(
        self,
        mut on_line: impl FnMut(&str),
        tail: &mut Tail,
    ) -> Result<(std::process::ExitStatus, String), ProcessError> {
        let program = self.program.display().to_string();
        let io = |e: std::io::Error| ProcessError::Io { program: program.clone(), source: e.into() };
        if !self.is_there() {
            return Err(ProcessError::Start {
                program,
                source: std::io::Error::from(std::io::ErrorKind::NotFound).into(),
            });
        }
        let input = self.input.unwrap_or_default();
        let mut command = tokio::process::Command::from(keeper::command(&self.program, input.len()));
        command
            .args(&self.args)
            .envs(marked::variable())
            .envs(self.envs.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        let mut child =
            command.spawn().map_err(|e| ProcessError::Start { program: program.clone(), source: e.into() })?;
        let _group = Group(child.id());
        let mut stdin = child.stdin.take();
        let write = async {
            let Some(open) = &mut stdin else { return Ok(()) };
            let fed = open.write_all(&input).await;
            if !keeper::holds() {
                stdin = None;
            }
            fed
        };
        let (sender, mut lines) = tokio::sync::mpsc::channel(64);
        let streams = [
            child.stdout.take().map(|s| tokio::spawn(forward(s, true, sender.clone()))),
            child.stderr.take().map(|s| tokio::spawn(forward(s, false, sender))),
        ];
        let mut out = String::new();
        let read = async {
            while let Some((is_stdout, line)) = lines.recv().await {
                on_line(&line);
                if is_stdout {
                    out.push_str(&line);
                    out.push('\n');
                }
                tail.push(line);
            }
        };
        let (fed, ()) = tokio::join!(write, read);
        let status = child.wait().await.map_err(io)?;
        drop(stdin);
        for stream in streams.into_iter().flatten() {
            let _ = stream.await;
        }
        if status.success() {
            fed.map_err(io)?;
        }
        Ok((status, out))
    }

    /// The program and its arguments.
    fn words(&self) -> String {
        let name = self.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        std::iter::once(name).chain(self.args.iter().cloned()).collect::<Vec<_>>().join(" ")
    }

    /// Whether the program is there to be started: what a keeper cannot start is told by its exit code alone.
    fn is_there(&self) -> bool {
        let is_path = self.program.components().nth(1).is_some();
        if is_path { self.program.exists() } else { !cache::on_path(&self.program.to_string_lossy()).is_empty() }
    }

    /// Runs to the end and returns standard output.
    pub async fn output(self) -> Result<String, ProcessError> {
        self.run(|_| ()).await
    }
}

/// The last lines of what a program printed.
#[derive(Default)]
struct Tail(VecDeque<String>);

impl Tail {
    /// A program in Go that fails may also print the calls that it was in, each as a function and a place. They would push out why it failed.
    fn push(&mut self, line: String) {
        if line.starts_with('\t') && (line.contains(".go:") || line.contains(".s:")) {
            self.0.pop_back();
            return;
        }
        // One more than is shown, which may turn out to be such a function.
        if self.0.len() > TAIL {
            self.0.pop_front();
        }
        self.0.push_back(line);
    }
}

impl std::fmt::Display for Tail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let older = self.0.len().saturating_sub(TAIL);
        let lines: Vec<String> = self.0.iter().skip(older).map(|line| format!("  {line}")).collect();
        f.write_str(&lines.join("\n"))
    }
}

async fn forward(stream: impl AsyncRead + Unpin, is_stdout: bool, sender: tokio::sync::mpsc::Sender<(bool, String)>) {
    let mut reader = BufReader::new(stream);
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        match reader.read_until(b'\n', &mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let line = String::from_utf8_lossy(&buffer).trim_end_matches(['\r', '\n']).to_owned();
        if sender.send((is_stdout, line)).await.is_err() {
            return;
        }
    }
}

/// The process group of a child. What it started in turn ends with it.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0.and_then(|p| i32::try_from(p).ok()).and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
    }
}

/// Bytes of memory that this process holds, where the system tells it.
#[must_use]
pub fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Files and connections that this process has open, where the system tells it.
#[must_use]
pub fn open_files() -> Option<u64> {
    u64::try_from(std::fs::read_dir("/proc/self/fd").ok()?.count()).ok()
}

/// Whether this process has the rights of root.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether this process was started to survive the end of its terminal, as by `nohup`.
#[must_use]
pub fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // The first bit is that of the first signal, which is SIGHUP.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_that_does_not_end_is_ended_and_named_with_what_it_said() {
        let sleeps = Process::new("sh").args(["-c", "echo begun; sleep 60"]).limit(Duration::from_millis(500));
        let start = std::time::Instant::now();
        let error = sleeps.output().await.expect_err("it is late");
        assert!(start.elapsed() < Duration::from_secs(30));
        let said = error.to_string();
        assert!(matches!(error, ProcessError::Late { .. }), "{said}");
        assert!(
            said.starts_with("sh -c echo begun; sleep 60 did not end within 0 s") && said.ends_with("  begun"),
            "{said}"
        );
    }
    #[test]
    fn why_a_program_failed_is_not_lost_behind_the_calls_that_it_was_in() {
        let mut tail = Tail::default();
        let mut said = vec!["lost".to_owned()];
        said.extend((1..=TAIL).map(|i| format!("reason {i}")));
        said.extend((0..2 * TAIL).flat_map(|i| [format!("k8s.io/kubernetes.f{i}"), format!("\tk8s.io/f.go:{i}")]));
        said.extend(["runtime.goexit".to_owned(), "\truntime/asm_amd64.s:1771".to_owned()]);
        for line in said {
            tail.push(line);
        }
        let shown = tail.to_string();
        assert_eq!(shown.lines().next(), Some("  reason 1"), "{shown}");
        assert_eq!(shown.lines().last(), Some(format!("  reason {TAIL}").as_str()), "{shown}");
    }
}
