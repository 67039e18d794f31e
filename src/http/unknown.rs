//! What a client is told of a model that isn't there: its own word for it, and what it may have meant. Of other models only
//! such as its key may use.

use super::error::ApiError;
use crate::auth::Models;
use crate::gateway::{ErrorKind, Fault, ModelId, ResolveError, Routes, Trail, shortened};

/// A failed call. `may_use` are the caller's models.
pub(super) fn fault(fault: Fault, trail: &Trail, routes: &Routes, may_use: &Models) -> ApiError {
    match fault {
        Fault::Model(error) => name(error, &trail.requested, routes, may_use),
        Fault::Upstream(error) if error.kind == ErrorKind::UnknownModel => {
            let message = refused(trail, routes)
                .unwrap_or_else(|| unknown(trail) + &hint(&trail.requested, routes, may_use));
            ApiError::from(Fault::Upstream(error)).saying(message)
        }
        Fault::Upstream(error) if error.kind == ErrorKind::NotFound => {
            let message = format!("`{}`: {}", public(&trail.requested), error.public());
            ApiError::from(Fault::Upstream(error)).saying(message)
        }
        other => other.into(),
    }
}

/// A name that leads nowhere. `asked` is what the client wrote.
pub(super) fn name(error: ResolveError, asked: &str, routes: &Routes, may_use: &Models) -> ApiError {
    let error = match error {
        ResolveError::Ambiguous { name, candidates } => {
            let own: Vec<_> = candidates.into_iter().filter(|id| may_use.allow(id)).collect();
            if own.is_empty() {
                ResolveError::Unknown(name)
            } else {
                ResolveError::Ambiguous { name, candidates: own }
            }
        }
        other => other,
    };
    let hint = match &error {
        ResolveError::Unknown(_) => hint(asked, routes, may_use),
        _ => String::new(),
    };
    let message = error.to_string() + &hint;
    ApiError::from(error).saying(message)
}

/// A model that is another endpoint's, although an operator sent calls for it here.
fn refused(trail: &Trail, routes: &Routes) -> Option<String> {
    let endpoint = routes.elsewhere(trail.target.as_ref()?)?;
    Some(ResolveError::Elsewhere { name: shortened(&trail.requested), endpoint }.to_string())
}

/// What Bedrock has been asked for in vain.
fn unknown(trail: &Trail) -> String {
    let (asked, region) = (public(&trail.requested), &trail.region);
    let called = trail.target.as_ref().map_or_else(String::new, |target| target.public().into_owned());
    let stands = if called == asked { String::new() } else { format!(", which `{asked}` stands for here") };
    format!(
        "Bedrock knows no model `{called}` in {region}{stands}. GET /v1/models lists what this gateway serves."
    )
}

/// What a client asked for, without an account.
fn public(asked: &str) -> String {
    ModelId::parse(asked).map_or_else(|_| shortened(asked), |id| shortened(&id.public()))
}

fn hint(asked: &str, routes: &Routes, may_use: &Models) -> String {
    let near: Vec<_> =
        routes.nearest(asked, |id| may_use.allow(id)).iter().map(|id| format!("`{id}`")).collect();
    match near.as_slice() {
        [] => String::new(),
        [one] => format!(" Did you mean {one}?"),
        [others @ .., last] => format!(" Did you mean {} or {last}?", others.join(", ")),
    }
}
