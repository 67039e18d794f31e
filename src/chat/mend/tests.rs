use std::collections::HashSet;

use proptest::prelude::*;

use super::super::{Document, Image, ImageFormat, Json, Reasoning, Source, ToolUse};
use super::*;

const LENIENT: Shape = Shape {
    system: true,
    leading_assistant: true,
    prefill: true,
    mixed_tool_results: true,
    images_in_tool_results: true,
    tool_result_status: true,
};
const STRICT: Shape = Shape {
    system: false,
    leading_assistant: false,
    prefill: false,
    mixed_tool_results: false,
    images_in_tool_results: false,
    tool_result_status: false,
};

fn words(words: &str) -> Block {
    Block::Text(Text::new(words))
}

fn call(id: &str) -> Block {
    Block::ToolUse(ToolUse { id: id.into(), name: "f".into(), input: Json::empty_object() })
}

fn result(id: &str, answer: &str) -> Block {
    Block::ToolResult(ToolResult { id: id.into(), content: vec![words(answer)], is_error: false })
}

fn image() -> Block {
    Block::Image(Image { format: ImageFormat::Png, source: Source::Inline(Text::new("aGk=")) })
}

fn document() -> Block {
    Block::Document(Document {
        name: "d".into(),
        format: "pdf".into(),
        source: Source::Inline(Text::new("aGk=")),
    })
}

fn thought() -> Block {
    Block::Reasoning(Reasoning { text: Text::new("hm"), signature: None, redacted: None })
}

fn conversation(turns: Vec<(Role, Vec<Block>)>) -> Vec<Message> {
    turns.into_iter().enumerate().map(|(index, (role, content))| Message { role, content, index }).collect()
}

/// One line a turn: `user: a | =x(b)`.
fn drawn(messages: &[Message]) -> Vec<String> {
    messages
        .iter()
        .map(|message| {
            let role = match message.role {
                System => "system",
                User => "user",
                Assistant => "assistant",
            };
            format!("{role}: {}", message.content.iter().map(drawn_block).collect::<Vec<_>>().join(" | "))
        })
        .collect()
}

fn drawn_block(block: &Block) -> String {
    match block {
        Block::Text(text) => text.decode().into_owned(),
        Block::Image(_) => "[image]".into(),
        Block::Document(_) => "[document]".into(),
        Block::Audio(_) => "[audio]".into(),
        Block::Remote(_) => "[remote]".into(),
        Block::CachePoint(_) => "[cache]".into(),
        Block::ToolUse(call) => format!("{}()", call.id),
        Block::ToolResult(result) => {
            let content: Vec<String> = result.content.iter().map(drawn_block).collect();
            format!("{}={}{}", result.id, if result.is_error { "!" } else { "" }, content.join(","))
        }
        Block::Reasoning(_) => "[thought]".into(),
    }
}

fn mended(turns: Vec<(Role, Vec<Block>)>, shape: Shape) -> (Vec<String>, Vec<String>) {
    let mut notes = Notes::new();
    let messages = mend(conversation(turns), shape, &mut notes);
    (drawn(&messages), notes.iter().map(ToString::to_string).collect())
}

use Role::{Assistant, System, User};

#[test]
fn a_conversation_in_shape_is_left_alone() {
    let turns = vec![
        (System, vec![words("s")]),
        (User, vec![words("a")]),
        (Assistant, vec![thought(), words("b"), call("x")]),
        (User, vec![result("x", "1")]),
    ];
    let (lines, notes) = mended(turns, LENIENT);
    assert_eq!(lines, ["system: s", "user: a", "assistant: [thought] | b | x()", "user: x=1"]);
    assert!(notes.is_empty(), "{notes:?}");
}

