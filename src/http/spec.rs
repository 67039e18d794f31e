//! The API's description, as it stands in the repository.

use std::sync::LazyLock;

use axum::response::{IntoResponse as _, Response};
use http::HeaderValue;
use http::header::CONTENT_TYPE;

const YAML: &str = include_str!("../../openapi.yaml");

/// The same as JSON, made once. A test reads it, so that a mistake in the file can't get out.
static JSON: LazyLock<String> = LazyLock::new(|| {
    serde_saphyr::from_str::<serde_json::Value>(YAML).map_or_else(
        |error| unreachable!("openapi.yaml is embedded and tested: {error}"),
        |value| value.to_string(),
    )
});

pub(super) async fn yaml() -> Response {
    typed(YAML, "application/yaml")
}

pub(super) async fn json() -> Response {
    typed(JSON.as_str(), "application/json")
}

/// For people who open the address in a browser.
pub(super) async fn welcome() -> Response {
    typed(
        concat!(
            "Outcrop ",
            env!("CARGO_PKG_VERSION"),
            ": an OpenAI-compatible gateway for Amazon Bedrock.\n\n",
            "POST /v1/chat/completions\nPOST /v1/embeddings\nGET  /v1/models\nGET  /health /livez /readyz /metrics /openapi.yaml\n"
        ),
        "text/plain; charset=utf-8",
    )
}

fn typed(body: &'static str, kind: &'static str) -> Response {
    let mut response = body.into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_is_openapi_in_both_forms() {
        let json: serde_json::Value = serde_json::from_str(&JSON).unwrap();
        assert!(json["openapi"].as_str().unwrap().starts_with("3.1"));
        assert!(json["paths"]["/v1/chat/completions"]["post"].is_object());
    }
}
