//! `/v1/models` and `/v1/models/{id}`.

use serde_json::Value;

use crate::support::{CLAUDE, NOVA, Setup, TestGateway};

async fn listed(gateway: &TestGateway) -> Vec<Value> {
    let answer = gateway.get("/v1/models").await;
    assert_eq!(answer.status, 200);
    let list = answer.json();
    assert_eq!(list["object"], "list");
    list["data"].as_array().unwrap().clone()
}

fn ids(models: &[Value]) -> Vec<&str> {
    models.iter().map(|model| model["id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn aliases_come_first_and_then_the_catalogue() {
    let gateway = Setup::new().set("models", &format!("{{zeta: {NOVA}, alpha: {CLAUDE}}}")).start().await;
    let models = listed(&gateway).await;
    let ids = ids(&models);
    assert_eq!(ids[..2], ["alpha", "zeta"]);
    assert!(ids[2..].is_sorted() && ids.len() > 30, "{ids:?}");
    assert!(ids.contains(&NOVA));
    for model in &models {
        assert_eq!(model["object"], "model");
        assert!(model["created"].is_u64() && model["owned_by"].is_string(), "{model}");
        assert!(model["family"].is_string() && model["capabilities"].is_array(), "{model}");
        assert_ne!(model["lifecycle"], "retired", "not shown unless asked for");
        assert!(!model["id"].as_str().unwrap().contains("canvas"), "not served here: {model}");
    }
    let alpha = &models[0];
    assert_eq!((&alpha["owned_by"], &alpha["target"]), (&"anthropic".into(), &CLAUDE.into()));
    assert!(alpha["context_window"].is_u64() && alpha["max_output_tokens"].is_u64(), "{alpha}");
}

#[tokio::test(flavor = "multi_thread")]
async fn config_decides_what_is_shown() {
    let narrow =
        Setup::new().set("models.list", "{include: ['us.*', '*nova*'], exclude: ['*micro*']}").start().await;
    let models = listed(&narrow).await;
    assert!(!models.is_empty());
    for id in ids(&models) {
        assert!((id.starts_with("us.") || id.contains("nova")) && !id.contains("micro"), "{id}");
    }
    // Hidden is not forbidden.
    assert_eq!(narrow.get(&format!("/v1/models/{CLAUDE}")).await.status, 200);

    let retired = Setup::new().set("models.list", "{retired: true}").start().await;
    assert!(ids(&listed(&retired).await).contains(&"anthropic.claude-3-sonnet-20240229-v1:0"));

    let ours =
        Setup::new().set("models", &format!("{{mine: {NOVA}, list: {{catalogue: false}}}}")).start().await;
    assert_eq!(ids(&listed(&ours).await), ["mine"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_survive_any_way_of_writing_them() {
    let arn =
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-3-haiku-20240307-v1:0";
    let opaque = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc";
    let gateway = Setup::new()
        .set("models", &format!("{{'team/gpt 4o': {CLAUDE}, house: {{target: '{opaque}', family: llama}}}}"))
        .start()
        .await;
    for id in [CLAUDE, NOVA, arn, "team/gpt 4o", "house"] {
        let raw = id.replace(' ', "%20");
        let slashes = raw.replace('/', "%2F");
        let all = slashes.replace(':', "%3A");
        let lower = all.replace("%3A", "%3a").replace("%2F", "%2f");
        for path in [raw, slashes, all, lower] {
            let answer = gateway.get(&format!("/v1/models/{path}")).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            assert_eq!(answer.json()["id"], id, "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_isnt_there_is_not_found() {
    let gateway = TestGateway::start().await;
    for id in ["gpt-4o", "no%20such", "%F0%9F%98%80", "x/y/z", "..", "a%00b"] {
        let answer = gateway.get(&format!("/v1/models/{id}")).await;
        let expected = (404, "invalid_request_error".to_owned(), Some("model_not_found".to_owned()));
        assert_eq!(answer.verdict(), expected, "{id}");
    }
    // Not UTF-8 at all.
    let answer = gateway.get("/v1/models/%FF").await;
    assert!((400..500).contains(&answer.status));
    answer.error();
}
