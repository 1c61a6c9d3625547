//! Where API servers are, as URLs.

use super::problem::ExistingProblem;

/// What is wrong with a text as the URL by which pods of other clusters reach an API server: `https://HOST` with a port or without.
pub(super) fn problem(text: &str) -> Option<ExistingProblem> {
    let rest = text.strip_prefix("https://").map(|rest| rest.trim_end_matches('/'));
    let is_plain = |rest: &str| !rest.contains(|c: char| c.is_whitespace() || "?#@\"'".contains(c));
    let port = |rest: &str| {
        // A path may follow, as where one server stands before many clusters.
        let authority = rest.split('/').next().unwrap_or(rest);
        let after = authority.rsplit(']').next().unwrap_or(authority);
        after.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0))
    };
    let is_one =
        rest.is_some_and(|rest| is_plain(rest) && port(rest)) && host(text).is_some_and(|host| !host.is_empty());
    if !is_one {
        return Some(ExistingProblem::NoServer { value: text.to_owned() });
    }
    is_loopback(text).then(|| ExistingProblem::OwnServer { value: text.to_owned() })
}

/// Whether a URL leads to whoever calls it.
#[must_use]
pub fn is_loopback(url: &str) -> bool {
    let Some(host) = host(url) else { return false };
    host == "localhost"
        || host.starts_with("127.")
        || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
}

/// The host in a URL.
fn host(url: &str) -> Option<&str> {
    let rest = url.split_once("://")?.1;
    let authority = rest.split('/').next()?;
    match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next(),
        None => Some(authority.rsplit_once(':').map_or(authority, |(host, _)| host)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_server_is_where_others_reach_it() {
        for text in [
            "https://c1",
            "https://c1:6443",
            "https://10.0.0.1:6443/",
            "https://[fd00::1]:6443",
            "https://[fd00::1]",
            "https://c1:443/k8s/a",
        ] {
            assert!(problem(text).is_none(), "{text}");
        }
        for text in [
            "c1",
            "http://c1",
            "https://",
            "https://:6443",
            "https://c1:99999",
            "https://c1:0",
            "https://c1:x",
            "https://a b",
        ] {
            assert!(matches!(problem(text), Some(ExistingProblem::NoServer { .. })), "{text}");
        }
        for text in
            ["https://127.0.0.1:6443", "https://127.1", "https://localhost", "https://[::1]:6443", "https://0.0.0.0"]
        {
            assert!(matches!(problem(text), Some(ExistingProblem::OwnServer { .. })), "{text}");
        }
    }
}
