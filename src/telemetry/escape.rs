//! One JSON line stays one line for every reader. JSON leaves U+0085, U+2028 and U+2029 as they are in a string,
//! and some log readers (Python's `splitlines`, JavaScript's older parsers) break the line at them.

use std::borrow::Cow;
use std::io::{self, Write};

/// The characters that end a line somewhere, in UTF-8, and what JSON may write instead.
const LINE_ENDS: [(&[u8], &[u8]); 3] =
    [(b"\xc2\x85", b"\\u0085"), (b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029")];

/// Passes JSON lines on, each in one write, without those characters.
pub(super) struct OneLine<W>(pub(super) W);

impl<W: Write> Write for OneLine<W> {
    /// Takes all of `line` or fails: it has to see whole characters.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_all(&escape(line))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

pub(super) fn escape(line: &[u8]) -> Cow<'_, [u8]> {
    let mut rest = line;
    let mut escaped = Vec::new();
    while let Some(at) = memchr::memchr2(0xc2, 0xe2, rest) {
        let (before, from) = rest.split_at(at);
        let found = LINE_ENDS.iter().find(|(character, _)| from.starts_with(character));
        // Anything else that begins with these bytes is copied byte by byte.
        let (length, written) =
            found.map_or((1, &from[..1]), |(character, written)| (character.len(), *written));
        escaped.extend_from_slice(before);
        escaped.extend_from_slice(written);
        rest = &from[length..];
    }
    if escaped.is_empty() {
        return Cow::Borrowed(line);
    }
    escaped.extend_from_slice(rest);
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_escaped_and_their_neighbours_are_not() {
        let line = "a\u{2028}b\u{2029}c\u{85}d\u{2027}\u{e9}\u{a2}\u{20ac}e";
        assert_eq!(
            escape(line.as_bytes()),
            "a\\u2028b\\u2029c\\u0085d\u{2027}\u{e9}\u{a2}\u{20ac}e".as_bytes()
        );
    }

    #[test]
    fn a_plain_line_is_not_copied() {
        assert!(matches!(escape(b"{\"a\":1}\n"), Cow::Borrowed(_)));
    }
}
