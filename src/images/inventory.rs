//! What the stack consists of and what of it is on this machine.

use std::collections::BTreeMap;

use bollard::Docker;
use serde::Serialize;

use super::digests::Digests;
use super::stack::Stack;
use super::{IMAGE_LABEL, ImagesError, NODE_LABEL, Source, image, node};
use crate::sys::docker_images::ImageStore;

/// One part of the stack.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its key in `stack.yaml`, or its source for a node image with images in it, or its name for a tool.
    pub name: String,
    /// The reference in a node, or the version.
    pub version: String,
    /// The upstream reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// Name in the engine of what is built or derived here; its tag is the digest of all that it is made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<String>,
    /// Bytes in the engine, when it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
}

/// All parts of the stack: the derived node images, every image, the tools.
pub async fn inventory(docker: &Docker) -> Result<Vec<Entry>, ImagesError> {
    let stack = Stack::embedded()?;
    let digests = Digests::of(&stack);
    let store = ImageStore::new(docker);
    let mut sizes: BTreeMap<String, i64> = BTreeMap::new();
    for label in [IMAGE_LABEL, NODE_LABEL] {
        for image in store.labelled(label).await? {
            sizes.extend(image.tags.iter().map(|tag| (tag.clone(), image.size)));
        }
    }
    let derived = [(Source::Packages, &digests.packages), (Source::Registry, &digests.registry)].map(|(source, digest)| {
        let local = node::name(digest);
        Entry {
            name: format!("node with images ({source})"),
            version: stack.kubernetes.clone(),
            registry: None,
            size: sizes.get(&local).copied(),
            local: Some(local),
        }
    });
    let images = stack.images.iter().map(|(key, i)| {
        let local = digests.images.get(key).map(|digest| image::local_name(key, digest));
        Entry {
            name: key.clone(),
            version: i.name.clone(),
            registry: i.registry.clone(),
            size: local.as_ref().and_then(|l| sizes.get(l)).copied(),
            local,
        }
    });
    let tools = [("kind", &stack.tools.kind), ("istioctl", &stack.tools.istioctl)].map(|(name, tool)| Entry {
        name: name.to_owned(),
        version: tool.version.clone(),
        registry: None,
        local: None,
        size: None,
    });
    Ok(derived.into_iter().chain(images).chain(tools).collect())
}
