//! The protocol `WebSocket` (RFC 6455) over a stream that is there already.

use std::collections::BTreeMap;

use futures::{SinkExt, StreamExt};
use http::{HeaderMap, Request};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::words;

/// What a WebSocket is asked for with.
#[derive(Clone, Copy, Debug)]
pub struct Handshake<'a> {
    /// `HOST:PORT`.
    pub place: &'a str,
    /// Path with its leading slash.
    pub path: &'a str,
    /// Sent as well; `Host` among them replaces the place.
    pub headers: &'a BTreeMap<String, String>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// HTTP status: 101 where there is a WebSocket, 0 without an answer.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: BTreeMap<String, Vec<String>>,
    /// The message that came, or the body of a refusal.
    pub body: String,
    /// What went wrong, if anything.
    pub error: String,
}

/// Asks for a WebSocket, sends a message, and gives the first that comes back, if one is waited for.
pub async fn call<S>(stream: S, handshake: &Handshake<'_>, message: Option<String>, waits: bool) -> Answer
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let failed = |error: String| Answer { error, ..Answer::default() };
    let request = match request(handshake) {
        Ok(request) => request,
        Err(error) => return failed(error.to_string()),
    };
    let (mut socket, response) = match client_async(request, stream).await {
        Ok(opened) => opened,
        Err(Error::Http(refused)) => {
            let body = refused.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default().into_owned();
            let headers = named(refused.headers());
            return Answer { status: refused.status().as_u16(), headers, body, error: String::new() };
        }
        Err(error) => return failed(in_words(&error)),
    };
    let (status, headers) = (response.status().as_u16(), named(response.headers()));
    let mut answer = Answer { status, headers, ..Answer::default() };
    if let Some(text) = message
        && let Err(error) = socket.send(Message::text(text)).await
    {
        answer.error = in_words(&error);
        return answer;
    }
    if waits {
        match first(&mut socket).await {
            Ok(text) => answer.body = text,
            Err(error) => answer.error = error,
        }
    }
    // Whoever does not hear that it is over sees the connection end.
    let _ = socket.close(None).await;
    answer
}

/// The first message that comes, or why none does.
async fn first<S>(socket: &mut WebSocketStream<S>) -> Result<String, String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return Ok(text.as_str().to_owned()),
            Some(Ok(Message::Binary(bytes))) => return Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Some(Ok(Message::Close(_))) | None => {
                return Err("the WebSocket was closed before a message came".to_owned());
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(in_words(&error)),
        }
    }
}

fn request(handshake: &Handshake<'_>) -> Result<Request<()>, http::Error> {
    let Handshake { place, path, headers } = handshake;
    let is_host = |name: &str| name.eq_ignore_ascii_case("host");
    let host = headers.iter().find(|(name, _)| is_host(name)).map_or(*place, |(_, host)| host);
    let request = Request::builder()
        .uri(format!("ws://{place}{path}"))
        .header("Host", host)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", generate_key());
    let others = headers.iter().filter(|(name, _)| !is_host(name));
    others.fold(request, |request, (name, value)| request.header(name, value)).body(())
}

fn named(headers: &HeaderMap) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        all.entry(name.as_str().to_owned()).or_default().push(String::from_utf8_lossy(value.as_bytes()).into_owned());
    }
    all
}

/// What went wrong, without a library's own names.
fn in_words(error: &Error) -> String {
    match error {
        Error::Io(error) => words::io_error(error),
        Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(_) => {
            "the connection was closed before the answer was whole".to_owned()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn handshake(headers: &BTreeMap<String, String>) -> Handshake<'_> {
        Handshake { place: "chat.shop:80", path: "/ws", headers }
    }

    #[tokio::test]
    async fn a_message_is_answered() {
        let (near, far) = tokio::io::duplex(1 << 16);
        let serve = async move {
            let mut socket = tokio_tungstenite::accept_async(far).await.expect("a WebSocket");
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() {
                    socket.send(Message::text(format!("echo: {message}"))).await.expect("a reader");
                }
            }
        };
        let headers = BTreeMap::from([("x-user".to_owned(), "ann".to_owned())]);
        let handshake = handshake(&headers);
        let (answer, ()) = tokio::join!(call(near, &handshake, Some("hi".to_owned()), true), serve);
        assert_eq!((answer.status, answer.body.as_str(), answer.error.as_str()), (101, "echo: hi", ""));
    }

    #[tokio::test]
    async fn a_refusal_has_its_status_and_a_closed_connection_none() {
        let (near, mut far) = tokio::io::duplex(1 << 16);
        let serve = async move {
            let _ = far.read(&mut [0; 4096]).await;
            let refusal = b"HTTP/1.1 403 Forbidden\r\nserver: envoy\r\ncontent-length: 4\r\n\r\nRBAC";
            far.write_all(refusal).await.expect("a reader");
        };
        let headers = BTreeMap::new();
        let handshake = handshake(&headers);
        let (answer, ()) = tokio::join!(call(near, &handshake, None, true), serve);
        assert_eq!((answer.status, answer.headers["server"].as_slice()), (403, &["envoy".to_owned()][..]));
        let (near, far) = tokio::io::duplex(64);
        drop(far);
        let closed = call(near, &handshake, None, true).await;
        assert_eq!((closed.status, closed.error.is_empty()), (0, false));
    }
}
