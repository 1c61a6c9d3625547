//! What the kernel says about this machine. Everything may be unknown: other systems than Linux say nothing here, and kernels differ.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use flate2::read::GzDecoder;

/// Facts about this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Release of the kernel.
    pub kernel: Option<String>,
    /// Bytes of memory.
    pub memory_total: Option<u64>,
    /// Bytes that programs can have without anything being swapped out.
    pub memory_available: Option<u64>,
    /// `fs.inotify.max_user_instances`.
    pub inotify_instances: Option<u64>,
    /// `fs.inotify.max_user_watches`.
    pub inotify_watches: Option<u64>,
    /// `net.ipv4.ip_forward`.
    pub ip_forward: Option<bool>,
    /// File systems that the kernel has now.
    pub file_systems: Option<Vec<String>>,
    /// Matches and targets of iptables that the kernel has now.
    pub iptables: Option<Vec<String>>,
    /// Whether the kernel may load more of itself when it is needed.
    pub loads_modules: bool,
    /// Whether the kernel can have packets come late.
    pub has_netem: Option<bool>,
    /// Capabilities that the kernel knows and no process here can have, by number.
    pub lacks_capabilities: Vec<u32>,
}

impl Host {
    /// Reads the facts.
    #[must_use]
    pub fn read() -> Self {
        let meminfo = text("/proc/meminfo").unwrap_or_default();
        let kernel = text("/proc/sys/kernel/osrelease").map(|t| t.trim().to_owned());
        let matches = text("/proc/net/ip_tables_matches");
        let iptables = matches.zip(text("/proc/net/ip_tables_targets")).map(|(m, t)| words(&(m + &t)));
        let modules = |list: &str| text(&format!("/lib/modules/{}/{list}", kernel.as_deref()?));
        Self {
            memory_total: meminfo_bytes(&meminfo, "MemTotal"),
            memory_available: meminfo_bytes(&meminfo, "MemAvailable"),
            inotify_instances: number("/proc/sys/fs/inotify/max_user_instances"),
            inotify_watches: number("/proc/sys/fs/inotify/max_user_watches"),
            ip_forward: number("/proc/sys/net/ipv4/ip_forward").map(|n| n != 0),
            file_systems: text("/proc/filesystems").map(|t| words(&t)),
            iptables,
            // Without this file the kernel has no modules at all; without that directory it has none to load.
            loads_modules: Path::new("/proc/modules").exists()
                && kernel.as_ref().is_some_and(|k| Path::new("/lib/modules").join(k).is_dir()),
            has_netem: has_netem(
                configuration().as_deref(),
                [modules("modules.builtin"), modules("modules.dep")].map(Option::unwrap_or_default),
            ),
            lacks_capabilities: lacking(
                &text("/proc/self/status").unwrap_or_default(),
                number("/proc/sys/kernel/cap_last_cap"),
            ),
            kernel,
        }
    }
}

/// Raises a limit of the kernel, which lasts until the next boot. Gives what it was before. A limit that is high enough stays as it is.
///
/// # Errors
/// There is no such limit here, or it may not be written.
pub fn raise(limit: &str, to: u64) -> std::io::Result<u64> {
    raise_below(Path::new("/proc/sys"), limit, to)
}

fn raise_below(root: &Path, limit: &str, to: u64) -> std::io::Result<u64> {
    let path = root.join(limit.replace('.', "/"));
    let before: u64 = std::fs::read_to_string(&path)?.trim().parse().map_err(std::io::Error::other)?;
    if before < to {
        std::fs::write(&path, format!("{to}\n"))?;
    }
    Ok(before)
}

/// The configuration that the kernel was built with, where it tells.
fn configuration() -> Option<String> {
    let mut told = String::new();
    GzDecoder::new(File::open("/proc/config.gz").ok()?).read_to_string(&mut told).ok()?;
    Some(told)
}

/// Whether a kernel has netem, by its configuration and the lists of its modules, which may both not be there.
fn has_netem(configuration: Option<&str>, modules: [String; 2]) -> Option<bool> {
    if modules.iter().any(|list| list.contains("/sch_netem.ko")) {
        return Some(true);
    }
    let told = |line: &str| configuration.is_some_and(|all| all.lines().any(|l| l == line));
    if told("CONFIG_NET_SCH_NETEM=y") {
        return Some(true);
    }
    told("# CONFIG_NET_SCH_NETEM is not set").then_some(false)
}

/// The capabilities up to `last` that are not in the bounding set of a `/proc/PID/status`.
fn lacking(status: &str, last: Option<u64>) -> Vec<u32> {
    let set = status.lines().find_map(|l| l.strip_prefix("CapBnd:")).map(str::trim);
    let set = set.and_then(|set| u64::from_str_radix(set, 16).ok());
    let (Some(set), Some(last)) = (set, last.and_then(|l| u32::try_from(l).ok())) else { return Vec::new() };
    (0..=last.min(63)).filter(|bit| set & (1 << bit) == 0).collect()
}

