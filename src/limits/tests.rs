//! The line against a naive model of it, the gate's promises to tasks, and buckets against the clock.

use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use proptest::collection::vec;
use proptest::prelude::*;

use super::bucket::Bucket;
use super::budget::Budget;
use super::gate::{Entry, Gate, Permit, Waiting};
use super::line::{Bound, Entrance, Line, Refusal, Ticket};
use super::*;

const KEYS: usize = 4;

#[derive(Debug, Clone, Copy)]
enum Step {
    Enter(usize),
    /// One of those that hold a slot.
    Leave(usize),
    /// One of those that wait.
    Withdraw(usize),
    /// One of those that hold a slot wants another.
    Widen(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..KEYS).prop_map(Step::Enter),
        // The first key sends more than the rest.
        2 => Just(Step::Enter(0)),
        4 => (0..64_usize).prop_map(Step::Leave),
        1 => (0..64_usize).prop_map(Step::Withdraw),
        1 => (0..64_usize).prop_map(Step::Widen),
    ]
}

/// Everybody at the line, by number.
struct Model {
    slots: usize,
    places: usize,
    bounds: Vec<Bound>,
    holding: Vec<(usize, usize)>,
    waiting: Vec<(usize, usize, Ticket)>,
}

impl Model {
    fn held(&self, key: usize) -> usize {
        self.holding.iter().filter(|(holder, _)| *holder == key).count()
    }

    fn waits(&self, key: usize) -> usize {
        self.waiting.iter().filter(|(waiter, ..)| *waiter == key).count()
    }

    fn may_hold(&self, key: usize) -> bool {
        self.holding.len() < self.slots && self.may_hold_by_itself(key)
    }

    fn may_hold_by_itself(&self, key: usize) -> bool {
        let held = self.held(key);
        match self.bounds[key] {
            Bound::All => true,
            Bound::Slots(most) => held < most,
            // An eighth of what the others leave stays free.
            Bound::Share => held == 0 || 8 * (held + 1) <= 7 * (self.slots - (self.holding.len() - held)),
        }
    }

    /// What must be true at any time.
    fn check(&self, line: &Line<usize>) {
        let counts: Vec<_> = (0..KEYS).map(|key| (self.held(key), self.waits(key))).collect();
        assert_eq!(line.counts(), counts);
        assert!(self.holding.len() <= self.slots, "never over capacity");
        assert!(self.waiting.len() <= self.places);
        for key in 0..KEYS {
            if let Bound::Slots(most) = self.bounds[key] {
                assert!(self.held(key) <= most, "no key over its own");
            }
            assert!(
                self.waits(key) == 0 || !self.may_hold(key),
                "no slot is free while somebody may have it"
            );
        }
    }

    /// A slot went to `next`.
    fn admitted(&mut self, next: usize) {
        let place = self.waiting.iter().position(|(_, waiter, _)| *waiter == next).unwrap();
        let (key, ..) = self.waiting.remove(place);
        let first =
            self.waiting.iter().filter(|(other, ..)| *other == key).all(|(_, waiter, _)| *waiter > next);
        assert!(first, "a key's own are served in their order");
        for other in (0..KEYS).filter(|other| self.waits(*other) > 0 && self.may_hold(*other)) {
            assert!(
                self.held(key) <= self.held(other),
                "key {key} was preferred to {other}, which holds fewer"
            );
        }
        self.holding.push((key, next));
    }
}

