//! Whether the engine is of a kind that labs work on. Pure: what it says about itself goes in.

use crate::plan::Lab;
use crate::sys::docker::EngineFacts;
use crate::verdict::Judgement;

/// Podman answers as Docker does, but not in all: with control groups of version 1 it gives nodes no namespace of their own for them, though kind asks
/// for one, and images get other names (seen with 4.3).
pub(super) fn podman(version: &str) -> Judgement {
    Judgement::failure(
        "engine",
        format!(
            "the engine is Podman {version}, on which nodes of labs do not start: it does not do all that Docker's API asks of it"
        ),
        "use Docker: choose one with DOCKER_HOST or `docker context use`; on Debian or Ubuntu, `./dev setup` as root installs and starts one",
    )
}

/// An engine without the rights of root runs in a user namespace and a network namespace of its own.
pub(super) fn rootless(lab: &Lab, engine: &EngineFacts) -> Judgement {
    const WHAT: &str = "rights";
    const ROOT: &str = "use an engine that runs as root";
    if !engine.rootless {
        return Judgement::ok(WHAT, "the engine has the rights of root");
    }
    if engine.cgroup_version.as_deref() == Some("1") {
        return Judgement::failure(
            WHAT,
            "the engine is rootless, on control groups of version 1, which only root may divide among nodes",
            format!("boot with systemd.unified_cgroup_hierarchy=1, or {ROOT}"),
        );
    }
    if !engine.lacks_controllers.is_empty() {
        return Judgement::failure(
            WHAT,
            format!(
                "the engine is rootless, and has no say over {} in its control groups, which kubelet wants",
                engine.lacks_controllers.join(" and ")
            ),
            format!(
                "let systemd delegate it: `Delegate=cpu cpuset io memory pids` under [Service] in /etc/systemd/system/user@.service.d/delegate.conf, then log in anew; or {ROOT}"
            ),
        );
    }
    if let Some(cluster) = lab.clusters.iter().find(|c| c.published_gateway.is_some()) {
        return Judgement::failure(
            WHAT,
            format!(
                "the engine is rootless, so the lab's network is not in this machine's, and the gateway of {} cannot be published there",
                cluster.name
            ),
            format!("let {} have a load balancer, or {ROOT}", cluster.name),
        );
    }
    Judgement::warning(
        WHAT,
        "the engine is rootless, on which we have run no lab yet",
        format!("nothing yet; if nodes do not start, see what kind says of rootless engines, or {ROOT}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::resolve;
    use crate::scenario::parse;
    use crate::verdict::Level;

    fn judged(clusters: &str, change: impl Fn(&mut EngineFacts)) -> Judgement {
        let text = format!("name: demo\nmesh: {{ meshNetworks: true }}\nclusters: {clusters}\n");
        let lab = resolve(&parse(&text, "lab.yaml").expect("valid")).expect("addresses");
        let mut engine = EngineFacts { rootless: true, cgroup_version: Some("2".to_owned()), ..EngineFacts::default() };
        change(&mut engine);
        rootless(&lab, &engine)
    }

    #[test]
    fn a_rootless_engine_is_refused_where_it_cannot_do() {
        assert_eq!(judged("[c1]", |e| e.rootless = false).level, Level::Ok);
        assert_eq!(judged("[c1]", |_| {}).level, Level::Warning);
        let refused = |clusters, change: &dyn Fn(&mut EngineFacts)| {
            let judgement = judged(clusters, change);
            assert_eq!(judgement.level, Level::Failure, "{judgement:?}");
            judgement.line()
        };
        let old = refused("[c1]", &|e| e.cgroup_version = Some("1".to_owned()));
        assert!(old.contains("version 1") && old.contains("unified_cgroup_hierarchy"), "{old}");
        let undelegated = refused("[c1]", &|e| e.lacks_controllers = vec!["cpu", "pids"]);
        assert!(undelegated.contains("cpu and pids") && undelegated.contains("Delegate="), "{undelegated}");
        let published = refused("[c1, { name: c2, loadBalancer: none }]", &|_| {});
        assert!(published.contains("the gateway of c2"), "{published}");
    }

    #[test]
    fn podman_is_no_docker() {
        let judgement = podman("4.3.1");
        assert!(judgement.level == Level::Failure && judgement.line().contains("Podman 4.3.1"), "{judgement:?}");
    }
}
