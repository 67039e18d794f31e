//! Redirects: each hop by the rules of the first, and nothing of them told to the client.

use super::*;

fn moved(location: &str) -> Server {
    Server::Answers(
        format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n").into_bytes(),
    )
}

/// A server for each name; each on an address of its own.
fn chain(names: &[(&str, Server)]) -> Net {
    let mut net = Net::default();
    for (index, (name, server)) in names.iter().enumerate() {
        let address = format!("93.184.215.{}", index + 1);
        net = net.name(name, &[&[&address]]).server(&address, 80, server.clone());
    }
    net
}

#[tokio::test(start_paused = true)]
async fn three_redirects_are_followed_and_a_fourth_is_not() {
    let three = |last| {
        chain(&[
            ("one.example", moved("http://two.example/")),
            ("two.example", moved("//three.example/")),
            ("three.example", moved("http://four.example/x")),
            ("four.example", last),
            ("five.example", picture()),
        ])
    };
    let net = three(picture());
    fetch(&net, "http://one.example/").await.unwrap();
    assert_eq!(net.lookups(), ["one.example", "two.example", "three.example", "four.example"]);
    let net = three(moved("http://five.example/"));
    let error = fetch(&net, "http://one.example/").await.unwrap_err();
    assert_eq!((error, net.connects().len()), (Cause::Redirects.into(), 4));
}

#[tokio::test(start_paused = true)]
async fn every_status_that_redirects_does() {
    for status in [301, 302, 303, 307, 308] {
        let answer = format!("HTTP/1.1 {status} Moved\r\nlocation: http://two.example/\r\n\r\n").into_bytes();
        let net = chain(&[("one.example", Server::Answers(answer)), ("two.example", picture())]);
        fetch(&net, "http://one.example/").await.unwrap();
    }
    for status in [300, 304, 305, 306] {
        let answer = format!("HTTP/1.1 {status} Moved\r\nlocation: http://two.example/\r\n\r\n").into_bytes();
        let net = chain(&[("one.example", Server::Answers(answer)), ("two.example", picture())]);
        let error = fetch(&net, "http://one.example/").await.unwrap_err();
        assert_eq!((error, net.connects().len()), (Cause::Status.into(), 1), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_relative_redirect_stays_with_its_host() {
    let net = Net::alpha(moved("../b?c"));
    fetch(&net, "http://alpha.example.com/x/y/a").await.unwrap_err();
    assert!(net.requests()[1].starts_with("GET /x/b?c HTTP/1.1\r\nhost: alpha.example.com\r\n"));
}

/// What the client calls a file counts first; what the last server calls it still tells a CSV from a text.
#[tokio::test(start_paused = true)]
async fn a_file_keeps_its_first_name_and_may_get_its_format_from_the_last() {
    let csv = Server::Answers(ok("content-type: application/octet-stream\r\n", b"a,b\n1,2\n"));
    let net = chain(&[("one.example", moved("http://two.example/files/q3.csv")), ("two.example", csv)]);
    let fetcher = fetcher(&net, settings());
    let url = "http://one.example/download?id=7".to_owned();
    let file = fetcher.fetch(&url, Kind::File).await.unwrap();
    assert_eq!((file.format, file.name.as_deref()), (Format::Csv, Some("download")));
    let wanted = Wanted { url, kind: Kind::File, name: Some("notes.md".to_owned()) };
    let file = fetcher.fetch_all(vec![wanted]).await.unwrap().remove(0);
    assert_eq!((file.format, file.name.as_deref()), (Format::Md, Some("notes.md")));
}

#[tokio::test(start_paused = true)]
async fn no_redirect_leads_where_a_client_could_not() {
    for location in [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://[::1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://0/",
        "//10.0.0.1/",
        "http://inside.example/",
        "http://user:password@two.example/",
        "http://two.example:22/",
        "ftp://two.example/",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "gopher://two.example/",
        "http:\\\\two.example\\",
        "/\\two.example/",
        "http://two\t.example/",
        "http://",
        "http://two.example.:0x50/",
    ] {
        let net = chain(&[("one.example", moved(location)), ("two.example", picture())])
            .name("inside.example", &[&["10.0.0.1"]]);
        let error = fetch(&net, "http://one.example/").await.unwrap_err();
        assert!(matches!(error, FetchError::Unavailable(_)), "{location}: {error:?}");
        assert_eq!(net.connects(), ["93.184.215.1:80"], "{location}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_redirect_leaves_the_list_of_hosts_no_more_than_a_url() {
    let net = chain(&[("a.example.com", moved("http://example.org/")), ("example.org", picture())]);
    let listed = Settings { allow_hosts: vec![HostPattern::new("*.example.com")], ..settings() };
    let error = fetcher(&net, listed).fetch("http://a.example.com/", Kind::Image).await.unwrap_err();
    assert_eq!((error, net.connects().len()), (Cause::Redirect.into(), 1));
}

#[tokio::test(start_paused = true)]
async fn a_redirect_without_a_readable_location_leads_nowhere() {
    for location in [&b""[..], b"location: \xff\xfe\r\n"] {
        let answer = [b"HTTP/1.1 302 Found\r\n", location, b"content-length: 0\r\n\r\n"].concat();
        let error =
            fetch(&Net::alpha(Server::Answers(answer)), "http://alpha.example.com/").await.unwrap_err();
        assert_eq!(error, Cause::Broken.into());
    }
}

/// The name is looked up once for a connection, and what was checked is what is connected to.
#[tokio::test(start_paused = true)]
async fn a_name_that_changes_its_address_after_the_check_is_not_followed_inside() {
    let net = Net::default().name("rebind.example", &[&[ALPHA], &["127.0.0.1"]]).server(ALPHA, 80, picture());
    fetch(&net, "http://rebind.example/").await.unwrap();
    assert_eq!(net.lookups().len(), 1);
    assert_eq!(net.connects(), [format!("{ALPHA}:80")]);

    let net = Net::default()
        .name("rebind.example", &[&[ALPHA], &["127.0.0.1"]])
        .server(ALPHA, 80, moved("/again"))
        .server("127.0.0.1", 80, picture());
    let error = fetch(&net, "http://rebind.example/").await.unwrap_err();
    assert_eq!(error, Cause::Address.into());
    assert_eq!(net.connects(), [format!("{ALPHA}:80")]);
}
