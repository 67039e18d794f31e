//! Stop texts for models that don't watch for them.

use super::{BlockIndex, Delta, Event, StopReason, Text};

/// Cuts a reply at the first stop text, as a model that watched for it would have ended it: the stop text
/// that is whole first, and what came before it is the reply.
///
/// Only text is watched, each block for itself: not thoughts, not the input of tools. What could be the
/// beginning of a stop text is held back until it is known not to be one.
#[derive(Debug)]
pub struct StopCutter {
    /// None is empty.
    stops: Vec<String>,
    /// The blocks that are open, and what is held back of each: a true beginning of a stop text.
    open: Vec<(BlockIndex, String)>,
    cut: bool,
}

impl StopCutter {
    /// Watches for `stops`; empty ones are none.
    pub fn new(stops: Vec<String>) -> Self {
        let stops = stops.into_iter().filter(|stop| !stop.is_empty()).collect();
        Self { stops, open: Vec::new(), cut: false }
    }

    /// Takes an event and appends what may be passed on. `true`: the reply is cut and whole, its
    /// [`Event::Stop`] is among `out`, and the upstream can be left. Whatever still comes is dropped, but
    /// for [`Event::Usage`].
    pub fn push(&mut self, event: Event, out: &mut Vec<Event>) -> bool {
        if self.cut {
            if let Event::Usage(_) = event {
                out.push(event);
            }
            return true;
        }
        match event {
            Event::BlockStart { block, kind } => {
                self.open.push((block, String::new()));
                out.push(Event::BlockStart { block, kind });
            }
            Event::Delta { block, delta: Delta::Text(text) } => self.text(block, text, out),
            Event::BlockStop { block } => {
                self.release(Some(block), out);
                self.open.retain(|(open, _)| *open != block);
                out.push(Event::BlockStop { block });
            }
            Event::Stop(reason) => {
                self.release(None, out);
                out.push(Event::Stop(reason));
            }
            Event::Delta {
                block: _,
                delta:
                    Delta::Reasoning(_)
                    | Delta::Signature(_)
                    | Delta::Redacted(_)
                    | Delta::Citation(_)
                    | Delta::ToolInput(_),
            }
            | Event::Start
            | Event::Usage(_)
            | Event::ServiceTier(_)
            | Event::Extra(_) => out.push(event),
        }
        self.cut
    }

    /// The events ended, maybe before their time: gives what is still held back.
    pub fn finish(&mut self, out: &mut Vec<Event>) {
        self.release(None, out);
    }

    fn text(&mut self, block: BlockIndex, text: Text, out: &mut Vec<Event>) {
        let Some((_, held)) = self.open.iter_mut().find(|(open, _)| *open == block) else {
            // Not our error to report: the block isn't open, and whoever assembles the reply says so.
            out.push(Event::Delta { block, delta: Delta::Text(text) });
            return;
        };
        let plain = text.decode();
        let whole: &str = if held.is_empty() {
            &plain
        } else {
            held.push_str(&plain);
            held
        };
        if let Some(at) = first_stop(whole, &self.stops) {
            let before = whole.get(..at).unwrap_or_default();
            if !before.is_empty() {
                out.push(Event::Delta { block, delta: Delta::Text(Text::new(before)) });
            }
            self.cut = true;
            // Another block may hold back text of its own, which no stop text ended.
            self.open.iter_mut().filter(|(open, _)| *open == block).for_each(|(_, held)| held.clear());
            self.release(None, out);
            out.extend(self.open.drain(..).map(|(block, _)| Event::BlockStop { block }));
            out.push(Event::Stop(StopReason::StopSequence));
            return;
        }
        let keep = whole.len() - beginning(whole, &self.stops);
        if keep == whole.len() && held.is_empty() {
            out.push(Event::Delta { block, delta: Delta::Text(text) });
            return;
        }
        let (free, kept) = whole.split_at(keep);
        if !free.is_empty() {
            out.push(Event::Delta { block, delta: Delta::Text(Text::new(free)) });
        }
        *held = kept.to_owned();
    }

    /// Gives what is held back of one block, or of all.
    fn release(&mut self, only: Option<BlockIndex>, out: &mut Vec<Event>) {
        for (block, held) in &mut self.open {
            if only.is_none_or(|only| only == *block) && !held.is_empty() {
                let text = Text::new(&std::mem::take(held));
                out.push(Event::Delta { block: *block, delta: Delta::Text(text) });
            }
        }
    }
}

/// Where the stop text begins that is whole first; of several the longest. By the end and not by the
/// beginning, or the answer would depend on how the text is cut into deltas.
fn first_stop(text: &str, stops: &[String]) -> Option<usize> {
    stops
        .iter()
        .filter_map(|stop| text.find(stop.as_str()).map(|at| (at + stop.len(), at)))
        .min()
        .map(|(_, at)| at)
}

