//! Networks that fail, at every place: whatever happens to a connection, a client gets the answer, or an error, or half
//! an answer that it can tell from a whole one. `support::proxy` does the failing.

use outcrop::simulator::{Frame, Reply, Step};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::support::{
    Answer, CLAUDE, Deed, Door, Ending, Fault, Leave, NOVA, Proxy, Request, Setup, SseEvent, TestGateway,
    Transcript, Way, Weather, chat, claude_stream, converse_stream, parse, streamed,
};

/// A short stream of several events, the same each time.
const TEXT: &str = "one two three [[deltas:3]]";
const SAID: &str = "one two three";

/// What came of a request. There is nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The undisturbed answer.
    Same,
    /// A status, and why.
    Refused,
    /// A stream whose last event is an error, without a finish.
    Told,
    /// An answer whose framing says that it isn't whole.
    Cut,
}

/// Says which of them an answer is, and that it is one of them.
#[track_caller]
fn judge(answer: Answer, said: &str) -> Outcome {
    if answer.status != 200 {
        assert_eq!(answer.ending, Ending::Whole);
        let (status, ..) = answer.verdict();
        assert!([429, 500, 502, 503, 504].contains(&status), "{status}: the client has done nothing wrong");
        return Outcome::Refused;
    }
    let streams = answer.header("content-type") == Some("text/event-stream; charset=utf-8");
    if answer.ending == Ending::Cut {
        // Where it claims to be whole, only the end of the framing is missing.
        let text = answer.text().to_owned();
        if streams && text.contains("[DONE]") {
            let events = parse(text.trim_end_matches('\n').strip_suffix("data: [DONE]").unwrap());
            assert_eq!(Transcript { answer, events }.text(), said);
        }
        return Outcome::Cut;
    }
    if !streams {
        let choice = answer.completion()["choices"][0].clone();
        assert_eq!(choice["message"]["content"], said);
        assert_eq!(choice["finish_reason"], "stop");
        return Outcome::Same;
    }
    let events = parse(answer.text());
    let transcript = Transcript { answer, events };
    if matches!(transcript.events.last(), Some(SseEvent::Error(_))) {
        transcript.assert_broken(false);
        assert!(said.starts_with(&transcript.text()), "{}", transcript.text());
        return Outcome::Told;
    }
    transcript.assert_complete(false);
    assert_eq!(transcript.text(), said);
    assert_eq!(transcript.finish_reason().as_deref(), Some("stop"));
    Outcome::Same
}

async fn ask(gateway: &TestGateway, body: &Value) -> Outcome {
    judge(gateway.chat(body).await, SAID)
}

/// Short limits, so that silence is soon an error; long enough that only silence is.
fn impatient() -> Setup {
    Setup::new().set("timeout.idle", "0.4").set("timeout.first_event", "0.4").set("breaker.failures", "0")
}

