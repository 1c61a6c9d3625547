//! What becomes of the shop while something is broken.

use std::time::Duration;

use lab_testing::Error;
use lab_testing::k8s_openapi::api::apps::v1::Deployment;
use lab_testing::kube::api::{Api, Patch, PatchParams};
use lab_testing::kube::runtime::conditions::is_deployment_completed;
use shop::{on_the_lab, reaches, until_lost, url};

/// How long a mesh may take to be as before.
const PATIENCE: Duration = Duration::from_secs(60);

/// The gateway of c3 is gone: nobody elsewhere reaches the stock, the cart is reached as before, and all is well again afterwards.
#[tokio::test]
async fn break_the_way_to_the_stock() -> Result<(), Error> {
    on_the_lab("break_the_way_to_the_stock", async |lab| {
        let fault = lab.fault(&["gateway", "c3"], Duration::from_secs(60)).await?;
        until_lost(lab, "c1", "stock").await;
        reaches(lab, "c1", "cart").await?;
        fault.heal().await?;
        lab.call_until("c1", &url("stock"), PATIENCE, |answer| answer.status == 200).await.map(|_| ())
    })
    .await
}

/// The cart's pods are gone and come back, by Kubernetes' own means.
#[tokio::test]
async fn break_the_cart_and_mend_it() -> Result<(), Error> {
    on_the_lab("break_the_cart_and_mend_it", async |lab| {
        let c2 = lab.cluster("c2")?;
        let deployments: Api<Deployment> = Api::namespaced(c2.client(), "shop");
        for (replicas, status) in [(0, 503), (1, 200)] {
            let mut cart = deployments.get_scale("cart").await.map_err(|e| c2.refused(e))?;
            cart.spec.get_or_insert_default().replicas = Some(replicas);
            let scale = Patch::Merge(&cart);
            deployments.patch_scale("cart", &PatchParams::default(), &scale).await.map_err(|e| c2.refused(e))?;
            c2.wait_for("shop", "cart", PATIENCE, is_deployment_completed()).await?;
            lab.call_until("c1", &url("cart"), PATIENCE, |answer| answer.status == status).await?;
        }
        lab.verdict().await?.passed()
    })
    .await
}
