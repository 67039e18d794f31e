//! Streams: nobody reads them, their clients leave, there are very many.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::Found;
use crate::Context;
use crate::client::{CLAUDE, Connection, NOVA, Request};
use crate::front::{ENDLESS, Front};
use crate::program::{found, own_socket_memory, socket_memory};
use crate::table::{Row, Times};

pub async fn stalled_readers(context: &Context) -> Found {
    let simulator = context.bench.simulator().await?;
    let front = Front::start(simulator.address).await?;
    let limit: u64 = context.size(6, 30);
    let stall = limit.to_string();
    let gateway = context.bench.gateway(front.address, &[("server.write_stall_timeout", &stall)]).await?;
    let count = context.size(100, 1000);
    // What the first ones cost is not theirs.
    for _ in 0..20 {
        Request::chat(NOVA, "hi", true).send(gateway.address).await?;
    }
    let (resident, kernel) = (gateway.resident()?, socket_memory()?);
    let mut readers = JoinSet::new();
    let begun = Instant::now();
    for _ in 0..count {
        let request = Request::chat(NOVA, ENDLESS, true);
        let mut connection = Connection::narrow(gateway.address).await?;
        connection.write(&request).await?;
        readers.spawn(async move {
            // Open, and never read.
            std::future::pending::<()>().await;
            drop(connection);
        });
    }
    tokio::time::sleep((begun + Duration::from_secs(limit / 2)).saturating_duration_since(Instant::now()))
        .await;
    let (held, more, kernel) = (front.seen().open, gateway.resident()? - resident, socket_memory()? - kernel);
    let own = if found("ss") {
        Some(own_socket_memory(gateway.address.port(), front.address.port()).await?)
    } else {
        None
    };
    let mut seen = front.watch();
    let all = seen.wait_for(|seen| seen.open == 0);
    let ended = tokio::time::timeout(Duration::from_secs(limit + 15), all).await.is_ok();
    let after = begun.elapsed().as_secs_f64();
    let closed = gateway.metric("outcrop_connections_closed_total{reason=\"write_stalled\"}").await?;
    drop(readers);
    let process = 8.0 + 128.0 / 1024.0 * count as f64;
    let (ours, sockets) = (320.0 / 1024.0 * count as f64, 384.0 / 1024.0 * count as f64);
    let own_name = "nor do their sockets at this end";
    Ok(vec![
        Row::new(
            "B1",
            "streams that nobody reads take little memory",
            format!("{count} of them: process ≤ {process:.0} MiB more (8, and 128 KiB a stream)"),
            format!("{more:.1} MiB more, {held} held"),
            more <= process && held as usize >= count,
        ),
        match own {
            None => Row::skipped("B1", own_name, "there is no `ss`"),
            Some(own) => Row::new(
                "B1",
                own_name,
                format!("kernel ≤ {ours:.0} MiB for the gateway's ends (320 KiB a stream)"),
                format!("{own:.1} MiB"),
                own <= ours,
            ),
        },
        Row::new(
            "B1",
            "nor at all ends together, the peers' on this machine too",
            format!("kernel ≤ {sockets:.0} MiB more (384 KiB a stream)"),
            format!("{kernel:.1} MiB more"),
            kernel <= sockets,
        ),
        Row::new(
            "B2",
            "a client that takes no byte is dropped, and its call with it",
            format!("all {limit} ± 3 s after they came"),
            format!("{closed:.0} dropped, the last after {after:.1} s; upstream closed: {ended}"),
            ended && closed as usize == count && after <= limit as f64 + 5.0,
        ),
    ])
}

pub async fn disconnects(context: &Context) -> Found {
    let simulator = context.bench.simulator().await?;
    let front = Front::start(simulator.address).await?;
    let gateway = context.bench.gateway(front.address, &[]).await?;
    let each = context.size(30, 300);
    let mut rows = Vec::new();
    for (name, text, stream, begun) in [
        ("before the first byte of a stream", "[[stall]]", true, false),
        ("after it", "a b c [[stall after=1]]", true, true),
        ("before a whole answer", "[[stall]]", false, false),
    ] {
        let mut times = Times::default();
        let mut missed = 0;
        for number in 0..each {
            let model = if number % 2 == 0 { CLAUDE } else { NOVA };
            let (calls, left) = (front.seen().calls, front.seen().left);
            let mut seen = front.watch();
            let request = Request::chat(model, text, stream);
            let mut connection = Connection::open(gateway.address).await?;
            let closed = if begun {
                let mut live = connection.begin(&request).await?;
                live.piece().await;
                drop(live);
                Instant::now()
            } else {
                connection.write(&request).await?;
                seen.wait_for(|seen| seen.calls > calls).await?;
                drop(connection);
                Instant::now()
            };
            let gone = seen.wait_for(|seen| seen.left > left);
            match tokio::time::timeout(Duration::from_secs(5), gone).await {
                Ok(gone) => {
                    let at = gone?.left_at.unwrap_or(closed);
                    times.0.push(at.saturating_duration_since(closed));
                }
                Err(_) => missed += 1,
            }
        }
        let p99 = times.at(0.99);
        rows.push(Row::new(
            "B4",
            name,
            format!("{each} clients leave: the call upstream ends ≤ 50 ms after, p99"),
            format!("p50 {:.1} ms, p99 {p99:.1} ms, {missed} went on", times.at(0.5)),
            p99 <= 50.0 && missed == 0,
        ));
    }
    Ok(rows)
}

