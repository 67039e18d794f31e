//! Vectors: every model, every way to ask, and what one request becomes when the model takes fewer texts at once.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use outcrop::simulator::{Reply, Step};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::{Answer, CLAUDE, Control, NOVA, Request, Setup, TestGateway, chat, with};

const TITAN_V1: &str = "amazon.titan-embed-text-v1";
const TITAN_V2: &str = "amazon.titan-embed-text-v2:0";
const TITAN_IMAGE: &str = "amazon.titan-embed-image-v1";
const COHERE_V3: &str = "cohere.embed-english-v3";
const COHERE_V4: &str = "cohere.embed-v4:0";
/// It hides its model.
const OPAQUE: &str = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc123def456";
const PROVISIONED: &str = "arn:aws:bedrock:us-east-1:111122223333:provisioned-model/abc123def456";
const NOVA_EMBED: &str = "amazon.nova-2-multimodal-embeddings-v1:0";

/// Each model with the sizes of its vectors, its own choice first, and how many texts it takes at once.
const MODELS: [(&str, &[usize], usize); 8] = [
    (TITAN_V1, &[1536], 1),
    ("amazon.titan-embed-g1-text-02", &[1536], 1),
    (TITAN_V2, &[1024, 512, 256], 1),
    (TITAN_IMAGE, &[1024, 384, 256], 1),
    (COHERE_V3, &[1024], 96),
    ("cohere.embed-multilingual-v3", &[1024], 96),
    (COHERE_V4, &[1536, 1024, 512, 256], 96),
    (NOVA_EMBED, &[3072, 1024, 384, 256], 1),
];

fn request(model: &str, input: impl Into<Value>) -> Value {
    json!({"model": model, "input": input.into()})
}

async fn embed(gateway: &TestGateway, body: &Value) -> Answer {
    gateway.send(Request::post("/v1/embeddings", body.to_string())).await
}

/// The vectors, in the order of their indices, of an answer that is one.
#[track_caller]
fn vectors(answer: &Answer) -> Vec<Vec<f64>> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let list = answer.json();
    assert_eq!(list["object"], "list");
    let items = list["data"].as_array().unwrap();
    let vector = |(index, item): (usize, &Value)| {
        assert_eq!((&item["object"], &item["index"]), (&json!("embedding"), &json!(index)));
        item["embedding"].as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
    };
    items.iter().enumerate().map(vector).collect()
}

/// Status, `param` and `code` of an answer that is an error.
#[track_caller]
fn refusal(answer: &Answer) -> (u16, String, String) {
    let error = answer.error();
    let word = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    (answer.status, word("param"), word("code"))
}

