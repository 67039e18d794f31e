//! A process whose memory is bounded by its control group, and much that wants some.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::JoinSet;

use super::{Found, intake};
use crate::client::{Connection, NOVA, Request};
use crate::front::{ENDLESS, Front};
use crate::load::Tally;
use crate::table::Row;
use crate::{Context, Failure};

/// A control group of one's own. It goes when it is dropped, if nobody is in it any more.
struct Group {
    folder: PathBuf,
    words: &'static Words,
}

/// What the two versions of control groups call things.
struct Words {
    root: &'static str,
    bound: &'static str,
    peak: &'static str,
    events: &'static str,
}

const VERSIONS: [Words; 2] = [
    Words { root: "/sys/fs/cgroup", bound: "memory.max", peak: "memory.peak", events: "memory.events" },
    Words {
        root: "/sys/fs/cgroup/memory",
        bound: "memory.limit_in_bytes",
        peak: "memory.max_usage_in_bytes",
        events: "memory.oom_control",
    },
];

impl Group {
    /// One with this bound; `None` if none can be made here.
    fn new(mib: u64) -> Option<Self> {
        VERSIONS.iter().find_map(|words| {
            let folder = Path::new(words.root).join(format!("outcrop-torture-{}", std::process::id()));
            fs::create_dir(&folder).ok()?;
            let group = Self { folder, words };
            // Where it is a control group, the file is there.
            let mut file = fs::File::options().write(true).open(group.folder.join(words.bound)).ok()?;
            file.write_all((mib << 20).to_string().as_bytes()).ok()?;
            Some(group)
        })
    }

    fn read(&self, file: &str) -> Result<String, Failure> {
        Ok(fs::read_to_string(self.folder.join(file))?)
    }

    /// The most that was in use, in MiB.
    fn peak(&self) -> Result<f64, Failure> {
        Ok(self.read(self.words.peak)?.trim().parse::<f64>()? / 1024.0 / 1024.0)
    }

    /// How many the kernel has killed for it.
    fn kills(&self) -> Result<u64, Failure> {
        let events = self.read(self.words.events)?;
        let kills = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
        Ok(kills.ok_or("the kernel doesn't tell of kills")?.trim().parse()?)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Whoever was in it has been killed, and needs a moment to be gone.
        for _ in 0..100 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

pub async fn bound(context: &Context) -> Found {
    let (id, name) = ("F7", "streams that nobody reads, and JSON made to cost memory, within a bound");
    let bound = 512;
    let Some(group) = Group::new(bound) else {
        return Ok(vec![Row::skipped(id, name, "no control group of memory can be made")]);
    };
    let simulator = context.bench.simulator().await?;
    let front = Front::start(simulator.address).await?;
    let enter = format!("echo $$ > {}/cgroup.procs; exec \"$0\" \"$@\"", group.folder.display());
    let shell = ["sh", "-c", &enter];
    let address = crate::client::free_address()?;
    let mut gateway = context.bench.gateway_at(address, front.address, &[], &[], &shell).await?;
    let (count, size) = (context.size(100, 1000), context.size(2, 8) * 1024 * 1024);
    let mut readers = Vec::new();
    for _ in 0..count {
        let mut connection = Connection::narrow(address).await?;
        connection.write(&Request::chat(NOVA, ENDLESS, true)).await?;
        // Open, and never read.
        readers.push(connection);
    }
    let mut seen = front.watch();
    let all = seen.wait_for(|seen| seen.open as usize >= count);
    let held = tokio::time::timeout(Duration::from_secs(20), all).await.is_ok();
    let bombs = intake::json_bombs(size);
    let mut tally = Tally::default();
    for _ in 0..3 {
        let mut sending = JoinSet::new();
        for number in 0..64 {
            let bomb = bombs[number % bombs.len()].clone();
            sending.spawn(async move { bomb.send(address).await });
        }
        for answer in sending.join_all().await {
            tally.add(answer);
        }
    }
    let (lives, peak, kills) = (gateway.lives(), group.peak()?, group.kills()?);
    let cut = gateway.metric("outcrop_connections_closed_total{reason=\"memory\"}").await?.abs();
    drop(readers);
    let mut serves = false;
    for _ in 0..50 {
        serves = Request::chat(NOVA, "hi", false).send(address).await?.good();
        if serves {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    drop(gateway);
    Ok(vec![Row::new(
        id,
        name,
        format!(
            "bound to {bound} MiB, {count} streams and 3 times 64 bodies of {} MiB: not killed, and serves 5 s after",
            size >> 20
        ),
        format!(
            "peak {peak:.0} MiB, {kills} killed, {cut:.0} streams cut; all held: {held}; {}; then it serves: {serves}",
            tally.faults().split('{').next().unwrap_or_default().trim()
        ),
        lives && kills == 0 && held && serves,
    )])
}