proptest! {
    #[test]
    fn the_line_keeps_its_bounds_and_is_fair(
        slots in 1..20_usize,
        places in 0..8_usize,
        bounds in vec(prop_oneof![(1..6_usize).prop_map(Bound::Slots), Just(Bound::Share), Just(Bound::All)], KEYS),
        steps in vec(step(), 0..200),
    ) {
        let mut line = Line::new(Some(slots), places, bounds.iter().copied());
        let mut model = Model { slots, places, bounds, holding: Vec::new(), waiting: Vec::new() };
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Enter(key) => {
                    let foretold = line.refuses(key);
                    match line.enter(key, || number) {
                        Ok(Entrance::Holds) => {
                            prop_assert!(model.may_hold(key));
                            model.holding.push((key, number));
                        }
                        Ok(Entrance::Waits(ticket, displaced)) => {
                            prop_assert!(!model.may_hold(key));
                            prop_assert_eq!(displaced.is_some(), model.waiting.len() == model.places);
                            if let Some(displaced) = displaced {
                                let place = model.waiting.iter().position(|(_, waiter, _)| *waiter == displaced);
                                let (loser, ..) = model.waiting.remove(place.unwrap());
                                prop_assert!(model.waits(loser) > model.waits(key), "who had the most made room");
                            }
                            model.waiting.push((key, number, ticket));
                        }
                        Err(refusal) => {
                            prop_assert_eq!(foretold, Some(refusal));
                            prop_assert_eq!(model.waiting.len(), model.places);
                            prop_assert!(!model.may_hold(key));
                            prop_assert!((0..KEYS).all(|other| model.waits(other) <= model.waits(key) + 1));
                            prop_assert_eq!(refusal == Refusal::KeyBusy, !model.may_hold_by_itself(key));
                            continue;
                        }
                    }
                    prop_assert_eq!(foretold, None);
                }
                Step::Leave(which) if !model.holding.is_empty() => {
                    let (key, _) = model.holding.remove(which % model.holding.len());
                    let mut next = line.leave(key);
                    while let Some(waiter) = next {
                        model.admitted(waiter);
                        next = line.next();
                    }
                }
                Step::Widen(which) if !model.holding.is_empty() => {
                    let (key, _) = model.holding[which % model.holding.len()];
                    let may = model.may_hold(key);
                    prop_assert_eq!(line.widen(key), may);
                    if may {
                        model.holding.push((key, number));
                    }
                }
                Step::Withdraw(which) if !model.waiting.is_empty() => {
                    let (key, _, ticket) = model.waiting.remove(which % model.waiting.len());
                    prop_assert!(line.withdraw(key, ticket));
                    prop_assert!(!line.withdraw(key, ticket), "once");
                }
                Step::Leave(_) | Step::Withdraw(_) | Step::Widen(_) => {}
            }
            model.check(&line);
        }
        while let Some((key, _)) = model.holding.pop() {
            let mut next = line.leave(key);
            while let Some(waiter) = next {
                model.admitted(waiter);
                next = line.next();
            }
            model.check(&line);
        }
        prop_assert!(model.waiting.is_empty(), "everybody had a turn");
    }

    #[test]
    fn permits_out_are_permits_in_whoever_leaves_and_when(
        steps in vec((0..5_usize, 0..KEYS, 0..64_usize), 0..200),
    ) {
        let gate = Gate::new(Some(3), 4, [Bound::All, Bound::Slots(2), Bound::Share, Bound::Slots(1)]);
        let mut permits: Vec<Permit> = Vec::new();
        let mut waiting: Vec<Waiting> = Vec::new();
        for (what, key, which) in steps {
            match what {
                0 | 1 => match gate.enter(key) {
                    Ok(Entry::Permit(mut permit)) => {
                        prop_assert!(permit.widen(1 + which % 2) >= 1);
                        permits.push(permit);
                    }
                    Ok(Entry::Waiting(place)) => waiting.push(place),
                    Err(_) => {}
                },
                2 if !permits.is_empty() => drop(permits.remove(which % permits.len())),
                // Told or not: it may have been given a slot that it never hears of.
                3 if !waiting.is_empty() => drop(waiting.remove(which % waiting.len())),
                4 if !waiting.is_empty() => {
                    let place = which % waiting.len();
                    if let Some(told) = (&mut waiting[place]).now_or_never() {
                        permits.extend(told);
                        drop(waiting.remove(place));
                    }
                }
                _ => {}
            }
            let held: usize = gate.counts().iter().map(|(held, _)| held).sum();
            prop_assert!(permits.len() <= held && held <= 3);
        }
        drop((permits, waiting));
        prop_assert_eq!(gate.counts(), vec![(0, 0); KEYS]);
    }

    #[test]
    fn a_bucket_gives_no_more_than_its_rate_at_any_step_of_the_clock(
        limit in 1..100_000_u32,
        steps in vec((0..20_000_u64, 0..200_u64, any::<bool>()), 1..100),
    ) {
        let start = Instant::now();
        let mut bucket = Bucket::full(limit, start);
        let (mut millis, mut given) = (0, 0);
        for (pause, percent, back) in steps {
            millis += pause;
            // Another thread may have read the clock earlier and come later.
            let now = start + Duration::from_millis(if back { millis.saturating_sub(50) } else { millis });
            let count = u64::from(limit) * percent / 100;
            let level = bucket.level(now);
            let taken = bucket.take(count, now);
            prop_assert!(level.remaining <= limit);
            match taken {
                Ok(()) => given += count,
                Err(Exhausted { wait }) => {
                    prop_assert!(count >= u64::from(level.remaining));
                    if count <= u64::from(limit) {
                        let mut later = Bucket::full(limit, start);
                        std::mem::swap(&mut later, &mut bucket);
                        prop_assert!(later.take(count, now + wait).is_ok(), "it is there when it was said to be");
                        later.refund(count, now + wait);
                        bucket = later;
                    }
                }
            }
            let most = u64::from(limit) + u64::from(limit) * millis / 60_000 + 1;
            prop_assert!(given <= most, "{given} of {most}");
        }
    }
}

