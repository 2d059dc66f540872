//! The state of the inspector, and how it changes: actions and what was read come in, effects come out. Knows no terminal.
//!
//! Invariant: whatever is on the screen follows from this state alone.

mod arranging;
mod checkpoints;
mod clicking;
mod columns;
mod commands;
mod copying;
mod diffing;
mod effect;
mod emptying;
mod ending;
mod epochs;
mod eventing;
mod filtering;
mod findings;
mod frequencies;
mod going;
mod hearing;
mod living;
mod logs;
mod mapping;
mod marking;
mod navigating;
mod noting;
mod payload;
mod pointing;
mod pressing;
mod queueing;
mod searching;
mod settled;
mod slow;
mod sorting;
mod tallying;
mod viewing;
mod writing;

use std::sync::Arc;

pub use diffing::HOW;

use blkreplay_core::event::PayloadId;
use blkreplay_core::format::Header;
use blkreplay_core::request::RequestId;
use bytes::Bytes;

use crate::action::{Action, Axis, View};
use crate::around::Around;
use crate::compare::Proposed;
use crate::key::Key;
use crate::keymap::Keymap;
use crate::look::Look;
use crate::notebook::Notes;
use crate::outlet::Outlet;
use crate::state::cell::Cell;
use crate::state::checkpoints::Checkpoints;
use crate::state::coloring::Coloring;
use crate::state::columns::Columns;
use crate::state::diff::Diff;
use crate::state::emptied::Emptied;
use crate::state::epochs::Epochs;
use crate::state::events::Events;
use crate::state::filter::{Filtering, Line};
use crate::state::findings::Findings;
use crate::state::frequencies::Frequencies;
use crate::state::help::Help;
use crate::state::live::Live;
use crate::state::log::Log;
use crate::state::map::Map;
use crate::state::marks::Marks;
use crate::state::outline::Outline;
use crate::state::panes::Panes;
use crate::state::payload::Payload;
use crate::state::points::Points;
use crate::state::prompt::{History, Prompt};
use crate::state::queue::Queue;
use crate::state::requests::Requests;
use crate::state::sorting::Sorting;
use crate::state::spots::Spots;
use crate::state::tallying::Tallying;
use crate::state::trail::Trail;
use crate::state::writing::{Naming, Writing};
use crate::words;

pub use commands::{COMMANDS, Command};
pub use copying::Copying;
pub use effect::Effect;
use going::Going;
pub use marking::Letter;
pub(crate) use payload::Before;
use searching::Searching;
pub use slow::Slow;

/// What lies over the view.
#[derive(Debug)]
pub enum Over {
    /// The list of commands with their keys.
    Help(Help),
    /// Where to go is being written.
    Place(Prompt),
    /// What to search for is being written.
    Search(Prompt),
    /// A filter is being written.
    Filter(Line),
    /// The name of a file for what is shown is being written.
    File(Naming),
    /// A note on a request is being written.
    Note(RequestId, Prompt),
    /// The focused request alone.
    Detail,
    /// Rules that would ignore a difference, and the reason that is being written.
    Rules(Box<Proposed>, Prompt),
    /// Whether the trace is to be the base.
    Bless,
    /// The columns that the list can have.
    Columns,
    /// How often values of a column come.
    Frequencies,
}

/// A line for the person, until the next key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Something went wrong.
    pub is_error: bool,
    /// What.
    pub text: String,
}

