//! A REPLY THAT IS ONE TEXT: what the formats that take one prompt have in common once the fields of their
//! replies are read. Not a format of its own.

use super::bedrock_extras::BedrockExtras;
use super::{ProtocolError, StreamDecoder};
use crate::bedrock::{Frame, Reply};
use crate::chat::{BlockIndex, BlockKind, Delta, Event, StopReason, Text, Usage};

const TEXT: BlockIndex = BlockIndex(0);

/// A chunk of a stream, or a whole reply.
#[derive(Debug, Default)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) stop: Option<StopReason>,
    pub(super) input_tokens: Option<u64>,
    /// So far, not of this piece.
    pub(super) output_tokens: Option<u64>,
}

/// Reads pieces:
///
/// ```text
/// Waiting ──first piece──▶ Open ──piece with a stop reason──▶ Stopped
/// ```
pub(super) struct Completion {
    state: State,
    opening: Opening,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    extras: BedrockExtras,
    skipped: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Open,
    Stopped,
}

impl Completion {
    /// The reply's text may begin with white space, then with `marker`, then with white space again: none of
    /// it is the answer.
    pub(super) fn new(marker: &'static str) -> Self {
        Self {
            state: State::Waiting,
            opening: Opening { marker, held: String::new(), passed: false },
            input_tokens: None,
            output_tokens: None,
            extras: BedrockExtras::default(),
            skipped: 0,
        }
    }

    /// A reply that is whole. Its headers have what the body leaves out.
    pub(super) fn whole(
        mut self,
        mut piece: Piece,
        reply: &Reply,
        events: &mut Vec<Event>,
    ) -> Result<(), ProtocolError> {
        piece.input_tokens = piece.input_tokens.or(reply.head.tokens.input);
        piece.output_tokens = piece.output_tokens.or(reply.head.tokens.output);
        self.push(piece, &reply.body, events)?;
        self.finish(events)
    }

    /// `body` is the JSON that the piece was read from.
    pub(super) fn push(
        &mut self,
        piece: Piece,
        body: &[u8],
        events: &mut Vec<Event>,
    ) -> Result<(), ProtocolError> {
        let Piece { text, stop, input_tokens, output_tokens } = piece;
        self.input_tokens = input_tokens.or(self.input_tokens);
        self.output_tokens = output_tokens.or(self.output_tokens);
        self.extras.learn(body)?;
        match self.state {
            State::Waiting => {
                self.state = State::Open;
                events.extend([Event::Start, Event::BlockStart { block: TEXT, kind: BlockKind::Text }]);
            }
            State::Open => {}
            // Some say it for a text, and again for the reply.
            State::Stopped if text.is_empty() => {
                events.extend(self.usage().map(Event::Usage));
                return Ok(());
            }
            State::Stopped => return Err(ProtocolError::Grammar("text after the stop reason")),
        }
        say(&self.opening.pass(text), events);
        if let Some(reason) = stop {
            self.stop(reason, events);
        }
        Ok(())
    }

    /// Something that is no piece of this reply went by.
    fn skip(&mut self) {
        self.skipped = self.skipped.saturating_add(1);
    }

    pub(super) fn finish(&mut self, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        match self.state {
            State::Stopped => Ok(()),
            // A guardrail's own answer to a blocked prompt comes without a reason.
            State::Open if self.extras.intervened() => {
                self.stop(StopReason::ContentFiltered, events);
                Ok(())
            }
            State::Open | State::Waiting => Err(ProtocolError::Truncated),
        }
    }

    /// Bedrock's own count, else the model's.
    pub(super) fn usage(&self) -> Option<Usage> {
        let models = || {
            (self.input_tokens.is_some() || self.output_tokens.is_some()).then(|| Usage {
                input: self.input_tokens.unwrap_or(0),
                output: self.output_tokens.unwrap_or(0),
                ..Usage::default()
            })
        };
        self.extras.usage().or_else(models)
    }

    fn stop(&mut self, reason: StopReason, events: &mut Vec<Event>) {
        self.state = State::Stopped;
        say(&self.opening.rest(), events);
        events.extend([Event::BlockStop { block: TEXT }, Event::Stop(self.extras.stop(reason))]);
        events.extend(self.usage().map(Event::Usage));
        events.extend(self.extras.trace());
    }
}

