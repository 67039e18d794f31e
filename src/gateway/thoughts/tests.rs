use std::time::Duration;

use super::*;
use crate::bedrock::BedrockError;
use crate::chat::{BlockIndex, Json, StopReason, Text, ToolResult, ToolUse};

fn thoughts() -> Thoughts {
    Thoughts::new(ThoughtLimits { ttl: Duration::from_mins(1), max_bytes: 100_000 })
}

fn owner_by(principal: Option<&str>, model: &str) -> Owner {
    Owner { principal: principal.map(Into::into), model: model.into(), unnamed: None, takes: Replay::Signed }
}

fn alice() -> Owner {
    owner_by(Some("alice"), "anthropic.claude-opus-5")
}

/// A reply that thinks in two blocks, one of them redacted, says something and calls these tools.
fn reply(calls: &[(&str, &str)], signed: bool) -> Vec<Event> {
    let mut block = 0;
    let mut events = vec![Event::Start];
    let mut push = |kind: BlockKind, deltas: Vec<Delta>| {
        block += 1;
        let block = BlockIndex(block);
        events.push(Event::BlockStart { block, kind });
        events.extend(deltas.into_iter().map(|delta| Event::Delta { block, delta }));
        events.push(Event::BlockStop { block });
    };
    let mut thought = vec![Delta::Reasoning(Text::new("let ")), Delta::Reasoning(Text::new("me\n"))];
    if signed {
        thought.push(Delta::Signature(Text::new("sig")));
        push(BlockKind::Reasoning, thought);
        push(BlockKind::Reasoning, vec![Delta::Redacted(Text::new("ZGF0YQ=="))]);
    } else {
        push(BlockKind::Reasoning, thought);
    }
    push(BlockKind::Text, vec![Delta::Text(Text::new("I'll look."))]);
    for (id, name) in calls {
        let kind = BlockKind::ToolUse { id: (*id).to_owned(), name: (*name).to_owned() };
        push(kind, vec![Delta::ToolInput(Text::new("{}"))]);
    }
    events.push(Event::Stop(StopReason::ToolUse));
    events
}

fn hear(thoughts: &Thoughts, owner: Owner, events: &[Event]) {
    let mut recorder = thoughts.recorder(owner);
    for event in events {
        recorder.hear(event);
    }
}

/// What a client that knows OpenAI's protocol only sends back.
fn replayed(calls: &[(&str, &str)]) -> Request {
    let call = |(id, name): &(&str, &str)| {
        let (id, name) = ((*id).to_owned(), (*name).to_owned());
        Block::ToolUse(ToolUse { id, name, input: Json::parse("{ \"a\": 1 }").unwrap() })
    };
    let result = |(id, _): &(&str, &str)| {
        Block::ToolResult(ToolResult { id: (*id).to_owned(), content: vec![], is_error: false })
    };
    let message = |index, role, content| Message { role, content, index };
    Request {
        messages: vec![
            message(0, Role::User, vec![Block::Text(Text::new("hi"))]),
            message(1, Role::Assistant, calls.iter().map(call).collect()),
            message(2, Role::User, calls.iter().map(result).collect()),
        ],
        ..Request::default()
    }
}

/// The thoughts that the model gets back, and whether it gets all there were.
fn found(thoughts: &Thoughts, owner: &Owner, request: &Request) -> (Vec<String>, bool) {
    let found = thoughts.find(owner, request, Instant::now());
    let (mut request, mut notes) = (request.clone(), Notes::new());
    found.restore(&mut request, owner.takes, &mut notes);
    let told: Vec<_> = notes.iter().map(ToString::to_string).collect();
    let kind = match owner.takes {
        Replay::Signed | Replay::No => "signed",
        Replay::Encrypted => "encrypted",
        Replay::Plain => "plain",
    };
    let note = format!("messages:restored;reason={kind}_thoughts");
    assert_eq!(told, Vec::from_iter((!found.is_empty()).then_some(note)));
    let turn = &request.messages[1].content;
    let said = turn.iter().map_while(|block| match block {
        Block::Reasoning(Reasoning { text, signature, redacted }) => {
            let optional =
                |text: &Option<Text>| text.as_ref().map_or("-".to_owned(), |text| text.decode().into());
            Some(format!("{:?} {} {}", text.decode(), optional(signature), optional(redacted)))
        }
        _ => None,
    });
    (said.collect(), found.complete)
}

