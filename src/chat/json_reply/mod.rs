//! Replies that have to be JSON, from models that were only asked for it.

use serde_json::value::RawValue;

use super::{BlockIndex, BlockKind, Delta, Event, StopReason, Text};

/// Takes the JSON out of a reply: Markdown fences and words around it go, and the input of a tool that was forced
/// for its schema becomes the text. Nothing is made up and nothing is mended: where no JSON comes, what was said is
/// the reply; of a reply that was cut, only what belongs to the JSON.
///
/// ```text
///            ┌ white space, a fence ─ `{` ─▶ Open: passed as it comes, up to its end
/// Before ────┤
///            └ words ─▶ Held: the whole text is kept until its end, then its first JSON value is the reply
/// any ─ a tool's call ─▶ Calling: the words before it were words around it; its input is the reply
/// ```
///
/// All texts of a reply are one here, in the first text block. Thoughts pass.
#[derive(Debug)]
pub struct JsonReply {
    source: JsonSource,
    opening: Opening,
    state: State,
    /// Said and not yet passed on.
    held: String,
    /// The value so far, or the input of the tool: what was passed on.
    value: String,
    /// The text blocks of the upstream that are open: only one is passed on.
    texts: Vec<BlockIndex>,
    /// Further calls, of which none is passed on: the reply is the first one.
    muted: Vec<BlockIndex>,
    /// Where text goes.
    block: Option<BlockIndex>,
    /// Its start has been passed on, its end has not.
    block_open: bool,
    found: bool,
}

/// What is known of the JSON beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonAsk {
    /// Where it is.
    pub source: JsonSource,
    /// How it begins.
    pub opening: Opening,
}

/// Where the JSON is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonSource {
    /// In the text; calls of tools are the client's own.
    Text,
    /// In the input of the only tool that there is, which the client knows nothing of.
    Tool,
}

/// How the JSON begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// With `{`.
    Object,
    /// With `[`.
    Array,
    /// With either.
    Either,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Before,
    Held,
    Open(Nesting),
    /// The value is whole: what follows are words around it.
    Closed,
    /// No JSON after all: everything passes.
    Plain,
    /// The input of this block passes as text.
    Calling(BlockIndex),
}

/// A longer beginning without JSON is words: nobody opens with so much white space.
const LONGEST_BEGINNING: usize = 1024;

impl JsonReply {
    /// Nothing has come yet.
    pub fn new(ask: JsonAsk) -> Self {
        let JsonAsk { source, opening } = ask;
        Self {
            source,
            opening,
            state: State::Before,
            held: String::new(),
            value: String::new(),
            texts: Vec::new(),
            muted: Vec::new(),
            block: None,
            block_open: false,
            found: false,
        }
    }

    /// Did the reply hold a whole JSON value?
    pub fn found(&self) -> bool {
        self.found
    }

    /// Takes an event and appends what may be passed on.
    pub fn push(&mut self, event: Event, out: &mut Vec<Event>) {
        match event {
            Event::BlockStart { block, kind: BlockKind::Text } => {
                self.texts.push(block);
                self.block.get_or_insert(block);
            }
            Event::BlockStart { block, kind: BlockKind::ToolUse { id, name } } => match self.source {
                JsonSource::Text => {
                    // A turn that calls is not the answer yet.
                    self.give_up(out);
                    out.push(Event::BlockStart { block, kind: BlockKind::ToolUse { id, name } });
                }
                JsonSource::Tool => self.call(block, out),
            },
            Event::Delta { block, delta: Delta::Text(text) } if self.texts.contains(&block) => {
                self.text(&text, out);
            }
            Event::Delta { block, delta: Delta::Citation(citation) } if self.texts.contains(&block) => {
                let block = self.open(out);
                out.push(Event::Delta { block, delta: Delta::Citation(citation) });
            }
            Event::Delta { block, delta: Delta::ToolInput(input) } if self.source == JsonSource::Tool => {
                if self.state == State::Calling(block) {
                    self.value.push_str(&input.decode());
                    out.push(Event::Delta { block, delta: Delta::Text(input) });
                }
            }
            Event::BlockStop { block } if self.texts.contains(&block) || self.muted.contains(&block) => {
                self.texts.retain(|open| *open != block);
                self.muted.retain(|open| *open != block);
            }
            Event::BlockStop { block } if self.state == State::Calling(block) => {
                if self.value.is_empty() {
                    // How formats say `{}`.
                    self.pass("{}", out);
                }
                self.close(out);
            }
            Event::Stop(reason) => {
                let called = matches!(self.state, State::Calling(_));
                self.end(&reason, out);
                out.push(Event::Stop(match reason {
                    // The client called for no tool.
                    StopReason::ToolUse if called => StopReason::EndTurn,
                    reason => reason,
                }));
            }
            Event::BlockStart { block: _, kind: BlockKind::Reasoning }
            | Event::BlockStop { block: _ }
            | Event::Delta {
                block: _,
                delta:
                    Delta::Text(_)
                    | Delta::Reasoning(_)
                    | Delta::Signature(_)
                    | Delta::Redacted(_)
                    | Delta::Citation(_)
                    | Delta::ToolInput(_),
            }
            | Event::Start
            | Event::Refusal(_)
            | Event::Usage(_)
            | Event::ServiceTier(_)
            | Event::Extra(_) => out.push(event),
        }
    }

