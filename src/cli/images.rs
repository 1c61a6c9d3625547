//! `lab images`.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args as ClapArgs, Subcommand};
use tokio_util::sync::CancellationToken;

use super::progress::shown;
use super::trust::Trusted;
use super::{CliError, Output, output};
use crate::commands::snapshot::About;
use crate::commands::snapshot::kept::is_kept;
use crate::context::StepError;
use crate::exec::{Event, Outcome, Progress};
use crate::images::{self, Choice, Entry, ImagesError, Prepared};
use crate::plan::StepId;
use crate::report;
use crate::scenario::{ImageSettings, Matrix, Minor, Product, Versions};
use crate::sys::docker::Engine;
use crate::sys::state::State;

/// `lab images`.
#[derive(Debug, ClapArgs)]
pub struct Images {
    /// The verb.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do with images.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// List what a lab is made of: versions, upstream references, what of it is on this machine, and the labs that `lab up` has kept
    List(List),
    /// Prepare tools and images ahead of `lab up`
    Build(Build),
    /// Write one archive with everything that `lab up` needs, for a machine without a network
    Export(Export),
    /// Load an archive that `lab images export` wrote
    Import(Import),
    /// Remove images and files that earlier versions of lab have left
    #[command(hide = true)]
    Prune,
    /// Push the package-built images to a registry, which scenarios can then name as images.mirror
    Push(Push),
}

/// `lab images list`.
#[derive(Debug, ClapArgs)]
pub struct List {
    /// Form of the list
    #[arg(long, short, value_enum, default_value = "text")]
    pub output: Output,
}

/// `lab images build`.
#[derive(Debug, ClapArgs)]
pub struct Build {
    /// Where images come from
    #[arg(long, value_enum, default_value = "auto")]
    pub images: Choice,
    /// For this minor version of Kubernetes, as 1.35; without it for the newest
    #[arg(long, value_name = "VERSION")]
    pub kubernetes: Option<Minor>,
    /// For this minor version of Istio, as 1.31; without it for the newest
    #[arg(long, value_name = "VERSION")]
    pub istio: Option<Minor>,
    /// Also what scenarios with a federation need
    #[arg(long)]
    pub karmada: bool,
}

/// `lab images export`.
#[derive(Debug, ClapArgs)]
pub struct Export {
    /// The archive to write
    pub file: PathBuf,
    /// Where images come from
    #[arg(long, value_enum, default_value = "auto")]
    pub images: Choice,
    /// With what scenarios with a federation need
    #[arg(long)]
    pub karmada: bool,
}

/// `lab images import`.
#[derive(Debug, ClapArgs)]
pub struct Import {
    /// The archive to load
    pub file: PathBuf,
    /// Why it is trusted.
    #[command(flatten)]
    pub trusted: Trusted,
}

/// `lab images push`.
#[derive(Debug, ClapArgs)]
pub struct Push {
    /// The registry, asked over plain HTTP
    #[arg(value_name = "HOST:PORT")]
    pub registry: String,
    /// With what scenarios with a federation need
    #[arg(long)]
    pub karmada: bool,
}

pub(super) async fn run(args: Images, interrupt: &CancellationToken) -> Result<(), CliError> {
    // What the command line lacks is told before an engine is asked for.
    match &args.verb {
        Verb::Import(args) => {
            args.trusted.of(&args.file)?;
            images::check_archive(&args.file).map_err(StepError::from)?;
        }
        Verb::Export(args) => output::refuse_irreplaceable(&args.file)?,
        _ => {}
    }
    let engine = &Engine::connect().await?;
    match args.verb {
        Verb::List(args) => {
            let mut entries = images::inventory(engine).await.map_err(StepError::from)?;
            entries.extend(kept()?);
            list(&entries, args.output)
        }
        Verb::Build(args) => {
            let versions = Versions { kubernetes: args.kubernetes, istio: args.istio };
            refuse_unknown(versions)?;
            let choice = images::having(args.images, [versions]).map_err(StepError::from)?;
            let settings = ImageSettings::default();
            let build = async |p: Progress| {
                let prepared = images::prepare(choice, &settings, versions, engine, &p).await?;
                let karmada =
                    if args.karmada { Some(images::karmada::prepare(&prepared, engine, &p).await?) } else { None };
                Ok((prepared, karmada))
            };
            let (prepared, karmada) = watched("prepare images", interrupt, build).await?;
            ready(&prepared)?;
            karmada.map_or(Ok(()), |k| output::print(&format!("karmadactl {}\n", k.karmadactl.display())))
        }
        Verb::Export(args) => {
            let export = async |p: Progress| images::export(args.images, args.karmada, &args.file, engine, &p).await;
            let sum = watched("export images", interrupt, export).await.map_err(|e| not_written(e, &args.file))?;
            output::print(&format!("{sum}  {}\n", args.file.display()))
        }
        Verb::Import(args) => {
            let trust = args.trusted.of(&args.file)?;
            let import = async |p: Progress| images::import(&args.file, &trust, engine, &p).await;
            ready(&watched("import images", interrupt, import).await?)
        }
        Verb::Prune => {
            let prune = async |p: Progress| images::prune(engine, &p).await;
            let pruned = watched("remove old images", interrupt, prune).await?;
            for name in &pruned.kept {
                eprintln!("{name} stays: a container uses it");
            }
            let freed =
                format!("{} images and {} MB of files removed\n", pruned.images.len(), pruned.bytes / 1_000_000);
            output::print(&freed)
        }
        Verb::Push(args) => {
            let push = async |p: Progress| images::push(&args.registry, args.karmada, engine, &p).await;
            let pushed = watched("push images", interrupt, push).await?;
            output::print_lines(&pushed)
        }
    }
}

