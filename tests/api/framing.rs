//! How requests are cut from a connection, and what is turned away there. The listener's own tests have the clocks.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{CLAUDE, Request, Setup, TestGateway, chat};

/// Sends bytes as they are and reads until the gateway closes.
async fn raw(gateway: &TestGateway, bytes: &str) -> String {
    let mut socket = TcpStream::connect(gateway.address).await.unwrap();
    socket.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_mins(1), socket.read_to_end(&mut answer));
    // A close may be a reset, after bytes that nobody wanted.
    let _closed = read.await.expect("the connection stays open");
    String::from_utf8(answer).unwrap()
}

/// What an intermediary could read in another way than we do: one answer, and the connection closes, so that nothing behind
/// it is ever taken for a request.
#[tokio::test(flavor = "multi_thread")]
async fn what_could_be_read_in_two_ways_is_answered_once_and_closed() {
    let gateway = TestGateway::start().await;
    let post = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n";
    let cases = [
        ("CONNECT", "CONNECT a:443 HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(), 400),
        ("absolute form", "GET http://b/livez HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(), 400),
        ("two hosts", "GET /livez HTTP/1.1\r\nhost: localhost\r\nhost: b\r\n\r\n".to_owned(), 400),
        ("no host", "GET /livez HTTP/1.1\r\n\r\n".to_owned(), 400),
        (
            "long header",
            format!("GET /livez HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "y".repeat(17_000)),
            431,
        ),
        ("two lengths", format!("{post}content-length: 1\r\ncontent-length: 2\r\n\r\nab"), 400),
        ("signed length", format!("{post}content-length: +1\r\n\r\na"), 400),
        ("compressed chunks", format!("{post}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), 501),
        (
            "long head",
            {
                let line = |name: &str| format!("{name}: {}\r\n", "y".repeat(14_000));
                let lines: String = ["a", "b", "c", "d", "e"].into_iter().map(line).collect();
                format!("GET /livez HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n")
            },
            431,
        ),
        ("other coding", format!("{post}transfer-encoding: xchunked\r\n\r\n"), 400),
        ("coding after chunked", format!("{post}transfer-encoding: chunked, identity\r\n\r\n"), 400),
        ("chunks in HTTP/1.0", "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".into(), 400),
        ("space before colon", format!("{post}content-length : 1\r\n\r\na"), 400),
        ("folded line", format!("{post}x: a\r\n b\r\n\r\n"), 400),
        (
            "length and chunks",
            format!("{post}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
            400,
        ),
        ("wrong chunk size", format!("{post}transfer-encoding: chunked\r\n\r\n-1\r\n\r\n"), 400),
        ("no request", "\x16\x03\x01\x02\x00\x01".to_owned(), 400),
    ];
    for (name, bytes, status) in cases {
        let smuggled = "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";
        let answer = raw(&gateway, &format!("{bytes}{smuggled}")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{name}: {answer}");
    }
    assert!(gateway.calls().is_empty());
}

/// RFC 9110, 7.8: a server may ignore it. Java's own client offers h2c with every request without TLS.
#[tokio::test(flavor = "multi_thread")]
async fn an_offer_to_upgrade_changes_nothing() {
    let gateway = TestGateway::start().await;
    let offer =
        "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n";
    let last = "GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let answer = raw(&gateway, &format!("GET /livez HTTP/1.1\r\nhost: localhost\r\n{offer}\r\n{last}")).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 2, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_trickles_is_a_timeout() {
    let gateway = Setup::new().set("server.body_total_timeout", "0.05").start().await;
    let answer = gateway.send(Request::chat(&chat(CLAUDE, "hi")).withholding(1)).await;
    assert_eq!(answer.verdict().0, 408);
    assert!(answer.text().contains("too slowly"), "{}", answer.text());
    assert_eq!(answer.header("connection"), Some("close"));
}
