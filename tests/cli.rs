//! The command line as a user meets it: help, exit codes, and what goes to standard output and what to standard error.
//!
//! No test here needs an engine: `DOCKER_HOST` points nowhere in all of them. The snapshots are to be read as a new user would.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

mod machine;

use machine::{Machine, Ran, ran, scenario, snapshot};

/// Every verb that is shown, in the order of the snapshot.
const VERBS: &str = "up, down, diff, verify, prove, soak, rotate, upgrade, doctor, inspect, attach, explain, trace, plan, graph, report, list, status, dump, kubeconfig, images, \
    images list, images build, images export, images import, images push, logs, exec, run, load, dev, mirror, shell, env, \
    pause, resume, restart, fault, fault partition, fault network, fault gateway, fault istiod, fault discovery, fault api-server, \
    fault node, fault cluster, fault pressure, fault dns, fault remote-secret, fault clock-skew, heal, snapshot, restore, snapshots, snapshots list, snapshots remove, \
    snapshots export, snapshots import, scenario, schema, completions, open, man, version, self-check, eject";

#[test]
fn help() {
    let machine = Machine::new();
    let mut all = vec![machine.run(&["--help"])];
    let words = |verb: &'static str| verb.split(' ').chain(["--help"]).collect::<Vec<_>>();
    all.extend(VERBS.split(", ").map(|verb| machine.run(&words(verb))));
    for ran in &all {
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.line);
    }
    snapshot(&all);
}

#[test]
fn version() {
    assert_eq!(Machine::new().run(&["--version"]).printed(), format!("lab {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_command_line_is_wrong() {
    let machine = Machine::new();
    snapshot(&[
        machine.run(&["pu", "x.yaml"]).refused(2),
        machine.run(&["up"]).refused(2),
        machine.run(&["down"]).refused(2),
        machine.run(&["down", "--all", "x"]).refused(2),
        machine.run(&["plan", "x.yaml", "--output", "yaml"]).refused(2),
        machine.run(&["up", "x.yaml", "--no-verify", "--junit", "x.xml"]).refused(2),
        machine.run(&["doctor", "--name", "x"]).refused(2),
        machine.run(&["exec", "demo", "c1", "sleep", "ls"]).refused(2),
        machine.run(&["load", "demo"]).refused(2),
    ]);
    let nothing = machine.run(&[]).refused(2);
    assert!(nothing.stderr.contains("Usage: lab <COMMAND>"), "{}", nothing.stderr);
}

#[test]
fn the_scenario_cannot_be_read() {
    let machine = Machine::new();
    machine.file("folder/x", "");
    snapshot(&[
        machine.run(&["plan", "nosuch.yaml"]).refused(2),
        machine.run(&["plan", "folder"]).refused(2),
        machine.run(&["up", "nosuch.yaml"]).refused(2),
    ]);
}

#[test]
fn a_directory_with_a_scenario_stands_for_it() {
    let machine = Machine::new();
    let object = |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: {name} }}\n");
    machine
        .file("labs/x/scenario.yaml", "name: demo\nclusters: [c1]\napps:\n  - manifests: { files: [apps, one.yml] }\n");
    machine.file("labs/x/apps/b.yaml", &object("b"));
    machine.file("labs/x/apps/a.yaml", &object("a"));
    machine.file("labs/x/apps/notes.txt", "no YAML: [");
    machine.file("labs/x/one.yml", &object("one"));
    let plan: serde_json::Value =
        serde_json::from_str(&machine.run(&["plan", "labs/x", "-o", "json"]).printed()).expect("JSON");
    let objects = plan["lab"]["apps"][0]["manifests"]["objects"].as_array().expect("objects");
    let names: Vec<&str> = objects.iter().filter_map(|o| o["metadata"]["name"].as_str()).collect();
    assert_eq!(names, ["a", "b", "one"]);
    assert_eq!(machine.run(&["plan", "labs/x"]).printed(), machine.run(&["plan", "labs/x/scenario.yaml"]).printed());

    machine.file("labs/x/apps/b.yaml", "kind: ConfigMap\nmetadata: {\n");
    machine.file("labs/empty/README.md", "");
    machine
        .file("bad.yaml", "name: demo\nclusters: [c1]\napps:\n  - manifests: { files: [nosuch.yaml, labs/empty] }\n");
    snapshot(&[
        machine.run(&["up", "labs/x"]).refused(2),
        machine.run(&["up", "labs/empty"]).refused(2),
        machine.run(&["plan", "labs"]).refused(2),
        machine.run(&["plan", "bad.yaml"]).refused(2),
    ]);
}

