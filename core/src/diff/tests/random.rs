//! Requests that a seed makes up.

use super::{One, discard, flush, read, write, zeroes};
use crate::device::Dice;
use crate::request::{Flags, Operation};

/// A block.
pub(in crate::diff) const BLOCK: u64 = 8;

/// A request of one of so many blocks, or two of them.
pub(in crate::diff) fn any_one(dice: &mut Dice, blocks: u64) -> One {
    let offset = dice.below(blocks) * BLOCK;
    let length = BLOCK * (1 + dice.below(2));
    let bytes = usize::try_from(length).unwrap();
    let fill = u8::try_from(dice.below(250)).unwrap();
    match dice.below(10) {
        0 => flush(),
        1..4 => read(offset, bytes, fill),
        4 => zeroes(offset, length),
        5 => discard(offset, length),
        _ => write(offset, bytes, fill),
    }
}

/// So many.
pub(in crate::diff) fn any_list(dice: &mut Dice, count: u64, blocks: u64) -> Vec<One> {
    (0..count).map(|_| any_one(dice, blocks)).collect()
}

/// The same request, but with data, or flags if it has none, that no other has.
pub(in crate::diff) fn unheard(one: &One) -> One {
    match (&one.data, one.request.operation) {
        (Some(data), Operation::Read | Operation::Write) => {
            let mut data = data.to_vec();
            // Fills are less.
            data[3] = 255;
            One { data: Some(data.into()), ..one.clone() }
        }
        _ => one.clone().with(Flags::REQ_ONE),
    }
}
