//! The rules about pictures, files and sounds.

use crate::chat::{Block, Document, Image, InvalidRequest, Message, Remote, Source};
use crate::families::Capabilities;

/// Refuses what the model can't see: leaving it out would change what was asked.
pub(super) fn refuse_media(messages: &[Message], able: &Capabilities) -> Result<(), InvalidRequest> {
    fn refuse(block: &Block, index: usize, able: &Capabilities) -> Result<(), InvalidRequest> {
        let kind = match block {
            Block::Image(_) if !able.images => "pictures",
            Block::Document(_) if !able.documents => "files",
            Block::Audio(_) if !able.audio => "sound",
            Block::Image(Image { format: _, source: Source::S3 { .. } })
            | Block::Document(Document { name: _, format: _, source: Source::S3 { .. } })
                if !able.s3 =>
            {
                "media from S3"
            }
            Block::Remote(Remote { url: _, kind: _, path }) => {
                let message = "Remote media are not fetched here: send the data itself as a data: URL.";
                return Err(InvalidRequest::unsupported(path.clone(), message));
            }
            Block::ToolResult(result) => {
                return result.content.iter().try_for_each(|block| refuse(block, index, able));
            }
            Block::Image(_)
            | Block::Document(_)
            | Block::Audio(_)
            | Block::CachePoint(_)
            | Block::Text(_)
            | Block::ToolUse(_)
            | Block::Reasoning(_) => return Ok(()),
        };
        let message = format!("This model does not take {kind}.");
        Err(InvalidRequest::unsupported(format!("messages[{index}]"), message))
    }
    messages
        .iter()
        .flat_map(|message| message.content.iter().map(|block| (block, message.index)))
        .try_for_each(|(block, index)| refuse(block, index, able))
}
