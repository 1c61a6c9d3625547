//! A way to a real API server on which answers come late, are refused, or never come.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What is wrong with the way.
#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    /// Nothing.
    Nothing,
    /// Each answer comes so much later.
    Late(Duration),
    /// One request of so many is refused with a status.
    Refused(u16, usize),
    /// The same of those that change something.
    Contended(u16, usize),
    /// One request of so many is never answered, and its connection stays open.
    Stalled(usize),
    /// One request of so many finds its connection closed.
    Cut(usize),
    /// Watches end so long after they began.
    ShortWatches(Duration),
}

/// The way, for as long as the test runs.
pub struct Proxy {
    /// Where it begins.
    pub address: SocketAddr,
    trouble: Arc<Mutex<Trouble>>,
    spoiled: Arc<AtomicUsize>,
}

impl Proxy {
    /// Opens a way to a server that speaks plain HTTP.
    pub fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (trouble, spoiled) = (Arc::new(Mutex::new(Trouble::Nothing)), Arc::new(AtomicUsize::new(0)));
        let (shared, count, requests) = (trouble.clone(), spoiled.clone(), Arc::new(AtomicUsize::new(0)));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (shared, count, requests) = (shared.clone(), count.clone(), requests.clone());
                // One request a connection: the answer says that it is closed.
                thread::spawn(move || {
                    let number = requests.fetch_add(1, Ordering::Relaxed);
                    let _ = pass(client, server, || *shared.lock().expect("a trouble"), number, &count);
                });
            }
        });
        Self { address, trouble, spoiled }
    }

    /// Changes what is wrong. Gives how many requests were spoiled before.
    pub fn becomes(&self, trouble: Trouble) -> usize {
        *self.trouble.lock().expect("a trouble") = trouble;
        self.spoiled.swap(0, Ordering::Relaxed)
    }
}

/// Passes one request on, or spoils it.
fn pass(
    client: TcpStream,
    server: SocketAddr,
    trouble: impl Fn() -> Trouble,
    number: usize,
    spoiled: &AtomicUsize,
) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let Some((head, length)) = head(&mut reader)? else { return Ok(()) };
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let changes = !head.starts_with("GET ");
    let is_watch = head.lines().next().is_some_and(|line| line.contains("watch=true"));
    let is_its_turn = |every: usize| number % every == every - 1;
    let spoil = || spoiled.fetch_add(1, Ordering::Relaxed);
    let mut limit = None;
    match trouble() {
        Trouble::Refused(status, every) if is_its_turn(every) => {
            spoil();
            return refuse(client, status);
        }
        Trouble::Contended(status, every) if changes && is_its_turn(every) => {
            spoil();
            return refuse(client, status);
        }
        Trouble::Stalled(every) if is_its_turn(every) => {
            spoil();
            // Until whoever asked gives up.
            return reader.read_to_end(&mut Vec::new()).map(|_| ());
        }
        Trouble::Cut(every) if is_its_turn(every) => {
            spoil();
            return client.shutdown(Shutdown::Both);
        }
        Trouble::Late(by) => {
            spoil();
            thread::sleep(by);
        }
        Trouble::ShortWatches(after) if is_watch => {
            spoil();
            limit = Some(after);
        }
        _ => {}
    }
    let mut upstream = TcpStream::connect(server)?;
    upstream.write_all(head.as_bytes())?;
    upstream.write_all(&body)?;
    if let Some(after) = limit {
        let (ending, other) = (upstream.try_clone()?, client.try_clone()?);
        thread::spawn(move || {
            thread::sleep(after);
            let _ = (ending.shutdown(Shutdown::Both), other.shutdown(Shutdown::Both));
        });
    }
    let (mut from_client, mut to_upstream) = (reader, upstream.try_clone()?);
    let back = thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_upstream);
        let _ = to_upstream.shutdown(Shutdown::Write);
    });
    let mut to_client = client.try_clone()?;
    let _ = io::copy(&mut upstream, &mut to_client);
    client.shutdown(Shutdown::Both)?;
    let _ = back.join();
    Ok(())
}

/// The head of a request, which asks for a connection of its own unless it asks for another protocol, and how long its body is.
fn head(reader: &mut impl BufRead) -> io::Result<Option<(String, usize)>> {
    let (mut lines, mut length, mut is_upgrade) = (Vec::new(), 0, false);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        is_upgrade |= lower.starts_with("upgrade:");
        lines.push(line);
    }
    if !is_upgrade {
        lines.retain(|line| !line.to_ascii_lowercase().starts_with("connection:"));
        lines.push("Connection: close".to_owned());
    }
    Ok(Some((lines.join("\r\n") + "\r\n\r\n", length)))
}

/// An answer as an API server gives it.
fn refuse(mut client: TcpStream, code: u16) -> io::Result<()> {
    let (reason, message) = match code {
        409 => {
            ("Conflict", "the object has been modified; please apply your changes to the latest version and try again")
        }
        429 => ("TooManyRequests", "the server has received too many requests and has asked us to try again later"),
        _ => ("InternalError", "an error on the server has prevented the request from succeeding"),
    };
    let status = serde_json::json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message, "code": code });
    let body = status.to_string();
    let again = if code == 429 { "Retry-After: 1\r\n" } else { "" };
    let length = body.len();
    write!(
        client,
        "HTTP/1.1 {code} {reason}\r\nContent-Type: application/json\r\n{again}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    client.shutdown(Shutdown::Write)
}
