//! What comes in from outside: too slow, too much, too many.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::Found;
use crate::client::{Connection, NOVA, Request};
use crate::load;
use crate::program::{Program, found};
use crate::table::{Row, Times};
use crate::{Context, Failure};

/// What of the attackers is left: all open connections but that of the question.
async fn attackers(gateway: &Program) -> Result<f64, Failure> {
    Ok(gateway.metric("outcrop_connections_open").await? - 1.0)
}

/// Asks `/livez` every 20 ms until `until` has come, each time over a new connection.
async fn probe(
    address: SocketAddr,
    until: impl Future<Output = Result<(), Failure>>,
) -> Result<(Times, u64), Failure> {
    let (mut times, mut failed) = (Times::default(), 0);
    tokio::pin!(until);
    loop {
        match Request::get("/livez").send(address).await {
            Ok(answer) if answer.status == 200 => times.0.push(answer.took),
            Ok(_) | Err(_) => failed += 1,
        }
        tokio::select! {
            over = &mut until => return over.map(|()| (times, failed)),
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
    }
}

pub async fn slow_heads(context: &Context) -> Found {
    let limit = context.size(3, 10);
    let setting = [("server.header_timeout", limit.to_string())];
    slow(context, "A6", "slow heads are given up", "-H", &setting, limit, limit + 5).await
}

pub async fn slow_bodies(context: &Context) -> Found {
    let limit = context.size(3, 10);
    let setting = [("server.body_timeout", limit.to_string())];
    slow(context, "A8", "slow bodies are given up", "-B", &setting, limit, context.size(limit + 12, 65)).await
}

async fn slow(
    context: &Context,
    id: &'static str,
    name: &'static str,
    kind: &str,
    settings: &[(&str, String)],
    limit: u64,
    gone_within: u64,
) -> Found {
    if !found("slowhttptest") {
        return Ok(vec![Row::skipped(id, name, "slowhttptest is not installed")]);
    }
    let simulator = context.bench.simulator().await?;
    let settings: Vec<_> = settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let gateway = context.bench.gateway(simulator.address, &settings).await?;
    let clients: u64 = context.size(400, 4000);
    let url = format!("http://{}/v1/chat/completions", gateway.address);
    let (count, lasting) = (clients.to_string(), (gone_within + 20).to_string());
    let attack = ["-c", &count, "-r", "500", "-i", "5", "-l", &lasting, "-x", "10", "-u", &url, kind];
    let mut attack = tokio::process::Command::new("slowhttptest")
        .args(attack)
        .args(["-t", "POST", "-f", "application/json", "-s", "8192"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let mut slots: f64 = 0.0;
    let (mut most, mut gone): (f64, Option<Duration>) = (0.0, None);
    let opening = Duration::from_secs_f64(clients as f64 / 500.0 + 1.0);
    let begun = Instant::now();
    let watching = async {
        loop {
            let open = attackers(&gateway).await?;
            most = most.max(open);
            slots = slots.max(gateway.metric("outcrop_calls_in_flight").await?);
            if begun.elapsed() > opening && open <= 2.0 {
                gone = Some(begun.elapsed().saturating_sub(opening));
                return Ok(());
            }
            if begun.elapsed() > opening + Duration::from_secs(gone_within + 10) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let (mut times, failed) = probe(gateway.address, watching).await?;
    attack.start_kill()?;
    attack.wait().await?;
    let p99 = times.at(0.99);
    let gone_text = gone.map_or("never".to_owned(), |gone| format!("{:.1} s", gone.as_secs_f64()));
    Ok(vec![
        Row::new(
            id,
            name,
            format!("all gone {gone_within} s after the last connected (clock: {limit} s)"),
            format!("{gone_text}, of {most:.0} at once"),
            gone.is_some_and(|gone| gone <= Duration::from_secs(gone_within)) && most > clients as f64 / 10.0,
        ),
        Row::new(
            id,
            "others are served meanwhile",
            "`/livez` p99 < 100 ms, none fails, no permit taken",
            format!("{p99:.1} ms, {failed} failed, {slots:.0} permits"),
            p99 < 100.0 && failed == 0 && slots < 1.0,
        ),
    ])
}

pub async fn silent(context: &Context) -> Found {
    let limit: u64 = context.size(2, 75);
    let simulator = context.bench.simulator().await?;
    let settings = [("server.idle_timeout", limit.to_string())];
    let settings = [(settings[0].0, settings[0].1.as_str())];
    let gateway = context.bench.gateway(simulator.address, &settings).await?;
    let count = context.size(300, 2000);
    let mut sockets = JoinSet::new();
    for _ in 0..count {
        let mut socket = TcpStream::connect(gateway.address).await?;
        let begun = Instant::now();
        sockets.spawn(async move {
            let mut answer = [0; 1024];
            let read = socket.read(&mut answer);
            let closed = tokio::time::timeout(Duration::from_secs(limit + 30), read).await;
            closed.is_ok().then(|| begun.elapsed())
        });
    }
    // The question is itself one of them.
    let counted = gateway.metric("outcrop_http_requests_in_flight").await? - 1.0;
    let ends = sockets.join_all().await;
    let still = ends.iter().filter(|end| end.is_none()).count();
    let last = ends.into_iter().flatten().max().unwrap_or_default().as_secs_f64();
    Ok(vec![Row::new(
        "A7",
        "silent connections are closed",
        format!("{count} of {count} within {} s, none counts as a request", limit + 5),
        format!("{} within {last:.1} s, {counted:.0} counted", count - still),
        still == 0 && last <= limit as f64 + 5.0 && counted < 1.0,
    )])
}

/// Bodies of so many bytes which would take many times as much if they were parsed into a tree, all but the last refused for what
/// they are.
pub fn json_bombs(size: usize) -> [Request; 4] {
    let objects = |before: &str, after: &str| {
        let mut body = before.as_bytes().to_vec();
        while body.len() < size {
            body.extend_from_slice(br#"{"a":0},"#);
        }
        body.extend_from_slice(br#"{"a":0}"#);
        body.extend_from_slice(after.as_bytes());
        Request::post("/v1/chat/completions", None, &body)
    };
    let tool = r#"{"model":"amazon.nova-lite-v1:0","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"x","parameters":{"type":"object","properties":{"x":{"enum":["#;
    [
        objects(r#"{"model":"amazon.nova-lite-v1:0","messages":["#, "]}"),
        objects(r#"{"model":"amazon.nova-lite-v1:0","messages":[{"role":"user","content":["#, "]}]}"),
        objects(tool, "]}}}}}]}"),
        objects(
            r#"{"model":"amazon.nova-lite-v1:0","messages":[{"role":"user","content":"hi"}],"unknown":["#,
            "]}",
        ),
    ]
}

pub async fn bombs(context: &Context) -> Found {
    let simulator = context.bench.simulator().await?;
    let gateway = context.bench.gateway(simulator.address, &[]).await?;
    let parallel = 64;
    let size = context.size(2, 8) * 1024 * 1024;
    let bombs = json_bombs(size);
    let before = gateway.resident()?;
    gateway.forget_peak()?;
    let mut sending = JoinSet::new();
    for number in 0..parallel {
        let (bomb, address) = (bombs[number % bombs.len()].clone(), gateway.address);
        sending.spawn(async move { bomb.send(address).await });
    }
    let mut tally = load::Tally::default();
    for answer in sending.join_all().await {
        // Whoever is refused before its body is read may find the connection reset.
        tally.add(answer);
    }
    let peak = gateway.peak()?;
    let refused = [400, 413, 429, 503].iter().filter_map(|status| tally.statuses.get(status)).sum::<u64>();
    let others = tally.sent - refused - tally.broken;
    let alive = Request::chat(NOVA, "hi", false).send(gateway.address).await?.good();
    Ok(vec![Row::new(
        "A3",
        "JSON made to cost memory costs little",
        format!("{parallel} at once of {} MiB: 400, 413, 429 or 503 only; peak ≤ 512 MiB", size >> 20),
        format!(
            "{}; peak {peak:.0} MiB from {before:.0}; then it serves: {alive}",
            tally.faults().split('{').next().unwrap_or_default().trim()
        ),
        others == 0 && peak <= 512.0 && alive,
    )])
}

pub async fn files(context: &Context) -> Found {
    let simulator = context.bench.simulator().await?;
    let address = crate::client::free_address()?;
    let shell = ["sh", "-c", "ulimit -n 512; exec \"$0\" \"$@\""];
    let mut gateway = context.bench.gateway_at(address, simulator.address, &[], &[], &shell).await?;
    let count = context.size(1500, 5000);
    let mut sockets = Vec::new();
    for _ in 0..count {
        // What the kernel's queue has no room for isn't waited for.
        let opening = tokio::time::timeout(Duration::from_millis(5), TcpStream::connect(address));
        if let Ok(Ok(socket)) = opening.await {
            sockets.push(socket);
        }
    }
    let (cpu, begun) = (gateway.cpu()?, Instant::now());
    tokio::time::sleep(Duration::from_secs(3)).await;
    let share = (gateway.cpu()? - cpu) * 100.0 / begun.elapsed().as_secs_f64();
    let (files, alive, held) = (gateway.files()?, gateway.lives(), sockets.len());
    drop(sockets);
    let begun = Instant::now();
    let request = Request::chat(NOVA, "hi", false);
    let again = loop {
        let asked = tokio::time::timeout(Duration::from_secs(1), request.send(address));
        if matches!(asked.await, Ok(Ok(answer)) if answer.good()) {
            break begun.elapsed();
        }
        if begun.elapsed() > Duration::from_secs(20) {
            break begun.elapsed();
        }
    };
    Ok(vec![Row::new(
        "A9",
        "without file descriptors it waits for some",
        format!("{count} connects at `ulimit -n 512`: alive, processor < 50 %, serves ≤ 2 s after"),
        format!(
            "alive: {alive}, {held} connected, {files} files, {share:.0} %, served {:.1} s after",
            again.as_secs_f64()
        ),
        alive && share < 50.0 && again <= Duration::from_secs(2),
    )])
}

pub async fn bad_keys(context: &Context) -> Found {
    let simulator = context.bench.simulator().await?;
    let front = crate::front::Front::start(simulator.address).await?;
    let address = crate::client::free_address()?;
    let environment = [
        ("OUTCROP_API_KEY", "sk-the-right-one"),
        ("AWS_ACCESS_KEY_ID", "AKIDSIMULATOR"),
        ("AWS_SECRET_ACCESS_KEY", "simulator"),
    ];
    let gateway = context.bench.gateway_at(address, front.address, &[], &environment, &[]).await?;
    let lasting = Duration::from_secs(context.size(2, 20));
    let request = Request::chat_of(Some("sk-the-wrong-one"), NOVA, "hi", false);
    let (cpu, begun) = (gateway.cpu()?, Instant::now());
    let tally = load::closed(address, 16, lasting, |_| request.clone()).await;
    let (spent, took) = (gateway.cpu()? - cpu, begun.elapsed().as_secs_f64());
    let refused = tally.statuses.get(&401).copied().unwrap_or(0);
    let each = spent * 1e6 / (refused.max(1)) as f64;
    // Whoever is refused may not be let keep its connection.
    let mut connection = Connection::open(address).await?;
    let status = connection.ask(&request).await?.status;
    Ok(vec![Row::new(
        "E2",
        "a wrong key costs next to nothing",
        "< 50 µs of processor each (20,000 a second on one core), nothing is called",
        format!(
            "{each:.0} µs, {:.0} a second, {} calls, status {status}",
            refused as f64 / took,
            front.seen().calls
        ),
        each < 50.0 && front.seen().calls == 0 && refused == tally.sent,
    )])
}
