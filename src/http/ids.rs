//! Ids of requests and replies: unique, and sorted by time.

use std::time::{SystemTime, UNIX_EPOCH};

/// `prefix` and 32 hex digits of a UUID of version 7. Its random part comes from a fast generator, not from the
/// kernel: nothing relies on it being secret.
pub(super) fn unique(prefix: &str) -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    let mut random = [0; 10];
    fastrand::fill(&mut random);
    let id = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
    let mut digits = [0; uuid::fmt::Simple::LENGTH];
    [prefix, id.simple().encode_lower(&mut digits)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_have_one_form() {
        let (a, b) = (unique("req_"), unique("req_"));
        assert_ne!(a, b);
        assert_eq!(a.len(), "req_".len() + 32);
        assert!(a.strip_prefix("req_").unwrap().bytes().all(|b| b.is_ascii_hexdigit()));
    }
}
