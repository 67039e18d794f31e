//! Thoughts that a model writes into its text, between tags, before it answers.
//!
//! Where Converse gives a block of its own, InvokeModel leaves `<reasoning>…</reasoning>` or
//! `<think>…</think>` in front of the answer. Only there they count: an answer may speak of
//! such tags.

use crate::chat::Text;

const TAGS: [(&str, &str); 2] = [("<reasoning>", "</reasoning>"), ("<think>", "</think>")];

/// A piece of a text, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Thought(Text),
    Said(Text),
}

/// Takes a text in pieces:
///
/// ```text
/// Before ──tag──▶ Inside ──its end──▶ Between ──tag──▶ Inside …
///    └──────────────── anything else ────┴──▶ Answer
/// ```
///
/// White space between thoughts and answer goes with the tags.
#[derive(Debug)]
pub(super) struct Thoughts {
    at: At,
    /// What could still become a tag, or the end of one.
    held: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Before,
    /// What will end the thought.
    Inside(&'static str),
    Between,
    Answer,
}

impl Thoughts {
    /// Of a text that may begin with thoughts.
    pub(super) fn new() -> Self {
        Self { at: At::Before, held: String::new() }
    }

    /// Of a text whose opening `<think>` stands in the prompt already.
    pub(super) fn begun() -> Self {
        Self { at: At::Inside("</think>"), held: String::new() }
    }

    pub(super) fn push(&mut self, text: Text, mut out: impl FnMut(Part)) {
        if self.at == At::Before && self.held.is_empty() && begins_an_answer(&text) {
            self.at = At::Answer;
        }
        if self.at == At::Answer {
            out(Part::Said(text));
            return;
        }
        let mut whole = std::mem::take(&mut self.held);
        whole.push_str(&text.decode());
        let mut rest = whole.as_str();
        while let Some(more) = self.step(&mut rest, &mut out) {
            rest = more;
        }
        self.held = rest.to_owned();
    }

    /// The text has ended.
    pub(super) fn finish(&mut self, mut out: impl FnMut(Part)) {
        let held = std::mem::take(&mut self.held);
        let (text, part): (&str, fn(Text) -> Part) = match self.at {
            At::Before | At::Answer => (&held, Part::Said),
            At::Between => (held.trim_start(), Part::Said),
            At::Inside(_) => (&held, Part::Thought),
        };
        if !text.is_empty() {
            out(part(Text::new(text)));
        }
        self.at = At::Answer;
    }

    /// Takes one part off the front of `text`. `None` when it has to wait for more, and then what is left of
    /// `text` is to be held.
    fn step<'t>(&mut self, text: &mut &'t str, out: &mut impl FnMut(Part)) -> Option<&'t str> {
        match self.at {
            At::Before | At::Between => {
                let after_space = text.trim_start();
                if let Some((rest, end)) =
                    TAGS.iter().find_map(|(tag, end)| Some((after_space.strip_prefix(tag)?, *end)))
                {
                    self.at = At::Inside(end);
                    return Some(rest);
                }
                if !TAGS.iter().any(|(tag, _)| tag.starts_with(after_space)) {
                    let answer = if self.at == At::Between { after_space } else { *text };
                    out(Part::Said(Text::new(answer)));
                    *text = "";
                    self.at = At::Answer;
                }
                None
            }
            At::Inside(end) => {
                if let Some((thought, rest)) = text.split_once(end) {
                    think(thought, out);
                    self.at = At::Between;
                    return Some(rest);
                }
                let (thought, rest) = text.split_at(text.len() - beginning(text, end));
                think(thought, out);
                *text = rest;
                None
            }
            At::Answer => None,
        }
    }
}

fn think(thought: &str, out: &mut impl FnMut(Part)) {
    if !thought.is_empty() {
        out(Part::Thought(Text::new(thought)));
    }
}

/// Neither white space nor the beginning of a tag, and nothing that only looks like neither because it is
/// escaped.
fn begins_an_answer(text: &Text) -> bool {
    let first = text.as_json().as_bytes().get(1);
    first.is_some_and(u8::is_ascii_alphanumeric)
}

/// How many bytes at the end of `text` are a true beginning of `word`.
fn beginning(text: &str, word: &str) -> usize {
    (1..word.len()).rev().find(|&length| text.ends_with(word.get(..length).unwrap_or(word))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(mut thoughts: Thoughts, pieces: &[&str]) -> (String, String) {
        let (mut thought, mut said) = (String::new(), String::new());
        let mut out = |part| match part {
            Part::Thought(text) => thought.push_str(&text.decode()),
            Part::Said(text) => said.push_str(&text.decode()),
        };
        for piece in pieces {
            thoughts.push(Text::new(piece), &mut out);
        }
        thoughts.finish(&mut out);
        (thought, said)
    }

    #[test]
    fn thoughts_are_told_from_the_answer_behind_them() {
        for (text, thought, said) in [
            ("hi", "", "hi"),
            (" hi", "", " hi"),
            ("", "", ""),
            ("<reasoning>a <b></reasoning>\n\nhi", "a <b>", "hi"),
            ("\n<think>\na\n</think>\n\nhi", "\na\n", "hi"),
            ("<think>a</reasoning>b</think>hi", "a</reasoning>b", "hi"),
            ("<reasoning>a</reasoning><reasoning> b</reasoning>hi", "a b", "hi"),
            ("<think>cut", "cut", ""),
            ("<think>cut</thi", "cut</thi", ""),
            ("<think>a</think> ", "a", ""),
            ("<thi", "", "<thi"),
            ("<b>x</b>", "", "<b>x</b>"),
            ("hi <think>a</think>", "", "hi <think>a</think>"),
        ] {
            assert_eq!(read(Thoughts::new(), &[text]), (thought.into(), said.into()), "{text:?}");
        }
        assert_eq!(read(Thoughts::begun(), &["a</think>\n\nb"]), ("a".into(), "b".into()));
    }

    proptest! {
        #[test]
        fn however_the_text_is_cut_the_parts_are_the_same(
            words in prop::collection::vec(
                prop::sample::select(&["<think>", "</think>", "<reasoning>", "</reasoning>", " ", "\n", "a", "é", "<"][..]), 0..8),
            cuts in prop::collection::vec(0..40_usize, 0..5),
        ) {
            let whole = words.concat();
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| whole.is_char_boundary(*cut)).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts {
                pieces.push(&whole[from..cut]);
                from = cut;
            }
            pieces.push(&whole[from..]);
            prop_assert_eq!(read(Thoughts::new(), &pieces), read(Thoughts::new(), &[&whole]));
        }
    }
}
