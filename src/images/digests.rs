//! The digest of everything that is built, computed from the stack alone: nothing is read, started or asked for it.
//!
//! The version of Go is left out here on purpose. With it, upgrading Go would make a machine forget every image that it has, and a machine
//! without Go, to which images were carried in an archive, could not tell that they are the right ones. Built binaries are kept by Go's
//! version as well, see `go.rs`.

use std::collections::BTreeMap;

use super::digest::{Digest, Inputs};
use super::stack::{Debian, FileRef, Image, NODE, Stack};
use super::tree::{Node, Tree};

/// Digests of a stack's parts.
#[derive(Clone, Debug)]
pub struct Digests {
    /// By name of the root file system, without its tree: what mmdebstrap makes.
    pub debian: BTreeMap<String, Digest>,
    /// By name of the root file system, with its tree: the image made of it.
    pub bases: BTreeMap<String, Digest>,
    /// By key of the package-built image, the optional ones included.
    pub images: BTreeMap<String, Digest>,
    /// Of the node image with all package-built images in it.
    pub packages: Digest,
    /// Of the node image with all upstream images in it.
    pub registry: Digest,
}

impl Digests {
    /// Digests of all that a stack builds.
    #[must_use]
    pub fn of(stack: &Stack) -> Self {
        let debian: BTreeMap<_, _> = stack.debian.iter().map(|(n, d)| (n.clone(), rootfs(d))).collect();
        let bases: BTreeMap<_, _> = stack
            .debian
            .iter()
            .map(|(name, d)| {
                let inputs = Inputs::of("base 1").and(debian[name].as_str());
                (name.clone(), d.tree.iter().fold(inputs, |i, dir| tree(i, dir)).digest())
            })
            .collect();
        let images: BTreeMap<_, _> =
            stack.all_images().map(|(key, i)| (key.clone(), image(stack, i, bases.get(&i.packages.from)))).collect();
        let node = |inputs: Inputs, parts: Vec<(&String, &str)>| {
            parts.into_iter().fold(inputs, |i, (name, part)| i.and(name).and(part)).digest()
        };
        let built = stack.loaded().map(|(key, i)| (&i.name, images[key].as_str())).collect();
        // They keep upstream's names, so the names that packages give them are no part of it.
        let upstream = stack.loaded().filter_map(|(key, i)| Some((key, i.registry.as_deref()?))).collect();
        let fill = super::node::fill();
        let own = stack.images[NODE].registry.as_deref().unwrap_or_default();
        Self {
            packages: node(Inputs::of("preload 2").and(fill).and("packages").and(images[NODE].as_str()), built),
            registry: node(Inputs::of("preload 2").and(fill).and("registry 2").and(own), upstream),
            debian,
            bases,
            images,
        }
    }
}

/// Digest of a file that goes into an image.
#[must_use]
pub fn file(stack: &Stack, file: &FileRef) -> Digest {
    match file {
        FileRef::Go { module, binary } => {
            let Some(m) = stack.go.get(module) else { return Inputs::of("nothing").digest() };
            let stamps = m.stamps.iter().flat_map(|(k, v)| [k, v]);
            let inputs = Inputs::of("go 1").and(std::env::consts::ARCH).all(&m.tags).all(stamps);
            let inputs = inputs.and(m.binaries.get(binary).map_or("", String::as_str));
            tree(inputs, &stack.wrapper_dir(module)).digest()
        }
        FileRef::Module(name) => {
            let Some(f) = stack.module_files.get(name) else { return Inputs::of("nothing").digest() };
            let inputs = Inputs::of("module 1").and(&f.module).and(&f.path);
            tree(inputs, &stack.wrapper_dir(&f.wrapper)).digest()
        }
        FileRef::Wheel(name) => {
            let Some(w) = stack.wheels.get(name) else { return Inputs::of("nothing").digest() };
            Inputs::of("wheel 1").and(w.sum().unwrap_or_default()).and(&w.member).digest()
        }
    }
}

fn rootfs(d: &Debian) -> Digest {
    let inputs = Inputs::of("debian 1").and(std::env::consts::ARCH).and(&d.suite).and(&d.variant);
    inputs.all(&d.packages).all(&d.exclude).digest()
}

fn image(stack: &Stack, image: &Image, base: Option<&Digest>) -> Digest {
    let b = &image.packages;
    let inputs = Inputs::of("image 1").and(base.map_or("scratch", Digest::as_str));
    let inputs = b.files.iter().fold(inputs, |i, (path, source)| i.and(path).and(file(stack, source).as_str()));
    let inputs = b.texts.iter().fold(inputs, |i, (path, text)| i.and(path).and("text").and(text));
    let texts = [&b.user, &b.workdir, &b.stop_signal].map(|t| t.clone().unwrap_or_default());
    let env = b.env.iter().flat_map(|(k, v)| [k, v]);
    inputs.all(texts).all(env).all(&b.entrypoint).all(&b.cmd).digest()
}

fn tree(inputs: Inputs, dir: &str) -> Inputs {
    Tree::embedded().below(dir).into_iter().fold(inputs.and(dir), |i, (path, node)| {
        let i = i.and(path);
        match node {
            Node::File(mode, content) => i.and(mode.to_le_bytes()).and(content),
            Node::Link(target) => i.and("link").and(target),
            Node::Dir => i.and("dir"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack() -> Stack {
        Stack::embedded().expect("stack.yaml is valid")
    }

    #[test]
    fn the_same_stack_has_the_same_digests() {
        let (one, other) = (Digests::of(&stack()), Digests::of(&stack()));
        assert_eq!((one.packages, one.registry), (other.packages, other.registry));
    }

    #[test]
    fn a_change_reaches_what_is_made_of_it_and_nothing_else() {
        let before = Digests::of(&stack());
        let mut changed = stack();
        changed.images.get_mut("etcd").expect("etcd").packages.cmd.push("x".into());
        let after = Digests::of(&changed);
        assert_ne!(before.images["etcd"], after.images["etcd"]);
        assert_ne!(before.packages, after.packages);
        assert_eq!(before.registry, after.registry);
        assert_eq!(before.images[NODE], after.images[NODE]);
        assert_eq!(before.debian, after.debian);

        let mut changed = stack();
        changed.go.get_mut("coredns").expect("coredns").tags.push("x".into());
        let after = Digests::of(&changed);
        let differing: Vec<_> =
            before.images.iter().filter(|(key, d)| after.images[*key] != **d).map(|(k, _)| k).collect();
        assert_eq!(differing, ["coredns"]);
    }

    #[test]
    fn optional_images_are_in_no_node_image() {
        let before = Digests::of(&stack());
        let mut changed = stack();
        changed.optional.get_mut("karmada-agent").expect("agent").packages.cmd.push("x".into());
        let after = Digests::of(&changed);
        assert_ne!(before.images["karmada-agent"], after.images["karmada-agent"]);
        assert_eq!((&before.packages, &before.registry), (&after.packages, &after.registry));
        changed.optional.clear();
        let without = Digests::of(&changed);
        assert_eq!((after.packages, after.registry), (without.packages, without.registry));
    }

    #[test]
    fn packages_of_the_base_reach_its_images() {
        let before = Digests::of(&stack());
        let mut changed = stack();
        changed.debian.get_mut("base").expect("base").packages.push("jq".into());
        let after = Digests::of(&changed);
        assert_ne!(before.images["sleep"], after.images["sleep"]);
        assert_eq!(before.images["pause"], after.images["pause"]);
    }
}
