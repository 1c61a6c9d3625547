use super::*;

#[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
struct Known {
    name: String,
    #[serde(default)]
    later: Vec<u8>,
}

fn state() -> (tempfile::TempDir, State) {
    let dir = tempfile::tempdir().expect("a directory");
    let state = State { root: dir.path().to_owned() };
    (dir, state)
}

fn why(error: &StateError) -> String {
    format!("{error}; {}", miette::Diagnostic::help(error).map(|h| h.to_string()).unwrap_or_default())
}

#[test]
fn a_lab_comes_back_as_it_was_stored_and_only_so() {
    let (_dir, state) = state();
    let lab = state.lab("x").expect("made");
    let known = Known { name: "x".to_owned(), later: vec![1] };
    lab.store(&known).expect("stored");
    assert_eq!(lab.load::<Known>().expect("loads"), known);
    // A field that came later is left out of what an earlier version stored.
    lab.write(LAB_FILE, r#"{ "name": "x" }"#).expect("writes");
    assert_eq!(lab.load::<Known>().expect("loads"), Known { later: vec![], ..known });
    for (text, words) in [
        ("", "EOF"),
        ("{ \"na", "EOF"),
        ("\u{0}garbage", "expected value"),
        ("[]", "expected a map"),
        (r#"{ "version": 2, "name": "x" }"#, "its form is of version 2, and this lab knows version 1"),
        (r#"{ "version": 1, "name": "x", "colour": 1 }"#, "this lab does not know its field colour"),
    ] {
        lab.write(LAB_FILE, text).expect("writes");
        let error = why(&lab.load::<Known>().expect_err("must be refused"));
        assert!(error.contains(words) && error.contains("`lab down x`"), "{text}: {error}");
    }
}

#[test]
fn a_field_is_unknown_at_any_depth() {
    let value = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    let stored = value(r#"{ "a": [{ "b": 1 }, { "b": 1, "c": 2 }], "d": null }"#);
    assert_eq!(
        unknown_field(&stored, &value(r#"{ "a": [{ "b": 1 }, { "b": 2 }], "d": {} }"#)).as_deref(),
        Some("a.1.c")
    );
    assert_eq!(unknown_field(&stored, &stored), None);
}

#[test]
fn a_lab_that_lost_its_file_is_still_one() {
    let (_dir, state) = state();
    let lab = state.lab("x").expect("made");
    assert_eq!(state.names().expect("lists"), [""; 0], "an empty directory is nothing");
    lab.write("ca/root-key.pem", "secret").expect("writes");
    assert_eq!(state.names().expect("lists"), ["x"]);
    assert_eq!(lab.stored::<Known>().expect("reads"), None);
    assert!(why(&lab.load::<Known>().expect_err("not there")).contains("`lab down x`"));
    state.existing("x").expect("is there").remove().expect("removes");
    assert_eq!(state.names().expect("lists"), [""; 0]);
}

#[test]
fn what_can_be_made_anew_is_as_good_as_gone() {
    let (_dir, state) = state();
    let lab = state.lab("x").expect("made");
    for (text, recalled) in [("", None), ("[1,", None), ("{}", None), ("[1]", Some(vec![1_u8]))] {
        lab.write("d/x.json", text).expect("writes");
        assert_eq!(lab.recall::<Vec<u8>>("d/x.json").expect("reads"), recalled);
    }
    std::fs::write(lab.path("d/x.json"), b"\xff\xfe").expect("writes");
    assert_eq!(lab.recall::<Vec<u8>>("d/x.json").expect("reads"), None);
}

#[tokio::test]
async fn who_waits_for_a_lock_that_goes_gets_the_next_one() {
    let (_dir, state) = state();
    let first = state.lock("x", || ()).await.expect("locks");
    let waiting = tokio::spawn({
        let state = state.clone();
        async move { state.lock("x", || ()).await }
    });
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let path = state.root.join(".x.lock");
    drop(first);
    let second = waiting.await.expect("ends").expect("locks");
    let other = FileLock::try_take(&path, Mode::Exclusive).expect("tries");
    assert!(path.exists() && other.is_none(), "it must not hold the file that went");
    state.lab("x").expect("made");
    drop(second);
    assert!(path.exists(), "the lab is there");
}

#[test]
fn notes_that_cannot_be_read_are_forgotten_and_told() {
    let (_dir, state) = state();
    let lab = state.lab("x").expect("made");
    for (name, text) in [
        (LAB_FILE, "{"),
        ("applied/c1.json", ""),
        ("applied/c2.json", "[]"),
        ("manifests/c1/istio-operator.json", "{} // rendered"),
        ("source.json", "\"pack"),
        ("ca/root-key.pem", ""),
    ] {
        lab.write(name, text).expect("writes");
    }
    assert_eq!(lab.forget_damaged().expect("looks"), ["applied/c1.json", "source.json"]);
    let left = ["applied/c2.json", "ca/root-key.pem", LAB_FILE, "manifests/c1/istio-operator.json"];
    assert_eq!(lab.files().expect("lists"), left);
}

#[test]
fn a_lab_that_is_emptied_is_none_in_the_same_directory() {
    let (_dir, state) = state();
    let lab = state.lab("x").expect("made");
    let mark = lab.mark();
    lab.store(&()).expect("stored");
    lab.write("ca/root-key.pem", "secret").expect("writes");
    lab.empty().expect("emptied");
    assert_eq!((state.names().expect("lists"), lab.mark()), (Vec::<String>::new(), mark));
}
