//! The containers of a lab's nodes and its API servers: what of them is not as it must be, before anything waits for an answer that cannot come.

use futures::future::join_all;

use super::{LabContext, StepError};
use crate::plan::{Lab, LabCluster};
use crate::sys::docker::Node;
use crate::verdict::Finding;

/// What is wrong with nodes and API servers; nothing when all of them can answer. It takes no longer than an API server may be silent.
pub(crate) async fn findings(ctx: &LabContext) -> Result<Vec<Finding>, StepError> {
    let nodes = ctx.nodes().await?;
    let mut findings = amiss(&ctx.lab, &nodes, &foreign(ctx, &nodes).await?);
    let down: Vec<&str> = findings.iter().map(|(cluster, _)| *cluster).collect();
    // What runs on a node that is stopped need not be asked.
    let rest = ctx.lab.clusters.iter().filter(|c| !down.contains(&c.name.as_str()));
    let asked = join_all(rest.map(|cluster| {
        let own = nodes.iter().filter(|n| n.cluster == cluster.name);
        let is_young = own.into_iter().any(|node| is_young(&node.status));
        async move { Some((cluster.name.as_str(), silent(ctx, cluster, is_young).await?)) }
    }));
    let asked = asked.await;
    findings.extend(asked.into_iter().flatten());
    Ok(findings.into_iter().map(|(_, finding)| finding).collect())
}

/// The same, and where they answer, what is wrong with their kubelets, without which nothing can be asked in a pod.
pub(crate) async fn all_findings(ctx: &LabContext) -> Result<Vec<Finding>, StepError> {
    let found = findings(ctx).await?;
    if !found.is_empty() {
        return Ok(found);
    }
    let nodes = made(&ctx.lab).flat_map(|cluster| cluster.nodes().map(move |node| (cluster, node)));
    let looks = join_all(nodes.map(async |(cluster, node)| {
        let client = ctx.client(&cluster.name).await.ok()?;
        let is_reached = client.reaches_kubelet(&cluster.node_name(&node)).await;
        (!is_reached).then(|| Finding {
            cause: format!(
                "the kubelet of {node} of {} does not answer its API server, though the node runs",
                cluster.name
            ),
            evidence: "the API server reaches nothing at the kubelet's port of the node".to_owned(),
            remedy: format!("lab up {}", ctx.lab.name),
        })
    }));
    Ok(looks.await.into_iter().flatten().collect())
}

/// An error, and what is wrong with a node or an API server where anything is: then that is the reason.
pub(crate) async fn explained(ctx: &LabContext, error: StepError) -> StepError {
    match all_findings(ctx).await.ok().and_then(|found| found.into_iter().next()) {
        Some(Finding { cause, remedy, .. }) => StepError::Failed { problem: format!("{cause}: {error}"), remedy },
        None => error,
    }
}

/// Whether the container of every node is as it must be.
pub(crate) async fn are_up(ctx: &LabContext) -> Result<bool, StepError> {
    let nodes = ctx.nodes().await?;
    Ok(amiss(&ctx.lab, &nodes, &foreign(ctx, &nodes).await?).is_empty())
}

/// The nodes that are there without lab's labels: somebody else made them, such as the script of `lab eject`.
async fn foreign(ctx: &LabContext, nodes: &[Node]) -> Result<Vec<String>, StepError> {
    let unlabelled = made(&ctx.lab).flat_map(LabCluster::nodes).filter(|name| !nodes.iter().any(|n| &n.name == name));
    let looks = unlabelled.map(|name| async move { Ok(ctx.engine.labels(&name).await?.map(|_| name)) });
    let found: Result<Vec<Option<String>>, StepError> = join_all(looks).await.into_iter().collect();
    Ok(found?.into_iter().flatten().collect())
}

/// Whether a container has run for less than a minute, by Docker's words.
fn is_young(status: &str) -> bool {
    status.starts_with("Up ") && status.contains(" second")
}

/// That the API server of a cluster does not answer.
async fn silent(ctx: &LabContext, cluster: &LabCluster, is_young: bool) -> Option<Finding> {
    let error = match ctx.client(&cluster.name).await {
        // A refusal is an answer: it is for whoever asks something to be told.
        Ok(client) => client.readiness().await.err().filter(crate::sys::kube::KubeError::is_no_answer)?,
        // Of a cluster that lab did not make nothing else leads there.
        Err(error) => {
            let (kubeconfig, context) = cluster.place()?;
            return Some(Finding {
                cause: format!("{} cannot be asked", cluster.name),
                evidence: error.to_string(),
                remedy: format!("correct context {context} of {kubeconfig}"),
            });
        }
    };
    if let Some((kubeconfig, context)) = cluster.place() {
        return Some(Finding {
            cause: format!("the API server of {} does not answer", cluster.name),
            evidence: error.cause(),
            remedy: format!(
                "see whether it answers kubectl, and where it is: kubectl --kubeconfig {kubeconfig} --context {context} version"
            ),
        });
    }
    if is_young {
        return Some(Finding {
            cause: format!(
                "the API server of {} does not answer yet: its nodes have run for less than a minute",
                cluster.name
            ),
            evidence: error.cause(),
            remedy: format!("lab up {} waits for it", ctx.lab.name),
        });
    }
    Some(Finding {
        cause: format!("the API server of {} does not answer, though its nodes run", cluster.name),
        evidence: error.cause(),
        remedy: format!("lab restart {} {}", ctx.lab.name, cluster.name),
    })
}

