//! The cases that trapped the design of replays, each made on purpose.
//!
//! What comes in is a script that leads into the trap; what must hold is what holds everywhere.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use blkreplay_core::device::{Dice, Effect, Rule, When};
use blkreplay_core::engine::{DivergenceKind, Order, Source};
use blkreplay_core::format::PayloadPolicy;
use blkreplay_core::request::{Flags, Operation, Request};
use blkreplay_core::units::ByteRange;

use super::claims::{self, Claims};
use super::faults::{self, UNTOUCHED};
use super::recorded::Recorded;
use super::recording::{Recording, Take};
use super::replaying::{Outcome, Way};
use super::replays::{alone, check, live, take};
use super::script::{Action, ActionId, Data, Ending, Script, Session, Shape};
use super::seeds::{for_seeds, run};

fn session(actions: Vec<Action>) -> Session {
    Session { device: 0, after: None, behind: None, actions, ending: Ending::Asked }
}

fn action(id: usize, operation: Operation, offset: u64, length: u64) -> Action {
    let range = ByteRange::new(offset, length);
    Action {
        id: ActionId(u32::try_from(id).unwrap()),
        request: Request { operation, range, flags: Flags::NONE },
        data: if operation == Operation::Write { Data::Made(id as u64) } else { Data::None },
        refused: None,
        waits_for: Vec::new(),
        lock: None,
    }
}

fn script(sessions: Vec<Session>) -> Script {
    Script { devices: 1, locks: 1, sessions }
}

/// A take of this script; everything else is as the seed has it.
fn take_of(seed: u64, script: Script, policy: PayloadPolicy) -> Take {
    let usual = take(seed, Shape { devices: 1, ..Shape::USUAL }, |_| Vec::new());
    Take { script, policy, ..usual }
}

/// Many connections that write and read the same few bytes, none waiting for anything.
fn crowd(dice: &mut Dice) -> Script {
    let mut sessions = Vec::new();
    for lane in 0..4 {
        let actions = (0..10).map(|number| {
            let operation = *dice
                .pick(&[
                    Operation::Write,
                    Operation::Write,
                    Operation::Write,
                    Operation::Read,
                    Operation::Read,
                    Operation::Discard,
                ])
                .unwrap();
            action(lane * 10 + number, operation, dice.below(64), 1 + dice.below(64))
        });
        sessions.push(session(actions.collect()));
    }
    let mut script = script(sessions);
    script.greet(dice);
    script
}

#[test]
fn overlapping_writes_in_flight_leave_behind_what_they_left() {
    for_seeds(24_700..25_100, |seed| {
        let script = crowd(&mut Dice::new(seed));
        for way in [live, alone] {
            check(seed, take_of(seed, script.clone(), PayloadPolicy::All), way)?;
        }
        Ok(())
    });
}

#[test]
fn of_connections_that_break_only_that_is_expected_which_they_heard() {
    for_seeds(25_100..25_700, |seed| {
        let mut take = take(seed, Shape::USUAL, faults::clean);
        take.policy = *Dice::new(seed).pick(&[PayloadPolicy::Write, PayloadPolicy::All]).unwrap();
        let actions = take.script.sessions.iter().flat_map(|session| &session.actions);
        let needed: BTreeSet<_> = actions.flat_map(|one| one.waits_for.clone()).collect();
        for session in &mut take.script.sessions {
            if !session.actions.iter().any(|action| needed.contains(&action.id)) {
                session.ending = Ending::Aborted;
            }
        }
        check(seed, take, live)
    });
}

#[test]
fn recorded_errors_come_again_on_an_image_without_any() {
    let failing = |dice: &mut Dice| {
        let (operation, range, effect) = (None, None, Effect::Error(UNTOUCHED));
        vec![Rule { operation, range, when: When::OneIn(1 + dice.below(3)), effect }]
    };
    for_seeds(25_700..26_000, |seed| {
        for way in [live, alone] {
            check(seed, take(seed, Shape::USUAL, failing), way)?;
        }
        Ok(())
    });
}

/// Replays the client with other dice; nothing goes wrong.
fn again(recording: &Recording, seed: u64, order: Order) -> Outcome {
    let mut way = Way::of(recording, Source::Clients, Dice::new(!seed));
    way.rules.order = order;
    way.replay(recording)
}

/// Whether a replay holds, or says that it is a matter of order.
fn holds_or_is_order(
    recording: &Recording,
    outcome: &Outcome,
    order: Order,
) -> Result<bool, String> {
    let replayed = outcome.replayed.as_ref().map_err(ToString::to_string)?;
    match &replayed.divergences[..] {
        [] => {
            let first = Recorded::read(recording.trace.clone())?;
            Claims::of(recording, &first, outcome, &recording.script, order)?.check()?;
            Ok(false)
        }
        [one] if matches!(one.kind, DivergenceKind::Order { .. }) => Ok(true),
        others => Err(claims::told(others)),
    }
}

