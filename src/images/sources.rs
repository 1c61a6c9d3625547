//! Where tools and images would come from on this machine. Nothing is built, pulled or started for it but programs that tell their version.

use std::path::PathBuf;

use futures::future::join_all;

use super::digests::Digests;
use super::go::Wrapper;
use super::prepare::is_prepared;
use super::stack::{FileRef, Stack, Tool};
use super::workshop::Workshop;
use super::{Choice, ImagesError, debian, resolve, tools};
use crate::exec::Events;
use crate::plan::StepId;
use crate::scenario::{ImageSettings, Versions};
use crate::sys::cache::{Cache, on_path};
use crate::sys::docker::Engine;
use crate::sys::http::Http;
use crate::sys::process::Process;

/// Where a tool comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolPlace {
    /// It is here, on PATH or built before.
    Here(PathBuf),
    /// It will be built the first time that it is needed.
    ToBuild,
}

/// One program that lab runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolFacts {
    /// Its name.
    pub name: &'static str,
    /// The version that the stack pins.
    pub version: String,
    /// Where it comes from.
    pub place: ToolPlace,
    /// The first of its name on PATH, if that is another version.
    pub passed_over: Option<PathBuf>,
}

/// Something that was asked whether it answers: its name, and why it does not.
pub type Asked = (String, Result<(), String>);

/// Where images come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceFacts {
    /// The node image that is prepared already, with its source.
    pub prepared: Option<String>,
    /// Registries of the upstream images, or the mirror that the scenario names.
    pub registries: Vec<Asked>,
    /// Whether those are a mirror, which alone counts then.
    pub mirrored: bool,
    /// Programs that build images from packages, and lacks of this machine that forbid it.
    pub builders: Vec<Asked>,
    /// Where packages are downloaded from.
    pub packages: Vec<Asked>,
}

/// The tools, kubectl last: it is for kustomizations only.
///
/// # Errors
/// The cache cannot be used.
pub async fn tool_facts(settings: &ImageSettings, engine: Option<&Engine>) -> Result<Vec<ToolFacts>, ImagesError> {
    let stack = Stack::embedded()?;
    let (digests, cache, none) = (Digests::of(&stack), Cache::open()?, Engine::none()?);
    let (events, _) = Events::channel();
    let progress = events.progress(&StepId("tools".to_owned()));
    let shop = Workshop::new(&stack, &digests, &cache, &none, &progress);
    let prepared = match engine {
        Some(engine) => is_prepared(Choice::Auto, settings, Versions::default(), engine).await,
        None => None,
    };
    let mut all = Vec::new();
    for (name, tool, known) in [
        ("kind", &stack.tools.kind, prepared.as_ref().map(|p| p.kind.clone())),
        ("istioctl", &stack.tools.istioctl, prepared.as_ref().map(|p| p.istioctl.clone())),
        ("kubectl", &stack.tools.kubectl, None),
    ] {
        let here = match known {
            Some(path) => Some(path),
            None => match tools::on_this_machine(&shop, name, tool).await {
                Some(path) => Some(path),
                None => built(&shop, tool).await,
            },
        };
        let first = on_path(name).into_iter().next().filter(|first| here.as_ref() != Some(first));
        all.push(ToolFacts {
            name,
            version: tool.version.clone(),
            place: here.map_or(ToolPlace::ToBuild, ToolPlace::Here),
            passed_over: first,
        });
    }
    Ok(all)
}

/// The tool that was built here before.
async fn built(shop: &Workshop<'_>, tool: &Tool) -> Option<PathBuf> {
    let FileRef::Go { module, binary } = &tool.binary else { return None };
    let wrapper = Wrapper::open(shop, module).await.ok()?;
    let (name, digest) = wrapper.place(shop, binary);
    Some(shop.cache.artifact(&name, digest.short())).filter(|artifact| crate::sys::fs::exists(artifact))
}

/// The sources of images, all asked side by side.
///
/// # Errors
/// The stack is not valid: a mistake in lab.
pub async fn sources(settings: &ImageSettings, engine: Option<&Engine>) -> Result<SourceFacts, ImagesError> {
    let stack = Stack::embedded()?;
    let prepared = async {
        let prepared = is_prepared(Choice::Auto, settings, Versions::default(), engine?).await?;
        Some(format!("{} ({})", prepared.node_image, prepared.describe()))
    };
    let (prepared, registries, (builders, packages)) =
        tokio::join!(prepared, registries(&stack, settings), packages(&stack));
    Ok(SourceFacts { prepared, registries, mirrored: settings.mirror.is_some(), builders, packages })
}

