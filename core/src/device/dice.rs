//! Chance that can be repeated: a seed comes in, the same choices come out on every system.
//!
//! The generator is named and specified (xoshiro256++, started by splitmix64), and what is made of its numbers
//! is made here, so that a seed in a report means the same in a later version. Nothing here is secret or
//! unpredictable. Invariant: equal seeds and equal questions give equal answers.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// Makes choices that follow from a seed.
#[derive(Debug, Clone)]
pub struct Dice(Xoshiro256PlusPlus);

impl Dice {
    /// The choices that belong to `seed`.
    pub fn new(seed: u64) -> Dice {
        Dice(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `limit`, which is not 0. All are as likely as each other but for one part in `2^64 / limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        assert!(limit > 0, "no number is below 0");
        let wide = u128::from(self.number()) * u128::from(limit);
        // Less than `limit`, so it fits.
        u64::try_from(wide >> 64).unwrap_or_default()
    }

    /// True once in `count` times, which is not 0.
    pub fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    /// A place in a list of `length`; `None` if it is empty.
    pub fn place(&mut self, length: usize) -> Option<usize> {
        let place = (length > 0).then(|| self.below(length as u64))?;
        usize::try_from(place).ok()
    }

    /// One of `choices`; `None` if there are none.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        self.place(choices.len()).map(|place| &choices[place])
    }

    /// Other dice, whose choices have nothing to do with those that these make from now on.
    pub fn split(&mut self) -> Dice {
        Dice::new(self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_for_ever() {
        // Computed apart from this code, from the definitions of splitmix64 and xoshiro256++.
        let mut dice = Dice::new(0);
        assert_eq!([dice.number(), dice.number()], [0x5317_5d61_490b_23df, 0x61da_6f3d_c380_d507]);
        let mut dice = Dice::new(7);
        let rolls: Vec<u64> = (0..8).map(|_| dice.below(6)).collect();
        assert_eq!(rolls, [0, 1, 4, 2, 5, 2, 4, 1]);
    }

    #[test]
    fn every_choice_comes_up_about_as_often() {
        let mut dice = Dice::new(1);
        let mut counts = [0_u32; 7];
        for _ in 0..7000 {
            counts[dice.place(7).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        let hits = (0..7000).filter(|_| dice.one_in(7)).count();
        assert!((850..1150).contains(&hits), "{hits}");
    }

    #[test]
    fn nothing_is_picked_from_nothing() {
        let mut dice = Dice::new(1);
        assert_eq!(dice.pick::<u8>(&[]), None);
        assert_eq!(dice.pick(&["one"]), Some(&"one"));
        assert_eq!(dice.below(1), 0);
    }

    #[test]
    fn split_dice_go_their_own_way() {
        let mut dice = Dice::new(1);
        let (mut one, mut two) = (dice.split(), dice.split());
        assert_ne!(one.number(), two.number());
        assert_ne!(one.number(), dice.number());
    }

    #[test]
    #[should_panic(expected = "no number is below 0")]
    fn a_number_below_nothing_is_the_callers_mistake() {
        Dice::new(1).below(0);
    }
}
