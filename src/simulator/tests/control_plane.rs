//! Listings and token counts.

use super::*;

#[tokio::test]
async fn the_listing_has_filters_and_pages() {
    let simulator = open().await;
    let models = body_of(&raw(&simulator, &get("/foundation-models?byProvider=Meta")).await);
    let models = models["modelSummaries"].as_array().unwrap().clone();
    assert!(!models.is_empty() && models.iter().all(|model| model["providerName"] == "Meta"));
    let page = body_of(&raw(&simulator, &get("/inference-profiles?maxResults=2")).await);
    assert_eq!(page["inferenceProfileSummaries"].as_array().unwrap().len(), 2);
    let token = page["nextToken"].as_str().unwrap();
    let next =
        body_of(&raw(&simulator, &get(&format!("/inference-profiles?maxResults=2&nextToken={token}"))).await);
    assert_ne!(page["inferenceProfileSummaries"], next["inferenceProfileSummaries"]);
    let id = next["inferenceProfileSummaries"][0]["inferenceProfileId"].as_str().unwrap();
    let one = body_of(&raw(&simulator, &get(&format!("/inference-profiles/{id}"))).await);
    assert_eq!(one["inferenceProfileId"], id);
    let unknown = raw(&simulator, &get("/teapots")).await;
    assert!(unknown.starts_with("HTTP/1.1 404") && unknown.contains("UnknownOperationException"));
    assert!(unknown.contains("x-outcrop-simulated: true"));
}

#[tokio::test]
async fn tokens_are_counted_for_foundation_models_only() {
    let simulator = simulator().await;
    let count = async |model: &str| {
        let conversation =
            aws_sdk_bedrockruntime::types::ConverseTokensRequest::builder().messages(user("12345678"));
        let input = aws_sdk_bedrockruntime::types::CountTokensInput::Converse(conversation.build());
        client(&simulator).count_tokens().model_id(model).input(input).send().await
    };
    assert_eq!(count("anthropic.claude-sonnet-4-5-20250929-v1:0").await.unwrap().input_tokens(), 2);
    assert!(count(CLAUDE).await.is_err());
}

#[tokio::test]
async fn the_listing_tells_how_a_model_is_bought_and_how_long_it_lives() {
    let simulator = open().await;
    let models = body_of(&raw(&simulator, &get("/foundation-models?byInferenceType=PROVISIONED")).await);
    let models = models["modelSummaries"].as_array().unwrap().clone();
    assert!(
        models.iter().all(|model| model["modelId"].as_str().unwrap().ends_with('k')) && !models.is_empty()
    );
    let one =
        body_of(&raw(&simulator, &get("/foundation-models/anthropic.claude-opus-4-1-20250805-v1:0")).await);
    let details = &one["modelDetails"];
    assert_eq!(details["inferenceTypesSupported"], json!(["INFERENCE_PROFILE"]));
    assert_eq!(details["modelLifecycle"]["status"], "LEGACY");
    assert!(details["modelLifecycle"]["endOfLifeTime"].is_string());
    let missing = raw(&simulator, &get("/foundation-models/anthropic.claude-99")).await;
    assert!(missing.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn profiles_name_the_models_behind_them() {
    let arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc";
    let simulator = Simulator::start(Options {
        signatures: Signatures::Ignored,
        application_profiles: vec![(arn.into(), "amazon.nova-lite-v1:0".into())],
        ..Options::default()
    })
    .await
    .unwrap();
    let encoded = arn.replace(':', "%3A").replace('/', "%2F");
    let application = body_of(&raw(&simulator, &get(&format!("/inference-profiles/{encoded}"))).await);
    assert_eq!(
        application["models"],
        json!([{"modelArn": "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"}])
    );
    let system = body_of(&raw(&simulator, &get("/inference-profiles/us.amazon.nova-lite-v1:0")).await);
    assert_eq!(system["models"].as_array().unwrap().len(), 3);
    let applications = body_of(&raw(&simulator, &get("/inference-profiles?type=APPLICATION")).await);
    assert_eq!(applications["inferenceProfileSummaries"], json!([application]));
}

#[tokio::test]
async fn the_control_plane_can_be_closed_broken_or_slow() {
    for (listings, status) in [
        (Listings::Denied, "HTTP/1.1 403"),
        (Listings::Failing, "HTTP/1.1 500"),
        (Listings::Slow(Duration::from_millis(1)), "HTTP/1.1 200"),
    ] {
        let options = Options { signatures: Signatures::Ignored, listings, ..Options::default() };
        let simulator = Simulator::start(options).await.unwrap();
        for path in
            ["/foundation-models", "/inference-profiles", "/inference-profiles/us.amazon.nova-lite-v1:0"]
        {
            assert!(raw(&simulator, &get(path)).await.starts_with(status), "{listings:?} {path}");
        }
        let body = conversation("hi", json!({}));
        assert!(call(&simulator, NOVA, "converse", &body).await.get("output").is_some());
    }
}
