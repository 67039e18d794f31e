use super::*;
use crate::catalog::{FoundationModel, InferenceProfile, foundation_models};

fn now() -> Moment {
    Moment::parse("2026-11-22").unwrap()
}

fn meaning_in(live: &Live, name: &str) -> Meaning {
    live.names(now()).meaning(name, live)
}

fn meaning(name: &str) -> Meaning {
    meaning_in(&Live::default(), name)
}

fn one(id: &str) -> Meaning {
    Meaning::One(id.to_owned())
}

fn listing(ids: &[&str]) -> Vec<FoundationModel> {
    let listed: Vec<_> = ids.iter().map(|id| serde_json::json!({"modelId": id})).collect();
    foundation_models(serde_json::json!({"modelSummaries": listed}).to_string().as_bytes()).unwrap()
}

#[test]
fn the_words_of_an_id_mean_it_without_vendor_date_and_version() {
    for (names, id) in [
        (
            "claude-sonnet-4-5 claude-sonnet-4.5 Claude_Sonnet_4.5 anthropic/claude-sonnet-4.5 anthropic.claude-sonnet-4-5 \
             claude-sonnet-4-5-20250929 claude-sonnet-4-5@20250929 anthropic.claude-sonnet-4-5-20250929 \
             anthropic.claude-sonnet-4-5-20250929-v1 anthropic.claude-sonnet-4-5-v1:0 claude-sonnet-4-5-latest \
             ANTHROPIC.CLAUDE-SONNET-4-5-20250929-V1:0",
            "anthropic.claude-sonnet-4-5-20250929-v1:0",
        ),
        ("claude-haiku-4-5-20251001 claude-haiku-4.5", "anthropic.claude-haiku-4-5-20251001-v1:0"),
        ("claude-opus-4-0 claude-opus-4 anthropic/claude-opus-4", "anthropic.claude-opus-4-20250514-v1:0"),
        ("Claude-Opus-4-6 anthropic.claude-opus-4-6", "anthropic.claude-opus-4-6-v1"),
        ("claude-opus-5 anthropic/claude-opus-5", "anthropic.claude-opus-5"),
        (
            "claude-3-5-sonnet-v2 claude-3.5-sonnet-20241022 claude-3-5-sonnet-latest",
            "anthropic.claude-3-5-sonnet-20241022-v2:0",
        ),
        (
            "nova-pro amazon.nova-pro amazon.nova-pro-v1 Nova-Pro amazon-nova-pro amazon/nova-pro-v1:0",
            "amazon.nova-pro-v1:0",
        ),
        ("nova-2-lite", "amazon.nova-2-lite-v1:0"),
        (
            "llama3-3-70b llama-3.3-70b meta.llama3-3-70b-instruct meta-llama/Llama-3.3-70B-Instruct",
            "meta.llama3-3-70b-instruct-v1:0",
        ),
        ("deepseek-r1 deepseek.r1 deepseek-ai/DeepSeek-R1", "deepseek.r1-v1:0"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1 mixtral-8x7b", "mistral.mixtral-8x7b-instruct-v0:1"),
        ("gemma-3-27b google/gemma-3-27b-it", "google.gemma-3-27b-it"),
        ("titan-embed-text-v2 amazon.titan-embed-text-v2", "amazon.titan-embed-text-v2:0"),
        ("embed-v4 cohere.embed-v4 cohere/embed-v4.0", "cohere.embed-v4:0"),
        // The same model behind Bedrock's own operations.
        (
            "gpt-oss-120b openai/gpt-oss-120b openai.gpt-oss-120b openai.gpt-oss-120b-1",
            "openai.gpt-oss-120b-1:0",
        ),
        ("qwen.qwen3-32b qwen3-32b Qwen/Qwen3-32B", "qwen.qwen3-32b-v1:0"),
        ("openai.gpt-5.5 gpt-5.5", "openai.gpt-5.5"),
    ] {
        for name in names.split_whitespace() {
            assert_eq!(meaning(name), one(id), "{name}");
        }
    }
    assert_eq!(meaning("Claude Sonnet 4.5"), one("anthropic.claude-sonnet-4-5-20250929-v1:0"));
}

#[test]
fn a_profiles_prefix_stays() {
    assert_eq!(meaning("us.anthropic.claude-haiku-4-5"), one("us.anthropic.claude-haiku-4-5-20251001-v1:0"));
    assert_eq!(meaning("EU.amazon.nova-lite-v1"), one("eu.amazon.nova-lite-v1:0"));
    assert_eq!(
        meaning("global.anthropic.claude-sonnet-4-5"),
        one("global.anthropic.claude-sonnet-4-5-20250929-v1:0")
    );
    // Of a geography that only the listing knows.
    let id = "anthropic.claude-opus-4-6-v1";
    let profile = InferenceProfile {
        id: format!("mx.{id}"),
        arn: String::new(),
        is_system: true,
        model: id.to_owned(),
    };
    let live = Live::new(Vec::new(), vec![profile]);
    assert_eq!(meaning_in(&live, "mx.anthropic.claude-opus-4-6"), one(&format!("mx.{id}")));
    assert_eq!(meaning("mx.anthropic.claude-opus-4-6"), Meaning::Nothing);
}

#[test]
fn what_is_no_model_of_bedrocks_means_nothing() {
    for name in [
        "gpt-4.1",
        "gpt-4o-mini",
        "o3",
        "gemini-2.5-pro",
        "google/gemini-2.5-flash",
        "llama3.3:latest",
        "qwen2.5-coder:7b",
        "gemma3:27b",
        "gpt-oss:120b",
        "phi4",
        "openrouter/anthropic/claude-sonnet-4.5",
        "groq/llama-3.3-70b",
        "text-embedding-3-small",
        // Tomorrow's, or never.
        "claude-sonnet-6",
        "anthropic.claude-sonnet-4-5-20250929-v2:0",
        "amazon.nova-pro-v2:0",
        "claude-sonnet-4-5-20260101",
        // Names of a vendor's only behind it, and no words at all.
        "r1",
        "v3",
        "5",
        "",
        "...",
        "claude-sonnet-4-5\u{e9}",
        "claude-sonnet-4-5\n",
    ] {
        assert_eq!(meaning(name), Meaning::Nothing, "{name}");
    }
    assert_eq!(meaning(&"claude-sonnet-4-5-".repeat(1000)), Meaning::Nothing);
}

#[test]
fn incomplete_names_fit_several() {
    for (name, some) in [
        ("claude-sonnet", "anthropic.claude-sonnet-5"),
        ("sonnet", "anthropic.claude-sonnet-5-5"),
        ("llama", "meta.llama3-8b-instruct-v1:0"),
        ("llama3", "meta.llama3-70b-instruct-v1:0"),
        ("nova", "amazon.nova-lite-v1:0"),
        ("gpt-oss", "openai.gpt-oss-20b-1:0"),
        ("amazon.titan-embed-text", "amazon.titan-embed-text-v1"),
        ("titan-embed-text", "amazon.titan-embed-text-v2:0"),
    ] {
        let Meaning::Several(candidates) = meaning(name) else { panic!("{name}: {:?}", meaning(name)) };
        assert!(candidates.iter().any(|id| id == some), "{name}: {candidates:?}");
        assert!((2..=MOST_CANDIDATES).contains(&candidates.len()), "{name}: {candidates:?}");
        let retired = "anthropic.claude-sonnet-4-20250514-v1:0";
        assert!(candidates.iter().all(|id| id != retired), "{name}: {candidates:?}");
    }
    // What looks like an id of Bedrock's is Bedrock's to know.
    assert_eq!(meaning("anthropic.claude-sonnet"), Meaning::Nothing);
}

#[test]
fn what_the_region_lists_is_meant_before_what_it_does_not() {
    assert!(matches!(meaning("kimi-k2-thinking"), Meaning::Several(both) if both.len() == 2));
    let live = Live::new(listing(&["moonshot.kimi-k2-thinking", "vendor.brand-new-7b-v1:0"]), Vec::new());
    assert_eq!(meaning_in(&live, "kimi-k2-thinking"), one("moonshot.kimi-k2-thinking"));
    assert_eq!(meaning_in(&live, "brand-new-7b"), one("vendor.brand-new-7b-v1:0"));
    // Not listed, but what else could be meant?
    assert_eq!(meaning_in(&live, "nova-pro"), one("amazon.nova-pro-v1:0"));
    // Bedrock's own word goes before the catalogue's.
    let live = Live::new(listing(&["qwen.qwen3-32b"]), Vec::new());
    assert_eq!(meaning_in(&live, "qwen3-32b"), one("qwen.qwen3-32b"));
}

#[test]
fn the_nearest_names_are_suggested_and_only_allowed_ones() {
    let live = Live::default();
    let near = |name: &str, aliases: &[&str], allowed: &dyn Fn(&str) -> bool| {
        let names = live.names(now()).nearest(name, aliases.iter().copied(), allowed);
        names.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let any = |_: &str| true;
    assert_eq!(near("fsat", &["fast", "slow"], &any)[0], "fast");
    assert_eq!(near("claud-sonet-4-5", &[], &any)[0], "anthropic.claude-sonnet-4-5-20250929-v1:0");
    assert_eq!(near("llama3.3:latest", &[], &any)[0], "meta.llama3-3-70b-instruct-v1:0");
    assert_eq!(near("amazon.nova-por-v1:0", &[], &any)[0], "amazon.nova-pro-v1:0");
    let nova = |id: &str| id.contains("nova");
    let few = near("gemini-2.5-pro", &["gemini"], &nova);
    assert!(!few.is_empty() && few.iter().all(|id| id.contains("nova")), "{few:?}");
    for name in ["gpt-4.1", "mistral-medium-latest", "text-embedding-3-small"] {
        let near = near(name, &[], &any);
        assert_eq!(near.len(), 3, "{name}: {near:?}");
        let is_good = |id: &String| {
            let model = find(id).unwrap();
            model.lifecycle.stage() != Stage::Retired && !model.is_elsewhere()
        };
        assert!(near.iter().all(is_good), "{name}: {near:?}");
    }
    assert!(near("\u{1f600}", &["fast"], &any).is_empty());
}

#[test]
fn clients_marks_are_taken_off() {
    let (id, profile) = ("anthropic.claude-opus-4-6-v1", "us.anthropic.claude-sonnet-4-5-20250929-v1:0");
    let arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc";
    for (name, inner, window) in [
        (format!("bedrock/{id}"), id, false),
        (format!("Bedrock/{profile}"), profile, false),
        (format!("amazon-bedrock/{id}"), id, false),
        (format!("bedrock/converse/{profile}"), profile, false),
        (format!("bedrock/invoke/{id}"), id, false),
        (format!("bedrock:{profile}"), profile, false),
        (format!("bedrock/{arn}"), arn, false),
        (format!("{profile}[1m]"), profile, true),
        (format!("{id}.[1M]"), id, true),
        (format!("bedrock/{id}[1m]"), id, true),
        // No marks.
        (profile.to_owned(), profile, false),
        (arn.to_owned(), arn, false),
        ("converse/x".to_owned(), "converse/x", false),
        ("vertex/x".to_owned(), "vertex/x", false),
        ("bedrock".to_owned(), "bedrock", false),
        ("[1m]".to_owned(), "", true),
        ("bedrock/".to_owned(), "", false),
        ("é".to_owned(), "é", false),
    ] {
        assert_eq!(Wrapped::read(&name), Wrapped { id: inner, window }, "{name}");
    }
}

#[test]
fn only_a_vendor_and_a_model_have_bedrocks_form() {
    let live = Live::default();
    for name in
        ["acme.llm-1", "anthropic.claude-9", "us.acme.llm-1-v1:0", "ai21.jamba-9", "global.ai21.jamba-9"]
    {
        assert!(live.names(now()).has_bedrocks_form(name, &live), "{name}");
    }
    for name in [
        "gpt-4.1",
        "gemini-2.5-pro",
        "llama3.3:latest",
        "qwen2.5-coder:7b",
        "acme",
        ".x",
        "acme.",
        "a.b",
        "acme/llm.x",
        "o1.pro",
    ] {
        assert!(!live.names(now()).has_bedrocks_form(name, &live), "{name}");
    }
}
