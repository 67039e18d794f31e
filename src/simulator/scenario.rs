//! Directives in the last user text. The table is in the simulator's own documentation.

use super::fault::Fault;
use super::refusal;
use serde_json::Value;
use std::time::Duration;

/// What a request asks the simulator to do.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Scenario {
    /// The text without its directives.
    pub(super) text: String,
    /// Whether there was any directive.
    pub(super) directed: bool,
    pub(super) say: Option<String>,
    pub(super) tools: Vec<ToolCall>,
    pub(super) thoughts: Vec<Thought>,
    pub(super) refusal: bool,
    pub(super) stop: Option<String>,
    pub(super) guardrail: Option<Guardrail>,
    /// Reasoning inside the text, in these tags.
    pub(super) tagged: Option<(&'static str, String)>,
    /// The id of each tool call; `{n}` stands for its place.
    pub(super) tool_id: Option<String>,
    /// What the model shall not be able to do, and what it says then.
    pub(super) refuses: Vec<(String, Option<String>)>,
    pub(super) usage: Usage,
    pub(super) deltas: Option<usize>,
    pub(super) delay: Option<Duration>,
    pub(super) pace: Option<Duration>,
    pub(super) unknown_event: bool,
    pub(super) fail_times: Option<(u32, Fault)>,
    pub(super) mishap: Option<Mishap>,
}

/// Reasoning before the answer.
#[derive(Debug, PartialEq)]
pub(super) enum Thought {
    /// Signed if the model signs.
    Said(String),
    Signed(String),
    Unsigned(String),
    Redacted,
}

/// What a guardrail does.
#[derive(Debug, PartialEq)]
pub(super) struct Guardrail {
    /// `BLOCKED` or `ANONYMIZED`.
    pub(super) action: String,
    /// To the prompt rather than to the answer.
    pub(super) on_input: bool,
}

#[derive(Debug, PartialEq)]
pub(super) struct ToolCall {
    pub(super) name: String,
    /// JSON, as written.
    pub(super) input: String,
}

/// Token counts to report instead of the simulator's own.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) input: Option<u64>,
    pub(super) output: Option<u64>,
    pub(super) cache_read: Option<u64>,
    pub(super) cache_write: Option<u64>,
    pub(super) reasoning: Option<u64>,
}

/// What goes wrong, and after how many content deltas; none is before the reply's head.
#[derive(Debug, PartialEq)]
pub(super) struct Mishap {
    pub(super) kind: MishapKind,
    pub(super) after: Option<usize>,
}

#[derive(Debug, PartialEq)]
pub(super) enum MishapKind {
    Fault(Fault),
    /// A `:message-type error` frame with this code.
    ErrorMessage(String),
    Cut,
    Reset,
    End,
    Corrupt,
    Stall,
}

impl Scenario {
    /// Finds the directives of `text`. A known directive that makes no sense is refused.
    pub(super) fn read(text: &str) -> Result<Self, Fault> {
        let mut scenario = Self::default();
        let mut rest = text;
        while let Some(start) = rest.find("[[") {
            let (before, inside) = rest.split_at(start);
            scenario.text.push_str(before);
            let inside = &inside[2..];
            if let Some(after) = scenario.directive(inside)? {
                scenario.directed = true;
                rest = after;
            } else {
                scenario.text.push_str("[[");
                rest = inside;
            }
        }
        scenario.text.push_str(rest);
        if scenario.directed {
            scenario.text = scenario.text.trim().to_owned();
        }
        Ok(scenario)
    }

