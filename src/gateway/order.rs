//! In which order a route's targets are tried.
//!
//! Without weights: as they are listed. With weights, those that have one share the calls by them, and those that have
//! none stand in for them, as they are listed.
//!
//! Calls with the same stickiness go to the same target, so that what its prompt cache holds is found again. This is
//! rendezvous hashing: each target draws a number from the call's seed and its own name, and the greatest is first. So a
//! target that is added or taken away moves only the calls that it gets or had, replicas agree without talking, and
//! who would be second for a call is the same each time as well.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::chat::{Block, Request, Role};

/// What makes calls go to the same target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seed(u64);

impl Seed {
    /// Of calls that have nothing to do with each other.
    pub(super) fn random() -> Self {
        Self(fastrand::u64(..))
    }

    /// Of a call that says by a key which others begin like it, else of its conversation: of how it begins, which is what a
    /// prompt cache could hold. Callers don't share a key.
    pub(super) fn of(request: &Request, cache_key: Option<&str>, principal: Option<&str>) -> Self {
        let mut hasher = DefaultHasher::new();
        principal.hash(&mut hasher);
        if let Some(key) = cache_key {
            key.hash(&mut hasher);
            return Self(hasher.finish());
        }
        // Up to the first turn that isn't instructions: what comes later grows with the conversation.
        let count = request.messages.iter().take_while(|message| message.role == Role::System).count();
        for block in request.messages.iter().take(count + 1).flat_map(|message| &message.content) {
            if let Block::Text(text) = block {
                text.as_json().hash(&mut hasher);
            }
        }
        Self(hasher.finish())
    }
}

/// A target, as far as its place in the order is concerned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate<'a> {
    /// Tells it from the others; the same wherever and whenever the question is asked.
    pub(super) name: (&'a str, &'a str),
    /// Its share. `None` stands in only.
    pub(super) weight: Option<u32>,
}

/// The places of the candidates in their list, first choice first.
pub(super) fn order(candidates: &[Candidate<'_>], seed: Seed) -> Vec<usize> {
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    if candidates.iter().filter(|candidate| candidate.weight.is_some()).count() > 1 {
        let drawn: Vec<f64> = candidates.iter().map(|candidate| draw(seed, candidate)).collect();
        // Stable, so that those without a weight, who drew nothing, stay as they are.
        order.sort_by(|a, b| drawn[*b].total_cmp(&drawn[*a]));
    } else if let Some(first) = candidates.iter().position(|candidate| candidate.weight.is_some()) {
        order.remove(first);
        order.insert(0, first);
    }
    order
}

/// The greater the weight, the likelier a great number: `u^(1/w)` for `u` even in `0..1`, which gives each target its share
/// (Efraimidis and Spirakis). Nobody without a weight comes before one that has one.
fn draw(seed: Seed, candidate: &Candidate<'_>) -> f64 {
    let Some(weight) = candidate.weight else { return f64::NEG_INFINITY };
    let mut hasher = DefaultHasher::new();
    (seed.0, candidate.name).hash(&mut hasher);
    #[expect(clippy::cast_precision_loss, reason = "the 53 bits that a float holds are kept")]
    let even = ((hasher.finish() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    even.ln() / f64::from(weight.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{Message, Service, Text};

    const NAMES: [&str; 4] = ["a", "b", "c", "d"];

    fn candidates(weights: &[Option<u32>]) -> Vec<Candidate<'static>> {
        let named = NAMES.iter().zip(weights);
        named.map(|(name, weight)| Candidate { name: ("", name), weight: *weight }).collect()
    }

    #[test]
    fn without_weights_the_list_is_the_order() {
        for seed in 0..100 {
            assert_eq!(order(&candidates(&[None, None, None]), Seed(seed)), [0, 1, 2]);
            assert_eq!(order(&candidates(&[None, Some(1), None]), Seed(seed)), [1, 0, 2]);
        }
    }

    #[test]
    fn weights_share_the_calls_and_the_others_stand_in() {
        let weighted = candidates(&[None, Some(3), Some(1), None]);
        let mut first = [0_u32; 4];
        for seed in 0..10_000 {
            let order = order(&weighted, Seed(seed));
            assert_eq!(order[2..], [0, 3]);
            first[order[0]] += 1;
        }
        assert!((7_300..7_700).contains(&first[1]), "{first:?}");
        assert_eq!(first[1] + first[2], 10_000);
    }

    #[test]
    fn a_target_that_goes_moves_only_its_own_calls() {
        let all = candidates(&[Some(1), Some(1), Some(1)]);
        for seed in 0..1_000 {
            let before = order(&all, Seed(seed));
            let after = order(&all[..2], Seed(seed));
            let kept: Vec<_> = before.into_iter().filter(|at| *at < 2).collect();
            assert_eq!(kept, after);
        }
    }

    fn request(key: Option<&str>, messages: &[(Role, &str)]) -> Request {
        let message = |(role, text): &(Role, &str)| Message {
            role: *role,
            content: vec![Block::Text(Text::new(text))],
            index: 0,
        };
        let service = Service { cache_key: key.map(str::to_owned), ..Service::default() };
        Request { messages: messages.iter().map(message).collect(), service, ..Request::default() }
    }

    #[test]
    fn a_conversation_keeps_its_seed_as_it_grows_and_a_key_goes_before_it() {
        let begin = [(Role::System, "S"), (Role::User, "Hi")];
        let later = [begin[0], begin[1], (Role::Assistant, "Hello"), (Role::User, "And?")];
        let seed = |key: Option<&str>, messages: &[(Role, &str)], principal: Option<&str>| {
            Seed::of(&request(key, messages), key, principal)
        };
        let first = seed(None, &begin, None);
        assert_eq!(first, seed(None, &later, None));
        assert_ne!(first, seed(None, &[begin[0], (Role::User, "Ho")], None));
        assert_ne!(first, seed(None, &begin, Some("key")), "callers are told apart");
        assert_eq!(seed(Some("k"), &begin, None), seed(Some("k"), &[(Role::User, "x")], None));
        assert_ne!(seed(Some("k"), &begin, None), seed(Some("l"), &begin, None));
    }
}
