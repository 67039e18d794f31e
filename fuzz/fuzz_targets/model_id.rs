//! Model ids: whatever a client names, the path that the SDK makes of it is `/model/<one segment>/<verb>`.
#![no_main]

use aws_smithy_http::label::{EncodingStrategy, fmt_string};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Some(id) = outcrop::bedrock::fuzz_model_id(text) else { return };
    // As the SDK's operations write their label.
    let path = format!("/model/{}/converse-stream", fmt_string(id.as_str(), EncodingStrategy::Default));
    let segments: Vec<_> = path.split('/').collect();
    assert!(matches!(segments[..], ["", "model", _, "converse-stream"]), "{path}");
    // No reader of URLs takes it for a way out.
    let plain = segments[2].replace("%2E", ".").replace("%2e", ".");
    assert!(plain != "." && plain != ".." && !plain.is_empty(), "{path}");
    assert!(path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~%".contains(&byte)), "{path}");
});
