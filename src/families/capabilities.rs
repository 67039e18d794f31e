//! The columns of the table that the families fill.

use super::thinking::{Control, Thinking};
use crate::chat::{CallMarkup, Effort, NamePattern, Reasoning, Shape};

/// What one model can do: data, by family and generation, from which [`super::prepare`] bends a request.
///
/// Sources: AWS's user guide and model cards, live-tested tables of other projects, recorded traffic. Where
/// they are silent or disagree the row says what is never refused: [`Capabilities::CAUTIOUS`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "a table row: each flag is a column of its own")]
pub struct Capabilities {
    /// System instructions have a place of their own; else they go before the first user text.
    pub system: bool,
    /// Tools at all.
    pub tools: bool,
    /// Tools in a streamed call; else the call is made whole and its stream is synthesised.
    pub tools_while_streaming: bool,
    /// "Some tool must be called."
    pub tool_choice_any: bool,
    /// "This tool must be called."
    pub tool_choice_named: bool,
    /// "No tool may be called", with the tools there.
    pub tool_choice_none: bool,
    /// "At most one call a turn."
    pub single_call: SingleCall,
    /// A tool may be marked as strict.
    pub strict_tools: bool,
    /// What schemas of tools have to look like.
    pub tool_schemas: ToolSchemas,
    /// How tools may be called.
    pub tool_names: NamePattern,
    /// A turn with tool results may hold text and images too.
    pub mixed_tool_results: bool,
    /// A tool result may hold images and files; else they follow it.
    pub images_in_tool_results: bool,
    /// A tool result may be marked as failed.
    pub tool_result_status: bool,
    /// Pictures in user messages.
    pub images: bool,
    /// Files in user messages.
    pub documents: bool,
    /// Sound in user messages.
    pub audio: bool,
    /// Pictures and files may lie in S3.
    pub s3: bool,
    /// The reply can be held to a JSON Schema.
    pub json_schema: bool,
    /// How it thinks.
    pub thinking: Thinking,
    /// Prompts are kept where the request marks them.
    pub cache: Option<CacheSupport>,
    /// The web can be searched before the answer.
    pub web_search: bool,
    /// Which thoughts of earlier turns are taken back.
    pub replay: Replay,
    /// What of its own markup for calls gets into its replies.
    pub call_markup: CallMarkup,
    /// Members of its own reply that say why it refused, as JSON pointers, where they have to be asked for.
    pub refusal_at: &'static [&'static str],
    /// The client's name for its user is taken.
    pub user: bool,
    /// The conversation may end with the assistant's turn, which the model continues.
    pub prefill: bool,
    /// The conversation may start with the assistant.
    pub leading_assistant: bool,
    /// Which of `temperature` and `top_p` are accepted.
    pub sampling: Sampling,
    /// Where `top_k` goes.
    pub top_k: TopK,
    /// The draw can be seeded.
    pub seed: bool,
    /// Repetition can be penalised.
    pub penalties: bool,
    /// Single tokens can be made likelier.
    pub logit_bias: bool,
    /// The probabilities of tokens are told.
    pub logprobs: bool,
    /// The least `top_p`; 0 where the range has no hole.
    pub least_top_p: f64,
    /// Where stop texts are watched for.
    pub stop: StopSupport,
    /// The least `max_tokens`.
    pub least_max_tokens: u32,
    /// The most tokens of one reply, where known and the catalogue doesn't say.
    pub max_output_tokens: Option<u32>,
    /// Sent when the client gives no limit, where the model's own is absent or very short.
    pub default_max_tokens: Option<u32>,
}

impl Capabilities {
    /// A chat model behind Converse of which nothing is known: everything that Converse itself stands for is
    /// let through, nothing is relied on that only some models do.
    pub const CAUTIOUS: Self = Self {
        system: true,
        tools: true,
        tools_while_streaming: true,
        tool_choice_any: false,
        tool_choice_named: false,
        tool_choice_none: false,
        single_call: SingleCall::No,
        strict_tools: false,
        tool_schemas: ToolSchemas::ANY,
        tool_names: NamePattern::TOOLS,
        mixed_tool_results: false,
        images_in_tool_results: false,
        tool_result_status: false,
        images: true,
        documents: true,
        audio: false,
        s3: false,
        json_schema: false,
        thinking: Thinking::UNKNOWN,
        cache: None,
        web_search: false,
        replay: Replay::No,
        call_markup: CallMarkup::No,
        refusal_at: &[],
        user: false,
        prefill: false,
        leading_assistant: false,
        sampling: Sampling::Both,
        top_k: TopK::No,
        seed: false,
        penalties: false,
        logit_bias: false,
        logprobs: false,
        least_top_p: 0.0,
        stop: StopSupport::Emulated,
        least_max_tokens: 1,
        max_output_tokens: None,
        default_max_tokens: None,
    };

