//! Drives a stream's decoder: the only async code that touches one.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{Stream, StreamExt as _};
use tokio::time::{Instant, Sleep};

use super::attempt::is_silent;
use super::thoughts::Recorder;
use super::upstream::Held;
use super::{Fault, Phase};
use crate::bedrock::{BedrockError, ErrorKind, FrameStream, LONGEST_REPLY};
use crate::chat::{Aliases, Event, InputNamer, JsonReply, MarkupReader, StopCutter, Usage};
use crate::formats::{ProtocolError, StreamDecoder};

/// A reply's events as they come. It ends after `Stop` and what belongs to it; a failure is its last item.
/// Dropping it drops the upstream's connection.
pub struct EventStream {
    source: Source,
    /// Decoded and not yet taken. Never more than one frame's worth.
    ready: VecDeque<Event>,
    scratch: Vec<Event>,
    filters: Filters,
    way_back: WayBack,
    clock: IdleClock,
    /// The first event has come. Until then the attempt's own limit counts, and the clock stands.
    committed: bool,
    /// A block has begun. Until then the model's stop waits for what comes with it, which may say that there was no turn.
    said: bool,
    usage: Option<Usage>,
    /// The reply was read to its end.
    counted: bool,
    /// What it takes of its target's room.
    held: Option<Held>,
    /// How many bytes may still come, where what comes is kept; `None`: it passes, and as much may come as there is time for.
    room: Option<usize>,
}

/// What is done to the events of a reply as a whole, each depending on those before it.
#[derive(Default)]
pub(super) struct Filters {
    /// Reads calls that the model wrote in its own markup.
    pub(super) markup: Option<MarkupReader>,
    /// Gives members of inputs the names that the client knows.
    pub(super) namer: Option<InputNamer>,
    /// Cuts at stop texts.
    pub(super) cutter: Option<StopCutter>,
    /// Takes the JSON out.
    pub(super) json: Option<JsonReply>,
}

/// What is done to the events of a reply on their way to the client, one by one.
#[derive(Debug, Clone)]
pub(super) struct WayBack {
    /// Tools get the names that the client knows.
    aliases: Aliases,
    /// The extras that it asked for; `None` is all there are.
    extras: Option<Vec<&'static str>>,
    /// What the model thinks is kept for its next turn.
    recorder: Option<Recorder>,
}

impl WayBack {
    pub(super) fn new(aliases: Aliases, extras: Vec<&'static str>, recorder: Option<Recorder>) -> Self {
        Self { aliases, extras: Some(extras), recorder }
    }

    /// For events that have been this way before.
    fn all() -> Self {
        Self { aliases: Aliases::default(), extras: None, recorder: None }
    }

    /// Does the event go to the client?
    pub(super) fn passes(&mut self, event: &mut Event) -> bool {
        self.aliases.restore(event);
        if let Some(recorder) = &mut self.recorder {
            recorder.hear(event);
        }
        match (event, &self.extras) {
            (Event::Extra(extra), Some(wanted)) => wanted.contains(&extra.name),
            _ => true,
        }
    }
}

enum Source {
    /// Frames still come.
    Open { frames: FrameStream, decoder: Box<dyn StreamDecoder> },
    /// All there will be is in `ready`.
    Over,
}

impl EventStream {
    pub(super) fn new(
        frames: FrameStream,
        decoder: Box<dyn StreamDecoder>,
        filters: Filters,
        way_back: WayBack,
        clock: IdleClock,
    ) -> Self {
        // Whoever looks for JSON, or for calls in a text, keeps what it has seen.
        let room = (filters.json.is_some() || filters.markup.is_some()).then_some(LONGEST_REPLY);
        Self {
            source: Source::Open { frames, decoder },
            ready: VecDeque::new(),
            scratch: Vec::new(),
            filters,
            way_back,
            clock,
            committed: false,
            said: false,
            usage: None,
            counted: false,
            held: None,
            room,
        }
    }

    /// The same, for who keeps all of it: more than a whole reply may have is an error.
    pub(super) fn kept(mut self) -> Self {
        self.room = Some(LONGEST_REPLY);
        self
    }

    /// A stream of a reply that is already whole.
    pub(super) fn synthesised(events: Vec<Event>, clock: IdleClock) -> Self {
        let mut stream = Self {
            source: Source::Over,
            ready: VecDeque::new(),
            scratch: events,
            filters: Filters::default(),
            way_back: WayBack::all(),
            clock,
            committed: false,
            said: true,
            usage: None,
            counted: true,
            held: None,
            room: None,
        };
        stream.hand_over();
        stream
    }

    /// A stream of the same events, once all of them have come.
    pub(super) async fn read_whole(self, clock: IdleClock) -> Result<Self, Fault> {
        let mut stream = self.kept();
        let mut events = Vec::new();
        while let Some(event) = stream.next().await {
            events.push(event?);
        }
        let counted = stream.counted;
        Ok(Self { counted, ..Self::synthesised(events, clock) })
    }

    /// What is known of the cost so far, also when the stream is left before its end.
    pub fn usage(&self) -> Option<Usage> {
        match &self.source {
            Source::Open { decoder, .. } => decoder.usage().or(self.usage),
            Source::Over => self.usage,
        }
    }

    /// Whether the model has come to its own end and counted what it wrote, so that the usage is all of it.
    pub fn is_counted(&self) -> bool {
        self.counted && self.usage.is_some()
    }

    /// Keeps what the attempt took until the reply is over.
    pub(super) fn hold(&mut self, held: Held) {
        self.held = Some(held);
    }

    /// Whether the JSON that was asked for has come. Yes, if none was.
    pub(super) fn found_json(&self) -> bool {
        self.filters.json.as_ref().is_none_or(JsonReply::found)
    }

