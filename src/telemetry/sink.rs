//! Where log lines go: through a buffer to a thread that writes them.
//!
//! Whoever logs only appends to memory. A log pipe that nobody reads then blocks one thread and no request, and a busy
//! server makes one write for many lines. What doesn't fit is dropped, counted, and told when there is room again.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Most bytes that wait for a slow reader.
const MOST: usize = 4 * 1024 * 1024;

/// How long lines gather before they are written.
const PAUSE: Duration = Duration::from_millis(20);

/// A handle for one writer; clones write to the same place.
#[derive(Clone, Debug)]
pub(super) struct Sink(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Something waits to be written.
    filled: Condvar,
    /// Nothing waits and nothing is being written.
    drained: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    writing: bool,
    lost: u64,
}

impl Sink {
    /// Starts the thread. It ends with the process.
    pub(super) fn start(mut destination: impl Write + Send + 'static) -> io::Result<Self> {
        let state = Mutex::new(State::default());
        let shared = Arc::new(Shared { state, filled: Condvar::new(), drained: Condvar::new() });
        let sink = Self(Arc::clone(&shared));
        std::thread::Builder::new().name("log".to_owned()).spawn(move || {
            let mut lines = Vec::new();
            loop {
                shared.take(&mut lines);
                // There is nobody left to tell that the log can't be written.
                let _ = destination.write_all(&lines).and_then(|()| destination.flush());
                lines.clear();
                shared.written();
            }
        })?;
        Ok(sink)
    }

    /// Waits until everything is written that was logged so far, but not for ever: the reader may be gone.
    pub(super) fn flush(&self, patience: Duration) {
        let state = self.0.lock();
        let done = |state: &mut State| !state.waiting.is_empty() || state.writing;
        drop(self.0.drained.wait_timeout_while(state, patience, done));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for lines and moves them all into `lines`.
    fn take(&self, lines: &mut Vec<u8>) {
        let empty = |state: &mut State| state.waiting.is_empty();
        drop(self.filled.wait_while(self.lock(), empty));
        std::thread::sleep(PAUSE);
        let mut state = self.lock();
        state.writing = true;
        std::mem::swap(&mut state.waiting, lines);
        let lost = std::mem::take(&mut state.lost);
        if lost > 0 {
            // In JSON because machines count it; a person can read it too. Writing to memory can't fail.
            let _ = writeln!(lines, "{{\"level\":\"ERROR\",\"message\":\"log lines lost\",\"lost\":{lost}}}");
        }
    }

    fn written(&self) {
        let mut state = self.lock();
        state.writing = false;
        if state.waiting.is_empty() {
            self.drained.notify_all();
        }
    }
}

impl Write for Sink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock();
        if state.waiting.len() + line.len() > MOST {
            state.lost += 1;
        } else {
            // The writer only sleeps if there was nothing.
            if state.waiting.is_empty() {
                self.0.filled.notify_one();
            }
            state.waiting.extend_from_slice(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Hands on what is written, and blocks when the other side doesn't take it.
    struct Pipe(mpsc::SyncSender<Vec<u8>>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_arrives_in_order() {
        let (sender, receiver) = mpsc::sync_channel(1000);
        let mut sink = Sink::start(Pipe(sender)).unwrap();
        for n in 0..100 {
            sink.write_all(format!("{n}\n").as_bytes()).unwrap();
        }
        Sink::flush(&sink, Duration::from_mins(1));
        let written: Vec<u8> = receiver.try_iter().flatten().collect();
        let written = String::from_utf8(written).unwrap();
        let expected: Vec<_> = (0..100).map(|n| n.to_string()).collect();
        assert_eq!(written.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_reader_that_stops_holds_up_nobody_and_is_told_what_it_missed() {
        let (sender, receiver) = mpsc::sync_channel(0);
        let mut sink = Sink::start(Pipe(sender)).unwrap();
        let line = vec![b'x'; 64 * 1024];
        // Twice what fits: none of these may block.
        for _ in 0..2 * MOST / line.len() + 2 {
            sink.write_all(&line).unwrap();
        }
        let mut log = String::new();
        while !log.contains("log lines lost") {
            log.push_str(&String::from_utf8(receiver.recv().unwrap()).unwrap());
        }
    }
}
