//! The checks as they are written.

use serde_json::Value as Json;

use super::super::describe::{
    CALLER, CHECKS, EXPECT, FAILOVER, FEDERATION_CHECK, REACHABILITY, REQUEST, ROTATION, kinds,
};
use super::super::error::Problems;
use super::super::read::{Fields, json, number, one_key, text, unknown_value, wrong_type};
use super::super::tree::{Entry, Located, Node, Span, Value};

/// One entry of `checks`.
#[derive(Debug)]
pub(in crate::scenario) struct RawCheck {
    /// Where its kind is named.
    pub span: Span,
    pub kind: RawCheckKind,
}

#[derive(Debug)]
pub(in crate::scenario) enum RawCheckKind {
    Rotation { service: Option<Located<String>>, from: RawSources, through: Option<Located<String>> },
    Request(Box<RawRequest>),
    Failover(RawFailover),
    Reachability,
    Federation(RawFederationCheck),
}

#[derive(Debug)]
pub(in crate::scenario) enum RawSources {
    All,
    Named(Located<Vec<Located<String>>>),
}

#[derive(Debug)]
pub(in crate::scenario) struct RawRequest {
    pub name: Option<Located<String>>,
    pub service: Option<Located<String>>,
    pub url: Option<Located<String>>,
    pub from: RawSources,
    pub through: Option<Located<String>>,
    pub caller: Option<RawCaller>,
    pub method: Option<Located<String>>,
    pub headers: Option<Pairs<String>>,
    pub times: Option<Located<u64>>,
    pub expect: RawExpect,
}

#[derive(Debug)]
pub(in crate::scenario) struct RawCaller {
    pub namespace: Option<Located<String>>,
    pub app: Option<Located<String>>,
    pub span: Span,
}

#[derive(Debug, Default)]
pub(in crate::scenario) struct RawExpect {
    pub status: Option<Located<u64>>,
    pub body: Option<Located<String>>,
    pub headers: Option<Pairs<String>>,
    pub versions: Option<Names>,
    pub weights: Option<Pairs<u64>>,
    pub clusters: Option<Names>,
    pub within: Option<Located<String>>,
    pub failures: Option<Located<u64>>,
    pub ejected: Option<Located<bool>>,
    pub denied: Option<Located<bool>>,
    pub reason: Option<Located<String>>,
}

#[derive(Debug)]
pub(in crate::scenario) struct RawFailover {
    pub service: Option<Located<String>>,
    pub order: Option<Pairs<Vec<Located<String>>>>,
    pub exercise: Option<Names>,
}

#[derive(Debug)]
pub(in crate::scenario) struct RawFederationCheck {
    pub deployment: Option<Located<String>>,
    pub replicas: Option<Pairs<u64>>,
    pub exercise: Option<Names>,
    pub service: Option<Located<String>>,
}

/// Keys and values in the order of the file.
pub(in crate::scenario) type Pairs<T> = Located<Vec<(Located<String>, Located<T>)>>;
/// A list of names.
pub(in crate::scenario) type Names = Located<Vec<Located<String>>>;

/// Reads one entry of `checks`.
pub(super) fn check(node: &Node, problems: &mut Problems) -> Option<RawCheck> {
    let (key, body) = one_key(node, "checks", "check", "rotation", problems)?;
    // `rotation` alone is the same as `rotation: {}`.
    let nothing = Node { value: Value::Null, span: key.span };
    let body = body.unwrap_or(&nothing);
    let kind = match key.value.as_str() {
        "rotation" => rotation(body, problems)?,
        "request" => RawCheckKind::Request(Box::new(request(body, problems)?)),
        "failover" => RawCheckKind::Failover(failover(body, problems)?),
        "reachability" => {
            Fields::of(body, "`reachability`", &REACHABILITY.names(), "reachability: {}", problems)?;
            RawCheckKind::Reachability
        }
        "federation" => RawCheckKind::Federation(federation(body, problems)?),
        other => {
            problems.add(key.span, unknown_value("check", other, &kinds(CHECKS)));
            return None;
        }
    };
    Some(RawCheck { span: key.span, kind })
}

