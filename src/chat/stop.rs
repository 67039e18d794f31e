//! Stop texts for models that don't watch for them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::{BlockIndex, Delta, Event, StopReason, Text};

/// Stop texts, made ready to be watched for: what a letter of the reply costs doesn't depend on how long they are, and little
/// on how many.
///
/// Aho and Corasick's automaton: a node is a beginning of a stop text, and the one that a text leads to is the longest that
/// it ends with. Kept in columns, because each letter of a stop text may be a node: 19 bytes for each.
#[derive(Debug)]
pub struct StopTexts {
    /// Where each first letter leads.
    first: Box<[u32; 256]>,
    /// The last letter of a node's beginning.
    letter: Vec<u8>,
    /// Its first continuation, and the next one of the node before it. 0: none, the root continues nothing.
    child: Vec<u32>,
    sibling: Vec<u32>,
    /// The longest shorter beginning that it ends with.
    shorter: Vec<u32>,
    /// How long it is.
    length: Vec<u32>,
    /// The length of the longest stop text that it ends with. 0: none.
    ends: Vec<u16>,
}

/// Longest stop text that is watched for. The automaton counts with it; decoding refuses less.
const LONGEST: usize = u16::MAX as usize;

const ROOT: u32 = 0;

impl StopTexts {
    /// Makes them ready, in time proportional to their length. Empty ones are none.
    pub fn new<'a>(stops: impl IntoIterator<Item = &'a str>) -> Self {
        let mut texts = Self {
            first: Box::new([ROOT; 256]),
            letter: vec![0],
            child: vec![ROOT],
            sibling: vec![ROOT],
            shorter: vec![ROOT],
            length: vec![0],
            ends: vec![0],
        };
        for stop in stops {
            texts.add(stop.as_bytes());
        }
        texts.link();
        texts
    }

    fn add(&mut self, stop: &[u8]) {
        let Ok(length) = u16::try_from(stop.len().min(LONGEST)) else { return };
        let mut at = ROOT;
        for &letter in stop.iter().take(LONGEST) {
            at = match self.step(at, letter) {
                ROOT => self.grow(at, letter),
                next => next,
            };
        }
        if let Some(ends) = self.ends.get_mut(index(at)).filter(|_| at != ROOT) {
            *ends = length;
        }
    }

    fn grow(&mut self, at: u32, letter: u8) -> u32 {
        let Ok(node) = u32::try_from(self.letter.len()) else { return at };
        let sibling = self.child.get(index(at)).copied().unwrap_or(ROOT);
        self.letter.push(letter);
        self.child.push(ROOT);
        self.sibling.push(if at == ROOT { ROOT } else { sibling });
        self.shorter.push(ROOT);
        self.length.push(self.depth(at) + 1);
        self.ends.push(0);
        if at == ROOT {
            self.first[usize::from(letter)] = node;
        } else if let Some(child) = self.child.get_mut(index(at)) {
            *child = node;
        }
        node
    }

    /// Shorter beginnings first: each node's is one of its parent's, continued.
    fn link(&mut self) {
        let mut queue: VecDeque<u32> = self.first.iter().copied().filter(|node| *node != ROOT).collect();
        while let Some(node) = queue.pop_front() {
            let shorter = entry(&self.shorter, node);
            let mut child = entry(&self.child, node);
            while child != ROOT {
                let letter = self.letter.get(index(child)).copied().unwrap_or_default();
                let to = self.next(shorter, letter);
                let ends = self.ends.get(index(to)).copied().unwrap_or_default();
                if let Some(shorter) = self.shorter.get_mut(index(child)) {
                    *shorter = to;
                }
                if let Some(own) = self.ends.get_mut(index(child)).filter(|own| **own == 0) {
                    *own = ends;
                }
                queue.push_back(child);
                child = entry(&self.sibling, child);
            }
        }
    }

    /// Where a letter leads from a node. Each step back to a shorter beginning was paid for by a step forward.
    fn next(&self, mut at: u32, letter: u8) -> u32 {
        loop {
            match self.step(at, letter) {
                ROOT if at != ROOT => at = entry(&self.shorter, at),
                next => return next,
            }
        }
    }

    /// A node's continuation by a letter, or the root if it has none.
    fn step(&self, at: u32, letter: u8) -> u32 {
        if at == ROOT {
            return self.first[usize::from(letter)];
        }
        let mut child = entry(&self.child, at);
        while child != ROOT && self.letter.get(index(child)) != Some(&letter) {
            child = entry(&self.sibling, child);
        }
        child
    }

    fn depth(&self, node: u32) -> u32 {
        entry(&self.length, node)
    }
}

/// What a column holds of a node.
fn entry(column: &[u32], node: u32) -> u32 {
    column.get(index(node)).copied().unwrap_or(ROOT)
}

/// A node's place in the columns.
fn index(node: u32) -> usize {
    node as usize
}

/// Cuts a reply at the first stop text, as a model that watched for it would have ended it: the stop text
/// that is whole first, and what came before it is the reply. Of several that are whole at once, the longest. By the end
/// and not by the beginning, or the answer would depend on how the text is cut into deltas.
///
/// Only text is watched, each block for itself: not thoughts, not the input of tools. What could be the
/// beginning of a stop text is held back until it is known not to be one.
#[derive(Debug)]
pub struct StopCutter {
    stops: Arc<StopTexts>,
    /// The blocks that are open.
    open: BTreeMap<BlockIndex, Watch>,
    cut: bool,
}

/// How far a block is.
#[derive(Debug, Default)]
struct Watch {
    /// The longest beginning of a stop text that it ends with …
    node: u32,
    /// … and its text, which is held back.
    held: String,
}

