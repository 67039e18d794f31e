//! More than there is room for.

use std::time::Duration;

use super::Found;
use crate::client::{NOVA, Request, free_address};
use crate::load;
use crate::program::run;
use crate::table::Row;
use crate::{Context, Failure};

pub async fn overload(context: &Context) -> Found {
    let simulator = context.bench.simulator().await?;
    // Room for 32 calls of 0.2 s: about 150 a second, so that what is measured is the limit and not the machine.
    let settings = [("limits.concurrency", "32"), ("limits.queue.length", "32")];
    let gateway = context.bench.gateway(simulator.address, &settings).await?;
    let request = Request::chat(NOVA, "hi [[delay:200ms]]", false);
    let lasting = Duration::from_secs(context.size(4, 30));
    let mut peak = load::closed(gateway.address, 32, lasting, |_| request.clone()).await;
    let best = peak.goods() as f64 / lasting.as_secs_f64();
    let mut over = load::open(gateway.address, best * 10.0, lasting, |_| request.clone()).await;
    let goodput = over.goods() as f64 / (lasting.as_secs_f64() + 0.4);
    let alone = peak.good.at(0.99);
    let (admitted, shed) = (over.good.at(0.99), over.shed.at(0.99));
    Ok(vec![
        Row::new(
            "E1",
            "goodput under ten times the load",
            "≥ 90 % of the peak, nothing broken",
            format!(
                "{goodput:.0} of {best:.0} a second, {} offered; {}",
                over.sent,
                over.faults().split('{').next().unwrap_or_default().trim()
            ),
            goodput >= best * 0.9 && over.broken == 0,
        ),
        Row::new(
            "E1",
            "who is turned away learns it soon, who is let in isn't late",
            "turned away ≤ 20 ms p99; let in ≤ the wait in line (0.5 s) later, p99",
            format!("{shed:.1} ms; {admitted:.0} ms, alone {alone:.0} ms"),
            shed <= 20.0 && admitted <= alone + 500.0,
        ),
    ])
}

/// A new key: itself, and the YAML of its entry under this id.
async fn key(context: &Context, id: &str) -> Result<(String, String), Failure> {
    let binary = context.bench.binary.display().to_string();
    let made = run(&[&binary, "keys", "new"]).await?;
    let key = made.lines().next().ok_or("no key")?.to_owned();
    let digest = made.lines().find_map(|line| line.trim().strip_prefix("sha256: ")).ok_or("no digest")?;
    Ok((key, format!("{{id: {id}, sha256: {digest}}}")))
}

pub async fn fairness(context: &Context) -> Found {
    let simulator = context.bench.simulator().await?;
    let ((loud, loud_entry), (calm, calm_entry)) = (key(context, "loud").await?, key(context, "calm").await?);
    let keys = format!("[{loud_entry}, {calm_entry}]");
    // Nobody keeps a slot free: whoever comes waits for one of them to end, which is a call's time by their number. Of 16 it
    // is 6 % of that time, of 32 it is 3.
    let settings =
        [("limits.concurrency", "32"), ("auth.keys", keys.as_str()), ("limits.queue.length", "32")];
    let address = free_address()?;
    let gateway = context.bench.gateway_at(address, simulator.address, &settings, &[], &[]).await?;
    let lasting = Duration::from_secs(context.size(4, 30));
    let ask = |key: &str, takes| Request::chat_of(Some(key), NOVA, &format!("hi [[delay:{takes}ms]]"), false);
    let of_calm = ask(&calm, 100);
    // Calls that all take the same time would all end together, and those who wait would wait for that.
    let of_loud: Vec<_> = (0..40).map(|number| ask(&loud, 60 + number * 37 % 80)).collect();
    let mut alone = load::closed(gateway.address, 4, lasting, |_| of_calm.clone()).await;
    let rate = 50.0 * alone.goods() as f64 / lasting.as_secs_f64();
    let (mut beside, others) = tokio::join!(
        load::closed(gateway.address, 4, lasting, |_| of_calm.clone()),
        load::open(gateway.address, rate, lasting, |number| of_loud[number % of_loud.len()].clone()),
    );
    let share = beside.goods() as f64 * 100.0 / alone.goods() as f64;
    let (p99, alone_p99) = (beside.good.at(0.99), alone.good.at(0.99));
    Ok(vec![Row::new(
        "E3",
        "a key with fifty times the load crowds out no other",
        "32 slots: ≥ 95 % of the other's goodput alone, p99 ≤ 1.5 times, none refused",
        format!(
            "{share:.0} %, p99 {p99:.0} ms against {alone_p99:.0} ms, {} refused; the loud one: {} of {}",
            beside.sent - beside.goods(),
            others.goods(),
            others.sent
        ),
        share >= 95.0 && p99 <= alone_p99 * 1.5 && beside.sent == beside.goods(),
    )])
}