    /// Waits for the first event without taking it: the commit point.
    pub(super) async fn first_event(&mut self) -> Result<(), Fault> {
        std::future::poll_fn(|cx| self.poll_ready(cx)).await?;
        self.committed = true;
        Ok(())
    }

    /// Ready when an event can be taken, or the reply is over.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        while self.ready.is_empty() {
            let Source::Open { frames, decoder } = &mut self.source else { return Poll::Ready(Ok(())) };
            match Pin::new(frames).poll_next(cx) {
                Poll::Pending if self.committed => return self.clock.poll(cx).map(Err),
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => {
                    self.clock.progressed = true;
                    if let Err(fault) = take_room(&mut self.room, frame.payload.len()) {
                        return Poll::Ready(Err(fault));
                    }
                    decoder.push(&frame, &mut self.scratch)?;
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error.into())),
                Poll::Ready(None) => {
                    decoder.finish(&mut self.scratch)?;
                    self.usage = decoder.usage();
                    self.counted = true;
                    if decoder.skipped() > 0 {
                        // AWS has added something to the format that nobody here can read.
                        tracing::warn!(target: "outcrop::upstream", skipped = decoder.skipped(), "skipped unknown pieces of a stream");
                    }
                    self.source = Source::Over;
                }
            }
            if !self.said {
                self.said = self
                    .scratch
                    .iter()
                    .any(|event| matches!(event, Event::BlockStart { .. } | Event::Refusal(_)));
                if !self.said && self.scratch.iter().any(|event| matches!(event, Event::Stop(_))) {
                    if let Source::Open { .. } = self.source {
                        continue;
                    }
                    if is_silent(&self.scratch) {
                        return Poll::Ready(Err(ProtocolError::Silent.into()));
                    }
                }
            }
            if let Some(markup) = &mut self.filters.markup {
                let mut kept = Vec::with_capacity(self.scratch.len());
                self.scratch.drain(..).for_each(|event| markup.push(event, &mut kept));
                self.scratch = kept;
            }
            if let Some(namer) = &mut self.filters.namer {
                let mut named = Vec::with_capacity(self.scratch.len());
                self.scratch.drain(..).for_each(|event| namer.push(event, &mut named));
                self.scratch = named;
            }
            if let Some(cutter) = &mut self.filters.cutter {
                let mut kept = Vec::with_capacity(self.scratch.len());
                let cut = self.scratch.drain(..).any(|event| cutter.push(event, &mut kept));
                self.scratch.clear();
                self.scratch.append(&mut kept);
                if cut {
                    // The model would go on: leave it, and say what it cost so far.
                    self.usage = self.usage();
                    self.source = Source::Over;
                    self.scratch.extend(self.usage.map(Event::Usage));
                }
            }
            if let Some(json) = &mut self.filters.json {
                let mut kept = Vec::with_capacity(self.scratch.len());
                self.scratch.drain(..).for_each(|event| json.push(event, &mut kept));
                self.scratch = kept;
            }
            self.hand_over();
        }
        Poll::Ready(Ok(()))
    }

    fn hand_over(&mut self) {
        for mut event in self.scratch.drain(..) {
            if !self.way_back.passes(&mut event) {
                continue;
            }
            if let Event::Usage(usage) = &event {
                self.usage = Some(*usage);
            }
            self.ready.push_back(event);
        }
    }
}

impl Stream for EventStream {
    type Item = Result<Event, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match std::task::ready!(self.poll_ready(cx)) {
            Ok(()) => Poll::Ready(self.ready.pop_front().map(Ok)),
            Err(fault) => {
                self.usage = self.usage();
                self.source = Source::Over;
                if let Some(held) = self.held.take() {
                    held.broke(&fault);
                }
                Poll::Ready(Some(Err(fault)))
            }
        }
    }
}

/// Takes the room of what has come.
fn take_room(room: &mut Option<usize>, bytes: usize) -> Result<(), Fault> {
    let Some(left) = room else { return Ok(()) };
    *left = left.checked_sub(bytes).ok_or_else(|| {
        BedrockError::new(ErrorKind::Oversized, "a stream that would have to be kept goes on")
    })?;
    Ok(())
}

/// Bounds the wait for the next event, and the whole reply. Progress only notes the time; the timer is
/// armed anew when it fires too early, not at each event.
pub(super) struct IdleClock {
    idle: Duration,
    total: Duration,
    deadline: Instant,
    last: Instant,
    /// Something came since the last look at the time: one look serves all that came at once.
    progressed: bool,
    timer: Option<Pin<Box<Sleep>>>,
}

impl IdleClock {
    /// `deadline` is where `total` ends.
    pub(super) fn new(idle: Duration, total: Duration, deadline: Instant) -> Self {
        Self { idle, total, deadline, last: Instant::now(), progressed: false, timer: None }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Fault> {
        if std::mem::take(&mut self.progressed) {
            self.last = Instant::now();
        }
        loop {
            let due = (self.last + self.idle).min(self.deadline);
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            std::task::ready!(timer.as_mut().poll(cx));
            if Instant::now() >= due {
                return Poll::Ready(if due == self.deadline {
                    Fault::Deadline(Phase::Total, self.total)
                } else {
                    Fault::Deadline(Phase::Idle, self.idle)
                });
            }
            timer.as_mut().reset(due);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_has_a_bound_and_what_passes_has_none() {
        let mut room = Some(10);
        assert!(take_room(&mut room, 4).is_ok() && take_room(&mut room, 6).is_ok());
        let fault = take_room(&mut room, 1).unwrap_err();
        assert_eq!(fault.kind(), Some(ErrorKind::Oversized));
        assert!(fault.public().contains("64 MiB"), "{}", fault.public());
        assert!(take_room(&mut None, usize::MAX).is_ok());
    }
}
