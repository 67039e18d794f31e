//! Bodies that hold half of a surrogate pair. They are mended as a whole, so that each string in them is: a
//! conversation that holds one comes back with every turn, and its client can't take it out.
//!
//! A body that is fine pays nothing: only one that can't be read is looked through. It is then read a second
//! time.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::ledger::{Ledger, MOST_NOTES, printable};
use super::not_utf8;
use crate::chat::{InvalidRequest, end_of_string, lone_surrogates, without_lone_surrogates};

/// Steps of a path that are named; what is deeper, in a schema say, is told by where that begins.
const DEEPEST: usize = 8;

/// Reads a body with `read`; if it fails, mends what can be mended and reads what came of it, with a note for
/// each place.
pub(super) fn read<T>(
    body: &[u8],
    read: impl Fn(&str, Ledger) -> Result<T, InvalidRequest>,
) -> Result<T, InvalidRequest> {
    let (text, mut places) = match std::str::from_utf8(body) {
        Ok(text) => (Cow::Borrowed(text), Vec::new()),
        Err(error) => surrogates_in_utf8(body).ok_or_else(|| not_utf8(&error))?,
    };
    let unread = if places.is_empty() {
        match read(&text, Ledger::new()) {
            Err(error) => Some(error),
            done @ Ok(_) => return done,
        }
    } else {
        None
    };
    places.extend(lone_surrogates(&text).take(MOST_NOTES + 1));
    if let (Some(error), true) = (unread, places.is_empty()) {
        return Err(error);
    }
    let text = without_lone_surrogates(&text);
    places.sort_unstable();
    let mut ledger = Ledger::new();
    for path in paths(&text, &places) {
        ledger.rewritten_at(path, "lone_surrogate");
    }
    read(&text, ledger)
}

/// Surrogates that were written in UTF-8 as if they were characters (three bytes each, which UTF-8 forbids):
/// a pair becomes its character, a half U+FFFD. `None` if other bytes are wrong too. Gives the places of the
/// halves, the first of them.
fn surrogates_in_utf8(body: &[u8]) -> Option<(Cow<'_, str>, Vec<usize>)> {
    let (mut text, mut halves, mut rest) = (String::with_capacity(body.len()), Vec::new(), body);
    loop {
        // Each byte is checked once: what was valid isn't looked at again.
        let error = match std::str::from_utf8(rest) {
            Ok(valid) => {
                text.push_str(valid);
                return Some((Cow::Owned(text), halves));
            }
            Err(error) => error,
        };
        let (valid, wrong) = rest.split_at_checked(error.valid_up_to())?;
        let Ok(valid) = std::str::from_utf8(valid) else { return None };
        text.push_str(valid);
        let first = surrogate(wrong)?;
        let pair =
            surrogate(wrong.get(3..)?).and_then(|second| match char::decode_utf16([first, second]).next() {
                Some(Ok(character)) => Some(character),
                Some(Err(_)) | None => None,
            });
        let taken = if pair.is_some() { 6 } else { 3 };
        if pair.is_none() && halves.len() <= MOST_NOTES {
            halves.push(text.len());
        }
        text.push(pair.unwrap_or(char::REPLACEMENT_CHARACTER));
        rest = wrong.get(taken..)?;
    }
}

/// The surrogate that three bytes would be.
fn surrogate(bytes: &[u8]) -> Option<u16> {
    match bytes {
        [0xed, second @ 0xa0..=0xbf, third @ 0x80..=0xbf, ..] => {
            Some(0xd000 | u16::from(second & 0x3f) << 6 | u16::from(third & 0x3f))
        }
        _ => None,
    }
}

/// What one level of the way to a value is called.
enum Step<'a> {
    /// In an object: the member, once its name was read.
    Member(&'a str),
    /// In an array.
    Item(usize),
}

/// The paths of the strings that the places lie in, which are in order. Reads `json` once, up to the last
/// place, and builds nothing of it.
fn paths(json: &str, places: &[usize]) -> Vec<String> {
    let bytes = json.as_bytes();
    let mut places = places.iter().copied().peekable();
    let (mut paths, mut steps, mut deeper) = (Vec::new(), Vec::new(), 0_usize);
    let (mut at, mut named) = (0, false);
    while let (Some(byte), Some(&place)) = (bytes.get(at), places.peek()) {
        at += 1;
        match byte {
            b'{' | b'[' if steps.len() == DEEPEST => deeper += 1,
            b'{' => {
                named = false;
                steps.push(Step::Member(""));
            }
            b'[' => steps.push(Step::Item(0)),
            b'}' | b']' if deeper > 0 => deeper -= 1,
            b'}' | b']' => _ = steps.pop(),
            b',' if deeper == 0 => match steps.last_mut() {
                Some(Step::Item(index)) => *index += 1,
                Some(Step::Member(_)) => named = false,
                None => {}
            },
            b'"' => {
                let end = end_of_string(json, at);
                if let Some(Step::Member(name)) = steps.last_mut()
                    && !named
                    && deeper == 0
                {
                    *name = json.get(at..end.saturating_sub(1)).unwrap_or_default();
                    named = true;
                }
                if place < end {
                    paths.push(written(&steps));
                    while places.next_if(|place| *place < end).is_some() {}
                }
                at = end;
            }
            _ => {}
        }
    }
    paths
}

