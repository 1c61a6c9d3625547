//! `stack/stack.yaml`, typed: every version, module, package, wheel and image that a lab is made of.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::Source;
use super::error::ImagesError;
use super::gateway_api::GatewayApi;
use super::reference::Reference;
use super::tree::Tree;
use crate::scenario::{Matrix, Product, Versions};

/// Key of the node image among the images.
pub const NODE: &str = "node";
/// Key of istiod's image.
pub(super) const PILOT: &str = "istio-pilot";

/// The pinned stack.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Stack {
    /// Version of Kubernetes.
    pub kubernetes: String,
    /// Programs that lab runs.
    pub tools: Tools,
    /// Files that upstream publishes, by the program or the entry of `module_files` that they are.
    pub releases: BTreeMap<String, Release>,
    /// Karmada's command-line tool.
    pub karmadactl: NodeTool,
    /// Go modules by the name of their wrapper.
    pub go: BTreeMap<String, GoModule>,
    /// Files read from Go modules.
    pub module_files: BTreeMap<String, ModuleFile>,
    /// The definitions of the Gateway API's kinds; each is among `module_files` and `releases` too.
    pub gateway_api: GatewayApi,
    /// Python wheels.
    pub wheels: BTreeMap<String, Wheel>,
    /// Root file systems.
    pub debian: BTreeMap<String, Debian>,
    /// Images by key.
    pub images: BTreeMap<String, Image>,
    /// Images by key that no node image holds.
    pub optional: BTreeMap<String, Image>,
    /// What Istio needs to know about a source.
    pub istio: Istio,
}

/// The programs that lab runs.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tools {
    /// kind.
    pub kind: Tool,
    /// istioctl.
    pub istioctl: Tool,
    /// kubectl, for kustomizations only.
    pub kubectl: Tool,
}

/// A program that lab runs.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tool {
    /// The version, a word of what the program prints about itself.
    pub version: String,
    /// The oldest version that will do on PATH, where others than the pinned one do.
    pub oldest: Option<String>,
    /// How many minor versions one on PATH may differ by.
    pub skew: Option<u32>,
    /// What it is built from.
    pub binary: FileRef,
    /// Arguments that make it print its version.
    pub version_args: Vec<String>,
}

/// A file that upstream publishes.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Release {
    /// Where it is, with `{arch}` for the architecture.
    pub url: String,
    /// What its name has to be continued with for the checksum that upstream publishes.
    pub sums: Option<String>,
    /// Path in it, if it is an archive.
    pub member: Option<String>,
    /// Digest by architecture, `any` for a file that suits all.
    pub sha256: BTreeMap<String, String>,
}

/// A program that lab runs in nodes.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeTool {
    /// Its version.
    pub version: String,
    /// What it is built from.
    pub binary: FileRef,
}

/// A Go module whose packages are built.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GoModule {
    /// The directory under `stack/go` with its `go.mod`, where that is not its own name.
    pub wrapper: Option<String>,
    /// Build tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Variables that the linker sets.
    #[serde(default)]
    pub stamps: BTreeMap<String, String>,
    /// Packages by the name of their binary.
    pub binaries: BTreeMap<String, String>,
}

/// A file in a Go module.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModuleFile {
    /// The entry of `go` whose `go.mod` says which version.
    pub wrapper: String,
    /// The module.
    pub module: String,
    /// Path in it.
    pub path: String,
}

/// A file in a Python wheel.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wheel {
    /// Name of the package.
    pub package: String,
    /// Its version.
    pub version: String,
    /// Digest of the wheel for Linux by architecture, as upstream's releases name it.
    pub sha256: BTreeMap<String, String>,
    /// Path in it.
    pub member: String,
}

impl Wheel {
    /// The digest of the wheel for this machine; none where there is no such wheel.
    #[must_use]
    pub fn sum(&self) -> Option<&str> {
        self.sha256.get(super::ways::arch()).map(String::as_str)
    }
}

