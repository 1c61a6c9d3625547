//! By which ways each program comes onto this machine, and which version of it. Pure; `tools.rs` goes them, and `sources.rs` tells of them.
//!
//! Each is tried in this order, and the first that leads to it wins:
//!
//! | way | for | why in this place |
//! |---|---|---|
//! | PATH | programs | it is there already, and the user chose it; any version with which lab is known to work |
//! | release, checksum pinned | all | nothing else is needed but a network, and it is what the stack says |
//! | upstream's image | istioctl of the registry source | the registry serves the mesh's images anyway, or a mirror does |
//! | release, checksum not known | all | verified only by what the same host publishes beside it |
//! | Go modules | all | needs Go and minutes; of istioctl, only the development line before the release is to be had |
//!
//! istioctl carries the charts that it renders, so it must be of the Istio that the images are of: a release in the registry source, and in the
//! packages source the commit that its images are built from, which nobody publishes.

use super::Source;
use super::reference::Reference;
use super::stack::{FileRef, Release, Stack, Tool};

/// Key of MetalLB's manifest among the module files.
pub(super) const METALLB_MANIFEST: &str = "metallb-manifest";

/// Where istioctl is in upstream's image.
pub(super) const IN_IMAGE: &str = "/usr/local/bin/istioctl";

/// A way to come by a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// On PATH, in a version that will do.
    Path(Fits),
    /// A file that upstream publishes.
    Release(Download),
    /// Out of upstream's image, where it lies at [`IN_IMAGE`].
    Image(Reference),
    /// From Go modules.
    Modules,
}

/// A file to download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Download {
    /// Where it is.
    pub url: String,
    /// What it is checked by.
    pub sum: Sum,
    /// Path in it, if it is an archive.
    pub member: Option<String>,
}

/// What a download is checked by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sum {
    /// This SHA-256, which the stack pins.
    Pinned(String),
    /// The one that is published at this address.
    Published(String),
}

/// Which versions will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fits {
    /// One alone.
    Only(String),
    /// Any from the first to the second.
    Range(String, String),
    /// Any so many minor versions from one.
    Skew(String, u32),
}

/// A program, or a file, that lab needs.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// Its name.
    pub name: &'static str,
    /// The version that it gets where PATH has none that will do.
    pub version: String,
    /// The version that is built from modules, where that is another.
    pub built: Option<String>,
    /// What is built.
    pub file: FileRef,
    /// Arguments that make it print its version; none for what is no program.
    pub version_args: Vec<String>,
    /// The ways, in their order.
    pub ways: Vec<Way>,
}

impl Wanted {
    pub fn kind(stack: &Stack) -> Self {
        Self::program("kind", &stack.tools.kind, stack)
    }

    pub fn kubectl(stack: &Stack) -> Self {
        Self::program("kubectl", &stack.tools.kubectl, stack)
    }

    /// istioctl of the Istio that the images of a source are of, from a mirror where images come from one.
    pub fn istioctl(stack: &Stack, source: Source, mirror: Option<&str>) -> Self {
        let tool = &stack.tools.istioctl;
        let upstream = stack.upstream_istiod().filter(|_| source == Source::Registry);
        let Some(istiod) = upstream else {
            return Self::of("istioctl", tool, tool.version.clone(), ordered(fits(tool), None, None));
        };
        let image = Reference { path: istiod.path.replace("pilot", "istioctl"), digest: None, ..istiod };
        let release = image.tag().to_owned();
        let image = mirror.map_or_else(|| image.clone(), |mirror| image.in_mirror(mirror));
        let ways = ordered(Fits::Only(release.clone()), download("istioctl", stack), Some(image));
        let built = (release != tool.version).then(|| tool.version.clone());
        Self { built, ..Self::of("istioctl", tool, release, ways) }
    }

    /// MetalLB's manifest, which is no program.
    pub fn metallb_manifest(stack: &Stack) -> Self {
        let version = stack.images.get("metallb-controller").map(|i| Reference::parse(&i.name).tag().to_owned());
        Self::module_file(METALLB_MANIFEST, METALLB_MANIFEST, version.unwrap_or_default(), stack)
    }

    /// The files with the definitions of the Gateway API's kinds.
    pub fn gateway_api(stack: &Stack) -> Vec<Self> {
        let api = &stack.gateway_api;
        api.sha256.keys().map(|file| Self::module_file("gateway-api", file, api.version.clone(), stack)).collect()
    }

    /// An entry of `module_files`.
    fn module_file(name: &'static str, key: &str, version: String, stack: &Stack) -> Self {
        let ways = download(key, stack).map(Way::Release).into_iter().chain([Way::Modules]).collect();
        let (file, version_args) = (FileRef::Module(key.to_owned()), Vec::new());
        Self { name, version, built: None, file, version_args, ways }
    }

    fn program(name: &'static str, tool: &Tool, stack: &Stack) -> Self {
        Self::of(name, tool, tool.version.clone(), ordered(fits(tool), download(name, stack), None))
    }