    fn call(&mut self, block: BlockIndex, out: &mut Vec<Event>) {
        if matches!(self.state, State::Calling(_)) {
            return self.muted.push(block);
        }
        self.close(out);
        self.held.clear();
        self.state = State::Calling(block);
        self.block = Some(block);
        self.open(out);
    }

    fn text(&mut self, text: &Text, out: &mut Vec<Event>) {
        match self.state {
            State::Before if self.source == JsonSource::Tool => {
                // The call may still come, and then these are words around it.
                self.state = State::Held;
                self.held.push_str(&text.decode());
            }
            State::Before => {
                self.held.push_str(&text.decode());
                match beginning(&self.held, self.opening) {
                    Beginning::Unknown => {}
                    Beginning::Words => self.state = State::Held,
                    Beginning::Value(at) => {
                        let value = self.held.split_off(at);
                        self.held.clear();
                        self.state = State::Open(Nesting::default());
                        self.grow(&value, out);
                    }
                }
            }
            State::Held => self.held.push_str(&text.decode()),
            State::Open(_) => self.grow(&text.decode(), out),
            State::Plain => self.pass(&text.decode(), out),
            State::Closed | State::Calling(_) => {}
        }
    }

    /// The value goes on.
    fn grow(&mut self, text: &str, out: &mut Vec<Event>) {
        let State::Open(nesting) = &mut self.state else { return };
        let Some(end) = nesting.end_in(text) else {
            self.value.push_str(text);
            return self.pass(text, out);
        };
        let (last, _) = text.split_at(end);
        self.value.push_str(last);
        if serde_json::from_str::<&RawValue>(&self.value).is_ok() {
            self.found = true;
            self.state = State::Closed;
            self.pass(last, out);
        } else {
            // It began like JSON and isn't: the rest is no less a part of it.
            self.state = State::Plain;
            self.pass(text, out);
        }
    }

    /// The reply ends.
    fn end(&mut self, reason: &StopReason, out: &mut Vec<Event>) {
        match self.state {
            State::Before | State::Held => {
                let held = std::mem::take(&mut self.held);
                let json = find(&held, self.opening);
                self.found = json.is_some();
                let cut = matches!(reason, StopReason::MaxTokens | StopReason::ContextFull);
                let said = match json.or_else(|| begun(&held, self.opening).filter(|_| cut)) {
                    Some(json) => json,
                    // Words around a call that would still have come: its input so far is empty.
                    None if cut && self.source == JsonSource::Tool => "",
                    None => &held,
                };
                if !said.is_empty() {
                    self.pass(said, out);
                }
            }
            State::Calling(_) => self.found = serde_json::from_str::<&RawValue>(&self.value).is_ok(),
            State::Open(_) | State::Closed | State::Plain => {}
        }
        self.close(out);
    }

    /// What was held back is no answer, but it was said.
    fn give_up(&mut self, out: &mut Vec<Event>) {
        if let State::Before | State::Held = self.state {
            let held = std::mem::take(&mut self.held);
            self.state = State::Plain;
            if !held.is_empty() {
                self.pass(&held, out);
            }
        }
    }

    fn pass(&mut self, text: &str, out: &mut Vec<Event>) {
        if let State::Calling(_) = self.state {
            self.value.push_str(text);
        }
        let block = self.open(out);
        if !text.is_empty() {
            out.push(Event::Delta { block, delta: Delta::Text(Text::new(text)) });
        }
    }

    fn open(&mut self, out: &mut Vec<Event>) -> BlockIndex {
        let block = *self.block.get_or_insert(BlockIndex(0));
        if !self.block_open {
            self.block_open = true;
            out.push(Event::BlockStart { block, kind: BlockKind::Text });
        }
        block
    }

