//! Every way to write an address that is known to have fooled somebody, against a trap: nothing may ever be connected to.

use std::net::{Ipv4Addr, TcpListener};

use super::super::network::System;
use super::*;

/// Addresses that others have paid for: loopback, the metadata of clouds, and one of each kind of private range.
const INSIDE: [[u8; 4]; 8] = [
    [127, 0, 0, 1],
    [127, 255, 255, 254],
    [10, 1, 2, 3],
    [172, 16, 9, 9],
    [192, 168, 0, 1],
    [169, 254, 169, 254],
    [100, 64, 0, 1],
    [0, 0, 0, 0],
];

/// One address in every spelling that some parser takes for it.
fn spellings(address: [u8; 4]) -> Vec<String> {
    let [a, b, c, d] = address;
    let whole = u32::from_be_bytes(address);
    let half = u16::from_be_bytes([c, d]);
    let three = whole & 0x00ff_ffff;
    let v4 = Ipv4Addr::from(address);
    let (high, low) = (u16::from_be_bytes([a, b]), half);
    let wide = |text: String| -> String {
        text.chars()
            .map(|c| match c {
                '.' => '．',
                digit => char::from_u32(u32::from(digit) + 0xfee0).unwrap(),
            })
            .collect()
    };
    let escaped = v4.to_string().bytes().fold(String::new(), |text, byte| format!("{text}%{byte:02x}"));
    vec![
        format!("{a}.{b}.{c}.{d}"),
        format!("{a}.{b}.{c}.{d}."),
        format!("{whole}"),
        format!("{whole}."),
        format!("0x{whole:x}"),
        format!("0X{whole:08X}"),
        format!("0{whole:o}"),
        format!("000000{whole:o}"),
        format!("{a}.{three}"),
        format!("{a}.{b}.{half}"),
        format!("0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("0{a:o}.0x{b:x}.{half}"),
        format!("0x{a:x}.{three}"),
        format!("0000{a:o}.{b}.{c}.{d}"),
        escaped,
        format!("%3{}", v4),
        format!("{a}%2e{b}%2E{c}.{d}"),
        wide(v4.to_string()),
        format!("{a}。{b}。{c}。{d}"),
        format!("{a}.{b}\u{ff61}{c}.{d}"),
        format!("{}\u{ad}{}", &v4.to_string()[..1], &v4.to_string()[1..]),
        format!("[::{v4}]"),
        format!("[::ffff:{v4}]"),
        format!("[::FFFF:{high:x}:{low:x}]"),
        format!("[0:0:0:0:0:ffff:{high:04x}:{low:04x}]"),
        format!("[::ffff:0:{v4}]"),
        format!("[64:ff9b::{v4}]"),
        format!("[64:ff9b:1::{v4}]"),
        format!("[2002:{high:x}:{low:x}::]"),
        format!("[2001:0:4136:e378:8000:63bf:{:x}:{:x}]", !high, !low),
        format!("[2600:1f00::5efe:{v4}]"),
        // Names that resolve to the address in them.
        format!("{v4}.sslip.example"),
        format!("www-{a}-{b}-{c}-{d}.sslip.example"),
        format!("{whole:08x}.nip.example"),
        format!("{v4}.nip.example."),
    ]
}

/// Whole URLs. Parsers that disagree about one of these have let somebody in before.
const TRICKS: &[&str] = &[
    "http://localhost/",
    "http://LOCALHOST./",
    "http://localhost.localdomain/",
    "http://lOcAlHoSt:80/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
    "http://loc%61lhost/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://instance-data/latest/meta-data/",
    "http://kubernetes.default.svc/",
    "http://ip6-localhost/",
    "http://[::]/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[0000::0001]:80/",
    "http://[::1%25lo]/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[fe80::1]/",
    "http://[fec0::1]/",
    "http://[fd00:ec2::254]/",
    "http://[FD00:EC2:0:0:0:0:0:23]/",
    "http://[fc00::1]/",
    "http://[ff02::1]/",
    "http://[100::1]/",
    "http://[2001:db8::1]/",
    "http://[2001:2::1]/",
    "http://[3fff::1]/",
    "http://[5f00::1]/",
    "http://[::ffff:127.0.0.1%25lo]/",
    "http://[::1].example.com/",
    "http://[::1]@93.184.215.14/",
    "http://[127.0.0.1]/",
    "http://127.1/",
    "http://127.0.1/",
    "http://0/",
    "http://0x0/",
    "http://00/",
    "http://0.0.0.0:80/",
    "http://127.0.0.1.:80/",
    "http://127.0.0.1%00.example.com/",
    "http://127.0.0.1%20.example.com/",
    "http://127.0.0.1%2f@example.com/",
    "http://127.0.0.1%23@example.com/",
    "http://127.0.0.1#@example.com/",
    "http://127.0.0.1?@example.com/",
    "http://127.0.0.1/@example.com/",
    "http://127.0.0.1\\@example.com/",
    "http://127.0.0.1:80\\@example.com/",
    "http://example.com\\@127.0.0.1/",
    "http://example.com@127.0.0.1/",
    "http://example.com:80@127.0.0.1/",
    "http://example.com:80#@127.0.0.1/",
    "http://example.com%40127.0.0.1/",
    "http://example.com?@127.0.0.1/",
    "http://@127.0.0.1/",
    "http://:@127.0.0.1/",
    "http://@@127.0.0.1/",
    "http://a@b@127.0.0.1/",
    "http://a:b@c:d@127.0.0.1/",
    "http:127.0.0.1/",
    "http:/127.0.0.1/",
    "http:///127.0.0.1/",
    "http:////127.0.0.1/",
    "http:\\\\127.0.0.1\\",
    "http:\\/127.0.0.1/",
    "http://\\127.0.0.1/",
    "//127.0.0.1/",
    "HTTP://127.0.0.1/",
    "hTTps://127.0.0.1/",
    "http://127.0.0.1:0/",
    "http://127.0.0.1:65536/",
    "http://127.0.0.1:080/",
    "http://127.0.0.1:/",
    "http://127.0.0.1:80:80/",
    "http://127.0.0.1:+80/",
    "http://127.0.0.1:８０/",
    "http://127.0.0.1 /",
    " http://127.0.0.1/",
    "http://127.0.0.1/ ",
    "ht\ttp://127.0.0.1/",
    "http://127.0.\n0.1/",
    "http://127.0.0.1\r\nhost: example.com/",
    "http://127.0.0.1\0.example.com/",
    "\u{feff}http://127.0.0.1/",
    "http://\u{200b}127.0.0.1/",
    "http://127.0.0.1\u{2028}/",
    "http://①②⑦.⓪.⓪.①/",
    "http://¹²⁷.⁰.⁰.¹/",
    "http://127｡0｡0｡1/",
    "http://xn--127-0-0-1/",
    "http://1.2.3.4.5/",
    "http://256.0.0.1/",
    "http://0x7f000001.0/",
    "http://4294967296/",
    "http://-1/",
    "http://127.0.0.0x1/",
    "http://127..0.1/",
    "http://.127.0.0.1/",
    "http://08.0.0.1/",
    "http://./",
    "http://../",
    "http://%/",
    "http://",
    "http://#",
    "http:",
    "",
    "127.0.0.1",
    "localhost:80",
    "file:///etc/passwd",
    "file://127.0.0.1/etc/passwd",
    "ftp://127.0.0.1/",
    "gopher://127.0.0.1:80/_GET",
    "dict://127.0.0.1:80/",
    "ws://127.0.0.1/",
    "jar:http://127.0.0.1!/",
    "url:http://127.0.0.1/",
    "view-source:http://127.0.0.1/",
    "blob:http://127.0.0.1/1",
    "javascript:fetch('http://127.0.0.1/')",
    "data:image/png;base64,iVBORw0KGgo=",
    "unix:/var/run/docker.sock",
    "http://unix:/var/run/docker.sock:/info",
];

/// Resolves whatever it is asked for to the address in the name, or to this host: nobody is more hostile.
struct Trap(Net);

impl Network for Trap {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let first = name.split(".sslip.").next().unwrap_or(name).split(".nip.").next().unwrap_or(name);
        let dotted = first.trim_start_matches("www-").replace('-', ".");
        let hexadecimal = u32::from_str_radix(first, 16).map(Ipv4Addr::from_bits);
        let address = dotted.parse().or(hexadecimal).unwrap_or(Ipv4Addr::LOCALHOST);
        Box::pin(async move { Ok(vec![address.into()]) })
    }

    fn connect(&self, to: SocketAddr) -> BoxFuture<'_, io::Result<Connection>> {
        self.0.connect(to)
    }
}

