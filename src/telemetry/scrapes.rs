//! What rendering all metrics may cost, whoever asks for them and however often.

use std::time::{Duration, Instant};

use bytes::Bytes;

/// Time for rendering: a tenth of what goes by, and half a second in advance.
#[derive(Debug)]
pub(super) struct Scrapes {
    text: Bytes,
    left: Duration,
    since: Instant,
}

impl Scrapes {
    const MOST: Duration = Duration::from_millis(500);
    const ONE_OF: u32 = 10;

    pub(super) fn new(now: Instant) -> Self {
        Self { text: Bytes::new(), left: Self::MOST, since: now }
    }

    /// What `render` gives, or gave when there was time for it last.
    pub(super) fn text(&mut self, render: impl FnOnce() -> String) -> Bytes {
        let begun = Instant::now();
        self.earn(begun);
        if self.left > Duration::ZERO {
            self.text = render().into();
            self.left = self.left.saturating_sub(begun.elapsed());
        }
        self.text.clone()
    }

    /// Leaves no time, and earns none for a while.
    #[cfg(test)]
    pub(super) fn exhaust(&mut self) {
        self.left = Duration::ZERO;
        self.since = Instant::now() + Duration::from_hours(1);
    }

    fn earn(&mut self, now: Instant) {
        let earned = now.saturating_duration_since(self.since) / Self::ONE_OF;
        self.left = self.left.saturating_add(earned).min(Self::MOST);
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rendering_takes_a_tenth_of_the_time_and_half_a_second_in_advance() {
        let begun = Instant::now();
        let mut scrapes = Scrapes::new(begun);
        scrapes.left = Duration::ZERO;
        scrapes.earn(begun + Duration::from_secs(1));
        assert_eq!(scrapes.left, Duration::from_millis(100));
        scrapes.earn(begun + Duration::from_mins(1));
        assert_eq!(scrapes.left, Scrapes::MOST);
    }
}
