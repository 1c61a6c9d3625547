//! Which source serves: what the user says, else what this machine has, else what it reaches.

use std::collections::BTreeSet;

use futures::future::join_all;

use super::reference::Reference;
use super::stack::Stack;
use super::{ImagesError, Source};
use crate::sys::http::Http;

/// What the user says about the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Choice {
    /// The registry source where registries answer, else the packages source.
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
}

/// The source that serves, with the reason for the user.
pub(super) async fn resolve(choice: Choice, stack: &Stack) -> Result<(Source, String), ImagesError> {
    match choice {
        Choice::Registry => Ok((Source::Registry, "as you chose".to_owned())),
        Choice::Packages => Ok((Source::Packages, "as you chose".to_owned())),
        Choice::Auto => Ok(probe(stack).await),
    }
}

/// The registries that the stack refers to: host, and where it is asked.
pub(super) fn registries(stack: &Stack) -> BTreeSet<(String, String)> {
    let references = stack.images.values().filter_map(|i| i.registry.as_deref()).map(Reference::parse);
    references.map(|r| (r.host.clone(), r.registry_url())).collect()
}

/// Asks every registry that the stack refers to. Only when all answer can the registry source serve.
async fn probe(stack: &Stack) -> (Source, String) {
    let registries = registries(stack);
    let http = match Http::new() {
        Ok(http) => http,
        Err(e) => return (Source::Packages, format!("no registry can be asked: {e}")),
    };
    let asked = join_all(registries.iter().map(|(_, url)| http.registry_answers(url))).await;
    let silent: Vec<&str> = registries
        .iter()
        .zip(&asked)
        .filter(|(_, answer)| answer.is_err())
        .map(|((host, _), _)| host.as_str())
        .collect();
    if silent.is_empty() {
        (Source::Registry, "all registries answer".to_owned())
    } else if silent.len() == registries.len() {
        (Source::Packages, "no registry answers".to_owned())
    } else {
        (Source::Packages, format!("no answer from {}", silent.join(", ")))
    }
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
}
