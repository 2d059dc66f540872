//! What is where on the screen, for the mouse. Written by what draws it, anew for each frame.
//!
//! Places in, what is there out. Invariant: of what lies over other things, the last that was drawn is found.

use std::ops::Range;

use crate::action::View;

/// A part of the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// Its columns.
    pub columns: Range<u16>,
    /// Its lines.
    pub lines: Range<u16>,
    /// What is there.
    pub what: What,
}

/// What is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The name of a view, which shows it.
    Tab(View),
    /// A view.
    Pane(View),
    /// A line of the list of a view, of which the line of the screen is looked at.
    Line(View, u16),
    /// The cells of the map.
    Cells,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Spots {
    all: Vec<Spot>,
}

impl Spots {
    /// Forgets the last frame.
    pub fn clear(&mut self) {
        self.all.clear();
    }

    /// Something is there.
    pub fn put(&mut self, columns: Range<u16>, lines: Range<u16>, what: What) {
        self.all.push(Spot { columns, lines, what });
    }

    /// What is at a cell, and how far from its upper left that is.
    pub fn at(&self, (column, line): (u16, u16)) -> Option<(What, (u16, u16))> {
        let holds = |spot: &&Spot| spot.columns.contains(&column) && spot.lines.contains(&line);
        let spot = self.all.iter().rev().find(holds)?;
        Some((spot.what, (column - spot.columns.start, line - spot.lines.start)))
    }

    /// The view whose pane is at a cell.
    pub fn view(&self, at: (u16, u16)) -> Option<View> {
        match self.at(at)?.0 {
            What::Pane(view) | What::Line(view, _) => Some(view),
            What::Cells => Some(View::Map),
            What::Tab(_) => None,
        }
    }
}
