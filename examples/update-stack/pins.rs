//! What is pinned, and how a pin is changed. Pure.

use std::cmp::Ordering;

/// A release as Go modules number them, without what is not released yet.
fn release(version: &str) -> Option<[u64; 3]> {
    let parts: Vec<u64> = version.strip_prefix('v')?.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
    parts.try_into().ok()
}

/// The newest release among `versions` that is newer than `current`. With `same_minor`, of its own minor version only.
pub fn newer<'a>(current: &str, versions: impl IntoIterator<Item = &'a str>, same_minor: bool) -> Option<&'a str> {
    let now = release(current)?;
    let is_candidate = |v: &[u64; 3]| v.cmp(&now) == Ordering::Greater && (!same_minor || v[..2] == now[..2]);
    let candidates = versions.into_iter().filter_map(|v| Some((release(v)?, v)));
    candidates.filter(|(v, _)| is_candidate(v)).max().map(|(_, v)| v)
}

/// The modules that a `go.mod` is there for, with their versions: those of its tools or, without any, those that it requires directly.
pub fn wanted_modules(go_mod: &str) -> Vec<(String, String)> {
    let mut tools = Vec::new();
    let mut required = Vec::new();
    let mut block = "";
    for line in go_mod.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match (block, &words[..]) {
            ("", [verb, "("]) => block = verb,
            (_, [")"]) => block = "",
            ("", ["tool", path]) | ("tool", [path]) => tools.push(*path),
            ("", ["require", module, version, comment @ ..]) | ("require", [module, version, comment @ ..]) => {
                required.push((*module, *version, comment.contains(&"indirect")));
            }
            _ => {}
        }
    }
    let holds = |module: &str, path: &str| {
        path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    // Of modules within each other the innermost holds a package.
    let of_tool = |path: &&str| required.iter().filter(|(m, ..)| holds(m, path)).max_by_key(|(m, ..)| m.len());
    let chosen: Vec<_> = if tools.is_empty() {
        required.iter().filter(|(.., indirect)| !indirect).collect()
    } else {
        tools.iter().filter_map(of_tool).collect()
    };
    let mut modules: Vec<_> = chosen.into_iter().map(|(m, v, _)| ((*m).to_owned(), (*v).to_owned())).collect();
    modules.sort();
    modules.dedup();
    modules
}

/// `text` with `old` replaced wherever it is a whole word, and how often it was.
pub fn replaced(text: &str, old: &str, new: &str) -> (String, usize) {
    let part_of_word = |c: char| c.is_ascii_alphanumeric();
    let (mut out, mut rest, mut count) = (String::new(), text, 0);
    while let Some(at) = rest.find(old) {
        let (before, after) = (&rest[..at], &rest[at + old.len()..]);
        let more = after.strip_prefix('.').is_some_and(|a| a.starts_with(|c: char| c.is_ascii_digit()));
        let whole =
            !before.ends_with(part_of_word) && !after.starts_with(part_of_word) && !after.starts_with('-') && !more;
        out.push_str(before);
        out.push_str(if whole { new } else { old });
        count += usize::from(whole);
        rest = after;
    }
    out.push_str(rest);
    (out, count)
}

/// The tags that kubeadm gives the images that are not Kubernetes' own, from its `constants.go`: the name of the image, and the tag.
pub fn kubeadm_tags(constants: &str) -> Vec<(&'static str, String)> {
    let names = [
        ("registry.k8s.io/etcd", "DefaultEtcdVersion"),
        ("registry.k8s.io/coredns/coredns", "CoreDNSVersion"),
        ("registry.k8s.io/pause", "PauseVersion"),
    ];
    let value = |name: &str| {
        constants
            .lines()
            .find_map(|line| line.trim().strip_prefix(name)?.trim().strip_prefix("= \"")?.strip_suffix('"'))
    };
    names.into_iter().filter_map(|(image, name)| Some((image, value(name)?.to_owned()))).collect()
}

/// `text` with another tag wherever an image is named with one.
pub fn retagged(text: &str, image: &str, tag: &str) -> String {
    let start = format!("{image}:");
    let mut parts = text.split(&start);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !(c.is_ascii_alphanumeric() || ".-_".contains(c))).unwrap_or(part.len());
        out.extend([&start, tag, &part[end..]]);
    }
    out
}

