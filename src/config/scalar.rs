//! One value at a time: from a node to a number, an address, a duration …
//!
//! Each function is a parser for [`Section::read`](super::section::Section::read). None of them knows which key it reads.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use super::error::Problem;
use super::secret::Secret;
use super::tree::{Node, Value};

/// No wait in the configuration may be longer: beyond lies a typing error, or a clock that overflows.
const LONGEST: Duration = Duration::from_hours(30 * 24);

/// Any text that isn't empty. A number or boolean counts by its spelling, so an id may be `007`.
pub(super) fn text(node: &Node) -> Result<String, Problem> {
    let text = match &node.value {
        Value::Text(text) | Value::Number(_, text) | Value::Bool(_, text) => text,
        Value::Null | Value::List(_) | Value::Map(_) => return Err(wrong_type(node, "text")),
    };
    if text.is_empty() { Err(Problem::Empty) } else { Ok(text.clone()) }
}

/// Text that must not be shown, and so never quoted in an error.
pub(super) fn secret(node: &Node) -> Result<Secret, Problem> {
    text(node).map(Secret::new)
}

/// `true` or `false`.
pub(super) fn boolean(node: &Node) -> Result<bool, Problem> {
    match &node.value {
        Value::Bool(value, _) => Ok(*value),
        Value::Null | Value::Number(..) | Value::Text(_) | Value::List(_) | Value::Map(_) => {
            Err(wrong_type(node, "true or false"))
        }
    }
}

/// A number of seconds.
pub(super) fn seconds(node: &Node) -> Result<Duration, Problem> {
    let Value::Number(number, spelling) = &node.value else {
        return Err(wrong_type(node, "a number of seconds"));
    };
    match number.as_f64().map(Duration::try_from_secs_f64) {
        Some(Ok(duration)) if duration <= LONGEST => Ok(duration),
        Some(Ok(_) | Err(_)) | None => {
            Err(invalid(spelling, "a number of seconds from 0 to 2592000 (30 days)"))
        }
    }
}

/// A number of seconds above 0.
pub(super) fn positive_seconds(node: &Node) -> Result<Duration, Problem> {
    let duration = seconds(node)?;
    if duration.is_zero() { Err(Problem::NotPositive) } else { Ok(duration) }
}

/// A number of seconds, where 0 turns something off.
pub(super) fn seconds_or_off(node: &Node) -> Result<Option<Duration>, Problem> {
    seconds(node).map(|duration| (!duration.is_zero()).then_some(duration))
}

/// A whole number above 0.
pub(super) fn count(node: &Node) -> Result<NonZeroU32, Problem> {
    let Value::Number(number, spelling) = &node.value else { return Err(wrong_type(node, "a whole number")) };
    let count = number.as_u64().map(u32::try_from);
    match count {
        Some(Ok(count)) => NonZeroU32::new(count).ok_or(Problem::NotPositive),
        Some(Err(_)) | None => Err(invalid(spelling, "a whole number from 1 to 4294967295")),
    }
}

/// A whole number, where 0 turns a bound off.
pub(super) fn count_or_off(node: &Node) -> Result<Option<NonZeroU32>, Problem> {
    bounded(node, "a whole number from 0 to 4294967295", |_: u32| true).map(NonZeroU32::new)
}

/// Places in a line that is looked through now and then.
pub(super) fn places(node: &Node) -> Result<u16, Problem> {
    bounded(node, "a whole number from 0 to 10000", |number| number <= 10_000)
}

/// A whole number from 0 to 10.
pub(super) fn few(node: &Node) -> Result<u8, Problem> {
    bounded(node, "a whole number from 0 to 10", |number| number <= 10)
}

/// So many of a hundred.
pub(super) fn percent(node: &Node) -> Result<u8, Problem> {
    bounded(node, "a whole number from 0 to 100", |number| number <= 100)
}

