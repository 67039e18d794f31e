//! The rules about prompt caches: which points go along, and where.
//!
//! Bedrock evaluates a prompt as tools, system, messages, and keeps what stands before a point. What it refuses: more than four
//! points, one with nothing before it in its message, one behind a thought, a longer life after a shorter one, points
//! where the model has no cache. A point that is lost changes no answer, only its price: so everything here is
//! dropped or moved with a note, never refused.

use crate::chat::{
    Action, Block, CacheMode, CacheOptions, CachePoint, CacheTtl, Message, Notes, Request, Role, Source,
    Text, Tool, goes_on,
};
use crate::families::{CacheSupport, Capabilities};

/// The most points of one request.
const MOST: usize = 4;

/// A token has about four bytes of English, fewer of anything else: an estimate that is too low only leaves a point out.
const BYTES_A_TOKEN: usize = 4;

/// Leaves the points that the model takes. Where the request places none, they are placed here if it says so itself, or else
/// `general` does. `least_tokens` is the shortest prefix that the model keeps. True if any point goes along.
///
/// Expects mended messages: at most one system message, first.
pub(super) fn points(
    request: &mut Request,
    able: &Capabilities,
    least_tokens: Option<u32>,
    general: CacheMode,
    notes: &mut Notes,
) -> bool {
    let CacheOptions { mode, ttl } = std::mem::take(&mut request.cache);
    if request.service.cache_key.take().is_some() {
        notes.add("prompt_cache_key", Action::Dropped, "no_equivalent");
    }
    let Some(support) = able.cache else {
        if mode.is_some() || ttl.is_some() {
            notes.add("prompt_cache_options", Action::Dropped, "no_prompt_cache");
        }
        drop_all(request, notes);
        return false;
    };
    let mut points = Points { support, ttl, notes };
    points.normalise(request);
    let mut placed = request.tools.iter().any(|tool| tool.cache.is_some())
        || request.messages.iter().flat_map(|message| &message.content).any(is_point);
    if placed {
        points.bound(request);
    } else if mode.unwrap_or(general).places_in(&request.messages) {
        let least = least_tokens.unwrap_or(support.least_tokens);
        placed = plan(request, support, usize::try_from(least).unwrap_or(usize::MAX), ttl);
    }
    points.order(request);
    placed
}

fn is_point(block: &Block) -> bool {
    matches!(block, Block::CachePoint(_))
}

fn drop_all(request: &mut Request, notes: &mut Notes) {
    for message in &mut request.messages {
        let before = message.content.len();
        message.content.retain(|block| !is_point(block));
        if message.content.len() < before {
            notes.add(format!("messages[{}]", message.index), Action::Dropped, "no_prompt_cache");
        }
    }
    for (position, tool) in request.tools.iter_mut().enumerate() {
        if tool.cache.take().is_some() {
            notes.add(format!("tools[{position}]"), Action::Dropped, "no_prompt_cache");
        }
    }
}

struct Points<'n> {
    support: CacheSupport,
    ttl: Option<CacheTtl>,
    notes: &'n mut Notes,
}

