//! The gateway and its simulator as processes, and what the kernel knows of them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::Failure;
use crate::client::{self, Request};

/// A process that ends when it is dropped.
pub struct Program {
    child: Child,
    pub address: SocketAddr,
    pub pid: u32,
}

impl Program {
    pub fn signal(&self, signal: Signal) -> Result<(), Failure> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).ok_or("a process has a pid")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Waits for its end, and says whether it was a good one.
    pub async fn ended(&mut self, within: Duration) -> Result<bool, Failure> {
        Ok(tokio::time::timeout(within, self.child.wait()).await??.success())
    }

    pub fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// A sample of its metrics: the sum of those whose name, and labels if any are given, are these.
    pub async fn metric(&self, name: &str) -> Result<f64, Failure> {
        let text = Request::get("/metrics").send(self.address).await?.text();
        let values = text.lines().filter(|line| !line.starts_with('#') && line.starts_with(name));
        Ok(values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }

    /// Resident memory, in MiB.
    pub fn resident(&self) -> Result<f64, Failure> {
        self.status("VmRSS:")
    }

    /// The most since [`Program::forget_peak`], in MiB.
    pub fn peak(&self) -> Result<f64, Failure> {
        self.status("VmHWM:")
    }

    pub fn forget_peak(&self) -> Result<(), Failure> {
        Ok(std::fs::write(format!("/proc/{}/clear_refs", self.pid), "5")?)
    }

    fn status(&self, field: &str) -> Result<f64, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)).ok_or("no such field")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib / 1024.0)
    }

    /// Processor time so far, in seconds.
    pub fn cpu(&self) -> Result<f64, Failure> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        let (_, fields) = stat.rsplit_once(") ").ok_or("no name")?;
        let mut times = fields.split(' ').skip(11).map_while(|field| field.parse::<f64>().ok());
        let (user, system) = times.next().zip(times.next()).ok_or("no times")?;
        // The kernel counts for people in hundredths, whatever it does inside.
        Ok((user + system) / 100.0)
    }

    /// Open file descriptors.
    pub fn files(&self) -> Result<usize, Failure> {
        Ok(std::fs::read_dir(format!("/proc/{}/fd", self.pid))?.count())
    }
}

/// Memory of all TCP sockets of this machine, in MiB.
pub fn socket_memory() -> Result<f64, Failure> {
    let text = std::fs::read_to_string("/proc/net/sockstat")?;
    let pages = text
        .lines()
        .find(|line| line.starts_with("TCP:"))
        .and_then(|line| line.split(' ').skip_while(|word| *word != "mem").nth(1))
        .ok_or("no memory in sockstat")?;
    Ok(pages.parse::<f64>()? * 4096.0 / 1024.0 / 1024.0)
}

/// What the kernel holds in MiB for one process's ends of connections: those that it accepted on one port, and opened to
/// another. Told by `ss`, as the kernel reckons: a short packet counts for more than its bytes.
pub async fn own_socket_memory(accepted: u16, opened: u16) -> Result<f64, Failure> {
    let ends = format!("( sport = :{accepted} or dport = :{opened} )");
    let told = Command::new("ss").args(["-tnmH", "state", "established", &ends]).output().await?;
    // skmem:(r0,rb131072,t0,tb87040,f0,w0,o0,bl0,d0): of these, what is held and not what may be. What is set aside for more
    // (f) can be less than nothing, and is told as if it had no sign.
    let held = |field: &str| {
        let at = field.find(|letter: char| letter.is_ascii_digit())?;
        let (name, bytes) = field.split_at(at);
        let bytes = bytes.parse::<u32>().ok()?.cast_signed();
        matches!(name, "r" | "f" | "w" | "o" | "bl").then_some(f64::from(bytes))
    };
    let text = String::from_utf8(told.stdout)?;
    let sockets = text.split("skmem:(").skip(1).filter_map(|socket| socket.split(')').next());
    Ok(sockets.flat_map(|socket| socket.split(',')).filter_map(held).sum::<f64>() / 1024.0 / 1024.0)
}

/// Where programs come from and write to.
pub struct Bench {
    pub binary: PathBuf,
    pub folder: PathBuf,
}

