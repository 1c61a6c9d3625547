//! `rotate`: what clusters trust each other by is replaced while every cluster calls every other.

use futures::future::try_join_all;
use tokio_util::sync::CancellationToken;

use super::restart::{self, Apps};
use super::under_traffic::Change;
use super::up::{Stopped, Up};
use crate::context::StepError;
use crate::exec::Progress;
use crate::plan::render;
use crate::scenario::ServiceUrl;
use crate::steps::reissue::{self, RootStage};
use crate::sys::kube::Manifest;
use crate::verdict::Passage;

/// What is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Subject {
    /// The tokens by which control planes read other clusters, and the remote secrets with them
    RemoteSecret,
    /// The intermediate certificate of each cluster, by which its istiod signs
    Intermediate,
    /// The root certificate: first both are trusted, then the new one signs, then the old one is forgotten
    Root,
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::RemoteSecret => "remote secrets",
            Self::Intermediate => "intermediate certificates",
            Self::Root => "root certificate",
        })
    }
}

/// Replaces it. One that was interrupted goes on.
///
/// # Errors
/// See [`Stopped`].
pub async fn run(
    up: &Up,
    subject: Subject,
    service: &ServiceUrl,
    progress: &Progress,
    interrupt: &CancellationToken,
) -> Result<Passage, Stopped> {
    let work = async {
        let mut change = Change::begin(up, service, progress, interrupt).await?;
        match subject {
            Subject::RemoteSecret => remote_secrets(&mut change).await?,
            Subject::Intermediate => {
                issue(&mut change, "new intermediates", || reissue::intermediates(&up.ctx)).await?;
            }
            Subject::Root => root(&mut change).await?,
        }
        Ok(change.end(&format!("{subject} replaced")).await)
    };
    tokio::select! {
        passage = Box::pin(work) => passage,
        () = interrupt.cancelled() => Err(Stopped::Interrupted),
    }
}

/// The tokens first, which are gone at once; then what holds them.
async fn remote_secrets(change: &mut Change<'_>) -> Result<(), Stopped> {
    let (up, interrupt) = (change.up, change.interrupt);
    for cluster in up.ctx.lab.istio_clusters() {
        let Some(account) = render::lent_account(&up.ctx.lab, cluster) else { continue };
        change
            .phase(format!("new token of {}", cluster.name), false, async {
                let client = up.ctx.client(&cluster.name).await?;
                for object in Manifest::from_values([render::account_token(account)])?.objects {
                    client.delete_until_gone(&object, up.ctx.patience).await?;
                }
                up.build(interrupt).await
            })
            .await?;
    }
    change.hang_up().await;
    change.until_well().await
}

/// One that was interrupted begins the stage anew in which it was: who has restarted meanwhile is not known, and nobody may sign by what others do not trust
/// yet.
async fn root(change: &mut Change<'_>) -> Result<(), Stopped> {
    let ctx = &change.up.ctx;
    let begun = reissue::stage(ctx)?;
    if begun != RootStage::Old {
        change.progress.say("an interrupted change of the root goes on");
    }
    if begun != RootStage::Signing {
        let trust = || if begun == RootStage::Both { Ok(()) } else { reissue::trust_both(ctx) };
        issue(change, "both roots trusted", trust).await?;
    }
    let sign = || if begun == RootStage::Signing { Ok(()) } else { reissue::sign_by_next(ctx) };
    issue(change, "the new root signs", sign).await?;
    issue(change, "the old root forgotten", || reissue::forget_old(ctx)).await
}

/// Changes certificates in the lab's state, and brings them to everything that has one: control planes, gateways, apps, and the callers last, who call no
/// more by then.
async fn issue(
    change: &mut Change<'_>,
    what: &str,
    reissue: impl FnOnce() -> Result<(), StepError>,
) -> Result<(), Stopped> {
    let (up, interrupt, progress) = (change.up, change.interrupt, change.progress);
    change.call().await?;
    change
        .phase(format!("{what}: control planes"), false, async {
            reissue()?;
            up.build(interrupt).await?;
            let hosts = up.ctx.lab.istio_clusters().filter(|c| c.runs_istiod());
            try_join_all(hosts.map(|c| restart::istiod(up, c, progress))).await.map(|_| ())
        })
        .await?;
    for cluster in up.ctx.lab.data_clusters() {
        change
            .phase(format!("{what}: gateways and apps of {}", cluster.name), true, async {
                restart::gateways(up, cluster, progress).await?;
                restart::apps(up, cluster, Apps::AllButCallers, progress).await
            })
            .await?;
    }
    change.hang_up().await;
    change
        .phase(format!("{what}: callers"), true, async {
            let all = up.ctx.lab.data_clusters().map(|cluster| restart::apps(up, cluster, Apps::Callers, progress));
            try_join_all(all).await.map(|_| ())
        })
        .await?;
    change.until_well().await
}
