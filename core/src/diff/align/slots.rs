//! Which epochs of two sides belong together where no two are equal: those that share most requests.
//!
//! Requests of some epochs of each side in, pairs of runs of epochs out. Invariants: slots are in the order of both sides, and every epoch
//! that is taken is in one; several epochs of a side are in one slot only if the other side has one epoch there and that many
//! barriers less, so that the slot cannot be the same on both sides.

use std::ops::Range;

use super::cancel::{Sorted, common, sorted};
use crate::diff::ahead::Keyed;
use crate::diff::compared::{Facts, Key};

/// Requests of consecutive epochs of a side.
#[derive(Debug, Clone, Default)]
pub(super) struct Epochs {
    pub(super) list: Vec<Keyed>,
    /// The epoch that comes first.
    pub(super) first: u64,
    /// Where each epoch ends in the list.
    pub(super) ends: Vec<usize>,
    /// How many barriers each epoch has.
    pub(super) barriers: Vec<usize>,
}

impl Epochs {
    /// Begins anew, with this epoch.
    pub(super) fn begin(&mut self, first: u64) {
        *self = Epochs { first, ..Epochs::default() };
    }

    pub(super) fn count(&self) -> usize {
        self.ends.len()
    }

    /// The requests of some epochs, by their places in the list.
    pub(super) fn range(&self, epochs: &Range<usize>) -> Range<usize> {
        let end = |epoch: usize| epoch.checked_sub(1).map_or(0, |before| self.ends[before]);
        end(epochs.start)..end(epochs.end)
    }

    fn size(&self, epoch: usize) -> usize {
        self.range(&(epoch..epoch + 1)).len()
    }

    /// The epoch of each request.
    fn epochs(&self) -> Vec<usize> {
        let mut epochs = Vec::with_capacity(self.list.len());
        (0..).zip(&self.ends).for_each(|(epoch, end)| epochs.resize(*end, epoch));
        epochs
    }

    fn barriers(&self, epochs: &Range<usize>) -> usize {
        self.barriers[epochs.clone()].iter().sum()
    }

    /// Takes the first epochs away.
    pub(super) fn drop_first(&mut self, epochs: usize) {
        let end = self.range(&(0..epochs)).end;
        self.list.drain(..end);
        self.ends.drain(..epochs);
        self.ends.iter_mut().for_each(|other| *other -= end);
        self.barriers.drain(..epochs);
        self.first += epochs as u64;
    }
}

/// Epochs that are held against each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) base: Range<usize>,
    pub(super) new: Range<usize>,
}

/// So many requests link an epoch of base with one of new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Link {
    base: usize,
    new: usize,
    weight: usize,
}

/// The slots of these epochs. If they are not `all` that lie between two equal epochs, the last ones may be left out.
pub(super) fn slots(
    base: &Epochs,
    new: &Epochs,
    keys: (&Sorted, &Sorted),
    shape: Facts,
    all: bool,
) -> Vec<Slot> {
    let (rows, columns) = (base.count(), new.count());
    let (in_base, in_new) = (base.epochs(), new.epochs());
    let mut votes = Vec::new();
    vote(keys.0, keys.1, &in_base, &in_new, &mut votes);
    let straight = rows == columns || !all;
    if straight && votes.iter().all(|(one, other)| one == other) {
        return taken(in_order(0..rows, 0..columns), rows.min(columns), all);
    }
    let (shapes, others) = (shaped(base, shape), shaped(new, shape));
    vote(&shapes, &others, &in_base, &in_new, &mut votes);
    let links = links(votes);
    let chain = heaviest_chain(&links, columns);
    if straight && !is_better(&chain, &links, base, new) {
        return taken(in_order(0..rows, 0..columns), rows.min(columns), all);
    }
    let worth = |link: &&Link| {
        let (one, other) = (base.size(link.base), new.size(link.new));
        4 * link.weight >= one.min(other).saturating_sub(1)
    };
    let chain: Vec<Link> = chain.iter().filter(worth).copied().collect();
    let Some(last) = chain.last() else {
        return taken(in_order(0..rows, 0..columns), rows.min(columns), all);
    };
    let sure = last.base + 1;
    let joined = Joined { base, new, shape };
    taken(joined.slots(&chain, rows, columns), sure, all)
}

