use super::*;
use crate::scenario::Versions;

fn names(wanted: &Wanted) -> Vec<&'static str> {
    wanted
        .ways
        .iter()
        .map(|way| match way {
            Way::Path(_) => "PATH",
            Way::Release(Download { sum: Sum::Pinned(_), .. }) => "pinned release",
            Way::Release(_) => "release",
            Way::Image(_) => "image",
            Way::Modules => "modules",
        })
        .collect()
}

#[test]
fn nothing_needs_go_that_upstream_publishes() {
    let stack = Stack::serving(Source::Registry, Versions::default()).expect("stack.yaml is valid");
    let istioctl = Wanted::istioctl(&stack, Source::Registry, None);
    for wanted in [Wanted::kind(&stack), Wanted::kubectl(&stack), Wanted::metallb_manifest(&stack), istioctl] {
        assert!(wanted.ways.iter().any(|way| matches!(way, Way::Release(_))), "{}", wanted.name);
        assert_eq!(wanted.ways.last(), Some(&Way::Modules), "{}", wanted.name);
    }
}

#[test]
fn istioctl_is_of_the_istio_that_the_images_are_of() {
    let stack = Stack::serving(Source::Registry, Versions::default()).expect("stack.yaml is valid");
    let istioctl = Wanted::istioctl(&stack, Source::Registry, None);
    assert_eq!(istioctl.version, stack.upstream_istiod().expect("istiod").tag());
    assert!(istioctl.ways.contains(&Way::Image(Reference::parse("docker.io/istio/istioctl:1.31.1"))));
    assert!(!istioctl.ways.contains(&Way::Path(Fits::Only("1.31-dev".to_owned()))));
    assert_eq!(istioctl.built.as_deref(), Some("1.31-dev"), "never charts of a later line");
    let mirrored = Wanted::istioctl(&stack, Source::Registry, Some("127.0.0.1:5000"));
    assert!(mirrored.ways.contains(&Way::Image(Reference::parse("127.0.0.1:5000/istio/istioctl:1.31.1"))));

    let stack = Stack::serving(Source::Packages, Versions::default()).expect("stack.yaml is valid");
    let ours = Wanted::istioctl(&stack, Source::Packages, None);
    assert_eq!((ours.version.as_str(), ours.built.as_ref(), names(&ours)), ("1.32-dev", None, vec!["PATH", "modules"]));
}

#[test]
fn what_has_no_pinned_checksum_comes_after_what_has_a_digest() {
    let image = Some(Reference::parse("istio/istioctl:1"));
    let of = |sum| Some(Download { url: "https://x/y".to_owned(), sum, member: None });
    let order = |release| {
        let stack = Stack::embedded().expect("stack.yaml is valid");
        let ways = ordered(Fits::Only("1".to_owned()), release, image.clone());
        names(&Wanted { ways, ..Wanted::kind(&stack) })
    };
    assert_eq!(order(of(Sum::Pinned("0".to_owned()))), ["PATH", "pinned release", "image", "modules"]);
    assert_eq!(order(of(Sum::Published("u".to_owned()))), ["PATH", "image", "release", "modules"]);
}

#[test]
fn it_is_told_where_a_program_comes_from() {
    let stack = Stack::serving(Source::Registry, Versions::default()).expect("stack.yaml is valid");
    let kind = Wanted::kind(&stack);
    assert_eq!(kind.told(), "PATH (v0.30.0 to v0.33.0), else github.com, else Go modules");
    let of = |ways| Wanted { ways, ..Wanted::istioctl(&stack, Source::Registry, None) }.told();
    let published = Download { url: "https://a/b".to_owned(), sum: Sum::Published(String::new()), member: None };
    assert_eq!(of(vec![Way::Release(published)]), "a (checksum as published there)");
    assert_eq!(
        of(vec![Way::Image(Reference::parse("istio/x:1")), Way::Modules]),
        "docker.io/istio/x:1, else Go modules (1.31-dev)"
    );
    assert_eq!(kind.version_in("kind v0.31.0 go1.25.4 linux/amd64\n"), "v0.31.0");
    assert_eq!(kind.version_in("kind 0.33.0"), "v0.33.0");
}

#[test]
fn a_password_in_a_url_is_not_told() {
    assert_eq!(host("https://me:secret@index.example/simple"), "index.example");
    assert_eq!(host("http://deb.example:3142/debian"), "deb.example:3142");
}

#[test]
fn releases_are_of_an_architecture() {
    let stack = Stack::embedded().expect("stack.yaml is valid");
    let release = |name: &str, arch| for_arch(&stack.releases[name], arch).expect("a release");
    for arch in ["amd64", "arm64"] {
        assert!(release("kind", arch).url.ends_with(&format!("kind-linux-{arch}")));
        assert!(matches!(release("kind", arch).sum, Sum::Pinned(_)));
    }
    assert!(matches!(release("istioctl", "amd64").sum, Sum::Pinned(_)));
    let unknown = release("istioctl", "arm64");
    assert_eq!(unknown.sum, Sum::Published(format!("{}.sha256", unknown.url)));
    let without = Release { sums: None, ..stack.releases["istioctl"].clone() };
    assert_eq!(for_arch(&without, "arm64"), None, "nothing to check it by");
}

#[test]
fn versions_are_whole_words() {
    let only = |version: &str| Fits::Only(version.to_owned());
    assert!(only("v0.33.0").takes("kind v0.33.0 go1.26.8 linux/amd64\n"));
    assert!(only("v0.33.0").takes("kind 0.33.0"));
    assert!(!only("v0.33.0").takes("kind v0.33.0-alpha+1 go1.26"));
    assert!(!only("v0.33.0").takes("kind v0.33.01"));
    assert!(only("1.32-dev").takes("1.32-dev\n") && only("1.32-dev").takes("client version: 1.32-dev\n"));
    assert!(!only("1.32-dev").takes(""));
}

#[test]
fn kind_may_be_any_with_which_lab_works() {
    let stack = Stack::embedded().expect("stack.yaml is valid");
    let kind = fits(&stack.tools.kind);
    for version in ["v0.30.0", "v0.31.0", "v0.32.0", "v0.33.0", "0.32.0"] {
        assert!(kind.takes(&format!("kind {version} go1.24.6 linux/amd64\n")), "{version}");
    }
    for version in ["v0.29.0", "v0.34.0", "v1.31.0", "v0.32.0-alpha+5d", "v0.32", ""] {
        assert!(!kind.takes(&format!("kind {version} go1.24.6 linux/amd64\n")), "{version}");
    }
    assert_eq!(Wanted::kind(&stack).accepted(), "v0.30.0 to v0.33.0");
}

#[test]
fn kubectl_may_be_a_minor_version_away() {
    let stack = Stack::embedded().expect("stack.yaml is valid");
    let kubectl = fits(&stack.tools.kubectl);
    let said = |version: &str| format!("Client Version: {version}\nKustomize Version: v5.8.1\n");
    for version in ["v1.35.0", "v1.36.9", "v1.37.2", "v1.36.3-eks-0a1b2c", "v1.35.4+k3s1"] {
        assert!(kubectl.takes(&said(version)), "{version}");
    }
    for version in ["v1.34.9", "v1.38.0", "v2.36.0", "v1.32.4-dispatcher"] {
        assert!(!kubectl.takes(&said(version)), "{version}");
    }
}