/// Nothing is under way: permits and gauges are where they were.
async fn at_rest(gateway: &TestGateway) {
    // The question itself is one of the requests.
    for (gauge, rest) in [
        ("outcrop_calls_in_flight", "0"),
        ("outcrop_streams_in_flight", "0"),
        ("outcrop_queue_length", "0"),
        ("outcrop_http_requests_in_flight", "1"),
    ] {
        loop {
            let metrics = gateway.get("/metrics").await;
            let line = metrics.text().lines().find(|line| line.split(' ').next() == Some(gauge));
            if line.is_some_and(|line| line.ends_with(&format!(" {rest}"))) {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
}

/// The bytes of an undisturbed answer of the upstream, and where its head and each of its events ends.
async fn recorded(gateway: &TestGateway, proxy: &Proxy, body: &Value) -> (usize, Vec<u64>) {
    proxy.clear();
    assert_eq!(ask(gateway, body).await, Outcome::Same);
    let tape = proxy.tape();
    let head = tape.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let mut ends = vec![head as u64];
    if !tape[..head].windows(7).any(|window| window == b"chunked") {
        // A whole reply.
        ends.push(tape.len() as u64);
        return (tape.len(), ends);
    }
    let mut at = head;
    while let Some(line) = tape[at..].windows(2).position(|window| window == b"\r\n") {
        let size = std::str::from_utf8(&tape[at..at + line]).unwrap();
        at += line + 2 + usize::from_str_radix(size, 16).unwrap() + 2;
        ends.push(at as u64);
    }
    assert_eq!(at, tape.len(), "a chunk an event, and the last one");
    (tape.len(), ends)
}

/// Every border of an event and its neighbours, and a byte in each stretch.
fn places(length: usize, ends: &[u64]) -> Vec<u64> {
    let borders = ends.iter().flat_map(|end| [end.saturating_sub(1), *end, end + 1]);
    let mut places: Vec<_> = borders.chain((0..length as u64).step_by(61)).collect();
    places.retain(|place| *place < length as u64);
    places.sort_unstable();
    places.dedup();
    places
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_cut_anywhere_is_asked_for_again_or_told_and_never_taken_for_whole() {
    let (gateway, proxy) = impatient().start_behind_proxy().await;
    for model in [CLAUDE, NOVA] {
        for body in [chat(model, TEXT), streamed(&chat(model, TEXT))] {
            let streams = body["stream"] == true;
            let (length, ends) = recorded(&gateway, &proxy, &body).await;
            let (first, last) = (ends[1], ends[ends.len() - 2]);
            for deed in [Deed::Close, Deed::Reset] {
                for after in places(length, &ends) {
                    proxy.order(Fault { way: Way::Down, after, deed }, 1);
                    let outcome = ask(&gateway, &body).await;
                    let place = format!("{model} {body} {deed:?} after {after} of {length}: {outcome:?}");
                    if !streams || after < first - 2 {
                        assert_eq!(outcome, Outcome::Same, "nobody has seen anything yet: {place}");
                    } else if deed == Deed::Close && after > first && after < last - 2 {
                        assert_eq!(outcome, Outcome::Told, "{place}");
                    } else {
                        assert!([Outcome::Same, Outcome::Told].contains(&outcome), "{place}");
                    }
                }
            }
        }
    }
    at_rest(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_reply_cut_anywhere_is_asked_for_again() {
    let (gateway, proxy) = impatient().unfolded().start_behind_proxy().await;
    for model in [CLAUDE, NOVA] {
        let body = chat(model, TEXT);
        proxy.clear();
        assert_eq!(ask(&gateway, &body).await, Outcome::Same);
        let length = proxy.tape().len() as u64;
        for deed in [Deed::Close, Deed::Reset] {
            for after in (0..length).step_by(7).chain([length - 1]) {
                proxy.order(Fault { way: Way::Down, after, deed }, 1);
                assert_eq!(ask(&gateway, &body).await, Outcome::Same, "{model} {deed:?} after {after}");
                // And where nothing helps, it is an error.
                proxy.order(Fault { way: Way::Down, after, deed }, 3);
                assert_eq!(ask(&gateway, &body).await, Outcome::Refused, "{model} {deed:?} after {after}");
            }
        }
    }
    at_rest(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_cut_on_its_way_up_is_sent_again() {
    let (gateway, proxy) = impatient().start_behind_proxy().await;
    for body in [chat(CLAUDE, TEXT), streamed(&chat(NOVA, TEXT))] {
        for deed in [Deed::Close, Deed::Reset, Deed::HalfClose] {
            for after in (0..1_400).step_by(97) {
                proxy.order(Fault { way: Way::Up, after, deed }, 1);
                assert_eq!(ask(&gateway, &body).await, Outcome::Same, "{deed:?} after {after}");
            }
        }
    }
    at_rest(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_flipped_byte_of_an_event_stream_is_found_out() {
    let gateway = impatient().start().await;
    for (model, frames) in [(CLAUDE, claude_stream()), (NOVA, converse_stream())] {
        let frames: Vec<Frame> = frames
            .into_iter()
            .map(|step| if let Step::Frame(frame) = step { frame } else { panic!("frames only") })
            .collect();
        let stream: Vec<u8> = frames.iter().flat_map(|frame| frame.bytes().to_vec()).collect();
        let first = frames[0].bytes().len();
        for at in 0..stream.len() {
            let mut flipped = stream.clone();
            flipped[at] ^= 1 << (at % 8);
            let bad = Reply::stream([Step::Raw(flipped.into())]);
            gateway.script([bad.clone()]);
            let answer = gateway.chat(&streamed(&chat(model, "hi"))).await;
            // The simulator's own answer, if it was asked again.
            let said = if at < first { "hi" } else { "one two" };
            let outcome = judge(answer, said);
            let expected = if at < first { Outcome::Same } else { Outcome::Told };
            assert_eq!(outcome, expected, "{model}: byte {at} of {}", stream.len());
            if at % 16 == 0 {
                gateway.script([bad]);
                assert_eq!(judge(gateway.chat(&chat(model, "hi")).await, "hi"), Outcome::Same, "byte {at}");
            }
        }
    }
    at_rest(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_of_http_is_an_error_or_changes_nothing() {
    let (gateway, proxy) = impatient().start_behind_proxy().await;
    let body = streamed(&chat(NOVA, TEXT));
    let (length, ends) = recorded(&gateway, &proxy, &body).await;
    // The head, and around each chunk's size; what is inside of chunks has its checksums.
    let framing = ends.iter().flat_map(|end| end.saturating_sub(2)..end + 6);
    let head = 0..ends[0];
    for after in head.step_by(3).chain(framing).filter(|after| *after < length as u64) {
        for times in [1, 3] {
            proxy.order(Fault { way: Way::Down, after, deed: Deed::Flip(1 << (after % 7)) }, times);
            let answer = gateway.chat(&body).await;
            if answer.status == 200 {
                judge(answer, SAID);
            } else {
                // A status that was changed on the way may be any.
                answer.error();
            }
            proxy.sever(true);
        }
    }
    proxy.clear();
    assert_eq!(ask(&gateway, &body).await, Outcome::Same);
    at_rest(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_falls_silent_is_given_up_and_not_used_again() {
    let (gateway, proxy) = impatient().set("retry.max_attempts", "1").start_behind_proxy().await;
    for model in [CLAUDE, NOVA] {
        for (body, expected) in
            [(chat(model, TEXT), Outcome::Refused), (streamed(&chat(model, TEXT)), Outcome::Told)]
        {
            let (_, ends) = recorded(&gateway, &proxy, &body).await;
            for (after, expected) in [(0, Outcome::Refused), (ends[ends.len() / 2] - 5, expected)] {
                proxy.order(Fault { way: Way::Down, after, deed: Deed::Stall }, 1);
                let answer = gateway.chat(&body).await;
                assert!(answer.text().contains("timeout"), "{}", answer.text());
                assert_eq!(judge(answer, SAID), expected);
                // The silent one would still be silent. Several times, because each thread has its own connections.
                for _ in 0..8 {
                    assert_eq!(ask(&gateway, &body).await, Outcome::Same, "over another connection");
                }
                let mut traffic = proxy.traffic();
                let open = traffic.borrow_and_update().open;
                proxy.clear();
                traffic.wait_for(|traffic| traffic.open < open).await.unwrap();
            }
        }
    }
    at_rest(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_cannot_be_reached_is_an_error_until_it_can() {
    let (gateway, proxy) = impatient().set("timeout.connect", "0.2").start_behind_proxy().await;
    for door in [Door::Reset, Door::Silent] {
        for body in [chat(NOVA, TEXT), streamed(&chat(NOVA, TEXT))] {
            proxy.weather(Weather { door, ..Weather::default() });
            proxy.sever(false);
            proxy.traffic().wait_for(|traffic| traffic.open == 0 || door == Door::Silent).await.unwrap();
            assert_eq!(ask(&gateway, &body).await, Outcome::Refused, "{door:?}");
            proxy.clear();
            assert_eq!(ask(&gateway, &body).await, Outcome::Same, "{door:?}");
        }
    }
    at_rest(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_in_any_way_ends_its_call_upstream() {
    let gateway = TestGateway::start().await;
    let mut calls = 0;
    for model in [CLAUDE, NOVA] {
        for how in [Leave::Close, Leave::Reset, Leave::HalfClose] {
            for (text, streams) in
                [("[[stall]]", false), ("[[stall]]", true), ("a b c [[stall after=1]]", true)]
            {
                let body = if streams { streamed(&chat(model, text)) } else { chat(model, text) };
                let sent = gateway.dispatch(Request::chat(&body)).await;
                calls += 1;
                gateway.seen(|seen| seen.requests == calls).await;
                let _half_open = if text.contains("after") {
                    let mut live = sent.head().await;
                    assert!(live.piece().await.is_some());
                    live.leave(how).await
                } else {
                    sent.leave(how).await
                };
                gateway.seen(|seen| seen.cancelled_requests + seen.cancelled_streams == calls).await;
            }
        }
    }
    at_rest(&gateway).await;
    let metrics = gateway.get("/metrics").await;
    for (when, times) in [("before_answer", 12), ("mid_answer", 6)] {
        let line = format!("outcrop_client_disconnects_total{{when=\"{when}\"}} {times}");
        assert!(metrics.text().contains(&line), "no {line} in {}", metrics.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_sees_that_its_connection_was_cut() {
    let gateway = TestGateway::start().await;
    let front = Proxy::start(gateway.address).await.unwrap();
    for body in [chat(CLAUDE, TEXT), streamed(&chat(NOVA, TEXT))] {
        front.clear();
        assert_eq!(judge(Request::chat(&body).send(front.address()).await, SAID), Outcome::Same);
        let tape = front.tape();
        let head = tape.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        for after in (head + 1..tape.len()).step_by(29).chain([tape.len() - 1]) {
            let (fault, happened) = (after as u64, front.traffic().borrow().faults);
            front.order(Fault { way: Way::Down, after: fault, deed: Deed::Close }, 1);
            let outcome = judge(Request::chat(&body).send(front.address()).await, SAID);
            // Of two answers one may be shorter by the digits of a time.
            let happened = front.traffic().borrow().faults > happened;
            let expected = if happened { Outcome::Cut } else { Outcome::Same };
            assert_eq!(outcome, expected, "after {after} of {}", tape.len());
            assert!(happened || after + 8 > tape.len(), "after {after} of {}", tape.len());
        }
    }
    drop(front);
    at_rest(&gateway).await;
}

/// As much as may be on its way: about 190 KiB of it are in the gateway's socket to the upstream, 190 in the client's (its
/// 128 KiB of answer, where half is framing), 80 in the gateway, 50 in the proxy.
const TAKEN: u64 = 768 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_nothing_stops_the_upstream() {
    let (gateway, proxy) = Setup::new().set("server.write_stall_timeout", "1").start_behind_proxy().await;
    for model in [CLAUDE, NOVA] {
        let before = proxy.traffic().borrow().down;
        let frames = if model == CLAUDE { claude_stream() } else { converse_stream() };
        // Sixteen megabytes and more, in deltas.
        let many = frames[..2].iter().chain(std::iter::repeat_n(&frames[2], 80_000)).cloned();
        gateway.script([Reply::stream(many)]);
        let live = gateway.open_stream(&chat(model, "hi")).await;
        assert_eq!(live.status, 200);
        // The write stall clock ends it; until then everything stands still.
        gateway.seen(|seen| seen.cancelled_streams > u64::from(model == NOVA)).await;
        let taken = proxy.traffic().borrow().down - before;
        assert!(taken < TAKEN, "{model}: {taken} bytes were read for nobody");
    }
    at_rest(&gateway).await;
}

/// One request, and what happens to it.
#[derive(Debug, Clone)]
struct Turn {
    model: &'static str,
    streams: bool,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Nothing,
    /// Between gateway and upstream, so many times.
    Upstream(Fault, u32),
    /// The upstream's own.
    Directive(&'static str),
    /// The client leaves once the upstream has been called.
    Leaves(Leave),
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let deed = prop_oneof![
        Just(Deed::Close),
        Just(Deed::Reset),
        Just(Deed::HalfClose),
        Just(Deed::Stall),
        (0_u8..8).prop_map(|bit| Deed::Flip(1 << bit)),
    ];
    // Not in the head: a status that was changed on the way may be any.
    let fault = (deed, 400_u64..2_000, 1_u32..4)
        .prop_map(|(deed, after, times)| What::Upstream(Fault { way: Way::Down, after, deed }, times));
    let directive = prop::sample::select(vec![
        "[[error:throttlingException]]",
        "[[error:internalServerException after=1]]",
        "[[fail-times:2 serviceUnavailableException]]",
        "[[cut after=0]]",
        "[[cut after=2]]",
        "[[reset after=1]]",
        "[[end after=2]]",
        "[[corrupt after=1]]",
        "[[unknown-event]]",
        "[[stall after=1]]",
    ]);
    let leave = prop::sample::select(vec![Leave::Close, Leave::Reset, Leave::HalfClose]);
    let what = prop_oneof![
        1 => Just(What::Nothing),
        4 => fault,
        3 => directive.prop_map(What::Directive),
        1 => leave.prop_map(What::Leaves),
    ];
    let turn = (prop::sample::select(vec![CLAUDE, NOVA]), any::<bool>(), what);
    prop::collection::vec(turn.prop_map(|(model, streams, what)| Turn { model, streams, what }), 1..8)
}

async fn play(gateway: &TestGateway, proxy: &Proxy, turn: &Turn) {
    let text = match &turn.what {
        What::Directive(directive) => format!("{TEXT} {directive}"),
        What::Leaves(_) => format!("{TEXT} [[stall after=1]]"),
        What::Nothing | What::Upstream(..) => TEXT.to_owned(),
    };
    let body = chat(turn.model, &text);
    let body = if turn.streams { streamed(&body) } else { body };
    proxy.clear();
    match &turn.what {
        What::Upstream(fault, times) => proxy.order(*fault, *times),
        What::Nothing | What::Directive(_) | What::Leaves(_) => {}
    }
    let calls = gateway.simulator.observed().requests;
    if let What::Leaves(how) = turn.what {
        let sent = gateway.dispatch(Request::chat(&body)).await;
        gateway.seen(|seen| seen.requests > calls).await;
        sent.leave(how).await;
        gateway.seen(|seen| seen.open_streams == 0).await;
        return;
    }
    let outcome = ask(gateway, &body).await;
    if matches!(turn.what, What::Nothing) {
        assert_eq!(outcome, Outcome::Same);
    }
    let calls = gateway.simulator.observed().requests - calls;
    assert!(calls <= 3, "{calls} attempts");
}

#[test]
fn whatever_happens_in_a_row_each_request_ends_once_and_nothing_is_held() {
    let runtime = Runtime::new().unwrap();
    let (gateway, proxy) = runtime.block_on(impatient().start_behind_proxy());
    let mut runner = TestRunner::new(ProptestConfig { cases: 24, ..ProptestConfig::default() });
    let outcome = runner.run(&turns(), |turns| {
        runtime.block_on(async {
            for turn in &turns {
                play(&gateway, &proxy, turn).await;
            }
            proxy.clear();
            at_rest(&gateway).await;
            gateway.seen(|seen| seen.open_streams == 0).await;
        });
        Ok(())
    });
    outcome.unwrap();
    runtime.block_on(async {
        drop(gateway);
    });
}
