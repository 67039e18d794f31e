//! All connections of a listener, for when there are as many as there may be: who makes room for the next one.
//!
//! Only connections without a request under way do, and in this order: those that have said nothing worth a request
//! (strangers, mostly), then those of the address that has the most, then those that have been idle longest. So a crowd of
//! silent sockets makes room for a probe, and a load balancer keeps its own connections while there are others to close.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::clock::SharedClock;

/// A connection that has just come has this long for its first request until it counts as one that says nothing.
const FIRST_WORDS: Duration = Duration::from_secs(1);

/// One of so many goes, besides the first, if they say nothing.
const BATCH: usize = 64;

/// Where a connection comes from: an address, or its network of 64 bits, which is one customer's in IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Peer(IpAddr);

impl Peer {
    pub(super) fn of(address: IpAddr) -> Self {
        const NETWORK: u128 = !(u64::MAX as u128);
        Self(match address.to_canonical() {
            v4 @ IpAddr::V4(_) => v4,
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & NETWORK)),
        })
    }
}

/// The connections of one listener. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Crowd(Arc<Mutex<Members>>);

#[derive(Debug, Default)]
struct Members {
    members: HashMap<usize, (Peer, SharedClock)>,
    by_peer: HashMap<Peer, usize>,
}

impl Crowd {
    /// A connection's place, from its beginning to its end.
    pub(super) fn enter(&self, peer: Peer, clock: SharedClock) -> Membership {
        // No other clock is there while this one is held.
        let key = clock.address();
        let mut crowd = self.lock();
        crowd.members.insert(key, (peer, clock));
        *crowd.by_peer.entry(peer).or_default() += 1;
        drop(crowd);
        Membership { crowd: self.clone(), key, peer }
    }

    /// How many connections come from there.
    pub(super) fn count(&self, peer: Peer) -> usize {
        self.lock().by_peer.get(&peer).copied().unwrap_or_default()
    }

    /// Has one connection end that has no request under way, of this peer or of any. Tells whether there was one. One whose
    /// request begins before its turn to close comes is spared.
    pub(super) fn make_room(&self, of: Option<Peer>, now: Instant) -> bool {
        let crowd = self.lock();
        let candidates = crowd.members.values().filter(|(peer, _)| of.is_none_or(|of| of == *peer));
        let idle = candidates.filter_map(|(peer, clock)| {
            let (since, has_asked) = clock.lock().idle_since()?;
            let is_known = has_asked || now.saturating_duration_since(since) < FIRST_WORDS;
            let share = crowd.by_peer.get(peer).copied().unwrap_or_default();
            Some(((is_known, Reverse(share), since), clock))
        });
        let mut idle: Vec<_> = idle.collect();
        let Some(most) = idle.len().checked_sub(1) else { return false };
        // Some of a crowd that says nothing go together, so that not each of a thousand newcomers looks through all.
        let some = (crowd.members.len() / BATCH).min(most);
        let (few, last, _) = idle.select_nth_unstable_by_key(some, |(rank, _)| *rank);
        let strangers = few.iter().filter(|((is_known, ..), _)| !is_known);
        let first = few.iter().min_by_key(|(rank, _)| *rank).unwrap_or(last);
        for (_, clock) in strangers.chain(std::iter::once(first)) {
            clock.lock().give_up();
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place among the others.
#[derive(Debug)]
pub(super) struct Membership {
    crowd: Crowd,
    key: usize,
    peer: Peer,
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut crowd = self.crowd.lock();
        crowd.members.remove(&self.key);
        if let Some(count) = crowd.by_peer.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                crowd.by_peer.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;

    fn peer(last: u8) -> Peer {
        Peer::of(IpAddr::from([192, 0, 2, last]))
    }

    struct One {
        clock: SharedClock,
        _place: Membership,
    }

    impl One {
        fn enter(crowd: &Crowd, from: u8) -> Self {
            let clock = SharedClock::new(Settings::default(), Instant::now());
            Self { _place: crowd.enter(peer(from), clock.clone()), clock }
        }

        fn asks(self) -> Self {
            self.clock.lock().request_begun();
            self
        }

        fn has_asked(self) -> Self {
            let one = self.asks();
            one.clock.lock().response_ended();
            one
        }

        fn goes(&self) -> bool {
            self.clock.lock().is_given_up()
        }
    }

    async fn later() {
        tokio::time::advance(Duration::from_secs(2)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_goes_before_who_has_asked_and_who_asks_stays() {
        let crowd = Crowd::default();
        let old = One::enter(&crowd, 1).has_asked();
        later().await;
        let (busy, silent, half) =
            (One::enter(&crowd, 1).asks(), One::enter(&crowd, 1), One::enter(&crowd, 1));
        half.clock.lock().received();
        later().await;
        let fresh = One::enter(&crowd, 1);
        let state = || [&old, &silent, &half, &fresh, &busy].map(One::goes);
        assert!(crowd.make_room(None, Instant::now()) && crowd.make_room(None, Instant::now()));
        assert_eq!(state(), [false, true, true, false, false]);
        assert!(crowd.make_room(None, Instant::now()));
        assert_eq!(state(), [true, true, true, false, false], "the newest last");
        assert!(crowd.make_room(None, Instant::now()));
        assert!(!crowd.make_room(None, Instant::now()), "whose request is under way never goes");
        assert_eq!(state(), [true, true, true, true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_address_with_the_most_makes_room_first() {
        let crowd = Crowd::default();
        let alone = One::enter(&crowd, 1).has_asked();
        later().await;
        let many = [(); 2].map(|()| One::enter(&crowd, 2).has_asked());
        assert!(crowd.make_room(None, Instant::now()));
        assert!(!alone.goes());
        assert_eq!(many.iter().filter(|one| one.goes()).count(), 1);
        assert_eq!((crowd.count(peer(1)), crowd.count(peer(2))), (1, 2));
        assert!(!crowd.make_room(Some(peer(3)), Instant::now()));
        drop(many);
        assert_eq!(crowd.count(peer(2)), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_begins_in_time_spares_its_connection() {
        let crowd = Crowd::default();
        let one = One::enter(&crowd, 1);
        assert!(crowd.make_room(None, Instant::now()) && one.goes());
        let one = one.asks();
        assert!(!one.goes());
    }

    #[test]
    fn a_network_of_ipv6_is_one_peer_and_a_mapped_address_its_own() {
        let of = |text: &str| Peer::of(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
