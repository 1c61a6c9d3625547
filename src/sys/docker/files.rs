//! Files in containers and in images.

use std::io;
use std::path::{Path, PathBuf};

use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, DownloadFromContainerOptionsBuilder, UploadToContainerOptionsBuilder,
};
use futures::TryStreamExt;

use super::derive::Container;
use super::{DockerError, Engine, while_it_answers};
use crate::sys::pipe;

impl Engine {
    /// Copies one file out of an image, which the engine has, to `to`. Nothing of the image runs: the container, whose `name` the caller has locked,
    /// is only made.
    pub async fn copy_out_of_image(&self, image: &str, file: &str, to: &Path, name: &str) -> Result<(), DockerError> {
        let failed = || DockerError::request(format!("copy {file} out of {image}"));
        let container = Container::of(self, name).await?;
        let body = ContainerCreateBody {
            image: Some(image.to_owned()),
            // One without a command is refused.
            entrypoint: Some(vec![file.to_owned()]),
            labels: Some(Container::labels()),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::default().name(&container.name).build();
        let made = self.copying.create_container(Some(options), body);
        while_it_answers(&self.copying, made).await.map_err(failed())?;
        let options = DownloadFromContainerOptionsBuilder::default().path(file).build();
        let archive = self.copying.download_from_container(&container.name, Some(options));
        let (reader, _task) = pipe::reading(archive.map_err(io::Error::other));
        let out = to.to_owned();
        let unpacked = tokio::task::spawn_blocking(move || first_file(reader, &out)).await;
        let unpacked = unpacked.map_err(io::Error::other).and_then(|result| result);
        self.remove(&container.name).await?;
        unpacked.map_err(|e| failed()(e.into()))
    }

    /// Copies files of this machine into a directory of a container, which is created if needed. Each has a name, permissions and its source.
    pub async fn copy_into(
        &self,
        container: &str,
        directory: &str,
        files: Vec<(String, u32, PathBuf)>,
    ) -> Result<(), DockerError> {
        let inside = directory.trim_matches('/').to_owned();
        let archive = pipe::writing(move |writer| {
            let mut archive = tar::Builder::new(writer);
            for (name, mode, source) in files {
                let file = crate::sys::fs::open(&source)?;
                let mut header = tar::Header::new_gnu();
                header.set_size(file.metadata()?.len());
                header.set_mode(mode);
                archive.append_data(&mut header, format!("{inside}/{name}"), file)?;
            }
            archive.finish()
        });
        let options = UploadToContainerOptionsBuilder::default().path("/").build();
        let upload = self.docker.upload_to_container(container, Some(options), bollard::body_try_stream(archive));
        let uploaded = while_it_answers(&self.docker, upload).await;
        uploaded.map_err(DockerError::request(format!("copy files into {container}")))
    }
}

/// Writes the first file of an archive.
fn first_file(from: impl io::Read, to: &Path) -> io::Result<()> {
    for entry in tar::Archive::new(from).entries()? {
        let mut entry = entry?;
        if entry.header().entry_type() == tar::EntryType::Regular {
            return io::copy(&mut entry, &mut std::fs::File::create(to)?).map(|_| ());
        }
    }
    Err(io::ErrorKind::NotFound.into())
}
