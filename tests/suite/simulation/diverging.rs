//! R5: clients that do not do what they did.
//!
//! Whether a change must be seen follows from what was asked, then and now, and from nothing that the engine says:
//! requests with the same key are all alike, and those whose clients had gone may come or not.

use std::collections::BTreeMap;

use blkreplay_core::device::Dice;
use blkreplay_core::engine::{Asked, Divergence, DivergenceKind, Order, Plan};
use blkreplay_core::event::Payload;
use blkreplay_core::format::PayloadPolicy;
use blkreplay_core::request::{Request, RequestId};
use bytes::Bytes;

use super::changes::{Change, Kind};
use super::claims;
use super::client::Sent;
use super::faults;
use super::recorded::Recorded;
use super::recording::Recording;
use super::replaying::{Outcome, reader};
use super::replays::{live, take};
use super::script::{ActionId, Shape};
use super::seeds::for_seeds;
use super::steps;

/// What requests are told apart by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    device: usize,
    request: String,
    /// Of a write, if the trace knows of it.
    data: Bytes,
}

impl Key {
    fn of(sent: &Sent, policy: PayloadPolicy) -> Key {
        let known = policy != PayloadPolicy::None;
        let data = if known { sent.data.clone() } else { Bytes::new() };
        Key { device: sent.device, request: told(&sent.request), data }
    }

    /// Whether a divergence speaks of such a request.
    fn is_named(&self, asked: &Asked) -> bool {
        usize::from(asked.device.0) == self.device
            && told(&asked.request) == self.request
            && (self.data.is_empty() || !asked.payload.differs(&Payload::of(&self.data)))
    }
}

fn told(request: &Request) -> String {
    format!("{request:?}")
}

/// Whether a change must be reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    Must,
    May,
    MustNot,
}

/// A change and its replay.
struct Changed<'a> {
    recording: &'a Recording,
    first: &'a Recorded,
    change: &'a Change,
    kind: Kind,
    order: Order,
    outcome: &'a Outcome,
}

impl Changed<'_> {
    fn find(sent: &[Sent], action: Option<ActionId>) -> Option<&Sent> {
        sent.iter().find(|sent| Some(sent.action) == action)
    }

    /// The request as it was recorded.
    fn was(&self) -> Option<Key> {
        let sent = Self::find(&self.recording.history.sent, self.change.was)?;
        Some(Key::of(sent, self.first.policy))
    }

    /// The request as it came, if it came.
    fn is(&self) -> Option<Key> {
        let sent = Self::find(&self.outcome.history.sent, self.change.is)?;
        Some(Key::of(sent, self.first.policy))
    }

    /// Whether it must be reported.
    fn seen(&self) -> Seen {
        let unheard = steps::unheard(self.first);
        // How many must come, and how many may come.
        let mut wanted: BTreeMap<Key, (usize, usize)> = BTreeMap::new();
        for (number, sent) in (0..).zip(&self.recording.history.sent) {
            let (must, may) = wanted.entry(Key::of(sent, self.first.policy)).or_default();
            *may += 1;
            *must += usize::from(!unheard.contains(&RequestId(number)));
        }
        if self.kind == Kind::Swapped {
            let alone = self.was().is_some_and(|was| wanted[&was] == (1, 1));
            return if alone && self.order == Order::Recorded { Seen::Must } else { Seen::May };
        }
        let mut came: BTreeMap<Key, usize> =
            wanted.iter().map(|(key, (_, may))| (key.clone(), *may)).collect();
        if let Some(was) = self.was() {
            *came.get_mut(&was).unwrap() -= 1;
        }
        if let Some(is) = self.is() {
            *came.entry(is).or_default() += 1;
        }
        let as_many = |key: &Key, count: &usize| {
            let (must, may) = wanted.get(key).copied().unwrap_or_default();
            (must..=may).contains(count)
        };
        if !came.iter().all(|(key, count)| as_many(key, count)) {
            return Seen::Must;
        }
        let same = came.iter().all(|(key, count)| wanted[key].1 == *count);
        let unheard = self.was().is_some_and(|was| wanted[&was] == (0, 1));
        if same || unheard { Seen::MustNot } else { Seen::May }
    }

    fn is_named(&self, divergence: &Divergence) -> bool {
        let keys = [self.was(), self.is()];
        let unanswered = match &divergence.kind {
            DivergenceKind::Order { unanswered, .. }
            | DivergenceKind::Missing { unanswered, .. } => &unanswered[..],
            _ => &[],
        };
        let mut asked = divergence.expected.iter().chain(&divergence.came).chain(unanswered);
        asked.any(|asked| keys.iter().flatten().any(|key| key.is_named(asked)))
    }

    /// The first of two that were swapped is waited for; with the second at hand, that is a matter of their order.
    fn check_swapped(&self, divergence: &Divergence) -> Result<(), String> {
        let order = matches!(divergence.kind, DivergenceKind::Order { .. });
        let missing = matches!(divergence.kind, DivergenceKind::Missing { .. });
        let named = divergence.expected.is_some_and(|one| self.was().unwrap().is_named(&one));
        let goes_on =
            self.outcome.history.received.iter().any(|one| Some(one.action) == self.change.is);
        if named && (order || (missing && (self.is().is_none() || goes_on))) {
            return Ok(());
        }
        Err(format!("not the order of two: {}", claims::told(std::slice::from_ref(divergence))))
    }

    /// R5. Whether it was to be seen.
    fn check(&self) -> Result<Seen, String> {
        let seen = self.seen();
        let replayed = self.outcome.replayed.as_ref().map_err(ToString::to_string)?;
        let divergences = &replayed.divergences;
        match (seen, divergences.is_empty()) {
            (Seen::Must, true) => return Err("nobody noticed".to_owned()),
            (Seen::MustNot, false) => {
                return Err(format!("that is no difference: {}", claims::told(divergences)));
            }
            (_, true) => return Ok(seen),
            (_, false) => {}
        }
        if !divergences.iter().any(|one| self.is_named(one)) {
            return Err(format!("none of these names it: {}", claims::told(divergences)));
        }
        if self.kind == Kind::Swapped && seen == Seen::Must {
            self.check_swapped(&divergences[0])?;
        }
        Recorded::read(self.outcome.trace.clone())?.check_pairs()?;
        Ok(seen)
    }
}

