//! The checks of scenario files: what is accepted and read back, and how each mistake is shown.

use lab::plan::{resolve, scenario_yaml};
use lab::scenario::{Answers, Body, Check, Expect, Protocol, ServiceUrl, Target, Through, Who, parse, render};

/// The checks of a scenario of two clusters.
fn checks(checks: &str) -> Vec<Check> {
    let text = scenario(checks);
    let scenario = parse(&text, "lab.yaml").unwrap_or_else(|e| panic!("{}", render(&e)));
    let lab = resolve(&scenario).unwrap();
    let written = scenario_yaml(&lab);
    let again = parse(&written, "written.yaml").unwrap_or_else(|e| panic!("{}\n{written}", render(&e)));
    assert_eq!(resolve(&again).unwrap(), lab, "{written}");
    scenario.checks
}

fn scenario(checks: &str) -> String {
    format!("name: demo\nclusters: [c1, c2]\n{checks}")
}

/// Everything that the refused files show, without the files themselves.
fn refused(name: &str, cases: &[&str]) {
    let show = |case: &&str| match parse(&scenario(case), "lab.yaml") {
        Ok(_) => panic!("accepted:\n{case}"),
        Err(errors) => render(&errors),
    };
    let shown = cases.iter().map(show).collect::<Vec<_>>().join("\n========================================\n");
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(name, shown) });
}

#[test]
fn calls_from_outside_need_a_way_in() {
    let refusal = |checks: &str| {
        let text = format!("name: demo\nclusters: [c1, c2]\nchecks:\n  - {checks}\n");
        render(&parse(&text, "lab.yaml").expect_err("refused"))
    };
    assert!(refusal("rotation: { through: ingress }").contains("this mesh has none"));
    let request = refusal("request: { service: helloworld.sample:5000/hello, through: ingress }");
    assert!(request.contains("write `mesh: { ingressGateway: true }`"), "{request}");
    let both = refusal("request: { url: \"http://10.0.0.1/\", through: ingress, caller: { app: sleep } }");
    assert!(both.contains("`url` cannot stand beside `through: ingress`"), "{both}");
    assert!(both.contains("`caller` cannot stand beside `through: ingress`"), "{both}");
    let both = refusal("request: { url: \"http://10.0.0.1/\", through: loadBalancer }");
    assert!(both.contains("`url` cannot stand beside `through: loadBalancer`"), "{both}");
    // Lab's own helloworld has no load balancer.
    assert!(refusal("rotation: { through: loadBalancer }").contains("loadBalancer"));
}

#[test]
fn calls_from_outside_enter_where_there_is_a_gateway() {
    let all = checks("mesh: { ingressGateway: [c2] }\nchecks:\n  - rotation: { through: ingress }\n  - rotation\n");
    let from = |check: &Check| match check {
        Check::Rotation { from, .. } => from.join(" "),
        other => panic!("{other:?}"),
    };
    assert_eq!(all.iter().map(from).collect::<Vec<_>>(), ["c2", "c1 c2"]);
}

