//! What the engine says about itself and the machine that it runs on.

use std::path::PathBuf;

use bollard::models::{SystemInfo, SystemVersion};
use k8s_openapi::jiff::Timestamp;

use crate::sys::host::Host;

use super::{DockerError, Engine, ask};

/// Facts about an engine. What it does not say is unknown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EngineFacts {
    /// Its version, as "20.10.24".
    pub version: Option<String>,
    /// The newest API that it speaks, as "1.41".
    pub api_version: Option<String>,
    /// Release of its kernel.
    pub kernel: Option<String>,
    /// Bytes of memory of its machine.
    pub memory: Option<u64>,
    /// Where it keeps images, containers and volumes.
    pub root: Option<PathBuf>,
    /// How many seconds its clock is ahead of this machine's; less than nothing when it is behind.
    pub clock_ahead: Option<f64>,
    /// Version of control groups on its machine, as "2".
    pub cgroup_version: Option<String>,
    /// What runs containers, as "runc".
    pub runtime: Option<String>,
    /// Whether it runs without the rights of root.
    pub rootless: bool,
    /// The version of Podman, if that answers in Docker's place.
    pub podman: Option<String>,
    /// What of control groups it cannot use for containers, as "memory".
    pub lacks_controllers: Vec<&'static str>,
    /// Whether it is Docker Desktop's, which forwards what it publishes to the loopback of the machine that it is on.
    pub desktop: bool,
}

impl EngineFacts {
    /// Whether the engine runs on this machine, so that what the kernel says here is true for it.
    #[must_use]
    pub fn is_on(&self, host: &Host) -> bool {
        self.kernel.is_some() && self.kernel == host.kernel && self.memory.is_some() && self.memory == host.memory_total
    }
}

impl Engine {
    /// Asks the engine about itself.
    pub async fn facts(&self) -> Result<EngineFacts, DockerError> {
        let version = ask("tell its version", self.docker.version()).await?;
        let before = Timestamp::now();
        let info = ask("tell about itself", self.docker.info()).await?;
        let after = Timestamp::now();
        let clock_ahead = info.system_time.as_ref().and_then(|time| ahead(time, before, after));
        Ok(EngineFacts { clock_ahead, ..EngineFacts::of(version, info) })
    }

    /// How many processors its machine has, if it says so.
    pub async fn processors(&self) -> Result<Option<usize>, DockerError> {
        let info = ask("tell about itself", self.docker.info()).await?;
        Ok(info.ncpu.and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0))
    }
}

impl EngineFacts {
    /// Reads what an engine answers.
    fn of(version: SystemVersion, info: SystemInfo) -> Self {
        let security = info.security_options.unwrap_or_default();
        let podman = version.components.unwrap_or_default().into_iter().find(|c| c.name == "Podman Engine");
        let controllers =
            [("cpu", info.cpu_shares), ("memory", info.memory_limit), ("pids", info.pids_limit)].into_iter();
        Self {
            podman: podman.map(|component| component.version),
            lacks_controllers: controllers.filter(|(_, has)| *has == Some(false)).map(|(name, _)| name).collect(),
            cgroup_version: info.cgroup_version.map(|v| v.to_string()).filter(|v| !v.is_empty()),
            runtime: info.default_runtime,
            rootless: security.iter().any(|option| option.contains("name=rootless")),
            desktop: info.operating_system.is_some_and(|name| name.contains("Docker Desktop")),
            version: version.version,
            api_version: version.api_version,
            kernel: info.kernel_version,
            memory: info.mem_total.and_then(|m| u64::try_from(m).ok()),
            root: info.docker_root_dir.map(PathBuf::from),
            clock_ahead: None,
        }
    }
}

/// How far a clock is ahead that showed `time` at some moment between `before` and `after`: what that span explains is no difference.
fn ahead(time: &str, before: Timestamp, after: Timestamp) -> Option<f64> {
    let time: Timestamp = time.parse().ok()?;
    let seconds = |from: Timestamp, to: Timestamp| to.duration_since(from).as_secs_f64();
    Some(if time < before {
        seconds(before, time)
    } else if time > after {
        seconds(after, time)
    } else {
        0.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_runs_here_if_kernel_and_memory_are_the_same() {
        let host = |kernel: &str, memory| Host {
            kernel: Some(kernel.to_owned()),
            memory_total: Some(memory),
            ..Host::default()
        };
        let engine = EngineFacts { kernel: Some("6.1".to_owned()), memory: Some(5), ..EngineFacts::default() };
        assert!(engine.is_on(&host("6.1", 5)));
        assert!(!engine.is_on(&host("6.1-linuxkit", 5)) && !engine.is_on(&host("6.1", 4)));
        assert!(!EngineFacts::default().is_on(&Host::default()));
    }

    fn facts(version: &str, info: &str) -> EngineFacts {
        let version = serde_json::from_str(version).expect("a version");
        EngineFacts::of(version, serde_json::from_str(info).expect("facts"))
    }

    #[test]
    fn podman_answers_in_dockers_place() {
        // Of Podman 4.3.1 in Debian 12, without what nobody reads.
        let version = r#"{ "Platform": { "Name": "linux/amd64/debian-12" }, "Components": [
            { "Name": "Podman Engine", "Version": "4.3.1", "Details": { "APIVersion": "4.3.1", "MinAPIVersion": "4.0.0" } },
            { "Name": "OCI Runtime (crun)", "Version": "crun version 1.8.1", "Details": { "Package": "Unknown" } }
        ], "Version": "4.3.1", "ApiVersion": "1.41", "MinAPIVersion": "1.24" }"#;
        let info = r#"{ "MemoryLimit": true, "CPUShares": true, "PidsLimit": true, "CgroupDriver": "cgroupfs", "CgroupVersion": "1",
            "OperatingSystem": "debian", "DefaultRuntime": "crun", "SecurityOptions": ["name=seccomp,profile=default"] }"#;
        let podman = facts(version, info);
        assert_eq!((podman.podman.as_deref(), podman.rootless), (Some("4.3.1"), false));
        assert_eq!((podman.cgroup_version.as_deref(), podman.lacks_controllers), (Some("1"), Vec::new()));
    }

    #[test]
    fn a_rootless_engine_tells_which_controllers_it_lacks() {
        let version = r#"{ "Components": [{ "Name": "Engine", "Version": "28.2.2" }, { "Name": "rootlesskit", "Version": "2.3.4" }],
            "Version": "28.2.2", "ApiVersion": "1.50" }"#;
        let info = r#"{ "MemoryLimit": true, "CPUShares": false, "PidsLimit": true, "CgroupDriver": "systemd", "CgroupVersion": "2",
            "SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless", "name=cgroupns"] }"#;
        let rootless = facts(version, info);
        assert!(rootless.rootless && rootless.podman.is_none(), "{rootless:?}");
        assert_eq!(rootless.lacks_controllers, ["cpu"]);
    }

    #[test]
    fn the_time_that_the_answer_took_is_no_difference() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let (before, after) = (at("2026-01-01T00:00:00Z"), at("2026-01-01T00:00:05Z"));
        assert_eq!(ahead("2026-01-01T00:00:03.123456789Z", before, after), Some(0.0));
        assert_eq!(ahead("2026-01-01T01:00:45+01:00", before, after), Some(40.0));
        assert_eq!(ahead("2025-12-31T23:59:00Z", before, after), Some(-60.0));
        assert_eq!(ahead("yesterday", before, after), None);
    }
}
