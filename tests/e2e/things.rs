//! What a machine has of a lab, to see that nothing of it is left.

use std::process::Command;

fn listed(list: &[&str]) -> String {
    let output = Command::new("docker").args(list).output().expect("docker starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// All that this machine has of a lab: containers, networks, images, volumes, files, and processes that work on it.
pub fn things(name: &str) -> Vec<String> {
    let lists: [(&[&str], String); 4] = [
        (&["ps", "--all", "--format", "{{.Names}}"], format!("{name}-c")),
        (&["network", "ls", "--format", "{{.Name}}"], format!("lab-{name}")),
        (&["images", "--format", "{{.Repository}}:{{.Tag}}"], format!("lab/cluster:{name}.")),
        (&["volume", "ls", "--format", "{{.Name}}"], format!("{name}-")),
    ];
    let found = |(list, prefix): (&[&str], String)| {
        let all = listed(list);
        all.lines().filter(|line| line.starts_with(&prefix)).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut all: Vec<String> = lists.into_iter().flat_map(found).collect();
    if lab::sys::state::State::open().expect("state").existing(name).is_ok() {
        all.push(format!("the state of {name}"));
    }
    let processes = std::fs::read_dir("/proc").expect("processes").flatten();
    let lines = processes.filter_map(|p| std::fs::read(p.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    all.extend(lines.filter(|line| line.contains("kind") && line.contains(&format!("{name}-c"))));
    all
}