/// The state.
#[derive(Debug)]
pub struct App {
    /// What the trace is called.
    pub name: String,
    /// The same, as a shell takes it.
    pub word: String,
    /// Which of several traces it is, of how many, and what the next is called.
    pub beside: Option<(usize, usize, String)>,
    /// What it says of itself.
    pub header: Header,
    /// The list.
    pub requests: Requests,
    /// What is shown.
    pub view: View,
    /// What is beside it.
    pub panes: Panes,
    /// Which requests have which colours.
    pub coloring: Coloring,
    /// What is where on the screen.
    pub spots: Spots,
    /// The mouse is ours.
    pub has_mouse: bool,
    /// Which key does what.
    pub keymap: Keymap,
    /// How the screen looks.
    pub look: Look,
    /// The map.
    pub map: Map,
    /// The focused column.
    pub cell: Cell,
    /// The columns of the list.
    pub columns: Columns,
    /// The filter.
    pub filtering: Filtering,
    /// Which of its terms leaves none.
    pub emptied: Emptied,
    /// What lies between flushes.
    pub epochs: Epochs,
    /// What is looked at if it is a QEMU log, and no trace.
    pub log: Option<Log>,
    /// Raw events.
    pub events: Events,
    /// Events are listed in place of requests.
    pub is_raw: bool,
    /// Where queued events were released.
    pub checkpoints: Checkpoints,
    /// What is worth a look.
    pub findings: Findings,
    /// Where it differs from a base, if it is compared with one.
    pub diff: Option<Diff>,
    /// What is counted.
    pub tallying: Tallying,
    /// How often values of a column come.
    pub frequencies: Frequencies,
    /// Whether the list is sorted.
    pub sorting: Sorting,
    /// What is written to a file.
    pub writing: Writing,
    /// Who gets what is copied.
    pub copying: Copying,
    /// How requests look elsewhere.
    pub(crate) outlet: Arc<dyn Outlet>,
    /// What summaries say.
    pub outline: Outline,
    /// What was in flight when.
    pub queue: Queue,
    /// How the trace grows.
    pub live: Live,
    /// What somebody wrote on requests.
    pub notes: Notes,
    /// Where to begin, until it is known where requests lie.
    place: Option<String>,
    /// Something that lies over it.
    pub over: Option<Over>,
    /// Something to say.
    pub message: Option<Message>,
    /// What must be known of the trace all the time, such as that it is damaged.
    pub banner: Option<String>,
    /// Events that the recorder dropped.
    pub dropped: u64,
    /// How far a search got, if one goes on.
    pub progress: Option<(usize, usize)>,
    searching: Searching,
    /// Where one is on the way to.
    pub going: Going,
    /// Jumps that were begun, those that go on among them.
    jumps: u64,
    /// What was written behind `:`.
    asked: History,
    /// What is marked.
    pub marks: Marks,
    /// A, B and the selection.
    pub points: Points,
    /// Which requests are slow.
    pub slow: Slow,
    /// Where somebody was.
    trail: Trail,
    /// What is done leads from line to line only.
    has_stepped: bool,
    /// A letter is waited for, to do this with it.
    pub letter: Option<Letter>,
    /// The filter that shows only what is marked, and the one that was in force before.
    before_marked: Option<(String, String)>,
    data: Option<(PayloadId, Option<Bytes>)>,
    /// How data are shown.
    pub payload: Payload,
    around: Option<Around>,
    /// Keys that only begin something.
    pub begun: Vec<Key>,
}

impl App {
    /// Looks at the trace with this header, whose requests look elsewhere as `outlet` says.
    pub fn new(name: String, word: String, header: Header, outlet: Arc<dyn Outlet>) -> App {
        App {
            name,
            word,
            beside: None,
            header,
            requests: Requests::default(),
            view: View::default(),
            panes: Panes::default(),
            coloring: Coloring::default(),
            spots: Spots::default(),
            has_mouse: true,
            keymap: Keymap::default(),
            look: Look::default(),
            map: Map::default(),
            cell: Cell::default(),
            columns: Columns::default(),
            filtering: Filtering::default(),
            emptied: Emptied::default(),
            epochs: Epochs::default(),
            log: None,
            events: Events::default(),
            is_raw: false,
            checkpoints: Checkpoints::default(),
            findings: Findings::default(),
            diff: None,
            tallying: Tallying::default(),
            frequencies: Frequencies::default(),
            sorting: Sorting::default(),
            writing: Writing::default(),
            copying: Copying::default(),
            outlet,
            outline: Outline::default(),
            queue: Queue::default(),
            live: Live::default(),
            notes: Notes::default(),
            place: None,
            over: None,
            message: None,
            banner: None,
            dropped: 0,
            progress: None,
            searching: Searching::default(),
            going: Going::default(),
            jumps: 0,
            asked: History::default(),
            marks: Marks::default(),
            points: Points::default(),
            slow: Slow::default(),
            trail: Trail::default(),
            has_stepped: false,
            letter: None,
            before_marked: None,
            data: None,
            payload: Payload::default(),
            around: None,
            begun: Vec::new(),
        }
    }