fn with(key: KeyLimits) -> (Limits, Instant) {
    let settings = Settings {
        concurrency: Some(1),
        queue_length: 1,
        queue_wait: Duration::ZERO,
        body_bytes: Some(10),
        turns: 2,
    };
    let now = Instant::now();
    (Limits::new(&settings, KeyLimits::default(), vec![("a".to_owned(), key)], now), now)
}

#[test]
fn who_sends_fifty_times_as_much_waits_for_itself() {
    let mut line = Line::new(Some(10), 100, [Bound::All; 2]);
    let enter = |line: &mut Line<usize>, key| line.enter(key, || key);
    for _ in 0..110 {
        enter(&mut line, 0).unwrap();
    }
    assert_eq!(line.refuses(0), Some(Refusal::Busy), "no hope for more");
    for _ in 0..5 {
        // The line is full, and still the other key gets in, and the next five slots.
        assert!(matches!(enter(&mut line, 1), Ok(Entrance::Waits(_, Some(0)))));
    }
    let turns: Vec<_> = (0..6).map(|_| line.leave(0).unwrap()).collect();
    assert_eq!(turns, [1, 1, 1, 1, 1, 0]);
    assert_eq!(line.counts(), [(5, 94), (5, 0)]);
}

#[test]
fn keys_that_hold_as_much_take_turns() {
    let mut line = Line::new(Some(1), 9, [Bound::All; 4]);
    line.enter(3, || 3).unwrap();
    for key in [0, 0, 0, 1, 1, 2] {
        line.enter(key, || key).unwrap();
    }
    // Nobody else holds any, so each has its turn once its last is the longest ago.
    let (mut leaver, mut turns) = (3, Vec::new());
    while let Some(next) = line.leave(leaver) {
        turns.push(next);
        leaver = next;
    }
    assert_eq!(turns, [0, 1, 2, 0, 1, 0]);
}

#[test]
fn long_calls_of_one_key_leave_a_slot_for_another() {
    for (slots, lone) in [(1, 1), (2, 1), (4, 3), (8, 7), (16, 14), (2_000, 1_750)] {
        let mut line = Line::new(Some(slots), 2 * slots, [Bound::Share; 3]);
        let hold = |line: &mut Line<usize>, key| {
            (0..2 * slots).filter(|_| matches!(line.enter(key, || key), Ok(Entrance::Holds))).count()
        };
        assert_eq!(hold(&mut line, 0), lone, "of {slots}");
        assert_eq!(line.obstacle(0), Refusal::KeyBusy);
        if slots > 1 {
            assert!(hold(&mut line, 1) >= 1, "of {slots}");
        }
        if slots == 2_000 {
            assert!(hold(&mut line, 2) >= 1, "and for a third");
        }
    }
}

