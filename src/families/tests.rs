use std::fmt::Write as _;

use super::*;

/// Every id that the catalogue knows, and some that it forgot, with its family or `-`.
const IDS: &str = include_str!("../../tests/fixtures/model_ids.txt");
/// What each chat model can do: a line for Converse, and one for its own format where there is one.
const TABLE: &str = include_str!("../../tests/fixtures/capabilities.txt");

fn model(id: &str) -> ModelId {
    ModelId::parse(id).unwrap()
}

fn ids() -> impl Iterator<Item = (&'static str, &'static str)> {
    IDS.lines().map(|line| line.split_once(' ').unwrap())
}

#[test]
fn every_chat_model_has_exactly_one_family_with_any_prefix() {
    for (id, expected) in ids() {
        for id in [id.to_owned(), format!("us.{id}"), format!("global.{id}")] {
            let claimed: Vec<&str> =
                FAMILIES.iter().filter(|family| family.claims(&model(&id))).map(|f| f.name()).collect();
            let expected: Vec<&str> = [expected].into_iter().filter(|name| *name != "-").collect();
            assert_eq!(claimed, expected, "{id}");
        }
    }
}

#[test]
fn names_are_different_and_lead_to_their_family() {
    for family in FAMILIES {
        let found: Vec<&str> = FAMILIES.iter().map(|f| f.name()).filter(|n| *n == family.name()).collect();
        assert_eq!(found.len(), 1, "{}", family.name());
        assert_eq!(named(family.name()).unwrap().name(), family.name());
    }
    assert!(named("generic").is_some());
    assert!(named("other").is_none());
}

#[test]
fn config_goes_before_the_id_and_the_id_before_generic() {
    let opaque = model("arn:aws:bedrock:us-east-1:111122223333:imported-model/abcdef123456");
    assert_eq!(resolve(&opaque, None).name(), "generic");
    assert_eq!(resolve(&opaque, Some("llama")).name(), "llama");
    let claude = model("eu.anthropic.claude-opus-5");
    assert_eq!(resolve(&claude, None).name(), "anthropic");
    assert_eq!(resolve(&claude, Some("generic")).name(), "generic");
    assert_eq!(resolve(&claude, Some("typo")).name(), "anthropic");
}

fn rows(id: &str) -> Vec<String> {
    let model = model(id);
    let family = resolve(&model, None);
    let native = supports_native(family, &model).then_some(FormatKind::Native);
    let kinds = [FormatKind::Converse].into_iter().chain(native);
    kinds.map(|kind| row(id, kind, family.capabilities(&model, kind))).collect()
}

fn row(id: &str, kind: FormatKind, able: Capabilities) -> String {
    let Capabilities {
        system,
        tools,
        tools_while_streaming,
        tool_choice_any,
        tool_choice_named,
        tool_choice_none,
        single_call,
        strict_tools,
        mixed_tool_results,
        images_in_tool_results,
        tool_result_status,
        images,
        documents,
        json_schema,
        signed_reasoning,
        user,
        prefill,
        leading_assistant,
        sampling,
        least_top_p,
        stop,
        least_max_tokens,
        max_output_tokens,
        default_max_tokens,
    } = able;
    let flags = [
        (system, "system"),
        (tools, "tools"),
        (tools_while_streaming, "tools_while_streaming"),
        (tool_choice_any, "any"),
        (tool_choice_named, "named"),
        (tool_choice_none, "none"),
        (single_call, "single_call"),
        (strict_tools, "strict_tools"),
        (mixed_tool_results, "mixed_results"),
        (images_in_tool_results, "images_in_results"),
        (tool_result_status, "result_status"),
        (images, "images"),
        (documents, "documents"),
        (json_schema, "json_schema"),
        (signed_reasoning, "signed_reasoning"),
        (user, "user"),
        (prefill, "prefill"),
        (leading_assistant, "leading_assistant"),
    ];
    let mut row = format!("{id}: {kind:?} sampling={sampling:?} stop={stop:?}");
    for (_, flag) in flags.into_iter().filter(|(on, _)| *on) {
        write!(row, " {flag}").unwrap();
    }
    for (name, value) in [("max", max_output_tokens), ("default", default_max_tokens)] {
        if let Some(value) = value {
            write!(row, " {name}={value}").unwrap();
        }
    }
    if least_top_p > 0.0 {
        write!(row, " top_p>={least_top_p}").unwrap();
    }
    if least_max_tokens > 1 {
        write!(row, " max_tokens>={least_max_tokens}").unwrap();
    }
    row
}

#[test]
fn every_row_of_the_table_is_as_written() {
    let rows: Vec<String> = ids().filter(|(_, family)| *family != "-").flat_map(|(id, _)| rows(id)).collect();
    for (row, written) in rows.iter().zip(TABLE.lines()) {
        assert_eq!(row, written);
    }
    assert_eq!(rows.len(), TABLE.lines().count());
}

#[test]
fn llama_in_its_own_format_has_text_only() {
    let llama4 = model("us.meta.llama4-scout-17b-instruct-v1:0");
    let able = |kind| llama::Llama.capabilities(&llama4, kind);
    assert!(able(FormatKind::Converse).tools && able(FormatKind::Converse).images);
    let native = able(FormatKind::Native);
    assert!(!native.tools && !native.images && !native.documents);
    assert!(!supports_native(&llama::Llama, &model("meta.llama2-13b-chat-v1")));
    assert!(supports_native(&llama::Llama, &llama4));
    assert!(!supports_native(&nova::Nova, &model("amazon.nova-pro-v1:0")));
}

#[test]
fn claude_behind_converse_has_no_place_for_none_or_the_user() {
    let able = anthropic::Anthropic.capabilities(&model("anthropic.claude-opus-5"), FormatKind::Converse);
    assert!(!able.tool_choice_none && !able.user);
}

#[test]
fn an_unknown_claude_is_taken_for_the_strictest() {
    for id in ["anthropic.claude-opus-7", "anthropic.claude-saga-preview"] {
        let able = anthropic::Anthropic.capabilities(&model(id), FormatKind::Native);
        assert_eq!(able.sampling, Sampling::Refused, "{id}");
        assert!(!able.prefill && !able.tool_choice_any && able.tools, "{id}");
    }
}

#[test]
fn config_overrides_a_row() {
    let overrides = Overrides { images: Some(true), prefill: Some(true), ..Overrides::default() };
    let able = Capabilities { images: false, ..Capabilities::CAUTIOUS }.with(&overrides);
    assert_eq!(able, Capabilities { prefill: true, ..Capabilities::CAUTIOUS });
    assert_eq!(Capabilities::CAUTIOUS.with(&Overrides::default()), Capabilities::CAUTIOUS);
}