fn rotation(body: &Node, problems: &mut Problems) -> Option<RawCheckKind> {
    let example = "rotation: { service: helloworld.sample:5000/hello, from: all }";
    let fields = Fields::of(body, "`rotation`", &ROTATION.names(), example, problems)?;
    Some(RawCheckKind::Rotation {
        service: fields.text("service", "service: helloworld.sample:5000/hello", problems),
        from: from(&fields, problems)?,
        through: fields.text("through", "through: ingress", problems),
    })
}

fn request(body: &Node, problems: &mut Problems) -> Option<RawRequest> {
    let example = "request: { service: helloworld.sample:5000/hello, expect: { status: 200 } }";
    let fields = Fields::of(body, "`request`", &REQUEST.names(), example, problems)?;
    let caller = fields.get("caller").and_then(|node| {
        let example = "caller: { namespace: legacy, app: sleep }";
        let fields = Fields::of(node, "`caller`", &CALLER.names(), example, problems)?;
        Some(RawCaller {
            namespace: fields.text("namespace", "namespace: legacy", problems),
            app: fields.text("app", "app: sleep", problems),
            span: node.span,
        })
    });
    Some(RawRequest {
        name: fields.text("name", "name: only v1 answers", problems),
        service: fields.text("service", "service: helloworld.sample:5000/hello", problems),
        url: fields.text("url", "url: http://10.0.0.1:80/hello", problems),
        from: from(&fields, problems)?,
        through: fields.text("through", "through: ingress", problems),
        caller,
        method: fields.text("method", "method: GET", problems),
        headers: fields.get("headers").and_then(|n| pairs(n, "headers", "headers: { x-user: a }", text, problems)),
        times: fields.get("times").and_then(|n| number(n, "`times`", "times: 10", problems)),
        expect: match fields.get("expect") {
            Some(node) => expect(node, problems)?,
            None => RawExpect::default(),
        },
    })
}

fn expect(node: &Node, problems: &mut Problems) -> Option<RawExpect> {
    let fields = Fields::of(node, "`expect`", &EXPECT.names(), "expect: { status: 200 }", problems)?;
    let get = |field| fields.get(field);
    let denied = get("denied").map(|n| truth(n, "`denied`", "denied: true", problems));
    // Whether there is anything to give a reason for cannot be told then.
    let unclear = matches!(denied, Some(None));
    Some(RawExpect {
        status: get("status").and_then(|n| number(n, "`status`", "status: 200", problems)),
        body: fields.text("body", "body: Hello", problems),
        headers: get("headers").and_then(|n| pairs(n, "headers", "headers: { server: envoy }", text, problems)),
        versions: get("versions").and_then(|n| names(n, "versions", "versions: [v1, v2]", problems)),
        weights: get("weights").and_then(|n| pairs(n, "weights", "weights: { v1: 80, v2: 20 }", number, problems)),
        clusters: get("clusters").and_then(|n| names(n, "clusters", "clusters: [c1]", problems)),
        within: fields.text("within", "within: 500ms", problems),
        failures: get("failures").and_then(|n| number(n, "`failures`", "failures: 3", problems)),
        ejected: get("ejected").and_then(|n| truth(n, "`ejected`", "ejected: true", problems)),
        denied: denied.flatten(),
        reason: fields.text("reason", "reason: Connection refused", problems).filter(|_| !unclear),
    })
}

fn failover(body: &Node, problems: &mut Problems) -> Option<RawFailover> {
    let example = "failover: { order: { c1: [c1, c2], c2: [c2, c1] } }";
    let fields = Fields::of(body, "`failover`", &FAILOVER.names(), example, problems)?;
    if fields.get("order").is_none() {
        fields.missing("order", "{ c1: [c1, c2], c2: [c2, c1] }", problems);
    }
    let clusters = |node: &Node, what: &str, example, problems: &mut Problems| names(node, what, example, problems);
    Some(RawFailover {
        service: fields.text("service", "service: helloworld.sample:5000/hello", problems),
        order: fields.get("order").and_then(|n| pairs(n, "order", "order: { c1: [c1, c2] }", clusters, problems)),
        exercise: fields.get("exercise").and_then(|n| names(n, "exercise", "exercise: [c1]", problems)),
    })
}

