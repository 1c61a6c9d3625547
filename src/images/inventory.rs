//! What the stack consists of and what of it is on this machine.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::digests::Digests;
use super::prepare::Record;
use super::stack::Stack;
use super::ways::Wanted;
use super::{IMAGE_LABEL, ImagesError, NODE_LABEL, Source, image, node};
use crate::scenario::Versions;
use crate::sys::cache::{Cache, Fingerprint};
use crate::sys::docker::Engine;

/// What a part of the stack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A node image with the images of a source in it.
    Node(Source),
    /// An image that every node holds.
    Image,
    /// An image that only the nodes of a federation hold.
    Optional,
    /// A program.
    Tool,
    /// A lab that `lab up` has kept for the next one of the same scenario.
    Lab,
}

/// One part of the stack.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// What it is.
    #[serde(skip)]
    pub kind: Kind,
    /// Its key in `stack.yaml`, or its source for a node image with images in it, or its name for a tool.
    pub name: String,
    /// The reference in a node, or the version.
    pub version: String,
    /// The upstream reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// Where a tool comes from, the first that serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Where it would be or is: a name in the engine, whose tag is the digest of all that it is made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<String>,
    /// Whether it is on this machine.
    pub present: bool,
    /// Bytes in the engine, when it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
}

impl Entry {
    /// A lab that is kept under a name, of so many bytes; and when it was.
    #[must_use]
    pub fn lab(name: String, bytes: u64, taken: &str) -> Self {
        Self {
            kind: Kind::Lab,
            name,
            version: format!("lab, kept at {taken}"),
            registry: None,
            from: None,
            local: None,
            present: true,
            size: i64::try_from(bytes).ok(),
        }
    }
}

/// All parts of the stack: the derived node images, every image, the tools.
pub async fn inventory(engine: &Engine) -> Result<Vec<Entry>, ImagesError> {
    let stack = Stack::embedded()?;
    let digests = Digests::of(&stack);
    let cache = Cache::open()?;
    let mut sizes: BTreeMap<String, i64> = BTreeMap::new();
    for label in [IMAGE_LABEL, NODE_LABEL] {
        for image in engine.images_labelled(label).await? {
            sizes.extend(image.tags.iter().map(|tag| (tag.clone(), image.size)));
        }
    }
    let entry = |kind: Kind, name: String, version: &str, registry: Option<&String>, local: Option<String>| {
        let size = local.as_ref().and_then(|l| sizes.get(l)).copied();
        Entry {
            kind,
            name,
            version: version.to_owned(),
            registry: registry.cloned(),
            from: None,
            local,
            present: size.is_some(),
            size,
        }
    };
    let sources = [(Source::Packages, &digests.packages), (Source::Registry, &digests.registry)];
    let derived = sources.map(|(source, digest)| {
        entry(
            Kind::Node(source),
            format!("node with images ({source})"),
            &stack.kubernetes,
            None,
            Some(node::name(digest)),
        )
    });
    let images = stack.all_images().map(|(key, i)| {
        let local = digests.images.get(key).map(|digest| image::local_name(key, digest));
        let kind = if stack.optional.contains_key(key) { Kind::Optional } else { Kind::Image };
        entry(kind, key.clone(), &i.name, i.registry.as_ref(), local)
    });
    let record = sources.iter().find_map(|(_, digest)| cache.read_json::<Record>(&Record::name(digest)));
    let source = record.as_ref().map_or(Source::Packages, |r| r.source);
    let stack = Stack::serving(source, Versions::default())?;
    let tools = [
        (Wanted::kind(&stack), record.as_ref().map(|r| &r.kind)),
        (Wanted::istioctl(&stack, source, None), record.as_ref().map(|r| &r.istioctl)),
    ];
    let tools = tools.map(|(wanted, file)| Entry {
        present: file.is_some_and(Fingerprint::holds),
        local: file.map(|f| f.path.display().to_string()),
        from: Some(wanted.told()),
        ..entry(Kind::Tool, wanted.name.to_owned(), &wanted.version, None, None)
    });
    Ok(derived.into_iter().chain(images).chain(tools).collect())
}
