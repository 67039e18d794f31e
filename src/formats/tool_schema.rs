//! A tool's input schema, as every format that takes one needs it: an object's.

use std::sync::LazyLock;

use crate::chat::{Json, Tool};

static NO_PARAMETERS: LazyLock<Json> = LazyLock::new(Json::open_object);

/// The tool's own, which is an object's by the time it gets here; a tool without one takes any object.
pub(super) fn tool_schema(tool: &Tool) -> &Json {
    tool.schema.as_ref().unwrap_or(&NO_PARAMETERS)
}
