//! What a scenario's faults take of the machine, known before anything is built.

use crate::plan::Lab;
use crate::scenario::FaultKind;
use crate::sys::host::Host;
use crate::verdict::Judgement;

const WHAT: &str = "faults";
const MIB: u64 = 1 << 20;

/// Whether the machine can do to the lab what its faults say; nothing where it can, or where there are none.
pub(super) fn all(lab: &Lab, host: &Host) -> Vec<Judgement> {
    let mut judged = Vec::new();
    let is_late = |kind: &FaultKind| matches!(kind, FaultKind::Network { link, .. } if link.latency.is_some());
    if lab.faults.iter().any(|fault| is_late(&fault.kind)) {
        judged.extend(match host.has_netem {
            Some(true) => None,
            Some(false) => Some(Judgement::failure(
                WHAT,
                "the kernel has no netem, so no packet can be late, as a fault of the scenario wants",
                "leave `latency` and `jitter` out, since `loss` and `bandwidth` need none; or use a kernel with sch_netem",
            )),
            None => Some(Judgement::unknown(WHAT, "whether the kernel has netem, which `latency` needs, cannot be told")),
        });
    }
    for fault in &lab.faults {
        let FaultKind::Pressure { node, memory: Some(memory), .. } = &fault.kind else { continue };
        if let Some(total) = host.memory_total.filter(|total| u64::from(*memory) * MIB > *total) {
            judged.push(Judgement::failure(
                WHAT,
                format!(
                    "the pressure on {node} takes {memory} MiB of memory, and this machine has {} MiB",
                    total / MIB
                ),
                "give the fault less `memory`",
            ));
        }
    }
    judged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::resolve;
    use crate::scenario::parse;
    use crate::verdict::Level;

    fn judged(fault: &str, has_netem: Option<bool>) -> Vec<Level> {
        let text = format!("name: x\nclusters: [c1, c2]\nfaults: [{fault}]\n");
        let lab = resolve(&parse(&text, "x").expect("a scenario")).expect("a lab");
        let host = Host { has_netem, memory_total: Some(2048 * MIB), ..Host::default() };
        all(&lab, &host).into_iter().map(|j| j.level).collect()
    }

    #[test]
    fn a_fault_that_the_machine_cannot_make_is_told_beforehand() {
        let late = "network: { between: [c1, c2], latency: 50ms, for: 10s }";
        assert_eq!(judged(late, Some(false)), [Level::Failure]);
        assert_eq!(judged(late, None), [Level::Unknown]);
        assert_eq!(judged(late, Some(true)), []);
        assert_eq!(judged("network: { between: [c1, c2], loss: 10%, for: 10s }", Some(false)), []);
        let pressure = |memory: &str| format!("pressure: {{ node: c1-control-plane, memory: {memory}, for: 10s }}");
        assert_eq!(judged(&pressure("3000Mi"), None), [Level::Failure]);
        assert_eq!(judged(&pressure("300Mi"), None), []);
    }
}
