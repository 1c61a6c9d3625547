//! What a plan has besides, because the lab was another one before. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::{in_order, reduce};
use super::{Action, Plan, PlannedStep, StepId};

impl Plan {
    /// Adds the step that takes away what is no longer planned in a cluster: after all that is applied to it, and before pods are compared with what
    /// they would be now, which is without it.
    pub fn retire(&mut self, cluster: &str) {
        let here = self.steps.iter().filter(|s| s.action.cluster() == Some(cluster) && !is_late(s));
        let needs = here.map(|s| s.id.clone()).collect();
        self.add_before_late(Action::Retire { cluster: cluster.to_owned() }, needs);
    }

    /// Has a control plane forget the clusters that it is to read no longer, before anything else changes for it: the pods of one whose network is no longer
    /// listed would be called as if they were next door, and those that no route leads to any more would be called as before. `left` are, by cluster, the steps that were planned before.
    pub fn unlink<'a>(&mut self, left: impl IntoIterator<Item = (&'a str, &'a [StepId])>) {
        let mut steps = std::mem::take(&mut self.steps);
        for (cluster, _) in left.into_iter().filter(|(_, steps)| steps.iter().any(StepId::is_remote_secret)) {
            let c = || cluster.to_owned();
            let action = Action::Unlink { cluster: c() };
            let unlink = PlannedStep { id: action.id(), needs: vec![Action::Cluster { cluster: c() }.id()], action };
            let base = Action::IstioBase { cluster: c() }.id();
            let waits = |s: &PlannedStep| s.id == base || matches!(s.action, Action::NodeNetwork { .. });
            steps.iter_mut().filter(|s| waits(s)).for_each(|s| s.needs.push(unlink.id.clone()));
            steps.push(unlink);
        }
        self.steps = reduce(in_order(steps));
    }

    /// Keeps some steps, as if what the others do were done.
    pub fn keep(&mut self, is_meant: impl Fn(&Action) -> bool) {
        // Whoever waits for what is left out waits for what that waits for.
        let mut left_out: BTreeMap<StepId, Vec<StepId>> = BTreeMap::new();
        let mut kept = Vec::new();
        for mut step in std::mem::take(&mut self.steps) {
            let through = |need: StepId| left_out.get(&need).cloned().unwrap_or_else(|| vec![need]);
            step.needs = std::mem::take(&mut step.needs).into_iter().flat_map(through).collect();
            if is_meant(&step.action) {
                kept.push(step);
            } else {
                left_out.insert(step.id, step.needs);
            }
        }
        self.steps = reduce(kept);
    }

    /// Adds the step that lets members leave the federation: after what Karmada is given runs without them.
    pub fn let_members_leave(&mut self) {
        let given = self.steps.iter().find(|s| matches!(s.action, Action::FederatedApps { .. }));
        let Some((cluster, needs)) = given.and_then(|s| Some((s.action.cluster()?.to_owned(), vec![s.id.clone()])))
        else {
            return;
        };
        self.add_before_late(Action::KarmadaLeave { cluster }, needs);
    }

    /// Deploys apps to clusters that come to others only when their east-west gateway is there: the addresses of a network may be known before anything
    /// answers at them, and whoever calls already would be sent there.
    pub fn admit<'a>(&mut self, new: impl IntoIterator<Item = &'a str>) {
        let mut steps = std::mem::take(&mut self.steps);
        for cluster in new.into_iter().map(str::to_owned) {
            let gateway = Action::EastWestGateway { cluster: cluster.clone() }.id();
            if steps.iter().any(|s| s.id == gateway) {
                let apps = |s: &&mut PlannedStep| matches!(&s.action, Action::Apps { cluster: c, .. } if *c == cluster);
                steps.iter_mut().filter(apps).for_each(|s| s.needs.push(gateway.clone()));
            }
        }
        self.steps = reduce(in_order(steps));
    }

    /// Changes no control plane, and no way to one, before the clusters that get a control plane of their own have all of it: what they run leaves the
    /// old one when that changes, and must then find a new one that knows everything. `left` are, by cluster, the steps that were planned before.
    pub fn promote<'a>(&mut self, left: impl IntoIterator<Item = (&'a str, &'a [StepId])>) {
        let is_promoted = |plan: &Self, cluster: &str, steps: &[StepId]| {
            let own = |s: &PlannedStep| s.action.verb() == "istiod" && s.action.cluster() == Some(cluster);
            plan.steps.iter().any(own) && steps.contains(&Action::IstiodRemote { cluster: cluster.to_owned() }.id())
        };
        let promoted: BTreeSet<String> =
            left.into_iter().filter(|(c, steps)| is_promoted(self, c, steps)).map(|(c, _)| c.to_owned()).collect();
        let whole: Vec<StepId> = promoted.iter().map(|c| Action::Retire { cluster: c.clone() }.id()).collect();
        let is_elsewhere = |s: &PlannedStep| s.action.cluster().is_some_and(|c| !promoted.contains(c));
        let mut steps = std::mem::take(&mut self.steps);
        for step in steps.iter_mut().filter(|s| is_elsewhere(s) && serves_others(&s.action)) {
            step.needs.extend(whole.iter().cloned());
        }
        self.steps = reduce(in_order(steps));
    }

    /// Adds a step before those that look at what all others have made.
    fn add_before_late(&mut self, action: Action, needs: Vec<StepId>) {
        let step = PlannedStep { id: action.id(), needs, action };
        let mut steps = std::mem::take(&mut self.steps);
        steps.iter_mut().filter(|s| is_late(s)).for_each(|s| s.needs.push(step.id.clone()));
        steps.push(step);
        self.steps = reduce(in_order(steps));
    }
}

