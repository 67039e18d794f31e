//! Names of documents, as Converse takes them: 1 to 200 of letters, digits, single spaces, `-()[]`, and no
//! two alike in one request (a client may well send `report.pdf` twice).

use std::collections::{HashMap, HashSet};

const LONGEST: usize = 200;

/// Longest ` (n)` behind a name that is there already.
const LONGEST_SUFFIX: usize = " (4294967295)".len();

/// The names of one request so far.
#[derive(Debug, Default)]
pub(super) struct DocumentNames {
    taken: HashSet<String>,
    /// The number to try next behind a beginning, as far as numbers were needed. A beginning and a number make a name in one
    /// way only, so each name that is taken is met once: all names of a request cost no more than their length.
    next: HashMap<String, u32>,
}

impl DocumentNames {
    /// A legal name as near as can be to the client's, without its extension, and not used before.
    pub(super) fn name_for(&mut self, file: &str) -> String {
        let stem = match file.rsplit_once('.') {
            Some((stem, extension)) if !stem.is_empty() && !extension.contains(' ') => stem,
            Some(_) | None => file,
        };
        let base = legal(stem);
        if !self.taken.contains(&base) {
            self.taken.insert(base.clone());
            return base;
        }
        // The base is ASCII, so any byte is a place to cut. What is alike as far as here counts together.
        let kept = base.get(..LONGEST - LONGEST_SUFFIX).unwrap_or(&base).trim_end();
        let next = self.next.entry(kept.to_owned()).or_insert(2);
        loop {
            let name = format!("{kept} ({next})");
            *next += 1;
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
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
        assert_eq!(names.name_for("a.md"), "a (3)");
    }

    /// As many as a body may hold values. Trying each number from the first on would take hours.
    #[test]
    fn many_of_one_name_take_no_longer_each_than_a_few() {
        const MANY: usize = 200_000;
        let long = "y".repeat(LONGEST);
        let alike = |number: usize| format!("{}{number:06}", long.get(..LONGEST - 6).unwrap_or_default());
        let each: [&dyn Fn(usize) -> String; 4] = [
            &|_| "minutes.txt".to_owned(),
            // Every second one has the name that its neighbour would be given.
            &|number| if number % 2 == 0 { format!("b ({})", number / 2 + 2) } else { "b".to_owned() },
            &|_| String::new(),
            // Different, and alike once there is a number behind them; each comes twice.
            &|number| alike(number / 2),
        ];
        for name in each {
            let mut names = DocumentNames::default();
            let given: HashSet<_> = (0..MANY).map(|number| names.name_for(&name(number))).collect();
            assert_eq!(given.len(), MANY);
            assert!(given.iter().all(|name| name.len() <= LONGEST));
        }
    }
}
