//! Aligns the epochs of two sides by their sums: which are equal, and which lie between those.
//!
//! Two lists in, runs out, in the order of both lists. Invariants: what is in a run of equal ones is equal; every epoch of both sides is
//! in one run; time and memory grow with the lists, whatever is in them.
//!
//! Sums that each side has once are anchors: the longest chain of them that is in order on both sides is kept. Between two anchors
//! equal ends are trimmed, and a small rest is aligned by its longest common subsequence.

use std::ops::Range;

use crate::diff::sums::Sum;

/// A longest common subsequence is looked for in a table of so many cells at most.
const CELLS_MAX: usize = 1 << 16;

/// Epochs that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Run {
    /// So many are equal, one by one, from these on.
    Same { base: usize, new: usize, count: usize },
    /// These lie between equal ones.
    Differ { base: Range<usize>, new: Range<usize> },
}

/// The runs of two lists.
pub(super) fn runs(base: &[Sum], new: &[Sum]) -> Vec<Run> {
    let mut aligned = Aligned { base, new, pairs: Vec::new() };
    aligned.align(0..base.len(), 0..new.len());
    aligned.into_runs()
}

struct Aligned<'lists> {
    base: &'lists [Sum],
    new: &'lists [Sum],
    /// Runs of equal ones: where they begin, and how many they are.
    pairs: Vec<(usize, usize, usize)>,
}

impl Aligned<'_> {
    fn align(&mut self, base: Range<usize>, new: Range<usize>) {
        let (base, new, tail) = self.trim(base, new);
        let (mut at_base, mut at_new) = (base.start, new.start);
        for (in_base, in_new) in anchors(&self.base[base.clone()], &self.new[new.clone()]) {
            let (in_base, in_new) = (base.start + in_base, new.start + in_new);
            // The last gap may have been trimmed over this one.
            if in_base < at_base || in_new < at_new {
                continue;
            }
            self.fill(at_base..in_base, at_new..in_new);
            self.push(in_base, in_new, 1);
            (at_base, at_new) = (in_base + 1, in_new + 1);
        }
        self.fill(at_base..base.end, at_new..new.end);
        self.push(base.end, new.end, tail);
    }

    /// Takes equal ones off both ends: those in front are pushed, of those behind it is said how many they are.
    fn trim(
        &mut self,
        mut base: Range<usize>,
        mut new: Range<usize>,
    ) -> (Range<usize>, Range<usize>, usize) {
        let front = self.base[base.clone()].iter().zip(&self.new[new.clone()]);
        let front = front.take_while(|(base, new)| base.is(new)).count();
        self.push(base.start, new.start, front);
        base.start += front;
        new.start += front;
        let back = self.base[base.clone()].iter().rev().zip(self.new[new.clone()].iter().rev());
        let back = back.take_while(|(base, new)| base.is(new)).count();
        base.end -= back;
        new.end -= back;
        (base, new, back)
    }

    /// Aligns what lies between two anchors.
    fn fill(&mut self, base: Range<usize>, new: Range<usize>) {
        let (base, new, tail) = self.trim(base, new);
        if base.len().saturating_mul(new.len()) <= CELLS_MAX {
            let common = common(&self.base[base.clone()], &self.new[new.clone()]);
            for (in_base, in_new) in common {
                self.push(base.start + in_base, new.start + in_new, 1);
            }
        }
        self.push(base.end, new.end, tail);
    }

    fn push(&mut self, base: usize, new: usize, count: usize) {
        if count == 0 {
            return;
        }
        match self.pairs.last_mut() {
            Some((from, other, before)) if (*from + *before, *other + *before) == (base, new) => {
                *before += count;
            }
            _ => self.pairs.push((base, new, count)),
        }
    }

    fn into_runs(self) -> Vec<Run> {
        let mut runs = Vec::new();
        let (mut at_base, mut at_new) = (0, 0);
        let end = (self.base.len(), self.new.len(), 0);
        for (base, new, count) in self.pairs.into_iter().chain([end]) {
            if at_base < base || at_new < new {
                runs.push(Run::Differ { base: at_base..base, new: at_new..new });
            }
            if count > 0 {
                runs.push(Run::Same { base, new, count });
            }
            (at_base, at_new) = (base + count, new + count);
        }
        runs
    }
}

/// The longest chain of sums that each side has once and that are in the same order.
fn anchors(base: &[Sum], new: &[Sum]) -> Vec<(usize, usize)> {
    let (base, new) = (once(base), once(new));
    let (mut pairs, mut at) = (Vec::new(), 0);
    for (sum, place) in &base {
        while new.get(at).is_some_and(|(other, _)| other < sum) {
            at += 1;
        }
        if let Some((_, other)) = new.get(at).filter(|(other, _)| other == sum) {
            pairs.push((*place, *other));
        }
    }
    pairs.sort_unstable();
    longest_rising(&pairs)
}

/// The sums that are there once, in order, and their places.
fn once(list: &[Sum]) -> Vec<((u64, u128), usize)> {
    let mut sums: Vec<_> =
        list.iter().zip(0..).map(|(sum, place)| ((sum.count, sum.keys), place)).collect();
    sums.sort_unstable();
    let groups = sums.chunk_by(|one, other| one.0 == other.0);
    groups.filter(|group| group.len() == 1).map(|group| group[0]).collect()
}

