//! What `/v1/models` shows.

use crate::config::scalar;
use crate::config::section::Section;
use crate::config::tree::Node;

/// What `/v1/models` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelList {
    /// Ids to show.
    pub include: Vec<Glob>,
    /// Ids not to show after all.
    pub exclude: Vec<Glob>,
    /// Show models that AWS has retired.
    pub retired: bool,
    /// Show models of Outcrop's catalogue.
    pub catalogue: bool,
}

impl ModelList {
    /// Whether a name passes `include` and `exclude`.
    pub fn shows(&self, name: &str) -> bool {
        self.include.iter().any(|glob| glob.matches(name))
            && !self.exclude.iter().any(|glob| glob.matches(name))
    }
}

/// A pattern: `*` stands for any text, `?` for any one character, everything else for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(String);

impl Glob {
    /// Every text is a pattern.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the whole name fits.
    pub fn matches(&self, name: &str) -> bool {
        // What is left of both.
        let (mut pattern, mut name) = (self.0.chars(), name.chars());
        // Where to resume when a guess about the last star was too short: a star takes one character more each time.
        let mut resume = None;
        loop {
            let (mut pattern_on, mut name_on) = (pattern.clone(), name.clone());
            let Some(character) = name_on.next() else { return pattern.all(|rest| rest == '*') };
            match pattern_on.next() {
                Some('*') => {
                    resume = Some((pattern_on.clone(), name.clone()));
                    pattern = pattern_on;
                }
                Some(wanted) if wanted == '?' || wanted == character => {
                    (pattern, name) = (pattern_on, name_on);
                }
                Some(_) | None => {
                    let Some((after_star, taken)) = &mut resume else { return false };
                    taken.next();
                    (pattern, name) = (after_star.clone(), taken.clone());
                }
            }
        }
    }
}

pub(super) fn read(mut section: Section<'_>) -> Option<ModelList> {
    let globs = |node: &Node| node.items()?.iter().map(|item| scalar::text(item).map(Glob::new)).collect();
    let include = section.read("include", globs);
    let exclude = section.read("exclude", globs);
    let retired = section.read("retired", scalar::boolean);
    let catalogue = section.read("catalogue", scalar::boolean);
    Some(ModelList { include: include?, exclude: exclude?, retired: retired?, catalogue: catalogue? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_names() {
        for (pattern, name, fits) in [
            ("*", "", true),
            ("*", "anything", true),
            ("claude", "claude", true),
            ("claude", "claude-3", false),
            ("us.*", "us.amazon.nova", true),
            ("*nova*", "us.amazon.nova-lite", true),
            ("a*b*c", "aXbXbc", true),
            ("a*b*c", "aXbXb", false),
            ("gpt-?", "gpt-4", true),
            ("gpt-?", "gpt-", false),
            ("é?", "éü", true),
            ("**a", "ba", true),
            ("", "", true),
        ] {
            assert_eq!(Glob::new(pattern).matches(name), fits, "{pattern} {name}");
        }
    }
}
