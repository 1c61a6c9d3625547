//! Whether an installation is whole, by its files.

use std::fs;

use lab::machine::self_check::look;

#[tokio::test]
async fn an_installation_is_judged_by_the_sums_beside_its_binary() {
    let dir = tempfile::tempdir().expect("a directory");
    let binary = dir.path().join("lab");
    fs::write(&binary, "abc").expect("written");
    let files = async || look(&binary).await.into_iter().find(|j| j.what == "files").expect("files");
    assert!(files().await.found.contains("not installed from a release"));
    let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    fs::write(dir.path().join("SHA256SUMS"), format!("{sum}  lab\n")).expect("written");
    assert_eq!(files().await.found, "1 files are as released");
    fs::write(&binary, "abd").expect("written");
    assert_eq!(files().await.found, "not as released: lab");
}