/// A Debian root file system.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Debian {
    /// Code name of the release.
    pub suite: String,
    /// mmdebstrap's variant.
    pub variant: String,
    /// Packages besides those of the variant.
    pub packages: Vec<String>,
    /// Files that packages install and that are left out.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Directory under `stack/` whose files are laid over the packages' files.
    pub tree: Option<String>,
}

/// An image.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Image {
    /// Its reference inside a node.
    pub name: String,
    /// The upstream reference; none for an image that the upstream node image holds already, and for an optional one that is lab's own.
    pub registry: Option<String>,
    /// How it is built.
    pub packages: Build,
}

/// How an image is built.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Build {
    /// `scratch`, or an entry of `debian`.
    pub from: String,
    /// Where each file comes from.
    #[serde(default)]
    pub files: BTreeMap<String, FileRef>,
    /// Files of one line, which is given.
    #[serde(default)]
    pub texts: BTreeMap<String, String>,
    /// `UID:GID`.
    pub user: Option<String>,
    /// Working directory.
    pub workdir: Option<String>,
    /// Environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Entrypoint.
    #[serde(default)]
    pub entrypoint: Vec<String>,
    /// Command.
    #[serde(default)]
    pub cmd: Vec<String>,
    /// Signal that ends it.
    pub stop_signal: Option<String>,
}

/// What Istio needs to know about a source.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Istio {
    /// Helm values by source.
    pub values: IstioValues,
}

/// Helm values by source.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IstioValues {
    /// With package-built images.
    pub packages: Value,
    /// With upstream images.
    pub registry: Value,
}

/// Where a file of an image comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub enum FileRef {
    /// A binary built from a Go module.
    Go {
        /// Entry of `go`.
        module: String,
        /// Entry of its `binaries`.
        binary: String,
    },
    /// The member of a wheel.
    Wheel(String),
    /// A file of a Go module.
    Module(String),
}

impl TryFrom<String> for FileRef {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.split('/').collect::<Vec<_>>()[..] {
            ["go", module, binary] => Ok(Self::Go { module: module.to_owned(), binary: binary.to_owned() }),
            ["wheel", name] => Ok(Self::Wheel(name.to_owned())),
            ["module", name] => Ok(Self::Module(name.to_owned())),
            _ => Err(format!("`{text}` is none of go/MODULE/BINARY, wheel/NAME, module/NAME")),
        }
    }
}

impl std::fmt::Display for FileRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Go { module, binary } => write!(f, "{module}/{binary}"),
            Self::Wheel(name) | Self::Module(name) => f.write_str(name),
        }
    }
}

impl FileRef {
    /// Permissions in an image.
    #[must_use]
    pub fn mode(&self) -> u32 {
        match self {
            Self::Go { .. } | Self::Wheel(_) => 0o755,
            Self::Module(_) => 0o644,
        }
    }
}

/// Lays one value over another: mappings are merged, everything else is replaced.
fn lay_over(value: &mut Value, patch: &Value) {
    match (value, patch) {
        (Value::Object(fields), Value::Object(patch)) => {
            for (key, patch) in patch {
                lay_over(fields.entry(key).or_insert(Value::Null), patch);
            }
        }
        (value, patch) => value.clone_from(patch),
    }
}

impl Stack {
    /// The stack that this binary was built with.
    pub fn embedded() -> Result<Self, ImagesError> {
        Self::of(Versions::default())
    }

    /// The stack of these versions: what `stack/stack.yaml` says, with what `stack/versions.yaml` lays over it.
    pub fn of(versions: Versions) -> Result<Self, ImagesError> {
        let invalid = |e: String| ImagesError::Stack(e);
        let text = Tree::embedded().text("stack.yaml").unwrap_or_default();
        let mut all: Value = serde_yaml::from_str(text).map_err(|e| invalid(e.to_string()))?;
        let matrix = Matrix::embedded();
        for (product, minor) in versions.asked() {
            let version = matrix.find(product, minor);
            let version = version.ok_or_else(|| invalid(format!("versions.yaml has no {product} {minor}")))?;
            if version.patch.is_object() {
                lay_over(&mut all, &version.patch);
            }
        }
        let mut stack: Self = serde_json::from_value(all).map_err(|e| invalid(e.to_string()))?;
        stack.module_files.extend(stack.gateway_api.module_files());
        stack.releases.extend(stack.gateway_api.releases());
        stack.check()
    }

