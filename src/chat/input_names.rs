//! Other names for the members of calls' inputs, where a model has no place for the client's own.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{BlockIndex, BlockKind, Delta, Event, Json, Text};

/// Names of members: what to write for what.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct MemberNames {
    names: HashMap<String, String>,
    /// The longest JSON string that can stand for one of them.
    longest: usize,
}

impl FromIterator<(String, String)> for MemberNames {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(names: T) -> Self {
        let names: HashMap<_, _> = names.into_iter().collect();
        // A letter of one byte may be escaped in six.
        let longest = names.keys().map(|name| 6 * name.len() + 2).max().unwrap_or(0);
        Self { names, longest }
    }
}

impl MemberNames {
    /// The input with the other names; `None` if it has none of them.
    #[expect(clippy::disallowed_methods, reason = "other names leave valid JSON valid")]
    pub fn renamed(&self, input: &Json) -> Option<Json> {
        let mut scanner = Scanner::default();
        let mut renamed = scanner.push(self, input.as_str());
        renamed.push_str(&scanner.finish());
        if renamed == input.as_str() { None } else { Json::parse(&renamed).ok() }
    }

    fn other(&self, key: &str) -> Option<&str> {
        match serde_json::from_str::<String>(key) {
            Ok(name) => self.names.get(&name).map(String::as_str),
            // Models write what isn't JSON, too.
            Err(_) => None,
        }
    }
}

/// Gives the members of the inputs of a reply's calls the names that the client knows, fragment by fragment: a name that
/// is cut by the end of a fragment is held back until the rest of it comes.
#[derive(Debug)]
pub struct InputNamer {
    /// By tool, as sent.
    tools: Arc<HashMap<String, MemberNames>>,
    open: BTreeMap<BlockIndex, (String, Scanner)>,
}

impl InputNamer {
    /// For the reply to a request with these tools.
    pub fn new(tools: Arc<HashMap<String, MemberNames>>) -> Self {
        Self { tools, open: BTreeMap::new() }
    }

    /// Takes an event, and gives what can be said by now.
    pub fn push(&mut self, event: Event, out: &mut Vec<Event>) {
        match &event {
            Event::BlockStart { block, kind: BlockKind::ToolUse { id: _, name } } => {
                if self.tools.contains_key(name) {
                    self.open.insert(*block, (name.clone(), Scanner::default()));
                }
            }
            Event::Delta { block, delta: Delta::ToolInput(fragment) } => {
                if let Some((tool, scanner)) = self.open.get_mut(block)
                    && let Some(names) = self.tools.get(tool)
                {
                    let renamed = scanner.push(names, &fragment.decode());
                    out.extend(grown(*block, &renamed));
                    return;
                }
            }
            Event::BlockStop { block } => self.close(*block, out),
            Event::Stop(_) => {
                while let Some((block, _)) = self.open.first_key_value() {
                    self.close(*block, out);
                }
            }
            Event::BlockStart { kind: BlockKind::Text | BlockKind::Reasoning, block: _ }
            | Event::Delta { .. }
            | Event::Start
            | Event::Refusal(_)
            | Event::Usage(_)
            | Event::ServiceTier(_)
            | Event::Extra(_) => {}
        }
        out.push(event);
    }

    /// What is held back of a block belongs to it, also where the model was cut in the middle of a name.
    fn close(&mut self, block: BlockIndex, out: &mut Vec<Event>) {
        if let Some((_, mut scanner)) = self.open.remove(&block) {
            out.extend(grown(block, &scanner.finish()));
        }
    }
}

fn grown(block: BlockIndex, fragment: &str) -> Option<Event> {
    (!fragment.is_empty()).then(|| Event::Delta { block, delta: Delta::ToolInput(Text::new(fragment)) })
}

/// Reads an object piece by piece, and knows where the names of its own members stand. Each letter is looked at once.
#[derive(Debug, Default)]
struct Scanner {
    depth: usize,
    /// A member's name comes next.
    before_name: bool,
    inside_string: bool,
    /// The last letter of the piece before was a backslash in a string.
    escaped: bool,
    /// The beginning of a name, with its quote.
    name: Option<String>,
}

impl Scanner {
    fn push(&mut self, names: &MemberNames, piece: &str) -> String {
        let mut written = String::with_capacity(piece.len());
        let mut rest = piece;
        while !rest.is_empty() {
            let end = if self.inside_string { self.string(rest) } else { self.structure(rest) };
            let (read, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            rest = after;
            let Some(name) = &mut self.name else {
                written.push_str(read);
                continue;
            };
            name.push_str(read);
            if !self.inside_string {
                match names.other(name) {
                    Some(other) => written.push_str(Text::new(other).as_json()),
                    None => written.push_str(name),
                }
                self.name = None;
            } else if name.len() > names.longest {
                written.push_str(name);
                self.name = None;
            }
        }
        written
    }

    fn finish(&mut self) -> String {
        self.name.take().unwrap_or_default()
    }

    /// Where a string ends, or the piece does.
    fn string(&mut self, rest: &str) -> usize {
        let bytes = rest.as_bytes();
        let mut at = 0;
        if std::mem::take(&mut self.escaped) {
            at = rest.chars().next().map_or(0, char::len_utf8);
        }
        while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
            at += found;
            if bytes.get(at) == Some(&b'"') {
                self.inside_string = false;
                return at + 1;
            }
            let escaped = rest.get(at + 1..).and_then(|rest| rest.chars().next());
            self.escaped = escaped.is_none();
            at += 1 + escaped.map_or(0, char::len_utf8);
        }
        rest.len()
    }

