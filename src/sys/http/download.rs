//! Files that somebody publishes.

use std::io::Write;

use super::{Http, Unreachable, is_loopback, silent};
use crate::sys::words;

/// Most bytes of a checksum with its file's name.
const SUM: usize = 4096;

impl Http {
    /// Whether there is a file at a URL; nothing of it is read.
    pub async fn has_file(&self, url: &str) -> Result<(), Unreachable> {
        let answer = self.client(url).head(url).send().await.map_err(|e| silent(&e))?;
        match answer.status() {
            status if status.is_success() || status.is_redirection() => Ok(()),
            status => Err(Unreachable::silent(format!("it answered {}", status.as_u16()))),
        }
    }

    /// Writes the file at a URL, of at most so many bytes.
    pub async fn download(&self, url: &str, to: &mut impl Write, limit: u64) -> Result<(), Unreachable> {
        let client = if is_loopback(url) { &self.direct } else { &self.files };
        let mut answer = client.get(url).send().await.map_err(|e| silent(&e))?;
        if !answer.status().is_success() {
            return Err(Unreachable::silent(format!("it answered {}", answer.status().as_u16())));
        }
        let expected = answer.content_length();
        let mut written = 0;
        while let Some(chunk) = answer.chunk().await.map_err(|e| silent(&e))? {
            written += chunk.len() as u64;
            if written > limit {
                return Err(Unreachable::silent(format!("the file is larger than {} MiB", limit >> 20)));
            }
            to.write_all(&chunk).map_err(|e| Unreachable::silent(words::io_error(&e)))?;
        }
        match expected {
            Some(expected) if expected != written => Err(Unreachable::silent("the file is torn".to_owned())),
            _ => Ok(()),
        }
    }

    /// The first word of a small text file, such as the checksum that is published beside a file. It is read over TLS only, except from this
    /// machine: nothing else says who wrote it.
    pub async fn published_sum(&self, url: &str) -> Result<String, Unreachable> {
        if !url.starts_with("https://") && !is_loopback(url) {
            return Err(Unreachable::silent("a checksum is read over TLS only".to_owned()));
        }
        let mut text = Vec::new();
        self.download(url, &mut text, SUM as u64).await?;
        let text = String::from_utf8_lossy(&text).into_owned();
        text.split_whitespace().next().map(str::to_owned).ok_or_else(|| Unreachable::silent("it is empty".to_owned()))
    }
}
