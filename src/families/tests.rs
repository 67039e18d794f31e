use super::*;

/// Every id that the catalogue knows, and some that it forgot, with its family or `-`.
const IDS: &str = include_str!("../../tests/fixtures/model_ids.txt");

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

#[test]
fn llama_in_its_own_format_has_text_only() {
    let llama4 = model("us.meta.llama4-scout-17b-instruct-v1:0");
    let able = |kind| llama::Llama.capabilities(&llama4, kind);
    assert!(able(FormatKind::Converse).tools && able(FormatKind::Converse).images);
    let native = able(FormatKind::Native);
    assert!(!native.tools && !native.images && !native.documents);
    assert!(supports_native(&llama::Llama, &llama4));
}

#[test]
fn every_family_knows_which_body_its_models_take() {
    for (id, name) in [
        ("ai21.jamba-1-5-mini-v1:0", Some("openai_chat")),
        ("ai21.j2-ultra-v1", None),
        ("amazon.nova-pro-v1:0", Some("nova_messages")),
        ("anthropic.claude-v2:1", Some("anthropic_messages")),
        ("cohere.command-r-plus-v1:0", Some("cohere_chat")),
        ("cohere.command-light-text-v14", Some("cohere_generate")),
        ("us.deepseek.r1-v1:0", Some("deepseek_prompt")),
        ("deepseek.v3-v1:0", Some("openai_chat")),
        ("meta.llama2-13b-chat-v1", Some("llama2_prompt")),
        ("us.meta.llama4-scout-17b-instruct-v1:0", Some("llama_prompt")),
        ("mistral.mistral-7b-instruct-v0:2", Some("mistral_prompt")),
        ("mistral.mistral-large-2402-v1:0", Some("mistral_prompt")),
        ("mistral.mistral-large-2407-v1:0", Some("mistral_chat")),
        ("us.mistral.pixtral-large-2502-v1:0", Some("mistral_chat")),
        ("openai.gpt-oss-20b-1:0", Some("openai_chat")),
        ("openai.gpt-6-sol", None),
        ("writer.palmyra-x5-v1:0", Some("openai_chat")),
        ("xai.grok-4.7", None),
    ] {
        let model = model(id);
        assert_eq!(resolve(&model, None).native(&model).map(ChatFormat::name), name, "{id}");
    }
    let imported = model("arn:aws:bedrock:us-east-1:111122223333:imported-model/abcdef123456");
    for (family, name) in [
        ("llama", "llama_prompt"),
        ("qwen", "openai_chat"),
        ("mistral", "mistral_chat"),
        ("claude_text", "claude_text"),
    ] {
        let native = resolve(&imported, Some(family)).native(&imported);
        assert_eq!(native.map(ChatFormat::name), Some(name));
    }
}

#[test]
fn a_family_prefers_only_what_it_has() {
    let request = Request::default();
    for (id, _) in ids().filter(|(_, family)| *family != "-") {
        let model = model(id);
        let family = resolve(&model, None);
        let prefers_native = family.preferred(&model, &request) == FormatKind::Native;
        assert!(!prefers_native || supports_native(family, &model), "{id}");
    }
}

#[test]
fn a_prompt_has_a_place_for_text_only() {
    for (id, _) in ids().filter(|(_, family)| *family != "-") {
        let model = model(id);
        let family = resolve(&model, None);
        let Some(native) = family.native(&model) else { continue };
        let prompts = ["_prompt", "_generate", "_text"];
        if prompts.iter().any(|end| native.name().ends_with(end)) {
            let able = family.capabilities(&model, FormatKind::Native);
            assert!(!able.tools && !able.images && !able.documents && !able.json_schema, "{id}");
        }
    }
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
