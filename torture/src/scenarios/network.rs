//! The ways to and from the gateway, with real packets and real names: they vanish, move, and lead nowhere.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Found;
use crate::client::{CLAUDE, Connection, NOVA, Request, free_address};
use crate::front::Front;
use crate::host::{Namespace, with_hosts};
use crate::load;
use crate::program::{Program, found, run};
use crate::table::{Row, Times};
use crate::{Context, Failure};

/// What a client was doing when it vanished, and what it had asked for.
const DOINGS: [(&str, &str, bool); 3] = [
    ("a client vanishes in mid-stream", "[[deltas:1000]] [[pace:200ms]]", true),
    ("one vanishes while a stream is silent", "a b c [[stall after=1]]", true),
    ("one vanishes while it waits for a whole answer", "[[stall]]", false),
];

/// Clients of one gateway, all of which do the same.
struct Waiting {
    front: Front,
    gateway: Program,
    clients: Vec<Connection>,
}

pub async fn vanished(context: &Context) -> Found {
    // The kernel's clocks are the gateway's own and can't be shortened: quick means the first of them alone.
    let doings = &DOINGS[..context.size(1, 3)];
    let namespace = match Namespace::make().await {
        Ok(namespace) => namespace,
        Err(why) => {
            return Ok(doings.iter().map(|(name, ..)| Row::skipped("B5", name, why.as_str())).collect());
        }
    };
    let simulator = context.bench.simulator().await?;
    let count = context.size(4, 30);
    let mut all = Vec::new();
    for _ in doings {
        let front = Front::start(simulator.address).await?;
        let at = namespace.free_here()?;
        let gateway = context.bench.gateway_at(at, front.address, &[("auth.mode", "none")], &[], &[]).await?;
        all.push(Waiting { front, gateway, clients: Vec::new() });
    }
    let words = "word ".repeat(1000);
    // Over more than the time between two comments: they vanish at every point of it.
    for number in 0..count {
        for ((_, directives, stream), waiting) in doings.iter().zip(&mut all) {
            let text = if directives.contains("deltas") {
                format!("{words}{directives}")
            } else {
                (*directives).to_owned()
            };
            let request = Request::chat(if number % 2 == 0 { CLAUDE } else { NOVA }, &text, *stream);
            let mut connection = Connection::over(namespace.connect(waiting.gateway.address).await?);
            connection.write(&request).await?;
            waiting.clients.push(connection);
        }
        tokio::time::sleep(Duration::from_millis(550)).await;
    }
    for waiting in &all {
        let mut seen = waiting.front.watch();
        let calls = seen.wait_for(|seen| seen.calls == count);
        tokio::time::timeout(Duration::from_secs(10), calls).await??;
    }
    namespace.nft("add rule ip torture in ip saddr != 127.0.0.1 counter drop").await?;
    namespace.nft("add rule ip torture out ip daddr != 127.0.0.1 drop").await?;
    let cut = Instant::now();
    let mut rows = Vec::new();
    for ((name, ..), waiting) in doings.iter().zip(&all) {
        let mut seen = waiting.front.watch();
        let left = seen.wait_for(|seen| seen.left == count);
        let within = Duration::from_secs(70).saturating_sub(cut.elapsed());
        // What was waited for is a lock on what the front counts, not to be kept.
        let all_ended = tokio::time::timeout(within, left).await.is_ok();
        let seen = waiting.front.seen();
        let last = seen.left_at.map_or(f64::NAN, |at| at.saturating_duration_since(cut).as_secs_f64());
        let before = seen.left_at.is_some_and(|at| at < cut);
        let held = waiting.gateway.metric("outcrop_calls_in_flight ").await?;
        rows.push(Row::new(
            "B5",
            name,
            format!(
                "{count} clients whose packets are dropped, both ways: every call upstream ends ≤ 45 s after"
            ),
            format!("{} ended, the last after {last:.1} s; {held:.0} calls held", seen.left),
            all_ended && seen.left == count && last <= 45.0 && !before && held == 0.0,
        ));
    }
    let swallowed = swallowed(&namespace).await?;
    if swallowed == 0 {
        return Err("no packet was dropped".into());
    }
    Ok(rows)
}

/// How many packets its rules with a counter have dropped.
async fn swallowed(namespace: &Namespace) -> Result<u64, Failure> {
    let rules = namespace.nft("list chain ip torture in").await?;
    let counts =
        rules.split("packets ").skip(1).filter_map(|rest| rest.split(' ').next()?.parse::<u64>().ok());
    Ok(counts.sum())
}