const CALLS: &[(&str, &str)] = &[("toolu_1", "weather"), ("toolu_2", "time")];

#[test]
fn thoughts_come_back_as_they_were_before_the_calls() {
    let thoughts = thoughts();
    hear(&thoughts, alice(), &reply(CALLS, true));
    let (back, complete) = found(&thoughts, &alice(), &replayed(CALLS));
    assert_eq!(back, ["\"let me\\n\" sig -", "\"\" - ZGF0YQ=="]);
    assert!(complete);
}

#[test]
fn nobody_else_gets_them() {
    let thoughts = thoughts();
    hear(&thoughts, alice(), &reply(CALLS, true));
    for other in [
        owner_by(Some("bob"), "anthropic.claude-opus-5"),
        owner_by(None, "anthropic.claude-opus-5"),
        owner_by(Some(""), "anthropic.claude-opus-5"),
        owner_by(Some("alice"), "anthropic.claude-sonnet-5"),
        owner_by(Some("alicea"), "nthropic.claude-opus-5"),
    ] {
        assert_eq!(found(&thoughts, &other, &replayed(CALLS)), (vec![], false), "{other:?}");
    }
    // Without keys there is one caller.
    let open = || owner_by(None, "anthropic.claude-opus-5");
    hear(&thoughts, open(), &reply(CALLS, true));
    assert_eq!(found(&thoughts, &open(), &replayed(CALLS)).0.len(), 2);
}

#[test]
fn another_turn_is_not_this_one() {
    let thoughts = thoughts();
    hear(&thoughts, alice(), &reply(CALLS, true));
    for other in [
        &[("toolu_1", "weather")][..],
        &[("toolu_2", "time"), ("toolu_1", "weather")],
        &[("toolu_1", "weathe"), ("rtoolu_2", "time")],
        &[("toolu_1", "time"), ("toolu_2", "weather")],
    ] {
        assert_eq!(found(&thoughts, &alice(), &replayed(other)), (vec![], false), "{other:?}");
    }
}

#[test]
fn a_turn_that_brings_its_own_proof_is_left_alone() {
    let thoughts = thoughts();
    hear(&thoughts, alice(), &reply(CALLS, true));
    let with = |signature: Option<&str>| {
        let signature = signature.map(Text::new);
        let own = Reasoning { text: Text::new("own"), signature, redacted: None };
        let mut request = replayed(CALLS);
        request.messages[1].content.insert(0, Block::Reasoning(own));
        found(&thoughts, &alice(), &request)
    };
    assert_eq!(with(Some("s")), (vec!["\"own\" s -".to_owned()], true));
    // An unsigned thought is no proof; the family drops it.
    let (back, _) = with(None);
    assert_eq!(back, ["\"let me\\n\" sig -", "\"\" - ZGF0YQ==", "\"own\" - -"]);
}

#[test]
fn a_turn_without_a_thought_is_known_to_have_had_none() {
    let thoughts = thoughts();
    hear(&thoughts, alice(), &reply(CALLS, false));
    assert_eq!(found(&thoughts, &alice(), &replayed(CALLS)), (vec![], true));
}

