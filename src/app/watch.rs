//! When to read the configuration and the certificate again: on SIGHUP, and when they have changed.
//!
//! They are read, not watched: a look every two seconds costs a millisecond, sees what a mount over the network doesn't tell,
//! and an orchestrator that swaps a link above the file (Kubernetes' `..data`) as well as an editor that renames one over it.
//! What it sees has to be the same twice before it counts, so that a file that is being written isn't taken for a finished
//! one.

use std::convert::Infallible;
use std::sync::Arc;

use tokio::signal::unix::Signal;

use super::reload::Reloader;
use crate::config::{Config, Errors};

/// Reads the configuration from where it came from.
pub type Read = Arc<dyn Fn() -> Result<Config, Errors> + Send + Sync>;

/// Never ends.
pub(super) async fn watch(reloader: Reloader, read: Read, mut hangup: Signal) -> Infallible {
    let mut sight = Sight::default();
    loop {
        let look = async {
            match reloader.latest().config.server.watch {
                Some(every) => tokio::time::sleep(every).await,
                None => std::future::pending().await,
            }
        };
        let told = tokio::select! { _ = hangup.recv() => true, () = look => false };
        let reading = Arc::clone(&read);
        let Ok(now) = tokio::task::spawn_blocking(move || reading()).await else {
            tracing::error!(target: "outcrop::panic", "reading the configuration panicked");
            continue;
        };
        if told || sight.is_news(&reloader.latest().config, &now) {
            reloader.take(now).await;
        }
        let certificate = reloader.clone();
        if tokio::task::spawn_blocking(move || certificate.take_certificate()).await.is_err() {
            tracing::error!(target: "outcrop::panic", "reading the certificate panicked");
        }
    }
}

/// What was seen at the last look.
#[derive(Default)]
struct Sight {
    last: Option<Seen>,
    /// It has been told already.
    told: bool,
}

enum Seen {
    Valid(Box<Config>),
    Wrong(String),
}

impl Sight {
    /// Whether this is something else than what is in force, seen for the second time and not told yet.
    fn is_news(&mut self, in_force: &Config, now: &Result<Config, Errors>) -> bool {
        let same = match (&self.last, now) {
            (Some(Seen::Valid(last)), Ok(now)) => last.changes(now).is_empty(),
            (Some(Seen::Wrong(last)), Err(now)) => *last == now.to_string(),
            (_, _) => false,
        };
        if !same {
            self.told = false;
            self.last = Some(match now {
                Ok(config) => Seen::Valid(Box::new(config.clone())),
                Err(errors) => Seen::Wrong(errors.to_string()),
            });
            return false;
        }
        let is_other = now.as_ref().map_or(true, |now| !in_force.changes(now).is_empty());
        is_other && !std::mem::replace(&mut self.told, true)
    }
}
