//! Packs `stack/` into one archive that the binary embeds. Modes and symbolic links matter in it: it holds the node image's files.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=stack");
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default()).join("stack.tar");
    let mut archive = tar::Builder::new(std::fs::File::create(out)?);
    add(&mut archive, Path::new("stack"), Path::new(""))?;
    archive.finish()
}

/// Adds what is in `dir`, sorted, with nothing in the headers that differs between two checkouts.
fn add(archive: &mut tar::Builder<std::fs::File>, dir: &Path, name: &Path) -> std::io::Result<()> {
    let mut entries = std::fs::read_dir(dir)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), name.join(entry.file_name()));
        let meta = path.symlink_metadata()?;
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        header.set_mode(if meta.permissions().mode() & 0o100 == 0 { 0o644 } else { 0o755 });
        if meta.is_symlink() {
            header.set_entry_type(tar::EntryType::Symlink);
            archive.append_link(&mut header, &name, std::fs::read_link(&path)?)?;
        } else if meta.is_dir() {
            header.set_entry_type(tar::EntryType::Directory);
            archive.append_data(&mut header, &name, std::io::empty())?;
            add(archive, &path, &name)?;
        } else {
            let content = std::fs::read(&path)?;
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, &name, content.as_slice())?;
        }
    }
    Ok(())
}