fn written(steps: &[Step<'_>]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Member(name) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(&printable(name));
            }
            Step::Item(index) => {
                // Writing to a String can't fail.
                let _ = write!(path, "[{index}]");
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use crate::chat::Block;
    use crate::openai::{Decoded, decode, decode_embeddings};

    fn read(body: &[u8]) -> (Decoded, Vec<String>) {
        let decoded = decode(body).unwrap_or_else(|error| panic!("{error:?}"));
        let notes = decoded.notes.iter().map(ToString::to_string).collect();
        (decoded, notes)
    }

    fn said(decoded: &Decoded, message: usize) -> String {
        match &decoded.request.messages[message].content[0] {
            Block::Text(text) => text.decode().into_owned(),
            Block::ToolUse(call) => call.input.as_str().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    fn noted(paths: &[&str]) -> Vec<String> {
        paths.iter().map(|path| format!("{path}:rewritten;reason=lone_surrogate")).collect()
    }

    #[test]
    fn half_a_pair_is_mended_wherever_it_stands_and_its_place_is_noted() {
        let user = r#"{"role":"user","content":"hi"}"#;
        for (body, places) in [
            (r#"{"messages":[{"role":"user","content":"smile \ud83d!"}]}"#.to_owned(), &["messages[0].content"][..]),
            (
                r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"a"},{"text":"\udc00","type":"text"}]}]}"#.to_owned(),
                &["messages[1].content[1].text"],
            ),
            (format!(r#"{{"messages":[{user}],"user":"u\udfff","stop":["x","\ud800"]}}"#), &["user", "stop[1]"]),
            (format!(r#"{{"messages":[{user}],"metadata":{{"\ud83d":"v"}}}}"#), &["metadata.\\ufffd"]),
            (
                format!(r#"{{"messages":[{user}],"tools":[{{"type":"function","function":{{"name":"f","description":"\ud83d","parameters":{{"type":"object","properties":{{"a":{{"enum":["x","\ude00","\ude01"]}}}}}}}}}}]}}"#),
                &[
                    "tools[0].function.description",
                    "tools[0].function.parameters.properties.a.enum[1]",
                    "tools[0].function.parameters.properties.a.enum[2]",
                ],
            ),
            (
                format!(r#"{{"messages":[{user}],"bedrock":{{"additionalModelRequestFields":{{"k":["\ud83d"]}}}}}}"#),
                &["bedrock.additionalModelRequestFields.k[0]"],
            ),
            (
                r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b","name":"n\ud9ff","reasoning_details":[{"type":"reasoning.text","text":"t\ud834","signature":"s"}]}]}"#.to_owned(),
                &["messages[1].name", "messages[1].reasoning_details[0].text"],
            ),
        ] {
            let (_, notes) = read(body.as_bytes());
            let expected = noted(places);
            assert_eq!(notes.iter().filter(|note| note.contains("surrogate")).cloned().collect::<Vec<_>>(), expected, "{body}");
        }
    }

    #[test]
    fn half_a_pair_inside_of_arguments_is_mended_there() {
        for (arguments, input) in [
            (r#""{\"q\":\"cut \\ud83d off\"}""#, r#"{"q":"cut \ufffd off"}"#),
            (r#""{\"\\udead\":[\"\\ud83d\\ude00\"]}""#, r#"{"\ufffd":["\ud83d\ude00"]}"#),
            (r#"{"q":"\ud83d"}"#, r#"{"q":"\ufffd"}"#),
            (r#""{\"q\":\"\ud83d\"}""#, "{\"q\":\"\u{fffd}\"}"),
        ] {
            let body = format!(
                r#"{{"messages":[{{"role":"user","content":"a"}},{{"role":"assistant","tool_calls":[{{"id":"c","type":"function","function":{{"name":"f","arguments":{arguments}}}}}]}}]}}"#
            );
            let (decoded, notes) = read(body.as_bytes());
            assert_eq!(said(&decoded, 1), input);
            let place = "messages[1].tool_calls[0].function.arguments";
            assert!(
                notes.iter().any(|note| note.starts_with(place) && note.ends_with("lone_surrogate")),
                "{notes:?}"
            );
        }
    }

    #[test]
    fn surrogates_in_forbidden_utf8_are_mended_too() {
        let body =
            |bytes: &[u8]| [br#"{"messages":[{"role":"user","content":"a "#, bytes, br#" b"}]}"#].concat();
        let (decoded, notes) = read(&body(b"\xed\xa0\xbd"));
        assert_eq!((said(&decoded, 0).as_str(), notes), ("a \u{fffd} b", noted(&["messages[0].content"])));
        let (decoded, _) = read(&body(b"\xed\xa0\xbd\xed\xb8\x80 \xed\xb8\x80"));
        assert_eq!(said(&decoded, 0), "a \u{1f600} \u{fffd} b");
        for other in [&b"\xff"[..], b"\xed\xa0", b"\xed\xa0\xbd \xc3"] {
            assert_eq!(decode(&body(other)).unwrap_err().code, "invalid_json");
        }
    }

    #[test]
    fn texts_to_embed_are_mended_and_many_halves_are_a_few_notes() {
        let body = format!(r#"{{"model":"m","input":["fine",{}]}}"#, vec![r#""\ud800""#; 300].join(","));
        let decoded = decode_embeddings(body.as_bytes()).unwrap();
        assert_eq!(decoded.request.texts[300].decode(), "\u{fffd}");
        assert!(decoded.notes.iter().count() <= 65);
        assert_eq!(decoded.notes.iter().next().unwrap().param, "input[1]");
    }

    #[test]
    fn what_is_wrong_besides_is_still_refused() {
        let error = decode(br#"{"messages":[{"role":"user","content":"\ud83d"}],"n":-1}"#).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("n"));
        let error = decode(br#"{"messages":[{"role":"user","content":"\ud83d"}"#).unwrap_err();
        assert_eq!(error.code, "invalid_json");
    }
}