/// Reads a stream of pieces.
pub(super) struct CompletionStream {
    completion: Completion,
    /// Reads a chunk: `None` if it is known to be no piece of this reply.
    read: fn(&[u8]) -> Result<Option<Piece>, ProtocolError>,
}

impl CompletionStream {
    pub(super) fn new(
        completion: Completion,
        read: fn(&[u8]) -> Result<Option<Piece>, ProtocolError>,
    ) -> Self {
        Self { completion, read }
    }
}

impl StreamDecoder for CompletionStream {
    fn push(&mut self, frame: &Frame, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        if &*frame.event != "chunk" {
            self.completion.skip();
            return Ok(());
        }
        let piece = (self.read)(&frame.payload)?.unwrap_or_else(|| {
            self.completion.skip();
            Piece::default()
        });
        self.completion.push(piece, &frame.payload, events)
    }

    fn finish(&mut self, events: &mut Vec<Event>) -> Result<(), ProtocolError> {
        self.completion.finish(events)
    }

    fn usage(&self) -> Option<Usage> {
        self.completion.usage()
    }

    fn skipped(&self) -> u32 {
        self.completion.skipped
    }
}

fn say(text: &str, events: &mut Vec<Event>) {
    if !text.is_empty() {
        events.push(Event::Delta { block: TEXT, delta: Delta::Text(Text::new(text)) });
    }
}

/// The beginning of the text, until the answer itself begins.
struct Opening {
    marker: &'static str,
    /// White space and what may still become the marker.
    held: String,
    passed: bool,
}

impl Opening {
    fn pass(&mut self, text: String) -> String {
        if self.passed {
            return text;
        }
        self.held.push_str(&text);
        let after_space = self.held.trim_start();
        let answer = match after_space.strip_prefix(self.marker) {
            Some(after_marker) => after_marker.trim_start(),
            None if self.marker.starts_with(after_space) => return String::new(),
            None => after_space,
        };
        if answer.is_empty() {
            return String::new();
        }
        self.passed = true;
        answer.to_owned()
    }

    /// The text has ended: what looked like the marker's beginning was the answer.
    fn rest(&mut self) -> String {
        let held = std::mem::take(&mut self.held);
        if self.passed || held.trim_start().starts_with(self.marker) {
            return String::new();
        }
        self.passed = true;
        held.trim_start().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chat::Response;

    fn some_piece() -> impl Strategy<Value = Piece> {
        ("[ \nBot:a]{0,6}", prop::option::weighted(0.2, Just(StopReason::EndTurn)), any::<Option<u64>>())
            .prop_map(|(text, stop, count)| Piece { text, stop, input_tokens: count, output_tokens: count })
    }

    proptest! {
        #[test]
        fn whatever_pieces_come_a_finished_reply_is_one(pieces in prop::collection::vec(some_piece(), 0..8)) {
            let mut completion = Completion::new("Bot:");
            let mut events = Vec::new();
            let good = pieces.into_iter().all(|piece| completion.push(piece, b"{}", &mut events).is_ok());
            if good && completion.finish(&mut events).is_ok() {
                prop_assert!(Response::assemble(events).is_ok());
            }
        }

        #[test]
        fn the_answer_is_the_same_however_it_is_cut(whole in "[ \nBot:a]{0,12}", cuts in prop::collection::vec(0..13_usize, 0..4)) {
            let read = |cuts: &[usize]| {
                let mut completion = Completion::new("Bot:");
                let mut events = Vec::new();
                let mut cuts: Vec<usize> = cuts.iter().map(|cut| (*cut).min(whole.len())).collect();
                cuts.sort_unstable();
                let mut from = 0;
                for to in cuts.into_iter().chain([whole.len()]) {
                    let stop = None;
                    let text = whole[from..to].to_owned();
                    completion.push(Piece { text, stop, input_tokens: None, output_tokens: None }, b"{}", &mut events).unwrap();
                    from = to;
                }
                let end = Piece { text: String::new(), stop: Some(StopReason::EndTurn), input_tokens: None, output_tokens: None };
                completion.push(end, b"{}", &mut events).unwrap();
                completion.finish(&mut events).unwrap();
                Response::assemble(events).unwrap().text.map(|text| text.decode().into_owned())
            };
            prop_assert_eq!(read(&cuts), read(&[]));
        }
    }
}