fn owned(status: u16, param: &str, code: &str) -> (u16, String, String) {
    (status, param.to_owned(), code.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_model_makes_vectors_of_every_size_it_has() {
    let gateway = TestGateway::start().await;
    for (model, sizes, _) in MODELS {
        let answer = embed(&gateway, &request(model, "hello")).await;
        assert_eq!(vectors(&answer)[0].len(), sizes[0], "{model}");
        let list = answer.json();
        assert_eq!(list["model"], model);
        assert_eq!(list["usage"], json!({"prompt_tokens": 2, "total_tokens": 2}), "{model}");
        assert_eq!(answer.header("x-outcrop-model"), Some(model));
        assert_eq!(answer.header("x-outcrop-attempts"), Some("1"));
        assert!(answer.header("x-request-id").is_some());
        assert!(answer.header("x-outcrop-upstream-request-id").is_some());
        assert_eq!(answer.header("x-outcrop-notes"), None);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        for &size in sizes {
            let answer =
                embed(&gateway, &with(request(model, "hello"), json!({"dimensions": size, "user": null})))
                    .await;
            assert_eq!(vectors(&answer)[0].len(), size, "{model}");
            assert_eq!(answer.header("x-outcrop-notes"), None, "{model}");
        }
        let calls = gateway.calls().len();
        let answer = embed(&gateway, &with(request(model, "hello"), json!({"dimensions": 300}))).await;
        assert_eq!(refusal(&answer), owned(400, "dimensions", "invalid_value"), "{model}");
        assert!(answer.text().contains(&sizes[0].to_string()), "it says what there is: {}", answer.text());
        assert_eq!(gateway.calls().len(), calls, "nothing was called");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn order_and_cost_do_not_depend_on_how_many_calls_it_takes() {
    for (model, batch) in [(TITAN_V2, 1), (COHERE_V3, 96), (COHERE_V4, 96)] {
        let gateway = TestGateway::start().await;
        for count in [1, 2, 96, 97, 200] {
            let texts: Vec<_> = (0..count).map(|n| format!("text number {n}")).collect();
            let before = gateway.calls().len();
            let answer = embed(&gateway, &request(model, texts.clone())).await;
            let many = vectors(&answer);
            assert_eq!(many.len(), count, "{model}");
            assert_eq!(gateway.calls().len() - before, count.div_ceil(batch), "{model}");
            let attempts = count.div_ceil(batch).to_string();
            assert_eq!(answer.header("x-outcrop-attempts"), Some(attempts.as_str()));
            let tokens = answer.json()["usage"]["prompt_tokens"].as_u64().unwrap();
            assert!(tokens >= 3 * count as u64, "{model}: {tokens}");
            for at in [0, count / 2, count - 1] {
                let alone = embed(&gateway, &request(model, texts[at].clone())).await;
                assert_eq!(vectors(&alone)[0], many[at], "{model}: {at} of {count}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn base64_holds_the_same_numbers() {
    let gateway = TestGateway::start().await;
    for (model, _, _) in MODELS {
        let floats = embed(&gateway, &request(model, json!(["one", "two"]))).await;
        let coded = with(request(model, json!(["one", "two"])), json!({"encoding_format": "base64"}));
        let coded = embed(&gateway, &coded).await.json();
        for (at, vector) in vectors(&floats).into_iter().enumerate() {
            let bytes = BASE64_STANDARD.decode(coded["data"][at]["embedding"].as_str().unwrap()).unwrap();
            let decoded = bytes.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap()));
            #[expect(clippy::cast_possible_truncation, reason = "32 bits are what the format has")]
            let expected: Vec<_> = vector.into_iter().map(|number| number as f32).collect();
            assert_eq!(decoded.collect::<Vec<_>>(), expected, "{model}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_models_own_digits_are_passed_on() {
    let gateway = TestGateway::start().await;
    let body = br#"{"embedding":[-8.386342087760568E-4, 0.10,1],"inputTextTokenCount":3}"#;
    gateway.script([Reply::recorded(200, [("content-type", "application/json")], body.to_vec())]);
    let answer = embed(&gateway, &request(TITAN_V2, "hi")).await;
    assert!(answer.text().contains("[-8.386342087760568E-4, 0.10,1]"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_vectors_are_for_is_said_in_each_models_words() {
    let gateway = TestGateway::start().await;
    for (word, nova) in [
        (None, "GENERIC_INDEX"),
        (Some("search_document"), "GENERIC_INDEX"),
        (Some("search_query"), "GENERIC_RETRIEVAL"),
        (Some("classification"), "CLASSIFICATION"),
        (Some("clustering"), "CLUSTERING"),
    ] {
        for model in [COHERE_V3, COHERE_V4, NOVA_EMBED] {
            let body = with(request(model, "hi"), json!({"input_type": word}));
            let answer = embed(&gateway, &body).await;
            vectors(&answer);
            assert_eq!(answer.header("x-outcrop-notes"), None);
            let (_, call) = gateway.last_call();
            if model == NOVA_EMBED {
                assert_eq!(call["singleEmbeddingParams"]["embeddingPurpose"], nova);
            } else {
                assert_eq!(call["input_type"], word.unwrap_or("search_document"));
            }
        }
    }
    let truncating = json!({"truncate": "START"});
    for (model, path) in
        [(COHERE_V4, "/truncate"), (NOVA_EMBED, "/singleEmbeddingParams/text/truncationMode")]
    {
        vectors(&embed(&gateway, &with(request(model, "hi"), truncating.clone())).await);
        assert_eq!(gateway.last_call().1.pointer(path), Some(&json!("START")));
    }
    let body = with(
        request(TITAN_V2, "hi"),
        json!({"input_type": "search_query", "truncate": "END", "user": "u", "normalise": 1}),
    );
    let answer = embed(&gateway, &body).await;
    vectors(&answer);
    let notes = "normalise:dropped;reason=unknown_field, user:dropped;reason=no_equivalent, \
                 input_type:dropped;reason=no_equivalent, truncate:dropped;reason=no_equivalent";
    assert_eq!(answer.header("x-outcrop-notes"), Some(notes));
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_refuses_what_would_be_noted() {
    let gateway = TestGateway::start().await;
    for over in [json!({"user": "u"}), json!({"input_type": "clustering"}), json!({"colour": "red"})] {
        let body = with(request(TITAN_V2, "hi"), over.clone());
        let strict = Request::post("/v1/embeddings", body.to_string()).header("x-outcrop-strict", "true");
        let answer = gateway.send(strict).await;
        let param = over.as_object().unwrap().keys().next().unwrap().clone();
        assert_eq!(refusal(&answer), owned(400, &param, "unsupported_parameter"));
        vectors(&embed(&gateway, &body).await);
    }
    assert_eq!(gateway.calls().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_says_nothing_costs_no_batch() {
    let gateway = TestGateway::start().await;
    for (model, _, _) in MODELS {
        for blank in ["", " ", "\n\t \u{a0}"] {
            let answer = embed(&gateway, &request(model, json!(["before", blank, "after"]))).await;
            assert_eq!(vectors(&answer).len(), 3, "{model} {blank:?}");
            assert_eq!(answer.header("x-outcrop-notes"), Some("input[1]:rewritten;reason=blank_text"));
        }
        assert_eq!(vectors(&embed(&gateway, &request(model, "")).await).len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_embedded_as_the_text_that_they_were() {
    let gateway = TestGateway::start().await;
    for model in [TITAN_V2, COHERE_V3, NOVA_EMBED] {
        let text = vectors(&embed(&gateway, &request(model, "Hello World!")).await);
        for tokens in [json!([9906, 4435, 0]), json!([[9906, 4435, 0]])] {
            let answer = embed(&gateway, &request(model, tokens)).await;
            assert_eq!(vectors(&answer), text, "{model}");
            assert!(answer.header("x-outcrop-notes").unwrap().ends_with("rewritten;reason=tokens_as_text"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_for_the_third_generation_is_cut_where_the_request_says() {
    let gateway = TestGateway::start().await;
    let long = format!("begin {} end", "é".repeat(2100));
    for model in [COHERE_V3, "cohere.embed-multilingual-v3"] {
        for (truncate, begins, ends) in [("END", true, false), ("START", false, true)] {
            let body = with(request(model, json!(["short", long])), json!({"truncate": truncate}));
            let answer = embed(&gateway, &body).await;
            assert_eq!(vectors(&answer).len(), 2);
            assert_eq!(answer.header("x-outcrop-notes"), Some("input[1]:clamped;reason=longest_text"));
            let (_, call) = gateway.last_call();
            let sent = call["texts"][1].as_str().unwrap();
            let is = (sent.chars().count(), sent.starts_with("begin"), sent.ends_with("end"));
            assert_eq!(is, (2048, begins, ends));
        }
        for over in [json!({}), json!({"truncate": "NONE"})] {
            let answer = embed(&gateway, &with(request(model, json!(["short", long])), over)).await;
            assert_eq!(refusal(&answer), owned(400, "input[1]", "string_above_max_length"));
        }
    }
    let exact = with(request(COHERE_V3, "é".repeat(2048)), json!({"truncate": "END"}));
    assert_eq!(embed(&gateway, &exact).await.header("x-outcrop-notes"), None);
    vectors(&embed(&gateway, &request(COHERE_V4, long)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_inputs_are_refused_before_anything_is_called() {
    let gateway = TestGateway::start().await;
    for (input, param, code) in [
        (json!([]), "input", "invalid_value"),
        (json!(["a", 5]), "input[1]", "invalid_type"),
        (json!([1, 2, 999_999]), "input[2]", "invalid_value"),
        (json!([[1, 2], [-3]]), "input[1][0]", "invalid_value"),
        (json!(vec!["a"; 2049]), "input", "invalid_value"),
        (json!(null), "input", "missing_required_parameter"),
    ] {
        let answer = embed(&gateway, &request(COHERE_V4, input)).await;
        assert_eq!(refusal(&answer), owned(400, param, code));
    }
    let nameless = embed(&gateway, &json!({"input": "hi"})).await;
    assert_eq!(refusal(&nameless), owned(400, "model", "missing_required_parameter"));
    let cut = gateway.send(Request::post("/v1/embeddings", "{\"input\":")).await;
    assert_eq!(refusal(&cut), owned(400, "", "invalid_json"));
    assert!(gateway.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_leads_to_a_model_that_makes_vectors_or_to_an_error_that_says_why_not() {
    let gateway = Setup::new()
        .set(
            "models",
            &format!(
                "{{text-embedding-3-small: {TITAN_V2}, gpt-4o: {NOVA}, \
                 hidden: {{target: '{OPAQUE}', family: cohere-embed}}}}"
            ),
        )
        .start()
        .await;
    let foundation = format!("arn:aws:bedrock:us-east-1::foundation-model/{COHERE_V3}");
    for name in ["text-embedding-3-small", "us.cohere.embed-v4:0", "global.cohere.embed-v4:0", &foundation] {
        let answer = embed(&gateway, &request(name, "hi")).await;
        vectors(&answer);
        assert_eq!(answer.json()["model"], name);
    }
    // What hides its model is asked as its family's newest.
    let reply = json!({"response_type": "embeddings_by_type", "embeddings": {"float": [[0.5]]}});
    gateway.script([Reply::json(200, &reply).with_header("x-amzn-bedrock-input-token-count", "4")]);
    let answer = embed(&gateway, &with(request("hidden", "hi"), json!({"dimensions": 256}))).await;
    assert_eq!(
        (vectors(&answer), answer.json()["usage"]["total_tokens"].clone()),
        (vec![vec![0.5]], json!(4))
    );
    assert_eq!(gateway.last_call().1["output_dimension"], 256);

    let calls = gateway.calls().len();
    for (name, status, says) in [
        ("text-embedding-3-large", 404, "does not exist here"),
        ("gpt-4o", 400, "/v1/chat/completions"),
        (CLAUDE, 400, "/v1/chat/completions"),
        ("twelvelabs.marengo-embed-3-0-v1:0", 400, "not an embedding model that this gateway knows"),
        ("acme.embed-v1:0", 400, "not an embedding model that this gateway knows"),
        ("stability.sd3-5-large-v1:0", 400, "not an embedding model that this gateway knows"),
        (OPAQUE, 400, "name the family"),
    ] {
        let answer = embed(&gateway, &request(name, "hi")).await;
        assert_eq!(refusal(&answer), owned(status, "model", "model_not_found"), "{name}");
        assert!(answer.text().contains(says), "{name}: {}", answer.text());
    }
    for name in ["text-embedding-3-small", TITAN_V2, "us.cohere.embed-v4:0", "hidden"] {
        let answer = gateway.chat(&chat(name, "hi")).await;
        assert_eq!(refusal(&answer), owned(400, "model", "model_not_found"), "{name}");
        assert!(answer.text().contains("/v1/embeddings"), "{name}: {}", answer.text());
    }
    assert_eq!(gateway.calls().len(), calls);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hides_its_model_has_the_sizes_and_the_batch_of_what_bedrock_says_is_behind_it() {
    let control = Control::start(|path| {
        if path.starts_with("/provisioned-model-throughput/arn%3A") {
            let arn = "arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-embed-text-v1";
            Some((200, json!({"foundationModelArn": arn})))
        } else {
            Some((403, json!({"message": "no"})))
        }
    })
    .await;
    // Also where config names the family, whose newest has other sizes.
    let gateway = Setup::new()
        .set(
            "models",
            &format!(
                "{{named: {{target: '{PROVISIONED}', family: titan-embed}}, live: {{lookup_wait: 50}}}}"
            ),
        )
        .control(&control.url)
        .start()
        .await;
    for name in [PROVISIONED, "named"] {
        let answer = embed(&gateway, &with(request(name, "hi"), json!({"dimensions": 256}))).await;
        assert_eq!(answer.status, 400, "{name}");
        assert!(answer.text().contains("makes vectors of 1536 dimensions"), "{name}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_that_is_required_is_found() {
    let gateway = TestGateway::start().await;
    let required = "Invocation of model ID cohere.embed-v4:0 with on-demand throughput isn’t supported. \
                    Retry your request with the ID or ARN of an inference profile that contains this model.";
    gateway.script([Reply::error(400, "ValidationException", required)]);
    for attempts in ["2", "1"] {
        let answer = embed(&gateway, &request(COHERE_V4, "hi")).await;
        vectors(&answer);
        assert_eq!(answer.header("x-outcrop-attempts"), Some(attempts));
        assert_eq!(answer.header("x-outcrop-model"), Some("us.cohere.embed-v4:0"));
        assert_eq!(answer.header("x-outcrop-notes"), Some("model:rerouted;reason=profile_required"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_piece_is_tried_again_and_one_that_fails_fails_all() {
    let gateway = TestGateway::start().await;
    let throttled = || Reply::error(429, "ThrottlingException", "slow down");
    gateway.script([throttled(), throttled()]);
    let answer = embed(&gateway, &request(TITAN_V2, json!(["a", "b", "c"]))).await;
    assert_eq!(vectors(&answer).len(), 3);
    assert_eq!(answer.header("x-outcrop-attempts"), Some("5"));

    for (text, status, code) in [
        ("[[error:throttlingException]]", 429, "rate_limit_exceeded"),
        ("[[error:accessDeniedException]]", 403, "model_access_denied"),
        ("[[error:modelErrorException]]", 502, "upstream_error"),
    ] {
        let answer = embed(&gateway, &request(TITAN_V2, json!(["a", text, "c"]))).await;
        assert_eq!((answer.status, answer.error()["code"].as_str()), (status, Some(code)));
        assert!(answer.header("x-outcrop-upstream-request-id").is_some());
    }
    let long = "word ".repeat(9_000);
    let answer = embed(&gateway, &request(TITAN_V2, json!(["a", long]))).await;
    assert_eq!((answer.status, answer.error()["code"].as_str()), (400, Some("context_length_exceeded")));
    let answer = embed(&gateway, &request(COHERE_V3, "x".repeat(2049))).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("2048"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_of_another_shape_is_the_upstreams_fault() {
    let gateway = Setup::new().set("retry.max_attempts", "1").start().await;
    for (model, reply) in [
        (TITAN_V2, json!({"inputTextTokenCount": 2})),
        (TITAN_V2, json!({"embedding": ["secret"]})),
        (TITAN_V2, json!({"embedding": []})),
        (TITAN_IMAGE, json!({"embedding": null, "message": "The image is broken."})),
        (COHERE_V3, json!({"embeddings": [[0.5]]})),
        (COHERE_V4, json!({"embeddings": {"int8": [[1], [2]]}})),
        (COHERE_V4, json!({"embeddings": [[0.5], null]})),
        (NOVA_EMBED, json!({"embeddings": []})),
    ] {
        let input = if model.starts_with("cohere") { json!(["a", "b"]) } else { json!("a") };
        gateway.script([Reply::json(200, &reply)]);
        let answer = embed(&gateway, &request(model, input)).await;
        assert_eq!(refusal(&answer), owned(502, "", "upstream_error"), "{reply}");
        assert!(!answer.text().contains("secret"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_at_once_are_bounded_and_end_when_the_client_leaves() {
    let gateway = Setup::new().set("embeddings.concurrency", "3").start().await;
    let released = Arc::new(Notify::new());
    let held = || Reply::json(200, &json!({})).after(Step::Hold(Arc::clone(&released)));
    gateway.script([held(), held(), held()]);
    let texts: Vec<_> = (0..20).map(|n| format!("text {n}")).collect();
    let body = request(TITAN_V2, texts).to_string();
    let sent = gateway.dispatch(Request::post("/v1/embeddings", body)).await;
    gateway.seen(|observed| observed.requests == 3).await;
    drop(sent);
    gateway.seen(|observed| observed.cancelled_requests == 3).await;
    // Another call on the same gateway: nothing of the first is left to be made.
    vectors(&embed(&gateway, &request(TITAN_V2, "hi")).await);
    assert_eq!(gateway.calls().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn embeddings_need_a_key_a_post_and_a_body_of_bounded_size() {
    let gateway = Setup::new()
        .set("server.body_limit", "1000")
        .set("auth.keys", &format!("[{{id: mine, sha256: {}}}]", "0".repeat(64)))
        .start()
        .await;
    let stranger = embed(&gateway, &request(TITAN_V2, "hi")).await;
    assert_eq!(stranger.status, 401);
    let gateway = Setup::new().set("server.body_limit", "1000").start().await;
    assert_eq!(gateway.get("/v1/embeddings").await.status, 405);
    let large = embed(&gateway, &request(TITAN_V2, "x".repeat(1000))).await;
    assert_eq!(large.status, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn embeddings_are_counted_apart_from_chats() {
    let gateway = TestGateway::start().await;
    vectors(&embed(&gateway, &with(request(TITAN_V2, json!(["one", "two"])), json!({"user": "u"}))).await);
    embed(&gateway, &request(TITAN_V2, "[[error:validationException]]")).await.error();
    let metrics = gateway.get("/metrics").await.text().to_owned();
    let sample = |start: &str, labels: &[&str]| {
        let found = metrics
            .lines()
            .find(|line| line.starts_with(start) && labels.iter().all(|label| line.contains(label)));
        let line = found.unwrap_or_else(|| panic!("no {start} {labels:?} in\n{metrics}"));
        line.rsplit(' ').next().unwrap().to_owned()
    };
    let labels = ["gen_ai_operation_name=\"embeddings\"", "\"input\"", TITAN_V2];
    assert_eq!(sample("gen_ai_client_token_usage_sum", &labels), "2");
    assert_eq!(sample("outcrop_upstream_attempts_total", &["\"ok\"", TITAN_V2]), "2");
    assert_eq!(sample("outcrop_notes_total", &["\"user\""]), "1");
    let requests = ["\"embeddings\"", "\"completed\""];
    assert_eq!(sample("outcrop_http_requests_total", &requests), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn models_tell_which_of_them_make_vectors() {
    let gateway = Setup::new().set("models", &format!("{{small: {TITAN_V2}}}")).start().await;
    let list = gateway.get("/v1/models").await.json();
    let list = list["data"].as_array().unwrap();
    for (model, sizes, _) in MODELS {
        let listed = list.iter().find(|listed| listed["id"] == model).unwrap();
        assert_eq!(listed["mode"], "embedding");
        assert_eq!(listed["dimensions"].as_array().unwrap().len(), sizes.len(), "{model}");
    }
    let small = gateway.get("/v1/models/small").await.json();
    assert_eq!(
        (&small["outcrop"]["family"], &small["outcrop"]["format"]),
        (&json!("titan-embed"), &json!("titan_embed_v2"))
    );
    assert!(!list.iter().any(|listed| listed["id"].as_str().unwrap().contains("marengo")));
    assert_eq!(gateway.get("/v1/models/twelvelabs.marengo-embed-3-0-v1:0").await.status, 404);
}
