use super::*;
use crate::scenario::{CallerPod, Protocol, Target};

const VERSIONS: &[(&str, &str)] = &[("c1", "v1"), ("c2", "v2")];

fn answers() -> Answers {
    Answers {
        status: 200,
        grpc_status: None,
        body_bytes: None,
        body: None,
        headers: BTreeMap::new(),
        who: Who::Anybody,
        within: None,
        at_least: None,
        mirror: None,
        failures: 0,
        ejected: false,
    }
}

fn check(expect: Expect) -> RequestCheck {
    RequestCheck {
        name: None,
        target: Target::Url("http://10.0.0.1/x".into()),
        protocol: Protocol::Http,
        from: vec!["c1".into()],
        through: Through::Mesh,
        caller: CallerPod { namespace: "sample".into(), app: "sleep".into() },
        method: None,
        headers: BTreeMap::new(),
        header_bytes: None,
        body: None,
        times: 1,
        expect,
    }
}

fn hello(version: &str, micros: u64) -> Reply {
    let headers = BTreeMap::from([("server".to_owned(), vec!["envoy".to_owned()])]);
    Reply { status: 200, body: format!("Hello version: {version}, instance: x\n"), micros, headers, ..Reply::default() }
}

fn status(status: u16, body: &str) -> Reply {
    Reply { status, body: body.to_owned(), ..Reply::default() }
}

fn curl(error: &str) -> Reply {
    Reply { error: error.to_owned(), ..Reply::default() }
}

fn judge(expect: Expect, replies: Vec<Reply>) -> SourceVerdict {
    let requests = u32::try_from(replies.len()).unwrap();
    request(&check(expect), "c1", VERSIONS, requests, Seen { replies, ..Seen::default() })
}

fn like(change: impl Fn(&mut Answers), replies: Vec<Reply>) -> SourceVerdict {
    let mut expect = answers();
    change(&mut expect);
    judge(Expect::Answers(expect), replies)
}

fn many(v1: u32, v2: u32) -> Vec<Reply> {
    (0..v1).map(|_| hello("v1", 1)).chain((0..v2).map(|_| hello("v2", 1))).collect()
}

#[test]
fn status_body_and_headers() {
    assert!(like(|_| (), vec![hello("v1", 1)]).passed);
    assert!(!like(|_| (), vec![status(503, "no healthy upstream")]).passed);
    assert!(like(|e| e.status = 404, vec![status(404, "")]).passed);
    let red = like(|e| e.status = 404, vec![hello("v1", 1)]);
    assert_eq!((red.passed, red.failures), (false, 1));

    assert!(like(|e| e.body = Some("version: v1".into()), vec![hello("v1", 1)]).passed);
    let red = like(|e| e.body = Some("version: v1".into()), vec![hello("v2", 1)]);
    assert_eq!(red.errors["status 200, but the body does not contain `version: v1`"], 1);
    assert!(!red.passed);

    let server = |value: &'static str| move |e: &mut Answers| drop(e.headers.insert("Server".into(), value.into()));
    assert!(like(server("env"), vec![hello("v1", 1)]).passed);
    assert_eq!(like(server("nginx"), vec![hello("v1", 1)]).errors["status 200, but header `Server` is `envoy`"], 1);
    assert_eq!(like(server("x"), vec![status(200, "")]).errors["status 200, but there is no header `Server`"], 1);
}

#[test]
fn versions_and_clusters() {
    let both = |e: &mut Answers| e.who = Who::Versions(vec!["v1".into(), "v2".into()]);
    assert!(like(both, many(3, 1)).passed);
    assert_eq!(like(both, many(4, 0)).missing, ["v2"]);
    let one = |e: &mut Answers| e.who = Who::Clusters(vec!["c2".into()]);
    assert!(like(one, many(0, 4)).passed);
    let red = like(one, many(1, 4));
    assert_eq!((red.passed, red.unexpected), (false, vec!["v1".to_owned()]));
    let silent = like(one, vec![status(200, "Hello")]);
    assert_eq!((silent.passed, silent.missing), (false, vec!["v2".to_owned()]));
}

#[test]
fn weights() {
    let shares = |e: &mut Answers| e.who = Who::Weights(BTreeMap::from([("v1".into(), 80), ("v2".into(), 20)]));
    assert!(like(shares, many(810, 190)).passed);
    let red = like(shares, many(600, 400));
    assert!(!red.passed);
    assert_eq!(red.problems.len(), 2, "{:?}", red.problems);
    assert!(red.problems[0].starts_with("v1 gave 600 of 1000 answers; with a share of 80 % it is from 7"));
    let all = |e: &mut Answers| e.who = Who::Weights(BTreeMap::from([("v1".into(), 100), ("v2".into(), 0)]));
    assert!(like(all, many(40, 0)).passed);
    assert!(!like(all, many(40, 1)).passed);
}

