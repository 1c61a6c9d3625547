//! What lab remembers about each lab, under the XDG state directory: directories 0700, files 0600.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use miette::Diagnostic;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// The state cannot be read or written.
#[derive(Debug, Error, Diagnostic)]
pub enum StateError {
    /// There is no home directory.
    #[error("cannot find a home directory to keep state in")]
    #[diagnostic(help("set HOME or XDG_STATE_HOME"))]
    NoHome,
    /// A file or directory cannot be used.
    #[error("cannot {what} {}", path.display())]
    #[diagnostic(help("check the permissions and the free space of that directory"))]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// A file is not what lab wrote.
    #[error("cannot read {}: {reason}", path.display())]
    #[diagnostic(help("another version of lab may have written it: `lab down` this lab and bring it up again"))]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// No lab of that name.
    #[error("there is no lab named {name}{}", nearest.as_ref().map(|n| format!("; did you mean {n}?")).unwrap_or_default())]
    #[diagnostic(help("`lab list` shows the labs of this machine; `lab up FILE` makes one"))]
    Unknown {
        /// The name given.
        name: String,
        /// The existing name that is nearest.
        nearest: Option<String>,
    },
}

/// The state of all labs.
#[derive(Clone, Debug)]
pub struct State {
    root: PathBuf,
}

/// The state of one lab.
#[derive(Clone, Debug)]
pub struct LabState {
    dir: PathBuf,
}

/// Held while a process changes a lab; others wait for it.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the lock lasts as long as the file is open")] File);

const LAB_FILE: &str = "lab.json";

impl State {
    /// The state under `XDG_STATE_HOME/lab`, or `~/.local/state/lab`.
    pub fn open() -> Result<Self, StateError> {
        let base = etcetera::choose_base_strategy().map_err(|_| StateError::NoHome)?;
        let root = base.state_dir().unwrap_or_else(|| base.home_dir().join(".local/state")).join("lab");
        make_dir(&root)?;
        Ok(Self { root })
    }

    /// The state of a lab that may not exist yet.
    pub fn lab(&self, name: &str) -> Result<LabState, StateError> {
        let dir = self.root.join(name);
        make_dir(&dir)?;
        Ok(LabState { dir })
    }

    /// The state of a lab that must exist.
    pub fn existing(&self, name: &str) -> Result<LabState, StateError> {
        let names = self.names()?;
        if names.iter().any(|n| n == name) {
            return Ok(LabState { dir: self.root.join(name) });
        }
        let nearest = names.into_iter().filter(|n| strsim::damerau_levenshtein(n, name) <= 3);
        Err(StateError::Unknown {
            name: name.to_owned(),
            nearest: nearest.min_by_key(|n| strsim::damerau_levenshtein(n, name)),
        })
    }

    /// Names of the labs, sorted.
    pub fn names(&self) -> Result<Vec<String>, StateError> {
        let io = |source| StateError::Io { what: "list", path: self.root.clone(), source };
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(io)? {
            let entry = entry.map_err(io)?;
            if entry.path().join(LAB_FILE).is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Takes the lock of a lab, which outlives the lab's own directory. `on_wait` is called when another process holds it.
    pub async fn lock(&self, name: &str, on_wait: impl FnOnce()) -> Result<Lock, StateError> {
        let path = self.root.join(format!(".{name}.lock"));
        let io = |source| StateError::Io { what: "lock", path: path.clone(), source };
        let file = File::options().create(true).append(true).mode(0o600).open(&path).map_err(io)?;
        if file.try_lock().is_ok() {
            return Ok(Lock(file));
        }
        on_wait();
        let locked = tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await;
        locked.map_err(std::io::Error::other).and_then(|r| r).map(Lock).map_err(io)
    }
}

impl LabState {
    /// The state of what is no lab of this machine, in a directory of its own.
    #[must_use]
    pub fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// A path inside the lab's directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Path of the kubeconfig of one cluster.
    #[must_use]
    pub fn kubeconfig(&self, cluster: &str) -> PathBuf {
        self.dir.join("kubeconfigs").join(format!("{cluster}.yaml"))
    }

    /// The resolved lab.
    pub fn load<T: DeserializeOwned>(&self) -> Result<T, StateError> {
        self.read_json(LAB_FILE)?
            .ok_or_else(|| StateError::Corrupt { path: self.path(LAB_FILE), reason: "it is not there".to_owned() })
    }

    /// Stores the resolved lab; from then on the lab exists.
    pub fn store<T: Serialize>(&self, lab: &T) -> Result<(), StateError> {
        self.write_json(LAB_FILE, lab)
    }

    /// Reads a text file, if it exists.
    pub fn read(&self, name: &str) -> Result<Option<String>, StateError> {
        let path = self.path(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StateError::Io { what: "read", path, source }),
        }
    }

    /// Reads a JSON file, if it exists.
    pub fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StateError> {
        let Some(text) = self.read(name)? else { return Ok(None) };
        let corrupt = |e: serde_json::Error| StateError::Corrupt { path: self.path(name), reason: e.to_string() };
        serde_json::from_str(&text).map(Some).map_err(corrupt)
    }

    /// Writes a file in one piece: readers see the old one or the new one.
    pub fn write(&self, name: &str, text: &str) -> Result<(), StateError> {
        let path = self.path(name);
        let parent = path.parent().unwrap_or(&self.dir).to_owned();
        make_dir(&parent)?;
        let io = |source| StateError::Io { what: "write", path: path.clone(), source };
        let mut file = tempfile::NamedTempFile::new_in(&parent).map_err(io)?;
        file.write_all(text.as_bytes()).map_err(io)?;
        file.persist(&path).map(|_| ()).map_err(|e| io(e.error))
    }

    /// Writes a JSON file in one piece.
    pub fn write_json<T: Serialize>(&self, name: &str, value: &T) -> Result<(), StateError> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|e| StateError::Corrupt { path: self.path(name), reason: e.to_string() })?;
        self.write(name, &text)
    }

    /// Adds one line to a file.
    pub fn append(&self, name: &str, line: &str) -> Result<(), StateError> {
        let path = self.path(name);
        let io = |source| StateError::Io { what: "append to", path: path.clone(), source };
        let mut file = File::options().create(true).append(true).mode(0o600).open(&path).map_err(io)?;
        writeln!(file, "{line}").map_err(io)
    }

    /// All files of the lab's state, by their paths in it.
    pub fn files(&self) -> Result<Vec<String>, StateError> {
        let mut found = Vec::new();
        let mut directories = vec![self.dir.clone()];
        while let Some(directory) = directories.pop() {
            let io = |source| StateError::Io { what: "list", path: directory.clone(), source };
            for entry in fs::read_dir(&directory).map_err(io)? {
                let path = entry.map_err(io)?.path();
                if path.is_dir() {
                    directories.push(path);
                } else if let Ok(name) = path.strip_prefix(&self.dir) {
                    found.push(name.display().to_string());
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// Makes the directory of a file in the lab's state.
    pub fn make_parent(&self, path: &Path) -> Result<(), StateError> {
        path.parent().map_or(Ok(()), make_dir)
    }

    /// Forgets the lab.
    pub fn remove(self) -> Result<(), StateError> {
        fs::remove_dir_all(&self.dir).map_err(|source| StateError::Io { what: "remove", path: self.dir, source })
    }
}

fn make_dir(path: &Path) -> Result<(), StateError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|source| StateError::Io {
        what: "create",
        path: path.to_owned(),
        source,
    })
}
