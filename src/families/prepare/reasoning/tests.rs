//! What stands around an effort; the words and numbers themselves are in `tests/fixtures/reasoning.txt`.

use super::*;
use crate::chat::{Json, Reasoning, Role, Text, ToolChoice};
use crate::families::{ModelLimits, Overrides};

use super::super::tests::{Case, hello, message, on, tool, with_history, with_tools, words};

const SONNET_4_5: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";
const OPUS_4_5: &str = "anthropic.claude-opus-4-5-20251101-v1:0";
const OPUS_4_6: &str = "anthropic.claude-opus-4-6-v1";
const OPUS_4_7: &str = "anthropic.claude-opus-4-7";
const OPUS_5: &str = "anthropic.claude-opus-5";
const OPUS_5_5: &str = "anthropic.claude-opus-5-5";
const SONNET_5_5: &str = "anthropic.claude-sonnet-5-5";
const NOVA_2: &str = "amazon.nova-2-lite-v1:0";

fn thinking(effort: Effort) -> Request {
    Request { reasoning: Some(effort), ..hello() }
}

/// The members of the model's own body.
fn fields(request: &Request) -> String {
    let written = |field: &ModelField| format!("{}={}", field.path.join("."), field.value.as_str());
    request.model_fields.iter().map(written).collect::<Vec<_>>().join(" ")
}

fn thought(signature: Option<&str>) -> Block {
    Block::Reasoning(Reasoning { text: Text::new("hm"), signature: signature.map(Text::new), redacted: None })
}

/// A tool loop whose first turn thought, and whose thought came back with this proof.
fn in_a_loop(effort: Option<Effort>, thoughts: Vec<Block>) -> Request {
    let mut request = Request { reasoning: effort, ..with_history(None, &["f"]) };
    request.messages[1].content.splice(0..0, thoughts);
    request
}

/// The budget and the limit that go out for a wish and a limit.
fn budget(case: &Case, effort: Effort, limit: Option<u32>) -> (String, u32, String) {
    let (prepared, notes) = case.good(Request { max_tokens: limit, ..thinking(effort) });
    let budget =
        prepared.request.model_fields.iter().find(|field| field.path.ends_with(&["budget_tokens".into()]));
    let budget = budget.map_or("-".to_owned(), |field| field.value.as_str().to_owned());
    (budget, prepared.request.max_tokens.unwrap(), notes.join(" "))
}

#[test]
fn a_budget_leaves_room_for_the_answer_and_says_so() {
    let streamed = Case { streaming: true, ..on(SONNET_4_5) };
    let raised = || "max_tokens:rewritten;reason=room_for_thoughts".to_owned();
    assert_eq!(budget(&streamed, Effort::High, Some(100)), ("16384".into(), 16_484, raised()));
    assert_eq!(budget(&streamed, Effort::Medium, Some(8192)), ("8192".into(), 12_288, raised()));
    // A limit that has room for both is the client's own word.
    assert_eq!(budget(&streamed, Effort::Medium, Some(30_000)), ("8192".into(), 30_000, String::new()));
    // Nobody set a limit, so none was changed.
    assert_eq!(budget(&streamed, Effort::Low, None), ("2048".into(), 6144, String::new()));
    let configured = Overrides { default_max_tokens: Some(500), ..Overrides::default() };
    let configured = Case { overrides: configured, ..streamed };
    assert_eq!(budget(&configured, Effort::Low, None), ("2048".into(), 2548, raised()));
}

#[test]
fn a_budget_stays_within_what_the_model_can_write() {
    let most = |most| {
        let limits = ModelLimits { max_output_tokens: Some(most), ..ModelLimits::default() };
        Case { limits, streaming: true, ..on(SONNET_4_5) }
    };
    let (tokens, limit, _) = budget(&most(8000), Effort::High, Some(8000));
    assert_eq!((tokens.as_str(), limit), ("6000", 8000));
    let (tokens, limit, _) = budget(&most(1300), Effort::Max, Some(50));
    assert_eq!((tokens.as_str(), limit), ("1024", 1300));
    let (tokens, limit, notes) = budget(&most(1000), Effort::High, Some(50));
    assert_eq!((tokens.as_str(), limit), ("-", 50));
    assert_eq!(notes, "reasoning_effort:dropped;reason=no_room_to_think");
}

#[test]
fn what_is_not_streamed_does_not_grow_beyond_what_clients_wait_for() {
    let (tokens, limit, _) = budget(&on(SONNET_4_5), Effort::Max, Some(4096));
    assert_eq!((tokens.as_str(), limit), ("16000", 21_333));
    let (tokens, limit, _) = budget(&on(SONNET_4_5), Effort::Max, Some(40_000));
    assert_eq!((tokens.as_str(), limit), ("32768", 40_000));
    let limit = |streaming| {
        let (prepared, _) = Case { streaming, ..on(OPUS_5) }.good(thinking(Effort::Max));
        prepared.request.max_tokens
    };
    assert_eq!((limit(true), limit(false)), (Some(36_864), Some(21_333)));
}

