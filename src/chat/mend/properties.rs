//! What holds for every conversation.

use std::collections::HashSet;

use proptest::prelude::*;

use Role::{Assistant, System, User};

use super::tests::{call, conversation, document, drawn, image, sound, thought, words};
use super::*;

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
        if !inside.clone().all(|block| shape.holds(block)) {
            fault(at, "a picture, file or sound in a result");
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
                Block::Audio(_) => words.push("[sound]".into()),
                Block::Text(_)
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
    prop::sample::select(vec!["x", "y", "x-2", "z", "", "call"]).prop_map(String::from)
}

fn user_block() -> impl Strategy<Value = Block> {
    let media = prop::sample::select(vec![image(), document(), sound()]);
    let inside = prop_oneof![3 => some_words(), 1 => media];
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