#[test]
fn everything_that_checks_can_say_is_written_and_read_back() {
    let all = checks(
        r#"mesh: { ingressGateway: true }
checks:
  - rotation: { through: ingress, from: [c2] }
  - request:
      name: "all, that: \"can\" be"
      service: helloworld.sample:5000/other?a=b
      from: [c2]
      caller: { namespace: legacy, app: sleep }
      method: POST
      headers: { x-user: "a, b", empty: "" }
      times: 10
      expect: { status: 404, body: "a # b", headers: { server: "{" }, within: 2s, failures: 3, ejected: true }
  - request: { service: helloworld.sample:5000/hello, expect: { versions: [v1, v2], atLeast: 300ms, mirror: "helloworld.sample:5000" } }
  - request: { service: helloworld.sample:5000/hello, expect: { weights: { v1: 80, v2: 20 } } }
  - request: { service: helloworld.sample:5000/hello, expect: { clusters: [c2], denied: false } }
  - request: { url: "https://10.0.0.1:443/x", expect: { denied: true, reason: "Could not resolve host" } }
  - request: { service: nothere.sample:80/, expect: { denied: true, reason: "resolve host" } }
  - request: { service: helloworld.sample:5000/hello, through: ingress, from: [c2] }
  - failover: { order: { c1: [c1, c2], c2: [c2, c1] }, exercise: [c1] }
  - reachability
"#,
    );
    assert_eq!(all.len(), 10);
    assert!(matches!(&all[0], Check::Rotation { through: Through::Ingress, from, .. } if from == &["c2"]));
    let Check::Request(request) = &all[1] else { panic!("{all:?}") };
    assert_eq!((request.times, request.method.as_deref()), (10, Some("POST")));
    let Expect::Answers(Answers { status, within, failures, ejected, .. }) = &request.expect else { panic!() };
    assert_eq!((*status, *within, *failures, *ejected), (404, Some(2000), 3, true));
    let Check::Request(plain) = &all[2] else { panic!("{all:?}") };
    assert_eq!((plain.from.len(), plain.caller.app.as_str(), plain.times), (2, "sleep", 1));
    let Expect::Answers(Answers { status: 200, who: Who::Versions(v), at_least, mirror, .. }) = &plain.expect else {
        panic!("{plain:?}")
    };
    assert_eq!(
        (v.len(), *at_least, mirror.as_ref().map(ServiceUrl::place).as_deref()),
        (2, Some(300), Some("helloworld.sample:5000"))
    );
    let Check::Request(url) = &all[5] else { panic!("{all:?}") };
    assert_eq!(url.target, Target::Url("https://10.0.0.1:443/x".into()));
    assert!(matches!(&url.expect, Expect::Denied { reason: Some(_) }));
    assert!(matches!(&all[7], Check::Request(r) if r.through == Through::Ingress));
    assert_eq!(all[9], Check::Reachability);
}

#[test]
fn what_could_never_come_true_is_refused() {
    let service = |kind: &str| {
        format!(
            "apps:\n  - helloworld\n  - sleep\n  - manifests: {{ objects: [{{ apiVersion: v1, kind: Service, metadata: {{ name: api, namespace: shop }}, spec: {{ {kind}ports: [{{ port: 80 }}] }} }}] }}\n"
        )
    };
    let outside = "checks:\n  - request: { service: \"api.shop:80/\", through: loadBalancer, from: [c1] }\n";
    let all = checks(&format!("{}{outside}", service("type: LoadBalancer, ")));
    assert!(matches!(&all[0], Check::Request(r) if r.through == Through::LoadBalancer && r.from == ["c1"]));
    let request =
        |fields: &str| format!("checks:\n  - request: {{ service: helloworld.sample:5000/hello, {fields} }}\n");
    refused(
        "never",
        &[
            &format!("{}{outside}", service("")),
            &request("through: loadBalancer"),
            &request("method: HEAD, expect: { bodyBytes: 5 }"),
            &request("method: HEAD, expect: { body: Hello }"),
            &request("name: \"a\\e[31m\""),
            &request("name: \" \""),
            "checks:\n  - request: { name: a, service: helloworld.sample:5000/hello }\n  - request: { name: a, service: helloworld.sample:5000/other }\n",
            "checks:\n  - request: { url: \"grpc://10.0.0.1:80/\" }\n  - request: { url: \"grpc://10.0.0.1:80/Only\" }\n",
            "mesh: { accessLogs: true, values: { meshConfig: { accessLogFile: /dev/stderr } } }\n",
        ],
    );
    let two = |expect: &str| {
        let text = format!(
            "name: demo\nclusters: [{{ name: c1, mesh: east }}, {{ name: c2, mesh: west }}]\nchecks:\n  - request: {{ service: helloworld.sample:5000/hello, from: [c1], expect: {{ {expect} }} }}\n"
        );
        parse(&text, "lab.yaml").map_or_else(|errors| render(&errors), |_| "accepted".to_owned())
    };
    for expect in ["versions: [v1, v2]", "weights: { v1: 50, v2: 50 }", "clusters: [c2]"] {
        assert!(
            two(expect).contains("is to answer calls from cluster `c1`, which is in another mesh"),
            "{}",
            two(expect)
        );
    }
    for expect in ["versions: [v1]", "weights: { v1: 100, v2: 0 }", "clusters: [c1]"] {
        assert_eq!(two(expect), "accepted");
    }
}

