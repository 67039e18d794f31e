//! Prompts that are too long for a model's context, as each family says so, and what is left beside one that isn't.
//!
//! Sources: texts in recorded traffic and in public reports, 2025 and 2026, of Anthropic, Amazon, OpenAI, xAI, Google, Mistral,
//! Qwen, and of the servers that open models run on.

use super::refusal::plain;

/// Phrases of which one is there, word for word, in lower case.
const OVERFLOWS: &[&[&str]] = &[
    &["context_length_exceeded"],
    &["context_window_exceeded"],
    &["maximum context length"],
    &["context length", "exceed"],
    &["context window", "exceed"],
    &["context size", "exceed"],
    &["context limit"],
    &["longer than the model"],
    &["longer than", "context"],
    &["does not fit", "context"],
    &["larger than", "context"],
    &["input is too long"],
    &["input too long"],
    &["prompt is too long"],
    &["prompt too long"],
    &["prompt length", "exceed"],
    &["prompt exceeds"],
    &["input exceeds"],
    &["maximum prompt length"],
    &["prompt token count", "exceed"],
    &["input token count", "exceed"],
    &["input tokens exceed"],
    &["number of input tokens", "exceed"],
    &["input token length"],
    &["input token limit"],
    &["too many input tokens"],
    &["too many tokens in the prompt"],
    &["too many total text bytes"],
    &["input length", "exceed"],
    &["range of input length"],
    &["maximum number of input tokens"],
    &["exceeds the maximum number of tokens"],
    &["exceeds the model's maximum input"],
    &["model token limit"],
    &["reduce the length of the"],
];

/// Does this say that the prompt is too long? `said` as Bedrock said it.
pub(super) fn is_overflow(said: &str) -> bool {
    let said = plain(said);
    OVERFLOWS.iter().any(|phrases| phrases.iter().all(|phrase| said.contains(phrase)))
        || is_overlong_text(&said)
}

/// "Malformed input request: expected maxLength: 131072, actual: 160000, please reformat your input and try again." What has
/// a bound as high as that is the prompt; names and the like have lower ones.
fn is_overlong_text(said: &str) -> bool {
    const LEAST: u32 = 4096;
    let bound = said.split_once("expected maxlength").and_then(|(_, rest)| first_number(rest));
    bound.is_some_and(|bound| bound >= LEAST)
        && !["#/tool", "#/metadata", "#/stop"].iter().any(|place| said.contains(place))
}

/// How many tokens the context has, where it is said.
pub(super) fn window(said: &str) -> Option<u32> {
    window_of(&plain(said))
}

fn window_of(said: &str) -> Option<u32> {
    // No model has a shorter one.
    const LEAST: u32 = 512;
    const PHRASES: [&str; 12] = [
        "context length",
        "context limit",
        "context window",
        "context size",
        "prompt length is",
        "tokens allowed",
        "input token limit",
        "input token length",
        "input tokens allowed",
        "maximum number of input tokens",
        "exceeds the limit of",
        " > ",
    ];
    let sum = sum(said).map(|(_, window)| window);
    let near = |rest: &str| {
        // The number has to belong to the phrase: nothing but a few words is between.
        let rest = rest.get(..rest.find(|c: char| c.is_ascii_digit())?)?.len();
        (rest <= 24).then_some(())
    };
    let named = || {
        PHRASES.iter().find_map(|phrase| {
            let rest = said.split_once(phrase)?.1;
            near(rest)?;
            first_number(rest)
        })
    };
    sum.or_else(named).filter(|window| *window >= LEAST)
}

/// "190000 + 20000 > 200000": the prompt and the context.
fn sum(said: &str) -> Option<(u32, u32)> {
    let numbers = numbers(said);
    numbers.windows(3).find_map(|three| {
        let [prompt, asked, window] = three else { return None };
        let between = |a: &Number, b: &Number| said.get(a.end..b.start).map(str::trim);
        (between(prompt, asked) == Some("+") && between(asked, window) == Some(">"))
            .then_some((prompt.value, window.value))
    })
}

