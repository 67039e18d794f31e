//! The columns of the table that are about thinking: how a model is told how hard to think, and what it holds to
//! meanwhile.
//!
//! Sources: AWS's user guide and model cards, Anthropic's SDK types, live-tested tables of other projects.
//! `tests/fixtures/reasoning.txt` has every model with every effort.

use crate::chat::Effort;

/// How a model thinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a table row: each flag is a column of its own")]
pub struct Thinking {
    /// How it is told.
    pub control: Control,
    /// It thinks when it is told nothing.
    pub by_default: bool,
    /// What makes it show thoughts that it would keep to itself: a member of its own body.
    pub shown: Option<Member>,
    /// Meanwhile it draws tokens its own way: no `temperature`, `top_p`, `top_k`.
    pub own_draw: bool,
    /// Meanwhile no tool can be forced on it.
    pub own_tool_choice: bool,
    /// Meanwhile it doesn't go on from an assistant's last turn.
    pub no_prefill: bool,
    /// A tool loop that it began thinking goes on only with the signed thoughts that the loop began with.
    pub loop_needs_thoughts: bool,
    /// From this effort on nothing may limit it: neither `max_tokens` nor how tokens are drawn.
    pub unlimited_from: Option<Effort>,
    /// Where its own reply counts the tokens that it thought, as a JSON pointer, if that has to be asked for.
    pub counted_at: Option<&'static str>,
}

/// How a model is told how hard to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// It can't be told, and doesn't think or isn't known to.
    No,
    /// It can't be told: it always thinks.
    Always,
    /// By a word.
    Words(Words),
    /// By a number of tokens.
    Budget(Budget),
}

/// A member of the model's own body, and a text for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Where: `["thinking", "type"]`.
    pub path: &'static [&'static str],
    /// What is written there.
    pub text: &'static str,
}

/// A word for each effort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// Where the word stands.
    pub path: &'static [&'static str],
    /// For minimal, low, medium, high, xhigh, max. [`Self::NONE`] is a word for not thinking.
    pub words: [&'static str; 6],
    /// What goes beside the word.
    pub on: Option<Member>,
    /// How it is told not to think.
    pub off: Off,
}

impl Words {
    /// The word that stops the thinking, wherever one does.
    pub const NONE: &'static str = "none";

    /// The word for an effort; for none it is the least.
    pub fn word(&self, effort: Effort) -> &'static str {
        let [minimal, low, medium, high, xhigh, max] = self.words;
        match effort {
            Effort::None | Effort::Minimal => minimal,
            Effort::Low => low,
            Effort::Medium => medium,
            Effort::High => high,
            Effort::XHigh => xhigh,
            Effort::Max => max,
        }
    }
}

/// How a model is told not to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Off {
    /// Not at all: it always thinks, at least a little.
    Never,
    /// By silence: it only thinks when asked.
    Silence,
    /// By a member of its own.
    Member(Member),
}

/// How many tokens to think for each effort. Such a model thinks only when asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Where the number stands.
    pub path: &'static [&'static str],
    /// What goes beside it.
    pub on: Member,
    /// A word that goes beside it, and the beta that knows the word.
    pub word: Option<(Words, &'static str)>,
}

impl Budget {
    /// The least that Claude takes.
    pub const LEAST: u32 = 1024;

    /// Our own numbers: no source has any. `xhigh` is no more than `high`, and the last is what most clients' timeouts can wait
    /// for.
    pub fn tokens(effort: Effort) -> u32 {
        match effort {
            Effort::None => 0,
            Effort::Minimal => Self::LEAST,
            Effort::Low => 2048,
            Effort::Medium => 8192,
            Effort::High | Effort::XHigh => 16_384,
            Effort::Max => 32_768,
        }
    }
}

impl Thinking {
    /// Nothing is known of it.
    pub const UNKNOWN: Self = Self {
        control: Control::No,
        by_default: false,
        shown: None,
        own_draw: false,
        own_tool_choice: false,
        no_prefill: false,
        loop_needs_thoughts: false,
        unlimited_from: None,
        counted_at: None,
    };

    /// It always does, and can't be told.
    pub const ALWAYS: Self = Self { control: Control::Always, by_default: true, ..Self::UNKNOWN };

    /// A word for each effort, at one place.
    pub const fn words(path: &'static [&'static str], words: [&'static str; 6], off: Off) -> Self {
        let on = None;
        Self { control: Control::Words(Words { path, words, on, off }), ..Self::UNKNOWN }
    }

    /// How it is told not to think.
    pub fn off(&self) -> Off {
        match self.control {
            Control::No | Control::Budget(_) => Off::Silence,
            Control::Always => Off::Never,
            Control::Words(words) => words.off,
        }
    }
}