    /// Reads the directive at the start of `inside`, which follows its `[[`, and returns what comes after its
    /// `]]`; none if there is no directive.
    fn directive<'a>(&mut self, inside: &'a str) -> Result<Option<&'a str>, Fault> {
        if let Some(call) = inside.strip_prefix("tool:") {
            let (call, rest) = ToolCall::read(call)?;
            self.tools.push(call);
            return Ok(Some(rest));
        }
        let Some((body, rest)) = inside.split_once("]]") else { return Ok(None) };
        let (name, free) = match body.split_once(':') {
            Some((name, free)) if !name.contains(char::is_whitespace) => (name, Some(free)),
            _ => (body.split_ascii_whitespace().next().unwrap_or_default(), None),
        };
        let words = Words::read(free.unwrap_or_else(|| body.strip_prefix(name).unwrap_or_default()));
        let free = free.unwrap_or_default();
        match name {
            "say" => self.say = Some(free.to_owned()),
            "reasoning" => self.thoughts.push(Thought::Said(free.to_owned())),
            "signed-reasoning" => self.thoughts.push(Thought::Signed(free.to_owned())),
            "unsigned-reasoning" => self.thoughts.push(Thought::Unsigned(free.to_owned())),
            "think-tags" => self.tagged = Some(("think", free.to_owned())),
            "thinking-tags" => self.tagged = Some(("thinking", free.to_owned())),
            "reasoning-tags" => self.tagged = Some(("reasoning", free.to_owned())),
            "tool-id" => self.tool_id = Some(free.to_owned()),
            "refuse" => {
                let capability = words.first();
                if !refusal::is_known(capability) {
                    return Err(senseless(&format!("there is no capability '{capability}' to refuse")));
                }
                self.refuses.push((capability.to_owned(), words.value("message").map(str::to_owned)));
            }
            "redacted" => self.thoughts.push(Thought::Redacted),
            "refusal" => self.refusal = true,
            "stop" => self.stop = Some(free.to_owned()),
            "guardrail" => match (words.first(), words.second()) {
                (action @ ("BLOCKED" | "ANONYMIZED"), place @ ("" | "input" | "output")) => {
                    self.guardrail =
                        Some(Guardrail { action: action.to_owned(), on_input: place == "input" });
                }
                _ => return Err(senseless("a guardrail has BLOCKED or ANONYMIZED, input or output")),
            },
            "usage" => {
                self.usage = Usage {
                    input: words.count("input")?,
                    output: words.count("output")?,
                    cache_read: words.count("cache_read")?,
                    cache_write: words.count("cache_write")?,
                    reasoning: words.count("reasoning")?,
                };
            }
            "deltas" => self.deltas = Some(number(words.first(), name)?),
            "delay" => self.delay = Some(duration(words.first())?),
            "pace" => self.pace = Some(duration(words.first())?),
            "unknown-event" => self.unknown_event = true,
            "fail-times" => {
                let times = number(words.first(), name)?;
                self.fail_times = Some((times, exception(words.second(), &words)?));
            }
            "error" => self.mishap(MishapKind::Fault(exception(words.first(), &words)?), &words)?,
            "error-message" => {
                self.mishap(MishapKind::ErrorMessage(words.first().to_owned()), &words)?;
            }
            "http" => {
                let status: u16 = number(words.first(), name)?;
                if !(400..=599).contains(&status) {
                    return Err(senseless(&format!("http:{status} is not an error")));
                }
                let known = Fault::named(words.second(), None);
                let usual = known.map_or_else(|| "Simulated failure.".to_owned(), |fault| fault.message);
                let message = words.value("message").map_or(usual, str::to_owned);
                let mut fault = Fault::new(status, "", message);
                fault.code = Some(capitalised(words.second())).filter(|code| !code.is_empty());
                self.mishap(MishapKind::Fault(fault), &words)?;
            }
            "cut" => self.mishap(MishapKind::Cut, &words)?,
            "reset" => self.mishap(MishapKind::Reset, &words)?,
            "end" => self.mishap(MishapKind::End, &words)?,
            "corrupt" => self.mishap(MishapKind::Corrupt, &words)?,
            "stall" => self.mishap(MishapKind::Stall, &words)?,
            _ => return Ok(None),
        }
        Ok(Some(rest))
    }

    fn mishap(&mut self, kind: MishapKind, words: &Words) -> Result<(), Fault> {
        let after = words.count("after")?.map(|count| usize::try_from(count).unwrap_or(usize::MAX));
        self.mishap = Some(Mishap { kind, after });
        Ok(())
    }
}

impl ToolCall {
    /// Reads `name {"json":true}]]`; the JSON may hold `]]` itself.
    fn read(text: &str) -> Result<(Self, &str), Fault> {
        let end = text.find(|c: char| c.is_whitespace() || c == ']').unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        if let Some(rest) = rest.strip_prefix("]]") {
            return Ok((Self { name: name.to_owned(), input: "{}".to_owned() }, rest));
        }
        let rest = rest.trim_start();
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        match values.next() {
            Some(Ok(Value::Object(_))) => {}
            _ => return Err(senseless(&format!("tool:{name} needs a JSON object"))),
        }
        let (input, rest) = rest.split_at_checked(values.byte_offset()).unwrap_or((rest, ""));
        match rest.trim_start().strip_prefix("]]") {
            Some(rest) => Ok((Self { name: name.to_owned(), input: input.to_owned() }, rest)),
            None => Err(senseless(&format!("tool:{name} is not closed"))),
        }
    }
}

/// `throttlingException after=2 message="slow down"`: bare words, and values by key.
struct Words<'a> {
    bare: Vec<&'a str>,
    keyed: Vec<(&'a str, &'a str)>,
}