#[test]
fn neighbours_of_one_role_are_joined_and_blanks_dropped_without_a_note() {
    let turns = vec![
        (User, vec![words("a"), words("  ")]),
        (Assistant, vec![words("\n")]),
        (User, vec![words("b")]),
        (Assistant, vec![words("c")]),
        (Assistant, vec![thought()]),
        (User, vec![words("d")]),
    ];
    let (lines, notes) = mended(turns, LENIENT);
    assert_eq!(lines, ["user: a | b", "assistant: c", "user: d"]);
    assert!(notes.is_empty(), "{notes:?}");
}

#[test]
fn a_user_turn_of_nothing_keeps_its_place() {
    let turns = vec![(User, vec![words("a")]), (Assistant, vec![words("b")]), (User, vec![words(" ")])];
    let (lines, notes) = mended(turns, LENIENT);
    assert_eq!(lines, ["user: a", "assistant: b", "user: ."]);
    assert_eq!(notes, ["messages[2]:rewritten;reason=blank_turn"]);
}

#[test]
fn results_come_first_in_the_order_of_their_calls() {
    let turns = vec![
        (User, vec![words("a")]),
        (Assistant, vec![call("x"), call("y")]),
        (User, vec![words("b"), result("y", "2")]),
        (User, vec![result("x", "1")]),
    ];
    let (lines, notes) = mended(turns, LENIENT);
    assert_eq!(lines, ["user: a", "assistant: x() | y()", "user: x=1 | y=2 | b"]);
    assert!(notes.is_empty(), "{notes:?}");
}

#[test]
fn results_stand_alone_where_they_must() {
    let turns = vec![
        (User, vec![words("a")]),
        (Assistant, vec![call("x")]),
        (User, vec![result("x", "1"), words("b")]),
    ];
    let (lines, notes) = mended(turns, STRICT);
    assert_eq!(lines, ["user: a", "assistant: x()", "user: x=1", "assistant: OK.", "user: b"]);
    assert_eq!(notes, ["messages[2]:rewritten;reason=tool_results_alone"]);
}

#[test]
fn a_missing_result_says_so() {
    let turns = vec![
        (User, vec![words("a")]),
        (Assistant, vec![call("x"), call("y")]),
        (User, vec![result("y", "2")]),
        (Assistant, vec![call("z")]),
    ];
    let (lines, notes) = mended(turns, LENIENT);
    assert_eq!(
        lines,
        [
            "user: a",
            "assistant: x() | y()",
            "user: x=!No result was given for this call. | y=2",
            "assistant: z()",
            "user: z=!No result was given for this call."
        ]
    );
    assert_eq!(
        notes,
        [
            "messages[1]:rewritten;reason=missing_tool_result",
            "messages[3]:rewritten;reason=missing_tool_result"
        ]
    );
}

#[test]
fn a_result_that_comes_late_goes_to_its_call() {
    let turns = vec![
        (User, vec![words("a")]),
        (Assistant, vec![call("x")]),
        (User, vec![words("b")]),
        (Assistant, vec![words("c")]),
        (User, vec![result("x", "1"), words("d")]),
    ];
    let (lines, notes) = mended(turns, LENIENT);
    assert_eq!(lines, ["user: a", "assistant: x()", "user: x=1 | b", "assistant: c", "user: d"]);
    assert_eq!(notes, ["messages[4]:rewritten;reason=tool_result_moved"]);
}

#[test]
fn a_result_without_a_call_becomes_text() {
    let turns = vec![(User, vec![result("x", "1"), words("a")])];
    let (lines, notes) = mended(turns, STRICT);
    assert_eq!(lines, ["user: Result of a tool: | 1 | a"]);
    assert_eq!(notes, ["messages[0]:rewritten;reason=tool_result_without_call"]);
}

#[test]
fn an_id_that_comes_again_is_made_its_own_on_call_and_result() {
    let turns = vec![
        (User, vec![words("a")]),
        (Assistant, vec![call("x"), call("x")]),
        (User, vec![result("x", "1"), result("x", "2")]),
        (Assistant, vec![call("x")]),
        (User, vec![result("x", "3")]),
    ];
    let (lines, notes) = mended(turns, LENIENT);
    assert_eq!(
        lines,
        ["user: a", "assistant: x() | x-2()", "user: x=1 | x-2=2", "assistant: x-3()", "user: x-3=3"]
    );
    assert_eq!(notes.len(), 2);
    assert_eq!(notes[0], "messages[1]:renamed;reason=duplicate_tool_call_id");
}

