//! What clients call models: other hosts' names, Bedrock's ids without this or that, and names that mean nothing here.

use serde_json::json;

use crate::auth::digest;
use crate::support::{Answer, CLAUDE, NOVA, Request, Setup, TestGateway, chat, with};

const HAIKU: &str = "anthropic.claude-haiku-4-5-20251001-v1:0";
const MEANT: &str = "model:rewritten;reason=means_one_model";

#[track_caller]
fn missing(answer: &Answer) -> String {
    let expected = (404, "invalid_request_error".to_owned(), Some("model_not_found".to_owned()));
    assert_eq!(answer.verdict(), expected, "{}", answer.text());
    assert_eq!(answer.error()["param"], "model");
    answer.error()["message"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn other_hosts_models_are_not_found_without_a_call_and_the_nearest_are_named() {
    let gateway = Setup::new().set("models", &format!("{{gpt-4o: {NOVA}, house: {CLAUDE}}}")).start().await;
    for (name, near) in [
        ("gpt-4.1", "gpt-4o"),
        ("gemini-2.5-pro", "`"),
        ("llama3.3:latest", "meta.llama3-3-70b-instruct-v1:0"),
        ("qwen2.5-coder:7b", "qwen"),
        ("hosue", "house"),
        ("openrouter/anthropic/claude-opus-5", "anthropic.claude-opus-5"),
        ("mistral-large-latest", "mistral.mistral-large"),
    ] {
        let message = missing(&gateway.chat(&chat(name, "hi")).await);
        assert!(message.contains(&format!("`{name}`")), "{message}");
        let (_, hint) = message.split_once("Did you mean ").unwrap();
        assert!(hint.contains(near), "{message}");
        let found = gateway.get(&format!("/v1/models/{}", name.replace('/', "%2F"))).await;
        assert_eq!(missing(&found), message, "the list says the same");
    }
    let embedding = json!({"model": "text-embedding-3-large", "input": "hi"});
    let answer = gateway.send(Request::post("/v1/embeddings", embedding.to_string())).await;
    assert!(missing(&answer).contains("embed"), "{}", answer.text());
    assert!(gateway.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_keys_own_models_are_suggested() {
    let models = "['gemini-*', claude*, sonn*, '*nova*', gpt-4]";
    let keys = format!("[{{id: some, sha256: {}, models: {models}}}]", digest("sk-some"));
    let gateway = Setup::new()
        .set("auth.keys", &keys)
        .set("models", &format!("{{gemini-house: {NOVA}, gpt-4o: {NOVA}}}"))
        .start()
        .await;
    let ask = async |name: &str| {
        gateway.send(Request::chat(&chat(name, "hi")).header("authorization", "Bearer sk-some")).await
    };
    let message = missing(&ask("gemini-2.5-flash").await);
    assert!(message.contains("Did you mean `gemini-house`"), "{message}");
    let message = missing(&ask("gpt-4").await);
    assert!(!message.contains("gpt-4o") && !message.contains("openai."), "{message}");
    // Names of models that the key hasn't under these names.
    let message = missing(&ask("sonnet").await);
    assert!(!message.contains("anthropic."), "{message}");
    // The pattern that would allow it is the name itself, whatever it means.
    for name in ["haiku-4-5", HAIKU, "us.anthropic.claude-opus-5"] {
        let answer = ask(name).await;
        assert_eq!(answer.status, 403);
        assert!(answer.text().contains(&format!("the pattern `{name}`")), "{}", answer.text());
    }
    assert!(gateway.calls().is_empty());
    // What is allowed as it is sent is allowed.
    assert_eq!(ask("claude-haiku-4-5").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_means_one_model_calls_it_and_says_so() {
    let gateway = TestGateway::start().await;
    let us_haiku = format!("us.{HAIKU}");
    for (name, called) in [
        ("claude-haiku-4-5", HAIKU),
        ("anthropic/claude-haiku-4.5", HAIKU),
        ("claude-haiku-4-5-20251001", HAIKU),
        ("anthropic.claude-haiku-4-5-20251001", HAIKU),
        ("us.anthropic.claude-haiku-4-5", &us_haiku),
        ("bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0", &us_haiku),
        ("bedrock/converse/claude-haiku-4-5", HAIKU),
        ("ANTHROPIC.CLAUDE-HAIKU-4-5-20251001-V1:0", HAIKU),
        ("nova-pro", "amazon.nova-pro-v1:0"),
        ("amazon.nova-pro-v1", "amazon.nova-pro-v1:0"),
        ("amazon-bedrock/amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0"),
        ("llama3-3-70b", "meta.llama3-3-70b-instruct-v1:0"),
        ("gpt-oss-20b", "openai.gpt-oss-20b-1:0"),
    ] {
        let answer = gateway.chat(&chat(name, "hi")).await;
        assert_eq!(answer.json()["model"], name, "the client's own word comes back");
        let model = answer.header("x-outcrop-model").unwrap();
        assert!(model.ends_with(called), "{name}: {model}");
        let notes = answer.header("x-outcrop-notes").unwrap();
        assert!(notes.contains(MEANT), "{name}: {notes}");
        let described = gateway.get(&format!("/v1/models/{}", name.replace('/', "%2F"))).await.json();
        assert_eq!((&described["id"], &described["outcrop"]["target"]), (&json!(called), &json!(called)));
        let said = described["outcrop"]["notes"].to_string();
        assert!(!said.contains("rewritten"), "the model's own id needs no such note: {said}");
        let strict = Request::chat(&chat(name, "hi")).header("x-outcrop-strict", "true");
        let refused = gateway.send(strict).await;
        assert_eq!((refused.status, &refused.error()["param"]), (400, &json!("model")), "{name}");
    }
    let answer = gateway.chat(&chat("claude-haiku-4-5[1m]", "hi")).await;
    assert!(answer.header("x-outcrop-model").unwrap().ends_with(HAIKU), "{}", answer.text());
    let notes = answer.header("x-outcrop-notes").unwrap();
    assert!(notes.contains("model:dropped;reason=context_window_mark"), "{notes}");
    let embedding = json!({"model": "titan-embed-text-v2", "input": "hi"});
    let answer = gateway.send(Request::post("/v1/embeddings", embedding.to_string())).await;
    assert_eq!(
        (answer.status, answer.header("x-outcrop-model")),
        (200, Some("amazon.titan-embed-text-v2:0"))
    );
    assert_eq!(answer.header("x-outcrop-notes"), Some(MEANT));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exact_id_and_an_alias_mean_themselves() {
    let gateway =
        Setup::new().set("models", &format!("{{nova-pro: {HAIKU}, 'nova-pro[1m]': {NOVA}}}")).start().await;
    for (name, called) in
        [("nova-pro", HAIKU), ("nova-pro[1m]", NOVA), ("amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0")]
    {
        let answer = gateway.chat(&chat(name, "hi")).await;
        assert!(answer.header("x-outcrop-model").unwrap().ends_with(called), "{name}");
        assert!(!answer.header("x-outcrop-notes").unwrap_or_default().contains("rewritten"), "{name}");
    }
    assert_eq!(gateway.get("/v1/models/nova-pro").await.json()["id"], "nova-pro");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_could_mean_several_names_them() {
    let gateway = TestGateway::start().await;
    for (name, some) in [
        ("claude-sonnet", "anthropic.claude-sonnet-4-6"),
        ("llama", "meta.llama3-3-70b-instruct-v1:0"),
        ("bedrock/opus", "anthropic.claude-opus-5-5"),
        ("titan-embed-text", "amazon.titan-embed-text-v2:0"),
    ] {
        let message = missing(&gateway.chat(&chat(name, "hi")).await);
        assert!(
            message.contains("could mean several") && message.contains(&format!("`{some}`")),
            "{message}"
        );
        assert!(message.contains(&format!("`{name}`")), "{message}");
    }
    assert!(gateway.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_looks_like_an_id_is_bedrocks_to_know() {
    let gateway = Setup::new()
        .simulator(|options| options.extra_models = vec![("acme.tomorrow-1".to_owned(), NOVA.to_owned())])
        .set("models", "{slip: amazon.nova-lihgt-v1:0}")
        .start()
        .await;
    for name in ["acme.tomorrow-1", "bedrock/acme.tomorrow-1"] {
        let answer = gateway.chat(&chat(name, "hi")).await;
        assert_eq!(
            (answer.status, answer.header("x-outcrop-model")),
            (200, Some("acme.tomorrow-1")),
            "{name}"
        );
        missing(&gateway.get(&format!("/v1/models/{}", name.replace('/', "%2F"))).await);
    }
    let before = gateway.calls().len();
    for name in ["acme.tomorrow-2", "us.anthropic.claude-sonnet-9", "anthropic.claude-opsu-5"] {
        let message = missing(&gateway.chat(&chat(name, "hi")).await);
        assert!(message.contains(&format!("`{name}`")) && message.contains("us-east-1"), "{message}");
    }
    let message = missing(&gateway.chat(&chat("anthropic.claude-opsu-5", "hi")).await);
    assert!(message.contains("Did you mean `anthropic.claude-opus-5"), "{message}");
    assert!(gateway.calls().len() > before);
    let message = missing(&gateway.chat(&chat("slip", "hi")).await);
    assert!(message.contains("amazon.nova-lihgt-v1:0") && message.contains("`slip`"), "{message}");
    missing(&gateway.get("/v1/models/no.such-model").await);
    // So does a stream, which begins with no chunk.
    let streamed = with(chat("acme.tomorrow-2", "hi"), json!({"stream": true}));
    assert!(missing(&gateway.chat(&streamed).await).contains("acme.tomorrow-2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_another_endpoint_serves_is_said_to_be_there() {
    let gateway = Setup::new().set("models", "{mine: openai.gpt-5.4}").start().await;
    for (name, path) in [
        ("openai.gpt-5.5", "/openai/v1"),
        ("us.openai.gpt-5.4", "/openai/v1"),
        ("google.gemma-4-31b", "/openai/v1"),
        ("gpt-5.5", "/openai/v1"),
        ("mine", "/openai/v1"),
    ] {
        let endpoint = format!("https://bedrock-mantle.us-east-1.api.aws{path}");
        let message = missing(&gateway.chat(&chat(name, "hi")).await);
        assert!(message.contains(&format!("`{name}`")) && message.contains(&endpoint), "{message}");
        if name != "mine" {
            assert_eq!(missing(&gateway.get(&format!("/v1/models/{name}")).await), message);
        }
    }
    let list = gateway.get("/v1/models").await;
    let shown = list.text();
    for id in ["openai.gpt-5.5", "google.gemma-4-31b", "qwen.qwen3-32b\""] {
        assert!(!shown.contains(&format!("\"{id}")), "{id}");
    }
}
