//! Images in the Docker engine: looking up, importing, building, pulling, pushing, saving, loading.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;

use bollard::errors::Error;
use bollard::models::ImageConfig;
use bollard::query_parameters::{
    BuildImageOptionsBuilder, CreateImageOptionsBuilder, ImportImageOptionsBuilder, ListImagesOptionsBuilder,
    PushImageOptionsBuilder, RemoveImageOptionsBuilder, TagImageOptionsBuilder,
};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};

use super::login::login;
use super::{DockerError, Engine, LAB_LABEL, ask, ignore_missing, in_time, while_it_answers};

/// Directory of an image's own files in what it is built from.
const FILES: &str = "files";

/// An image of the engine.
#[derive(Clone, Debug)]
pub struct LocalImage {
    /// `REPOSITORY:TAG`, each.
    pub tags: Vec<String>,
    /// Value of the label that was asked for.
    pub label: String,
    /// Bytes, with what it shares with other images.
    pub size: i64,
}

impl Engine {
    /// Images that carry a label.
    pub async fn images_labelled(&self, label: &str) -> Result<Vec<LocalImage>, DockerError> {
        let filters = HashMap::from([("label".to_owned(), vec![label.to_owned()])]);
        let options = ListImagesOptionsBuilder::default().filters(&filters).build();
        let images = ask("list images", self.docker.list_images(Some(options))).await?;
        let local = |mut i: bollard::models::ImageSummary| LocalImage {
            tags: i.repo_tags,
            label: i.labels.remove(label).unwrap_or_default(),
            size: i.size,
        };
        Ok(images.into_iter().map(local).collect())
    }

    /// How an image starts; `None` when the engine does not have it.
    pub async fn image_config(&self, reference: &str) -> Result<Option<ImageConfig>, DockerError> {
        match in_time(self.docker.inspect_image(reference)).await {
            Ok(image) => Ok(Some(image.config.unwrap_or_default())),
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(e) => Err(DockerError::request(format!("inspect image {reference}"))(e)),
        }
    }

    /// The names of an image, each `REPOSITORY:TAG`; `None` when the engine does not have it.
    pub async fn image_names(&self, reference: &str) -> Result<Option<Vec<String>>, DockerError> {
        match in_time(self.docker.inspect_image(reference)).await {
            Ok(image) => Ok(Some(image.repo_tags.unwrap_or_default())),
            // What is no name at all names nothing.
            Err(Error::DockerResponseServerError { status_code: 400 | 404, .. }) => Ok(None),
            Err(e) => Err(DockerError::request(format!("inspect image {reference}"))(e)),
        }
    }

    /// Makes an image of one layer of a root file system.
    pub async fn import_image<S>(
        &self,
        rootfs: S,
        repository: &str,
        tag: &str,
        labels: &[(&str, &str)],
    ) -> Result<(), DockerError>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + 'static,
    {
        let changes = labels.iter().map(|(k, v)| format!("LABEL {k}={v}")).collect();
        let options =
            CreateImageOptionsBuilder::default().from_src("-").repo(repository).tag(tag).changes(changes).build();
        let body = bollard::body_try_stream(rootfs);
        let answers = self.copying.create_image(Some(options), Some(body), None);
        let imported = answers.try_for_each(|_| std::future::ready(Ok(())));
        while_it_answers(&self.copying, imported).await.map_err(DockerError::request(format!("import {repository}")))
    }

    /// Builds an image from a context with a `Dockerfile` in it. No step of it runs anything.
    pub async fn build_image<S>(&self, context: S, tag: &str) -> Result<(), DockerError>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + 'static,
    {
        let options = BuildImageOptionsBuilder::default().t(tag).rm(true).forcerm(true).networkmode("none").build();
        let answers = self.copying.build_image(options, None, Some(bollard::body_try_stream(context)));
        let built = answers.try_for_each(|_| std::future::ready(Ok(())));
        while_it_answers(&self.copying, built).await.map_err(DockerError::request(format!("build {tag}")))
    }

    /// Pulls an image with the login of its registry, if there is one; `on_layer` sees each layer's identifier and what the engine does with it.
    pub async fn pull_image(
        &self,
        reference: &str,
        host: &str,
        mut on_layer: impl FnMut(&str, &str),
    ) -> Result<(), Error> {
        let options = CreateImageOptionsBuilder::default().from_image(reference).build();
        let answers = self.copying.create_image(Some(options), None, login(host).await.unwrap_or_default());
        let pulled = answers.try_for_each(|answer| {
            if let (Some(layer), Some(status)) = (answer.id, answer.status) {
                on_layer(&layer, &status);
            }
            std::future::ready(Ok(()))
        });
        while_it_answers(&self.copying, pulled).await
    }

    /// Pushes `repository:tag`.
    pub async fn push_image(&self, repository: &str, tag: &str, host: &str) -> Result<(), Error> {
        let options = PushImageOptionsBuilder::default().tag(tag).build();
        let answers = self.copying.push_image(repository, Some(options), login(host).await.unwrap_or_default());
        while_it_answers(&self.copying, answers.try_for_each(|_| std::future::ready(Ok(())))).await
    }

