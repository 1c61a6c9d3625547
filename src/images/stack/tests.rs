use super::*;

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
}

#[test]
fn embedded_stack_is_whole() {
    let stack = Stack::embedded().expect("stack.yaml is valid");
    assert!(stack.images[NODE].name.ends_with(&stack.kubernetes));
    for module in stack.go.keys() {
        let dir = stack.wrapper_dir(module);
        assert!(Tree::embedded().contains(&format!("{dir}/go.mod")), "{module} has no go.mod");
    }
    for debian in stack.debian.values() {
        assert!(debian.tree.iter().all(|t| Tree::embedded().contains(t)), "{:?} is missing", debian.tree);
    }
}

#[test]
fn every_version_of_the_matrix_is_a_stack_of_its_own() {
    let matrix = Matrix::embedded();
    let default = Stack::embedded().expect("stack.yaml is valid");
    let own = |stack: &Stack, product: Product| match product {
        Product::Kubernetes => stack.kubernetes.clone(),
        Product::Istio => stack.tools.istioctl.version.clone(),
    };
    for product in [Product::Kubernetes, Product::Istio] {
        for (minor, available) in matrix.of(product) {
            let asked = match product {
                Product::Kubernetes => Versions { kubernetes: Some(minor), istio: None },
                Product::Istio => Versions { kubernetes: None, istio: Some(minor) },
            };
            let stack = Stack::of(asked).expect("valid");
            assert_eq!(available.packages.as_ref(), Some(&own(&stack, product)), "{product} {minor}");
            for module in stack.go.keys() {
                let dir = stack.wrapper_dir(module);
                assert!(Tree::embedded().contains(&format!("{dir}/go.mod")), "{dir} has no go.mod");
            }
            assert_eq!(stack.images[NODE].packages.texts["/kind/version"], stack.kubernetes);
            if product == Product::Kubernetes {
                let upstream = stack.images[NODE].registry.as_deref().map(|r| Reference::parse(r).tag().to_owned());
                assert_eq!(upstream, available.registry, "the node of Kubernetes {minor} in the registry source");
            }
            let of_nodes = ["kube-apiserver", "kube-proxy"].map(|key| &stack.images[key].name);
            assert!(of_nodes.iter().all(|name| name.ends_with(&stack.kubernetes)), "{of_nodes:?}");
        }
    }
    let upstream = default.images[PILOT].registry.as_deref().map(|r| Reference::parse(r).tag().to_owned());
    assert!(matrix.of(Product::Istio).any(|(_, a)| a.registry == upstream), "{upstream:?} is in the matrix");
}

#[test]
fn pins_look_right() {
    let stack = Stack::embedded().expect("stack.yaml is valid");
    for (name, wheel) in &stack.wheels {
        assert!(wheel.sha256.values().all(|sum| is_hex(sum, 64)), "wheel {name}");
    }
    for (key, image) in stack.all_images() {
        for reference in std::iter::once(&image.name).chain(&image.registry) {
            let reference = Reference::parse(reference);
            assert!(reference.tag.is_some(), "{key} has no tag");
            let digest = reference.digest.as_deref().map(|d| d.strip_prefix("sha256:").unwrap_or(d));
            assert!(digest.is_none_or(|d| is_hex(d, 64)), "{key} has a torn digest");
        }
        assert!(Reference::parse(&image.name).digest.is_none(), "{key}: nodes name images by tag");
    }
    let upstream = stack.images[NODE].registry.as_deref().unwrap_or_default();
    assert!(upstream.contains("@sha256:"), "the node image is pinned by digest");
}

#[test]
fn the_registry_has_what_upstream_still_publishes() {
    let stack = Stack::embedded().expect("stack.yaml is valid");
    // Switched off for good in the winter of 2026: from Istio 1.31 on nothing is published there.
    let closed = ["registry.istio.io", "gcr.io"];
    for (key, image) in stack.all_images() {
        let host = image.registry.as_deref().map(|r| Reference::parse(r).host);
        assert!(host.is_none_or(|host| !closed.contains(&host.as_str())), "{key} is at a registry that is closed");
    }
    let minor = |version: &str| version.split('.').take(2).collect::<Vec<_>>().join(".");
    let node = Reference::parse(stack.images[NODE].registry.as_deref().unwrap_or_default());
    assert_eq!(minor(node.tag()), minor(&stack.kubernetes), "both sources run the same Kubernetes");
}

