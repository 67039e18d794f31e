//! What every stream decoder promises of any input, for fuzzers and property tests.

use bytes::Bytes;

use crate::bedrock::Frame;
use crate::chat::{AssembleError, Response};

use super::{CHAT_FORMATS, StreamDecoder};

/// For fuzzers: the first byte of `data` chooses a format, and the rest is a stream for its decoder: a chunk for each
/// line, behind one byte.
///
/// # Panics
/// If the decoder breaks the promise.
pub fn fuzz_streams(data: &[u8]) {
    let Some((choice, lines)) = data.split_first() else { return };
    let Some(format) = CHAT_FORMATS.get(usize::from(*choice) % CHAT_FORMATS.len()) else { return };
    feed(&mut *format.stream_decoder(), &["chunk", "unheardOf"], lines);
}

/// Feeds `decoder` a frame for each line of `data`: the first byte chooses the name from `names`, the rest
/// is the payload. Whatever the upstream sends, the events keep the grammar of [`crate::chat::Event`], and
/// a stream that the decoder calls good makes a reply.
///
/// # Panics
/// If they don't.
pub(super) fn feed(decoder: &mut dyn StreamDecoder, names: &[&str], data: &[u8]) {
    let mut events = Vec::new();
    let mut good = true;
    for line in data.split(|byte| *byte == b'\n') {
        let Some((choice, payload)) = line.split_first() else { continue };
        let Some(name) = names.get(usize::from(*choice) % names.len().max(1)) else { continue };
        let frame = Frame { event: (*name).to_owned().into(), payload: Bytes::copy_from_slice(payload) };
        if decoder.push(&frame, &mut events).is_err() {
            good = false;
            break;
        }
    }
    good = good && decoder.finish(&mut events).is_ok();
    match Response::assemble(events) {
        Ok(_) => {}
        Err(error) => {
            assert!(!good, "a good stream makes no reply: {error}");
            assert_eq!(error, AssembleError::Truncated, "the events break their grammar");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::formats::samples::lines;

    proptest! {
        #[test]
        fn no_chunk_breaks_a_decoder(
            choice in 0..CHAT_FORMATS.len(),
            data in lines(&[
                "generation", "generations", "stop_reason", "finish_reason", "stop", "length", "ERROR", "completion",
                "outputs", "choices", "text", "index", "is_finished", "outputText", "completionReason", "error",
                "type", "</think>", "amazon-bedrock-guardrailAction", "INTERVENED",
            ]),
        ) {
            fuzz_streams(&[&[u8::try_from(choice).unwrap()], data.as_slice()].concat());
        }
    }
}
