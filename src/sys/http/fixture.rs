//! A server on loopback for tests.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Answers each request, a connection each, with the text that `answer` makes of it and of the server's address, which is given back.
pub async fn answering(answer: impl Fn(&str, &str) -> String + Send + 'static) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let shared = Arc::new(base.clone());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 8192];
            let read = stream.read(&mut request).await.unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            let _ = stream.write_all(answer(&request, &shared).as_bytes()).await;
        }
    });
    base
}