/// Records, changes the client in one way, and replays it.
fn check_change(seed: u64, kind: Kind) -> Result<Option<Seen>, String> {
    let recording = take(seed, Shape::USUAL, faults::clean).record();
    let first = Recorded::read(recording.trace.clone())?;
    let mut dice = Dice::new(!seed);
    let Some(change) = Change::make(&recording.script, kind, &mut dice) else { return Ok(None) };
    let mut way = live(&recording, &mut dice);
    way.script = change.script.clone();
    if dice.one_in(3) {
        way.rules.order = Order::Conflict;
    }
    if dice.one_in(2) && Plan::of(&mut reader(&recording)).unwrap().needs_reads().is_ok() {
        way.images = None;
    }
    let order = way.rules.order;
    let goes_on = way.rules.goes_on;
    let outcome = way.replay(&recording);
    let (recording, first, change, outcome) = (&recording, &first, &change, &outcome);
    let changed = Changed { recording, first, change, kind, order, outcome };
    changed.check().map(Some).map_err(|why| {
        let (was, is) = (changed.was(), changed.is());
        let what = format!("{kind:?} ({order:?}, goes on: {goes_on})\n{was:?}\n{is:?}\n{why}");
        format!("{what}\nrecorded:\n{}", steps::told_whole(first))
    })
}

#[test]
fn a_change_to_the_client_is_a_divergence_that_names_it() {
    for_seeds(19_900..22_600, |seed| {
        let kind = Kind::ALL[usize::try_from(seed % 9).unwrap()];
        check_change(seed, kind).map(drop)
    });
}

#[test]
fn most_changes_must_be_seen() {
    let mut seen: BTreeMap<Kind, [u32; 2]> = BTreeMap::new();
    for seed in 0..360 {
        let kind = Kind::ALL[usize::try_from(seed % 9).unwrap()];
        if let Some(whether) = check_change(seed, kind).unwrap() {
            seen.entry(kind).or_default()[usize::from(whether == Seen::Must)] += 1;
        }
    }
    let rare = seen.values().filter(|[may, must]| must <= may || *must < 10);
    assert_eq!((rare.count(), seen.len()), (0, Kind::ALL.len()), "{seen:?}");
}