#[test]
fn a_share_is_of_keys_that_are_several_and_have_no_bound_of_their_own() {
    let held = |keys: &[(&str, Option<usize>)], of: &str| {
        let settings = Settings {
            concurrency: Some(8),
            queue_length: 0,
            queue_wait: Duration::ZERO,
            body_bytes: None,
            turns: 1,
        };
        let keys = keys
            .iter()
            .map(|(name, concurrency)| {
                ((*name).to_owned(), KeyLimits { concurrency: *concurrency, ..KeyLimits::default() })
            })
            .collect();
        let limits = Limits::new(&settings, KeyLimits::default(), keys, Instant::now());
        let mut permits = Vec::new();
        while let Ok(Entry::Permit(permit)) = limits.enter(limits.key(Some(of))) {
            permits.push(permit);
        }
        permits.len()
    };
    assert_eq!(held(&[("a", None)], "a"), 8);
    assert_eq!(held(&[], "nobody"), 8);
    assert_eq!(held(&[("a", None), ("b", None)], "a"), 7);
    assert_eq!(held(&[("a", Some(8)), ("b", None)], "a"), 8);
    assert_eq!(held(&[("a", Some(3)), ("b", None)], "a"), 3);
}

#[test]
fn a_call_that_becomes_several_takes_what_is_free_and_gives_all_of_it_back() {
    let gate = Gate::new(Some(4), 4, [Bound::All, Bound::Slots(2)]);
    let Ok(Entry::Permit(mut wide)) = gate.enter(0) else { panic!("the first is free") };
    assert_eq!(wide.widen(3), 3);
    assert_eq!(wide.widen(2), 3, "it never becomes less");
    let Ok(Entry::Permit(mut bound)) = gate.enter(1) else { panic!("one is left") };
    assert_eq!(bound.widen(8), 1);
    drop(wide);
    assert_eq!(bound.widen(8), 2, "as far as its key may");
    drop(bound);
    assert_eq!(gate.counts(), vec![(0, 0); 2]);
}

#[test]
fn a_place_tells_what_it_waits_for() {
    let (limits, _) = with(KeyLimits { concurrency: Some(1), ..KeyLimits::default() });
    let (a, nobody) = (limits.key(Some("a")), limits.key(None));
    let Ok(Entry::Permit(permit)) = limits.enter(a) else { panic!("the first is free") };
    let Ok(Entry::Waiting(waiting)) = limits.enter(a) else { panic!("the second waits") };
    assert_eq!(waiting.obstacle(), Refusal::KeyBusy);
    assert_eq!(limits.refuses(nobody), Some(Refusal::Busy), "the line is full");
    drop(waiting);
    let Ok(Entry::Waiting(mut waiting)) = limits.enter(nobody) else { panic!("there is a place again") };
    assert_eq!(waiting.obstacle(), Refusal::Busy);
    assert!((&mut waiting).now_or_never().is_none());
    drop(permit);
    assert!(matches!((&mut waiting).now_or_never(), Some(Ok(_))));
}

#[test]
fn a_key_that_is_not_configured_has_nobodys_limits() {
    let (limits, now) = with(KeyLimits { requests_per_minute: Some(1), ..KeyLimits::default() });
    assert!(limits.key(Some("a")).levels(now).requests.is_some());
    assert!(limits.key(Some("b")).levels(now).requests.is_none());
}

#[test]
fn a_minutes_requests_come_back_one_by_one() {
    let (limits, now) = with(KeyLimits { requests_per_minute: Some(3), ..KeyLimits::default() });
    let key = limits.key(Some("a"));
    for remaining in [2, 1, 0] {
        key.take_requests(1, now).unwrap();
        assert_eq!(key.levels(now).requests.unwrap().remaining, remaining);
    }
    assert_eq!(key.take_requests(1, now), Err(Exhausted { wait: Duration::from_secs(20) }));
    assert_eq!(key.levels(now).requests.unwrap().reset, Duration::from_mins(1));
    key.take_requests(1, now + Duration::from_secs(20)).unwrap();
    key.return_requests(1, now + Duration::from_secs(20));
    key.take_requests(1, now + Duration::from_secs(20)).unwrap();
    assert!(key.take_requests(1, now + Duration::from_secs(39)).is_err());
}

