//! What the tests of the shop share: the lab that is up, and what is kept of one that fails.

use std::time::Duration;

use lab_testing::{Error, Lab};

/// Where a service runs.
pub const HOME: [(&str, &str); 3] = [("web", "c1"), ("cart", "c2"), ("stock", "c3")];

/// Runs a test on the lab that the set-up script has brought up. One that fails leaves an archive with logs and objects.
pub async fn on_the_lab(name: &str, test: impl AsyncFnOnce(&Lab) -> Result<(), Error>) -> Result<(), Error> {
    let lab = Lab::existing(&std::env::var("SHOP_LAB").unwrap_or_else(|_| "shop".to_owned())).await?;
    let ended = test(&lab).await;
    if ended.is_err() {
        let archive = format!("shop-{name}.tar.gz");
        match lab.dump(&archive).await {
            Ok(()) => eprintln!("what was so is in {archive}"),
            Err(error) => eprintln!("no archive of it: {error}"),
        }
    }
    ended
}

/// A service as it is called.
#[must_use]
pub fn url(service: &str) -> String {
    format!("{service}.shop:8080/echo")
}

/// Whether a service answers a cluster, and the right one: otherwise the error says what on the way is broken.
pub async fn reaches(lab: &Lab, from: &str, service: &str) -> Result<(), Error> {
    let home = HOME.iter().find(|(name, _)| *name == service).map_or("c1", |(_, home)| home);
    let answer = lab.reaches(from, home, &url(service)).await?;
    assert!(answer.body.contains(&format!("version: {service},")), "not {service} answers: {}", answer.body);
    Ok(())
}

/// Waits until a service no longer answers a cluster. nextest ends what waits for ever.
pub async fn until_lost(lab: &Lab, from: &str, service: &str) {
    while lab.call(from, &url(service)).await.is_ok_and(|answer| answer.status == 200) {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
