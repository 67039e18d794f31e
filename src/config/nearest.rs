//! "Did you mean": the known name that is closest to a mistyped one.

/// The candidate with the fewest edits to `name`, if these are few for its length.
pub(super) fn nearest<'c>(name: &str, candidates: impl Iterator<Item = &'c str>) -> Option<String> {
    let tolerated = (name.len() / 3).max(1);
    candidates
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(edits, _)| *edits <= tolerated)
        .min()
        .map(|(_, candidate)| candidate.to_owned())
}

/// Levenshtein's distance: insertions, deletions and replacements of characters.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, l) in left.chars().enumerate() {
        let mut diagonal = index;
        let mut previous = index + 1;
        for (cell, r) in row.iter_mut().skip(1).zip(&right) {
            let edits = (diagonal + usize::from(l != *r)).min(previous + 1).min(*cell + 1);
            diagonal = std::mem::replace(cell, edits);
            previous = edits;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        for (left, right, edits) in
            [("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("same", "same", 0)]
        {
            assert_eq!(distance(left, right), edits, "{left} {right}");
        }
    }

    #[test]
    fn only_a_close_name_is_suggested() {
        let names = ["listen", "admin", "body_limit"];
        assert_eq!(nearest("lsiten", names.into_iter()).as_deref(), Some("listen"));
        assert_eq!(nearest("bodylimit", names.into_iter()).as_deref(), Some("body_limit"));
        assert_eq!(nearest("colour", names.into_iter()), None);
    }
}
