//! What a stream tells when it goes well, when it goes wrong, and when nobody listens any more.

use std::sync::Arc;
use std::time::Duration;

use outcrop::simulator::{Frame, Reply, Step};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::{
    Answer, CLAUDE, LLAMA, Live, NOVA, Request, Setup, SseEvent, TITAN, TestGateway, Transcript, chat,
    claude_stream, converse_stream, exception, native_chunk, parse, streamed, with,
};

/// A failure, and what a client is told of it.
struct Case {
    exception: &'static str,
    status: u16,
    kind: &'static str,
    code: &'static str,
    /// Tries, where nothing has been sent yet.
    attempts: usize,
}

const fn case(
    exception: &'static str,
    status: u16,
    kind: &'static str,
    code: &'static str,
    attempts: usize,
) -> Case {
    Case { exception, status, kind, code, attempts }
}

impl Case {
    /// It has a status, because nothing had been sent yet.
    #[track_caller]
    fn assert_refused(&self, answer: &Answer, model: &str) {
        let expected = (self.status, self.kind.to_owned(), Some(self.code.to_owned()));
        assert_eq!(answer.verdict(), expected, "{model} {}", self.exception);
        let attempts = self.attempts.to_string();
        assert_eq!(
            answer.header("x-outcrop-attempts"),
            Some(attempts.as_str()),
            "{model} {}",
            self.exception
        );
    }
}

/// An exception that the service doesn't have.
const FUTURE: &str = "exceptionOfTheFuture";

/// Every exception of the service model, whether its streams are said to carry it or not, and one that it hasn't.
const EXCEPTIONS: [Case; 12] = [
    case("accessDeniedException", 403, "permission_error", "model_access_denied", 1),
    case("internalServerException", 502, "server_error", "server_error", 3),
    case("modelErrorException", 502, "server_error", "upstream_error", 3),
    case("modelNotReadyException", 503, "server_error", "model_not_ready", 3),
    case("modelStreamErrorException", 502, "server_error", "upstream_error", 3),
    case("modelTimeoutException", 504, "server_error", "timeout", 2),
    case("resourceNotFoundException", 404, "invalid_request_error", "model_not_found", 1),
    case("serviceQuotaExceededException", 429, "insufficient_quota", "insufficient_quota", 1),
    case("serviceUnavailableException", 503, "server_error", "overloaded", 3),
    case("throttlingException", 429, "rate_limit_error", "rate_limit_exceeded", 3),
    case("validationException", 400, "invalid_request_error", "invalid_value", 1),
    case(FUTURE, 502, "server_error", "upstream_error", 3),
];

