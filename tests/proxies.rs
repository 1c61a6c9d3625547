//! What goes through a user's proxy, and what does not: a proxy on loopback writes down what it is asked for. No test here needs an engine.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

#[expect(dead_code, reason = "other tests use the rest")]
mod machine;

use machine::{Machine, ran};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What a server was asked, a line a request.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Vec<String>>>);

impl Asked {
    fn lines(&self) -> Vec<String> {
        self.0.lock().expect("no test has failed with it").clone()
    }
}

/// The first line of a request, whose headers are read.
fn request(stream: &mut impl Read) -> String {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().and_then(Result::ok).unwrap_or_default();
    while lines.next().and_then(Result::ok).is_some_and(|line| !line.is_empty()) {}
    first
}

/// A server on loopback, with what `answer` does to a connection whose first request it has; gives its address.
fn serve(asked: &Asked, answer: impl Fn(TcpStream, &str) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let (asked, answer) = (asked.clone(), Arc::new(answer));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let (asked, answer) = (asked.clone(), Arc::clone(&answer));
            std::thread::spawn(move || {
                let line = request(&mut stream);
                asked.0.lock().expect("no test has failed with it").push(line.clone());
                answer(stream, &line);
            });
        }
    });
    address
}

fn refuse(mut stream: TcpStream, _: &str) {
    let _ = stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
}

fn accept(mut stream: TcpStream, _: &str) {
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
}

/// What `lab doctor` says of a scenario on a machine with these variables.
fn doctor(settings: &str, variables: &[(&str, &str)]) -> String {
    let machine = Machine::new();
    machine.file("lab.yaml", &format!("name: demo\nclusters: [c1]\n{settings}"));
    let args = ["doctor", "lab.yaml"];
    ran(machine.command(&args).envs(variables.iter().copied()), &args).stdout
}

#[test]
fn registries_are_asked_by_the_proxy_in_either_case() {
    for name in ["HTTPS_PROXY", "https_proxy"] {
        let asked = Asked::default();
        let proxy = serve(&asked, refuse);
        doctor("", &[(name, &format!("http://{proxy}"))]);
        let lines = asked.lines();
        assert!(
            lines.iter().any(|line| line.starts_with("CONNECT ") && line.contains("docker.io:443")),
            "{name}: {lines:?}"
        );
    }
    for name in ["NO_PROXY", "no_proxy"] {
        let asked = Asked::default();
        let proxy = serve(&asked, refuse);
        doctor("", &[("HTTPS_PROXY", &format!("http://{proxy}")), (name, "docker.io")]);
        assert!(!asked.lines().iter().any(|line| line.contains("docker.io")), "{name}: {:?}", asked.lines());
    }
}

#[test]
fn a_registry_on_this_machine_is_asked_without_a_proxy() {
    let (by_proxy, directly) = (Asked::default(), Asked::default());
    let (proxy, mirror) = (serve(&by_proxy, refuse), serve(&directly, accept));
    let proxy = format!("http://{proxy}");
    let settings = format!("images: {{ mirror: \"{mirror}\" }}\n");
    doctor(&settings, &[("HTTP_PROXY", &proxy), ("http_proxy", &proxy), ("ALL_PROXY", &proxy)]);
    assert!(!directly.lines().is_empty());
    assert!(!by_proxy.lines().iter().any(|line| line.contains(&mirror)), "{:?}", by_proxy.lines());
}

/// A proxy that looks into what goes through it, as companies have them: it answers in the name of every host, with a certificate of its own authority.
#[test]
fn an_inspecting_proxy_is_trusted_by_the_users_word() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let key = || KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, key()).expect("an authority");
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("company.pem");
    std::fs::write(&file, authority.pem()).expect("write");

    let inspected = Asked::default();
    let seen = inspected.clone();
    let answer = move |mut stream: TcpStream, line: &str| {
        let host = line.trim_start_matches("CONNECT ").split(':').next().unwrap_or_default().to_owned();
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        let own = key();
        let params = CertificateParams::new([host.clone()]).expect("a name");
        let certificate: CertificateDer = params.signed_by(&own, &authority).expect("a certificate").into();
        let key = PrivateKeyDer::try_from(own.serialize_der()).expect("a key");
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
        let connection = ServerConnection::new(Arc::new(config.expect("a configuration"))).expect("a connection");
        let mut stream = StreamOwned::new(connection, stream);
        let line = request(&mut stream);
        if !line.is_empty() {
            seen.0.lock().expect("no test has failed with it").push(format!("{host} {line}"));
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    };
    let proxy = format!("http://{}", serve(&Asked::default(), answer));

    let strange = doctor("", &[("HTTPS_PROXY", &proxy)]);
    assert!(strange.contains("certificate"), "{strange}");
    assert_eq!(inspected.lines(), [""; 0]);
    doctor("", &[("HTTPS_PROXY", &proxy), ("SSL_CERT_FILE", &file.to_string_lossy())]);
    let lines = inspected.lines();
    assert!(lines.iter().any(|line| line.contains("docker.io HEAD /v2/")), "{lines:?}");
}
