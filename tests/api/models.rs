//! `/v1/models` and `/v1/models/{id}`.

use serde_json::{Value, json};

use crate::support::{CLAUDE, Control, NOVA, Setup, TestGateway};

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
    let chats = models.iter().position(|model| model["mode"] == "embedding").unwrap();
    assert!(models[chats..].iter().all(|model| model["mode"] == "embedding"), "{ids:?}");
    let each_once = |ids: &[&str]| ids.is_sorted_by(|one, next| one < next);
    assert!(each_once(&ids[2..chats]) && each_once(&ids[chats..]) && ids.len() > 30, "{ids:?}");
    assert!(ids.contains(&NOVA));
    for model in &models {
        assert_eq!(model["object"], "model");
        assert!(model["created"].is_u64() && model["owned_by"].is_string(), "{model}");
        assert_ne!(model["lifecycle"]["status"], "retired", "not shown unless asked for");
        let (way, is_chat) = (&model["outcrop"], model["mode"] == "chat");
        assert!(is_chat || model["mode"] == "embedding", "{model}");
        assert!(way["family"].is_string() && way["format"].is_string(), "{model}");
        assert_eq!(model["dimensions"].is_array(), !is_chat, "{model}");
        assert_eq!(
            (model["capabilities"].is_array(), &way["region"]),
            (is_chat, &"us-east-1".into()),
            "{model}"
        );
    }
    assert!(models.iter().any(|model| model["mode"] == "embedding"));
    let alpha = &models[0];
    assert_eq!(alpha["name"], "alpha");
    assert_eq!((&alpha["owned_by"], &alpha["outcrop"]["target"]), (&"anthropic".into(), &CLAUDE.into()));
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
    let old = "anthropic.claude-3-sonnet-20240229-v1:0";
    assert!(ids(&listed(&retired).await).contains(&old));
    // Or by whoever asks.
    let asked = narrow.get("/v1/models?retired=true").await.json();
    assert!(
        !ids(asked["data"].as_array().unwrap()).contains(&old),
        "include and exclude have their say all the same"
    );
    let gateway = TestGateway::start().await;
    assert!(!ids(&listed(&gateway).await).contains(&old));
    let asked = gateway.get("/v1/models?retired=true").await.json();
    let shown = asked["data"].as_array().unwrap().iter().find(|model| model["id"] == old).unwrap();
    assert_eq!(shown["lifecycle"]["status"], "retired");
    assert!(!gateway.get("/v1/models?after=x&retired=false").await.text().contains(old));
    let expected = (400, "invalid_request_error".to_owned(), Some("invalid_value".to_owned()));
    assert_eq!(gateway.get("/v1/models?retired=perhaps").await.verdict(), expected);

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

