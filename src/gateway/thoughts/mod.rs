//! Thoughts, kept for clients that don't bring them back.
//!
//! Claude goes on with a tool loop only from the thoughts that it began it with, each with its signature. OpenAI's
//! protocol has no place for them: a client that knows no more than that sends back a turn's text and calls. So each turn
//! with calls leaves its thoughts here, and finds them again by the ids of its calls, for the same caller and the same
//! model only. See `docs/decisions/0023-signed-thoughts-are-remembered.md`.
//!
//! Of GPT and Grok encrypted thoughts are kept in the same way, and of open models that think between their calls the plain
//! text: they go back within the open tool loop only. See `docs/decisions/0042-thoughts-go-back-in-a-tool-loop.md`.
//!
//! Nothing here is written to a disk or shared with another process.

mod store;

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use self::store::{Key, Store};
use super::Fault;
use crate::bedrock::ErrorKind;
use crate::chat::{
    Action, Block, BlockKind, Delta, Event, Message, Notes, Reasoning, Request, Response, Role,
    open_tool_loop,
};
use crate::families::Replay;

pub use store::ThoughtLimits;

/// The thoughts of all callers. Clones are the same store.
#[derive(Debug, Clone)]
pub(super) struct Thoughts(Arc<Mutex<Store>>);

/// Whose thoughts: nobody else gets them.
#[derive(Debug, Clone)]
pub(super) struct Owner {
    /// Who is asking. Without keys all callers are one.
    pub(super) principal: Option<Arc<str>>,
    /// Who thought: another model would refuse them.
    pub(super) model: Arc<str>,
    /// What the model takes back.
    pub(super) takes: Replay,
    /// The conversation before the turn that is coming, where its call will come back without an id.
    pub(super) unnamed: Option<Conversation>,
}

/// The digest of a conversation's beginning.
#[derive(Debug, Clone, Default)]
pub(super) struct Conversation(Sha256);

impl Conversation {
    pub(super) fn of(messages: &[Message]) -> Self {
        let mut conversation = Self::default();
        for message in messages {
            conversation.add(message);
        }
        conversation
    }

    fn add(&mut self, message: &Message) {
        // Writing into a digest can't fail.
        let _always_written = writeln!(self, "{message:?}");
    }
}

impl Write for Conversation {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text);
        Ok(())
    }
}

/// The thoughts that a conversation lost on its way through the client.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Where they belong: positions in the request's messages. None is without thoughts.
    turns: Vec<(usize, Key, Arc<[Reasoning]>)>,
    /// Each turn of the open tool loop brings its thoughts, or is known here: what has none had none.
    pub(super) complete: bool,
}

impl Thoughts {
    pub(super) fn new(limits: ThoughtLimits) -> Self {
        Self(Arc::new(Mutex::new(Store::new(limits))))
    }

    pub(super) fn limits(&self) -> ThoughtLimits {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).limits()
    }

    /// The same store with other limits, which hold from the next look at it.
    pub(super) fn rebound(&self, limits: ThoughtLimits) -> Self {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).rebound(limits);
        self.clone()
    }

    /// Looks for the thoughts of every turn with calls that comes without any.
    pub(super) fn find(&self, owner: &Owner, request: &Request, now: Instant) -> Found {
        let open = request.messages.len() - open_tool_loop(&request.messages).len();
        let mut found = Found { turns: Vec::new(), complete: true };
        let any_unnamed = request.messages.iter().any(|message| unnamed(message).is_some());
        let mut before = Conversation::default();
        for (at, message) in request.messages.iter().enumerate() {
            let unnamed = unnamed(message).map(|name| unnamed_key(owner, &before, name));
            if any_unnamed {
                before.add(message);
            }
            if at < open && owner.takes.is_of_the_loop() {
                continue;
            }
            let is_lost = lost(message, owner.takes);
            let Some(key) = is_lost.then(|| key(owner, calls(message))).flatten() else { continue };
            let mut store = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let (key, kept) = match (store.find(&key, now), unnamed) {
                (None, Some(unnamed)) => (unnamed, store.find(&unnamed, now)),
                (kept, _) => (key, kept),
            };
            drop(store);
            match kept {
                Some(thoughts) if thoughts.is_empty() => {}
                Some(thoughts) => found.turns.push((at, key, thoughts)),
                None if at >= open => found.complete = false,
                None => {}
            }
        }
        found
    }

    /// Forgets what the model didn't take back.
    pub(super) fn forget(&self, found: &Found) {
        let mut store = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, key, _) in &found.turns {
            store.forget(key);
        }
    }

    /// Listens to a reply.
    pub(super) fn recorder(&self, owner: Owner) -> Recorder {
        Recorder { thoughts: self.clone(), owner, heard: Vec::new(), room: LONGEST_TURN }
    }
}

