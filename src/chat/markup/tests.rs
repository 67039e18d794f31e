use proptest::prelude::*;

use super::super::Response;
use super::*;

const KIMI: CallTokens = CallTokens {
    begin: "<|tool_calls_section_begin|>",
    end: "<|tool_calls_section_end|>",
    call_begin: "<|tool_call_begin|>",
    arguments: "<|tool_call_argument_begin|>",
    call_end: "<|tool_call_end|>",
};
const TAIL: &str = "<｜DSML｜function_calls";
const A: BlockIndex = BlockIndex(0);

fn tools() -> Vec<String> {
    ["lookup", "add_2"].map(str::to_owned).to_vec()
}

fn calls() -> MarkupReader {
    MarkupReader::new(CallMarkup::Calls(KIMI), tools()).unwrap()
}

/// With short names for the tokens.
fn text(short: &str) -> String {
    let names = [
        ("«", KIMI.begin),
        ("»", KIMI.end),
        ("‹", KIMI.call_begin),
        ("¦", KIMI.arguments),
        ("›", KIMI.call_end),
    ];
    names.iter().fold(short.to_owned(), |text, (name, token)| text.replace(name, token))
}

fn events(kind: &BlockKind, pieces: &[&str], stop: StopReason) -> Vec<Event> {
    let delta = |piece: &&str| match kind {
        BlockKind::Reasoning => Delta::Reasoning(Text::new(piece)),
        _ => Delta::Text(Text::new(piece)),
    };
    let mut events = vec![Event::Start, Event::BlockStart { block: A, kind: kind.clone() }];
    events.extend(pieces.iter().map(|piece| Event::Delta { block: A, delta: delta(piece) }));
    events.extend([Event::BlockStop { block: A }, Event::Stop(stop)]);
    events
}

fn through(reader: MarkupReader, events: Vec<Event>) -> Response {
    let (mut reader, mut out) = (reader, Vec::new());
    for event in events {
        reader.push(event, &mut out);
    }
    Response::assemble(out).unwrap()
}

/// What was said, and the calls as `tool(input)`.
fn read(reader: MarkupReader, events: Vec<Event>) -> (String, String, StopReason) {
    let Response { text, reasoning, tool_calls, stop, .. } = through(reader, events);
    let said = text.into_iter().chain(reasoning.into_iter().map(|thought| thought.text));
    let said: String = said.map(|text| text.decode().into_owned()).collect();
    let calls: Vec<_> =
        tool_calls.iter().map(|call| format!("{}({})", call.name, call.arguments.decode())).collect();
    (said, calls.join(" "), stop)
}

#[test]
fn calls_between_tokens_are_calls() {
    use StopReason::{EndTurn, MaxTokens, ToolUse};
    for (written, said, called, stop) in [
        ("«‹functions.lookup:0¦{\"q\":\"x\"}›»", "", "lookup({\"q\":\"x\"})", ToolUse),
        (
            "Let me see. « ‹ functions.lookup:0 ¦ {\"q\": 1} › » Done.",
            "Let me see.  Done.",
            "lookup({\"q\": 1})",
            ToolUse,
        ),
        (
            "«‹functions.lookup:0¦{}›\n‹functions.add_2:1¦{\"a\":[1,{}]}›»",
            "",
            "lookup({}) add_2({\"a\":[1,{}]})",
            ToolUse,
        ),
        // Without a section, without a number, without a prefix, without an input.
        ("a‹functions.add_2:12¦{}›b", "ab", "add_2({})", ToolUse),
        ("‹lookup¦{}›", "", "lookup({})", ToolUse),
        ("‹functions.lookup:3¦›", "", "lookup({})", ToolUse),
        // Cut at its end, where models end their turns.
        ("«‹functions.lookup:0¦{\"q\":1}›", "", "lookup({\"q\":1})", ToolUse),
        ("«‹functions.lookup:0¦{\"q\":1}", "", "lookup({\"q\":1})", ToolUse),
        ("«‹functions.lookup:0¦{\"q\":1}»", "", "lookup({\"q\":1})", ToolUse),
        ("é«‹lookup:0¦{\"q\":\"é\"}›»é", "éé", "lookup({\"q\":\"é\"})", ToolUse),
        ("no calls < here <|", "no calls < here <|", "", EndTurn),
    ] {
        for kind in [BlockKind::Text, BlockKind::Reasoning] {
            let got = read(calls(), events(&kind, &[&text(written)], EndTurn));
            assert_eq!(got, (said.to_owned(), called.to_owned(), stop.clone()), "{written} {kind:?}");
        }
    }
    let cut = read(calls(), events(&BlockKind::Text, &[&text("«‹functions.lookup:0¦{}")], MaxTokens));
    assert_eq!(cut, (String::new(), "lookup({})".to_owned(), MaxTokens));
}

