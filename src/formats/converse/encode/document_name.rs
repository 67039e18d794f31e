//! Names of documents, as Converse takes them: 1 to 200 of letters, digits, single spaces, `-()[]`, and no
//! two alike in one request (a client may well send `report.pdf` twice).

use std::collections::HashSet;

const LONGEST: usize = 200;

/// The names of one request so far.
#[derive(Debug, Default)]
pub(super) struct DocumentNames(HashSet<String>);

impl DocumentNames {
    /// A legal name as near as can be to the client's, without its extension, and not used before.
    pub(super) fn name_for(&mut self, file: &str) -> String {
        let stem = match file.rsplit_once('.') {
            Some((stem, extension)) if !stem.is_empty() && !extension.contains(' ') => stem,
            Some(_) | None => file,
        };
        let base = legal(stem);
        let mut name = base.clone();
        let mut copy: u32 = 2;
        while !self.0.insert(name.clone()) {
            let suffix = format!(" ({copy})");
            // The base is ASCII, so any byte is a place to cut.
            let kept = base.get(..LONGEST - suffix.len()).unwrap_or(&base).trim_end();
            name = format!("{kept}{suffix}");
            copy += 1;
        }
        name
    }
}

fn legal(stem: &str) -> String {
    let mut name = String::with_capacity(stem.len().min(LONGEST));
    for c in stem.chars() {
        let c = match c {
            c if c.is_ascii_alphanumeric() || "-()[]".contains(c) => c,
            c if c.is_whitespace() => ' ',
            _ => '-',
        };
        // Neither leading nor double spaces.
        if c == ' ' && (name.is_empty() || name.ends_with(' ')) {
            continue;
        }
        if name.len() == LONGEST {
            break;
        }
        name.push(c);
    }
    name.truncate(name.trim_end().len());
    if name.is_empty() { "document".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_what_is_legal_and_loses_its_extension() {
        for (file, name) in [
            ("report.pdf", "report"),
            ("Q3 (final) [v2].xlsx", "Q3 (final) [v2]"),
            ("a_b/c.txt", "a-b-c"),
            ("  two  \t spaces .md", "two spaces"),
            ("naïve.pdf", "na-ve"),
            (".env", "-env"),
            ("", "document"),
            ("Dr. Who", "Dr- Who"),
        ] {
            assert_eq!(DocumentNames::default().name_for(file), name, "{file:?}");
        }
    }

    #[test]
    fn names_are_unique_and_never_too_long() {
        let mut names = DocumentNames::default();
        let long = "x".repeat(500);
        let given: Vec<_> = (0..12).map(|_| names.name_for(&long)).collect();
        assert!(given.iter().all(|name| name.len() <= LONGEST));
        assert_eq!(given.iter().collect::<HashSet<_>>().len(), given.len());
        assert_eq!(names.name_for("a.pdf"), "a");
        assert_eq!(names.name_for("a.txt"), "a (2)");
        assert_eq!(names.name_for("a (2)"), "a (2) (2)");
    }
}
