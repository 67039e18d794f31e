//! Size, time, number. The clock is tokio's, paused: it moves when nothing else can.

use super::*;

/// A picture of so many bytes.
fn sized(bytes: usize) -> Vec<u8> {
    let mut picture = PNG.to_vec();
    picture.resize(bytes, b'.');
    picture
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let mut answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.chunks(300) {
        answer.extend(format!("{:x}\r\n", chunk.len()).bytes());
        answer.extend(chunk);
        answer.extend(b"\r\n");
    }
    answer.extend(b"0\r\n\r\n");
    answer
}

const URL: &str = "http://alpha.example.com/";

fn wanted(urls: usize) -> Vec<Wanted> {
    (0..urls).map(|_| Wanted { url: URL.to_owned(), kind: Kind::Image, name: None }).collect()
}

#[tokio::test(start_paused = true)]
async fn a_file_may_be_as_large_as_allowed_and_not_a_byte_larger() {
    for (answer, fits) in [
        (ok("", &sized(1000)), true),
        (ok("", &sized(1001)), false),
        (chunked(&sized(1000)), true),
        (chunked(&sized(1001)), false),
    ] {
        let fetched = fetch(&Net::alpha(Server::Answers(answer)), URL).await;
        match fetched {
            Ok(Fetched { base64, .. }) => assert!(fits && base64.len() == 1336),
            Err(error) => assert!(!fits && error == FetchError::TooLarge { max: 1000 }, "{error:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_announced_size_is_refused_before_a_byte_of_it() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n".to_vec();
    let begun = Instant::now();
    let error =
        fetch(&Net::alpha(Server::Drips(head, Vec::new(), Duration::from_mins(1))), URL).await.unwrap_err();
    assert_eq!((error, begun.elapsed()), (FetchError::TooLarge { max: 1000 }, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn an_endless_body_ends_at_the_bound() {
    let head = [&b"HTTP/1.1 200 OK\r\n\r\n"[..], PNG].concat();
    let error = fetch(&Net::alpha(Server::Drips(head, vec![0; 100], Duration::from_millis(1))), URL).await;
    assert_eq!(error.unwrap_err(), FetchError::TooLarge { max: 1000 });
}

#[tokio::test(start_paused = true)]
async fn what_is_no_picture_is_given_up_after_its_first_bytes() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n\r\n<!DOCTYPE html>".to_vec();
    let begun = Instant::now();
    let error =
        fetch(&Net::alpha(Server::Drips(head, Vec::new(), Duration::from_mins(1))), URL).await.unwrap_err();
    assert_eq!((error, begun.elapsed()), (FetchError::WrongKind(Kind::Image), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn five_seconds_are_for_all_of_it() {
    let drip = [&b"HTTP/1.1 200 OK\r\n\r\n"[..], PNG].concat();
    let second = Duration::from_secs(1);
    for server in [
        Server::Silent,
        Server::Drips(b"HTTP/1.1 200 OK\r\nx: ".to_vec(), b".".to_vec(), second),
        Server::Drips(drip, b".".to_vec(), second),
    ] {
        let begun = Instant::now();
        let fetcher = fetcher(&Net::alpha(server), settings());
        assert_eq!(fetcher.fetch(URL, Kind::Image).await.unwrap_err(), Cause::TimedOut.into());
        assert_eq!(begun.elapsed(), 5 * second);
        assert_counted(&fetcher, "timed_out", 1);
    }
}

#[tokio::test(start_paused = true)]
async fn redirects_share_the_time_of_their_url() {
    let head = b"HTTP/1.1 302 Found\r\nlocation: /\r\n".to_vec();
    let begun = Instant::now();
    let net = Net::alpha(Server::Drips(head, b"x: y\r\n".to_vec(), Duration::from_secs(2)));
    assert_eq!(fetch(&net, URL).await.unwrap_err(), Cause::TimedOut.into());
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn an_address_that_does_not_answer_leaves_time_for_the_next() {
    let net = Net::default()
        .name("alpha.example.com", &[&[BETA, ALPHA]])
        .server(BETA, 80, Server::Filtered)
        .server(ALPHA, 80, picture());
    fetch(&net, URL).await.unwrap();
    assert_eq!(net.connects(), [format!("[{BETA}]:80"), format!("{ALPHA}:80")]);
}

#[tokio::test(start_paused = true)]
async fn two_at_once_for_a_request_and_in_their_order() {
    let net = Net::alpha(picture());
    let one_of_all = Arc::new(fetcher(&net, settings()));
    // On whichever thread: that is where requests are served.
    let fetched = tokio::spawn(async move { one_of_all.fetch_all(wanted(4)).await }).await.unwrap().unwrap();
    assert_eq!((fetched.len(), net.most_open()), (4, 2));

    let mut mixed = wanted(3);
    mixed[1] = Wanted { url: "http://beta.example.com/b.png".to_owned(), kind: Kind::Image, name: None };
    let net = net.name("beta.example.com", &[&[BETA]]).server(BETA, 80, picture());
    let names: Vec<_> = fetcher(&net, settings()).fetch_all(mixed).await.unwrap();
    let names: Vec<_> = names.iter().map(|fetched| fetched.name.as_deref()).collect();
    assert_eq!(names, [None, Some("b.png"), None]);
}

#[tokio::test(start_paused = true)]
async fn the_first_failure_ends_a_request_and_says_which_it_was() {
    let net = Net::alpha(picture());
    let mut urls = wanted(4);
    urls[1].url = "http://nowhere.example.com/".to_owned();
    let error = fetcher(&net, settings()).fetch_all(urls).await.unwrap_err();
    assert_eq!(error, (1, Cause::Unresolved.into()));
}

#[tokio::test(start_paused = true)]
async fn so_many_files_and_so_many_bytes_are_for_one_request() {
    let net = Net::alpha(Server::Answers(ok("", &sized(900))));
    let fetcher = fetcher(&net, settings());
    assert_eq!(fetcher.fetch_all(wanted(5)).await.unwrap_err(), (4, FetchError::TooMany { max: 4 }));
    assert!(net.connects().is_empty());
    assert!(fetcher.fetch_all(wanted(2)).await.is_ok());
    let (_, error) = fetcher.fetch_all(wanted(3)).await.unwrap_err();
    assert_eq!(error, FetchError::TooLarge { max: 2000 });
}

#[tokio::test(start_paused = true)]
async fn the_process_has_a_bound_of_its_own() {
    let net = Net::alpha(Server::Silent);
    let fetcher = fetcher(&net, settings());
    let (first, second) = tokio::join!(fetcher.fetch_all(wanted(2)), fetcher.fetch_all(wanted(2)));
    // Three of four had a slot; the fourth waited for one as long as it would have for an answer.
    assert_eq!(net.connects().len(), 3);
    assert_eq!(first.unwrap_err(), (0, Cause::TimedOut.into()));
    assert_eq!(second.unwrap_err(), (0, Cause::TimedOut.into()));
    let begun = Instant::now();
    let held = fetcher.slots.acquire_many(3).await.unwrap();
    assert_eq!(fetcher.fetch(URL, Kind::Image).await.unwrap_err(), FetchError::Busy);
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
    drop(held);
    assert_counted(&fetcher, "busy", 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_stops_waiting_closes_the_connection_and_is_counted() {
    let net = Net::alpha(Server::Silent);
    let fetcher = fetcher(&net, settings());
    let given_up = tokio::time::timeout(Duration::from_secs(1), fetcher.fetch(URL, Kind::Image)).await;
    assert!(given_up.is_err());
    assert_counted(&fetcher, "abandoned", 1);
    // All three slots are free again.
    assert_eq!(fetcher.slots.available_permits(), 3);
    while net.0.lock().unwrap().open > 0 {
        tokio::task::yield_now().await;
    }
}
