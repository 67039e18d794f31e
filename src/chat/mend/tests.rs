use super::super::{Audio, AudioFormat, Document, Image, ImageFormat, Json, Reasoning, Source, ToolUse};
use super::*;

pub(super) const LENIENT: Shape = Shape {
    system: true,
    leading_assistant: true,
    prefill: true,
    mixed_tool_results: true,
    images_in_tool_results: true,
    tool_result_status: true,
};
pub(super) const STRICT: Shape = Shape {
    system: false,
    leading_assistant: false,
    prefill: false,
    mixed_tool_results: false,
    images_in_tool_results: false,
    tool_result_status: false,
};

pub(super) fn words(words: &str) -> Block {
    Block::Text(Text::new(words))
}

pub(super) fn call(id: &str) -> Block {
    Block::ToolUse(ToolUse { id: id.into(), name: "f".into(), input: Json::empty_object() })
}

pub(super) fn result(id: &str, answer: &str) -> Block {
    Block::ToolResult(ToolResult { id: id.into(), content: vec![words(answer)], is_error: false })
}

pub(super) fn image() -> Block {
    Block::Image(Image { format: ImageFormat::Png, source: Source::Inline(Text::new("aGk=")) })
}

pub(super) fn document() -> Block {
    Block::Document(Document {
        name: "d".into(),
        format: "pdf".into(),
        source: Source::Inline(Text::new("aGk=")),
    })
}

pub(super) fn sound() -> Block {
    Block::Audio(Audio { format: AudioFormat::Wav, data: Text::new("aGk=") })
}

pub(super) fn thought() -> Block {
    Block::Reasoning(Reasoning { text: Text::new("hm"), signature: None, redacted: None })
}

pub(super) fn conversation(turns: Vec<(Role, Vec<Block>)>) -> Vec<Message> {
    turns.into_iter().enumerate().map(|(index, (role, content))| Message { role, content, index }).collect()
}

/// One line a turn: `user: a | =x(b)`.
pub(super) fn drawn(messages: &[Message]) -> Vec<String> {
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
        Block::Audio(_) => "[sound]".into(),
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
fn files_and_sounds_of_a_result_follow_it_where_it_cannot_hold_them() {
    let with = |content: Vec<Block>, shape| {
        let answer = ToolResult { id: "x".into(), content, is_error: false };
        mended(
            vec![
                (User, vec![words("a")]),
                (Assistant, vec![call("x")]),
                (User, vec![Block::ToolResult(answer)]),
            ],
            shape,
        )
    };
    let (lines, notes) = with(vec![words("b"), document()], LENIENT);
    assert_eq!(lines[2], "user: x=b,[document]");
    assert!(notes.is_empty());
    let (lines, notes) = with(vec![sound(), document()], LENIENT);
    assert_eq!(lines[2], "user: x=[document],(The sound follows.) | [sound]");
    assert_eq!(notes, ["messages[2]:rewritten;reason=no_sounds_in_tool_results"]);
    let (lines, notes) = with(vec![document(), words("b")], STRICT);
    assert_eq!(
        lines[2..],
        ["user: x=b,(The file follows.)", "assistant: OK.", "user: [document] | See the document."]
    );
    assert!(notes.contains(&"messages[2]:rewritten;reason=no_files_in_tool_results".to_owned()), "{notes:?}");
}

#[test]
fn calls_and_results_without_ids_belong_together_by_their_order() {
    let user = || (User, vec![words("a")]);
    for (turns, expected) in [
        (
            vec![
                user(),
                (Assistant, vec![call(""), call("")]),
                (User, vec![result("", "1")]),
                (User, vec![result("", "2")]),
            ],
            vec!["user: a", "assistant: call() | call-2()", "user: call=1 | call-2=2"],
        ),
        // Only the results have none.
        (
            vec![
                user(),
                (Assistant, vec![call("x"), call("y"), call("z")]),
                (User, vec![result("y", "2"), result("", "1"), result("", "3")]),
            ],
            vec!["user: a", "assistant: x() | y() | z()", "user: x=1 | y=2 | z=3"],
        ),
        // Only the calls have none.
        (
            vec![
                user(),
                (Assistant, vec![call(""), call("")]),
                (User, vec![result("p", "1"), result("q", "2")]),
            ],
            vec!["user: a", "assistant: call() | call-2()", "user: call=1 | call-2=2"],
        ),
        // A later turn doesn't take what belongs to an earlier one.
        (
            vec![
                user(),
                (Assistant, vec![call("")]),
                (User, vec![result("", "1")]),
                (Assistant, vec![call("")]),
                (User, vec![result("", "2")]),
            ],
            vec!["user: a", "assistant: call()", "user: call=1", "assistant: call-2()", "user: call-2=2"],
        ),
    ] {
        assert_eq!(mended(turns, LENIENT).0, expected);
    }
    let (lines, notes) = mended(vec![user(), (User, vec![result("", "1")])], LENIENT);
    assert_eq!(lines, ["user: a | Result of a tool: | 1"]);
    assert_eq!(notes, ["messages[1]:rewritten;reason=tool_result_without_call"]);
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