/// A model, and the frames of a good stream of it.
fn formats() -> [(&'static str, Vec<Step>); 2] {
    [(CLAUDE, claude_stream()), (NOVA, converse_stream())]
}

/// The first frames of a stream, and what comes instead of the others.
fn broken(frames: &[Step], after: usize, last: impl IntoIterator<Item = Step>) -> Reply {
    Reply::stream(frames.iter().take(after).cloned().chain(last))
}

fn error_code(error: &Value) -> (&str, &str) {
    (error["type"].as_str().unwrap(), error["code"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exception_before_the_stream_keeps_its_status() {
    let gateway = TestGateway::start().await;
    // The simulator raises what the service has, with the service's own statuses.
    let known = EXCEPTIONS.iter().filter(|case| case.exception != FUTURE);
    for case in known {
        for model in [CLAUDE, NOVA, LLAMA, TITAN] {
            let body = chat(model, &format!("[[error:{}]]", case.exception));
            for body in [streamed(&body), body] {
                let answer = gateway.send(Request::chat(&body)).await;
                case.assert_refused(&answer, model);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exception_frame_before_the_first_event_keeps_its_status_too() {
    let gateway = TestGateway::start().await;
    for (model, frames) in formats() {
        for case in &EXCEPTIONS {
            gateway.script(vec![broken(&frames, 0, [exception(case.exception, "no")]); case.attempts]);
            let answer = gateway.send(Request::chat(&streamed(&chat(model, "hi")))).await;
            case.assert_refused(&answer, model);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exception_inside_a_stream_is_its_last_event() {
    let gateway = TestGateway::start().await;
    for (model, frames) in formats() {
        for case in &EXCEPTIONS {
            for after in 1..=frames.len() {
                gateway.script([broken(&frames, after, [exception(case.exception, "no")])]);
                for asked in [true, false] {
                    let body = with(chat(model, "hi"), json!({"stream_options": {"include_usage": asked}}));
                    if !asked {
                        gateway.script([broken(&frames, after, [exception(case.exception, "no")])]);
                    }
                    let streamed = gateway.stream(&body).await;
                    let error = streamed.assert_broken(asked);
                    assert_eq!(
                        error_code(&error),
                        (case.kind, case.code),
                        "{model} {} {after}",
                        case.exception
                    );
                    assert_eq!(streamed.answer.header("x-outcrop-attempts"), Some("1"), "never tried again");
                }
            }
        }
        let calls = gateway.calls().len();
        gateway.stream(&chat(model, "hi")).await.assert_complete(false);
        assert_eq!(gateway.calls().len(), calls + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_was_said_before_the_failure_arrives() {
    let gateway = TestGateway::start().await;
    for model in [CLAUDE, NOVA, LLAMA, TITAN] {
        for what in
            ["error:throttlingException", "cut", "reset", "end", "corrupt", "error-message:InternalFailure"]
        {
            let text = format!("abcdef [[deltas:6]] [[{what} after=3]]");
            let streamed = gateway.stream(&chat(model, &text)).await;
            streamed.assert_broken(false);
            let said = streamed.text();
            // A reset may overtake what was sent before it.
            let overtaken = what == "reset" && "abc".starts_with(&said);
            let corrupted = what == "corrupt" && (said == "abc" || said == "ab");
            assert!(said == "abc" || overtaken || corrupted, "{model} {what}: {said:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_ends_before_its_stop_is_broken() {
    let gateway = TestGateway::start().await;
    for (model, frames) in formats() {
        // Claude's stop is its last frame; Converse's is followed by the costs, which may be missing.
        let stop = if model == CLAUDE { frames.len() - 1 } else { frames.len() - 2 };
        for after in 1..=stop {
            for ending in [vec![], vec![Step::Cut]] {
                gateway.script([broken(&frames, after, ending)]);
                let error = gateway.stream(&chat(model, "hi")).await.assert_broken(false);
                assert_eq!(error_code(&error), ("server_error", "upstream_error"), "{model} {after}");
            }
        }
        for ending in [vec![], vec![Step::Cut], vec![Step::Reset]] {
            gateway.script(vec![broken(&frames, 0, ending); 2]);
            let answer = gateway.send(Request::chat(&streamed(&chat(model, "hi")))).await;
            let expected = (502, "server_error".to_owned(), Some("upstream_error".to_owned()));
            assert_eq!(answer.verdict(), expected, "{model}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_converse_stream_without_its_metadata_is_whole_but_for_its_usage() {
    let gateway = TestGateway::start().await;
    let frames = converse_stream();
    gateway.script([broken(&frames, frames.len() - 1, [])]);
    let asked = with(chat(NOVA, "hi"), json!({"stream_options": {"include_usage": true}}));
    let streamed = gateway.stream(&asked).await;
    assert!(streamed.is_done());
    assert_eq!(streamed.finish_reason().as_deref(), Some("stop"));
    assert_eq!(streamed.usage(), None);
}

/// The turn of a model that says nothing, whole and in frames: both formats, with what it is said to have cost.
fn wordless(tokens: u32) -> [(&'static str, Reply, Reply); 2] {
    let claude = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": [],
        "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 3, "output_tokens": tokens},
    });
    let began =
        json!({"type": "message_start", "message": with(claude.clone(), json!({"stop_reason": null}))});
    let ended = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": tokens}});
    let claude_frames = [began, ended, json!({"type": "message_stop"})];
    let usage = json!({"inputTokens": 3, "outputTokens": tokens, "totalTokens": 3 + tokens});
    let converse = json!({
        "output": {"message": {"role": "assistant", "content": []}}, "stopReason": "end_turn",
        "usage": usage, "metrics": {"latencyMs": 1},
    });
    let converse_frames = [
        ("messageStart", json!({"role": "assistant"})),
        ("messageStop", json!({"stopReason": "end_turn"})),
        ("metadata", json!({"usage": usage, "metrics": {"latencyMs": 1}})),
    ];
    let converse_frames = converse_frames.map(|(name, payload)| Step::Frame(Frame::event(name, &payload)));
    [
        (CLAUDE, Reply::json(200, &claude), Reply::stream(claude_frames.iter().map(native_chunk))),
        (NOVA, Reply::json(200, &converse), Reply::stream(converse_frames)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_without_a_word_and_without_a_token_is_no_answer() {
    let folding = TestGateway::start().await;
    let gateway = Setup::new().unfolded().start().await;
    for (model, whole, frames) in wordless(0) {
        // As Bedrock is asked by default, for a stream that becomes a whole answer here.
        folding.script([frames.clone()]);
        let answer = folding.chat(&chat(model, "hi")).await;
        assert_eq!(answer.completion()["choices"][0]["message"]["content"], "hi", "{model}");
        assert_eq!(answer.header("x-outcrop-attempts"), Some("2"));
        gateway.script([whole.clone()]);
        let answer = gateway.chat(&chat(model, "hi")).await;
        assert_eq!(answer.completion()["choices"][0]["message"]["content"], "hi", "{model}");
        assert_eq!(answer.header("x-outcrop-attempts"), Some("2"));
        gateway.script([whole.clone(), whole]);
        let verdict = gateway.chat(&chat(model, "hi")).await.verdict();
        assert_eq!(verdict, (502, "server_error".into(), Some("upstream_error".into())), "{model}");
        // Its beginning has gone out, so it can't be asked for again; but it has no end.
        gateway.script([frames]);
        let error = gateway.stream(&chat(model, "hi")).await.assert_broken(false);
        assert_eq!(error_code(&error), ("server_error", "upstream_error"), "{model}");
    }
    // A model may have nothing to say: it costs a token or two.
    for (model, whole, frames) in wordless(2) {
        gateway.script([whole, frames]);
        let answer = gateway.chat(&chat(model, "hi")).await;
        assert_eq!(answer.completion()["choices"][0]["message"]["content"], "", "{model}");
        let streamed = gateway.stream(&chat(model, "hi")).await;
        streamed.assert_complete(false);
        assert_eq!((streamed.text(), streamed.finish_reason().as_deref()), (String::new(), Some("stop")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_frames_break_the_stream() {
    let gateway = TestGateway::start().await;
    for (model, frames) in formats() {
        let Some(Step::Frame(good)) = frames.get(2) else { panic!("a frame") };
        let half = good.bytes().slice(..good.bytes().len() / 2);
        let mut impossible = good.bytes().to_vec();
        impossible[..4].copy_from_slice(&[0xff; 4]);
        let name = if model == CLAUDE { "chunk" } else { "contentBlockDelta" };
        for (what, step) in [
            ("checksum", Step::Frame(good.corrupted())),
            ("half a frame", Step::Raw(half)),
            ("lengths", Step::Raw(impossible.into())),
            ("no frame", Step::Raw("<html>502 Bad Gateway</html>".into())),
            ("an unknown message type", Step::Raw(message_of_type("future"))),
            ("not the shape", Step::Frame(Frame::event(name, &json!("surprise")))),
            ("an error message", Step::Frame(Frame::error("InternalFailure", "no"))),
        ] {
            // The rest follows, as if nothing had happened.
            gateway.script([broken(&frames, 2, [step].into_iter().chain(frames[3..].iter().cloned()))]);
            let error = gateway.stream(&chat(model, "hi")).await.assert_broken(false);
            assert_eq!(error["type"], "server_error", "{model} {what}");
            let code = if what == "an error message" { "server_error" } else { "upstream_error" };
            assert_eq!(error["code"], code, "{model} {what}");
        }
    }
}

/// A whole frame with another `:message-type`.
fn message_of_type(kind: &str) -> bytes::Bytes {
    use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
    let header = Header::new(":message-type".to_owned(), HeaderValue::String(kind.to_owned().into()));
    let mut bytes = Vec::new();
    let message = Message::new_from_parts(vec![header], bytes::Bytes::from_static(b"{}"));
    aws_smithy_eventstream::frame::write_message_to(&message, &mut bytes).unwrap();
    bytes.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_out_of_order_is_broken() {
    let gateway = TestGateway::start().await;
    for (model, mut frames) in formats() {
        // The stop comes, and then the model goes on.
        let delta = frames[2].clone();
        frames.push(delta);
        gateway.script([Reply::stream(frames)]);
        gateway.stream(&chat(model, "hi")).await.assert_broken(false);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_the_future_are_skipped() {
    let gateway = TestGateway::start().await;
    for model in [CLAUDE, NOVA, LLAMA, TITAN] {
        let streamed = gateway.stream(&chat(model, "hi [[unknown-event]]")).await;
        streamed.assert_complete(false);
        assert_eq!(streamed.text(), "hi", "{model}");
    }
    let mut frames = claude_stream();
    frames.insert(1, native_chunk(&json!({"type": "ping"})));
    frames.insert(3, native_chunk(&json!({"type": "content_block_pause", "index": 0})));
    gateway.script([Reply::stream(frames)]);
    let streamed = gateway.stream(&chat(CLAUDE, "hi")).await;
    streamed.assert_complete(false);
    assert_eq!(streamed.text(), "one two");
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_may_be_cut_anywhere() {
    let gateway = TestGateway::start().await;
    for (model, frames) in formats() {
        let mut bytes = Vec::new();
        for step in &frames {
            let Step::Frame(frame) = step else { panic!("only frames") };
            bytes.extend_from_slice(&frame.bytes());
        }
        for size in [1, 7, 100, bytes.len()] {
            let pieces = bytes.chunks(size).map(|piece| Step::Raw(piece.to_vec().into()));
            gateway.script([Reply::stream(pieces)]);
            let streamed = gateway.stream(&chat(model, "hi")).await;
            streamed.assert_complete(false);
            assert_eq!(streamed.text(), "one two", "{model} {size}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_side_by_side_keep_to_themselves() {
    let gateway = TestGateway::start().await;
    let streams = (0..40).map(async |n| {
        let model = [CLAUDE, NOVA, LLAMA, TITAN][n % 4];
        let text = format!("only the words of stream {n}, and nobody else's");
        let streamed = gateway.stream(&chat(model, &text)).await;
        streamed.assert_complete(false);
        assert_eq!(streamed.text(), text);
        streamed.chunks()[0]["id"].as_str().unwrap().to_owned()
    });
    let mut ids = futures_util::future::join_all(streams).await;
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 40, "each stream has an id of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_that_claude_reports_in_its_own_words() {
    let gateway = TestGateway::start().await;
    for (kind, expected) in [
        ("overloaded_error", "overloaded"),
        ("rate_limit_error", "rate_limit_exceeded"),
        ("api_error", "server_error"),
        ("error_of_the_future", "upstream_error"),
    ] {
        let error = native_chunk(&json!({"type": "error", "error": {"type": kind, "message": "no"}}));
        gateway.script([broken(&claude_stream(), 3, [error])]);
        let error = gateway.stream(&chat(CLAUDE, "hi")).await.assert_broken(false);
        assert_eq!(error["code"], expected, "{kind}");
    }
}

/// A stream that waits after its first delta until the test lets it go on.
fn held(frames: &[Step]) -> (Reply, Arc<Notify>) {
    let released = Arc::new(Notify::new());
    let after = frames.len() - 4;
    let mut steps: Vec<Step> = frames[..after].to_vec();
    steps.push(Step::Hold(Arc::clone(&released)));
    steps.extend_from_slice(&frames[after..]);
    (Reply::stream(steps), released)
}

/// Reads until the body holds `what`.
async fn read_until(live: &mut Live, what: &str) -> String {
    let mut body = String::new();
    while !body.contains(what) {
        let piece = live.piece().await.unwrap_or_else(|| panic!("ended without {what:?}: {body}"));
        body.push_str(&String::from_utf8(piece).unwrap());
    }
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_pieces_arrive_while_the_model_is_still_writing() {
    let gateway = TestGateway::start().await;
    for (model, frames) in formats() {
        let (reply, released) = held(&frames);
        gateway.script([reply]);
        let mut live = gateway.open_stream(&chat(model, "hi")).await;
        let early = read_until(&mut live, "one ").await;
        assert!(!early.contains("two"));
        assert_eq!(gateway.simulator.observed().open_streams, 1, "it is still open upstream");
        released.notify_one();
        let rest = live.rest().await;
        let events = parse(&(early + rest.text()));
        assert_eq!(events.last(), Some(&SseEvent::Done));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_goes_out_with_the_first_event_and_not_before() {
    let gateway = TestGateway::start().await;
    let released = Arc::new(Notify::new());
    let mut steps = vec![Step::Hold(Arc::clone(&released))];
    steps.push(exception("throttlingException", "no"));
    // The upstream's 200 is there, but nothing has been said: it may still become a 429.
    gateway.script(vec![Reply::stream(steps), Reply::error(400, "ValidationException", "no")]);
    let sent = gateway.dispatch(Request::chat(&streamed(&chat(CLAUDE, "hi")))).await;
    gateway.seen(|observed| observed.open_streams == 1).await;
    released.notify_one();
    let answer = sent.head().await.rest().await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.header("x-outcrop-attempts"), Some("2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_model_is_covered_by_comments_between_events() {
    let gateway = Setup::new().set("stream.keep_alive", "0.01").start().await;
    for (model, frames) in formats() {
        let (reply, released) = held(&frames);
        gateway.script([reply]);
        let mut live = gateway.open_stream(&chat(model, "hi")).await;
        let mut body = read_until(&mut live, "one ").await;
        for _ in 0..3 {
            body += &read_until(&mut live, ": keep-alive").await;
        }
        released.notify_one();
        let rest = live.rest().await;
        body += rest.text();
        let events = parse(&body);
        let comments =
            events.iter().filter(|event| **event == SseEvent::Comment("keep-alive".to_owned())).count();
        assert!(comments >= 3, "{events:?}");
        let others: Vec<_> =
            events.into_iter().filter(|event| !matches!(event, SseEvent::Comment(_))).collect();
        Transcript { answer: rest, events: others }.assert_complete(false);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_ends_the_call_wherever_it_is() {
    let gateway = TestGateway::start().await;
    let (mut requests, mut streams) = (0, 0);
    for model in [CLAUDE, NOVA] {
        for body in [chat(model, "[[stall]]"), streamed(&chat(model, "[[stall]]"))] {
            let before = gateway.simulator.observed().requests;
            let sent = gateway.dispatch(Request::chat(&body)).await;
            gateway.seen(|observed| observed.requests == before + 1).await;
            drop(sent);
            requests += 1;
            gateway.seen(|observed| observed.cancelled_requests == requests).await;
        }
        // The upstream's head is there, but no event.
        let body = streamed(&chat(model, "hi [[stall after=0]]"));
        let sent = gateway.dispatch(Request::chat(&body)).await;
        gateway.seen(|observed| observed.open_streams == 1).await;
        drop(sent);
        streams += 1;
        gateway.seen(|observed| observed.cancelled_streams == streams).await;
        // In the middle.
        let mut live = gateway.open_stream(&chat(model, "abcdef [[deltas:6]] [[stall after=2]]")).await;
        read_until(&mut live, "\"a\"").await;
        drop(live);
        streams += 1;
        let observed = gateway.seen(|observed| observed.cancelled_streams == streams).await;
        assert_eq!(observed.open_streams, 0);
    }
    assert_eq!(gateway.simulator.observed().requests, 8, "nothing is tried again for nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_text_cut_by_the_gateway_ends_the_call_upstream() {
    let gateway = TestGateway::start().await;
    let body = with(chat(LLAMA, "one END two [[deltas:11]] [[stall after=8]]"), json!({"stop": "END"}));
    let streamed = gateway.stream(&body).await;
    streamed.assert_complete(false);
    assert_eq!(streamed.text(), "one ");
    gateway.seen(|observed| observed.cancelled_streams == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_that_lasts_too_long_is_a_timeout() {
    let gateway = Setup::new().set("timeout.idle", "0.5").set("timeout.first_event", "0.7").start().await;
    for (model, _) in formats() {
        let error = gateway.stream(&chat(model, "abc [[stall after=1]]")).await.assert_broken(false);
        assert_eq!(error_code(&error), ("server_error", "timeout"));
        gateway.seen(|observed| observed.open_streams == 0).await;
        // Nothing has gone out yet, so it is tried once more, and has a status.
        let answer = gateway.send(Request::chat(&streamed(&chat(model, "[[stall]]")))).await;
        assert_eq!(answer.verdict(), (504, "server_error".to_owned(), Some("timeout".to_owned())));
        assert_eq!(answer.header("x-outcrop-attempts"), Some("2"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_may_think_longer_before_its_first_event_than_between_two() {
    let gateway = Setup::new().set("timeout.idle", "0.5").start().await;
    for (model, frames) in formats() {
        let pause = Step::Delay(Duration::from_millis(800));
        gateway.script([Reply::stream([pause].into_iter().chain(frames))]);
        let streamed = gateway.stream(&chat(model, "hi")).await;
        streamed.assert_complete(false);
        assert_eq!(streamed.answer.header("x-outcrop-attempts"), Some("1"), "{model}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_lasts_too_long_is_a_timeout() {
    let gateway = Setup::new().set("timeout", "1").start().await;
    for body in [chat(CLAUDE, "[[stall]]"), streamed(&chat(NOVA, "[[stall]]"))] {
        let answer = gateway.send(Request::chat(&body)).await;
        assert_eq!(answer.verdict(), (504, "server_error".to_owned(), Some("timeout".to_owned())));
    }
    let error = gateway.stream(&chat(CLAUDE, "abc [[stall after=1]]")).await.assert_broken(false);
    assert_eq!(error["code"], "timeout");
    assert_eq!(gateway.simulator.observed().requests, 3, "there is no time to try again");
}