/// The most tokens that a reply may have beside the prompt, if the prompt fits and only the two together don't. A little less
/// than what is left: prompts are counted a little otherwise from time to time.
pub(super) fn room(said: &str) -> Option<u32> {
    const ASKED: [&str; 6] =
        ["requested", "max_tokens", "maxtokens", "completion", "output tokens", "max_new_tokens"];
    // With less than this nothing worth reading would come.
    const LEAST: u32 = 16;
    let said = plain(said);
    if !said.contains("context") || !ASKED.iter().any(|word| said.contains(word)) {
        return None;
    }
    let (prompt, window) = sum(&said).or_else(|| {
        let window = window_of(&said)?;
        Some((prompt(&said, window)?, window))
    })?;
    let left = window.checked_sub(prompt)?;
    let room = left.saturating_sub((left / 32).min(64));
    (room >= LEAST).then_some(room)
}

/// How long the prompt is: the number that stands beside a word for it, and not beside one for the reply.
fn prompt(said: &str, window: u32) -> Option<u32> {
    let has = |text: &str, words: &[&str]| words.iter().any(|word| text.contains(word));
    let is_prompts = |number: &Number| {
        let before = tail(said.get(..number.start).unwrap_or_default(), 28);
        let after = head(said.get(number.end..).unwrap_or_default(), 28);
        let replys = ["output", "completion", "requested", "max_", "maximum"];
        // "8192 output tokens and your prompt contains": what comes first is the number's own.
        let own = after.split([',', ')', ';', '.']).next().unwrap_or_default();
        let own = own.split(" and ").next().unwrap_or_default();
        !has(own, &replys)
            && !has(tail(before, 14), &replys)
            && (has(own, &["input", "prompt", "message"]) || has(before, &["prompt", "input"]))
    };
    numbers(said).iter().find(|number| number.value < window && is_prompts(number)).map(|number| number.value)
}

fn tail(text: &str, length: usize) -> &str {
    let from = text.len().saturating_sub(length);
    (from..=text.len()).find_map(|at| text.get(at..)).unwrap_or_default()
}

fn head(text: &str, length: usize) -> &str {
    let to = text.len().min(length);
    (0..=to).rev().find_map(|at| text.get(..at)).unwrap_or_default()
}

/// A number in a text, and where it stands.
#[derive(Debug, Clone, Copy)]
struct Number {
    value: u32,
    start: usize,
    end: usize,
}

/// The numbers in a text that is bounded. `200,000` is one; what has more digits than a number of tokens is none.
fn numbers(said: &str) -> Vec<Number> {
    let bytes = said.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut numbers = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !digit(at) {
            at += 1;
            continue;
        }
        let start = at;
        let mut value: Option<u32> = Some(0);
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'0'..=b'9' => {
                    value =
                        value.and_then(|value| value.checked_mul(10)?.checked_add(u32::from(byte - b'0')));
                }
                // Between groups of three.
                b',' | b'_' if (1..=3).all(|next| digit(at + next)) && !digit(at + 4) => {}
                _ => break,
            }
            at += 1;
        }
        if let Some(value) = value {
            numbers.push(Number { value, start, end: at });
        }
    }
    numbers
}