fn table() -> Vec<String> {
    let spelled =
        INSIDE.into_iter().flat_map(spellings).map(|host| format!("http://{host}/latest/meta-data/"));
    let mut table: Vec<_> = spelled.chain(TRICKS.iter().map(|url| (*url).to_owned())).collect();
    // 0.0.0.0 has some spellings twice.
    table.sort();
    table.dedup();
    table
}

#[tokio::test(start_paused = true)]
async fn no_spelling_of_an_inside_address_is_ever_connected_to() {
    let table = table();
    assert!(table.len() > 350, "{}", table.len());
    for url in table {
        let net = Net::default();
        let open = Settings { ports: vec![8080, 65535], ..settings() };
        let fetcher =
            Fetcher::with(open, metrics(), Box::new(Trap(net.clone())), RootCertStore::empty()).unwrap();
        let error = fetcher.fetch(&url, Kind::Image).await.unwrap_err();
        assert!(net.connects().is_empty(), "{url:?} led to {:?}", net.connects());
        let expected = matches!(error, FetchError::Refused(_) | FetchError::Unavailable(Cause::Address));
        assert!(expected, "{url:?}: {error:?}");
    }
}

/// The table proves something only if the trap can be reached at all.
#[tokio::test(start_paused = true)]
async fn public_addresses_in_the_same_spellings_are_connected_to() {
    let open = spellings([93, 184, 215, 14]);
    let mut reached = 0;
    for host in &open {
        let net = Net::default();
        let fetcher =
            Fetcher::with(settings(), metrics(), Box::new(Trap(net.clone())), RootCertStore::empty())
                .unwrap();
        fetcher.fetch(&format!("http://{host}/"), Kind::Image).await.unwrap_err();
        match net.connects().as_slice() {
            [] => {
                assert!(host.starts_with('[') || host.contains('%'), "{host} should be as good as any other");
            }
            connects => {
                assert_eq!(connects, [format!("{ALPHA}:80")], "{host}");
                reached += 1;
            }
        }
    }
    assert!(reached > 20, "{reached} of {}", open.len());
}

