//! What a model says, as it says it.

use super::{Json, ServiceTier, StopReason, Text, Usage};

/// One step of a reply. A whole reply is
///
/// ```text
/// Start (BlockStart Delta* BlockStop)* Stop Usage?
/// ```
///
/// where blocks may overlap (their index tells them apart), and a `Usage` may also come earlier: each
/// one replaces what was known before. `Refusal` may come anywhere between `Start` and `Stop`, `ServiceTier` and
/// `Extra` anywhere after `Start`.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The model begins.
    Start,
    /// A block begins.
    BlockStart {
        /// Which.
        block: BlockIndex,
        /// What it will hold.
        kind: BlockKind,
    },
    /// A block grows.
    Delta {
        /// Which.
        block: BlockIndex,
        /// By what.
        delta: Delta,
    },
    /// A block is whole.
    BlockStop {
        /// Which.
        block: BlockIndex,
    },
    /// Why the model refuses, in its own words and not as a part of its answer. Joined, they are the whole of it.
    Refusal(Text),
    /// The model ended, and why. Without it a reply is cut, whatever else came.
    Stop(StopReason),
    /// What it cost.
    Usage(Usage),
    /// The tier that served it.
    ServiceTier(ServiceTier),
    /// Something about the reply that no client's protocol has a word for.
    Extra(Extra),
}

/// Something about a reply beside its content: a guardrail's trace, members of the model's own reply.
#[derive(Debug, Clone, PartialEq)]
pub struct Extra {
    /// What it is, as the upstream calls it: `trace`, `additionalModelResponseFields` …
    pub name: &'static str,
    /// As the upstream wrote it.
    pub value: Json,
}

/// A place on the web that a text rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Citation {
    /// Where.
    pub url: Text,
    /// What it is called there.
    pub title: Option<Text>,
}

/// Numbers a content block of one reply, as the model's format does: text, reasoning and tool uses share
/// the numbers, and there may be gaps. (OpenAI's dense number of a tool call is another thing.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockIndex(pub u32);

/// What a block holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockKind {
    /// Text.
    Text,
    /// What the model thinks.
    Reasoning,
    /// A call of a tool.
    ToolUse {
        /// Names the call.
        id: String,
        /// The tool.
        name: String,
    },
}

/// What a block grows by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    /// Text.
    Text(Text),
    /// Thought.
    Reasoning(Text),
    /// The thought's signature, whole.
    Signature(Text),
    /// A thought that only the model can read, whole.
    Redacted(Text),
    /// What the text before it in the block rests on.
    Citation(Citation),
    /// A fragment of a tool's input: the fragments joined are one JSON object, or nothing for `{}`.
    ToolInput(Text),
}

impl Delta {
    /// How much it says, in bytes of JSON.
    pub fn length(&self) -> usize {
        match self {
            Self::Text(text)
            | Self::Reasoning(text)
            | Self::Signature(text)
            | Self::Redacted(text)
            | Self::ToolInput(text) => text.as_json().len(),
            Self::Citation(Citation { url, title }) => {
                url.as_json().len() + title.as_ref().map_or(0, |title| title.as_json().len())
            }
        }
    }
}
