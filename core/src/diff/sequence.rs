//! Two sequences held against each other, step by step: items in, pairs out, in order.
//!
//! ```text
//! base  a b c d e   f g …        a a   b b   c ·   d d   e E   · x   f f …
//! new   a b   d E x f g …   ▶    same  same  gone  same  like  more  same
//! ```
//!
//! While the heads are the same nothing is kept. Where they are not, a window over both is read, at first a small one: what
//! they have in common is searched, and the window grows until both agree again for a while, or it is as large as it may be.
//! Items that have nothing in common but their shape are paired by it. Knows nothing of what the items are. Invariants: every
//! item is given once and in the order of its side; memory is bounded by the window; every item is looked at a bounded number
//! of times on average.

use std::collections::VecDeque;

use super::error::Which;
use super::lcs::{Behind, common};

/// Items of the first window.
const FIRST: usize = 64;
/// How much larger the next one is.
const GROWTH: usize = 16;
/// After so many same items with nothing but changed ones between them, both agree again.
const AGREED: usize = 16;
/// What items of one side that wait may hold themselves, in bytes.
const HELD_BYTES_MAX: usize = 32 << 20;

/// Two sequences, and what is the same in them.
pub(super) trait Sequences {
    /// What they are made of.
    type Item;
    /// Why they cannot be read.
    type Error;

    /// The next of a side; `None` after the last, however often it is asked.
    fn next_item(&mut self, which: Which) -> Result<Option<Self::Item>, Self::Error>;

    /// Whether the two are the same.
    fn same(&self, base: &Self::Item, new: &Self::Item) -> bool;

    /// A key that is equal for items that are the same.
    fn full(&self, item: &Self::Item) -> u128;

    /// A key that is equal for items of which one may have become the other.
    fn shape(&self, item: &Self::Item) -> u128;

    /// Whether the two have one shape.
    fn alike(&self, base: &Self::Item, new: &Self::Item) -> bool {
        self.shape(base) == self.shape(new)
    }

    /// What an item holds beside itself, in bytes.
    fn held_bytes(&self, _: &Self::Item) -> usize {
        0
    }
}

/// What belongs together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pair<T> {
    /// The same on both sides, or of one shape.
    Both(T, T),
    /// Only base has it.
    Base(T),
    /// Only new has it.
    New(T),
}

/// Goes over two sequences.
#[derive(Debug)]
pub(super) struct Aligner<S: Sequences> {
    sequences: S,
    window: usize,
    base: Ahead<S::Item>,
    new: Ahead<S::Item>,
    ready: VecDeque<Pair<S::Item>>,
}

/// What was read of a side and not given yet.
#[derive(Debug)]
struct Ahead<T> {
    items: VecDeque<T>,
    held_bytes: usize,
    ended: bool,
}

impl<T> Ahead<T> {
    fn new() -> Ahead<T> {
        Ahead { items: VecDeque::new(), held_bytes: 0, ended: false }
    }

    fn pop<S: Sequences<Item = T>>(&mut self, sequences: &S) -> Option<T> {
        let item = self.items.pop_front()?;
        self.held_bytes -= sequences.held_bytes(&item);
        Some(item)
    }

    /// Whether it can hold no more.
    fn is_full(&self, window: usize) -> bool {
        self.items.len() >= window || self.held_bytes >= HELD_BYTES_MAX
    }

    fn keys(&self, count: usize, key: impl Fn(&T) -> u128) -> Vec<u128> {
        self.items.iter().take(count).map(key).collect()
    }
}

impl<S: Sequences> Aligner<S> {
    /// Goes over `sequences`; at most `window` items of each side are looked at together.
    pub(super) fn new(sequences: S, window: usize) -> Aligner<S> {
        let (base, new) = (Ahead::new(), Ahead::new());
        Aligner { sequences, window: window.max(1), base, new, ready: VecDeque::new() }
    }

    /// The sequences it goes over.
    pub(super) fn sequences(&self) -> &S {
        &self.sequences
    }