/// The same with real sockets and a real listener.
#[tokio::test]
async fn the_systems_network_never_reaches_a_listener_of_this_host() {
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let port = trap.local_addr().unwrap().port();
    let open = Settings { ports: vec![port], concurrent: 1000, ..settings() };
    let network = Box::new(System::new(4));
    let fetcher = Fetcher::with(open, metrics(), network, RootCertStore::empty()).unwrap();
    // No names that would be looked up: a test asks no resolver.
    let literal = |host: &String| !host.contains("sslip") && !host.contains("nip");
    let hosts: Vec<_> =
        [[127, 0, 0, 1], [0, 0, 0, 0]].into_iter().flat_map(spellings).filter(literal).collect();
    let all = hosts.iter().map(|host| {
        let url = format!("http://{host}:{port}/");
        let wanted = Wanted { url, kind: Kind::Image, name: None };
        let fetcher = &fetcher;
        async move { fetcher.bounded(wanted, &Budget::new(1), Instant::now() + TELL_EVERY).await }
    });
    let results = futures_util::future::join_all(all).await;
    for (host, result) in hosts.iter().zip(results) {
        let error = result.unwrap_err();
        assert!(
            matches!(error, FetchError::Refused(_) | FetchError::Unavailable(Cause::Address)),
            "{host}: {error:?}"
        );
    }
    assert_eq!(trap.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    // It does connect when asked to: the trap isn't broken.
    System::new(4).connect(trap.local_addr().unwrap()).await.map(drop).unwrap();
    trap.accept().unwrap();
}

#[test]
fn a_list_of_hosts_is_exact_or_a_domain() {
    let guard = |allowed: &[&str]| Guard {
        http: false,
        ports: Vec::new(),
        allow_hosts: allowed.iter().map(|pattern| HostPattern::new(pattern)).collect(),
    };
    let listed = guard(&["images.example.com", "*.Example.org", "93.184.215.14", "xn--bcher-kva.example"]);
    for host in [
        "images.example.com",
        "IMAGES.example.com.",
        "a.example.org",
        "a.b.example.org",
        "93.184.215.14",
        "0x5db8d70e",
        "bücher.example",
        "BÜCHER.example",
    ] {
        assert!(listed.check(&format!("https://{host}/")).is_ok(), "{host}");
    }
    for host in [
        "example.com",
        "a.images.example.com",
        "images.example.com.evil.example",
        "evilimages.example.com",
        "example.org",
        ".example.org",
        "evilexample.org",
        "a.example.org.evil.example",
        "93.184.215.15",
        "images.example.com%2eevil.example",
        "bucher.example",
    ] {
        assert!(listed.check(&format!("https://{host}/")).is_err(), "{host}");
    }
    assert!(
        guard(&["127.0.0.1", "*.example.com"]).check("https://127.0.0.1/").is_err(),
        "listed is not public"
    );
}

#[test]
fn ports_are_the_schemes_own_or_configured() {
    let guard = |http, ports: &[u16]| Guard { http, ports: ports.to_vec(), allow_hosts: Vec::new() };
    for (url, strict, plain, odd) in [
        ("https://a.example/", true, true, true),
        ("https://a.example:443/", true, true, true),
        ("http://a.example/", false, true, false),
        ("http://a.example:80/", false, true, false),
        ("https://a.example:80/", false, false, false),
        ("http://a.example:443/", false, false, false),
        ("https://a.example:8443/", false, false, true),
        ("https://a.example:22/", false, false, false),
    ] {
        assert_eq!(guard(false, &[]).check(url).is_ok(), strict, "{url}");
        assert_eq!(guard(true, &[]).check(url).is_ok(), plain, "{url}");
        assert_eq!(guard(false, &[8443]).check(url).is_ok(), odd, "{url}");
    }
}

#[test]
fn overlong_urls_and_names_are_refused() {
    let guard = Guard { http: false, ports: Vec::new(), allow_hosts: Vec::new() };
    let path = |length| format!("https://a.example/{}", "a".repeat(length));
    assert!(guard.check(&path(8000)).is_ok());
    assert!(guard.check(&path(8 * 1024)).is_err());
    // Written in three bytes, it takes nine.
    assert!(guard.check(&format!("https://a.example/{}", "語".repeat(1000))).is_err());
    assert!(guard.check(&format!("https://{}.example/", "a.".repeat(130))).is_err());
}

/// The fuzzer's property, here on the table and on what a little chance makes of its pieces.
#[test]
fn the_guard_keeps_its_promises_on_the_whole_table() {
    for url in table() {
        for location in ["", "/x", "//10.0.0.1/", "https://a.example.org/", &url] {
            fuzz_guard(format!("{url}\n{location}").as_bytes());
            fuzz_guard(format!("https://a.example.org/\n{location}\n{url}").as_bytes());
        }
    }
}

proptest::proptest! {
    #[test]
    fn the_guard_keeps_its_promises_on_any_pieces(pieces in proptest::collection::vec(piece(), 0..9)) {
        fuzz_guard(format!("http://{}", pieces.concat()).as_bytes());
        fuzz_guard(format!("https://a.example.org/\n{}", pieces.concat()).as_bytes());
    }
}

fn piece() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    const PIECES: [&str; 34] = [
        "http:",
        "https:",
        "/",
        "//",
        "\\",
        "@",
        ":",
        "#",
        "?",
        "%",
        ".",
        "..",
        "[",
        "]",
        "::",
        "ffff:",
        "127",
        "0x7f",
        "0177",
        "10",
        "169.254",
        "1",
        "0",
        "2130706433",
        "example.org",
        "a.",
        "images.example.com",
        "80",
        "8080",
        "443",
        "64:ff9b",
        "2002:",
        "%2e",
        "。",
    ];
    prop_oneof![8 => prop::sample::select(&PIECES[..]).prop_map(str::to_owned), 1 => ".*".prop_map(|text: String| text)]
}
