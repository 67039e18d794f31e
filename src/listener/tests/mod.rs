//! Clocks on an in-memory stream under tokio's paused time; sockets, caps and shutdown on the loopback.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::stream;
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tower::service_fn;

use super::door::concerns_one_connection;
use super::*;

mod stalled;

type TestBody = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

fn whole(text: &'static str) -> Response<TestBody> {
    Response::new(Full::new(Bytes::from(text)).boxed_unsync())
}

fn streamed(chunks: impl futures_util::Stream<Item = Bytes> + Send + 'static) -> Response<TestBody> {
    use futures_util::StreamExt;
    let frames = chunks.map(|chunk| Ok(http_body::Frame::data(chunk)));
    Response::new(StreamBody::new(Box::pin(frames)).boxed_unsync())
}

async fn greet(_: Request<RequestBody>) -> Result<Response<TestBody>, Infallible> {
    Ok(whole("hello"))
}

/// Reads the body and says how that went.
async fn read_body(request: Request<RequestBody>) -> Result<Response<TestBody>, Infallible> {
    Ok(match request.into_body().collect().await {
        Ok(_) => whole("complete"),
        Err(BodyError::Idle) => whole("idle"),
        Err(BodyError::Slow) => whole("slow"),
        Err(BodyError::Broken(_)) => whole("broken"),
    })
}

