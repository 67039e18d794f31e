use proptest::prelude::*;

use super::super::{Response, Usage};
use super::*;

const A: BlockIndex = BlockIndex(0);
const B: BlockIndex = BlockIndex(1);

fn text(block: BlockIndex, text: &str) -> Event {
    Event::Delta { block, delta: Delta::Text(Text::new(text)) }
}

fn input(block: BlockIndex, json: &str) -> Event {
    Event::Delta { block, delta: Delta::ToolInput(Text::new(json)) }
}

fn start(block: BlockIndex, kind: BlockKind) -> Event {
    Event::BlockStart { block, kind }
}

fn tool() -> BlockKind {
    BlockKind::ToolUse { id: "t".into(), name: "answer".into() }
}

fn run(source: JsonSource, opening: Opening, events: impl IntoIterator<Item = Event>) -> (Response, bool) {
    let mut reply = JsonReply::new(JsonAsk { source, opening });
    let mut out = Vec::new();
    for event in events {
        reply.push(event, &mut out);
    }
    (Response::assemble(out).unwrap(), reply.found())
}

/// A reply of one text, in these deltas.
fn said(deltas: &[&str], opening: Opening) -> (String, bool) {
    let mut events = vec![Event::Start, start(A, BlockKind::Text)];
    events.extend(deltas.iter().map(|delta| text(A, delta)));
    events.extend([Event::BlockStop { block: A }, Event::Stop(StopReason::EndTurn)]);
    let (response, found) = run(JsonSource::Text, opening, events);
    assert_eq!(response.stop, StopReason::EndTurn);
    (response.text.map_or_else(String::new, |text| text.decode().into_owned()), found)
}

