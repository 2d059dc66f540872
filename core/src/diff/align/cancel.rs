//! Takes away what two lists of requests have in common, whatever the order.
//!
//! Two lists in, which of them have a counterpart out. Invariant: two that are paired have the same key.

use std::ops::Range;

use super::nearest::{Places, nearest};
use crate::diff::ahead::Keyed;
use crate::diff::compared::Key;

/// Requests by key, and places in their list.
pub(super) type Sorted = Vec<(Key, usize)>;

/// The requests of a list, sorted by key.
pub(super) fn sorted(list: &[Keyed]) -> Sorted {
    let mut sorted: Sorted = list.iter().zip(0..).map(|(keyed, at)| (keyed.key, at)).collect();
    sorted.sort_unstable();
    sorted
}

/// Calls `each` for every key that both lists have, with the places where they have it.
pub(super) fn common(
    base: &Sorted,
    new: &Sorted,
    mut each: impl FnMut(&[(Key, usize)], &[(Key, usize)]),
) {
    let (mut base, mut new) = (base.as_slice(), new.as_slice());
    while let (Some((one, _)), Some((other, _))) = (base.first(), new.first()) {
        let of = |list: &[(Key, usize)], key: &Key| {
            list.iter().take_while(|(found, _)| found == key).count()
        };
        let (in_base, in_new) = match one.cmp(other) {
            std::cmp::Ordering::Less => (of(base, one), 0),
            std::cmp::Ordering::Greater => (0, of(new, other)),
            std::cmp::Ordering::Equal => (of(base, one), of(new, other)),
        };
        if in_base > 0 && in_new > 0 {
            each(&base[..in_base], &new[..in_new]);
        }
        base = &base[in_base..];
        new = &new[in_new..];
    }
}

/// Pairs of places of a key, of which each list has some; they lie in a range of the list.
pub(super) fn paired(
    (base, in_base): (&[(Key, usize)], Range<usize>),
    (new, in_new): (&[(Key, usize)], Range<usize>),
    mut each: impl FnMut(usize, usize),
) {
    if let ([(_, base)], [(_, new)]) = (base, new) {
        each(*base, *new);
        return;
    }
    let at = |list: &[(Key, usize)], range: &Range<usize>| -> Vec<usize> {
        list.iter().map(|(_, at)| *at - range.start).collect()
    };
    let (at_base, at_new) = (at(base, &in_base), at(new, &in_new));
    let (places, others) =
        (Places { at: &at_base, of: in_base.len() }, Places { at: &at_new, of: in_new.len() });
    for (one, other) in nearest(places, others) {
        each(at_base[one] + in_base.start, at_new[other] + in_new.start);
    }
}