impl Points<'_> {
    /// Takes away what no model takes: a point at the beginning of a message, behind a thought or another point; and gives
    /// each its life.
    fn normalise(&mut self, request: &mut Request) {
        for (position, tool) in request.tools.iter_mut().enumerate() {
            if tool.cache.is_some() && !self.support.tools {
                tool.cache = None;
                self.notes.add(format!("tools[{position}]"), Action::Dropped, "no_prompt_cache_for_tools");
            }
            if let Some(point) = &mut tool.cache {
                self.live(point, || format!("tools[{position}]"));
            }
        }
        for message in &mut request.messages {
            let index = message.index;
            let mut kept: Vec<Block> = Vec::with_capacity(message.content.len());
            for mut block in std::mem::take(&mut message.content) {
                if let Block::CachePoint(point) = &mut block {
                    let refused = match kept.last() {
                        None => Some("nothing_to_cache"),
                        Some(Block::Reasoning(_)) => Some("no_cache_point_after_reasoning"),
                        Some(Block::CachePoint(_)) => Some("cache_point_twice"),
                        Some(
                            Block::Text(_)
                            | Block::Image(_)
                            | Block::Document(_)
                            | Block::Audio(_)
                            | Block::Remote(_)
                            | Block::ToolUse(_)
                            | Block::ToolResult(_),
                        ) => None,
                    };
                    if let Some(reason) = refused {
                        self.notes.add(format!("messages[{index}]"), Action::Dropped, reason);
                        continue;
                    }
                    self.live(point, || format!("messages[{index}]"));
                }
                kept.push(block);
            }
            message.content = kept;
        }
    }

    fn live(&mut self, point: &mut CachePoint, param: impl Fn() -> String) {
        point.ttl = point.ttl.or(self.ttl);
        if point.ttl == Some(CacheTtl::OneHour) && !self.support.one_hour {
            point.ttl = None;
            self.notes.add(param(), Action::Clamped, "cache_ttl_5m_only");
        }
    }

    /// Leaves four: the first, which outlives every change of the conversation, and the last three, which keep the most.
    fn bound(&mut self, request: &mut Request) {
        let in_messages =
            request.messages.iter().flat_map(|message| &message.content).filter(|b| is_point(b));
        let all = request.tools.iter().filter(|tool| tool.cache.is_some()).count() + in_messages.count();
        let Some(surplus) = all.checked_sub(MOST).filter(|surplus| *surplus > 0) else { return };
        let mut seen = 0;
        let mut drop = || {
            seen += 1;
            (2..2 + surplus).contains(&seen)
        };
        for (position, tool) in request.tools.iter_mut().enumerate() {
            if tool.cache.is_some() && drop() {
                tool.cache = None;
                self.notes.add(format!("tools[{position}]"), Action::Dropped, "at_most_four_cache_points");
            }
        }
        for message in &mut request.messages {
            let before = message.content.len();
            message.content.retain(|block| !(is_point(block) && drop()));
            if message.content.len() < before {
                let param = format!("messages[{}]", message.index);
                self.notes.add(param, Action::Dropped, "at_most_four_cache_points");
            }
        }
    }

    /// A longer life may not follow a shorter one: the later point gets the shorter.
    fn order(&mut self, request: &mut Request) {
        let mut longest = CacheTtl::OneHour;
        let mut shorten = |point: &mut CachePoint| {
            let ttl = point.ttl.unwrap_or(CacheTtl::FiveMinutes);
            let shortened = ttl > longest;
            if shortened {
                point.ttl = None;
            } else {
                longest = ttl;
            }
            shortened
        };
        for (position, tool) in request.tools.iter_mut().enumerate() {
            if tool.cache.as_mut().is_some_and(&mut shorten) {
                self.notes.add(format!("tools[{position}]"), Action::Clamped, "longer_cache_ttl_first");
            }
        }
        for message in &mut request.messages {
            for block in &mut message.content {
                if let Block::CachePoint(point) = block
                    && shorten(point)
                {
                    let param = format!("messages[{}]", message.index);
                    self.notes.add(param, Action::Clamped, "longer_cache_ttl_first");
                }
            }
        }
    }
}

/// Places points where the prompt's beginning is likely to come again: behind the tools, behind the instructions, and, in a
/// conversation that has gone on for a while, behind its last turn and the user's one before, which the call
/// before this one has kept. None where less stands before it than the model keeps. True if there is any.
fn plan(request: &mut Request, support: CacheSupport, least_tokens: usize, ttl: Option<CacheTtl>) -> bool {
    let point = CachePoint { ttl: ttl.filter(|ttl| *ttl == CacheTtl::FiveMinutes || support.one_hour) };
    let least = least_tokens.saturating_mul(BYTES_A_TOKEN);
    let mut length: usize = request.tools.iter().map(tool_length).sum();
    let mut placed = false;
    if let Some(last) = request.tools.last_mut()
        && support.tools
        && length >= least
    {
        last.cache = Some(point);
        placed = true;
    }
    let goes_on = goes_on(&request.messages);
    let users: Vec<usize> = request
        .messages
        .iter()
        .enumerate()
        .filter(|(_, message)| message.role == Role::User)
        .map(|(position, _)| position)
        .collect();
    let latest = users.get(users.len().saturating_sub(2)..).unwrap_or_default();
    for (position, message) in request.messages.iter_mut().enumerate() {
        length += message.content.iter().map(block_length).sum::<usize>();
        let stable = match message.role {
            Role::System => true,
            Role::User => goes_on && latest.contains(&position),
            Role::Assistant => false,
        };
        if stable && length >= least && ends_in_content(message) {
            message.content.push(Block::CachePoint(point));
            placed = true;
        }
    }
    placed
}

fn ends_in_content(message: &Message) -> bool {
    message.content.last().is_some_and(|block| !matches!(block, Block::Reasoning(_) | Block::CachePoint(_)))
}

fn tool_length(tool: &Tool) -> usize {
    let Tool { name, description, schema, strict: _, cache: _ } = tool;
    name.len()
        + description.as_ref().map_or(0, text_length)
        + schema.as_ref().map_or(0, |schema| schema.as_str().len())
}

fn text_length(text: &Text) -> usize {
    text.as_json().len()
}

