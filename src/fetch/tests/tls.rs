//! Whom TLS takes for whom.

use super::certificate::{roots, server};
use super::*;

const OURS: u8 = 7;
const THEIRS: u8 = 70;

async fn secure(net: Net, url: &str) -> Result<Fetched, FetchError> {
    let settings = Settings { http: false, ..settings() };
    let fetcher = Fetcher::with(settings, metrics(), Box::new(net), roots(OURS)).unwrap();
    fetcher.fetch(url, Kind::Image).await
}

fn alpha(tls: TlsAcceptor) -> Net {
    let server = Server::Secure(tls, Box::new(picture()));
    Net::default().name("alpha.example.com", &[&[ALPHA]]).server(ALPHA, 443, server)
}

#[tokio::test(start_paused = true)]
async fn a_server_with_the_right_certificate_is_believed() {
    let net = alpha(server(OURS, "alpha.example.com"));
    secure(net.clone(), "https://alpha.example.com/a.png").await.unwrap();
    secure(net.clone(), "https://ALPHA.example.com.:443/a.png").await.unwrap();
    for request in net.requests() {
        assert!(request.contains("\r\nhost: alpha.example.com\r\n"), "{request}");
    }
    secure(alpha(server(OURS, ALPHA)), &format!("https://{ALPHA}/a.png")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn no_other_is() {
    for other in [server(OURS, "beta.example.com"), server(OURS, ALPHA), server(THEIRS, "alpha.example.com")]
    {
        let net = alpha(other);
        let error = secure(net.clone(), "https://alpha.example.com/").await.unwrap_err();
        assert_eq!(error, Cause::Tls.into());
        assert!(net.requests().is_empty());
    }
    let plain = Net::alpha(picture()).server(ALPHA, 443, Server::Greets(b"HTTP/1.1 200 OK\r\n\r\n"));
    assert_eq!(secure(plain, "https://alpha.example.com/").await.unwrap_err(), Cause::Tls.into());
}

#[tokio::test(start_paused = true)]
async fn from_https_nothing_leads_to_http() {
    let moved =
        |to: &str| Server::Answers(format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\n\r\n").into_bytes());
    let to_plain =
        Server::Secure(server(OURS, "alpha.example.com"), Box::new(moved("http://alpha.example.com/")));
    let net = Net::alpha(picture()).server(ALPHA, 443, to_plain);
    let fetcher = Fetcher::with(settings(), metrics(), Box::new(net.clone()), roots(OURS)).unwrap();
    let error = fetcher.fetch("https://alpha.example.com/", Kind::Image).await.unwrap_err();
    assert_eq!((error, net.connects()), (Cause::Redirect.into(), vec![format!("{ALPHA}:443")]));

    let net = alpha(server(OURS, "alpha.example.com")).server(ALPHA, 80, moved("https://alpha.example.com/"));
    let fetcher = Fetcher::with(settings(), metrics(), Box::new(net), roots(OURS)).unwrap();
    fetcher.fetch("http://alpha.example.com/", Kind::Image).await.unwrap();
}
