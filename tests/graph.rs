//! Pictures: snapshots of what other programs draw, and what holds for our own drawing of any lab.

#[path = "plan/any_lab.rs"]
mod any_lab;

use std::fmt::Write as _;
use std::path::Path;

use any_lab::any_lab;
use lab::graph::{Area, Drawing, Graph, Shape, dot, layout, mermaid, steps, topology};
use lab::plan::{Lab, Plan, resolve};
use lab::scenario::{parse, render};
use proptest::prelude::*;

fn lab_of(text: &str) -> Lab {
    let scenario = parse(text, "lab.yaml").unwrap_or_else(|e| panic!("{}", render(&e)));
    resolve(&scenario).expect("room for every address")
}

fn shipped(name: &str) -> Lab {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name).with_extension("yaml");
    lab_of(&std::fs::read_to_string(file).expect("the scenario"))
}

const SHIPPED: [&str; 5] =
    ["two-network", "external-control-plane", "mixed-networks", "karmada", "karmada-three-regions"];

fn snapshots(of: impl Fn(&Graph) -> String, form: &str) {
    for name in SHIPPED {
        let text = of(&topology(&shipped(name)));
        insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(format!("{form}_{name}"), text) });
    }
    for (name, steps_of) in [("primary-remote", "steps"), ("karmada", "steps_karmada")] {
        let lab = shipped(name);
        let text = of(&steps(&lab, &Plan::of(&lab)));
        insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(format!("{form}_{steps_of}"), text) });
    }
}

#[test]
fn mermaid_of_shipped_scenarios() {
    snapshots(mermaid, "mermaid");
}

#[test]
fn a_call_starts_at_what_runs_pods() {
    let text = "name: x\nclusters: [c1, c2]\napps:\n  - sleep\n  - manifests: { objects: [{ apiVersion: v1, kind: Service, \
                metadata: { name: a }, spec: { selector: { app: sleep }, ports: [{ port: 80 }] } }] }\n";
    let drawn = mermaid(&topology(&lab_of(text)));
    let calls: Vec<&str> = drawn.lines().filter(|l| l.contains(" -- ")).collect();
    assert_eq!(calls.len(), 2, "{drawn}");
    assert!(calls.iter().all(|l| l.contains("app_1")), "sleep is the first app: {calls:?}");
}

#[test]
fn dot_of_shipped_scenarios() {
    snapshots(dot, "dot");
}

fn texts(drawing: &Drawing) -> Vec<(&str, Area)> {
    let mut texts = Vec::new();
    for shape in &drawing.shapes {
        if let (Shape::Text { content, .. }, Some(area)) = (shape, shape.text_area()) {
            texts.push((content.as_str(), area));
        }
    }
    texts
}

/// No text overlaps another or leaves the picture, and no line crosses one.
fn legible(drawing: &Drawing, lines_may_cross: bool) {
    let texts = texts(drawing);
    let all = Area { x: 0, y: 0, width: drawing.width, height: drawing.height };
    for (i, (text, area)) in texts.iter().enumerate() {
        assert!(all.contains(*area), "{text} leaves the picture");
        for (other, place) in &texts[..i] {
            assert!(!area.overlaps(*place), "{text:?} {area:?} overlaps {other:?} {place:?}");
        }
    }
    for shape in drawing.shapes.iter().filter(|_| !lines_may_cross) {
        let Shape::Line { points, .. } = shape else { continue };
        for ends in points.windows(2) {
            let ((a, b), (c, d)) = (ends[0], ends[1]);
            let line = Area { x: a.min(c) - 1, y: b.min(d) - 1, width: (a - c).abs() + 2, height: (b - d).abs() + 2 };
            assert!(all.contains(line), "a line leaves the picture: {line:?}");
            for (text, area) in &texts {
                assert!(!line.overlaps(*area), "a line {line:?} crosses {text:?} {area:?}");
            }
        }
    }
}

