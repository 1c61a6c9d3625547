//! Files in node containers.

use std::path::PathBuf;

use bollard::query_parameters::UploadToContainerOptionsBuilder;

use super::{DockerError, Engine, while_it_answers};
use crate::sys::pipe;

impl Engine {
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