#[test]
fn only_a_kustomization_needs_kubectl() {
    let machine = Machine::new();
    machine.file("plain.yaml", "name: demo\nclusters: [c1]\napps:\n  - manifests: { files: [apps/web.yaml] }\n");
    machine.file("kustomized.yaml", "name: demo\nclusters: [c1]\napps:\n  - manifests: { files: [apps] }\n");
    machine.file("apps/web.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: c }\n");
    machine.file("apps/kustomization.yaml", "resources: [web.yaml]\n");
    // Nobody listens there, so that no release is reached on any machine.
    let nowhere = ("HTTPS_PROXY", "http://127.0.0.1:1");
    let alone =
        |args: &[&str]| ran(machine.command(args).env("PATH", machine.dir.path()).env(nowhere.0, nowhere.1), args);
    alone(&["plan", "plain.yaml"]).printed();
    let refused = alone(&["plan", "kustomized.yaml"]).refused(3).stderr;
    assert!(refused.contains("error: kubectl is not to be had: PATH has no kubectl"), "{refused}");
    assert!(refused.contains("it cannot be built, as go is not on PATH"), "{refused}");
}

#[test]
fn the_scenario_is_not_valid() {
    let machine = Machine::new();
    machine.file("bad.yaml", "name: Demo\nclusters:\n  - name: c1\n    podSubnet: 10.1.0.0/99\n    netwrok: n1\n");
    machine.file("tight.yaml", "name: demo\ndockerNetwork: { subnet: 10.0.0.0/29 }\nclusters: [c1, c2]\n");
    machine.file("good.yaml", "name: demo\nclusters: [c1, c2]\n");
    let plain = machine.run(&["plan", "bad.yaml"]).refused(2);
    for args in [&["plan", "bad.yaml", "--output", "json"][..], &["up", "bad.yaml"]] {
        assert_eq!(machine.run(args).refused(2).stderr, plain.stderr);
    }
    let refused = [
        plain,
        machine.run(&["plan", "tight.yaml"]).refused(2),
        machine.run(&["plan", "good.yaml", "--name", "Not_a_label"]).refused(2),
    ];
    for place in ["bad.yaml:1:7", "bad.yaml:4:16", "bad.yaml:5:5"] {
        assert!(refused[0].stderr.contains(place), "{place} is not in\n{}", refused[0].stderr);
    }
    snapshot(&refused);
}

#[test]
fn a_plan_needs_no_engine_and_no_home() {
    let machine = Machine::new();
    let file = scenario("three-network.yaml");
    for args in [&["plan", file.as_str()][..], &["plan", &file, "--output", "json"]] {
        let mut bare = machine.command(args);
        bare.env_remove("HOME").env_remove("XDG_STATE_HOME");
        let without = ran(&mut bare, args).printed();
        assert_eq!(machine.run(args).printed(), without);
    }
    assert!(std::fs::read_dir(machine.dir.path()).expect("the directory").next().is_none(), "nothing is written");
}

#[test]
fn a_plan_takes_another_name() {
    let machine = Machine::new();
    let text = machine.run(&["plan", &scenario("two-network.yaml"), "--name", "mine"]).printed();
    assert!(text.starts_with("lab mine: "), "{text}");
    assert!(text.contains("Docker network lab-mine: "), "{text}");
}

#[test]
fn no_engine_answers() {
    let machine = Machine::with_lab("three-network");
    machine.file("good.yaml", "name: demo\nclusters: [c1, c2]\n");
    let up = machine.run(&["up", "good.yaml"]).refused(3);
    for args in [
        &["up", "three-network"][..],
        &["list"],
        &["status", "three-network"],
        &["verify", "three-network"],
        &["down", "three-network"],
        &["dump", "three-network"],
        &["images", "list"],
    ] {
        assert_eq!(machine.run(args).refused(3).stderr, up.stderr, "{args:?}");
    }
    snapshot(&[up]);
    assert!(!machine.dir.path().join("state/lab/demo").exists(), "a lab that was never begun leaves nothing");
}

