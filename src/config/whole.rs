//! Whether what was read is all that somebody wrote: a full disk and a writer half-way leave the beginning of a file, and
//! much of what is only the beginning of a configuration is a configuration as well, with less in it.
//!
//! By itself a text can only be doubted ([`doubts`]): what it leaves out may be meant. Beside the text that it takes the
//! place of, a beginning is known for one ([`Texts::cut`]).

use super::error::{Error, Origin, Place, Problem};
use super::secret::Secret;
use super::section::join;
use super::tree::{Node, Value};

/// The files that a configuration was read from, as they stood.
#[derive(Debug, Clone, Default)]
pub struct Texts(Vec<Text>);

#[derive(Debug, Clone)]
struct Text {
    origin: Origin,
    /// Secrets may be written in it.
    content: Secret,
    /// Whether it is the configuration file, and not one that holds a single secret.
    is_document: bool,
}

impl Texts {
    pub(super) fn add_document(&mut self, origin: Origin, content: &str) {
        self.0.push(Text { origin, content: Secret::new(content), is_document: true });
    }

    /// `content` without the line break at its end, which is no part of a secret.
    pub(super) fn add_secret(&mut self, origin: Origin, content: &str) {
        self.0.push(Text { origin, content: Secret::new(content), is_document: false });
    }

    /// What is only the beginning of what `before` held. `changes` are the keys whose values differ.
    pub(super) fn cut(&self, before: &Self, changes: &[String]) -> Vec<Error> {
        let pairs = self.0.iter().filter_map(|now| {
            let then = before.0.iter().find(|then| then.origin == now.origin)?;
            Some((now, then.content.expose(), now.content.expose()))
        });
        let problem = |now: &Text, then: &str, text: &str| {
            if text.trim_end() == then.trim_end() {
                return None;
            }
            if !now.is_document {
                return then.starts_with(text).then_some(Problem::CutSecret);
            }
            if says_nothing(text) {
                return (!says_nothing(then)).then_some(Problem::Emptied);
            }
            let ends_line = |text: &str| text.ends_with('\n');
            if ends_line(then) && !ends_line(text) && !is_closed(text) {
                return Some(Problem::CutLine);
            }
            let gone = then.strip_prefix(text)?;
            let in_a_line = !ends_line(text) && !gone.starts_with(['\n', '\r']);
            // Keys at the end of a file that are taken out of it take rights away, and nothing else.
            let takes_rights = changes.iter().all(|key| key == "auth.keys");
            (in_a_line || !takes_rights).then_some(Problem::Cut)
        };
        pairs
            .filter_map(|(now, then, text)| {
                let problem = problem(now, then, text)?;
                Some(Error { place: Place::whole(now.origin.clone()), path: String::new(), problem })
            })
            .collect()
    }
}

/// Signs that a file may end too early, and gives something away by that: nothing in it at all, a key at the end without a
/// value, a caller's key at the end whose models would have come next. `root` is what `text` says.
pub(super) fn doubts(text: &str, root: &Node) -> Vec<Error> {
    let doubt =
        |place: &Place, path: &str, problem| Error { place: place.clone(), path: path.to_owned(), problem };
    if says_nothing(text) {
        return vec![doubt(&Place::whole(root.place.origin.clone()), "", Problem::SaysNothing)];
    }
    if is_closed(text) {
        return Vec::new();
    }
    let mut path = String::new();
    let mut last = root;
    while let Some((below, node)) = last_of(last, &path) {
        (path, last) = (below, node);
        if path == "auth.keys[]" && last.is_map() && last.find("models").is_none() {
            return vec![doubt(&last.place, "auth.keys", Problem::EndsWithKey)];
        }
    }
    let has_value = !last.is_null() || said(text).next().is_none_or(|line| !line.ends_with([':', '-']));
    if has_value { Vec::new() } else { vec![doubt(&last.place, &path, Problem::EndsWithoutValue)] }
}

/// The last thing in the map or list at a path, with its own.
fn last_of<'a>(node: &'a Node, path: &str) -> Option<(String, &'a Node)> {
    match &node.value {
        Value::Map(entries) => entries.last().map(|entry| (join(path, &entry.key), &entry.node)),
        Value::List(items) => items.last().map(|item| (format!("{path}[]"), item)),
        Value::Null | Value::Bool(..) | Value::Number(..) | Value::Text(_) => None,
    }
}

/// Nothing but comments and marks between documents.
fn says_nothing(text: &str) -> bool {
    said(text).all(|line| line == "---" || line == "...")
}

/// Whether the end of the text is marked as one: by YAML's `...`, or by the bracket that closes what has been opened.
fn is_closed(text: &str) -> bool {
    said(text).next().is_some_and(|line| line == "..." || line.ends_with(['}', ']']))
}

