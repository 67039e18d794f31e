//! MENDING: a conversation as clients send it becomes one that Bedrock takes.
//!
//! OpenAI's endpoint takes turns in any order, blank texts and tool results anywhere; Bedrock refuses most of
//! it. [`mend`] is pure and total: whatever comes in, what goes out holds every promise of [`mend`]'s list,
//! and mending it again changes nothing. What a model puts up with beyond that is its [`Shape`].
//!
//! Noted (with the path of the message): whatever puts other words, another order or another speaker before
//! the model. Silent: joining neighbours of one role, dropping blank texts and turns of the assistant that
//! say nothing, white space cut off the end.

mod pairing;

use super::{Action, Block, Message, Notes, Role, Text, ToolResult};
use pairing::Pairing;

/// What a model accepts beyond the plain shape (user first, turns alternate, each call answered at once).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a row of independent yes-or-no rules")]
pub struct Shape {
    /// System instructions have a place of their own; else they are said by the user, first.
    pub system: bool,
    /// The assistant may speak first.
    pub leading_assistant: bool,
    /// The assistant may speak last, and the model goes on from there.
    pub prefill: bool,
    /// A turn with tool results may hold text and pictures beside them.
    pub mixed_tool_results: bool,
    /// A tool result may hold pictures and files; else they follow it, as sounds always do.
    pub images_in_tool_results: bool,
    /// A tool result can be marked as failed; else its text says so.
    pub tool_result_status: bool,
}

/// Stands for a user turn that has to be there and has nothing to say.
const NOTHING: &str = ".";
/// What a tool answered that answered nothing.
const EMPTY_RESULT: &str = "(no output)";
/// What a tool answered whose answer the client left out.
const MISSING_RESULT: &str = "No result was given for this call.";
/// Said by the assistant between tool results and a text that may not share their turn.
const RESULTS_TAKEN: &str = "OK.";
/// Said by the user to a model that doesn't go on from its own last turn.
const GO_ON: &str = "Continue.";
/// A document needs a text beside it.
const DOCUMENT: &str = "See the document.";
/// Where something was that its tool result can't hold.
const PICTURE_FOLLOWS: &str = "(The picture follows.)";
const FILE_FOLLOWS: &str = "(The file follows.)";
const SOUND_FOLLOWS: &str = "(The sound follows.)";

/// Gives a conversation the shape that `shape` asks for:
///
/// 1. at most one system message, first, from the leading run; a later one is said by the user in its place
///    (so the prompt's prefix, and with it a prompt cache, never changes afterwards);
/// 2. user and assistant alternate, the user first unless the assistant may be; nobody says nothing;
/// 3. no text is blank, tool results included;
/// 4. an assistant turn with calls is followed by a user turn that begins with exactly their results, in
///    the order of the calls; a result that is missing says so, one without its call becomes text;
/// 5. every call's id is its own in the whole conversation;
/// 6. the assistant is last only where it may be, and then without white space at its end.
pub fn mend(messages: Vec<Message>, shape: Shape, notes: &mut Notes) -> Vec<Message> {
    let first = messages.first().map_or(0, |message| message.index);
    let (system, runs) = runs(messages, shape, notes);
    let (runs, calls) = Pairing::default().pair(runs, notes);
    let mut turns = Turns { shape, turns: Vec::new() };
    let mut calls = calls.into_iter().peekable();
    for (position, run) in runs.into_iter().enumerate() {
        turns.add_run(run, notes);
        let mut results = Vec::new();
        while let Some(call) = calls.next_if(|call| call.run == position) {
            results.push(call.answer(shape, notes));
        }
        turns.add_results(results, notes);
    }
    let turns = turns.close(first, notes);
    system.into_iter().chain(turns).collect()
}

/// A block, and the message it came in.
struct Said {
    from: usize,
    block: Block,
}

/// What one side says until the other speaks. Only the user's may hold nothing.
struct Run {
    role: Role,
    from: usize,
    said: Vec<Said>,
}

fn rewritten(notes: &mut Notes, message: usize, reason: &'static str) {
    notes.add(format!("messages[{message}]"), Action::Rewritten, reason);
}

