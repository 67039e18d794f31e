//! Calls in the history: models have called tools with arguments that have no name, and Converse refuses such
//! a history from then on.

use std::collections::HashMap;

use super::tools::Renamed;
use crate::chat::{Action, Block, Json, MemberNames, Message, Notes, Request, end_of_string};

/// Calls of tools whose properties have other names for the model have those, too.
pub(super) fn rename_members(request: &mut Request, renamed: &[Renamed], notes: &mut Notes) {
    let mut by_tool: HashMap<&str, MemberNames> = HashMap::new();
    for Renamed { tool, names } in renamed {
        if let Some(tool) = request.tools.get(*tool) {
            by_tool.entry(&tool.name).or_insert_with(|| names.iter().cloned().collect());
        }
    }
    if by_tool.is_empty() {
        return;
    }
    for message in &mut request.messages {
        for block in &mut message.content {
            let Block::ToolUse(call) = block else { continue };
            let named = by_tool.get(call.name.as_str()).and_then(|names| names.renamed(&call.input));
            if let Some(named) = named {
                call.input = named;
                notes.add(format!("messages[{}]", message.index), Action::Renamed, "properties_renamed");
            }
        }
    }
}

/// Gives nameless members of calls' inputs a name, at any depth; all else stays as it was written.
pub(super) fn name_members(messages: &mut [Message], notes: &mut Notes) {
    for Message { role: _, content, index } in messages {
        for block in content {
            let Block::ToolUse(call) = block else { continue };
            if let Some(named) = named(&call.input) {
                call.input = named;
                notes.add(format!("messages[{index}]"), Action::Renamed, "empty_key");
            }
        }
    }
}

/// `None` if every member has a name: one search tells it of most inputs. Else the text is read once, and
/// each nameless member makes it a few bytes longer.
fn named(input: &Json) -> Option<Json> {
    let json = input.as_str();
    memchr::memmem::find(json.as_bytes(), b"\"\"")?;
    let names = Names::free_in(json);
    let mut written = String::with_capacity(json.len() + 16);
    // For each array or object that is open, how many members were named in it.
    let mut open: Vec<u32> = Vec::new();
    let mut rest = json;
    while let Some(at) = rest.find(['"', '{', '[', '}', ']']) {
        let (before, token) = rest.split_at(at);
        written.push_str(before);
        let length = match token.as_bytes().first() {
            Some(b'"') => end_of_string(token, 1),
            Some(b'{' | b'[') => {
                open.push(0);
                1
            }
            _ => {
                open.pop();
                1
            }
        };
        let (token, after) = token.split_at_checked(length)?;
        rest = after;
        if token == "\"\"" && after.trim_start().starts_with(':') {
            let count = open.last_mut()?;
            *count += 1;
            written.push_str(&names.name(*count));
        } else {
            written.push_str(token);
        }
    }
    written.push_str(rest);
    if written.len() == json.len() {
        return None;
    }
    match Json::parse(&written) {
        Ok(json) => Some(json),
        Err(_) => unreachable!("one string for another keeps JSON valid"),
    }
}

/// Names that no member has: `_`, `_2`, `_3` … where nothing begins with an underscore, else `_0_`, `_0_2` …,
/// with the first number that nothing begins with.
struct Names(String);

impl Names {
    fn free_in(json: &str) -> Self {
        let mut taken: Vec<u32> = Vec::new();
        let mut any = false;
        for at in memchr::memmem::find_iter(json.as_bytes(), b"\"_") {
            any = true;
            // No number of nine digits can be the first that is free.
            let number = json.get(at + 2..).unwrap_or_default().split('_').next().unwrap_or_default();
            if let Some(number) = number.get(..number.len().min(9)).filter(|digits| *digits == number) {
                taken.extend(number.parse::<u32>());
            }
        }
        if !any {
            return Self("_".to_owned());
        }
        taken.sort_unstable();
        taken.dedup();
        let free = (0..).zip(&taken).find(|(number, taken)| number != *taken);
        let free = free.map_or(taken.len(), |(number, _)| usize::try_from(number).unwrap_or(taken.len()));
        Self(format!("_{free}_"))
    }

    /// The string for the first, second … nameless member of one object.
    fn name(&self, count: u32) -> String {
        let Self(prefix) = self;
        if count == 1 { format!("\"{prefix}\"") } else { format!("\"{prefix}{count}\"") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renamed(json: &str) -> Option<String> {
        named(&Json::parse(json).unwrap()).map(|json| json.as_str().to_owned())
    }

    #[test]
    fn nameless_members_get_names_at_any_depth_and_the_rest_stays() {
        for (json, expected) in [
            (r#"{"":1}"#, r#"{"_":1}"#),
            (
                r#"{ "" : "", "b":[{"":{"" :[]}}] , "c":1.50}"#,
                r#"{ "_" : "", "b":[{"_":{"_" :[]}}] , "c":1.50}"#,
            ),
            (r#"{"":1,"":2,"a":{"":3}}"#, r#"{"_":1,"_2":2,"a":{"_":3}}"#),
            (r#"{"_":"x","":"y"}"#, r#"{"_":"x","_0_":"y"}"#),
            (r#"{"_0_":1,"_1_x":1,"_private":2,"":"y"}"#, r#"{"_0_":1,"_1_x":1,"_private":2,"_2_":"y"}"#),
            (r#"{"text":"he said \"\": so","":"\\"}"#, r#"{"text":"he said \"\": so","_":"\\"}"#),
        ] {
            assert_eq!(renamed(json).as_deref(), Some(expected), "{json}");
        }
    }

    #[test]
    fn what_has_names_stays_as_it_is() {
        for json in ["{}", r#"{"a":""}"#, r#"{"a":["",""]}"#, r#"{"a":"\"\":"}"#, r#"{"a":"","b":{"c":""}}"#]
        {
            assert_eq!(renamed(json), None, "{json}");
        }
    }

    #[test]
    fn a_free_name_is_found_whatever_is_taken() {
        let taken: Vec<String> = (0..300).map(|n| format!("\"_{n}_\":{n}")).collect();
        let named = renamed(&format!("{{{},\"\":1}}", taken.join(","))).unwrap();
        assert!(named.ends_with(",\"_300_\":1}"), "{named}");
    }
}
