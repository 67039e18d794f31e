//! Hosts of our own: network namespaces at the other end of a cable, where packets can be dropped for real, and files
//! that one process sees otherwise than everybody else.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::Failure;
use crate::client::free_address;
use crate::program::{found, run};

/// One that is joined to this machine by a cable. Taken down when dropped.
pub struct Namespace {
    pub name: String,
    /// This end of the cable, and that one.
    pub here: IpAddr,
    pub there: IpAddr,
}

impl Namespace {
    /// An error says why there can be none, for the row that is skipped.
    pub async fn make() -> Result<Self, String> {
        if !found("ip") || !found("nft") {
            return Err("ip or nft is not installed".to_owned());
        }
        // Two rigs on one machine don't meet.
        let number = std::process::id();
        let [.., net] = number.to_be_bytes();
        let made = Self {
            name: format!("outcrop-torture-{number}"),
            here: Ipv4Addr::new(10, 231, net, 1).into(),
            there: Ipv4Addr::new(10, 231, net, 2).into(),
        };
        let set_up = made.set_up(number).await;
        set_up.map_err(|error| format!("no right to make a namespace: {}", error.to_string().trim()))?;
        Ok(made)
    }

    async fn set_up(&self, number: u32) -> Result<(), Failure> {
        let Self { name, here, there } = self;
        for words in [
            format!("ip netns add {name}"),
            format!("ip link add oc{number}h type veth peer name oc{number}t"),
            format!("ip link set oc{number}t netns {name}"),
            format!("ip addr add {here}/24 dev oc{number}h"),
            format!("ip link set oc{number}h up"),
            format!("ip -n {name} addr add {there}/24 dev oc{number}t"),
            format!("ip -n {name} link set oc{number}t up"),
            format!("ip -n {name} link set lo up"),
            format!("ip netns exec {name} nft add table ip torture"),
        ] {
            run(&words.split(' ').collect::<Vec<_>>()).await?;
        }
        self.nft("add chain ip torture in { type filter hook input priority 0 ; }").await?;
        self.nft("add chain ip torture out { type filter hook output priority 0 ; }").await?;
        Ok(())
    }

    /// A rule for its table `torture`, with the chains `in` and `out`. What is dropped on its way in is lost without a word
    /// to whoever sent it; of what is dropped on its way out the sender's own kernel knows.
    pub async fn nft(&self, rule: &str) -> Result<String, Failure> {
        run(&["ip", "netns", "exec", &self.name, "nft", rule]).await
    }

    /// Before a command's words, it runs there.
    pub fn exec(&self) -> [&str; 4] {
        ["ip", "netns", "exec", &self.name]
    }

    /// A free address at this end.
    pub fn free_here(&self) -> Result<SocketAddr, Failure> {
        Ok(SocketAddr::new(self.here, free_address()?.port()))
    }

    /// Connects from there.
    pub async fn connect(&self, address: SocketAddr) -> Result<tokio::net::TcpStream, Failure> {
        let namespace = File::open(Path::new("/run/netns").join(&self.name))?;
        // A socket belongs to the network that its thread was in. The thread ends, so that nobody else is led astray.
        let connecting = std::thread::spawn(move || -> Result<std::net::TcpStream, Failure> {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            let socket = std::net::TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        let socket = connecting.join().map_err(|_| "connecting panicked")??;
        Ok(tokio::net::TcpStream::from_std(socket)?)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // The cable would go with it, but only once the last process there has ended.
        let cable = format!("oc{}h", std::process::id());
        for words in [["link", "del", &cable], ["netns", "del", &self.name]] {
            let _gone = std::process::Command::new("ip").args(words).stderr(Stdio::null()).status();
        }
    }
}

/// Before a command's words, it finds this file in the place of `/etc/hosts`.
pub fn with_hosts(file: &Path) -> Vec<String> {
    let script = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";
    let mut words: Vec<_> =
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", script].map(str::to_owned).into();
    words.push(file.display().to_string());
    words
}
