//! What an action means in the view that is shown. Actions in, the state of the view changed.

use super::{App, Effect, Over};
use crate::action::{Like, Move, View};
use crate::state::cell::Cell;

impl App {
    pub(super) fn show(&mut self, view: View) {
        if view == View::Requests {
            self.say_what_base_has();
        }
        self.view = view;
        self.over = None;
        if self.log.is_some() {
            return;
        }
        match view {
            View::Requests | View::Map | View::Latency | View::Stats | View::Checkpoints => {}
            View::Queue => self.queue.resume(),
            View::Epochs => self.show_epochs(),
            View::Diff => self.show_diff(),
            View::Findings => self.findings.begin(self.live.growth()),
        }
    }

    /// Goes elsewhere in what lies over the view; whether anything lies there that has lines.
    pub(super) fn move_over(&mut self, way: Move) -> bool {
        match &mut self.over {
            Some(Over::Help(help)) => help.go(way, &self.keymap),
            Some(Over::Detail) => self.payload.go(way),
            Some(Over::Frequencies) => {
                let lines = self.frequencies.lines();
                self.frequencies.cursor.go(way, lines);
            }
            Some(Over::Columns) => self.columns.cursor.go(way, Cell::ALL.len()),
            _ => return false,
        }
        true
    }

    /// Does what Enter means: accepts what was written, or opens what is looked at.
    pub(super) fn open(&mut self) -> Option<Effect> {
        match self.over.take() {
            None => self.open_line(),
            Some(Over::Place(prompt)) => return self.run(prompt.text().trim()),
            Some(Over::Note(id, prompt)) => return self.note(id, prompt.text()),
            Some(Over::Search(prompt)) => self.search_for(prompt.text().trim()),
            Some(Over::Filter(line)) => {
                if line.error.is_some() {
                    self.over = Some(Over::Filter(line));
                } else {
                    self.filter(line.text().trim());
                }
            }
            Some(Over::File(naming)) => self.write(naming),
            Some(Over::Help(help)) => {
                return help.picked(&self.keymap).and_then(|action| self.update(action));
            }
            Some(Over::Rules(proposed, prompt)) => self.ignore(proposed, prompt.text()),
            Some(Over::Detail | Over::Bless) => {}
            Some(Over::Frequencies) => {
                self.over = Some(Over::Frequencies);
                self.filter_by_value(Like::This);
            }
            Some(Over::Columns) => {
                self.toggle_column();
                self.over = Some(Over::Columns);
            }
        }
        None
    }

    /// Goes elsewhere in the lines of the view.
    pub(super) fn go_on(&mut self, way: Move) {
        match self.view {
            View::Requests | View::Queue => self.requests.move_focus(way),
            View::Map => self.move_on_map(way),
            View::Latency | View::Stats => {}
            View::Epochs => self.move_epoch(way),
            View::Diff => self.move_difference(way),
            View::Checkpoints => self.move_checkpoint(way),
            View::Findings => self.move_finding(way),
        }
    }

    /// Shows what lies behind the line that is looked at.
    pub(super) fn open_line(&mut self) {
        match self.view {
            View::Requests => self.over = Some(Over::Detail),
            View::Map => self.open_cell(),
            View::Queue => self.open_column(),
            View::Latency | View::Stats => {}
            View::Epochs => self.open_epoch(),
            View::Diff => self.open_difference(),
            View::Checkpoints => self.open_checkpoint(),
            View::Findings => self.open_finding(),
        }
    }

    /// Filters by the line that is looked at, where that is no request.
    pub(super) fn filter_by_line(&mut self, like: Like) {
        match self.view {
            View::Requests | View::Map | View::Latency | View::Stats => {}
            View::Queue => self.filter_by_column(like),
            View::Epochs => self.filter_by_epoch(like),
            View::Diff => self.filter_by_difference(like),
            View::Checkpoints => self.filter_by_checkpoint(like),
            View::Findings => self.filter_by_finding(like),
        }
    }

    /// Ends what goes on for the view; whether there was something.
    pub(super) fn stop_view(&mut self) -> bool {
        if self.view == View::Findings && self.findings.stop() {
            self.say("findings were not looked for any further; 9 begins anew");
            return true;
        }
        if self.view == View::Epochs && self.epochs.stop() {
            self.say("epochs were not counted any further; 6 begins anew");
            return true;
        }
        if self.view == View::Queue && self.queue.stop() {
            self.say("the queue was counted no further; 4 begins anew");
            return true;
        }
        if self.view == View::Checkpoints && self.checkpoints_wished().is_some() {
            self.checkpoints.stop();
            self.say("checkpoints were not looked for any further");
            return true;
        }
        if self.events.stop() {
            self.say("it was not looked for any further");
            return true;
        }
        let is_sought = self.findings.sought.take().is_some();
        if is_sought {
            self.say("it goes to no finding; w does");
        }
        is_sought
    }
}
