//! Replays under every seed: R1 to R4 and R6, seen from the client and the image.
//!
//! A world is recorded, then replayed with other dice: with its client, or on images alone. Invariant: every seed
//! records something else, and is replayed in another way.

use std::collections::BTreeMap;

use blkreplay_core::device::{Dice, Rule};
use blkreplay_core::engine::{Fill, Order, Plan, Source, Timing};
use blkreplay_core::event::Payload;
use blkreplay_core::format::PayloadPolicy;
use blkreplay_core::request::{Operation, RequestId};

use super::claims::{self, Claims};
use super::client::action_of;
use super::faults;
use super::recorded::Recorded;
use super::recording::{Recording, Take};
use super::replaying::{Way, reader};
use super::script::{ActionId, Ending, Shape};
use super::seeds::for_seeds;
use super::steps;

/// A recording that can be replayed without a word: all data of writes that nobody may bring are in its trace.
pub(super) fn take(seed: u64, shape: Shape, rules: impl Fn(&mut Dice) -> Vec<Rule>) -> Take {
    let mut take = Take::usual(seed, shape, rules);
    take.script.greet(&mut take.timing);
    if !matches!(take.policy, PayloadPolicy::Write | PayloadPolicy::All) {
        // The data of a write whose client breaks may never come.
        take.script.sessions.iter_mut().for_each(|session| session.ending = Ending::Asked);
    }
    take
}

/// Some delays, which a replay must not mind.
pub(super) fn late(dice: &mut Dice) -> Vec<Rule> {
    let rules = faults::honest(dice);
    rules.into_iter().filter(faults::is_delay).collect()
}

/// How the client is replayed: one way out of all in which it must see the same.
pub(super) fn live(recording: &Recording, dice: &mut Dice) -> Way {
    let mut way = Way::of(recording, Source::Clients, dice.split());
    way.rules.goes_on = dice.one_in(2);
    way.kills = dice.one_in(2);
    if dice.one_in(4) {
        way.rules.timing = Timing::Scaled(1.0);
    }
    if dice.one_in(4) {
        way.rules.kept_bytes_max = dice.below(2000);
    }
    way.faults.iter_mut().for_each(|rules| *rules = late(dice));
    way
}

/// How a recording is replayed on images alone.
pub(super) fn alone(recording: &Recording, dice: &mut Dice) -> Way {
    let mut way = Way::of(recording, Source::Log, dice.split());
    way.rules.goes_on = dice.one_in(2);
    if dice.one_in(3) {
        way.rules.depth = 1 + dice.place(5).unwrap();
    }
    if dice.one_in(4) {
        way.rules.timing = Timing::Scaled(*dice.pick(&[0.5, 1.0, 3.0]).unwrap());
    }
    if Plan::of(&mut reader(recording)).unwrap().needs_writes().is_err() {
        way.fill = *dice.pick(&[Fill::Zero, Fill::Random]).unwrap();
    }
    way.faults.iter_mut().for_each(|rules| *rules = late(dice));
    way
}

fn in_order_of_conflicts(mut way: Way) -> Way {
    way.rules.order = Order::Conflict;
    way
}

/// Records, replays, and holds both against each other.
pub(super) fn check(
    seed: u64,
    take: Take,
    way: impl Fn(&Recording, &mut Dice) -> Way,
) -> Result<(), String> {
    let recording = take.record();
    let first = Recorded::read(recording.trace.clone())?;
    let way = way(&recording, &mut Dice::new(!seed));
    let (script, order, fill) = (way.script.clone(), way.rules.order, way.fill);
    let outcome = way.replay(&recording);
    let claims = Claims::of(&recording, &first, &outcome, &script, order)?;
    let held = if fill == Fill::None { claims.check() } else { claims.check_filled() };
    held.map_err(|why| format!("{why}\nrecorded:\n{}", steps::told_whole(&first)))
}

#[test]
fn a_client_that_is_replayed_sees_what_it_saw_whatever_the_order_of_completions() {
    for_seeds(10_600..13_600, |seed| check(seed, take(seed, Shape::USUAL, faults::clean), live));
}

