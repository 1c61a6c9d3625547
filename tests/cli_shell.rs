//! What a shell, a manual and a browser get of lab. As in `cli.rs`, no engine answers.

mod machine;

use std::path::Path;

use machine::{Machine, ran, scenario, snapshot};

#[test]
fn completions_for_every_shell() {
    let machine = Machine::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = machine.run(&["completions", shell]).printed();
        assert!(script.contains("COMPLETE") && script.contains(env!("CARGO_BIN_EXE_lab")), "{shell}: {script}");
    }
    // Where the shell finds this binary by its name, the script does as well.
    let args = ["completions", "bash"];
    let directory = Path::new(env!("CARGO_BIN_EXE_lab")).parent().expect("a directory");
    let script = ran(machine.command(&args).env("PATH", directory), &args).printed();
    assert!(!script.contains(env!("CARGO_BIN_EXE_lab")), "{script}");
}

/// What bash is told to offer for the last of these words.
fn offered(machine: &Machine, words: &[&str]) -> Vec<String> {
    let args = [&["--", "lab"], words].concat();
    let mut command = machine.command(&args);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env("COMPLETE", "bash").env("_CLAP_IFS", "\n");
    command.env("_CLAP_COMPLETE_INDEX", words.len().to_string());
    ran(&mut command, &args).printed().lines().map(str::to_owned).collect()
}

#[test]
fn completion_knows_labs_clusters_and_scenarios() {
    let machine = Machine::with_lab("three-network");
    assert_eq!(offered(&machine, &["verify", "th"]), ["three-network"]);
    assert_eq!(offered(&machine, &["verify", "x"]), [""; 0]);
    assert_eq!(offered(&machine, &["explain", "three-network", "c"]), ["c1", "c2"]);
    assert_eq!(offered(&machine, &["explain", "nosuch", "c"]), [""; 0]);
    assert_eq!(offered(&machine, &["up", "scenarios/ing"]), ["scenarios/ingress.yaml"]);
    assert_eq!(offered(&machine, &["up", "three"]), ["three-network"]);
    assert!(offered(&machine, &["res"]).contains(&"resume".to_owned()));
}

#[test]
fn a_manual_page_for_each_verb() {
    let machine = Machine::new();
    assert!(machine.run(&["man"]).printed().contains(".TH lab 1"));
    let dir = machine.dir.path().join("share/man/man1");
    machine.run(&["man", &dir.display().to_string()]).printed();
    let page = std::fs::read_to_string(dir.join("lab-up.1")).expect("a page");
    assert!(page.contains("no\\-verify") && page.contains(".TH lab-up 1"), "{page}");
    let pages = std::fs::read_dir(&dir).expect("pages").count();
    let verbs = machine.run(&["--help"]).printed();
    let verbs = verbs.split("Commands:\n").nth(1).and_then(|v| v.split("\n\n").next()).expect("verbs").lines().count();
    assert!(pages >= verbs, "{pages} pages, {verbs} verbs");
}

#[test]
fn what_can_be_opened() {
    let text = std::fs::read_to_string(scenario("ingress.yaml")).expect("a scenario");
    let machine = Machine::with("ingress", &text);
    assert_eq!(
        machine.run(&["open", "ingress", "--print"]).printed(),
        "http://172.23.239.15/hello\nhttp://172.23.239.25/hello\n"
    );
    assert_eq!(machine.run(&["open", "ingress", "c2", "--print"]).printed(), "http://172.23.239.25/hello\n");
    let closed = Machine::with_lab("two-network");
    snapshot(&[machine.run(&["open", "ingress", "c9"]).refused(2), closed.run(&["open", "two-network"]).refused(2)]);
}

/// A program that lab runs, and what that has started in turn, end with lab: here `go`, which for once takes its time.
#[test]
fn programs_end_with_lab_whatever_ends_it() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Stdio;
    use std::time::{Duration, Instant};

    use rustix::process::{Pid, Signal, kill_process};

    for signal in [Signal::KILL, Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT] {
        let machine = Machine::new();
        // A kustomization needs kubectl, which is built with go.
        machine.file("apps/kustomization.yaml", "resources: []\n");
        machine.file("lab.yaml", "name: demo\nclusters: [c1]\napps: [{ manifests: { files: [apps] } }]\n");
        let note = machine.dir.path().join("started").display().to_string();
        let script = format!("#!/bin/sh\nsleep 300 &\necho $$ $! >{note}.new\nmv {note}.new {note}\nwait\n");
        machine.file("bin/go", &script);
        let go = machine.dir.path().join("bin/go");
        std::fs::set_permissions(&go, std::fs::Permissions::from_mode(0o755)).expect("executable");
        let path = format!("{}:/usr/bin:/bin", go.parent().expect("a directory").display());
        let mut command = machine.command(&["plan", "lab.yaml"]);
        let mut lab = command.env("PATH", path).stderr(Stdio::null()).stdout(Stdio::null()).spawn().expect("starts");
        let limit = Instant::now() + Duration::from_secs(60);
        let started = loop {
            if let Ok(text) = std::fs::read_to_string(machine.dir.path().join("started")) {
                break text;
            }
            assert!(Instant::now() < limit && lab.try_wait().expect("looks").is_none(), "go was never run");
            std::thread::sleep(Duration::from_millis(20));
        };
        let pid = Pid::from_raw(i32::try_from(lab.id()).expect("a pid")).expect("a pid");
        kill_process(pid, signal).expect("signalled");
        let limit = Instant::now() + Duration::from_secs(10);
        let code = loop {
            if let Some(status) = lab.try_wait().expect("looks") {
                break status.code();
            }
            assert!(Instant::now() < limit, "{signal:?} does not end lab");
            std::thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(code, (signal != Signal::KILL).then_some(130), "{signal:?}");
        for pid in started.split_whitespace() {
            let limit = Instant::now() + Duration::from_secs(10);
            // One that has ended and that nobody waits for has no command line any more.
            while std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|words| !words.is_empty()) {
                assert!(Instant::now() < limit, "{signal:?} ended lab, and its program {pid} goes on");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}
