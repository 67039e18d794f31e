//! Just enough of SSE and JSON to know that a stream of chunks is whole.

use memchr::{memchr, memmem};

/// Reads a stream piece by piece, wherever it is cut.
#[derive(Default)]
pub(crate) struct Reader {
    /// The beginning of a line whose end hasn't come.
    rest: Vec<u8>,
    /// Bytes of text, as they are written in JSON.
    pub(crate) text: usize,
    /// A finish reason has been seen.
    pub(crate) finished: bool,
    /// `[DONE]` has been seen.
    pub(crate) done: bool,
    /// The last line that is no chunk, or an error: for a report.
    pub(crate) odd: String,
}

impl Reader {
    /// `sent` gets the time, in nanoseconds since 1970, of each delta whose text is one.
    pub(crate) fn read(&mut self, mut data: &[u8], mut sent: impl FnMut(u64)) {
        while let Some(end) = memchr(b'\n', data) {
            if self.rest.is_empty() {
                self.line(&data[..end], &mut sent);
            } else {
                let mut line = std::mem::take(&mut self.rest);
                line.extend_from_slice(&data[..end]);
                self.line(&line, &mut sent);
            }
            data = &data[end + 1..];
        }
        self.rest.extend_from_slice(data);
    }

    fn line(&mut self, line: &[u8], sent: &mut impl FnMut(u64)) {
        let line = line.trim_ascii();
        if line.is_empty() || line[0] == b':' {
            return;
        }
        let Some(data) = line.strip_prefix(b"data: ") else { return self.note(line) };
        if data == b"[DONE]" {
            self.done = true;
        } else if memmem::find(data, br#""error":"#).is_some() {
            self.note(data);
        } else {
            self.finished |= memmem::find(data, br#""finish_reason":""#).is_some();
            if let Some(at) = memmem::find(data, br#""content":""#) {
                let text = &data[at + 11..];
                let text = &text[..memchr(b'"', text).unwrap_or(text.len())];
                self.text += text.len();
                times(text, sent);
            }
        }
    }

    fn note(&mut self, line: &[u8]) {
        self.odd = String::from_utf8_lossy(&line[..line.len().min(300)]).into_owned();
    }
}

/// A gateway may join deltas, so there can be several: `T`, 19 digits, a space.
fn times(text: &[u8], sent: &mut impl FnMut(u64)) {
    for part in text.split(|byte| *byte == b' ') {
        let digits = part.strip_prefix(b"T").and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(nanos) = digits.and_then(|digits| digits.parse().ok()) {
            sent(nanos);
        }
    }
}
