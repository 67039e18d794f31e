//! A panic hurts its own request and nobody else's, wherever it happens. The upstream is a transport that panics: no other
//! part can be made to.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream;
use outcrop::bedrock::{
    BedrockError, ControlPlane, ErrorKind, FrameStream, Invocation, Reply, ReplyHead, Streamed, Transport,
};
use outcrop::chat::CacheMode;
use outcrop::gateway::{
    Asking, Bounds, BudgetPolicy, Deadlines, DefaultModel, Directory, Folding, Gateway, Listing, Policy,
    ProfileChoice, RetryPolicy, Routes, Rules, UpstreamPolicy,
};
use outcrop::http::{self, Edge, Health, Hosts, Process};
use outcrop::limits::{KeyLimits, Limits, Settings};
use outcrop::listener::{self, Listener, Shutdown, Workers};
use outcrop::simulator::Frame;
use outcrop::telemetry::Metrics;
use serde_json::json;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use crate::support::{Ending, NOVA, Request, Transcript, chat, streamed};

/// Answers `hi`, unless the prompt says where to panic.
struct Panicking;

impl Panicking {
    fn says(call: &Invocation, what: &str) -> bool {
        String::from_utf8_lossy(&call.body).contains(what)
    }
}

impl Transport for Panicking {
    fn invoke(&self, call: Invocation) -> BoxFuture<'_, Result<Reply, BedrockError>> {
        Box::pin(async move {
            assert!(!Self::says(&call, "in the call"), "{:?}", call.body);
            let body = json!({
                "output": {"message": {"role": "assistant", "content": [{"text": "hi"}]}},
                "stopReason": "end_turn",
                "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
            });
            Ok(Reply { head: ReplyHead::default(), body: Bytes::from(body.to_string()) })
        })
    }

    fn invoke_stream(&self, call: Invocation) -> BoxFuture<'_, Result<Streamed, BedrockError>> {
        Box::pin(async move {
            assert!(!Self::says(&call, "in the call"), "{:?}", call.body);
            let delta = json!({"contentBlockIndex": 0, "delta": {"text": "hi"}});
            let frames = [
                Frame::event("messageStart", &json!({"role": "assistant"})),
                Frame::event("contentBlockDelta", &delta),
                Frame::event("contentBlockStop", &json!({"contentBlockIndex": 0})),
                Frame::event("messageStop", &json!({"stopReason": "end_turn"})),
                Frame::event(
                    "metadata",
                    &json!({"usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}}),
                ),
            ];
            let panics = if Self::says(&call, "before the first event") {
                0
            } else if Self::says(&call, "in the stream") {
                2
            } else {
                frames.len()
            };
            let bytes = stream::iter(frames.into_iter().enumerate().map(move |(index, frame)| {
                assert!(index < panics, "the model's words: secret");
                Ok(frame.bytes())
            }));
            Ok(Streamed { head: ReplyHead::default(), frames: FrameStream::new(Box::pin(bytes)) })
        })
    }
}

impl ControlPlane for Panicking {
    fn read<'a>(&'a self, _: Option<&'a str>, _: &'a str) -> BoxFuture<'a, Result<Reply, BedrockError>> {
        Box::pin(async { Err(BedrockError::new(ErrorKind::AccessDenied, "nobody is asked here")) })
    }
}

struct Server {
    address: SocketAddr,
    metrics: Arc<Metrics>,
}

