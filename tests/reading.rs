//! What lab is given to read has an end, or is refused: nothing makes it wait, and every refusal has a place and a remedy.

use std::fmt::Write as _;
use std::io::Read as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

#[expect(dead_code, reason = "other tests use the rest")]
mod machine;

use machine::{Machine, Ran, snapshot};

/// What each input may take, on a machine that has much else to do. Those that are here took minutes, or had no end.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs `lab plan` of a file, and ends it if it takes too long.
fn plan(machine: &Machine, file: &str) -> Ran {
    let args = ["plan", file];
    let mut child = machine.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let read = |stream: Option<Box<dyn std::io::Read + Send>>| {
        std::thread::spawn(move || {
            let mut text = String::new();
            stream.map(|mut s| s.read_to_string(&mut text));
            text
        })
    };
    let out = read(child.stdout.take().map(|s| Box::new(s) as _));
    let err = read(child.stderr.take().map(|s| Box::new(s) as _));
    let code = ended(&mut child, LIMIT);
    let text = |reader: std::thread::JoinHandle<String>| reader.join().expect("reads");
    let ran = Ran { line: format!("lab {}", args.join(" ")), code, stdout: text(out), stderr: text(err) };
    assert!(ran.code.is_some(), "{} has not ended after {LIMIT:?}", ran.line);
    assert!(ran.stderr.len() < 60_000, "{} says {} bytes", ran.line, ran.stderr.len());
    ran
}

