//! A QEMU log in place of a trace: what is known of it, and what it cannot do. Actions and what was read in, changes of the state out.
//!
//! Invariant: whatever a log does not have is refused in words.

use std::path::Path;
use std::sync::Arc;

use blkreplay_core::edit::Planned;
use blkreplay_core::format::{Edits, Header, LimitsHeader, PayloadPolicy, Survey, Writer};
use blkreplay_core::qemu::LogFinding;
use blkreplay_core::rows::Row;

use super::App;
use crate::action::{Action, Arranging, Direction, Move, View};
use crate::events::Extent;
use crate::events::log::{Known, Log as Opened};
use crate::outlet::{Form, Outlet, Sink};
use crate::state::log::Log;
use crate::words;

/// What is said of all that is about requests.
pub(super) const NO_REQUESTS: &str =
    "this is a QEMU log: of requests it has nothing but the numbers of those that were completed";

/// What is said where a filter is wanted.
pub(super) const NO_FILTER: &str = "a filter is about requests, and this is a QEMU log: it has nothing but the numbers of those that were completed";

impl App {
    /// Looks at a log.
    pub fn of_log(name: String, word: String, log: Option<&Opened>) -> App {
        let mut app = App::new(name, word, no_header(), Arc::new(NoRequests));
        app.requests.set_pages(Vec::new());
        app.view = View::Checkpoints;
        app.log = log.map(Log::new);
        app
    }

    /// More is known of the log.
    pub fn known(&mut self, known: Known) {
        let Some(log) = &mut self.log else { return };
        let is_progress = matches!(known, Known::Read(_) | Known::Whole(..));
        let is_doubted = matches!(known, Known::Doubted);
        log.take(known);
        if is_doubted {
            self.events.forget();
            self.checkpoints.forget();
            self.banner = None;
        }
        if is_progress {
            let (events, blocks) = (log.progress.place.event, log.progress.blocks);
            self.events.set_extent(Extent { events, blocks });
            self.checkpoints.grown(blocks);
        }
        if let Some(stop) = &log.stop {
            self.banner = Some(format!("{stop}: {}", stop.meaning()));
        }
        if let Some(error) = &log.error {
            self.banner = Some(format!("the log cannot be read further: {error}"));
        }
    }

    /// Does what an action means in a log; whether it means anything else there than in a trace.
    pub(super) fn do_in_log(&mut self, action: Action) -> bool {
        if self.log.is_none() || self.over.is_some() {
            return false;
        }
        match action {
            Action::FindFinding(direction) => self.find_in_log(direction),
            Action::Find(..) | Action::AskSearch | Action::Search(_) | Action::List(_) => {
                self.refuse(NO_REQUESTS);
            }
            Action::AskFile => {
                self.refuse(
                    "of a QEMU log there are no requests to write; print writes its events",
                );
            }
            Action::Row(direction) => self.events.move_focus(direction.step()),
            Action::Arrange(Arranging::Pane(direction)) => self.view = beside(self.view, direction),
            Action::AskFilter | Action::FilterBy(_) | Action::DropTerm => {
                self.refuse(NO_FILTER);
            }
            Action::Navigate(_) => {
                self.refuse(format!("marks and points are of requests, and {NO_REQUESTS}"));
            }
            Action::Chart(_) | Action::Pan(_) => {
                self.refuse("a QEMU log has no offsets and no times, and no map");
            }
            Action::Open if matches!(self.view, View::Requests | View::Checkpoints) => {
                return false;
            }
            Action::Open if self.view == View::Findings => match self.finding() {
                Some(finding) => {
                    self.events.focus_on(finding.place.event);
                    self.view = View::Requests;
                }
                None => self.say("nothing was found here"),
            },
            Action::Move(way) if self.view == View::Findings => self.move_in_log(way),
            Action::Move(_) if matches!(self.view, View::Requests | View::Checkpoints) => {
                return false;
            }
            Action::Column(_) if self.view == View::Checkpoints => return false,
            Action::Move(_) | Action::Open | Action::Column(_) => {}
            Action::Show(view) => self.view = view,
            _ => return false,
        }
        true
    }

    fn finding(&self) -> Option<LogFinding> {
        self.log.as_ref()?.finding().copied()
    }

    fn move_in_log(&mut self, way: Move) {
        if let Some(log) = &mut self.log {
            log.move_finding(way);
        }
        if let Some(finding) = self.finding() {
            self.events.focus_on(finding.place.event);
        }
    }

    fn find_in_log(&mut self, direction: Direction) {
        let focus = self.events.focus();
        let Some(log) = &mut self.log else { return };
        let approximate = if log.goes_on() { "~ " } else { "" };
        let found = log.beside(focus, direction).copied();
        let Some(LogFinding { place, fault }) = found else {
            let which = if direction == Direction::Next { "behind" } else { "before" };
            return self.say(format!("{approximate}nothing was found {which} this event"));
        };
        self.events.focus_on(place.event);
        let sign = words::level(fault.level());
        self.say(format!("{approximate}{sign} {} {fault}: {}", fault.code(), fault.hint()));
    }
}

/// The view beside one.
fn beside(view: View, direction: Direction) -> View {
    let views = View::ALL.map(|(view, ..)| view);
    let at = views.iter().position(|other| *other == view).unwrap_or(0);
    let by = if direction == Direction::Next { 1 } else { views.len() - 1 };
    views[(at + by) % views.len()]
}

/// Has no requests that could look like anything.
#[derive(Debug)]
struct NoRequests;

impl Outlet for NoRequests {
    fn heading(&self, _: Form) -> Vec<u8> {
        Vec::new()
    }

    fn line(&self, _: Form, _: &Row) -> Vec<u8> {
        Vec::new()
    }

    fn trace(
        &self,
        _: &Survey,
        _: &Planned,
        _: Option<&str>,
        _: Sink,
    ) -> Result<Writer<Sink>, String> {
        Err(NO_REQUESTS.to_owned())
    }

    fn is_trace(&self, _: &Path) -> bool {
        false
    }
}

/// What a log says of itself, as the header of a trace: nothing.
fn no_header() -> Header {
    Header {
        tool: String::new(),
        command: Vec::new(),
        wall_clock_ns: 0,
        payload: PayloadPolicy::None,
        devices: Vec::new(),
        exports: Vec::new(),
        limits: LimitsHeader { request_data_bytes: 0, connection_requests: 0 },
        recovered: None,
        replay: None,
        edits: Edits::default(),
    }
}
