//! Calls between tokens, found in a text that comes in pieces.

use serde_json::value::RawValue;

use super::super::Text;

/// The tokens around calls.
///
/// ```text
/// section  = begin call+ end                      white space between them means nothing
/// call     = call_begin name arguments object call_end
/// name     = "functions." tool ":" number         or the tool alone
/// ```
///
/// A call without a section around it counts too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallTokens {
    /// Before the first call.
    pub begin: &'static str,
    /// Behind the last call.
    pub end: &'static str,
    /// Before a call.
    pub call_begin: &'static str,
    /// Between the tool and its input.
    pub arguments: &'static str,
    /// Behind a call.
    pub call_end: &'static str,
}

/// A piece of a text, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Said(String),
    Call { name: String, arguments: String },
}

/// The longest call that is looked for: it is held until its end.
const LONGEST: usize = 1024 * 1024;

/// What every token begins with.
const FIRST: char = '<';

/// The most white space between two tokens.
const MOST_SPACE: usize = 256;

/// Takes a text in pieces:
///
/// ```text
/// Said ──begin──▶ Opened ──call_begin──▶ Call ──call_end──▶ After ──call_begin──▶ Call …
///  │ ▲               └ anything else ─▶ Said  └ no call ─▶ Said │ └ end, or anything else ─▶ Said
///  └─┴──call_begin──▶ Call
/// ```
///
/// Each step looks at each byte once, but for as many as a token has. What is not a call was said.
#[derive(Debug, Clone, Default)]
pub(super) struct Reader {
    at: At,
    /// What waits for more: a beginning of a token, or all since the first token of what may be a call.
    held: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum At {
    #[default]
    Said,
    /// `held` begins with the token of a section.
    Opened,
    /// A call begins at `start` in `held`; its end doesn't begin before `searched`.
    Call { start: usize, searched: usize },
    /// Behind a call.
    After,
}

impl Reader {
    /// Nothing is held, and nothing in the text can be a token.
    pub(super) fn passes(&self, text: &Text) -> bool {
        let json = text.as_json();
        // A server may escape what is no letter.
        self.at == At::Said && self.held.is_empty() && !json.contains(FIRST) && !json.contains("\\u003")
    }

    pub(super) fn push(&mut self, text: &str, tokens: &CallTokens, tools: &[String], out: &mut Vec<Piece>) {
        self.held.push_str(text);
        let mut held = std::mem::take(&mut self.held);
        let mut done = 0;
        while let Some(step) = self.step(held.get(done..).unwrap_or_default(), tokens, tools, out) {
            done += step;
        }
        held.drain(..done);
        self.held = held;
    }

    /// The text has ended. A call that only lacks its end is one: models end their turns with those tokens.
    pub(super) fn finish(&mut self, tokens: &CallTokens, tools: &[String], out: &mut Vec<Piece>) {
        let held = std::mem::take(&mut self.held);
        match std::mem::take(&mut self.at) {
            At::Said | At::Opened => say(&held, out),
            At::Call { start, searched: _ } => {
                let call = without_end(held.get(start..).unwrap_or_default(), tokens);
                match read(call, tokens, tools) {
                    Some(call) => out.push(call),
                    None => say(&held, out),
                }
            }
            At::After => {
                // The end of the section, as far as the model has come with it, says nothing.
                let rest = held.trim_start();
                if ![tokens.end, tokens.call_begin].iter().any(|token| token.starts_with(rest)) {
                    say(&held, out);
                }
            }
        }
    }

    /// Makes one step on what is held, and gives how much of it is done with. `None`: more has to come first.
    fn step(
        &mut self,
        held: &str,
        tokens: &CallTokens,
        tools: &[String],
        out: &mut Vec<Piece>,
    ) -> Option<usize> {
        match self.at {
            At::Said => Some(self.said(held, tokens, out)).filter(|done| *done > 0 || self.at != At::Said),
            At::Opened => self.opened(held, tokens, out),
            At::Call { start, searched } => self.call(held, start, searched, tokens, tools, out),
            At::After => self.after(held, tokens),
        }
    }

    fn said(&mut self, held: &str, tokens: &CallTokens, out: &mut Vec<Piece>) -> usize {
        let token = held.match_indices(FIRST).find_map(|(at, _)| {
            let rest = held.get(at..)?;
            let begins =
                [(tokens.begin, At::Opened), (tokens.call_begin, At::Call { start: 0, searched: 0 })];
            begins.into_iter().find(|(token, _)| rest.starts_with(token)).map(|(_, next)| (at, next))
        });
        let done = if let Some((at, next)) = token {
            self.at = next;
            at
        } else {
            let held_back = |token| beginning(held, token, false);
            held.len() - held_back(tokens.begin).max(held_back(tokens.call_begin))
        };
        say(held.get(..done).unwrap_or_default(), out);
        done
    }