/// The port of an upstream whose name leads to one of two addresses.
struct Moving {
    old: Front,
    new: Front,
    hosts: PathBuf,
    gateway: Program,
}

const OLD: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const NEW: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

impl Moving {
    async fn start(context: &Context, simulator: SocketAddr, name: &str) -> Result<Self, Failure> {
        let old = Front::start(simulator).await?;
        let port = old.address.port();
        let new = Front::start_at(SocketAddr::from((NEW, port)), simulator).await?;
        let hosts = context.bench.folder.join(format!("hosts-{port}"));
        std::fs::write(&hosts, format!("{OLD} {name}\n"))?;
        let behind = with_hosts(&hosts);
        let url = format!("http://{name}:{port}");
        let environment = [
            ("AWS_ACCESS_KEY_ID", "AKIDSIMULATOR"),
            ("AWS_SECRET_ACCESS_KEY", "simulator"),
            ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", url.as_str()),
            ("AWS_ENDPOINT_URL_BEDROCK", url.as_str()),
        ];
        let behind: Vec<_> = behind.iter().map(String::as_str).collect();
        let gateway =
            context.bench.gateway_at(free_address()?, old.address, &[], &environment, &behind).await?;
        Ok(Self { old, new, hosts, gateway })
    }

    /// From now on the name leads to the new address. The file is the same and as long as before, so nobody finds half of it.
    fn on(&self) -> Result<Instant, Failure> {
        let mut hosts = std::fs::File::options().write(true).open(&self.hosts)?;
        hosts.write_all(NEW.to_string().as_bytes())?;
        Ok(Instant::now())
    }

    /// When the old address was called last.
    fn last(&self, since: Instant) -> f64 {
        let at = self.old.seen().called_at;
        at.map_or(0.0, |at| at.saturating_duration_since(since).as_secs_f64())
    }
}

pub async fn moving_name(context: &Context) -> Found {
    let id = "G2";
    let (anew, rested, aged) = (
        "a name moves: what is opened from then on leads to the new address",
        "and so does all that has rested",
        "and under load all that has come of age",
    );
    if !found("unshare") {
        return Ok(vec![Row::skipped(id, anew, "unshare is not installed")]);
    }
    if let Err(error) = run(&[
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "mount",
        "--bind",
        "/etc/hosts",
        "/etc/hosts",
    ])
    .await
    {
        return Ok(vec![Row::skipped(
            id,
            anew,
            format!("no right to a view of files of its own: {}", error.to_string().trim()),
        )]);
    }
    let simulator = context.bench.simulator().await?;
    let mut rows = Vec::new();

    // Few connections, and after the move more calls at once than those can take.
    let idle = Moving::start(context, simulator.address, "idle.upstream.test").await?;
    let request = Request::chat(NOVA, "hi [[delay:300ms]]", false);
    let few = load::closed(idle.gateway.address, 4, Duration::from_secs(1), |_| request.clone()).await;
    let moved = idle.on()?;
    let many = load::closed(idle.gateway.address, 40, Duration::from_secs(2), |_| request.clone()).await;
    let failed = few.sent + many.sent - few.goods() - many.goods();
    let (before, after) = (idle.old.seen().calls, idle.new.seen().calls);
    rows.push(Row::new(
        id,
        anew,
        "40 calls at once after 4 at once: ≥ 36 connections lead to the new address at once, 0 errors",
        format!(
            "{} there at once, {after} calls of {} by then; {failed} failed",
            idle.new.seen().most,
            before + after
        ),
        idle.new.seen().most >= 36 && failed == 0,
    ));
    if context.quick {
        rows.push(Row::skipped(id, rested, "takes 100 s"));
        rows.push(Row::skipped(id, aged, "takes ten minutes"));
        return Ok(rows);
    }

    let resting = async {
        tokio::time::sleep(Duration::from_secs(92)).await;
        let (old, new) = (idle.old.seen().calls, idle.new.seen().calls);
        let tally = load::closed(idle.gateway.address, 40, Duration::from_secs(5), |_| request.clone()).await;
        let (old, new) = (idle.old.seen().calls - old, idle.new.seen().calls - new);
        Row::new(
            id,
            rested,
            "no call to the old address once connections have rested for 90 s, 0 errors",
            format!(
                "{old} calls there, {new} to the new one; {} failed; the last one there was {:.0} s after the move",
                tally.sent - tally.goods(),
                idle.last(moved)
            ),
            old == 0 && new > 0 && tally.goods() == tally.sent,
        )
    };
    let busy = Moving::start(context, simulator.address, "busy.upstream.test").await?;
    let ageing = async {
        let request = Request::chat(NOVA, "hi [[delay:100ms]]", true);
        let load = |seconds| {
            load::open(busy.gateway.address, 40.0, Duration::from_secs(seconds), |_| request.clone())
        };
        let before = load(5).await;
        let moved = busy.on()?;
        let after = load(640).await;
        let failed = before.sent + after.sent - before.goods() - after.goods();
        let last = busy.last(moved);
        Ok::<_, Failure>(Row::new(
            id,
            aged,
            "40 calls a second: none to the old address 610 s after (age: 600 s), 0 errors",
            format!(
                "the last one there after {last:.0} s, {} of {} to the new one; {failed} failed {}",
                busy.new.seen().calls,
                before.sent + after.sent,
                if failed > 0 { after.faults() } else { String::new() }
            ),
            last <= 610.0 && failed == 0 && busy.new.seen().calls > 0,
        ))
    };
    let (rested, aged) = tokio::join!(resting, ageing);
    rows.extend([rested, aged?]);
    Ok(rows)
}

