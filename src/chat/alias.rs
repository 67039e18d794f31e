//! Names and ids that Bedrock's patterns have no place for.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::{Action, Block, BlockKind, Event, Notes, Request, ToolChoice};

/// Longest name and id that every model takes.
const LONGEST: usize = 64;

/// Which names have a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamePattern {
    /// All but the empty one.
    NotEmpty,
    /// `[a-zA-Z0-9]` and these marks, up to 64 letters.
    Marks(&'static str),
}

impl NamePattern {
    /// Bedrock's for tools and for ids of calls.
    pub const TOOLS: Self = Self::Marks("_-");
    /// Claude's for the properties of a tool's input.
    pub const PROPERTIES: Self = Self::Marks("_.-");

    /// Has the name a place?
    pub fn fits(self, name: &str) -> bool {
        match self {
            Self::NotEmpty => !name.is_empty(),
            Self::Marks(_) => (1..=LONGEST).contains(&name.len()) && name.chars().all(|c| self.takes(c)),
        }
    }

    fn takes(self, letter: char) -> bool {
        match self {
            Self::NotEmpty => true,
            Self::Marks(marks) => letter.is_ascii_alphanumeric() || marks.contains(letter),
        }
    }
}

/// Other names for tools whose own don't fit the model's pattern, or are another tool's: the same in the tools, the
/// choice and the history on the way there, and undone on the way back.
///
/// Ids of calls that don't fit are replaced by a hash of themselves, on the call and on its result: the same
/// id gets the same hash in every request, so the prompt's prefix stays. They need no way back, since the
/// model only ever makes new ones. What fits is left alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aliases {
    /// As sent → as the client calls it.
    names: HashMap<String, String>,
}

impl Aliases {
    /// Renames what doesn't fit.
    pub fn apply(request: &mut Request, pattern: NamePattern, notes: &mut Notes) -> Self {
        let mut naming = {
            let tools = request.tools.iter().map(|tool| tool.name.as_str());
            let messages = request.messages.iter().flat_map(|message| &message.content);
            Naming::new(pattern, tools.chain(messages.filter_map(called)))
        };
        let mut names = HashMap::new();
        let mut seen = HashSet::new();
        for (position, tool) in request.tools.iter_mut().enumerate() {
            let (sent, reason) = if seen.insert(tool.name.clone()) {
                (naming.alias(&tool.name), "name_pattern")
            } else {
                // Two tools of one name: the client knows which it meant, the model couldn't.
                (Some(naming.another(&tool.name)), "duplicate_name")
            };
            if let Some(sent) = sent {
                notes.add(format!("tools[{position}]"), Action::Renamed, reason);
                names.insert(sent.clone(), std::mem::replace(&mut tool.name, sent));
            }
        }
        if let Some(ToolChoice::Named(name)) = &mut request.tool_choice
            && let Some(sent) = naming.alias(name)
        {
            notes.add("tool_choice", Action::Renamed, "name_pattern");
            *name = sent;
        }
        for message in &mut request.messages {
            for block in &mut message.content {
                let id = match block {
                    Block::ToolUse(call) => {
                        if let Some(sent) = naming.alias(&call.name) {
                            let path = format!("messages[{}]", message.index);
                            notes.add(path, Action::Renamed, "name_pattern");
                            names.insert(sent.clone(), std::mem::replace(&mut call.name, sent));
                        }
                        &mut call.id
                    }
                    Block::ToolResult(result) => &mut result.id,
                    Block::Text(_)
                    | Block::Image(_)
                    | Block::Document(_)
                    | Block::Audio(_)
                    | Block::Remote(_)
                    | Block::CachePoint(_)
                    | Block::Reasoning(_) => continue,
                };
                if !NamePattern::TOOLS.fits(id) {
                    *id = hashed("call_", id, 16);
                    notes.add(format!("messages[{}]", message.index), Action::Renamed, "id_pattern");
                }
            }
        }
        Self { names }
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
        if let Some(own) = self.names.get(name) {
            name.clone_from(own);
        }
    }
}

fn called(block: &Block) -> Option<&str> {
    match block {
        Block::ToolUse(call) => Some(&call.name),
        Block::Text(_)
        | Block::Image(_)
        | Block::Document(_)
        | Block::Audio(_)
        | Block::Remote(_)
        | Block::CachePoint(_)
        | Block::ToolResult(_)
        | Block::Reasoning(_) => None,
    }
}

/// Makes names that fit, each for one thing only.
#[derive(Debug)]
pub struct Naming {
    pattern: NamePattern,
    /// Names as sent, of which each belongs to one thing.
    taken: HashSet<String>,
    /// Own name → as sent, for those that differ.
    aliases: HashMap<String, String>,
    /// How many things had a name before.
    times: HashMap<String, usize>,
}