/// Whether a step looks at what others have made.
fn is_late(step: &PlannedStep) -> bool {
    matches!(step.action, Action::Sidecars { .. } | Action::Jobs { .. } | Action::Verify)
}

/// Whether a step makes a control plane, or a way by which other clusters reach it.
fn serves_others(action: &Action) -> bool {
    matches!(action, Action::Istiod { .. } | Action::IstiodAddress { .. } | Action::EastWestGateway { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Lab, resolve};
    use crate::scenario::parse;

    fn lab(text: &str) -> Lab {
        resolve(&parse(&format!("name: x\n{text}\n"), "x").expect("a scenario")).expect("a lab")
    }

    fn needs(plan: &Plan, id: &str) -> Vec<String> {
        plan.step(&StepId(id.to_owned())).expect(id).needs.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_cluster_gets_its_own_control_plane_before_the_old_one_changes() {
        let lab = lab("clusters: [c1, c2]");
        let left = [StepId("istiod-remote/c2".to_owned())];
        let mut plan = Plan::of(&lab);
        let count = plan.steps.len();
        plan.retire("c2");
        plan.promote([("c2", &left[..])]);
        assert_eq!(plan.steps.len(), count + 1, "nothing waits for itself");
        assert!(needs(&plan, "istiod/c1").contains(&"retire/c2".to_owned()));
        let of_c2 = needs(&plan, "retire/c2");
        assert!(
            of_c2.contains(&"east-west-gateway/c2".to_owned()) && of_c2.contains(&"apps/c2".to_owned()),
            "{of_c2:?}"
        );
        // What is left of something else holds nobody up.
        let mut other = Plan::of(&lab);
        other.retire("c2");
        let before = other.clone();
        other.promote([("c2", &[StepId("ingress-gateway/c2".to_owned())][..])]);
        assert_eq!(other, before);
    }

    #[test]
    fn what_comes_is_called_when_its_gateway_is_there() {
        let mut plan = Plan::of(&lab("clusters: [c1, c2, c3]"));
        plan.admit(["c3"]);
        assert!(needs(&plan, "apps/c3").contains(&"east-west-gateway/c3".to_owned()));
        assert!(!needs(&plan, "apps/c2").contains(&"east-west-gateway/c2".to_owned()));
        // On one network there is none.
        let flat = Plan::of(&lab("clusters: [{ name: c1, network: n }, { name: c2, network: n }]"));
        let mut admitted = flat.clone();
        admitted.admit(["c2"]);
        assert_eq!(admitted, flat);
    }

    #[test]
    fn all_can_get_their_own_at_once() {
        let lab = lab("clusters: [c1, c2, c3]");
        let left = ["c2", "c3"].map(|c| (c, vec![StepId(format!("istiod-remote/{c}"))]));
        let mut plan = Plan::of(&lab);
        let count = plan.steps.len();
        for (c, _) in &left {
            plan.retire(c);
        }
        plan.promote(left.iter().map(|(c, steps)| (*c, &steps[..])));
        assert_eq!(plan.steps.len(), count + 2, "nothing waits for itself");
        let istiod = needs(&plan, "istiod/c1");
        assert!(istiod.contains(&"retire/c2".to_owned()) && istiod.contains(&"retire/c3".to_owned()), "{istiod:?}");
    }

    #[test]
    fn a_cluster_that_goes_is_forgotten_before_its_network_is() {
        let mut plan = Plan::of(&lab("mesh: { meshNetworks: true }\nclusters: [c1, c2]"));
        let before = plan.clone();
        plan.unlink([("c2", &[StepId("ingress-gateway/c2".to_owned())][..])]);
        assert_eq!(plan, before);
        plan.unlink([("c1", &[StepId("remote-secret/c3/c1".to_owned())][..])]);
        assert_eq!(needs(&plan, "unlink/c1"), ["cluster/c1"]);
        assert!(needs(&plan, "istio-base/c1").contains(&"unlink/c1".to_owned()));
        for cluster in ["c1", "c2"] {
            assert!(needs(&plan, &format!("node-network/{cluster}")).contains(&"unlink/c1".to_owned()));
        }
        assert_eq!(plan.steps.len(), before.steps.len() + 1);
    }

    #[test]
    fn who_waits_for_what_is_left_out_waits_for_what_that_waits_for() {
        let mut plan = Plan::of(&lab("clusters: [c1, c2]"));
        plan.keep(|action| !matches!(action, Action::IstioBase { .. } | Action::Verify));
        let istiod = needs(&plan, "istiod/c1");
        assert!(istiod.contains(&"render-istio/c1".to_owned()) && istiod.contains(&"root-ca".to_owned()), "{istiod:?}");
        assert!(plan.steps.iter().flat_map(|s| &s.needs).all(|need| plan.step(need).is_some()));
    }

    #[test]
    fn members_leave_once_what_is_spread_runs_without_them() {
        let mut plan = Plan::of(&lab("mesh: none\nclusters: [m, c1]\nfederation: { manager: m }"));
        plan.let_members_leave();
        assert_eq!(needs(&plan, "karmada-leave/m"), ["federated-apps/m"]);
        assert!(needs(&plan, "verify").contains(&"karmada-leave/m".to_owned()));
        let mut without = Plan::of(&lab("clusters: [c1]"));
        let before = without.clone();
        without.let_members_leave();
        assert_eq!(without, before);
    }
}
