//! Whatever arrives, the simulator answers.

use super::*;
use crate::simulator::{models, route, service};
use proptest::prelude::*;

/// JSON made of the words that requests are made of, so that it gets past the first check.
fn json_like() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "user",
        "assistant",
        "text",
        "hi",
        "",
        " ",
        "[[tool:f]]",
        "[[deltas:0]]",
        "[[cut after=0]]",
        "é[[",
        "tool",
        "base64",
        "image/png",
        "tool_use",
        "tool_result",
        "thinking",
        "enabled",
        "any",
        "png",
        "default",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "messages",
        "role",
        "content",
        "text",
        "type",
        "system",
        "toolConfig",
        "tools",
        "toolSpec",
        "name",
        "inputSchema",
        "json",
        "toolChoice",
        "inferenceConfig",
        "maxTokens",
        "stopSequences",
        "toolUse",
        "input",
        "toolUseId",
        "toolResult",
        "image",
        "format",
        "source",
        "bytes",
        "prompt",
        "inputText",
        "max_tokens",
        "anthropic_version",
        "thinking",
        "additionalModelResponseFieldPaths",
        "reasoningContent",
        "reasoningText",
    ]);
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(key.clone(), inner, 0..5).prop_map(|members| {
                members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            }),
        ]
    })
}

fn answer(operation: &str, model: &str, body: &[u8]) -> u16 {
    let options = Options { profiles_required: false, ..of_all_ages() };
    let shared = Shared::new(options);
    let uri: http::Uri = format!("/model/{model}/{operation}").parse().unwrap();
    let call = route::read(&Method::POST, &uri);
    let (head, ()) = http::Request::builder().uri(uri).body(()).unwrap().into_parts();
    service::reply(&shared, &call, &head, &Bytes::copy_from_slice(body)).status.as_u16()
}

const OPERATIONS: [&str; 5] =
    ["converse", "converse-stream", "invoke", "invoke-with-response-stream", "count-tokens"];

proptest! {
    #[test]
    fn any_json_is_answered_or_refused(
        body in json_like(),
        operation in prop::sample::select(OPERATIONS.to_vec()),
        model in prop::sample::select(models::all().iter().map(|model| model.id).collect::<Vec<_>>()),
    ) {
        let status = answer(operation, model, body.to_string().as_bytes());
        prop_assert!([200, 400, 403].contains(&status), "{status}");
    }

    #[test]
    fn a_user_content_of_any_blocks_is_answered_or_refused(
        content in json_like(),
        operation in prop::sample::select(OPERATIONS.to_vec()),
        model in prop::sample::select(vec![CLAUDE, NOVA]),
    ) {
        let body = json!({
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 10,
            "messages": [{"role": "user", "content": content}],
        });
        let converse = json!({"messages": [{"role": "user", "content": content}]});
        for body in [body, converse] {
            let status = answer(operation, model, body.to_string().as_bytes());
            prop_assert!([200, 400, 403].contains(&status), "{status}");
        }
    }

    #[test]
    fn any_bytes_are_refused(body in prop::collection::vec(any::<u8>(), 0..64)) {
        for operation in OPERATIONS {
            prop_assert_eq!(answer(operation, CLAUDE, &body), 400);
        }
    }
}
