//! `lab explain`.

use tokio_util::sync::CancellationToken;

use super::progress::shown;
use super::{CliError, Output, args, calls, output, probes};
use crate::context::LabContext;
use crate::exec::Events;
use crate::observe::explain;
use crate::plan::{Action, Lab};
use crate::report::explanation_text;
use crate::scenario::{CallerPod, SpokenService};
use crate::sys::state::State;
use crate::verdict::{CalledHost, Explanation};

/// What is called, and who calls, where nothing is said: lab's own apps.
const HELLOWORLD: &str = "helloworld.sample:5000/hello";
const SLEEP: &str = "sample/sleep";
/// Who calls where probes are made.
const PROBE: &str = "lab-probes/sleep";
const PROBED: &str = "helloworld.lab-probes:5000/hello";

pub(super) async fn run(args: args::Explain, interrupt: &CancellationToken) -> Result<(), CliError> {
    let state = State::open()?.existing(&args.name)?;
    let lab: Lab = state.load()?;
    let asked = asked(&lab, &args)?;
    let verb = async {
        let ctx = LabContext::open(lab, state).await?;
        if !args.probes {
            return explained(&ctx, &args, &asked).await;
        }
        let explain = async |events: &Events| {
            let progress = events.progress(&Action::Verify.id());
            probes::with(&ctx, interrupt, &progress, async |ctx| explained(&ctx, &args, &asked).await).await
        };
        shown(explain).await
    };
    let explanation = tokio::select! {
        explanation = verb => explanation?,
        // What has made something must remove it.
        () = interrupt.cancelled(), if !args.probes => {
            return Err(CliError::Interrupted { remedy: "the lab was not changed".to_owned() });
        }
    };
    show(&explanation, args.output)
}

/// What is called.
enum Asked {
    /// A service, answered by a cluster.
    Service(String, SpokenService),
    /// A host rather than a service.
    Host(CalledHost),
}

/// What the command line asks for, before anything is asked of anybody.
fn asked(lab: &Lab, args: &args::Explain) -> Result<Asked, CliError> {
    // No cluster's name has a dot.
    let is_host = args.to.contains("://") || args.to.split([':', '/']).next().is_some_and(|name| name.contains('.'));
    let asked = if is_host {
        Asked::Host(args.to.parse().map_err(|reason| CliError::Usage {
            problem: format!("{}: it {reason}", args.to),
            remedy: "write a cluster, such as c2, or a host, such as http://legacy.example:8080/path".to_owned(),
        })?)
    } else {
        let (to, port) = target(&args.to)?;
        let mut spoken = called(lab, args)?;
        spoken.service.port = port.unwrap_or(spoken.service.port);
        Asked::Service(to.to_owned(), spoken)
    };
    if let Some(caller) = &args.caller {
        calls::caller(caller)?;
    }
    refuse_without_mesh(lab)?;
    let answers = if let Asked::Service(to, _) = &asked { Some(to.as_str()) } else { None };
    for cluster in [Some(args.from.as_str()), answers].into_iter().flatten() {
        if !lab.data_clusters().any(|c| c.name == cluster) {
            return Err(output::no_mesh_cluster(lab, cluster));
        }
    }
    if let (Some(one), Some(other)) = (lab.cluster(&args.from), answers.and_then(|to| lab.cluster(to)))
        && !one.is_meshed_with(other)
    {
        return Err(CliError::Usage {
            problem: format!(
                "{} and {} are in different meshes, so neither knows the other's services",
                one.name, other.name
            ),
            remedy: format!(
                "name a cluster of mesh {}, or the host of a ServiceEntry: `lab explain {} {} HOST`",
                lab.mesh_id(one),
                lab.name,
                one.name
            ),
        });
    }
    Ok(asked)
}

async fn explained(ctx: &LabContext, args: &args::Explain, asked: &Asked) -> Result<Explanation, CliError> {
    let caller = caller(ctx, args).await?;
    let from = (args.from.as_str(), &caller);
    Ok(match asked {
        Asked::Service(to, spoken) => explain::run(ctx, from, to, spoken).await?,
        Asked::Host(host) => explain::of_host(ctx, from, host).await?,
    })
}

/// The service that is called.
fn called(lab: &Lab, args: &args::Explain) -> Result<SpokenService, CliError> {
    match &args.service {
        Some(service) => calls::spoken(service, "--service "),
        None if args.probes => calls::spoken(PROBED, "--service "),
        None if lab.is_existing() => Err(CliError::Usage {
            problem: format!("nothing says which service is called, and lab has none of its own in {}", lab.name),
            remedy: "name it: `--service SERVICE.NAMESPACE:PORT/PATH`; `--probes` makes one for a moment".to_owned(),
        }),
        None => calls::spoken(HELLOWORLD, "--service "),
    }
}

/// Who calls.
async fn caller(ctx: &LabContext, args: &args::Explain) -> Result<CallerPod, CliError> {
    let default = if args.probes { PROBE } else { SLEEP };
    if args.caller.is_some() || args.probes || !ctx.lab.is_existing() {
        return calls::caller(args.caller.as_deref().unwrap_or(default));
    }
    explain::caller_of(ctx, &args.from).await?.map_err(|explain::NoCaller| CliError::Usage {
        problem: format!("no pod of {} has a sidecar, so nothing there can call", args.from),
        remedy: "`--probes` makes a caller in a namespace lab-probes, and removes it again".to_owned(),
    })
}

fn refuse_without_mesh(lab: &Lab) -> Result<(), CliError> {
    if lab.has_mesh() {
        return Ok(());
    }
    Err(CliError::Usage {
        problem: format!("lab {} has no mesh, and explain follows a call through one", lab.name),
        remedy: format!("`lab verify {}` checks what it has", lab.name),
    })
}

fn show(explanation: &Explanation, form: Output) -> Result<(), CliError> {
    match form {
        Output::Text => output::print(&explanation_text(explanation))?,
        Output::Json => output::print_json(explanation)?,
    }
    if explanation.finding().is_none() { Ok(()) } else { Err(CliError::Red) }
}

/// `CLUSTER` or `CLUSTER:PORT`.
fn target(to: &str) -> Result<(&str, Option<u16>), CliError> {
    let Some((cluster, port)) = to.split_once(':') else { return Ok((to, None)) };
    match port.parse() {
        Ok(port @ 1..) => Ok((cluster, Some(port))),
        _ => Err(CliError::Usage {
            problem: format!("{to}: {port} is not a port"),
            remedy: format!("write a number from 1 to 65535, such as {cluster}:5000, or {cluster} alone"),
        }),
    }
}
