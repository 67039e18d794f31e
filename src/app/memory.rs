//! How near the process is to the end of its memory, where a control group bounds it.
//!
//! The kernel kills who crosses the bound, and every call with it. So new calls are turned away a little before, and those
//! under way give theirs back as they end. Where that isn't enough, streams whose clients don't read give theirs first: what
//! is waiting for them isn't missed yet.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::reload::Reloader;
use crate::config;
use crate::listener::Stalled;

/// How much memory is in use, in a hundred parts of what may be; `None` if that can't be told.
pub type MemoryUse = Arc<dyn Fn() -> Option<u64> + Send + Sync>;

/// Between two looks: two small files of the kernel's.
const LOOK: Duration = Duration::from_millis(500);

/// Who has taken nothing for so long doesn't read, rather than slowly. A network that pauses for a second is rare, and this
/// asked only in an emergency.
const STALLED: Duration = Duration::from_secs(1);

/// A control group with a bound of memory.
struct Group {
    folder: PathBuf,
    files: &'static Files,
    bound: u64,
}

/// Where a group tells of its memory.
struct Files {
    bound: &'static str,
    used: &'static str,
    /// In `memory.stat`, what the kernel only keeps in case somebody reads it again.
    kept: &'static str,
}

/// In version 2 of control groups.
const V2: Files = Files { bound: "memory.max", used: "memory.current", kept: "inactive_file " };

/// In version 1, which long-lived hosts have.
const V1: Files =
    Files { bound: "memory.limit_in_bytes", used: "memory.usage_in_bytes", kept: "total_inactive_file " };

/// What version 1 gives for a bound where there is none is more than this, and no memory is.
const BOUNDLESS: u64 = 1 << 60;

impl Group {
    /// The process's own, or the nearest above it that has a bound.
    fn own() -> Option<Self> {
        Self::among(Path::new("/sys/fs/cgroup"), &read(Path::new("/proc/self/cgroup"))?)
    }

    /// Of all groups that the process is in, a line for each. A host may have both versions; one of them has the memory.
    fn among(root: &Path, groups: &str) -> Option<Self> {
        groups.lines().find_map(|line| {
            // Its number, what it is for, and its path.
            let mut parts = line.splitn(3, ':').skip(1);
            let (what, path) = (parts.next()?, parts.next()?.strip_prefix('/')?);
            if what.is_empty() {
                Self::at(root, path, &V2)
            } else if what.split(',').any(|what| what == "memory") {
                Self::at(&root.join("memory"), path, &V1)
            } else {
                None
            }
        })
    }

    fn at(root: &Path, path: &str, files: &'static Files) -> Option<Self> {
        let folder = root.join(path);
        // In a container the path may be the host's, and the root its own.
        let mut above = folder.ancestors().take_while(|folder| folder.starts_with(root));
        above.find_map(|folder| Self::bounded(folder, files))
    }

    fn bounded(folder: &Path, files: &'static Files) -> Option<Self> {
        // Without a bound version 2 says `max`.
        let bound = number(&folder.join(files.bound)).filter(|bound| (1..BOUNDLESS).contains(bound))?;
        Some(Self { folder: folder.to_owned(), files, bound })
    }

    /// What is in use in a hundred parts of the bound, without what is only kept.
    fn percent(&self) -> Option<u64> {
        let used = number(&self.folder.join(self.files.used))?;
        let kept = read(&self.folder.join("memory.stat")).and_then(|stat| {
            let line = stat.lines().find_map(|line| line.strip_prefix(self.files.kept))?;
            parsed(line)
        });
        let used = used.saturating_sub(kept.unwrap_or(0));
        used.saturating_mul(100).checked_div(self.bound)
    }
}

fn number(path: &Path) -> Option<u64> {
    parsed(&read(path)?)
}