#[test]
fn tokens_are_reserved_and_put_right() {
    let (limits, now) = with(KeyLimits { tokens_per_minute: Some(600), ..KeyLimits::default() });
    let key = limits.key(Some("a"));
    let remaining = || key.levels(now).tokens.unwrap().remaining;
    let reservation = key.reserve(100, now).unwrap();
    assert_eq!(remaining(), 500);
    reservation.settle(40, now);
    assert_eq!(remaining(), 560);
    key.reserve(60, now).unwrap().settle(1_160, now);
    assert_eq!(remaining(), 0);
    // 600 in debt: a minute until there is anything, and a little more for one.
    let Err(Exhausted { wait }) = key.reserve(1, now) else { panic!("nothing is left") };
    assert_eq!(wait, Duration::from_millis(60_100));
    let later = now + Duration::from_mins(2);
    drop(key.reserve(u64::MAX, later).unwrap());
    assert_eq!(
        key.levels(later).tokens.unwrap().remaining,
        0,
        "more than there can be counts as all there is"
    );
}

#[test]
fn shares_stay_within_the_budget_and_go_back() {
    let budget = Budget::new(Some(10), false);
    let (mut one, mut other) = (budget.share(0), budget.share(0));
    assert!(one.grow(6) && other.grow(4));
    assert!(!budget.has_room(0, 1) && !one.grow(1) && !one.grow(usize::MAX));
    drop(one);
    assert!(budget.has_room(0, 6) && !budget.has_room(0, 7) && other.grow(6));
    drop(other);
    assert!(budget.has_room(0, 10));
}

#[test]
fn slow_bodies_of_one_key_leave_room_for_those_of_others() {
    let budget = Budget::new(Some(256), true);
    let fill = |key: usize, length: usize| {
        let mut held = Vec::new();
        loop {
            let mut share = budget.share(key);
            let fits = budget.has_room(key, length as u64);
            // Byte by byte, as it comes.
            let whole = (0..length).all(|_| share.grow(1));
            assert_eq!(fits, whole, "what is told beforehand is what comes");
            if !whole {
                return held;
            }
            held.push(share);
        }
    };
    let first = fill(0, 32);
    assert_eq!(first.len(), 4, "half of it, alone");
    let second = fill(1, 32);
    assert_eq!(second.len(), 2, "and half of the rest");
    let third = fill(2, 32);
    assert_eq!(third.len(), 1);
    assert!(budget.has_room(3, 32), "one body of a fourth");
    drop(first);
    assert_eq!(fill(2, 32).len(), 2, "who holds little may hold more when there is room again");
    drop((second, third));
    assert!(budget.has_room(0, 256));
}

#[test]
fn an_only_body_may_take_what_is_free() {
    let budget = Budget::new(Some(100), true);
    let mut only = budget.share(0);
    assert!((0..8).all(|_| only.grow(10)));
    let mut second = budget.share(0);
    assert!(!second.grow(1), "there are two of them now");
    assert!(only.grow(20) && !only.grow(1));
    drop(only);
    assert!(second.grow(60));
}

/// Bounds of two keys, where the second is perhaps not there.
fn two(
    concurrency: usize,
    first: KeyLimits,
    second: Option<KeyLimits>,
) -> (Settings, Vec<(String, KeyLimits)>) {
    let settings = Settings {
        concurrency: Some(concurrency),
        queue_length: 4,
        queue_wait: Duration::ZERO,
        body_bytes: Some(100),
        turns: 2,
    };
    let keys = [("a", Some(first)), ("b", second)];
    let keys = keys.into_iter().filter_map(|(name, limits)| Some((name.to_owned(), limits?))).collect();
    (settings, keys)
}

#[test]
fn other_bounds_are_no_free_refill() {
    let now = Instant::now();
    let minute = |requests| KeyLimits { requests_per_minute: Some(requests), ..KeyLimits::default() };
    let (settings, keys) = two(2, minute(10), None);
    let before = Limits::new(&settings, KeyLimits::default(), keys, now);
    for _ in 0..10 {
        before.key(Some("a")).take_requests(1, now).unwrap();
    }
    let mut share = before.share(before.key(Some("a")));
    assert!(share.grow(80));

    let (settings, keys) = two(2, minute(20), Some(minute(5)));
    let after = before.continued(&settings, KeyLimits::default(), keys, now);
    assert!(after.key(Some("a")).take_requests(1, now).is_err(), "an empty bucket that grows is empty");
    assert!(after.key(Some("b")).take_requests(1, now).is_ok(), "a new key has its own");
    assert_eq!(after.key(Some("a")).levels(now).requests.unwrap().limit, 20);
    assert!(
        after.key(Some("a")).take_requests(1, now + Duration::from_secs(3)).is_ok(),
        "it fills at its new pace"
    );
    assert!(!after.has_room(after.key(Some("b")), 30), "bodies that are held are held");
    drop(share);
    assert!(after.has_room(after.key(Some("b")), 100));

    let (settings, keys) = two(2, KeyLimits::default(), None);
    let open = after.continued(&settings, KeyLimits::default(), keys, now);
    assert!(open.key(Some("a")).take_requests(1, now).is_ok());
}

