//! Who may call: the policies of authorization that hold for the called pod.

use serde_json::Value;

use super::object::{has_labels, list, named, namespace, text, texts};
use super::sides::has_sidecar;
use super::{CallFacts, Finding, ROOT_NAMESPACE};

/// Who calls, as the certificate says; nothing of a caller without one.
struct Identity {
    namespace: String,
    account: String,
    trust_domain: String,
}

/// A policy that does not let the caller in. What rules say of methods, headers and the like is not looked at: a rule that may take the call is taken to
/// take it if that lets it in, and not to take it if that keeps it out.
pub(super) fn denied(call: &CallFacts<'_>) -> Option<Finding> {
    let policies: Vec<&Value> =
        call.callee.rules.of("AuthorizationPolicy").filter(|policy| holds(policy, call.callee.pod)).collect();
    let of = |action: &'static str| policies.iter().copied().filter(move |policy| self::action(policy) == action);
    let caller = identity(call);
    let blame = |policy: &Value, evidence: String, change: &str| {
        let cause = format!(
            "an AuthorizationPolicy in {} does not let {} of {} in to {}",
            call.callee.config,
            in_words(caller.as_ref()),
            call.caller.cluster,
            call.name()
        );
        let evidence = format!("{} {evidence}", named(policy, call.callee.config));
        call.blame(cause, evidence, policy, call.callee.config, change)
    };
    let denies =
        |rule: &Value| rule["to"].is_null() && rule["when"].is_null() && takes(rule, caller.as_ref()) == Some(true);
    if let Some(policy) = of("DENY").find(|policy| list(policy, "/spec/rules").any(denies)) {
        return Some(blame(policy, "denies it".to_owned(), "take the caller out of spec.rules[].from"));
    }
    let allowing: Vec<&Value> = of("ALLOW").collect();
    let first = allowing.first()?;
    let mut rules = allowing.iter().flat_map(|policy| list(policy, "/spec/rules"));
    let path = path(call);
    if rules.any(|rule| takes(rule, caller.as_ref()) != Some(false) && path.is_none_or(|path| may_be_for(rule, path))) {
        return None;
    }
    let allowed: Vec<String> = allowing.iter().flat_map(|policy| list(policy, "/spec/rules")).map(sources).collect();
    let evidence = if allowed.is_empty() {
        "has no rule, so it allows nobody".to_owned()
    } else {
        format!("allows only {}", allowed.join("; "))
    };
    let change = match &caller {
        Some(caller) => format!(
            "add a rule with `from: [{{ source: {{ principals: [{}] }} }}]`",
            caller.principal(&caller.trust_domain)
        ),
        None => "allow callers without a certificate by a rule without `from`, or give the caller a sidecar".to_owned(),
    };
    Some(blame(first, evidence, &change))
}

/// What a policy does; nothing said is to allow.
fn action(policy: &Value) -> &str {
    match text(policy, "/spec/action") {
        "" => "ALLOW",
        action => action,
    }
}

/// Whether a policy is about a pod. One for a gateway or a waypoint (`targetRefs`) is not.
fn holds(policy: &Value, pod: &Value) -> bool {
    let place = namespace(policy);
    let spec = &policy["spec"];
    pod.is_object()
        && (place == ROOT_NAMESPACE || place == namespace(pod))
        && has_labels(pod, &spec["selector"]["matchLabels"])
        && spec["targetRef"].is_null()
        && spec["targetRefs"].is_null()
}

fn identity(call: &CallFacts<'_>) -> Option<Identity> {
    let pod = call.caller.pod;
    let or = |text: &str, default: &str| if text.is_empty() { default } else { text }.to_owned();
    has_sidecar(pod).then(|| Identity {
        namespace: call.caller_namespace().to_owned(),
        account: or(text(pod, "/spec/serviceAccountName"), "default"),
        trust_domain: or(text(&call.caller.rules.mesh, "/trustDomain"), "cluster.local"),
    })
}

impl Identity {
    fn principal(&self, trust_domain: &str) -> String {
        format!("{trust_domain}/ns/{}/sa/{}", self.namespace, self.account)
    }
}

