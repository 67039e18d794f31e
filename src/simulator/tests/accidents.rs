//! Everything that goes wrong on purpose.

use super::*;

#[tokio::test]
async fn exceptions_are_typed_before_the_stream_and_inside_it() {
    let simulator = simulator().await;
    let error = converse(&simulator, CLAUDE, "[[error:throttlingException]]").await.unwrap_err();
    assert!(error.is_throttling_exception());
    let error = converse(&simulator, CLAUDE, "[[http:529 overloaded_error]]").await.unwrap_err();
    assert_eq!(error.code(), Some("overloaded_error"));

    let mut reply = stream(&simulator, CLAUDE, "one two three [[error:throttlingException after=2]]").await;
    let mut deltas = 0;
    let error = loop {
        match reply.stream.recv().await {
            Ok(Some(ConverseStreamOutput::ContentBlockDelta(_))) => deltas += 1,
            Ok(Some(_)) => {}
            Ok(None) => panic!("no exception"),
            Err(error) => break error.into_service_error(),
        }
    };
    assert!(matches!(error, ConverseStreamOutputError::ThrottlingException(_)));
    assert_eq!(deltas, 2);

    let body = claude_body("one [[error:modelTimeoutException after=0]]");
    let (chunks, error) = chunks(&simulator, CLAUDE, &body).await;
    assert!(chunks.is_empty());
    assert!(matches!(error, Some(ResponseStreamError::ModelTimeoutException(_))));

    let mut reply = stream(&simulator, CLAUDE, "one [[error-message:InternalFailure after=0]]").await;
    assert!(reply.stream.recv().await.is_err());
    let (_, _, end) = text_of(stream(&simulator, CLAUDE, "one two three [[corrupt after=1]]").await).await;
    assert!(end.is_err());
}

#[tokio::test]
async fn streams_can_be_cut_reset_and_ended_too_early() {
    let simulator = simulator().await;
    let (text, _, end) =
        text_of(stream(&simulator, CLAUDE, "abcdef [[deltas:6]] [[cut after=2]]").await).await;
    assert_eq!(text, "ab");
    assert!(end.is_err());
    let (_, _, end) =
        text_of(stream(&simulator, CLAUDE, "abcdef [[deltas:6]] [[reset after=2]]").await).await;
    assert!(end.is_err());
    let (text, _, end) =
        text_of(stream(&simulator, CLAUDE, "abcdef [[deltas:6]] [[end after=3]]").await).await;
    assert_eq!(text, "abc");
    end.unwrap();
    let sent = client(&simulator).converse().model_id(CLAUDE).messages(user("[[cut]]")).send().await;
    assert!(matches!(sent.unwrap_err(), aws_sdk_bedrockruntime::error::SdkError::DispatchFailure(_)));
    assert!(simulator.observed().cancelled_streams == 0);
}

#[tokio::test]
async fn a_client_that_leaves_a_silent_stream_is_noticed() {
    let simulator = simulator().await;
    let mut reply = stream(&simulator, CLAUDE, "abc [[stall after=1]]").await;
    reply.stream.recv().await.unwrap();
    assert_eq!(simulator.observed().open_streams, 1);
    drop(reply);
    let observed = until(&simulator, |observed| observed.cancelled_streams == 1).await;
    assert_eq!(observed.open_streams, 0);
}

#[tokio::test]
async fn scripted_replies_come_first_and_recorded_bytes_as_they_are() {
    let simulator = simulator().await;
    let released = Arc::new(tokio::sync::Notify::new());
    let frame = Frame::event("messageStart", &json!({"role": "assistant"}));
    let (head, tail) = (frame.bytes().slice(..5), frame.bytes().slice(5..));
    simulator.script([
        Reply::error(503, "ServiceUnavailableException", "full"),
        Reply::stream([Step::Raw(head), Step::Hold(Arc::clone(&released)), Step::Raw(tail)]),
        Reply::recorded(200, [("content-type", "application/json")], r#"{"output":{"message":{"role":"assistant","content":[{"text":"recorded"}]}},"stopReason":"end_turn","usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2},"metrics":{"latencyMs":1}}"#),
    ]);
    let error = converse(&simulator, CLAUDE, "hi").await.unwrap_err();
    assert!(error.is_service_unavailable_exception());
    let reply = stream(&simulator, CLAUDE, "hi").await;
    released.notify_one();
    let (_, events, end) = text_of(reply).await;
    assert_eq!(events, 1);
    end.unwrap();
    assert_eq!(converse(&simulator, CLAUDE, "hi").await.unwrap().0, "recorded");
    assert_eq!(converse(&simulator, CLAUDE, "hi").await.unwrap().0, "hi");
}

#[tokio::test]
async fn attempts_fail_as_often_as_directed_and_then_succeed() {
    let simulator = simulator().await;
    for _ in 0..2 {
        for _ in 0..2 {
            let error =
                converse(&simulator, CLAUDE, "hi [[fail-times:2 throttlingException]]").await.unwrap_err();
            assert!(error.is_throttling_exception());
        }
        let (text, _) =
            converse(&simulator, CLAUDE, "hi [[fail-times:2 throttlingException]]").await.unwrap();
        assert_eq!(text, "hi");
    }
}

#[tokio::test(start_paused = true)]
async fn pauses_are_kept_to_the_millisecond() {
    let simulator = simulator().await;
    let before = tokio::time::Instant::now();
    converse(&simulator, CLAUDE, "hi [[delay:250ms]]").await.unwrap();
    assert!(before.elapsed() >= Duration::from_millis(250));
}

#[tokio::test]
async fn shutting_down_closes_the_port() {
    let simulator = simulator().await;
    let address = simulator.address();
    simulator.shutdown().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn whole_replies_can_be_cut_short_too() {
    let simulator = simulator().await;
    for text in ["hi [[cut after=1]]", "hi [[reset after=1]]", "hi [[corrupt]]", "[[error-message:X]]"] {
        assert!(converse(&simulator, CLAUDE, text).await.is_err(), "{text}");
    }
    let sent = client(&simulator).converse().model_id(CLAUDE).messages(user("hi [[reset]]")).send().await;
    assert!(matches!(sent.unwrap_err(), aws_sdk_bedrockruntime::error::SdkError::DispatchFailure(_)));
}

#[tokio::test]
async fn a_reset_is_a_reset_and_not_an_end() {
    let simulator = open().await;
    let kind = async |reply: Reply| {
        simulator.script([reply]);
        let mut socket = TcpStream::connect(simulator.address()).await.unwrap();
        let request = post(&format!("/model/{CLAUDE}/converse-stream"), "{}");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut reply = Vec::new();
        let end = socket.read_to_end(&mut reply).await;
        (String::from_utf8_lossy(&reply).contains("piece"), end.map_err(|error| error.kind()).map(|_| ()))
    };
    let piece = || Step::Raw(Bytes::from_static(b"piece"));
    assert_eq!(kind(Reply::stream([piece(), Step::Cut])).await, (true, Ok(())));
    assert_eq!(
        kind(Reply::stream([piece(), Step::Reset])).await,
        (true, Err(io::ErrorKind::ConnectionReset))
    );
    assert_eq!(kind(Reply::hang_up()).await, (false, Ok(())));
}

#[tokio::test]
async fn a_client_that_leaves_before_the_reply_is_noticed() {
    let simulator = simulator().await;
    let call = client(&simulator).converse().model_id(CLAUDE).messages(user("[[stall]]")).send();
    let call = tokio::spawn(call);
    until(&simulator, |observed| observed.requests == 1).await;
    call.abort();
    until(&simulator, |observed| observed.cancelled_requests == 1).await;
}
