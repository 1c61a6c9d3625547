//! The user's proxies, and what others are told of them: no proxy leads to a lab, and a node finds a proxy of this machine elsewhere.

use std::net::Ipv4Addr;

use super::http::is_loopback;

/// Variables with proxies that nodes are told of, in either case.
const HANDED_ON: [[&str; 2]; 2] = [["HTTP_PROXY", "http_proxy"], ["HTTPS_PROXY", "https_proxy"]];
const ANY: [&str; 2] = ["ALL_PROXY", "all_proxy"];
/// Some programs read the one, some the other.
const NONE: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// Variables that keep a child, and what it starts in turn, from asking a proxy for `hosts`: names, addresses and subnets. There are none where the
/// user has no proxy.
#[must_use]
pub fn without(hosts: &[String]) -> Vec<(&'static str, String)> {
    exceptions(hosts, of_environment)
}

/// The same for kind, which hands proxies on to nodes. A proxy on the loopback of this machine is, for a node, at `gateway`.
///
/// `docker` tells containers of the proxies in its own configuration, which knows nothing of a lab. `configured` are those: named to kind they go
/// before.
#[must_use]
pub fn for_nodes(
    hosts: &[String],
    gateway: Ipv4Addr,
    configured: impl Fn(&str) -> Option<String>,
) -> Vec<(&'static str, String)> {
    nodes(hosts, gateway, |name| of_environment(name).or_else(|| configured(name)))
}

/// The user's own proxy for HTTPS; none where nothing is to go by it.
#[must_use]
pub fn for_https() -> Option<String> {
    let named = HANDED_ON[1].into_iter().chain(ANY).find_map(of_environment)?;
    let excepts_all = NONE.into_iter().filter_map(of_environment).any(|list| list.split(',').any(|h| h.trim() == "*"));
    (!excepts_all).then_some(named)
}

/// Variables that have a child ask `proxy` for all that is reached by HTTPS, but for `hosts` and what the user has excepted.
#[must_use]
pub fn by(proxy: &str, hosts: &[String]) -> Vec<(&'static str, String)> {
    asking(proxy, hosts, of_environment)
}

fn asking(proxy: &str, hosts: &[String], variable: impl Fn(&str) -> Option<String>) -> Vec<(&'static str, String)> {
    let asked = |name: &str| HANDED_ON[1].contains(&name).then(|| proxy.to_owned());
    let excepted = exceptions(hosts, |name| {
        let given = asked(name).or_else(|| variable(name))?;
        // With everything excepted, nothing would be asked of this proxy either.
        Some(if NONE.contains(&name) { given.replace('*', "") } else { given })
    });
    HANDED_ON[1].map(|name| (name, proxy.to_owned())).into_iter().chain(excepted).collect()
}

fn of_environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn nodes(
    hosts: &[String],
    gateway: Ipv4Addr,
    variable: impl Fn(&str) -> Option<String>,
) -> Vec<(&'static str, String)> {
    let mut all = exceptions(hosts, &variable);
    for names in HANDED_ON {
        if let Some(proxy) = names.into_iter().find_map(&variable) {
            let proxy = seen_from_node(proxy, gateway);
            all.extend(names.map(|name| (name, proxy.clone())));
        }
    }
    all
}

fn seen_from_node(proxy: String, gateway: Ipv4Addr) -> String {
    // `HOST:PORT` names a proxy as well.
    let url = if proxy.contains("://") { proxy.clone() } else { format!("http://{proxy}") };
    let Some(mut parsed) = reqwest::Url::parse(&url).ok().filter(|_| is_loopback(&url)) else { return proxy };
    if parsed.set_ip_host(gateway.into()).is_err() {
        return proxy;
    }
    parsed.into()
}

fn exceptions(hosts: &[String], variable: impl Fn(&str) -> Option<String>) -> Vec<(&'static str, String)> {
    if !HANDED_ON.into_iter().flatten().chain(ANY).any(|name| variable(name).is_some()) {
        return Vec::new();
    }
    let given = NONE.into_iter().filter_map(&variable);
    let given: Vec<String> =
        given.flat_map(|list| list.split(',').map(|host| host.trim().to_owned()).collect::<Vec<_>>()).collect();
    let mut all: Vec<String> = Vec::new();
    for host in given.iter().chain(hosts).filter(|host| !host.is_empty()) {
        if !all.contains(host) {
            all.push(host.clone());
        }
    }
    NONE.map(|name| (name, all.join(","))).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 30, 0, 1);

    fn set<'a>(variables: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
    }

    fn hosts() -> [String; 2] {
        ["localhost".to_owned(), "172.30.0.0/16".to_owned()]
    }

    #[test]
    fn children_ask_no_proxy_for_a_lab() {
        let asked = |variables: &[(&str, &str)]| exceptions(&hosts(), set(variables));
        assert_eq!(asked(&[("NO_PROXY", "a")]), []);
        let both = |list: &str| vec![("NO_PROXY", list.to_owned()), ("no_proxy", list.to_owned())];
        assert_eq!(asked(&[("https_proxy", "p")]), both("localhost,172.30.0.0/16"));
        assert_eq!(
            asked(&[("ALL_PROXY", "p"), ("NO_PROXY", "a, localhost"), ("no_proxy", "b")]),
            both("a,localhost,b,172.30.0.0/16")
        );
    }

    #[test]
    fn all_but_a_labs_addresses_is_asked_of_its_own_proxy() {
        let told = |variables: &[(&str, &str)]| asking("http://own:1", &hosts(), set(variables));
        let own = |list: &str| {
            let own = ["HTTPS_PROXY", "https_proxy"].map(|name| (name, "http://own:1".to_owned()));
            own.into_iter().chain(["NO_PROXY", "no_proxy"].map(|name| (name, list.to_owned()))).collect::<Vec<_>>()
        };
        assert_eq!(told(&[]), own("localhost,172.30.0.0/16"));
        assert_eq!(told(&[("https_proxy", "p"), ("NO_PROXY", "a,*")]), own("a,localhost,172.30.0.0/16"));
    }

    #[test]
    fn nodes_find_a_proxy_of_this_machine_at_the_gateway() {
        let told = |name, variables: &[(&str, &str)]| {
            nodes(&hosts(), GATEWAY, set(variables)).into_iter().find(|(n, _)| *n == name).map(|(_, value)| value)
        };
        let lower = [("https_proxy", "http://me:pw@127.0.0.1:3128")];
        for name in ["HTTPS_PROXY", "https_proxy"] {
            assert_eq!(told(name, &lower).as_deref(), Some("http://me:pw@172.30.0.1:3128/"));
        }
        assert_eq!(told("HTTP_PROXY", &lower), None);
        assert_eq!(told("NO_PROXY", &lower).as_deref(), Some("localhost,172.30.0.0/16"));
        assert_eq!(told("HTTP_PROXY", &[("HTTP_PROXY", "localhost:3128")]).as_deref(), Some("http://172.30.0.1:3128/"));
        let far = [("HTTP_PROXY", "proxy.example:3128")];
        assert_eq!(told("http_proxy", &far).as_deref(), Some("proxy.example:3128"));
        assert_eq!(told("HTTPS_PROXY", &far), None);
        assert_eq!(nodes(&hosts(), GATEWAY, set(&[("no_proxy", "a")])), []);
    }
}