    /// Where the next string begins or a bracket stands, which is read.
    fn structure(&mut self, rest: &str) -> usize {
        let Some(at) = rest.bytes().position(|byte| b"\"{}[],".contains(&byte)) else { return rest.len() };
        match rest.as_bytes().get(at) {
            // What stands before the name isn't part of it.
            Some(b'"') if at > 0 => return at,
            Some(b'"') => {
                self.inside_string = true;
                if std::mem::take(&mut self.before_name) {
                    self.name = Some(String::new());
                }
            }
            Some(b'{') => {
                self.depth += 1;
                self.before_name = self.depth == 1;
            }
            Some(b'[') => self.depth += 1,
            Some(b',') => self.before_name = self.depth == 1,
            _ => self.depth = self.depth.saturating_sub(1),
        }
        at + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::StopReason;

    fn tools() -> Arc<HashMap<String, MemberNames>> {
        let names = [("a_b", "a[b]"), ("_x", "$\"x"), ("n", "")];
        let names = names.into_iter().map(|(sent, own)| (sent.to_owned(), own.to_owned())).collect();
        Arc::new(HashMap::from([("tool".to_owned(), names)]))
    }

    fn start(name: &str) -> Event {
        let kind = BlockKind::ToolUse { id: "1".into(), name: name.into() };
        Event::BlockStart { block: BlockIndex(2), kind }
    }

    /// The input that comes of these fragments, and how many came.
    fn heard(name: &str, fragments: &[&str], last: Event) -> (String, usize) {
        let mut namer = InputNamer::new(tools());
        let mut out = Vec::new();
        namer.push(start(name), &mut out);
        for fragment in fragments {
            let delta = Delta::ToolInput(Text::new(fragment));
            namer.push(Event::Delta { block: BlockIndex(2), delta }, &mut out);
        }
        namer.push(last, &mut out);
        let inputs = out.iter().filter_map(|event| match event {
            Event::Delta { block: BlockIndex(2), delta: Delta::ToolInput(fragment) } => {
                Some(fragment.decode())
            }
            _ => None,
        });
        let inputs: Vec<_> = inputs.collect();
        (inputs.concat(), inputs.len())
    }

    const STOP: Event = Event::BlockStop { block: BlockIndex(2) };

    #[test]
    fn names_of_the_outermost_object_are_given_back_wherever_it_is_cut() {
        let sent = r#" {"a_b" : {"a_b":"a_b","n":[{"_x":1}]}, "\u005fx":"{\"a_b\":", "n":"a_b","é\"a_b":[",a_b"], "a_b":0}"#;
        let own = r#" {"a[b]" : {"a_b":"a_b","n":[{"_x":1}]}, "$\"x":"{\"a_b\":", "":"a_b","é\"a_b":[",a_b"], "a[b]":0}"#;
        assert_eq!(heard("tool", &[sent], STOP).0, own);
        for (cut, _) in sent.char_indices() {
            let (before, after) = sent.split_at(cut);
            assert_eq!(heard("tool", &[before, after], STOP).0, own, "{cut}");
        }
        let letters: Vec<String> = sent.chars().map(String::from).collect();
        let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
        assert_eq!(heard("tool", &letters, STOP).0, own);
        assert_eq!(heard("other", &[sent], STOP).0, sent);
    }

    #[test]
    fn a_name_that_is_cut_by_the_end_of_the_reply_is_not_lost() {
        for last in [STOP, Event::Stop(StopReason::MaxTokens)] {
            assert_eq!(heard("tool", &[r#"{"a_b":1,"a_"#], last), (r#"{"a[b]":1,"a_"#.to_owned(), 2));
        }
    }

    #[test]
    fn no_more_is_held_back_than_a_name_may_be_long() {
        let long = "x".repeat(100);
        let (input, fragments) = heard("tool", &[r#"{""#, &long, &long, &long], STOP);
        assert_eq!((input, fragments), (format!("{{\"{long}{long}{long}"), 4));
    }

    #[test]
    fn an_input_of_the_history_is_renamed_at_once() {
        let names: MemberNames = [("a[b]".to_owned(), "a_b".to_owned())].into_iter().collect();
        let renamed =
            |json: &str| names.renamed(&Json::parse(json).unwrap()).map(|json| json.as_str().to_owned());
        assert_eq!(renamed(r#"{"a[b]":{"a[b]":1}}"#).unwrap(), r#"{"a_b":{"a[b]":1}}"#);
        assert_eq!(renamed(r#"{"c":"a[b]"}"#), None);
    }
}
