//! Who is measured: lab, and the script that a practised user would write instead.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lab::exec::Events;
use lab::images::{Choice, Prepared, kubectl, prepare};
use lab::plan::{Plan, StepId, resolve};
use lab::report::Timeline;
use lab::scenario::{ImageSettings, Versions, parse};
use lab::sys::docker::Engine;

use crate::measured::{Cost, Meter};

/// Why a run cannot be measured.
pub type Reason = Box<dyn Error>;

/// Name of lab's lab.
const NAME: &str = "bench";

/// lab itself.
pub struct Lab {
    binary: PathBuf,
    scenario: PathBuf,
    text: String,
}

impl Lab {
    /// A lab of so many clusters, each in a network of its own.
    pub fn of(binary: &Path, clusters: usize, dir: &Path) -> Result<Self, Reason> {
        let names: Vec<String> = (1..=clusters).map(|i| format!("c{i}")).collect();
        let each = |value: &dyn Fn(usize, &str) -> String| -> Vec<String> {
            names.iter().enumerate().map(|(i, name)| value(i + 1, name)).collect()
        };
        let clusters_text = each(&|_, c| format!("{{ name: {c}, network: network-{c} }}")).join(", ");
        let versions = each(&|i, c| format!("{c}: v{i}")).join(", ");
        let text = format!(
            "name: {NAME}\nclusters: [{clusters_text}]\napps: [{{ helloworld: {{ versions: {{ {versions} }} }} }}, {{ sleep: {{}} }}]\n\
             checks: [{{ rotation: {{ service: helloworld.sample:5000/hello, from: all }} }}]\n"
        );
        let scenario = dir.join(format!("{clusters}.yaml"));
        fs::write(&scenario, &text)?;
        Ok(Self { binary: binary.to_owned(), scenario, text })
    }

    /// Builds the lab and proves it; or does so again, or after something was done to it.
    pub fn up(&self, fresh: bool) -> Result<Cost, Reason> {
        let scenario = self.scenario.display().to_string();
        let fresh = if fresh && self.knows("--fresh") { &["--fresh"][..] } else { &[] };
        self.run(&[&["up", &scenario], fresh].concat())
    }

    /// Takes the lab down.
    pub fn down(&self) -> Result<Cost, Reason> {
        self.run(&["down", NAME])
    }

    /// Stops all nodes and starts them again, all at once, then waits for the verdict.
    pub fn restart(&self) -> Result<Cost, Reason> {
        let nodes = output("docker", &["ps", "--quiet", "--filter", &format!("label=dev.lab.lab={NAME}")], &[])?;
        let nodes: Vec<&str> = nodes.split_whitespace().collect();
        let meter = Meter::start();
        // Docker's client restarts one after the other.
        let restarts = std::thread::scope(|scope| {
            let restart =
                |node| scope.spawn(move || output("docker", &["restart", node], &[]).map_err(|e| e.to_string()));
            let threads: Vec<_> = nodes.into_iter().map(restart).collect();
            threads
                .into_iter()
                .map(|t| t.join().unwrap_or_else(|_| Err("a thread panicked".to_owned())))
                .collect::<Vec<_>>()
        });
        restarts.into_iter().collect::<Result<Vec<_>, String>>()?;
        self.up(false)?;
        Ok(meter.stop())
    }

    /// Seconds of each phase of the last `up`, and the steps that made it as long as it was.
    pub fn phases(&self) -> Result<(Vec<(String, f64, f64)>, Vec<String>), Reason> {
        let state = std::env::var_os("XDG_STATE_HOME").map_or_else(
            || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".local/state"),
            PathBuf::from,
        );
        let timeline: Timeline =
            serde_json::from_str(&fs::read_to_string(state.join("lab").join(NAME).join("timeline.json"))?)?;
        let scenario = parse(&self.text, "bench.yaml").map_err(|e| format!("{e:?}"))?;
        let plan = Plan::of(&resolve(&scenario).map_err(|e| format!("{e:?}"))?);
        let path = timeline.critical_path(&plan);
        let phases = timeline.phases().into_iter().map(|p| (p.phase, p.started, p.ended)).collect();
        // In the order in which they ended.
        let path = timeline.steps.iter().filter(|s| path.contains(&s.step)).map(|s| s.step.to_string()).collect();
        Ok((phases, path))
    }

    /// Keeps the lab as it is, takes it down, and brings it back until its verdict: what keeping costs, and what bringing back does.
    pub fn restore(&self) -> Result<[Cost; 2], Reason> {
        let kept = self.run(&["snapshot", NAME])?;
        let restored = self.down().and_then(|_| self.run(&["restore", NAME]));
        self.run(&["snapshots", "remove", NAME])?;
        Ok([kept, restored?])
    }

    fn knows(&self, flag: &str) -> bool {
        output(&self.binary.display().to_string(), &["up", "--help"], &[]).is_ok_and(|help| help.contains(flag))
    }

    fn run(&self, args: &[&str]) -> Result<Cost, Reason> {
        let meter = Meter::start();
        output(&self.binary.display().to_string(), args, &[])?;
        Ok(meter.stop())
    }
}

