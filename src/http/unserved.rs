//! Paths that nothing is behind: which API a client looks for there, and what it should do instead.
//!
//! Whoever has just set up a client sees this first: an endpoint left in the base URL, `/v1` twice or not at all, or an API of
//! another kind. Nothing is served under a second name, for a client that is set up wrongly somewhere is so elsewhere.

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::json;

use super::error::ApiError;

/// What a path is, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meant {
    /// One of ours, below another base URL. Here it is this.
    OtherBase(&'static str),
    /// An API that isn't served: its name, and what to use instead.
    Other(&'static str, &'static str),
    /// Anthropic's Messages.
    Messages,
}

const CHAT: &str = "use Chat Completions, POST /v1/chat/completions";
const NO_FILES: &str = "send files within the messages of POST /v1/chat/completions";
const NO_STATE: &str = "nothing of a conversation is kept here: send all of it to POST /v1/chat/completions, and run tools yourself";
const ONE_BY_ONE: &str = "send each request by itself to POST /v1/chat/completions or POST /v1/embeddings";
const NONE: &str = "this gateway has chat (POST /v1/chat/completions) and embeddings (POST /v1/embeddings)";
const OPENAI: &str =
    "set the client up for OpenAI (or \"OpenAI-compatible\"), with a base URL that ends in /v1";

/// By the first segment behind `/v1`. OpenAI's, then what others have under the same version.
const APIS: &[(&str, &str, &str)] = &[
    (
        "responses",
        "The Responses API",
        "use Chat Completions, POST /v1/chat/completions (clients call it `chat`, `chat.completions` or \"OpenAI-compatible\")",
    ),
    ("conversations", "The Conversations API", NO_STATE),
    (
        "completions",
        "The legacy Completions API",
        "send the prompt as a message of the user to POST /v1/chat/completions",
    ),
    ("edits", "The legacy Edits API", CHAT),
    ("engines", "The legacy Engines API", CHAT),
    ("images", "Making and editing of pictures", NONE),
    ("videos", "Making of videos", NONE),
    ("audio", "Speech", NONE),
    ("realtime", "The Realtime API", CHAT),
    ("moderations", "The Moderations API", "configure a guardrail of Bedrock (`guardrail`)"),
    ("files", "The Files API", NO_FILES),
    ("uploads", "The Uploads API", NO_FILES),
    (
        "vector_stores",
        "The Vector Stores API",
        "keep the vectors of POST /v1/embeddings in a store of your own",
    ),
    ("containers", "The Containers API", NO_STATE),
    ("assistants", "The Assistants API", NO_STATE),
    ("threads", "The Assistants API", NO_STATE),
    ("chatkit", "ChatKit", NO_STATE),
    ("batches", "The Batch API", ONE_BY_ONE),
    ("batch", "The Batch API", ONE_BY_ONE),
    ("fine_tuning", "Fine-tuning", "tune in Bedrock, and name the model's ARN under `models`"),
    ("fine-tunes", "Fine-tuning", "tune in Bedrock, and name the model's ARN under `models`"),
    ("evals", "The Evals API", NONE),
    ("organization", "The administration API", "keys and limits are in the gateway's configuration"),
    ("rerank", "Reranking", NONE),
    ("complete", "Anthropic's legacy Completions API", CHAT),
];

/// The answer to a path without a route.
pub(super) async fn answer(request: Request) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    let hint = match meant(path) {
        None => "The API is under /v1; GET /openapi.yaml describes it.".to_owned(),
        Some(Meant::OtherBase(ours)) => format!(
            "The base URL of this gateway ends in /v1, once and with nothing behind it: this path would be {ours}."
        ),
        Some(Meant::Other(api, instead)) => format!("{api} isn't served here: {instead}."),
        Some(Meant::Messages) => return messages(),
    };
    ApiError::no_route(method, path, &hint).into_response()
}

/// Clients of this API take every 404 for a model that doesn't exist, and only read errors of its own shape.
fn messages() -> Response {
    let message = format!(
        "Anthropic's Messages API isn't served here: {CHAT}. For that {OPENAI}; Claude models have the same ids there."
    );
    let body = json!({"type": "error", "error": {"type": "invalid_request_error", "message": message}});
    let mut response = ApiError::client(StatusCode::BAD_REQUEST, "unknown_url", message).into_response();
    *response.body_mut() = Body::from(body.to_string());
    response
}

