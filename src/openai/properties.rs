//! What holds for every text, however it is cut.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    CallForms, ChunkEncoder, Head, StreamOptions, completion, decode, fuzz_decode, fuzz_decode_embeddings,
};
use crate::chat::{Block, BlockIndex, BlockKind, Delta, Event, Response, StopReason, Text, Usage};

const HEAD: Head<'static> = Head { id: "chatcmpl-1", created: 1, model: "m" };

/// A block of a reply: what it is, and its content in the pieces it comes in.
#[derive(Debug, Clone)]
enum Said {
    Text(Vec<String>),
    Thought(Vec<String>, Option<String>),
    Redacted(String),
    Call(Vec<String>),
}

fn pieces() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(any::<String>(), 0..4)
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        pieces().prop_map(Said::Text),
        (pieces(), any::<Option<String>>()).prop_map(|(pieces, signature)| Said::Thought(pieces, signature)),
        any::<String>().prop_map(Said::Redacted),
        pieces().prop_map(Said::Call),
    ]
}

/// The events of a reply. Blocks are numbered with gaps; `interleaved` opens all of them before any ends.
fn events(blocks: &[Said], interleaved: bool, usage: Option<Usage>) -> Vec<Event> {
    let mut events = vec![Event::Start];
    let mut stops = Vec::new();
    for (number, said) in (0_u32..).step_by(3).zip(blocks) {
        let block = BlockIndex(number);
        let (kind, deltas): (BlockKind, Vec<Delta>) = match said {
            Said::Text(pieces) => {
                (BlockKind::Text, pieces.iter().map(|text| Delta::Text(Text::new(text))).collect())
            }
            Said::Thought(pieces, signature) => {
                let thoughts = pieces.iter().map(|text| Delta::Reasoning(Text::new(text)));
                let signature = signature.iter().map(|text| Delta::Signature(Text::new(text)));
                (BlockKind::Reasoning, thoughts.chain(signature).collect())
            }
            Said::Redacted(data) => (BlockKind::Reasoning, vec![Delta::Redacted(Text::new(data))]),
            Said::Call(pieces) => (
                BlockKind::ToolUse { id: format!("call \"{number}\""), name: "f".to_owned() },
                pieces.iter().map(|text| Delta::ToolInput(Text::new(text))).collect(),
            ),
        };
        events.push(Event::BlockStart { block, kind });
        events.extend(deltas.into_iter().map(|delta| Event::Delta { block, delta }));
        let stop = Event::BlockStop { block };
        if interleaved { stops.push(stop) } else { events.push(stop) }
    }
    events.append(&mut stops);
    events.push(Event::Stop(StopReason::EndTurn));
    events.extend(usage.map(Event::Usage));
    events
}

fn streamed(events: &[Event], include_usage: bool) -> Vec<Value> {
    let mut encoder = ChunkEncoder::new(&HEAD, CallForms::default(), 1, StreamOptions { include_usage });
    let mut out = Vec::new();
    for event in events {
        encoder.push(0, event, &mut out).unwrap();
    }
    assert!(!String::from_utf8_lossy(&out).contains("[DONE]\n"), "not before the end");
    encoder.finish(0, &mut out).unwrap();
    let out = String::from_utf8(out).unwrap();
    let chunks = out.strip_suffix("data: [DONE]\n\n").unwrap();
    chunks
        .split_terminator("\n\n")
        .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
        .collect()
}

