//! How the data of the focused request are shown, and from which line on.
//!
//! Keys in, a mode and a line out. Invariant: the first line is one of those there are, and with another request it is the first of all.

use std::ops::Range;

use blkreplay_core::event::PayloadId;
use bytes::Bytes;

use crate::action::Move;
use crate::known::Named;

/// What is shown of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Bytes as digits and as characters.
    #[default]
    Hex,
    /// Characters.
    Text,
    /// Bytes that differ from those of who wrote there before.
    Difference,
    /// How much there is to know in each block.
    Entropy,
}

impl Mode {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Hex => "hex",
            Mode::Text => "text",
            Mode::Difference => "difference from the previous writer",
            Mode::Entropy => "entropy",
        }
    }

    fn next(self) -> Mode {
        match self {
            Mode::Hex => Mode::Text,
            Mode::Text => Mode::Difference,
            Mode::Difference => Mode::Entropy,
            Mode::Entropy => Mode::Hex,
        }
    }
}

/// Lines in which data differ from those that were there before.
#[derive(Debug)]
pub struct Differing {
    /// Whose lines they are.
    pub of: Pair,
    /// Those that differ, by their places among all.
    pub lines: Vec<usize>,
    /// So many bytes differ.
    pub count: u64,
}

/// Data that are held against those that were there before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The request and the one before.
    pub ids: [u64; 2],
    /// The bytes that both have, in the data of the request.
    pub shared: Range<usize>,
    /// Bytes on a line.
    pub each: usize,
}

/// What is shown.
#[derive(Debug, Default)]
pub struct Payload {
    /// How.
    pub mode: Mode,
    /// Structures in the data that are known.
    pub named: Vec<Named>,
    /// Data of the one that wrote there before; `None` in it if they are not there.
    pub other: Option<(PayloadId, Option<Bytes>)>,
    /// What differs from those: data may be long, and a screen is drawn often.
    pub differing: Option<Differing>,
    /// The place of the request whose lines are shown.
    place: u64,
    top: usize,
    height: usize,
    lines: usize,
}

impl Payload {
    /// Shows the data in another way.
    pub fn next_mode(&mut self) {
        self.mode = self.mode.next();
        self.top = 0;
    }

    /// The first line on a screen of this height, of so many lines about the request at a place.
    pub fn top(&mut self, place: u64, height: usize, lines: usize) -> usize {
        if self.place != place {
            (self.place, self.top) = (place, 0);
        }
        (self.height, self.lines) = (height, lines);
        self.top = self.top.min(lines.saturating_sub(height));
        self.top
    }

    /// Goes to other lines.
    pub fn go(&mut self, way: Move) {
        let (page, half) = (self.height.max(1), (self.height / 2).max(1));
        let to = match way {
            Move::Up => self.top.saturating_sub(1),
            Move::Down => self.top.saturating_add(1),
            Move::PageUp => self.top.saturating_sub(page),
            Move::PageDown => self.top.saturating_add(page),
            Move::HalfUp => self.top.saturating_sub(half),
            Move::HalfDown => self.top.saturating_add(half),
            Move::First => 0,
            Move::Last => usize::MAX,
        };
        self.top = to.min(self.lines.saturating_sub(self.height));
    }
}