/// `text` with the digest behind each `registry: REFERENCE` of this name and tag.
pub fn pinned(text: &str, reference: &str, digest: &str) -> String {
    let line = |line: &str| {
        let Some((key, value)) = line.split_once("registry: ") else { return line.to_owned() };
        let name = value.split('@').next().unwrap_or(value);
        if name == reference { format!("{key}registry: {reference}@{digest}") } else { line.to_owned() }
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// `text` without the checksums of the releases whose address `before` does not have, and those addresses: they are checksums of other files.
pub fn forgotten(before: &str, text: &str) -> (String, Vec<String>) {
    let is_sum = |line: &str| {
        let value = line.trim().rsplit(' ').next().unwrap_or_default();
        line.starts_with("      ") && value.len() == 64 && value.chars().all(|c| c.is_ascii_hexdigit())
    };
    let (mut lines, mut changed, mut is_of_changed) = (Vec::new(), Vec::new(), false);
    for line in text.split('\n') {
        if let Some(url) = line.strip_prefix("    url: ") {
            is_of_changed = !before.contains(line);
            if is_of_changed {
                changed.push(url.to_owned());
            }
        }
        match line {
            "    sha256:" if is_of_changed => lines.push("    sha256: {}"),
            sum if is_of_changed && is_sum(sum) => {}
            line => lines.push(line),
        }
    }
    (lines.join("\n"), changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_releases_are_newer() {
        let served = ["v1.36.1", "v1.36.10", "v1.36.9", "v1.37.0", "v1.38.0-rc.1", "junk"];
        assert_eq!(newer("v1.36.3", served, false), Some("v1.37.0"));
        assert_eq!(newer("v1.36.3", served, true), Some("v1.36.10"));
        assert_eq!(newer("v1.37.0", served, false), None);
        assert_eq!(newer("v0.0.0-20260827124520-eed52ebb66ad", served, false), None, "a commit is no release");
    }

    #[test]
    fn a_wrapper_is_there_for_the_modules_of_its_tools() {
        let go_mod = "module lab/x\n\ntool (\n\tk8s.io/kubernetes/cmd/kubelet\n\tk8s.io/kubernetes/cmd/kubeadm\n)\n\n\
                      require (\n\tk8s.io/kube v1.0.0 // indirect\n\tk8s.io/kubernetes v1.36.3 // indirect\n)\n";
        assert_eq!(wanted_modules(go_mod), [("k8s.io/kubernetes".to_owned(), "v1.36.3".to_owned())]);
        let direct = "module lab/x\nrequire a.b/c v1.0.0\nrequire (\n\ta.b/d v2.0.0\n\ta.b/e v3.0.0 // indirect\n)\n";
        let of = |m: &str, v: &str| (m.to_owned(), v.to_owned());
        assert_eq!(wanted_modules(direct), [of("a.b/c", "v1.0.0"), of("a.b/d", "v2.0.0")]);
    }

    #[test]
    fn a_version_is_replaced_as_a_whole_word() {
        let (text, count) =
            replaced("a: v1.2.3\nb: x:v1.2.3, v1.2.30 v1.2.3-rc.1 v1.2.3.4 rev1.2.3\n", "v1.2.3", "v1.3.0");
        assert_eq!((text.as_str(), count), ("a: v1.3.0\nb: x:v1.3.0, v1.2.30 v1.2.3-rc.1 v1.2.3.4 rev1.2.3\n", 2));
    }

    #[test]
    fn images_get_the_tags_that_kubeadm_asks_for() {
        let constants =
            "\tDefaultEtcdVersion = \"3.6.8-0\"\n\tCoreDNSVersion = \"v1.14.2\"\n\tPauseVersion = \"3.10.2\"\n";
        let tags = kubeadm_tags(constants);
        let text = tags.iter().fold(
            "- registry.k8s.io/pause:3.10.1\n- name: registry.k8s.io/etcd:3.6.5-0 }\n".to_owned(),
            |text, (image, tag)| retagged(&text, image, tag),
        );
        assert_eq!(text, "- registry.k8s.io/pause:3.10.2\n- name: registry.k8s.io/etcd:3.6.8-0 }\n");
        assert_eq!(tags.len(), 3);
    }

    #[test]
    fn a_digest_goes_behind_the_reference_it_was_asked_for() {
        let text = "  registry: docker.io/a/b:1\n  name: docker.io/a/b:1\n  registry: docker.io/a/b:1@sha256:00\n  registry: docker.io/a/b:10";
        let expected = "  registry: docker.io/a/b:1@sha256:ff\n  name: docker.io/a/b:1\n  registry: docker.io/a/b:1@sha256:ff\n  registry: docker.io/a/b:10";
        assert_eq!(pinned(text, "docker.io/a/b:1", "sha256:ff"), expected);
    }

    #[test]
    fn a_checksum_goes_with_the_file_that_it_is_of() {
        let sum = "0".repeat(64);
        let of = |kind: &str, kubectl: &str| {
            let release = |name: &str, version: &str, sums: &str| {
                format!("  {name}:\n    url: https://x/{version}/{name}\n    {sums}\n")
            };
            format!("releases:\n{}{}", release("kind", "v1", kind), release("kubectl", "v2", kubectl))
        };
        let pinned = format!("sha256:\n      amd64: {sum}");
        let before = of(&pinned, &pinned);
        let (text, changed) = forgotten(&before, &replaced(&before, "v1", "v3").0);
        assert_eq!(changed, ["https://x/v3/kind"]);
        assert_eq!(text, of("sha256: {}", &pinned).replace("v1", "v3"));
        assert_eq!(forgotten(&before, &before), (before.clone(), Vec::new()));
    }
}
