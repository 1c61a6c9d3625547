//! `lab eject`: the lab as plain files, for who wants to go on without lab.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use super::progress::shown;
use super::{CliError, args, output, up};
use crate::commands::eject;
use crate::commands::up::Up;
use crate::context::{LabContext, RunContext, StepError};
use crate::eject::{File, Material, files, refusal};
use crate::exec::execute;
use crate::images::{self, Choice};
use crate::observe::verify::Waits;
use crate::plan::Plan;
use crate::sys::docker::Engine;
use crate::sys::fs;
use crate::sys::state::{LabState, State};
use crate::sys::unfinished;

pub(super) async fn run(args: args::Eject, interrupt: &CancellationToken) -> Result<(), CliError> {
    let mut lab = output::load_file_or_lab(&args.scenario, args.name.as_deref(), args.reading, interrupt).await?;
    output::refuse_existing(&lab)?;
    // What it writes makes clusters anew: they are copies of none, and were never upgraded.
    for cluster in &mut lab.clusters {
        (cluster.copy_of, cluster.revision, cluster.beside) = (None, None, None);
    }
    if lab.versions().len() > 1 {
        return Err(CliError::Usage {
            problem: format!(
                "the clusters of {} run different versions, and the script knows one node image",
                lab.name
            ),
            remedy: "give all clusters the same `versions`".to_owned(),
        });
    }
    if let Some(refusal) = refusal(&lab) {
        return Err(CliError::Usage { problem: refusal.problem.to_owned(), remedy: refusal.remedy.to_owned() });
    }
    let to = args.directory.display();
    if !fs::is_free(&args.directory).map_err(CliError::write(&to))? {
        return Err(CliError::Usage {
            problem: format!("{} exists and is not an empty directory", args.directory.display()),
            remedy: "name a directory that does not exist yet: nothing is overwritten".to_owned(),
        });
    }
    let mut choice = args.images;
    if let (Choice::Auto, Ok(existing)) = (choice, State::open()?.existing(&lab.name)) {
        choice = up::keep_source(&existing, &lab, choice)?;
    }
    // Keys are made anew, so that a running lab shares none with it.
    let scratch = unfinished::dir().map_err(CliError::write("a temporary directory"))?;
    let lab_context = LabContext::new(lab, Engine::connect().await?, LabState::at(scratch.path()));
    let up = Up::new(RunContext::new(lab_context, choice).apart(), Waits::default());
    let ctx = &up.ctx;
    let plan = Plan::of(&ctx.lab);
    prepare(&up, &plan, interrupt).await?;

    let mut written = files(&ctx.lab, &plan, &material(ctx, &plan)?);
    // A directory is made as private as the first file in it.
    written.sort_by_key(|file| !file.is_private());
    fs::create_dir(&args.directory).map_err(CliError::write(&to))?;
    for file in &written {
        let path = args.directory.join(&file.path);
        fs::write_new(&path, &file.text, file.mode).map_err(CliError::write(path.display()))?;
        eprintln!("wrote {}", path.display());
    }
    let keys =
        if written.iter().any(File::is_private) { "; private keys are among them, README.md says where" } else { "" };
    eprintln!("{} files{keys}", written.len());
    output::print_lines([args.directory.join("up.sh").display().to_string()])
}

/// Runs the steps that need no cluster.
pub(super) async fn prepare(up: &Up, plan: &Plan, interrupt: &CancellationToken) -> Result<(), CliError> {
    let mut plan = plan.clone();
    plan.steps.retain(|s| eject::is_before_clusters(&s.action));
    let finished = shown(async |events| execute(&plan, up, events, interrupt).await).await;
    if finished.interrupted {
        return Err(CliError::Interrupted { remedy: "nothing was written".to_owned() });
    }
    // One is as good as all: none of them needs a lab that could be kept.
    finished.failures.into_iter().next().map_or(Ok(()), |failure| Err(CliError::Before(failure.error)))
}

fn material(ctx: &RunContext, plan: &Plan) -> Result<Material, CliError> {
    let prepared = ctx.prepared()?;
    let tools = images::tool_versions(prepared.source).map_err(StepError::from)?;
    let named = |pairs: [(&str, String); 2]| -> BTreeMap<String, String> {
        pairs.into_iter().map(|(name, text)| (name.to_owned(), text)).collect()
    };
    Ok(Material {
        node_image: prepared.node_image.clone(),
        images: images::own::names().map_err(StepError::from)?,
        source: prepared.source.to_string(),
        versions: named(tools),
        programs: named([
            ("kind", prepared.kind.display().to_string()),
            ("istioctl", prepared.istioctl.display().to_string()),
        ]),
        objects: eject::objects(ctx, plan)?,
        waits: eject::waits(&ctx.lab, plan),
        operators: if ctx.lab.has_mesh() { eject::operators(ctx)? } else { BTreeMap::new() },
        certificates: eject::certificates(ctx)?,
    })
}
