//! What the engine gets to build an image of somebody's own: the files of one directory, and nothing from outside of it.

mod ignore;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::Stream;
use sha2::{Digest as _, Sha256};

pub use ignore::Ignored;

use super::archive::{append_bare_dir, append_file, append_link};
use super::reference::Reference;
use crate::sys::listing::{self, Kind, Listed};
use crate::sys::{fs, input, pipe};

/// What the engine reads first.
pub const DOCKERFILE: &str = "Dockerfile";
/// What is left out.
const IGNORE: &str = ".dockerignore";
/// Where a single program lies in its image.
const PROGRAM: &str = "app";

/// How an image comes about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipe {
    /// By the directory's own Dockerfile.
    Dockerfile,
    /// It is one program on another image, or on nothing.
    Program {
        /// The program, relative to the directory.
        path: PathBuf,
        /// What is below it: `scratch`, or an image of the engine.
        base: String,
    },
}

/// A directory as the engine gets it.
#[derive(Clone, Debug)]
pub struct Context {
    root: PathBuf,
    dockerfile: String,
    files: Vec<Listed>,
}

impl Context {
    /// Looks at the directory `root`.
    ///
    /// # Errors
    /// It cannot be read, or it lacks what the recipe names.
    pub fn of(root: &Path, recipe: &Recipe) -> io::Result<Self> {
        let (dockerfile, files) = match recipe {
            Recipe::Dockerfile => {
                let ignored = ignored(root)?;
                let is_out = |path: &Path| ignored.has_whole(&path.to_string_lossy());
                let mut files = listing::below(root, is_out)?;
                // The engine wants both, whatever the second says.
                let is_asked = |path: &Path| path == Path::new(DOCKERFILE) || path == Path::new(IGNORE);
                files.retain(|file| is_asked(&file.path) || !ignored.has(&file.path.to_string_lossy()));
                (fs::read(&root.join(DOCKERFILE))?, files)
            }
            Recipe::Program { path, base } => {
                let mut files = listing::below(root, |directory| !path.starts_with(directory))?;
                files.retain(|file| file.path == *path);
                let text = format!("FROM {base}\nCOPY [\"{PROGRAM}\", \"/{PROGRAM}\"]\nENTRYPOINT [\"/{PROGRAM}\"]\n");
                if !files.iter().any(|file| file.kind == Kind::File) {
                    return Err(io::Error::new(
                        io::ErrorKind::NotFound,
                        format!("there is no file {}", path.display()),
                    ));
                }
                (text, files)
            }
        };
        Ok(Self { root: root.to_owned(), dockerfile, files })
    }

    /// What tells whether it is still the same: names, permissions, sizes and times of all files.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(&self.dockerfile);
        for file in &self.files {
            let target = if let Kind::Link(target) = &file.kind { target.as_path() } else { Path::new("") };
            let (path, target) = (file.path.display(), target.display());
            digest.update(format!("{path}\0{target}\0{} {} {}\0", file.mode, file.size, file.modified));
        }
        format!("{:x}", digest.finalize())
    }

    /// The registries of the images that it is built on.
    #[must_use]
    pub fn registries(&self) -> Vec<String> {
        let words = self.dockerfile.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let bases = words.filter_map(|words| match &words[..] {
            [from, rest @ ..] if from.eq_ignore_ascii_case("FROM") => {
                rest.iter().copied().find(|w| !w.starts_with("--"))
            }
            _ => None,
        });
        let hosts: BTreeSet<String> =
            bases.filter(|base| *base != "scratch").map(|base| Reference::parse(base).host).collect();
        hosts.into_iter().collect()
    }

    /// The archive. A file that cannot be read ends it with an error.
    pub fn pack(self) -> impl Stream<Item = io::Result<Bytes>> + Send {
        pipe::writing(move |to| {
            let mut archive = tar::Builder::new(to);
            let is_program = !self.files.iter().any(|file| file.path == Path::new(DOCKERFILE));
            if is_program {
                append_file(&mut archive, DOCKERFILE, 0o644, self.dockerfile.len() as u64, self.dockerfile.as_bytes())?;
            }
            for file in &self.files {
                match &file.kind {
                    Kind::Directory => append_bare_dir(&mut archive, &file.path, file.mode)?,
                    Kind::Link(target) => append_link(&mut archive, &file.path, target)?,
                    Kind::File => {
                        let content = fs::open(&self.root.join(&file.path))?;
                        let (name, mode) =
                            if is_program { (Path::new(PROGRAM), 0o755) } else { (&*file.path, file.mode) };
                        // A file that is written just now has another length than it had.
                        let size = content.metadata()?.len();
                        append_file(&mut archive, name, mode, size, io::Read::take(content, size))?;
                    }
                }
            }
            archive.finish()
        })
    }
}