/// The first number in a text.
pub(super) fn first_number(text: &str) -> Option<u32> {
    numbers(text).first().map(|number| number.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_has_words_for_a_prompt_that_is_too_long() {
        for (said, tokens) in [
            ("Input is too long for requested model.", None),
            ("prompt is too long: 213462 tokens > 200000 maximum", Some(200_000)),
            (
                "input length and `max_tokens` exceed context limit: 199990 + 32000 > 200000, decrease …",
                Some(200_000),
            ),
            ("Too many input tokens. Max input tokens: 128000, request input token count: 130001", None),
            (
                "The model returned the following errors: Input Tokens Exceeded: Number of input tokens exceeds maximum length. Please update the input to try again.",
                None,
            ),
            (
                "This model's maximum context length is 131072 tokens. However, your messages resulted in 140000 tokens.",
                Some(131_072),
            ),
            (
                "Your input exceeds the context window of this model. Please adjust your input and try again.",
                None,
            ),
            (
                "This model's maximum prompt length is 131,072 but the request contains 537812 tokens.",
                Some(131_072),
            ),
            (
                "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).",
                Some(1_048_575),
            ),
            ("Input token count of 90000 exceeds the limit of 65536", Some(65_536)),
            ("The prompt (70000 tokens) is longer than the model's context length of 65536.", Some(65_536)),
            ("Request exceeds maximum input token length of 32000", Some(32_000)),
            (
                "Malformed input request: expected maxLength: 131072, actual: 160000, please reformat your input and try again.",
                None,
            ),
            (
                "{\"error\":{\"message\":\"Requested tokens exceed context window of 4096\",\"code\":400}}",
                Some(4096),
            ),
            ("400: Range of input length should be [1, 30720]", None),
            ("{\"code\":\"context_length_exceeded\"}", None),
            ("Please reduce the length of the messages.", None),
        ] {
            assert!(is_overflow(said), "{said}");
            assert_eq!(window(said), tokens, "{said}");
        }
    }

    #[test]
    fn other_limits_are_no_overflow() {
        for said in [
            "",
            "The maximum tokens you requested exceeds the model limit of 8192.",
            "max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens for claude-x",
            "expected maxLength: 64, actual: 80",
            "#/tools/0/description: expected maxLength: 9000, actual: 9999",
            "tools.0.name: String should have at most 128 characters",
            "messages: at least one message is required",
            "image exceeds 5 MB maximum: 6000000 bytes > 5242880 bytes",
            "Too many tokens, please wait before trying again.",
        ] {
            assert!(!is_overflow(said), "{said}");
        }
    }

    #[test]
    fn what_is_left_beside_a_prompt_that_fits_is_the_room() {
        for (said, left) in [
            (
                "The model returned the following errors: This model's maximum context length is 16384 tokens. However, you requested 8192 output tokens and your prompt contains 12000 input tokens, for a total of 20192 tokens. Please reduce …",
                4384,
            ),
            (
                "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens (8000 in the messages, 1000 in the completion). Please reduce the length of the messages or completion.",
                192,
            ),
            (
                "'max_tokens' or 'max_completion_tokens' is too large: 8192. This model's maximum context length is 40960 tokens and your request has 35000 input tokens (8192 > 40960 - 35000).",
                5960,
            ),
            (
                "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length or `max_tokens` and try again",
                10_000,
            ),
            (
                "Requested token count exceeds the model's maximum context length of 262,144 tokens. You requested a total of 270,000 tokens: 250,000 tokens from the input messages and 20,000 tokens for the completion.",
                12_144,
            ),
            (
                "The sum of prompt tokens (3000) and max_tokens (5000) exceeds the model's maximum context length 4096.",
                1096,
            ),
            (
                "maximum context length is 32768 tokens. You requested 8192 output tokens and your prompt contains at least 24577 input tokens",
                8191,
            ),
        ] {
            let room = room(said).unwrap_or_else(|| panic!("{said}"));
            assert!(room <= left && room >= left - 64.min(left / 32), "{said}: {room}");
            assert!(is_overflow(said), "{said}");
        }
    }

    #[test]
    fn where_nothing_is_left_there_is_no_room() {
        for said in [
            "prompt is too long: 213462 tokens > 200000 maximum",
            "This model's maximum context length is 8192 tokens. However, you requested 9200 tokens (8200 in the messages, 1000 in the completion).",
            "This model's maximum context length is 8192 tokens. However, you requested 100 output tokens and your prompt contains 8190 input tokens",
            "input length and `max_tokens` exceed context limit: 200001 + 20000 > 200000",
            "Your input exceeds the context window of this model: 8000 output tokens were requested.",
            "maximum context length is 99999999999 tokens, you requested 1 output tokens, prompt contains 3",
        ] {
            assert_eq!(room(said), None, "{said}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_said_nothing_breaks(said in "([a-zé0-9 ,>+().:]{0,8}|context length |prompt contains |requested ){0,12}") {
            let _ = (is_overflow(&said), window(&said));
            if let Some(room) = room(&said) {
                proptest::prop_assert!(room >= 16);
            }
        }
    }
}
