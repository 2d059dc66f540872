//! What two lists of keys have in common, in order. Keys in, pairs of equal places out, both rising.
//!
//! ```text
//! same ends ── cut off
//! few edits ── Myers: as many pairs as there can be
//! many      ── anchors: runs of eight that both lists have as often, then single keys; between them, the same again
//! ```
//!
//! Knows nothing of what the keys are keys of. Invariants: paired keys are equal, and no pair crosses another; time grows
//! with the lists as `n log n`, however often keys repeat, so that in the worst case pairs are missed.
//! Source of the search by edits: E. W. Myers, *An O(ND) Difference Algorithm and Its Variations*, 1986.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Most edits that Myers' search tries, in lists of any length: it keeps half their square of numbers.
const EDITS_MAX: usize = 256;
/// So many edits are tried in the longest lists.
const EDITS_MIN: usize = 16;
/// About how many steps Myers' search may take in long lists.
const STEPS_MAX: usize = 4 << 20;
/// Keys of a run that is an anchor.
const RUN: usize = 8;
/// How often what lies between anchors is searched for anchors again.
const DEPTH_MAX: u32 = 16;

/// What is known of what follows two lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    /// Nothing follows, or something that both share.
    Known,
    /// Something unknown follows both: where one list ends, the rest of the other may have its like.
    Unknown,
}

/// Pairs of places whose keys are equal, both rising.
pub(super) fn common(base: &[u128], new: &[u128], behind: Behind) -> Vec<(usize, usize)> {
    let mut common = Common { base, new, pairs: Vec::new() };
    common.search((0, base.len()), (0, new.len()), behind, DEPTH_MAX);
    common.pairs
}

struct Common<'a> {
    base: &'a [u128],
    new: &'a [u128],
    pairs: Vec<(usize, usize)>,
}

/// From the first to behind the last.
type Span = (usize, usize);

impl Common<'_> {
    fn search(&mut self, base: Span, new: Span, behind: Behind, depth: u32) {
        let ((mut i, mut end_i), (mut j, mut end_j)) = (base, new);
        while i < end_i && j < end_j && self.base[i] == self.new[j] {
            self.pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        }
        let mut tail = 0;
        while behind == Behind::Known
            && i < end_i
            && j < end_j
            && self.base[end_i - 1] == self.new[end_j - 1]
        {
            (end_i, end_j, tail) = (end_i - 1, end_j - 1, tail + 1);
        }
        if i < end_i && j < end_j {
            self.middle((i, end_i), (j, end_j), behind, depth);
        }
        self.pairs.extend((0..tail).map(|at| (end_i + at, end_j + at)));
    }

    /// What begins and ends otherwise.
    fn middle(&mut self, base: Span, new: Span, behind: Behind, depth: u32) {
        let (one, two) = (&self.base[base.0..base.1], &self.new[new.0..new.1]);
        if let Some(found) = by_edits(one, two, behind) {
            self.pairs.extend(found.into_iter().map(|(i, j)| (base.0 + i, new.0 + j)));
            return;
        }
        let Some(depth) = depth.checked_sub(1) else { return };
        let anchors = anchors(one, two);
        let (mut i, mut j) = (base.0, new.0);
        for (at_i, at_j, length) in anchors {
            let (at_i, at_j) = (base.0 + at_i, new.0 + at_j);
            self.search((i, at_i), (j, at_j), Behind::Known, depth);
            self.pairs.extend((0..length).map(|at| (at_i + at, at_j + at)));
            (i, j) = (at_i + length, at_j + length);
        }
        // Without an anchor nothing is in common, or it is not to be found.
        if (i, j) != (base.0, new.0) {
            self.search((i, base.1), (j, new.1), behind, depth);
        }
    }
}

/// As many pairs as there can be, if the lists are few edits apart; `None` if they are too many to search.
fn by_edits(base: &[u128], new: &[u128], behind: Behind) -> Option<Vec<(usize, usize)>> {
    let total = base.len() + new.len();
    let most = (STEPS_MAX / total.max(1)).clamp(EDITS_MIN, EDITS_MAX).min(total);
    // How far each row reached, one behind the other: row `edits` has `edits + 1` numbers.
    let mut reached: Vec<usize> = Vec::new();
    for edits in 0..=most {
        let mut end: Option<(usize, usize)> = None;
        for turn in 0..=edits {
            let (mut i, _) = step(&reached, edits, turn);
            // `turn` of the edits are of base, so `i` is no less.
            let mut j = i + edits - 2 * turn;
            while i < base.len() && j < new.len() && base[i] == new[j] {
                (i, j) = (i + 1, j + 1);
            }
            let done = match behind {
                Behind::Known => i >= base.len() && j >= new.len(),
                Behind::Unknown => i >= base.len() || j >= new.len(),
            };
            if done && i <= base.len() && j <= new.len() {
                end = end.max(Some((i + j, turn)));
            }
            reached.push(i);
        }
        if let Some((_, turn)) = end {
            return Some(way_back(&reached, edits, turn));
        }
    }
    None
}

