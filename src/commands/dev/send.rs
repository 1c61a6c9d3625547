//! The image into the nodes' stores: whole at first, and then only the layers that a node does not have.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::future::try_join_all;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::sync::oneshot;

use super::event::{DevEvent, Failure, Happened, Phase};
use super::{Dev, failure};
use crate::commands::load;
use crate::context::StepError;
use crate::images;
use crate::sys::docker::Node;
use crate::sys::pipe;

impl Dev<'_> {
    /// Puts the image into every node of the clusters that does not have it, side by side.
    pub(super) async fn load(&mut self) -> Result<(), Failure> {
        let Some(image) = self.image.as_ref().map(|image| image.reference.clone()) else { return Ok(()) };
        let failed = |error| failure(Phase::Load, error);
        let mut nodes: Vec<Node> = self.ctx.nodes().await.map_err(failed)?;
        nodes.retain(|node| {
            self.project.clusters.contains(&node.cluster) && !self.held.contains(&(node.name.clone(), image.clone()))
        });
        if nodes.is_empty() {
            return Ok(());
        }
        let archive = self.image.as_ref().and_then(|image| image.archive.clone());
        let bytes = if let Some(archive) = archive {
            self.send(futures::stream::iter([Ok(archive)]).boxed(), &nodes).await.map_err(failed)?
        } else if let Ok(bytes) = self.thin(&image, &nodes).await {
            bytes
        } else {
            // Whole, whatever was amiss with a part of it.
            self.whole(&image, &nodes).await.map_err(failed)?
        };
        let mut clusters: Vec<String> = nodes.iter().map(|node| node.cluster.clone()).collect();
        clusters.dedup();
        self.held.extend(nodes.into_iter().map(|node| (node.name, image.clone())));
        let event = DevEvent::of(Happened::Loaded);
        self.tell.send(DevEvent { image: Some(image), clusters, bytes: Some(bytes), ..event });
        Ok(())
    }

    /// Sends all of the image; gives how many bytes each node got.
    async fn whole(&mut self, image: &str, nodes: &[Node]) -> Result<u64, StepError> {
        self.layers = None;
        self.send(self.ctx.engine.save_images(&[image]).boxed(), nodes).await
    }

    /// Sends what no node has of it.
    async fn thin(&mut self, image: &str, nodes: &[Node]) -> Result<u64, StepError> {
        let mut layers = match self.layers.take() {
            Some(layers) => layers,
            None => images::Layers::held(self.contents(nodes).await?),
        };
        let (reader, _task) = pipe::reading(self.ctx.engine.save_images(&[image]));
        let (sender, thinned) = oneshot::channel();
        let archive = pipe::writing(move |writer| {
            let all = images::thin(reader, writer, &mut layers)?;
            layers.hold(all);
            let _ = sender.send(layers);
            Ok(())
        });
        let bytes = self.send(archive.boxed(), nodes).await?;
        self.layers = thinned.await.ok();
        Ok(bytes)
    }

    /// Sends an archive to all nodes; gives how many bytes each got.
    async fn send(
        &self,
        archive: BoxStream<'static, std::io::Result<Bytes>>,
        nodes: &[Node],
    ) -> Result<u64, StepError> {
        let bytes = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&bytes);
        let archive = archive.inspect_ok(move |chunk| _ = counted.fetch_add(chunk.len() as u64, Ordering::Relaxed));
        let archives = pipe::copies(archive, nodes.len());
        let imports = nodes.iter().zip(archives).map(|(node, archive)| load::import(self.ctx, &node.name, archive));
        try_join_all(imports).await?;
        Ok(bytes.load(Ordering::Relaxed))
    }

    /// Digests of all that every one of these nodes has in its store.
    async fn contents(&self, nodes: &[Node]) -> Result<BTreeSet<String>, StepError> {
        let list = ["ctr", "--namespace", "k8s.io", "content", "list", "--quiet"];
        let all = try_join_all(nodes.iter().map(|node| self.ctx.engine.exec(&node.name, &list, None))).await?;
        let mut common: Option<BTreeSet<String>> = None;
        for listed in all {
            // What cannot be asked has nothing.
            let text = if listed.success { listed.text } else { String::new() };
            let digests: BTreeSet<String> = text.lines().map(str::trim).map(str::to_owned).collect();
            common = Some(common.map_or_else(|| digests.clone(), |common| &common & &digests));
        }
        Ok(common.unwrap_or_default())
    }
}
