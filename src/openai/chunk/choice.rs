//! One reply of a stream: its events → chunks, but for what ends the stream.

use super::{Frame, push_all};
use crate::chat::{
    BlockIndex, BlockKind, Citation, Delta, Event, Extra, ServiceTier, StopReason, Text, Usage,
};
use crate::openai::EncodeError;
use crate::openai::calls::{CallForm, CallForms, custom_input};
use crate::openai::encode::{Annotation, Extras, ReasoningDetail, characters, tier_word};
use crate::openai::finish::finish_reason;

/// One of the replies that are streamed.
#[derive(Debug)]
pub(super) struct Choice {
    /// `{"index":0,"delta":`
    delta: String,
    phase: Phase,
    open: Vec<OpenBlock>,
    /// Tool calls begun: the next one's number on the wire.
    calls: u32,
    /// Entries of `reasoning_details` written: the next one's number.
    details: usize,
    /// Text, or why there is none, has been written.
    spoke: bool,
    pub(super) usage: Option<Usage>,
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
    Reasoning(Gathered),
    /// With its number among the calls, and whether it has been given any input.
    Tool {
        call: u32,
        has_input: bool,
    },
    /// A call of a custom tool, whose free text is told once it is whole.
    Custom {
        call: u32,
        pieces: Gathered,
    },
    /// The deprecated `function_call`.
    FunctionCall {
        has_input: bool,
    },
}

/// Pieces of a text that is told once it is whole, up to a length that none has.
#[derive(Debug, Default)]
struct Gathered {
    pieces: Vec<Text>,
    bytes: usize,
}

/// Longest text that is gathered. The most that a model writes at once is some hundred thousand tokens.
const LONGEST_GATHERED: usize = 4 * 1024 * 1024;

/// What a piece takes beside its text.
const AROUND: usize = 32;

impl Gathered {
    fn push(&mut self, piece: &Text) {
        self.bytes = self.bytes.saturating_add(piece.as_json().len() + AROUND);
        if self.bytes > LONGEST_GATHERED {
            self.pieces = Vec::new();
        } else {
            self.pieces.push(piece.clone());
        }
    }

    /// All of it, if it isn't too long to have been kept.
    fn whole(&self) -> Result<Text, EncodeError> {
        if self.bytes > LONGEST_GATHERED {
            return Err(EncodeError::Grammar("a text that has to be told whole is too long"));
        }
        Ok(Text::concat(&self.pieces))
    }
}

impl Choice {
    pub(super) fn new(index: usize) -> Self {
        Self {
            delta: format!("{{\"index\":{index},\"delta\":"),
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

    /// Takes the next event and appends the chunks it stands for: none or one.
    pub(super) fn push(
        &mut self,
        event: &Event,
        frame: &Frame,
        forms: &CallForms,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let taken = self.take(event, frame, forms, out);
        if taken.is_err() {
            self.phase = Phase::Closed;
        }
        taken
    }

    /// Nothing more comes of it.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// Appends the finish chunk. Gives the finish reason.
    pub(super) fn finish(
        &mut self,
        frame: &Frame,
        forms: &CallForms,
        out: &mut Vec<u8>,
    ) -> Result<&'static str, EncodeError> {
        let stop = match std::mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Stopped(stop) => stop,
            Phase::Fresh | Phase::Open => return Err(EncodeError::Truncated),
            Phase::Closed => return Err(EncodeError::Grammar("a choice is finished once")),
        };
        let reason = finish_reason(&stop, self.calls > 0, self.spoke || self.calls > 0)?;
        let reason = forms.finish_reason(reason);
        if !self.citations.is_empty() {
            let annotation = |citation| Annotation::new(citation, self.characters);
            let annotations: Vec<_> = self.citations.iter().map(annotation).collect();
            let annotations = serde_json::to_string(&annotations)?;
            frame.chunk(&self.delta, &["{\"annotations\":", &annotations, "}"], out);
        }
        out.extend_from_slice(&frame.head);
        push_all(out, &[&self.delta, "{},\"logprobs\":null,\"finish_reason\":\"", reason, "\"}]"]);
        if let Some(tier) = self.service_tier {
            push_all(out, &[",\"service_tier\":\"", tier_word(tier), "\""]);
        }
        if !self.extras.is_empty() {
            push_all(out, &[",\"bedrock\":", &serde_json::to_string(&Extras(&self.extras))?]);
        }
        push_all(out, &[if frame.include_usage { ",\"usage\":null}\n\n" } else { "}\n\n" }]);
        Ok(reason)
    }