    /// The next pair; `None` after the last.
    pub(super) fn next_pair(&mut self) -> Result<Option<Pair<S::Item>>, S::Error> {
        loop {
            if let Some(pair) = self.ready.pop_front() {
                return Ok(Some(pair));
            }
            self.fill(1)?;
            match (self.base.items.front(), self.new.items.front()) {
                (Some(base), Some(new)) if !self.sequences.same(base, new) => self.part()?,
                _ => return Ok(self.heads()),
            }
        }
    }

    /// The heads of both sides, or of the one that is left.
    fn heads(&mut self) -> Option<Pair<S::Item>> {
        match (self.base.pop(&self.sequences), self.new.pop(&self.sequences)) {
            (Some(base), Some(new)) => Some(Pair::Both(base, new)),
            (Some(base), None) => Some(Pair::Base(base)),
            (None, Some(new)) => Some(Pair::New(new)),
            (None, None) => None,
        }
    }

    /// Reads until `count` items of each side are there, or all that can be.
    fn fill(&mut self, count: usize) -> Result<(), S::Error> {
        for (ahead, which) in [(&mut self.base, Which::Base), (&mut self.new, Which::New)] {
            while !ahead.ended && ahead.items.len() < count && !ahead.is_full(self.window) {
                match self.sequences.next_item(which)? {
                    Some(item) => {
                        ahead.held_bytes += self.sequences.held_bytes(&item);
                        ahead.items.push_back(item);
                    }
                    None => ahead.ended = true,
                }
            }
        }
        Ok(())
    }

    /// Where the heads part: gives what lies before the place from which both agree again.
    fn part(&mut self) -> Result<(), S::Error> {
        let mut count = FIRST.min(self.window);
        loop {
            self.fill(count)?;
            let base = self.base.keys(count, |item| self.sequences.full(item));
            let new = self.new.keys(count, |item| self.sequences.full(item));
            let whole = |ahead: &Ahead<_>| ahead.ended && ahead.items.len() <= count;
            if whole(&self.base) && whole(&self.new) {
                let pairs = common(&base, &new, Behind::Known);
                self.give(&pairs, base.len(), new.len());
                return Ok(());
            }
            let pairs = common(&base, &new, Behind::Unknown);
            if agreed(&pairs, base.len(), new.len()) >= AGREED {
                // The last few may belong elsewhere.
                let sure = pairs.len() - AGREED / 2;
                let (i, j) = pairs[sure];
                self.give(&pairs[..sure], i, j);
                return Ok(());
            }
            let fits = |ahead: &Ahead<_>| ahead.ended || !ahead.is_full(self.window);
            if count < self.window && (fits(&self.base) || fits(&self.new)) {
                count = count.saturating_mul(GROWTH).min(self.window);
                continue;
            }
            let (i, j) = give_up_at(&pairs, base.len(), new.len());
            let before = pairs.partition_point(|pair| pair.0 < i && pair.1 < j);
            self.give(&pairs[..before], i, j);
            return Ok(());
        }
    }

    /// Gives the first `base_count` and `new_count` items, of which these are the same.
    fn give(&mut self, pairs: &[(usize, usize)], base_count: usize, new_count: usize) {
        let (mut i, mut j) = (0, 0);
        for (at_i, at_j) in pairs.iter().copied().chain([(base_count, new_count)]) {
            self.gap(at_i - i, at_j - j);
            if at_i < base_count && at_j < new_count {
                let heads = self.heads();
                self.ready.extend(heads);
            }
            (i, j) = (at_i + 1, at_j + 1);
        }
    }

    /// Gives so many items of each side, none of which are the same: by their shape.
    fn gap(&mut self, mut base_count: usize, mut new_count: usize) {
        while base_count > 0 && new_count > 0 {
            let heads = self.base.items.front().zip(self.new.items.front());
            if !heads.is_some_and(|(base, new)| self.sequences.alike(base, new)) {
                break;
            }
            let heads = self.heads();
            self.ready.extend(heads);
            (base_count, new_count) = (base_count - 1, new_count - 1);
        }
        let alike = if base_count > 0 && new_count > 0 {
            let base = self.base.keys(base_count, |item| self.sequences.shape(item));
            let new = self.new.keys(new_count, |item| self.sequences.shape(item));
            common(&base, &new, Behind::Known)
        } else {
            Vec::new()
        };
        let (mut i, mut j) = (0, 0);
        for (at_i, at_j) in alike.into_iter().chain([(base_count, new_count)]) {
            for _ in i..at_i {
                self.ready.extend(self.base.pop(&self.sequences).map(Pair::Base));
            }
            for _ in j..at_j {
                self.ready.extend(self.new.pop(&self.sequences).map(Pair::New));
            }
            if at_i < base_count && at_j < new_count {
                let heads = self.heads();
                self.ready.extend(heads);
            }
            (i, j) = (at_i + 1, at_j + 1);
        }
    }
}