#[test]
fn what_is_no_call_of_a_tool_that_there_is_stays_what_it_was() {
    for written in [
        "«‹functions.unheard_of:0¦{\"q\":\"x\"}›»",
        "«‹functions.lookup:x¦{}›»",
        "«‹functions.lookup:0¦{\"q\":›»",
        "«‹functions.lookup:0¦[1]›»",
        "«‹functions.lookup:0¦\"x\"›»",
        "«‹functions.lookup:0{}›»",
        "« and no call »",
        "«»",
        "«",
        "a ‹",
        "‹functions.lookup",
        "‹functions.lookup:0¦{\"q\":\"not at its en",
        "› ¦ »",
    ] {
        let written = text(written);
        let got = read(calls(), events(&BlockKind::Text, &[&written], StopReason::EndTurn));
        assert_eq!(got, (written.clone(), String::new(), StopReason::EndTurn), "{written}");
    }
    // One of two.
    let mixed = text("«‹functions.lookup:0¦{}›‹functions.other:1¦{}›»");
    let (said, called, stop) = read(calls(), events(&BlockKind::Text, &[&mixed], StopReason::EndTurn));
    assert_eq!((said, called.as_str()), (text("‹functions.other:1¦{}›»"), "lookup({})"));
    assert_eq!(stop, StopReason::ToolUse);
}

#[test]
fn a_call_that_is_too_long_is_text_however_it_comes() {
    let long = text(&format!("«‹functions.lookup:0¦{{\"q\":\"{}\"}}›»", "é".repeat(600_000)));
    let whole = read(calls(), events(&BlockKind::Text, &[&long], StopReason::EndTurn));
    assert!(whole.0 == long && whole.1.is_empty());
    let characters: Vec<char> = long.chars().collect();
    let pieces: Vec<String> = characters.chunks(1000).map(|piece| piece.iter().collect()).collect();
    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
    assert!(read(calls(), events(&BlockKind::Text, &pieces, StopReason::EndTurn)) == whole);
    // One that is a little shorter is a call.
    let long = text(&format!("‹functions.lookup:0¦{{\"q\":\"{}\"}}›", "x".repeat(1_000_000)));
    assert!(read(calls(), events(&BlockKind::Text, &[&long], StopReason::EndTurn)).0.is_empty());
}

#[test]
fn ids_are_the_same_for_the_same_reply_only() {
    let ids = |written: &str| {
        let got = through(calls(), events(&BlockKind::Text, &[&text(written)], StopReason::EndTurn));
        got.tool_calls.into_iter().map(|call| call.id).collect::<Vec<_>>()
    };
    let twice = ids("«‹lookup:0¦{}›‹lookup:1¦{}›»");
    assert_eq!(twice, ids("«‹lookup:0¦{}›‹lookup:1¦{}›»"));
    assert_ne!(twice[0], twice[1]);
    assert_ne!(twice[0], ids("Once more. «‹lookup:0¦{}›»")[0]);
    assert!(twice[0].starts_with("call_") && twice[0].len() <= 64);
}

