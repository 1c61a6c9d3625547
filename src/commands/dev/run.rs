//! Applies what has changed, and waits until it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use kube::api::DynamicObject;
use serde_json::Value;

use super::event::{DevEvent, Done, Failure, Happened, Phase};
use super::objects::{Object, name_of};
use super::{Dev, Tell, failure};
use crate::context::StepError;
use crate::sys::kube::{Cluster, How, KubeError, Listener, Manager, Manifest, Swapped, describe, is_workload};

/// How long what was applied may take to run. An edit ends the wait.
const LIMIT: Duration = Duration::from_secs(180);

/// As the manifests of a developer are applied.
const HOW: How = How { manager: Manager::Developer, yields: true, dry_run: false };

/// A workload that was started, and is waited for.
#[derive(Clone, Debug)]
pub struct Started {
    cluster: String,
    client: Cluster,
    object: DynamicObject,
    swapped: Option<Swapped>,
    /// As it was applied before.
    before: Option<DynamicObject>,
    /// Kept while something is on its way that must not be left half done.
    tell: Tell,
}

impl Started {
    async fn until_live(&self) -> Result<(), Failure> {
        let waited = match &self.swapped {
            Some(swapped) => self.client.until_swapped(swapped, LIMIT).await,
            None => self.client.until_rolled_out(&self.object, LIMIT, &Quiet).await,
        };
        let Err(error) = waited else { return Ok(()) };
        let failure = failure(Phase::Live, error);
        let remedy = if self.swapped.is_none() {
            format!("{}; pods of the version before stay until new ones are ready", failure.remedy)
        } else if self.take_back().await {
            "correct it and save; the version before runs again".to_owned()
        } else {
            "correct it and save".to_owned()
        };
        Err(Failure { problem: format!("{}: {}", self.cluster, failure.problem), remedy, ..failure })
    }

    /// Gives the pods the image that they had before. Whether they run again.
    async fn take_back(&self) -> bool {
        let Some(before) = &self.before else { return false };
        let Ok(Some(swapped)) = self.client.swap(before, HOW, self.tell.clone()).await else { return false };
        self.client.until_swapped(&swapped, LIMIT).await.is_ok()
    }

    /// These, and of the earlier ones those that were not started again.
    #[must_use]
    pub fn after(earlier: Vec<Self>, started: Vec<Self>) -> Vec<Self> {
        let is_other = |one: &Self| {
            let same = |new: &Self| new.cluster == one.cluster && describe(&new.object) == describe(&one.object);
            !started.iter().any(same)
        };
        let mut all: Vec<Self> = earlier.into_iter().filter(is_other).collect();
        all.extend(started);
        all
    }
}

/// One object on its way into a cluster.
struct Sending<'o> {
    cluster: &'o str,
    client: Cluster,
    object: &'o Object,
    manifest: DynamicObject,
    before: Option<&'o Value>,
    tell: Tell,
}

/// What became of it.
struct Arrived {
    done: Option<Done>,
    started: Option<Started>,
}

/// A wait that tells nobody what it waits for.
struct Quiet;

impl Listener for Quiet {
    fn say(&self, _: String) {}
}

impl Dev<'_> {
    /// Applies what has changed since the last round, and deletes what is no longer there.
    pub(super) async fn apply(&mut self, objects: &BTreeMap<String, Vec<Object>>) -> Result<Vec<Started>, Failure> {
        let sending = self.sending(objects).await?;
        // All clusters are asked before any is changed. What only has another image was asked before.
        let asked = sending.iter().filter(|sending| sending.is_edited());
        let refused = join_all(asked.map(|sending| sending.dry_run())).await.into_iter().find_map(Result::err);
        if let Some(refused) = refused {
            return Err(refused);
        }
        let ranks = Manifest::ranks_of(sending, |sending| &sending.manifest);
        let (mut started, mut told) = (Vec::new(), BTreeMap::<(String, Done), Vec<String>>::new());
        let (mut applied, mut refused) = (Vec::new(), None);
        for rank in ranks {
            let arrived = join_all(rank.iter().map(|sending| sending.send())).await;
            for (sending, arrived) in rank.iter().zip(arrived) {
                let Ok(arrived) = arrived.map_err(|failure| refused.get_or_insert(failure).clone()) else { continue };
                let name = name_of(&sending.object.value);
                applied.push(((sending.cluster.to_owned(), name.clone()), sending.object.value.clone()));
                if let Some(done) = arrived.done {
                    told.entry((name, done)).or_default().push(sending.cluster.to_owned());
                }
                started.extend(arrived.started);
            }
            if refused.is_some() {
                break;
            }
        }
        // What went well is not done again.
        self.applied.extend(applied);
        if let Some(refused) = refused {
            return Err(refused);
        }
        for (name, clusters) in self.delete_others(objects).await? {
            told.entry((name, Done::Deleted)).or_default().extend(clusters);
        }
        for ((object, done), clusters) in told {
            let event = DevEvent::of(Happened::Applied);
            self.tell.send(DevEvent { clusters, object: Some(object), done: Some(done), ..event });
        }
        Ok(started)
    }

    /// Waits until all of it runs. What was given another image in place and does not run gets back the one before.
    ///
    /// # Errors
    /// Something does not, and will not.
    pub async fn until_live(started: &[Started]) -> Result<(), Failure> {
        join_all(started.iter().map(Started::until_live)).await.into_iter().collect()
    }

    /// What has changed since the last round.
    async fn sending<'o>(&'o self, objects: &'o BTreeMap<String, Vec<Object>>) -> Result<Vec<Sending<'o>>, Failure> {
        let mut sending = Vec::new();
        for (cluster, objects) in objects {
            let client = self.ctx.client(cluster).await.map_err(|e| failure(Phase::Apply, e))?;
            let changed = objects
                .iter()
                .filter(|object| self.applied.get(&(cluster.clone(), name_of(&object.value))) != Some(&object.value));
            for object in changed {
                let manifest =
                    Manifest::from_values([object.value.clone()]).map_err(|e| failure(Phase::Manifests, e))?;
                let Some(manifest) = manifest.objects.into_iter().next() else { continue };
                let before = self.applied.get(&(cluster.clone(), name_of(&object.value)));
                sending.push(Sending {
                    cluster,
                    client: client.clone(),
                    object,
                    manifest,
                    before,
                    tell: self.tell.clone(),
                });
            }
        }
        Ok(sending)
    }

    /// Deletes what earlier rounds have applied and the manifests no longer have; gives the clusters by object.
    async fn delete_others(
        &mut self,
        objects: &BTreeMap<String, Vec<Object>>,
    ) -> Result<BTreeMap<String, Vec<String>>, Failure> {
        let wanted: BTreeSet<(String, String)> = objects
            .iter()
            .flat_map(|(cluster, objects)| objects.iter().map(|object| (cluster.clone(), name_of(&object.value))))
            .collect();
        let gone: Vec<((String, String), Value)> =
            self.applied.iter().filter(|(key, _)| !wanted.contains(key)).map(|(k, v)| (k.clone(), v.clone())).collect();
        let mut deleted = BTreeMap::<String, Vec<String>>::new();
        for ((cluster, name), value) in gone {
            let client = self.ctx.client(&cluster).await.map_err(|e| failure(Phase::Apply, e))?;
            let manifest = Manifest::from_values([value]).map_err(|e| failure(Phase::Apply, e))?;
            for object in &manifest.objects {
                client.delete(object).await.map_err(|e| failure(Phase::Apply, e))?;
            }
            self.applied.remove(&(cluster.clone(), name.clone()));
            deleted.entry(name).or_default().push(cluster);
        }
        Ok(deleted)
    }
}