    fn opened(&mut self, held: &str, tokens: &CallTokens, out: &mut Vec<Piece>) -> Option<usize> {
        let behind = held.get(tokens.begin.len()..).unwrap_or_default();
        let rest = behind.trim_start();
        if behind.len() - rest.len() <= MOST_SPACE {
            if rest.starts_with(tokens.call_begin) {
                let start = held.len() - rest.len();
                self.at = At::Call { start, searched: start };
                return Some(0);
            }
            if tokens.call_begin.starts_with(rest) {
                return None;
            }
        }
        self.at = At::Said;
        say(tokens.begin, out);
        Some(tokens.begin.len())
    }

    fn call(
        &mut self,
        held: &str,
        start: usize,
        searched: usize,
        tokens: &CallTokens,
        tools: &[String],
        out: &mut Vec<Piece>,
    ) -> Option<usize> {
        let most = start + LONGEST;
        let found = held.get(searched..).and_then(|rest| rest.find(tokens.call_end));
        let end = found.map(|at| searched + at).filter(|end| *end <= most);
        if let Some(end) = end {
            let behind = end + tokens.call_end.len();
            if let Some(call) = held.get(start..end).and_then(|call| read(call, tokens, tools)) {
                self.at = At::After;
                out.push(call);
            } else {
                self.at = At::Said;
                say(held.get(..behind).unwrap_or_default(), out);
            }
            return Some(behind);
        }
        // An end that begins by then would be whole by now.
        if held.len() >= most + tokens.call_end.len() {
            self.at = At::Said;
            let done = floor(held, most);
            say(held.get(..done).unwrap_or_default(), out);
            return Some(done);
        }
        let searched = held.len().saturating_sub(tokens.call_end.len()).max(searched);
        self.at = At::Call { start, searched: floor(held, searched) };
        None
    }

    fn after(&mut self, held: &str, tokens: &CallTokens) -> Option<usize> {
        let rest = held.trim_start();
        let space = held.len() - rest.len();
        if space <= MOST_SPACE {
            if rest.starts_with(tokens.call_begin) {
                self.at = At::Call { start: space, searched: space };
                return Some(0);
            }
            if rest.starts_with(tokens.end) {
                self.at = At::Said;
                return Some(space + tokens.end.len());
            }
            if tokens.call_begin.starts_with(rest) || tokens.end.starts_with(rest) {
                return None;
            }
        }
        self.at = At::Said;
        Some(0)
    }
}

fn say(text: &str, out: &mut Vec<Piece>) {
    if !text.is_empty() {
        out.push(Piece::Said(text.to_owned()));
    }
}

/// A call from its first token to before its last, if it is one of these tools' and its input an object.
fn read(call: &str, tokens: &CallTokens, tools: &[String]) -> Option<Piece> {
    let (name, input) = call.strip_prefix(tokens.call_begin)?.split_once(tokens.arguments)?;
    let input = match input.trim() {
        "" => "{}",
        input if input.starts_with('{') && serde_json::from_str::<&RawValue>(input).is_ok() => input,
        _ => return None,
    };
    let name = name.trim();
    let numbered = |name: &str| {
        let (tool, number) = name.rsplit_once(':')?;
        number.bytes().all(|byte| byte.is_ascii_digit()).then(|| tool.to_owned())
    };
    let bare = name.strip_prefix("functions.").unwrap_or(name);
    let known = |name: &str| tools.iter().find(|tool| *tool == name);
    let name = numbered(bare).as_deref().and_then(known).or_else(|| known(bare))?.clone();
    Some(Piece::Call { name, arguments: input.to_owned() })
}

/// Without the tokens at its end, the last of which may have been cut.
fn without_end<'t>(call: &'t str, tokens: &CallTokens) -> &'t str {
    let mut rest = call;
    for token in [tokens.end, tokens.call_end] {
        rest = rest.trim_end();
        rest = rest.strip_suffix(token).unwrap_or_else(|| {
            let (before, _) = rest.split_at(rest.len() - beginning(rest, token, false));
            before
        });
    }
    rest
}

/// How many bytes at the end of `text` are a beginning of `word`, or the whole of it.
pub(super) fn beginning(text: &str, word: &str, whole: bool) -> usize {
    let longest = if whole { word.len() } else { word.len().saturating_sub(1) };
    (1..=longest.min(text.len()))
        .rev()
        .find(|&length| word.get(..length).is_some_and(|beginning| text.ends_with(beginning)))
        .unwrap_or(0)
}

/// The last boundary of a character at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}