    /// With what config says of the model instead.
    #[must_use]
    pub fn with(self, overrides: &Overrides) -> Self {
        let Overrides {
            system,
            tools,
            tools_while_streaming,
            images,
            documents,
            json_schema,
            prefill,
            sampling,
            max_output_tokens,
            default_max_tokens,
        } = *overrides;
        Self {
            system: system.unwrap_or(self.system),
            tools: tools.unwrap_or(self.tools),
            tools_while_streaming: tools_while_streaming.unwrap_or(self.tools_while_streaming),
            images: images.unwrap_or(self.images),
            documents: documents.unwrap_or(self.documents),
            json_schema: json_schema.unwrap_or(self.json_schema),
            prefill: prefill.unwrap_or(self.prefill),
            sampling: sampling.unwrap_or(self.sampling),
            max_output_tokens: max_output_tokens.or(self.max_output_tokens),
            default_max_tokens: default_max_tokens.or(self.default_max_tokens),
            ..self
        }
    }

    /// What is left of it while the model thinks this hard; absent is as hard as the model itself likes.
    #[must_use]
    pub(super) fn while_thinking(self, effort: Option<Effort>) -> Self {
        let Thinking {
            control: _,
            by_default: _,
            shown: _,
            own_draw,
            own_tool_choice,
            no_prefill,
            loop_needs_thoughts: _,
            unlimited_from: _,
            counted_at: _,
        } = self.thinking;
        Self {
            sampling: if own_draw || self.unlimited(effort) { Sampling::Refused } else { self.sampling },
            tool_choice_any: self.tool_choice_any && !own_tool_choice,
            tool_choice_named: self.tool_choice_named && !own_tool_choice,
            prefill: self.prefill && !no_prefill,
            ..self
        }
    }

    /// Does the model take no limits while it thinks this hard?
    pub(super) fn unlimited(&self, effort: Option<Effort>) -> bool {
        self.thinking.unlimited_from.is_some_and(|least| effort.is_some_and(|effort| effort >= least))
    }

    /// Can it think, and is known to?
    pub fn thinks(&self) -> bool {
        self.thinking.control != Control::No
    }

    /// The same model, spoken to in OpenAI's Chat Completions body: it has no place for files and sounds, none for
    /// marking a result as failed, and says what stands beside results in a message of its own.
    #[must_use]
    pub(super) fn in_chat_completions(self) -> Self {
        Self {
            mixed_tool_results: true,
            images_in_tool_results: false,
            tool_result_status: false,
            documents: false,
            audio: false,
            s3: false,
            cache: None,
            web_search: false,
            replay: match self.replay {
                Replay::Plain => Replay::Plain,
                Replay::No | Replay::Signed | Replay::Encrypted => Replay::No,
            },
            top_k: match self.top_k {
                TopK::No => TopK::No,
                TopK::Own | TopK::Field(_) => TopK::Own,
            },
            ..self
        }
    }

    /// The same model, spoken to in one prompt: text and nothing else.
    #[must_use]
    pub(super) fn in_a_prompt(self) -> Self {
        Self {
            tools: false,
            tools_while_streaming: true,
            tool_choice_any: false,
            tool_choice_named: false,
            tool_choice_none: false,
            single_call: SingleCall::No,
            strict_tools: false,
            images: false,
            documents: false,
            audio: false,
            s3: false,
            json_schema: false,
            cache: None,
            web_search: false,
            replay: Replay::No,
            call_markup: CallMarkup::No,
            refusal_at: &[],
            user: false,
            top_k: TopK::No,
            seed: false,
            penalties: false,
            logit_bias: false,
            logprobs: false,
            ..self
        }
    }

    pub(super) fn shape(&self) -> Shape {
        Shape {
            system: self.system,
            leading_assistant: self.leading_assistant,
            prefill: self.prefill,
            mixed_tool_results: self.mixed_tool_results,
            images_in_tool_results: self.images_in_tool_results,
            tool_result_status: self.tool_result_status,
        }
    }
}