async fn registries(stack: &Stack, settings: &ImageSettings) -> Vec<Asked> {
    let Some(mirror) = &settings.mirror else { return resolve::lacking(&resolve::upstream(stack).await) };
    let answer = match Http::new() {
        Ok(http) => http.registry_answers(&format!("http://{mirror}")).await.map_err(|e| e.to_string()),
        Err(e) => Err(e.to_string()),
    };
    vec![(mirror.clone(), answer)]
}

/// The programs that build images from packages, and what of this machine forbids it. Nothing is asked of the network.
pub(super) async fn builders() -> Vec<Asked> {
    let pip = Process::new("python3").args(["-m", "pip", "--version"]).output().await;
    let has = |program: &str| {
        if on_path(program).is_empty() { Err(format!("{program} is not on PATH")) } else { Ok(()) }
    };
    let x86 = std::env::consts::ARCH == "x86_64";
    vec![
        ("Go".to_owned(), has("go")),
        ("Python with pip".to_owned(), pip.map(|_| ()).map_err(|_| "python3 -m pip does not run".to_owned())),
        ("mmdebstrap".to_owned(), has("mmdebstrap")),
        ("x86_64".to_owned(), x86.then_some(()).ok_or_else(|| "the Envoy wheel is for x86_64 only".to_owned())),
    ]
}

/// The programs that build, and where they download from.
async fn packages(stack: &Stack) -> (Vec<Asked>, Vec<Asked>) {
    let go = Process::new("go").args(["env", "GOPROXY"]).output().await;
    let builders = builders().await;
    let index = async {
        if let Ok(url) = std::env::var("PIP_INDEX_URL") {
            url
        } else {
            let config = Process::new("python3").args(["-m", "pip", "config", "get", "global.index-url"]);
            config.output().await.map_or_else(|_| PYPI.to_owned(), |url| url.trim().to_owned())
        }
    };
    let index = index.await;
    let proxy = go.ok().and_then(|list| first_proxy(&list));
    let wheel = stack.wheels.values().next().map(|w| w.package.as_str()).unwrap_or_default();
    let suite = stack.debian.values().next().map(|d| d.suite.as_str()).unwrap_or_default();
    let mirror = debian::mirror(suite);
    let asked = [
        proxy.map(|proxy| ("Go modules", format!("{proxy}/{PROBED_MODULE}/@v/list"))),
        Some(("Python packages", format!("{}/{wheel}/", index.trim_end_matches('/')))),
        Some(("Debian packages", format!("{}/dists/{suite}/Release", mirror.trim_end_matches('/')))),
    ];
    let http = Http::new();
    let ask = |(what, url): (&str, String)| {
        let (what, http) = (what.to_owned(), &http);
        async move {
            let answer = match http {
                Ok(http) => http.serves(&url).await.map_err(|e| format!("{}: {e}", host_of(&url))),
                Err(e) => Err(e.to_string()),
            };
            (what, answer)
        }
    };
    (builders, join_all(asked.into_iter().flatten().map(ask)).await)
}

/// The index that pip asks when nothing else is configured.
const PYPI: &str = "https://pypi.org/simple";

/// A small module that every proxy which serves the stack has.
const PROBED_MODULE: &str = "sigs.k8s.io/kind";

/// The first proxy of Go's list; none where modules come straight from their repositories, or not at all.
fn first_proxy(list: &str) -> Option<String> {
    let first = list.trim().split([',', '|']).next()?;
    first.starts_with("http").then(|| first.trim_end_matches('/').to_owned())
}

/// The host of a URL. Nothing else of it is told: there may be a password in it.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or(rest);
    authority.rsplit('@').next().unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_proxy_is_asked() {
        assert_eq!(first_proxy("https://proxy.example/,direct\n").as_deref(), Some("https://proxy.example"));
        assert_eq!(first_proxy("https://a|https://b").as_deref(), Some("https://a"));
        assert_eq!(first_proxy("direct"), None);
        assert_eq!(first_proxy("off"), None);
    }

    #[test]
    fn a_password_in_a_url_is_not_told() {
        assert_eq!(host_of("https://me:secret@index.example/simple"), "index.example");
        assert_eq!(host_of("http://deb.example:3142/debian"), "deb.example:3142");
    }
}
