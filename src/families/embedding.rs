//! What a vendor's embedding models accept, and how a request is bent to it.
//!
//! Sizes and batches are facts of the catalogue; a family adds what no table has: the format, and whether the model
//! asks what vectors are for.

use crate::bedrock::ModelId;
use crate::catalog::{self, Embedding};
use crate::chat::{Action, InvalidRequest, Notes};
use crate::embed::{Request, Truncate};
use crate::formats::EmbedFormat;

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
    let most = facts.map_or(1, |facts| facts.max_batch);
    let pieces = request.pieces(usize::try_from(most).unwrap_or(1));
    Ok(PreparedEmbeddings { pieces, format: family.format(model) })
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
