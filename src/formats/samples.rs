//! Replies for the property tests of formats, in no format's words.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::chat::{Event, Response, StopReason, Usage};

/// A block, as the pieces it comes in.
#[derive(Debug, Clone)]
pub(super) enum Said {
    Text(Vec<String>),
    Thought { pieces: Vec<String>, signature: Option<String> },
    Redacted(String),
    Tool { id: String, name: String, pieces: Vec<String> },
}

/// Any reply: its blocks, and each cut anywhere.
pub(super) fn reply() -> impl Strategy<Value = Vec<Said>> {
    let pieces = || vec(any::<String>(), 0..5);
    let input = vec(("[a-z]{1,8}", any::<String>()), 0..3).prop_map(|members| {
        Value::Object(members.into_iter().map(|(key, text)| (key, text.into())).collect::<Map<_, _>>())
    });
    let said = prop_oneof![
        pieces().prop_map(Said::Text),
        (pieces(), proptest::option::of("[a-zA-Z0-9+/]{4,12}"))
            .prop_map(|(pieces, signature)| Said::Thought { pieces, signature }),
        "[a-zA-Z0-9+/]{4,12}".prop_map(Said::Redacted),
        ("[a-z_]{1,12}", "[a-z_]{1,12}", input, 1..7_usize).prop_map(|(id, name, input, size)| {
            let json: Vec<char> = input.to_string().chars().collect();
            let pieces = if json.len() > 2 {
                json.chunks(size).map(|piece| piece.iter().collect()).collect()
            } else {
                // A tool without arguments says nothing.
                Vec::new()
            };
            Said::Tool { id, name, pieces }
        }),
    ];
    vec(said, 0..5)
}

/// The input that a tool's pieces make.
pub(super) fn input(pieces: &[String]) -> Value {
    if pieces.is_empty() {
        Value::Object(Map::new())
    } else {
        serde_json::from_str(&pieces.concat()).unwrap()
    }
}

/// A reply in plain values, for comparison: inputs as values, since a model is free in its white space.
#[derive(Debug, PartialEq)]
pub(super) struct View {
    pub(super) text: Option<String>,
    pub(super) refusal: Option<String>,
    pub(super) reasoning: Vec<[Option<String>; 3]>,
    pub(super) tools: Vec<(String, String, Value)>,
    pub(super) stop: StopReason,
    pub(super) usage: Option<Usage>,
}

/// Folds a reply's events.
pub(super) fn view(events: Vec<Event>) -> View {
    let Response {
        text,
        refusal,
        reasoning,
        tool_calls,
        stop,
        usage,
        citations: _,
        service_tier: _,
        extras: _,
    } = Response::assemble(events).unwrap();
    let plain = |text: crate::chat::Text| text.decode().into_owned();
    View {
        text: text.map(plain),
        refusal: refusal.map(plain),
        reasoning: reasoning
            .into_iter()
            .map(|thought| {
                [Some(plain(thought.text)), thought.signature.map(plain), thought.redacted.map(plain)]
            })
            .collect(),
        tools: tool_calls
            .into_iter()
            .map(|call| (call.id, call.name, serde_json::from_str(&call.arguments.decode()).unwrap()))
            .collect(),
        stop,
        usage,
    }
}

/// What any decoding of `said` has to come to.
pub(super) fn expected(said: &[Said], stop: StopReason, usage: Option<Usage>) -> View {
    let (mut text, mut reasoning, mut tools) = (String::new(), Vec::new(), Vec::new());
    for block in said {
        match block {
            Said::Text(pieces) => text.push_str(&pieces.concat()),
            Said::Thought { pieces, signature } => {
                let thought = pieces.concat();
                if !thought.is_empty() || signature.is_some() {
                    reasoning.push([Some(thought), signature.clone(), None]);
                }
            }
            Said::Redacted(data) => reasoning.push([Some(String::new()), None, Some(data.clone())]),
            Said::Tool { id, name, pieces } => tools.push((id.clone(), name.clone(), input(pieces))),
        }
    }
    View { text: (!text.is_empty()).then_some(text), refusal: None, reasoning, tools, stop, usage }
}

/// Lines for a fuzz entry: an event's number and JSON made of `words`, so that it comes near to the real thing.
pub(super) fn lines(words: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let word = proptest::sample::select(words);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-1..4_i64).prop_map(Value::from),
        (0..3_u32).prop_map(|n| Value::from(f64::from(n))),
        word.clone().prop_map(Value::from),
        Just(Value::from("")),
    ];
    let value = leaf.prop_recursive(4, 24, 5, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec((word.clone(), inner), 0..5).prop_map(|members| {
                Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
            }),
        ]
    });
    vec((any::<u8>(), value), 0..12).prop_map(|lines| {
        let mut bytes = Vec::new();
        for (event, json) in lines {
            bytes.push(if event == b'\n' { 0 } else { event });
            bytes.extend_from_slice(json.to_string().as_bytes());
            bytes.push(b'\n');
        }
        bytes
    })
}