#[test]
fn equal_versions_matter_only_where_they_stand_for_clusters() {
    let apps = "apps: [sleep, helloworld: { versions: { c1: v1, c2: v1 } }]\n";
    checks(&format!("{apps}checks: [request: {{ service: helloworld.sample:5000/hello }}]\n"));
    for check in ["rotation", "reachability", "failover: { order: { c1: [c1, c2] } }"] {
        assert!(parse(&scenario(&format!("{apps}checks: [{check}]\n")), "lab.yaml").is_err(), "{check}");
    }
}

#[test]
fn a_request_speaks_what_its_target_says() {
    let own = "apps:\n  - sleep\n  - manifests: { objects: [{ apiVersion: v1, kind: Service, metadata: { name: api, namespace: shop }, spec: { ports: [{ port: 80 }] } }] }\n";
    let all = checks(&format!(
        r#"{own}checks:
  - request: {{ service: "grpc://api.shop:80/shop.Orders/List", body: abc, headers: {{ x-user: a }}, expect: {{ grpcStatus: 5, within: 1s }} }}
  - request: {{ service: "tcp://api.shop:80", body: "a\n", times: 3, expect: {{ versions: [v1] }} }}
  - request: {{ service: "ws://api.shop:80/ws?a=b", expect: {{ headers: {{ server: envoy }}, body: hello }} }}
  - request: {{ service: "ws://api.shop:80/", expect: {{ status: 403 }} }}
  - request: {{ url: "tcp://10.0.0.1:22", expect: {{ body: SSH }} }}
  - request: {{ service: "api.shop:80/", bodyBytes: 10485760, headerBytes: 30720, expect: {{ bodyBytes: 1 }} }}
  - request: {{ service: "tcp://api.shop:80", expect: {{ denied: true, reason: closed }} }}
"#
    ));
    let request = |at: usize| match &all[at] {
        Check::Request(request) => request,
        other => panic!("{other:?}"),
    };
    let answers = |at: usize| match &request(at).expect {
        Expect::Answers(answers) => answers,
        other @ Expect::Denied { .. } => panic!("{other:?}"),
    };
    let spoken: Vec<Protocol> = (0..4).map(|at| request(at).protocol).collect();
    assert_eq!(spoken, [Protocol::Grpc, Protocol::Tcp, Protocol::WebSocket, Protocol::WebSocket]);
    let statuses: Vec<(u16, Option<u8>)> = (0..6).map(|at| (answers(at).status, answers(at).grpc_status)).collect();
    assert_eq!(statuses, [(200, Some(5)), (0, None), (101, None), (403, None), (0, None), (200, None)]);
    assert_eq!(request(1).called(), "tcp://api.shop:80");
    assert_eq!(request(5).called(), "api.shop:80/");
    assert_eq!((request(5).body.clone(), request(5).header_bytes), (Some(Body::Bytes(10_485_760)), Some(30720)));
}

