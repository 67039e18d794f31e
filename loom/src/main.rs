//! The parts of Outcrop in which threads share state, run by loom: in every order of steps that threads may take, up to a
//! number of turns taken from each other.
//!
//! The sources are the gateway's own, by path. Only what they share is made of is another: `sync` here stands in the
//! place of their own `sync`.
//!
//!     cargo run --release --locked --manifest-path loom/Cargo.toml

mod gateway;
mod limits;
mod oneshot;

/// A model, and how often threads may take turns from each other in one run of it.
fn check(name: &str, turns: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(turns);
    builder.check(model);
    println!("{name}: holds in every order");
}

fn main() {
    check("a slot is one caller's at a time, and none is lost", 3, limits::slots);
    check("who leaves the line while being called gives the slot on", 3, limits::leaving);
    check("bytes held stay within their bound, and come back", 3, limits::bytes);
    check("a breaker has one probe at a time", 3, gateway::one_probe);
    check("a probe that is given up makes way", 3, gateway::given_up);
}
