//! Going back and forward, and what else is done on the way. Actions in, the focus, the view or the filter changed.
//!
//! Invariant: whatever leads elsewhere but a step from line to line can be gone back from.

use super::App;
use crate::action::{Action, Direction, Move, Navigating};
use crate::app::Letter;
use crate::state::trail::Station;

impl App {
    pub(super) fn navigate(&mut self, navigating: Navigating) {
        match navigating {
            Navigating::Mark => self.ask_letter(Letter::Sets),
            Navigating::GoToMark => self.ask_letter(Letter::Goes),
            Navigating::FindMark(direction) => self.find_mark(direction),
            Navigating::ShowMarked => self.show_marked(),
            Navigating::Trail(direction) => self.go_trail(direction),
            Navigating::Point(side) => self.set_point(side),
            Navigating::Select => self.select(),
            Navigating::ToggleFilter => self.toggle_filter(),
        }
    }

    /// Where somebody is now.
    pub(super) fn station(&self) -> Station {
        let filter = self.filtering.text().to_owned();
        Station { focus: self.requests.focus(), view: self.view, filter }
    }

    /// Remembers where somebody was, if it is elsewhere than now.
    pub(super) fn left(&mut self, before: Station) {
        if before != self.station() {
            self.trail.leave(before);
        }
    }

    /// Whether an action leads from line to line only, or along the trail.
    pub(super) fn is_step(action: Action) -> bool {
        match action {
            Action::Move(way) => !matches!(way, Move::First | Move::Last),
            Action::Column(_) | Action::Row(_) | Action::Navigate(Navigating::Trail(_)) => true,
            _ => false,
        }
    }

    fn go_trail(&mut self, direction: Direction) {
        let Some(station) = self.trail.go(direction, self.station()) else {
            return self.say(match direction {
                Direction::Previous => "there is nothing to go back to",
                Direction::Next => "there is nothing to go forward to",
            });
        };
        self.show(station.view);
        if station.filter != self.filtering.text() {
            self.filter(&station.filter);
        }
        self.requests.go(station.focus);
    }

    /// Takes the filter away for a while, or puts it in force again.
    fn toggle_filter(&mut self) {
        if let Some(text) = self.filtering.off.take() {
            return self.filter(&text);
        }
        let text = self.filtering.text().to_owned();
        if text.is_empty() {
            return self.say("there is no filter; f writes one");
        }
        self.filter("");
        self.filtering.off = Some(text);
    }
}
