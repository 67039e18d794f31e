//! [`Event`]s → `chat.completion.chunk` objects as server-sent events.
//!
//! This is the path that every piece of every streamed answer takes. What all chunks of a stream share is
//! written once, and a delta is copied between its two halves as the JSON string it is.

use super::EncodeError;
use super::encode::{Annotation, Extras, Head, ReasoningDetail, characters, tier_word, wire_usage};
use super::finish::finish_reason;
use crate::chat::{
    BlockIndex, BlockKind, Citation, Delta, Event, Extra, ServiceTier, StopReason, Text, Usage,
};

/// What the client asked of the stream.
#[derive(Debug, Clone, Copy, Default)]
pub struct StreamOptions {
    /// A usage chunk before the end, and `usage: null` in the others.
    pub include_usage: bool,
}

/// Writes one stream. The events it takes are a reply's:
///
/// ```text
/// Start (BlockStart Delta* BlockStop)* Stop Usage?        blocks may overlap, Usage may come earlier
/// ```
///
/// and the chunks it writes are
///
/// ```text
/// role (content | reasoning | tool start | tool arguments)* finish usage? [DONE]
/// ```
///
/// The finish chunk waits for [`finish`](Self::finish), because usage may follow the model's stop. After
/// an error the stream must end with [`error_event`](super::error_event) and without `[DONE]`.
#[derive(Debug)]
pub struct ChunkEncoder {
    /// From `data: ` to `"choices":[`.
    head: Vec<u8>,
    /// From the delta's end to the event's.
    tail: &'static str,
    include_usage: bool,
    phase: Phase,
    open: Vec<OpenBlock>,
    /// Tool calls begun: the next one's number on the wire.
    calls: u32,
    /// Entries of `reasoning_details` written: the next one's number.
    details: usize,
    /// Text has been written.
    spoke: bool,
    usage: Option<Usage>,
    citations: Vec<Citation>,
    /// Characters of text written: what citations stand behind.
    characters: usize,
    service_tier: Option<ServiceTier>,
    extras: Vec<Extra>,
}

#[derive(Debug)]
enum Phase {
    /// Before `Start`.
    Fresh,
    /// Between `Start` and `Stop`.
    Open,
    /// After `Stop`.
    Stopped(StopReason),
    /// After `[DONE]`, or after an error.
    Closed,
}

#[derive(Debug)]
struct OpenBlock {
    index: BlockIndex,
    kind: OpenKind,
}

#[derive(Debug)]
enum OpenKind {
    Text,
    /// With the thought so far: a signature is worth nothing without the whole of what it signs.
    Reasoning(Vec<Text>),
    /// With its number among the calls, and whether it has been given any input.
    Tool {
        call: u32,
        has_input: bool,
    },
}

const DELTA: &str = r#"{"index":0,"delta":"#;
const TAIL: &str = ",\"logprobs\":null,\"finish_reason\":null}]}\n\n";
const TAIL_WITH_USAGE: &str = ",\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n";

impl ChunkEncoder {
    /// Begins a stream; nothing is written yet.
    pub fn new(head: &Head<'_>, options: StreamOptions) -> Self {
        let StreamOptions { include_usage } = options;
        let (id, model) = (Text::new(head.id), Text::new(head.model));
        Self {
            head: format!(
                "data: {{\"id\":{},\"object\":\"chat.completion.chunk\",\"created\":{},\"model\":{},\"choices\":[",
                id.as_json(),
                head.created,
                model.as_json()
            )
            .into_bytes(),
            tail: if include_usage { TAIL_WITH_USAGE } else { TAIL },
            include_usage,
            phase: Phase::Fresh,
            open: Vec::new(),
            calls: 0,
            details: 0,
            spoke: false,
            usage: None,
            citations: Vec::new(),
            characters: 0,
            service_tier: None,
            extras: Vec::new(),
        }
    }

    /// Takes the next event and appends the chunks it stands for to `out`: none or one.
    pub fn push(&mut self, event: &Event, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let taken = self.take(event, out);
        if taken.is_err() {
            self.phase = Phase::Closed;
        }
        taken
    }

