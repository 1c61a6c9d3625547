//! A proxy by which programs of this machine reach a lab's clusters by the names that they have among each other.
//!
//! Docker's DNS serves these names to containers alone, and no resolver of this machine can be told of them without changing the machine. But whatever
//! speaks HTTPS asks the proxy that `HTTPS_PROXY` names for a name that it need not know itself (`CONNECT NAME:PORT`, RFC 9110, 9.3.6).

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufStream, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use super::words;

/// Most bytes of a request, or of what a proxy answers, before what goes through begins.
const HEAD: usize = 16 << 10;
/// The user that programs call themselves to this proxy.
const USER: &str = "lab";

/// Where a name is to be reached, as `ADDRESS:PORT`: `None` for a name that is not the lab's, an error in words for one that cannot be reached.
pub type Place = Result<Option<String>, String>;
/// Finds the place of a host and port.
pub type Find = Arc<dyn Fn(String, u16) -> BoxFuture<'static, Place> + Send + Sync>;

/// A proxy that listens, and does not answer yet.
#[derive(Debug)]
pub struct NameProxy {
    listener: TcpListener,
    port: u16,
    /// Without it anybody on this machine could go through it in this user's name.
    secret: String,
}

/// The user's own proxy, by which names that are not the lab's are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Onward {
    /// `HOST:PORT`.
    at: String,
    /// The value of the header that it asks for, if any.
    authorization: Option<String>,
}

impl Onward {
    /// Reads what a variable such as `HTTPS_PROXY` says.
    ///
    /// # Errors
    /// It names no proxy that is asked over plain HTTP; in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let shown = || format!("the proxy {} is asked in another way than by HTTP", without_password(text));
        let url = reqwest::Url::parse(&url).map_err(|_| shown())?;
        let (Some(host), Some(port), "http") = (url.host_str(), url.port_or_known_default(), url.scheme()) else {
            return Err(shown());
        };
        let authorization = (!url.username().is_empty()).then(|| {
            let decoded = |part: &str| percent_decoded(part);
            basic(&decoded(url.username()), &decoded(url.password().unwrap_or_default()))
        });
        Ok(Self { at: format!("{host}:{port}"), authorization })
    }
}

fn without_password(text: &str) -> &str {
    text.rsplit_once('@').map_or(text, |(_, rest)| rest)
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match hex.filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

impl NameProxy {
    /// Listens on the loopback of this machine.
    ///
    /// # Errors
    /// No port is free there.
    pub async fn bind() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        Ok(Self { listener, port, secret: uuid::Uuid::new_v4().simple().to_string() })
    }

    /// What programs are told of it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{USER}:{}@127.0.0.1:{}", self.secret, self.port)
    }

    /// Answers until it is dropped. What is not of the lab goes by the user's own proxy, if there is one.
    pub async fn serve(self, find: Find, onward: Option<Onward>) {
        let expected = Arc::new(basic(USER, &self.secret));
        let mut connections = tokio::task::JoinSet::new();
        loop {
            tokio::select! {
                Ok((stream, _)) = self.listener.accept() => {
                    let (find, onward, expected) = (Arc::clone(&find), onward.clone(), Arc::clone(&expected));
                    connections.spawn(async move {
                        // Whoever asked sees that the connection has ended, and nobody else is told.
                        let _ = answer(stream, &expected, &find, onward.as_ref()).await;
                    });
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

async fn answer(stream: TcpStream, expected: &str, find: &Find, onward: Option<&Onward>) -> io::Result<()> {
    let mut client = BufStream::new(stream);
    let head = head(&mut client).await?;
    let asked = match asked(&head, expected) {
        Ok(asked) => asked,
        Err(refusal) => return refuse(&mut client, refusal.0, refusal.1).await,
    };
    let (host, port) = asked;
    let reached = match find(host.clone(), port).await {
        Ok(Some(place)) => connect(&place).await,
        Ok(None) => match onward {
            Some(proxy) => through(proxy, &host, port).await,
            None => connect(&format!("{host}:{port}")).await,
        },
        Err(problem) => Err(io::Error::other(problem)),
    };
    let mut server = match reached {
        Ok(server) => server,
        Err(e) => {
            let told = format!("{host}:{port} is not reached: {}", words::io_error(&e));
            return refuse(&mut client, "502 Bad Gateway", &told).await;
        }
    };
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    client.flush().await?;
    copy_bidirectional(&mut client, &mut server).await.map(|_| ())
}

async fn connect(place: &str) -> io::Result<BufStream<TcpStream>> {
    TcpStream::connect(place).await.map(BufStream::new)
}

/// Goes on by another proxy.
async fn through(proxy: &Onward, host: &str, port: u16) -> io::Result<BufStream<TcpStream>> {
    let mut server = connect(&proxy.at).await?;
    let authorization =
        proxy.authorization.as_ref().map_or_else(String::new, |value| format!("Proxy-Authorization: {value}\r\n"));
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{authorization}\r\n");
    server.write_all(request.as_bytes()).await?;
    server.flush().await?;
    let head = head(&mut server).await?;
    let line = head.lines().next().unwrap_or_default();
    if line.split(' ').nth(1).is_some_and(|status| status.starts_with('2')) {
        return Ok(server);
    }
    Err(io::Error::other(format!("the proxy {} says: {line}", proxy.at)))
}

/// Reads up to the empty line. One byte after the other: what comes behind is not ours.
async fn head(stream: &mut BufStream<TcpStream>) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Host and port that are asked for; otherwise the status of a refusal, and why.
fn asked(head: &str, expected: &str) -> Result<(String, u16), (&'static str, &'static str)> {
    let mut lines = head.lines();
    let words: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let given = lines.filter_map(|line| line.split_once(':'));
    let mut given = given.filter(|(name, _)| name.eq_ignore_ascii_case("proxy-authorization"));
    if !given.any(|(_, value)| value.trim() == expected) {
        return Err(("407 Proxy Authentication Required", "this proxy is for one command only"));
    }
    let ["CONNECT", place, _] = words[..] else {
        return Err(("405 Method Not Allowed", "only HTTPS goes through this proxy"));
    };
    let place = place.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let (host, port) = place.ok_or(("400 Bad Request", "this is no HOST:PORT"))?;
    Ok((host.trim_start_matches('[').trim_end_matches(']').to_owned(), port))
}

async fn refuse(client: &mut BufStream<TcpStream>, status: &str, why: &str) -> io::Result<()> {
    let challenge = if status.starts_with("407") { "Proxy-Authenticate: Basic realm=\"lab\"\r\n" } else { "" };
    let length = why.len() + 1;
    let answer =
        format!("HTTP/1.1 {status}\r\n{challenge}Content-Length: {length}\r\nConnection: close\r\n\r\n{why}\n");
    client.write_all(answer.as_bytes()).await?;
    client.flush().await
}

#[cfg(test)]
mod tests;