/// Bytes that an ordinary user can still write where `path` is; none if that cannot be seen from here.
#[must_use]
pub fn free_space(path: &Path) -> Option<u64> {
    // A directory that may not be read, such as Docker's, is on the file system of one above it, or has its own.
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Whether an address is one of this machine's, as this process sees it: in a container, or in another network namespace, the engine's bridges are not.
#[must_use]
pub fn is_local(address: std::net::IpAddr) -> bool {
    // To an address of its own the kernel sends from that very address. Connecting a datagram socket chooses the source, and sends nothing.
    let any: std::net::IpAddr =
        if address.is_ipv4() { std::net::Ipv4Addr::UNSPECIFIED.into() } else { std::net::Ipv6Addr::UNSPECIFIED.into() };
    let Ok(socket) = std::net::UdpSocket::bind((any, 0)) else { return false };
    // All of 127.0.0.0/8 is, though the kernel sends from its first address there.
    address.is_loopback()
        || socket.connect((address, 9)).is_ok() && socket.local_addr().is_ok_and(|own| own.ip() == address)
}

/// The addresses of a machine; none if its name says none here.
#[must_use]
pub fn addresses_of(machine: &str) -> Vec<std::net::IpAddr> {
    use std::net::ToSocketAddrs as _;
    (machine, 0).to_socket_addrs().map(|all| all.map(|a| a.ip()).collect()).unwrap_or_default()
}

/// The text of the file of certificate authorities that programs of this user are to trust, by the variable that most of them read. None where they
/// trust what the system does.
///
/// # Errors
/// Why the file cannot be used: libraries would pass it over without a word, or read for ever.
pub fn certificate_authorities() -> Result<Option<String>, String> {
    let named = std::env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty());
    named.map(|path| authorities_in(std::path::Path::new(&path))).transpose()
}

fn authorities_in(path: &std::path::Path) -> Result<String, String> {
    let refused = |why: String| format!("SSL_CERT_FILE is {}, which cannot be used: {why}", path.display());
    let text = super::input::read(path, super::input::FILE_LIMIT).map_err(|e| refused(e.to_string()))?;
    let text = String::from_utf8_lossy(&text).into_owned();
    if !text.contains("-----BEGIN CERTIFICATE-----") && !text.contains("-----BEGIN TRUSTED CERTIFICATE-----") {
        return Err(refused("there is no PEM certificate in it".to_owned()));
    }
    Ok(text)
}

fn text(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

fn number(path: &str) -> Option<u64> {
    text(path)?.trim().parse().ok()
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// A line of `/proc/meminfo`, which counts in KiB.
fn meminfo_bytes(meminfo: &str, field: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|l| l.strip_prefix(field)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn netem_is_known_by_the_kernels_configuration_or_its_modules() {
        let none = || [String::new(), String::new()];
        let builtin = || ["kernel/net/sched/sch_netem.ko\n".to_owned(), String::new()];
        let not_set = Some("CONFIG_X=y\n# CONFIG_NET_SCH_NETEM is not set\n");
        for (configuration, modules, has) in [
            (None, none(), None),
            (None, builtin(), Some(true)),
            (not_set, none(), Some(false)),
            (Some("CONFIG_NET_SCH_NETEM=y"), none(), Some(true)),
            // A module that may not be there.
            (Some("CONFIG_NET_SCH_NETEM=m"), none(), None),
            (Some("CONFIG_NET_SCH_NETEM=m"), builtin(), Some(true)),
        ] {
            assert_eq!(has_netem(configuration, modules), has);
        }
    }

    #[test]
    fn authorities_are_certificates_in_a_file() {
        for (path, why) in [
            ("/dev/zero", "not a file"),
            ("/nonexistent", "not there"),
            ("/", "not a file"),
            ("/etc/hostname", "no PEM certificate"),
        ] {
            let refused = authorities_in(std::path::Path::new(path)).expect_err(path);
            assert!(refused.starts_with("SSL_CERT_FILE is ") && refused.contains(why), "{refused}");
        }
    }

    #[test]
    fn reads_memory_as_the_kernel_writes_it() {
        let text = "MemTotal:       24684084 kB\nMemFree:        12990672 kB\nMemAvailable:   22743056 kB\n";
        assert_eq!(meminfo_bytes(text, "MemAvailable"), Some(22_743_056 * 1024));
        assert_eq!(meminfo_bytes(text, "Mem"), None);
        assert_eq!(meminfo_bytes("", "MemTotal"), None);
    }

    #[test]
    fn capabilities_that_nobody_can_have_are_told() {
        assert_eq!(lacking("Name:\tlab\nCapBnd:\t000001fffeffffff\n", Some(40)), [24]);
        assert_eq!(lacking("CapBnd:\t000001ffffffffff\n", Some(40)), [0_u32; 0]);
        assert_eq!(lacking("CapBnd:\t000001ffffffffff\n", Some(41)), [41]);
        assert_eq!(lacking("", Some(40)), [0_u32; 0]);
    }

    #[test]
    fn a_limit_is_raised_and_never_lowered() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir_all(dir.path().join("fs/inotify")).expect("mkdir");
        let file = dir.path().join("fs/inotify/max_user_instances");
        std::fs::write(&file, "128\n").expect("write");
        assert_eq!(raise_below(dir.path(), "fs.inotify.max_user_instances", 512).expect("raised"), 128);
        assert_eq!(raise_below(dir.path(), "fs.inotify.max_user_instances", 256).expect("left"), 512);
        assert_eq!(std::fs::read_to_string(&file).expect("read"), "512\n");
        assert!(raise_below(dir.path(), "fs.inotify.max_user_watches", 1).is_err());
    }

    #[test]
    fn loopback_is_here_and_documentation_is_nowhere() {
        let local = |address: &str| is_local(address.parse().expect("an address"));
        assert!(local("127.0.0.1") && local("127.9.9.9"));
        assert!(!local("192.0.2.1") && !local("2001:db8::1"));
        assert_eq!(addresses_of("127.0.0.1"), ["127.0.0.1".parse::<std::net::IpAddr>().expect("an address")]);
    }

    #[test]
    fn there_is_space_here_and_none_nowhere() {
        assert!(free_space(Path::new("/")).is_some());
        assert_eq!(free_space(Path::new("/nonexistent/path")), None);
    }
}
