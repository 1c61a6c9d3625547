//! What whoever a kubeconfig lets in may do: the API server is asked, and nothing is tried.

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::api::{Api, DynamicObject, PostParams};

use super::{Cluster, KubeError};

/// The right to do something to a kind of object, wherever it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// The API group; nothing for the core.
    pub group: String,
    /// The plural name, with a subresource if it is about one: `pods/exec`.
    pub resource: String,
    /// What is done: `create`.
    pub verb: &'static str,
}

impl Cluster {
    /// Whether whoever is let in may do it in every namespace.
    ///
    /// # Errors
    /// The API server does not answer.
    pub async fn may(&self, right: &Right) -> Result<bool, KubeError> {
        let (resource, subresource) = match right.resource.split_once('/') {
            Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
            None => (right.resource.as_str(), None),
        };
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(ResourceAttributes {
                    group: Some(right.group.clone()),
                    resource: Some(resource.to_owned()),
                    subresource,
                    verb: Some(right.verb.to_owned()),
                    ..ResourceAttributes::default()
                }),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let api: Api<SelfSubjectAccessReview> = Api::all(self.client.clone());
        let answer = api.create(&PostParams::default(), &review).await;
        let answer = answer.map_err(KubeError::request("ask what the kubeconfig's user may do"))?;
        Ok(answer.status.is_some_and(|status| status.allowed))
    }

    /// The API group and the plural name of an object's kind; nothing for one that is not served yet.
    ///
    /// # Errors
    /// The API server does not answer.
    pub async fn plural(&self, object: &DynamicObject) -> Result<Option<(String, String)>, KubeError> {
        match self.resource_of(object).await {
            Ok((resource, _)) => Ok(Some((resource.group, resource.plural))),
            Err(KubeError::UnknownKind { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