/// Where no network is reached, no program is on PATH and no engine answers, all that a lab needs is missing. What the kernel and its package sources say
/// differs from machine to machine, and is left out.
#[test]
fn a_doctor_without_an_engine() {
    const DIFFERS: [&str; 8] =
        ["memory", "disk", "forwarding", "overlay", "iptables", "inotify instances", "inotify watches", "packages"];
    let machine = Machine::new();
    machine.file("good.yaml", "name: demo\ndockerNetwork: { subnet: 198.51.100.0/24 }\nclusters: [c1, c2]\n");
    let run = |args: &[&str]| {
        let mut command = machine.command(args);
        command.env("PATH", machine.dir.path()).env("ALL_PROXY", "http://127.0.0.1:9");
        ran(&mut command, args)
    };
    let text = run(&["doctor", "good.yaml"]);
    assert_eq!((text.code, text.stderr.as_str()), (Some(3), ""));
    let json = run(&["doctor", "good.yaml", "-o", "json"]);
    let report: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!((json.code, &report["passed"]), (Some(3), &serde_json::json!(false)));
    let all = report["findings"].as_array().expect("findings");
    for finding in all {
        let is_told = text.stdout.contains(finding["found"].as_str().expect("words"));
        assert!(is_told || DIFFERS.iter().any(|w| finding["what"] == *w), "{finding:#}");
    }
    let packages = all.iter().find(|f| f["what"] == "packages").expect("a finding");
    assert!(packages["found"].as_str().is_some_and(|f| f.contains("go is not on PATH")), "{packages:#}");
    let mut stable = true;
    let mut lines = Vec::new();
    for line in text.stdout.lines() {
        // A remedy, which is indented, goes with what is above it.
        let what = line.get(9..).filter(|what| !what.starts_with(' '));
        stable = what.map_or(stable, |what| !DIFFERS.iter().any(|w| what.starts_with(w)));
        lines.extend((stable && !line.starts_with("this machine")).then_some(line));
    }
    snapshot(&[Ran { stdout: lines.join("\n"), ..text }, run(&["doctor", "nosuch.yaml"]).refused(2)]);
}

#[test]
fn there_is_no_such_lab() {
    let machine = Machine::with_lab("three-network");
    snapshot(&[
        machine.run(&["status", "tree-network"]).refused(2),
        machine.run(&["status", "nosuch"]).refused(2),
        machine.run(&["dump", "nosuch"]).refused(2),
        machine.run(&["verify", "three-netwrok"]).refused(2),
        machine.run(&["kubeconfig", "three"]).refused(2),
        machine.run(&["up", "three-netwok"]).refused(2),
        machine.run(&["explain", "three-network", "c1", "c2:http"]).refused(2),
        machine.run(&["explain", "three-network", "c1", "c9:5000"]).refused(2),
    ]);
}

#[test]
fn a_kubeconfig_that_is_not_there_yet() {
    let machine = Machine::with_lab("demo");
    snapshot(&[machine.run(&["kubeconfig", "demo"]).refused(3)]);
}

#[test]
fn a_kubeconfig_needs_no_engine() {
    let machine = Machine::with_lab("demo");
    for cluster in ["c1", "c2"] {
        let text = format!(
            "clusters: [{{name: kind-x, cluster: {{server: 'https://{cluster}'}}}}]\nusers: [{{name: kind-x, user: {{token: t}}}}]\n"
        );
        machine.file(&format!("state/lab/demo/kubeconfigs/{cluster}.yaml"), &text);
    }
    let merged = machine.run(&["kubeconfig", "demo"]).printed();
    assert!(merged.contains("lab-demo-c1") && merged.contains("lab-demo-c2"), "{merged}");
}

#[test]
fn the_state_cannot_be_used() {
    let machine = Machine::with_lab("demo");
    machine.file("state/lab/demo/lab.json", "{ \"name\": 1 }");
    let broken = machine.run(&["kubeconfig", "demo"]).refused(3);
    let args = ["status", "demo"];
    let homeless = ran(machine.command(&args).env_remove("HOME").env_remove("XDG_STATE_HOME"), &args);
    let here = machine.dir.path().display().to_string();
    // Without HOME the home directory is the one of the user database, and in it there is no such lab.
    assert_eq!((homeless.code, homeless.stdout.as_str()), (Some(2), ""), "{}", homeless.stderr);
    snapshot(&[Ran { stderr: broken.stderr.replace(&here, "~"), ..broken }]);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let machine = Machine::new();
    let file = scenario("three-network.yaml");
    for args in [&["plan", file.as_str()][..], &["plan", &file, "-o", "json"], &["completions", "bash"], &["--help"]] {
        let mut child =
            machine.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{args:?} {output:?}");
    }
    // As `head -1` does: one line is read, the rest is not.
    let args = ["plan", file.as_str()];
    let mut child = machine.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut first = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut first).expect("a line");
    assert!(first.starts_with("lab three-network: "), "{first}");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

const LAB_FILE: &str = "state/lab/demo/lab.json";

/// What may become of a file.
const DAMAGES: [Option<&str>; 4] = [Some(""), Some("{ \"name\": \"de"), Some("\u{1}\u{2}garbage"), None];

fn damage(machine: &Machine, file: &str, text: Option<&str>) {
    match text {
        Some(text) => machine.file(file, text),
        None => std::fs::remove_file(machine.dir.path().join(file)).unwrap_or_default(),
    }
}

