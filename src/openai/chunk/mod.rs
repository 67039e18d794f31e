//! [`Event`]s → `chat.completion.chunk` objects as server-sent events.
//!
//! This is the path that every piece of every streamed answer takes. What all chunks of a stream share is
//! written once, and a delta is copied between its two halves as the JSON string it is.

mod choice;

use super::EncodeError;
use super::calls::CallForms;
use super::encode::{Head, sum, wire_usage};
use crate::chat::{Event, Text};
use choice::Choice;

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
/// The finish chunk waits for [`finish`](Self::finish), because usage may follow the model's stop. With several choices their
/// chunks may mix; usage and `[DONE]` follow the last one's finish. After an error the stream must end with
/// [`error_event`](super::error_event) and without `[DONE]`.
#[derive(Debug)]
pub struct ChunkEncoder {
    frame: Frame,
    forms: CallForms,
    choices: Vec<Choice>,
}

/// What all chunks of a stream share.
#[derive(Debug)]
struct Frame {
    /// From `data: ` to `"choices":[`.
    head: Vec<u8>,
    /// From the delta's end to the event's.
    tail: &'static str,
    include_usage: bool,
}

const TAIL: &str = ",\"logprobs\":null,\"finish_reason\":null}]}\n\n";
const TAIL_WITH_USAGE: &str = ",\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n";

impl ChunkEncoder {
    /// Begins a stream of as many choices; nothing is written yet.
    pub fn new(head: &Head<'_>, forms: CallForms, choices: usize, options: StreamOptions) -> Self {
        let StreamOptions { include_usage } = options;
        let (id, model) = (Text::new(head.id), Text::new(head.model));
        let frame = Frame {
            head: format!(
                "data: {{\"id\":{},\"object\":\"chat.completion.chunk\",\"created\":{},\"model\":{},\"choices\":[",
                id.as_json(),
                head.created,
                model.as_json()
            )
            .into_bytes(),
            tail: if include_usage { TAIL_WITH_USAGE } else { TAIL },
            include_usage,
        };
        Self { frame, forms, choices: (0..choices).map(Choice::new).collect() }
    }

    /// Takes the next event of a choice and appends the chunks it stands for to `out`: none or one.
    pub fn push(&mut self, choice: usize, event: &Event, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let choice = self.choices.get_mut(choice).ok_or(EncodeError::Grammar("an event of no choice"))?;
        choice.push(event, &self.frame, &self.forms, out)
    }

    /// A choice is whole: appends its finish chunk. After the last one the usage chunk follows, if one was asked for and the
    /// usage is known, and `[DONE]`. Gives the finish reason. An end before the model's stop is [`EncodeError::Truncated`].
    pub fn finish(&mut self, choice: usize, out: &mut Vec<u8>) -> Result<&'static str, EncodeError> {
        let ended = self.choices.get_mut(choice).ok_or(EncodeError::Grammar("the end of no choice"))?;
        let reason = ended.finish(&self.frame, &self.forms, out)?;
        if !self.choices.iter().all(Choice::is_closed) {
            return Ok(reason);
        }
        let usage = self.choices.iter().filter_map(|choice| choice.usage).reduce(sum);
        if let Some(usage) = usage
            && self.frame.include_usage
        {
            let usage = serde_json::to_string(&wire_usage(&usage))?;
            out.extend_from_slice(&self.frame.head);
            push_all(out, &["],\"usage\":", &usage, "}\n\n"]);
        }
        push_all(out, &["data: [DONE]\n\n"]);
        Ok(reason)
    }
}

impl Frame {
    /// One chunk of a choice whose delta is `pieces` joined.
    fn chunk(&self, delta: &str, pieces: &[&str], out: &mut Vec<u8>) {
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        out.reserve(self.head.len() + delta.len() + length + self.tail.len());
        out.extend_from_slice(&self.head);
        push_all(out, &[delta]);
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
mod tests;
