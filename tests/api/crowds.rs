//! More connections than there are places.

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::{CLAUDE, Request, Sent, Setup, TestGateway, chat};

async fn with_three_places() -> TestGateway {
    Setup::new().set("server.max_connections", "3").set("server.admin", "127.0.0.1:0").start().await
}

/// Asked of the operators' listener, whose own connections don't count.
async fn until(gateway: &TestGateway, line: &str) {
    while !Request::get("/metrics").send(gateway.admin.unwrap()).await.text().contains(line) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_that_say_nothing_keep_neither_probes_nor_clients_out() {
    let gateway = with_three_places().await;
    let mut crowd = Vec::new();
    for _ in 0..3 {
        let mut silent = TcpStream::connect(gateway.address).await.unwrap();
        silent.write_all(b"G").await.unwrap();
        crowd.push(silent);
    }
    until(&gateway, "outcrop_connections_open 3\n").await;
    assert_eq!(gateway.get("/livez").await.status, 200);
    gateway.chat(&chat(CLAUDE, "hi")).await.completion();
    until(&gateway, "outcrop_connections_closed_total{reason=\"evicted\"}").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_under_way_keep_their_places_and_operators_have_their_own() {
    let gateway = with_three_places().await;
    let mut under_way = Vec::new();
    for _ in 0..3 {
        let waiting = Request::chat(&chat(CLAUDE, "hi")).withholding(1);
        under_way.push(Sent::send(&waiting, gateway.address).await);
    }
    // And the one that asks.
    until(&gateway, "outcrop_http_requests_in_flight 4\n").await;
    let fourth = tokio::spawn({
        let address = gateway.address;
        async move { Request::get("/livez").send(address).await.status }
    });
    let admin = gateway.admin.unwrap();
    assert_eq!(Request::get("/livez").send(admin).await.status, 200);
    assert!(!Request::get("/metrics").send(admin).await.text().contains("evicted"));
    drop(under_way.pop());
    assert_eq!(fourth.await.unwrap(), 200, "and whoever waits gets the place that comes free");
}
