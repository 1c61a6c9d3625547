//! `lab mirror`: calls to a service of a lab reach a process of this machine, and its calls go out through the mesh.

use std::fmt::Write as _;
use std::time::Instant;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{CliError, args, output, pause, told};
use crate::commands::mirror::{Ends, MirrorEvent, MirrorHappened, Tell, carry, listen};
use crate::context::{LabContext, StepError};
use crate::mirror::{self, Wanted};
use crate::plan::Lab;
use crate::sys::docker::Engine;
use crate::sys::kube::Listener;
use crate::sys::state::{Lock, State};
use crate::sys::{detached, relay};

pub(super) async fn run(args: args::Mirror, interrupt: &CancellationToken) -> Result<(), CliError> {
    let began = Instant::now();
    let prepared = tokio::select! {
        prepared = Box::pin(prepare(&args)) => prepared?,
        () = interrupt.cancelled() => return Err(output::nothing_begun()),
    };
    let (events, happened) = mpsc::unbounded_channel();
    let unread = CancellationToken::new();
    let printer = tokio::spawn(told::print(happened, args.output, text, unread.clone()));
    let asked = async {
        tokio::select! {
            () = interrupt.cancelled() => {}
            () = unread.cancelled() => {}
        }
    };
    let ended = Box::pin(stand(prepared, &args, Tell::new(events, began), asked)).await;
    // All that was told is printed, or nobody reads it.
    let outcome = printer.await.map_err(|e| CliError::write("what happened")(e.into()))?;
    ended.and(outcome)
}

/// A lab that nobody else changes meanwhile, and this machine's ends of the mirrors that are to be in it.
type Prepared = (LabContext, Lock, Vec<Ends>);

/// Looks whether it can be, and changes nothing.
async fn prepare(args: &args::Mirror) -> Result<Prepared, CliError> {
    let lock = output::lock_existing(&args.name).await?;
    let ctx = output::open(&args.name).await?;
    if !ctx.lab.has_mesh() {
        return Err(CliError::Usage {
            problem: format!("lab {} has no mesh, and a mirror is a pod with a sidecar", args.name),
            remedy: "leave `mesh: none` out of its scenario".to_owned(),
        });
    }
    pause::refuse_paused(&ctx).await?;
    let wanted = Wanted {
        service: args.service.name.clone(),
        namespace: args.service.namespace.clone(),
        port: args.port,
        clusters: output::app_clusters(&ctx.lab, &args.clusters)?,
        in_each: !args.clusters.is_empty(),
        beside: args.beside,
    };
    let found = mirror::find(&ctx, &wanted).await?;
    let found = found.map_err(|e| CliError::Usage { problem: e.problem, remedy: e.remedy })?;
    let ends = listen(&ctx, found).await?;
    Ok((ctx, lock, ends))
}

/// Is the mirror until it is asked to end, its time is over, or somebody else has ended it. Then all is as before.
async fn stand(
    (ctx, lock, ends): Prepared,
    args: &args::Mirror,
    tell: Tell,
    asked: impl Future<Output = ()>,
) -> Result<(), CliError> {
    let mut asked = std::pin::pin!(asked);
    if !relay::listens(args.to).await {
        eprintln!(
            "warning: nothing listens on port {} of this machine yet, and calls fail until something does",
            args.to
        );
    }
    let id = mirror::new_id();
    let found: Vec<_> = ends.iter().map(|ends| (ends.found.clone(), ends.host.clone())).collect();
    // They take connections before the pods are there that make them, and until those have gone.
    let (_carried, stands) = carry(&ctx, ends, args.to, &tell).await?;
    let begun = tokio::select! {
        begun = Box::pin(mirror::begin(&ctx, &id, &found, args.to, &OnStandardError)) => begun?,
        () = &mut asked => {
            mirror::end(&ctx, &id).await?;
            return Err(CliError::Interrupted { remedy: "all is as it was".to_owned() });
        }
    };
    drop(lock);
    for event in stands {
        tell.send(event);
    }
    let time = async {
        match args.lasts {
            Some(lasts) => tokio::time::sleep(lasts).await,
            None => std::future::pending().await,
        }
    };
    let is_ours = tokio::select! {
        () = mirror::until_gone(&ctx.state, &id) => false,
        () = &mut asked => true,
        () = time => true,
    };
    if is_ours {
        mirror::end(&ctx, &id).await?;
    } else {
        eprintln!("the mirror was ended: `lab heal`, `lab up` and `lab down` do that");
    }
    drop(begun);
    tell.ended();
    Ok(())
}