/// Refuses a version that no source has.
fn refuse_unknown(versions: Versions) -> Result<(), CliError> {
    let matrix = Matrix::embedded();
    let unknown = versions.asked().find(|(product, minor)| matrix.find(*product, *minor).is_none());
    unknown.map_or(Ok(()), |(product, minor)| {
        Err(CliError::Usage {
            problem: format!("lab has no {product} {minor}"),
            remedy: format!("it has {}", matrix.told(product)),
        })
    })
}

/// Tells an interrupt what there is none of now.
fn not_written(error: CliError, file: &Path) -> CliError {
    match error {
        CliError::Interrupted { remedy } => {
            CliError::Interrupted { remedy: format!("{} was not written; {remedy}", file.display()) }
        }
        error => error,
    }
}

/// Reads a SHA-256.
/// What `lab up` will use.
fn ready(prepared: &Prepared) -> Result<(), CliError> {
    output::print(&format!(
        "source    {}\nnode      {}\nkind      {}\nistioctl  {}\n",
        prepared.describe(),
        prepared.node_image,
        prepared.kind.display(),
        prepared.istioctl.display()
    ))
}

/// The labs that `lab up` has kept.
fn kept() -> Result<Vec<Entry>, CliError> {
    let snapshots = State::open()?.snapshots()?;
    let names = snapshots.names()?.into_iter().filter(|name| is_kept(name));
    let kept = names.filter_map(|name| snapshots.get::<About>(&name).ok());
    Ok(kept.map(|kept| Entry::lab(kept.name.clone(), kept.bytes(), &kept.about.taken)).collect())
}

fn list(entries: &[Entry], form: Output) -> Result<(), CliError> {
    if form == Output::Json {
        return output::print_json(&entries);
    }
    let mut table = report::table(["NAME", "VERSION OR NAME IN A NODE", "UPSTREAM", "DIGEST", "HERE"]);
    for entry in entries {
        // A pinned digest is as long as a line, and what the tag says will do for people.
        let upstream = entry.registry.as_deref().map(|r| r.split('@').next().unwrap_or(r));
        let upstream = upstream.or(entry.from.as_deref()).unwrap_or_default();
        let digest = entry.local.as_deref().and_then(|l| l.rsplit_once(':')).map_or("", |(_, digest)| digest);
        let here = match entry.size {
            Some(bytes) => format!("{} MB", bytes / 1_000_000),
            None if entry.present => "yes".to_owned(),
            None => "no".to_owned(),
        };
        table.add_row([&entry.name, &entry.version, upstream, digest, &here]);
    }
    output::print_table(&table)?;
    let matrix = Matrix::embedded();
    let mut versions = report::table(["VERSION", "PACKAGES", "REGISTRY"]);
    for product in [Product::Kubernetes, Product::Istio] {
        for (minor, available) in matrix.of(product) {
            let of = |version: &Option<String>| version.clone().unwrap_or_else(|| "-".to_owned());
            versions.add_row([format!("{product} {minor}"), of(&available.packages), of(&available.registry)]);
        }
    }
    output::print("\n")?;
    output::print_table(&versions)
}

/// Runs `work` as a step of its own, with its progress on standard error; an interrupt drops it where it is.
pub(super) async fn watched<T, F>(
    title: &str,
    interrupt: &CancellationToken,
    work: impl FnOnce(Progress) -> F,
) -> Result<T, CliError>
where
    F: Future<Output = Result<T, ImagesError>>,
{
    let (step, start) = (StepId(title.to_owned()), Instant::now());
    let result = shown(async |events| {
        events.send(Event::StepStarted { step: step.clone(), at: start.elapsed() });
        let result = tokio::select! {
            biased;
            () = interrupt.cancelled() => None,
            result = Box::pin(work(events.progress(&step))) => Some(result),
        };
        let outcome = match &result {
            None => Outcome::Cancelled,
            Some(Ok(_)) => Outcome::Done,
            Some(Err(e)) => Outcome::Failed(e.to_string()),
        };
        events.send(Event::StepFinished { step, outcome, started: start.elapsed(), took: start.elapsed() });
        result
    })
    .await;
    match result {
        Some(result) => result.map_err(|e| StepError::from(e).into()),
        None => Err(CliError::Interrupted {
            remedy: "what was built so far is kept: the same command continues from there".to_owned(),
        }),
    }
}