#[test]
fn a_damaged_lab_is_refused_with_the_way_out() {
    let machine = Machine::with_lab("demo");
    machine.file("state/lab/demo/ca/root-key.pem", "secret");
    let whole = std::fs::read_to_string(machine.dir.path().join(LAB_FILE)).expect("a lab");
    let newer = whole.replacen('{', "{ \"version\": 99,", 1);
    let unknown = whole.replacen("\"mesh\":{", "\"mesh\":{ \"colour\": \"blue\",", 1);
    let foreign = [Some(newer.as_str()), Some(unknown.as_str())];
    for text in DAMAGES.into_iter().chain(foreign) {
        damage(&machine, LAB_FILE, text);
        for args in
            [&["kubeconfig", "demo"][..], &["env", "demo"], &["status", "demo"], &["graph", "demo"], &["up", "demo"]]
        {
            let refused = machine.run(args).refused(3).stderr;
            assert!(
                refused.contains("lab.json") && refused.contains("`lab down demo`"),
                "{args:?} {text:?}: {refused}"
            );
        }
    }
    machine.file(LAB_FILE, &unknown);
    assert!(machine.run(&["graph", "demo"]).refused(3).stderr.contains("does not know its field mesh.colour"));
    machine.file(LAB_FILE, &whole);
    machine.run(&["graph", "demo"]).printed();
}

#[test]
fn a_file_that_is_made_anew_is_no_reason_to_go_down() {
    for file in ["verdict.json", "timeline.json", "source.json", "events.jsonl", "journal.jsonl", "applied/c1.json"] {
        for text in DAMAGES {
            let machine = Machine::with_lab("demo");
            damage(&machine, &format!("state/lab/demo/{file}"), text);
            let ran = machine.run(&["report", "demo"]);
            // No engine answers here, which is the only thing that may be told.
            let told = ran.stderr.replace("no Docker engine answers", "");
            assert!(!told.contains("lab down") && !told.contains(file), "{file} {text:?}: {told}");
        }
    }
}

#[test]
fn a_damaged_kubeconfig_leads_to_up() {
    for text in DAMAGES {
        let machine = Machine::with_lab("demo");
        for cluster in ["c1", "c2"] {
            damage(&machine, &format!("state/lab/demo/kubeconfigs/{cluster}.yaml"), text);
        }
        let refused = machine.run(&["kubeconfig", "demo"]).refused(3).stderr;
        assert!(refused.contains("`lab up demo`"), "{text:?}: {refused}");
    }
}

#[test]
fn the_engine_is_the_one_that_docker_uses() {
    let machine = Machine::new();
    machine.file(".docker/config.json", r#"{ "currentContext": "near" }"#);
    // Docker names the directory by the SHA-256 of the context's name.
    machine.file(
        ".docker/contexts/meta/46ba34770bccfde756708d47d83fb7c8257fe8a4b3a35f25d385a8284021f476/meta.json",
        r#"{ "Name": "near", "Endpoints": { "docker": { "Host": "unix:///nonexistent/near.sock" } } }"#,
    );
    let run = |variables: &[(&str, &str)]| {
        let mut command = machine.command(&["list"]);
        command.env_remove("DOCKER_HOST").envs(variables.iter().copied());
        ran(&mut command, &["list"]).refused(3).stderr
    };
    assert!(run(&[]).contains("at unix:///nonexistent/near.sock (Docker context `near`)"), "{}", run(&[]));
    assert!(run(&[("DOCKER_CONTEXT", "far")]).contains("there is no Docker context `far`"));
    let host = run(&[("DOCKER_HOST", "unix:///nonexistent/other.sock"), ("DOCKER_CONTEXT", "far")]);
    assert!(host.contains("at unix:///nonexistent/other.sock (DOCKER_HOST)"), "{host}");
    // Without `docker` there is no way to an engine elsewhere.
    let elsewhere = run(&[("DOCKER_HOST", "tcp://127.0.0.1:9"), ("PATH", "/nonexistent")]);
    assert!(elsewhere.contains("tcp://127.0.0.1:9") && elsewhere.contains("the command `docker`"), "{elsewhere}");
}

#[test]
fn an_archive_needs_a_checksum() {
    let machine = Machine::new();
    machine.file("lab.tar", "");
    let refused = machine.run(&["images", "import", "lab.tar"]).refused(2);
    assert!(refused.stderr.contains("lab.tar.sha256") && refused.stderr.contains("--trust"), "{}", refused.stderr);
    let both = machine.run(&["images", "import", "lab.tar", "--sha256", &"0".repeat(64), "--trust"]).refused(2);
    assert!(both.stderr.contains("cannot be used with"), "{}", both.stderr);
}