#[test]
fn two_threads_that_share_a_lock_the_other_way_round_are_a_matter_of_order() {
    let other_way = AtomicU64::new(0);
    // Always these seeds, for of a single one nothing is promised.
    let outcome = run(0..400, &|seed| {
        let shape = Shape { devices: 1, locks: 2, ..Shape::USUAL };
        let recording = take(seed, shape, |_| Vec::new()).record();
        let outcome = again(&recording, seed, Order::Recorded);
        let order = holds_or_is_order(&recording, &outcome, Order::Recorded)?;
        other_way.fetch_add(u64::from(order), Ordering::Relaxed);
        Ok(())
    });
    assert_eq!(outcome, Ok(()));
    let other_way = other_way.into_inner();
    assert!((100..390).contains(&other_way), "{other_way} times the other way round");
}

#[test]
fn in_the_order_of_conflicts_the_other_thread_goes_ahead() {
    for_seeds(26_000..26_400, |seed| {
        // They hold the same lock and touch different bytes.
        let lane = |lane: usize| {
            let one = |number: usize| {
                let id = lane * 8 + number;
                let operation = if number % 3 == 2 { Operation::Read } else { Operation::Write };
                let locked = action(id, operation, id as u64 * 512, 512);
                Action { lock: Some(0), ..locked }
            };
            session((0..8).map(one).collect())
        };
        let script = script(vec![lane(0), lane(1)]);
        let recording = take_of(seed, script, PayloadPolicy::Write).record();
        let outcome = again(&recording, seed, Order::Conflict);
        if holds_or_is_order(&recording, &outcome, Order::Conflict)? {
            return Err("it does not go ahead".to_owned());
        }
        Ok(())
    });
}

/// Two connections, each with so many writes of its own, or what the second one does; that one sends nothing before
/// the first has sent all.
fn two_lanes(count: usize, second: Operation) -> Script {
    let lane = |lane: usize, operation: Operation| {
        let one = |number: usize| {
            let id = lane * count + number;
            action(id, operation, id as u64 * 16, 16)
        };
        session((0..count).map(one).collect())
    };
    let (first, second) = (lane(0, Operation::Write), lane(1, second));
    script(vec![first, Session { behind: Some(0), ..second }])
}

/// The same, but the first sends nothing before the second has sent all.
fn the_other_way_round(mut script: Script) -> Script {
    script.sessions[0].behind = Some(1);
    script.sessions[1].behind = None;
    script
}

#[test]
fn arrivals_shifted_by_hundreds_of_places_are_kept_and_spilled() {
    for_seeds(0..8, |seed| {
        let script = two_lanes(400, Operation::Write);
        let recording = take_of(seed, script, PayloadPolicy::Hash).record();
        let mut way = Way::of(&recording, Source::Clients, Dice::new(!seed));
        way.script = the_other_way_round(way.script);
        way.rules.kept_bytes_max = 1600;
        let script = way.script.clone();
        let outcome = way.replay(&recording);
        let first = Recorded::read(recording.trace.clone())?;
        Claims::of(&recording, &first, &outcome, &script, Order::Recorded)?.check()?;
        // All of the second connection but what memory kept: at least 250 of 400.
        if outcome.spilled >= 250 * 16 {
            Ok(())
        } else {
            Err(format!("{} bytes were spilled", outcome.spilled))
        }
    });
}

#[test]
fn arrivals_beyond_the_window_are_told_from_unexpected_ones() {
    for_seeds(0..8, |seed| {
        let script = two_lanes(400, Operation::Discard);
        let recording = take_of(seed, script, PayloadPolicy::Hash).record();
        let mut way = Way::of(&recording, Source::Clients, Dice::new(!seed));
        way.script = the_other_way_round(way.script);
        way.rules.window = 100;
        let outcome = way.replay(&recording);
        let replayed = outcome.replayed.as_ref().map_err(ToString::to_string)?;
        let kinds: Vec<_> = replayed.divergences.iter().map(|one| one.kind.clone()).collect();
        let came = replayed.divergences.first().and_then(|one| one.came);
        let second = came.is_some_and(|asked| asked.request.range.offset >= 400 * 16);
        match &kinds[..] {
            [DivergenceKind::Window { window: 100 }] if second => Ok(()),
            _ => Err(claims::told(&replayed.divergences)),
        }
    });
}

#[test]
fn without_an_order_every_replay_comes_to_an_end() {
    for_seeds(26_400..26_700, |seed| {
        let recording = take(seed, Shape::USUAL, faults::clean).record();
        let mut way = alone(&recording, &mut Dice::new(!seed));
        way.rules.order = Order::None;
        way.races = true;
        let outcome = way.replay(&recording);
        claims::check_same(&outcome)?;
        Recorded::read(outcome.trace)?.check_pairs()
    });
}

#[test]
fn a_client_that_ends_with_another_status_is_a_divergence_too() {
    for_seeds(26_700..26_750, |seed| {
        let recording = take(seed, Shape::USUAL, |_| Vec::new()).record();
        let mut way = live(&recording, &mut Dice::new(!seed));
        way.status = 7;
        let outcome = way.replay(&recording);
        let replayed = outcome.replayed.as_ref().map_err(ToString::to_string)?;
        let kinds: Vec<_> = replayed.divergences.iter().map(|one| one.kind.clone()).collect();
        let status = DivergenceKind::ClientStatus { recorded: 0, now: 7 };
        if kinds == [status] { Ok(()) } else { Err(format!("{kinds:?}")) }
    });
}
