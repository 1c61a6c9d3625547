//! What lab remembers about each lab, under the XDG state directory: directories 0700, files 0600.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::fs::create_private_dir;
use super::input::{self, Refused};
use super::lock::{FileLock, Mode};
use super::{home, unfinished};

pub use error::StateError;
pub use snapshots::{Part, PartWriter, Snapshot, Snapshots, Unkept};

mod error;
mod snapshots;

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
pub struct Lock {
    file: FileLock,
    lab: PathBuf,
}

/// Most bytes of a file that are read: the largest scenario, in all its forms, is far from it.
const LARGEST: u64 = 128 << 20;

const LAB_FILE: &str = "lab.json";
/// Version of that file's form: a field that was there before means something else, or is gone.
const VERSION: u64 = 1;
/// Its field with that version. A file without it is of the first.
const VERSION_FIELD: &str = "version";

/// The name of a lab that was probably meant by one that no lab has.
pub fn nearest(names: impl IntoIterator<Item = String>, name: &str) -> Option<String> {
    let distance = |other: &String| strsim::damerau_levenshtein(other, name);
    names.into_iter().filter(|other| distance(other) <= 3).min_by_key(distance)
}

/// A lock that is held for a moment.
#[derive(Debug)]
pub struct Moment {
    _held: FileLock,
}

impl State {
    /// The state under `XDG_STATE_HOME/lab`, or `~/.local/state/lab`.
    pub fn open() -> Result<Self, StateError> {
        let root = Self::root()?;
        make_dir(&root)?;
        Ok(Self { root })
    }

    fn root() -> Result<PathBuf, StateError> {
        let root = home::dir(|base| base.state_dir().unwrap_or_else(|| base.home_dir().join(".local/state")));
        Ok(root.map_err(StateError::NoHome)?.join("lab"))
    }

    /// What is stored of a lab, if there is one of that name and it can be read. Nothing is made for the question.
    #[must_use]
    pub fn look<T: Serialize + DeserializeOwned>(name: &str) -> Option<T> {
        LabState { dir: Self::root().ok()?.join(name) }.stored().ok().flatten()
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
        Err(StateError::Unknown { name: name.to_owned(), nearest: nearest(names, name) })
    }

