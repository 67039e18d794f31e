//! Bedrock, and the way to it, out of order.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::Found;
use crate::Context;
use crate::client::{CLAUDE, Connection, MICRO, NOVA, Request, free_address};
use crate::front::Front;
use crate::host::Namespace;
use crate::load;
use crate::program::root;
use crate::table::Row;

pub async fn outage(context: &Context) -> Found {
    let simulator = context.bench.simulator().await?;
    let front = Front::start(simulator.address).await?;
    let gateway = context.bench.gateway(front.address, &[]).await?;
    let address = gateway.address;
    let request = Request::chat(NOVA, "hi", false);
    let (rate, lasting) = (context.size(100.0, 200.0), Duration::from_secs(context.size(5, 30)));
    load::open(address, rate, Duration::from_secs(2), |_| request.clone()).await;
    front.order(|orders| orders.down = true);
    let before = front.seen().calls;
    let probes = async {
        let mut well = true;
        for _ in 0..10 {
            tokio::time::sleep(lasting / 12).await;
            for path in ["/livez", "/readyz"] {
                well &= Request::get(path).send(address).await.is_ok_and(|answer| answer.status == 200);
            }
        }
        well
    };
    let (out, well) = tokio::join!(load::open(address, rate, lasting, |_| request.clone()), probes);
    let ratio = (front.seen().calls - before) as f64 / out.sent as f64;
    front.order(|orders| orders.down = false);
    let again = Instant::now();
    let back = load::open(address, rate, Duration::from_secs(8), |_| request.clone()).await;
    // The last failure says since when it has been well.
    let last_bad = back.good_at.iter().filter(|(_, good)| !good).map(|(at, _)| *at).max();
    let recovered = last_bad.map_or(0.0, |at| at.saturating_duration_since(again).as_secs_f64());
    Ok(vec![
        Row::new(
            "D4",
            "an outage isn't made worse by trying again",
            "≤ 1.15 attempts a request",
            format!("{ratio:.3}, {} requests at {rate:.0} a second", out.sent),
            ratio <= 1.15 && out.goods() == 0,
        ),
        Row::new(
            "D4",
            "and when it is over, it is over",
            "all answered ≤ 5 s after",
            format!("{recovered:.1} s; {:.1} % of {} in the first 8 s", back.success(), back.sent),
            recovered <= 5.0,
        ),
        Row::new(
            "F2",
            "no probe fails for it",
            "`/livez` and `/readyz` 200 throughout",
            if well { "200" } else { "another status" },
            well,
        ),
    ])
}

const HOUSE: &str = "{house: {targets: [{target: 'amazon.nova-micro-v1:0', region: us-east-1}, {target: 'amazon.nova-lite-v1:0', region: us-west-2}]}}";

pub async fn region_down(context: &Context) -> Found {
    let simulator = context.bench.simulator().await?;
    let front = Front::start(simulator.address).await?;
    let gateway = context.bench.gateway(front.address, &[("models", HOUSE)]).await?;
    let request = Request::chat("house", "hi", false);
    let lasting = Duration::from_secs(context.size(3, 30));
    let rate = context.size(60.0, 150.0);
    let mut well = load::open(gateway.address, rate, lasting, |_| request.clone()).await;
    front.order(|orders| {
        orders.failing.insert(MICRO);
    });
    let mut down = load::open(gateway.address, rate, lasting, |_| request.clone()).await;
    let later = down.good.at(0.5) - well.good.at(0.5);
    Ok(vec![Row::new(
        "D7",
        "the first target down is seen by nobody",
        "≥ 99.9 % answered, p50 ≤ 300 ms later",
        format!("{:.2} % of {}, p50 {later:+.1} ms; {}", down.success(), down.sent, down.faults()),
        down.success() >= 99.9 && later <= 300.0,
    )])
}