/// Of a picture or a file nobody here knows how many tokens it is; it counts as a short text.
fn block_length(block: &Block) -> usize {
    const MEDIA: usize = 1000;
    match block {
        Block::Text(text) => text_length(text),
        Block::ToolUse(call) => call.name.len() + call.input.as_str().len(),
        Block::ToolResult(result) => result.content.iter().map(block_length).sum(),
        Block::Reasoning(thought) => text_length(&thought.text),
        Block::Document(document) => match &document.source {
            Source::Inline(data) => text_length(data).min(MEDIA * 10),
            Source::S3 { .. } => MEDIA,
        },
        Block::Image(_) | Block::Audio(_) | Block::Remote(_) => MEDIA,
        Block::CachePoint(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Json;

    const SUPPORT: CacheSupport = CacheSupport { least_tokens: 10, tools: true, one_hour: true };

    fn able(cache: Option<CacheSupport>) -> Capabilities {
        Capabilities { cache, ..Capabilities::CAUTIOUS }
    }

    fn said(role: Role, index: usize, content: Vec<Block>) -> Message {
        Message { role, content, index }
    }

    fn words(bytes: usize) -> Block {
        Block::Text(Text::new(&"x".repeat(bytes)))
    }

    fn point(ttl: Option<CacheTtl>) -> Block {
        Block::CachePoint(CachePoint { ttl })
    }

    fn tool(cache: Option<CacheTtl>) -> Tool {
        let cache = cache.map(|ttl| CachePoint { ttl: Some(ttl) });
        Tool { name: "f".into(), description: None, schema: Some(Json::empty_object()), strict: None, cache }
    }

    /// `T` tool, `.` block, `5` and `h` points, `|` between messages.
    fn drawn(request: &Request) -> String {
        let mark = |point: &CachePoint| match point.ttl {
            None | Some(CacheTtl::FiveMinutes) => '5',
            Some(CacheTtl::OneHour) => 'h',
        };
        let mut line = String::new();
        for tool in &request.tools {
            line.push('T');
            line.extend(tool.cache.as_ref().map(mark));
        }
        for message in &request.messages {
            line.push('|');
            for block in &message.content {
                line.push(if let Block::CachePoint(point) = block { mark(point) } else { '.' });
            }
        }
        line
    }

    fn run(mut request: Request, cache: Option<CacheSupport>, general: CacheMode) -> (String, Vec<String>) {
        let mut notes = Notes::new();
        let placed = points(&mut request, &able(cache), None, general, &mut notes);
        let line = drawn(&request);
        assert_eq!(placed, line.contains(['5', 'h']), "{line}");
        (line, notes.iter().map(ToString::to_string).collect())
    }

    fn conversation(marks: &[Option<CacheTtl>]) -> Request {
        let turn = |(index, ttl): (usize, &Option<CacheTtl>)| {
            let role =
                [Role::System, Role::User, Role::Assistant][if index == 0 { 0 } else { 2 - index % 2 }];
            let mut content = vec![words(100)];
            content.extend(ttl.map(|ttl| point(Some(ttl))));
            said(role, index, content)
        };
        Request { messages: marks.iter().enumerate().map(turn).collect(), ..Request::default() }
    }

    #[test]
    fn a_model_without_a_cache_gets_no_point_and_the_client_is_told() {
        let mut request = conversation(&[Some(CacheTtl::OneHour), Some(CacheTtl::FiveMinutes)]);
        request.tools = vec![tool(Some(CacheTtl::OneHour))];
        let (line, notes) = run(request, None, CacheMode::Auto);
        assert_eq!(line, "T|.|.");
        assert_eq!(
            notes,
            [
                "messages[0]:dropped;reason=no_prompt_cache",
                "messages[1]:dropped;reason=no_prompt_cache",
                "tools[0]:dropped;reason=no_prompt_cache",
            ]
        );
    }

    #[test]
    fn points_stand_only_where_models_take_them() {
        use crate::chat::Reasoning;
        let thought = Block::Reasoning(Reasoning { text: Text::new("hm"), signature: None, redacted: None });
        let request = Request {
            messages: vec![
                said(Role::User, 0, vec![point(None), words(1), point(None), point(None)]),
                said(Role::Assistant, 1, vec![thought, point(None)]),
            ],
            ..Request::default()
        };
        let (line, notes) = run(request, Some(SUPPORT), CacheMode::Explicit);
        assert_eq!(line, "|.5|.");
        assert_eq!(
            notes,
            [
                "messages[0]:dropped;reason=nothing_to_cache",
                "messages[0]:dropped;reason=cache_point_twice",
                "messages[1]:dropped;reason=no_cache_point_after_reasoning",
            ]
        );
    }

    #[test]
    fn of_more_than_four_the_first_and_the_last_three_stay() {
        let five = Some(CacheTtl::FiveMinutes);
        let (line, notes) = run(conversation(&[five; 6]), Some(SUPPORT), CacheMode::Explicit);
        assert_eq!(line, "|.5|.|.|.5|.5|.5");
        assert_eq!(notes.len(), 2);
    }

    #[test]
    fn a_longer_life_never_follows_a_shorter_one() {
        let (five, hour) = (Some(CacheTtl::FiveMinutes), Some(CacheTtl::OneHour));
        let (line, notes) = run(conversation(&[hour, five, hour]), Some(SUPPORT), CacheMode::Explicit);
        assert_eq!(line, "|.h|.5|.5");
        assert_eq!(notes, ["messages[2]:clamped;reason=longer_cache_ttl_first"]);
        let short = CacheSupport { one_hour: false, ..SUPPORT };
        let (line, notes) = run(conversation(&[hour]), Some(short), CacheMode::Explicit);
        assert_eq!((line.as_str(), notes.len()), ("|.5", 1));
    }

    #[test]
    fn tools_are_marked_only_where_tools_are_kept() {
        let request = || Request { tools: vec![tool(Some(CacheTtl::FiveMinutes))], ..conversation(&[None]) };
        assert_eq!(run(request(), Some(SUPPORT), CacheMode::Explicit).0, "T5|.");
        let nova = CacheSupport { tools: false, ..SUPPORT };
        let (line, notes) = run(request(), Some(nova), CacheMode::Explicit);
        assert_eq!(line, "T|.");
        assert_eq!(notes, ["tools[0]:dropped;reason=no_prompt_cache_for_tools"]);
    }

    #[test]
    fn the_plan_keeps_what_comes_again_and_nothing_short() {
        // One question: its instructions come again, the question doesn't.
        assert_eq!(run(conversation(&[None; 2]), Some(SUPPORT), CacheMode::Auto).0, "|.5|.");
        // A conversation: the turn before and this one.
        assert_eq!(run(conversation(&[None; 6]), Some(SUPPORT), CacheMode::Auto).0, "|.5|.|.|.5|.|.5");
        let long = CacheSupport { least_tokens: 1000, ..SUPPORT };
        assert_eq!(
            run(conversation(&[None; 6]), Some(long), CacheMode::Auto),
            ("|.|.|.|.|.|.".to_owned(), vec![])
        );
    }

    #[test]
    fn the_request_decides_before_config_and_its_own_points_before_any_plan() {
        let mut request = conversation(&[None; 2]);
        request.cache.mode = Some(CacheMode::Explicit);
        assert_eq!(run(request, Some(SUPPORT), CacheMode::Auto).0, "|.|.");
        let mut request = conversation(&[None; 2]);
        request.cache = CacheOptions { mode: Some(CacheMode::Auto), ttl: Some(CacheTtl::OneHour) };
        assert_eq!(run(request, Some(SUPPORT), CacheMode::Explicit).0, "|.h|.");
        assert_eq!(
            run(conversation(&[None, Some(CacheTtl::FiveMinutes)]), Some(SUPPORT), CacheMode::Auto).0,
            "|.|.5"
        );
    }

    #[test]
    fn by_default_what_goes_on_is_kept_and_a_single_question_is_not() {
        use crate::chat::ToolResult;
        let run = |request| run(request, Some(SUPPORT), CacheMode::Conversations).0;
        // Instructions and a question, whatever the tools.
        assert_eq!(run(conversation(&[None; 2])), "|.|.");
        let asked = Request { tools: vec![tool(None)], ..conversation(&[None; 2]) };
        assert_eq!(run(asked), "T|.|.");
        // Examples that the client makes up are turns as well.
        assert_eq!(run(conversation(&[None; 3])), "|.5|.5|.");
        assert_eq!(run(conversation(&[None; 4])), "|.5|.5|.|.5");
        // A result is of a call that came before, also where the client left that out.
        let mut orphan = conversation(&[None; 2]);
        let result = ToolResult { id: "a".into(), content: vec![words(100)], is_error: false };
        orphan.messages[1].content.insert(0, Block::ToolResult(result));
        assert_eq!(run(orphan), "|.5|..5");
        // The request's own points stay what they are, and its own word holds.
        assert_eq!(run(conversation(&[None, Some(CacheTtl::FiveMinutes), None, None])), "|.|.5|.|.");
        for (mode, turns, line) in [
            (CacheMode::Explicit, 4, "|.|.|.|."),
            (CacheMode::Auto, 2, "|.5|."),
            (CacheMode::Conversations, 2, "|.|."),
        ] {
            let mut request = conversation(&vec![None; turns]);
            request.cache.mode = Some(mode);
            assert_eq!(run(request), line, "{mode:?}");
        }
    }
}
