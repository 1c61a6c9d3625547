//! Files that the command line names, to read and to write. As in `cli.rs`, no engine answers.

use std::fs;
use std::process::Stdio;

mod machine;

use machine::{Machine, ran, scenario, snapshot};

#[test]
fn an_archive_that_is_none_is_refused_before_an_engine_is_asked() {
    let machine = Machine::new();
    machine.file("lab.tar", "");
    machine.file("folder/x", "");
    let sum = "0".repeat(64);
    let import = |file: &str, trust: &[&str]| machine.run(&[&["images", "import", file], trust].concat()).refused(2);
    let refused = ["lab.tar", "folder", "none.tar", "/dev/zero"].map(|file| import(file, &["--trust"]));
    for (refused, file) in refused.iter().zip(["lab.tar", "folder", "none.tar", "/dev/zero"]) {
        assert_eq!(import(file, &["--sha256", &sum]).stderr, refused.stderr);
    }
    snapshot(&refused);
    for sum in ["", "12", &"g".repeat(64), &"0".repeat(65)] {
        let refused = machine.run(&["images", "import", "lab.tar", "--sha256", sum]).refused(2);
        assert!(refused.stderr.contains("64 hexadecimal digits"), "{}", refused.stderr);
    }
}

#[test]
fn a_file_is_not_written_where_there_is_no_directory_and_that_is_told_first() {
    let machine = Machine::with_lab("demo");
    let file = scenario("two-network.yaml");
    machine.file("file", "");
    for args in [
        &["graph", &file, "-o"][..],
        &["report", "demo", "-o"],
        &["dump", "demo", "-o"],
        &["up", &file, "--junit"],
        &["verify", "demo", "--junit"],
        &["images", "export"],
    ] {
        for (to, told) in [
            ("none/x", "cannot write none/x: there is no directory none"),
            ("file/x", "cannot write file/x: "),
            (".", "cannot write .: is a directory"),
        ] {
            let refused = machine.run(&[args, &[to]].concat()).refused(2);
            assert!(refused.stderr.contains(told), "{args:?} {}", refused.stderr);
        }
    }
    assert!(!machine.dir.path().join("none").exists());
    // An archive is written beside its place first, and must not take that of a device.
    for args in [&["dump", "demo", "-o"][..], &["images", "export"]] {
        let refused = machine.run(&[args, &["/dev/null"]].concat()).refused(2);
        assert!(refused.stderr.contains("cannot write /dev/null: it exists and is not a file"), "{}", refused.stderr);
    }
    machine.run(&["graph", &file, "-o", "x.svg"]).printed();
    machine.run(&["graph", &file, "-o", "x.svg"]).printed();
    assert!(fs::read_to_string(machine.dir.path().join("x.svg")).expect("a picture").ends_with("</svg>\n"));
    let names = fs::read_dir(machine.dir.path()).expect("lists").map(|e| e.expect("an entry").file_name());
    assert_eq!(names.filter(|n| n.to_string_lossy().starts_with('.')).count(), 0, "nothing half is left");
}

/// `/dev/full` takes nothing, as a full disk does.
#[test]
fn output_that_cannot_be_written_is_an_error() {
    let machine = Machine::new();
    let file = scenario("two-network.yaml");
    for args in
        [&["--help"][..], &["up", "--help"], &["--version"], &["plan", &file], &["completions", "bash"], &["schema"]]
    {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
        let mut command = machine.command(args);
        let child = command.stdout(full).stderr(Stdio::piped()).spawn().expect("it starts");
        let output = child.wait_with_output().expect("it ends");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{args:?} {told}");
        assert!(told.starts_with("error: cannot write to standard output\n  because: no space is left"), "{told}");
        assert!(told.contains("hint:") && !told.contains("yours"), "{told}");
    }
    let args = ["graph", &file, "-o", "/dev/full"];
    let told = ran(&mut machine.command(&args), &args).refused(3).stderr;
    assert!(told.contains("because: no space is left") && !told.contains("os error"), "{told}");
}

