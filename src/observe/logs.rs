//! `logs`: what the parts of a mesh have written, one line after another.

use futures::stream::{BoxStream, select_all};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;

use crate::context::{LabContext, StepError};
use crate::plan::render::{APP_NAMESPACE, ISTIO_NAMESPACE, PROXY};

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written, as the cluster says it.
    pub at: String,
    /// Cluster and pod.
    pub from: String,
    /// The line itself.
    pub text: String,
}

/// Where the pods of a component are: namespace, labels, container.
fn place(component: &str) -> (&'static str, String, &str) {
    match component {
        "istiod" => (ISTIO_NAMESPACE, "app=istiod".to_owned(), "discovery"),
        "gateway" => (ISTIO_NAMESPACE, "istio in (eastwestgateway, ingressgateway)".to_owned(), PROXY),
        "sidecars" => (APP_NAMESPACE, String::new(), PROXY),
        app => (APP_NAMESPACE, format!("app={app}"), app),
    }
}

fn has(pod: &Pod, container: &str) -> bool {
    let Some(spec) = &pod.spec else { return false };
    spec.containers.iter().chain(spec.init_containers.iter().flatten()).any(|c| c.name == container)
}

/// The logs of these components in these clusters, each line as it comes; `None` when no pod of any of them runs.
pub async fn lines(
    ctx: &LabContext,
    clusters: &[String],
    components: &[String],
    follow: bool,
    last: i64,
) -> Result<Option<BoxStream<'static, std::io::Result<LogLine>>>, StepError> {
    let mut streams = Vec::new();
    for cluster in clusters {
        let client = ctx.client(cluster).await?;
        for component in components {
            let (namespace, selector, container) = place(component);
            for pod in client.pods(namespace, &selector).await?.iter().filter(|p| has(p, container)) {
                let name = pod.metadata.name.clone().unwrap_or_default();
                let from = format!("{cluster} {name}");
                let lines = client.log_lines(namespace, &name, container, follow, last).await?;
                streams.push(lines.map_ok(move |line| split(&from, &line)).boxed());
            }
        }
    }
    Ok((!streams.is_empty()).then(|| select_all(streams).boxed()))
}

fn split(from: &str, line: &str) -> LogLine {
    let (at, text) = line.split_once(' ').unwrap_or(("", line));
    LogLine { at: at.to_owned(), from: from.to_owned(), text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn the_time_is_taken_off() {
        let line = split("c1 istiod-0", "2026-01-01T00:00:00.5Z info  ready\tnow");
        let wanted = ["2026-01-01T00:00:00.5Z", "c1 istiod-0", "info  ready\tnow"].map(str::to_owned);
        assert_eq!([line.at, line.from, line.text], wanted);
    }
}