impl<'a> Words<'a> {
    fn read(text: &'a str) -> Self {
        let mut words = Self { bare: Vec::new(), keyed: Vec::new() };
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let end = rest.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            rest = match after.strip_prefix('=') {
                None => {
                    words.bare.push(word);
                    after
                }
                Some(value) => {
                    let quoted = value.strip_prefix('"').and_then(|value| value.split_once('"'));
                    let (value, after) = quoted.unwrap_or_else(|| {
                        value.split_at(value.find(char::is_whitespace).unwrap_or(value.len()))
                    });
                    words.keyed.push((word, value));
                    after
                }
            }
            .trim_start();
        }
        words
    }

    fn first(&self) -> &'a str {
        self.bare.first().copied().unwrap_or_default()
    }

    fn second(&self) -> &'a str {
        self.bare.get(1).copied().unwrap_or_default()
    }

    fn value(&self, key: &str) -> Option<&'a str> {
        self.keyed.iter().find_map(|(known, value)| (*known == key).then_some(*value))
    }

    fn count(&self, key: &str) -> Result<Option<u64>, Fault> {
        self.value(key).map(|value| number(value, key)).transpose()
    }
}

fn exception(name: &str, words: &Words) -> Result<Fault, Fault> {
    Fault::named(name, words.value("message"))
        .ok_or_else(|| senseless(&format!("Bedrock raises no '{name}'; http:STATUS CODE raises anything")))
}

fn number<N: std::str::FromStr>(text: &str, what: &str) -> Result<N, Fault> {
    text.parse().map_err(|_| senseless(&format!("'{text}' is no number for {what}")))
}

/// `250ms` or `2s`.
fn duration(text: &str) -> Result<Duration, Fault> {
    if let Some(millis) = text.strip_suffix("ms") {
        return number(millis, "a duration").map(Duration::from_millis);
    }
    match text.strip_suffix('s') {
        Some(seconds) => number(seconds, "a duration").map(Duration::from_secs),
        None => Err(senseless(&format!("'{text}' is no duration such as 250ms or 2s"))),
    }
}

/// Exceptions have a capital in their header, `overloaded_error` doesn't.
fn capitalised(code: &str) -> String {
    let mut code = code.to_owned();
    if code.ends_with("Exception")
        && let Some(first) = code.get_mut(..1)
    {
        first.make_ascii_uppercase();
    }
    code
}

fn senseless(why: &str) -> Fault {
    Fault::validation(format!("The simulator can't follow a directive: {why}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_stays_as_it_is() {
        for text in ["", " hi ", "a [[link]] and [[an:other]] [[", "[[ [[ ]]"] {
            let scenario = Scenario::read(text).unwrap();
            assert_eq!(scenario.text, text);
            assert!(!scenario.directed);
        }
    }

    #[test]
    fn tools_keep_their_json_as_written_even_with_brackets() {
        let scenario = Scenario::read(r#"go [[tool:f {"a": [[1]]}]] [[tool:g]]now"#).unwrap();
        assert_eq!(scenario.text, "go  now");
        let calls: Vec<_> = scenario.tools.iter().map(|t| (t.name.as_str(), t.input.as_str())).collect();
        assert_eq!(calls, [("f", r#"{"a": [[1]]}"#), ("g", "{}")]);
    }

    #[test]
    fn a_mishap_knows_its_place_and_its_text() {
        let scenario =
            Scenario::read(r#"[[error:throttlingException after=2 message="Too many tokens per day"]]"#)
                .unwrap();
        let Some(Mishap { kind: MishapKind::Fault(fault), after: Some(2) }) = scenario.mishap else {
            panic!()
        };
        assert_eq!(fault.message, "Too many tokens per day");
        assert_eq!(fault.status, 429);
    }

    #[test]
    fn a_status_may_come_without_a_code() {
        let scenario = Scenario::read("[[http:529 overloaded_error]]").unwrap();
        let Some(Mishap { kind: MishapKind::Fault(fault), after: None }) = scenario.mishap else { panic!() };
        assert_eq!((fault.status, fault.code.as_deref()), (529, Some("overloaded_error")));
        let scenario = Scenario::read("[[http:500]]").unwrap();
        let Some(Mishap { kind: MishapKind::Fault(fault), .. }) = scenario.mishap else { panic!() };
        assert_eq!(fault.code, None);
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        for text in [
            "[[delay:soon]]",
            "[[error:teapotException]]",
            "[[deltas:x]]",
            "[[tool:f 3]]",
            "[[http:200]]",
            "[[cut after=x]]",
            "[[guardrail:SLEPT]]",
            "[[guardrail:BLOCKED twice]]",
            "[[refuse:breakfast]]",
        ] {
            assert!(Scenario::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counts_and_pauses_are_read() {
        let scenario =
            Scenario::read("[[usage cache_read=100 cache_write=20]][[delay:250ms]][[pace:2s]][[fail-times:2 throttlingException]]").unwrap();
        assert_eq!(scenario.usage.cache_read, Some(100));
        assert_eq!(scenario.usage.input, None);
        assert_eq!(scenario.delay, Some(Duration::from_millis(250)));
        assert_eq!(scenario.pace, Some(Duration::from_secs(2)));
        assert_eq!(scenario.fail_times.unwrap().0, 2);
    }
}
