//! Replays on images that are not what they were, that go wrong, or that never answer.
//!
//! Which requests must notice follows from what the client asked, one after the other. Knows nothing of how a replay
//! compares.

use std::collections::BTreeSet;

use blkreplay_core::device::{Dice, Effect, Rule, When};
use blkreplay_core::engine::{DivergenceKind, ReplayError, Source};
use blkreplay_core::format::PayloadPolicy;
use blkreplay_core::request::{Errno, Operation, RequestId};

use super::claims;
use super::client::Sent;
use super::faults::{self, UNTOUCHED};
use super::recorded::Recorded;
use super::recording::{Recording, Take};
use super::replaying::Way;
use super::replays::{alone, live, take};
use super::script::{DEVICE_BYTES, Shape};
use super::seeds::for_seeds;
use super::steps;

/// With its client, or on images alone.
fn any_way(recording: &Recording, dice: &mut Dice) -> Way {
    if dice.one_in(2) { live(recording, dice) } else { alone(recording, dice) }
}

/// Requests with their ids, in order, each with how it ended.
fn requests<'a>(
    recording: &'a Recording,
    first: &'a Recorded,
) -> impl Iterator<Item = (RequestId, &'a Sent, Result<(), Errno>)> {
    (0..).zip(&recording.history.sent).map(|(number, sent)| {
        let id = RequestId(number);
        let block = first.blocks.iter().map(|one| &one.2).find(|block| block.id == id);
        (id, sent, block.unwrap().result)
    })
}

/// The reads that see a byte that was changed before the first request.
fn who_sees(
    recording: &Recording,
    first: &Recorded,
    device: usize,
    byte: u64,
) -> BTreeSet<RequestId> {
    let mut seeing = BTreeSet::new();
    for (id, sent, result) in requests(recording, first) {
        let range = sent.request.range;
        let hit = sent.device == device && range.offset <= byte && byte < range.end();
        if !hit || result.is_err() {
            continue;
        }
        if sent.request.operation.modifies() {
            break;
        }
        if sent.request.operation == Operation::Read {
            seeing.insert(id);
        }
    }
    seeing
}

/// What is recorded, read again, and the dice for its replay.
fn record(take: Take, seed: u64) -> Result<(Recording, Recorded, Dice), String> {
    let recording = take.record();
    let first = Recorded::read(recording.trace.clone())?;
    Ok((recording, first, Dice::new(!seed)))
}

#[test]
fn a_changed_byte_is_reported_by_a_read_that_sees_it_and_by_no_other() {
    for_seeds(22_600..23_200, |seed| {
        let (recording, first, mut dice) = record(take(seed, Shape::USUAL, faults::clean), seed)?;
        let mut way = any_way(&recording, &mut dice);
        way.rules.goes_on = false;
        let device = dice.place(recording.before.len()).unwrap();
        // Mostly where much is read.
        let reach = *dice.pick(&[2048, 2048, DEVICE_BYTES]).unwrap();
        let byte = dice.below(reach);
        way.images.as_mut().unwrap()[device][usize::try_from(byte).unwrap()] ^= 0x40;
        let (is_live, filled) = (way.rules.source == Source::Clients, way.fill);
        let outcome = way.replay(&recording);
        let seeing = who_sees(&recording, &first, device, byte);
        let unheard = steps::unheard(&first);
        let must = first.policy != PayloadPolicy::None
            && filled == blkreplay_core::engine::Fill::None
            && seeing.iter().any(|id| !is_live || !unheard.contains(id));
        let replayed = outcome.replayed.as_ref().map_err(ToString::to_string)?;
        let told = claims::told(&replayed.divergences);
        match &replayed.divergences[..] {
            [] if must => Err(format!("nobody noticed byte {byte} of {device}: {seeing:?}")),
            [] => Ok(()),
            [one] if matches!(one.kind, DivergenceKind::Data { .. }) => {
                let id = one.expected.and_then(|asked| asked.id);
                let sees = id.is_some_and(|id| seeing.contains(&id));
                if sees { Ok(()) } else { Err(format!("{seeing:?} see it: {told}")) }
            }
            _ => Err(format!("these are no data: {told}")),
        }
    });
}

