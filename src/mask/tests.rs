use super::*;
use serde_json::json;

const KEY: &str = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIHq3mZkPnQ0rUuYtWqXoPlKjHgFdSaZxCvBnMqWeRtYuoAoGCCqGSM49\nAwEHoUQDQgAE5RkTzUiOpAsDfGhJkLzXcVbNmQwErTyUiOpAsDfGhJkLzXcVbNmQ\n-----END EC PRIVATE KEY-----\n";
const TOKEN: &str =
    "eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJlLXdpdGgtc29tZS1sZW5ndGg";
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQnDxVb\n-----END CERTIFICATE-----\n";

fn knowing(secret: &str) -> Masker {
    let mut masker = Masker::default();
    masker.learn(secret.as_bytes());
    masker
}

#[test]
fn a_known_secret_is_taken_out_wherever_it_stands() {
    let masker = knowing("correct horse battery");
    assert_eq!(masker.text("it is 'correct horse battery'."), "it is '[masked]'.");
    for before in ["", "a", "ab", "abc"] {
        let whole = STANDARD.encode(format!("{before}correct horse battery and more"));
        let out = masker.text(&whole);
        assert!(out.contains(MASKED), "{before}: {out}");
    }
    assert_eq!(masker.text("correct horse"), "correct horse");
}

#[test]
fn a_part_of_a_known_key_is_taken_out_too() {
    let masker = knowing(KEY);
    let body: Vec<&str> = KEY.lines().filter(|l| !l.starts_with("-----")).collect();
    assert_eq!(masker.text(&format!("x {} y", body[1])), "x [masked] y");
    let escaped = KEY.replace('\n', "\\n");
    assert!(!masker.text(&escaped).contains(&body[0][..40]));
    let encoded = knowing(&STANDARD.encode(KEY));
    assert_eq!(encoded.text(body[0]), MASKED);
}

#[test]
fn short_values_certificates_and_namespaces_are_no_secrets() {
    assert_eq!(knowing("c1").text("cluster c1"), "cluster c1");
    assert_eq!(knowing(CERTIFICATE).text(CERTIFICATE), CERTIFICATE);
    let mut masker = Masker::default();
    masker.learn_secrets(&json!({ "kind": "Secret", "data": { "namespace": STANDARD.encode("istio-system") } }));
    assert_eq!(masker.text("istio-system"), "istio-system");
}

#[test]
fn keys_and_tokens_that_nobody_knows_are_taken_out() {
    let masker = Masker::default();
    assert_eq!(masker.text(&format!("a\n{KEY}b")), "a\n[masked]\nb");
    assert_eq!(masker.text(&format!("\"{}\"", KEY.replace('\n', "\\n"))), "\"[masked]\\n\"");
    assert_eq!(masker.text("-----BEGIN PRIVATE KEY-----\nMIGH"), "[masked]");
    assert_eq!(masker.text(&format!("{CERTIFICATE}{KEY}")), format!("{CERTIFICATE}[masked]\n"));
    assert_eq!(masker.text(&format!("Bearer {TOKEN}, next")), "Bearer [masked], next");
    assert_eq!(masker.text("joins with abcdef.0123456789uvwxyz."), "joins with [masked].");
    assert_eq!(masker.text("event istiod.18b9f3a2c4d5e6f7"), "event istiod.18b9f3a2c4d5e6f7");
    assert_eq!(masker.text("helloworld.sample.svc.cluster.local"), "helloworld.sample.svc.cluster.local");
}

#[test]
fn what_follows_the_name_of_a_secret_is_taken_out() {
    let masker = Masker::default();
    for (text, masked) in [
        ("token: abc123", "token: [masked]"),
        ("--token=abc --hash x", "--token=[masked] --hash x"),
        (r#"{"password":"a b"}"#, r#"{"password":"[masked] b"}"#),
        ("Authorization: Bearer abc", "Authorization: [masked]"),
        ("client-key-data: LS0t\nname: x", "client-key-data: [masked]\nname: x"),
        (r#"\"token\": \"abc\","#, r#"\"token\": \"[masked]\","#),
        ("GITHUB_TOKEN=abc", "GITHUB_TOKEN=[masked]"),
        ("serviceAccountToken: { path: istio-token }", "serviceAccountToken: { path: istio-token }"),
        ("token: ", "token: "),
        ("tokens: 3, key: value", "tokens: 3, key: value"),
    ] {
        assert_eq!(masker.text(text), masked);
    }
}

#[test]
fn objects_keep_their_form() {
    let mut masker = Masker::default();
    let secret = json!({ "kind": "Secret", "metadata": { "name": "s" }, "type": "Opaque",
        "data": { "user": STANDARD.encode("somebody-in-particular") }, "stringData": { "pass": "correct horse" } });
    masker.learn_secrets(&json!({ "apps": [{ "objects": [secret.clone()] }] }));
    assert_eq!(
        masker.json(&secret),
        json!({ "kind": "Secret", "metadata": { "name": "s" }, "type": "Opaque",
            "data": { "user": MASKED }, "stringData": { "pass": MASKED } })
    );
    let pod = json!({ "env": [{ "name": "API_TOKEN", "value": "abc" }, { "name": "MODE", "value": "correct horse" }],
        "ports": [80], "args": ["--password", "somebody-in-particular"] });
    assert_eq!(
        masker.json(&pod),
        json!({ "env": [{ "name": "API_TOKEN", "value": MASKED }, { "name": "MODE", "value": MASKED }],
            "ports": [80], "args": ["--password", MASKED] })
    );
}

#[test]
fn envoys_keys_are_taken_out_of_its_configuration() {
    let dump = json!({ "tls_certificate": {
        "certificate_chain": { "inline_bytes": STANDARD.encode(CERTIFICATE) },
        "private_key": { "inline_bytes": STANDARD.encode(KEY) } },
        "session_ticket_keys": { "keys": [{ "inline_bytes": "abc" }] } });
    let masked = Masker::default().json(&dump);
    assert_eq!(masked["tls_certificate"]["private_key"]["inline_bytes"], MASKED);
    assert_eq!(masked["session_ticket_keys"]["keys"][0]["inline_bytes"], MASKED);
    assert_eq!(masked["tls_certificate"]["certificate_chain"], dump["tls_certificate"]["certificate_chain"]);
}

#[test]
fn a_kubeconfig_loses_its_credentials_only() {
    let config = format!(
        "clusters:\n- cluster: {{ server: 'https://c1:6443', certificate-authority-data: QUJD }}\nusers:\n- name: u\n  user: {{ token: {TOKEN}, client-key-data: {} }}\n",
        STANDARD.encode(KEY)
    );
    let mut masker = Masker::default();
    masker.learn_kubeconfig(&config);
    let out = masker.text(&config);
    assert!(out.contains("https://c1:6443") && out.contains("QUJD"), "{out}");
    assert!(!out.contains(&TOKEN[..30]) && !out.contains(&STANDARD.encode(KEY)[..40]), "{out}");
    let line = KEY.lines().nth(1).expect("a line");
    assert_eq!(masker.text(line), MASKED);
}
