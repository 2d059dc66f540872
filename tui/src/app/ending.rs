//! Ending what goes on, or closing what is open: one thing at a time, that which was begun last first. An action in, the state changed.

use super::App;
use crate::action::View;

impl App {
    /// Cancels or closes what there is; whether there was something.
    pub(super) fn cancel(&mut self) -> bool {
        if self.stop_search() {
            self.say("the search was cancelled");
            return true;
        }
        if self.stop_going() | self.stop_slow() {
            self.say("it goes nowhere");
            return true;
        }
        if self.leave_frequencies() || self.over.take().is_some() || self.stop_writing() {
            return true;
        }
        if self.points.drop_selection() {
            self.say("the selection was dropped");
            return true;
        }
        if self.view == View::Requests && self.stop_sorting() {
            return true;
        }
        if self.stop_view() {
            return true;
        }
        if self.emptied.stop() {
            self.say("which term leaves none was not looked for any further");
            return true;
        }
        let cancelled = self.filtering.stop();
        if cancelled {
            self.say("the filter went no further; enter it again to go on");
        }
        cancelled || self.stop_counting()
    }
}
