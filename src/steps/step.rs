//! What a step is: one statement, from which follows whether there is anything to do, what is done, what `lab diff` compares and what `lab eject` writes.

use std::borrow::Cow;

use futures::future::LocalBoxFuture;

use super::{applied, wait};
use crate::context::{RunContext, StepError, karmada_api};
use crate::exec::Progress;
use crate::plan::{Action, Lab, LabCluster, Wait};
use crate::sys::kube::{Cluster, Manifest};

/// What is done for a step, and what comes of it.
pub(crate) type Doing<'a, T> = LocalBoxFuture<'a, Result<T, StepError>>;

/// A step.
pub(crate) enum Step {
    /// Objects are applied, and waited for.
    Applied(Applied),
    /// Something else is looked for, and done.
    Custom(Custom),
}

/// A step that applies objects and waits. Whether it is satisfied and what it does follow from the same: all is applied, and all waits are over.
pub(crate) struct Applied {
    /// What is applied. What is no longer among it is taken away.
    pub sends: Sends,
    /// What is waited for.
    pub waits: fn(&Lab, &LabCluster) -> Vec<Wait>,
    /// Whether anything besides must be done. It may mend the lab's own state.
    pub is_lacking: for<'a> fn(&'a RunContext, &'a Action) -> Doing<'a, bool>,
    /// What is done before anything is applied.
    pub before: for<'a> fn(&'a RunContext, &'a Action, &'a Cluster) -> Doing<'a, ()>,
    /// What is done after it, and before anything is waited for; whether it changed anything.
    pub after: for<'a> fn(&'a RunContext, &'a Action, &'a Cluster) -> Doing<'a, bool>,
    /// Refusals that pass, so that it is worth applying again for a while.
    pub passes: fn(&StepError) -> bool,
}

/// Where the objects come from.
pub(crate) enum Sends {
    /// They follow from the plan and from what steps made before there is any cluster.
    Planned(fn(&RunContext, &LabCluster) -> Result<Manifest, StepError>),
    /// The same, from Istio's own, which are a megabyte of YAML.
    Rendered(fn(&RunContext, &LabCluster) -> Result<Manifest, StepError>),
    /// A cluster is asked; nothing as long as it cannot tell.
    Asked(for<'a> fn(&'a RunContext, &'a Action) -> Doing<'a, Option<Manifest>>),
}

/// A step that has its own way to look and to work.
pub(crate) struct Custom {
    /// Whether there is nothing to do. It changes nothing.
    pub is_satisfied: for<'a> fn(&'a RunContext, &'a Action) -> Doing<'a, bool>,
    /// Does it; it bears being repeated. Tells whether anything changed.
    pub run: for<'a> fn(&'a RunContext, &'a Action, &'a Progress) -> Doing<'a, bool>,
}

/// The verdict, which is no matter of what builds: whoever runs the steps sees to it.
pub(super) const JUDGED: Step =
    Step::Custom(Custom { is_satisfied: |_, _| at_once(Ok(true)), run: |_, _, _| at_once(Ok(false)) });

/// What is known without asking anybody.
pub(crate) fn at_once<'a, T: 'a>(known: Result<T, StepError>) -> Doing<'a, T> {
    Box::pin(std::future::ready(known))
}

/// The cluster that a step is about, as the control plane has it that the step is about, if it is about one.
pub(crate) fn cluster<'a>(ctx: &'a RunContext, action: &Action) -> Result<Cow<'a, LabCluster>, StepError> {
    Ok(of_action(ctx.cluster(action.cluster().unwrap_or_default())?, action))
}

/// The same of a cluster that is known.
pub(super) fn of_action<'a>(cluster: &'a LabCluster, action: &Action) -> Cow<'a, LabCluster> {
    match action {
        Action::Istiod { revision, .. } | Action::RenderIstio { revision, .. } => {
            cluster.of_revision(revision.as_deref())
        }
        _ => Cow::Borrowed(cluster),
    }
}

/// Where a step applies its objects.
pub(crate) async fn client(ctx: &RunContext, action: &Action) -> Result<Cluster, StepError> {
    match action {
        Action::FederatedApps { .. } => karmada_api::client(ctx).await,
        action => ctx.client(action.cluster().unwrap_or_default()).await,
    }
}

impl Step {
    /// Whether the step has nothing to do.
    pub(super) async fn is_satisfied(&self, ctx: &RunContext, action: &Action) -> Result<bool, StepError> {
        match self {
            Self::Applied(applied) => applied.is_satisfied(ctx, action).await,
            Self::Custom(custom) => (custom.is_satisfied)(ctx, action).await,
        }
    }

    /// Does what the step is for. Tells whether anything changed.
    pub(super) async fn run(&self, ctx: &RunContext, action: &Action, progress: &Progress) -> Result<bool, StepError> {
        match self {
            Self::Applied(applied) => applied.run(ctx, action, progress).await,
            Self::Custom(custom) => (custom.run)(ctx, action, progress).await,
        }
    }
}

impl Applied {
    /// A step that applies this, and no more.
    pub(super) const fn of(sends: Sends) -> Self {
        Self {
            sends,
            waits: |_, _| Vec::new(),
            is_lacking: |_, _| at_once(Ok(false)),
            before: |_, _, _| at_once(Ok(())),
            after: |_, _, _| at_once(Ok(false)),
            passes: |_| false,
        }
    }

    /// What is applied; nothing as long as that cannot be told.
    pub(crate) async fn manifest(&self, ctx: &RunContext, action: &Action) -> Result<Option<Manifest>, StepError> {
        match &self.sends {
            Sends::Planned(manifest) | Sends::Rendered(manifest) => manifest(ctx, &*cluster(ctx, action)?).map(Some),
            Sends::Asked(manifest) => manifest(ctx, action).await,
        }
    }

    async fn is_satisfied(&self, ctx: &RunContext, action: &Action) -> Result<bool, StepError> {
        if (self.is_lacking)(ctx, action).await? {
            return Ok(false);
        }
        let Some(manifest) = self.manifest(ctx, action).await? else { return Ok(false) };
        let client = client(ctx, action).await?;
        let waits = (self.waits)(&ctx.lab, &*cluster(ctx, action)?);
        Ok(applied::is_satisfied(ctx, &client, action, &manifest).await?
            && wait::are_over(&client, &waits, &manifest).await?)
    }

    async fn run(&self, ctx: &RunContext, action: &Action, progress: &Progress) -> Result<bool, StepError> {
        let client = client(ctx, action).await?;
        (self.before)(ctx, action, &client).await?;
        let manifest = self.manifest(ctx, action).await?;
        let manifest = manifest.ok_or_else(|| StepError::Missing(format!("what {} applies", action.id())))?;
        let mut changed = applied::apply_until(ctx, &client, action, &manifest, progress, self.passes).await?;
        changed |= (self.after)(ctx, action, &client).await?;
        let waits = (self.waits)(&ctx.lab, &*cluster(ctx, action)?);
        wait::until_over(&client, &waits, &manifest, ctx.patience, progress).await?;
        Ok(changed)
    }
}
