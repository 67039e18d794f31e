//! What the gateway runs in: a machine whose clock is wrong, and a container that allows nothing.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Found;
use crate::client::{CLAUDE, Connection, NOVA, Request, free_address};
use crate::host::Namespace;
use crate::program::{Program, found, root, run};
use crate::table::Row;
use crate::{Context, Failure};

/// A clock as libfaketime shows it to one process: by how many seconds it is wrong is in a file.
struct WrongClock {
    library: PathBuf,
    file: PathBuf,
}

impl WrongClock {
    /// None where libfaketime isn't installed.
    fn new(folder: &Path) -> Result<Option<Self>, Failure> {
        for entry in std::fs::read_dir("/usr/lib")? {
            let library = entry?.path().join("faketime/libfaketimeMT.so.1");
            if library.exists() {
                return Ok(Some(Self { library, file: folder.join("clock") }));
            }
        }
        Ok(None)
    }

    fn set(&self, wrong_by: i64) -> Result<(), Failure> {
        // Whoever reads it finds all of it.
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{wrong_by:+}\n"))?;
        Ok(std::fs::rename(new, &self.file)?)
    }
}

/// Calls in turns, streamed and not: how many failed, and how many needed a second attempt.
async fn ask(address: SocketAddr, calls: usize) -> Result<(usize, usize), Failure> {
    let (mut failed, mut again) = (0, 0);
    for number in 0..calls {
        let model = if number % 2 == 0 { CLAUDE } else { NOVA };
        let answer = Request::chat(model, "hi", number % 3 == 0).send(address).await?;
        failed += usize::from(!answer.good());
        again += usize::from(!answer.head.contains("x-outcrop-attempts: 1\r\n"));
    }
    Ok((failed, again))
}