    fn of(name: &'static str, tool: &Tool, version: String, ways: Vec<Way>) -> Self {
        let (file, version_args) = (tool.binary.clone(), tool.version_args.clone());
        Self { name, version, built: None, file, version_args, ways }
    }

    /// Where it comes from, for the user, the first that serves.
    pub fn told(&self) -> String {
        let way = |way: &Way| match way {
            Way::Path(fits) => format!("PATH ({fits})"),
            Way::Release(Download { url, sum: Sum::Pinned(_), .. }) => host(url).to_owned(),
            Way::Release(Download { url, .. }) => format!("{} (checksum as published there)", host(url)),
            Way::Image(image) => image.to_string(),
            Way::Modules => {
                format!("Go modules{}", self.built.as_ref().map_or_else(String::new, |v| format!(" ({v})")))
            }
        };
        self.ways.iter().map(way).collect::<Vec<_>>().join(", else ")
    }

    /// The version in what the program says of itself; what it should be where that is told by no number.
    pub fn version_in(&self, said: &str) -> String {
        let fits = Fits::Only(self.version.clone());
        let found = words(said).find(|word| numbers(word).is_some()).filter(|_| !fits.takes(said));
        found.map_or_else(|| self.version.clone(), str::to_owned)
    }

    /// Which versions will do, for the user.
    pub fn accepted(&self) -> String {
        match self.ways.first() {
            Some(Way::Path(fits)) => fits.to_string(),
            _ => self.version.clone(),
        }
    }
}

/// The table of this module's head.
fn ordered(fits: Fits, release: Option<Download>, image: Option<Reference>) -> Vec<Way> {
    let pinned = release.as_ref().is_some_and(|r| matches!(r.sum, Sum::Pinned(_)));
    let (before, after) = if pinned { (release, None) } else { (None, release) };
    let image = image.map(Way::Image);
    [Way::Path(fits)]
        .into_iter()
        .chain(before.map(Way::Release))
        .chain(image)
        .chain(after.map(Way::Release))
        .chain([Way::Modules])
        .collect()
}

fn fits(tool: &Tool) -> Fits {
    match (&tool.oldest, tool.skew) {
        (Some(oldest), _) => Fits::Range(oldest.clone(), tool.version.clone()),
        (None, Some(skew)) => Fits::Skew(tool.version.clone(), skew),
        (None, None) => Fits::Only(tool.version.clone()),
    }
}

/// The name that upstream's files and Docker have for this machine's architecture.
pub(super) fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The release for this machine; none where nothing is there to check it by.
fn download(name: &str, stack: &Stack) -> Option<Download> {
    for_arch(stack.releases.get(name)?, arch())
}

fn for_arch(release: &Release, arch: &str) -> Option<Download> {
    let url = release.url.replace("{arch}", arch);
    let pinned = release.sha256.get(arch).or_else(|| release.sha256.get("any"));
    let sum = match (pinned, &release.sums) {
        (Some(sum), _) => Sum::Pinned(sum.clone()),
        (None, Some(suffix)) => Sum::Published(format!("{url}{suffix}")),
        (None, None) => return None,
    };
    Some(Download { url, sum, member: release.member.clone() })
}

impl Fits {
    /// Whether a program that says this of itself will do.
    pub fn takes(&self, said: &str) -> bool {
        let number = |text: &str| numbers(text).map(|(numbers, _)| numbers);
        // A release of upstream's own, or what a vendor has made of it, which `skew` allows and the others do not.
        let found = words(said).find_map(numbers);
        match self {
            Self::Only(version) => words(said).any(|word| bare(word) == bare(version)),
            Self::Range(oldest, newest) => found.is_some_and(|(found, rest)| {
                rest.is_empty() && number(oldest) <= Some(found) && Some(found) <= number(newest)
            }),
            Self::Skew(version, skew) => found
                .zip(number(version))
                .is_some_and(|((found, _), wanted)| found[0] == wanted[0] && found[1].abs_diff(wanted[1]) <= *skew),
        }
    }
}

impl std::fmt::Display for Fits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Only(version) => f.write_str(version),
            Self::Range(oldest, newest) => write!(f, "{oldest} to {newest}"),
            Self::Skew(version, 1) => write!(f, "{version}, or one minor version from it"),
            Self::Skew(version, skew) => write!(f, "{version}, or up to {skew} minor versions from it"),
        }
    }
}

/// The host of a URL. Nothing else of it is told: there may be a password in it.
pub(super) fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or(rest);
    authority.rsplit('@').next().unwrap_or(authority)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || matches!(c, ',' | '"')).filter(|word| !word.is_empty())
}

fn bare(version: &str) -> &str {
    version.strip_prefix('v').unwrap_or(version)
}

/// `v1.36.3-eks-1` in its three numbers and what comes after them.
fn numbers(word: &str) -> Option<([u32; 3], &str)> {
    let (core, rest) = bare(word).split_at(bare(word).find(['-', '+']).unwrap_or(bare(word).len()));
    let parts: Vec<u32> = core.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
    Some((parts.try_into().ok()?, rest))
}

#[cfg(test)]
mod tests;