/// The longest part of `pairs`, which rise by their first numbers, that rises by the second numbers too.
fn longest_rising(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    // For each length of a chain the pair that ends it with the lowest number, and for each pair the one before it.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(pairs.len());
    for (place, (_, number)) in pairs.iter().enumerate() {
        let length = ends.partition_point(|end| pairs[*end].1 < *number);
        before.push(length.checked_sub(1).map(|length| ends[length]));
        match ends.get_mut(length) {
            Some(end) => *end = place,
            None => ends.push(place),
        }
    }
    let mut chain = Vec::with_capacity(ends.len());
    let mut next = ends.last().copied();
    while let Some(place) = next {
        chain.push(pairs[place]);
        next = before[place];
    }
    chain.reverse();
    chain
}

/// A longest common subsequence of two short lists.
fn common(base: &[Sum], new: &[Sum]) -> Vec<(usize, usize)> {
    if base.is_empty() || new.is_empty() {
        return Vec::new();
    }
    let width = new.len() + 1;
    // How long it is from each pair of places on.
    let mut lengths = vec![0_u32; (base.len() + 1) * width];
    for (row, one) in base.iter().enumerate().rev() {
        for (column, other) in new.iter().enumerate().rev() {
            let at = row * width + column;
            lengths[at] = if one.is(other) {
                lengths[at + width + 1] + 1
            } else {
                lengths[at + width].max(lengths[at + 1])
            };
        }
    }
    let (mut row, mut column, mut pairs) = (0, 0, Vec::new());
    while row < base.len() && column < new.len() {
        let at = row * width + column;
        if base[row].is(&new[column]) {
            pairs.push((row, column));
            (row, column) = (row + 1, column + 1);
        } else if lengths[at + width] >= lengths[at + 1] {
            row += 1;
        } else {
            column += 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<Sum> {
        text.bytes().map(|byte| Sum { count: 1, masked: 0, keys: byte.into() }).collect()
    }

    /// What is equal, and where it is in both.
    fn same(base: &str, new: &str) -> (String, Vec<Run>) {
        let runs = runs(&list(base), &list(new));
        let (mut text, mut at) = (String::new(), (0, 0));
        for run in &runs {
            match run {
                Run::Same { base: from, new: other, count } => {
                    assert_eq!((*from, *other), at);
                    assert_eq!(base[*from..from + count], new[*other..other + count]);
                    text.push_str(&base[*from..from + count]);
                    at = (from + count, other + count);
                }
                Run::Differ { base: from, new: other } => {
                    assert_eq!((from.start, other.start), at);
                    assert!(!from.is_empty() || !other.is_empty());
                    at = (from.end, other.end);
                }
            }
        }
        assert_eq!(at, (base.len(), new.len()));
        (text, runs)
    }

    #[test]
    fn one_epoch_added_removed_or_changed_leaves_all_others_equal() {
        for (base, new, equal) in [
            ("abcdef", "abcdef", "abcdef"),
            ("abcdef", "abXcdef", "abcdef"),
            ("abcdef", "abdef", "abdef"),
            ("abcdef", "abXdef", "abdef"),
            ("aaaaaa", "aaaaa", "aaaaa"),
            ("aXaYaZa", "aYaZa", "aYaZa"),
            ("", "", ""),
            ("", "ab", ""),
            ("ab", "", ""),
            ("ab", "cd", ""),
        ] {
            assert_eq!(same(base, new).0, equal, "{base} {new}");
        }
        let (_, runs) = same("abcdef", "abXdef");
        let expected = [
            Run::Same { base: 0, new: 0, count: 2 },
            Run::Differ { base: 2..3, new: 2..3 },
            Run::Same { base: 3, new: 3, count: 3 },
        ];
        assert_eq!(runs, expected);
    }

    #[test]
    fn short_lists_are_aligned_nearly_as_well_as_can_be() {
        let mut random: u64 = 1;
        let mut letter = |letters: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'a' + u8::try_from((random >> 33) % letters).unwrap())
        };
        let (mut all, mut most) = (0, 0);
        for round in 0..2000 {
            let letters = 1 + round % 20;
            let base: String = (0..round % 13).map(|_| letter(letters)).collect();
            let new: String = (0..round % 11).map(|_| letter(letters)).collect();
            let (found, _) = same(&base, &new);
            let best = common(&list(&base), &list(&new)).len();
            assert!(found.len() <= best, "{base} {new}: {found}");
            assert_eq!(found.is_empty(), best == 0, "{base} {new}");
            all += found.len();
            most += best;
        }
        assert!(10 * all > 9 * most, "{all} of {most}");
    }

    #[test]
    fn long_lists_without_anything_in_common_or_nothing_else_take_no_time() {
        let numbers = |from: u128| -> Vec<Sum> {
            (from..from + 200_000).map(|keys| Sum { count: 1, masked: 0, keys }).collect()
        };
        let one = [Run::Differ { base: 0..200_000, new: 0..200_000 }];
        assert_eq!(runs(&numbers(0), &numbers(1 << 40)), one);
        let lone = vec![Sum { count: 1, masked: 0, keys: 7 }; 200_000];
        let found = runs(&lone, &lone[..150_000]);
        assert_eq!(found[0], Run::Same { base: 0, new: 0, count: 150_000 });
        let mut turned = numbers(0);
        turned.reverse();
        assert_eq!(runs(&numbers(0), &turned).len(), 3, "one of them is an anchor");
    }
}