impl Bench {
    /// A simulator that takes everybody's calls.
    pub async fn simulator(&self) -> Result<Program, Failure> {
        self.simulator_at(client::free_address()?, &[]).await
    }

    /// The same behind a command that puts it somewhere else.
    pub async fn simulator_at(&self, address: SocketAddr, behind: &[&str]) -> Result<Program, Failure> {
        self.simulate(address, &["--unsigned"], behind).await
    }

    /// One that takes calls with right signatures only, as AWS does.
    pub async fn strict_simulator(&self) -> Result<Program, Failure> {
        self.simulate(client::free_address()?, &[], &[]).await
    }

    async fn simulate(
        &self,
        address: SocketAddr,
        flags: &[&str],
        behind: &[&str],
    ) -> Result<Program, Failure> {
        let mut words: Vec<String> = behind.iter().map(|word| (*word).to_owned()).collect();
        words.extend([self.binary.display().to_string(), "simulate".to_owned()]);
        words.extend(flags.iter().map(|flag| (*flag).to_owned()));
        words.extend(["--listen".to_owned(), address.to_string()]);
        let program = self.start("simulator", &words, &[], address)?;
        let begun = Instant::now();
        while tokio::net::TcpStream::connect(address).await.is_err() {
            if begun.elapsed() > Duration::from_secs(10) {
                return Err("the simulator doesn't listen".into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(program)
    }

    /// A gateway over this upstream, with these keys of the configuration.
    pub async fn gateway(&self, upstream: SocketAddr, set: &[(&str, &str)]) -> Result<Program, Failure> {
        self.gateway_at(client::free_address()?, upstream, set, &[], &[]).await
    }

    pub async fn gateway_at(
        &self,
        address: SocketAddr,
        upstream: SocketAddr,
        set: &[(&str, &str)],
        environment: &[(&str, &str)],
        behind: &[&str],
    ) -> Result<Program, Failure> {
        let mut words: Vec<String> = behind.iter().map(|word| (*word).to_owned()).collect();
        words.push(self.binary.display().to_string());
        words.extend(["serve".to_owned(), "--listen".to_owned(), address.to_string()]);
        let usual = [("models.live.interval", "0"), ("log.level", "warn"), ("log.format", "json")];
        for (key, value) in usual.iter().chain(set) {
            words.extend(["--set".to_owned(), format!("{key}={value}")]);
        }
        let url = format!("http://{upstream}");
        let mut all = vec![
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", url.as_str()),
            ("AWS_ENDPOINT_URL_BEDROCK", url.as_str()),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        if environment.is_empty() {
            all.extend([("AWS_ACCESS_KEY_ID", "AKIDSIMULATOR"), ("AWS_SECRET_ACCESS_KEY", "simulator")]);
        }
        all.extend(environment);
        let mut program = self.start("gateway", &words, &all, address)?;
        let begun = Instant::now();
        loop {
            if let Ok(answer) = Request::get("/livez").send(address).await
                && answer.status == 200
            {
                return Ok(program);
            }
            if begun.elapsed() > Duration::from_secs(20) || !program.lives() {
                return Err(format!("the gateway doesn't serve: see {}", self.folder.display()).into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A program of these words. Whoever starts one that listens waits for it.
    pub fn start(
        &self,
        name: &str,
        words: &[String],
        environment: &[(&str, &str)],
        address: SocketAddr,
    ) -> Result<Program, Failure> {
        let (program, arguments) = words.split_first().ok_or("no program")?;
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.join(format!("{name}-{}.log", address.port())))?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            // Nothing of the caller's: no profile, no configuration, no way to AWS.
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true);
        let child = command.spawn().map_err(|error| format!("{program}: {error}"))?;
        let pid = child.id().ok_or("it has ended already")?;
        Ok(Program { child, address, pid })
    }
}

/// Is there such a program?
pub fn found(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Runs a command to its end.
pub async fn run(words: &[&str]) -> Result<String, Failure> {
    let output =
        Command::new(words[0]).args(&words[1..]).stdin(Stdio::null()).kill_on_drop(true).output().await?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{words:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

/// A path from the repository's root.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