/// Where a row begins.
fn row(edits: usize) -> usize {
    edits * (edits + 1) / 2
}

/// Where the last of so many edits, `turn` of which are of base, leads, and whether it is one of base.
fn step(reached: &[usize], edits: usize, turn: usize) -> (usize, bool) {
    let Some(less) = edits.checked_sub(1) else { return (0, false) };
    let before = &reached[row(less)..row(edits)];
    let down = before.get(turn).copied();
    let right = turn.checked_sub(1).map(|turn| before[turn] + 1);
    match (right, down) {
        (Some(right), Some(down)) if right > down => (right, true),
        (Some(right), None) => (right, true),
        (_, down) => (down.unwrap_or(0), false),
    }
}

/// The pairs on the way to what `edits` reached, `turn` of which are of base.
fn way_back(reached: &[usize], most: usize, mut turn: usize) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    for edits in (0..=most).rev() {
        let mut i = reached[row(edits) + turn];
        let (start, of_base) = step(reached, edits, turn);
        while i > start {
            i -= 1;
            pairs.push((i, i + edits - 2 * turn));
        }
        turn -= usize::from(of_base);
    }
    pairs.reverse();
    pairs
}

/// Places that belong together, with how many keys from there on are equal; both rising, none overlapping.
fn anchors(base: &[u128], new: &[u128]) -> Vec<(usize, usize, usize)> {
    let runs = rising(&equal_often(&runs(base), &runs(new), true));
    let found = if runs.is_empty() {
        let singles = equal_often(base, new, true);
        let singles = if singles.is_empty() { equal_often(base, new, false) } else { singles };
        rising(&singles)
    } else {
        runs
    };
    let mut anchors: Vec<(usize, usize, usize)> = Vec::new();
    for (mut i, mut j) in found {
        let (end_i, end_j) =
            anchors.last().map_or((0, 0), |(i, j, length)| (i + length, j + length));
        // Of a run that overlaps the one before, what lies behind that is left.
        let covered = end_i.saturating_sub(i).max(end_j.saturating_sub(j));
        (i, j) = (i + covered, j + covered);
        let length = base[i.min(base.len())..].iter().zip(&new[j.min(new.len())..]);
        let length = length.take_while(|(one, two)| one == two).count();
        match anchors.last_mut() {
            Some(last) if length > 0 && (i, j) == (end_i, end_j) => last.2 += length,
            _ if length > 0 => anchors.push((i, j, length)),
            _ => {}
        }
    }
    anchors
}

/// A key of each run that begins somewhere.
fn runs(keys: &[u128]) -> Vec<u128> {
    let mixed = |run: &[u128]| {
        run.iter().fold(0_u128, |sum, key| {
            sum.wrapping_mul(0x2545_f491_4f6c_dd1d_9e37_79b9_7f4a_7c15).rotate_left(29) ^ key
        })
    };
    keys.windows(RUN).map(mixed).collect()
}

/// A key as both lists have it.
#[derive(Default)]
struct Often {
    base: usize,
    new: usize,
    /// The first place in new that is not paired.
    next: Option<usize>,
}

/// Keys that are digests already: they are folded, not hashed again.
#[derive(Default)]
struct Folded(u64);

impl Hasher for Folded {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0.rotate_left(8) ^ u64::from(*byte)).wrapping_mul(MIX);
        }
    }

    fn write_u128(&mut self, key: u128) {
        let mut halves = [0; 8];
        let bytes = key.to_le_bytes();
        halves.copy_from_slice(&bytes[..8]);
        let low = u64::from_le_bytes(halves);
        halves.copy_from_slice(&bytes[8..]);
        self.0 = (low ^ u64::from_le_bytes(halves).rotate_left(32)).wrapping_mul(MIX);
    }
}

/// An odd number without a pattern.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// Places of equal keys: the first with the first, the second with the second. Of those keys only that both lists have as
/// often, if `strictly`. By the place in `base`.
fn equal_often(base: &[u128], new: &[u128], strictly: bool) -> Vec<(usize, usize)> {
    let mut often: HashMap<u128, Often, BuildHasherDefault<Folded>> = HashMap::default();
    often.reserve(base.len());
    for key in base {
        often.entry(*key).or_default().base += 1;
    }
    // Of each place in new, the next with its key.
    let mut next = vec![None; new.len()];
    for (place, key) in new.iter().enumerate().rev() {
        if let Some(of_key) = often.get_mut(key) {
            of_key.new += 1;
            next[place] = of_key.next.replace(place);
        }
    }
    let mut pairs = Vec::new();
    for (place, key) in base.iter().enumerate() {
        let Some(of_key) = often.get_mut(key) else { continue };
        if let Some(in_new) = of_key.next.filter(|_| !strictly || of_key.base == of_key.new) {
            of_key.next = next[in_new];
            pairs.push((place, in_new));
        }
    }
    pairs
}