    /// Gives an image a further name.
    pub async fn tag_image(&self, image: &str, repository: &str, tag: &str) -> Result<(), DockerError> {
        let options = TagImageOptionsBuilder::default().repo(repository).tag(tag).build();
        let tagged = while_it_answers(&self.copying, self.copying.tag_image(image, Some(options))).await;
        tagged.map_err(DockerError::request(format!("tag {image}")))
    }

    /// Takes a name from an image, and removes the image with its last name. That it is gone already is well; it stays while a container
    /// uses it, which the answer tells.
    pub async fn untag_image(&self, reference: &str) -> Result<bool, DockerError> {
        let options = RemoveImageOptionsBuilder::default().build();
        match while_it_answers(&self.copying, self.copying.remove_image(reference, Some(options), None)).await {
            Ok(_) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(true),
            Err(Error::DockerResponseServerError { status_code: 409, .. }) => Ok(false),
            Err(e) => Err(DockerError::request(format!("remove image {reference}"))(e)),
        }
    }

    /// The archive that `docker save` makes of the images.
    pub fn save_images(&self, references: &[&str]) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
        // bollard's stream borrows nothing of the references, which its signature does not tell.
        let docker = self.copying.clone();
        let references: Vec<String> = references.iter().map(|&r| r.to_owned()).collect();
        let (sender, receiver) = tokio::sync::mpsc::channel::<io::Result<Bytes>>(8);
        tokio::spawn(async move {
            let references: Vec<&str> = references.iter().map(String::as_str).collect();
            let mut archive = std::pin::pin!(docker.export_images(&references));
            let mut next =
                async || while_it_answers(&docker, async { archive.next().await.transpose() }).await.transpose();
            while let Some(chunk) = next().await {
                if sender.send(chunk.map_err(io::Error::other)).await.is_err() {
                    return;
                }
            }
        });
        futures::stream::unfold(receiver, |mut receiver| async move {
            let item = receiver.recv().await?;
            Some((item, receiver))
        })
    }

    /// Loads an archive as `docker load` does.
    pub async fn load_images<S>(&self, archive: S) -> Result<(), DockerError>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + 'static,
    {
        let options = ImportImageOptionsBuilder::default().quiet(true).build();
        let answers = self.copying.import_image(options, bollard::body_try_stream(archive), None);
        let loaded = answers.try_for_each(|_| std::future::ready(Ok(())));
        while_it_answers(&self.copying, loaded).await.map_err(DockerError::request("load images"))
    }

    /// Makes an image that differs from `base` in its labels and in `files`, each an absolute path and a text. Containers inherit both, which is how
    /// nodes made by kind come to carry ours, wherever the engine is.
    pub async fn label_image(
        &self,
        base: &str,
        tag: &str,
        labels: &[(&str, &str)],
        files: &[(String, String)],
    ) -> Result<(), DockerError> {
        let mut dockerfile = format!("FROM {base}\n");
        // Before the labels: what the engine keeps of this step is without them, so nobody takes it for an image of a lab, and all clusters share it.
        if !files.is_empty() {
            // Writing to a string cannot fail.
            let _ = writeln!(dockerfile, "COPY {FILES}/ /");
        }
        dockerfile.push_str("LABEL");
        for (key, value) in labels {
            let _ = write!(dockerfile, " {key}=\"{value}\"");
        }
        dockerfile.push('\n');
        let what = || format!("label image {base} as {tag}");
        let io = |source: std::io::Error| DockerError::request(what())(source.into());
        let mut context = tar::Builder::new(Vec::new());
        let files = files.iter().map(|(path, text)| (format!("{FILES}{path}"), text.as_str()));
        for (path, text) in [("Dockerfile".to_owned(), dockerfile.as_str())].into_iter().chain(files) {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            context.append_data(&mut header, path, text.as_bytes()).map_err(io)?;
        }
        let context = Bytes::from(context.into_inner().map_err(io)?);
        let options = BuildImageOptionsBuilder::default().t(tag).rm(true).forcerm(true).build();
        let built = self.docker.build_image(options, None, Some(bollard::body_full(context)));
        self.perform(what(), built.try_for_each(|_| async { Ok(()) })).await
    }

    /// The images that carry a lab's label: their tags or, of one whose tags another has taken, its identifier.
    pub async fn images_of(&self, lab: &str) -> Result<Vec<String>, DockerError> {
        let label = format!("{LAB_LABEL}={lab}");
        let options =
            ListImagesOptionsBuilder::default().filters(&HashMap::from([("label", vec![label.as_str()])])).build();
        let all = ask("list images", self.docker.list_images(Some(options))).await?;
        let names = all.into_iter().flat_map(|image| {
            let tags: Vec<String> = image.repo_tags.into_iter().filter(|tag| !tag.starts_with("<none>")).collect();
            if tags.is_empty() { vec![image.id] } else { tags }
        });
        Ok(names.collect())
    }

    /// Removes an image's tag, and of what the engine kept of its making what has no tag; that it is gone already is well.
    pub async fn remove_image(&self, tag: &str) -> Result<(), DockerError> {
        let options = RemoveImageOptionsBuilder::default().force(true).noprune(false).build();
        let gone = async { ignore_missing(self.docker.remove_image(tag, Some(options), None).await.map(|_| ())) };
        self.perform(format!("remove image {tag}"), gone).await
    }
}