pub async fn live(context: &Context) -> Found {
    let simulator = context.bench.simulator().await?;
    let files =
        rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(20_000) as usize;
    // Each takes two of the gateway's, which keeps 256 for itself.
    let count = context.size(300, ((files.saturating_sub(600)) / 2).min(10_000));
    let seconds: u64 = context.size(8, 120);
    let most = (count + 100).to_string();
    let settings = [("limits.concurrency", "0"), ("server.max_connections", most.as_str())];
    let gateway = context.bench.gateway(simulator.address, &settings).await?;
    for _ in 0..50 {
        Request::chat(NOVA, "hi", true).send(gateway.address).await?;
    }
    let resident = gateway.resident()?;
    let text = format!("{}[[deltas:{}]] [[pace:1s]]", "word ".repeat(seconds as usize * 2), seconds + 20);
    let mut streams = JoinSet::new();
    let end = Instant::now() + Duration::from_secs(seconds) + Duration::from_millis(count as u64);
    for _ in 0..count {
        let request = Request::chat(NOVA, &text, true);
        let address = gateway.address;
        streams.spawn(async move {
            let mut times = Times::default();
            let Ok(connection) = Connection::open(address).await else { return (times, false) };
            let Ok(mut live) = connection.begin(&request).await else { return (times, false) };
            let mut last = None;
            while Instant::now() < end {
                let piece = tokio::time::timeout(Duration::from_secs(10), live.piece()).await;
                if !matches!(piece, Ok(Some(_))) {
                    return (times, false);
                }
                let now = Instant::now();
                if let Some(last) = last.replace(now) {
                    times.0.push((now - last).saturating_sub(Duration::from_secs(1)));
                }
            }
            (times, true)
        });
        // As they would come, and not all at once.
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    tokio::time::sleep(end.saturating_duration_since(Instant::now()) / 2).await;
    let cpu = gateway.cpu()?;
    let begun = Instant::now();
    tokio::time::sleep(end.saturating_duration_since(Instant::now()).mul_f64(0.8)).await;
    let cpu = (gateway.cpu()? - cpu) / begun.elapsed().as_secs_f64();
    let open = gateway.metric("outcrop_streams_in_flight").await?;
    let (peak, each) = (gateway.resident()?, (gateway.resident()? - resident) * 1024.0 / count as f64);
    let ended = streams.join_all().await;
    let cut = ended.iter().filter(|(_, good)| !good).count();
    let mut late = Times(ended.into_iter().flat_map(|(times, _)| times.0).collect());
    // Connections to the upstream rest for 90 s in case somebody needs them, and take their buffers along.
    tokio::time::sleep(Duration::from_secs(context.size(12, 100))).await;
    let after = gateway.resident()?;
    let bound = (f64::from(768) * count as f64 / 10_000.0 + resident).max(resident + 40.0);
    Ok(vec![
        Row::new(
            "B9",
            "many streams at an event a second",
            format!("{count} at once, none cut; resident ≤ {bound:.0} MiB; events late ≤ 50 ms, p99"),
            format!(
                "{open:.0} at once, {cut} cut; {peak:.0} MiB from {resident:.0}, {each:.1} KiB a stream; late p50 {:.1} ms, p99 {:.1} ms; {cpu:.2} cores",
                late.at(0.5),
                late.at(0.99)
            ),
            cut == 0 && open as usize >= count && peak <= bound && late.at(0.99) <= 50.0,
        ),
        Row::new(
            "B9",
            "and memory comes back",
            "resident within 20 % of the beginning, or 16 MiB, once connections have rested",
            format!("{after:.0} MiB after, {resident:.0} before"),
            after <= (resident * 1.2).max(resident + 16.0),
        ),
    ])
}
