//! AWS errors: their codes, statuses and texts, before a stream and inside it.

use super::event_stream::Frame;
use super::reply::Reply;
use serde_json::{Map, Value, json};

/// A request refused, the way AWS says it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fault {
    /// HTTP status.
    pub(super) status: u16,
    /// `ValidationException`; none leaves the reply without its `x-amzn-ErrorType`.
    pub(super) code: Option<String>,
    pub(super) message: String,
    /// Further members of the body, such as `originalStatusCode`.
    pub(super) details: Map<String, Value>,
}

/// One exception that Bedrock raises.
struct Exception {
    code: &'static str,
    status: u16,
    message: &'static str,
    within: Within,
}

/// In which streams an exception may come as a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Nothing,
    /// `InvokeModelWithResponseStream` only.
    Invoke,
    Both,
}

const EXCEPTIONS: &[Exception] = &[
    exception(
        "AccessDeniedException",
        403,
        "You don't have access to the model with the specified model ID.",
        Within::Nothing,
    ),
    exception(
        "InternalServerException",
        500,
        "The system encountered an unexpected error during processing. Try your request again.",
        Within::Both,
    ),
    exception(
        "ModelErrorException",
        424,
        "The model encountered an unexpected error while processing the request. Try your request again.",
        Within::Nothing,
    ),
    exception(
        "ModelNotReadyException",
        429,
        "Model is not ready for inference. Wait and try your request again.",
        Within::Nothing,
    ),
    exception(
        "ModelStreamErrorException",
        424,
        "The system encountered an unexpected error during processing. Try your request again.",
        Within::Both,
    ),
    exception(
        "ModelTimeoutException",
        408,
        "Model has timed out in processing the request. Try your request again.",
        Within::Invoke,
    ),
    exception(
        "ResourceNotFoundException",
        404,
        "This model version has reached the end of its life. Please refer to the AWS documentation for more \
         details.",
        Within::Nothing,
    ),
    exception(
        "ServiceQuotaExceededException",
        400,
        "Your request exceeds the service quota for your account.",
        Within::Nothing,
    ),
    exception("ServiceUnavailableException", 503, "Bedrock is unable to process your request.", Within::Both),
    exception(
        "ThrottlingException",
        429,
        "Too many requests, please wait before trying again.",
        Within::Both,
    ),
    exception("ValidationException", 400, "The request is not valid.", Within::Both),
    exception(
        "ExpiredTokenException",
        403,
        "The security token included in the request is expired",
        Within::Nothing,
    ),
    exception(
        "UnrecognizedClientException",
        403,
        "The security token included in the request is invalid.",
        Within::Nothing,
    ),
    exception(
        "InvalidSignatureException",
        403,
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
         Access Key and signing method. Consult the service documentation for details.",
        Within::Nothing,
    ),
    exception("MissingAuthenticationTokenException", 403, "Missing Authentication Token", Within::Nothing),
];

const fn exception(code: &'static str, status: u16, message: &'static str, within: Within) -> Exception {
    Exception { code, status, message, within }
}

impl Fault {
    pub(super) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: Some(code.to_owned()), message: message.into(), details: Map::new() }
    }

    /// The commonest refusal.
    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new(400, "ValidationException", message)
    }

    /// A native body that breaks its model's JSON schema.
    pub(super) fn malformed(at: &str, what: &str) -> Self {
        let message =
            format!("Malformed input request: #{at}: {what}, please reformat your input and try again.");
        Self::validation(message)
    }

    /// One of the service's own exceptions, by its name with a small or a capital first letter.
    pub(super) fn named(name: &str, message: Option<&str>) -> Option<Self> {
        let known = EXCEPTIONS.iter().find(|known| known.code.eq_ignore_ascii_case(name))?;
        let mut fault = Self::new(known.status, known.code, message.unwrap_or(known.message));
        match known.code {
            "ModelErrorException" => {
                fault.details.insert("originalStatusCode".into(), json!(500));
                fault.details.insert("resourceName".into(), json!("simulated"));
            }
            "ModelStreamErrorException" => {
                fault.details.insert("originalStatusCode".into(), json!(500));
                fault.details.insert("originalMessage".into(), json!("simulated"));
            }
            _ => {}
        }
        Some(fault)
    }

    /// The same as a frame of a stream, where the operation's stream has such an exception.
    pub(super) fn frame(&self, converse: bool) -> Option<Frame> {
        let code = self.code.as_deref()?;
        let known = EXCEPTIONS.iter().find(|known| known.code == code)?;
        match known.within {
            Within::Nothing => None,
            Within::Invoke if converse => None,
            Within::Invoke | Within::Both => {
                let mut name = code.to_owned();
                if let Some(first) = name.get_mut(..1) {
                    first.make_ascii_lowercase();
                }
                Some(Frame::exception(&name, &self.body()))
            }
        }
    }

    /// The JSON body: `message` and what else the exception carries.
    fn body(&self) -> Value {
        let mut body = self.details.clone();
        body.insert("message".into(), Value::String(self.message.clone()));
        Value::Object(body)
    }
}

impl From<Fault> for Reply {
    fn from(fault: Fault) -> Self {
        let reply = Reply::json(fault.status, &fault.body());
        match &fault.code {
            Some(code) => {
                let origin = match fault.status {
                    403 if code != "AccessDeniedException" => "com.amazon.coral.service",
                    _ => "com.amazon.bedrock",
                };
                let value = format!("{code}:http://internal.amazon.com/coral/{origin}/");
                reply.with_header("x-amzn-ErrorType", &value)
            }
            None => reply,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_is_found_by_its_wire_name_and_by_its_frame_name() {
        assert_eq!(Fault::named("throttlingException", None), Fault::named("ThrottlingException", None),);
        assert_eq!(Fault::named("throttlingException", None).unwrap().status, 429);
        assert_eq!(Fault::named("teapotException", None), None);
    }

    #[test]
    fn a_model_timeout_is_a_frame_in_native_streams_only() {
        let fault = Fault::named("modelTimeoutException", None).unwrap();
        assert!(fault.frame(false).is_some());
        assert!(fault.frame(true).is_none());
        assert!(Fault::named("accessDeniedException", None).unwrap().frame(false).is_none());
    }
}
