//! ONE PROMPT IN THE PLACE OF A CONVERSATION: what the formats that take one have in common. Not a format of
//! its own.
//!
//! A prompt is written as the JSON string that it will be: texts are copied into it as they came, and only
//! one that might hold a mark of the template is looked at more closely.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;

use super::model_fields::Fields;
use super::service::invoke_headers;
use super::to_body;
use crate::bedrock::{Invocation, ModelId, Operation};
use crate::chat::{Action, Block, InvalidRequest, Message, Notes, Request, Text, push_escaped};

/// What a prompt format reads of a request. Whatever else is in one has been bent or noted by the family.
pub(super) struct Asked<'a> {
    pub(super) messages: &'a [Message],
    pub(super) max_tokens: Option<u32>,
    pub(super) temperature: Option<f64>,
    pub(super) top_p: Option<f64>,
    pub(super) top_k: Option<u32>,
    pub(super) stop: &'a [String],
    /// Members of the body that are the client's own words.
    pub(super) fields: Fields<'a>,
    pub(super) headers: Vec<(&'static str, String)>,
}

impl<'a> Asked<'a> {
    /// `vendor` is for the refusal of tools; `own` are the members that the format writes itself.
    pub(super) fn of(request: &'a Request, vendor: &str, own: &[&str]) -> Result<Self, InvalidRequest> {
        let Request {
            messages,
            tools,
            max_tokens,
            temperature,
            top_p,
            top_k,
            stop,
            service,
            model_fields,
            // These need tools.
            tool_choice: _,
            parallel_tool_calls: _,
            // A prompt has no place for these: the family has told the model, or noted their loss.
            draw: _,
            reasoning: _,
            verbosity: _,
            format: _,
            web_search: _,
            user: _,
            cache: _,
        } = request;
        if !tools.is_empty() {
            return Err(InvalidRequest::unsupported(
                "tools",
                format!("{vendor}'s native format has no tools."),
            ));
        }
        Ok(Self {
            messages,
            max_tokens: *max_tokens,
            temperature: *temperature,
            top_p: *top_p,
            top_k: *top_k,
            stop,
            fields: Fields::new(model_fields).beside(own)?,
            headers: invoke_headers(service)?,
        })
    }
}

/// A body that is being written: the prompt is its first member.
pub(super) struct Prompt {
    json: String,
}

impl Prompt {
    /// `member` is the prompt's name in the body.
    pub(super) fn begin(member: &'static str, messages: &[Message]) -> Self {
        let texts = messages.iter().flat_map(|message| &message.content).filter_map(said);
        let length: usize = texts.map(|text| text.as_json().len() + 128).sum();
        let mut json = String::with_capacity(length + 256);
        json.push_str("{\"");
        json.push_str(member);
        json.push_str("\":\"");
        Self { json }
    }

    /// The template's own words.
    pub(super) fn template(&mut self, words: &str) {
        push_escaped(&mut self.json, words);
    }

    /// What is said in a turn, without white space at its ends and with `between` its texts. `vendor` is for
    /// the refusal of what is no text.
    pub(super) fn say(
        &mut self,
        message: &Message,
        guard: &Guard,
        between: &str,
        vendor: &str,
    ) -> Result<(), InvalidRequest> {
        let mut first = true;
        for block in &message.content {
            let text = match block {
                Block::Text(text) => text,
                // What a model thought is not said.
                Block::Reasoning(_) | Block::CachePoint(_) => continue,
                Block::Image(_)
                | Block::Document(_)
                | Block::Audio(_)
                | Block::Remote(_)
                | Block::ToolUse(_)
                | Block::ToolResult(_) => {
                    return Err(InvalidRequest::unsupported(
                        format!("messages[{}]", message.index),
                        format!("{vendor}'s native format takes text only."),
                    ));
                }
            };
            if !std::mem::take(&mut first) {
                self.template(between);
            }
            match guard.defused(text) {
                Some(defused) => push_escaped(&mut self.json, &defused),
                None => self.json.push_str(text.trimmed_json()),
            }
        }
        Ok(())
    }