/// Splits off the leading system messages, drops what is blank, joins neighbours of one role.
fn runs(messages: Vec<Message>, shape: Shape, notes: &mut Notes) -> (Option<Message>, Vec<Run>) {
    let mut system: Option<Message> = None;
    let mut runs: Vec<Run> = Vec::new();
    let mut leading = true;
    for Message { role, content, index } in messages {
        let (mut said, orphan) = kept(content, index, shape, notes);
        if let Some(point) = orphan {
            let before = match runs.last_mut() {
                Some(run) => run.said.last().map(|said| &said.block),
                None => system.as_ref().and_then(|system| system.content.last()),
            };
            // Where nothing stands before it, or another point, it keeps nothing.
            if before.is_none_or(|block| matches!(block, Block::CachePoint(_))) {
                notes.add(format!("messages[{index}]"), Action::Dropped, "nothing_to_cache");
            } else {
                match (runs.last_mut(), &mut system) {
                    (Some(run), _) => run.said.push(Said { from: index, block: point }),
                    (None, Some(system)) => system.content.push(point),
                    (None, None) => {}
                }
                rewritten(notes, index, "cache_point_moved");
            }
        }
        leading = leading && role == Role::System;
        let silent = said.iter().all(|said| matches!(said.block, Block::Reasoning(_)));
        let role = match role {
            Role::System | Role::Assistant if silent => continue,
            Role::System if leading && shape.system => {
                let content = said.into_iter().map(|said| said.block);
                match &mut system {
                    Some(system) => system.content.extend(content),
                    None => system = Some(Message { role, content: content.collect(), index }),
                }
                continue;
            }
            Role::System => {
                rewritten(notes, index, if leading { "no_system_messages" } else { "system_not_leading" });
                Role::User
            }
            Role::User | Role::Assistant => role,
        };
        match runs.last_mut() {
            Some(run) if run.role == role => run.said.append(&mut said),
            Some(_) | None => runs.push(Run { role, from: index, said }),
        }
    }
    (system, runs)
}

/// A message's content without what is blank. A cache point of a blank part goes behind what stands before it: the second is
/// such a point where nothing of the message does.
fn kept(content: Vec<Block>, index: usize, shape: Shape, notes: &mut Notes) -> (Vec<Said>, Option<Block>) {
    let mut said: Vec<Said> = Vec::with_capacity(content.len());
    let (mut blank, mut orphan) = (false, None);
    for block in content {
        let is_orphan = blank && matches!(block, Block::CachePoint(_));
        let Some(block) = without_blanks(block, index, shape, notes) else {
            blank = true;
            continue;
        };
        blank = false;
        if is_orphan && said.is_empty() {
            orphan = Some(block);
            continue;
        }
        if is_orphan {
            rewritten(notes, index, "cache_point_moved");
        }
        said.push(Said { from: index, block });
    }
    (said, orphan)
}

fn without_blanks(block: Block, from: usize, shape: Shape, notes: &mut Notes) -> Option<Block> {
    match block {
        Block::Text(text) if text.is_blank() => None,
        Block::ToolResult(result) => {
            let ToolResult { id, content, mut is_error } = result;
            let mut content: Vec<Block> =
                content.into_iter().filter_map(|block| without_blanks(block, from, shape, notes)).collect();
            if is_error && !shape.tool_result_status {
                is_error = false;
                content.insert(0, Block::Text(Text::new("Error:")));
                rewritten(notes, from, "no_tool_result_status");
            }
            if content.is_empty() {
                content.push(Block::Text(Text::new(EMPTY_RESULT)));
            }
            Some(Block::ToolResult(ToolResult { id, content, is_error }))
        }
        Block::Text(_)
        | Block::Image(_)
        | Block::Document(_)
        | Block::Audio(_)
        | Block::Remote(_)
        | Block::CachePoint(_)
        | Block::ToolUse(_)
        | Block::Reasoning(_) => Some(block),
    }
}

/// The conversation that is being laid out: at every moment its turns alternate.
struct Turns {
    shape: Shape,
    turns: Vec<Message>,
}

impl Turns {
    fn add_run(&mut self, run: Run, notes: &mut Notes) {
        let Run { role, from, mut said } = run;
        let user_spoke = self.turns.last().is_some_and(|turn| turn.role == Role::User);
        if said.is_empty() && !user_spoke {
            said.push(Said { from, block: Block::Text(Text::new(NOTHING)) });
            rewritten(notes, from, "blank_turn");
        }
        self.add(role, said, notes);
    }

    fn add(&mut self, role: Role, said: Vec<Said>, notes: &mut Notes) {
        let Some(from) = said.first().map(|said| said.from) else { return };
        if !self.shape.mixed_tool_results && role == Role::User && self.ends_with_results() {
            self.turns.push(turn(Role::Assistant, RESULTS_TAKEN, from));
            rewritten(notes, from, "tool_results_alone");
        }
        let content = said.into_iter().map(|said| said.block);
        match self.turns.last_mut() {
            Some(last) if last.role == role => last.content.extend(content),
            Some(_) | None => {
                self.turns.push(Message { role, content: content.collect(), index: from });
            }
        }
    }