/// Waits are told where they disturb no data.
struct OnStandardError;

impl Listener for OnStandardError {
    fn say(&self, message: String) {
        eprintln!("{message}");
    }
}

/// An event as lines for people.
fn text(event: &MirrorEvent) -> String {
    let word = |option: &Option<String>| option.clone().unwrap_or_default();
    let cluster = word(&event.cluster);
    let number = event.connection.unwrap_or_default();
    let mut text = format!("{:6.1}s  ", event.after);
    // Writing to a string cannot fail.
    let _ = match event.event {
        MirrorHappened::Mirrored => {
            let stopped = match &event.stopped[..] {
                [] => String::new(),
                all => format!(", instead of {}", all.join(", ")),
            };
            let to = event.to.unwrap_or_default();
            let _ = writeln!(
                text,
                "mirrored calls to {} in {cluster} reach port {to} of this machine{stopped}",
                word(&event.service)
            );
            writeln!(text, "         out      calls go out from {cluster} by: export http_proxy={}", word(&event.proxy))
        }
        MirrorHappened::In => writeln!(text, "in       connection {number}, from {cluster}"),
        MirrorHappened::Out => writeln!(text, "out      connection {number}, into {cluster}"),
        MirrorHappened::Failed => writeln!(text, "FAILED   a connection of {cluster}: {}", word(&event.problem)),
        MirrorHappened::Ended => {
            let count = |of: Option<u64>| of.unwrap_or_default();
            let (inward, outward) = (count(event.connections_in), count(event.connections_out));
            writeln!(
                text,
                "ended    {inward} connections in, {outward} out, {} failed",
                count(event.connections_failed)
            )
        }
    };
    text
}

/// Is the process that ends a mirror once the one that carries it is gone.
pub(super) async fn keep(args: args::KeepFault) -> Result<(), CliError> {
    let state = State::open()?.existing(&args.name)?;
    detached::settle();
    let open = async || {
        let lab: Lab = state.load()?;
        Ok::<_, StepError>(LabContext::new(lab, Engine::connect().await?, state.clone()))
    };
    Ok(mirror::watch(open, &state, &args.id).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_read_as_lines() {
        let of = |event: MirrorEvent| text(&MirrorEvent { after: 12.34, cluster: Some("c1".to_owned()), ..event });
        let mirrored = MirrorEvent {
            service: Some("web.shop:80".to_owned()),
            to: Some(8080),
            proxy: Some("http://127.0.0.1:4000".to_owned()),
            stopped: vec!["web".to_owned()],
            ..MirrorEvent::of(MirrorHappened::Mirrored)
        };
        assert_eq!(
            of(mirrored),
            "  12.3s  mirrored calls to web.shop:80 in c1 reach port 8080 of this machine, instead of web\n         out      calls go out from c1 by: export http_proxy=http://127.0.0.1:4000\n"
        );
        let connection = MirrorEvent { connection: Some(3), ..MirrorEvent::of(MirrorHappened::In) };
        assert_eq!(of(connection), "  12.3s  in       connection 3, from c1\n");
        let ended = MirrorEvent { connections_in: Some(3), ..MirrorEvent::of(MirrorHappened::Ended) };
        assert_eq!(of(ended), "  12.3s  ended    3 connections in, 0 out, 0 failed\n");
    }
}
