//! Bags that do not fit the window: how often they are gone over, and what is said of them.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::bag::Bags;
use super::super::pool::Pool;
use super::*;
use crate::diff::{EpochSums, Requests};

/// Counts how often a side is gone over.
struct Counted(VecSide, AtomicUsize);

impl Side for Counted {
    fn devices(&self) -> u16 {
        self.0.devices()
    }

    fn requests(&self, part: &Part) -> Result<Box<dyn Requests + Send + '_>, DiffError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.requests(part)
    }

    fn epoch_sums(&self, device: DeviceId) -> Result<Option<EpochSums>, DiffError> {
        self.0.epoch_sums(device)
    }

    fn data(&self, of: &Compared) -> Result<Option<Bytes>, DiffError> {
        self.0.data(of)
    }
}

/// Compares sides by 32 buckets and a window of 100; what was told, and how often base was gone over.
fn bags(base: &VecSide, new: &VecSide, about: &str) -> (Told, usize) {
    let rule = Rule { align: Align::Key, window: 100, ..Rule::default() };
    let counted = |side: &VecSide| Counted(side.clone(), AtomicUsize::new(0));
    let (one, other) = (counted(base), counted(new));
    let bags = Bags { base: (&one, Part::ALL), new: (&other, Part::ALL), rule: &rule };
    let mut told = Told::default();
    let mut pool = Pool::new(&rule, &mut told);
    pool.slot(Place::default());
    let summed = bags.sum_up(32).unwrap();
    assert!(bags.compare(&summed, &mut pool).unwrap().is_continue());
    assert!(pool.settle().is_continue());
    told.assert_whole(base, new, about);
    (told, one.1.into_inner())
}

/// So many writes, each elsewhere; of every `changed`th the data are others.
fn writes(count: u64, changed: u64, fill: u8) -> Vec<One> {
    let fill = |at: u64| if at.is_multiple_of(changed) { fill } else { 1 };
    (0..count).map(|at| write(512 * at, 512, fill(at))).collect()
}

#[test]
fn a_few_changes_in_buckets_of_any_size_are_found_by_going_over_them_once_more() {
    let (base, new) = (VecSide::new(writes(3000, 75, 2)), VecSide::new(writes(3000, 75, 3)));
    let (told, times) = bags(&base, &new, "a few");
    assert_eq!(told.short(), told_changed(0..40, 75));
    assert_eq!((times, told.gave_up.len()), (2, 0), "once for the sums, once for what differs");
}

/// That each of these changed, times `step`.
fn told_changed(places: std::ops::Range<u64>, step: u64) -> Vec<(Kind, Vec<u64>, Vec<u64>)> {
    places.map(|at| (Kind::Changed, vec![step * at], vec![step * at])).collect()
}

#[test]
fn what_comes_in_another_order_is_found_in_a_few_passes() {
    let mut dice = Dice(5);
    let mut apart = writes(300, 75, 3);
    dice.shuffle(&mut apart);
    let (base, new) = (VecSide::new(writes(300, 75, 2)), VecSide::new(apart));
    let (told, times) = bags(&base, &new, "another order");
    let kinds: Vec<_> = told.differences.iter().map(|one| one.kind).collect();
    assert_eq!(kinds, [Kind::Changed; 4]);
    assert_eq!(told.gave_up, []);
    assert!((2..=9).contains(&times), "{times}");
}

#[test]
fn where_all_has_changed_the_window_slides_over_it_at_once_and_that_is_said() {
    let (base, new) = (VecSide::new(writes(5000, 1, 2)), VecSide::new(writes(5000, 1, 3)));
    let (told, times) = bags(&base, &new, "all");
    let changed = told.differences.iter().filter(|one| one.kind == Kind::Changed).count();
    assert!(changed > 4500, "{changed}");
    assert!(!told.gave_up.is_empty());
    assert_eq!(times, 3, "once for the sums, once in vain, once for all");
}
