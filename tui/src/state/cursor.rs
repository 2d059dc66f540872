//! Which of a few lines is looked at, and which of them are on the screen.
//!
//! Invariant: the line that is looked at is on the screen, and one of those there are.

use crate::action::Move;

/// A line among others.
#[derive(Debug, Default)]
pub struct Cursor {
    at: usize,
    top: usize,
    height: usize,
}

impl Cursor {
    /// The line that is looked at, of so many; 0 without any.
    pub fn at(&self, lines: usize) -> usize {
        self.at.min(lines.saturating_sub(1))
    }

    /// Goes elsewhere among so many lines.
    pub fn go(&mut self, way: Move, lines: usize) {
        let at = self.at(lines);
        let screen = self.height.max(1);
        let half = (screen / 2).max(1);
        self.at = match way {
            Move::Up => at.saturating_sub(1),
            Move::Down => at + 1,
            Move::PageUp => at.saturating_sub(screen),
            Move::PageDown => at + screen,
            Move::HalfUp => at.saturating_sub(half),
            Move::HalfDown => at + half,
            Move::First => 0,
            Move::Last => lines,
        };
        self.at = self.at(lines);
    }

    /// The first of the lines that are on a screen of this height, of so many.
    pub fn top(&mut self, height: usize, lines: usize) -> usize {
        self.height = height;
        let at = self.at(lines);
        let least = (at + 1).saturating_sub(height.max(1));
        let most = lines.saturating_sub(height).max(least);
        self.top = self.top.clamp(least, at).min(most);
        self.top
    }
}
