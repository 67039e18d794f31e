//! The conversation: messages of OpenAI's six roles → messages of three.
//!
//! Order and number stay as the client sent them; giving a conversation the shape that a target needs
//! (merging, hoisting, pairing results) is not done here.

use serde_json::value::RawValue;

use super::ledger::Ledger;
use super::object::{Array, Loose, Pairs, Str};
use super::path::Path;
use super::{extensions, invalid, media, missing, not_one_of, parse, shapes, tools, wire};
use crate::chat::{Block, InvalidRequest, Message, Reasoning, Role, Text, ToolResult};

pub(super) fn messages(
    wire: Array<wire::Message<'_>, 16_384>,
    ledger: &mut Ledger,
) -> Result<Vec<Message>, InvalidRequest> {
    let root = Path::Root;
    let list = root.member("messages");
    if wire.is_empty() {
        return Err(invalid(&list, "at least one message is needed"));
    }
    let mut reader = Reader { ledger, function_call: None };
    let mut messages = Vec::with_capacity(wire.len());
    for (index, message) in wire.0.into_iter().enumerate() {
        messages.push(reader.message(message, index, &list.item(index))?);
    }
    Ok(messages)
}

struct Reader<'l> {
    ledger: &'l mut Ledger,
    /// Id given to the last deprecated `function_call`: the answer to it carries a name only.
    function_call: Option<String>,
}

/// Where content stands, and so which parts it may have.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Instructions,
    User,
    Assistant,
    ToolResult,
}

/// What the user and tools may say.
const PARTS: [&str; 4] = ["text", "image_url", "input_audio", "file"];

/// Is it the type of a part, of whatever API?
fn is_type(kind: &str) -> bool {
    PARTS.contains(&kind) || shapes::TYPES.contains(&kind)
}

