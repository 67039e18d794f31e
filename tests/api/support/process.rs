//! The binary itself, as a child of the test.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

pub(crate) fn outcrop(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outcrop"));
    // Nothing of this machine's own AWS, and nobody to ask for credentials over the network.
    command
        .args(arguments)
        .env_clear()
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/nonexistent")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// A server that dies with its test.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) admin: Option<SocketAddr>,
    said: Arc<Mutex<String>>,
    listening: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts it and waits until it says where it listens.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::started(outcrop(arguments))
    }

    pub(crate) fn started(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let said = Arc::new(Mutex::new(String::new()));
        let hear = {
            let said = Arc::clone(&said);
            move |line: &str| {
                let mut said = said.lock().unwrap();
                said.push_str(line);
                said.push('\n');
            }
        };
        let address = loop {
            let Some(line) = lines.next() else {
                panic!("it ends without listening: {}", said.lock().unwrap())
            };
            let line = line.unwrap();
            hear(&line);
            if let Some((_, url)) = line.split_once("is listening on http://") {
                break url.parse().unwrap();
            }
        };
        let line = lines.next().unwrap().unwrap();
        hear(&line);
        let admin = line.split_once("admin        http://").map(|(_, address)| address.parse().unwrap());
        // Somebody has to read on, or it would wait for that.
        let listening = std::thread::spawn(move || {
            for line in lines {
                hear(&line.unwrap());
            }
        });
        Self { child, address, admin, said, listening: Some(listening) }
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// The file descriptors that it holds.
    #[cfg(target_os = "linux")]
    pub(crate) fn files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// From now on it may open no file beyond so many, `None` being all that there may be. What it has, it keeps.
    #[cfg(target_os = "linux")]
    pub(crate) fn limit_files(&self, most: Option<u64>) {
        use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
        let maximum = getrlimit(Resource::Nofile).maximum;
        let id = Pid::from_raw(self.id().try_into().unwrap());
        prlimit(id, Resource::Nofile, Rlimit { current: most.or(maximum), maximum }).unwrap();
    }

    /// Waits until it has said these words so often, and tells how often it has.
    pub(crate) async fn says(&self, words: &str, times: usize) -> usize {
        loop {
            let count = self.said.lock().unwrap().matches(words).count();
            if count >= times {
                return count;
            }
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end: its exit code, and everything that it has said.
    pub(crate) fn ended(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        self.listening.take().unwrap().join().unwrap();
        let said = self.said.lock().unwrap().clone();
        (code, said)
    }

    pub(crate) fn exit_code(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Ends it, and gives everything that it has said.
    pub(crate) fn last_words(mut self) -> String {
        self.signal("TERM");
        self.child.wait().unwrap();
        self.listening.take().unwrap().join().unwrap();
        std::mem::take(&mut *self.said.lock().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _already_gone = self.child.kill();
        let _code = self.child.wait();
    }
}
