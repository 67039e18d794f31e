//! What is done to the gateway, by name.

mod intake;
mod lifecycle;
mod memory;
mod network;
mod overload;
mod streams;
mod surroundings;
mod timing;
mod upstream;

use crate::table::Row;
use crate::{Context, Failure};

pub type Found = Result<Vec<Row>, Failure>;

pub const ALL: &[(&str, &str)] = &[
    ("startup", "from exec to the first answer, and from SIGTERM to not ready"),
    ("slow-heads", "slowhttptest's slow heads, while others ask"),
    ("slow-bodies", "slowhttptest's slow bodies"),
    ("silent", "sockets that say nothing"),
    ("bombs", "64 parallel JSON bodies of 8 MiB, made to cost memory"),
    ("files", "more connections than `ulimit -n 512` has room for"),
    ("bad-keys", "wrong keys as fast as they go"),
    ("timing", "whether a refusal's time tells how near a key was"),
    ("stalled-readers", "clients that read nothing of endless streams"),
    ("disconnects", "clients that leave, before and after the first byte"),
    ("live-streams", "as many streams at an event a second as the limit of files holds"),
    ("overload", "ten times the load of what there is room for"),
    ("fairness", "one key with fifty times the load of another"),
    ("outage", "an upstream that fails for a while"),
    ("region-down", "the first of two targets fails"),
    ("flapping", "a target that fails every other second"),
    ("half-open", "packets to the upstream are dropped in mid-stream"),
    ("vanished", "clients whose packets are dropped"),
    ("moving-name", "the upstream's name leads to another address"),
    ("metadata-blackhole", "a metadata service that swallows packets"),
    ("sdk-retries", "the openai package for Python against a dead upstream"),
    ("rolling-restart", "two gateways behind haproxy, restarted in turns under streams"),
    ("reloads", "SIGHUP again and again under load"),
    ("credentials", "credentials that end every minute"),
    ("wrong-clock", "a machine whose clock is an hour wrong, and set while streams run"),
    ("container", "read-only, without capabilities, as the image's user"),
    ("memory-bound", "unread streams and JSON bombs together, in a control group with 512 MiB"),
    ("soak", "mixed load for long: what memory and files do"),
];

pub async fn run(name: &str, context: &Context) -> Found {
    match name {
        "startup" => lifecycle::startup(context).await,
        "slow-heads" => intake::slow_heads(context).await,
        "slow-bodies" => intake::slow_bodies(context).await,
        "silent" => intake::silent(context).await,
        "bombs" => intake::bombs(context).await,
        "files" => intake::files(context).await,
        "bad-keys" => intake::bad_keys(context).await,
        "timing" => timing::timing(context).await,
        "stalled-readers" => streams::stalled_readers(context).await,
        "disconnects" => streams::disconnects(context).await,
        "live-streams" => streams::live(context).await,
        "overload" => overload::overload(context).await,
        "fairness" => overload::fairness(context).await,
        "outage" => upstream::outage(context).await,
        "region-down" => upstream::region_down(context).await,
        "flapping" => upstream::flapping(context).await,
        "half-open" => upstream::half_open(context).await,
        "vanished" => network::vanished(context).await,
        "moving-name" => network::moving_name(context).await,
        "metadata-blackhole" => network::metadata_blackhole(context).await,
        "sdk-retries" => upstream::sdk_retries(context).await,
        "rolling-restart" => lifecycle::rolling_restart(context).await,
        "reloads" => lifecycle::reloads(context).await,
        "credentials" => upstream::credentials(context).await,
        "wrong-clock" => surroundings::wrong_clock(context).await,
        "container" => surroundings::container(context).await,
        "memory-bound" => memory::bound(context).await,
        "soak" => lifecycle::soak(context).await,
        _ => Err(format!("no scenario {name}").into()),
    }
}
