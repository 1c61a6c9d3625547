//! SHA-256 digests of inputs: what was made of the same inputs need not be made again.

use sha2::{Digest as _, Sha256};

/// A digest as 64 hexadecimal characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    /// As many characters as a name needs.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..16).unwrap_or(&self.0)
    }

    /// All characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

/// Collects inputs. Each is written with its length, so that no two lists of inputs run together to the same bytes.
#[derive(Clone, Debug)]
pub struct Inputs(Sha256);

impl Inputs {
    /// Inputs of one kind of thing. `kind` carries a version number where the way of making it has one.
    #[must_use]
    pub fn of(kind: &str) -> Self {
        Self(Sha256::new()).and(kind)
    }

    /// Adds an input.
    #[must_use]
    pub fn and(mut self, input: impl AsRef<[u8]>) -> Self {
        let input = input.as_ref();
        self.0.update((input.len() as u64).to_le_bytes());
        self.0.update(input);
        self
    }

    /// Adds a list, and its length.
    #[must_use]
    pub fn all<T: AsRef<[u8]>>(self, inputs: impl IntoIterator<Item = T>) -> Self {
        let inputs: Vec<T> = inputs.into_iter().collect();
        let counted = self.and((inputs.len() as u64).to_le_bytes());
        inputs.into_iter().fold(counted, Self::and)
    }

    /// The digest.
    #[must_use]
    pub fn digest(self) -> Digest {
        Digest(format!("{:x}", self.0.finalize()))
    }
}

/// SHA-256 of one file's content, as `sha256sum` prints it.
pub fn of_file(path: &std::path::Path) -> std::io::Result<String> {
    let mut hasher = Sha256::new();
    std::io::copy(&mut crate::sys::fs::open(path)?, &mut hasher)?;
    Ok(format!("{:x}", hasher.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_count() {
        let one = Inputs::of("k").and("ab").and("c").digest();
        let other = Inputs::of("k").and("a").and("bc").digest();
        assert_ne!(one, other);
        assert_ne!(Inputs::of("k").all(["a"]).and("b").digest(), Inputs::of("k").all(["a", "b"]).digest());
        assert_eq!(one, Inputs::of("k").and("ab").and("c").digest());
        assert_eq!(one.as_str().len(), 64);
        assert_eq!(one.short().len(), 16);
    }

    #[test]
    fn of_a_file() {
        let dir = crate::sys::unfinished::dir().expect("a directory");
        let file = dir.path().join("abc");
        crate::sys::fs::write(&file, "abc").expect("writes");
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of_file(&file).expect("reads"), expected);
    }
}
