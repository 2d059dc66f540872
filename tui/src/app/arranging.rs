//! Going from pane to pane, and arranging them. Actions in, the arrangement or the view changed.

use super::App;
use crate::action::{Arranging, Direction, View};
use crate::state::panes::{Arrangement, Layout};

impl App {
    /// Whether a view is on the screen, whichever keys go to.
    pub fn is_shown(&self, view: View) -> bool {
        self.panes.shown(self.view).contains(&view)
    }

    pub(super) fn arrange(&mut self, arranging: Arranging) {
        match arranging {
            Arranging::Pane(direction) => self.show(self.panes.beside(self.view, direction)),
            Arranging::Maximise => self.maximise(),
            Arranging::Layout => {
                let name = self.panes.next_layout();
                let is_small = self.panes.layout == Layout::All && !self.panes.has_room();
                let small = if is_small { ", for which this screen is too small" } else { "" };
                self.say(format!("shows {name}{small}"));
            }
        }
    }

    /// Goes to the next request or the one before, whichever view keys go to.
    pub(super) fn next_row(&mut self, direction: Direction) {
        self.leave_search();
        self.requests.move_focus(direction.step());
    }

    fn maximise(&mut self) {
        let is_alone = match self.panes.arrangement(self.view) {
            Arrangement::All => false,
            Arrangement::WithDetail => self.view != View::Requests,
            Arrangement::Alone => !self.panes.is_maximised,
        };
        if is_alone {
            return self.say("there is nothing beside this");
        }
        self.panes.is_maximised = !self.panes.is_maximised;
    }
}
