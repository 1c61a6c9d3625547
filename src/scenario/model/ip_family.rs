//! Which addresses a lab has.

/// Which addresses nodes, pods, services and gateways of a lab have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IpFamily {
    /// IPv4 alone.
    #[default]
    Ipv4,
    /// IPv6 beside IPv4, which stays the first.
    Dual,
}