#[test]
fn a_tool_that_answered_nothing_gets_a_word() {
    let turns =
        vec![(User, vec![words("a")]), (Assistant, vec![call("x")]), (User, vec![result("x", " \n")])];
    assert_eq!(mended(turns, LENIENT).0[2], "user: x=(no output)");
}

#[test]
fn a_failure_is_told_in_words_where_it_has_no_mark() {
    let failed = |shape| {
        let failure = ToolResult { id: "x".into(), content: vec![words("no")], is_error: true };
        let turns = vec![
            (User, vec![words("a")]),
            (Assistant, vec![call("x")]),
            (User, vec![Block::ToolResult(failure)]),
        ];
        mended(turns, shape)
    };
    assert_eq!(failed(LENIENT).0[2], "user: x=!no");
    let (lines, notes) = failed(STRICT);
    assert_eq!(lines[2], "user: x=Error:,no");
    assert_eq!(notes, ["messages[2]:rewritten;reason=no_tool_result_status"]);
}

#[test]
fn pictures_of_a_result_follow_it_where_it_cannot_hold_them() {
    let shape = Shape { images_in_tool_results: false, ..LENIENT };
    let answer = ToolResult { id: "x".into(), content: vec![image()], is_error: false };
    let turns = vec![
        (User, vec![words("a")]),
        (Assistant, vec![call("x")]),
        (User, vec![Block::ToolResult(answer), words("b")]),
    ];
    let (lines, notes) = mended(turns, shape);
    assert_eq!(lines[2], "user: x=(The picture follows.) | [image] | b");
    assert_eq!(notes, ["messages[2]:rewritten;reason=no_images_in_tool_results"]);
}

#[test]
fn only_the_leading_system_messages_go_to_the_system_place() {
    let turns = vec![
        (System, vec![words("s")]),
        (System, vec![words("t")]),
        (User, vec![words("a")]),
        (Assistant, vec![call("x")]),
        (System, vec![words("u")]),
        (User, vec![result("x", "1")]),
    ];
    let (lines, notes) = mended(turns, LENIENT);
    assert_eq!(lines, ["system: s | t", "user: a", "assistant: x()", "user: x=1 | u"]);
    assert_eq!(notes, ["messages[4]:rewritten;reason=system_not_leading"]);
}

#[test]
fn without_a_system_place_the_user_says_it_first() {
    let (lines, notes) = mended(vec![(System, vec![words("s")]), (User, vec![words("a")])], STRICT);
    assert_eq!(lines, ["user: s | a"]);
    assert_eq!(notes, ["messages[0]:rewritten;reason=no_system_messages"]);
}

#[test]
fn the_assistant_speaks_first_only_where_it_may() {
    let turns = || vec![(Assistant, vec![words("hello")]), (User, vec![words("a")])];
    assert_eq!(mended(turns(), LENIENT).0, ["assistant: hello", "user: a"]);
    let (lines, notes) = mended(turns(), STRICT);
    assert_eq!(lines, ["user: .", "assistant: hello", "user: a"]);
    assert_eq!(notes, ["messages[0]:rewritten;reason=assistant_first"]);
}

#[test]
fn the_assistant_speaks_last_only_where_it_may_and_without_space_at_its_end() {
    let turns = || vec![(User, vec![words("a")]), (Assistant, vec![words("{ ")])];
    let (lines, notes) = mended(turns(), LENIENT);
    assert_eq!(lines, ["user: a", "assistant: {"]);
    assert!(notes.is_empty());
    let (lines, notes) = mended(turns(), STRICT);
    assert_eq!(lines, ["user: a", "assistant: { ", "user: Continue."]);
    assert_eq!(notes, ["messages[1]:rewritten;reason=no_prefill"]);
}