#[expect(clippy::disallowed_methods, reason = "what isn't there, or is no number, bounds nothing")]
fn parsed(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

#[expect(clippy::disallowed_methods, reason = "what isn't there bounds nothing")]
fn read(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// What the process's control group says, if there is one that bounds it.
pub(super) fn of_group() -> Option<MemoryUse> {
    let group = Group::own()?;
    tracing::info!(bound_mib = group.bound / (1024 * 1024), "memory is bounded by the control group");
    Some(Arc::new(move || group.percent()))
}

/// Turns new calls away while more is in use than the configuration allows, and cuts streams while it is far more. Ends where
/// nothing bounds the memory.
pub(super) async fn watch(reloader: Reloader, stalled: Stalled, memory: Option<MemoryUse>) {
    let Some(memory) = memory else { return };
    let mut emergency = Emergency::default();
    loop {
        let latest = reloader.latest();
        let config::Limits { memory_percent, memory_emergency_percent, .. } = latest.config.limits;
        let used = memory();
        let reaches =
            |most: Option<u8>| most.is_some_and(|most| used.is_some_and(|used| used >= most.into()));
        let is_short = reaches(memory_percent);
        if latest.edge.health.memory(is_short) {
            if is_short {
                tracing::warn!(most_percent = memory_percent, "memory runs short; new calls are turned away");
            } else {
                tracing::info!("there is memory again");
            }
        }
        if reaches(memory_emergency_percent) {
            emergency.relieve(&stalled, memory_emergency_percent);
        } else if !is_short {
            emergency.end();
        }
        drop(latest);
        tokio::time::sleep(LOOK).await;
    }
}

/// The time between memory's being all but used up and there being room again. In between it may come and go at every look;
/// the log tells the beginning and the end.
#[derive(Debug, Default)]
struct Emergency {
    begun: bool,
    cut: usize,
}

impl Emergency {
    /// Half of what there is, at every look: what is given back takes a moment to be seen, and cutting all at once would cut
    /// those that need not be.
    fn relieve(&mut self, stalled: &Stalled, most: Option<u8>) {
        if !std::mem::replace(&mut self.begun, true) {
            tracing::warn!(
                most_percent = most,
                "memory is all but used up; streams that nobody reads are closed"
            );
        }
        self.cut += stalled.cut_half(STALLED);
    }

    fn end(&mut self) {
        let Self { begun, cut } = std::mem::take(self);
        if begun {
            tracing::info!(cut, "memory is no longer all but used up");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(folder: &Path, files: &[(&str, &str)]) {
        fs::create_dir_all(folder).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
    }

    #[test]
    fn the_nearest_bound_counts_and_what_the_kernel_keeps_does_not() {
        let root = tempfile::tempdir().unwrap();
        let (outer, inner) = (root.path().join("pod"), root.path().join("pod/box"));
        group(&inner, &[("memory.max", "max\n"), ("memory.current", "1\n")]);
        assert!(Group::among(root.path(), "0::/pod/box\n").is_none(), "nothing bounds it");
        let stat = "anon 1\ninactive_file 100\nactive_file 7\n";
        group(&outer, &[("memory.max", "1000\n"), ("memory.current", "950\n"), ("memory.stat", stat)]);
        let found = Group::among(root.path(), "0::/pod/box\n").unwrap();
        assert_eq!((found.bound, found.percent()), (1000, Some(85)));
        assert!(Group::among(root.path(), "0::/elsewhere\n").is_none());
    }

    #[test]
    fn the_first_version_tells_the_same_in_other_words() {
        let root = tempfile::tempdir().unwrap();
        let none = [("memory.limit_in_bytes", "9223372036854771712\n"), ("memory.usage_in_bytes", "1\n")];
        group(&root.path().join("memory/pod/box"), &none);
        group(&root.path().join("unified/pod"), &[]);
        let lines = "9:name=systemd:/\n4:cpu,memory:/pod/box\n1:memory_not:/\n0::/pod\n";
        assert!(Group::among(root.path(), lines).is_none(), "nothing bounds it");
        let stat = "inactive_file 1\ntotal_inactive_file 200\n";
        let bounded =
            [("memory.limit_in_bytes", "1000\n"), ("memory.usage_in_bytes", "950\n"), ("memory.stat", stat)];
        group(&root.path().join("memory"), &bounded);
        let found = Group::among(root.path(), lines).unwrap();
        assert_eq!((found.bound, found.percent()), (1000, Some(75)));
    }

    #[test]
    fn what_cannot_be_read_bounds_nothing() {
        let root = tempfile::tempdir().unwrap();
        for bound in ["0\n", "12 apples"] {
            group(root.path(), &[("memory.max", bound)]);
            assert!(Group::among(root.path(), "0::/").is_none());
        }
        group(root.path(), &[("memory.max", "10")]);
        assert_eq!(Group::among(root.path(), "0::/").unwrap().percent(), None);
        for lines in ["", "0::", "0", "0::nowhere", "memory"] {
            assert!(Group::among(root.path(), lines).is_none(), "{lines}");
        }
    }
}