/// What config knows better about one model: a new one, or one that hides behind an ARN.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overrides {
    /// See [`Capabilities::system`].
    pub system: Option<bool>,
    /// See [`Capabilities::tools`].
    pub tools: Option<bool>,
    /// See [`Capabilities::tools_while_streaming`].
    pub tools_while_streaming: Option<bool>,
    /// See [`Capabilities::images`].
    pub images: Option<bool>,
    /// See [`Capabilities::documents`].
    pub documents: Option<bool>,
    /// See [`Capabilities::json_schema`].
    pub json_schema: Option<bool>,
    /// See [`Capabilities::prefill`].
    pub prefill: Option<bool>,
    /// See [`Capabilities::sampling`].
    pub sampling: Option<Sampling>,
    /// See [`Capabilities::max_output_tokens`]; goes before the catalogue too.
    pub max_output_tokens: Option<u32>,
    /// See [`Capabilities::default_max_tokens`].
    pub default_max_tokens: Option<u32>,
}

/// Which sampling parameters a model accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    /// `temperature` and `top_p`.
    Both,
    /// Either, not both: temperature is kept.
    Either,
    /// `temperature` only.
    Temperature,
    /// `top_p` only.
    TopP,
    /// Neither.
    Refused,
}

/// How a model is told to make at most one call a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SingleCall {
    /// It can't be told.
    No,
    /// The format has a place for it.
    Own,
    /// Beside Converse: a member of Claude's own `tool_choice`.
    ClaudeField,
}

/// What schemas of tools may have in them. All of them are of objects, in draft 2020-12.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToolSchemas {
    /// A union at the root.
    pub root_unions: bool,
    /// References, definitions, and other words about the schema at its root. A model without isn't shown definitions.
    pub references: bool,
    /// Properties of any name but the empty one; else names of [`NamePattern::PROPERTIES`].
    pub any_property_names: bool,
}

impl ToolSchemas {
    /// Whatever the draft allows.
    pub const ANY: Self = Self { root_unions: true, references: true, any_property_names: true };
}

/// Which thoughts of earlier turns a model takes back.
///
/// Claude's are proven by their signatures, wherever they stand. GPT and Grok go on with a loop of tool calls from what they
/// encrypted in it; open models that were trained to think between calls lose the thread without what they thought. For both
/// what was thought before the user's last word is over. (Reports of other projects from live use, 2026.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// None: they are refused, or taken for speech.
    No,
    /// What it signed or encrypted.
    Signed,
    /// What it encrypted, in the open tool loop.
    Encrypted,
    /// What it thought in plain text, in the open tool loop.
    Plain,
}

impl Replay {
    /// Is it a thought that the model takes back where it stands?
    pub fn takes(self, thought: &Reasoning, in_open_loop: bool) -> bool {
        let Reasoning { text, signature, redacted } = thought;
        match self {
            Self::No => false,
            Self::Signed => signature.is_some() || redacted.is_some(),
            Self::Encrypted => in_open_loop && redacted.is_some(),
            Self::Plain => in_open_loop && redacted.is_none() && !text.is_blank(),
        }
    }

    /// Thoughts outside of the open tool loop are no use.
    pub fn is_of_the_loop(self) -> bool {
        match self {
            Self::No | Self::Signed => false,
            Self::Encrypted | Self::Plain => true,
        }
    }
}

/// Where `top_k` goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopK {
    /// The model takes none.
    No,
    /// The format has a place for it.
    Own,
    /// A member of the model's own body, by its path.
    Field(&'static [&'static str]),
}

/// What a model's prompt cache takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheSupport {
    /// The shortest prompt that is kept, in tokens, where the catalogue doesn't say.
    pub least_tokens: u32,
    /// Tools can be marked too.
    pub tools: bool,
    /// Prompts can be kept for an hour; else for five minutes only.
    pub one_hour: bool,
}

/// Where stop texts are watched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopSupport {
    /// By the model: at most this many, none blank. The gateway watches for the rest.
    Native(usize),
    /// By the model, but only bars (`|`, `||` …) and `User:`. The gateway watches for the rest.
    BarsOrUser,
    /// By the gateway, which cuts the reply itself.
    Emulated,
}
