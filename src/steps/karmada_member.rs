//! `karmada-member`: a cluster as a member of the federation, by name rather than by address, until Karmada finds it ready.

use futures::future::try_join_all;
use kube::api::DynamicObject;

use super::karmada::{in_node, karmadactl};
use super::step::{Custom, Step, cluster};
use crate::context::karmada_api;
use crate::context::{RunContext, StepError};
use crate::exec::Progress;
use crate::images::karmada::{AGENT, load};
use crate::plan::LabCluster;
use crate::plan::render::{self, KARMADA_AGENT, KARMADA_DIR, KARMADA_NAMESPACE, KARMADA_PORT};
use crate::scenario::MemberMode;
use crate::sys::kube::{Condition, Manifest, condition};

/// Runs a command in a node with a kubeconfig from standard input, whose file the command gets by the flag that comes first. The node's own shell sees to it that no file of it stays, however the command ends,
/// and also when lab is gone by then.
pub(super) const WITH_KUBECONFIG: &str = r#"umask 077
flag=$1
shift
file=$(mktemp) && trap 'rm -f "$file"' EXIT HUP INT TERM && cat >"$file" && "$@" "$flag" "$file""#;
/// How long the token counts that an agent shows once, to register: it is an argument of karmadactl, which others on the machine can see.
const TOKEN_LIFE: &str = "10m";

pub(super) const STEP: Step = Step::Custom(Custom {
    is_satisfied: |ctx, action| Box::pin(async move { is_satisfied(ctx, &*cluster(ctx, action)?).await }),
    run: |ctx, action, progress| Box::pin(async move { run(ctx, &*cluster(ctx, action)?, progress).await }),
});

async fn is_satisfied(ctx: &RunContext, cluster: &LabCluster) -> Result<bool, StepError> {
    let member = karmada_api::client(ctx).await?.read(&render::karmada_cluster(&cluster.name)).await?;
    Ok(member.is_some_and(|m| mode_of(&m) == Some(mode(ctx, cluster)) && is_ready(&m)))
}

async fn run(ctx: &RunContext, cluster: &LabCluster, progress: &Progress) -> Result<bool, StepError> {
    let api = karmada_api::client(ctx).await?;
    let identity = render::karmada_cluster(&cluster.name);
    let wanted = mode(ctx, cluster);
    let mut known = api.read(&identity).await?;
    if known.is_some() && ctx.is_new(&cluster.name) {
        progress.say("forgetting the cluster of that name that was a member before");
        for object in &Manifest::from_values([identity.clone()])?.objects {
            api.delete_until_gone(object, ctx.patience).await?;
        }
        known = None;
    }
    if let Some(member) = &known
        && mode_of(member) != Some(wanted)
    {
        return Err(StepError::Failed {
            problem: format!("cluster {} is a member of the federation, but not by {}", cluster.name, wanted.as_str()),
            remedy: format!("make the lab again: `lab down {}`, then `lab up`", ctx.lab.name),
        });
    }
    let mut changed = known.is_none();
    if changed {
        join(ctx, cluster, wanted, progress).await?;
    }
    if wanted == MemberMode::Pull {
        changed |= ctx.client(&cluster.name).await?.start_stopped(KARMADA_NAMESPACE).await?;
    }
    api.until_condition(&identity, "is not ready", ctx.patience, progress, is_ready).await?;
    Ok(changed)
}

