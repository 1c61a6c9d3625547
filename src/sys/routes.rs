//! The host's own routes.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// A route of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Network interface.
    pub interface: String,
    /// Where it leads.
    pub destination: Ipv4Net,
}

/// The host's IPv4 routes but for the default one; none where the kernel does not list them as Linux does.
#[must_use]
pub fn routes() -> Vec<Route> {
    parse(&std::fs::read_to_string("/proc/net/route").unwrap_or_default())
}

/// Reads the kernel's table: interface, destination and, as the eighth column, mask, the numbers in hexadecimal and host byte order.
fn parse(table: &str) -> Vec<Route> {
    let route = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let address = |i: usize| {
            columns.get(i).and_then(|c| u32::from_str_radix(c, 16).ok()).map(|n| Ipv4Addr::from(n.to_ne_bytes()))
        };
        let destination = Ipv4Net::with_netmask(address(1)?, address(7)?).ok()?;
        Some(Route { interface: (*columns.first()?).to_owned(), destination })
    };
    table.lines().skip(1).filter_map(route).filter(|r| r.destination.prefix_len() > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn reads_the_kernels_table() {
        let table = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                     eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                     docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
        let expected = Route { interface: "docker0".to_owned(), destination: "172.17.0.0/16".parse().expect("valid") };
        assert_eq!(parse(table), [expected]);
    }
}
