//! Starting, stopping, changing, and going on for long.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::task::JoinSet;

use super::Found;
use crate::client::{Answer, CLAUDE, Connection, NOVA, Request, free_address};
use crate::load::Tally;
use crate::program::{Program, found};
use crate::table::{Row, Times};
use crate::{Context, Failure};

pub async fn startup(context: &Context) -> Found {
    let simulator = context.bench.simulator().await?;
    let (mut starts, mut turns) = (Times::default(), Times::default());
    let mut ends = Times::default();
    for _ in 0..context.size(3, 20) {
        let begun = Instant::now();
        let mut gateway = context.bench.gateway(simulator.address, &[("server.drain_delay", "1")]).await?;
        starts.0.push(begun.elapsed());
        while Request::get("/readyz").send(gateway.address).await?.status != 200 {
            if begun.elapsed() > Duration::from_secs(5) {
                return Err("never ready".into());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let begun = Instant::now();
        gateway.signal(Signal::TERM)?;
        while Request::get("/readyz").send(gateway.address).await?.status == 200 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        turns.0.push(begun.elapsed());
        let good = gateway.ended(Duration::from_secs(10)).await?;
        ends.0.push(begun.elapsed());
        if !good {
            return Err("it didn't end well".into());
        }
    }
    let (start, turn, end) = (starts.at(0.5), turns.at(1.0), ends.at(1.0));
    Ok(vec![
        Row::new(
            "F4",
            "it listens soon",
            "≤ 200 ms from exec, p50",
            format!("{start:.0} ms"),
            start <= 200.0,
        ),
        Row::new(
            "F3",
            "SIGTERM makes it not ready at once",
            "≤ 100 ms; without work it ends right after `drain_delay` (1 s)",
            format!("{turn:.0} ms; {end:.0} ms"),
            turn <= 100.0 && end <= 2000.0,
        ),
    ])
}

const HAPROXY: &str = "global
  maxconn 4000
defaults
  mode http
  retries 0
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout http-request 10s
frontend all
  bind FRONT
  default_backend gateways
backend gateways
  balance roundrobin
  option httpchk GET /readyz
  default-server check inter 200ms fall 1 rise 1
";

pub async fn rolling_restart(context: &Context) -> Found {
    let (id, name) = ("F1", "a rolling restart");
    if !found("haproxy") {
        return Ok(vec![Row::skipped(id, name, "haproxy is not installed")]);
    }
    let simulator = context.bench.simulator().await?;
    let addresses = [free_address()?, free_address()?];
    let settings = [("server.drain_delay", "1.5"), ("server.grace", "30")];
    let start =
        |address: SocketAddr| context.bench.gateway_at(address, simulator.address, &settings, &[], &[]);
    let mut gateways = Vec::new();
    let front = free_address()?;
    let mut configuration = HAPROXY.replace("FRONT", &front.to_string());
    for (number, address) in addresses.iter().enumerate() {
        gateways.push(start(*address).await?);
        writeln!(configuration, "  server gateway{number} {address}")?;
    }
    let file = context.bench.folder.join("haproxy.cfg");
    std::fs::write(&file, configuration)?;
    let mut haproxy = tokio::process::Command::new("haproxy")
        .arg("-db")
        .arg("-f")
        .arg(&file)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let begun = Instant::now();
    while !Request::get("/livez").send(front).await.is_ok_and(|answer| answer.status == 200) {
        if begun.elapsed() > Duration::from_secs(10) {
            return Err("haproxy doesn't serve".into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    let over = Arc::new(AtomicBool::new(false));
    let mut asking = JoinSet::new();
    // A stream of 3 s, and then the next one; and short questions besides, each over a new connection.
    for number in 0..context.size(40, 200) + 4 {
        let over = Arc::clone(&over);
        let short = number < 4;
        let text = if short { "hi" } else { "a b c d e f g h i j k l [[deltas:15]] [[pace:200ms]]" };
        let request = Request::chat(if number % 2 == 0 { CLAUDE } else { NOVA }, text, !short);
        asking.spawn(async move {
            let mut tally = Tally::default();
            while !over.load(Ordering::Relaxed) {
                tally.add(request.send(front).await);
                if short {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            (short, tally)
        });
    }
    let rounds = context.size(2, 20);
    let mut longest = Duration::ZERO;
    for round in 0..rounds {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let gateway: &mut Program = &mut gateways[round % 2];
        let begun = Instant::now();
        gateway.signal(Signal::TERM)?;
        gateway.ended(Duration::from_secs(40)).await?;
        longest = longest.max(begun.elapsed());
        let address = gateway.address;
        gateways[round % 2] = start(address).await?;
        // Until the balancer has seen it.
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    over.store(true, Ordering::Relaxed);
    let (mut streams, mut cut, mut asked, mut failed) = (0, 0, 0, 0);
    let mut why = String::new();
    for (short, tally) in asking.join_all().await {
        let bad = tally.sent - tally.goods();
        if bad > 0 {
            why = tally.faults();
        }
        if short {
            (asked, failed) = (asked + tally.sent, failed + bad);
        } else {
            (streams, cut) = (streams + tally.sent, cut + bad);
        }
    }
    haproxy.start_kill()?;
    Ok(vec![Row::new(
        id,
        name,
        format!("{rounds} restarts: no new request fails without retries, no stream is cut"),
        format!(
            "{failed} of {asked} failed, {cut} of {streams} streams; longest exit {:.1} s {why}",
            longest.as_secs_f64()
        ),
        failed == 0 && cut == 0,
    )])
}

pub async fn reloads(context: &Context) -> Found {
    let (id, name) = ("F6", "reloads under load");
    let simulator = context.bench.simulator().await?;
    let file = context.bench.folder.join("reloads.yaml");
    let configuration = |number: u64| format!("models:\n  fast: {NOVA}\n  number{number}: {NOVA}\n");
    std::fs::write(&file, configuration(0))?;
    let path = file.display().to_string();
    let address = free_address()?;
    let environment = [
        ("OUTCROP_CONFIG", path.as_str()),
        ("AWS_ACCESS_KEY_ID", "AKIDSIMULATOR"),
        ("AWS_SECRET_ACCESS_KEY", "simulator"),
    ];
    // By signals alone.
    let settings = [("server.watch", "0")];
    let Ok(mut gateway) =
        context.bench.gateway_at(address, simulator.address, &settings, &environment, &[]).await
    else {
        return Ok(vec![Row::skipped(id, name, "this gateway knows no `server.watch`")]);
    };
    // The metric is there once it has something to count.
    gateway.signal(Signal::HUP)?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    if !gateway.lives() || gateway.metric("outcrop_config_reloads_total").await? < 1.0 {
        return Ok(vec![Row::skipped(id, name, "this gateway has no outcrop_config_reloads_total")]);
    }
    let times = context.size(50, 1000);
    let resident = gateway.resident()?;
    let over = Arc::new(AtomicBool::new(false));
    let mut asking = JoinSet::new();
    for number in 0..16 {
        let over = Arc::clone(&over);
        let request = Request::chat("fast", "hi", number % 2 == 0);
        asking.spawn(async move {
            let mut tally = Tally::default();
            while !over.load(Ordering::Relaxed) {
                tally.add(request.send(address).await);
            }
            tally
        });
    }
    for number in 1..=times {
        std::fs::write(&file, configuration(number))?;
        gateway.signal(Signal::HUP)?;
        // Until it has done so: two signals may else be one.
        let begun = Instant::now();
        while gateway.metric("outcrop_config_reloads_total").await? <= number as f64 {
            if begun.elapsed() > Duration::from_secs(10) {
                return Err(format!("reload {number} isn't made").into());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    over.store(true, Ordering::Relaxed);
    let mut bad = Tally::default();
    let (mut sent, mut good) = (0, 0);
    for tally in asking.join_all().await {
        (sent, good) = (sent + tally.sent, good + tally.goods());
        if tally.goods() < tally.sent {
            bad = tally;
        }
    }
    let more = gateway.resident()? - resident;
    Ok(vec![Row::new(
        id,
        name,
        format!("{times} reloads: no request fails"),
        format!(
            "{} of {sent} failed {}; resident {more:+.0} MiB",
            sent - good,
            if sent > good { bad.faults() } else { String::new() }
        ),
        sent == good,
    )])
}

/// What clients do, in turns; how many of them wanted an error.
async fn mixed(address: SocketAddr, number: usize) -> (std::io::Result<Answer>, bool) {
    let model = if number % 2 == 0 { CLAUDE } else { NOVA };
    match number % 7 {
        0 => (Request::chat(model, "hi [[error:validationException]]", false).send(address).await, false),
        1 => (Request::chat(model, "a b c d [[cut after=2]]", true).send(address).await, false),
        2 => {
            // It leaves.
            if let Ok(connection) = Connection::open(address).await
                && let Ok(mut live) =
                    connection.begin(&Request::chat(model, "a b c [[pace:20ms]]", true)).await
            {
                live.piece().await;
            }
            (Request::get("/livez").send(address).await, true)
        }
        3 => {
            (Request::chat(model, "a b c d e f [[deltas:60]] [[pace:10ms]]", true).send(address).await, true)
        }
        4 => (Request::chat(model, &"many words ".repeat(2000), false).send(address).await, true),
        5 => (Request::get("/v1/models").send(address).await, true),
        _ => (Request::chat(model, "hi", true).send(address).await, true),
    }
}

pub async fn soak(context: &Context) -> Found {
    let simulator = context.bench.simulator().await?;
    let gateway = context.bench.gateway(simulator.address, &[]).await?;
    let address = gateway.address;
    let files = gateway.files()?;
    let end = Instant::now() + context.soak;
    let mut asking = JoinSet::new();
    for client in 0..12_usize {
        asking.spawn(async move {
            let (mut good, mut bad, mut number) = (0_u64, 0_u64, client);
            while Instant::now() < end {
                let (answer, wanted) = mixed(address, number).await;
                let well = answer.as_ref().is_ok_and(|answer| answer.good() == wanted);
                if well {
                    good += 1
                } else {
                    bad += 1
                }
                number += 1;
            }
            (good, bad)
        });
    }
    // Resident memory once a second, after a warm-up of a quarter.
    let warm = Instant::now() + (context.soak / 4).min(Duration::from_secs(1800));
    let mut samples = Vec::new();
    while Instant::now() < end {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if Instant::now() > warm {
            samples.push((warm.elapsed().as_secs_f64() / 3600.0, gateway.resident()?));
        }
    }
    let (good, bad) = asking.join_all().await.iter().fold((0, 0), |(good, bad), (g, b)| (good + g, bad + b));
    // Connections to the upstream are kept for 90 s.
    tokio::time::sleep(Duration::from_secs(context.size(1, 95))).await;
    let (slope, grown) = slope(&samples);
    let (files, left) = (gateway.files()? as i64 - files as i64, rest(&gateway).await?);
    let long = context.soak >= Duration::from_secs(3600);
    let threshold =
        if long { "< 1 MiB an hour after the warm-up" } else { "too short for a slope: < 32 MiB in all" };
    Ok(vec![Row::new(
        "F8",
        "memory and files stay where they are",
        format!("{} s: {threshold}; files and gauges back", context.soak.as_secs()),
        format!(
            "{slope:+.2} MiB an hour, {grown:+.2} MiB in all; {files:+} files, {left}; {bad} of {} answers wrong",
            good + bad
        ),
        bad == 0
            && left == "nothing held"
            && files <= context.size(32, 8)
            && if long { slope < 1.0 } else { grown < 32.0 },
    )])
}

async fn rest(gateway: &Program) -> Result<String, Failure> {
    for gauge in ["outcrop_calls_in_flight", "outcrop_streams_in_flight", "outcrop_queue_length"] {
        let held = gateway.metric(&format!("{gauge} ")).await?;
        if held > 0.0 {
            return Ok(format!("{gauge} is {held:.0}"));
        }
    }
    Ok("nothing held".to_owned())
}

/// By least squares: MiB an hour, and what that makes of the time measured.
fn slope(samples: &[(f64, f64)]) -> (f64, f64) {
    let count = samples.len().max(1) as f64;
    let mean = |pick: fn(&(f64, f64)) -> f64| samples.iter().map(pick).sum::<f64>() / count;
    let (x, y) = (mean(|sample| sample.0), mean(|sample| sample.1));
    let above: f64 = samples.iter().map(|sample| (sample.0 - x) * (sample.1 - y)).sum();
    let below: f64 = samples.iter().map(|sample| (sample.0 - x).powi(2)).sum();
    let slope = if below > 0.0 { above / below } else { 0.0 };
    let hours = samples.last().map_or(0.0, |last| last.0 - samples[0].0);
    (slope, slope * hours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_of_a_line_is_its_own() {
        let (slope, grown) = slope(&[(0.0, 1.0), (0.5, 2.0), (1.0, 3.0)]);
        assert!((slope - 2.0).abs() < 1e-9 && (grown - 2.0).abs() < 1e-9);
    }
}
