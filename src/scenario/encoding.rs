//! Bytes as text, with the place of the first that is none.

use std::fmt;

/// Bytes that are no text in UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotText {
    /// Line of the first such byte, from 1.
    pub line: usize,
    /// Its column in characters, from 1.
    pub column: usize,
    /// How many bytes are before it.
    pub byte: usize,
    /// What it is instead.
    found: Found,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Utf16,
    Utf32,
    Binary,
    Byte(u8),
}

impl NotText {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self.found {
            Found::Utf16 => "save it as UTF-8: `iconv -f UTF-16 -t UTF-8 FILE`",
            Found::Utf32 => "save it as UTF-8: `iconv -f UTF-32 -t UTF-8 FILE`",
            Found::Binary => "name a YAML file; an archive or an image has to be unpacked first",
            Found::Byte(_) => "save it as UTF-8: `iconv -f WINDOWS-1252 -t UTF-8 FILE`, or from whatever it is in",
        }
    }
}

impl fmt::Display for NotText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.found {
            Found::Utf16 => write!(f, "this is UTF-16, not UTF-8 (byte {})", self.byte),
            Found::Utf32 => write!(f, "this is UTF-32, not UTF-8 (byte {})", self.byte),
            Found::Binary => write!(f, "this is no text: byte {} is zero", self.byte),
            Found::Byte(byte) => write!(f, "this is not UTF-8: byte {} is 0x{byte:02x}", self.byte),
        }
    }
}

/// The text that the bytes of a file are.
///
/// # Errors
/// The place of the first byte that cannot be read as UTF-8, or of a zero, which no YAML has.
pub fn decode(bytes: Vec<u8>) -> Result<String, NotText> {
    // Zeros in the first character are what UTF-16 has in text that begins with a letter.
    if let [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] | [1..=0x7f, 0, 0, 0, ..] | [0, 0, 0, 1..=0x7f, ..] =
        bytes[..]
    {
        return Err(NotText { line: 1, column: 1, byte: 0, found: Found::Utf32 });
    }
    let is_utf16 = match bytes[..] {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => true,
        [one, other, ..] => (one == 0) != (other == 0),
        _ => false,
    };
    if is_utf16 {
        return Err(NotText { line: 1, column: 1, byte: 0, found: Found::Utf16 });
    }
    let (valid, invalid) = match std::str::from_utf8(&bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let (text, rest) = bytes.split_at(error.valid_up_to());
            (std::str::from_utf8(text).unwrap_or_default(), rest.first().copied())
        }
    };
    let zero = valid.find('\0');
    if zero.is_none() && invalid.is_none() {
        return Ok(String::from_utf8(bytes).unwrap_or_default());
    }
    let before = &valid[..zero.unwrap_or(valid.len())];
    let found = if zero.is_some() { Found::Binary } else { Found::Byte(invalid.unwrap_or_default()) };
    Err(NotText {
        line: before.matches('\n').count() + 1,
        column: before.rsplit('\n').next().unwrap_or_default().chars().count() + 1,
        byte: before.len(),
        found,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        let found = decode(bytes.to_vec()).expect_err("refused");
        format!("{}:{}: {found}", found.line, found.column)
    }

    #[test]
    fn the_first_byte_that_is_no_text_is_told() {
        assert_eq!(decode("name: ä\n".into()).expect("text"), "name: ä\n");
        assert_eq!(refusal(b"name: x\n# \xc3\xa4 \xe4\n"), "2:5: this is not UTF-8: byte 13 is 0xe4");
        assert_eq!(refusal(b"name: x\n\0"), "2:1: this is no text: byte 8 is zero");
        assert_eq!(refusal(b"\x7fELF\x02\x01\x01\0\0\xff"), "1:8: this is no text: byte 7 is zero");
        for utf16 in [&b"\xff\xfen\0"[..], b"\xfe\xff\0n", b"n\0a\0", b"\0n\0a"] {
            assert_eq!(refusal(utf16), "1:1: this is UTF-16, not UTF-8 (byte 0)");
        }
        for utf32 in [&b"\xff\xfe\0\0n\0\0\0"[..], b"\0\0\xfe\xff\0\0\0n", b"n\0\0\0", b"\0\0\0n"] {
            assert_eq!(refusal(utf32), "1:1: this is UTF-32, not UTF-8 (byte 0)");
        }
    }
}