#[test]
fn refuses_what_a_protocol_does_not_have() {
    let own = "mesh: { ingressGateway: true }\napps:\n  - sleep\n  - manifests: { objects: [{ apiVersion: v1, kind: Service, metadata: { name: api, namespace: shop }, spec: { ports: [{ port: 80 }] } }] }\n";
    let request = |fields: &str| format!("{own}checks:\n  - request: {{ {fields} }}\n");
    refused(
        "protocols",
        &[
            &request("service: \"tcp://api.shop:80/\""),
            &request("service: \"udp://api.shop:80\""),
            &request("service: \"http://api.shop:80/\""),
            &request("url: \"tcp://10.0.0.1\""),
            &request("url: \"ftp://10.0.0.1/\""),
            &request(
                "service: \"tcp://api.shop:80\", method: POST, headers: { a: b }, headerBytes: 10, through: ingress",
            ),
            &request(
                "service: \"tcp://api.shop:80\", expect: { status: 200, headers: { a: b }, bodyBytes: 1, within: 1s, mirror: \"api.shop:80\" }",
            ),
            &request("service: \"grpc://api.shop:80/a.B/C\", method: POST, expect: { status: 200, bodyBytes: 1 }"),
            &request("service: \"ws://api.shop:80/\", expect: { grpcStatus: 0, atLeast: 1s }"),
            &request("service: \"api.shop:80/\", expect: { grpcStatus: 17 }"),
            &request("service: \"api.shop:80/\", expect: { grpcStatus: 0 }"),
            &request("service: \"api.shop:80/\", body: a, bodyBytes: 10, headerBytes: 100001"),
            &request("service: \"api.shop:80/\", bodyBytes: 10, headerBytes: 40000"),
            &request("service: \"grpc://api.shop:80/a.B/C\", headerBytes: 40000"),
            &request("service: \"grpc://api.shop:80/a.B/C\", expect: { denied: true, grpcStatus: 7 }"),
        ],
    );
}

#[test]
fn one_mistake_is_shown_once() {
    let count = |checks: &str| parse(&scenario(checks), "lab.yaml").unwrap_err().errors().len();
    let request = |fields: &str| count(&format!("checks:\n  - request: {{ {fields} }}\n"));
    assert_eq!(request("service: helloworld.sample:5000/hello, expect: { weights: { v1: much, v2: 20 } }"), 1);
    assert_eq!(request("sevice: helloworld.sample:5000/hello, url: http://a/"), 1);
    assert_eq!(request("service: helloworld/hello, expect: { versions: [v7] }"), 1);
    assert_eq!(request("service: helloworld.sample:5000/hello, expect: { reason: x, denied: maybe }"), 1);
    assert_eq!(request("service: [a, b]"), 1, "one that cannot be read is not also missing");
    assert_eq!(count("checks:\n  - failover: { ordr: { c1: [c1] } }\n"), 1);
    assert_eq!(count("apps: [helloword, sleep]\nchecks:\n  - failover: { order: { c1: [c1, c2] } }\n"), 1);
}

#[test]
fn refuses_requests_that_cannot_work() {
    let expect = |fields: &str| {
        format!("checks:\n  - request: {{ service: helloworld.sample:5000/hello, expect: {{ {fields} }} }}\n")
    };
    refused(
        "requests",
        &[
            "checks:\n  - request: {}\n  - request: { service: helloworld.sample:5000/hello, url: http://10.0.0.1/ }\n",
            "checks:\n  - request: { url: ftp://x/ }\n  - request: { url: http:///x }\n  - request: { url: \"http://10.0.0.1/[1-9]\" }\n",
            "checks:\n  - request: { service: reviews.sample:9080/ }\n  - request: { service: helloworld.sample:5001/hello }\n",
            "checks:\n  - request: { service: \"helloworld.sample:5000/{a,b}\", times: 0, method: get, from: [c3], headers: { \"a b\": c } }\n",
            "checks:\n  - request: { service: helloworld.sample:5000/hello, caller: { namespace: other, app: curl } }\n",
            "apps: [helloworld]\nchecks:\n  - request: { service: helloworld.sample:5000/hello }\n",
            &expect("denied: true, status: 403, weights: { v1: 100 }"),
            &expect("denied: true, atLeast: 1s, mirror: \"helloworld.sample:5000\""),
            &expect("atLeast: 2s, within: 500ms"),
            &expect("mirror: \"helloworld.sample:5000/hello\""),
            &expect("mirror: helloworld.sample"),
            &expect("mirror: \"audit.shop:80\""),
            &expect("reason: no, denied: maybe"),
            &expect("reason: no"),
            &expect("weights: { v1: 80, v2: 30 }"),
            &expect("weights: { v1: 80, v22: 20 }, versions: [v1]"),
            &expect("weights: { v1: 80, v22: 20 }"),
            &expect("versions: [v1, v1]"),
            &expect("versions: []"),
            &expect("clusters: [c1, c7]"),
            &expect("within: 5 minutes, status: 99, failures: -1, staus: 200"),
        ],
    );
}

