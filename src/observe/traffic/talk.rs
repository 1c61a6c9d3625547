//! Conversations over connections that a pod opens: by `nc`, since curl speaks no plain TCP, and `WebSocket` not everywhere.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::{Call, Caller, EnvoyPod};
use crate::context::StepError;
use crate::scenario::Protocol;
use crate::sys::kube::{ANSWER, Connection};
use crate::sys::websocket::{self, Handshake};
use crate::verdict::{NOTHING_IN_TIME, Reply, is_all_said};

/// Bytes of an answer over TCP that are read at most.
const LONGEST: usize = 1 << 20;
/// How many seconds longer than a conversation the program may live that carries it.
const GRACE: u32 = 5;
/// How long that program may take to say why there is no connection.
const PATIENCE: Duration = Duration::from_millis(500);
/// Carries bytes to and from a host, and tells before that it has started: how long a container takes for that is no matter of the call.
const CARRY: &str = "echo && exec timeout \"$0\" nc \"$1\" \"$2\"";

impl Caller {
    /// Talks so many times, each time over a connection of its own.
    pub(super) async fn converse(&self, call: &Call<'_>, times: u32) -> Result<Vec<Reply>, StepError> {
        let mut replies = Vec::new();
        for _ in 0..times {
            replies.push(self.talk(call).await?);
        }
        Ok(replies)
    }

    async fn talk(&self, call: &Call<'_>) -> Result<Reply, StepError> {
        let (place, path) = call.place();
        let (host, port) = place.rsplit_once(':').unwrap_or((&place, ""));
        let life = (call.limit + GRACE).to_string();
        let EnvoyPod { namespace, name } = &self.pod;
        let command = ["sh", "-c", CARRY, &life, host, port];
        let mut connection = self.client.exec_open(namespace, name, &self.container, &command).await?;
        let mut started = [0];
        match timeout(ANSWER, connection.stream.read(&mut started)).await {
            Ok(Ok(1)) => {}
            Ok(_) => return Err(self.lacks(&connection.told(PATIENCE).await)),
            Err(_) => return Err(self.broken(format!("nothing was started there within {} s", ANSWER.as_secs()))),
        }
        let mut reply = match call.protocol {
            Protocol::WebSocket => over_websocket(&mut connection, call, &place, path).await,
            _ => over_tcp(&mut connection, call).await,
        };
        if reply.status == 0 && !reply.is_answer() {
            let told = connection.told(PATIENCE).await;
            if is_missing(&told) {
                return Err(self.lacks(&told));
            }
            if let Some(why) = told.lines().rev().find(|line| !line.trim().is_empty()) {
                why.trim().trim_start_matches("nc: ").clone_into(&mut reply.error);
            }
        }
        Ok(reply)
    }

    /// That the caller's container cannot carry a conversation, and what it says of that.
    fn lacks(&self, told: &str) -> StepError {
        self.broken(format!(
            "container {} lacks what carries a conversation, which is `sh`, `nc` and `timeout` as of BusyBox: let `sleep` call, or add them to its image ({})",
            self.container,
            told.trim()
        ))
    }
}

/// Whether a program is not there, by what is said of one that cannot be started.
pub(super) fn is_missing(told: &str) -> bool {
    ["executable file not found", "can't execute", "failed to run command", "no such file or directory"]
        .iter()
        .any(|words| told.contains(words))
}

/// Sends what is to be sent at once, and reads until all that is expected has come, no more comes, or time is up.
async fn over_tcp(connection: &mut Connection, call: &Call<'_>) -> Reply {
    let mut said = Vec::new();
    let talk = async {
        if let Some(body) = &call.body {
            connection.stream.write_all(body).await?;
            connection.stream.flush().await?;
        }
        while said.len() < LONGEST && connection.stream.read_buf(&mut said).await? > 0 {
            let text = String::from_utf8_lossy(&said);
            if call.expect.is_none_or(|expect| is_all_said(expect, &text)) {
                break;
            }
        }
        Ok::<_, std::io::Error>(())
    };
    let ended = timeout(Duration::from_secs(call.limit.into()), talk).await;
    let error = match ended {
        _ if !said.is_empty() => String::new(),
        Ok(_) => "the connection was closed before anything came".to_owned(),
        Err(_) => NOTHING_IN_TIME.to_owned(),
    };
    let body = String::from_utf8_lossy(&said).into_owned();
    Reply { bytes: said.len() as u64, body, error, ..Reply::default() }
}

/// Asks for a WebSocket, sends a message if there is one, and waits for one if there must be one.
async fn over_websocket(connection: &mut Connection, call: &Call<'_>, place: &str, path: &str) -> Reply {
    let message = call.body.as_ref().map(|body| String::from_utf8_lossy(body).into_owned());
    // Any text is enough only where nothing is expected of it.
    let waits = message.is_some() || call.expect.is_some_and(|expect| !is_all_said(expect, "."));
    let handshake = Handshake { place, path, headers: call.headers };
    let talk = websocket::call(&mut connection.stream, &handshake, message, waits);
    match timeout(Duration::from_secs(call.limit.into()), talk).await {
        Ok(websocket::Answer { status, headers, body, error }) => {
            Reply { status, headers, bytes: body.len() as u64, body, error, ..Reply::default() }
        }
        Err(_) => Reply { error: "no answer came in time".to_owned(), ..Reply::default() },
    }
}
