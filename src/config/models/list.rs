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

    /// Whether the whole name fits.
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name): (Vec<char>, Vec<char>) = (self.0.chars().collect(), name.chars().collect());
        let (mut p, mut n) = (0, 0);
        // Where to resume when a guess about the last star was too short: a star takes one character more each time.
        let mut resume = None;
        while let Some(character) = name.get(n) {
            match pattern.get(p) {
                Some('*') => {
                    p += 1;
                    resume = Some((p, n));
                }
                Some(wanted) if *wanted == '?' || wanted == character => {
                    p += 1;
                    n += 1;
                }
                Some(_) | None => {
                    let Some((after_star, taken)) = resume else { return false };
                    resume = Some((after_star, taken + 1));
                    (p, n) = (after_star, taken + 1);
                }
            }
        }
        pattern.iter().skip(p).all(|rest| *rest == '*')
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