impl Reader<'_> {
    fn message(
        &mut self,
        mut wire: wire::Message<'_>,
        index: usize,
        path: &Path<'_>,
    ) -> Result<Message, InvalidRequest> {
        let role = wire.role.take().ok_or_else(|| missing(&path.member("role")))?;
        let (role, content) = match &*role {
            "system" | "developer" => (Role::System, self.said(&mut wire, Place::Instructions, path)?),
            "user" => (Role::User, self.said(&mut wire, Place::User, path)?),
            "assistant" => (Role::Assistant, self.assistant(&mut wire, index, path)?),
            "tool" => {
                // One that is empty or absent is told by its place, when results are put with their calls.
                let id = wire.tool_call_id.take().map(Str::into_owned).unwrap_or_default();
                let content = self.said(&mut wire, Place::ToolResult, path)?;
                (Role::User, self.result(id, content, path))
            }
            "function" => (Role::User, self.function_result(&mut wire, path)?),
            _ => {
                let roles = ["developer", "system", "user", "assistant", "tool", "function"];
                return Err(not_one_of(&path.member("role"), &roles));
            }
        };
        let mut content = content;
        let cache = extensions::cache_point(None, wire.cache_control.take(), path, self.ledger)?;
        content.extend(cache.map(Block::CachePoint));
        self.note_leftovers(&wire, path);
        Ok(Message { role, content, index })
    }

    /// Content that should be there. OpenAI refuses its absence, but a message without it comes back with
    /// every turn, and its client can't take it out.
    fn said(
        &mut self,
        wire: &mut wire::Message<'_>,
        place: Place,
        path: &Path<'_>,
    ) -> Result<Vec<Block>, InvalidRequest> {
        let path = path.member("content");
        let mut blocks = Vec::new();
        match wire.content.take() {
            Some(raw) => self.content(raw, place, &path, &mut blocks)?,
            None => self.ledger.rewritten(&path, "no_content"),
        }
        Ok(blocks)
    }

    fn assistant(
        &mut self,
        wire: &mut wire::Message<'_>,
        index: usize,
        path: &Path<'_>,
    ) -> Result<Vec<Block>, InvalidRequest> {
        let mut blocks = Vec::new();
        if let Some(details) = wire.reasoning_details.take() {
            self.reasoning(details, &path.member("reasoning_details"), &mut blocks)?;
        }
        self.thought(wire, path, &mut blocks)?;
        let mut said = false;
        if let Some(raw) = wire.content.take() {
            self.content(raw, Place::Assistant, &path.member("content"), &mut blocks)?;
            said = true;
        }
        if let Some(raw) = wire.refusal.take() {
            blocks.push(Block::Text(parse::text(raw, &path.member("refusal"))?));
            said = true;
        }
        let calls_path = path.member("tool_calls");
        if let Some(calls) = wire.tool_calls.take() {
            for (index, call) in calls.0.into_iter().enumerate() {
                let path = calls_path.item(index);
                match call {
                    Loose::Object(call) => {
                        blocks.push(Block::ToolUse(tools::call(call, &path, self.ledger)?));
                        said = true;
                    }
                    Loose::Null => self.ledger.dropped(&path, "no_content"),
                    Loose::Text(_) => {
                        return Err(parse::wrong_type(path.to_string(), "an object", "a string"));
                    }
                }
            }
        }
        if let Some(call) = wire.function_call.take() {
            let path = path.member("function_call");
            self.ledger.rewritten(&path, "deprecated");
            let id = format!("call_{index}");
            self.function_call = Some(id.clone());
            blocks.push(Block::ToolUse(tools::function_call(id, call, &path, self.ledger)?));
            said = true;
        }
        if !said {
            // A turn that was stopped before its first word: it is passed over when the conversation is
            // mended.
            self.ledger.rewritten(&path.member("content"), "no_content");
        }
        Ok(blocks)
    }

    /// What an earlier answer carried in `reasoning_content`, which some servers call `reasoning`. The details say the same,
    /// and with the proofs, unless they are what only the model can read.
    fn thought(
        &mut self,
        wire: &mut wire::Message<'_>,
        path: &Path<'_>,
        blocks: &mut Vec<Block>,
    ) -> Result<(), InvalidRequest> {
        let mut known = blocks
            .iter()
            .any(|block| matches!(block, Block::Reasoning(thought) if thought.redacted.is_none()));
        let places =
            [("reasoning_content", wire.reasoning_content.take()), ("reasoning", wire.reasoning.take())];
        for (name, raw) in places {
            let (path, Some(raw)) = (path.member(name), raw) else { continue };
            // Elsewhere the same names are an object's.
            if !raw.get().starts_with('"') {
                self.ledger.dropped(&path, "no_equivalent");
                continue;
            }
            let text = parse::text(raw, &path)?;
            if !known && !text.is_empty() {
                known = true;
                blocks.push(Block::Reasoning(Reasoning { text, signature: None, redacted: None }));
            }
        }
        Ok(())
    }

    /// What an earlier answer of ours carried in `reasoning_details`, on its way back to the model.
    fn reasoning(
        &mut self,
        details: Array<wire::ReasoningDetail<'_>, 1_024>,
        list: &Path<'_>,
        blocks: &mut Vec<Block>,
    ) -> Result<(), InvalidRequest> {
        for (index, detail) in details.0.into_iter().enumerate() {
            let path = &list.item(index);
            let wire::ReasoningDetail { kind, index: _, text, signature, data, rest } = detail;
            self.ledger.unknown(path, &rest);
            let text = text.map(|raw| parse::text(raw, &path.member("text"))).transpose()?;
            let signature = signature.map(|raw| parse::text(raw, &path.member("signature"))).transpose()?;
            let data = data.map(|raw| parse::text(raw, &path.member("data"))).transpose()?;
            match kind.as_deref() {
                Some("reasoning.text") => {
                    let text = text.unwrap_or_else(|| Text::new(""));
                    if signature.is_some() || !text.is_empty() {
                        blocks.push(Block::Reasoning(Reasoning { text, signature, redacted: None }));
                    }
                }
                Some("reasoning.encrypted") => blocks.push(Block::Reasoning(Reasoning {
                    text: Text::new(""),
                    signature: None,
                    redacted: Some(data.ok_or_else(|| missing(&path.member("data")))?),
                })),
                // Other gateways write kinds of their own, such as summaries.
                Some(_) | None => self.ledger.dropped(path, "no_equivalent"),
            }
        }
        Ok(())
    }

    fn function_result(
        &mut self,
        wire: &mut wire::Message<'_>,
        path: &Path<'_>,
    ) -> Result<Vec<Block>, InvalidRequest> {
        // The call it answers already has the name.
        wire.name.take();
        let id = self.function_call.clone().unwrap_or_default();
        self.ledger.rewritten(&path.member("role"), "deprecated");
        let content = self.said(wire, Place::ToolResult, path)?;
        Ok(self.result(id, content, path))
    }

    /// A result, and behind it the last point for the cache that stood inside of it: there is no other place
    /// for one.
    fn result(&mut self, id: String, content: Vec<Block>, path: &Path<'_>) -> Vec<Block> {
        let is_point = |block: &Block| matches!(block, Block::CachePoint(_));
        let at_the_end = content.last().is_some_and(is_point);
        let (mut points, content): (Vec<Block>, Vec<Block>) = content.into_iter().partition(is_point);
        let point = points.pop();
        if !points.is_empty() || point.is_some() && !at_the_end {
            self.ledger.rewritten(&path.member("content"), "cache_point_behind_result");
        }
        let result = ToolResult { id, content, is_error: false };
        std::iter::once(Block::ToolResult(result)).chain(point).collect()
    }

    fn content(
        &mut self,
        raw: &RawValue,
        place: Place,
        path: &Path<'_>,
        blocks: &mut Vec<Block>,
    ) -> Result<(), InvalidRequest> {
        match raw.get().as_bytes().first() {
            Some(b'"') => blocks.push(Block::Text(parse::text(raw, path)?)),
            Some(b'[') => {
                let read = parse::island::<Array<Loose<'_, wire::Part<'_>>, 16_384>>(raw, path);
                let parts = match (read, place) {
                    (Ok(parts), Place::ToolResult) if parts.iter().all(known) => parts,
                    (_, Place::ToolResult) => return self.any_list(raw, path, blocks),
                    (read, Place::Instructions | Place::User | Place::Assistant) => read?,
                };
                for (index, part) in parts.0.into_iter().enumerate() {
                    self.near_part(part, place, &path.item(index), blocks)?;
                }
            }
            Some(b'{') if place != Place::ToolResult || is_part(raw) => {
                self.ledger.rewritten(path, "not_a_list");
                self.part(parse::island(raw, path)?, place, path, blocks)?;
            }
            Some(_) if place == Place::ToolResult => self.as_json(raw, path, blocks)?,
            Some(_) | None => {
                let expected = "a string or an array of content parts";
                return Err(parse::wrong_type(path.to_string(), expected, parse::kind_of(raw)));
            }
        }
        Ok(())
    }

    /// What a tool gave back as it was, rather than as text or parts, is read by the model as JSON.
    fn as_json(
        &mut self,
        raw: &RawValue,
        path: &Path<'_>,
        blocks: &mut Vec<Block>,
    ) -> Result<(), InvalidRequest> {
        self.ledger.rewritten(path, "json_as_text");
        blocks.push(Block::Text(Text::new(parse::json(raw, path)?.as_str())));
        Ok(())
    }

    /// The result of a tool that is a list of other things than parts, or of parts and others.
    fn any_list(
        &mut self,
        raw: &RawValue,
        path: &Path<'_>,
        blocks: &mut Vec<Block>,
    ) -> Result<(), InvalidRequest> {
        let items = parse::island::<Array<&RawValue, 16_384>>(raw, path)?;
        for (index, raw) in items.0.into_iter().enumerate() {
            let path = path.item(index);
            if matches!(raw.get().as_bytes().first(), Some(b'"' | b'n')) || is_part(raw) {
                self.near_part(parse::island(raw, &path)?, Place::ToolResult, &path, blocks)?;
            } else {
                self.as_json(raw, &path, blocks)?;
            }
        }
        Ok(())
    }

    /// A part, or what some clients write in the place of one.
    fn near_part(
        &mut self,
        part: Loose<'_, wire::Part<'_>>,
        place: Place,
        path: &Path<'_>,
        blocks: &mut Vec<Block>,
    ) -> Result<(), InvalidRequest> {
        match part {
            Loose::Object(part) => self.part(part, place, path, blocks)?,
            Loose::Text(text) => {
                self.ledger.rewritten(path, "not_a_part");
                blocks.push(Block::Text(Text::new(&text)));
            }
            Loose::Null => self.ledger.dropped(path, "no_content"),
        }
        Ok(())
    }

    fn part(
        &mut self,
        part: wire::Part<'_>,
        place: Place,
        path: &Path<'_>,
        blocks: &mut Vec<Block>,
    ) -> Result<(), InvalidRequest> {
        let wire::Part {
            kind,
            text,
            refusal,
            image_url,
            file,
            input_audio,
            prompt_cache_breakpoint,
            cache_control,
            rest: _,
        } = shapes::read(part, path, self.ledger)?;
        let kind = kind.ok_or_else(|| missing(&path.member("type")))?;
        for (name, given) in [
            ("text", text.is_some()),
            ("refusal", refusal.is_some()),
            ("image_url", image_url.is_some()),
            ("file", file.is_some()),
            ("input_audio", input_audio.is_some()),
        ] {
            if given && name != &*kind {
                self.ledger.dropped(&path.member(name), "not_of_this_type");
            }
        }
        blocks.push(match (&*kind, place) {
            ("text", _) => {
                let path = path.member("text");
                if text.is_none() {
                    self.ledger.rewritten(&path, "no_content");
                }
                Block::Text(text.map_or_else(|| Ok(Text::new("")), |raw| parse::text(raw, &path))?)
            }
            ("refusal", Place::Assistant) => {
                let path = path.member("refusal");
                Block::Text(parse::text(refusal.ok_or_else(|| missing(&path))?, &path)?)
            }
            ("image_url", Place::User | Place::ToolResult) => {
                let path = path.member("image_url");
                media::image(image_url.ok_or_else(|| missing(&path))?, &path, self.ledger)?
            }
            ("file", Place::User | Place::ToolResult) => {
                let path = path.member("file");
                media::file(file.ok_or_else(|| missing(&path))?, &path, self.ledger)?
            }
            ("input_audio", Place::User | Place::ToolResult) => {
                let path = path.member("input_audio");
                Block::Audio(media::audio(input_audio.ok_or_else(|| missing(&path))?, &path, self.ledger)?)
            }
            (_, place) => {
                let kinds: &[&str] = match place {
                    Place::Instructions => &["text"],
                    Place::User | Place::ToolResult => &PARTS,
                    Place::Assistant => &["text", "refusal"],
                };
                return Err(not_one_of(&path.member("type"), kinds));
            }
        });
        let cache = extensions::cache_point(prompt_cache_breakpoint, cache_control, path, self.ledger)?;
        blocks.extend(cache.map(Block::CachePoint));
        Ok(())
    }

    /// What the message's role had no use for.
    fn note_leftovers(&mut self, wire: &wire::Message<'_>, path: &Path<'_>) {
        let wire::Message {
            role: _,
            content: _,
            name,
            refusal,
            tool_calls,
            tool_call_id,
            function_call,
            reasoning_content,
            reasoning,
            reasoning_details,
            annotations,
            audio,
            cache_control: _,
            rest,
        } = wire;
        self.ledger.unknown(path, rest);
        // An SDK that sends an answer back as it got it writes an empty list.
        let annotations = annotations.is_some_and(|raw| raw.get() != "[]");
        for (name, given, reason) in [
            ("name", name.is_some(), "no_equivalent"),
            ("annotations", annotations, "no_equivalent"),
            ("audio", audio.is_some(), "no_equivalent"),
            ("refusal", refusal.is_some(), "not_of_this_role"),
            ("tool_calls", tool_calls.is_some(), "not_of_this_role"),
            ("tool_call_id", tool_call_id.is_some(), "not_of_this_role"),
            ("function_call", function_call.is_some(), "not_of_this_role"),
            ("reasoning_content", reasoning_content.is_some(), "not_of_this_role"),
            ("reasoning", reasoning.is_some(), "not_of_this_role"),
            ("reasoning_details", reasoning_details.is_some(), "not_of_this_role"),
        ] {
            if given {
                self.ledger.dropped(&path.member(name), reason);
            }
        }
    }
}

/// Is it a part of a message? A tool's result may be JSON of any shape.
fn is_part(raw: &RawValue) -> bool {
    let is_kind =
        |(name, value): &(Str<'_>, &RawValue)| &**name == "type" && is_type(value.get().trim_matches('"'));
    serde_json::from_str::<Pairs<'_, &RawValue>>(raw.get())
        .is_ok_and(|Pairs(pairs)| pairs.iter().any(is_kind))
}

fn known(part: &Loose<'_, wire::Part<'_>>) -> bool {
    match part {
        Loose::Object(part) => part.kind.as_deref().is_some_and(is_type),
        Loose::Text(_) | Loose::Null => true,
    }
}
