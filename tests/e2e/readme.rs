//! Follows a README as a person does: runs its `console` blocks in order in one shell, and compares what is printed.
//!
//! In a block, a line that begins with `$ ` is a command, which goes on in the next line after a trailing `\`. The lines after it must be printed, on standard
//! output and standard error together. `…` stands for any text in a line, and alone on a line for any number of lines. A command must end with 0, the
//! last one of a block with N if the block begins with ```` ```console exit=N ````.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, PipeReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

/// What stands for anything.
const ANY: &str = "…";

/// A command and what it must do.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// Its line in the README, from 1.
    pub line: usize,
    /// The command, with its continuation lines.
    pub command: String,
    /// What it must print.
    pub expected: Vec<String>,
    /// What it must end with.
    pub exit: i32,
}

/// The commands of a README in their order.
pub fn steps(readme: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut lines = (1..).zip(readme.lines());
    while let Some((opened, line)) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let exit = match info.trim().strip_prefix("console").map(str::trim) {
            // A block of another language is passed over whole: it may show a fence of its own.
            None => None,
            Some("") => Some(0),
            Some(word) => match word.strip_prefix("exit=").and_then(|code| code.parse().ok()) {
                Some(code) => Some(code),
                None => return Err(format!("line {opened}: a console block says `{word}`, which is not exit=NUMBER")),
            },
        };
        let mut block: Vec<Step> = Vec::new();
        let mut closed = false;
        let mut goes_on = false;
        for (number, line) in lines.by_ref() {
            if line.trim_end() == "```" {
                closed = true;
                break;
            }
            if exit.is_none() {
                continue;
            }
            match (line.strip_prefix("$ "), block.last_mut()) {
                (_, Some(step)) if goes_on => {
                    step.command.push('\n');
                    step.command.push_str(line);
                }
                (Some(command), _) => {
                    block.push(Step { line: number, command: command.to_owned(), expected: Vec::new(), exit: 0 });
                }
                (None, Some(step)) => step.expected.push(line.to_owned()),
                (None, None) => return Err(format!("line {number}: output comes before any command")),
            }
            let is_command = goes_on || line.starts_with("$ ");
            goes_on = is_command && line.ends_with('\\');
        }
        if !closed {
            return Err(format!("line {opened}: this block does not end"));
        }
        if let (Some(step), Some(exit)) = (block.last_mut(), exit) {
            step.exit = exit;
        }
        steps.append(&mut block);
    }
    Ok(steps)
}

/// Nothing if the output is what is expected; else how they differ: `-` is missing, `+` was printed instead.
pub fn difference(expected: &[String], output: &str) -> Option<String> {
    let found: Vec<&str> = trimmed(output.lines().map(str::trim_end).collect());
    let expected: Vec<&str> = trimmed(expected.iter().map(|line| line.trim_end()).collect());
    // cost[i][j]: fewest differences between expected[i..] and found[j..].
    let (rows, columns) = (expected.len(), found.len());
    let mut cost = vec![vec![0_usize; columns + 1]; rows + 1];
    for i in (0..=rows).rev() {
        for j in (0..=columns).rev() {
            cost[i][j] = match (expected.get(i), found.get(j)) {
                (None, _) => columns - j,
                (Some(&ANY), None) => cost[i + 1][j],
                (Some(&ANY), Some(_)) => cost[i + 1][j].min(cost[i][j + 1]),
                (Some(_), None) => cost[i + 1][j] + 1,
                (Some(wanted), Some(line)) if matches(wanted, line) => cost[i + 1][j + 1],
                (Some(_), Some(_)) => 1 + cost[i + 1][j].min(cost[i][j + 1]),
            };
        }
    }
    if cost[0][0] == 0 {
        return None;
    }
    let (mut i, mut j, mut text) = (0, 0, String::new());
    while i < rows || j < columns {
        let (sign, line) = match (expected.get(i), found.get(j)) {
            (Some(&ANY), Some(_)) if cost[i][j] == cost[i][j + 1] => (' ', found[j]),
            (Some(&ANY), _) => {
                i += 1;
                continue;
            }
            (Some(wanted), Some(line)) if matches(wanted, line) => {
                i += 1;
                (' ', *line)
            }
            (Some(wanted), _) if j == columns || cost[i][j] == cost[i + 1][j] + 1 => {
                i += 1;
                _ = writeln!(text, "  - {wanted}");
                continue;
            }
            _ => ('+', found[j]),
        };
        j += 1;
        _ = writeln!(text, "  {sign} {line}");
    }
    Some(text)
}