impl Server {
    async fn start() -> Self {
        let metrics = Arc::new(Metrics::new("test", "test"));
        let asking =
            Asking { interval: None, lookup_wait: Duration::ZERO, regions: vec!["us-east-1".into()] };
        let rules = Rules {
            strict: false,
            cache: CacheMode::Conversations,
            guardrail: None,
            profiles: ProfileChoice::Off,
            warn_legacy: false,
            successors: HashMap::new(),
            accounts: None,
        };
        let routes = Routes::new(
            HashMap::new(),
            DefaultModel::Configured(NOVA.to_owned()),
            "us-east-1".to_owned(),
            HashMap::from([((None, "us-east-1".to_owned()), Arc::new(Panicking) as Arc<dyn Transport>)]),
            rules,
            Arc::new(Directory::new(Arc::new(Panicking), asking)),
        );
        let minute = Duration::from_mins(1);
        let gateway = Gateway::new(
            routes,
            Listing { shows: Box::new(|_| true), catalogue: true, retired: false },
            Policy {
                deadlines: Deadlines { total: minute, first_event: minute, idle: minute },
                retry: RetryPolicy {
                    max_attempts: 1,
                    base_delay: Duration::ZERO,
                    max_delay: Duration::ZERO,
                    max_retry_after: Duration::ZERO,
                    max_fallbacks: 0,
                },
                upstream: UpstreamPolicy {
                    shared: false,
                    breaker: None,
                    budget: BudgetPolicy { share: 0.0, min_per_second: 1 },
                },
                bounds: Bounds { choices: 1, embedding_calls: 1 },
                folding: Folding::Never,
            },
            None,
            Arc::clone(&metrics),
        );
        // A permit that isn't given back would be missed soon.
        let settings = Settings {
            concurrency: Some(2),
            queue_length: 0,
            queue_wait: Duration::ZERO,
            body_bytes: Some(4 << 20),
            turns: 2,
        };
        let edge = Arc::new(Edge {
            generation: 1,
            gateway,
            keys: None,
            admission: Limits::new(&settings, KeyLimits::default(), Vec::new(), Instant::now()),
            limits: http::Limits { body: 1 << 20, keep_alive: None, drain: None },
            cors: None,
            hosts: Hosts::default(),
            process: Process {
                metrics: Arc::clone(&metrics),
                health: Arc::new(Health::new(false, std::iter::empty())),
                shutdown: Shutdown::new(),
                apart: Handle::current(),
                departed: TaskTracker::new(),
            },
        });
        let listener =
            Listener::bind(([127, 0, 0, 1], 0).into(), listener::Settings::default()).await.unwrap();
        let address = listener.address();
        let service = http::public(&edge, false);
        tokio::spawn(listener.serve(service, edge.shutdown.clone(), Arc::new(()), Workers::here()));
        Self { address, metrics }
    }

    #[track_caller]
    fn counts(&self, line: &str) {
        let text = self.metrics.render();
        assert!(text.lines().any(|known| known == line), "no {line} in\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_panics_hurt_a_thousand_requests_and_no_more() {
    let server = Server::start().await;
    // The third is long enough to be worked on by another thread.
    let long = format!("in the call {}", "x".repeat(300_000));
    for text in ["in the call", "before the first event", &long, "in the call"].into_iter().cycle().take(500)
    {
        let body =
            if text == "before the first event" { streamed(&chat(NOVA, text)) } else { chat(NOVA, text) };
        let answer = Request::chat(&body).send(server.address).await;
        assert_eq!(answer.verdict(), (500, "server_error".to_owned(), None));
        assert!(!answer.text().contains("panic"), "{}", answer.text());
    }
    for _ in 0..500 {
        let live = Request::chat(&streamed(&chat(NOVA, "in the stream"))).open(server.address).await;
        let transcript = Transcript::read(live).await;
        assert_eq!(transcript.text(), "hi", "what came before it has come");
        let error = transcript.assert_broken(false);
        assert_eq!((&error["type"], &error["code"]), (&json!("server_error"), &json!(null)));
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    Request::chat(&chat(NOVA, "hi")).send(server.address).await.completion();
    Transcript::read(Request::chat(&streamed(&chat(NOVA, "hi"))).open(server.address).await)
        .await
        .assert_complete(false);
    server.counts("outcrop_errors_total{kind=\"bug\"} 1000");
    server.counts("outcrop_calls_in_flight 0");
    server.counts("outcrop_streams_in_flight 0");
    server.counts("outcrop_http_requests_in_flight 0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_outlives_a_panic() {
    let server = Server::start().await;
    let live = Request::chat(&streamed(&chat(NOVA, "in the stream"))).open(server.address).await;
    assert_eq!(live.header("connection"), None);
    assert_eq!(live.rest().await.ending, Ending::Whole);
}