/// Every text is in one box at least as wide as itself, if it is in any.
fn texts_fit_their_boxes(drawing: &Drawing) {
    let boxes = drawing.shapes.iter().filter_map(|s| match s {
        Shape::Box { area, .. } => Some(*area),
        _ => None,
    });
    let boxes: Vec<Area> = boxes.collect();
    for (text, area) in texts(drawing) {
        let middle = Area { x: area.x + area.width / 2, y: area.y + area.height / 2, width: 1, height: 1 };
        let smallest = boxes.iter().filter(|b| b.contains(middle)).min_by_key(|b| b.width * b.height);
        if let Some(smallest) = smallest {
            assert!(smallest.contains(area), "{text:?} {area:?} is larger than its box {smallest:?}");
        }
    }
}

/// The document is well-formed XML, and says what it is to who cannot see it.
fn well_formed(svg: &str) {
    let mut reader = quick_xml::Reader::from_str(svg);
    let mut names = Vec::new();
    let mut depth = 0;
    loop {
        match reader.read_event().unwrap_or_else(|e| panic!("{e}\n{svg}")) {
            quick_xml::events::Event::Start(tag) => {
                depth += 1;
                assert!(tag.attributes().all(|a| a.is_ok()), "{tag:?}");
                names.push(String::from_utf8_lossy(tag.name().as_ref()).into_owned());
            }
            quick_xml::events::Event::Empty(tag) => assert!(tag.attributes().all(|a| a.is_ok()), "{tag:?}"),
            quick_xml::events::Event::End(_) => depth -= 1,
            quick_xml::events::Event::Text(text) => {
                text.decode().expect("UTF-8");
            }
            quick_xml::events::Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(depth, 0);
    assert_eq!(names[..3], ["svg", "title", "desc"]);
    assert!(svg.contains("role=\"img\"") && svg.contains("aria-labelledby"));
}

/// What a reader looks for: names, networks, addresses and versions.
fn says_everything(lab: &Lab, drawing: &Drawing) {
    let texts = texts(drawing);
    let says = |wanted: &str| texts.iter().any(|(text, _)| text.split([' ', ':']).any(|word| word == wanted));
    for cluster in &lab.clusters {
        assert!(says(&cluster.name), "{}", cluster.name);
        let is_outside = lab.is_host(cluster) || lab.is_manager(cluster);
        assert!(is_outside || !lab.has_mesh() || says(&cluster.network), "{}", cluster.network);
        assert!(says(&cluster.pod_subnet.to_string()) && says(&cluster.service_subnet.to_string()));
        let published = cluster.published_gateway.map(|e| *e.ip());
        for address in cluster.addresses.values().copied().chain(published) {
            assert!(says(&address.to_string()), "{address}");
        }
        let region = cluster.locality.as_ref().map(|l| l.region.as_str());
        assert!(is_outside || region.is_none_or(says), "{region:?}");
    }
    assert!(lab.federation.is_none() || says("Karmada") && says("federation"));
}

fn holds(lab: &Lab) {
    let drawing = layout(&topology(lab));
    legible(&drawing, false);
    texts_fit_their_boxes(&drawing);
    says_everything(lab, &drawing);
    well_formed(&drawing.svg());
    let drawing = layout(&steps(lab, &Plan::of(lab)));
    // Curves pass behind boxes.
    legible(&drawing, true);
    texts_fit_their_boxes(&drawing);
    well_formed(&drawing.svg());
}

#[test]
fn every_shipped_scenario_is_legible() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut count = 0;
    for file in std::fs::read_dir(folder).expect("scenarios") {
        let file = file.expect("a file").path();
        if file.extension().is_some_and(|e| e == "yaml") {
            holds(&lab_of(&std::fs::read_to_string(file).expect("readable")));
            count += 1;
        }
    }
    assert!(count > 10);
}

#[test]
fn long_names_and_many_apps_find_room() {
    let mut text = format!("name: {}\nmesh: {{ ingressGateway: true }}\nclusters:\n", "l".repeat(24));
    for i in 1..=3 {
        let name = format!("cluster-{}-{i}", "m".repeat(10));
        let network = "w".repeat(60);
        let _ = writeln!(
            text,
            "  - {{ name: {name}, network: {network}{i}, locality: {{ region: {network}, zone: z, subzone: {network} }} }}"
        );
    }
    text += "apps:\n  - helloworld\n  - sleep\n";
    for i in 1..=9 {
        let _ = writeln!(
            text,
            "  - manifests: {{ name: my-own-app-{i}, objects: [{{ apiVersion: v1, kind: A, metadata: {{ name: b{i} }} }}] }}"
        );
    }
    holds(&lab_of(&text));
}

#[test]
fn a_picture_obeys_no_text() {
    let mut lab = shipped("two-network");
    lab.clusters[0].network = "a\"<b>&#\n\u{1}".to_owned();
    let graph = topology(&lab);
    let svg = layout(&graph).svg();
    well_formed(&svg);
    assert!(!svg.contains("<b>") && !svg.contains('\u{1}'));
    assert!(mermaid(&graph).contains("[\"network a#quot;#lt;b#gt;&#35;  \"]"), "{}", mermaid(&graph));
    assert!(dot(&graph).contains("label=\"network a\\\"<b>&#\\n \""), "{}", dot(&graph));
}

#[test]
fn who_watches_whom_and_who_brings_work_to_whom() {
    let edges = |name: &str| -> Vec<String> {
        let graph = topology(&shipped(name));
        let shown = graph.edges.iter().map(|e| format!("{:?} {} {}", e.kind, e.from, e.to));
        shown.filter(|e| !e.starts_with("Calls")).collect()
    };
    assert_eq!(edges("two-network"), ["Watches c1/istiod c2/api-server", "Watches c2/istiod c1/api-server"]);
    assert_eq!(
        edges("primary-remote"),
        ["Watches c1/istiod c2/api-server", "Configured cluster-c2 c1/east-west-gateway"]
    );
    assert_eq!(
        edges("external-control-plane"),
        [
            "Watches control/istiod w1/api-server",
            "Watches control/istiod w2/api-server",
            "Watches control/istiod w3/api-server",
            "Configured cluster-w1 control/istiod-address",
            "Configured cluster-w2 control/istiod-address",
            "Configured cluster-w3 control/istiod-address",
        ]
    );
    let hosted = edges("hosted-mesh");
    let at_its_address = ["Configured cluster-c2 c1/istiod-address", "Configured cluster-c3 c1/istiod-address"];
    assert_eq!(hosted[2..4], at_its_address, "and not at the east-west gateway");
    assert_eq!(hosted[4..], ["Enters outside/callers c1/ingress-gateway"], "{hosted:?}");
    assert_eq!(edges("karmada"), ["Pushes manager/karmada eu/api-server", "Pulls ap/karmada-agent manager/karmada"]);
    assert_eq!(
        edges("karmada-three-regions")[6..],
        [
            "Pushes manager/karmada eu/api-server",
            "Pulls ap/karmada-agent manager/karmada",
            "Pushes manager/karmada us/api-server",
            "Enters outside/callers eu/ingress-gateway",
            "Enters outside/callers ap/ingress-gateway",
            "Enters outside/callers us/ingress-gateway",
        ]
    );
}

/// Two lines that start or end at one box do so at different points of it.
#[test]
fn no_two_ends_are_at_one_point() {
    for name in SHIPPED {
        let mut ends = Vec::new();
        for shape in layout(&topology(&shipped(name))).shapes {
            if let Shape::Head { at, .. } | Shape::Dot { at, .. } = shape {
                assert!(!ends.contains(&at), "{name}: {at:?}");
                ends.push(at);
            }
        }
    }
}

proptest! {
    #[test]
    fn any_lab_is_legible(lab in any_lab()) {
        holds(&lab);
    }

    #[test]
    fn every_edge_joins_what_is_there(lab in any_lab()) {
        for graph in [topology(&lab), steps(&lab, &Plan::of(&lab))] {
            let mut ids: Vec<&str> = graph.all_groups().iter().map(|g| g.id.as_str()).collect();
            ids.extend(graph.all_nodes().map(|n| n.id.as_str()));
            for edge in &graph.edges {
                prop_assert!(ids.contains(&edge.from.as_str()) && ids.contains(&edge.to.as_str()), "{:?}", edge);
            }
            let count = ids.len();
            ids.sort_unstable();
            ids.dedup();
            prop_assert_eq!(ids.len(), count, "an identifier is there twice");
        }
    }
}
