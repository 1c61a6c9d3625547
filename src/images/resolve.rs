//! Which source serves: what the user says, else what this machine has, else what it reaches.

use std::collections::BTreeSet;

use futures::future::join_all;

use super::reference::Reference;
use super::stack::Stack;
use super::{ImagesError, Source, sources};
use crate::scenario::{Matrix, Minor, Product, Versions};
use crate::sys::http::{Http, Unreachable};

/// What the user says about the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Choice {
    /// The registry source where registries have every image, else the packages source.
    #[default]
    Auto,
    /// Upstream images from their registries.
    Registry,
    /// Images built on this machine.
    Packages,
}

impl Choice {
    /// The sources to look for among what this machine has, the preferred one first.
    pub(super) fn candidates(self) -> &'static [Source] {
        match self {
            Self::Auto => &[Source::Registry, Source::Packages],
            Self::Registry => &[Source::Registry],
            Self::Packages => &[Source::Packages],
        }
    }

    /// The choice for a lab that has its images from `source`, which it keeps for life: its nodes hold them, and Istio's settings go with them. None
    /// if the user says otherwise.
    #[must_use]
    pub fn kept(self, source: Source) -> Option<Self> {
        let kept = match source {
            Source::Registry => Self::Registry,
            Source::Packages => Self::Packages,
        };
        (self == Self::Auto || self == kept).then_some(kept)
    }
}

/// What is left of a choice where clusters run these versions: not every source has every version.
///
/// # Errors
/// The chosen source lacks one.
pub fn having(choice: Choice, versions: impl IntoIterator<Item = Versions>) -> Result<Choice, ImagesError> {
    let versions: BTreeSet<Versions> = versions.into_iter().collect();
    let matrix = Matrix::embedded();
    let lacking = |source: Source| {
        let has = |(product, minor): &(Product, Minor)| {
            let available = matrix.find(*product, *minor);
            let version = available
                .and_then(|a| if source == Source::Packages { a.packages.as_ref() } else { a.registry.as_ref() });
            version.is_some()
        };
        let lacking = versions.iter().flat_map(|v| v.asked()).find(|asked| !has(asked));
        lacking.map(|(product, minor)| ImagesError::NoVersion {
            source_name: source.to_string(),
            version: format!("{product} {minor}"),
            there: matrix.told(product),
        })
    };
    match (choice, lacking(Source::Packages), lacking(Source::Registry)) {
        (Choice::Auto, None, Some(_)) => Ok(Choice::Packages),
        (Choice::Auto, None, None) | (Choice::Packages, None, _) | (Choice::Registry, _, None) => Ok(choice),
        (Choice::Auto, Some(_), None) => Ok(Choice::Registry),
        (Choice::Auto | Choice::Packages, Some(lack), _) | (Choice::Registry, _, Some(lack)) => Err(lack),
    }
}

/// The source that serves, with the reason for the user.
pub(super) async fn resolve(choice: Choice, stack: &Stack) -> Result<(Source, String), ImagesError> {
    match choice {
        Choice::Registry => Ok((Source::Registry, "as you chose".to_owned())),
        Choice::Packages => Ok((Source::Packages, "as you chose".to_owned())),
        Choice::Auto => {
            let (answers, builders) = tokio::join!(upstream(stack), sources::builders());
            choose(&answers, &builders)
        }
    }
}

/// What a registry said when it was asked for an image.
pub(super) type Answer = Result<bool, String>;

/// Asks upstream's registries for every image of the stack. That a registry answers does not mean that it has one.
pub(super) async fn upstream(stack: &Stack) -> Vec<(Reference, Answer)> {
    let references = stack.images.values().filter_map(|i| i.registry.as_deref()).map(Reference::parse);
    let http = Http::new();
    let ask = |reference: Reference| {
        let http = &http;
        async move {
            let wanted = reference.digest.as_deref().unwrap_or_else(|| reference.tag());
            let answer = match http {
                Ok(http) => http.has_manifest(&reference.registry_url(), &reference.path, wanted).await,
                Err(e) => return (reference.clone(), Err(e.to_string())),
            };
            (reference.clone(), answer.map_err(|e| e.to_string()))
        }
    };
    join_all(references.map(ask)).await
}

/// The digest that an upstream reference's tag has at its registry now; none where the registry does not have it.
///
/// # Errors
/// The registry does not answer.
pub async fn upstream_digest(reference: &str) -> Result<Option<String>, Unreachable> {
    let reference = Reference::parse(reference);
    Http::new()?.manifest_digest(&reference.registry_url(), &reference.path, reference.tag()).await
}

/// What is wrong with the registries: by host, its images that are missing or why it does not answer.
pub(super) fn lacking(answers: &[(Reference, Answer)]) -> Vec<(String, Result<(), String>)> {
    let mut hosts: Vec<&str> = answers.iter().map(|(reference, _)| reference.host.as_str()).collect();
    hosts.sort_unstable();
    hosts.dedup();
    let of_host = |host: &str| {
        let own = || answers.iter().filter(|(reference, _)| reference.host == host);
        if let Some(reason) = own().find_map(|(_, answer)| answer.as_ref().err()) {
            return Err(reason.clone());
        }
        let missing: Vec<String> =
            own().filter(|(_, answer)| *answer == Ok(false)).map(|(r, _)| format!("{}:{}", r.path, r.tag())).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("it has no {}", missing.join(", "))) }
    };
    hosts.into_iter().map(|host| (host.to_owned(), of_host(host))).collect()
}

