//! The rules about prompt caches: which points go along, and where.

use crate::chat::{Action, Block, CacheOptions, Notes, Request};
use crate::families::Capabilities;

/// Drops the points that the model has no cache for. A hint that is lost changes no answer, only its price.
pub(super) fn points(request: &mut Request, _able: &Capabilities, notes: &mut Notes) {
    let CacheOptions { mode, ttl } = std::mem::take(&mut request.cache);
    if mode.is_some() || ttl.is_some() {
        notes.add("prompt_cache_options", Action::Dropped, "no_equivalent");
    }
    if request.service.cache_key.take().is_some() {
        notes.add("prompt_cache_key", Action::Dropped, "no_equivalent");
    }
    for message in &mut request.messages {
        let before = message.content.len();
        message.content.retain(|block| !matches!(block, Block::CachePoint(_)));
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