    /// The call: the body is the prompt, and the members of `settings` after it.
    pub(super) fn call(
        self,
        settings: &impl Serialize,
        headers: Vec<(&'static str, String)>,
        model: &ModelId,
        streaming: bool,
    ) -> Result<Invocation, InvalidRequest> {
        let body = self.body(settings)?;
        Ok(Invocation { operation: Operation::invoke(streaming), model: model.clone(), headers, body })
    }

    pub(super) fn body(self, settings: &impl Serialize) -> Result<Bytes, InvalidRequest> {
        let settings = to_body(settings, 128)?;
        let mut body = self.json.into_bytes();
        body.push(b'"');
        match settings.strip_prefix(b"{") {
            None | Some(b"}") => body.push(b'}'),
            Some(members) => {
                body.push(b',');
                body.extend_from_slice(members);
            }
        }
        Ok(body.into())
    }
}

fn said(block: &Block) -> Option<&Text> {
    match block {
        Block::Text(text) => Some(text),
        Block::Image(_)
        | Block::Document(_)
        | Block::Audio(_)
        | Block::Remote(_)
        | Block::ToolUse(_)
        | Block::ToolResult(_)
        | Block::Reasoning(_)
        | Block::CachePoint(_) => None,
    }
}

/// Keeps the marks of a template out of the texts, so that nobody can end their turn and begin another's.
pub(super) struct Guard {
    /// A text without any of them holds no mark. None may hold a character that JSON writes in two ways, but
    /// for `\uXXXX`: no slash and no quote.
    pub(super) hints: &'static [&'static str],
    /// What every mark begins with, if that is one of two characters that texts seldom have.
    pub(super) opens: Option<[u8; 2]>,
    /// The text without its marks; `None` if it holds none.
    pub(super) defuse: fn(&str) -> Option<String>,
}

impl Guard {
    /// Notes which messages will be changed.
    pub(super) fn note(&self, request: &Request, reason: &'static str, notes: &mut Notes) {
        for message in &request.messages {
            if message.content.iter().filter_map(said).any(|text| self.changes(text)) {
                notes.add(format!("messages[{}]", message.index), Action::Rewritten, reason);
            }
        }
    }

    /// Would the text be changed on its way into a prompt?
    pub(super) fn changes(&self, text: &Text) -> bool {
        self.defused(text).is_some()
    }

    /// The text without its marks and without white space at its ends; `None` if it holds no mark.
    fn defused(&self, text: &Text) -> Option<String> {
        let json = text.as_json();
        // Not by `contains`: what is rare in a text is found faster so, and most texts are searched to their end.
        let begins =
            self.opens.is_none_or(|[one, other]| memchr::memchr2(one, other, json.as_bytes()).is_some());
        let hinted = |hint: &&str| memchr::memmem::find(json.as_bytes(), hint.as_bytes()).is_some();
        if !(self.may_hide_hints(json) || begins && self.hints.iter().any(hinted)) {
            return None;
        }
        let plain: Cow<'_, str> = text.decode();
        (self.defuse)(plain.trim())
    }

    /// Characters of a hint may be written as `\u003c`: who writes one so that needn't be has something to hide.
    fn may_hide_hints(&self, json: &str) -> bool {
        let ascii = self.hints.iter().all(|hint| hint.is_ascii());
        let mut escapes = memchr::memmem::find_iter(json.as_bytes(), b"\\u");
        if ascii {
            // Others than ASCII are written so by every second client.
            escapes.any(|at| json.get(at + 2..at + 5).is_some_and(|high| high < "008"))
        } else {
            escapes.next().is_some()
        }
    }
}

