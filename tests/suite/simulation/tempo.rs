//! What can happen next in a world, and how likely each of it is. Dice decide.
//!
//! Worlds with deep queues and worlds with empty ones, patient ones and hasty ones. Knows nothing of what a move does.
//! Invariant: first the kind is chosen, then one of it, so that many connections do not drown one device.

use blkreplay_core::device::{Dice, Sim};

/// How many kinds of moves there are.
const KINDS: usize = 7;

/// What can happen next. Numbers are those of sessions and devices.
#[derive(Debug, Clone, Copy)]
pub(super) enum Move {
    Begin(usize),
    Issue(usize),
    Leave(usize),
    Complete(usize),
    Pump(usize),
    /// The player of a replay does what there is to do.
    Turn,
    Pass,
}

/// How likely each kind of move is, and which request a device prefers.
pub(super) struct Tempo {
    weights: [u64; KINDS],
    taste: Taste,
}

/// Which parked request completes next.
#[derive(Debug, Clone, Copy)]
enum Taste {
    Any,
    Oldest,
    /// Starves the first ones for as long as others come.
    Newest,
}

impl Move {
    fn kind(self) -> usize {
        match self {
            Move::Begin(_) => 0,
            Move::Issue(_) => 1,
            Move::Leave(_) => 2,
            Move::Complete(_) => 3,
            Move::Pump(_) => 4,
            Move::Turn => 5,
            Move::Pass => 6,
        }
    }

    /// Whether something is sure to come of it. The others only look whether there is something.
    pub(super) fn is_certain(self) -> bool {
        !matches!(self, Move::Pump(_) | Move::Turn | Move::Pass)
    }
}

impl Tempo {
    pub(super) fn new(dice: &mut Dice) -> Tempo {
        let weights = std::array::from_fn(|_| 1 << dice.below(5));
        let taste = *dice.pick(&[Taste::Any, Taste::Any, Taste::Oldest, Taste::Newest]).unwrap();
        Tempo { weights, taste }
    }

    pub(super) fn choose(&self, moves: &[Move], dice: &mut Dice) -> Move {
        let mut counts = [0; KINDS];
        let mut weights = [0; KINDS];
        for one in moves {
            let kind = one.kind();
            counts[kind] += 1;
            weights[kind] = self.weights[kind];
        }
        let mut left = dice.below(weights.iter().sum());
        let mut kind = 0;
        while left >= weights[kind] {
            left -= weights[kind];
            kind += 1;
        }
        let place = dice.place(counts[kind]).unwrap();
        *moves.iter().filter(|one| one.kind() == kind).nth(place).unwrap()
    }

    /// Completes one of the requests that are parked.
    pub(super) fn complete(&self, sim: &Sim, dice: &mut Dice) -> bool {
        let parked = sim.parked();
        match self.taste {
            // Now and then another one, so that everything ends.
            Taste::Oldest if !dice.one_in(8) => sim.complete(parked[0].0),
            Taste::Newest if !dice.one_in(8) => sim.complete(parked[parked.len() - 1].0),
            _ => sim.complete_next(dice).is_some(),
        }
    }
}