/// Serves one in-memory connection; the handle gives why it closed.
fn converse<F, R>(handler: F, shutdown: &Shutdown) -> (DuplexStream, JoinHandle<Closed>)
where
    F: Fn(Request<RequestBody>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<Response<TestBody>, Infallible>> + Send + 'static,
{
    converse_among(&Stalled::default(), handler, shutdown)
}

/// The same, of a listener with other connections.
fn converse_among<F, R>(
    stalled: &Stalled,
    handler: F,
    shutdown: &Shutdown,
) -> (DuplexStream, JoinHandle<Closed>)
where
    F: Fn(Request<RequestBody>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<Response<TestBody>, Infallible>> + Send + 'static,
{
    let (client, server) = duplex(16 * 1024);
    let clock = SharedClock::new(Settings::default(), Instant::now());
    let server = connection::Timed::new(server, clock.clone(), stalled.clone());
    let serving = connection::converse(server, clock, service_fn(handler), shutdown.clone());
    (client, tokio::spawn(async move { serving.await.0 }))
}

async fn read_to_end(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Reads until what has come ends with `end`.
async fn read_until(stream: &mut (impl AsyncReadExt + Unpin), end: &str) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end.as_bytes()) {
        bytes.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_closes_at_the_idle_timeout() {
    let began = Instant::now();
    let (mut client, closed) = converse(greet, &Shutdown::new());
    assert_eq!(read_to_end(&mut client).await, "");
    assert_eq!(closed.await.unwrap(), Closed::Idle);
    assert_eq!(began.elapsed().as_secs(), 75);
}

#[tokio::test(start_paused = true)]
async fn half_a_head_is_answered_408_at_the_header_timeout_however_it_trickles() {
    let began = Instant::now();
    let (mut client, closed) = converse(greet, &Shutdown::new());
    for byte in b"GET / " {
        client.write_all(&[*byte]).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(read_to_end(&mut client).await.starts_with("HTTP/1.1 408 "));
    assert_eq!(closed.await.unwrap(), Closed::HeadTimeout);
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn half_a_later_head_has_no_more_time_than_half_a_first() {
    let (mut client, closed) = converse(greet, &Shutdown::new());
    client.write_all(GET).await.unwrap();
    read_until(&mut client, "hello").await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let began = Instant::now();
    client.write_all(b"GET / ").await.unwrap();
    assert!(read_to_end(&mut client).await.starts_with("HTTP/1.1 408 "));
    assert_eq!(closed.await.unwrap(), Closed::HeadTimeout);
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn an_idle_keep_alive_closes_at_the_idle_timeout_and_not_the_header_timeout() {
    let (mut client, closed) = converse(greet, &Shutdown::new());
    for _ in 0..2 {
        client.write_all(GET).await.unwrap();
        read_until(&mut client, "hello").await;
        tokio::time::sleep(Duration::from_secs(74)).await;
    }
    let began = Instant::now();
    assert_eq!(read_to_end(&mut client).await, "");
    assert_eq!(closed.await.unwrap(), Closed::Idle);
    assert_eq!(began.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_take_as_long_as_it_likes() {
    let slow = |_| async {
        tokio::time::sleep(Duration::from_mins(10)).await;
        Ok(whole("late"))
    };
    let (mut client, _closed) = converse(slow, &Shutdown::new());
    client.write_all(GET).await.unwrap();
    assert!(read_until(&mut client, "late").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_arriving_is_reported_to_its_reader() {
    let began = Instant::now();
    let (mut client, closed) = converse(read_body, &Shutdown::new());
    client.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n").await.unwrap();
    client.write_all(&[b'x'; 12 * 1024]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(9)).await;
    client.write_all(b"c").await.unwrap();
    let reply = read_until(&mut client, "idle").await;
    assert_eq!(began.elapsed().as_secs(), 19);
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    drop(client);
    assert_eq!(closed.await.unwrap(), Closed::Finished);
}

/// Sends pieces of a body, one a second, until there is an answer; how long that took.
async fn trickle(piece: &[u8], announced: usize) -> (String, u64) {
    let began = Instant::now();
    let (mut client, _closed) = converse(read_body, &Shutdown::new());
    let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {announced}\r\n\r\n");
    client.write_all(head.as_bytes()).await.unwrap();
    let (mut answers, mut rest) = tokio::io::split(&mut client);
    let sending = async {
        loop {
            rest.write_all(piece).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        reply = read_until(&mut answers, "slow") => (reply, began.elapsed().as_secs()),
        () = sending => panic!("it ends by an answer"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_below_a_kib_a_second_is_given_up() {
    // Never silent; and about 100 bytes have come when the first ten seconds are over.
    let (reply, seconds) = trickle(b"0123456789", 100_000).await;
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    assert_eq!(seconds, 10);
    // 512 bytes a second earn half a second each: twice ten seconds.
    assert_eq!(trickle(&[b'x'; 512], 100_000).await.1, 20);
}

#[tokio::test(start_paused = true)]
async fn no_body_may_take_longer_than_a_minute() {
    assert_eq!(trickle(&[b'x'; 4096], 1_000_000).await.1, 60);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_reading_is_cut_at_the_write_stall_timeout() {
    let began = Instant::now();
    let (mut client, closed) = converse(endless, &Shutdown::new());
    client.write_all(GET).await.unwrap();
    tokio::time::sleep(Duration::from_secs(20)).await;
    let mut some = vec![0; 32 * 1024];
    client.read_exact(&mut some).await.unwrap();
    assert_eq!(closed.await.unwrap(), Closed::WriteStalled);
    assert_eq!(began.elapsed().as_secs(), 50);
}

async fn endless(_: Request<RequestBody>) -> Result<Response<TestBody>, Infallible> {
    Ok(streamed(stream::repeat(Bytes::from_static(&[b'x'; 1024]))))
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_is_no_stall() {
    let quiet = |_| async {
        let chunks = stream::unfold(0, |n| async move {
            tokio::time::sleep(Duration::from_secs(100)).await;
            (n < 3).then_some((Bytes::from_static(b"tick"), n + 1))
        });
        Ok(streamed(chunks))
    };
    let (mut client, _closed) = converse(quiet, &Shutdown::new());
    client.write_all(GET).await.unwrap();
    let reply = read_until(&mut client, "\r\n0\r\n\r\n").await;
    assert_eq!(reply.matches("tick").count(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_early_answer_reaches_a_client_that_is_still_sending() {
    let refuse = |_| async { Ok(whole("too large")) };
    let (mut client, closed) = converse(refuse, &Shutdown::new());
    client.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n").await.unwrap();
    // Far more than all buffers on the way hold: this only ends if somebody reads it.
    client.write_all(&vec![b'x'; 500_000]).await.unwrap();
    assert!(read_to_end(&mut client).await.ends_with("too large"));
    drop(client);
    assert_eq!(closed.await.unwrap(), Closed::Finished);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_nobody_reads_is_not_asked_for() {
    let refuse = |_| async { Ok(whole("too large")) };
    let (mut client, _closed) = converse(refuse, &Shutdown::new());
    let head = b"POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n";
    client.write_all(head).await.unwrap();
    assert!(read_to_end(&mut client).await.starts_with("HTTP/1.1 200 "));
}

/// What two parsers could read in two ways. One answer and a close, so that nothing after it is taken for a request.
#[tokio::test(start_paused = true)]
async fn broken_framing_is_refused_once_and_closes() {
    let many_headers = "x: y\r\n".repeat(101);
    let long_head = format!("x: {}\r\n", "y".repeat(200 * 1024));
    let cases = [
        ("two lengths", "content-length: 1\r\ncontent-length: 2\r\n", "400"),
        ("signed length", "content-length: +3\r\n", "400"),
        ("unknown coding", "transfer-encoding: xchunked\r\n", "400"),
        ("chunked not last", "transfer-encoding: chunked, identity\r\n", "400"),
        ("space before colon", "content-length : 3\r\n", "400"),
        ("folded line", "x: a\r\n b\r\n", "400"),
        ("nul", "x: a\0b\r\n", "400"),
        ("too many headers", &many_headers, "431"),
        ("too long a head", &long_head, "431"),
        (
            "coding in HTTP/1.0's place",
            "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
            "400",
        ),
        ("negative length", "content-length: -1\r\n", "400"),
        ("list of lengths", "content-length: 3, 4\r\n", "400"),
        ("no colon", "x\r\n", "400"),
    ];
    for (name, headers, status) in cases {
        let (mut client, closed) = converse(read_body, &Shutdown::new());
        let smuggled = String::from_utf8_lossy(GET);
        let request = format!("POST / HTTP/1.1\r\nhost: a\r\n{headers}\r\nabc{smuggled}");
        // The server may close before it has read everything.
        let (mut answers, mut requests) = tokio::io::split(&mut client);
        let (_, reply) = tokio::join!(requests.write_all(request.as_bytes()), read_to_end(&mut answers));
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {reply}");
        assert_eq!(reply.matches("HTTP/1.1 ").count(), 1, "{name}: {reply}");
        assert_eq!(closed.await.unwrap(), Closed::Broken, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_length_beside_chunks_is_ignored_and_the_connection_closes() {
    let (mut client, _closed) = converse(read_body, &Shutdown::new());
    let head =
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    client.write_all(GET).await.unwrap();
    let reply = read_to_end(&mut client).await;
    assert_eq!(reply.matches("HTTP/1.1 ").count(), 1, "{reply}");
}

#[tokio::test(start_paused = true)]
async fn while_leaving_each_response_closes_its_connection() {
    let shutdown = Shutdown::new();
    let (mut client, closed) = converse(greet, &shutdown);
    client.write_all(GET).await.unwrap();
    assert!(!read_until(&mut client, "hello").await.contains("connection: close"));
    shutdown.leave();
    client.write_all(GET).await.unwrap();
    assert!(read_to_end(&mut client).await.contains("connection: close"));
    assert_eq!(closed.await.unwrap(), Closed::Finished);
}

#[tokio::test(start_paused = true)]
async fn draining_closes_an_idle_connection_at_once() {
    let shutdown = Shutdown::new();
    let (mut client, closed) = converse(greet, &shutdown);
    client.write_all(GET).await.unwrap();
    read_until(&mut client, "hello").await;
    let began = Instant::now();
    shutdown.drain();
    assert_eq!(read_to_end(&mut client).await, "");
    assert_eq!(closed.await.unwrap(), Closed::Finished);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

/// Counts what is open, and wakes whoever waits for a change.
#[derive(Default)]
struct Door {
    open: AtomicUsize,
    most: AtomicUsize,
    reasons: Mutex<Vec<Closed>>,
    changed: Notify,
}

impl Door {
    async fn until(&self, open: usize) {
        while self.open.load(Ordering::SeqCst) != open {
            self.changed.notified().await;
        }
    }
}

impl Observer for Door {
    fn opened(&self) {
        let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(open, Ordering::SeqCst);
        self.changed.notify_one();
    }

    fn closed(&self, why: Closed) {
        self.open.fetch_sub(1, Ordering::SeqCst);
        self.reasons.lock().unwrap().push(why);
        self.changed.notify_one();
    }
}

struct Server {
    address: SocketAddr,
    shutdown: Shutdown,
    door: Arc<Door>,
    serving: JoinHandle<()>,
}

impl Server {
    async fn start<F, R>(settings: Settings, handler: F) -> Self
    where
        F: Fn(Request<RequestBody>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Result<Response<TestBody>, Infallible>> + Send + 'static,
    {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), settings).await.unwrap();
        let address = listener.address();
        let shutdown = Shutdown::new();
        let door = Arc::new(Door::default());
        let observer: Arc<dyn Observer> = Arc::clone(&door) as Arc<dyn Observer>;
        let serving =
            tokio::spawn(listener.serve(service_fn(handler), shutdown.clone(), observer, Workers::here()));
        Self { address, shutdown, door, serving }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

#[tokio::test]
async fn an_axum_router_fits() {
    let router = axum::Router::new().route("/", axum::routing::get(|| async { "routed" }));
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), Settings::default()).await.unwrap();
    let address = listener.address();
    tokio::spawn(listener.serve(router, Shutdown::new(), Arc::new(()), Workers::here()));
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(GET).await.unwrap();
    assert!(read_until(&mut client, "routed").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn at_the_cap_a_connection_waits_for_one_that_has_a_request_under_way() {
    let settings = Settings { max_connections: 2, ..Settings::default() };
    let server = Server::start(settings, |_| pending()).await;
    let mut seated = Vec::new();
    for _ in 0..2 {
        let mut client = server.connect().await;
        client.write_all(GET).await.unwrap();
        seated.push(client);
        server.door.until(seated.len()).await;
    }
    let mut third = server.connect().await;
    third.write_all(GET).await.unwrap();
    seated.pop();
    while server.door.reasons.lock().unwrap().is_empty() {
        server.door.changed.notified().await;
    }
    server.door.until(2).await;
    assert_eq!(*server.door.reasons.lock().unwrap(), [Closed::Broken], "nobody made room");
    assert_eq!(server.door.most.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_crowd_that_says_nothing_makes_room_for_whoever_asks() {
    let settings = Settings { max_connections: 3, ..Settings::default() };
    let server = Server::start(settings, greet).await;
    let mut crowd = Vec::new();
    for open in 1..=3 {
        let mut silent = server.connect().await;
        silent.write_all(b"G").await.unwrap();
        crowd.push(silent);
        server.door.until(open).await;
    }
    for _ in 0..5 {
        let mut client = server.connect().await;
        client.write_all(GET).await.unwrap();
        read_until(&mut client, "hello").await;
    }
    assert_eq!(read_to_end(&mut crowd[0]).await, "", "closed without a word");
    assert!(server.door.reasons.lock().unwrap().contains(&Closed::Evicted));
    assert_eq!(server.door.most.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn an_address_has_a_bound_of_its_own_and_its_requests_under_way_are_kept() {
    let settings = Settings { max_per_address: 1, ..Settings::default() };
    let server = Server::start(settings, |_| pending()).await;
    let mut first = server.connect().await;
    server.door.until(1).await;
    let mut second = server.connect().await;
    assert_eq!(read_to_end(&mut first).await, "", "it has asked nothing");
    second.write_all(GET).await.unwrap();
    server.door.until(1).await;
    // Nobody waits for a place of an address that has its share.
    loop {
        let mut third = server.connect().await;
        let mut scrap = [0; 1];
        if matches!(third.read(&mut scrap).await, Ok(0) | Err(_)) {
            break;
        }
    }
    drop(second);
}

#[tokio::test]
async fn a_stream_in_flight_outlives_the_drain_and_then_serve_returns() {
    let (more, chunks) = tokio::sync::mpsc::channel::<Bytes>(1);
    let chunks = Arc::new(Mutex::new(Some(chunks)));
    let handler = move |_| {
        let chunks = chunks.lock().unwrap().take().unwrap();
        async { Ok(streamed(stream::unfold(chunks, |mut c| async { Some((c.recv().await?, c)) }))) }
    };
    let server = Server::start(Settings::default(), handler).await;
    let mut client = server.connect().await;
    client.write_all(GET).await.unwrap();
    more.send("first".into()).await.unwrap();
    read_until(&mut client, "first\r\n").await;

    server.shutdown.drain();
    // The listening socket is gone as soon as the drain has been noticed.
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!server.serving.is_finished());
    more.send("second".into()).await.unwrap();
    drop(more);

    assert!(read_to_end(&mut client).await.ends_with("second\r\n0\r\n\r\n"));
    server.serving.await.unwrap();
    assert_eq!(*server.door.reasons.lock().unwrap(), [Closed::Finished]);
}

#[tokio::test]
async fn force_ends_what_will_not_end() {
    let server = Server::start(Settings::default(), |_| pending()).await;
    let mut client = server.connect().await;
    client.write_all(GET).await.unwrap();
    server.door.changed.notified().await;
    server.shutdown.force();
    server.serving.await.unwrap();
    assert_eq!(*server.door.reasons.lock().unwrap(), [Closed::Aborted]);
    assert_eq!(server.door.open.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_stalled_reader_is_reset_on_a_real_socket() {
    let settings = Settings { write_stall_timeout: Duration::from_millis(50), ..Settings::default() };
    let server = Server::start(settings, endless).await;
    let mut client = server.connect().await;
    client.write_all(GET).await.unwrap();
    while server.door.reasons.lock().unwrap().is_empty() {
        server.door.changed.notified().await;
    }
    assert_eq!(*server.door.reasons.lock().unwrap(), [Closed::WriteStalled]);
    let error = client.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

/// Tells when it is dropped.
struct Tell(Option<oneshot::Sender<()>>);

impl Drop for Tell {
    fn drop(&mut self) {
        self.0.take().unwrap().send(()).unwrap();
    }
}

#[tokio::test]
async fn a_client_that_leaves_takes_the_response_body_with_it() {
    let (gone, dropped) = oneshot::channel();
    let tell = Arc::new(Mutex::new(Some(Tell(Some(gone)))));
    let handler = move |_| {
        let tell = tell.lock().unwrap().take().unwrap();
        async {
            let chunks = stream::unfold((tell, false), |(tell, told)| async move {
                if told {
                    pending::<()>().await;
                }
                Some((Bytes::from_static(b"first"), (tell, true)))
            });
            Ok(streamed(chunks))
        }
    };
    let server = Server::start(Settings::default(), handler).await;
    let mut client = server.connect().await;
    client.write_all(GET).await.unwrap();
    read_until(&mut client, "first\r\n").await;
    drop(client);
    dropped.await.unwrap();
}

#[tokio::test]
async fn a_client_that_leaves_takes_the_handler_with_it() {
    let (gone, dropped) = oneshot::channel();
    let (called, begun) = oneshot::channel();
    let once = Arc::new(Mutex::new(Some((Tell(Some(gone)), called))));
    let handler = move |_| {
        let (tell, called) = once.lock().unwrap().take().unwrap();
        async move {
            let _tell = tell;
            called.send(()).unwrap();
            pending().await
        }
    };
    let server = Server::start(Settings::default(), handler).await;
    let mut client = server.connect().await;
    client.write_all(GET).await.unwrap();
    begun.await.unwrap();
    drop(client);
    dropped.await.unwrap();
}

#[test]
fn only_errors_of_one_connection_are_retried_at_once() {
    assert!(concerns_one_connection(&io::Error::from(io::ErrorKind::ConnectionAborted)));
    let too_many_open_files = io::Error::from_raw_os_error(24);
    assert!(!concerns_one_connection(&too_many_open_files));
}
