//! What the writer of chunks promises of any events, for the fuzzer and a property test.

use serde_json::Value;

use super::{CallForms, ChunkEncoder, ErrorBody, Head, StreamOptions, error_event};
use crate::chat::{BlockIndex, BlockKind, Delta, Event, StopReason, Text, Usage};

const HEAD: Head<'static> = Head { id: "chatcmpl-1", created: 1, model: "m" };

/// For the fuzzer: each line of `data` is an event, legal where it stands or not; its first byte says which and of which
/// block, the rest is its text. Whatever comes, a client's parser reads whole events, `[DONE]` after a finish and nothing
/// after it, or an error and no finish; and the texts it joins are those that were written.
///
/// # Panics
/// If the encoder breaks the promise.
pub fn fuzz_chunks(data: &[u8]) {
    let mut encoder = ChunkEncoder::new(
        &HEAD,
        CallForms::default(),
        1,
        StreamOptions { include_usage: data.len() % 2 == 1 },
    );
    let (mut out, mut said, mut good) = (Vec::new(), String::new(), true);
    for line in data.split(|byte| *byte == b'\n') {
        let Some((choice, text)) = line.split_first() else { continue };
        let text = String::from_utf8_lossy(text).into_owned();
        let event = event(*choice, &text);
        if encoder.push(0, &event, &mut out).is_err() {
            good = false;
            break;
        }
        if matches!(event, Event::Delta { delta: Delta::Text(_), .. }) {
            said.push_str(&text);
        }
    }
    good = good && encoder.finish(0, &mut out).is_ok();
    if !good {
        let told = ErrorBody { message: "x", r#type: "server_error", param: None, code: None };
        out.extend_from_slice(&error_event(&told));
    }
    read(&out, &said, good);
}

fn event(choice: u8, text: &str) -> Event {
    let block = BlockIndex(u32::from(choice >> 5));
    let delta = |delta| Event::Delta { block, delta };
    match choice % 11 {
        0 => Event::Start,
        1 => Event::BlockStart { block, kind: BlockKind::Text },
        2 => Event::BlockStart { block, kind: BlockKind::Reasoning },
        3 => Event::BlockStart {
            block,
            kind: BlockKind::ToolUse { id: format!("id{text}"), name: text.to_owned() },
        },
        4 => delta(Delta::Text(Text::new(text))),
        5 => delta(Delta::Reasoning(Text::new(text))),
        6 => delta(Delta::Signature(Text::new(text))),
        7 => delta(Delta::ToolInput(Text::new(text))),
        8 => Event::BlockStop { block },
        9 => Event::Stop(StopReason::EndTurn),
        _ => Event::Usage(Usage { output: text.len() as u64, ..Usage::default() }),
    }
}

/// As a client reads it.
fn read(out: &[u8], said: &str, good: bool) {
    let text = str::from_utf8(out).expect("a stream is UTF-8");
    let text = text.strip_suffix("\n\n").expect("the last event is whole");
    let (mut heard, mut finishes, mut ended) = (String::new(), 0, false);
    for event in text.split("\n\n") {
        assert!(!ended, "something comes after the end: {event}");
        assert!(!event.contains(['\n', '\r']), "an event has one line: {event:?}");
        let data = event.strip_prefix("data: ").expect("every line is data");
        if data == "[DONE]" {
            ended = true;
            assert!(good && finishes == 1, "it is done without a finish");
            continue;
        }
        let chunk: Value = serde_json::from_str(data).expect("data is JSON");
        if chunk.get("error").is_some() {
            ended = true;
            assert!(!good && finishes == 0, "an error beside a finish");
            continue;
        }
        let choice = &chunk["choices"][0];
        heard.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
        finishes += u32::from(choice["finish_reason"].is_string());
    }
    assert!(ended, "it has no end");
    assert_eq!(heard, said, "the text isn't what was written");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_events_break_a_stream(lines in prop::collection::vec((0_u8..11, any::<String>()), 0..12)) {
            let lines = lines.into_iter().map(|(choice, text)| [&[choice], text.as_bytes()].concat());
            fuzz_chunks(&lines.collect::<Vec<_>>().join(&b'\n'));
        }
    }

    #[test]
    fn a_good_stream_is_read_as_one() {
        fuzz_chunks(b"\x00\n\x01\n\x04one \n\x04\"two\"\n\x08\n\x09\n\x0aeleven");
    }
}