/// Joins deltas as OpenAI's SDKs do: strings are concatenated, lists are merged by `index`.
fn join(known: &mut Value, delta: &Value) {
    match (known, delta) {
        (Value::Object(known), Value::Object(delta)) => {
            for (key, value) in delta {
                match known.get_mut(key) {
                    Some(known) if !known.is_null() && key != "index" && key != "type" => join(known, value),
                    Some(_) | None => {
                        known.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        (Value::Array(known), Value::Array(delta)) => {
            for entry in delta {
                let index = usize::try_from(entry["index"].as_u64().unwrap()).unwrap();
                assert!(index <= known.len(), "indices are dense");
                match known.get_mut(index) {
                    Some(known) => join(known, entry),
                    None => known.push(entry.clone()),
                }
            }
        }
        (Value::String(known), Value::String(delta)) => known.push_str(delta),
        (known, delta) => panic!("{known} can't grow by {delta}"),
    }
}

/// The message of a whole reply, in the form that joined deltas have: calls with their index, nulls left out.
fn comparable(mut message: Value) -> Value {
    let message = message.as_object_mut().unwrap();
    if let Some(Value::Array(calls)) = message.get_mut("tool_calls") {
        for (index, call) in calls.iter_mut().enumerate() {
            call["index"] = json!(index);
        }
    }
    // A stream starts with empty content before anyone knows that there will be none.
    if message["content"].is_null() {
        message.insert("content".to_owned(), json!(""));
    }
    json!(message)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_text_crosses_unchanged_from_request_to_reply(text: String, escaped: bool) {
        let mut json = serde_json::to_string(&text).unwrap();
        if escaped {
            let units: Vec<String> = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            json = format!("\"{}\"", units.concat());
        }
        let body = format!(r#"{{"messages":[{{"role":"user","content":{json}}}]}}"#);
        let mut decoded = decode(body.as_bytes()).unwrap();
        let Block::Text(read) = decoded.request.messages.remove(0).content.remove(0) else { panic!("a text") };
        let block = BlockIndex(0);
        let response = Response::assemble([
            Event::BlockStart { block, kind: BlockKind::Text },
            Event::Delta { block, delta: Delta::Text(read) },
            Event::BlockStop { block },
            Event::Stop(StopReason::EndTurn),
        ])
        .unwrap();
        let reply: Value = serde_json::from_slice(&completion(&HEAD, &CallForms::default(), std::slice::from_ref(&response)).unwrap().body).unwrap();
        prop_assert_eq!(reply["choices"][0]["message"]["content"].as_str(), Some(text.as_str()));
    }

    #[test]
    fn a_stream_joined_is_the_whole_reply(
        blocks in prop::collection::vec(said(), 0..6),
        interleaved: bool,
        include_usage: bool,
        output in prop::option::of(0..1_000_u64),
    ) {
        let usage = output.map(|output| Usage { output, ..Usage::default() });
        let events = events(&blocks, interleaved, usage);
        let response = Response::assemble(events.clone()).unwrap();
        let whole: Value = serde_json::from_slice(&completion(&HEAD, &CallForms::default(), std::slice::from_ref(&response)).unwrap().body).unwrap();

        let mut chunks = streamed(&events, include_usage);
        if include_usage && usage.is_some() {
            let last = chunks.pop().unwrap();
            prop_assert_eq!(&last["choices"], &json!([]));
            prop_assert_eq!(&last["usage"], &whole["usage"]);
        }
        for chunk in &chunks {
            prop_assert_eq!(chunk["object"].as_str(), Some("chat.completion.chunk"));
            prop_assert_eq!(chunk.get("usage"), include_usage.then_some(&Value::Null));
            prop_assert_eq!(&chunk["choices"][0]["index"], &json!(0));
        }
        let (finish, deltas) = chunks.split_last().unwrap();
        prop_assert_eq!(&finish["choices"][0]["delta"], &json!({}));
        prop_assert_eq!(&finish["choices"][0]["finish_reason"], &whole["choices"][0]["finish_reason"]);
        let mut message = json!({});
        for (at, chunk) in deltas.iter().enumerate() {
            let choice = &chunk["choices"][0];
            prop_assert!(choice["finish_reason"].is_null());
            prop_assert_eq!(choice["delta"].get("role").is_some(), at == 0, "the role comes first and once");
            join(&mut message, &choice["delta"]);
        }
        prop_assert_eq!(message, comparable(whole["choices"][0]["message"].clone()));
    }

    #[test]
    fn any_bytes_get_an_answer(bytes: Vec<u8>) {
        fuzz_decode(&bytes);
        fuzz_decode_embeddings(&bytes);
    }

    #[test]
    fn any_damage_to_a_request_gets_an_answer(at: prop::sample::Index, byte: u8, cut: bool) {
        let mut body = include_bytes!("../../tests/fixtures/openai/full.json").to_vec();
        let at = at.index(body.len());
        if cut { body.truncate(at) } else { body[at] = byte }
        fuzz_decode(&body);
    }
}
