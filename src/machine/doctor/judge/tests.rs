use super::*;
use crate::verdict::Level;

fn asked(name: &str, answer: Result<(), &str>) -> Asked {
    (name.to_owned(), answer.map_err(str::to_owned))
}

fn facts(registry: Result<(), &str>, go: Result<(), &str>, pypi: Result<(), &str>) -> SourceFacts {
    SourceFacts {
        registries: vec![asked("quay.io", registry), asked("docker.io", registry)],
        builders: vec![asked("Go", go)],
        packages: vec![asked("Python packages", pypi)],
        ..SourceFacts::default()
    }
}

fn levels(judged: &[Judgement]) -> Vec<(&str, Level)> {
    judged.iter().map(|j| (j.what, j.level)).collect()
}

#[test]
fn a_trial_of_privileges_is_well_or_says_what_is_missing() {
    let engine = EngineFacts { runtime: Some("runc".to_owned()), ..EngineFacts::default() };
    assert_eq!(
        privileged(Ok(Ok(())), &engine, &[]),
        Judgement::ok("privileges", "privileged containers start by runc")
    );
    let refused = privileged(Ok(Err("unable to apply caps: operation not permitted".to_owned())), &engine, &[24]);
    assert_eq!(refused.level, Level::Failure);
    assert!(
        refused.found.ends_with(
            "unable to apply caps: operation not permitted; this machine cannot give the capability SYS_RESOURCE"
        ),
        "{refused:?}"
    );
    assert_eq!(privileged(Err("no disk".to_owned()), &engine, &[]).level, Level::Unknown);
    let several = privileged(Ok(Ok(())), &engine, &[24, 60]);
    assert!(several.level == Level::Ok && several.found.contains("SYS_RESOURCE, 60"), "{several:?}");
}

#[test]
fn control_groups_of_either_version_will_do() {
    assert_eq!(cgroups(Some("2")).level, Level::Ok);
    assert_eq!(cgroups(Some("1")).level, Level::Ok);
    assert_eq!(cgroups(None).level, Level::Unknown);
}

#[test]
fn a_tool_is_here_or_comes_from_somewhere() {
    let facts = |name, place| ToolFacts {
        name,
        version: "v2".to_owned(),
        accepted: "v1 to v3".to_owned(),
        place,
        passed_over: Some("/bin/x".into()),
    };
    let here = tool(&facts("kind", ToolPlace::Here("/usr/bin/kind".into())));
    assert_eq!(here, Judgement::ok("kind", "v2: /usr/bin/kind; /bin/x is passed over, as lab needs v1 to v3"));
    let comes = tool(&facts("kind", ToolPlace::ToCome("downloaded from github.com".to_owned())));
    assert!(comes.found.starts_with("v2: will be downloaded from github.com when"), "{}", comes.found);
    let nowhere = || ToolPlace::Nowhere("github.com: timed out; go is not on PATH".to_owned());
    assert_eq!(tool(&facts("kind", nowhere())).level, Level::Failure);
    let kubectl = tool(&facts("kubectl", nowhere()));
    assert_eq!(kubectl.level, Level::Warning);
    assert!(kubectl.found.contains("github.com: timed out; go is not on PATH"), "{}", kubectl.found);
}

#[test]
fn one_source_of_images_is_enough() {
    let no = Err("no route to host");
    let all = [("images", Level::Ok), ("registries", Level::Ok), ("packages", Level::Ok)];
    for one in [facts(Ok(()), no, no), facts(no, Ok(()), Ok(())), facts(Ok(()), Ok(()), Ok(()))] {
        assert_eq!(levels(&sources(&one)), all, "{one:?}");
    }
    let prepared = SourceFacts { prepared: Some("lab/node:1 (packages)".to_owned()), ..facts(no, no, no) };
    assert_eq!(levels(&sources(&prepared)), all);
    assert!(sources(&prepared)[1].found.ends_with("; not needed"));

    let none = sources(&facts(no, Ok(()), no));
    assert_eq!(
        levels(&none),
        [("images", Level::Failure), ("registries", Level::Warning), ("packages", Level::Warning)]
    );
    assert_eq!(none[1].found, "no registry serves (quay.io: no route to host)");
    assert_eq!(none[2].found, "cannot be built: Python packages: no route to host");
    let mut some = facts(Ok(()), no, no);
    some.registries[1] = asked("docker.io", no);
    assert!(sources(&some)[0].found.contains("not all registries serve: docker.io: no route to host"));
}

#[test]
fn with_a_mirror_nothing_else_counts() {
    let mirrored = |answer| SourceFacts {
        mirrored: true,
        registries: vec![asked("127.0.0.1:5000", answer)],
        ..facts(Ok(()), Ok(()), Ok(()))
    };
    assert_eq!(levels(&sources(&mirrored(Ok(())))), [("images", Level::Ok)]);
    assert_eq!(levels(&sources(&mirrored(Err("connection refused")))), [("images", Level::Failure)]);
}