impl Sending<'_> {
    /// Whether more than its image has changed.
    fn is_edited(&self) -> bool {
        self.before.is_none_or(|before| without_images(before) != without_images(&self.object.value))
    }

    /// Asks the API server whether it would take the object. Where its namespace or kind is yet to come, it cannot say.
    async fn dry_run(&self) -> Result<(), Failure> {
        if self.object.place.is_none() {
            return Ok(());
        }
        let how = How { dry_run: true, ..HOW };
        let asked = self.client.apply_object(&self.manifest, None, how).await;
        let is_to_come = |error: &KubeError| error.is_missing() || matches!(error, KubeError::UnknownKind { .. });
        asked.err().filter(|error| !is_to_come(error)).map_or(Ok(()), |error| Err(self.refused(error)))
    }

    /// Applies it.
    async fn send(&self) -> Result<Arrived, Failure> {
        if self.object.runs_image
            && let Some(swapped) =
                self.client.swap(&self.manifest, HOW, self.tell.clone()).await.map_err(|e| self.refused(e))?
        {
            return Ok(Arrived { done: Some(Done::Changed), started: Some(self.started(Some(swapped))) });
        }
        let live = self.client.live_all(&Manifest { objects: vec![self.manifest.clone()] }).await;
        let live = live.map_err(|e| self.refused(e))?.into_iter().next().flatten();
        if live.is_some() && self.object.place.is_none() {
            // A namespace that nobody wrote down, and that is there: it is somebody else's.
            return Ok(Arrived { done: None, started: None });
        }
        let sent = self.client.apply_object(&self.manifest, live, HOW).await.map_err(|e| self.refused(e))?;
        self.client.until_established(std::slice::from_ref(&self.manifest)).await.map_err(|e| self.refused(e))?;
        let done = if sent.is_new() { Done::Created } else { Done::Changed };
        Ok(Arrived {
            done: sent.is_change().then_some(done),
            started: is_workload(&self.manifest).then(|| self.started(None)),
        })
    }

    fn started(&self, swapped: Option<Swapped>) -> Started {
        Started {
            cluster: self.cluster.to_owned(),
            client: self.client.clone(),
            object: self.manifest.clone(),
            swapped,
            tell: self.tell.clone(),
            before: self.before.and_then(|before| Manifest::from_values([before.clone()]).ok()?.objects.pop()),
        }
    }

    /// What an API server says of the object, with its place.
    fn refused(&self, error: impl Into<StepError>) -> Failure {
        let error: StepError = error.into();
        let is_refusal = matches!(error, StepError::Kube(KubeError::Request { .. })) && !error.is_no_answer();
        let failure = failure(Phase::Apply, error);
        let place = self.object.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
        let problem = format!("{place}{} in {}: {}", name_of(&self.object.value), self.cluster, failure.problem);
        let remedy = if is_refusal { "correct it and save".to_owned() } else { failure.remedy };
        Failure { phase: failure.phase, problem, remedy }
    }
}

/// An object without the images of its containers.
fn without_images(object: &Value) -> Value {
    let mut object = object.clone();
    for path in ["/spec/template/spec/containers", "/spec/template/spec/initContainers"] {
        for container in object.pointer_mut(path).and_then(Value::as_array_mut).into_iter().flatten() {
            container["image"].take();
        }
    }
    object
}
