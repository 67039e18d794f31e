//! Which tool result answers which call.

use std::collections::{HashMap, HashSet, VecDeque};

use super::super::{Action, Block, Notes, Text, ToolResult};
use super::{EMPTY_RESULT, MISSING_RESULT, Run, Said, Shape, rewritten};

/// A call of the conversation, and what answers it.
pub(super) struct Call {
    /// The run of the assistant that holds it.
    pub(super) run: usize,
    from: usize,
    id: String,
    /// And the message it came in.
    result: Option<(usize, ToolResult)>,
}

impl Call {
    /// The answer, which the client may have left out.
    pub(super) fn answer(self, shape: Shape, notes: &mut Notes) -> Said {
        let Self { run: _, from, id, result } = self;
        let (from, result) = result.unwrap_or_else(|| {
            rewritten(notes, from, "missing_tool_result");
            let content = vec![Block::Text(Text::new(MISSING_RESULT))];
            (from, ToolResult { id, content, is_error: shape.tool_result_status })
        });
        Said { from, block: Block::ToolResult(result) }
    }
}

/// Walks the runs in order. Clients (and some models) use an id again and again, so a result belongs to the
/// latest turn that still waits for its id, and there to the first such call. Some give no ids: then calls
/// and results belong together by their order.
#[derive(Default)]
pub(super) struct Pairing {
    calls: Vec<Call>,
    /// Ids that are in use, as sent.
    taken: HashSet<String>,
    /// For each id as given, how often it came.
    given: HashMap<String, usize>,
    /// For each id as given, the calls that wait for a result, one queue for each run.
    waiting: HashMap<String, Vec<VecDeque<usize>>>,
    /// The calls of the latest run that made any, in order; those in front may be answered by now.
    latest: VecDeque<usize>,
}

/// What the id of a call begins with that came without one.
const NAMELESS: &str = "call";

impl Pairing {
    /// Takes every result out of `runs` and puts it with its call, whose id is now its own.
    pub(super) fn pair(mut self, mut runs: Vec<Run>, notes: &mut Notes) -> (Vec<Run>, Vec<Call>) {
        for (position, run) in runs.iter_mut().enumerate() {
            let said = std::mem::take(&mut run.said);
            run.said.reserve(said.len());
            for Said { from, block } in said {
                match block {
                    Block::ToolUse(mut call) => {
                        call.id = self.call(position, from, call.id, notes);
                        run.said.push(Said { from, block: Block::ToolUse(call) });
                    }
                    Block::ToolResult(result) => {
                        if let Some(orphan) = self.result(position, from, result, notes) {
                            run.said.extend(as_text(orphan, from, notes));
                        }
                    }
                    Block::Text(_)
                    | Block::Image(_)
                    | Block::Document(_)
                    | Block::Audio(_)
                    | Block::Remote(_)
                    | Block::CachePoint(_)
                    | Block::Reasoning(_) => {
                        run.said.push(Said { from, block });
                    }
                }
            }
        }
        (runs, self.calls)
    }

    /// Gives a call an id that no earlier call has. Later ones don't matter: so the prompt's prefix stays.
    fn call(&mut self, run: usize, from: usize, given: String, notes: &mut Notes) -> String {
        let wanted = if given.is_empty() { NAMELESS } else { &given };
        let times = self.given.entry(given.clone()).or_default();
        let mut id = wanted.to_owned();
        while self.taken.contains(&id) {
            *times += 1;
            id = format!("{wanted}-{}", *times + 1);
        }
        if given.is_empty() {
            notes.add(format!("messages[{from}]"), Action::Renamed, "empty_tool_call_id");
        } else if id != given {
            notes.add(format!("messages[{from}]"), Action::Renamed, "duplicate_tool_call_id");
        }
        self.taken.insert(id.clone());
        let queues = self.waiting.entry(given).or_default();
        let position = self.calls.len();
        let same_run = |queue: &&mut VecDeque<usize>| {
            queue.front().and_then(|&call| self.calls.get(call)).is_some_and(|call| call.run == run)
        };
        match queues.last_mut().filter(same_run) {
            Some(queue) => queue.push_back(position),
            None => queues.push(VecDeque::from([position])),
        }
        if self.latest.back().and_then(|&call| self.calls.get(call)).is_some_and(|call| call.run != run) {
            self.latest.clear();
        }
        self.latest.push_back(position);
        self.calls.push(Call { run, from, id: id.clone(), result: None });
        id
    }

    /// Puts a result with its call, or gives it back.
    fn result(
        &mut self,
        run: usize,
        from: usize,
        mut result: ToolResult,
        notes: &mut Notes,
    ) -> Option<ToolResult> {
        let Some(position) = self.waiting_for(&result.id) else { return Some(result) };
        let Some(call) = self.calls.get_mut(position) else { return Some(result) };
        if call.run + 1 != run {
            rewritten(notes, from, "tool_result_moved");
        }
        result.id.clone_from(&call.id);
        call.result = Some((from, result));
        None
    }

    /// The call that a result of this id answers: one of its id, else one without an id; a result without one
    /// answers the first of the latest turn that has no answer yet. Each call is passed over once at most.
    fn waiting_for(&mut self, id: &str) -> Option<usize> {
        if let Some(position) = self.queued(id) {
            return Some(position);
        }
        if !id.is_empty() {
            return self.queued("");
        }
        while let Some(position) = self.latest.pop_front() {
            if self.calls.get(position).is_some_and(|call| call.result.is_none()) {
                return Some(position);
            }
        }
        None
    }

    /// The first call of the latest turn that waits for this id.
    fn queued(&mut self, id: &str) -> Option<usize> {
        let queues = self.waiting.get_mut(id)?;
        while let Some(queue) = queues.last_mut() {
            while let Some(position) = queue.pop_front() {
                if self.calls.get(position).is_some_and(|call| call.result.is_none()) {
                    return Some(position);
                }
            }
            queues.pop();
        }
        None
    }
}

/// A result that answers nothing, as something the user says.
fn as_text(orphan: ToolResult, from: usize, notes: &mut Notes) -> impl Iterator<Item = Said> {
    rewritten(notes, from, "tool_result_without_call");
    let ToolResult { id: _, content, is_error } = orphan;
    let title = if is_error { "Error of a tool:" } else { "Result of a tool:" };
    let empty = content.is_empty().then(|| Block::Text(Text::new(EMPTY_RESULT)));
    std::iter::once(Block::Text(Text::new(title)))
        .chain(content)
        .chain(empty)
        .map(move |block| Said { from, block })
}