#[test]
fn each_source_has_an_istio_of_its_own() {
    let istioctl = |source| Stack::serving(source, Versions::default()).expect("valid").tools.istioctl.version;
    assert_eq!(istioctl(Source::Packages), "1.32-dev");
    // What is built where the release is not to be had is of the line of the images.
    let stack = Stack::serving(Source::Registry, Versions::default()).expect("valid");
    let release = stack.upstream_istiod().expect("istiod").tag().to_owned();
    assert_eq!((stack.tools.istioctl.version.as_str(), release.as_str()), ("1.31-dev", "1.31.1"));
    let digests =
        |source| crate::images::digests::Digests::of(&Stack::serving(source, Versions::default()).expect("valid"));
    assert_eq!(digests(Source::Registry).registry, digests(Source::Packages).registry, "one source, one node image");
}

#[test]
fn releases_are_of_the_versions_that_are_pinned() {
    let stack = Stack::embedded().expect("stack.yaml is valid");
    let istio = stack.upstream_istiod().expect("istiod");
    let controller = Reference::parse(&stack.images["metallb-controller"].name);
    let version = |name: &str| match name {
        "kind" => stack.tools.kind.version.as_str(),
        "kubectl" => stack.tools.kubectl.version.as_str(),
        "istioctl" => istio.tag(),
        "metallb-manifest" => controller.tag(),
        file if stack.gateway_api.sha256.contains_key(file) => stack.gateway_api.version.as_str(),
        other => panic!("what is {other}?"),
    };
    assert_eq!(stack.releases.len(), 4 + stack.gateway_api.sha256.len());
    for (name, release) in &stack.releases {
        assert!(release.url.starts_with("https://") && release.url.contains(version(name)), "{name}: {}", release.url);
        assert_eq!(release.url.contains("{arch}"), !release.sha256.contains_key("any"), "{name}");
        assert!(release.sha256.values().all(|sum| is_hex(sum, 64)), "{name}");
        let known = release.sha256.len() == 2 || release.sha256.contains_key("any");
        assert!(known || release.sums.is_some(), "{name}: an architecture has no checksum at all");
    }
}

#[test]
fn nodes_name_images_that_are_in_them() {
    let stack = Stack::embedded().expect("stack.yaml is valid");
    let storage = Tree::embedded().text("node/rootfs/kind/manifests/default-storage.yaml").expect("a manifest");
    let mut named =
        storage.lines().filter_map(|l| l.trim().strip_prefix("- ").unwrap_or(l.trim()).strip_prefix("image: "));
    assert!(named.next().is_some_and(|image| stack.images.values().any(|i| i.name == image)));
    assert_eq!(named.next(), None);
}

#[test]
fn the_node_runs_what_the_stack_pins() {
    let stack = Stack::embedded().expect("stack.yaml is valid");
    let file = |path: &str| Tree::embedded().text(&format!("node/rootfs/{path}")).expect("a file of the node");
    assert_eq!(stack.images[NODE].packages.texts["/kind/version"], stack.kubernetes);
    let sandbox = file("etc/containerd/config.toml").lines().find_map(|l| l.trim().strip_prefix("sandbox = "));
    assert_eq!(sandbox.map(|image| image.trim_matches('"')), Some(stack.images["pause"].name.as_str()));
    let unit = file("etc/systemd/system/containerd.service");
    let program = unit.lines().find_map(|l| l.strip_prefix("ExecStart=")).expect("a program");
    assert!(stack.images[NODE].packages.files.contains_key(program), "{program} is not in the node");
}

#[test]
fn files_by_their_prefix() {
    let go = FileRef::Go { module: "kind".into(), binary: "kind".into() };
    assert_eq!(FileRef::try_from("go/kind/kind".to_owned()), Ok(go));
    assert_eq!(FileRef::try_from("wheel/envoy".to_owned()), Ok(FileRef::Wheel("envoy".into())));
    assert!(FileRef::try_from("go/kind".to_owned()).is_err());
    assert!(FileRef::try_from("elsewhere/kind/kind".to_owned()).is_err());
}

#[test]
fn what_is_built_from_packages_is_there_for_both_architectures() {
    let stack = Stack::embedded().expect("stack.yaml is valid");
    for wheel in stack.wheels.values() {
        assert_eq!(wheel.sha256.keys().collect::<Vec<_>>(), ["amd64", "arm64"], "{}", wheel.package);
    }
    // Everything else is compiled or installed here: no file of another architecture is named.
    for (key, image) in stack.all_images() {
        assert!(!image.name.contains("amd64") && !image.name.contains("arm64"), "{key}");
    }
}