/// How many pairs there are near the end of a list, between which as many items of both lists are left over.
fn agreed(pairs: &[(usize, usize)], base_count: usize, new_count: usize) -> usize {
    let Some((i, j)) = pairs.last() else { return 0 };
    if i + AGREED < base_count && j + AGREED < new_count {
        return 0;
    }
    let as_far = |pair: &&(usize, usize)| pair.0 + j == pair.1 + i;
    pairs.iter().rev().take_while(as_far).count()
}

/// Where to go on if no agreement is in sight: behind most of what was found, for more may be found of the rest.
fn give_up_at(pairs: &[(usize, usize)], base_count: usize, new_count: usize) -> (usize, usize) {
    let most = |count: usize| count - count / 4;
    let sure = pairs.partition_point(|pair| pair.0 < most(base_count) && pair.1 < most(new_count));
    let (i, j) = sure.checked_sub(1).map_or((0, 0), |last| (pairs[last].0 + 1, pairs[last].1 + 1));
    if i + j > (base_count + new_count) / 4 {
        return (i, j);
    }
    // Nothing in common for so long: what comes first has its like nowhere near.
    let (to_i, to_j) = pairs.get(sure).copied().unwrap_or((base_count, new_count));
    (to_i.min(i + base_count.div_ceil(2)), to_j.min(j + new_count.div_ceil(2)))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::device::Dice;

    /// An item: what it is, and its shape is what is left of it by 10.
    type Item = u64;

    struct Lists {
        base: VecDeque<Item>,
        new: VecDeque<Item>,
        held_bytes: usize,
    }

    impl Sequences for Lists {
        type Item = Item;
        type Error = Infallible;

        fn next_item(&mut self, which: Which) -> Result<Option<Item>, Infallible> {
            Ok(match which {
                Which::Base => self.base.pop_front(),
                Which::New => self.new.pop_front(),
            })
        }

        fn same(&self, base: &Item, new: &Item) -> bool {
            base == new
        }

        fn full(&self, item: &Item) -> u128 {
            u128::from(*item)
        }

        fn shape(&self, item: &Item) -> u128 {
            u128::from(*item / 10)
        }

        fn held_bytes(&self, _: &Item) -> usize {
            self.held_bytes
        }
    }

    /// Aligns the two, and checks that every item is given once and in order and that no more than the window is ahead.
    fn aligned(base: &[Item], new: &[Item], window: usize, held_bytes: usize) -> Vec<Pair<Item>> {
        let lists = |list: &[Item]| list.iter().copied().collect();
        let mut aligner =
            Aligner::new(Lists { base: lists(base), new: lists(new), held_bytes }, window);
        let (mut pairs, mut of_base, mut of_new) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(pair) = aligner.next_pair().unwrap() {
            let (one, two) = match pair {
                Pair::Both(one, two) => (Some(one), Some(two)),
                Pair::Base(one) => (Some(one), None),
                Pair::New(two) => (None, Some(two)),
            };
            of_base.extend(one);
            of_new.extend(two);
            pairs.push(pair);
            for ahead in [&aligner.base, &aligner.new] {
                assert!(ahead.items.len() <= window);
                assert!(ahead.held_bytes < HELD_BYTES_MAX + held_bytes);
            }
            let waiting = aligner.sequences().base.len();
            assert!(base.len() - waiting - of_base.len() <= 2 * window);
        }
        assert_eq!(of_base, base);
        assert_eq!(of_new, new);
        pairs
    }

    fn different(pairs: &[Pair<Item>]) -> Vec<Pair<Item>> {
        let same = |pair: &&Pair<Item>| !matches!(pair, Pair::Both(one, two) if one == two);
        pairs.iter().filter(same).copied().collect()
    }

    fn items(dice: &mut Dice, count: u64, kinds: u64) -> Vec<Item> {
        (0..count).map(|_| dice.below(kinds)).collect()
    }

    #[test]
    fn short_sequences_have_as_much_in_common_as_there_can_be_and_the_rest_goes_by_shape() {
        let pairs = aligned(&[10, 20, 30, 40, 50], &[10, 30, 41, 60, 50], 1000, 0);
        let expected = [
            Pair::Both(10, 10),
            Pair::Base(20),
            Pair::Both(30, 30),
            Pair::Both(40, 41),
            Pair::New(60),
            Pair::Both(50, 50),
        ];
        assert_eq!(pairs, expected);
        assert_eq!(aligned(&[], &[10], 1000, 0), [Pair::New(10)]);
        assert_eq!(aligned(&[10], &[], 1000, 0), [Pair::Base(10)]);
        assert_eq!(aligned(&[], &[], 1000, 0), []);
    }

    #[test]
    fn one_edit_in_a_long_sequence_is_the_one_that_is_found() {
        for seed in 0..200 {
            let mut dice = Dice::new(seed);
            let kinds = [3, 40, 100_000][dice.place(3).unwrap()];
            let base = items(&mut dice, 3000, kinds);
            let place = dice.place(base.len()).unwrap();
            let mut new = base.clone();
            let unheard = 1_000_000 + seed * 10;
            let expected = match dice.below(4) {
                0 => {
                    new.insert(place, unheard);
                    Pair::New(unheard)
                }
                1 => {
                    new[place] = unheard;
                    new.remove(place);
                    Pair::Base(base[place])
                }
                _ => {
                    new[place] = base[place] / 10 * 10 + 1_000_000_000 * 10;
                    let both = new[place] / 10 == base[place] / 10;
                    assert!(!both, "another shape");
                    Pair::New(new[place])
                }
            };
            let found = different(&aligned(&base, &new, 1 << 16, 0));
            assert!(found.contains(&expected), "seed {seed}: {found:?}");
            let edits =
                1 + usize::from(matches!(expected, Pair::New(item) if item > 5_000_000_000));
            assert_eq!(found.len(), edits, "seed {seed}: {found:?}");
        }
    }

    #[test]
    fn items_that_changed_everywhere_are_paired_one_by_one() {
        let base: Vec<Item> = (0..5000).map(|at| at * 10).collect();
        let new: Vec<Item> = base.iter().map(|item| item + 1).collect();
        let pairs = aligned(&base, &new, 512, 0);
        assert!(pairs.iter().all(|pair| matches!(pair, Pair::Both(one, two) if two - one == 1)));
    }

    #[test]
    fn a_part_that_is_new_is_found_whole_up_to_the_window() {
        let base: Vec<Item> = (0..4000).map(|at| at * 10).collect();
        let mut new = base.clone();
        new.splice(1000..1000, (0..700).map(|at| 1_000_000 + at * 10));
        let found = different(&aligned(&base, &new, 4096, 0));
        assert_eq!(found.len(), 700);
        assert!(found.iter().all(|pair| matches!(pair, Pair::New(_))));
        // With a smaller window it is still a whole comparison, only a coarser one.
        aligned(&base, &new, 256, 0);
        aligned(&base, &new, 1, 0);
        // As is one of items that hold much.
        aligned(&base, &new, 4096, 1 << 20);
    }

    #[test]
    fn whatever_the_sequences_every_item_is_given_once_and_in_order() {
        for seed in 0..60 {
            let mut dice = Dice::new(seed);
            let kinds = [1, 2, 30, 1 << 30][dice.place(4).unwrap()];
            let (count, other) = (dice.below(3000), dice.below(3000));
            let (base, new) = (items(&mut dice, count, kinds), items(&mut dice, other, kinds));
            let window = [1, 7, 64, 300, 1 << 16][dice.place(5).unwrap()];
            aligned(&base, &new, window, 0);
        }
    }
}
