//! CPU time and memory of processes, from /proc.

use std::fs;
use std::io;
use std::time::Instant;

/// Whose time is read.
pub(crate) struct Meter {
    pub(crate) gateway: u32,
    /// The upstream, for one.
    pub(crate) also: Vec<u32>,
}

/// Seconds of CPU time since some beginning.
pub(crate) struct Reading {
    at: Instant,
    gateway: f64,
    ours: f64,
    machine: f64,
}

/// What was used between two readings.
pub(crate) struct Window {
    pub(crate) seconds: f64,
    /// CPU seconds of the gateway.
    pub(crate) gateway: f64,
    /// CPU seconds of whatever doesn't belong to the measurement: the more, the less it is worth.
    pub(crate) others: f64,
}

impl Meter {
    pub(crate) fn read(&self) -> io::Result<Reading> {
        let gateway = cpu(self.gateway)?;
        let also = self.also.iter().map(|pid| cpu(*pid)).sum::<io::Result<f64>>()?;
        let ours = gateway + also + cpu(std::process::id())?;
        Ok(Reading { at: Instant::now(), gateway, ours, machine: machine()? })
    }
}

impl Reading {
    pub(crate) fn until(&self, end: &Self) -> Window {
        Window {
            seconds: (end.at - self.at).as_secs_f64(),
            gateway: end.gateway - self.gateway,
            others: (end.machine - self.machine) - (end.ours - self.ours),
        }
    }
}

/// Most memory since [`reset_peak`].
pub(crate) fn peak_mib(pid: u32) -> io::Result<f64> {
    Ok(status_kib(pid, "VmHWM:")? / 1024.0)
}

/// Memory now.
pub(crate) fn memory_kib(pid: u32) -> io::Result<f64> {
    status_kib(pid, "VmRSS:")
}

/// Makes the memory of now the peak.
pub(crate) fn reset_peak(pid: u32) -> io::Result<()> {
    fs::write(format!("/proc/{pid}/clear_refs"), "5")
}

/// User and system time, with a grain of 10 ms.
fn cpu(pid: u32) -> io::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // After the name, which may hold anything: state, ppid … utime and stime are the 12th and 13th.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    Ok(fields.skip(11).take(2).map(ticks).sum::<f64>() / rustix::param::clock_ticks_per_second() as f64)
}

/// Time that any core was busy, the hypervisor's share included.
fn machine() -> io::Result<f64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
    // Not idle and iowait, and not the guests' time, which is in user time already.
    let busy = fields
        .enumerate()
        .filter(|(place, _)| !matches!(place, 3 | 4 | 8 | 9))
        .map(|(_, field)| ticks(field));
    Ok(busy.sum::<f64>() / rustix::param::clock_ticks_per_second() as f64)
}

fn ticks(field: &str) -> f64 {
    field.parse().unwrap_or(0.0)
}

fn status_kib(pid: u32, key: &str) -> io::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let value =
        status.lines().find_map(|line| line.strip_prefix(key)?.split_whitespace().next()?.parse().ok());
    value.ok_or_else(|| io::Error::other(format!("no {key} in the status of {pid}")))
}
