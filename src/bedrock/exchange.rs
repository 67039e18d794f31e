//! What belongs to one call and has to pass through the SDK: our body on its way out, the answer on its way back.

use std::cell::RefCell;
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;

use super::pass::Pass;
use super::pool::Answer;
use super::{BedrockError, ErrorKind, ReplyHead};

tokio::task_local! {
    /// The call that this task is making. Interceptor and connector are one for all calls, because an interceptor of
    /// a single call makes the SDK rebuild its whole configuration for it; so what belongs to a call waits here.
    static EXCHANGE: RefCell<Exchange>;
}

/// What goes out in a call, and what came back.
struct Exchange {
    request: Request,
    pass: Option<Pass>,
    answer: Option<Answered>,
}

/// What to send instead of what the SDK made.
#[derive(Clone)]
pub(super) enum Request {
    /// This body, to the same place, with these headers besides.
    Body {
        /// (name, value)
        headers: Vec<(&'static str, String)>,
        /// The JSON.
        body: Bytes,
    },
    /// A GET of this path.
    Get(String),
}

/// A success: its head, and its body unread.
pub(super) type Answered = (ReplyHead, Answer);

/// The call was made outside of [`run`].
#[derive(Debug, thiserror::Error)]
#[error("there is no exchange that this call belongs to")]
pub(super) struct NoExchange;

/// Makes the call, and gives the pass that came of it. With a success's head the SDK's work is done: it is left there,
/// and what it would still do (read a body that isn't its own, ask whether to try again) is not done.
pub(super) async fn run(
    request: Request,
    call: impl Future<Output = Result<(), BedrockError>>,
) -> Result<(Answered, Option<Pass>), BedrockError> {
    // The SDK's future has 20 KiB, which nobody wants to move.
    let call = Box::pin(call);
    let until_answered = async {
        let mut call = pin!(call);
        std::future::poll_fn(|cx| {
            let made = call.as_mut().poll(cx);
            let answered = EXCHANGE.with(|exchange| {
                let mut exchange = exchange.borrow_mut();
                exchange.answer.take().map(|answered| (answered, exchange.pass.take()))
            });
            match (answered, made) {
                (Some(answered), _) => Poll::Ready(Ok(answered)),
                (None, Poll::Pending) => Poll::Pending,
                (None, Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
                (None, Poll::Ready(Ok(()))) => {
                    Poll::Ready(Err(BedrockError::new(ErrorKind::Malformed, "a success without an answer")))
                }
            }
        })
        .await
    };
    EXCHANGE.scope(RefCell::new(Exchange { request, pass: None, answer: None }), until_answered).await
}

/// What this call sends.
pub(super) fn request() -> Result<Request, NoExchange> {
    EXCHANGE.try_with(|exchange| exchange.borrow().request.clone()).map_err(|_| NoExchange)
}

/// What this call was signed with, for the next ones; good if Bedrock accepts it.
pub(super) fn issue(pass: Pass) -> Result<(), NoExchange> {
    EXCHANGE.try_with(|exchange| exchange.borrow_mut().pass = Some(pass)).map_err(|_| NoExchange)
}

/// Ends this call with a success.
pub(super) fn succeed(answered: Answered) -> Result<(), NoExchange> {
    EXCHANGE.try_with(|exchange| exchange.borrow_mut().answer = Some(answered)).map_err(|_| NoExchange)
}
