//! A stand-in for upstream's registries and publishers: a proxy on loopback that answers in their names, by certificates of an authority of its own.
//! Whoever is told of the proxy (`HTTPS_PROXY`) and of the authority (`SSL_CERT_FILE`) reaches it by upstream's own names, paths and tags.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// What goes wrong with a request that holds a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not there.
    Missing,
    /// The registry is asked too often, this once.
    Busy,
    /// The connection is dropped in the middle, this once.
    Dropped,
    /// Something else of the same length comes.
    Altered,
}

/// What is served, and what was asked for.
#[derive(Default)]
pub struct Served {
    /// Manifests by `HOST/PATH/REFERENCE`, for a tag and for a digest.
    manifests: HashMap<String, Vec<u8>>,
    blobs: HashMap<String, Vec<u8>>,
    /// Other files by `HOST/PATH`.
    pub files: HashMap<String, Vec<u8>>,
    /// By a text of the request, method and path, which is asked for what.
    pub faults: Vec<(String, Fault)>,
    /// Requests as `METHOD HOST/PATH STATUS`.
    pub log: Vec<String>,
}

pub fn sha256(content: &[u8]) -> String {
    format!("{:x}", Sha256::digest(content))
}

impl Served {
    /// An image of one layer with these files, under its upstream name; gives the digest of its manifest.
    pub fn image(&mut self, host: &str, path: &str, tag: &str, files: &BTreeMap<&str, Vec<u8>>) -> String {
        let mut layer = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o755);
            layer.append_data(&mut header, name, &content[..]).expect("a layer");
        }
        let layer = layer.into_inner().expect("a layer");
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&layer).expect("a layer");
        let packed = packed.finish().expect("a layer");
        let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let config = json!({ "architecture": arch, "os": "linux", "config": { "Cmd": ["/none"] },
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", sha256(&layer))] } });
        let config = config.to_string().into_bytes();
        let of = |kind: &str, blob: &[u8]| json!({ "mediaType": kind, "size": blob.len(), "digest": format!("sha256:{}", sha256(blob)) });
        let manifest: Value = json!({ "schemaVersion": 2, "mediaType": MANIFEST,
            "config": of("application/vnd.docker.container.image.v1+json", &config),
            "layers": [of("application/vnd.docker.image.rootfs.diff.tar.gzip", &packed)] });
        let manifest = manifest.to_string().into_bytes();
        let digest = format!("sha256:{}", sha256(&manifest));
        for blob in [config, packed] {
            self.blobs.insert(format!("sha256:{}", sha256(&blob)), blob);
        }
        for reference in [tag, &digest] {
            self.manifests.insert(format!("{host}/v2/{path}/manifests/{reference}"), manifest.clone());
        }
        digest
    }

    /// The digest of the layer of an image.
    pub fn layer(&self, host: &str, path: &str, tag: &str) -> String {
        let manifest: Value =
            serde_json::from_slice(&self.manifests[&format!("{host}/v2/{path}/manifests/{tag}")]).expect("a manifest");
        manifest["layers"][0]["digest"].as_str().expect("a digest").to_owned()
    }

    /// Status, headers and body; whether the connection is dropped in the middle of it.
    fn answer(&mut self, method: &str, place: &str) -> (u16, String, Vec<u8>, bool) {
        let request = format!("{method} {place}");
        let fault = self.faults.iter().position(|(text, _)| request.contains(text.as_str()));
        let fault = fault.map(|at| match self.faults[at].1 {
            fault @ (Fault::Missing | Fault::Altered) => fault,
            once => {
                self.faults.remove(at);
                once
            }
        });
        let found = if let Some(manifest) = self.manifests.get(place) {
            let digest = format!("Content-Type: {MANIFEST}\r\nDocker-Content-Digest: sha256:{}\r\n", sha256(manifest));
            Some((digest, manifest.clone()))
        } else if let Some((_, digest)) = place.split_once("/blobs/") {
            self.blobs.get(digest).map(|blob| ("Content-Type: application/octet-stream\r\n".to_owned(), blob.clone()))
        } else if place.ends_with("/v2/") {
            Some((String::new(), b"{}".to_vec()))
        } else {
            self.files.get(place).map(|file| (String::new(), file.clone()))
        };
        let (status, headers, body, dropped) = match (fault, found) {
            (Some(Fault::Busy), _) => (429, "Retry-After: 1\r\n".to_owned(), b"too many requests".to_vec(), false),
            (Some(Fault::Missing), _) | (_, None) => (404, String::new(), Vec::new(), false),
            (Some(Fault::Altered), Some((headers, body))) => (200, headers, vec![0; body.len()], false),
            (fault, Some((headers, body))) => (200, headers, body, fault == Some(Fault::Dropped)),
        };
        let dropping = if dropped { " dropped" } else { "" };
        self.log.push(format!("{request} {status}{dropping}"));
        (status, headers, body, dropped)
    }
}

/// The proxy; it ends with the test.
pub struct StandIn {
    /// Its address, for `HTTPS_PROXY`.
    pub proxy: String,
    /// The certificate of its authority, for `SSL_CERT_FILE`.
    pub authority: String,
    pub served: Arc<Mutex<Served>>,
}

impl StandIn {
    pub fn start(served: Served) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority =
            CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let proxy = format!("http://{}", listener.local_addr().expect("an address"));
        let served = Arc::new(Mutex::new(served));
        let (pem, shared) = (authority.pem(), Arc::clone(&served));
        std::thread::spawn(move || {
            let authority = Arc::new(authority);
            for stream in listener.incoming().flatten() {
                let (authority, served) = (Arc::clone(&authority), Arc::clone(&shared));
                std::thread::spawn(move || serve(stream, &authority, &served));
            }
        });
        Self { proxy, authority: pem, served }
    }
}

/// The head of a request.
fn head(stream: &mut impl Read) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

/// One connection through the proxy, with one request in it.
fn serve(mut stream: TcpStream, authority: &CertifiedIssuer<'static, KeyPair>, served: &Mutex<Served>) -> Option<()> {
    let asked = head(&mut stream)?;
    let host = asked.strip_prefix("CONNECT ")?.split(':').next()?.to_owned();
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
    let key = KeyPair::generate().ok()?;
    let certificate = CertificateParams::new(vec![host.clone()]).ok()?.signed_by(&key, authority).ok()?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).ok()?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key);
    let mut stream = StreamOwned::new(ServerConnection::new(Arc::new(config.ok()?)).ok()?, stream);
    let request = head(&mut stream)?;
    let mut words = request.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    let (status, headers, body, dropped) = served.lock().expect("the lock").answer(method, &format!("{host}{path}"));
    let answer = format!("HTTP/1.1 {status} x\r\n{headers}Connection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(answer.as_bytes()).ok()?;
    if method != "HEAD" {
        let end = if dropped { body.len() / 2 } else { body.len() };
        stream.write_all(&body[..end]).ok()?;
    }
    stream.flush().ok()?;
    if !dropped {
        stream.conn.send_close_notify();
        stream.flush().ok()?;
    }
    Some(())
}