#[test]
fn what_worked_and_fails_now_is_reported() {
    for_seeds(23_200..23_800, |seed| {
        let (recording, first, mut dice) = record(take(seed, Shape::USUAL, faults::clean), seed)?;
        let mut way = any_way(&recording, &mut dice);
        way.rules.goes_on = false;
        let when = When::OneIn(1 + dice.below(40));
        let (operation, range, effect) = (None, None, Effect::Error(Errno::EIO));
        way.faults
            .iter_mut()
            .for_each(|rules| *rules = vec![Rule { operation, range, when, effect }]);
        let outcome = way.replay(&recording);
        let replayed = outcome.replayed.as_ref().map_err(ToString::to_string)?;
        let told = claims::told(&replayed.divergences);
        match (&replayed.divergences[..], outcome.struck) {
            ([], 0) => Ok(()),
            ([], struck) => Err(format!("{struck} requests failed, and nobody noticed")),
            ([one], 1..) if one.kind == (DivergenceKind::Result { now: Errno::EIO }) => {
                let id = one.expected.and_then(|asked| asked.id);
                let worked =
                    |(of, _, result): (_, _, Result<(), Errno>)| Some(of) == id && result.is_ok();
                let worked = requests(&recording, &first).any(worked);
                if worked { Ok(()) } else { Err(format!("that had failed: {told}")) }
            }
            (_, struck) => Err(format!("{struck} failed: {told}")),
        }
    });
}

#[test]
fn where_a_change_failed_halfway_only_reads_of_its_range_may_differ() {
    for_seeds(23_800..24_400, |seed| {
        let mut take = take(seed, Shape::USUAL, faults::honest);
        if take.policy == PayloadPolicy::Hash {
            take.policy = PayloadPolicy::Write;
        }
        let (recording, first, mut dice) = record(take, seed)?;
        // What a client reads it may write elsewhere: it must get the recorded data.
        let with_client = first.policy == PayloadPolicy::All && dice.one_in(2);
        let mut way =
            if with_client { live(&recording, &mut dice) } else { alone(&recording, &mut dice) };
        way.rules.goes_on = true;
        let outcome = way.replay(&recording);
        let replayed = outcome.replayed.as_ref().map_err(ToString::to_string)?;
        for divergence in &replayed.divergences {
            let id = divergence.expected.and_then(|asked| asked.id);
            let (asked, read) = requests(&recording, &first)
                .find(|(of, ..)| Some(*of) == id)
                .map(|(id, sent, _)| (id, sent))
                .ok_or("a divergence of nothing")?;
            let torn = requests(&recording, &first).any(|(of, sent, result)| {
                let modifies = sent.request.operation.modifies() && sent.refused.is_none();
                let halfway = modifies && result.is_err_and(|errno| errno != UNTOUCHED);
                let overlaps = sent.request.range.overlaps(read.request.range);
                of < asked && sent.device == read.device && halfway && overlaps
            });
            if !torn || !matches!(divergence.kind, DivergenceKind::Data { .. }) {
                return Err(claims::told(&replayed.divergences));
            }
        }
        if first.policy == PayloadPolicy::None {
            return Ok(());
        }
        claims::check_images(&recording, &first, &outcome)
    });
}

#[test]
fn an_image_that_never_answers_is_named_with_what_it_owes() {
    for_seeds(24_400..24_700, |seed| {
        let (recording, first, mut dice) = record(take(seed, Shape::USUAL, faults::clean), seed)?;
        let mut way = any_way(&recording, &mut dice);
        way.dead = dice.place(recording.before.len());
        let dead = way.dead.unwrap();
        let outcome = way.replay(&recording);
        let unheard = steps::unheard(&first);
        let mut asked = requests(&recording, &first).filter(|(_, sent, result)| {
            let done = sent.request.operation != Operation::BlockStatus && result.is_ok();
            sent.device == dead && done
        });
        match &outcome.replayed {
            Err(ReplayError::Silent { id, request, .. }) => {
                let owed = asked.any(|(of, sent, _)| of == *id && sent.request == *request);
                if owed { Ok(()) } else { Err(format!("{id} is not for device {dead}")) }
            }
            Err(error) => Err(error.to_string()),
            Ok(_) if asked.any(|(id, ..)| !unheard.contains(&id)) => {
                Err(format!("nobody waits for device {dead}"))
            }
            Ok(_) => claims::check_same(&outcome),
        }
    });
}