async fn join(ctx: &RunContext, cluster: &LabCluster, mode: MemberMode, progress: &Progress) -> Result<(), StepError> {
    let node = cluster.control_plane_node();
    progress.say("copying karmadactl into the node");
    let tool = vec![("karmadactl".to_owned(), 0o755, ctx.karmada()?.karmadactl.clone())];
    ctx.engine.copy_into(&node, KARMADA_DIR, tool).await?;
    progress.say(format!("joining by {}", mode.as_str()));
    match mode {
        MemberMode::Push => {
            let karmadactl = format!("{KARMADA_DIR}/karmadactl");
            let known = ["sh", "-c", WITH_KUBECONFIG, "sh", "--kubeconfig", &karmadactl, "join", &cluster.name];
            let own = ["--cluster-kubeconfig", "/etc/kubernetes/admin.conf"];
            let about = render::karmada_member(cluster);
            let command: Vec<&str> = known.into_iter().chain(own).chain(about.iter().map(String::as_str)).collect();
            in_node(ctx, &node, &command, Some(&karmada_api::kubeconfig(ctx)?)).await?;
        }
        MemberMode::Pull => {
            let (karmada, nodes) = (ctx.karmada()?, ctx.nodes_of(&cluster.name).await?);
            try_join_all(nodes.iter().map(|n| load(karmada, &ctx.engine, &n.name, &AGENT, progress))).await?;
            // What an interrupted run left: karmadactl refuses to write over it.
            in_node(ctx, &node, &["rm", "-rf", "/etc/karmada"], None).await?;
            let (server, token, hash) = invitation(ctx).await?;
            let known = ["register", &server, "--token", &token, "--discovery-token-ca-cert-hash", &hash];
            let own = ["--cluster-name", &cluster.name, "--kubeconfig", "/etc/kubernetes/admin.conf"];
            let mut args: Vec<String> = known.into_iter().chain(own).map(str::to_owned).collect();
            args.extend(render::karmada_member(cluster));
            let registered = karmadactl(ctx, &node, &args).await;
            if take_back(ctx, &token).await.is_err() {
                progress
                    .say(format!("the token it registered with could not be deleted; it expires within {TOKEN_LIFE}"));
            }
            registered?;
        }
    }
    if mode == MemberMode::Pull {
        let client = ctx.client(&cluster.name).await?;
        client.until_available(KARMADA_NAMESPACE, KARMADA_AGENT, ctx.patience, progress).await?;
        // The agent has to register before there is anything to watch.
        let api = karmada_api::client(ctx).await?;
        api.until_condition(
            &render::karmada_cluster(&cluster.name),
            "is not registered",
            ctx.patience,
            progress,
            |_| true,
        )
        .await?;
    }
    Ok(())
}

/// Where an agent registers, and what it shows for it: server, token, and hash of the CA.
async fn invitation(ctx: &RunContext) -> Result<(String, String, String), StepError> {
    let manager = ctx.lab.federation.as_ref().map(|f| f.manager.as_str()).unwrap_or_default();
    let node = ctx.cluster(manager)?.control_plane_node();
    let args = ["token", "create", "--print-register-command", "--ttl", TOKEN_LIFE, "--kubeconfig", &own_kubeconfig()];
    let args = args.map(str::to_owned);
    let printed = karmadactl(ctx, &node, &args).await?;
    match invited(&printed) {
        Some((token, hash)) => Ok((format!("{node}:{KARMADA_PORT}"), token, hash)),
        None => Err(StepError::Failed {
            problem: "karmadactl printed no token".to_owned(),
            remedy: format!("`lab up {}` tries again", ctx.lab.name),
        }),
    }
}

/// Has a token count no more.
async fn take_back(ctx: &RunContext, token: &str) -> Result<(), StepError> {
    let manager = ctx.lab.federation.as_ref().map(|f| f.manager.as_str()).unwrap_or_default();
    let node = ctx.cluster(manager)?.control_plane_node();
    // What comes before the dot names it, and is no secret.
    let name = token.split('.').next().unwrap_or_default();
    let args = ["token", "delete", name, "--kubeconfig", &own_kubeconfig()].map(str::to_owned);
    karmadactl(ctx, &node, &args).await.map(|_| ())
}

/// Kubeconfig of Karmada in the node that runs it.
fn own_kubeconfig() -> String {
    format!("{KARMADA_DIR}/data/karmada-apiserver.config")
}

/// Token and hash in the command that karmadactl prints.
fn invited(printed: &str) -> Option<(String, String)> {
    let words: Vec<&str> = printed.split_whitespace().collect();
    let after = |flag: &str| words.iter().position(|w| *w == flag).and_then(|at| words.get(at + 1)).copied();
    Some((after("--token")?.to_owned(), after("--discovery-token-ca-cert-hash")?.to_owned()))
}

fn mode(ctx: &RunContext, cluster: &LabCluster) -> MemberMode {
    let federation = ctx.lab.federation.as_ref();
    federation.and_then(|f| f.member(&cluster.name)).map(|m| m.mode).unwrap_or_default()
}

/// Who carries work to a member, as Karmada knows it.
pub(super) fn mode_of(member: &DynamicObject) -> Option<MemberMode> {
    match member.data.pointer("/spec/syncMode")?.as_str()? {
        "Push" => Some(MemberMode::Push),
        "Pull" => Some(MemberMode::Pull),
        _ => None,
    }
}

fn is_ready(member: &DynamicObject) -> bool {
    condition(member, "Ready").as_ref().is_some_and(Condition::is_true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_is_found_in_what_is_printed() {
        let printed =
            "karmadactl register 172.24.0.2:32443 --token abc.def --discovery-token-ca-cert-hash sha256:01 \n";
        assert_eq!(invited(printed), Some(("abc.def".to_owned(), "sha256:01".to_owned())));
        assert_eq!(invited("error"), None);
    }
}