/// The clusters that lab made.
fn made(lab: &Lab) -> impl Iterator<Item = &LabCluster> {
    lab.clusters.iter().filter(|c| c.is_made())
}

/// The nodes that are not as expected, each with its cluster. Of those that are `foreign` it is enough that they are there.
fn amiss<'a>(lab: &'a Lab, nodes: &[Node], foreign: &[String]) -> Vec<(&'a str, Finding)> {
    let mut found = Vec::new();
    for cluster in made(lab) {
        let own: Vec<&Node> = nodes.iter().filter(|n| n.cluster == cluster.name).collect();
        let absent = |name: &String| !own.iter().any(|n| &n.name == name) && !foreign.contains(name);
        let missing = cluster.nodes().filter(absent).map(|name| {
            let evidence = "Docker has no container of that name".to_owned();
            finding(lab, &name, cluster, "is not there", evidence, "up")
        });
        let wrong = own.iter().filter_map(|node| {
            let (condition, verb) = condition(node, &lab.docker_network.name)?;
            let evidence = if node.running && !node.paused {
                let networks = if node.networks.is_empty() { "none".to_owned() } else { node.networks.join(", ") };
                format!("the Docker networks of its container: {networks}")
            } else {
                format!("Docker says of its container: {}", node.status)
            };
            Some(finding(lab, &node.name, cluster, &condition, evidence, verb))
        });
        found.extend(missing.chain(wrong).map(|finding| (cluster.name.as_str(), finding)));
    }
    found
}

/// What is wrong with a node's container, and the verb that mends it.
pub(crate) fn condition(node: &Node, network: &str) -> Option<(String, &'static str)> {
    if node.paused {
        Some(("is paused".to_owned(), "resume"))
    } else if !node.running {
        Some(("is stopped".to_owned(), "up"))
    } else if !node.networks.iter().any(|n| n == network) {
        Some((format!("is detached from the Docker network {network}"), "up"))
    } else {
        None
    }
}

fn finding(lab: &Lab, node: &str, cluster: &LabCluster, condition: &str, evidence: String, verb: &str) -> Finding {
    let cause = format!("the node {node} of {} {condition}", cluster.name);
    Finding { cause, evidence, remedy: format!("lab {verb} {}", lab.name) }
}

/// A node of the lab that is not among those found.
pub(crate) fn missing(lab: &Lab, found: &[Node]) -> Option<String> {
    made(lab).flat_map(LabCluster::nodes).find(|name| !found.iter().any(|n| &n.name == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab() -> Lab {
        let text = "name: x\nclusters: [c1, { name: c2, nodes: { workers: 2 } }]\n";
        crate::plan::resolve(&crate::scenario::parse(text, "x").expect("a scenario")).expect("a lab")
    }

    fn node(cluster: &str, name: &str, network: &str) -> Node {
        Node {
            name: name.to_owned(),
            cluster: cluster.to_owned(),
            lab: "x".to_owned(),
            running: true,
            paused: false,
            status: "Up 3 minutes".to_owned(),
            address: None,
            networks: vec![network.to_owned()],
        }
    }

    fn all(lab: &Lab) -> Vec<Node> {
        let network = &lab.docker_network.name;
        lab.clusters.iter().flat_map(|c| c.nodes().map(|n| node(&c.name, &n, network))).collect()
    }

    fn causes(lab: &Lab, nodes: &[Node]) -> Vec<(String, String)> {
        amiss(lab, nodes, &[]).into_iter().map(|(_, f)| (f.cause, f.remedy)).collect()
    }

    #[test]
    fn a_node_that_has_just_started_is_given_time() {
        for young in ["Up Less than a second", "Up 1 second", "Up 59 seconds"] {
            assert!(is_young(young), "{young}");
        }
        for old in ["Up About a minute", "Up 3 minutes", "Exited (137) 4 seconds ago"] {
            assert!(!is_young(old), "{old}");
        }
    }

    #[test]
    fn nodes_that_run_where_they_must_are_well() {
        let lab = lab();
        assert_eq!(all(&lab).len(), 4);
        assert_eq!(causes(&lab, &all(&lab)), []);
    }

    #[test]
    fn a_node_that_somebody_else_made_is_there() {
        let lab = lab();
        let mut nodes = all(&lab);
        let foreign = [nodes.remove(0).name];
        assert_eq!(causes(&lab, &nodes).len(), 1);
        assert_eq!(amiss(&lab, &nodes, &foreign).len(), 0);
    }

    #[test]
    fn each_condition_is_named_with_what_mends_it() {
        let lab = lab();
        let mut nodes = all(&lab);
        let told = |cause: &str, remedy: &str| (cause.to_owned(), remedy.to_owned());
        nodes[0].running = false;
        "Exited (137) 1 minute ago".clone_into(&mut nodes[0].status);
        nodes[1].paused = true;
        nodes[1].running = false;
        nodes[2].networks = vec!["bridge".to_owned()];
        nodes.remove(3);
        assert_eq!(
            causes(&lab, &nodes),
            [
                told("the node x-c1-control-plane of c1 is stopped", "lab up x"),
                told("the node x-c2-worker2 of c2 is not there", "lab up x"),
                told("the node x-c2-control-plane of c2 is paused", "lab resume x"),
                told("the node x-c2-worker of c2 is detached from the Docker network lab-x", "lab up x"),
            ]
        );
        assert_eq!(amiss(&lab, &nodes, &[])[0].1.evidence, "Docker says of its container: Exited (137) 1 minute ago");
        assert_eq!(amiss(&lab, &nodes, &[])[3].1.evidence, "the Docker networks of its container: bridge");
    }
}