#[test]
fn each_model_gets_back_what_it_takes_and_no_more() {
    for (takes, back) in [
        (Replay::Encrypted, vec!["\"\" - ZGF0YQ=="]),
        // The signature goes by the way: the family leaves it out.
        (Replay::Plain, vec!["\"let me\\n\" sig -"]),
    ] {
        let (thoughts, owner) = (thoughts(), || Owner { takes, ..alice() });
        hear(&thoughts, owner(), &reply(CALLS, true));
        assert_eq!(found(&thoughts, &owner(), &replayed(CALLS)).0, back, "{takes:?}");
        // Another caller, another model.
        for other in
            [owner_by(Some("bob"), "anthropic.claude-opus-5"), owner_by(Some("alice"), "xai.grok-4.6")]
        {
            let other = Owner { takes, ..other };
            assert!(found(&thoughts, &other, &replayed(CALLS)).0.is_empty(), "{other:?}");
        }
        // The user has spoken since.
        let mut over = replayed(CALLS);
        let said = vec![Block::Text(Text::new("done"))];
        over.messages.push(Message { role: Role::Assistant, content: said.clone(), index: 3 });
        over.messages.push(Message { role: Role::User, content: said, index: 4 });
        assert!(thoughts.find(&owner(), &over, Instant::now()).is_empty(), "{takes:?}");
        // The client brings its own.
        let mut own = replayed(CALLS);
        let (text, redacted) = match takes {
            Replay::Plain => (Text::new("own"), None),
            Replay::No | Replay::Signed | Replay::Encrypted => (Text::new(""), Some(Text::new("b3du"))),
        };
        own.messages[1].content.insert(0, Block::Reasoning(Reasoning { text, signature: None, redacted }));
        assert!(thoughts.find(&owner(), &own, Instant::now()).is_empty(), "{takes:?}");
        assert!(brings(&own, takes) && !brings(&replayed(CALLS), takes));
    }
}

#[test]
fn a_reply_that_breaks_off_or_calls_nothing_leaves_nothing() {
    let thoughts = thoughts();
    let whole = reply(CALLS, true);
    hear(&thoughts, alice(), &whole[..whole.len() - 1]);
    hear(&thoughts, alice(), &reply(&[], true));
    assert_eq!(found(&thoughts, &alice(), &replayed(CALLS)), (vec![], false));
}

#[test]
fn what_was_refused_is_forgotten() {
    let thoughts = thoughts();
    hear(&thoughts, alice(), &reply(CALLS, true));
    let request = replayed(CALLS);
    thoughts.forget(&thoughts.find(&alice(), &request, Instant::now()));
    assert_eq!(found(&thoughts, &alice(), &request), (vec![], false));
}

#[test]
fn only_a_refusal_of_thoughts_is_one() {
    let says = |kind, detail| refused(&Fault::Upstream(BedrockError::new(kind, detail)));
    for detail in [
        "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`",
        "messages.1.content.0: Invalid `signature` in `thinking` block",
        "thinking or redacted_thinking blocks in the latest assistant message cannot be modified",
        "User messages cannot contain reasoning content",
    ] {
        assert!(says(ErrorKind::Validation, detail), "{detail}");
        assert!(!says(ErrorKind::Throttled, detail), "{detail}");
    }
    assert!(!says(ErrorKind::Validation, "thinking.enabled.budget_tokens: Input should be greater"));
    assert!(!says(ErrorKind::Validation, "max_tokens is too large"));
}

#[test]
fn a_turn_that_thinks_for_longer_than_is_ever_kept_is_not_kept_in_part() {
    let calls = [("call_1", "look")];
    // There is room for it, but it is no thought.
    let thoughts = || Thoughts::new(ThoughtLimits { ttl: Duration::from_mins(1), max_bytes: usize::MAX });
    for (pieces, length) in [(70_000, 1), (900, 5_000), (1, LONGEST_TURN)] {
        let thoughts = thoughts();
        let mut events = reply(&calls, true);
        let more =
            Event::Delta { block: BlockIndex(1), delta: Delta::Reasoning(Text::new(&"x".repeat(length))) };
        events.splice(2..2, std::iter::repeat_n(more, pieces));
        let mut recorder = thoughts.recorder(alice());
        for event in &events {
            recorder.hear(event);
            assert!(recorder.heard.len() <= LONGEST_TURN / AROUND);
        }
        assert!(!thoughts.find(&alice(), &replayed(&calls), Instant::now()).complete, "{pieces}");
        // The next turn is one of its own.
        for event in reply(&calls, true) {
            recorder.hear(&event);
        }
        assert!(!thoughts.find(&alice(), &replayed(&calls), Instant::now()).is_empty());
    }
}