    /// The stacks of all versions that there are.
    pub fn all() -> Result<Vec<Self>, ImagesError> {
        let matrix = Matrix::embedded();
        let minors = |product| matrix.of(product).map(|(minor, _)| Some(minor)).chain([None]).collect::<Vec<_>>();
        let (all, istio) = (minors(Product::Kubernetes), minors(Product::Istio));
        let pairs = all.iter().flat_map(|kubernetes| istio.iter().map(|istio| (*kubernetes, *istio)));
        pairs.map(|(kubernetes, istio)| Self::of(Versions { kubernetes, istio })).collect()
    }

    /// Whether everything that is referred to is there. Later code relies on it.
    fn check(self) -> Result<Self, ImagesError> {
        let files = self.all_images().flat_map(|(_, i)| i.packages.files.values());
        let Tools { kind, istioctl, kubectl } = &self.tools;
        let broken = files
            .chain([kind, istioctl, kubectl].map(|tool| &tool.binary))
            .chain([&self.karmadactl.binary])
            .find(|file| match file {
                FileRef::Go { module, binary } => !self.go.get(module).is_some_and(|m| m.binaries.contains_key(binary)),
                FileRef::Wheel(name) => !self.wheels.contains_key(name),
                FileRef::Module(name) => !self.module_files.get(name).is_some_and(|f| self.go.contains_key(&f.wrapper)),
            })
            .map(|file| format!("{file} is not defined"));
        let from = |i: &&Image| i.packages.from != "scratch" && !self.debian.contains_key(&i.packages.from);
        let broken = broken
            .or_else(|| {
                let from = self.all_images().map(|(_, i)| i).find(from);
                from.map(|i| format!("{} is not defined", i.packages.from))
            })
            .or_else(|| (!self.images.contains_key(NODE)).then(|| "there is no node image".to_owned()));
        broken.map_or(Ok(self), |what| Err(ImagesError::Stack(what)))
    }

    /// The images that go into a node: all but the node's own.
    pub fn loaded(&self) -> impl Iterator<Item = (&String, &Image)> {
        self.images.iter().filter(|(key, _)| *key != NODE)
    }

    /// Every image that can be built, the optional ones included.
    pub fn all_images(&self) -> impl Iterator<Item = (&String, &Image)> {
        self.images.iter().chain(&self.optional)
    }

    /// The optional images that are lab's own: they are built whichever source serves.
    pub fn own(&self) -> impl Iterator<Item = (&String, &Image)> {
        self.optional.iter().filter(|(_, image)| image.registry.is_none())
    }

    /// The stack that a source serves: of what nobody asks for, the newest version that the source has.
    pub fn serving(source: Source, versions: Versions) -> Result<Self, ImagesError> {
        let matrix = Matrix::embedded();
        let sources = (source == Source::Packages, source == Source::Registry);
        let newest = |product| Some(matrix.effective(product, None, sources));
        let own = Versions { kubernetes: newest(Product::Kubernetes), istio: newest(Product::Istio) };
        Self::of(versions.or(own))
    }

    /// The upstream image of istiod.
    #[must_use]
    pub fn upstream_istiod(&self) -> Option<Reference> {
        self.images.get(PILOT)?.registry.as_deref().map(Reference::parse)
    }

    /// Directory under `stack/` with the `go.mod` of an entry of `go`.
    #[must_use]
    pub fn wrapper_dir(&self, module: &str) -> String {
        let wrapper = self.go.get(module).and_then(|m| m.wrapper.as_deref()).unwrap_or(module);
        let pinned = format!("go/{wrapper}");
        // lab's own apps are a module by themselves and need no wrapper.
        if Tree::embedded().contains(&pinned) { pinned } else { module.to_owned() }
    }
}

#[cfg(test)]
mod tests;