#[test]
fn nothing_is_looked_for_without_tools() {
    assert!(MarkupReader::new(CallMarkup::Calls(KIMI), Vec::new()).is_none());
    assert!(MarkupReader::new(CallMarkup::No, tools()).is_none());
}

/// A text, whether it ends before the next block begins, and what follows it.
fn tailed(pieces: &[&str], next: Option<BlockKind>, interleaved: bool) -> Vec<Event> {
    let mut events = events(&BlockKind::Text, pieces, StopReason::ToolUse);
    let stop = events.len() - 1;
    let between = if interleaved { stop - 1 } else { stop };
    let next = next.map(|kind| {
        let block = BlockIndex(1);
        [Event::BlockStart { block, kind }, Event::BlockStop { block }]
    });
    events.splice(between..between, next.into_iter().flatten());
    events.insert(1, Event::Usage(super::super::Usage::default()));
    events
}

#[test]
fn the_tail_of_a_text_before_a_call_is_no_text() {
    let tail = || MarkupReader::new(CallMarkup::Tail(TAIL), tools()).unwrap();
    let call = || Some(BlockKind::ToolUse { id: "t".into(), name: "lookup".into() });
    let whole = format!("I'll check.\n\n{TAIL}");
    for interleaved in [false, true] {
        let said = |pieces: &[&str], next| read(tail(), tailed(pieces, next, interleaved)).0;
        assert_eq!(said(&[&whole], call()), "I'll check.\n\n");
        assert_eq!(said(&["I'll check.\n\n<", "｜DSML", "｜function_calls"], call()), "I'll check.\n\n");
        assert_eq!(said(&[TAIL], call()), "");
        // Where no call follows, where more follows, where it is another one.
        assert_eq!(said(&[&whole], None), whole);
        assert_eq!(said(&[&whole], Some(BlockKind::Text)), whole);
        assert_eq!(said(&[&whole, "> is markup"], call()), format!("{whole}> is markup"));
        assert_eq!(said(&["a <｜DSML｜function"], call()), "a <｜DSML｜function");
        assert_eq!(said(&[TAIL, TAIL], call()), TAIL);
    }
}

const WORDS: &[&str] = &[
    "«",
    "»",
    "‹",
    "›",
    "¦",
    "functions.lookup:0",
    "add_2",
    "{\"q\":\"é\"}",
    "{",
    " ",
    "\n",
    "a",
    "<",
    "<|tool_call",
];

proptest! {
    #[test]
    fn however_a_reply_is_cut_it_says_the_same(
        words in prop::collection::vec(
            prop::sample::select(WORDS), 0..14),
        cuts in prop::collection::vec(0..200_usize, 0..8),
        thinks in any::<bool>(),
    ) {
        let whole: String = words.iter().map(|word| text(word)).collect();
        let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| whole.is_char_boundary(*cut)).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in cuts {
            pieces.push(&whole[from..cut]);
            from = cut;
        }
        pieces.push(&whole[from..]);
        let kind = if thinks { BlockKind::Reasoning } else { BlockKind::Text };
        let once = read(calls(), events(&kind, &[&whole], StopReason::EndTurn));
        prop_assert_eq!(read(calls(), events(&kind, &pieces, StopReason::EndTurn)), once.clone());
        let ids = |pieces: &[&str]| through(calls(), events(&kind, pieces, StopReason::EndTurn)).tool_calls;
        prop_assert_eq!(ids(&pieces), ids(&[&whole]));
        let each: Vec<String> = whole.chars().map(String::from).collect();
        let each: Vec<&str> = each.iter().map(String::as_str).collect();
        prop_assert_eq!(read(calls(), events(&kind, &each, StopReason::EndTurn)), once.clone());
        // Without a call nothing is lost.
        if once.1.is_empty() {
            prop_assert_eq!(once.0, whole);
        }
    }
}