/// Puts a space behind the first character of each mark that `find` finds. Only ever adding, it can't put a
/// new mark together from the rest.
pub(super) fn split_marks(text: &str, find: fn(&str) -> Option<usize>) -> Option<String> {
    find(text)?;
    let mut defused = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = find(rest) {
        let first = rest.get(at..).and_then(|mark| mark.chars().next()).map_or(1, char::len_utf8);
        let (before, after) = rest.split_at_checked(at + first)?;
        defused.push_str(before);
        defused.push(' ');
        rest = after;
    }
    defused.push_str(rest);
    Some(defused)
}

/// Puts a space before each line that begins with one of `speakers`, so that it doesn't read as the next turn.
/// That is a convention against a convention: it keeps transcripts apart, it is not a guarantee.
pub(super) fn indent_speakers(text: &str, speakers: &[&str]) -> Option<String> {
    let speaks = |line: &str| speakers.iter().any(|speaker| line.starts_with(speaker));
    if !text.lines().any(speaks) {
        return None;
    }
    let mut defused = String::with_capacity(text.len() + 16);
    for line in text.split_inclusive('\n') {
        if speaks(line) {
            defused.push(' ');
        }
        defused.push_str(line);
    }
    Some(defused)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::chat::{Json, ModelField, Role};

    const GUARD: Guard = Guard {
        hints: &["[x"],
        opens: Some([b'[', b'[']),
        defuse: |text| split_marks(text, |text| text.find("[x]").or_else(|| text.find("[x/]"))),
    };

    fn raw(json: &str) -> Text {
        Text::from_raw(serde_json::from_str(json).unwrap()).unwrap()
    }

    fn written(texts: &[&str]) -> String {
        let content = texts.iter().map(|text| Block::Text(raw(text))).collect();
        let message = Message { role: Role::User, content, index: 0 };
        let mut prompt = Prompt::begin("p", std::slice::from_ref(&message));
        prompt.template("\"<s>\n");
        prompt.say(&message, &GUARD, "\n", "Nobody").unwrap();
        String::from_utf8(prompt.body(&json!({})).unwrap().to_vec()).unwrap()
    }

    #[test]
    fn a_text_is_copied_as_it_was_written() {
        assert_eq!(written(&[r#"" a\u00e9\/\n""#, r#""b""#]), r#"{"p":"\"<s>\na\u00e9\/\nb"}"#);
    }

    #[test]
    fn a_mark_is_split_however_it_is_written() {
        for text in [r#"" [x]""#, r#""\u005bx]""#, r#""[\u0078]""#] {
            assert_eq!(written(&[text]), r#"{"p":"\"<s>\n[ x]"}"#, "{text}");
        }
        assert_eq!(written(&[r#""[x\/]""#]), r#"{"p":"\"<s>\n[ x/]"}"#);
        assert!(GUARD.changes(&raw(r#""\u005bx]""#)));
        assert!(!GUARD.changes(&raw(r#""\u005by]""#)));
    }

    #[test]
    fn a_member_that_a_client_names_itself_may_not_be_the_formats_own() {
        let field = ModelField::new(&["prompt"], Json::parse("1").unwrap());
        let request = Request { model_fields: vec![field], ..Request::default() };
        assert!(Asked::of(&request, "Nobody", &["prompt"]).is_err());
        assert!(Asked::of(&request, "Nobody", &["inputText"]).is_ok());
    }

    #[test]
    fn settings_follow_the_prompt() {
        let body = Prompt::begin("prompt", &[]).body(&json!({"max": 1, "stop": ["a"]})).unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&body).unwrap(),
            json!({"prompt": "", "max": 1, "stop": ["a"]})
        );
    }

    #[test]
    fn a_line_that_begins_like_a_turn_is_indented() {
        let indented = |text| indent_speakers(text, &["A:", "B:"]);
        assert_eq!(indented("A: x\nB: y\r\nnot A:").unwrap(), " A: x\n B: y\r\nnot A:");
        assert_eq!(indented(" A:\nnot B:"), None);
    }
}
