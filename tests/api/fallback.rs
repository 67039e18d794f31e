//! Several targets of one name: who is called, in which order, and when the others are.

use std::collections::BTreeSet;

use outcrop::simulator::{Reply, Step};
use serde_json::{Value, json};

use crate::support::{
    CLAUDE, LLAMA, NOVA, Request, Setup, TestGateway, chat, claude_stream, converse_stream, streamed, with,
};

/// Claude, then Nova, then Llama.
async fn three() -> TestGateway {
    Setup::new().set("models", &targets(&[CLAUDE, NOVA, LLAMA])).start().await
}

fn targets(models: &[&str]) -> String {
    json!({"house": {"targets": models}}).to_string()
}

fn unavailable() -> Reply {
    Reply::error(503, "ServiceUnavailableException", "busy")
}

fn failing() -> Reply {
    Reply::error(500, "InternalServerException", "oops")
}

/// The models that were called, in order.
fn called(gateway: &TestGateway) -> Vec<String> {
    gateway.calls().iter().map(|call| call.model_id.clone().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_of_a_list_is_called_and_the_next_one_if_it_is_out() {
    let gateway = three().await;
    let answer = gateway.chat(&chat("house", "hi")).await;
    assert_eq!(answer.completion()["model"], "house");
    assert_eq!(answer.header("x-outcrop-model"), Some(CLAUDE));
    assert_eq!(answer.header("x-outcrop-notes"), None);
    for stream in [false, true] {
        let before = gateway.calls().len();
        gateway.script([unavailable()]);
        let body = chat("house", "hi");
        let answer = gateway.send(Request::chat(&if stream { streamed(&body) } else { body })).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("x-outcrop-model"), Some(NOVA), "the truth about who answers");
        assert_eq!(answer.header("x-outcrop-region"), Some("us-east-1"));
        assert_eq!(answer.header("x-outcrop-attempts"), Some("2"));
        assert_eq!(answer.header("x-outcrop-notes"), Some("model:rerouted;reason=fallback"));
        assert_eq!(called(&gateway)[before..], [CLAUDE, NOVA]);
    }
    let metrics = gateway.get("/metrics").await;
    assert!(
        metrics
            .text()
            .contains(&format!("outcrop_fallbacks_total{{model=\"{CLAUDE}\",reason=\"unavailable\"}} 2")),
        "{}",
        metrics.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_target_has_its_own_body() {
    let gateway = three().await;
    gateway.script([unavailable(), unavailable()]);
    let body = with(chat("house", "hi"), json!({"top_k": 3, "temperature": 0.5}));
    let answer = gateway.chat(&body).await;
    assert_eq!(answer.completion()["choices"][0]["message"]["content"], "hi");
    let calls = gateway.calls();
    let sent: Vec<Value> = calls.iter().map(|call| serde_json::from_slice(&call.body).unwrap()).collect();
    assert_eq!(sent[0]["top_k"], 3);
    assert_eq!(sent[1]["inferenceConfig"]["temperature"], 0.5);
    assert!(sent[2]["prompt"].is_string());
    assert_eq!(
        answer.header("x-outcrop-notes"),
        Some("top_k:dropped;reason=no_equivalent, model:rerouted;reason=fallback")
    );
    // Notes are those of the target that answers: Llama's stop texts are watched for here, Claude's by itself.
    let gateway = Setup::new().set("models", &targets(&[LLAMA, CLAUDE])).start().await;
    let body = with(chat("house", "hi"), json!({"stop": ["x"]}));
    assert_ne!(gateway.chat(&body).await.header("x-outcrop-notes"), None);
    gateway.script([unavailable()]);
    let answer = gateway.chat(&body).await;
    assert_eq!(answer.header("x-outcrop-notes"), Some("model:rerouted;reason=fallback"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_may_pass_is_tried_again_where_it_was_if_there_is_enough_left_for_the_others() {
    let gateway = Setup::new().set("models", &targets(&[CLAUDE, NOVA])).start().await;
    gateway.script([failing()]);
    let answer = gateway.chat(&chat("house", "hi")).await;
    assert_eq!(answer.header("x-outcrop-model"), Some(CLAUDE));
    assert_eq!(called(&gateway), [CLAUDE, CLAUDE]);
    gateway.script([failing(), failing()]);
    let answer = gateway.chat(&chat("house", "hi")).await;
    assert_eq!((answer.status, answer.header("x-outcrop-attempts")), (200, Some("3")));
    assert_eq!(called(&gateway)[2..], [CLAUDE, CLAUDE, NOVA]);
    // Three attempts are for three targets.
    let gateway = three().await;
    gateway.script([failing(), failing(), failing()]);
    let answer = gateway.chat(&chat("house", "hi")).await;
    assert_eq!(answer.verdict().0, 502);
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    assert_eq!(called(&gateway), [CLAUDE, NOVA, LLAMA]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_own_fault_goes_nowhere_else() {
    let gateway = three().await;
    for (status, code, message) in [
        (400, "ValidationException", "messages: text content blocks must be non-empty"),
        (400, "ValidationException", "Input is too long for requested model."),
    ] {
        let before = gateway.calls().len();
        gateway.script([Reply::error(status, code, message)]);
        let answer = gateway.chat(&chat("house", "hi")).await;
        assert_eq!((answer.status, answer.header("x-outcrop-attempts")), (400, Some("1")), "{message}");
        assert_eq!(gateway.calls().len(), before + 1);
    }
    // Nor does what the model can't take at all: that is found out before anything is called.
    let refused = gateway.chat(&with(chat("house", "hi"), json!({"max_tokens": 0}))).await;
    assert_eq!(refused.status, 400);
    assert_eq!(gateway.calls().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stand_in_that_cannot_take_the_request_is_passed_over() {
    let gateway = three().await;
    let picture = json!({"messages": [{"role": "user", "content": [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{}", crate::support::PNG)}},
    ]}]});
    gateway.script([unavailable(), unavailable()]);
    let answer = gateway.chat(&with(chat("house", ""), picture)).await;
    // Llama 3.1 sees nothing. That isn't why there is no answer.
    assert_eq!(answer.verdict(), (503, "server_error".into(), Some("overloaded".into())));
    assert_eq!(answer.header("x-outcrop-attempts"), Some("2"));
    assert_eq!(answer.header("x-outcrop-model"), Some(NOVA));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_or_an_account_that_is_out_moves_a_call_on() {
    let gateway = three().await;
    for (status, code) in [
        (403, "AccessDeniedException"),
        (404, "ResourceNotFoundException"),
        (429, "ThrottlingException"),
        (400, "ServiceQuotaExceededException"),
        (429, "ModelNotReadyException"),
        (408, "ModelTimeoutException"),
    ] {
        gateway.script([Reply::error(status, code, "no")]);
        let answer = gateway.chat(&chat("house", "hi")).await;
        assert_eq!((answer.status, answer.header("x-outcrop-model")), (200, Some(NOVA)), "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_too_long_is_left_once_and_not_twice() {
    let gateway = three().await;
    let slow = || Reply::error(408, "ModelTimeoutException", "slow");
    gateway.script([slow(), slow()]);
    let answer = gateway.chat(&chat("house", "hi")).await;
    assert_eq!((answer.status, answer.header("x-outcrop-attempts")), (504, Some("2")));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_targets_are_tried_than_config_says() {
    let gateway = Setup::new()
        .set("models", &targets(&[CLAUDE, NOVA, LLAMA]))
        .set("retry.max_fallbacks", "1")
        .start()
        .await;
    gateway.script([unavailable(), unavailable(), unavailable()]);
    let answer = gateway.chat(&chat("house", "hi")).await;
    // The last of them is tried again, as one alone would be.
    assert_eq!((answer.status, answer.header("x-outcrop-attempts")), (503, Some("3")));
    assert_eq!(called(&gateway), [CLAUDE, NOVA, NOVA]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_moves_on_after_the_first_event() {
    let gateway = three().await;
    let stream = gateway.stream(&chat("house", "hi [[cut after=1]]")).await;
    stream.assert_broken(false);
    assert_eq!(called(&gateway), [CLAUDE]);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_answers_come_from_one_target() {
    let gateway = three().await;
    gateway.script([unavailable()]);
    let answer = gateway.chat(&with(chat("house", "hi"), json!({"n": 2}))).await;
    let completion = answer.completion();
    assert_eq!(completion["choices"].as_array().unwrap().len(), 2);
    assert_eq!(answer.header("x-outcrop-model"), Some(NOVA));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_keeps_failing_is_left_alone_and_the_last_one_never_is() {
    let gateway = Setup::new()
        .set("models", &targets(&[CLAUDE, NOVA]))
        .set("breaker", "{failures: 3, open: 600, max_open: 600}")
        .start()
        .await;
    gateway.script((0..3).map(|_| unavailable()).flat_map(|failure| [failure, nova()]));
    for _ in 0..3 {
        assert_eq!(gateway.chat(&chat("house", "hi")).await.status, 200);
    }
    let before = gateway.calls().len();
    let answer = gateway.chat(&chat("house", "hi")).await;
    assert_eq!(answer.header("x-outcrop-notes"), Some("model:rerouted;reason=fallback"));
    assert_eq!(called(&gateway)[before..], [NOVA], "Claude isn't even tried");
    let metrics = gateway.get("/metrics").await;
    for line in [
        format!("outcrop_breaker_open{{model=\"{CLAUDE}\",region=\"us-east-1\"}} 1"),
        format!("outcrop_breaker_opened_total{{model=\"{CLAUDE}\",region=\"us-east-1\"}} 1"),
        format!("outcrop_fallbacks_total{{model=\"{CLAUDE}\",reason=\"breaker_open\"}} 1"),
    ] {
        assert!(metrics.text().contains(&line), "{line}");
    }
    // Now the other one as well: then the first is called after all.
    gateway.script((0..9).map(|_| unavailable()));
    for _ in 0..3 {
        gateway.chat(&chat("house", "hi")).await;
    }
    gateway.script((0..9).map(|_| unavailable()));
    let before = gateway.calls().len();
    assert_eq!(gateway.chat(&chat("house", "hi")).await.status, 503);
    assert_eq!(called(&gateway)[before], CLAUDE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_is_one_by_whatever_name_it_is_called() {
    let gateway = Setup::new()
        .set(
            "models",
            &json!({"house": {"targets": [{"target": CLAUDE, "concurrency": 1}, NOVA]}}).to_string(),
        )
        .set("breaker", "{failures: 3, open: 600, max_open: 600}")
        .start()
        .await;
    // A call by the model's own id is bounded by nothing, and takes the one place that the name has.
    let mut held = gateway.open_stream(&chat(CLAUDE, "hi [[stall after=1]]")).await;
    held.piece().await;
    assert_eq!(gateway.chat(&chat("house", "hi")).await.header("x-outcrop-model"), Some(NOVA));
    drop(held);
    while gateway.chat(&chat("house", "hi")).await.header("x-outcrop-model") != Some(CLAUDE) {}
    // Nor does it mend what others have seen broken.
    gateway.script((0..3).map(|_| unavailable()).flat_map(|failure| [failure, nova()]));
    for _ in 0..3 {
        gateway.chat(&chat("house", "hi")).await;
    }
    gateway.chat(&chat(CLAUDE, "hi")).await.completion();
    assert_eq!(gateway.chat(&chat("house", "hi")).await.header("x-outcrop-model"), Some(NOVA));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_whose_stand_ins_are_left_alone_has_all_the_attempts() {
    let gateway = Setup::new()
        .set("models", &targets(&[CLAUDE, NOVA]))
        .set("breaker", "{failures: 1, open: 600, max_open: 600}")
        .start()
        .await;
    // Nova fails as a stand-in, and Claude, who is only busy, goes on.
    gateway.script([Reply::error(429, "ThrottlingException", "slow down"), unavailable(), unavailable()]);
    gateway.chat(&chat("house", "hi")).await;
    let before = gateway.calls().len();
    gateway.script((0..2).map(|_| Reply::error(429, "ThrottlingException", "slow down")));
    let answer = gateway.chat(&chat("house", "hi")).await;
    assert_eq!((answer.status, answer.header("x-outcrop-attempts")), (200, Some("3")));
    assert_eq!(called(&gateway)[before..], [CLAUDE; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stand_in_that_comes_back_too_late_is_none() {
    let gateway = Setup::new()
        .set("models", &targets(&[CLAUDE, NOVA]))
        .set("breaker", "{failures: 1, open: 0.5, max_open: 0.5}")
        .start()
        .await;
    let throttled = || Reply::error(429, "ThrottlingException", "slow down");
    gateway.script([throttled(), unavailable(), unavailable()]);
    gateway.chat(&chat("house", "hi")).await;
    // Nova is left alone when the call begins, and no more when Claude says no for good.
    let denied = Reply::error(403, "AccessDeniedException", "no");
    gateway.script([throttled().with_header("retry-after", "0.6"), denied]);
    let answer = gateway.chat(&chat("house", "hi")).await;
    assert_eq!(answer.error()["code"], "model_access_denied", "{}", answer.text());
}

/// An answer of Nova's, streamed: what scripts hold comes in their order, whoever is called.
fn nova() -> Reply {
    Reply::stream(converse_stream())
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_share_calls_and_what_begins_alike_stays_together() {
    let regions = json!({"house": {"targets": [
        {"target": NOVA, "region": "us-east-1", "weight": 1},
        {"target": NOVA, "region": "us-west-2", "weight": 1},
    ]}});
    let gateway = Setup::new().set("models", &regions.to_string()).start().await;
    let region = async |body: Value| {
        let answer = gateway.chat(&body).await;
        assert_eq!(answer.header("x-outcrop-notes"), None, "a key that is put to use isn't dropped");
        answer.header("x-outcrop-region").unwrap().to_owned()
    };
    let mut seen = BTreeSet::new();
    for key in 0..24 {
        let body = |text: &str| with(chat("house", text), json!({"prompt_cache_key": format!("k{key}")}));
        let first = region(body("one")).await;
        assert_eq!(region(body("two")).await, first, "the same key, the same place");
        seen.insert(first);
    }
    assert_eq!(seen.len(), 2, "different keys get about");
    let conversation = |turns: usize| {
        let mut messages = vec![json!({"role": "user", "content": "How it begins"})];
        for turn in 0..turns {
            messages.push(json!({"role": "assistant", "content": format!("answer {turn}")}));
            messages.push(json!({"role": "user", "content": format!("question {turn}")}));
        }
        json!({"model": "house", "messages": messages})
    };
    let first = region(conversation(0)).await;
    for turns in 1..6 {
        assert_eq!(region(conversation(turns)).await, first);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_target_sends_the_next_call_on_and_a_full_one_alone_says_so() {
    let gateway = Setup::new()
        .set(
            "models",
            &json!({
                "house": {"targets": [{"target": CLAUDE, "concurrency": 1}, NOVA]},
                "hut": {"target": LLAMA, "concurrency": 1},
            })
            .to_string(),
        )
        .start()
        .await;
    let mut held = gateway.open_stream(&chat("house", "hi [[stall after=1]]")).await;
    held.piece().await;
    let answer = gateway.chat(&chat("house", "hi")).await;
    assert_eq!(answer.header("x-outcrop-model"), Some(NOVA));
    assert_eq!(answer.header("x-outcrop-attempts"), Some("1"), "the full one wasn't called");
    let mut held_too = gateway.open_stream(&chat("hut", "hi [[stall after=1]]")).await;
    held_too.piece().await;
    let refused = gateway.chat(&chat("hut", "hi")).await;
    assert_eq!(refused.verdict(), (503, "server_error".into(), Some("overloaded".into())));
    assert!(refused.header("retry-after").is_some());
    drop(held);
    // The permit comes back with the stream that held it.
    gateway.seen(|seen| seen.cancelled_streams >= 1).await;
    while gateway.chat(&chat("house", "hi")).await.header("x-outcrop-model") != Some(CLAUDE) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_come_from_the_same_model_elsewhere_and_from_no_other() {
    let embed = json!({"vectors": {"targets": [
        {"target": "amazon.titan-embed-text-v2:0", "region": "us-east-1"},
        {"target": "cohere.embed-v4:0", "region": "us-east-1"},
        {"target": "amazon.titan-embed-text-v2:0", "region": "us-west-2"},
    ]}});
    let gateway = Setup::new().set("models", &embed.to_string()).start().await;
    gateway.script([unavailable()]);
    let body = json!({"model": "vectors", "input": "hi"}).to_string();
    let answer = gateway.send(Request::post("/v1/embeddings", body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-outcrop-region"), Some("us-west-2"));
    assert_eq!(called(&gateway), ["amazon.titan-embed-text-v2:0"; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_models_page_lists_its_targets() {
    let gateway = three().await;
    let model = gateway.get("/v1/models/house").await.json();
    assert_eq!(model["outcrop"]["target"], CLAUDE);
    assert_eq!(
        model["outcrop"]["other_targets"],
        json!([{"target": NOVA, "region": "us-east-1"}, {"target": LLAMA, "region": "us-east-1"}])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_asked_again_is_bounded_and_the_client_is_told() {
    let gateway = Setup::new().set("retry.budget", "{percent: 0, min_per_second: 0}").start().await;
    gateway.script([unavailable()]);
    let answer = gateway.chat(&chat(CLAUDE, "hi")).await;
    assert_eq!((answer.status, answer.header("x-outcrop-attempts")), (503, Some("1")));
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    assert!(gateway.get("/metrics").await.text().contains("outcrop_upstream_retries_refused_total 1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_has_deadlines_of_its_own_and_a_client_may_lower_them() {
    let gateway = Setup::new()
        .set("models", &json!({"quick": {"target": CLAUDE, "timeout": {"first_event": 0.05}}}).to_string())
        .start()
        .await;
    for body in [chat("quick", "hi [[stall]]"), streamed(&chat("quick", "hi [[stall]]"))] {
        let answer = gateway.send(Request::chat(&body)).await;
        assert_eq!(answer.verdict(), (504, "server_error".into(), Some("timeout".into())));
        assert!(answer.text().contains("no first event within 0.05 s"), "{}", answer.text());
    }
    let hurried = |text: &str| Request::chat(&chat(CLAUDE, text)).header("x-outcrop-timeout", "0.2");
    let answer = gateway.send(hurried("hi [[stall]]")).await;
    assert!(answer.text().contains("no end of the reply within 0.2 s"), "{}", answer.text());
    // What has begun to come in time ends in time as well.
    let stream =
        Request::chat(&streamed(&chat(CLAUDE, "hi [[stall after=1]]"))).header("x-outcrop-timeout", "0.2");
    let answer = gateway.send(stream).await;
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("no end of the reply within 0.2 s"), "{}", answer.text());
    assert_eq!(gateway.send(hurried("hi")).await.status, 200);
    let wrong = gateway.send(Request::chat(&chat(CLAUDE, "hi")).header("x-outcrop-timeout", "soon")).await;
    assert_eq!(wrong.verdict(), (400, "invalid_request_error".into(), Some("invalid_value".into())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_answer_is_streamed_from_bedrock_and_says_the_same() {
    let folding = TestGateway::start().await;
    let plain = Setup::new().unfolded().start().await;
    for model in [CLAUDE, NOVA, LLAMA, "amazon.titan-text-express-v1", "openai.gpt-oss-120b-1:0"] {
        for text in ["Good morning", "[[say:ä \"quoted\"\\n line]]", "[[stop:max_tokens]]hi"] {
            let body = chat(model, text);
            let mut answers = Vec::new();
            for gateway in [&folding, &plain] {
                let mut answer = gateway.chat(&body).await.completion();
                answer["id"] = Value::Null;
                answer["created"] = Value::Null;
                answers.push(answer);
            }
            assert_eq!(answers[0], answers[1], "{model} {text}");
            let paths = [&folding, &plain].map(|gateway| gateway.last_call().0);
            assert!(paths[0].ends_with("-stream") && !paths[1].ends_with("-stream"), "{paths:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_answer_is_asked_for_whole_and_has_the_time_of_a_first_event() {
    // Ten tokens a second for three seconds.
    let gateway = Setup::new().set("timeout.first_event", "3").start().await;
    for (most, verb) in [(30, "invoke"), (31, "invoke-with-response-stream")] {
        gateway.chat(&with(chat(CLAUDE, "hi"), json!({"max_tokens": most}))).await.completion();
        assert!(gateway.last_call().0.ends_with(&format!("/{verb}")), "{most}");
    }
    let gateway = Setup::new()
        .set("models", &json!({"quick": {"target": CLAUDE, "timeout": {"first_event": 0.2}}}).to_string())
        .set("stream.upstream", "auto")
        .start()
        .await;
    let longer = with(chat("quick", "hi"), json!({"max_tokens": 1}));
    gateway.chat(&longer).await.completion();
    assert!(gateway.last_call().0.ends_with("-stream"), "a fraction of a second is enough for no token");
    let gateway = Setup::new().set("timeout.first_event", "1").set("retry.max_attempts", "1").start().await;
    let answer = gateway.chat(&with(chat(CLAUDE, "hi [[stall]]"), json!({"max_tokens": 5}))).await;
    assert!(answer.text().contains("no end of the reply within 1 s"), "{}", answer.text());
    assert!(gateway.last_call().0.ends_with("/invoke"));
    let gateway = Setup::new().set("stream.upstream", "always").start().await;
    gateway.chat(&with(chat(CLAUDE, "hi"), json!({"max_tokens": 5}))).await.completion();
    assert!(gateway.last_call().0.ends_with("-stream"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_answer_that_breaks_on_the_way_is_asked_for_again() {
    let gateway = TestGateway::start().await;
    let half = claude_stream().into_iter().take(4).chain([Step::Cut]);
    gateway.script([Reply::stream(half)]);
    let answer = gateway.chat(&chat(CLAUDE, "hi")).await;
    assert_eq!(answer.completion()["choices"][0]["message"]["content"], "hi");
    assert_eq!(answer.header("x-outcrop-attempts"), Some("2"));
    // And one that falls silent ends when a stream would.
    let gateway = Setup::new().set("timeout.idle", "0.05").set("retry.max_attempts", "1").start().await;
    let answer = gateway.chat(&chat(CLAUDE, "hi [[stall after=1]]")).await;
    assert!(answer.text().contains("no next event within 0.05 s"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_stream_is_asked_for_the_whole_and_that_is_remembered() {
    let denied = "User: arn:aws:iam::123456789012:role/x is not authorized to perform: bedrock:InvokeModelWithResponseStream on resource: y";
    for refusal in [
        Reply::error(403, "AccessDeniedException", denied),
        Reply::error(400, "ValidationException", "The model is unsupported for streaming"),
    ] {
        let gateway = TestGateway::start().await;
        gateway.script([refusal.clone()]);
        let answer = gateway.chat(&chat(CLAUDE, "hi")).await;
        assert_eq!(answer.completion()["choices"][0]["message"]["content"], "hi");
        gateway.chat(&chat(CLAUDE, "hi")).await.completion();
        let verbs: Vec<_> =
            gateway.calls().iter().map(|call| call.path.rsplit('/').next().unwrap().to_owned()).collect();
        assert_eq!(verbs, ["invoke-with-response-stream", "invoke", "invoke"]);
        // Who wants a stream hears that there is none.
        gateway.script([refusal]);
        assert!(gateway.send(Request::chat(&streamed(&chat(CLAUDE, "hi")))).await.status >= 400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_in_one_request_is_not_held_against_the_target() {
    let gateway = Setup::new()
        .set("models", &targets(&[CLAUDE, NOVA]))
        .set("breaker", "{failures: 3, open: 600, max_open: 600}")
        .set("retry.max_attempts", "1")
        .start()
        .await;
    let picture = json!([
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": "s3://somebody-elses/cat.png"}}
    ]);
    let in_s3 = with(chat(NOVA, ""), json!({"messages": [{"role": "user", "content": picture}]}));
    let guarded = json!({"guardrailConfig": {"guardrailIdentifier": "abc123", "guardrailVersion": "7"}});
    let guarded = with(chat(CLAUDE, "hi"), json!({"bedrock": guarded}));
    let fields = json!({"additionalModelRequestFields": {"knowledge": "s3://somebody-elses/facts"}});
    let fields = with(chat(CLAUDE, "hi"), json!({"bedrock": fields}));
    let denied = |what: &str| {
        Reply::error(
            403,
            "AccessDeniedException",
            &format!("User: arn:aws:iam::111122223333:role/gw is not authorized to perform: {what}"),
        )
    };
    let cases = [
        (&in_s3, denied("s3:GetObject on resource: \"arn:aws:s3:::somebody-elses/cat.png\""), 400),
        (&guarded, denied("bedrock:ApplyGuardrail on resource: guardrail/abc123"), 400),
        (&guarded, Reply::error(404, "ResourceNotFoundException", "The guardrail abc123 wasn't found"), 400),
        // Of what is meant nothing is said; it may be the model.
        (&fields, Reply::error(403, "AccessDeniedException", "Access denied"), 403),
        (&guarded, Reply::error(409, "ConflictException", "no"), 400),
        (&guarded, Reply::error(415, "UnsupportedMediaTypeException", "no"), 400),
        (&guarded, Reply::error(413, "RequestEntityTooLargeException", "no"), 400),
        (
            &guarded,
            Reply::error(424, "ModelErrorException", "Model produced invalid sequence as part of ToolUse."),
            502,
        ),
    ];
    for (body, reply, status) in cases {
        gateway.script((0..4).map(|_| reply.clone()));
        for _ in 0..4 {
            let answer = gateway.chat(body).await;
            assert_eq!(answer.status, status, "{}", answer.text());
            assert!(!answer.text().contains("111122223333"), "{}", answer.text());
        }
        let answer = gateway.chat(&chat("house", "hi")).await;
        assert_eq!(answer.header("x-outcrop-model"), Some(CLAUDE), "{reply:?}");
        // Nova is the stand-in of nobody who wasn't failed.
        assert_eq!(gateway.chat(&chat(NOVA, "hi")).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_one_caller_only_is_not_everybodys_failure() {
    let keys = ["alice", "bob"].map(|id| {
        use sha2::{Digest as _, Sha256};
        let digest = Sha256::digest(format!("oc-{id}-{id}-{id}-{id}"));
        let hex = digest.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        json!({"id": id, "sha256": hex})
    });
    let gateway = Setup::new()
        .set("models", &targets(&[CLAUDE, NOVA]))
        .set("breaker", "{failures: 3, open: 600, max_open: 600}")
        .set("retry.max_attempts", "1")
        .set("auth.keys", &json!(keys).to_string())
        .start()
        .await;
    let ask = async |who: &str, model: &str| {
        let key = format!("Bearer oc-{who}-{who}-{who}-{who}");
        gateway.send(Request::chat(&chat(model, "hi")).header("authorization", &key)).await
    };
    assert_eq!(ask("bob", "house").await.header("x-outcrop-model"), Some(CLAUDE));
    gateway.script((0..6).map(|_| failing()));
    for _ in 0..6 {
        assert_eq!(ask("alice", CLAUDE).await.status, 502);
    }
    assert_eq!(ask("bob", "house").await.header("x-outcrop-model"), Some(CLAUDE));
    // But if it fails him as well, it is the target.
    gateway.script([failing(), nova(), failing(), nova(), failing(), nova(), failing(), nova()]);
    for _ in 0..4 {
        assert_eq!(ask("bob", "house").await.status, 200);
    }
    let before = gateway.calls().len();
    ask("bob", "house").await;
    assert_eq!(called(&gateway)[before..], [NOVA]);
}