#[test]
fn system_messages_alone_get_a_user_to_speak_to() {
    let (lines, notes) = mended(vec![(System, vec![words("s")])], LENIENT);
    assert_eq!(lines, ["system: s", "user: ."]);
    assert_eq!(notes, ["messages:rewritten;reason=no_turns"]);
}

#[test]
fn a_document_has_a_text_beside_it() {
    let (lines, notes) = mended(vec![(User, vec![document()])], LENIENT);
    assert_eq!(lines, ["user: [document] | See the document."]);
    assert_eq!(notes, ["messages[0]:rewritten;reason=document_without_text"]);
}

#[test]
fn text_of_joined_turns_stands_before_their_calls() {
    let turns = vec![
        (User, vec![words("a")]),
        (Assistant, vec![call("x")]),
        (Assistant, vec![words("b")]),
        (User, vec![result("x", "1")]),
    ];
    assert_eq!(mended(turns, LENIENT).0[1], "assistant: b | x()");
}

/// What Bedrock refuses in the shape of a conversation.
fn faults(messages: &[Message], shape: Shape) -> Vec<String> {
    let mut faults = Vec::new();
    let mut fault = |at: usize, what: &str| faults.push(format!("{at}: {what}"));
    let turns = match messages.split_first() {
        Some((first, turns)) if first.role == System => {
            if !shape.system {
                fault(0, "a system message");
            }
            turns
        }
        Some(_) | None => messages,
    };
    if turns.is_empty() {
        fault(0, "no turns");
    }
    let mut speaker =
        if shape.leading_assistant { turns.first().map_or(User, |turn| turn.role) } else { User };
    let mut ids = HashSet::new();
    let mut expected: Vec<String> = Vec::new();
    for (at, turn) in turns.iter().enumerate() {
        if turn.role != speaker {
            fault(at, "roles don't alternate");
        }
        speaker = if turn.role == User { Assistant } else { User };
        let results: Vec<&ToolResult> = turn
            .content
            .iter()
            .filter_map(|block| if let Block::ToolResult(result) = block { Some(result) } else { None })
            .collect();
        if results.iter().map(|result| &result.id).ne(expected.iter()) {
            fault(at, "results don't match the calls before");
        }
        let first = turn.content.iter().take(results.len());
        if !first.clone().all(|block| matches!(block, Block::ToolResult(_))) {
            fault(at, "results are not first");
        }
        if !shape.mixed_tool_results && !results.is_empty() && results.len() != turn.content.len() {
            fault(at, "something beside results");
        }
        if results
            .iter()
            .any(|result| result.content.is_empty() || (result.is_error && !shape.tool_result_status))
        {
            fault(at, "a result of another shape");
        }
        let inside = results.iter().flat_map(|result| &result.content);
        if inside.clone().any(|block| matches!(block, Block::Image(_))) && !shape.images_in_tool_results {
            fault(at, "a picture in a result");
        }
        if turn
            .content
            .iter()
            .chain(inside)
            .any(|block| matches!(block, Block::Text(text) if text.is_blank()))
        {
            fault(at, "blank text");
        }
        if turn.content.iter().all(|block| matches!(block, Block::Reasoning(_))) {
            fault(at, "nothing is said");
        }
        let has = |kind: fn(&Block) -> bool| turn.content.iter().any(kind);
        if has(|block| matches!(block, Block::Document(_))) && !has(|block| matches!(block, Block::Text(_))) {
            fault(at, "a document without text");
        }
        expected.clear();
        for block in &turn.content {
            match block {
                Block::ToolUse(call) => {
                    if !ids.insert(call.id.clone()) {
                        fault(at, "an id twice");
                    }
                    expected.push(call.id.clone());
                }
                Block::Text(_) if !expected.is_empty() => fault(at, "text behind a call"),
                Block::Text(_)
                | Block::Image(_)
                | Block::Document(_)
                | Block::Audio(_)
                | Block::Remote(_)
                | Block::CachePoint(_)
                | Block::ToolResult(_)
                | Block::Reasoning(_) => {}
            }
        }
    }
    if !expected.is_empty() {
        fault(turns.len(), "calls without results");
    }
    if let Some(last) = turns.last()
        && last.role == Assistant
    {
        let space = matches!(last.content.last(), Some(Block::Text(text)) if text.trimmed_end().is_some());
        if !shape.prefill || space {
            fault(turns.len(), "the assistant is last");
        }
    }
    faults
}

