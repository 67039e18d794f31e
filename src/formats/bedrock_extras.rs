//! What Bedrock itself puts into a model's native reply, beside the model's own fields.

use serde::Deserialize;

use super::ProtocolError;
use super::guardrail::Traced;
use super::scalar::Count;
use crate::chat::{Event, StopReason, Usage};

/// Members of a reply, or of a stream's chunk.
#[derive(Debug, Default, Deserialize)]
struct Extras {
    /// On a stream's last chunk.
    #[serde(rename = "amazon-bedrock-invocationMetrics", default)]
    metrics: Option<InvocationMetrics>,
    /// `INTERVENED` or `NONE`, where a guardrail watched.
    #[serde(rename = "amazon-bedrock-guardrailAction", default)]
    guardrail_action: Option<String>,
    /// Where a guardrail watched with its trace on.
    #[serde(rename = "amazon-bedrock-trace", default)]
    trace: Option<Traced>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "Bedrock's names")]
struct InvocationMetrics {
    #[serde(default)]
    input_token_count: Option<Count>,
    #[serde(default)]
    output_token_count: Option<Count>,
    #[serde(default)]
    cache_read_input_token_count: Option<Count>,
    #[serde(default)]
    cache_write_input_token_count: Option<Count>,
}

/// What has been learnt from the extras of one reply so far.
#[derive(Debug, Default)]
pub(super) struct BedrockExtras {
    usage: Option<Usage>,
    intervened: bool,
    trace: Option<Traced>,
}

impl BedrockExtras {
    /// Reads the extras of a body, whose own members someone else reads. Few bodies have any, so most are
    /// only searched for Bedrock's prefix.
    pub(super) fn learn(&mut self, body: &[u8]) -> Result<(), ProtocolError> {
        if memchr::memmem::find(body, b"\"amazon-bedrock-").is_none() {
            return Ok(());
        }
        let Extras { metrics, guardrail_action, trace } =
            serde_json::from_slice(body).map_err(ProtocolError::shape("Bedrock's part of a reply"))?;
        if let Some(InvocationMetrics {
            input_token_count,
            output_token_count,
            cache_read_input_token_count,
            cache_write_input_token_count,
        }) = metrics
        {
            let known = |count: Option<Count>| count.map_or(0, |count| count.0);
            self.usage = Some(Usage {
                input: known(input_token_count),
                output: known(output_token_count),
                cache_read: known(cache_read_input_token_count),
                cache_write: known(cache_write_input_token_count),
                reasoning: None,
            });
        }
        self.intervened |= guardrail_action.as_deref() == Some("INTERVENED");
        self.trace = trace.or(self.trace.take());
        Ok(())
    }

    /// Bedrock's own count, once it came.
    pub(super) fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// A guardrail took a hand in the reply.
    pub(super) fn intervened(&self) -> bool {
        self.intervened
    }

    /// A guardrail's trace, for a client that asked to see it; once.
    pub(super) fn trace(&mut self) -> Option<Event> {
        self.trace.take().map(Traced::event)
    }

    /// Why the reply really ended: a guardrail also "intervenes" when it only masks words of a whole reply.
    pub(super) fn stop(&self, model: StopReason) -> StopReason {
        let blocked =
            self.intervened && !self.trace.as_ref().is_some_and(|trace| trace.trace().only_masked());
        if blocked { StopReason::ContentFiltered } else { model }
    }
}
