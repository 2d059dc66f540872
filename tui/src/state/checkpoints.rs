//! Checkpoints: those around the one that is looked at, and which are on the screen.
//!
//! Leaves come in: the checkpoints of some blocks. How many there are in all is not known, and need not be. Invariants: leaves that are
//! kept lie one behind the other, and no more than `LEAVES` of them; all are of one filter.

use std::sync::Arc;

use roaring::RoaringTreemap;

use crate::action::{Direction, Move};
use crate::events::{From, Leaf, Need, Of, Open, Release};

/// Leaves that are kept.
const LEAVES: usize = 8;

/// A leaf of no more rows is joined with the next.
const SMALL: usize = 512;

/// The checkpoints.
#[derive(Debug, Default)]
pub struct Checkpoints {
    /// In their order, one behind the other.
    leaves: Vec<Leaf>,
    /// The first event of the one that is looked at, or an event near it.
    at: u64,
    /// What the leaves are of.
    kind: Of,
    /// Blocks there are, as far as is known.
    blocks: usize,
    /// Lines on the screen above the one that is looked at, if there are so many.
    above: usize,
    /// How many there were.
    drawn: usize,
    height: usize,
    /// The shared focus that this was chosen for: the place of a request.
    pub of: Option<u64>,
    /// The shared focus is to go to the one that is looked at, once that is known.
    pub leads: bool,
    /// No more is to be looked for.
    is_stopped: bool,
}

/// Where a row lies: its leaf, and its place in it.
type Spot = (usize, usize);

impl Checkpoints {
    /// Shows those of the filter of this number, 0 for all.
    pub fn under(&mut self, filter: u64) {
        self.show(Of { filter, ..self.kind });
    }

    /// Shows only those that released something, or all again.
    pub fn toggle(&mut self) {
        self.show(Of { only_released: !self.kind.only_released, ..self.kind });
    }

    fn show(&mut self, kind: Of) {
        if self.kind != kind {
            self.kind = kind;
            self.is_stopped = false;
            self.leaves.clear();
        }
    }

    /// Nothing is known of the checkpoints any more; the place that is looked at stays.
    pub fn forget(&mut self) {
        self.leaves.clear();
        (self.blocks, self.is_stopped) = (0, false);
    }

    /// So many blocks are there now.
    pub fn grown(&mut self, blocks: usize) {
        self.blocks = self.blocks.max(blocks);
    }

    /// From where on what is kept is to be read again, as it went on where the trace ended and there is more now.
    fn goes_on(&self) -> Option<Open> {
        let outgrown = |leaf: &&Leaf| leaf.of < self.blocks && leaf.open.is_some();
        self.leaves.iter().find(outgrown)?.open
    }

    /// Forgets what is read again from there.
    fn drop_from(&mut self, open: Open) {
        self.leaves.retain(|leaf| leaf.blocks.start < open.block);
        if let Some(last) = self.leaves.last_mut() {
            last.blocks.end = last.blocks.end.min(open.block);
            last.rows.retain(|row| row.first < open.event);
            last.open = None;
        }
    }

    /// Takes the checkpoints of some blocks.
    pub fn take(&mut self, leaf: Leaf) {
        if leaf.kind != self.kind {
            return;
        }
        self.grown(leaf.of);
        if let Some(open) = self.goes_on().filter(|open| open.block == leaf.blocks.start) {
            self.drop_from(open);
        }
        let is_behind = self.leaves.last().is_some_and(|last| last.blocks.end == leaf.blocks.start);
        let is_before =
            self.leaves.first().is_some_and(|first| first.blocks.start == leaf.blocks.end);
        if is_behind {
            self.take_behind(leaf);
        } else if is_before {
            self.take_before(leaf);
        } else {
            self.leaves = vec![leaf];
        }
    }

    fn take_behind(&mut self, leaf: Leaf) {
        match self.leaves.last_mut() {
            Some(last) if last.rows.len() <= SMALL || leaf.rows.is_empty() => {
                last.blocks.end = leaf.blocks.end;
                last.rows.extend(leaf.rows);
                last.of = leaf.of;
                last.open = last.open.or(leaf.open);
            }
            _ => self.leaves.push(leaf),
        }
        let more = self.leaves.len().saturating_sub(LEAVES);
        self.leaves.drain(..more);
    }

    fn take_before(&mut self, leaf: Leaf) {
        match self.leaves.first_mut() {
            Some(first) if first.rows.len() <= SMALL || leaf.rows.is_empty() => {
                first.blocks.start = leaf.blocks.start;
                first.rows.splice(0..0, leaf.rows);
                first.open = leaf.open.or(first.open);
            }
            _ => self.leaves.insert(0, leaf),
        }
        self.leaves.truncate(LEAVES);
    }

    /// Looks at the checkpoint that an event belongs to, or the next.
    pub fn go(&mut self, event: u64) {
        let bounds = self.rows().next().zip(self.leaves.last().and_then(|last| last.rows.last()));
        let is_near =
            bounds.is_some_and(|(first, last)| (first.first..=last.last).contains(&event));
        // What came behind all that was read of a trace that grows is read on from there.
        let comes = self.leaves.last().is_some_and(|leaf| {
            let is_behind = leaf.rows.last().is_some_and(|last| last.last < event);
            is_behind && leaf.blocks.end >= leaf.of
        });
        if !is_near && !comes {
            self.leaves.clear();
            self.above = self.height / 2;
        }
        self.is_stopped = false;
        self.at = event;
    }