/// The most of these pairs whose second places rise too.
fn rising(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    // By length: the pair that ends a rising list of that length lowest. Of each pair, the one before it.
    let mut lowest: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(pairs.len());
    for (at, (_, second)) in pairs.iter().enumerate() {
        let length = lowest.partition_point(|end| pairs[*end].1 < *second);
        before.push(length.checked_sub(1).map(|shorter| lowest[shorter]));
        match lowest.get_mut(length) {
            Some(end) => *end = at,
            None => lowest.push(at),
        }
    }
    let mut next = lowest.last().copied();
    let mut chosen = Vec::with_capacity(lowest.len());
    while let Some(at) = next {
        chosen.push(pairs[at]);
        next = before[at];
    }
    chosen.reverse();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Dice;

    /// How many pairs there can be, by the table of all beginnings.
    fn most(base: &[u128], new: &[u128]) -> usize {
        let mut row = vec![0; new.len() + 1];
        for one in base {
            let mut diagonal = 0;
            for (j, two) in new.iter().enumerate() {
                let best = if one == two { diagonal + 1 } else { row[j].max(row[j + 1]) };
                diagonal = std::mem::replace(&mut row[j + 1], best);
            }
        }
        row[new.len()]
    }

    fn check(base: &[u128], new: &[u128], behind: Behind, about: &str) -> usize {
        let pairs = common(base, new, behind);
        assert!(pairs.iter().all(|(i, j)| base[*i] == new[*j]), "{about}");
        assert!(
            pairs.is_sorted_by(|one, two| one.0 < two.0 && one.1 < two.1),
            "{about}: {pairs:?}"
        );
        pairs.len()
    }

    fn keys(dice: &mut Dice, count: u64, kinds: u64) -> Vec<u128> {
        (0..count).map(|_| u128::from(dice.below(kinds))).collect()
    }

    #[test]
    fn in_short_lists_as_many_are_paired_as_can_be() {
        for seed in 0..3000 {
            let mut dice = Dice::new(seed);
            let (count, other, kinds) = (dice.below(30), dice.below(30), 1 + dice.below(9));
            let (base, new) = (keys(&mut dice, count, kinds), keys(&mut dice, other, kinds));
            let paired = check(&base, &new, Behind::Known, &format!("seed {seed}"));
            assert_eq!(paired, most(&base, &new), "seed {seed}: {base:?} {new:?}");
            check(&base, &new, Behind::Unknown, &format!("seed {seed}"));
        }
    }

    #[test]
    fn where_lists_go_on_the_end_of_one_is_no_edit_of_the_other() {
        let base: Vec<u128> = (0..40).collect();
        let new: Vec<u128> = (1..41).collect();
        assert_eq!(check(&base, &new, Behind::Unknown, "first gone"), 39);
        let inserted: Vec<u128> = [99].into_iter().chain(0..39).collect();
        assert_eq!(check(&base, &inserted, Behind::Unknown, "one more"), 39);
    }

    #[test]
    fn long_lists_with_many_edits_are_aligned_by_their_anchors() {
        for seed in 0..20 {
            let mut dice = Dice::new(seed);
            let base = keys(&mut dice, 20_000, 1 << 40);
            // A long part is gone, another one new, and every 50th key is another.
            let mut new = base[..4000].to_vec();
            new.extend(keys(&mut dice, 3000, 1 << 40));
            new.extend(&base[9000..]);
            new.iter_mut().step_by(50).for_each(|key| *key |= 1 << 100);
            let paired = check(&base, &new, Behind::Known, &format!("seed {seed}"));
            let kept = 4000 + 11_000;
            assert!(paired >= kept - kept / 50 - 2, "seed {seed}: {paired}");
        }
    }

    #[test]
    fn keys_that_repeat_without_end_take_no_time_without_end() {
        for kinds in [1, 2, 3, 50] {
            let mut dice = Dice::new(kinds);
            let (base, new) = (keys(&mut dice, 40_000, kinds), keys(&mut dice, 30_000, kinds));
            let paired = check(&base, &new, Behind::Known, &format!("{kinds} kinds"));
            assert!(paired > 2000, "{kinds} kinds: {paired}");
        }
        let (up, down): (Vec<u128>, Vec<u128>) =
            ((0..40_000).collect(), (0..40_000).rev().collect());
        assert_eq!(check(&up, &down, Behind::Known, "reversed"), 1);
        assert_eq!(check(&up, &[], Behind::Known, "nothing"), 0);
    }
}