    /// Something is wanted.
    pub fn update(&mut self, action: Action) -> Option<Effect> {
        self.has_stepped = App::is_step(action);
        if self.do_in_log(action)
            || self.do_among_events(action)
            || self.do_with_selection(action)
            || self.do_in_tally(action)
            || self.do_in_diff(action)
        {
            return None;
        }
        match action {
            Action::Move(way) => {
                if !self.move_over(way) {
                    self.leave_search();
                    self.go_on(way);
                }
            }
            Action::Find(interest, direction) => self.find(interest, direction),
            Action::FindFinding(direction) => self.find_finding(direction),
            Action::AskPlace => self.ask_place(),
            Action::AskSearch => self.ask_search(),
            Action::Search(direction) => self.search_on(direction),
            Action::Navigate(navigating) => self.navigate(navigating),
            Action::AskFilter => {
                self.over = Some(Over::Filter(self.filtering.line(&self.header, self.times())));
            }
            Action::FilterBy(like) => self.filter_by(like),
            Action::DropTerm => self.drop_term(),
            Action::Show(view) => self.show(view),
            Action::Column(way) if self.view == View::Map => self.step(Axis::Time, way, 1),
            Action::Column(way) if self.view == View::Queue => self.step_in_queue(way),
            Action::Column(direction) => self.go_beside(direction),
            Action::List(listing) => self.list(listing),
            Action::Open => return self.open(),
            Action::Chart(charting) => self.chart(charting),
            Action::Arrange(arranging) => self.arrange(arranging),
            Action::Row(direction) => self.next_row(direction),
            Action::Pan(direction) => self.pan_time(direction),
            // The diff does it, or says that it is not shown.
            Action::Diff(_) | Action::OtherEnd => {}
            Action::Cancel => {
                self.cancel();
            }
            Action::Back => {
                if !self.cancel() {
                    return Some(Effect::Quit);
                }
            }
            Action::Copy(what) => return self.copy(what),
            Action::AskFile => self.ask_file(),
            Action::Help => {
                self.over = match self.over {
                    Some(Over::Help(_)) => None,
                    _ => Some(Over::Help(Help::new(self.view))),
                };
            }
            Action::Quit => return Some(Effect::Quit),
            Action::Suspend => return Some(Effect::Suspend),
            Action::Redraw if self.live.is_changed => return Some(Effect::Reopen),
            Action::Redraw => return Some(Effect::Redraw),
            Action::AskNote => self.ask_note(),
            Action::Replay => return self.replay(),
            Action::Follow => self.follow(),
            Action::Other if self.beside.is_some() => return Some(Effect::Other),
            Action::Other => self.say("no other trace is open: blkreplay inspect A B opens two"),
            Action::Mouse => return Some(Effect::Mouse(self.switch_mouse())),
        }
        None
    }

    /// All that must be known of the trace all the time.
    pub fn warning(&self) -> Option<String> {
        let dropped = (self.dropped > 0).then(|| words::dropped(self.dropped));
        // The short one first: there is little room.
        let all: Vec<String> = dropped.into_iter().chain(self.banner.clone()).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    pub(crate) fn say(&mut self, text: impl Into<String>) {
        self.message = Some(Message { is_error: false, text: text.into() });
    }

    pub(crate) fn refuse(&mut self, text: impl Into<String>) {
        self.message = Some(Message { is_error: true, text: text.into() });
    }
}
