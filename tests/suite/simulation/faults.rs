//! How devices of a world go wrong: dice come in, rules go out.
//!
//! Honest faults tell the client that something failed, or are late; a lying device says that all is well.
//! Invariant: an error says whether the image was touched.

use blkreplay_core::device::{Dice, Effect, Rule, When};
use blkreplay_core::request::{Errno, Operation};
use blkreplay_core::units::{ByteRange, Nanos};

use super::script::DEVICE_BYTES;

/// The image was not touched by what failed so.
pub(super) const UNTOUCHED: Errno = Errno::ENOSPC;

/// Of what failed so, nobody knows what the image holds.
const TORN: Errno = Errno::EIO;

/// Some errors, torn writes, flushes that do nothing, and delays.
pub(super) fn honest(dice: &mut Dice) -> Vec<Rule> {
    (0..dice.below(4)).map(|_| honest_rule(dice)).collect()
}

fn honest_rule(dice: &mut Dice) -> Rule {
    let when = match dice.below(3) {
        0 => When::Always,
        1 => When::Nth(dice.below(6)),
        _ => When::OneIn(1 + dice.below(8)),
    };
    let offset = dice.below(DEVICE_BYTES);
    let range = dice.one_in(2).then(|| ByteRange::new(offset, 1 + dice.below(600)));
    let every = Rule { operation: None, range, when, effect: Effect::Error(UNTOUCHED) };
    match dice.below(4) {
        0 => {
            let (operation, _) = *dice.pick(&Operation::NAMES).unwrap();
            Rule { operation: Some(operation), ..every }
        }
        1 => Rule { effect: Effect::Torn { result: Err(TORN) }, ..every },
        2 => Rule { operation: Some(Operation::Flush), range: None, effect: Effect::Lost, ..every },
        _ => Rule { effect: Effect::Delay(Nanos(1 + dice.below(10_000_000))), ..every },
    }
}

/// Writes that are told to have worked and have not: lost, or torn.
pub(super) fn lying(dice: &mut Dice) -> Vec<Rule> {
    let torn = Effect::Torn { result: Ok(()) };
    let effect = if dice.one_in(2) { Effect::Lost } else { torn };
    let operation = Some(Operation::Write);
    vec![Rule { operation, range: None, when: When::OneIn(2), effect }]
}

/// Some errors that leave the image alone, flushes that do nothing, and delays.
pub(super) fn clean(dice: &mut Dice) -> Vec<Rule> {
    let rules = honest(dice);
    rules.into_iter().filter(|rule| !matches!(rule.effect, Effect::Torn { .. })).collect()
}

/// Whether a rule only makes something late.
pub(super) fn is_delay(rule: &Rule) -> bool {
    matches!(rule.effect, Effect::Delay(_))
}