/// A port that can be connected to.
pub(super) fn port(node: &Node) -> Result<u16, Problem> {
    bounded(node, "a port from 1 to 65535", |number| number > 0)
}

fn bounded<T: TryFrom<u64> + Copy>(
    node: &Node,
    expected: &'static str,
    fits: impl Fn(T) -> bool,
) -> Result<T, Problem> {
    let Value::Number(number, spelling) = &node.value else { return Err(wrong_type(node, expected)) };
    match number.as_u64().map(T::try_from) {
        Some(Ok(number)) if fits(number) => Ok(number),
        Some(Ok(_) | Err(_)) | None => Err(invalid(spelling, expected)),
    }
}

/// A number of bytes above 0: `1048576`, `1MiB`, `1MB`.
pub(super) fn size(node: &Node) -> Result<usize, Problem> {
    const UNITS: [(&str, u64); 7] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("B", 1),
    ];
    let spelling = match &node.value {
        Value::Number(_, spelling) | Value::Text(spelling) => spelling,
        Value::Null | Value::Bool(..) | Value::List(_) | Value::Map(_) => {
            return Err(wrong_type(node, "a number of bytes"));
        }
    };
    let (digits, unit) = UNITS
        .iter()
        .find_map(|(name, unit)| Some((spelling.strip_suffix(name)?.trim_end(), *unit)))
        .unwrap_or((spelling.as_str(), 1));
    let Ok(number) = digits.parse::<u64>() else {
        return Err(invalid(spelling, "a number of bytes: write 33554432 or 32MiB"));
    };
    match number.checked_mul(unit).map(usize::try_from) {
        Some(Ok(0)) => Err(Problem::NotPositive),
        Some(Ok(bytes)) => Ok(bytes),
        Some(Err(_)) | None => Err(invalid(spelling, "a number of bytes that fits in memory")),
    }
}

/// An address and a port to listen on. `localhost` is understood; other names aren't looked up.
pub(super) fn listen(node: &Node) -> Result<SocketAddr, Problem> {
    let text = text(node)?;
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.clone(),
    };
    numeric
        .parse()
        .map_err(|_| invalid(&text, "an IP address with a port: write 127.0.0.1:8080 or [::]:8080"))
}

/// An `http` or `https` URL with a host.
pub(super) fn url(node: &Node) -> Result<String, Problem> {
    let text = text(node)?;
    let uri = text.parse::<http::Uri>();
    match uri {
        // Neither the SDK nor a log has any use for them.
        Ok(uri) if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) => {
            Err(Problem::UrlCredentials)
        }
        Ok(uri)
            if matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some_and(|h| !h.is_empty()) =>
        {
            Ok(text)
        }
        Ok(_) | Err(_) => Err(invalid(&text, "a URL that starts with http:// or https://")),
    }
}

/// An AWS Region such as `eu-central-1`. Regions open all the time, so only the grammar is checked.
pub(super) fn region(node: &Node) -> Result<String, Problem> {
    let text = text(node)?;
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    // The Region becomes part of a host name, and 63 is the longest label.
    if text.len() <= 63 && text.bytes().all(allowed) && !text.starts_with('-') && !text.ends_with('-') {
        Ok(text)
    } else {
        Err(invalid(&text, "an AWS Region such as eu-central-1"))
    }
}

/// One of some words.
pub(super) fn choice<T: Copy>(node: &Node, words: &[(&str, T)]) -> Result<T, Problem> {
    let text = text(node)?;
    words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        invalid(&text, format!("one of {}", words.join(", ")))
    })
}

pub(super) fn wrong_type(node: &Node, expected: &'static str) -> Problem {
    Problem::WrongType { expected, found: node.kind() }
}

