//! The models that a key may use.

use std::fmt;
use std::sync::Arc;

/// By the names that its requests give. Cheap to clone, and nothing at all where it is any.
#[derive(Clone)]
pub struct Models(Option<Allows>);

/// Whether a name is among them.
type Allows = Arc<dyn Fn(&str) -> bool + Send + Sync>;

impl Models {
    /// Any.
    pub fn any() -> Self {
        Self(None)
    }

    /// Those whose names pass.
    pub fn only(passes: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(passes)))
    }

    /// Whether a request may give this name, in this very spelling.
    pub fn allow(&self, name: &str) -> bool {
        self.0.as_ref().is_none_or(|passes| passes(name))
    }
}

impl fmt::Debug for Models {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Models(some)" } else { "Models(any)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_passes_is_allowed() {
        let models = Models::only(|name| name.starts_with("claude"));
        assert!(models.allow("claude-haiku") && models.clone().allow("claude"));
        assert!(!models.allow("Claude") && !models.allow(""));
        assert!(Models::any().allow("") && Models::any().allow("Claude"));
    }
}