impl Found {
    /// Nothing was lost that is still here.
    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Puts them back, as they came, before everything else that the turn said.
    pub(super) fn restore(&self, request: &mut Request, takes: Replay, notes: &mut Notes) {
        for (at, _, thoughts) in &self.turns {
            if let Some(message) = request.messages.get_mut(*at) {
                message.content.splice(0..0, thoughts.iter().cloned().map(Block::Reasoning));
            }
        }
        if !self.turns.is_empty() {
            let reason = match takes {
                Replay::Signed | Replay::No => "signed_thoughts",
                Replay::Encrypted => "encrypted_thoughts",
                Replay::Plain => "plain_thoughts",
            };
            notes.add("messages", Action::Restored, reason);
        }
    }
}

/// Does the model refuse a thought that was put back? (Texts: `src/simulator`, and public reports of 2025 and 2026.)
pub(super) fn refused(fault: &Fault) -> bool {
    let Fault::Upstream(error) = fault else { return false };
    let of_the_request =
        matches!(error.kind, ErrorKind::Validation | ErrorKind::UnsupportedFeature | ErrorKind::ModelRefused);
    // "Expected `thinking` or `redacted_thinking`, but found …", "Invalid `signature` in `thinking` block", "… blocks
    // in the latest assistant message cannot be modified", "… reasoning content …".
    let says = |words: &str| error.detail.contains(words);
    of_the_request
        && !says("budget_tokens")
        && ["thinking", "signature", "easoning", "redactedContent", "ncrypted"].into_iter().any(says)
}

/// Hears a reply and keeps the thoughts of a turn with calls.
#[derive(Debug, Clone)]
pub(super) struct Recorder {
    thoughts: Thoughts,
    owner: Owner,
    /// What of the reply matters here: thoughts, and which tools were called.
    heard: Vec<Event>,
    /// How much more of it is kept; 0: it was longer than [`LONGEST_TURN`], and nothing is.
    room: usize,
}

/// Longest thoughts of one turn that are kept. The most that a model thinks is some hundred thousand tokens.
const LONGEST_TURN: usize = 4 * 1024 * 1024;

/// What an event takes beside its text.
const AROUND: usize = 64;

impl Recorder {
    /// The next event, with the names that the client sees.
    pub(super) fn hear(&mut self, event: &Event) {
        match event {
            Event::Start => {
                self.heard.clear();
                self.room = LONGEST_TURN;
            }
            Event::BlockStart { kind: BlockKind::Reasoning, block: _ } => self.note(event, 0),
            Event::BlockStart { kind: BlockKind::ToolUse { id, name }, block: _ } => {
                self.note(event, id.len() + name.len());
            }
            Event::Delta {
                delta: Delta::Reasoning(text) | Delta::Signature(text) | Delta::Redacted(text),
                block: _,
            } => self.note(event, text.as_json().len()),
            Event::Stop(_) => {
                self.note(event, 0);
                self.keep(Instant::now());
            }
            Event::BlockStart { kind: BlockKind::Text, block: _ }
            | Event::Delta { delta: Delta::Text(_) | Delta::ToolInput(_) | Delta::Citation(_), block: _ }
            | Event::BlockStop { .. }
            | Event::Refusal(_)
            | Event::Usage(_)
            | Event::ServiceTier(_)
            | Event::Extra(_) => {}
        }
    }

    fn note(&mut self, event: &Event, bytes: usize) {
        self.room = self.room.saturating_sub(bytes.saturating_add(AROUND));
        if self.room == 0 {
            // Its end is none either: nothing of it is kept.
            self.heard = Vec::new();
        } else {
            self.heard.push(event.clone());
        }
    }

