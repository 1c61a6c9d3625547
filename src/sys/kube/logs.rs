//! What containers have written.

use futures::{AsyncBufReadExt, Stream, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, LogParams};

use super::{Cluster, KubeError};

impl Cluster {
    /// The lines of a container's log, each after the time at which it was written. With `follow` it goes on with what comes.
    pub async fn log_lines(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        follow: bool,
        last: i64,
    ) -> Result<impl Stream<Item = std::io::Result<String>> + Send + use<>, KubeError> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let params = LogParams {
            container: Some(container.to_owned()),
            follow,
            tail_lines: Some(last),
            timestamps: true,
            ..LogParams::default()
        };
        let what = format!("read the log of {container} in {namespace}/{pod}");
        let stream = api.log_stream(pod, &params).await.map_err(KubeError::request(what))?;
        Ok(stream.lines().into_stream())
    }
}