#[test]
fn a_limit_that_was_given_stays_where_the_model_finds_its_own_budget() {
    let (prepared, notes) = on(OPUS_5).good(Request { max_tokens: Some(300), ..thinking(Effort::High) });
    assert_eq!((prepared.request.max_tokens, notes), (Some(300), vec![]));
    let overrides = Overrides { default_max_tokens: Some(500), ..Overrides::default() };
    let (prepared, _) = Case { overrides, ..on(OPUS_5) }.good(thinking(Effort::High));
    assert_eq!(prepared.request.max_tokens, Some(500));
}

#[test]
fn while_claude_thinks_it_draws_tokens_its_own_way() {
    let request = |temperature, effort| Request {
        temperature: Some(temperature),
        top_k: Some(7),
        reasoning: effort,
        ..hello()
    };
    let (prepared, notes) = on(OPUS_4_6).good(request(0.5, Some(Effort::Low)));
    assert_eq!((prepared.request.temperature, prepared.request.top_k), (None, None));
    assert_eq!(
        notes,
        ["temperature:dropped;reason=excluded_by_thinking", "top_k:dropped;reason=excluded_by_thinking"]
    );
    let (_, notes) = on(OPUS_4_6).good(request(1.0, Some(Effort::Low)));
    assert_eq!(notes, ["top_k:dropped;reason=excluded_by_thinking"]);
    for effort in [None, Some(Effort::None)] {
        let (prepared, notes) = on(OPUS_4_6).good(request(0.5, effort));
        assert_eq!(
            (prepared.request.temperature, prepared.request.top_k, notes),
            (Some(0.5), Some(7), vec![])
        );
    }
}

#[test]
fn while_it_thinks_claude_refuses_to_be_told_which_tool_to_call_until_4_6() {
    let chosen = |id, effort| {
        let request = Request { reasoning: effort, ..with_tools(Some(ToolChoice::Required)) };
        on(id).good(request).0.request.tool_choice
    };
    assert_eq!(chosen(SONNET_4_5, Some(Effort::Low)), None);
    assert_eq!(chosen(SONNET_4_5, None), Some(ToolChoice::Required));
    assert_eq!(chosen(OPUS_4_6, Some(Effort::Low)), Some(ToolChoice::Required));
}

#[test]
fn while_it_thinks_claude_does_not_go_on_from_its_own_last_turn() {
    let turns = |effort| {
        let mut request = Request { reasoning: effort, ..hello() };
        request.messages.push(message(1, Role::Assistant, vec![words("so")]));
        on(SONNET_4_5).good(request).0.request.messages.len()
    };
    assert_eq!((turns(None), turns(Some(Effort::Low))), (2, 3));
}

#[test]
fn nova_at_its_hardest_takes_no_limits() {
    let request = |effort| Request { max_tokens: Some(100), temperature: Some(0.5), ..thinking(effort) };
    let (prepared, notes) = on(NOVA_2).good(request(Effort::High));
    assert_eq!((prepared.request.max_tokens, prepared.request.temperature), (None, None));
    assert_eq!(
        notes,
        ["max_tokens:dropped;reason=excluded_by_thinking", "temperature:dropped;reason=excluded_by_thinking"]
    );
    let (prepared, notes) = on(NOVA_2).good(request(Effort::Medium));
    assert_eq!(
        (prepared.request.max_tokens, prepared.request.temperature, notes),
        (Some(100), Some(0.5), vec![])
    );
}

