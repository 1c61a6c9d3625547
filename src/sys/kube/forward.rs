//! Connections to ports of pods, by way of the API server.

use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;

use super::pod::Duplex;
use super::{Cluster, KubeError};

impl Cluster {
    /// Opens a connection to a port of a pod's loopback. Either side's end is the end of both.
    ///
    /// # Errors
    /// The pod cannot be reached. That nothing listens there is seen by its end.
    pub async fn forward(&self, namespace: &str, pod: &str, port: u16) -> Result<Box<dyn Duplex>, KubeError> {
        let broken = |reason: String| KubeError::Pod { pod: format!("{namespace}/{pod} port {port}"), reason };
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let mut forward = api.portforward(pod, &[port]).await.map_err(|e| broken(super::refusal::in_words(&e)))?;
        // What carries its bytes goes on until it is dropped.
        let stream = forward.take_stream(port).ok_or_else(|| broken("no stream".to_owned()))?;
        Ok(Box::new(stream))
    }
}
