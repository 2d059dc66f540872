//! Aligns the epochs of two sides by their sums: which are equal, and which lie between those.
//!
//! Two lists in, runs out, in the order of both lists. Invariants: what is in a run of equal ones is equal; every epoch of both sides is
//! in one run; time and memory grow with the lists, whatever is in them.

use std::ops::Range;

use crate::diff::lcs::{Behind, common};
use crate::diff::sums::Sum;

/// Spreads a count over a key.
const SPREAD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

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
    let keys = |list: &[Sum]| -> Vec<u128> { list.iter().map(key).collect() };
    // Equal keys are equal sums, but for a collision of 128 bits.
    let pairs = common(&keys(base), &keys(new), Behind::Known);
    let equal = pairs.into_iter().filter(|(one, other)| base[*one].is(&new[*other]));
    let (mut runs, mut at_base, mut at_new) = (Vec::new(), 0, 0);
    for (one, other) in equal {
        differ(at_base..one, at_new..other, &mut runs);
        match runs.last_mut() {
            Some(Run::Same { count, .. }) => *count += 1,
            _ => runs.push(Run::Same { base: one, new: other, count: 1 }),
        }
        (at_base, at_new) = (one + 1, other + 1);
    }
    differ(at_base..base.len(), at_new..new.len(), &mut runs);
    runs
}

fn differ(base: Range<usize>, new: Range<usize>, runs: &mut Vec<Run>) {
    if !base.is_empty() || !new.is_empty() {
        runs.push(Run::Differ { base, new });
    }
}

fn key(sum: &Sum) -> u128 {
    sum.keys.wrapping_add(SPREAD.wrapping_mul(sum.count.into()))
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

    /// How long the longest common subsequence is, by its definition.
    fn longest(base: &[u8], new: &[u8]) -> usize {
        let mut row = vec![0; new.len() + 1];
        for one in base {
            let mut before = 0;
            for (at, other) in new.iter().enumerate() {
                let above = row[at + 1];
                row[at + 1] = if one == other { before + 1 } else { above.max(row[at]) };
                before = above;
            }
        }
        row[new.len()]
    }

    #[test]
    fn short_lists_are_aligned_as_well_as_can_be() {
        let mut random: u64 = 1;
        let mut letter = |letters: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'a' + u8::try_from((random >> 33) % letters).unwrap())
        };
        for round in 0..2000 {
            let letters = 1 + round % 20;
            let base: String = (0..round % 13).map(|_| letter(letters)).collect();
            let new: String = (0..round % 11).map(|_| letter(letters)).collect();
            let (found, _) = same(&base, &new);
            let best = longest(base.as_bytes(), new.as_bytes());
            assert_eq!(found.len(), best, "{base} {new}: {found}");
        }
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