#[test]
fn a_loop_that_lost_its_thoughts_goes_on_without_thinking() {
    let said = |id, effort, thoughts| {
        let (prepared, notes) = on(id).good(in_a_loop(effort, thoughts));
        (fields(&prepared.request), notes.join(" "))
    };
    let lost = "reasoning_effort:dropped;reason=thoughts_missing".to_owned();
    for id in [SONNET_4_5, OPUS_4_6, OPUS_4_7] {
        assert_eq!(said(id, Some(Effort::High), vec![]), (String::new(), lost.clone()), "{id}");
        assert_eq!(said(id, None, vec![]), (String::new(), String::new()), "{id}");
        let (fields, notes) = said(id, Some(Effort::High), vec![thought(Some("s"))]);
        assert!(fields.contains("thinking.type") && notes.is_empty(), "{id}: {fields} {notes}");
    }
    // These think unless they are told not to, so they are told; nothing was asked that is lost.
    let warned = "reasoning_effort:warned;reason=thoughts_missing".to_owned();
    assert_eq!(said(OPUS_5, None, vec![]), ("thinking.type=\"disabled\"".into(), warned.clone()));
    assert_eq!(said(SONNET_5_5, None, vec![]), ("thinking.type=\"between_tools\"".into(), warned.clone()));
    assert_eq!(said(OPUS_5, Some(Effort::Low), vec![]), ("thinking.type=\"disabled\"".into(), lost));
    assert_eq!(said(OPUS_5, None, vec![thought(Some("s"))]), (String::new(), String::new()));
    // This one can't be told: it goes as it is.
    assert_eq!(said(OPUS_5_5, None, vec![]), (String::new(), warned));
    // An unsigned thought is none.
    let (fields, notes) = said(OPUS_5, None, vec![thought(None)]);
    assert_eq!(fields, "thinking.type=\"disabled\"");
    assert!(notes.starts_with("messages[1]:dropped;reason=reasoning_unsigned"), "{notes}");
}

#[test]
fn a_loop_that_began_without_a_thought_goes_on_as_it_is() {
    let known = Case { thoughts_complete: true, ..on(OPUS_5) };
    let (prepared, notes) = known.good(in_a_loop(Some(Effort::Low), vec![]));
    assert!(fields(&prepared.request).contains("adaptive"));
    assert!(notes.is_empty(), "{notes:?}");
}

#[test]
fn a_loop_that_is_over_needs_no_thoughts() {
    let mut request = in_a_loop(Some(Effort::Low), vec![]);
    request.messages.push(message(3, Role::Assistant, vec![words("done")]));
    request.messages.push(message(4, Role::User, vec![words("and now?")]));
    let (prepared, notes) = on(SONNET_4_5).good(request);
    assert!(fields(&prepared.request).contains("budget_tokens=2048"));
    assert!(notes.is_empty(), "{notes:?}");
}

#[test]
fn what_the_client_wrote_for_the_model_itself_is_not_overwritten() {
    let own = |json: &str, effort| {
        let field = ModelField::new(&["thinking"], Json::parse(json).unwrap());
        let request = Request {
            model_fields: vec![field],
            temperature: Some(0.5),
            reasoning: effort,
            tools: vec![tool("f")],
            tool_choice: Some(ToolChoice::Required),
            ..hello()
        };
        let (prepared, notes) = on(SONNET_4_5).good(request);
        (fields(&prepared.request), prepared.request.temperature, notes)
    };
    let (fields, temperature, notes) = own(r#"{"type":"enabled","budget_tokens":2000}"#, Some(Effort::High));
    assert_eq!(fields, r#"thinking={"type":"enabled","budget_tokens":2000}"#);
    assert_eq!(temperature, None);
    assert_eq!(
        notes,
        [
            "reasoning_effort:dropped;reason=given_as_model_field",
            "temperature:dropped;reason=excluded_by_thinking",
            "tool_choice:dropped;reason=no_equivalent",
        ]
    );
    let (_, temperature, notes) = own(r#"{"type":"disabled"}"#, None);
    assert_eq!((temperature, notes), (Some(0.5), vec![]));
}

#[test]
fn betas_of_the_client_stay_beside_ours() {
    let betas = |own: Option<&str>| {
        let own = own.map(|json| ModelField::new(&["anthropic_beta"], Json::parse(json).unwrap()));
        let request = Request { model_fields: own.into_iter().collect(), ..thinking(Effort::Low) };
        let (prepared, _) = on(OPUS_4_5).good(request);
        let field = prepared.request.model_fields.iter().find(|field| field.path == ["anthropic_beta"]);
        field.unwrap().value.as_str().to_owned()
    };
    assert_eq!(betas(None), r#"["effort-2025-11-24"]"#);
    assert_eq!(betas(Some("[]")), r#"["effort-2025-11-24"]"#);
    assert_eq!(betas(Some(r#"["a"]"#)), r#"["a","effort-2025-11-24"]"#);
    assert_eq!(betas(Some("1")), "1");
}

#[test]
fn behind_converse_claude_is_asked_how_much_it_thought() {
    let asked = |forced, effort| {
        let request = Request { reasoning: effort, ..hello() };
        Case { forced, ..on(OPUS_4_6) }.good(request).0.request.service.reply_fields.join(" ")
    };
    let converse = Some(crate::families::FormatKind::Converse);
    assert_eq!(asked(converse, Some(Effort::Low)), "/usage/output_tokens_details");
    assert_eq!(asked(converse, None), "");
    assert_eq!(asked(None, Some(Effort::Low)), "");
}
