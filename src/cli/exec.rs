//! `lab exec`.

use std::io::IsTerminal;

use super::{CliError, args, output, pause};
use crate::commands::attach;
use crate::context::LabContext;
use crate::plan::Lab;
use crate::sys::state::State;

pub(super) async fn run(args: args::Exec) -> Result<(), CliError> {
    let state = State::open()?.existing(&args.name)?;
    let lab: Lab = state.load()?;
    let cluster = args.cluster.as_str();
    if lab.cluster(cluster).is_none() {
        return Err(output::no_cluster(&lab, cluster));
    }
    let ctx = LabContext::open(lab, state).await?;
    pause::refuse_paused(&ctx).await?;
    let (namespace, app) = (&args.namespace, &args.app);
    let among = |names: Vec<String>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    match attach::find(&ctx, cluster, namespace, app, args.container.as_deref()).await? {
        attach::Found::Container { client, pod, container } => {
            // What is typed is for the command only if that is said: a shell's own input must not vanish in it.
            let input = args.stdin || !std::io::stdin().is_terminal();
            match client.attach(namespace, &pod, &container, &args.command, input).await {
                Ok(0) => Ok(()),
                Ok(code) => Err(CliError::Command { code }),
                Err(error) => Err(CliError::Before(error.into())),
            }
        }
        attach::Found::NoApp(apps) => Err(CliError::Usage {
            problem: format!("no pod with the label app={app} runs in namespace {namespace} of cluster {cluster}"),
            remedy: format!("apps that run there: {}; --namespace names another namespace", among(apps)),
        }),
        attach::Found::NoContainer(containers) => Err(CliError::Usage {
            problem: format!("the pod of {app} has no container {}", args.container.unwrap_or_default()),
            remedy: format!("its containers: {}", among(containers)),
        }),
    }
}
