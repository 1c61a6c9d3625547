//! `./dev bench`: how long lab takes and what it costs the machine, beside a script that does the same by hand. Results go to `bench/`.

mod contender;
mod measured;
mod results;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use contender::{Baseline, Lab, Reason};
use results::{Results, Run};

/// Measures lab, in turn with a baseline, on a machine that should do nothing else.
#[derive(Parser)]
struct Args {
    /// The lab to measure.
    #[arg(long)]
    lab: PathBuf,
    /// A script that brings the same up by hand: it is given `NODE_IMAGE`, METALLB, HUB, TAG, `HELLO_IMAGE`, `SLEEP_IMAGE` and CLUSTERS, and leaves clusters base1, base2, ...
    #[arg(long)]
    baseline: Option<PathBuf>,
    /// Runs of each kind.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Numbers of clusters.
    #[arg(long, value_delimiter = ',', default_value = "3")]
    clusters: Vec<usize>,
    /// Measure bringing up and taking down only.
    #[arg(long)]
    short: bool,
    /// Add to the results that are in the directory already, of the same lab on the same machine.
    #[arg(long)]
    add: bool,
    /// Directory of the results.
    #[arg(long, default_value = "bench")]
    to: PathBuf,
}

#[tokio::main]
async fn main() -> Result<(), Reason> {
    let args = Args::parse();
    let dir = tempfile::tempdir()?;
    let baseline = match &args.baseline {
        Some(script) => Some(Baseline::new(script, dir.path()).await?),
        None => None,
    };
    let mut results = Results { about: about(&args), runs: Vec::new(), phases: Vec::new(), paths: Vec::new() };
    if args.add {
        results = serde_json::from_str(&fs::read_to_string(args.to.join("results.json"))?)?;
    }
    for &clusters in &args.clusters {
        let lab = Lab::of(&args.lab, clusters, dir.path())?;
        let mut told = Vec::new();
        for _ in 0..args.runs {
            let result = measure(&lab, clusters, args.short, &mut results, &mut told);
            if result.is_err() {
                lab.down()?;
            }
            result?;
            if let Some(baseline) = &baseline {
                let cost = baseline.up(clusters);
                baseline.down(clusters)?;
                note(&mut results, Run::of("baseline", clusters, "up", cost?));
            }
            // What was measured is kept whatever becomes of the rest.
            write(&results, &args.to)?;
        }
        told.sort_by(|a, b| a.0.total_cmp(&b.0));
        let middle = told.len() / 2;
        let is_told = results.phases.iter().any(|(of, _)| *of == clusters);
        if let Some((_, phases, path)) = told.into_iter().nth(middle).filter(|_| !is_told) {
            results.phases.push((clusters, phases));
            results.paths.push((clusters, path));
        }
        write(&results, &args.to)?;
    }
    eprintln!("bench: wrote {}", args.to.join("RESULTS.md").display());
    Ok(())
}

/// How long a run took, its phases and its critical path.
type Told = (f64, Vec<(String, f64, f64)>, Vec<String>);

fn measure(lab: &Lab, clusters: usize, short: bool, results: &mut Results, told: &mut Vec<Told>) -> Result<(), Reason> {
    let up = lab.up(true)?;
    let (phases, path) = lab.phases()?;
    told.push((up.wall, phases, path));
    note(results, Run::of("lab", clusters, "up", up));
    if !short {
        note(results, Run::of("lab", clusters, "up again", lab.up(false)?));
        note(results, Run::of("lab", clusters, "restart", lab.restart()?));
        let [snapshot, restore] = lab.restore()?;
        note(results, Run::of("lab", clusters, "snapshot", snapshot));
        note(results, Run::of("lab", clusters, "restore", restore));
    }
    note(results, Run::of("lab", clusters, "down", lab.down()?));
    Ok(())
}

fn note(results: &mut Results, run: Run) {
    eprintln!(
        "bench: {} clusters, {} {}: {:.1} s, {:.1} s of the processors",
        run.clusters, run.who, run.what, run.cost.wall, run.cost.processor
    );
    results.runs.push(run);
}

fn write(results: &Results, to: &Path) -> Result<(), Reason> {
    fs::create_dir_all(to)?;
    fs::write(to.join("RESULTS.md"), results.markdown())?;
    fs::write(to.join("results.svg"), results.svg())?;
    fs::write(to.join("results.json"), serde_json::to_string_pretty(results)? + "\n")?;
    Ok(())
}

/// What the figures depend on.
fn about(args: &Args) -> Vec<String> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let processors = read("/proc/cpuinfo");
    let model = processors.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or_default();
    let memory = read("/proc/meminfo");
    let kb: f64 = memory.lines().next().and_then(|l| l.split_whitespace().nth(1)?.parse().ok()).unwrap_or_default();
    let say = |program: &str, args: &[&str]| {
        let output = std::process::Command::new(program).args(args).output();
        output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default()
    };
    vec![
        format!(
            "{cores} processors ({}), {:.0} GiB of memory, Linux {}, Docker {}",
            model.trim_start_matches([' ', '\t', ':']),
            kb / 1024.0 / 1024.0,
            say("uname", &["-r"]),
            say("docker", &["version", "--format", "{{.Server.Version}}"]),
        ),
        format!(
            "{}, {}, load {} at the start",
            say(&args.lab.display().to_string(), &["version"]).lines().next().unwrap_or_default(),
            say("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
            read("/proc/loadavg").split_whitespace().next().unwrap_or_default(),
        ),
        "images and tools are prepared; both use the same node image".to_owned(),
    ]
}