    /// Names of the labs, sorted; those too of which the state is damaged, since there may be keys in it.
    pub fn names(&self) -> Result<Vec<String>, StateError> {
        let failed = io("list", &self.root);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(&failed)? {
            let entry = entry.map_err(&failed)?;
            if entry.file_name() == snapshots::DIRECTORY {
                continue;
            }
            if fs::read_dir(entry.path()).is_ok_and(|mut files| files.next().is_some()) {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Takes the lock of a lab, which outlives the lab's own directory. `on_wait` is called when another process holds it.
    pub async fn lock(&self, name: &str, on_wait: impl FnOnce()) -> Result<Lock, StateError> {
        let path = self.root.join(format!(".{name}.lock"));
        let file = FileLock::take(&path, Mode::Exclusive, on_wait).await.map_err(io("lock", &path))?;
        Ok(Lock { file, lab: self.root.join(name) })
    }
}

impl Drop for Lock {
    /// The file goes with the lab, or when there was none.
    fn drop(&mut self) {
        if !self.lab.exists() {
            self.file.remove_file();
        }
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
    pub fn load<T: Serialize + DeserializeOwned>(&self) -> Result<T, StateError> {
        self.stored()?.ok_or_else(|| self.corrupt(LAB_FILE, "it is not there"))
    }

    /// The same, if it was ever stored and is still there.
    pub fn stored<T: Serialize + DeserializeOwned>(&self) -> Result<Option<T>, StateError> {
        let Some(mut stored) = self.read_json::<Map<String, Value>>(LAB_FILE)? else { return Ok(None) };
        if let Some(version) = stored.remove(VERSION_FIELD).filter(|v| *v != VERSION) {
            let reason = format!("its form is of version {version}, and this lab knows version {VERSION}");
            return Err(self.corrupt(LAB_FILE, &reason));
        }
        let stored = Value::Object(stored);
        let lab: T = serde_json::from_value(stored.clone()).map_err(|e| self.corrupt(LAB_FILE, &e.to_string()))?;
        // What this version does not know it would leave out of what it builds.
        let known = serde_json::to_value(&lab).map_err(|e| self.corrupt(LAB_FILE, &e.to_string()))?;
        match unknown_field(&stored, &known) {
            Some(field) => Err(self.corrupt(LAB_FILE, &format!("this lab does not know its field {field}"))),
            None => Ok(Some(lab)),
        }
    }

    /// Stores the resolved lab; from then on the lab exists.
    pub fn store<T: Serialize>(&self, lab: &T) -> Result<(), StateError> {
        let lab = serde_json::to_value(lab).map_err(|e| self.corrupt(LAB_FILE, &e.to_string()))?;
        let mut stored = Map::from_iter([(VERSION_FIELD.to_owned(), VERSION.into())]);
        if let Value::Object(lab) = lab {
            stored.extend(lab);
        }
        self.write_json(LAB_FILE, &stored)
    }

    fn corrupt(&self, name: &str, reason: &str) -> StateError {
        StateError::Corrupt { path: self.path(name), reason: reason.to_owned() }
    }

    /// Reads a text file, if it exists.
    pub fn read(&self, name: &str) -> Result<Option<String>, StateError> {
        let path = self.path(name);
        match input::read(&path, LARGEST) {
            // What is no text is no file of lab's, and whoever reads it finds that out.
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(Refused::Missing) => Ok(None),
            Err(Refused::Failed(error)) => Err(io("read", &path)(error)),
            Err(other) => Err(self.corrupt(name, &other.to_string())),
        }
    }

    /// Reads a JSON file, if it exists.
    pub fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StateError> {
        let Some(text) = self.read(name)? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|e| self.corrupt(name, &e.to_string()))
    }

    /// Reads a JSON file that lab can do without or make anew: one that is torn, or of another version, is as good as none.
    pub fn recall<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StateError> {
        match self.read_json(name) {
            Err(StateError::Corrupt { .. }) => Ok(None),
            read => read,
        }
    }

    /// Writes a file in one piece: readers see the old one or the new one.
    pub fn write(&self, name: &str, text: &str) -> Result<(), StateError> {
        let path = self.path(name);
        let parent = path.parent().unwrap_or(&self.dir).to_owned();
        make_dir(&parent)?;
        let failed = io("write", &path);
        let mut file = unfinished::file_in(&parent).map_err(&failed)?;
        file.write_all(text.as_bytes()).map_err(&failed)?;
        file.persist(&path).map_err(failed)
    }

    /// Writes a JSON file in one piece.
    pub fn write_json<T: Serialize>(&self, name: &str, value: &T) -> Result<(), StateError> {
        let text = serde_json::to_string_pretty(value).map_err(|e| self.corrupt(name, &e.to_string()))?;
        self.write(name, &text)
    }

    /// Copies every file into another state.
    pub fn copy_to(&self, other: &Self) -> Result<(), StateError> {
        for name in self.files()? {
            if let Some(text) = self.read(&name)? {
                other.write(&name, &text)?;
            }
        }
        Ok(())
    }

    /// Removes what lab has written down for itself and cannot read any more, so that it is made anew; gives the names of these files. The resolved lab
    /// is not among them, nor what was rendered, which is compared with what it was rendered from.
    pub fn forget_damaged(&self) -> Result<Vec<String>, StateError> {
        let is_note = |name: &String| {
            let is_json = Path::new(name).extension().is_some_and(|e| e == "json");
            is_json && name != LAB_FILE && !name.starts_with("manifests/")
        };
        let mut damaged = Vec::new();
        for name in self.files()?.into_iter().filter(is_note) {
            if self.read(&name)?.is_some_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(&text).is_err()) {
                self.delete(&name)?;
                damaged.push(name);
            }
        }
        Ok(damaged)
    }

    /// Removes a file; that it is gone already is well.
    pub fn delete(&self, name: &str) -> Result<(), StateError> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io("remove", &path)(error)),
            _ => Ok(()),
        }
    }

    /// What marks the programs that work on this lab. The directory is part of it, as other machines or users may have labs of this name.
    #[must_use]
    pub fn mark(&self) -> String {
        use std::os::unix::fs::MetadataExt as _;
        let (device, inode) = fs::metadata(&self.dir).map_or((0, 0), |m| (m.dev(), m.ino()));
        format!("{device}:{inode}:{}", self.dir.display())
    }

    /// Adds one line to a file.
    pub fn append(&self, name: &str, line: &str) -> Result<(), StateError> {
        let path = self.path(name);
        let failed = io("append to", &path);
        let mut file = File::options().create(true).append(true).mode(0o600).open(&path).map_err(&failed)?;
        writeln!(file, "{line}").map_err(failed)
    }

    /// All files of the lab's state, by their paths in it.
    pub fn files(&self) -> Result<Vec<String>, StateError> {
        let mut found = Vec::new();
        let mut directories = vec![self.dir.clone()];
        while let Some(directory) = directories.pop() {
            let failed = io("list", &directory);
            for entry in fs::read_dir(&directory).map_err(&failed)? {
                let path = entry.map_err(&failed)?.path();
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

    /// Names of the files in a directory of the lab's state; none where there is no such directory.
    pub fn files_in(&self, directory: &str) -> Result<Vec<String>, StateError> {
        let path = self.path(directory);
        let failed = io("list", &path);
        let entries = match fs::read_dir(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(&failed)?,
        };
        let name = |entry: std::io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
        entries.map(name).collect::<std::io::Result<_>>().map_err(failed)
    }

    /// Takes a lock of the lab's own, besides that of the whole lab: it is for moments only, so nobody is told who waits.
    pub async fn exclusive(&self, name: &str) -> Result<Moment, StateError> {
        let path = self.path(name);
        let held = FileLock::take(&path, Mode::Exclusive, || ()).await.map_err(io("lock", &path))?;
        Ok(Moment { _held: held })
    }

    /// Whether somebody has that lock now.
    ///
    /// # Errors
    /// The state cannot be written.
    pub fn is_taken(&self, name: &str) -> Result<bool, StateError> {
        let path = self.path(name);
        Ok(FileLock::try_take(&path, Mode::Exclusive).map_err(io("lock", &path))?.is_none())
    }

    /// Makes the directory of a file in the lab's state.
    pub fn make_parent(&self, path: &Path) -> Result<(), StateError> {
        path.parent().map_or(Ok(()), make_dir)
    }

    /// Forgets the lab, which is made anew in the same directory: that is what marks the programs that work on it.
    pub fn empty(&self) -> Result<(), StateError> {
        let failed = io("remove", &self.dir);
        for entry in fs::read_dir(&self.dir).map_err(&failed)? {
            let path = entry.map_err(&failed)?.path();
            if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }.map_err(&failed)?;
        }
        Ok(())
    }

    /// Forgets the lab.
    pub fn remove(self) -> Result<(), StateError> {
        fs::remove_dir_all(&self.dir).map_err(io("remove", &self.dir))
    }
}

/// Path of a field that a stored value has and a known one has not.
fn unknown_field(stored: &Value, known: &Value) -> Option<String> {
    let below =
        |name: &str, stored: &Value, known: &Value| unknown_field(stored, known).map(|field| format!("{name}.{field}"));
    match (stored, known) {
        (Value::Object(stored), Value::Object(known)) => {
            stored.iter().find_map(|(name, value)| match known.get(name) {
                Some(known) => below(name, value, known),
                None => Some(name.clone()),
            })
        }
        (Value::Array(stored), Value::Array(known)) => {
            let mut pairs = stored.iter().zip(known).enumerate();
            pairs.find_map(|(at, (stored, known))| below(&at.to_string(), stored, known))
        }
        _ => None,
    }
}

fn make_dir(path: &Path) -> Result<(), StateError> {
    create_private_dir(path).map_err(io("create", path))
}

/// Makes an error of an I/O error.
fn io(what: &'static str, path: &Path) -> impl Fn(std::io::Error) -> StateError {
    let path = path.to_owned();
    move |error| StateError::Io { what, path: path.clone(), source: error.into() }
}

#[cfg(test)]
mod tests;
