//! The rules about how the call is served: Bedrock's own, whatever the model.

use crate::chat::{Action, Notes, Request};
use crate::families::Capabilities;

/// The longest value that Bedrock takes for one piece of metadata, and the longest key.
const LONGEST: usize = 256;

/// Bends metadata to Bedrock's pattern (`[a-zA-Z0-9\\s:_@$#=/+,-.]{0,256}`, service model of `bedrock-runtime`).
pub(super) fn metadata(request: &mut Request, notes: &mut Notes) {
    let bend = |text: &mut String| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == ' ' || ":_@$#=/+,-.".contains(c);
        if text.len() <= LONGEST && text.chars().all(allowed) {
            return false;
        }
        *text = text.chars().map(|c| if allowed(c) { c } else { '_' }).take(LONGEST).collect();
        true
    };
    for (key, value) in &mut request.service.metadata {
        if bend(key) | bend(value) {
            notes.add("metadata", Action::Rewritten, "outside_bedrocks_pattern");
        }
    }
}

/// A search of the web before the answer.
pub(super) fn web_search(request: &mut Request, _able: &Capabilities, notes: &mut Notes) {
    if request.web_search.take().is_some() {
        notes.add("web_search_options", Action::Dropped, "no_equivalent");
    }
}