/// Whether a chain says more than that the epochs follow each other: what one or two moved requests say is not enough.
fn is_better(chain: &[Link], links: &[Link], base: &Epochs, new: &Epochs) -> bool {
    let straight = links.iter().filter(|link| link.base == link.new);
    let straight: usize = straight.map(|link| link.weight).sum();
    let all: usize = chain.iter().map(|link| link.weight).sum();
    let gain = all.saturating_sub(straight);
    let aside = || chain.iter().filter(|link| link.base != link.new);
    let size = |link: &Link| base.size(link.base).min(new.size(link.new));
    let most = base.list.len().min(new.list.len());
    gain > most / 2 || aside().count() > 2 && gain >= aside().map(size).sum()
}

/// The slots up to that of the last sure epoch of base, if there is more to come. What is not sure stays, but something must go.
fn taken(mut slots: Vec<Slot>, sure: usize, all: bool) -> Vec<Slot> {
    if !all {
        let last = slots.iter().position(|slot| slot.base.contains(&sure.wrapping_sub(1)));
        slots.truncate(last.unwrap_or(0) + 1);
    }
    slots
}

/// The epochs of both ranges one by one, and those that are left alone.
fn in_order(base: Range<usize>, new: Range<usize>) -> Vec<Slot> {
    let pairs = base.len().min(new.len());
    let (at_base, at_new) = (base.start + pairs, new.start + pairs);
    let both = (base.start..at_base).zip(new.start..at_new);
    let mut slots: Vec<Slot> =
        both.map(|(one, other)| Slot { base: one..one + 1, new: other..other + 1 }).collect();
    slots.extend((at_base..base.end).map(|one| Slot { base: one..one + 1, new: at_new..at_new }));
    slots.extend((at_new..new.end).map(|one| Slot { base: at_base..at_base, new: one..one + 1 }));
    slots
}

fn shaped(epochs: &Epochs, shape: Facts) -> Sorted {
    let keyed = epochs.list.iter().map(|keyed| Keyed { key: keyed.one.key(shape), ..*keyed });
    sorted(&keyed.collect::<Vec<_>>())
}

/// Adds the epochs of those requests that each side has once.
fn vote(
    base: &Sorted,
    new: &Sorted,
    in_base: &[usize],
    in_new: &[usize],
    votes: &mut Vec<(usize, usize)>,
) {
    common(base, new, |base: &[(Key, usize)], new| {
        if let ([(_, one)], [(_, other)]) = (base, new) {
            votes.push((in_base[*one], in_new[*other]));
        }
    });
}

fn links(mut votes: Vec<(usize, usize)>) -> Vec<Link> {
    votes.sort_unstable();
    let groups = votes.chunk_by(|one, other| one == other);
    groups.map(|group| Link { base: group[0].0, new: group[0].1, weight: group.len() }).collect()
}

/// The heaviest chain of links that rises on both sides. `links` are in order.
fn heaviest_chain(links: &[Link], columns: usize) -> Vec<Link> {
    // The heaviest chain that ends before each epoch of new: a tree of maxima over prefixes.
    let mut best: Vec<Option<(usize, usize)>> = vec![None; columns + 1];
    let mut before: Vec<Option<usize>> = vec![None; links.len()];
    let mut heaviest = None;
    for row in links.chunk_by(|one, other| one.base == other.base) {
        let first = links.partition_point(|link| link.base < row[0].base);
        let found: Vec<_> = row.iter().map(|link| prefix(&best, link.new)).collect();
        for (at, (link, chain)) in (first..).zip(row.iter().zip(found)) {
            before[at] = chain.map(|(_, at)| at);
            let weight = link.weight + chain.map_or(0, |(weight, _)| weight);
            raise(&mut best, link.new + 1, (weight, at));
            heaviest = heaviest.max(Some((weight, std::cmp::Reverse(at))));
        }
    }
    let mut chain = Vec::new();
    let mut next = heaviest.map(|(_, at)| at.0);
    while let Some(at) = next {
        chain.push(links[at]);
        next = before[at];
    }
    chain.reverse();
    chain
}

