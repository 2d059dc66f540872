//! Raw events: of a log they are the list, of a trace `%` shows them around the focused request. Actions and lines in, the focus and what
//! is shown changed.
//!
//! Invariant: whoever leaves the events of a trace is at the request of the event, or at the requests of its time.

use blkreplay_core::position::Position;

use super::{App, Effect};
use crate::action::{Action, Copied, View};
use crate::events::{Completed, End, Told, Wish};
use crate::state::target::Target;

impl App {
    /// Whether events are listed, not requests.
    pub fn lists_events(&self) -> bool {
        self.view == View::Requests && (self.log.is_some() || self.is_raw)
    }

    /// Whether events or checkpoints are on the screen.
    pub fn shows_events(&self) -> bool {
        self.lists_events() || self.view == View::Checkpoints
    }

    /// Does what an action means among events; whether it means anything else there than elsewhere.
    pub(super) fn do_among_events(&mut self, action: Action) -> bool {
        if self.over.is_some() {
            return false;
        }
        if action == Action::OtherEnd {
            self.other_end();
            return true;
        }
        if self.view == View::Checkpoints && matches!(action, Action::Column(_)) {
            self.checkpoints.toggle();
            return true;
        }
        if !self.lists_events() {
            return false;
        }
        let is_trace = self.log.is_none();
        match action {
            Action::Move(way) => self.events.move_focus(way),
            Action::Row(direction) => self.events.move_focus(direction.step()),
            Action::Column(_) => {}
            Action::Cancel | Action::Back if self.events.stop() => {
                self.say("it was not looked for any further");
            }
            Action::Cancel | Action::Back | Action::Show(View::Requests) | Action::Open
                if is_trace && self.progress.is_none() =>
            {
                self.leave_events();
            }
            Action::Open if !is_trace => {
                self.view = View::Checkpoints;
            }
            Action::Show(_) if is_trace => {
                self.leave_events();
                return false;
            }
            Action::Find(..)
            | Action::FindFinding(_)
            | Action::FilterBy(_)
            | Action::AskSearch
            | Action::Search(_)
            | Action::AskFile
            | Action::Navigate(_)
            | Action::List(_)
                if is_trace =>
            {
                self.say("this is about requests; 1 goes back to them");
            }
            _ => return false,
        }
        true
    }

    /// Shows the events around the focused request, or goes to the other end of the request of an event.
    fn other_end(&mut self) {
        if self.view != View::Requests {
            return self.say("% shows events of the focused request in the list, which 1 shows");
        }
        if !self.lists_events() {
            // Of a request that cannot be read nobody knows where it is.
            if let Some(event) = self.requests.focused().map(|row| row.event) {
                self.events.focus_on(event);
            }
            self.is_raw = true;
            return;
        }
        let Some(line) = self.events.focused() else {
            return self.say("this event was not read");
        };
        let index = line.index;
        match line.request {
            Some((id, _)) if self.log.is_some() => self.say(format!(
                "a QEMU log does not say when {id} was issued: its completion is all there is"
            )),
            Some((id, End::Issue)) => {
                self.events.seek(id, End::Completion, Some(index + 1), u64::MAX);
            }
            Some((id, End::Completion)) => self.events.seek(id, End::Issue, None, index),
            None => self.say("this event is no end of a request"),
        }
    }

    /// Goes back to requests.
    pub(super) fn leave_events(&mut self) {
        self.is_raw = false;
        self.events.stop();
        let Some(line) = self.events.focused() else { return };
        let (request, time) = (line.request, line.time);
        match request {
            Some((id, _)) => {
                self.going.sought = Some(id);
                self.arrive();
            }
            None => self.requests.go(self.requests.place_at(time).0),
        }
    }

    /// Something of events was read.
    pub fn told_of_events(&mut self, told: Told) {
        match told {
            // Of a log it is told while it is read.
            Told::Extent(_) if self.log.is_some() => {}
            Told::Extent(extent) => {
                self.events.set_extent(extent);
                self.checkpoints.grown(extent.blocks);
                // What could not be read before is tried again.
                if let Some(error) = self.events.error.take() {
                    self.banner.take_if(|banner| *banner == error);
                }
            }
            Told::Page(page) => self.events.set_page(page),
            Told::Releases(leaf) => {
                self.checkpoints.take(leaf);
                self.follow_checkpoint();
            }
            Told::Sought(number, sought) => {
                let Some((seek, found)) = self.events.take_sought(number, sought) else { return };
                match found {
                    Some(event) if self.lists_events() || self.log.is_some() => {
                        self.events.focus_on(event);
                    }
                    Some(event) => self.checkpoints.go(event),
                    None => {
                        let id = seek.id;
                        self.say(match seek.end {
                            _ if self.log.is_some() => format!("{id} is not completed in this log"),
                            End::Issue => format!("where {id} was issued is not in this trace"),
                            End::Completion => format!("{id} is not completed in this trace"),
                        });
                    }
                }
            }
            Told::Unreadable(text) => {
                self.events.stop();
                self.banner.get_or_insert(text.clone());
                self.events.error = Some(text);
            }
        }
    }

    /// What of events is not in memory and should be, the most urgent first.
    pub fn event_wishes(&self) -> Vec<Wish> {
        if self.events.error.is_some() {
            return Vec::new();
        }
        let mut wishes = Vec::new();
        let lists = self.lists_events();
        if lists || self.log.is_some() && self.view == View::Checkpoints {
            wishes.extend(self.events.missing().into_iter().map(Wish::Page));
        }
        wishes.extend(self.events.sought().cloned().map(Wish::Seek));
        wishes.extend(self.checkpoints_wished().map(Wish::Releases));
        wishes
    }

    /// Goes to an event; gives a target back that is none.
    pub(super) fn go_among_events(&mut self, target: Target) -> Option<Target> {
        let events = self.events.len();
        let index = match target {
            Target::Begin => 0,
            Target::End | Target::Position(Position::End) => u64::MAX,
            Target::Position(Position::Event(index)) => index,
            Target::Percent(percent) => {
                let at = u128::from(events) * u128::from(percent) / 100;
                u64::try_from(at).unwrap_or(u64::MAX)
            }
            Target::Request(id) if self.log.is_some() => {
                self.events.seek(id, End::Completion, Some(0), u64::MAX);
                return None;
            }
            _ if self.log.is_some() => {
                self.refuse(
                    "a QEMU log does not have this; event:123, #5 (its completion), 50%, begin and end are places in it",
                );
                return None;
            }
            other => {
                self.is_raw = false;
                return Some(other);
            }
        };
        self.events.focus_on(index);
        if index != u64::MAX && index >= events {
            self.say("there are not so many events; this is the last that is known");
        }
        None
    }

    /// Copies the focused event.
    pub(super) fn copy_event(&mut self, what: Copied) -> Option<Effect> {
        let Some(line) = self.events.focused() else {
            self.say("this event was not read");
            return None;
        };
        let (name, index) = (&self.word, line.index);
        let text = match what {
            Copied::Line => line.text().to_owned(),
            Copied::Command if self.log.is_some() => {
                format!("blkreplay print {name} --at event:{index} -n 1")
            }
            Copied::Command => {
                format!("blkreplay print {name} --events --at event:{index} -n 1")
            }
            _ => {
                self.say("of an event its line and its command are copied: y l, y c");
                return None;
            }
        };
        Some(self.copied(text, None))
    }
}

/// The first request that a checkpoint completed and that has a place.
pub(super) fn first_place(completed: &[Completed]) -> Option<u64> {
    completed.iter().find_map(|one| one.place)
}
