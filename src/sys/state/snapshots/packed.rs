//! A lab's state as one of the files of a snapshot.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use super::super::{LabState, StateError, io as failed};
use super::{NOT_PACKED, is_plain};
use crate::sys::fs::folder;

impl LabState {
    /// Writes an archive of the lab's state.
    pub fn pack<W: Write>(&self, to: W) -> Result<W, StateError> {
        let files = self.files()?;
        let packed = || {
            let mut archive = tar::Builder::new(GzEncoder::new(to, Compression::fast()));
            for name in files.iter().filter(|name| !name.starts_with(NOT_PACKED)) {
                archive.append_path_with_name(self.path(name), name)?;
            }
            archive.into_inner()?.finish()
        };
        packed().map_err(failed("read", &self.dir))
    }

    /// Reads the lab's state from such an archive. What is there of the same name is replaced.
    pub fn unpack(&self, archive: &Path) -> Result<(), StateError> {
        let unpacked = || {
            for entry in tar::Archive::new(GzDecoder::new(File::open(archive)?)).entries()? {
                let mut entry = entry?;
                let path = entry.path()?.into_owned();
                if !is_plain(&path) {
                    return Err(io::Error::other(format!("{} is no file of a lab's state", path.display())));
                }
                let path = self.dir.join(path);
                crate::sys::fs::create_private_dir(folder(&path))?;
                let mut options = File::options();
                let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
                io::copy(&mut entry, &mut file)?;
            }
            Ok(())
        };
        unpacked().map_err(failed("write what a snapshot has into", &self.dir))
    }
}
