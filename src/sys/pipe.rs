//! Bridges between blocking readers and writers (tar) and asynchronous streams (the engine's API), with bounded memory.

use std::io::{self, Read, Write};

use bytes::{Buf, Bytes, BytesMut};
use futures::{Stream, StreamExt};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Bytes that travel at once. Large enough that the hand-over between threads does not show.
const CHUNK: usize = 256 * 1024;
/// Chunks under way at most.
const DEPTH: usize = 8;

/// Writes a stream to a program's standard input and closes it, also after an error: the program would wait for more otherwise.
pub async fn feed<W, S>(mut stdin: W, input: S) -> io::Result<()>
where
    W: AsyncWrite + Unpin,
    S: Stream<Item = io::Result<Bytes>>,
{
    let mut input = std::pin::pin!(input);
    let mut written = Ok(());
    while let (Ok(()), Some(chunk)) = (&written, input.next().await) {
        written = match chunk {
            Ok(chunk) => stdin.write_all(&chunk).await,
            Err(e) => Err(e),
        };
    }
    written.and(stdin.shutdown().await)
}

/// The writing half: what is written comes out of a stream.
pub struct Writer {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: BytesMut,
}

impl Writer {
    fn send(&mut self) -> io::Result<()> {
        let chunk = self.buffer.split().freeze();
        self.sender.blocking_send(Ok(chunk)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Writer {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let taken = data.len().min(CHUNK - self.buffer.len());
        self.buffer.extend_from_slice(&data[..taken]);
        if self.buffer.len() == CHUNK {
            self.send()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() { Ok(()) } else { self.send() }
    }
}

/// The reading half: what a stream yields can be read on a blocking thread.
pub struct Reader {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    chunk: Bytes,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.receiver.blocking_recv() {
                None => return Ok(0),
                Some(chunk) => self.chunk = chunk?,
            }
        }
        let taken = buffer.len().min(self.chunk.len());
        self.chunk.copy_to_slice(&mut buffer[..taken]);
        Ok(taken)
    }
}

/// Runs `write` on a blocking thread; what it writes comes out of the stream. An error of `write` is the stream's last item, so that the
/// receiver does not take a torn archive for a whole one.
pub fn writing(
    write: impl FnOnce(&mut Writer) -> io::Result<()> + Send + 'static,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let (sender, receiver) = mpsc::channel(DEPTH);
    tokio::task::spawn_blocking(move || {
        let mut writer = Writer { sender, buffer: BytesMut::with_capacity(CHUNK) };
        if let Err(error) = write(&mut writer).and_then(|()| writer.flush()) {
            let _ = writer.sender.blocking_send(Err(error));
        }
    });
    from_receiver(receiver)
}

/// A reader of a stream, for a blocking thread. The task ends with the stream or with the reader.
pub fn reading<S>(stream: S) -> (Reader, JoinHandle<()>)
where
    S: Stream<Item = io::Result<Bytes>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(DEPTH);
    let task = tokio::spawn(async move {
        let mut stream = std::pin::pin!(stream);
        while let Some(item) = stream.next().await {
            if sender.send(item).await.is_err() {
                return;
            }
        }
    });
    (Reader { receiver, chunk: Bytes::new() }, task)
}

/// The same stream several times. Each copy is as slow as the slowest; one that is dropped holds up none.
pub fn copies<S>(stream: S, count: usize) -> Vec<impl Stream<Item = io::Result<Bytes>> + Send + use<S>>
where
    S: Stream<Item = io::Result<Bytes>> + Send + 'static,
{
    let (mut senders, receivers): (Vec<_>, Vec<_>) = (0..count).map(|_| mpsc::channel(DEPTH)).unzip();
    tokio::spawn(async move {
        let mut stream = std::pin::pin!(stream);
        while let Some(item) = stream.next().await {
            let copy = |of: &io::Result<Bytes>| match of {
                Ok(chunk) => Ok(chunk.clone()),
                Err(e) => Err(io::Error::new(e.kind(), e.to_string())),
            };
            let sent = senders.iter().map(|sender| sender.send(copy(&item)));
            let sent = futures::future::join_all(sent).await;
            let mut taken = sent.into_iter().map(|s| s.is_ok());
            senders.retain(|_| taken.next() == Some(true));
            if senders.is_empty() {
                return;
            }
        }
    });
    receivers.into_iter().map(from_receiver).collect()
}

fn from_receiver(receiver: mpsc::Receiver<io::Result<Bytes>>) -> impl Stream<Item = io::Result<Bytes>> + Send {
    futures::stream::unfold(receiver, |mut receiver| async move {
        let item = receiver.recv().await?;
        Some((item, receiver))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_goes_in_comes_out() {
        let data: Vec<u8> = (0..1_000_000u32).map(|i| i.to_le_bytes()[0]).collect();
        let expected = data.clone();
        let stream = writing(move |w| w.write_all(&data));
        let (mut reader, task) = reading(stream);
        let read = tokio::task::spawn_blocking(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).map(|_| all)
        });
        assert!(read.await.expect("thread").expect("reads") == expected);
        task.await.expect("task");
    }

    #[tokio::test]
    async fn every_copy_is_whole_also_when_another_is_dropped() {
        let data: Vec<u8> = (0..5_000_000u32).map(|i| i.to_le_bytes()[1]).collect();
        let expected = data.clone();
        let mut copies = copies(writing(move |w| w.write_all(&data)), 3);
        drop(copies.pop());
        let whole = copies.into_iter().map(|copy| async {
            let chunks: Vec<_> = copy.map(|c| c.expect("a chunk")).collect().await;
            chunks.concat()
        });
        for copy in futures::future::join_all(whole).await {
            assert!(copy == expected);
        }
    }

    #[tokio::test]
    async fn an_error_is_not_an_end() {
        let stream = writing(|w| {
            w.write_all(b"half")?;
            w.flush()?;
            Err(io::Error::other("torn"))
        });
        let items: Vec<_> = stream.collect().await;
        assert!(items[0].is_ok());
        assert!(items.last().is_some_and(Result::is_err));
    }
}