fn federation(body: &Node, problems: &mut Problems) -> Option<RawFederationCheck> {
    let example = "federation: { deployment: demo/hello, replicas: { c2: 2, c3: 1 } }";
    let fields = Fields::of(body, "`federation`", &FEDERATION_CHECK.names(), example, problems)?;
    if fields.get("deployment").is_none() {
        fields.missing("deployment", "demo/hello", problems);
    }
    if fields.get("replicas").is_none() {
        fields.missing("replicas", "{ c2: 2, c3: 1 }", problems);
    }
    Some(RawFederationCheck {
        deployment: fields.text("deployment", "deployment: demo/hello", problems),
        replicas: fields.get("replicas").and_then(|n| pairs(n, "replicas", "replicas: { c2: 2 }", number, problems)),
        exercise: fields.get("exercise").and_then(|n| names(n, "exercise", "exercise: [c2]", problems)),
        service: fields.text("service", "service: hello.demo:5000/hello", problems),
    })
}

/// A mapping whose values are read by `read`. `None` when it is no mapping; entries that cannot be read are left out.
fn pairs<T>(
    node: &Node,
    field: &str,
    example: &'static str,
    read: impl Fn(&Node, &str, &'static str, &mut Problems) -> Option<Located<T>>,
    problems: &mut Problems,
) -> Option<Pairs<T>> {
    let Value::Mapping(entries) = &node.value else {
        problems.add(node.span, wrong_type(&format!("`{field}`"), "a mapping", node.kind(), example));
        return None;
    };
    let mut value = |entry: &Entry| {
        let what = format!("`{}` of `{field}`", entry.key.value);
        Some((entry.key.clone(), read(&entry.value, &what, example, problems)?))
    };
    let all: Vec<Option<_>> = entries.iter().map(&mut value).collect();
    // Of a mapping that is only partly read, rules over the whole would tell what is not so.
    Some(Located { value: all.into_iter().collect::<Option<_>>()?, span: node.span })
}

fn names(node: &Node, what: &str, example: &'static str, problems: &mut Problems) -> Option<Names> {
    let Value::Sequence(items) = &node.value else {
        problems.add(node.span, wrong_type(&quoted(what), "a list", node.kind(), example));
        return None;
    };
    let item = format!("an entry of {}", quoted(what));
    let names: Vec<Option<_>> = items.iter().map(|n| text(n, &item, example, problems)).collect();
    Some(Located { value: names.into_iter().collect::<Option<_>>()?, span: node.span })
}

/// The name of a field between backquotes, unless it has them.
fn quoted(what: &str) -> String {
    if what.contains('`') { what.to_owned() } else { format!("`{what}`") }
}

fn truth(node: &Node, what: &str, example: &'static str, problems: &mut Problems) -> Option<Located<bool>> {
    if let Json::Bool(value) = json(node) {
        return Some(Located { value, span: node.span });
    }
    let found = match &node.value {
        Value::Scalar { text, .. } => format!("`{text}`"),
        _ => node.kind().to_owned(),
    };
    problems.add(node.span, wrong_type(what, "`true` or `false`", found, example));
    None
}

/// The field `from`: all clusters when it is left out. `None` when it cannot be read.
fn from(fields: &Fields<'_>, problems: &mut Problems) -> Option<RawSources> {
    match fields.get("from") {
        Some(node) => sources(node, problems),
        None => Some(RawSources::All),
    }
}

fn sources(node: &Node, problems: &mut Problems) -> Option<RawSources> {
    const EXAMPLE: &str = "from: [c1, c2]";
    match &node.value {
        Value::Scalar { text, .. } if text == "all" => Some(RawSources::All),
        Value::Sequence(items) => {
            let names: Vec<Option<_>> =
                items.iter().map(|n| text(n, "a cluster in `from`", EXAMPLE, problems)).collect();
            let names = names.into_iter().collect::<Option<_>>()?;
            Some(RawSources::Named(Located { value: names, span: node.span }))
        }
        _ => {
            let found = match &node.value {
                Value::Scalar { text, .. } => format!("`{text}`"),
                _ => node.kind().to_owned(),
            };
            problems.add(node.span, wrong_type("`from`", "`all` or a list of clusters", found, EXAMPLE));
            None
        }
    }
}