#[tokio::test(flavor = "multi_thread")]
async fn names_that_bedrock_gives_twice_get_their_ids_behind_them() {
    let summary = |id: &str, name: &str, status: &str| {
        json!({"modelId": id, "modelArn": format!("arn:aws:bedrock:us-east-1::foundation-model/{id}"),
            "modelName": name, "providerName": "Vendor", "inputModalities": ["TEXT"], "outputModalities": ["TEXT"],
            "inferenceTypesSupported": ["ON_DEMAND"], "modelLifecycle": {"status": status}})
    };
    let models = json!({"modelSummaries": [
        summary("vendor.twin-v1:0", "Twin", "ACTIVE"),
        summary("vendor.twin-v2:0", "Twin", "LEGACY"),
        summary("vendor.single-v1:0", "Single", "ACTIVE"),
    ]});
    let control = Control::start(move |path| {
        let profiles = json!({"inferenceProfileSummaries": []});
        Some((200, if path == "/foundation-models" { models.clone() } else { profiles }))
    })
    .await;
    let gateway = Setup::new()
        .control(&control.url)
        .set("models", "{house: vendor.single-v1:0, list: {catalogue: false}}")
        .start()
        .await;
    gateway.informed().await;
    let shown = listed(&gateway).await;
    let names: Vec<_> = shown.iter().map(|model| model["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["house", "Single", "Twin (vendor.twin-v1:0)", "Twin (vendor.twin-v2:0)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_object_holds_what_bedrock_and_the_catalogue_know() {
    let model_arn = |id: &str| format!("arn:aws:bedrock:us-east-1::foundation-model/{id}");
    let known = "anthropic.claude-sonnet-4-5-20250929-v1:0";
    let models = json!({"modelSummaries": [
        {"modelId": known, "modelArn": model_arn(known), "modelName": "Claude Sonnet 4.5", "providerName": "Anthropic",
            "inputModalities": ["TEXT", "IMAGE"], "outputModalities": ["TEXT"], "responseStreamingSupported": true,
            "inferenceTypesSupported": ["INFERENCE_PROFILE"], "modelLifecycle": {"status": "LEGACY",
                "startOfLifeTime": "2025-09-29T00:00:00Z", "legacyTime": "2026-10-01T00:00:00Z",
                "publicExtendedAccessTime": "2098-01-01T00:00:00Z", "endOfLifeTime": "2099-01-01T00:00:00Z"}},
        {"modelId": "vendor.brand-new-v1:0", "modelArn": model_arn("vendor.brand-new-v1:0"), "modelName": "Brand New",
            "providerName": "Vendor", "inputModalities": ["TEXT"], "outputModalities": ["TEXT"],
            "inferenceTypesSupported": ["ON_DEMAND"], "modelLifecycle": {"status": "ACTIVE"}},
        {"modelId": "vendor.bought-v1:0:28k", "modelArn": model_arn("vendor.bought-v1:0:28k"),
            "inputModalities": ["TEXT"], "outputModalities": ["TEXT"], "inferenceTypesSupported": ["PROVISIONED"]},
        {"modelId": "vendor.painter", "modelArn": model_arn("vendor.painter"), "inputModalities": ["TEXT"],
            "outputModalities": ["IMAGE"], "inferenceTypesSupported": ["ON_DEMAND"]},
    ]});
    let profiles = json!({"inferenceProfileSummaries": [
        {"inferenceProfileId": format!("us.{known}"), "models": [{"modelArn": model_arn(known)}],
            "inferenceProfileArn": format!("arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.{known}"),
            "type": "SYSTEM_DEFINED", "status": "ACTIVE"},
    ]});
    let control = Control::start(move |path| {
        Some((200, if path == "/foundation-models" { models.clone() } else { profiles.clone() }))
    })
    .await;
    let gateway = Setup::new().control(&control.url).set("models.list", "{catalogue: false}").start().await;
    gateway.informed().await;
    let shown = listed(&gateway).await;
    assert_eq!(ids(&shown), [known, "vendor.brand-new-v1:0"], "what can't be called here isn't shown");
    let golden = json!({
        "id": known,
        "object": "model",
        "created": 1_759_104_000,
        "owned_by": "anthropic",
        "shutdown_date": "2099-01-01",
        "name": "Claude Sonnet 4.5",
        "mode": "chat",
        "modalities": {"input": ["text", "image"], "output": ["text"]},
        "context_window": 200_000,
        "max_output_tokens": 64_000,
        "capabilities":
            ["streaming", "system", "tools", "images", "documents", "json_schema", "prefill", "reasoning", "prompt_caching"],
        "prices": {"currency": "USD", "unit": "token", "input": 3.3e-6, "output": 1.65e-5, "cache_read": 3.3e-7,
            "cache_write_5m": 4.125e-6, "cache_write_1h": 6.6e-6, "input_batch": 1.5e-6, "output_batch": 7.5e-6,
            "input_above_200k": 6e-6, "output_above_200k": 2.25e-5},
        "lifecycle": {"status": "legacy", "start_of_life": "2025-09-29", "legacy": "2026-10-01",
            "extended_access": "2098-01-01", "end_of_life": "2099-01-01"},
        "outcrop": {"target": known, "profile": format!("us.{known}"), "base_model": known, "region": "us-east-1",
            "family": "anthropic", "format": "anthropic_messages", "profiles": [format!("us.{known}")],
            "sources": ["bedrock", "catalogue"]},
    });
    assert_eq!(shown[0], golden);
    assert_eq!(gateway.get(&format!("/v1/models/{known}")).await.json(), golden);
    let new = json!({
        "id": "vendor.brand-new-v1:0",
        "object": "model",
        "created": 0,
        "owned_by": "vendor",
        "name": "Brand New",
        "mode": "chat",
        "modalities": {"input": ["text"], "output": ["text"]},
        "capabilities": ["streaming", "system", "tools", "images", "documents"],
        "lifecycle": {"status": "active"},
        "outcrop": {"target": "vendor.brand-new-v1:0", "base_model": "vendor.brand-new-v1:0", "region": "us-east-1",
            "family": "generic", "format": "converse", "sources": ["bedrock"]},
    });
    assert_eq!(shown[1], new);
}