/// The script.
pub struct Baseline {
    script: PathBuf,
    env: HashMap<&'static str, String>,
    kind: PathBuf,
}

impl Baseline {
    /// The script with lab's own images and programs, so that what differs is what is done with them.
    pub async fn new(script: &Path, dir: &Path) -> Result<Self, Reason> {
        let (events, _receiver) = Events::channel();
        let progress = events.progress(&StepId("prepare".to_owned()));
        let engine = Engine::connect().await?;
        let settings = ImageSettings::default();
        let prepared: Prepared = prepare(Choice::Auto, &settings, Versions::default(), &engine, &progress).await?;
        let kubectl = kubectl(&progress).await?;
        let bin = dir.join("bin");
        fs::create_dir_all(&bin)?;
        for (name, path) in [("kind", &prepared.kind), ("istioctl", &prepared.istioctl), ("kubectl", &kubectl)] {
            let link = bin.join(name);
            if !link.exists() {
                std::os::unix::fs::symlink(path, link)?;
            }
        }
        let manifest = dir.join("metallb.yaml");
        fs::write(&manifest, &prepared.metallb_manifest)?;
        let pilot = prepared.images.get("istio-pilot").ok_or("the stack has no istio-pilot")?;
        let (hub, tag) = pilot.rsplit_once(':').ok_or("istio-pilot has no tag")?;
        let hub = hub.trim_end_matches("/pilot").to_owned();
        let app = |name: &str| prepared.images.get(name).cloned().ok_or(format!("the stack has no {name}"));
        let path = std::env::var("PATH").unwrap_or_default();
        let env = HashMap::from([
            ("NODE_IMAGE", prepared.node_image.clone()),
            ("METALLB", manifest.display().to_string()),
            ("HUB", hub),
            ("TAG", tag.to_owned()),
            ("HELLO_IMAGE", app("helloworld")?),
            ("SLEEP_IMAGE", app("sleep")?),
            ("PATH", format!("{}:{path}", bin.display())),
        ]);
        Ok(Self { script: script.to_owned(), env, kind: prepared.kind })
    }

    /// Runs the script for so many clusters.
    pub fn up(&self, clusters: usize) -> Result<Cost, Reason> {
        let clusters = clusters.to_string();
        let mut env: Vec<(&str, &str)> = self.env.iter().map(|(k, v)| (*k, v.as_str())).collect();
        env.push(("CLUSTERS", &clusters));
        let meter = Meter::start();
        output("bash", &[&self.script.display().to_string()], &env)?;
        Ok(meter.stop())
    }

    /// Removes its clusters.
    pub fn down(&self, clusters: usize) -> Result<(), Reason> {
        let names: Vec<String> = (1..=clusters).map(|i| format!("base{i}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        output(&self.kind.display().to_string(), &[&["delete", "clusters"][..], &names].concat(), &[])?;
        Ok(())
    }
}

/// What a program prints; what it says when it fails is the reason.
fn output(program: &str, args: &[&str], env: &[(&str, &str)]) -> Result<String, Reason> {
    let mut command = Command::new(program);
    let output = command.args(args).envs(env.iter().copied()).stdin(Stdio::null()).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last: Vec<&str> = said.lines().rev().take(20).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        return Err(format!("{program} {}: {}\n{}", args.join(" "), output.status, last.join("\n")).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