/// The heaviest of the first `end`.
fn prefix(tree: &[Option<(usize, usize)>], mut end: usize) -> Option<(usize, usize)> {
    let mut best = None;
    while end > 0 {
        best = best.max(tree[end]);
        end &= end - 1;
    }
    best
}

/// Puts a weight at `place`, from 1 on.
fn raise(tree: &mut [Option<(usize, usize)>], mut place: usize, weight: (usize, usize)) {
    while place < tree.len() {
        tree[place] = tree[place].max(Some(weight));
        place += place & place.wrapping_neg();
    }
}

/// Makes slots of a chain.
struct Joined<'lists> {
    base: &'lists Epochs,
    new: &'lists Epochs,
    shape: Facts,
}

impl Joined<'_> {
    fn slots(&self, chain: &[Link], rows: usize, columns: usize) -> Vec<Slot> {
        let mut slots: Vec<Slot> = Vec::new();
        let (mut at_base, mut at_new) = (0, 0);
        let ends = chain.iter().map(|link| (link.base, link.new, true));
        for (base, new, linked) in ends.chain([(rows, columns, false)]) {
            let mut pair = linked.then(|| Slot { base: base..base + 1, new: new..new + 1 });
            let (gap_base, gap_new) = (at_base..base, at_new..new);
            let (gap_base, gap_new) =
                self.absorb(slots.last_mut(), pair.as_mut(), gap_base, gap_new);
            slots.extend(in_order(gap_base, gap_new));
            (at_base, at_new) = (base + 1, new + 1);
            slots.extend(pair);
        }
        slots
    }

    /// Lets the slots around a gap of one side only take the epochs there that were part of theirs: a barrier was put into
    /// one epoch, or taken out between two. What is left of the gap.
    fn absorb(
        &self,
        before: Option<&mut Slot>,
        behind: Option<&mut Slot>,
        mut base: Range<usize>,
        mut new: Range<usize>,
    ) -> (Range<usize>, Range<usize>) {
        let sides = [(before, true), (behind, false)];
        for (slot, front) in sides.into_iter().filter_map(|(slot, front)| Some((slot?, front))) {
            if new.is_empty() {
                let one = One { of: self.new, epoch: slot.new.clone(), shape: self.shape };
                one.take(self.base, &mut slot.base, &mut base, front);
            } else if base.is_empty() {
                let one = One { of: self.base, epoch: slot.base.clone(), shape: self.shape };
                one.take(self.new, &mut slot.new, &mut new, front);
            }
        }
        (base, new)
    }
}

/// An epoch that may be several on the other side.
struct One<'lists> {
    of: &'lists Epochs,
    epoch: Range<usize>,
    shape: Facts,
}

impl One<'_> {
    /// Widens a slot of the other side by epochs of the gap at its end, or at its front, as long as what they ask is asked in this one, and
    /// they can be explained by barriers.
    fn take(&self, other: &Epochs, slot: &mut Range<usize>, gap: &mut Range<usize>, front: bool) {
        if self.epoch.len() != 1 || Range::is_empty(gap) {
            return;
        }
        let own = self.of.list[self.of.range(&self.epoch)].iter();
        let mut own: Vec<Key> = own.map(|keyed| keyed.one.key(self.shape)).collect();
        own.sort_unstable();
        let mut barriers = other.barriers(slot);
        while !Range::is_empty(gap) {
            let next = if front { gap.start } else { gap.end - 1 };
            barriers += other.barriers[next];
            let asked = other.list[other.range(&(next..next + 1))].iter();
            let shared =
                asked.filter(|keyed| own.binary_search(&keyed.one.key(self.shape)).is_ok());
            let explained = barriers == self.of.barriers(&self.epoch) + slot.len();
            if !explained || 2 * shared.count() < other.size(next) {
                return;
            }
            if front {
                (slot.end, gap.start) = (next + 1, next + 1);
            } else {
                (slot.start, gap.end) = (next, next);
            }
        }
    }
}
