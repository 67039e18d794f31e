//! Names and ids that Bedrock's patterns have no place for.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::{Action, Block, BlockKind, Event, Notes, Request, ToolChoice};

/// Longest name and id that every model takes.
const LONGEST: usize = 64;

/// Other names for tools whose own don't fit `[a-zA-Z0-9_-]{1,64}`: the same in the tools, the choice and the
/// history on the way there, and undone on the way back.
///
/// Ids of calls that don't fit are replaced by a hash of themselves, on the call and on its result: the same
/// id gets the same hash in every request, so the prompt's prefix stays. They need no way back, since the
/// model only ever makes new ones. What fits is left alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aliases {
    /// (as sent, as the client calls it)
    names: Vec<(String, String)>,
}

impl Aliases {
    /// Renames what doesn't fit.
    pub fn apply(request: &mut Request, notes: &mut Notes) -> Self {
        let mut naming = Naming::new(request);
        for (position, tool) in request.tools.iter_mut().enumerate() {
            if naming.rename(&mut tool.name) {
                notes.add(format!("tools[{position}]"), Action::Renamed, "name_pattern");
            }
        }
        if let Some(ToolChoice::Named(name)) = &mut request.tool_choice
            && naming.rename(name)
        {
            notes.add("tool_choice", Action::Renamed, "name_pattern");
        }
        for message in &mut request.messages {
            for block in &mut message.content {
                let (renamed, id) = match block {
                    Block::ToolUse(call) => (naming.rename(&mut call.name), &mut call.id),
                    Block::ToolResult(result) => (false, &mut result.id),
                    Block::Text(_)
                    | Block::Image(_)
                    | Block::Document(_)
                    | Block::Audio(_)
                    | Block::Remote(_)
                    | Block::CachePoint(_)
                    | Block::Reasoning(_) => continue,
                };
                if renamed {
                    notes.add(format!("messages[{}]", message.index), Action::Renamed, "name_pattern");
                }
                if !fits(id) {
                    *id = hashed("call_", id, 16);
                    notes.add(format!("messages[{}]", message.index), Action::Renamed, "id_pattern");
                }
            }
        }
        Self { names: naming.renamed() }
    }

    /// Gives a call of the model the name that the client knows.
    pub fn restore(&self, event: &mut Event) {
        let name = match event {
            Event::BlockStart { kind: BlockKind::ToolUse { id: _, name }, block: _ } => name,
            Event::BlockStart { kind: BlockKind::Text | BlockKind::Reasoning, block: _ }
            | Event::Start
            | Event::Delta { .. }
            | Event::BlockStop { .. }
            | Event::Refusal(_)
            | Event::Stop(_)
            | Event::Usage(_)
            | Event::ServiceTier(_)
            | Event::Extra(_) => return,
        };
        if let Some((_, own)) = self.names.iter().find(|(sent, _)| sent == name) {
            name.clone_from(own);
        }
    }
}

/// The names of one request.
struct Naming {
    /// Names as sent, of which each belongs to one tool.
    taken: HashSet<String>,
    /// Own name → as sent, for those that differ.
    aliases: HashMap<String, String>,
}

impl Naming {
    fn new(request: &Request) -> Self {
        let tools = request.tools.iter().map(|tool| &tool.name);
        let history =
            request.messages.iter().flat_map(|message| &message.content).filter_map(|block| match block {
                Block::ToolUse(call) => Some(&call.name),
                Block::Text(_)
                | Block::Image(_)
                | Block::Document(_)
                | Block::Audio(_)
                | Block::Remote(_)
                | Block::CachePoint(_)
                | Block::ToolResult(_)
                | Block::Reasoning(_) => None,
            });
        let taken = tools.chain(history).filter(|name| fits(name)).cloned().collect();
        Self { taken, aliases: HashMap::new() }
    }

    /// Was it renamed?
    fn rename(&mut self, name: &mut String) -> bool {
        if fits(name) {
            return false;
        }
        let alias = if let Some(alias) = self.aliases.get(name) {
            alias.clone()
        } else {
            let alias = self.free_alias(name);
            self.taken.insert(alias.clone());
            self.aliases.insert(name.clone(), alias.clone());
            alias
        };
        *name = alias;
        true
    }

    /// The name with `_` for what doesn't fit, since the model reads it; if that is another tool's name, or
    /// too long to tell it from another, with a hash of the name at its end.
    fn free_alias(&self, name: &str) -> String {
        let readable: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
        if readable.len() <= LONGEST && !readable.is_empty() && !self.taken.contains(&readable) {
            return readable;
        }
        let stem: String = readable.chars().take(LONGEST - 17).collect();
        hashed(&format!("{stem}_"), name, 8)
    }

    fn renamed(self) -> Vec<(String, String)> {
        self.aliases.into_iter().map(|(own, sent)| (sent, own)).collect()
    }
}

