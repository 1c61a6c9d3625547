//! Checksums of what passes through.

use std::io::{self, Read, Write};

use sha2::{Digest as _, Sha256};

/// Takes the SHA-256 of all that is read through it.
#[derive(Debug)]
pub struct Hashing<R> {
    from: R,
    sum: Sha256,
}

impl<R: Read> Hashing<R> {
    /// Nothing is read yet.
    pub fn new(from: R) -> Self {
        Self { from, sum: Sha256::new() }
    }

    /// The digest, in hexadecimal, of what was read and of what is left.
    pub fn finish(mut self) -> io::Result<String> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(hex(self.sum))
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.sum.update(&buffer[..count]);
        Ok(count)
    }
}

/// Takes the SHA-256 of all that is written through it.
#[derive(Debug)]
pub struct Summing<W> {
    to: W,
    sum: Sha256,
}

impl<W: Write> Summing<W> {
    /// Nothing is written yet.
    pub fn new(to: W) -> Self {
        Self { to, sum: Sha256::new() }
    }

    /// What was written to, and the digest, in hexadecimal, of what was written.
    pub fn finish(self) -> (W, String) {
        (self.to, hex(self.sum))
    }
}

impl<W: Write> Write for Summing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.to.write(bytes)?;
        self.sum.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn hex(sum: Sha256) -> String {
    format!("{:x}", sum.finalize())
}