impl StopCutter {
    /// Watches for `stops`.
    pub fn new(stops: Arc<StopTexts>) -> Self {
        Self { stops, open: BTreeMap::new(), cut: false }
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
                self.open.insert(block, Watch::default());
                out.push(Event::BlockStart { block, kind });
            }
            Event::Delta { block, delta: Delta::Text(text) } => self.text(block, text, out),
            Event::BlockStop { block } => {
                if let Some(watch) = self.open.remove(&block) {
                    watch.release(block, out);
                }
                out.push(Event::BlockStop { block });
            }
            Event::Stop(reason) => {
                self.finish(out);
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
            | Event::Refusal(_)
            | Event::Usage(_)
            | Event::ServiceTier(_)
            | Event::Extra(_) => out.push(event),
        }
        self.cut
    }

    /// The events ended, maybe before their time: gives what is still held back.
    pub fn finish(&mut self, out: &mut Vec<Event>) {
        for (block, watch) in &mut self.open {
            std::mem::take(watch).release(*block, out);
        }
    }

    fn text(&mut self, block: BlockIndex, text: Text, out: &mut Vec<Event>) {
        let Some(Watch { node, held }) = self.open.get_mut(&block) else {
            // Not our error to report: the block isn't open, and whoever assembles the reply says so.
            out.push(Event::Delta { block, delta: Delta::Text(text) });
            return;
        };
        let plain = text.decode();
        for (at, letter) in plain.bytes().enumerate() {
            *node = self.stops.next(*node, letter);
            let length = self.stops.ends.get(index(*node)).copied().map_or(0, usize::from);
            if length > 0 {
                let end = held.len() + at + 1;
                held.push_str(&plain);
                held.truncate(end.saturating_sub(length));
                return self.cut(block, out);
            }
        }
        let keep = index(self.stops.depth(*node));
        if keep == 0 && held.is_empty() {
            out.push(Event::Delta { block, delta: Delta::Text(text) });
            return;
        }
        held.push_str(&plain);
        let kept = held.split_off(held.len().saturating_sub(keep));
        let free = std::mem::replace(held, kept);
        if !free.is_empty() {
            out.push(Event::Delta { block, delta: Delta::Text(Text::new(&free)) });
        }
    }

    /// Ends the reply. What is held of the block is what came before its stop text; another block may hold back text of
    /// its own, which no stop text ended.
    fn cut(&mut self, block: BlockIndex, out: &mut Vec<Event>) {
        self.cut = true;
        if let Some(watch) = self.open.get_mut(&block) {
            std::mem::take(watch).release(block, out);
        }
        self.finish(out);
        out.extend(std::mem::take(&mut self.open).into_keys().map(|block| Event::BlockStop { block }));
        out.push(Event::Stop(StopReason::StopSequence));
    }
}

impl Watch {
    /// Gives what is held back.
    fn release(self, block: BlockIndex, out: &mut Vec<Event>) {
        if !self.held.is_empty() {
            out.push(Event::Delta { block, delta: Delta::Text(Text::new(&self.held)) });
        }
    }
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

    fn watching(stops: &[&str]) -> StopCutter {
        StopCutter::new(Arc::new(StopTexts::new(stops.iter().copied())))
    }

    fn run(deltas: &[&str], stops: &[&str]) -> Vec<Event> {
        let mut cutter = watching(stops);
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
        let mut cutter = watching(&["END"]);
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
        let mut cutter = watching(&["END"]);
        let mut out = Vec::new();
        cutter.push(Event::BlockStart { block: A, kind: BlockKind::Text }, &mut out);
        cutter.push(text("one EN"), &mut out);
        cutter.finish(&mut out);
        assert_eq!(out.last(), Some(&text("EN")));
    }

    #[test]
    fn after_the_cut_only_the_cost_passes() {
        let mut cutter = watching(&["x"]);
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
        let mut cutter = watching(&["x"]);
        let mut out = Vec::new();
        for delta in [Delta::Reasoning(Text::new("x")), Delta::ToolInput(Text::new("x"))] {
            assert!(!cutter.push(Event::Delta { block: A, delta }, &mut out));
        }
        assert_eq!(out.len(), 2);
    }

    #[test]
    fn a_stop_text_is_not_pieced_together_from_two_blocks() {
        let b = BlockIndex(1);
        let mut cutter = watching(&["xy"]);
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

    #[test]
    fn no_more_is_looked_at_than_was_written() {
        // Each letter leads one node further or back to where one was before: the nodes are as many as the letters.
        let long = format!("{}b{}", "a".repeat(500), "a".repeat(500));
        let many: Vec<String> = (0..99).map(|n| format!("zz{n}")).chain([long.clone()]).collect();
        let stops = StopTexts::new(many.iter().map(String::as_str));
        assert!(stops.letter.len() <= many.iter().map(String::len).sum::<usize>() + 1);
        let deltas = vec!["a"; 2_000];
        assert_eq!(said(run(&deltas, &[&long])).0.len(), 2_000);
        // With the text in ever larger pieces there is one answer.
        let text = format!("{}{long}more", "a".repeat(700));
        for size in [1, 7, 300, 5_000] {
            let bytes: Vec<_> =
                text.as_bytes().chunks(size).map(|piece| std::str::from_utf8(piece).unwrap()).collect();
            let (reply, reason) = said(run(&bytes, &[&long, "zz"]));
            assert_eq!((reply.len(), reason), (700, StopReason::StopSequence), "{size}");
        }
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