#[test]
fn the_95th_percentile_may_leave_out_one_of_twenty() {
    let slow = |slow: usize| {
        let mut replies: Vec<Reply> = (0..20).map(|_| hello("v1", 10_000)).collect();
        replies.iter_mut().take(slow).for_each(|r| r.micros = 900_000);
        like(|e| e.within = Some(500), replies)
    };
    assert!(slow(1).passed);
    let red = slow(2);
    assert_eq!(red.problems, ["the 95th percentile is 900 ms, and 500 ms is allowed"]);
    assert!(!red.passed);
}

#[test]
fn no_answer_may_come_before_its_time() {
    let slow = |micros: [u64; 2]| like(|e| e.at_least = Some(500), micros.map(|m| hello("v1", m)).to_vec());
    assert!(slow([500_000, 900_000]).passed);
    let red = slow([499_999, 900_000]);
    assert_eq!((red.passed, red.errors["status 200 before 500 ms were over"]), (false, 1));
    let refused = like(|e| (e.status, e.at_least) = (504, Some(500)), vec![status(503, "no healthy upstream")]);
    assert_eq!(refused.errors["status 503: no healthy upstream"], 1, "what is otherwise wrong is said first");
}

#[test]
fn a_copy_of_every_request_must_be_answered() {
    let expect = || {
        let mirror = "audit.shop:80/".parse().ok();
        Expect::Answers(Answers { mirror, ..answers() })
    };
    let seen = |copies, broken: Option<&str>| {
        let seen = Seen { replies: many(2, 0), copies, broken: broken.map(str::to_owned), ..Seen::default() };
        request(&check(expect()), "c1", VERSIONS, 2, seen)
    };
    let green = seen(Some(2), None);
    assert!(green.passed);
    assert!(green.measures.iter().any(|m| m.to_string() == "copies that audit.shop:80 answered: 2"), "{green:?}");
    let red = seen(Some(1), None);
    assert_eq!(
        (red.passed, red.problems),
        (false, vec!["audit.shop:80 answered copies of 1 of 2 requests".to_owned()])
    );
    let plain = seen(None, None);
    assert!(!plain.passed && plain.problems[0].starts_with("no Envoy is beside the caller"), "{plain:?}");
    assert!(seen(None, Some("no running pod")).problems.is_empty(), "a caller that is not there is what is wrong");
}

#[test]
fn failures_are_counted_and_an_ejection_is_demanded() {
    let replies = || vec![hello("v1", 1), status(503, ""), status(503, ""), hello("v1", 1)];
    assert!(like(|e| e.failures = 2, replies()).passed);
    assert!(!like(|e| e.failures = 1, replies()).passed);
    let seen = |ejected| {
        let expect = Expect::Answers(Answers { ejected: true, ..answers() });
        let endpoints = vec![Endpoint { ejected, ..Endpoint::default() }];
        request(&check(expect), "c1", VERSIONS, 1, Seen { replies: many(1, 0), endpoints, ..Seen::default() })
    };
    assert!(seen(true).passed);
    assert_eq!(seen(false).problems, ["outlier detection has ejected no endpoint in the caller's Envoy"]);
    assert!(!seen(false).passed);
}

#[test]
fn what_is_denied_fails_for_the_reason_given() {
    let denied = |reason: &str, replies| judge(Expect::Denied { reason: Some(reason.to_owned()) }, replies);
    let no_host = || vec![curl("Could not resolve host: x.sample")];
    let green = denied("Could not resolve host", no_host());
    assert!(green.passed);
    assert_eq!((green.failures, green.denials["no answer: Could not resolve host: x.sample"]), (0, 1));
    assert!(judge(Expect::Denied { reason: None }, no_host()).passed);
    assert!(denied("RBAC", vec![status(403, "RBAC: access denied")]).passed);
    assert!(denied("status 403", vec![status(403, "")]).passed);
    let other = denied("RBAC", no_host());
    assert_eq!((other.passed, other.failures), (false, 1));
    assert!(other.errors.contains_key("denied for another reason: no answer: Could not resolve host: x.sample"));
    let answered = denied("RBAC", vec![status(403, "RBAC: access denied"), status(301, "")]);
    assert!(!answered.passed);
    assert!(answered.errors.contains_key("answered with status 301"));
}