pub async fn metadata_blackhole(context: &Context) -> Found {
    let (id, name) = ("G6", "a metadata address that swallows packets holds up nothing");
    let honest = "and it is told";
    let namespace = match Namespace::make().await {
        Ok(namespace) => namespace,
        Err(why) => return Ok(vec![Row::skipped(id, name, why)]),
    };
    // The address is this host's own, and goes nowhere else.
    run(&["ip", "-n", &namespace.name, "addr", "add", "169.254.169.254/32", "dev", "lo"]).await?;
    namespace.nft("add rule ip torture in ip daddr 169.254.169.254 counter drop").await?;
    // Nobody is there: without credentials nothing is called.
    let upstream = SocketAddr::new(namespace.there, 9);
    let address = SocketAddr::new(namespace.there, 8080);
    let environment = [("AWS_EC2_METADATA_DISABLED", "false")];
    let exec = namespace.exec();
    let start = || context.bench.gateway_at(address, upstream, &[("auth.mode", "none")], &environment, &exec);
    let mut starts = Times::default();
    for _ in 0..context.size(2, 20) {
        let begun = Instant::now();
        let mut gateway = start().await?;
        starts.0.push(begun.elapsed());
        gateway.signal(rustix::process::Signal::KILL)?;
        let _killed = gateway.ended(Duration::from_secs(5)).await;
    }
    let gateway = start().await?;
    let begun = Instant::now();
    let lasting = Duration::from_secs(context.size(3, 30));
    let (mut probes, mut well, mut unready) = (Times::default(), true, true);
    let mut said = String::new();
    while begun.elapsed() < lasting {
        for path in ["/livez", "/health"] {
            let answer = Request::get(path).send(gateway.address).await?;
            well &= answer.status == 200;
            probes.0.push(answer.took);
        }
        let answer = Request::get("/readyz?verbose").send(gateway.address).await?;
        probes.0.push(answer.took);
        said = answer.text();
        unready &= answer.status == 503 && said.contains("[-] credentials: ");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let chat = Request::chat(NOVA, "hi", false).send(gateway.address).await?;
    let told = said.lines().find(|line| line.starts_with("[-] credentials")).unwrap_or_default().to_owned();
    let swallowed = swallowed(&namespace).await?;
    let (start, probe) = (starts.at(0.5), probes.at(0.99));
    Ok(vec![
        Row::new(
            id,
            name,
            "serves ≤ 200 ms from exec, p50; `/livez` and `/health` 200, p99 ≤ 50 ms",
            format!(
                "{start:.0} ms, the longest of {} {:.0} ms; 200: {well}, p99 {probe:.1} ms; {swallowed} packets swallowed",
                starts.0.len(),
                starts.at(1.0)
            ),
            start <= 200.0 && well && probe <= 50.0 && swallowed > 0,
        ),
        Row::new(
            id,
            honest,
            "`/readyz` 503 for the credentials throughout; a call is a 5xx ≤ 20 s after",
            format!("503: {unready}, `{told}`; {} after {:.1} s", chat.status, chat.took.as_secs_f64()),
            unready && chat.status >= 500 && chat.took <= Duration::from_secs(20),
        ),
    ])
}
