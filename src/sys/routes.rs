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

/// Where packets go that no other route is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WayOut {
    /// Network interface.
    pub interface: String,
    /// Most bytes of a packet that it carries.
    pub mtu: u32,
}

/// The host's IPv4 default route; none where there is none, or where the kernel does not tell as Linux does.
#[must_use]
pub fn way_out() -> Option<WayOut> {
    let interface = default_interface(&std::fs::read_to_string("/proc/net/route").ok()?)?;
    let mtu = std::fs::read_to_string(format!("/sys/class/net/{interface}/mtu")).ok()?.trim().parse().ok()?;
    Some(WayOut { interface, mtu })
}

/// The interface of the default route that the kernel prefers: the one of the least metric, which is the seventh column.
fn default_interface(table: &str) -> Option<String> {
    let route = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let is_default = columns.get(1) == Some(&"00000000") && columns.get(7) == Some(&"00000000");
        let metric = columns.get(6)?.parse::<u32>().ok()?;
        is_default.then(|| (metric, (*columns.first().unwrap_or(&"")).to_owned()))
    };
    table.lines().skip(1).filter_map(route).min_by_key(|(metric, _)| *metric).map(|(_, interface)| interface)
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
    fn the_way_out_is_the_default_route_that_the_kernel_prefers() {
        let line = |interface: &str, destination: &str, metric: u32, mask: &str| {
            format!("{interface}\t{destination}\t0100A8C0\t0003\t0\t0\t{metric}\t{mask}\t0\t0\t0\n")
        };
        let table = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n".to_owned();
        // A VPN that takes half of all addresses is no default route.
        let others = table + &line("docker0", "000011AC", 0, "0000FFFF") + &line("tun0", "00000000", 0, "00000080");
        assert_eq!(default_interface(&others), None);
        let both = others + &line("wlan0", "00000000", 600, "00000000") + &line("eth0", "00000000", 100, "00000000");
        assert_eq!(default_interface(&both).as_deref(), Some("eth0"));
    }

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