#[test]
fn too_few_requests_and_a_broken_caller_are_red() {
    let few =
        request(&check(Expect::Answers(answers())), "c1", VERSIONS, 3, Seen { replies: many(2, 0), ..Seen::default() });
    assert_eq!((few.passed, few.problems), (false, vec!["only 2 of 3 requests were sent".to_owned()]));
    let seen = Seen { broken: Some("no running pod".to_owned()), ..Seen::default() };
    for expect in [Expect::Denied { reason: None }, Expect::Answers(answers())] {
        assert!(!request(&check(expect), "c1", VERSIONS, 1, seen.clone()).passed);
    }
}

#[test]
fn as_many_requests_as_the_judgement_needs() {
    let needed = |who: Who, times: u32| {
        requests_for(&RequestCheck { times, ..check(Expect::Answers(Answers { who, ..answers() })) }, 2)
    };
    assert_eq!((needed(Who::Anybody, 1), needed(Who::Anybody, 7)), (1, 7));
    assert_eq!(needed(Who::Versions(vec!["v1".into(), "v2".into()]), 1), 31);
    assert_eq!(needed(Who::Versions(vec!["v1".into()]), 1), 31, "one request would miss another version half the time");
    assert_eq!(needed(Who::Clusters(vec!["c1".into()]), 1), 31);
    assert_eq!(needed(Who::Clusters(vec!["c1".into()]), 100), 100);
}

#[test]
fn a_body_has_as_many_bytes_as_expected_and_does_not_break_off() {
    let sized = |bytes, error: &str| Reply { bytes, error: error.to_owned(), ..status(200, "x") };
    assert!(like(|e| e.body_bytes = Some(10), vec![sized(10, "")]).passed);
    let red = like(|e| e.body_bytes = Some(10), vec![sized(9, "")]);
    assert_eq!((red.passed, red.errors["status 200, but the body has 9 bytes rather than 10"]), (false, 1));
    let cut = like(|_| (), vec![sized(9, "transfer closed with 1 bytes remaining to read")]);
    assert_eq!(cut.errors["status 200, and then: transfer closed with N bytes remaining to read"], 1);
    assert!(!cut.passed);
}

#[test]
fn a_call_of_grpc_ends_with_the_status_that_is_expected() {
    let ended = |status: u8, message: &str| Reply {
        grpc: Some((status, message.to_owned())),
        ..self::status(200, "Hello version: v1, instance: x\n")
    };
    let ends = |wanted: u8| move |e: &mut Answers| e.grpc_status = Some(wanted);
    assert!(like(ends(0), vec![ended(0, "")]).passed);
    assert!(like(ends(14), vec![ended(14, "no healthy upstream")]).passed);
    let red = like(ends(0), vec![ended(14, "no healthy upstream")]);
    assert_eq!((red.passed, red.errors["gRPC status 14 (UNAVAILABLE): no healthy upstream"]), (false, 1));
    let plain = like(ends(0), vec![status(200, "")]);
    assert_eq!((plain.passed, plain.errors["status 200, but no status of gRPC came"]), (false, 1));
    assert!(judge(Expect::Denied { reason: Some("RBAC".into()) }, vec![ended(7, "RBAC: access denied")]).passed);
    assert!(!judge(Expect::Denied { reason: None }, vec![ended(0, "")]).passed);
}

#[test]
fn over_tcp_something_must_come() {
    let tcp = |e: &mut Answers| e.status = 0;
    let said = |text: &str| Reply { body: text.to_owned(), ..Reply::default() };
    assert!(like(tcp, vec![said("220 mail\n")]).passed);
    let silent = like(tcp, vec![curl("nothing came in time")]);
    assert_eq!((silent.passed, silent.errors["no answer: nothing came in time"]), (false, 1));
    assert!(!like(tcp, vec![Reply::default()]).passed);
    let other = like(|e| (e.status, e.body) = (0, Some("echo: x".into())), vec![said("Hello\n")]);
    assert_eq!(other.errors["answered, but the body does not contain `echo: x`"], 1);
    assert!(!judge(Expect::Denied { reason: None }, vec![said("220 mail\n")]).passed);
    assert!(
        judge(Expect::Denied { reason: None }, vec![curl("the connection was closed before anything came")]).passed
    );

    let all = |change: &dyn Fn(&mut Answers), text: &str| {
        let mut expect = answers();
        change(&mut expect);
        is_all_said(&Expect::Answers(expect), text)
    };
    assert!(all(&|_| (), "x") && !all(&|_| (), ""));
    assert!(!all(&|e| e.body = Some("echo: x".into()), "Hello\n"));
    let version = |e: &mut Answers| e.who = Who::Versions(vec!["v1".into()]);
    assert!(!all(&version, "Hello version: v1") && all(&version, "Hello version: v1, instance"));
}