#[test]
fn a_relative_home_is_refused_and_nothing_is_kept_where_one_happens_to_be() {
    let machine = Machine::new();
    let run = |variables: &[(&str, &str)], args: &[&str]| {
        let mut command = machine.command(args);
        ran(command.env_remove("XDG_STATE_HOME").envs(variables.iter().copied()), args)
    };
    let refused = run(&[("HOME", "relative")], &["status", "demo"]).refused(3).stderr;
    assert!(refused.contains("HOME is not an absolute path") && refused.contains("hint: set HOME"), "{refused}");
    // What the specification has ignored is.
    run(&[("XDG_STATE_HOME", "relative")], &["status", "demo"]).refused(2);
    assert!(machine.dir.path().join(".local/state/lab").exists());
    let state = machine.dir.path().join("mine").display().to_string();
    run(&[("HOME", "relative"), ("XDG_STATE_HOME", &state)], &["status", "demo"]).refused(2);
    assert!(!machine.dir.path().join("relative").exists());
}

#[test]
fn a_number_that_is_none() {
    let machine = Machine::with_lab("demo");
    snapshot(&[
        machine.run(&["verify", "demo", "--settle", "soon"]).refused(2),
        machine.run(&["logs", "demo", "--tail", "-1"]).refused(2),
        machine.run(&["logs", "demo", "--tail=all"]).refused(2),
    ]);
}

#[test]
fn a_file_in_the_place_of_a_name() {
    let machine = Machine::with_lab("demo");
    machine.file("mesh.yaml", "name: mine\nclusters: [c1, c2]\n");
    machine.file("guided/scenario.yaml", "name: guided\nclusters: wrong\n");
    machine.file("notes", "buy milk");
    snapshot(&[
        machine.run(&["verify", "mesh.yaml"]).refused(2),
        machine.run(&["kubeconfig", "guided"]).refused(2),
        machine.run(&["status", "notes"]).refused(2),
    ]);
}

#[test]
fn a_mesh_in_clusters_that_are_there_is_planned_without_an_engine_and_without_their_kubeconfig() {
    let machine = Machine::new();
    let text = "name: ours\nclusters: [{ name: c1, existing: { kubeconfig: k, context: a } }, { name: c2, existing: { kubeconfig: k, context: b } }]\n";
    machine.file("ours.yaml", text);
    let plan = machine.run(&["plan", "ours.yaml"]).printed();
    assert!(plan.contains("east-west gateway known after up") && plan.contains("lab makes no machines"), "{plan}");
    assert!(!plan.contains("docker-network") && !plan.contains("metallb"), "{plan}");
    let markdown = machine.run(&["plan", "ours.yaml", "--output", "markdown"]).printed();
    assert!(markdown.contains("as found") && markdown.contains("known after up"), "{markdown}");
    machine.run(&["graph", "ours.yaml"]).printed();
    for verb in [&["up", "ours.yaml"][..], &["up", "ours.yaml", "--dry-run"], &["diff", "ours.yaml"]] {
        let refused = machine.run(verb).refused(2);
        assert!(refused.stderr.contains("cannot read the kubeconfig"), "{verb:?} {}", refused.stderr);
    }
    let refused = machine.run(&["up", "ours.yaml", "--remove"]).refused(2);
    assert!(refused.stderr.contains("it removes none of them"), "{}", refused.stderr);
    for flag in ["--adopt", "--yes"] {
        let refused = machine.run(&["up", &scenario("two-network.yaml"), flag]).refused(2);
        assert!(refused.stderr.contains("for clusters that lab did not make"), "{}", refused.stderr);
    }
    assert!(machine.run(&["eject", "ours.yaml", "x"]).refused(2).stderr.contains("lab did not make the clusters"));
    let machine = Machine::with_lab("demo");
    machine.file("demo.yaml", &text.replace("ours", "demo"));
    let refused = machine.run(&["up", "demo.yaml"]).refused(2);
    assert!(refused.stderr.contains("a lab demo whose clusters are others"), "{}", refused.stderr);
}