    fn close(&mut self, out: &mut Vec<Event>) {
        if let Some(block) = self.block
            && self.block_open
        {
            self.block_open = false;
            out.push(Event::BlockStop { block });
        }
    }
}

/// Where a value ends: brackets are counted, outside of strings.
#[derive(Debug, Default, PartialEq, Eq)]
struct Nesting {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Nesting {
    /// Reads on; where in `text` the value has ended, if it has.
    fn end_in(&mut self, text: &str) -> Option<usize> {
        for (at, byte) in text.bytes().enumerate() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

/// What a reply begins with.
#[derive(Debug, PartialEq, Eq)]
enum Beginning {
    /// Too little has come.
    Unknown,
    /// Something else than JSON.
    Words,
    /// JSON, from here.
    Value(usize),
}

fn beginning(text: &str, opening: Opening) -> Beginning {
    if text.len() > LONGEST_BEGINNING {
        return Beginning::Words;
    }
    let mut rest = text.trim_start();
    if "```".starts_with(rest) {
        return Beginning::Unknown;
    }
    if let Some(fenced) = rest.strip_prefix("```") {
        rest = after_language(fenced);
    }
    match looks_like_json(rest, opening) {
        Some(true) => Beginning::Value(text.len() - rest.len()),
        Some(false) => Beginning::Words,
        None => Beginning::Unknown,
    }
}

fn after_language(fenced: &str) -> &str {
    fenced.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "_+-".contains(c)).trim_start()
}

/// Does a text begin like a JSON object or array? `None`: it is too short to say.
fn looks_like_json(text: &str, opening: Opening) -> Option<bool> {
    let (object, inside) = match (text.as_bytes().first(), opening) {
        (None, _) => return None,
        (Some(b'{'), Opening::Object | Opening::Either) => (true, text.get(1..)?),
        (Some(b'['), Opening::Array | Opening::Either) => (false, text.get(1..)?),
        (Some(_), _) => return Some(false),
    };
    let inside = inside.trim_start();
    match inside.as_bytes().first() {
        None => None,
        Some(b'"') => Some(true),
        Some(b'}') => Some(object),
        Some(b'{' | b'[' | b']' | b'-' | b'0'..=b'9') => Some(!object),
        Some(_) if object => Some(false),
        Some(_) => {
            let words = ["true", "false", "null"];
            if words.iter().any(|word| inside.starts_with(word)) {
                Some(true)
            } else if words.iter().any(|word| word.starts_with(inside)) {
                None
            } else {
                Some(false)
            }
        }
    }
}

/// The JSON value in a text: in its first fence that holds one, else the first that begins in it. Of a value that
/// breaks off, or isn't JSON after all, no inner piece is taken for the whole.
fn find(text: &str, opening: Opening) -> Option<&str> {
    let fenced = text.split("```").skip(1).step_by(2).find_map(|fenced| {
        let inside = after_language(fenced);
        let inside = if looks_like_json(inside, opening).is_some() { inside } else { fenced.trim_start() };
        value_at(inside, opening)
    });
    fenced.or_else(|| {
        let opens =
            |at: &usize| text.get(*at..).is_some_and(|rest| looks_like_json(rest, opening) == Some(true));
        let at = text.match_indices(['{', '[']).map(|(at, _)| at).find(opens)?;
        value_at(text.get(at..)?, opening)
    })
}

/// The beginning of a value that a text breaks off in: in the fence that is open at its end, else the first in it.
fn begun(text: &str, opening: Opening) -> Option<&str> {
    let opens = |rest: &str| looks_like_json(rest, opening) != Some(false);
    let fenced = text.rsplit_once("```").filter(|_| text.matches("```").count() % 2 == 1);
    let fenced = fenced.map(|(_, inside)| after_language(inside)).filter(|inside| opens(inside));
    fenced.or_else(|| {
        text.match_indices(['{', '[']).filter_map(|(at, _)| text.get(at..)).find(|rest| opens(rest))
    })
}

/// The value that a text begins with.
fn value_at(text: &str, opening: Opening) -> Option<&str> {
    if looks_like_json(text, opening) != Some(true) {
        return None;
    }
    let (value, _) = text.split_at_checked(Nesting::default().end_in(text)?)?;
    serde_json::from_str::<&RawValue>(value).is_ok().then_some(value)
}

#[cfg(test)]
mod tests;
