//! The process itself, from `/proc`, under the names that every Prometheus client library gives them. Read when
//! scraped. What can't be read (another system, a hardened mount) is left out, not shown as zero.

use std::fmt::Write;
use std::fs;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

/// Appends the `process_*` metrics to `text`.
pub(super) fn render(started: SystemTime, text: &mut String) {
    let since_epoch = started.duration_since(UNIX_EPOCH).map_err(io::Error::other);
    let rows = [
        ("process_start_time_seconds", "gauge", since_epoch.map(|since| since.as_secs_f64())),
        ("process_cpu_seconds_total", "counter", cpu_seconds()),
        ("process_resident_memory_bytes", "gauge", resident_bytes()),
        ("process_open_fds", "gauge", open_files()),
        ("process_max_fds", "gauge", max_files()),
    ];
    for (name, kind, value) in rows {
        let written = match value {
            Ok(value) => writeln!(text, "# TYPE {name} {kind}\n{name} {value}"),
            Err(error) => {
                tracing::debug!(%error, metric = name, "cannot be read here");
                Ok(())
            }
        };
        debug_assert!(written.is_ok(), "a String takes everything");
    }
}

/// `USER_HZ`, the unit of times in `/proc`: 100 on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

fn cpu_seconds() -> io::Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The second field is the program's name in parentheses, which may hold anything; the times are the 14th and 15th.
    let (_, after_name) = stat.rsplit_once(") ").ok_or_else(unexpected)?;
    let mut times = after_name.split(' ').skip(11).map(str::parse::<f64>);
    match (times.next(), times.next()) {
        (Some(Ok(user)), Some(Ok(system))) => Ok((user + system) / TICKS_PER_SECOND),
        (_, _) => Err(unexpected()),
    }
}

fn resident_bytes() -> io::Result<f64> {
    Ok(field("/proc/self/status", "VmRSS:")? * 1024.0)
}

fn max_files() -> io::Result<f64> {
    field("/proc/self/limits", "Max open files")
}

fn open_files() -> io::Result<f64> {
    // One of them is the directory being read.
    let open = fs::read_dir("/proc/self/fd")?.count().saturating_sub(1);
    u32::try_from(open).map(f64::from).map_err(io::Error::other)
}

/// The first number after `name` on the line that begins with it.
fn field(path: &str, name: &str) -> io::Result<f64> {
    fs::read_to_string(path)?
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next())
        .ok_or_else(unexpected)?
        .parse()
        .map_err(io::Error::other)
}

fn unexpected() -> io::Error {
    io::Error::from(io::ErrorKind::InvalidData)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    fn value(text: &str, name: &str) -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap().parse().unwrap()
    }

    #[test]
    fn every_metric_has_a_value_of_a_living_process() {
        let mut text = String::new();
        render(SystemTime::now(), &mut text);
        assert!(value(&text, "process_start_time_seconds") > 1.7e9);
        assert!(value(&text, "process_cpu_seconds_total") >= 0.0);
        assert!(value(&text, "process_resident_memory_bytes") > 1e6);
        let open = value(&text, "process_open_fds");
        assert!(open >= 3.0);
        assert!(value(&text, "process_max_fds") >= open);
    }
}