/// Without empty lines at either end.
fn trimmed(mut lines: Vec<&str>) -> Vec<&str> {
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    let first = lines.iter().position(|line| !line.is_empty()).unwrap_or(0);
    lines.split_off(first)
}

/// Whether a line is the one wanted, with `…` for any text.
fn matches(wanted: &str, line: &str) -> bool {
    let Some((first, rest)) = wanted.split_once(ANY) else { return wanted == line };
    let Some(mut line) = line.strip_prefix(first) else { return false };
    let parts: Vec<&str> = rest.split(ANY).collect();
    let Some((last, middle)) = parts.split_last() else { return true };
    for part in middle {
        let Some(at) = line.find(part) else { return false };
        line = &line[at + part.len()..];
    }
    line.ends_with(last)
}

/// A shell in which what one command exports the next one sees.
pub struct Shell {
    child: Child,
    commands: ChildStdin,
    output: BufReader<PipeReader>,
    marker: String,
}

impl Shell {
    /// Starts bash in a directory; `path` is looked through before the rest of PATH.
    pub fn start(dir: &Path, path: &Path) -> Self {
        let marker = format!("--- end of command of {} ---", std::process::id());
        // Each command is read up to a zero byte and evaluated by this very shell; it reads nothing of what the shell reads.
        let script = format!(
            "while IFS= read -r -d '' command; do eval \"$command\" </dev/null; printf '\\n%s%d\\n' '{marker}' $?; done"
        );
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let rest = std::env::var("PATH").unwrap_or_default();
        let mut child = Command::new("bash")
            .args(["--norc", "-c", &script])
            .current_dir(dir)
            .env("PATH", format!("{}:{rest}", path.display()))
            .env("TERM", "dumb")
            .env_remove("KUBECONFIG")
            .env_remove("CI")
            .stdin(Stdio::piped())
            .stdout(writer.try_clone().expect("a pipe"))
            .stderr(writer)
            .process_group(0)
            .spawn()
            .expect("bash starts");
        let commands = child.stdin.take().expect("a pipe");
        Self { child, commands, output: BufReader::new(reader), marker }
    }

    /// Runs a command to its end: what it printed, and what it ended with.
    pub fn run(&mut self, command: &str) -> Result<(String, i32), String> {
        let sent = self.commands.write_all(format!("{command}\0").as_bytes()).and_then(|()| self.commands.flush());
        sent.map_err(|e| format!("the shell takes no more commands: {e}"))?;
        let (mut output, mut line) = (String::new(), Vec::new());
        loop {
            line.clear();
            if self.output.read_until(b'\n', &mut line).map_err(|e| e.to_string())? == 0 {
                return Err(format!("the shell ended after:\n{output}"));
            }
            let text = String::from_utf8_lossy(&line);
            if let Some(code) = text.strip_prefix(&self.marker) {
                let code = code.trim().parse().map_err(|_| format!("no exit code: {code}"))?;
                return Ok((output, code));
            }
            output.push_str(&text);
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // What a command left running in the background ends with the shell.
        let group = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(group) = group {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

/// Does what a README says, up to the first thing that is not as it says. Gives the number of commands.
pub fn follow(readme: &Path, shell: &mut Shell) -> Result<usize, String> {
    let text = std::fs::read_to_string(readme).map_err(|e| format!("{}: {e}", readme.display()))?;
    let steps = steps(&text).map_err(|e| format!("{}: {e}", readme.display()))?;
    for Step { line, command, expected, exit } in &steps {
        eprintln!("$ {command}");
        let (output, code) =
            shell.run(command).map_err(|e| format!("{}:{line}: $ {command}\n{e}", readme.display()))?;
        eprint!("{output}");
        let mut wrong = String::new();
        if code != *exit {
            _ = writeln!(wrong, "it ended with {code}, not {exit}");
        }
        if let Some(difference) = difference(expected, &output) {
            _ = writeln!(wrong, "it printed something else (- the README, + found):\n{difference}");
        } else if !wrong.is_empty() {
            _ = writeln!(wrong, "it printed:\n{output}");
        }
        if !wrong.is_empty() {
            return Err(format!("{}:{line}: $ {command}\n{wrong}", readme.display()));
        }
    }
    Ok(steps.len())
}
