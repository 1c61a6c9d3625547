#![doc = include_str!("../README.md")]

mod answer;
mod cluster;
mod error;
mod explanation;
mod fault;
mod program;
mod verdict;

use std::ffi::OsStr;
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

pub use answer::Answer;
pub use cluster::Cluster;
pub use error::Error;
pub use explanation::Explanation;
pub use fault::Fault;
pub use verdict::{Finding, Verdict};

pub use {k8s_openapi, kube};

use program::{json, run, said};

/// Seconds that one call may take.
const CALL: u32 = 10;
/// How often a call is made again that is to succeed at last.
const OFTEN: Duration = Duration::from_millis(500);
/// The app that calls, in each cluster: `sleep` of the scenario.
const CALLER: (&str, &str) = ("sample", "sleep");

/// A lab that is up. It stays when this value goes; see [`Lab::down_at_end`].
#[derive(Clone, Debug)]
pub struct Lab {
    name: String,
    clusters: Vec<Cluster>,
}

/// The part of `lab plan` and `lab status` that is read here.
#[derive(Deserialize)]
struct Planned {
    lab: Named,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Status {
    clusters: Vec<Named>,
}

impl Lab {
    /// Brings the lab of a scenario file up, and runs its checks. One that is up already is looked at, and mended where it is not as the file says.
    ///
    /// # Errors
    /// The file is wrong, the machine cannot carry the lab, building it failed, or a check is red.
    pub async fn up(scenario: impl AsRef<Path>) -> Result<Self, Error> {
        let file = scenario.as_ref().as_os_str();
        let verdict: Verdict = json(&["up".as_ref(), file]).await?;
        verdict.passed()?;
        let planned: Planned = json(&["plan".as_ref(), file]).await?;
        Self::existing(&planned.lab.name).await
    }

    /// Brings the lab of a snapshot back (`lab snapshot` takes one), and runs its checks.
    ///
    /// # Errors
    /// There is no such snapshot, the lab is up, or a check is red.
    pub async fn restore(snapshot: &str) -> Result<Self, Error> {
        let verdict: Verdict = json(&["restore", snapshot].map(OsStr::new)).await?;
        verdict.passed()?;
        Self::existing(verdict.lab()).await
    }