    /// The reply is whole: appends the finish chunk, the usage chunk if one was asked for and the usage is
    /// known, and `[DONE]`. Gives the finish reason. An end before the model's stop is [`EncodeError::Truncated`].
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<&'static str, EncodeError> {
        let stop = match std::mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Stopped(stop) => stop,
            Phase::Fresh | Phase::Open => return Err(EncodeError::Truncated),
            Phase::Closed => return Err(EncodeError::Grammar("a stream is finished once")),
        };
        let reason = finish_reason(&stop, self.calls > 0, self.spoke || self.calls > 0)?;
        let usage = match &self.usage {
            Some(usage) if self.include_usage => Some(serde_json::to_string(&wire_usage(usage))?),
            Some(_) | None => None,
        };
        if !self.citations.is_empty() {
            let annotation = |citation| Annotation::new(citation, self.characters);
            let annotations: Vec<_> = self.citations.iter().map(annotation).collect();
            self.chunk(out, &["{\"annotations\":", &serde_json::to_string(&annotations)?, "}"]);
        }
        out.extend_from_slice(&self.head);
        push_all(out, &[DELTA, "{},\"logprobs\":null,\"finish_reason\":\"", reason, "\"}]"]);
        if let Some(tier) = self.service_tier {
            push_all(out, &[",\"service_tier\":\"", tier_word(tier), "\""]);
        }
        if !self.extras.is_empty() {
            push_all(out, &[",\"bedrock\":", &serde_json::to_string(&Extras(&self.extras))?]);
        }
        push_all(out, &[if self.include_usage { ",\"usage\":null}\n\n" } else { "}\n\n" }]);
        if let Some(usage) = usage {
            out.extend_from_slice(&self.head);
            push_all(out, &["],\"usage\":", &usage, "}\n\n"]);
        }
        push_all(out, &["data: [DONE]\n\n"]);
        Ok(reason)
    }

    fn take(&mut self, event: &Event, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match (&self.phase, event) {
            (Phase::Closed, _) => return Err(EncodeError::Grammar("an event after the end of its stream")),
            (Phase::Fresh | Phase::Open | Phase::Stopped(_), Event::Usage(usage)) => {
                self.usage = Some(*usage);
            }
            (Phase::Open | Phase::Stopped(_), Event::ServiceTier(tier)) => self.service_tier = Some(*tier),
            (Phase::Open | Phase::Stopped(_), Event::Extra(extra)) => {
                self.extras.retain(|known| known.name != extra.name);
                self.extras.push(extra.clone());
            }
            (Phase::Fresh, Event::Start) => {
                self.phase = Phase::Open;
                self.chunk(out, &["{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}"]);
            }
            (Phase::Open, Event::Delta { block, delta }) => self.delta(*block, delta, out)?,
            (Phase::Open, Event::BlockStart { block, kind }) => self.block_start(*block, kind, out)?,
            (Phase::Open, Event::BlockStop { block }) => self.block_stop(*block, out)?,
            (Phase::Open, Event::Stop(reason)) => {
                if !self.open.is_empty() {
                    return Err(EncodeError::Grammar("the model stopped inside a block"));
                }
                self.phase = Phase::Stopped(reason.clone());
            }
            (Phase::Open, Event::Start) => return Err(EncodeError::Grammar("a second start")),
            (
                Phase::Fresh,
                Event::BlockStart { .. }
                | Event::Delta { .. }
                | Event::BlockStop { .. }
                | Event::Stop(_)
                | Event::ServiceTier(_)
                | Event::Extra(_),
            ) => return Err(EncodeError::Grammar("an event before the start")),
            (
                Phase::Stopped(_),
                Event::Start
                | Event::BlockStart { .. }
                | Event::Delta { .. }
                | Event::BlockStop { .. }
                | Event::Stop(_),
            ) => return Err(EncodeError::Grammar("an event after the model's stop")),
        }
        Ok(())
    }

    fn block_start(
        &mut self,
        block: BlockIndex,
        kind: &BlockKind,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        if self.open.iter().any(|open| open.index == block) {
            return Err(EncodeError::Grammar("a block that is open begins again"));
        }
        let kind = match kind {
            BlockKind::Text => OpenKind::Text,
            BlockKind::Reasoning => OpenKind::Reasoning(Vec::new()),
            BlockKind::ToolUse { id, name } => {
                let call = self.calls;
                self.calls = call.saturating_add(1);
                let (id, name, index) = (Text::new(id), Text::new(name), call.to_string());
                self.chunk(
                    out,
                    &[
                        "{\"tool_calls\":[{\"index\":",
                        &index,
                        ",\"id\":",
                        id.as_json(),
                        ",\"type\":\"function\",\"function\":{\"name\":",
                        name.as_json(),
                        ",\"arguments\":\"\"}}]}",
                    ],
                );
                OpenKind::Tool { call, has_input: false }
            }
        };
        self.open.push(OpenBlock { index: block, kind });
        Ok(())
    }

    fn delta(&mut self, block: BlockIndex, delta: &Delta, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let Some(open) = self.open.iter_mut().rev().find(|open| open.index == block) else {
            return Err(EncodeError::Grammar("a delta of a block that isn't open"));
        };
        match (&mut open.kind, delta) {
            (OpenKind::Text, Delta::Text(text)) => {
                if !text.is_empty() {
                    self.spoke = true;
                    self.characters += characters(text);
                    self.chunk(out, &["{\"content\":", text.as_json(), "}"]);
                }
            }
            (OpenKind::Tool { call, has_input }, Delta::ToolInput(fragment)) => {
                if !fragment.is_empty() {
                    *has_input = true;
                    let call = *call;
                    self.arguments(call, fragment.as_json(), out);
                }
            }
            (OpenKind::Reasoning(thought), Delta::Reasoning(text)) => {
                if !text.is_empty() {
                    thought.push(text.clone());
                    self.chunk(out, &["{\"reasoning_content\":", text.as_json(), "}"]);
                }
            }
            (OpenKind::Reasoning(thought), Delta::Signature(signature)) => {
                let text = Text::concat(thought.iter());
                self.reasoning_detail(&ReasoningDetail::signed(self.details, &text, signature), out)?;
            }
            (OpenKind::Reasoning(_), Delta::Redacted(data)) => {
                self.reasoning_detail(&ReasoningDetail::encrypted(self.details, data), out)?;
            }
            (OpenKind::Text, Delta::Citation(citation)) => self.citations.push(citation.clone()),
            (
                OpenKind::Text | OpenKind::Reasoning(_) | OpenKind::Tool { .. },
                Delta::Text(_)
                | Delta::Reasoning(_)
                | Delta::Signature(_)
                | Delta::Redacted(_)
                | Delta::Citation(_)
                | Delta::ToolInput(_),
            ) => return Err(EncodeError::Grammar("a delta of another kind than its block")),
        }
        Ok(())
    }

    fn block_stop(&mut self, block: BlockIndex, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let Some(at) = self.open.iter().position(|open| open.index == block) else {
            return Err(EncodeError::Grammar("the end of a block that isn't open"));
        };
        match self.open.swap_remove(at).kind {
            // Clients parse the joined fragments, and no fragments are no JSON.
            OpenKind::Tool { call, has_input: false } => self.arguments(call, "\"{}\"", out),
            OpenKind::Text | OpenKind::Reasoning(_) | OpenKind::Tool { has_input: true, .. } => {}
        }
        Ok(())
    }

    fn arguments(&self, call: u32, fragment: &str, out: &mut Vec<u8>) {
        let start = "{\"tool_calls\":[{\"index\":";
        let middle = ",\"function\":{\"arguments\":";
        if call == 0 {
            self.chunk(out, &[start, "0", middle, fragment, "}}]}"]);
        } else {
            self.chunk(out, &[start, &call.to_string(), middle, fragment, "}}]}"]);
        }
    }

    fn reasoning_detail(
        &mut self,
        detail: &ReasoningDetail<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let detail = serde_json::to_string(detail)?;
        self.details = self.details.saturating_add(1);
        self.chunk(out, &["{\"reasoning_details\":[", &detail, "]}"]);
        Ok(())
    }

    /// One chunk whose delta is `pieces` joined.
    fn chunk(&self, out: &mut Vec<u8>, pieces: &[&str]) {
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        out.reserve(self.head.len() + DELTA.len() + length + self.tail.len());
        out.extend_from_slice(&self.head);
        push_all(out, &[DELTA]);
        push_all(out, pieces);
        push_all(out, &[self.tail]);
    }
}

