//! Listings and token counts.

use super::*;

#[tokio::test]
async fn the_listing_has_filters_and_pages() {
    let simulator =
        Simulator::start(Options { signatures: Signatures::Ignored, ..Options::default() }).await.unwrap();
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