pub async fn flapping(context: &Context) -> Found {
    let simulator = context.bench.simulator().await?;
    let front = Front::start(simulator.address).await?;
    let gateway = context.bench.gateway(front.address, &[("models", HOUSE)]).await?;
    let request = Request::chat("house", "hi", false);
    let seconds: u64 = context.size(12, 60);
    let flap = async {
        for second in 0..seconds {
            front.order(|orders| {
                if second % 2 == 0 {
                    orders.failing.insert(MICRO)
                } else {
                    orders.failing.remove(MICRO)
                };
            });
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let load = load::open(gateway.address, 50.0, Duration::from_secs(seconds), |_| request.clone());
    let (tally, ()) = tokio::join!(load, flap);
    let opened = gateway.metric("outcrop_breaker_opened_total").await?;
    // Open and shut again, once in each five seconds at most.
    let most = (seconds as f64 / 5.0).ceil();
    Ok(vec![Row::new(
        "D8",
        "a target that flaps is left alone and not tried all the time",
        format!("opened ≤ {most:.0} times in {seconds} s; ≥ 99.9 % answered"),
        format!(
            "{opened:.0} times; {:.2} % of {}; {} calls of it failed",
            tally.success(),
            tally.sent,
            front.seen().failed
        ),
        (1.0..=most).contains(&opened) && tally.success() >= 99.9,
    )])
}

pub async fn half_open(context: &Context) -> Found {
    let (id, name) = ("G1", "packets to the upstream are dropped in mid-stream");
    let namespace = match Namespace::make().await {
        Ok(namespace) => namespace,
        Err(why) => return Ok(vec![Row::skipped(id, name, why)]),
    };
    let there = SocketAddr::new(namespace.there, 8081);
    let simulator = context.bench.simulator_at(there, &namespace.exec()).await?;
    let idle: u64 = context.size(3, 20);
    let limit = idle.to_string();
    let gateway = context.bench.gateway(simulator.address, &[("timeout.idle", &limit)]).await?;
    let text = "a b c d e f g h i j k l [[deltas:200]] [[pace:200ms]]";
    let mut live = Connection::open(gateway.address).await?.begin(&Request::chat(NOVA, text, true)).await?;
    live.piece().await;
    namespace.nft("add rule ip torture in tcp dport 8081 drop").await?;
    // What was under way still comes: the other direction isn't touched, but what isn't acknowledged isn't repeated for ever.
    namespace.nft("add rule ip torture out tcp sport 8081 drop").await?;
    let begun = Instant::now();
    let rest = live.rest().await;
    let told = begun.elapsed().as_secs_f64();
    let in_band = rest.text().contains("\"error\"") && !rest.text().contains("[DONE]");
    namespace.nft("flush ruleset").await?;
    let begun = Instant::now();
    let again = Request::chat(NOVA, "hi", false).send(gateway.address).await?;
    let took = begun.elapsed().as_secs_f64();
    Ok(vec![Row::new(
        id,
        name,
        format!("told ≤ {} s after (clock: {idle} s), the next call answered ≤ 1 s", idle + 1),
        format!("{told:.1} s, in-band: {in_band}; then {took:.2} s, {}", again.status),
        told <= idle as f64 + 1.0 && in_band && again.good() && took <= 1.0,
    )])
}

pub async fn sdk_retries(context: &Context) -> Found {
    let (id, name) = ("D6", "the openai package doesn't multiply attempts");
    let python = root().join("tests/clients/.venv/bin/python");
    if !python.exists() {
        return Ok(vec![Row::skipped(id, name, "tests/clients/install has not been run")]);
    }
    let simulator = context.bench.simulator().await?;
    let front = Front::start(simulator.address).await?;
    let gateway = context.bench.gateway(front.address, &[("retry.budget.min_per_second", "10")]).await?;
    front.order(|orders| orders.down = true);
    let script = "import openai, sys
client = openai.OpenAI(base_url=sys.argv[1], api_key='none')
try:
    client.chat.completions.create(model=sys.argv[2], messages=[{'role': 'user', 'content': 'hi'}])
except openai.InternalServerError as error:
    print(error.status_code)";
    let url = format!("http://{}/v1", gateway.address);
    let output = tokio::process::Command::new(python)
        .args(["-c", script, &url, CLAUDE])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let asked = gateway.metric("outcrop_http_requests_total{endpoint=\"chat_completions\"").await?;
    let calls = front.seen().calls;
    Ok(vec![Row::new(
        id,
        name,
        "upstream dead: 1 request here, 3 calls there",
        format!("{asked:.0} and {calls}; the client saw {said}"),
        (asked - 1.0).abs() < 0.5 && calls == 3,
    )])
}

pub async fn credentials(context: &Context) -> Found {
    let simulator = context.bench.simulator().await?;
    let front = Arc::new(Front::start(simulator.address).await?);
    // Answers like a container's credentials endpoint.
    let lives = Duration::from_secs(context.size(20, 60));
    let given = Arc::new(AtomicU64::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/credentials", listener.local_addr()?);
    let (counting, upstream) = (Arc::clone(&given), Arc::clone(&front));
    let serving = tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = [0; 4096];
            if socket.read(&mut head).await.is_err() {
                continue;
            }
            let key = format!("AKIDNUMBER{}", counting.fetch_add(1, Ordering::Relaxed));
            let end = SystemTime::now() + lives;
            upstream.order(|orders| {
                orders.ends.insert(key.clone(), end);
            });
            let body =
                json!({"AccessKeyId": key, "SecretAccessKey": "s", "Token": "t", "Expiration": date(end)})
                    .to_string();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _gone = socket.write_all(answer.as_bytes()).await;
        }
    });
    let environment = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str())];
    let address = free_address()?;
    let gateway = context.bench.gateway_at(address, front.address, &[], &environment, &[]).await?;
    let request = Request::chat(NOVA, "hi", false);
    let lasting = Duration::from_secs(context.size(50, 600));
    let tally = load::open(gateway.address, 20.0, lasting, |_| request.clone()).await;
    serving.abort();
    let (given, refused) = (given.load(Ordering::Relaxed), front.seen().refused_credentials);
    Ok(vec![Row::new(
        "G3",
        "credentials are renewed before they end",
        format!("{} s of credentials of {} s: 0 failures", lasting.as_secs(), lives.as_secs()),
        format!(
            "{} of {} failed, {refused} calls with old ones, {given} given; {}",
            tally.sent - tally.goods(),
            tally.sent,
            tally.faults()
        ),
        tally.sent == tally.goods() && given >= 2,
    )])
}

/// RFC 3339, for this century.
fn date(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let (mut days, rest) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970;
    let leap = |year: u64| year % 4 == 0;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}T{:02}:{:02}:{:02}Z", days + 1, rest / 3600, rest / 60 % 60, rest % 60)
}