fn push_all(out: &mut Vec<u8>, pieces: &[&str]) {
    for piece in pieces {
        out.extend_from_slice(piece.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const HEAD: Head<'static> = Head { id: "chatcmpl-1", created: 1_700_000_000, model: "a \"model\"" };
    const A: BlockIndex = BlockIndex(0);
    const B: BlockIndex = BlockIndex(2);
    const C: BlockIndex = BlockIndex(5);

    fn start(block: BlockIndex, kind: BlockKind) -> Event {
        Event::BlockStart { block, kind }
    }

    fn tool(id: &str) -> BlockKind {
        BlockKind::ToolUse { id: id.to_owned(), name: "look".to_owned() }
    }

    fn text(block: BlockIndex, text: &str) -> Event {
        Event::Delta { block, delta: Delta::Text(Text::new(text)) }
    }

    fn input(block: BlockIndex, fragment: &str) -> Event {
        Event::Delta { block, delta: Delta::ToolInput(Text::new(fragment)) }
    }

    fn stream(include_usage: bool, events: &[Event]) -> Result<String, EncodeError> {
        let mut encoder = ChunkEncoder::new(&HEAD, StreamOptions { include_usage });
        let mut out = Vec::new();
        for event in events {
            encoder.push(event, &mut out)?;
        }
        encoder.finish(&mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn chunks(stream: &str) -> Vec<Value> {
        let events: Vec<&str> = stream.split_terminator("\n\n").collect();
        let (done, chunks) = events.split_last().unwrap();
        assert_eq!(*done, "data: [DONE]");
        chunks
            .iter()
            .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
            .collect()
    }

    fn deltas(stream: &str) -> Vec<Value> {
        let is_null = |chunk: &Value| chunk["choices"][0]["finish_reason"].is_null();
        chunks(stream)
            .into_iter()
            .filter(is_null)
            .map(|mut chunk| chunk["choices"][0]["delta"].take())
            .collect()
    }

    #[test]
    fn a_stream_is_written_to_the_byte() {
        let events = [
            Event::Start,
            start(A, BlockKind::Reasoning),
            Event::Delta { block: A, delta: Delta::Reasoning(Text::new("h")) },
            Event::Delta { block: A, delta: Delta::Reasoning(Text::new("m")) },
            Event::Delta { block: A, delta: Delta::Signature(Text::new("c2ln")) },
            Event::BlockStop { block: A },
            start(B, BlockKind::Text),
            text(B, "Hé,\n"),
            text(B, ""),
            text(B, "\"you\""),
            Event::BlockStop { block: B },
            start(C, tool("call_a")),
            input(C, ""),
            input(C, "{\"where\":"),
            input(C, "\"left\"}"),
            Event::BlockStop { block: C },
            start(A, tool("call_b")),
            Event::BlockStop { block: A },
            Event::Stop(StopReason::ToolUse),
            Event::Usage(Usage { input: 3, output: 5, cache_read: 7, cache_write: 0, reasoning: None }),
        ];
        assert_eq!(
            stream(true, &events).unwrap(),
            include_str!("../../tests/fixtures/openai/stream.sse"),
            "with usage"
        );
    }

    #[test]
    fn tool_calls_are_numbered_densely_whatever_their_blocks() {
        let events = [
            Event::Start,
            start(B, tool("b")),
            start(C, tool("c")),
            input(C, "{}"),
            input(B, "{}"),
            Event::BlockStop { block: C },
            Event::BlockStop { block: B },
            Event::Stop(StopReason::EndTurn),
        ];
        let stream = stream(false, &events).unwrap();
        let calls: Vec<(Value, Value)> = deltas(&stream)[1..]
            .iter()
            .map(|delta| (delta["tool_calls"][0]["index"].clone(), delta["tool_calls"][0]["id"].clone()))
            .collect();
        assert_eq!(
            calls,
            [
                (json!(0), json!("b")),
                (json!(1), json!("c")),
                (json!(1), Value::Null),
                (json!(0), Value::Null),
            ]
        );
        let last = chunks(&stream).pop().unwrap();
        assert_eq!(last["choices"][0]["finish_reason"], "tool_calls");
    }

    #[test]
    fn a_call_without_input_ends_as_an_empty_object() {
        let events = [
            Event::Start,
            start(A, tool("a")),
            input(A, ""),
            Event::BlockStop { block: A },
            Event::Stop(StopReason::ToolUse),
        ];
        let deltas = deltas(&stream(false, &events).unwrap());
        assert_eq!(
            deltas.last(),
            Some(&json!({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}))
        );
    }

    #[test]
    fn usage_is_last_and_only_if_it_was_asked_for_and_told() {
        let usage = Usage { input: 1, output: 2, cache_read: 0, cache_write: 0, reasoning: None };
        let told = [Event::Usage(usage), Event::Start, Event::Stop(StopReason::EndTurn)];
        let untold = [Event::Start, Event::Stop(StopReason::EndTurn)];

        let chunks_told = chunks(&stream(true, &told).unwrap());
        let (last, others) = chunks_told.split_last().unwrap();
        assert_eq!((&last["choices"], &last["usage"]["total_tokens"]), (&json!([]), &json!(3)));
        assert!(others.iter().all(|chunk| chunk.get("usage") == Some(&Value::Null)));

        for chunk in chunks(&stream(false, &told).unwrap()) {
            assert_eq!(chunk.get("usage"), None);
        }
        for chunk in chunks(&stream(true, &untold).unwrap()) {
            assert_eq!(chunk.get("usage"), Some(&Value::Null));
        }
    }

    #[test]
    fn events_out_of_place_end_the_stream_without_done() {
        let stop = || Event::Stop(StopReason::EndTurn);
        for events in [
            vec![text(A, "x")],
            vec![stop()],
            vec![Event::Start, Event::Start],
            vec![Event::Start, text(A, "x")],
            vec![Event::Start, Event::BlockStop { block: A }],
            vec![Event::Start, start(A, BlockKind::Text), start(A, BlockKind::Text)],
            vec![Event::Start, start(A, tool("a")), text(A, "x")],
            vec![Event::Start, start(A, BlockKind::Text), input(A, "x")],
            vec![Event::Start, start(A, BlockKind::Text), stop()],
            vec![Event::Start, stop(), stop()],
            vec![Event::Start, stop(), start(A, BlockKind::Text)],
        ] {
            let mut encoder = ChunkEncoder::new(&HEAD, StreamOptions::default());
            let mut out = Vec::new();
            let (last, before) = events.split_last().unwrap();
            for event in before {
                encoder.push(event, &mut out).unwrap();
            }
            let length = out.len();
            assert!(matches!(encoder.push(last, &mut out), Err(EncodeError::Grammar(_))), "{events:?}");
            assert!(matches!(encoder.finish(&mut out), Err(EncodeError::Grammar(_))), "{events:?}");
            assert_eq!(out.len(), length, "an error writes nothing: {events:?}");
        }
    }

    #[test]
    fn an_end_before_the_models_stop_is_never_done() {
        for events in
            [vec![], vec![Event::Start], vec![Event::Start, start(A, BlockKind::Text), text(A, "x")]]
        {
            assert!(matches!(stream(true, &events), Err(EncodeError::Truncated)));
        }
        let malformed = [Event::Start, Event::Stop(StopReason::Malformed)];
        assert!(matches!(stream(true, &malformed), Err(EncodeError::Malformed)));
    }
}