/// What is said of the clock: by how many seconds AWS's is ahead of it, and the line for people.
async fn shown(gateway: &Program, wanted: f64) -> Result<(f64, String), Failure> {
    let begun = Instant::now();
    loop {
        let skew = gateway.metric("outcrop_clock_skew_seconds ").await?;
        let answer = Request::get("/readyz?verbose").send(gateway.address).await?;
        let line = answer.text().lines().find(|line| line.contains(" clock")).unwrap_or_default().to_owned();
        if (skew - wanted).abs() < 5.0 || begun.elapsed() > Duration::from_secs(5) {
            return Ok((skew, format!("{} {line}", answer.status)));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub async fn wrong_clock(context: &Context) -> Found {
    let (id, name) = ("G5", "a clock an hour wrong");
    let Some(clock) = WrongClock::new(&context.bench.folder)? else {
        return Ok(vec![Row::skipped(id, name, "libfaketime is not installed")]);
    };
    let simulator = context.bench.strict_simulator().await?;
    clock.set(-3600)?;
    let (library, file) = (clock.library.display().to_string(), clock.file.display().to_string());
    let environment = [
        ("LD_PRELOAD", library.as_str()),
        ("FAKETIME_TIMESTAMP_FILE", file.as_str()),
        // It is looked at each time; and as on a real machine, the clock that counts from boot is nobody's to set.
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("NO_FAKE_STAT", "1"),
        ("AWS_ACCESS_KEY_ID", "AKIDSIMULATOR"),
        ("AWS_SECRET_ACCESS_KEY", "simulator"),
    ];
    let settings = [("timeout.idle", "4")];
    let gateway =
        context.bench.gateway_at(free_address()?, simulator.address, &settings, &environment, &[]).await?;
    let address = gateway.address;

    // A stream with an event a second goes on all the while. Its own first call is the first to be refused.
    let text = format!("{}[[deltas:600]] [[pace:500ms]]", "word ".repeat(700));
    let mut live = Connection::open(address).await?.begin(&Request::chat(NOVA, &text, true)).await?;
    live.piece().await.ok_or("no stream")?;
    let reading = tokio::spawn(async move {
        let (mut longest, mut last) = (Duration::ZERO, Instant::now());
        loop {
            let piece = tokio::time::timeout(Duration::from_secs(30), live.piece()).await;
            let Ok(Some(piece)) = piece else { return (longest, false) };
            longest = longest.max(last.elapsed());
            last = Instant::now();
            if piece.windows(7).any(|window| window == b"\"error\"") {
                return (longest, false);
            }
        }
    });

    let calls = context.size(20, 300);
    let (mut failed, mut again, mut told, mut well) = (0, 0, Vec::new(), true);
    let mut late = Vec::new();
    for wrong_by in [-3600, 3600, -3600, 0] {
        // A model falls silent, and the clock is set while the silence is timed.
        let silence = Request::chat(CLAUDE, "a b c [[stall after=1]]", true);
        let mut silent = Connection::open(address).await?.begin(&silence).await?;
        silent.piece().await.ok_or("no stream")?;
        let begun = Instant::now();
        tokio::time::sleep(Duration::from_secs(1)).await;
        clock.set(wrong_by)?;
        let (bad, more) = ask(address, calls).await?;
        (failed, again) = (failed + bad, again + more);
        let rest = silent.rest().await;
        late.push(begun.elapsed().as_secs_f64());
        well &= rest.text().contains("\"error\"");
        let wanted = -wrong_by as f64;
        let (skew, line) = shown(&gateway, wanted).await?;
        let marked =
            if wrong_by == 0 { "200 [+] clock ok" } else { "200 [!] clock: AWS's less this machine's is" };
        well &= (skew - wanted).abs() < 5.0 && line.starts_with(marked);
        told.push(format!("{skew:+.0} s"));
    }
    let cut = reading.is_finished();
    reading.abort();
    let longest = late.iter().copied().fold(0.0, f64::max);
    let shortest = late.iter().copied().fold(f64::INFINITY, f64::min);
    let lives = Request::get("/livez").send(address).await?.status;
    Ok(vec![
        Row::new(
            id,
            name,
            "an hour behind, ahead, behind, right again: every call answered, each change costs ≤ 2 second attempts",
            format!("{failed} of {} failed, {again} second attempts", calls * 4),
            failed == 0 && (3..=8).contains(&again),
        ),
        Row::new(
            id,
            "and it is shown",
            "`outcrop_clock_skew_seconds` to 5 s, `/readyz?verbose` 200 with the clock marked",
            format!("{}: {}", told.join(", "), if well { "all marked" } else { "not all marked" }),
            well,
        ),
        Row::new(
            id,
            "and no timer minds",
            "silences of 4 s are told after 4 ± 1 s, a stream is not cut, `/livez` 200",
            format!("{shortest:.1} to {longest:.1} s, cut: {cut}, {lives}"),
            shortest >= 3.0 && longest <= 5.0 && !cut && lives == 200,
        ),
    ])
}

/// What the Dockerfile says of the image that it makes.
struct Image {
    user: (u32, u32),
    environment: Vec<String>,
    words: Vec<String>,
    probe: Vec<String>,
}

impl Image {
    fn read() -> Result<Self, Failure> {
        let text = std::fs::read_to_string(root().join("Dockerfile"))?;
        let stage = text.rsplit("\nFROM ").next().ok_or("no stage")?.replace("\\\n", " ");
        let rests = |instruction: &'static str| {
            stage.lines().filter_map(move |line| line.strip_prefix(instruction)?.strip_prefix(' '))
        };
        let words = |json: &str| serde_json::from_str::<Vec<String>>(json);
        let one = |instruction| rests(instruction).next_back().ok_or(format!("no {instruction}"));
        let (user, group) = one("USER")?.split_once(':').ok_or("no group")?;
        let probe = one("HEALTHCHECK")?.split_once("CMD ").ok_or("no command")?.1;
        Ok(Self {
            user: (user.parse()?, group.parse()?),
            environment: rests("ENV").map(str::to_owned).collect(),
            words: [words(one("ENTRYPOINT")?)?, words(one("CMD")?)?].concat(),
            probe: words(probe)?,
        })
    }
}

/// A container of the image. Gone when dropped.
struct Container {
    state: String,
    bundle: String,
}

const CONTAINER: &str = "outcrop-torture";

impl Container {
    fn words(&self) -> [&str; 3] {
        ["runc", "--root", &self.state]
    }

    async fn run(&self, rest: &[&str]) -> Result<String, Failure> {
        run(&[&self.words(), rest].concat()).await
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let mut command = std::process::Command::new("runc");
        command.args(&self.words()[1..]).args(["delete", "--force", CONTAINER]);
        let _gone = command.stderr(std::process::Stdio::null()).status();
    }
}

/// The runtime stage's files: the binary where it is copied to, and what it is linked with. No shell, nothing else.
async fn files(context: &Context, bundle: &Path) -> Result<(), Failure> {
    let files = bundle.join("rootfs");
    for folder in ["proc", "dev", "sys", "tmp", "usr/local/bin"] {
        std::fs::create_dir_all(files.join(folder))?;
    }
    std::fs::copy(&context.bench.binary, files.join("usr/local/bin/outcrop"))?;
    // Statically linked, it has none.
    let linked = run(&["ldd", &context.bench.binary.display().to_string()]).await.unwrap_or_default();
    for library in linked.split_whitespace().filter(|word| word.starts_with('/')) {
        let there = files.join(&library[1..]);
        std::fs::create_dir_all(there.parent().ok_or("a library is in a folder")?)?;
        std::fs::copy(library, there)?;
    }
    Ok(())
}

pub async fn container(context: &Context) -> Found {
    let (id, name) = ("H14", "the image's files in a container that allows nothing");
    if !found("runc") {
        return Ok(vec![Row::skipped(id, name, "runc is not installed")]);
    }
    let namespace = match Namespace::make().await {
        Ok(namespace) => namespace,
        Err(why) => return Ok(vec![Row::skipped(id, name, why)]),
    };
    let simulator = context.bench.simulator_at(namespace.free_here()?, &[]).await?;
    let image = Image::read()?;
    let bundle = context.bench.folder.join("container");
    files(context, &bundle).await?;
    let mut environment = image.environment.clone();
    environment.extend([
        "PATH=/usr/local/bin".to_owned(),
        "AWS_REGION=us-east-1".to_owned(),
        "AWS_ACCESS_KEY_ID=AKIDSIMULATOR".to_owned(),
        "AWS_SECRET_ACCESS_KEY=simulator".to_owned(),
        "AWS_EC2_METADATA_DISABLED=true".to_owned(),
        format!("AWS_ENDPOINT_URL_BEDROCK_RUNTIME=http://{}", simulator.address),
        format!("AWS_ENDPOINT_URL_BEDROCK=http://{}", simulator.address),
        "OUTCROP_API_KEY=sk-of-the-container".to_owned(),
    ]);
    let configuration: Value = json!({
        "ociVersion": "1.0.0",
        "process": {
            "terminal": false,
            "user": {"uid": image.user.0, "gid": image.user.1},
            "args": image.words,
            "env": environment,
            "cwd": "/",
            "noNewPrivileges": true,
            "capabilities": {},
        },
        "root": {"path": "rootfs", "readonly": true},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]}],
        "linux": {
            "namespaces": [
                {"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"},
                {"type": "network", "path": format!("/run/netns/{}", namespace.name)},
            ],
        },
    });
    std::fs::write(bundle.join("config.json"), configuration.to_string())?;
    let container = Container {
        state: context.bench.folder.join("runc").display().to_string(),
        bundle: bundle.display().to_string(),
    };
    // As the image has it: every address, 8080.
    let address = SocketAddr::new(namespace.there, 8080);
    let words: Vec<_> = [&container.words()[..], &["run", "--bundle", &container.bundle, CONTAINER]]
        .concat()
        .iter()
        .map(|word| (*word).to_owned())
        .collect();
    let begun = Instant::now();
    let mut running = context.bench.start("container", &words, &[], address)?;
    while !Request::get("/readyz").send(address).await.is_ok_and(|answer| answer.status == 200) {
        if !running.lives() {
            let said = std::fs::read_to_string(context.bench.folder.join("container-8080.log"))?;
            let why = said.lines().next().unwrap_or_default().to_owned();
            // What runc refuses to set up is this machine's; what the gateway says is a failure.
            return match why.contains("runc") || why.contains("OCI") {
                true => Ok(vec![Row::skipped(id, name, format!("runc can't: {why}"))]),
                false => Err(format!("it ended: {why}").into()),
            };
        }
        if begun.elapsed() > Duration::from_secs(20) {
            return Err("never ready".into());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let state: Value = serde_json::from_str(&container.run(&["state", CONTAINER]).await?)?;
    let pid = state["pid"].as_u64().ok_or("a container has a pid")?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| -> String {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim().replace('\t', " ")
    };
    let (user, may) = (field("Uid:"), field("CapEff:") + &field("CapPrm:") + &field("CapBnd:"));
    let mounts = std::fs::read_to_string(format!("/proc/{pid}/mountinfo"))?;
    let writable: Vec<_> = mounts
        .lines()
        .map(|line| line.split(' ').skip(4).take(2).collect::<Vec<_>>())
        .filter(|mount| mount[0] != "/proc" && !mount[1].starts_with("ro"))
        .map(|mount| mount[0].to_owned())
        .collect();
    let nothing = may.bytes().all(|digit| digit == b'0') && field("NoNewPrivs:") == "1";
    let key = Some("sk-of-the-container");
    let whole = Request::chat_of(key, CLAUDE, "hi", false).send(address).await?;
    let streamed = Request::chat_of(key, NOVA, "hi", true).send(address).await?;
    let stranger = Request::chat(CLAUDE, "hi", false).send(address).await?.status;
    let probe: Vec<_> = image.probe.iter().map(String::as_str).collect();
    let healthy = container.run(&[&["exec", CONTAINER][..], &probe].concat()).await;
    container.run(&["kill", CONTAINER, "TERM"]).await?;
    let ended = running.ended(Duration::from_secs(20)).await?;
    Ok(vec![Row::new(
        id,
        name,
        "the Dockerfile's user, command and probe; read-only root, no capability: answers a chat, whole and streamed",
        format!(
            "uid {user}, no capability: {nothing}, writable: {}; {} and {}, {stranger} without a key; probe: {}; SIGTERM: exit 0: {ended}",
            if writable.is_empty() { "nothing".to_owned() } else { writable.join(", ") },
            whole.status,
            streamed.status,
            healthy.as_ref().map_or_else(|error| error.to_string(), |_| "well".to_owned()),
        ),
        user == "65532 65532 65532 65532"
            && nothing
            && writable.is_empty()
            && whole.good()
            && streamed.good()
            && stranger == 401
            && healthy.is_ok()
            && ended,
    )])
}