/// How many bytes at the end of `text` are the true beginning of a stop text: the most.
fn beginning(text: &str, stops: &[String]) -> usize {
    let longest = |stop: &String| {
        (1..stop.len().min(text.len() + 1))
            .rev()
            .find(|&length| stop.get(..length).is_some_and(|beginning| text.ends_with(beginning)))
            .unwrap_or(0)
    };
    stops.iter().map(longest).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{BlockKind, Response, Usage};
    use super::*;

    const A: BlockIndex = BlockIndex(0);

    fn text(plain: &str) -> Event {
        Event::Delta { block: A, delta: Delta::Text(Text::new(plain)) }
    }

    fn run(deltas: &[&str], stops: &[&str]) -> Vec<Event> {
        let mut cutter = StopCutter::new(stops.iter().map(|&stop| stop.to_owned()).collect());
        let mut out = Vec::new();
        let mut events = vec![Event::Start, Event::BlockStart { block: A, kind: BlockKind::Text }];
        events.extend(deltas.iter().map(|delta| text(delta)));
        events.extend([Event::BlockStop { block: A }, Event::Stop(StopReason::EndTurn)]);
        for event in events {
            if cutter.push(event, &mut out) {
                break;
            }
        }
        out
    }

    fn said(events: Vec<Event>) -> (String, StopReason) {
        let response = Response::assemble(events).unwrap();
        (response.text.map(|text| text.decode().into_owned()).unwrap_or_default(), response.stop)
    }

    #[test]
    fn the_reply_ends_before_the_stop_text() {
        assert_eq!(said(run(&["one END two"], &["END"])), ("one ".into(), StopReason::StopSequence));
        assert_eq!(said(run(&["one EN", "D two"], &["END"])), ("one ".into(), StopReason::StopSequence));
        assert_eq!(said(run(&["END"], &["END"])), (String::new(), StopReason::StopSequence));
    }

    #[test]
    fn the_stop_text_that_is_whole_first_ends_the_reply() {
        for deltas in [&["xabcd"][..], &["xab", "cd"], &["x", "a", "b", "c", "d"]] {
            assert_eq!(said(run(deltas, &["abcd", "b"])), ("xa".into(), StopReason::StopSequence));
            assert_eq!(said(run(deltas, &["b", "ab"])), ("x".into(), StopReason::StopSequence));
        }
    }

    #[test]
    fn only_a_possible_beginning_is_held_back() {
        let mut cutter = StopCutter::new(vec!["END".into()]);
        let mut out = Vec::new();
        cutter.push(Event::BlockStart { block: A, kind: BlockKind::Text }, &mut out);
        out.clear();
        assert!(!cutter.push(text("one E"), &mut out));
        assert_eq!(out, [text("one ")]);
        out.clear();
        assert!(!cutter.push(text("x"), &mut out));
        assert_eq!(out, [text("Ex")]);
    }

    #[test]
    fn what_was_held_back_is_said_when_the_text_ends_without_a_stop() {
        assert_eq!(said(run(&["one E", "N"], &["END"])), ("one EN".into(), StopReason::EndTurn));
        let mut cutter = StopCutter::new(vec!["END".into()]);
        let mut out = Vec::new();
        cutter.push(Event::BlockStart { block: A, kind: BlockKind::Text }, &mut out);
        cutter.push(text("one EN"), &mut out);
        cutter.finish(&mut out);
        assert_eq!(out.last(), Some(&text("EN")));
    }

    #[test]
    fn after_the_cut_only_the_cost_passes() {
        let mut cutter = StopCutter::new(vec!["x".into()]);
        let mut out = Vec::new();
        cutter.push(Event::BlockStart { block: A, kind: BlockKind::Text }, &mut out);
        assert!(cutter.push(text("ax"), &mut out));
        let before = out.len();
        assert!(cutter.push(text("more"), &mut out));
        assert!(cutter.push(Event::Stop(StopReason::EndTurn), &mut out));
        assert_eq!(out.len(), before);
        assert!(cutter.push(Event::Usage(Usage::default()), &mut out));
        assert_eq!(out.last(), Some(&Event::Usage(Usage::default())));
    }

    #[test]
    fn thoughts_and_inputs_of_tools_are_not_watched() {
        let mut cutter = StopCutter::new(vec!["x".into()]);
        let mut out = Vec::new();
        for delta in [Delta::Reasoning(Text::new("x")), Delta::ToolInput(Text::new("x"))] {
            assert!(!cutter.push(Event::Delta { block: A, delta }, &mut out));
        }
        assert_eq!(out.len(), 2);
    }

    #[test]
    fn a_stop_text_is_not_pieced_together_from_two_blocks() {
        let b = BlockIndex(1);
        let mut cutter = StopCutter::new(vec!["xy".into()]);
        let mut out = Vec::new();
        for event in [
            Event::BlockStart { block: A, kind: BlockKind::Text },
            Event::BlockStart { block: b, kind: BlockKind::Text },
            text("x"),
        ] {
            assert!(!cutter.push(event, &mut out));
        }
        assert!(!cutter.push(Event::Delta { block: b, delta: Delta::Text(Text::new("y")) }, &mut out));
        assert!(cutter.push(text("y"), &mut out));
        let open_ends = out.iter().filter(|event| matches!(event, Event::BlockStop { .. })).count();
        assert_eq!(open_ends, 2);
    }

    /// What a model would have said that stops at each character.
    fn one_by_one(whole: &str, stops: &[String]) -> (String, StopReason) {
        for end in whole.char_indices().map(|(at, c)| at + c.len_utf8()) {
            let so_far = &whole[..end];
            let hit = stops.iter().filter(|stop| so_far.ends_with(stop.as_str())).map(String::len).max();
            if let Some(length) = hit {
                return (so_far[..end - length].to_owned(), StopReason::StopSequence);
            }
        }
        (whole.to_owned(), StopReason::EndTurn)
    }

    proptest! {
        #[test]
        fn however_the_text_is_cut_the_reply_is_the_same(
            deltas in prop::collection::vec("[abé]{0,7}", 0..6),
            stops in prop::collection::vec("[abé]{1,3}", 0..4),
        ) {
            let pieces: Vec<&str> = deltas.iter().map(String::as_str).collect();
            let watched: Vec<&str> = stops.iter().map(String::as_str).collect();
            prop_assert_eq!(said(run(&pieces, &watched)), one_by_one(&deltas.concat(), &stops));
        }
    }
}