#[test]
fn fences_and_words_around_the_json_go() {
    for around in [
        r#"{"a": [1, "}"]}"#,
        "\n\n{\"a\": [1, \"}\"]}\n",
        "```json\n{\"a\": [1, \"}\"]}\n```",
        "```\n{\"a\": [1, \"}\"]}```\nI hope this helps!",
        "Here {you} are:\n\n{\"a\": [1, \"}\"]}\nAnything else?",
        "As {\"asked\":\n```json\n{\"a\": [1, \"}\"]}\n```",
    ] {
        assert_eq!(said(&[around], Opening::Object), (r#"{"a": [1, "}"]}"#.to_owned(), true), "{around}");
    }
    assert_eq!(said(&["It is [true, 1]!"], Opening::Array), ("[true, 1]".to_owned(), true));
    assert_eq!(said(&["[the] answer: {\"a\":1}"], Opening::Either), ("{\"a\":1}".to_owned(), true));
}

#[test]
fn where_no_json_comes_what_was_said_is_the_reply() {
    for words in [
        "I can't help with that.",
        "",
        " ",
        "```",
        "```json\nnothing",
        "{name} is a template",
        "It is {\"a\": {\"b\": 1}, cut",
        "{\"a\": oops} and more",
        "{\"a\": 1, \"b",
    ] {
        assert_eq!(said(&[words], Opening::Object), (words.to_owned(), false), "{words}");
    }
}

#[test]
fn json_that_comes_first_is_passed_as_it_comes() {
    let mut reply = JsonReply::new(JsonAsk { source: JsonSource::Text, opening: Opening::Object });
    let mut out = Vec::new();
    reply.push(start(A, BlockKind::Text), &mut out);
    reply.push(text(A, "```json\n{"), &mut out);
    assert!(out.is_empty());
    reply.push(text(A, "\"a\""), &mut out);
    reply.push(text(A, ":1"), &mut out);
    assert_eq!(out, [start(A, BlockKind::Text), text(A, "{\"a\""), text(A, ":1")]);
}

#[test]
fn the_input_of_the_tool_is_the_text_and_its_call_no_call() {
    let (response, found) = run(
        JsonSource::Tool,
        Opening::Object,
        [
            Event::Start,
            start(A, BlockKind::Text),
            text(A, "<thinking> {\"no\":1} </thinking>"),
            Event::BlockStop { block: A },
            start(B, tool()),
            input(B, "{\"a\":"),
            input(B, "1}"),
            Event::BlockStop { block: B },
            start(BlockIndex(2), tool()),
            input(BlockIndex(2), "{\"b\":1}"),
            Event::BlockStop { block: BlockIndex(2) },
            Event::Stop(StopReason::ToolUse),
            Event::Usage(Usage::default()),
        ],
    );
    assert!(found);
    assert_eq!(response.text, Some(Text::new("{\"a\":1}")));
    assert_eq!(response.stop, StopReason::EndTurn);
    assert!(response.tool_calls.is_empty());
    assert!(response.usage.is_some());
}

#[test]
fn a_tool_without_input_says_an_empty_object() {
    let events = [start(A, tool()), Event::BlockStop { block: A }, Event::Stop(StopReason::ToolUse)];
    let (response, found) = run(JsonSource::Tool, Opening::Object, events);
    assert_eq!((response.text, found), (Some(Text::new("{}")), true));
}

#[test]
fn a_cut_or_a_refusal_stays_one() {
    let cut = [start(A, tool()), input(A, "{\"a\":"), Event::BlockStop { block: A }];
    let (response, found) =
        run(JsonSource::Tool, Opening::Object, cut.into_iter().chain([Event::Stop(StopReason::MaxTokens)]));
    assert_eq!(
        (response.text, response.stop, found),
        (Some(Text::new("{\"a\":")), StopReason::MaxTokens, false)
    );
    let refused = [start(A, BlockKind::Text), text(A, "No."), Event::BlockStop { block: A }];
    for source in [JsonSource::Tool, JsonSource::Text] {
        let events = refused.iter().cloned().chain([Event::Stop(StopReason::Refusal)]);
        let (response, found) = run(source, Opening::Object, events);
        assert_eq!(
            (response.text, response.stop, found),
            (Some(Text::new("No.")), StopReason::Refusal, false)
        );
    }
}

#[test]
fn talk_before_json_that_did_not_come_whole_is_no_part_of_it() {
    let cut = |source, said: &str| {
        let events = [start(A, BlockKind::Text), text(A, said), Event::BlockStop { block: A }];
        let (response, found) =
            run(source, Opening::Object, events.into_iter().chain([Event::Stop(StopReason::MaxTokens)]));
        assert_eq!((response.stop, found), (StopReason::MaxTokens, false), "{said}");
        response.text.map_or_else(String::new, |text| text.decode().into_owned())
    };
    for (said, from_a_tool, from_text) in [
        // The call never came: its input so far is empty.
        ("I will look {it} up and", "", "I will look {it} up and"),
        ("Sure: {\"a\": {\"b\": 1}, \"c", "{\"a\": {\"b\": 1}, \"c", "{\"a\": {\"b\": 1}, \"c"),
        ("So {\"asked\":\n```json\n{\"a\": 1", "{\"a\": 1", "{\"a\": 1"),
        ("{\"a\": 1", "{\"a\": 1", "{\"a\": 1"),
    ] {
        assert_eq!(cut(JsonSource::Tool, said), from_a_tool, "{said}");
        assert_eq!(cut(JsonSource::Text, said), from_text, "{said}");
    }
}

#[test]
fn a_turn_that_calls_the_clients_tools_keeps_its_words() {
    let (response, _) = run(
        JsonSource::Text,
        Opening::Object,
        [
            start(A, BlockKind::Text),
            text(A, "Let me {look} up."),
            Event::BlockStop { block: A },
            start(B, tool()),
            input(B, "{\"q\":1}"),
            Event::BlockStop { block: B },
            Event::Stop(StopReason::ToolUse),
        ],
    );
    assert_eq!(response.text, Some(Text::new("Let me {look} up.")));
    assert_eq!(response.stop, StopReason::ToolUse);
    assert_eq!(response.tool_calls[0].arguments, Text::new("{\"q\":1}"));
}

#[test]
fn texts_around_a_thought_are_one() {
    let thought = Event::Delta { block: B, delta: Delta::Reasoning(Text::new("hm")) };
    let c = BlockIndex(2);
    let (response, found) = run(
        JsonSource::Text,
        Opening::Object,
        [
            start(A, BlockKind::Text),
            text(A, ""),
            Event::BlockStop { block: A },
            start(B, BlockKind::Reasoning),
            thought,
            Event::BlockStop { block: B },
            start(c, BlockKind::Text),
            text(c, "{\"a\":"),
            Event::BlockStop { block: c },
            start(BlockIndex(3), BlockKind::Text),
            text(BlockIndex(3), "1}"),
            Event::BlockStop { block: BlockIndex(3) },
            Event::Stop(StopReason::EndTurn),
        ],
    );
    assert!(found);
    assert_eq!(response.text, Some(Text::new("{\"a\":1}")));
    assert_eq!(response.reasoning.len(), 1);
}

/// A JSON object, as text.
fn object() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("1".to_owned()),
        Just("null".to_owned()),
        Just(r#""}\"é""#.to_owned()),
        Just("-0.50".to_owned())
    ];
    let value = leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::vec(inner, 0..3).prop_map(|items| {
                let members = items.iter().map(|item| format!("\"k\": {item}"));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }),
        ]
    });
    prop::collection::vec(value, 0..3).prop_map(|items| {
        let members = items.iter().enumerate().map(|(at, item)| format!("\"k{at}\":{item}"));
        format!("{{{}}}", members.collect::<Vec<_>>().join(",\n"))
    })
}

fn cut(text: &str, every: usize) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(every).map(|piece| piece.iter().collect()).collect()
}

const BEFORE: &[&str] =
    &["", "\n", "```json\n", "```\n", "Here it is: ", "[a] {b} \n```json\n", "What {\"x\" is:\n```json\n"];
const AFTER: &[&str] = &["", "\n", "\n```", "\n```\nBye", "\n```\nIs {\"that\":1} all?"];

proptest! {
    #[test]
    fn the_json_comes_out_as_the_model_wrote_it_however_it_is_cut(
        json in object(),
        before in prop::sample::select(BEFORE),
        after in prop::sample::select(AFTER),
        every in 1_usize..12,
    ) {
        let whole = format!("{before}{json}{after}");
        let pieces = cut(&whole, every);
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        prop_assert_eq!(said(&pieces, Opening::Object), (json, true));
    }

    #[test]
    fn however_a_text_is_cut_the_reply_is_the_same(whole in "[a{}\\[\\]\"`:1 \n]{0,24}", every in 1_usize..6) {
        let pieces = cut(&whole, every);
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        for opening in [Opening::Object, Opening::Array, Opening::Either] {
            prop_assert_eq!(said(&pieces, opening), said(&[&whole], opening));
        }
    }
}
