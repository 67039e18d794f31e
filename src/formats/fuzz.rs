//! What every stream decoder promises of any input, for fuzzers and property tests.

use bytes::Bytes;

use crate::bedrock::Frame;
use crate::chat::{AssembleError, Response};

use super::StreamDecoder;

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