/// The lines that say something, without comments behind them; the last one first.
fn said(text: &str) -> impl Iterator<Item = &str> {
    text.lines().rev().filter_map(|line| {
        let said = line.split_once(" #").map_or(line, |(said, _)| said).trim().trim_start_matches('\u{feff}');
        (!said.is_empty() && !said.starts_with('#')).then_some(said)
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::from_yaml;
    use super::*;

    const HEX: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    fn doubts_of(text: &str) -> Vec<(String, Problem)> {
        let config = from_yaml(text).unwrap();
        config.doubts().iter().map(|doubt| (doubt.path.clone(), doubt.problem.clone())).collect()
    }

    #[test]
    fn a_file_that_says_nothing_is_doubted() {
        for text in ["", "\n\n", "# later\n", "---\n", "\u{feff}", "  # a\n\n---\n# b"] {
            assert_eq!(doubts_of(text), [(String::new(), Problem::SaysNothing)], "{text:?}");
        }
        for text in ["{}", "{}\n# nothing", "strict: true\n", "{\"strict\": true}"] {
            assert_eq!(doubts_of(text), [], "{text:?}");
        }
    }

    #[test]
    fn a_key_at_the_end_without_a_value_is_doubted() {
        for (text, path) in [
            ("server:", "server"),
            ("server:\n  listen:", "server.listen"),
            ("strict: true\nserver:\n  listen: # here\n  # and more\n", "server.listen"),
            ("aws:\n  region: eu-west-1\nauth:\n  keys:\n", "auth.keys"),
        ] {
            assert_eq!(doubts_of(text), [(path.to_owned(), Problem::EndsWithoutValue)], "{text:?}");
        }
        for text in ["server:\n  admin: null\n", "server: ~\n", "server:\n...\n", "server:\naws: {}\n"] {
            assert_eq!(doubts_of(text), [], "{text:?}");
        }
    }

    #[test]
    fn a_callers_key_at_the_end_has_to_say_what_models_it_may_use() {
        let key = format!("auth:\n  keys:\n    - id: one\n      sha256: {HEX}");
        for text in [key.clone(), format!("{key}\n"), format!("strict: true\n{key}   # his\n\n")] {
            assert_eq!(doubts_of(&text), [("auth.keys".to_owned(), Problem::EndsWithKey)], "{text:?}");
        }
        for text in [
            format!("{key}\n      models: [\"*\"]\n"),
            format!("{key}\n      models:\n        - a\n"),
            format!("{key}\n...\n"),
            format!("{key}\nstrict: true\n"),
            format!("auth: {{keys: [{{id: one, sha256: {HEX}}}]}}\n"),
            format!("auth:\n  keys:\n    - {{id: one, sha256: {HEX}}}\n"),
        ] {
            assert_eq!(doubts_of(&text), [], "{text:?}");
        }
    }

    fn texts(content: &str, is_document: bool) -> Texts {
        let mut texts = Texts::default();
        if is_document {
            texts.add_document(Origin::File("f".into()), content);
        } else {
            texts.add_secret(Origin::Env("F".into()), content);
        }
        texts
    }

    #[track_caller]
    fn cut(then: &str, now: &str, changes: &[&str]) -> Option<Problem> {
        let changes: Vec<_> = changes.iter().map(|key| (*key).to_owned()).collect();
        let errors = texts(now, true).cut(&texts(then, true), &changes);
        errors.into_iter().next().map(|error| error.problem)
    }

    #[test]
    fn the_beginning_of_what_was_there_is_known_for_one() {
        let then = "strict: true\nguardrail: abc:1\nauth:\n  keys: …\n";
        assert_eq!(cut(then, "strict: true\n", &["guardrail"]), Some(Problem::Cut));
        assert_eq!(cut(then, "strict: true", &["guardrail"]), Some(Problem::CutLine));
        assert_eq!(cut(then, "strict: true\nguardrail: abc:1\nauth:\n  ke", &[]), Some(Problem::CutLine));
        assert_eq!(cut(then.trim_end(), "strict: tr", &["strict"]), Some(Problem::Cut));
        for nothing in ["", "\n", "# gone\n"] {
            assert_eq!(cut(then, nothing, &["strict"]), Some(Problem::Emptied));
        }
        // New beginnings as well, if they end in a line.
        assert_eq!(cut(then, "strict: false\nguardrail: ab", &["strict"]), Some(Problem::CutLine));
    }

    #[test]
    fn what_is_changed_or_closed_is_whole_and_callers_keys_may_go_from_the_end() {
        let then = "strict: true\nauth:\n  keys: …\n";
        for (now, changes) in [
            ("strict: true\nauth:\n", &["auth.keys"][..]),
            ("strict: true\n...\n", &["guardrail"]),
            ("strict: false\n", &["strict"]),
            ("{\"strict\": false}", &["strict"]),
            ("strict: true\nauth:\n  keys: …", &[]),
            (then, &[]),
        ] {
            assert_eq!(cut(then, now, changes), None, "{now:?}");
        }
        assert_eq!(cut("# nothing", "", &[]), None);
    }

    #[test]
    fn a_secret_that_is_a_part_of_the_one_before_is_none() {
        let cut = |then: &str, now: &str| {
            texts(now, false).cut(&texts(then, false), &[]).into_iter().next().map(|error| error.problem)
        };
        assert_eq!(cut("oc-abcdef", "oc-abc"), Some(Problem::CutSecret));
        for now in ["oc-abcdef", "oc-xyz", "oc-abcdefg"] {
            assert_eq!(cut("oc-abcdef", now), None);
        }
    }
}