    /// A lab that is up, as one that a set-up script has brought up for all tests.
    ///
    /// # Errors
    /// There is no such lab.
    pub async fn existing(name: &str) -> Result<Self, Error> {
        let status: Status = json(&["status", name].map(OsStr::new)).await?;
        let mut clusters = Vec::new();
        for cluster in status.clusters {
            clusters.push(Cluster::of(name, &cluster.name).await?);
        }
        Ok(Self { name: name.to_owned(), clusters })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its clusters, in the scenario's order.
    #[must_use]
    pub fn clusters(&self) -> &[Cluster] {
        &self.clusters
    }

    /// The cluster of that name.
    ///
    /// # Errors
    /// The lab has no such cluster.
    pub fn cluster(&self, name: &str) -> Result<&Cluster, Error> {
        self.clusters.iter().find(|c| c.name() == name).ok_or_else(|| Error::NoCluster {
            lab: self.name.clone(),
            cluster: name.to_owned(),
            clusters: self.clusters.iter().map(|c| c.name().to_owned()).collect(),
        })
    }

    /// Applies objects to every cluster, as [`Cluster::apply`].
    ///
    /// # Errors
    /// As of that.
    pub async fn apply(&self, yaml: &str) -> Result<(), Error> {
        for cluster in &self.clusters {
            cluster.apply(yaml).await?;
        }
        Ok(())
    }

    /// Calls `SERVICE.NAMESPACE:PORT/PATH` from the pod `sleep` of a cluster, through the mesh. What comes back is no error, whatever its status.
    ///
    /// # Errors
    /// Nothing came back within ten seconds, or there is no such pod.
    pub async fn call(&self, from: &str, service: &str) -> Result<Answer, Error> {
        self.call_with(from, service, &[]).await
    }

    /// The same with headers.
    ///
    /// # Errors
    /// As of [`Self::call`].
    pub async fn call_with(&self, from: &str, service: &str, headers: &[(&str, &str)]) -> Result<Answer, Error> {
        self.cluster(from)?;
        let (namespace, app) = CALLER;
        let limit = CALL.to_string();
        let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let mut words = vec!["exec", &self.name, from, app, "--namespace", namespace, "--"];
        words.extend(["curl", "--silent", "--show-error", "--include", "--max-time", &limit]);
        words.extend(headers.iter().flat_map(|header| ["--header", header.as_str()]));
        words.push(service);
        Answer::parse(&said(&words.map_os()).await?)
    }

    /// Calls until an answer is as it must be, and gives that; otherwise, when the time is over, an error with the last one. What was just applied takes a
    /// moment to reach every sidecar.
    ///
    /// # Errors
    /// No answer was, or none came.
    pub async fn call_until(
        &self,
        from: &str,
        service: &str,
        limit: Duration,
        is_meant: impl Fn(&Answer) -> bool,
    ) -> Result<Answer, Error> {
        let calls = async {
            loop {
                let last = self.call(from, service).await;
                match last {
                    Ok(answer) if is_meant(&answer) => return answer,
                    _ => tokio::time::sleep(OFTEN).await,
                }
            }
        };
        match tokio::time::timeout(limit, calls).await {
            Ok(answer) => Ok(answer),
            Err(_) => {
                Err(Error::Never { what: format!("{service} from {from}"), last: self.last(from, service).await })
            }
        }
    }

    /// What a call comes back with now, in words.
    async fn last(&self, from: &str, service: &str) -> String {
        match self.call(from, service).await {
            Ok(answer) => format!("status {}: {}", answer.status, answer.body),
            Err(error) => error.to_string(),
        }
    }

    /// Runs every check of the scenario.
    ///
    /// # Errors
    /// The lab could not be asked. That a check is red is none: see [`Verdict::passed`].
    pub async fn verdict(&self) -> Result<Verdict, Error> {
        json(&["verify", &self.name].map(OsStr::new)).await
    }

    /// Walks the call of a service from one cluster to another hop by hop, up to what is broken.
    ///
    /// # Errors
    /// The lab has no such clusters, or could not be asked.
    pub async fn explain(&self, from: &str, to: &str, service: &str) -> Result<Explanation, Error> {
        json(&["explain", &self.name, from, to, "--service", service].map(OsStr::new)).await
    }

    /// Calls a service that runs in cluster `to` from another, and gives an answer that is one of success. Where there is none, the error is the
    /// [explanation](Self::explain) of the call: a test that fails with it shows why.
    ///
    /// # Errors
    /// It is not reached, or answers with another status than 2xx.
    pub async fn reaches(&self, from: &str, to: &str, service: &str) -> Result<Answer, Error> {
        let called = self.call(from, service).await;
        if let Ok(answer) = called
            && (200..300).contains(&answer.status)
        {
            return Ok(answer);
        }
        let explanation = self.explain(from, to, service).await?;
        explanation.well()?;
        // The way is well, so what is wrong is the answer.
        Err(Error::Never { what: format!("{service} from {from}"), last: self.last(from, service).await })
    }

    /// Breaks something for a while, in the words of `lab fault`: `&["gateway", "c2"]`, `&["partition", "c1", "c2"]`. It ends by itself when the time is over,
    /// and before when the value is dropped.
    ///
    /// # Errors
    /// There is no such fault in this lab.
    pub async fn fault(&self, words: &[&str], time: Duration) -> Result<Fault, Error> {
        let lasting = format!("{}s", time.as_secs());
        let words: Vec<&str> = [&["fault", &self.name], words, &["--for", &lasting]].concat();
        run(&words.map_os()).await?;
        Ok(Fault::new(&self.name))
    }

    /// Writes what a bug report needs, and what a test that fails should keep: objects, logs and configuration, without secrets.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn dump(&self, archive: impl AsRef<Path>) -> Result<(), Error> {
        let words = ["dump", &self.name, "--output"].map(OsStr::new);
        run(&[&words[..], &[archive.as_ref().as_os_str()]].concat()).await
    }

    /// Removes the lab, and nothing else.
    ///
    /// # Errors
    /// Something of it could not be removed.
    pub async fn down(self) -> Result<(), Error> {
        run(&["down", &self.name].map(OsStr::new)).await
    }

    /// The same lab, which is removed when the value is dropped: also when the test panics.
    #[must_use]
    pub fn down_at_end(self) -> Guard {
        Guard { lab: self }
    }
}

/// A lab that goes with this value.
#[derive(Debug)]
pub struct Guard {
    lab: Lab,
}

impl Deref for Guard {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.lab
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        program::at_end(&["down", &self.lab.name]);
    }
}

/// Words as a command line has them.
trait Words {
    fn map_os(&self) -> Vec<&OsStr>;
}

impl Words for Vec<&str> {
    fn map_os(&self) -> Vec<&OsStr> {
        self.iter().map(OsStr::new).collect()
    }
}
