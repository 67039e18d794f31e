//! What a client learns from a failure: no more than it could know without us.

use super::*;

/// Text and time of a failure.
async fn told(net: &Net, url: &str) -> (String, Duration) {
    let begun = Instant::now();
    let error = fetch(net, url).await.unwrap_err();
    (error.to_string(), begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn the_network_cannot_be_mapped_by_text_or_time() {
    let answers = |answer: &str| Server::Answers(answer.as_bytes().to_vec());
    let net = Net::default()
        .name("inside.example", &[&["10.0.0.1"]])
        .name("both.example", &[&[ALPHA, "10.0.0.1"]])
        .name("closed.example", &[&["93.184.215.99"]])
        .name("empty.example", &[&[]])
        .name("missing.example", &[&["93.184.215.1"]])
        .server("93.184.215.1", 80, answers("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"))
        .name("no-http.example", &[&["93.184.215.2"]])
        .server("93.184.215.2", 80, Server::Greets(b"SSH-2.0-OpenSSH_9.2\r\n"))
        .server("93.184.215.2", 443, Server::Greets(b"SSH-2.0-OpenSSH_9.2\r\n"))
        .name("resets.example", &[&["93.184.215.3"]])
        .server("93.184.215.3", 80, answers(""))
        .name("cut.example", &[&["93.184.215.4"]])
        .server("93.184.215.4", 80, answers("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nGIF"))
        .name("moved.example", &[&["93.184.215.5"]])
        .server("93.184.215.5", 80, answers("HTTP/1.1 302 Found\r\nlocation: http://10.0.0.1/\r\n\r\n"));
    let one = ("the URL could not be fetched".to_owned(), Duration::from_secs(1));
    for url in [
        "http://10.0.0.1/",
        "http://[fd00:ec2::254]/",
        "http://inside.example/",
        "http://both.example/",
        "http://closed.example/",
        "http://empty.example/",
        "http://nowhere.example/",
        "http://missing.example/",
        "http://no-http.example/",
        "https://no-http.example/",
        "http://resets.example/",
        "http://cut.example/",
        "http://moved.example/",
    ] {
        assert_eq!(told(&net, url).await, one, "{url}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_counted_by_its_cause() {
    let net = Net::alpha(Server::Answers(b"HTTP/1.1 403 No\r\n\r\n".to_vec()))
        .name("inside.example", &[&["10.0.0.1"]])
        .name("closed.example", &[&[ALPHA]]);
    let fetcher = fetcher(&net, settings());
    for (url, outcome) in [
        ("http://alpha.example.com/", "status"),
        ("http://inside.example/", "refused_address"),
        ("http://nowhere.example/", "unresolved"),
        ("https://closed.example/", "unconnected"),
        ("gopher://closed.example/", "refused_url"),
    ] {
        fetcher.fetch(url, Kind::Image).await.unwrap_err();
        assert_counted(&fetcher, outcome, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn one_inside_address_spoils_a_name() {
    for answer in [&[ALPHA, "127.0.0.1"][..], &["::1", ALPHA], &[ALPHA, BETA, "64:ff9b::a00:1"]] {
        let net = Net::default().name("both.example", &[answer]).server(ALPHA, 80, picture());
        assert_eq!(fetch(&net, "http://both.example/").await.unwrap_err(), Cause::Address.into());
        assert!(net.connects().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_url_alone_tells_is_said_at_once() {
    let listed = Settings { http: false, allow_hosts: vec![HostPattern::new("a.example")], ..settings() };
    let net = Net::default();
    let fetcher = fetcher(&net, listed);
    let begun = Instant::now();
    for (url, why) in [
        ("cat.png", Refusal::Malformed),
        ("http://a.example/", Refusal::Scheme),
        ("https://user@a.example/", Refusal::Userinfo),
        ("https://:pw@a.example/", Refusal::Userinfo),
        ("https://a.example:80/", Refusal::Port),
        ("https://b.example/", Refusal::Host),
        ("https://a.example\\@b.example/", Refusal::Malformed),
    ] {
        assert_eq!(fetcher.fetch(url, Kind::Image).await.unwrap_err(), FetchError::Refused(why), "{url}");
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert!(net.lookups().is_empty());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_unpacked() {
    let packed = ok("content-encoding: gzip\r\n", PNG);
    let error = fetch(&Net::alpha(Server::Answers(packed)), "http://alpha.example.com/").await.unwrap_err();
    assert_eq!(error, Cause::Encoded.into());
    let plain = ok("content-encoding: Identity\r\n", PNG);
    assert!(fetch(&Net::alpha(Server::Answers(plain)), "http://alpha.example.com/").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn only_pictures_are_pictures() {
    for body in [&b""[..], b"GIF", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7 and so on"] {
        let net = Net::alpha(Server::Answers(ok("content-type: image/png\r\n", body)));
        let error = fetch(&net, "http://alpha.example.com/a.png").await.unwrap_err();
        assert_eq!(error, FetchError::WrongKind(Kind::Image));
    }
}