/// Every word that was said, sorted.
fn all_words(messages: &[Message]) -> Vec<String> {
    fn collect(blocks: &[Block], words: &mut Vec<String>) {
        for block in blocks {
            match block {
                Block::Text(text) if !text.is_blank() => words.push(text.decode().trim().to_owned()),
                Block::ToolResult(result) => collect(&result.content, words),
                Block::Image(_) => words.push("[image]".into()),
                Block::Document(_) => words.push("[document]".into()),
                Block::Text(_)
                | Block::Audio(_)
                | Block::Remote(_)
                | Block::CachePoint(_)
                | Block::ToolUse(_)
                | Block::Reasoning(_) => {}
            }
        }
    }
    let mut words = Vec::new();
    for message in messages {
        collect(&message.content, &mut words);
    }
    words
}

fn some_words() -> impl Strategy<Value = Block> {
    "[ \na-c]{0,3}".prop_map(|plain| words(&plain))
}

fn some_id() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["x", "y", "x-2", "z"]).prop_map(String::from)
}

fn user_block() -> impl Strategy<Value = Block> {
    let inside = prop_oneof![3 => some_words(), 1 => Just(image())];
    let result = (some_id(), prop::collection::vec(inside, 0..3), any::<bool>())
        .prop_map(|(id, content, is_error)| Block::ToolResult(ToolResult { id, content, is_error }));
    prop_oneof![4 => some_words(), 4 => result, 1 => Just(image()), 1 => Just(document())]
}

fn assistant_block() -> impl Strategy<Value = Block> {
    prop_oneof![3 => some_words(), 3 => some_id().prop_map(|id| call(&id)), 1 => Just(thought())]
}

fn some_turn() -> impl Strategy<Value = (Role, Vec<Block>)> {
    prop_oneof![
        1 => prop::collection::vec(some_words(), 0..3).prop_map(|content| (System, content)),
        4 => prop::collection::vec(user_block(), 0..4).prop_map(|content| (User, content)),
        3 => prop::collection::vec(assistant_block(), 0..4).prop_map(|content| (Assistant, content)),
    ]
}

fn some_shape() -> impl Strategy<Value = Shape> {
    any::<[bool; 6]>().prop_map(
        |[
            system,
            leading_assistant,
            prefill,
            mixed_tool_results,
            images_in_tool_results,
            tool_result_status,
        ]| {
            Shape {
                system,
                leading_assistant,
                prefill,
                mixed_tool_results,
                images_in_tool_results,
                tool_result_status,
            }
        },
    )
}

proptest! {
    #[test]
    fn whatever_comes_in_bedrock_takes_what_goes_out(
        turns in prop::collection::vec(some_turn(), 0..9),
        shape in some_shape(),
    ) {
        let given = conversation(turns);
        let once = mend(given.clone(), shape, &mut Notes::new());
        prop_assert_eq!(faults(&once, shape), Vec::<String>::new(), "{:#?}", drawn(&once));

        let mut notes = Notes::new();
        let twice = mend(once.clone(), shape, &mut notes);
        prop_assert_eq!(drawn(&twice), drawn(&once));
        prop_assert!(notes.is_empty(), "{:?}", notes);

        let mut kept = all_words(&once);
        for word in all_words(&given) {
            let at = kept.iter().position(|kept| *kept == word);
            prop_assert!(at.is_some(), "{} is lost: {:#?}", word, drawn(&once));
            kept.swap_remove(at.unwrap());
        }
    }
}