#[test]
fn refuses_checks_that_cannot_fail_or_that_nobody_makes() {
    let own = "apps:\n  - helloworld\n  - manifests: { namespace: shop, objects: [{ apiVersion: v1, kind: ConfigMap, metadata: { name: a } }] }\n";
    let url = |url: &str| format!("checks: [request: {{ url: \"{url}\" }}]\n");
    let request =
        |fields: &str| format!("checks:\n  - request: {{ service: helloworld.sample:5000/hello, {fields} }}\n");
    refused(
        "vacuous",
        &[
            &request("times: 5, expect: { failures: 5 }"),
            &request("expect: { failures: 1, within: 1s }"),
            &request("expect: { body: \"\" }"),
            &request("expect: { denied: true, reason: \"\" }"),
            "checks:\n  - request: { service: nothere.sample:80/, expect: { denied: true } }\n",
            &url("http://a:99999/"),
            &url("http://a:abc/"),
            &url("http://user@:80/"),
            &url("http://a:0"),
            &format!("{own}{}", request("times: 2")),
            &format!(
                "{own}checks:\n  - request: {{ service: helloworld.sample:5000/hello, caller: {{ namespace: shop, app: web }} }}\n"
            ),
        ],
    );
}

#[test]
fn what_can_fail_is_accepted() {
    let request = |fields: &str| {
        checks(&format!("checks:\n  - request: {{ service: helloworld.sample:5000/hello, {fields} }}\n"))
    };
    request("times: 5, expect: { failures: 4 }");
    request("expect: { failures: 3, versions: [v1, v2] }");
    request("times: 4, expect: { failures: 4, ejected: true }");
    request("times: 4, expect: { failures: 4, mirror: \"helloworld.sample:5000\" }");
    request("expect: { atLeast: 500ms, within: 500ms }");
    request("expect: { denied: true }");
    checks("checks: [request: { url: \"http://a.b-c:65535?x=1\" }]\n");
    let pod = "{ apiVersion: apps/v1, kind: Deployment, metadata: { name: web, namespace: shop }, spec: { selector: { matchLabels: { app: web } }, \
               template: { metadata: { labels: { app: web } }, spec: { containers: [{ name: web, image: curl }] } } } }";
    let caller =
        "checks:\n  - request: { service: helloworld.sample:5000/hello, caller: { namespace: shop, app: web } }\n";
    let with = |objects: &str| {
        checks(&format!(
            "apps:\n  - helloworld\n  - manifests: {{ objects: [{objects}, {{ apiVersion: v1, kind: Namespace, metadata: {{ name: shop }} }}] }}\n{caller}"
        ))
    };
    with(pod);
    // What the controller of an unknown kind makes cannot be told.
    with("{ apiVersion: example.org/v1, kind: Shop, metadata: { name: web, namespace: shop } }");
}

#[test]
fn refuses_failovers_and_matrices_that_cannot_work() {
    refused(
        "failovers",
        &[
            "checks:\n  - failover: {}\n  - failover: { order: {} }\n  - failover: { order: [c1] }\n",
            "checks:\n  - failover: { order: { c3: [c1], c1: [c1, c2, c1], c2: [] } }\n",
            "apps: [sleep, helloworld: { versions: { c1: v1 } }]\nchecks:\n  - failover: { order: { c1: [c1, c2] } }\n",
            "checks:\n  - failover: { order: { c1: [c1], c2: [c1, c2] }, exercise: [c1, c2, c3, c1] }\n",
            "checks:\n  - failover: { order: { c1: [c1, c2] }, exercise: [c2] }\n",
            "apps:\n  - helloworld\n  - sleep\n  - manifests: { objects: [{ apiVersion: v1, kind: ConfigMap, metadata: { name: a } }] }\nchecks:\n  - failover: { service: hello.demo:5000/hello, order: { c1: [c1, c2] }, exercise: [c1] }\n",
            "apps: [helloworld]\nchecks:\n  - failover: { order: { c1: [c1, c2] } }\n",
            "checks:\n  - rotation: { through: ingres }\n  - reachability: { from: all }\n  - reachable\n",
        ],
    );
}