    /// Where the row is that is looked at.
    fn spot(&self) -> Option<Spot> {
        let mut last = None;
        for (place, leaf) in self.leaves.iter().enumerate() {
            let at = leaf.rows.partition_point(|row| row.last < self.at);
            if at < leaf.rows.len() {
                return Some((place, at));
            }
            last = leaf.rows.len().checked_sub(1).map(|row| (place, row)).or(last);
        }
        last
    }

    /// The checkpoint that is looked at, once it was read.
    pub fn focused(&self) -> Option<&Release> {
        let (leaf, row) = self.spot()?;
        self.leaves[leaf].rows.get(row)
    }

    /// How many are in memory, and which of them is looked at.
    fn count(&self) -> (usize, usize) {
        let rows = |leaves: &[Leaf]| leaves.iter().map(|leaf| leaf.rows.len()).sum::<usize>();
        let at = self.spot().map_or(0, |(leaf, row)| rows(&self.leaves[..leaf]) + row);
        (rows(&self.leaves), at)
    }

    /// Those that are in memory, in their order.
    pub fn rows(&self) -> impl Iterator<Item = &Release> {
        self.leaves.iter().flat_map(|leaf| &leaf.rows)
    }

    /// What is on a screen of so many lines; and which of them is looked at.
    pub fn on_screen(&mut self, height: usize) -> (Vec<&Release>, usize) {
        self.height = height;
        let (count, at) = self.count();
        let mut above = self.above.min(height.saturating_sub(1)).min(at);
        if self.ends(Direction::Next) {
            // What there is fills the screen, if there is so much.
            above = above.max(height.saturating_sub(count - at)).min(at);
        }
        self.drawn = above;
        (self.rows().skip(at - above).take(height).collect(), above)
    }

    /// Whether there is no more that way.
    fn ends(&self, way: Direction) -> bool {
        match way {
            Direction::Next => {
                self.leaves.last().is_some_and(|last| last.blocks.end >= self.blocks)
            }
            Direction::Previous => self.leaves.first().is_some_and(|first| first.blocks.start == 0),
        }
    }

    /// Whether all was looked at, and there is none.
    pub fn is_none(&self) -> bool {
        self.ends(Direction::Next) && self.ends(Direction::Previous) && self.focused().is_none()
    }

    /// How many blocks were looked at, of how many.
    pub fn looked(&self) -> (usize, usize) {
        let done = self.leaves.iter().map(|leaf| leaf.blocks.len()).sum();
        (done, if self.leaves.is_empty() { 0 } else { self.blocks })
    }

    /// Looks for no more, until somebody goes elsewhere.
    pub fn stop(&mut self) {
        self.is_stopped = true;
        self.leads = false;
    }

    /// What the screen needs and is not in memory.
    pub fn missing(&self, shown: Option<&Arc<RoaringTreemap>>) -> Option<Need> {
        if self.is_stopped {
            return None;
        }
        let need =
            |from, direction| Some(Need { of: self.kind, from, direction, shown: shown.cloned() });
        let (Some(first), Some(last)) = (self.leaves.first(), self.leaves.last()) else {
            return need(From::Event(self.at), Direction::Next);
        };
        let (count, at) = self.count();
        let want = 2 * self.height.max(1);
        // It may lie behind all that were looked at so far.
        let is_beyond = self.focused().is_none_or(|row| row.last < self.at);
        let below = if is_beyond { 0 } else { count - at };
        if let Some(open) = self.goes_on().filter(|_| below < want) {
            return need(From::Block(open.block), Direction::Next);
        }
        if below < want && !self.ends(Direction::Next) {
            return need(From::Block(last.blocks.end), Direction::Next);
        }
        if at < want && !self.ends(Direction::Previous) {
            return need(From::Block(first.blocks.start - 1), Direction::Previous);
        }
        None
    }

    /// Goes to another checkpoint; gives it, if it was read.
    pub fn go_on(&mut self, way: Move) -> Option<&Release> {
        self.is_stopped = false;
        let (screen, half) = (self.height.max(1), (self.height / 2).max(1));
        let by: isize = match way {
            Move::First | Move::Last => {
                self.leaves.clear();
                self.at = if way == Move::First { 0 } else { u64::MAX };
                self.above = if way == Move::First { 0 } else { usize::MAX };
                return None;
            }
            Move::Up => -1,
            Move::Down => 1,
            Move::PageUp => -screen.cast_signed(),
            Move::PageDown => screen.cast_signed(),
            Move::HalfUp => -half.cast_signed(),
            Move::HalfDown => half.cast_signed(),
        };
        let (count, at) = self.count();
        let to = at.saturating_add_signed(by).min(count.saturating_sub(1));
        let last = self.rows().nth(to)?.last;
        self.at = last;
        self.above = self.drawn.saturating_add_signed(to.cast_signed() - at.cast_signed());
        self.focused()
    }
}
