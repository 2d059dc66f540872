//! The mouse: what is clicked gets the keys, and the line or the cell that is clicked is looked at. What was done in, the state changed.
//!
//! Invariant: the mouse does nothing that keys do not, and opens nothing.

use super::{App, Over};
use crate::action::{Action, Move, View};
use crate::mouse::{Does, Mouse};
use crate::state::spots::What;

/// Lines that a step of the wheel goes.
const WHEEL: usize = 3;

impl App {
    /// Something was done with the mouse.
    pub fn pointed(&mut self, mouse: Mouse) {
        self.as_one(|app| {
            // Neither a letter that is waited for nor the rest of some keys.
            app.letter = None;
            app.begun.clear();
            if !app.refuse_bless() {
                app.do_with_mouse(mouse);
            }
        });
    }

    fn do_with_mouse(&mut self, mouse: Mouse) {
        let view = self.view;
        let is_open = self.over.is_some();
        match (mouse.does, self.spots.at(mouse.at)) {
            (Does::WheelUp, _) => self.wheel(mouse.at, Move::Up),
            (Does::WheelDown, _) => self.wheel(mouse.at, Move::Down),
            // What is being written is not thrown away.
            (Does::Press, Some((What::Tab(_), _))) if self.is_writing() => {}
            (Does::Press, Some((What::Tab(view), _))) => self.show(view),
            (Does::Press, Some((What::Line(view, looked_at), _))) => {
                if view != self.view && !is_open {
                    self.show(view);
                }
                self.go_lines(looked_at, mouse.at.1);
            }
            (Does::Press | Does::Drag, Some((What::Cells, (column, line)))) if !is_open => {
                if self.view != View::Map {
                    self.show(View::Map);
                }
                self.point_on_map(usize::from(column), usize::from(line));
                // From cell to cell, as keys go.
                self.has_stepped = true;
            }
            (Does::Press, Some((What::Pane(view), _))) if view != self.view && !is_open => {
                self.show(view);
            }
            (Does::Press | Does::Drag, _) => {}
        }
        self.has_stepped &= self.view == view;
    }

    /// Whether a text is being written that would be lost.
    fn is_writing(&self) -> bool {
        match &self.over {
            Some(
                Over::Place(_)
                | Over::Search(_)
                | Over::Filter(_)
                | Over::File(_)
                | Over::Note(..)
                | Over::Rules(..),
            ) => true,
            None
            | Some(
                Over::Help(_) | Over::Detail | Over::Bless | Over::Columns | Over::Frequencies,
            ) => false,
        }
    }

    /// Goes as many lines as lie between two of the screen.
    fn go_lines(&mut self, from: u16, to: u16) {
        let way = if to < from { Move::Up } else { Move::Down };
        for _ in 0..to.abs_diff(from) {
            self.update(Action::Move(way));
        }
    }

    /// Moves in the pane that is pointed to, to which keys need not go.
    fn wheel(&mut self, at: (u16, u16), way: Move) {
        let keys = self.view;
        if self.over.is_none() {
            self.view = self.spots.view(at).unwrap_or(keys);
        }
        for _ in 0..WHEEL {
            self.update(Action::Move(way));
        }
        self.view = keys;
    }

    /// Whether the mouse does anything from now on.
    pub(super) fn switch_mouse(&mut self) -> bool {
        self.has_mouse = !self.has_mouse;
        self.say(if self.has_mouse {
            "the mouse works here; with shift held it is the terminal's"
        } else {
            "the mouse is the terminal's"
        });
        self.has_mouse
    }
}