impl Naming {
    /// `names` are all there are.
    pub fn new<'a>(pattern: NamePattern, names: impl Iterator<Item = &'a str>) -> Self {
        let taken = names.filter(|name| pattern.fits(name)).map(str::to_owned).collect();
        Self { pattern, taken, aliases: HashMap::new(), times: HashMap::new() }
    }

    /// Another name for one that doesn't fit; always the same.
    pub fn alias(&mut self, name: &str) -> Option<String> {
        if self.pattern.fits(name) {
            return None;
        }
        if let Some(alias) = self.aliases.get(name) {
            return Some(alias.clone());
        }
        let alias = self.free(&self.readable(name), name);
        self.aliases.insert(name.to_owned(), alias.clone());
        Some(alias)
    }

    /// Another name for a second thing of one name; each time another one.
    fn another(&mut self, name: &str) -> String {
        let stem = self.readable(name);
        loop {
            let times = self.times.entry(name.to_owned()).or_insert(1);
            *times += 1;
            let numbered = format!("{stem}_{times}");
            if !self.pattern.fits(&numbered) {
                let own = format!("{name}_{times}");
                return self.free(&numbered, &own);
            }
            if self.taken.insert(numbered.clone()) {
                return numbered;
            }
        }
    }

    /// The name with `_` for what doesn't fit, since the model reads it.
    fn readable(&self, name: &str) -> String {
        let readable: String = name.chars().map(|c| if self.pattern.takes(c) { c } else { '_' }).collect();
        if readable.is_empty() { "_".to_owned() } else { readable }
    }

    /// The readable name; if that is another thing's, or too long to tell it from another, with a hash of the name at its
    /// end.
    fn free(&mut self, readable: &str, name: &str) -> String {
        if readable.len() <= LONGEST && self.taken.insert(readable.to_owned()) {
            return readable.to_owned();
        }
        let stem: String = readable.chars().take(LONGEST - 17).collect();
        let hashed = hashed(&format!("{stem}_"), name, 8);
        self.taken.insert(hashed.clone());
        hashed
    }
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
        assert_eq!(Aliases::apply(&mut request, NamePattern::TOOLS, &mut notes), Aliases::default());
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
        let aliases = Aliases::apply(&mut request, NamePattern::TOOLS, &mut notes);
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
        let aliases = Aliases::apply(&mut request, NamePattern::TOOLS, &mut Notes::new());
        let sent: HashSet<&str> = request.tools.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(sent.len(), names.len());
        for (tool, own) in request.tools.iter().zip(names) {
            assert!(NamePattern::TOOLS.fits(&tool.name), "{}", tool.name);
            assert_eq!(restored(&aliases, &tool.name), own);
        }
        assert_eq!(request.tools[1].name, "a_b");
    }

    #[test]
    fn each_pattern_has_its_own_marks() {
        for (pattern, fits) in [
            (NamePattern::TOOLS, [true, false, true, false, false]),
            (NamePattern::PROPERTIES, [true, true, true, false, false]),
            (NamePattern::Marks("_"), [false, false, true, false, false]),
            (NamePattern::NotEmpty, [true, true, true, true, false]),
        ] {
            assert_eq!(["a-b", "a.b", "a_b", "a b", ""].map(|name| pattern.fits(name)), fits, "{pattern:?}");
        }
        let mut request = Request { tools: ["get-it", "get_it", "a"].map(tool).into(), ..Request::default() };
        let aliases = Aliases::apply(&mut request, NamePattern::Marks("_"), &mut Notes::new());
        let [hashed, plain, other] = request.tools.as_slice() else { panic!() };
        assert!(hashed.name.starts_with("get_it_") && hashed.name.len() == 23, "{}", hashed.name);
        assert_eq!((plain.name.as_str(), other.name.as_str()), ("get_it", "a"));
        assert_eq!(restored(&aliases, &hashed.name), "get-it");
    }

    #[test]
    fn tools_of_one_name_are_told_apart_and_come_back() {
        let names = ["find", "find", "find_2", "find", "a b", "a b", &"x".repeat(64), &"x".repeat(64)];
        let mut request = Request {
            tools: names.map(tool).into(),
            tool_choice: Some(ToolChoice::Named("find".into())),
            messages: round("a", "find").into(),
            ..Request::default()
        };
        let mut notes = Notes::new();
        let aliases = Aliases::apply(&mut request, NamePattern::TOOLS, &mut notes);
        let sent: Vec<&str> = request.tools.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(sent[..6], ["find", "find_3", "find_2", "find_4", "a_b", "a_b_2"]);
        assert_eq!(sent.iter().collect::<HashSet<_>>().len(), names.len());
        for (tool, own) in request.tools.iter().zip(names) {
            assert_eq!(restored(&aliases, &tool.name), own);
        }
        assert_eq!(request.tool_choice, Some(ToolChoice::Named("find".into())));
        assert_eq!(notes.iter().filter(|note| note.reason == "duplicate_name").count(), 4);
    }

    #[test]
    fn an_id_that_does_not_fit_is_hashed_the_same_on_call_and_result() {
        let odd = "functions.get_weather:0";
        let mut request = Request { messages: round(odd, "f").into(), ..Request::default() };
        let mut notes = Notes::new();
        Aliases::apply(&mut request, NamePattern::TOOLS, &mut notes);
        let first = ids(&request);
        assert_eq!(first[0], first[1]);
        assert!(NamePattern::TOOLS.fits(&first[0]));
        let mut again = Request { messages: round(odd, "f").into(), ..Request::default() };
        Aliases::apply(&mut again, NamePattern::TOOLS, &mut Notes::new());
        assert_eq!(ids(&again), first);
        let mut other =
            Request { messages: round("functions.get_weather:1", "f").into(), ..Request::default() };
        Aliases::apply(&mut other, NamePattern::TOOLS, &mut Notes::new());
        assert_ne!(ids(&other), first);
        assert_eq!(notes.iter().filter(|note| note.reason == "id_pattern").count(), 2);
    }
}