pub(super) fn invalid(found: &str, expected: impl Into<String>) -> Problem {
    Problem::Invalid { found: found.to_owned(), expected: expected.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::error::Origin;

    fn node(yaml: &str) -> Node {
        Node::parse(yaml, &Origin::Default).unwrap()
    }

    #[test]
    fn sizes_take_binary_and_decimal_units() {
        for (yaml, bytes) in
            [("1", 1), ("64 KiB", 65_536), ("32MiB", 33_554_432), ("1MB", 1_000_000), ("7B", 7)]
        {
            assert_eq!(size(&node(yaml)), Ok(bytes), "{yaml}");
        }
        for yaml in ["1.5MiB", "MiB", "-1", "1TiB", "99999999999GiB", "1 000", "0x10"] {
            assert!(matches!(size(&node(yaml)), Err(Problem::Invalid { .. })), "{yaml}");
        }
        assert_eq!(size(&node("0")), Err(Problem::NotPositive));
    }

    #[test]
    fn seconds_may_have_fractions_but_no_sign_and_no_infinity() {
        assert_eq!(seconds(&node("3.1")), Ok(Duration::from_millis(3100)));
        assert_eq!(seconds(&node("0")), Ok(Duration::ZERO));
        assert_eq!(positive_seconds(&node("0.0")), Err(Problem::NotPositive));
        assert_eq!(seconds_or_off(&node("0")), Ok(None));
        for yaml in ["-1", "2592001", "1e300"] {
            assert!(matches!(seconds(&node(yaml)), Err(Problem::Invalid { .. })), "{yaml}");
        }
        for yaml in ["10s", ".inf", ".nan", "'10'", "[1]"] {
            assert!(matches!(seconds(&node(yaml)), Err(Problem::WrongType { .. })), "{yaml}");
        }
    }

    #[test]
    fn words_of_yaml_1_1_are_not_booleans() {
        assert_eq!(boolean(&node("true")), Ok(true));
        for yaml in ["yes", "on", "1", "'true'"] {
            assert!(boolean(&node(yaml)).is_err(), "{yaml}");
        }
    }

    #[test]
    fn text_keeps_the_spelling_of_what_looks_like_a_number() {
        for spelling in ["007", "1e5", "1_000", "0x1F", "true"] {
            assert_eq!(text(&node(spelling)).as_deref(), Ok(spelling));
        }
        assert_eq!(text(&node("''")), Err(Problem::Empty));
    }

    #[test]
    fn listeners_are_addresses_with_ports() {
        assert_eq!(listen(&node("localhost:80")), Ok(([127, 0, 0, 1], 80).into()));
        assert!(listen(&node("'[::]:8080'")).is_ok());
        for yaml in ["8080", ":8080", "example.com:80", "127.0.0.1", "127.0.0.1:65536"] {
            assert!(listen(&node(yaml)).is_err(), "{yaml}");
        }
    }

    #[test]
    fn ports_and_small_numbers_have_their_bounds() {
        assert_eq!((port(&node("1")), port(&node("65535"))), (Ok(1), Ok(65_535)));
        assert_eq!((few(&node("0")), few(&node("10"))), (Ok(0), Ok(10)));
        for yaml in ["0", "65536", "-1", "'80'", "8.0"] {
            assert!(port(&node(yaml)).is_err(), "{yaml}");
        }
        assert!(few(&node("11")).is_err() && few(&node("266")).is_err());
    }

    #[test]
    fn urls_need_a_scheme_and_a_host() {
        assert!(url(&node("http://localhost:4566")).is_ok());
        assert_eq!(url(&node("http://user:hush@host")), Err(Problem::UrlCredentials));
        for yaml in ["localhost:4566", "ftp://x", "/path", "https://"] {
            assert!(url(&node(yaml)).is_err(), "{yaml}");
        }
    }

    #[test]
    fn regions_are_host_labels() {
        assert!(region(&node("us-gov-west-1")).is_ok());
        for yaml in ["evil.example/", "US-EAST-1", "-x", "a.b"] {
            assert!(region(&node(yaml)).is_err(), "{yaml}");
        }
    }
}
