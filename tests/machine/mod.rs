//! A machine to run `lab` on: an empty home, and no engine.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use lab::plan::resolve;
use lab::scenario::parse;
use tempfile::TempDir;

/// A machine of its own: an empty home, and no engine.
pub struct Machine {
    /// Its only directory.
    pub dir: TempDir,
}

/// What a command did.
pub struct Ran {
    /// The command line.
    pub line: String,
    /// Its exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// What it printed as data.
    pub stdout: String,
    /// What else it said.
    pub stderr: String,
}

impl Machine {
    pub fn new() -> Self {
        Self { dir: TempDir::new().expect("a temporary directory") }
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("lab"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
            .env("HOME", self.dir.path())
            .env("XDG_STATE_HOME", self.dir.path().join("state"))
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        ran(&mut self.command(args), args)
    }

    /// Writes a file into the directory that commands run in.
    pub fn file(&self, name: &str, text: &str) {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("mkdir");
        std::fs::write(path, text).expect("write");
    }

    /// A lab that was planned and stored, but whose clusters were never made.
    pub fn with_lab(name: &str) -> Self {
        Self::with(name, &format!("name: {name}\nclusters: [c1, c2]\n"))
    }

    /// The same of a scenario.
    pub fn with(name: &str, text: &str) -> Self {
        let machine = Self::new();
        let lab = resolve(&parse(text, "lab.yaml").expect("valid")).expect("addresses");
        machine.file(&format!("state/lab/{name}/lab.json"), &serde_json::to_string(&lab).expect("JSON"));
        machine
    }
}

pub fn ran(command: &mut Command, args: &[&str]) -> Ran {
    let output = command.output().expect("the binary starts");
    let text = |bytes| {
        let text = String::from_utf8(bytes).expect("UTF-8");
        // The kernel's numbers, and what libraries call their own parts.
        for word in ["os error", "hyper", "client error (", "tcp connect error", "invalid digit"] {
            assert!(!text.contains(word), "lab {args:?} says `{word}`: {text}");
        }
        text
    };
    Ran {
        line: format!("lab {}", args.join(" ")),
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

impl Ran {
    /// Nothing but the exit code and standard error.
    pub fn refused(self, code: i32) -> Self {
        assert_eq!((self.code, self.stdout.as_str()), (Some(code), ""), "{}\n{}", self.line, self.stderr);
        self
    }

    /// Nothing on standard error.
    pub fn printed(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{}\n{}", self.line, self.stdout);
        self.stdout
    }
}

/// Compares what the commands did with the snapshot that is named after the test.
pub fn snapshot(ran: &[Ran]) {
    let mut text = String::new();
    for Ran { line, code, stdout, stderr } in ran {
        let code = code.map_or_else(|| "a signal".to_owned(), |c| c.to_string());
        let _ = writeln!(text, "$ {line}\n{stdout}{stderr}[{code}]\n");
    }
    let name = format!("cli__{}", std::thread::current().name().unwrap_or_default());
    insta::with_settings!(
        { omit_expression => true, snapshot_path => "../snapshots", prepend_module_to_snapshot => false },
        { insta::assert_snapshot!(name, text) }
    );
}

pub fn scenario(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name).display().to_string()
}
