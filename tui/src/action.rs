//! What can be done in the inspector, whatever key does it.
//!
//! Keys become actions (`keymap`), actions change the state (`App::update`), and what the state cannot do itself it asks of
//! others (`Effect`). Knows no terminal.

use crate::state::points::Side;

/// Something a person wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Go elsewhere in the list, or in what is open over it.
    Move(Move),
    /// The next request of interest, or the one before.
    Find(Interest, Direction),
    /// Go to the next finding, or the one before.
    FindFinding(Direction),
    /// Begin to write where to go or what to do.
    AskPlace,
    /// Begin to write what to search for.
    AskSearch,
    /// Search on for what was written last.
    Search(Direction),
    /// Mark, select, go back.
    Navigate(Navigating),
    /// Begin to write a filter.
    AskFilter,
    /// Filter by what stands in the focused cell.
    FilterBy(Like),
    /// Leave out the last term of the filter.
    DropTerm,
    /// Show another view.
    Show(View),
    /// Focus another column.
    Column(Direction),
    /// Show the list otherwise.
    List(Listing),
    /// Show the detail of the focused request alone, the request of what is looked at, or accept what was written.
    Open,
    /// Close what is open, or cancel what goes on.
    Cancel,
    /// The same, or quit.
    Back,
    /// Show the events around the focused request; among events, go to the other end of a request.
    OtherEnd,
    /// Copy the focused request.
    Copy(Copied),
    /// Begin to write the name of a file for what is shown.
    AskFile,
    /// Show which key does what.
    Help,
    /// Show something else on the map.
    Chart(Charting),
    /// Go to another pane, or arrange them.
    Arrange(Arranging),
    /// The next request or the one before, wherever keys go to.
    Row(Direction),
    /// Show later or earlier times.
    Pan(Direction),
    /// Do something with the differences from the base.
    Diff(Diffing),
    /// Quit at once.
    Quit,
    /// Stop, as Ctrl-Z does elsewhere.
    Suspend,
    /// Draw everything again, or open a file anew that is not what it was.
    Redraw,
    /// Show what is recorded as it comes, or not.
    Follow,
    /// Show the next of several traces.
    Other,
    /// Begin to write a note on the focused request.
    AskNote,
    /// Copy commands that replay from the focused request on.
    Replay,
    /// Take the mouse, or leave it to the terminal.
    Mouse,
}

/// Where to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// A line up.
    Up,
    /// A line down.
    Down,
    /// A screen up.
    PageUp,
    /// A screen down.
    PageDown,
    /// Half a screen up.
    HalfUp,
    /// Half a screen down.
    HalfDown,
    /// To the first.
    First,
    /// To the last.
    Last,
}

/// What is done on the way through a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Navigating {
    /// Mark the focused request with the letter that follows.
    Mark,
    /// Go to the mark of the letter that follows.
    GoToMark,
    /// Go to the next mark, or the one before.
    FindMark(Direction),
    /// Show only what is marked, or what was shown before.
    ShowMarked,
    /// Go back to where one jumped from (`Previous`), or forward again.
    Trail(Direction),
    /// Set A or B here.
    Point(Side),
    /// Begin to select requests here, or select none.
    Select,
    /// Take the filter away for a while, or put it in force again.
    ToggleFilter,
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Towards the end.
    Next,
    /// Towards the beginning.
    Previous,
}

impl Direction {
    /// A line that way.
    pub fn step(self) -> Move {
        match self {
            Direction::Next => Move::Down,
            Direction::Previous => Move::Up,
        }
    }
}

/// What is shown of the trace. All views share the focus and the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum View {
    /// The list.
    #[default]
    Requests,
    /// Offsets over time.
    Map,
    /// How latencies are spread.
    Latency,
    /// How many were in flight when.
    Queue,
    /// What requests amount to.
    Stats,
    /// What was asked of a device between two flushes.
    Epochs,
    /// Where queued events were released.
    Checkpoints,
    /// Where it differs from a base.
    Diff,
    /// What is worth a look.
    Findings,
}

impl View {
    /// The view of this name, in small or in capital letters.
    pub fn named(name: &str) -> Option<View> {
        let found = View::ALL.iter().find(|(.., other)| other.eq_ignore_ascii_case(name));
        found.map(|(view, ..)| *view)
    }

    /// All, with the key and the name of each, in their order.
    pub const ALL: [(View, char, &'static str); 9] = [
        (View::Requests, '1', "Requests"),
        (View::Map, '2', "Map"),
        (View::Latency, '3', "Latency"),
        (View::Queue, '4', "Queue"),
        (View::Stats, '5', "Stats"),
        (View::Epochs, '6', "Epochs"),
        (View::Checkpoints, '7', "Checkpoints"),
        (View::Diff, '8', "Diff"),
        (View::Findings, '9', "Findings"),
    ];

    /// Its key.
    pub fn key(self) -> char {
        View::ALL.iter().find(|(view, ..)| *view == self).map_or(' ', |(_, key, _)| *key)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        View::ALL.iter().find(|(view, ..)| *view == self).map_or("", |(_, _, name)| name)
    }

    /// Its name where there is little room.
    pub fn short(self) -> &'static str {
        match self.name() {
            "Requests" => "Req",
            "Latency" => "Lat",
            "Queue" => "Qd",
            "Epochs" => "Ep",
            "Checkpoints" => "Ckpt",
            "Events" => "Ev",
            "Findings" => "Find",
            name => name,
        }
    }
}

/// Which requests a value is to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Like {
    /// Those that have it.
    This,
    /// Those that have another.
    Others,
}

/// What is shown in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// The columns that it can have, to choose from.
    Columns,
    /// Times from elsewhere.
    NextClock,
    /// How often each value of the focused column comes.
    Frequencies,
    /// Requests in the order of the focused column, or of the trace again.
    Sort,
    /// Times from the focused request on.
    Reference,
    /// The data of the focused request in another way.
    Data,
}

/// What makes a request worth a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// It failed.
    Error,
    /// It touches the range of the focused one.
    SameRange,
    /// It took longer than 99 of 100 of its operation.
    Slow,
}

/// What of a request is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copied {
    /// Its line.
    Line,
    /// A command that prints it.
    Command,
    /// Commands of qemu-io that ask the same.
    QemuIo,
    /// The filter.
    Filter,
    /// Its line of JSON.
    Json,
    /// Its data as hexadecimal digits.
    Payload,
    /// Lines of nbdsh that ask the same.
    Nbdsh,
    /// A line of an I/O log of fio that asks the same.
    Iolog,
}

/// What is shown on the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charting {
    /// Half as much (`Next`) of an axis, or twice as much.
    Zoom(Axis, Direction),
    /// What a cell says next.
    Value,
    /// The other way to lay out offsets.
    Scale,
    /// The next device.
    Device,
}

/// What is done with panes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arranging {
    /// Keys go to the next, or to the one before.
    Pane(Direction),
    /// The one that keys go to gets all the room, or gives it back.
    Maximise,
    /// The next way to lay them out.
    Layout,
}

/// An axis of the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// From left to right.
    Time,
    /// From the bottom to the top.
    Offset,
}

/// What is done with differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Diffing {
    /// Show the bytes that differ, or not.
    Bytes,
    /// Propose a rule that ignores it.
    Ignore,
    /// Ask whether the trace is to be the base; a screen up in other views.
    Bless,
}
