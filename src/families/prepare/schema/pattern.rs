//! Regular expressions, as schemas hold them.

/// Is it a regular expression for everybody who may check it? JSON Schema asks for JavaScript's; Python's `re` is what
/// Claude's and several other validators use. What only one of them takes counts as none. One look at each letter.
pub(super) fn is_regular_expression(pattern: &str) -> bool {
    let mut reader = Reader { rest: pattern, open: Vec::new(), groups: 0, repeatable: false };
    while let Some(next) = reader.next() {
        if reader.piece(next).is_none() {
            return false;
        }
    }
    reader.open.is_empty()
}

struct Reader<'a> {
    rest: &'a str,
    /// Groups that are open: whether one may be repeated once it is closed, and whether it can be referred to.
    open: Vec<(bool, bool)>,
    /// Closed groups that can be referred to.
    groups: u32,
    /// What stands before can be repeated.
    repeatable: bool,
}

/// What stands for a letter.
#[derive(Clone, Copy)]
enum Letter {
    One(char),
    /// Any of several.
    OneOf,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let next = self.rest.chars().next()?;
        self.rest = self.rest.get(next.len_utf8()..)?;
        Some(next)
    }

    fn skip(&mut self, expected: &str) -> bool {
        let rest = self.rest.strip_prefix(expected);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// `None`: it is no regular expression.
    fn piece(&mut self, first: char) -> Option<()> {
        self.repeatable = match first {
            '\\' => self.escape()?,
            '[' => self.class()?,
            '(' => {
                let group = if self.skip("?:") {
                    (true, false)
                } else if self.skip("?=") || self.skip("?!") {
                    (false, false)
                } else if self.rest.starts_with('?') {
                    return None;
                } else {
                    (true, true)
                };
                self.open.push(group);
                false
            }
            ')' => {
                let (repeatable, counts) = self.open.pop()?;
                self.groups += u32::from(counts);
                repeatable
            }
            '*' | '+' | '?' => self.repeated()?,
            '{' => match self.times() {
                Some(in_order) => in_order.then(|| self.repeated())??,
                // A brace that counts nothing stands for itself.
                None if self.rest.starts_with(',') => return None,
                None => true,
            },
            '|' | '^' | '$' => false,
            _ => true,
        };
        Some(())
    }

    /// After what repeats the piece before it, which can't be repeated again.
    fn repeated(&mut self) -> Option<bool> {
        self.repeatable.then(|| {
            self.skip("?");
            false
        })
    }

    /// `2}`, `2,}`, `2,3}`: are the numbers in order? `None`: there are none.
    fn times(&mut self) -> Option<bool> {
        let (inside, rest) = self.rest.split_once('}')?;
        let (least, most) =
            inside.split_once(',').map_or((inside, None), |(least, most)| (least, Some(most)));
        let number = |digits: &str| {
            let short = (1..=9).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
            short.then(|| digits.bytes().fold(0, |number, digit| 10 * number + u32::from(digit - b'0')))
        };
        let least = number(least)?;
        let most = match most {
            None | Some("") => None,
            Some(most) => Some(number(most)?),
        };
        self.rest = rest;
        Some(most.is_none_or(|most| least <= most))
    }

    /// Can what is escaped be repeated?
    fn escape(&mut self) -> Option<bool> {
        match self.next()? {
            'b' | 'B' => Some(false),
            digit @ '1'..='9' => {
                let known = !self.rest.starts_with(|c: char| c.is_ascii_digit())
                    && digit.to_digit(10).is_some_and(|group| group <= self.groups);
                known.then_some(true)
            }
            other => self.escaped(other).map(|_| true),
        }
    }

    /// What is escaped, in a class or outside.
    fn escaped(&mut self, letter: char) -> Option<Letter> {
        match letter {
            'd' | 'D' | 'w' | 'W' | 's' | 'S' => Some(Letter::OneOf),
            'n' => Some(Letter::One('\n')),
            'r' => Some(Letter::One('\r')),
            't' => Some(Letter::One('\t')),
            'f' => Some(Letter::One('\u{c}')),
            'v' => Some(Letter::One('\u{b}')),
            '0' if !self.rest.starts_with(|c: char| c.is_ascii_digit()) => Some(Letter::One('\0')),
            'x' => self.code(2),
            'u' => self.code(4),
            other if other.is_ascii_alphanumeric() => None,
            other => Some(Letter::One(other)),
        }
    }

    fn code(&mut self, digits: usize) -> Option<Letter> {
        let (code, rest) = self.rest.split_at_checked(digits)?;
        if !code.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        self.rest = rest;
        let code =
            code.chars().filter_map(|digit| digit.to_digit(16)).fold(0, |code, digit| 16 * code + digit);
        // Half of a pair is no letter of its own.
        Some(char::from_u32(code).map_or(Letter::OneOf, Letter::One))
    }

    fn class(&mut self) -> Option<bool> {
        self.skip("^");
        // JavaScript closes it here, Python takes it for a letter.
        if self.rest.starts_with(']') {
            return None;
        }
        loop {
            let first = match self.next()? {
                ']' => return Some(true),
                letter => self.member(letter)?,
            };
            let is_range = self.rest.starts_with('-') && !self.rest.starts_with("-]");
            if is_range {
                self.skip("-");
                let last = self.next()?;
                let last = self.member(last)?;
                match (first, last) {
                    (Letter::One(first), Letter::One(last)) if first <= last => {}
                    _ => return None,
                }
            }
        }
    }

    fn member(&mut self, letter: char) -> Option<Letter> {
        match letter {
            '\\' => match self.next()? {
                'b' => Some(Letter::One('\u{8}')),
                escaped => self.escaped(escaped),
            },
            plain => Some(Letter::One(plain)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_regular_expression;

    #[test]
    fn what_both_languages_take_is_one() {
        for pattern in [
            "",
            "^[a-z0-9_-]+$",
            r"^\d{4}-\d{2}-\d{2}(?:T.*)?$",
            r"(?=.*[A-Z])(?!x)a*?b+?c??d{2,3}?",
            r"^#([A-Fa-f0-9]{6}|[A-Fa-f0-9]{3})$",
            r#"(["']).*\1"#,
            r"[\w.\-]+@[^\s@]+",
            r"[\u4e00-\u9fff]\x41\/",
            "a{}b{x}",
            "[[a]",
            "ä|",
            "[a-]",
            r"[\]]",
        ] {
            assert!(is_regular_expression(pattern), "{pattern}");
        }
    }

    #[test]
    fn what_one_of_them_refuses_is_none() {
        for pattern in [
            "[",
            "(",
            ")",
            "*",
            "+a",
            "a**",
            "a{2}{3}",
            "a{3,2}",
            "x{,3}",
            "[z-a]",
            r"\",
            r"[a-\d]",
            "[]",
            "[^]",
            "a*+",
            r"\p{L}",
            r"\k<n>",
            "(?<n>a)",
            "(?P<n>a)",
            "(?<=a)b",
            "(?i)a",
            r"\Aa",
            r"\z",
            r"\u{1F600}",
            r"\x4",
            r"\1(a)",
            r"(a\1)",
            r"\b*",
            "(?=a)*",
            "^*",
            "(?",
            "[a",
            "a{9999999999}|*",
            r"\c",
        ] {
            assert!(!is_regular_expression(pattern), "{pattern}");
        }
    }
}