/// The exit code of a process that ends in time.
fn ended(child: &mut Child, limit: Duration) -> Option<i32> {
    let start = Instant::now();
    while start.elapsed() < limit {
        if let Some(status) = child.try_wait().expect("a child") {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

/// A scenario with a list or mapping of many lines.
fn many(head: &str, count: usize, line: impl Fn(usize) -> String) -> String {
    let mut text = head.to_owned();
    for i in 0..count {
        let _ = writeln!(text, "{}", line(i));
    }
    text
}

const HEAD: &str = "name: x\nclusters: [c1]\n";

fn refused(text: &str, said: &str) {
    let machine = Machine::new();
    machine.file("x.yaml", text);
    let ran = plan(&machine, "x.yaml").refused(2);
    assert!(ran.stderr.contains(said), "{}", ran.stderr.chars().take(3000).collect::<String>());
}

#[test]
fn aliases_do_not_multiply_text() {
    let long = "x".repeat(1 << 20);
    refused(
        &many(&format!("{HEAD}mesh:\n  values:\n    a: &a {long}\n    b:\n"), 2000, |_| "    - *a".to_owned()),
        "too large",
    );
}

#[test]
fn duplicate_keys_take_no_longer_than_others() {
    refused(&many(HEAD, 99_000, |_| "k: 1".to_owned()), "and 98950 more");
}

#[test]
fn unknown_fields_take_no_longer_than_others() {
    refused(&many(HEAD, 90_000, |i| format!("k{i}: 1")), "and 89950 more");
    refused(&many(HEAD, 350_000, |i| format!("k{i}: 1")), "200000 values");
}

#[test]
fn many_values_are_read() {
    let machine = Machine::new();
    machine.file(
        "x.yaml",
        &many("name: x\nclusters: [c1]\nmesh:\n  values:\n    pilot:\n      env:\n", 90_000, |i| {
            format!("        k{i}: 1")
        }),
    );
    assert_eq!(plan(&machine, "x.yaml").code, Some(0));
}

#[test]
fn what_names_much_twice_is_told_in_time() {
    refused(&many("name: x\nclusters:\n", 60_000, |i| format!("- c{i}")), "60000 clusters");
    let manifests = format!(
        "{HEAD}apps:\n- manifests:\n    objects: [{{ apiVersion: v1, kind: ConfigMap, metadata: {{ name: a }} }}]\n    clusters:\n"
    );
    refused(&many(&manifests, 60_000, |i| format!("    - d{i}")), "and 59950 more");
    let objects = format!("{HEAD}apps:\n- manifests:\n    objects:\n");
    refused(
        &many(&objects, 20_000, |_| "    - { apiVersion: v1, kind: ConfigMap, metadata: { name: a } }".to_owned()),
        "and 19949 more",
    );
    let versions =
        format!("{HEAD}checks:\n- request:\n    service: helloworld.sample:5000/hello\n    expect:\n      versions:\n");
    refused(&many(&versions, 60_000, |i| format!("      - v{i}")), "more");
}

#[test]
fn a_name_as_long_as_a_file_is_compared_with_nothing() {
    let long = "n".repeat(3 << 20);
    refused(&format!("{HEAD}? {long}\n: 1\n"), "a scenario has no field");
    refused(&format!("{HEAD}kind: {long}\n"), "lab knows no kind");
}

#[test]
fn only_files_with_an_end_are_read() {
    let machine = Machine::new();
    let pipe = machine.dir.path().join("pipe.yaml");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let app = |file: &str| format!("{HEAD}apps:\n- manifests:\n    files: [\"{file}\"]\n");
    machine.file("zero.yaml", &app("/dev/zero"));
    machine.file("fifo.yaml", &app("pipe.yaml"));
    machine.file("kernel.yaml", &app("/proc/kmsg"));
    machine.file("large.yaml", &app("large.txt"));
    machine.file("large.txt", &"#".repeat((4 << 20) + 1));
    machine.file("all.yaml", &app("all"));
    for i in 0..5 {
        machine.file(&format!("all/{i}.yaml"), &format!("a: 1\n{}", "#".repeat((4 << 20) - 10)));
    }
    let ran =
        ["zero.yaml", "fifo.yaml", "kernel.yaml", "large.yaml", "all.yaml", "pipe.yaml", "/dev/zero", "large.txt"]
            .map(|file| plan(&machine, file).refused(2));
    snapshot(&ran);
}

#[test]
fn what_is_no_text_is_refused_with_its_place() {
    let machine = Machine::new();
    let bytes = |name: &str, bytes: &[u8]| std::fs::write(machine.dir.path().join(name), bytes).expect("writes");
    bytes("latin1.yaml", b"name: x\nclusters: [c1] # gr\xfc\xdfe\n");
    bytes("utf16.yaml", &"name: x\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>());
    bytes("binary.yaml", b"\x7fELF\x02\x01\x01\0\0\0");
    bytes("web.yaml", b"apiVersion: v1\nkind: ConfigMap\nmetadata: { name: \xff }\n");
    machine.file("app.yaml", &format!("{HEAD}apps:\n- manifests:\n    files: [web.yaml]\n"));
    snapshot(&["latin1.yaml", "utf16.yaml", "binary.yaml", "app.yaml"].map(|file| plan(&machine, file).refused(2)));
}

#[test]
fn manifests_have_no_types_of_other_programs() {
    let machine = Machine::new();
    machine.file("app.yaml", &format!("{HEAD}apps:\n- manifests:\n    files: [web.yaml, bomb.yaml]\n"));
    machine.file(
        "web.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: !!python/object/apply:os.system [\"true\"]\n",
    );
    let long = "x".repeat(1 << 20);
    machine.file(
        "bomb.yaml",
        &many(
            &format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: b }}\ndata:\n  a: &a {long}\n"),
            2000,
            |i| format!("  k{i}: *a"),
        ),
    );
    snapshot(&[plan(&machine, "app.yaml").refused(2)]);
}

#[test]
fn a_pipe_is_read_and_an_interrupt_ends_the_wait_for_it() {
    use std::io::Write as _;
    let machine = Machine::new();
    let start = || {
        let mut command = machine.command(&["plan", "/dev/stdin"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts")
    };
    let mut child = start();
    child.stdin.take().expect("a pipe").write_all(HEAD.as_bytes()).expect("writes");
    assert_eq!(ended(&mut child, LIMIT), Some(0));

    let mut child = start();
    let input = child.stdin.take();
    // So that the signal meets lab where it waits.
    std::thread::sleep(Duration::from_secs(1));
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
    let asked = Instant::now();
    assert_eq!(ended(&mut child, Duration::from_secs(5)), Some(130));
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    let mut said = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("reads");
    assert!(said.contains("nothing was started"), "{said}");
    drop(input);
}

#[test]
fn what_a_kustomization_would_fetch_is_refused_before_it_is_built() {
    let machine = Machine::new();
    machine.file("app.yaml", &format!("{HEAD}apps:\n- manifests:\n    files: [app]\n"));
    machine.file("app/kustomization.yaml", "resources: [web.yaml, ../base]\n");
    machine.file("app/web.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n");
    // kustomize asks this machine without any proxy.
    machine.file("base/Kustomization", "namePrefix: a-\ncomponents:\n- http://127.0.0.1:8000/a.yaml\n");
    snapshot(&[plan(&machine, "app.yaml").refused(2)]);
}

#[test]
fn what_a_kustomization_would_keep_in_memory_is_bounded() {
    let machine = Machine::new();
    machine.file("app.yaml", &format!("{HEAD}apps:\n- manifests:\n    files: [app]\n"));
    machine.file("app/kustomization.yaml", "configMapGenerator:\n- { name: a, files: [big] }\n");
    machine.file("app/big", "");
    let big = std::fs::File::options().write(true).open(machine.dir.path().join("app/big")).expect("opens");
    big.set_len(3 << 30).expect("grows");
    snapshot(&[plan(&machine, "app.yaml").refused(2)]);
}

#[test]
fn what_is_no_file_of_a_directory_is_named_and_json_is_read() {
    let machine = Machine::new();
    let app =
        |name: &str, file: &str| machine.file(name, &format!("{HEAD}apps:\n- manifests:\n    files: [\"{file}\"]\n"));
    machine.file("dangling/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n");
    std::os::unix::fs::symlink("nowhere", machine.dir.path().join("dangling/b.yaml")).expect("links");
    machine.file("device/README", "");
    std::os::unix::fs::symlink("/dev/zero", machine.dir.path().join("device/b.YML")).expect("links");
    machine.file("text/web.txt", "");
    for directory in ["dangling", "device", "text", ""] {
        app(&format!("of-{directory}.yaml"), directory);
    }
    machine.file("ca.yaml", "name: x\nclusters: [c1]\nmesh: { ca: { files: { rootCert: text, rootKey: text } } }\n");
    let files = ["of-dangling.yaml", "of-device.yaml", "of-text.yaml", "of-.yaml", "ca.yaml"];
    snapshot(&files.map(|file| plan(&machine, file).refused(2)));
    machine.file("json/a.JSON", r#"{ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" } }"#);
    machine.file("json/a.yaml/README", "a directory is passed over");
    app("of-json.yaml", "json");
    assert_eq!(plan(&machine, "of-json.yaml").code, Some(0));
}

#[test]
fn a_scenario_is_read_from_standard_input() {
    let machine = Machine::new();
    machine.file("web.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n");
    machine.file("x.yaml", &format!("{HEAD}apps:\n- manifests:\n    files: [web.yaml]\n"));
    let scenario = std::fs::File::open(machine.dir.path().join("x.yaml")).expect("opens");
    let ran = machine.command(&["plan", "-"]).stdin(scenario).output().expect("runs");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}
