//! Connections that come to a port here, and are handed on to somewhere else.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::kube::Duplex;
use super::words;

/// How long a connection to a port of this machine may take.
const LOCAL: Duration = Duration::from_secs(5);
/// After a listener has failed, as when too many files are open.
const PAUSE: Duration = Duration::from_millis(100);

/// Opens what a connection is handed on to.
pub type Open = Arc<dyn Fn() -> BoxFuture<'static, Result<Box<dyn Duplex>, String>> + Send + Sync>;
/// Is told of each connection: that it is handed on, or why it cannot be.
pub type Told = Arc<dyn Fn(Result<(), String>) + Send + Sync>;

/// A port that listens, and hands nothing on yet.
#[derive(Debug)]
pub struct Relay {
    listener: TcpListener,
    at: SocketAddr,
}

impl Relay {
    /// Listens at an address of this machine, on a port that is free.
    ///
    /// # Errors
    /// It is no address of this machine, or no port is free.
    pub async fn bind(address: IpAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((address, 0)).await?;
        let at = listener.local_addr()?;
        Ok(Self { listener, at })
    }

    /// Where it listens.
    #[must_use]
    pub fn at(&self) -> SocketAddr {
        self.at
    }

    /// Waits for one connection, which is closed at once: from where it came, or nothing if none came in time.
    pub async fn reached(&self, limit: Duration) -> Option<IpAddr> {
        let (_, from) = tokio::time::timeout(limit, self.listener.accept()).await.ok()?.ok()?;
        Some(from.ip())
    }

    /// Hands on every connection that comes from where `admits` lets it, until this is dropped.
    pub async fn serve(self, admits: impl Fn(IpAddr) -> bool + Send, open: Open, told: Told) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, from)) if admits(from.ip()) => {
                        connections.spawn(hand_on(stream, Arc::clone(&open), Arc::clone(&told)));
                    }
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(PAUSE).await,
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

async fn hand_on(mut stream: TcpStream, open: Open, told: Told) {
    let opened = open().await;
    told(opened.as_ref().map(|_| ()).map_err(Clone::clone));
    let Ok(mut other) = opened else { return };
    let _ = stream.set_nodelay(true);
    // However it ends, both sides see it.
    let _ = copy_bidirectional(&mut stream, &mut other).await;
}

/// Opens a port of this machine's loopback.
#[must_use]
pub fn to_loopback(port: u16) -> Open {
    Arc::new(move || {
        async move {
            let stream =
                loopback(port).await.map_err(|e| format!("port {port} of this machine: {}", words::io_error(&e)))?;
            let _ = stream.set_nodelay(true);
            Ok(Box::new(stream) as Box<dyn Duplex>)
        }
        .boxed()
    })
}

/// Whether something listens on a port of this machine's loopback.
pub async fn listens(port: u16) -> bool {
    loopback(port).await.is_ok()
}

async fn loopback(port: u16) -> io::Result<TcpStream> {
    // What listens on `localhost` may do so by either family alone.
    let places = [SocketAddr::from((Ipv4Addr::LOCALHOST, port)), SocketAddr::from((Ipv6Addr::LOCALHOST, port))];
    let first =
        tokio::time::timeout(LOCAL, TcpStream::connect(places[0])).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()));
    match first {
        Err(error) => TcpStream::connect(places[1]).await.map_err(|_| error),
        stream => stream,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// What a connection through a relay to that port reads, and what is told of it.
    async fn through(port: u16, admits: bool) -> (String, Vec<Result<(), String>>) {
        let relay = Relay::bind(LOOPBACK).await.expect("a port");
        let at = relay.at();
        let all = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&all);
        let told: Told = Arc::new(move |what| told.lock().expect("no panic").push(what));
        let serving = tokio::spawn(relay.serve(move |_| admits, to_loopback(port), told));
        let mut stream = TcpStream::connect(at).await.expect("a connection");
        // One that was refused is closed, which may come before this is written.
        let _ = stream.write_all(b"ping").await;
        let mut read = String::new();
        let _ = stream.read_to_string(&mut read).await;
        serving.abort();
        let all = all.lock().expect("no panic").clone();
        (read, all)
    }

    #[tokio::test]
    async fn bytes_go_both_ways_and_what_cannot_be_reached_is_told() {
        let server = TcpListener::bind((LOOPBACK, 0)).await.expect("a port");
        let port = server.local_addr().expect("an address").port();
        let answer = tokio::spawn(async move {
            let (mut stream, _) = server.accept().await.expect("a connection");
            let mut read = [0; 4];
            stream.read_exact(&mut read).await.expect("four bytes");
            stream.write_all(&read).await.expect("writes");
            stream.write_all(b"-pong").await.expect("writes");
        });
        assert_eq!(through(port, true).await, ("ping-pong".to_owned(), vec![Ok(())]));
        answer.await.expect("no panic");
        // Nobody listens there any more.
        let refused = format!("port {port} of this machine: nothing listens there: the connection was refused");
        assert_eq!(through(port, true).await, (String::new(), vec![Err(refused)]));
        assert!(!listens(port).await);
        assert_eq!(through(port, false).await, (String::new(), Vec::new()));
    }
}