#[test]
fn whoever_holds_a_permit_holds_it_under_other_bounds_too() {
    let now = Instant::now();
    let any = KeyLimits { concurrency: Some(9), ..KeyLimits::default() };
    let (settings, keys) = two(2, any, Some(any));
    let before = Limits::new(&settings, any, keys, now);
    let permit = |limits: &Limits, name: &str| match limits.enter(limits.key(Some(name))) {
        Ok(Entry::Permit(permit)) => permit,
        Ok(Entry::Waiting(_)) | Err(_) => panic!("{name} has to wait"),
    };
    let held = [permit(&before, "a"), permit(&before, "b")];

    // One slot less, and `b` is gone: both still hold theirs.
    let (settings, keys) = two(1, any, None);
    let fewer = before.continued(&settings, any, keys, now);
    let Ok(Entry::Waiting(mut waiting)) = fewer.enter(fewer.key(Some("a"))) else {
        panic!("no slot is free")
    };
    let [a, b] = held;
    drop(b);
    assert!((&mut waiting).now_or_never().is_none(), "one holder for one slot");
    // A slot more lets those on who wait for it.
    let (settings, keys) = two(2, any, Some(any));
    let more = fewer.continued(&settings, any, keys, now);
    let third = (&mut waiting).now_or_never().expect("there is a slot").unwrap();
    assert!(matches!(more.enter(more.key(Some("b"))), Ok(Entry::Waiting(_))));
    drop((a, third));
    drop([permit(&more, "a"), permit(&more, "b")]);
}

#[test]
fn keys_that_come_and_go_leave_nothing_behind() {
    let mut now = Instant::now();
    let any = KeyLimits { requests_per_minute: Some(60), ..KeyLimits::default() };
    let settings = Settings {
        concurrency: Some(10),
        queue_length: 0,
        queue_wait: Duration::ZERO,
        body_bytes: None,
        turns: 2,
    };
    let of = |day: u32| vec![(format!("of day {day}"), any)];
    let mut limits = Limits::new(&settings, any, of(0), now);
    let long = match limits.enter(limits.key(Some("of day 0"))) {
        Ok(Entry::Permit(permit)) => permit,
        Ok(Entry::Waiting(_)) | Err(_) => panic!("there is a slot"),
    };
    for day in 1..100 {
        let key = limits.key(Some(&format!("of day {}", day - 1))).clone();
        key.take_requests(1, now).unwrap();
        drop(key);
        now += Duration::from_mins(1);
        limits = limits.continued(&settings, any, of(day), now);
        // The last one may be in use still, and the first one is.
        assert!(limits.0.former.len() <= 2 + 1 && limits.0.places.len() <= 5, "{}", limits.0.places.len());
        assert!(limits.0.former.contains_key("of day 0"));
    }
    assert_eq!(limits.0.gate.counts().iter().map(|(held, _)| held).sum::<usize>(), 1);
    drop(long);
    for day in 100..103 {
        limits = limits.continued(&settings, any, of(day), now);
    }
    assert!(!limits.0.former.contains_key("of day 0"));
    // Who has used something up is remembered until it has flowed in again.
    limits.key(Some("of day 102")).take_requests(1, now).unwrap();
    for day in 103..110 {
        limits = limits.continued(&settings, any, of(day), now);
    }
    let back = limits.continued(&settings, any, of(102), now);
    assert_eq!(back.key(Some("of day 102")).levels(now).requests.unwrap().remaining, 59);
    drop(back);
    let later = limits.continued(&settings, any, of(110), now + Duration::from_mins(1));
    assert!(!later.0.former.contains_key("of day 102"));
}