fn fits(name: &str) -> bool {
    (1..=LONGEST).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// `prefix` and the first `bytes` of the text's SHA-256 in hex.
fn hashed(prefix: &str, text: &str, bytes: usize) -> String {
    let mut hashed = prefix.to_owned();
    for byte in Sha256::digest(text.as_bytes()).iter().take(bytes) {
        // Writing to a String can't fail.
        let _ = write!(hashed, "{byte:02x}");
    }
    hashed
}

#[cfg(test)]
mod tests {
    use super::super::{BlockIndex, Json, Message, Role, Tool, ToolResult, ToolUse};
    use super::*;

    fn tool(name: &str) -> Tool {
        Tool { name: name.into(), description: None, schema: None, strict: None, cache: None }
    }

    fn round(id: &str, name: &str) -> [Message; 2] {
        let call = ToolUse { id: id.into(), name: name.into(), input: Json::empty_object() };
        let result = ToolResult { id: id.into(), content: Vec::new(), is_error: false };
        [
            Message { role: Role::Assistant, content: vec![Block::ToolUse(call)], index: 1 },
            Message { role: Role::User, content: vec![Block::ToolResult(result)], index: 2 },
        ]
    }

    fn ids(request: &Request) -> Vec<String> {
        let blocks = request.messages.iter().flat_map(|message| &message.content);
        blocks
            .map(|block| match block {
                Block::ToolUse(call) => call.id.clone(),
                Block::ToolResult(result) => result.id.clone(),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    fn restored(aliases: &Aliases, name: &str) -> String {
        let kind = BlockKind::ToolUse { id: "t".into(), name: name.into() };
        let mut event = Event::BlockStart { block: BlockIndex(0), kind };
        aliases.restore(&mut event);
        match event {
            Event::BlockStart { kind: BlockKind::ToolUse { name, .. }, .. } => name,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_fits_is_left_alone() {
        let mut request = Request {
            tools: vec![tool("get_weather-2")],
            messages: round("toolu_01-x", "get_weather-2").into(),
            ..Request::default()
        };
        let mut notes = Notes::new();
        assert_eq!(Aliases::apply(&mut request, &mut notes), Aliases::default());
        assert!(notes.is_empty());
        assert_eq!(request.tools[0].name, "get_weather-2");
        assert_eq!(ids(&request), ["toolu_01-x", "toolu_01-x"]);
    }

    #[test]
    fn a_name_is_the_same_everywhere_and_comes_back() {
        let mut request = Request {
            tools: vec![tool("get.weather")],
            tool_choice: Some(ToolChoice::Named("get.weather".into())),
            messages: round("a", "get.weather").into(),
            ..Request::default()
        };
        let mut notes = Notes::new();
        let aliases = Aliases::apply(&mut request, &mut notes);
        assert_eq!(request.tools[0].name, "get_weather");
        assert_eq!(request.tool_choice, Some(ToolChoice::Named("get_weather".into())));
        assert!(
            matches!(&request.messages[0].content[0], Block::ToolUse(call) if call.name == "get_weather")
        );
        assert_eq!(restored(&aliases, "get_weather"), "get.weather");
        assert_eq!(restored(&aliases, "other"), "other");
        assert_eq!(notes.iter().count(), 3);
    }

    #[test]
    fn names_that_would_collide_stay_apart() {
        let long = "x".repeat(70);
        let mut request = Request::default();
        let names = ["a.b", "a_b", "a b", "a/b", &long, &format!("{long}y"), "", "é"];
        request.tools = names.iter().map(|name| tool(name)).collect();
        let aliases = Aliases::apply(&mut request, &mut Notes::new());
        let sent: HashSet<&str> = request.tools.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(sent.len(), names.len());
        for (tool, own) in request.tools.iter().zip(names) {
            assert!(fits(&tool.name), "{}", tool.name);
            assert_eq!(restored(&aliases, &tool.name), own);
        }
        assert_eq!(request.tools[1].name, "a_b");
    }

    #[test]
    fn an_id_that_does_not_fit_is_hashed_the_same_on_call_and_result() {
        let odd = "functions.get_weather:0";
        let mut request = Request { messages: round(odd, "f").into(), ..Request::default() };
        let mut notes = Notes::new();
        Aliases::apply(&mut request, &mut notes);
        let first = ids(&request);
        assert_eq!(first[0], first[1]);
        assert!(fits(&first[0]));
        let mut again = Request { messages: round(odd, "f").into(), ..Request::default() };
        Aliases::apply(&mut again, &mut Notes::new());
        assert_eq!(ids(&again), first);
        let mut other =
            Request { messages: round("functions.get_weather:1", "f").into(), ..Request::default() };
        Aliases::apply(&mut other, &mut Notes::new());
        assert_ne!(ids(&other), first);
        assert_eq!(notes.iter().filter(|note| note.reason == "id_pattern").count(), 2);
    }
}