fn in_words(caller: Option<&Identity>) -> String {
    caller.map_or_else(
        || "a caller without a certificate".to_owned(),
        |caller| format!("service account {}/{}", caller.namespace, caller.account),
    )
}

/// Whether a rule takes the caller; nothing where it asks for what is not known of it, as its address.
fn takes(rule: &Value, caller: Option<&Identity>) -> Option<bool> {
    let mut from = list(rule, "/from").peekable();
    if from.peek().is_none() {
        return Some(true);
    }
    let all: Vec<Option<bool>> = from.map(|from| is_source(&from["source"], caller)).collect();
    if all.contains(&Some(true)) {
        return Some(true);
    }
    if all.contains(&None) { None } else { Some(false) }
}

/// The path by which the callee knows the call; nothing where a route of the caller may change it, or there is none.
fn path<'a>(call: &CallFacts<'a>) -> Option<&'a str> {
    let rewrites = |route: &Value| list(route, "/spec/http").any(|http| !http["rewrite"].is_null());
    let path = call.path.split('?').next().filter(|path| !path.is_empty())?;
    (!call.caller.rules.of("VirtualService").any(rewrites)).then_some(path)
}

/// Whether a rule may be for a path, as far as its operations name paths. Templates as `/a/{*}` may be for any.
fn may_be_for(rule: &Value, path: &str) -> bool {
    let may_be = |operation: &Value| {
        let among = |field: &str| texts(operation, field).iter().any(|p| p.contains('{') || matches(p, path));
        let is_not = texts(operation, "/notPaths").iter().any(|p| !p.contains('{') && matches(p, path));
        (texts(operation, "/paths").is_empty() || among("/paths")) && !is_not
    };
    let mut to = list(rule, "/to").peekable();
    to.peek().is_none() || to.any(|to| may_be(&to["operation"]))
}

/// Whether the caller is a source: all that it says must hold.
fn is_source(source: &Value, caller: Option<&Identity>) -> Option<bool> {
    let mut known = true;
    for (field, _) in source.as_object().into_iter().flatten() {
        let patterns = texts(source, &format!("/{field}"));
        let among = |names: &dyn Fn(&Identity) -> Vec<String>| {
            let names = caller.map(names).unwrap_or_default();
            patterns.iter().any(|pattern| names.iter().any(|name| matches(pattern, name)))
        };
        // `cluster.local` stands for whatever the trust domain is.
        let principals =
            |caller: &Identity| vec![caller.principal(&caller.trust_domain), caller.principal("cluster.local")];
        let namespaces = |caller: &Identity| vec![caller.namespace.clone()];
        let holds = match field.as_str() {
            "principals" => among(&principals),
            "notPrincipals" => !among(&principals),
            "namespaces" => among(&namespaces),
            "notNamespaces" => !among(&namespaces),
            _ => {
                known = false;
                continue;
            }
        };
        if !holds {
            return Some(false);
        }
    }
    known.then_some(true)
}

/// Whether a name fits: exactly, by its beginning (`a*`) or its end (`*a`); `*` is any.
fn matches(pattern: &str, name: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(end), _) => name.ends_with(end),
        (_, Some(start)) => name.starts_with(start),
        _ => pattern == name,
    }
}

/// Whom a rule takes, and to which paths, in words.
fn sources(rule: &Value) -> String {
    let of = |source: &Value| {
        let fields = source.as_object().into_iter().flatten();
        fields
            .map(|(field, _)| format!("{field} {}", texts(source, &format!("/{field}")).join(", ")))
            .collect::<Vec<_>>()
    };
    let all: Vec<String> = list(rule, "/from").map(|from| of(&from["source"]).join(" and ")).collect();
    let who = if all.is_empty() { "everybody".to_owned() } else { all.join(" or ") };
    let paths: Vec<_> = list(rule, "/to").flat_map(|to| texts(&to["operation"], "/paths")).collect();
    if paths.is_empty() { who } else { format!("{who} to {}", paths.join(", ")) }
}
