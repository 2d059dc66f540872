//! Which lines of a list are on the screen. Lines and a height in, a range out.
//!
//! Invariant: the line that is looked at is on the screen.

use std::ops::Range;

use crate::action::Move;

/// A part of a list.
#[derive(Debug, Clone, Copy, Default)]
pub struct Window {
    top: usize,
    height: usize,
}

impl Window {
    /// What is on a screen of so many lines, of `count` lines of which `at` is looked at.
    pub fn show(&mut self, at: usize, count: usize, height: usize) -> Range<usize> {
        self.height = height;
        let least = (at + 1).saturating_sub(height);
        let most = count.saturating_sub(height).max(least);
        self.top = self.top.clamp(least, at.max(least)).min(most);
        self.top..count.min(self.top + height)
    }

    /// Where a move leads from one of `count` lines.
    pub fn to(&self, at: usize, way: Move, count: usize) -> usize {
        let (page, half) = (self.height.max(1), (self.height / 2).max(1));
        let to = match way {
            Move::Up => at.saturating_sub(1),
            Move::Down => at.saturating_add(1),
            Move::PageUp => at.saturating_sub(page),
            Move::PageDown => at.saturating_add(page),
            Move::HalfUp => at.saturating_sub(half),
            Move::HalfDown => at.saturating_add(half),
            Move::First => 0,
            Move::Last => usize::MAX,
        };
        to.min(count.saturating_sub(1))
    }
}