    fn add_results(&mut self, results: Vec<Said>, notes: &mut Notes) {
        let Some(index) = results.first().map(|said| said.from) else { return };
        let mut content = Vec::with_capacity(results.len());
        let mut following = Vec::new();
        for Said { from, block } in results {
            content.push(match block {
                Block::ToolResult(result) if !result.content.iter().all(|block| self.shape.holds(block)) => {
                    Block::ToolResult(self.shape.without_media(result, from, &mut following, notes))
                }
                Block::ToolResult(_)
                | Block::Text(_)
                | Block::Image(_)
                | Block::Document(_)
                | Block::Audio(_)
                | Block::Remote(_)
                | Block::CachePoint(_)
                | Block::ToolUse(_)
                | Block::Reasoning(_) => block,
            });
        }
        self.turns.push(Message { role: Role::User, content, index });
        self.add(Role::User, following, notes);
    }

    fn ends_with_results(&self) -> bool {
        self.turns.last().is_some_and(|turn| matches!(turn.content.first(), Some(Block::ToolResult(_))))
    }

    /// Sees to the two ends, and to what each turn needs in itself.
    fn close(mut self, first: usize, notes: &mut Notes) -> Vec<Message> {
        match self.turns.first() {
            None => {
                self.turns.push(turn(Role::User, NOTHING, first));
                notes.add("messages", Action::Rewritten, "no_turns");
            }
            Some(opening) if opening.role == Role::Assistant && !self.shape.leading_assistant => {
                let index = opening.index;
                self.turns.insert(0, turn(Role::User, NOTHING, index));
                rewritten(notes, index, "assistant_first");
            }
            Some(_) => {}
        }
        for turn in &mut self.turns {
            match turn.role {
                Role::Assistant => calls_last(&mut turn.content),
                Role::User | Role::System => text_beside_documents(turn, notes),
            }
        }
        if let Some(last) = self.turns.last_mut()
            && last.role == Role::Assistant
        {
            if self.shape.prefill {
                if let Some(Block::Text(text)) = last.content.last_mut()
                    && let Some(trimmed) = text.trimmed_end()
                {
                    *text = trimmed;
                }
            } else {
                let index = last.index;
                self.turns.push(turn(Role::User, GO_ON, index));
                rewritten(notes, index, "no_prefill");
            }
        }
        self.turns
    }
}

fn turn(role: Role, words: &str, index: usize) -> Message {
    Message { role, content: vec![Block::Text(Text::new(words))], index }
}

impl Shape {
    /// Has a tool result a place for it?
    fn holds(self, block: &Block) -> bool {
        match block {
            Block::Image(_) | Block::Document(_) => self.images_in_tool_results,
            Block::Audio(_) => false,
            Block::Text(_)
            | Block::Remote(_)
            | Block::CachePoint(_)
            | Block::ToolUse(_)
            | Block::ToolResult(_)
            | Block::Reasoning(_) => true,
        }
    }

    fn without_media(
        self,
        result: ToolResult,
        from: usize,
        following: &mut Vec<Said>,
        notes: &mut Notes,
    ) -> ToolResult {
        let ToolResult { id, content, is_error } = result;
        let (mut content, others): (Vec<Block>, Vec<Block>) =
            content.into_iter().partition(|block| self.holds(block));
        for (there, words, reason) in [
            (
                others.iter().any(|block| matches!(block, Block::Image(_))),
                PICTURE_FOLLOWS,
                "no_images_in_tool_results",
            ),
            (
                others.iter().any(|block| matches!(block, Block::Document(_))),
                FILE_FOLLOWS,
                "no_files_in_tool_results",
            ),
            (
                others.iter().any(|block| matches!(block, Block::Audio(_))),
                SOUND_FOLLOWS,
                "no_sounds_in_tool_results",
            ),
        ] {
            if there {
                content.push(Block::Text(Text::new(words)));
                rewritten(notes, from, reason);
            }
        }
        following.extend(others.into_iter().map(|block| Said { from, block }));
        ToolResult { id, content, is_error }
    }
}

/// Joined turns may leave text behind a call, where models don't take it; thoughts keep their places.
fn calls_last(content: &mut [Block]) {
    let mut from_first_call = content.iter().skip_while(|block| !matches!(block, Block::ToolUse(_)));
    if from_first_call.any(|block| matches!(block, Block::Text(_))) {
        content.sort_by_key(|block| matches!(block, Block::ToolUse(_)));
    }
}

fn text_beside_documents(turn: &mut Message, notes: &mut Notes) {
    let has_document = turn.content.iter().any(|block| matches!(block, Block::Document(_)));
    let has_text = turn.content.iter().any(|block| matches!(block, Block::Text(_)));
    if has_document && !has_text {
        turn.content.push(Block::Text(Text::new(DOCUMENT)));
        rewritten(notes, turn.index, "document_without_text");
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
