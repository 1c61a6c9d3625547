//! What a container has written on its own file system: what to ask the engine for, and which of its answers to keep.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bollard::models::ChangeType;

/// Directories that are read whole, since they are small and much of them is changed.
const WHOLE: [&str; 2] = ["/etc", "/kind"];

/// What to ask of a container's own file system.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Files and directories to ask for, each with all below it.
    pub(super) roots: Vec<String>,
    /// What of it is the container's own.
    own: BTreeSet<PathBuf>,
}

impl Wanted {
    /// By what the engine says has changed, and what something else is mounted at.
    pub(super) fn of(changes: &[(ChangeType, String)], mounts: &[String]) -> Self {
        let within = |path: &str, dir: &str| path.strip_prefix(dir).is_some_and(|r| r.is_empty() || r.starts_with('/'));
        // Debian's /lib is a link to /usr/lib.
        let is_mount = |path: &str| {
            mounts.iter().any(|m| within(path, m) || path.strip_prefix("/usr").is_some_and(|path| within(path, m)))
        };
        let all: BTreeMap<&str, ChangeType> = changes.iter().map(|(kind, path)| (path.as_str(), *kind)).collect();
        let mut wanted = Self { roots: Vec::new(), own: BTreeSet::new() };
        for (&path, &kind) in all.iter().filter(|&(path, kind)| *kind != ChangeType::_2 && !is_mount(path)) {
            wanted.own.insert(PathBuf::from(path));
            let below = format!("{path}/");
            let is_leaf = all.range(below.as_str()..).next().is_none_or(|(other, _)| !other.starts_with(&below));
            let root = WHOLE.into_iter().find(|whole| within(path, whole));
            // Of a directory that has only changed, what is below it comes by itself.
            if root.is_none() && kind != ChangeType::_1 && !is_leaf {
                continue;
            }
            let root = root.unwrap_or(path);
            if !wanted.roots.iter().any(|asked| within(root, asked)) {
                wanted.roots.push(root.to_owned());
            }
        }
        wanted
    }
}

/// Appends what is wanted of the engine's archive of `root`, in which names begin with that of `root` itself.
pub(super) fn append<W: Write>(
    archive: &mut tar::Builder<W>,
    root: &str,
    read: &[u8],
    wanted: &Wanted,
) -> io::Result<()> {
    let parent = Path::new(root).parent().unwrap_or(Path::new("/"));
    for entry in tar::Archive::new(read).entries()? {
        let entry = entry?;
        let path = parent.join(entry.path()?);
        if !wanted.own.contains(&path) {
            continue;
        }
        let inside = path.strip_prefix("/").unwrap_or(&path).to_owned();
        let mut header = entry.header().clone();
        match entry.link_name()?.map(std::borrow::Cow::into_owned) {
            Some(target) => archive.append_link(&mut header, inside, target)?,
            None => archive.append_data(&mut header, inside, entry)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(lines: &[&str]) -> Vec<(ChangeType, String)> {
        let kind = |word: &str| match word {
            "A" => ChangeType::_1,
            "D" => ChangeType::_2,
            _ => ChangeType::_0,
        };
        let change = |line: &&str| line.split_once(' ').map(|(word, path)| (kind(word), path.to_owned()));
        lines.iter().filter_map(change).collect()
    }

    #[test]
    fn what_is_mounted_or_of_the_image_is_not_asked_for() {
        let changes = changes(&[
            "C /etc",
            "C /etc/kubernetes",
            "A /etc/kubernetes/pki",
            "A /etc/kubernetes/pki/ca.key",
            "C /etc/machine-id",
            "C /usr",
            "C /usr/lib",
            "A /usr/lib/modules",
            "C /usr/bin",
            "D /usr/bin/x",
            "C /usr/sbin",
            "C /usr/sbin/iptables",
            "C /root",
            "A /root/.kube",
            "A /root/.kube/cache",
            "C /kind",
            "A /kind/address",
        ]);
        let wanted = Wanted::of(&changes, &["/lib/modules".to_owned(), "/var".to_owned()]);
        assert_eq!(wanted.roots, ["/etc", "/kind", "/root/.kube", "/usr/sbin/iptables"]);
        assert!(!wanted.own.contains(Path::new("/usr/lib/modules")) && !wanted.own.contains(Path::new("/usr/bin/x")));
    }

    #[test]
    fn only_what_is_the_containers_own_is_kept_under_its_whole_path() {
        let mut read = tar::Builder::new(Vec::new());
        for (name, text) in [("etc/passwd", "of the image"), ("etc/kubernetes/admin.conf", "own")] {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o600);
            header.set_uid(7);
            read.append_data(&mut header, name, text.as_bytes()).expect("appends");
        }
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_uid(0);
        header.set_size(0);
        read.append_link(&mut header, "etc/alternatives/iptables", "/usr/sbin/iptables-nft").expect("appends");
        let read = read.into_inner().expect("finishes");
        let wanted = Wanted::of(&changes(&["A /etc/kubernetes/admin.conf", "C /etc/alternatives/iptables"]), &[]);
        let mut kept = tar::Builder::new(Vec::new());
        append(&mut kept, "/etc", &read, &wanted).expect("appends");
        let kept = kept.into_inner().expect("finishes");
        let told = |entry: tar::Entry<'_, &[u8]>| {
            let link = entry.link_name().expect("a link").map(|l| l.display().to_string()).unwrap_or_default();
            (entry.path().expect("a path").display().to_string(), entry.header().uid().expect("an owner"), link)
        };
        let mut kept = tar::Archive::new(&kept[..]);
        let kept: Vec<_> = kept.entries().expect("entries").map(|e| told(e.expect("an entry"))).collect();
        let expected = [
            ("etc/kubernetes/admin.conf".to_owned(), 7, String::new()),
            ("etc/alternatives/iptables".to_owned(), 0, "/usr/sbin/iptables-nft".to_owned()),
        ];
        assert_eq!(kept, expected);
    }
}
