//! What a vendor's embedding models accept, and how a request is bent to it.
//!
//! Sizes and batches are facts of the catalogue; a family adds what no table has: the format, and whether the
//! model asks what vectors are for.

use crate::bedrock::ModelId;
use crate::catalog::{self, Embedding};
use crate::chat::{Action, InvalidRequest, Notes, Text};
use crate::embed::{Request, Truncate};
use crate::formats::EmbedFormat;

/// Stands for a text that says nothing: models refuse those, and with one of them the others of its call.
const NOTHING: &str = ".";

/// A vendor's embedding models.
pub trait EmbedFamily: Sync {
    /// As config names it: `titan-embed` …
    fn name(&self) -> &'static str;

    /// Is the model one of them? At most one family claims an id; unclaimed ones have none.
    fn claims(&self, model: &ModelId) -> bool;

    /// The body of this model.
    fn format(&self, model: &ModelId) -> &'static dyn EmbedFormat;

    /// The model that an id is taken for which the catalogue doesn't have, or which hides its model.
    fn newest(&self) -> &'static str;

    /// It asks what the vectors are for.
    fn takes_purpose(&self) -> bool;

    /// It can be told to cut texts that are too long.
    fn takes_truncate(&self) -> bool;

    /// The most characters of one text, where texts are refused for them, whatever is said of cutting.
    fn longest_text(&self, _model: &ModelId) -> Option<usize> {
        None
    }
}

/// A request that the model accepts, cut into calls.
pub struct PreparedEmbeddings {
    /// In the order of the texts, each for [`EmbedFormat::encode`].
    pub pieces: Vec<Request>,
    /// How to write them.
    pub format: &'static dyn EmbedFormat,
}

/// The sizes and the batch of a model.
pub fn embedding_facts(family: &dyn EmbedFamily, model: &ModelId) -> Option<&'static Embedding> {
    let known = catalog::find_for(model.as_str()).and_then(|facts| facts.embedding.as_ref());
    known.or_else(|| catalog::find(family.newest()).and_then(|facts| facts.embedding.as_ref()))
}

/// How many texts the model takes in one call.
pub fn most_texts(family: &dyn EmbedFamily, model: &ModelId) -> usize {
    let most = embedding_facts(family, model).map_or(1, |facts| facts.max_batch);
    usize::try_from(most).unwrap_or(1).max(1)
}

/// Bends a request to the model: what it doesn't ask is left out with a note, a size that it doesn't have is refused.
pub fn prepare_embeddings(
    family: &dyn EmbedFamily,
    model: &ModelId,
    mut request: Request,
    notes: &mut Notes,
) -> Result<PreparedEmbeddings, InvalidRequest> {
    let facts = embedding_facts(family, model);
    let sizes = facts.and_then(|facts| facts.dimensions.as_deref()).unwrap_or_default();
    if let Some(asked) = request.dimensions {
        if !sizes.contains(&asked) {
            return Err(no_such_size(sizes, model));
        }
        // Where there is one size only, there is no parameter for it either.
        request.dimensions = Some(asked).filter(|_| sizes.len() > 1);
    }
    if let Some(most) = family.longest_text(model) {
        cut(&mut request, most, model, notes)?;
    }
    for (at, text) in request.texts.iter_mut().enumerate().filter(|(_, text)| text.is_blank()) {
        notes.add(format!("input[{at}]"), Action::Rewritten, "blank_text");
        *text = Text::new(NOTHING);
    }
    if request.purpose.is_some() && !family.takes_purpose() {
        request.purpose = None;
        notes.add("input_type", Action::Dropped, "no_equivalent");
    }
    if let Some(truncate) = request.truncate
        && !family.takes_truncate()
    {
        request.truncate = None;
        // Such models refuse what is too long.
        if truncate != Truncate::Never {
            notes.add("truncate", Action::Dropped, "no_equivalent");
        }
    }
    let pieces = request.pieces(most_texts(family, model));
    Ok(PreparedEmbeddings { pieces, format: family.format(model) })
}

/// Cuts texts that the model refuses for their length at the end that the request names. Reads no text but
/// those.
fn cut(request: &mut Request, most: usize, model: &ModelId, notes: &mut Notes) -> Result<(), InvalidRequest> {
    for (at, text) in request.texts.iter_mut().enumerate() {
        // A character takes a byte at least.
        if text.as_json().len() <= most {
            continue;
        }
        let plain = text.decode();
        let length = plain.chars().count();
        let Some(excess) = length.checked_sub(most).filter(|excess| *excess > 0) else { continue };
        let place = |kept: usize| plain.char_indices().nth(kept).map_or(plain.len(), |(place, _)| place);
        let kept = match request.truncate {
            Some(Truncate::End) => plain.get(..place(most)),
            Some(Truncate::Start) => plain.get(place(excess)..),
            Some(Truncate::Never) | None => {
                return Err(InvalidRequest {
                    param: Some(format!("input[{at}]")),
                    code: "string_above_max_length",
                    message: format!(
                        "`{}` takes texts of at most {most} characters, and this one has {length}: cut it, or send \
                         'truncate' as START or END.",
                        model.public()
                    ),
                });
            }
        };
        let cut = Text::new(kept.unwrap_or_default());
        *text = cut;
        notes.add(format!("input[{at}]"), Action::Clamped, "longest_text");
    }
    Ok(())
}

fn no_such_size(sizes: &[u32], model: &ModelId) -> InvalidRequest {
    let sizes: Vec<_> = sizes.iter().map(u32::to_string).collect();
    let of = match sizes.as_slice() {
        [] => "one size".to_owned(),
        [only] => format!("{only} dimensions"),
        [others @ .., last] => format!("{} or {last} dimensions", others.join(", ")),
    };
    InvalidRequest::value("dimensions", format!("`{}` makes vectors of {of}.", model.public()))
}