/// Only when every image is there can the registry source serve; else the packages source does, where this machine can build.
fn choose(answers: &[(Reference, Answer)], builders: &[sources::Asked]) -> Result<(Source, String), ImagesError> {
    let hosts = lacking(answers);
    let failing = |asked: &[sources::Asked]| -> Vec<String> {
        asked.iter().filter_map(|(name, answer)| Some(format!("{name}: {}", answer.as_ref().err()?))).collect()
    };
    let wrong = failing(&hosts);
    let why = match &wrong[..] {
        [] => return Ok((Source::Registry, "the registries have every image".to_owned())),
        [_, ..] if answers.iter().all(|(_, answer)| answer.is_err()) => "no registry answers".to_owned(),
        some => some.join("; "),
    };
    let lacks = failing(builders);
    if lacks.is_empty() {
        return Ok((Source::Packages, why));
    }
    Err(ImagesError::NoSource { registries: wrong.join("; "), builders: lacks.join("; ") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_choice_needs_no_network() {
        let stack = Stack::embedded().expect("stack.yaml is valid");
        let (source, _) = resolve(Choice::Packages, &stack).await.expect("resolves");
        assert_eq!(source, Source::Packages);
        let (source, why) = resolve(Choice::Registry, &stack).await.expect("resolves");
        assert_eq!((source, why.as_str()), (Source::Registry, "as you chose"));
    }

    #[test]
    fn a_version_that_one_source_has_decides_for_it() {
        let of = |istio: &str| Versions { kubernetes: None, istio: istio.parse().ok() };
        assert_eq!(having(Choice::Auto, [of("")]).expect("both"), Choice::Auto);
        assert_eq!(having(Choice::Auto, [of("1.31")]).expect("both"), Choice::Auto);
        assert_eq!(having(Choice::Auto, [of("1.31"), of("1.32")]).expect("packages"), Choice::Packages);
        let error = having(Choice::Registry, [of("1.32")]).expect_err("lacks it").to_string();
        assert!(error.contains("registry") && error.contains("Istio 1.32"), "{error}");
    }

    fn answers(pilot: Result<bool, &str>, controller: Result<bool, &str>) -> Vec<(Reference, Answer)> {
        let answer = |image, answer: Result<bool, &str>| (Reference::parse(image), answer.map_err(str::to_owned));
        vec![answer("docker.io/istio/pilot:1.31.1", pilot), answer("quay.io/metallb/controller:v1", controller)]
    }

    #[test]
    fn a_lab_keeps_its_source() {
        for (choice, source, kept) in [
            (Choice::Auto, Source::Packages, Some(Choice::Packages)),
            (Choice::Auto, Source::Registry, Some(Choice::Registry)),
            (Choice::Registry, Source::Registry, Some(Choice::Registry)),
            (Choice::Registry, Source::Packages, None),
            (Choice::Packages, Source::Registry, None),
        ] {
            assert_eq!(choice.kept(source), kept, "{choice:?} of a lab of {source}");
        }
    }

    #[test]
    fn packages_serve_when_an_image_is_missing() {
        let can = [("Go".to_owned(), Ok(()))];
        let chosen = |answers: &[(Reference, Answer)]| choose(answers, &can).expect("a source");
        assert_eq!(chosen(&answers(Ok(true), Ok(true))).0, Source::Registry);
        let (source, why) = chosen(&answers(Ok(false), Ok(true)));
        assert_eq!((source, why.as_str()), (Source::Packages, "docker.io: it has no istio/pilot:1.31.1"));
        let (source, why) = chosen(&answers(Ok(false), Err("timed out")));
        assert_eq!(source, Source::Packages);
        assert_eq!(why, "docker.io: it has no istio/pilot:1.31.1; quay.io: timed out");
        let (source, why) = chosen(&answers(Err("no route"), Err("timed out")));
        assert_eq!((source, why.as_str()), (Source::Packages, "no registry answers"));
    }

    #[test]
    fn where_nothing_can_be_built_the_missing_image_is_named() {
        let cannot = [("Go".to_owned(), Err("go is not on PATH".to_owned())), ("x86_64".to_owned(), Ok(()))];
        assert_eq!(choose(&answers(Ok(true), Ok(true)), &cannot).expect("a source").0, Source::Registry);
        let error = choose(&answers(Ok(false), Ok(true)), &cannot).expect_err("no source");
        assert!(error.lacks_something());
        let text = error.to_string();
        assert!(text.contains("docker.io: it has no istio/pilot:1.31.1"), "{text}");
        assert!(text.contains("Go: go is not on PATH") && !text.contains("x86_64"), "{text}");
    }
}