/// What the directory's `.dockerignore` says; nothing without one.
fn ignored(root: &Path) -> io::Result<Ignored> {
    match input::read(&root.join(IGNORE), input::FILE_LIMIT) {
        Ok(text) => Ok(Ignored::parse(&String::from_utf8_lossy(&text))),
        Err(input::Refused::Missing) => Ok(Ignored::default()),
        Err(why) => Err(io::Error::other(format!("{IGNORE}: {why}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use futures::StreamExt as _;

    use super::*;
    use crate::images::archive::contents;
    use crate::sys::unfinished;

    fn write(directory: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = directory.join(path);
            fs::create_dir(fs::folder(&path)).expect("makes");
            fs::write(&path, text).expect("writes");
        }
    }

    async fn packed(context: Context) -> BTreeMap<String, String> {
        let chunks: Vec<_> = context.pack().map(|chunk| chunk.expect("a chunk")).collect().await;
        contents(&chunks.concat())
    }

    #[tokio::test]
    async fn what_is_ignored_is_not_sent_and_nothing_from_outside_is() {
        let dir = unfinished::dir().expect("a directory");
        let files = [
            ("Dockerfile", "FROM --platform=linux/amd64 registry.invalid/base:1 AS a\nFROM scratch\nCOPY . /\n"),
            (".dockerignore", "*\n!hello\n!lib/*.so\n"),
            ("hello", "1"),
            ("secret", "2"),
            ("lib/a.so", "3"),
            ("lib/a.c", "4"),
        ];
        write(dir.path(), &files);
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("lib/b.so")).expect("links");
        let context = Context::of(dir.path(), &Recipe::Dockerfile).expect("a context");
        assert_eq!(context.registries(), ["registry.invalid"]);
        let files = packed(context).await;
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        assert_eq!(names, [".dockerignore", "Dockerfile", "hello", "lib/a.so", "lib/b.so"]);
        assert_eq!(files["lib/b.so"], "", "a link is sent as one");
    }

    #[tokio::test]
    async fn a_program_alone_is_an_image() {
        let dir = unfinished::dir().expect("a directory");
        write(dir.path(), &[("bin/hello", "1"), ("bin/other", "2"), ("Dockerfile", "FROM nothing\n")]);
        let recipe = |path: &str| Recipe::Program { path: path.into(), base: "scratch".to_owned() };
        let context = Context::of(dir.path(), &recipe("bin/hello")).expect("a context");
        let before = context.digest();
        let files = packed(context).await;
        assert_eq!(files.keys().collect::<Vec<_>>(), ["Dockerfile", "app"]);
        assert!(files["Dockerfile"].starts_with("FROM scratch\n") && files["app"] == "1");
        assert!(Context::of(dir.path(), &recipe("bin/none")).is_err());
        assert_eq!(Context::of(dir.path(), &recipe("bin/hello")).expect("a context").digest(), before);
        fs::write(&dir.path().join("bin/hello"), "longer").expect("writes");
        assert_ne!(Context::of(dir.path(), &recipe("bin/hello")).expect("a context").digest(), before);
    }
}