fn meant(path: &str) -> Option<Meant> {
    let mut segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    // What is written once more behind a base URL that had it, as a deployment's or not.
    if let Some(at) = segments.iter().rposition(|segment| *segment == "v1") {
        segments.drain(..=at);
    }
    match segments.as_slice() {
        [.., "chat", "completions"] => return Some(Meant::OtherBase("POST /v1/chat/completions")),
        ["chat", "completions", ..] => {
            return Some(Meant::Other(
                "Keeping of chat completions",
                "an answer is given once, to POST /v1/chat/completions",
            ));
        }
        [.., "embeddings"] => return Some(Meant::OtherBase("POST /v1/embeddings")),
        ["threads", ..] => {}
        [.., "messages"] | [.., "messages", "count_tokens" | "batches"] | ["messages", ..] => {
            return Some(Meant::Messages);
        }
        ["api", "chat" | "generate" | "tags" | "show" | "embed" | "ps" | "version" | "pull", ..] => {
            return Some(Meant::Other("Ollama's API", OPENAI));
        }
        ["v1beta" | "v1alpha", ..] => return Some(Meant::Other("Gemini's API", OPENAI)),
        ["model", _, "converse" | "converse-stream" | "invoke" | "invoke-with-response-stream"] => {
            return Some(Meant::Other("Bedrock's own API", OPENAI));
        }
        [.., "models"] | ["models", _, ..] => return Some(Meant::OtherBase("GET /v1/models")),
        _ => {}
    }
    // Wherever it stands: before it comes somebody's base URL, behind it what belongs to it.
    let known = |segment: &str| APIS.iter().find(|(name, ..)| *name == segment);
    segments.iter().find_map(|segment| known(segment)).map(|(_, api, instead)| Meant::Other(api, instead))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_ours_below_another_base_url_is_known() {
        for path in [
            "/chat/completions",
            "/v1/v1/chat/completions",
            "/v1//chat/completions",
            "//v1/chat/completions",
            "/v1/chat/completions/",
            "/v1/chat/completions/chat/completions",
            "/v1/chat/completions/v1/chat/completions",
            "/openai/v1/chat/completions",
            "/api/v1/chat/completions",
            "/openai/deployments/fast/chat/completions",
        ] {
            assert_eq!(meant(path), Some(Meant::OtherBase("POST /v1/chat/completions")), "{path}");
        }
        for path in ["/embeddings", "/v1/v1/embeddings", "/v1/engines/x/embeddings"] {
            assert_eq!(meant(path), Some(Meant::OtherBase("POST /v1/embeddings")), "{path}");
        }
        for path in ["/models", "/v1/v1/models", "/v1/v1/models/amazon.nova-lite-v1:0", "/models/x"] {
            assert_eq!(meant(path), Some(Meant::OtherBase("GET /v1/models")), "{path}");
        }
    }

    #[test]
    fn an_api_is_known_by_its_first_segment_wherever_its_version_stands() {
        for (path, name) in [
            ("/v1/responses", "The Responses API"),
            ("/responses", "The Responses API"),
            ("/v1/v1/responses", "The Responses API"),
            ("/v1/responses/resp_1/cancel", "The Responses API"),
            ("/openai/responses", "The Responses API"),
            ("/v1/completions", "The legacy Completions API"),
            ("/v1/engines/davinci/completions", "The legacy Engines API"),
            ("/v1/images/generations", "Making and editing of pictures"),
            ("/v1/audio/transcriptions", "Speech"),
            ("/v1/audio/speech", "Speech"),
            ("/v1/assistants", "The Assistants API"),
            ("/v1/threads/thread_1/messages", "The Assistants API"),
            ("/v1/threads/thread_1/runs", "The Assistants API"),
            ("/v1/files/file-1/content", "The Files API"),
            ("/v1/vector_stores/vs_1/files", "The Vector Stores API"),
            ("/v1/fine_tuning/jobs", "Fine-tuning"),
            ("/v1/chat/completions/chatcmpl-1", "Keeping of chat completions"),
            ("/v1/chat/completions/chatcmpl-1/messages/x", "Keeping of chat completions"),
            ("/api/chat", "Ollama's API"),
            ("/api/tags", "Ollama's API"),
            ("/v1beta/models/gemini-2.5-pro:generateContent", "Gemini's API"),
            ("/model/amazon.nova-lite-v1:0/converse", "Bedrock's own API"),
        ] {
            assert!(
                matches!(meant(path), Some(Meant::Other(api, _)) if api == name),
                "{path}: {:?}",
                meant(path)
            );
        }
    }

    #[test]
    fn messages_are_anthropics_below_any_base_url() {
        for path in [
            "/v1/messages",
            "/messages",
            "/v1/v1/messages",
            "/anthropic/v1/messages",
            "/v1/messages/count_tokens",
            "/v1/messages/batches",
            "/v1/messages/batches/msgbatch_1/results",
        ] {
            assert_eq!(meant(path), Some(Meant::Messages), "{path}");
        }
    }

    #[test]
    fn other_paths_mean_nothing() {
        for path in ["/", "/v1", "/v1/", "/favicon.ico", "/v1/chat", "/v2/thing", "/robots.txt", "/metricsx"]
        {
            assert_eq!(meant(path), None, "{path}");
        }
    }
}