    /// The turn is whole. One that is not a reply has nothing to keep, and is somebody else's failure.
    fn keep(&mut self, now: Instant) {
        let Ok(Response { mut reasoning, tool_calls, .. }) =
            Response::assemble(std::mem::take(&mut self.heard))
        else {
            return;
        };
        let calls = tool_calls.iter().map(|call| (call.id.as_str(), call.name.as_str()));
        let key = match (&self.owner.unnamed, tool_calls.as_slice()) {
            (Some(before), [only]) => Some(unnamed_key(&self.owner, before, &only.name)),
            _ => key(&self.owner, calls),
        };
        if let Some(key) = key {
            reasoning.retain(|thought| self.owner.takes.takes(thought, true));
            if reasoning.is_empty() && self.owner.takes.is_of_the_loop() {
                // Nobody asks whether there were any.
                return;
            }
            let mut store = self.thoughts.0.lock().unwrap_or_else(PoisonError::into_inner);
            store.put(key, &self.owner.principal, reasoning, now);
        }
    }
}

/// A turn of the model without a thought that it would know for its own.
fn lost(message: &Message, takes: Replay) -> bool {
    message.role == Role::Assistant && !message.content.iter().any(|block| is_taken(block, takes))
}

fn is_taken(block: &Block, takes: Replay) -> bool {
    matches!(block, Block::Reasoning(thought) if takes.takes(thought, true))
}

/// Are there thoughts in the open tool loop that the model would get?
pub(super) fn brings(request: &Request, takes: Replay) -> bool {
    let turns = open_tool_loop(&request.messages).iter();
    turns.flat_map(|message| &message.content).any(|block| is_taken(block, takes))
}

/// Takes all thoughts out.
pub(super) fn strip(request: &mut Request) {
    for message in &mut request.messages {
        message.content.retain(|block| !matches!(block, Block::Reasoning(_)));
    }
}

/// The calls of a turn: ids and names.
fn calls(message: &Message) -> impl Iterator<Item = (&str, &str)> {
    message.content.iter().filter_map(|block| match block {
        Block::ToolUse(call) => Some((call.id.as_str(), call.name.as_str())),
        Block::Text(_)
        | Block::Image(_)
        | Block::Document(_)
        | Block::Audio(_)
        | Block::Remote(_)
        | Block::CachePoint(_)
        | Block::ToolResult(_)
        | Block::Reasoning(_) => None,
    })
}

/// The name of a turn's only call, if it is one of the deprecated `function_call`s, which come back without an id: reading
/// the request gave it its place for one.
fn unnamed(message: &Message) -> Option<&str> {
    let mut calls = calls(message);
    let (id, name) = calls.next()?;
    let place = id.strip_prefix("call_")?.parse() == Ok(message.index);
    (place && calls.next().is_none()).then_some(name)
}

/// Under which a turn is kept whose call has no id: by its owner, by all that was said before it, and by what it called.
fn unnamed_key(owner: &Owner, before: &Conversation, name: &str) -> Key {
    let mut hash = owned(owner);
    add(&mut hash, "unnamed");
    hash.update(before.0.clone().finalize());
    add(&mut hash, name);
    hash.finalize().into()
}

/// Under which a turn is kept: by its owner and by its calls, in their order. Not by its text and its arguments, which clients
/// trim and write anew. `None` for a turn without calls.
fn key<'a>(owner: &Owner, calls: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Key> {
    let mut hash = owned(owner);
    let mut any = false;
    for (id, name) in calls {
        any = true;
        add(&mut hash, id);
        add(&mut hash, name);
    }
    any.then(|| hash.finalize().into())
}

fn owned(owner: &Owner) -> Sha256 {
    let Owner { principal, model, takes: _, unnamed: _ } = owner;
    let mut hash = Sha256::new();
    add(&mut hash, if principal.is_some() { "key" } else { "" });
    add(&mut hash, principal.as_deref().unwrap_or_default());
    add(&mut hash, model);
    hash
}

/// Lengths first, so that no two lists of texts are the same bytes.
fn add(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_be_bytes());
    hash.update(text);
}

#[cfg(test)]
mod tests;