    fn take(
        &mut self,
        event: &Event,
        frame: &Frame,
        forms: &CallForms,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
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
                frame.chunk(
                    &self.delta,
                    &["{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}"],
                    out,
                );
            }
            (Phase::Open, Event::Delta { block, delta }) => self.grow(*block, delta, frame, out)?,
            (Phase::Open, Event::BlockStart { block, kind }) => {
                self.block_start(*block, kind, frame, forms, out)?;
            }
            (Phase::Open, Event::BlockStop { block }) => self.block_stop(*block, frame, out)?,
            (Phase::Open, Event::Refusal(words)) => {
                if !words.is_empty() {
                    self.spoke = true;
                    frame.chunk(&self.delta, &["{\"refusal\":", words.as_json(), "}"], out);
                }
            }
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
                | Event::Refusal(_)
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
                | Event::Refusal(_)
                | Event::Stop(_),
            ) => return Err(EncodeError::Grammar("an event after the model's stop")),
        }
        Ok(())
    }

    fn block_start(
        &mut self,
        block: BlockIndex,
        kind: &BlockKind,
        frame: &Frame,
        forms: &CallForms,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        if self.open.iter().any(|open| open.index == block) {
            return Err(EncodeError::Grammar("a block that is open begins again"));
        }
        let kind = match kind {
            BlockKind::Text => OpenKind::Text,
            BlockKind::Reasoning => OpenKind::Reasoning(Gathered::default()),
            BlockKind::ToolUse { id, name } => self.call_start(id, name, frame, forms, out),
        };
        self.open.push(OpenBlock { index: block, kind });
        Ok(())
    }

    fn call_start(
        &mut self,
        id: &str,
        name: &str,
        frame: &Frame,
        forms: &CallForms,
        out: &mut Vec<u8>,
    ) -> OpenKind {
        let call = self.calls;
        self.calls = call.saturating_add(1);
        let form = forms.form(name, usize::try_from(call).unwrap_or(usize::MAX));
        let (id, name, index) = (Text::new(id), Text::new(name), call.to_string());
        let (kind, input) = match form {
            CallForm::Function => {
                (",\"type\":\"function\",\"function\":{\"name\":", ",\"arguments\":\"\"}}]}")
            }
            CallForm::Custom => (",\"type\":\"custom\",\"custom\":{\"name\":", ",\"input\":\"\"}}]}"),
            CallForm::Deprecated => {
                let pieces = ["{\"function_call\":{\"name\":", name.as_json(), ",\"arguments\":\"\"}}"];
                frame.chunk(&self.delta, &pieces, out);
                return OpenKind::FunctionCall { has_input: false };
            }
        };
        let start = "{\"tool_calls\":[{\"index\":";
        let pieces = [start, &index, ",\"id\":", id.as_json(), kind, name.as_json(), input];
        frame.chunk(&self.delta, &pieces, out);
        match form {
            CallForm::Custom => OpenKind::Custom { call, pieces: Gathered::default() },
            CallForm::Function | CallForm::Deprecated => OpenKind::Tool { call, has_input: false },
        }
    }

    fn grow(
        &mut self,
        block: BlockIndex,
        delta: &Delta,
        frame: &Frame,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let Some(open) = self.open.iter_mut().rev().find(|open| open.index == block) else {
            return Err(EncodeError::Grammar("a delta of a block that isn't open"));
        };
        match (&mut open.kind, delta) {
            (OpenKind::Text, Delta::Text(text)) => {
                if !text.is_empty() {
                    self.spoke = true;
                    self.characters += characters(text);
                    frame.chunk(&self.delta, &["{\"content\":", text.as_json(), "}"], out);
                }
            }
            (OpenKind::Tool { call, has_input }, Delta::ToolInput(fragment)) => {
                if !fragment.is_empty() {
                    *has_input = true;
                    arguments(*call, fragment.as_json(), &self.delta, frame, out);
                }
            }
            (OpenKind::Custom { call: _, pieces }, Delta::ToolInput(fragment)) => {
                pieces.push(fragment);
            }
            (OpenKind::FunctionCall { has_input }, Delta::ToolInput(fragment)) => {
                if !fragment.is_empty() {
                    *has_input = true;
                    deprecated_arguments(fragment.as_json(), &self.delta, frame, out);
                }
            }
            (OpenKind::Reasoning(thought), Delta::Reasoning(text)) => {
                if !text.is_empty() {
                    thought.push(text);
                    frame.chunk(&self.delta, &["{\"reasoning_content\":", text.as_json(), "}"], out);
                }
            }
            (OpenKind::Reasoning(thought), Delta::Signature(signature)) => {
                let text = thought.whole()?;
                self.reasoning_detail(&ReasoningDetail::signed(self.details, &text, signature), frame, out)?;
            }
            (OpenKind::Reasoning(_), Delta::Redacted(data)) => {
                self.reasoning_detail(&ReasoningDetail::encrypted(self.details, data), frame, out)?;
            }
            (OpenKind::Text, Delta::Citation(citation)) => self.citations.push(citation.clone()),
            (
                OpenKind::Text
                | OpenKind::Reasoning(_)
                | OpenKind::Tool { .. }
                | OpenKind::Custom { .. }
                | OpenKind::FunctionCall { .. },
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

    fn block_stop(&mut self, block: BlockIndex, frame: &Frame, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let Some(at) = self.open.iter().position(|open| open.index == block) else {
            return Err(EncodeError::Grammar("the end of a block that isn't open"));
        };
        match self.open.swap_remove(at).kind {
            // Clients parse the joined fragments, and no fragments are no JSON.
            OpenKind::Tool { call, has_input: false } => arguments(call, EMPTY, &self.delta, frame, out),
            OpenKind::FunctionCall { has_input: false } => {
                deprecated_arguments(EMPTY, &self.delta, frame, out);
            }
            OpenKind::Custom { call, pieces } => {
                let input = custom_input(&pieces.whole()?);
                let index = call.to_string();
                let start = "{\"tool_calls\":[{\"index\":";
                let pieces = [start, &index, ",\"custom\":{\"input\":", input.as_json(), "}}]}"];
                frame.chunk(&self.delta, &pieces, out);
            }
            OpenKind::Text
            | OpenKind::Reasoning(_)
            | OpenKind::Tool { call: _, has_input: true }
            | OpenKind::FunctionCall { has_input: true } => {}
        }
        Ok(())
    }

    fn reasoning_detail(
        &mut self,
        detail: &ReasoningDetail<'_>,
        frame: &Frame,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let detail = serde_json::to_string(detail)?;
        self.details = self.details.saturating_add(1);
        frame.chunk(&self.delta, &["{\"reasoning_details\":[", &detail, "]}"], out);
        Ok(())
    }
}

/// No arguments, as a fragment.
const EMPTY: &str = "\"{}\"";

fn arguments(call: u32, fragment: &str, delta: &str, frame: &Frame, out: &mut Vec<u8>) {
    let start = "{\"tool_calls\":[{\"index\":";
    let middle = ",\"function\":{\"arguments\":";
    if call == 0 {
        frame.chunk(delta, &[start, "0", middle, fragment, "}}]}"], out);
    } else {
        frame.chunk(delta, &[start, &call.to_string(), middle, fragment, "}}]}"], out);
    }
}

fn deprecated_arguments(fragment: &str, delta: &str, frame: &Frame, out: &mut Vec<u8>) {
    frame.chunk(delta, &["{\"function_call\":{\"arguments\":", fragment, "}}"], out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_too_long_to_be_gathered_is_not_told_in_part() {
        let mut gathered = Gathered::default();
        gathered.push(&Text::new("a"));
        gathered.push(&Text::new("b"));
        assert_eq!(gathered.whole().unwrap(), Text::new("ab"));
        let piece = Text::new(&"x".repeat(1024 * 1024));
        for _ in 0..5 {
            gathered.push(&piece);
        }
        assert!(gathered.whole().is_err());
        assert!(gathered.pieces.is_empty());
    }
}
