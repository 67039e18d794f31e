//! Whether the time that a refusal takes tells a wrong key from a nearly right one: Welch's t-test over times of classes
//! that come in random turns, after dudect (Reparaz, Balasch and Verbauwhede, "Dude, is my code constant time?", 2017).
//! Over loopback, which is as near as a stranger gets.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::Found;
use crate::client::free_address;
use crate::front::Front;
use crate::table::Row;
use crate::{Context, Failure};

/// As long as those that `outcrop key` makes.
const KEY: &str = "oc-tHqzVtYV0Cz8mLxSg3Yw5cJ2nR7bK9fD4aPeUoWi1sE";
const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Beyond this the times differ by more than chance: once in 150,000 comparisons.
const BOUND: f64 = 4.5;

const FIRST: usize = 0;
const LAST: usize = 1;
const UNKNOWN: usize = 2;
/// Longer by 64 hashed blocks: to see that a difference would be seen.
const LONG: usize = 3;

pub async fn timing(context: &Context) -> Found {
    let simulator = context.bench.simulator().await?;
    let front = Front::start(simulator.address).await?;
    let environment = [
        ("OUTCROP_API_KEY", KEY),
        ("AWS_ACCESS_KEY_ID", "AKIDSIMULATOR"),
        ("AWS_SECRET_ACCESS_KEY", "simulator"),
    ];
    let gateway = context.bench.gateway_at(free_address()?, front.address, &[], &environment, &[]).await?;
    let (address, rounds) = (gateway.address, context.size(20_000, 500_000));
    let times = tokio::task::spawn_blocking(move || measure(address, rounds)).await??;
    // dudect's own way: the slowest are other people's doing, and where that begins isn't known.
    let all = times[..LONG].concat();
    let cuts = [0.5, 0.75, 0.9, 0.99, 1.0].map(|part| part_of(&all, part));
    let worst = |a: usize, b: usize| {
        cuts.iter()
            .map(|cut| welch(&times[a], &times[b], *cut))
            .max_by(|a, b| a.t.abs().total_cmp(&b.t.abs()))
    };
    let pairs = [worst(FIRST, LAST), worst(FIRST, UNKNOWN), worst(LAST, UNKNOWN)];
    let finest = cuts
        .iter()
        .map(|cut| welch(&times[FIRST], &times[UNKNOWN], *cut).error)
        .fold(f64::INFINITY, f64::min);
    let long = welch(&times[UNKNOWN], &times[LONG], part_of(&times[LONG], 0.9)).t.abs();
    let t = pairs.map(|pair| pair.map_or(f64::NAN, |pair| pair.t.abs()));
    Ok(vec![Row::new(
        "H3",
        "how long a refusal takes tells nothing of how near a key was",
        format!(
            "first character wrong, last one wrong, unknown: Welch's t within ± {BOUND} in pairs, over {rounds} tries each"
        ),
        format!(
            "{:.1}, {:.1}, {:.1}; {:.0} ns would have been seen; a longer key is: {long:.0}",
            t[0],
            t[1],
            t[2],
            finest * BOUND
        ),
        t.iter().all(|t| *t < BOUND) && long > BOUND && front.seen().calls == 0,
    )])
}

/// The time that this part of all doesn't exceed.
fn part_of(times: &[u64], part: f64) -> u64 {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[((times.len() - 1) as f64 * part) as usize]
}

struct Welch {
    t: f64,
    /// The standard error of the difference of the means, in nanoseconds.
    error: f64,
}

/// Of those times that aren't above `cut`.
fn welch(a: &[u64], b: &[u64], cut: u64) -> Welch {
    let moments = |times: &[u64]| {
        // Welford's way: sums of squares of nanoseconds would lose the digits that matter.
        let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
        for time in times.iter().filter(|time| **time <= cut) {
            let time = *time as f64;
            count += 1.0;
            let off = time - mean;
            mean += off / count;
            squares += off * (time - mean);
        }
        (mean, squares / (count - 1.0) / count)
    };
    let ((mean_a, error_a), (mean_b, error_b)) = (moments(a), moments(b));
    let error = f64::sqrt(error_a + error_b);
    Welch { t: (mean_a - mean_b) / error, error }
}

/// Keys of each class, none of them the right one: many, so that no one of them is known by heart on either side.
fn keys(class: usize, random: &mut Random) -> Vec<String> {
    let one = |random: &mut Random| {
        let mut key = KEY.as_bytes().to_vec();
        let last = key.len() - 1;
        match class {
            FIRST => key[0] = random.letter(),
            LAST => key[last] = random.letter(),
            _ => key.iter_mut().for_each(|letter| *letter = random.letter()),
        }
        if class == LONG {
            key.extend_from_within(..32);
            key = key.repeat(52);
        }
        String::from_utf8_lossy(&key).into_owned()
    };
    std::iter::repeat_with(|| one(random)).filter(|key| key != KEY).take(64).collect()
}

/// Nanoseconds from a request's first byte to its answer's last, by class.
fn measure(address: SocketAddr, rounds: usize) -> Result<[Vec<u64>; 4], Failure> {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let requests = [FIRST, LAST, UNKNOWN, LONG].map(|class| {
        let requests = keys(class, &mut random).into_iter().map(|key| {
            format!("GET /v1/models HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\r\n")
                .into_bytes()
        });
        requests.collect::<Vec<_>>()
    });
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut times = [const { Vec::new() }; 4];
    let longest = requests.iter().flatten().map(Vec::len).max().unwrap_or(0);
    let mut place = vec![0; longest];
    let warm = rounds / 20;
    for round in 0..rounds + warm {
        let mut turn = [FIRST, LAST, UNKNOWN];
        for place in (1..turn.len()).rev() {
            turn.swap(place, random.below(place + 1));
        }
        // The long ones are only to be seen, and they are seen soon.
        let long = round % 50 == 0;
        for class in turn.into_iter().chain(long.then_some(LONG)) {
            // Out of one place, so that it isn't the request's own that is measured.
            let chosen = &requests[class][random.below(requests[class].len())];
            let request = &mut place[..chosen.len()];
            request.copy_from_slice(chosen);
            let begun = Instant::now();
            socket.write_all(request)?;
            refusal(&mut socket)?;
            let took = begun.elapsed();
            if round >= warm {
                times[class].push(u64::try_from(took.as_nanos())?);
            }
        }
    }
    Ok(times)
}

/// Reads a refusal, which is never long.
fn refusal(socket: &mut TcpStream) -> io::Result<()> {
    let (mut bytes, mut count) = ([0; 4096], 0);
    loop {
        let read = socket.read(&mut bytes[count..])?;
        count += read;
        let text = &bytes[..count];
        if !text.starts_with(b"HTTP/1.1 401") || read == 0 {
            return Err(io::Error::other(format!("no refusal: {}", String::from_utf8_lossy(text))));
        }
        // Its body is one object, and its only one that ends two.
        if text.ends_with(b"}}") {
            return Ok(());
        }
    }
}

/// Marsaglia's xorshift: the same turns each time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound
    }

    fn letter(&mut self) -> u8 {
        LETTERS[self.below(LETTERS.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_times_are_told_from_different_ones() {
        let mut random = Random(7);
        let mut times =
            |more: u64| (0..10_000).map(|_| 1000_u64 + more + random.below(500) as u64).collect::<Vec<_>>();
        let (a, b, later) = (times(0), times(0), times(30));
        assert!(welch(&a, &b, u64::MAX).t.abs() < BOUND);
        assert!(welch(&a, &later, u64::MAX).t < -BOUND);
    }
}