#[test]
fn in_the_order_of_conflicts_a_client_gets_what_it_got() {
    for_seeds(13_600..15_100, |seed| {
        let way = |recording: &_, dice: &mut _| in_order_of_conflicts(live(recording, dice));
        check(seed, take(seed, Shape::USUAL, faults::clean), way)
    });
}

#[test]
fn images_end_up_as_they_did_in_the_recorded_order() {
    for_seeds(15_100..16_600, |seed| check(seed, take(seed, Shape::USUAL, faults::clean), alone));
}

#[test]
fn images_end_up_as_they_did_in_the_order_of_conflicts() {
    for_seeds(16_600..18_100, |seed| {
        let way = |recording: &_, dice: &mut _| in_order_of_conflicts(alone(recording, dice));
        check(seed, take(seed, Shape::USUAL, faults::clean), way)
    });
}

#[test]
fn without_an_image_the_trace_answers_if_it_can_answer_all() {
    for_seeds(18_100..18_900, |seed| {
        let mut take = take(seed, Shape::USUAL, faults::clean);
        take.policy = *Dice::new(seed).pick(&[take.policy, PayloadPolicy::All]).unwrap();
        let recording = take.record();
        let first = Recorded::read(recording.trace.clone())?;
        let has_data = |payload| matches!(payload, Payload::Stored(..) | Payload::Zeroes);
        let has_all = first.blocks.iter().all(|(_, _, block, _)| {
            let read = block.operation == Operation::Read && block.result.is_ok();
            !read || block.flags.undelivered || has_data(block.payload)
        });
        let plan = Plan::of(&mut reader(&recording)).unwrap();
        if plan.needs_reads().is_ok() != has_all {
            return Err(format!("{:?}", plan.needs_reads()));
        }
        if !has_all {
            return Ok(());
        }
        let mut way = live(&recording, &mut Dice::new(!seed));
        way.images = None;
        let (script, order) = (way.script.clone(), way.rules.order);
        let outcome = way.replay(&recording);
        Claims::of(&recording, &first, &outcome, &script, order)?.check()
    });
}

#[test]
fn with_recorded_times_no_answer_comes_before_its_time() {
    for_seeds(18_900..19_400, |seed| {
        let recording = take(seed, Shape::USUAL, faults::clean).record();
        let mut way = live(&recording, &mut Dice::new(!seed));
        way.rules.timing = Timing::Scaled(1.0);
        let outcome = way.replay(&recording);
        claims::check_same(&outcome)?;
        let first = Recorded::read(recording.trace.clone())?;
        let again = Recorded::read(outcome.trace)?;
        let actions: BTreeMap<RequestId, ActionId> = again
            .issues
            .iter()
            .filter_map(|one| Some((one.1.id, action_of(one.1.cookie)?)))
            .collect();
        let replies = outcome.history.replies();
        for (block, at) in first.blocks.iter().map(|one| &one.2).zip(&first.released_at) {
            let reply = actions.get(&block.id).and_then(|action| replies.get(action));
            let due = at.since(first.issued_at[0]);
            if let Some(reply) = reply.filter(|reply| reply.at < due) {
                return Err(format!("{reply:?} came before {due:?}"));
            }
        }
        Ok(())
    });
}

#[test]
fn on_images_no_request_goes_out_before_its_time() {
    for_seeds(19_400..19_900, |seed| {
        let recording = take(seed, Shape::USUAL, faults::clean).record();
        let mut dice = Dice::new(!seed);
        let mut way = alone(&recording, &mut dice);
        let half = dice.one_in(2);
        way.rules.timing = Timing::Scaled(if half { 0.5 } else { 2.0 });
        let outcome = way.replay(&recording);
        claims::check_same(&outcome)?;
        let first = Recorded::read(recording.trace.clone())?;
        let again = Recorded::read(outcome.trace)?;
        for ((_, issue, _), at) in again.issues.iter().zip(&again.issued_at) {
            let was = first.issued_at[usize::try_from(issue.id.0).unwrap()];
            let recorded = was.since(first.issued_at[0]).0;
            let due = if half { recorded * 2 } else { recorded / 2 };
            // A nanosecond may be lost.
            if at.since(again.issued_at[0]).0 + 1 < due {
                return Err(format!("{} went out at {at:?}, {due} ns after the first", issue.id));
            }
        }
        Ok(())
    });
}
