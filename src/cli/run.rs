//! `lab run`: a command of this machine to which a lab's clusters are what they are to each other.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;

use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;

use super::kubeconfig::{self, Reached};
use super::{CliError, args, output, pause};
use crate::context::{LabContext, StepError};
use crate::images::{self, Choice};
use crate::plan::Lab;
use crate::sys::name_proxy::{Find, NameProxy, Onward, Place};
use crate::sys::{attended, proxy, words};

/// The kubeconfig with the names of nodes, in the lab's state.
const FILE: &str = "kubeconfig-by-name.yaml";
/// Port of the API server in a node.
const PORT: u16 = 6443;
/// What istioctl is called.
const ISTIOCTL: &str = "istioctl";

pub(super) async fn run(args: args::Run, interrupt: &CancellationToken) -> Result<(), CliError> {
    let ctx = output::open_own(&args.name).await?;
    pause::refuse_paused(&ctx).await?;
    let onward =
        proxy::for_https().map(|text| Onward::parse(&text)).transpose().map_err(|problem| CliError::Usage {
            problem,
            remedy: "set HTTPS_PROXY to a proxy with http://, or to nothing for this command".to_owned(),
        })?;
    let merged = kubeconfig::merged(&ctx.state, &ctx.lab, "", Reached::ByName)?;
    ctx.state.write(FILE, &merged)?;
    let names = NameProxy::bind().await.map_err(|e| StepError::Machine {
        problem: format!("cannot listen on 127.0.0.1: {}", words::io_error(&e)),
        remedy: "end programs that hold very many ports".to_owned(),
    })?;
    let mut variables: Vec<(&str, OsString)> =
        vec![("LAB", ctx.lab.name.clone().into()), ("KUBECONFIG", ctx.state.path(FILE).into())];
    variables.extend(path_with_istioctl(&ctx).await.map(|path| ("PATH", path)));
    variables.extend(
        proxy::by(&names.url(), &hosts_reached_directly(&ctx.lab))
            .into_iter()
            .map(|(name, value)| (name, value.into())),
    );
    let server = tokio::spawn(names.serve(find(ctx), onward));
    let ended = attended::run(&args.command, &variables, interrupt).await;
    server.abort();
    match ended {
        Ok(0) => Ok(()),
        Ok(code) => Err(CliError::Command { code }),
        Err(e) => Err(CliError::Usage {
            problem: format!(
                "cannot start {}: {}",
                args.command.first().map(|word| word.display().to_string()).unwrap_or_default(),
                words::io_error(&e)
            ),
            remedy: "name a program of this machine; `lab exec` runs one in a pod".to_owned(),
        }),
    }
}

/// All that is the lab's but for the names that only the proxy knows.
fn hosts_reached_directly(lab: &Lab) -> Vec<String> {
    let names: Vec<String> =
        lab.clusters.iter().flat_map(|c| c.nodes().chain(c.nodes().map(|node| c.node_name(&node)))).collect();
    lab.own_hosts().into_iter().filter(|host| !names.contains(host)).collect()
}

/// Where API servers are reached by name. It is asked each time, since a node that has started again may be elsewhere.
fn find(ctx: LabContext) -> Find {
    let nodes: BTreeMap<String, String> =
        ctx.lab.clusters.iter().map(|c| (c.node_name(&c.control_plane_node()), c.control_plane_node())).collect();
    let known = Arc::new((ctx, nodes));
    Arc::new(move |host, port| {
        let known = Arc::clone(&known);
        async move { place(&known.0, known.1.get(&host).filter(|_| port == PORT)).await }.boxed()
    })
}

async fn place(ctx: &LabContext, node: Option<&String>) -> Place {
    let Some(node) = node else { return Ok(None) };
    let published = ctx.engine.published(node, PORT).await.map_err(|e| e.to_string())?;
    published.map(Some).ok_or_else(|| format!("node {node} does not run"))
}

/// `PATH` with the istioctl that lab itself uses, for who has none.
async fn path_with_istioctl(ctx: &LabContext) -> Option<OsString> {
    let versions = ctx.lab.versions().into_iter().next_back().unwrap_or_default();
    let prepared = images::is_prepared(Choice::Auto, &ctx.lab.images, versions, &ctx.engine).await?;
    let own =
        prepared.istioctl.file_name().is_some_and(|name| name == ISTIOCTL).then_some(prepared.istioctl.parent()?)?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::env::split_paths(&path).chain([own.to_owned()])).ok()
}
