//! Which columns the list has, and how it tells times. Keys in, columns out.
//!
//! Invariant: id and operation are always there.

use blkreplay_core::units::Nanos;

use crate::state::cell::Cell;
use crate::state::cursor::Cursor;

/// The columns.
#[derive(Debug)]
pub struct Columns {
    hidden: Vec<Cell>,
    /// The one that is looked at where they are chosen.
    pub cursor: Cursor,
    /// How times are told.
    pub clock: Clock,
    /// The time that others are told from.
    pub reference: Option<Nanos>,
}

impl Default for Columns {
    fn default() -> Columns {
        Columns {
            hidden: vec![Cell::Device, Cell::Connection, Cell::End, Cell::Lba, Cell::Payload],
            cursor: Cursor::default(),
            clock: Clock::default(),
            reference: None,
        }
    }
}

/// From when times are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clock {
    /// From the beginning of the recording.
    #[default]
    Start,
    /// By the clock on the wall, in UTC.
    Wall,
    /// From the request before it that is shown.
    Previous,
    /// From the request that somebody chose.
    Reference,
}

impl Clock {
    /// What stands above the times.
    pub fn name(self) -> &'static str {
        match self {
            Clock::Start => "time",
            Clock::Wall => "UTC",
            Clock::Previous => "Δ time",
            Clock::Reference => "from T",
        }
    }

    /// The same in words.
    pub fn about(self) -> &'static str {
        match self {
            Clock::Start => "times are since the beginning of the recording",
            Clock::Wall => "times are those of the clock on the wall, in UTC",
            Clock::Previous => "times are since the request before that is shown",
            Clock::Reference => "times are since the request that T was pressed at",
        }
    }
}

impl Columns {
    /// Those that are there, from left to right.
    pub fn chosen(&self) -> Vec<Cell> {
        Cell::ALL.into_iter().filter(|cell| self.has(*cell)).collect()
    }

    /// Whether a column is there.
    pub fn has(&self, cell: Cell) -> bool {
        !self.hidden.contains(&cell)
    }

    /// The one that is looked at.
    pub fn looked_at(&self) -> Cell {
        Cell::ALL[self.cursor.at(Cell::ALL.len())]
    }

    /// Shows the one that is looked at or takes it away; false if it stays.
    pub fn toggle(&mut self) -> bool {
        let cell = self.looked_at();
        if matches!(cell, Cell::Id | Cell::Operation) {
            return false;
        }
        if self.has(cell) {
            self.hidden.push(cell);
        } else {
            self.hidden.retain(|hidden| *hidden != cell);
        }
        true
    }

    /// Tells times from elsewhere, of which there may be no wall clock.
    pub fn next_clock(&mut self, has_wall: bool) {
        self.clock = match self.clock {
            Clock::Start if has_wall => Clock::Wall,
            Clock::Start | Clock::Wall => Clock::Previous,
            Clock::Previous if self.reference.is_some() => Clock::Reference,
            Clock::Previous | Clock::Reference => Clock::Start,
        };
    }
}
