//! The table of keys, in the order of the help. Written by hand; nothing else says which key does what.

use super::Binding;
use crate::action::{
    Action, Arranging, Axis, Charting, Copied, Diffing, Direction, Interest, Like, Listing, Move,
    Navigating, View,
};
use crate::state::points::Side;

/// The table, in the order of the help.
pub const BINDINGS: &[Binding] = &[
    bind(&["j", "down"], "down", "a line down", Action::Move(Move::Down)),
    bind(&["k", "up"], "up", "a line up", Action::Move(Move::Up)),
    bind(&["ctrl-d"], "half-down", "half a screen down", Action::Move(Move::HalfDown)),
    bind(&["ctrl-u"], "half-up", "half a screen up", Action::Move(Move::HalfUp)),
    bind(&["space", "pgdn"], "page-down", "a screen down", Action::Move(Move::PageDown)),
    bind(&["pgup"], "page-up", "a screen up", Action::Move(Move::PageUp)),
    bind(
        &["b"],
        "bless",
        "a screen up; diff: asks whether new becomes the base",
        Action::Diff(Diffing::Bless),
    ),
    bind(&["g", "home"], "first", "to the first request", Action::Move(Move::First)),
    bind(&["G", "end"], "last", "to the last request", Action::Move(Move::Last)),
    bind(&[":"], "go", "go to 123, 1.5s, flush, end; or run a command", Action::AskPlace),
    bind(&["m"], "mark-set", "mark this request: m and a letter", navigate(Navigating::Mark)),
    bind(&["'"], "mark-go", "go to a mark: ' and its letter", navigate(Navigating::GoToMark)),
    bind(&["u"], "mark-next", "next mark", navigate(Navigating::FindMark(Direction::Next))),
    bind(
        &["U"],
        "mark-previous",
        "the one before",
        navigate(Navigating::FindMark(Direction::Previous)),
    ),
    bind(&["M"], "marked", "show only what is marked, and back", navigate(Navigating::ShowMarked)),
    bind(
        &["alt-left", "ctrl-o"],
        "trail-back",
        "back to where you jumped from",
        navigate(Navigating::Trail(Direction::Previous)),
    ),
    bind(
        &["alt-right"],
        "trail-forward",
        "forward again",
        navigate(Navigating::Trail(Direction::Next)),
    ),
    bind(&["["], "point-a", "set A here; filters know it as @A", point(Side::A)),
    bind(&["]"], "point-b", "set B here; what lies between is told", point(Side::B)),
    bind(
        &["v"],
        "select",
        "select from here; enter = - filter by it",
        navigate(Navigating::Select),
    ),
    bind(
        &["/", "ctrl-f"],
        "search",
        "search: a text of the line, x:dead beef in data, #123",
        Action::AskSearch,
    ),
    bind(
        &["n"],
        "search-next",
        "search on; diff: next difference",
        Action::Search(Direction::Next),
    ),
    bind(
        &["N"],
        "search-previous",
        "search back; diff: one before",
        Action::Search(Direction::Previous),
    ),
    bind(&["h", "left"], "column-left", "the column before", Action::Column(Direction::Previous)),
    bind(&["l", "right"], "column-right", "the next column", Action::Column(Direction::Next)),
    bind(
        &["K"],
        "frequencies",
        "how often each value of this column comes",
        Action::List(Listing::Frequencies),
    ),
    bind(&["O"], "sort", "sort by this column, and back", Action::List(Listing::Sort)),
    bind(&["c"], "columns", "choose the columns of the list", Action::List(Listing::Columns)),
    bind(
        &["t"],
        "time-format",
        "times since the start, of the wall clock, since the one before",
        Action::List(Listing::NextClock),
    ),
    bind(&["T"], "time-from", "times since this request", Action::List(Listing::Reference)),
    bind(&["f", "&"], "filter", "write a filter: op == write && lat > 5ms", Action::AskFilter),
    bind(
        &["="],
        "filter-in",
        "show only what has the value in this column",
        Action::FilterBy(Like::This),
    ),
    bind(&["minus"], "filter-out", "show only what has another", Action::FilterBy(Like::Others)),
    bind(&["backspace"], "drop-term", "drop the last term of the filter", Action::DropTerm),
    bind(
        &["ctrl-t"],
        "filter-toggle",
        "the filter off, and on again",
        navigate(Navigating::ToggleFilter),
    ),
    bind(&["1"], "requests", "the list of requests", Action::Show(View::Requests)),
    bind(&["2"], "map", "the map: offsets over time", Action::Show(View::Map)),
    bind(
        &["z"],
        "near-time",
        "half the time: map, timeline, queue",
        zoom(Axis::Time, Direction::Next),
    ),
    bind(&["Z"], "far-time", "twice the time", zoom(Axis::Time, Direction::Previous)),
    bind(&["alt-l"], "later", "timeline, queue: later times", Action::Pan(Direction::Next)),
    bind(&["alt-h"], "earlier", "timeline, queue: earlier times", Action::Pan(Direction::Previous)),
    bind(&["{"], "near-offsets", "map: half the offsets", zoom(Axis::Offset, Direction::Next)),
    bind(&["}"], "far-offsets", "map: twice the offsets", zoom(Axis::Offset, Direction::Previous)),
    bind(
        &["o"],
        "map-value",
        "map: cells say bytes, count, latency, rewrites",
        Action::Chart(Charting::Value),
    ),
    bind(&["L"], "map-scale", "map: offsets linear or log", Action::Chart(Charting::Scale)),
    bind(&["D"], "map-device", "map, queue: the next device", Action::Chart(Charting::Device)),
    bind(
        &["3"],
        "latency",
        "how latencies are spread; h: curves or bars",
        Action::Show(View::Latency),
    ),
    bind(&["4"], "queue", "the queue: what was in flight when", Action::Show(View::Queue)),
    bind(&["5"], "stats", "what requests amount to", Action::Show(View::Stats)),
    bind(&["6"], "epochs", "epochs: what lies between flushes", Action::Show(View::Epochs)),
    bind(
        &["7"],
        "checkpoints",
        "checkpoints, and what each released",
        Action::Show(View::Checkpoints),
    ),
    bind(&["8"], "diff", "diff: where it differs from a base (--diff)", Action::Show(View::Diff)),
    bind(&["d"], "bytes", "diff: the bytes that differ, or not", Action::Diff(Diffing::Bytes)),
    bind(&["i"], "ignore", "diff: a rule that ignores it", Action::Diff(Diffing::Ignore)),
    bind(&["9"], "findings", "findings: what is worth a look", Action::Show(View::Findings)),
    bind(
        &["enter"],
        "open",
        "the request alone, and back; in other views the request",
        Action::Open,
    ),
    bind(
        &["."],
        "next-same-range",
        "next request that touches the same range",
        Action::Find(Interest::SameRange, Direction::Next),
    ),
    bind(
        &[","],
        "previous-same-range",
        "the one before that does",
        Action::Find(Interest::SameRange, Direction::Previous),
    ),
    bind(
        &["e"],
        "next-error",
        "next request that failed",
        Action::Find(Interest::Error, Direction::Next),
    ),
    bind(
        &["E"],
        "previous-error",
        "the one before that failed",
        Action::Find(Interest::Error, Direction::Previous),
    ),
    bind(
        &["s"],
        "next-slow",
        "next slow request: over the p99 of its operation",
        Action::Find(Interest::Slow, Direction::Next),
    ),
    bind(
        &["S"],
        "previous-slow",
        "the one before that is slow",
        Action::Find(Interest::Slow, Direction::Previous),
    ),
    bind(&["w"], "next-finding", "next finding", Action::FindFinding(Direction::Next)),
    bind(&["W"], "previous-finding", "the one before", Action::FindFinding(Direction::Previous)),
    bind(&["%"], "events", "events around the request; on one, its other end", Action::OtherEnd),
    bind(
        &["x"],
        "data",
        "data as hex, text, difference from before, entropy",
        Action::List(Listing::Data),
    ),
    bind(&["y l"], "copy-line", "copy its line", Action::Copy(Copied::Line)),
    bind(
        &["y c"],
        "copy-command",
        "copy the command that prints it",
        Action::Copy(Copied::Command),
    ),
    bind(&["y q"], "copy-qemu-io", "copy it as a command of qemu-io", Action::Copy(Copied::QemuIo)),
    bind(&["y n"], "copy-nbdsh", "copy it as a line of nbdsh", Action::Copy(Copied::Nbdsh)),
    bind(&["y i"], "copy-iolog", "copy it as a line of a fio I/O log", Action::Copy(Copied::Iolog)),
    bind(&["y j"], "copy-json", "copy its line of JSON", Action::Copy(Copied::Json)),
    bind(&["y p"], "copy-payload", "copy its data as hex digits", Action::Copy(Copied::Payload)),
    bind(&["y f"], "copy-filter", "copy the filter", Action::Copy(Copied::Filter)),
    bind(&[">"], "write", "write what is shown to a file: .jsonl .csv .txt .blkr", Action::AskFile),
    bind(&["f8"], "next-row", "the next request, in any view", Action::Row(Direction::Next)),
    bind(&["f7"], "previous-row", "the one before, in any view", Action::Row(Direction::Previous)),
    bind(&["tab"], "next-pane", "the next pane, or view", arrange(Direction::Next)),
    bind(&["shift-tab"], "previous-pane", "the one before", arrange(Direction::Previous)),
    bind(
        &["\\"],
        "maximise",
        "all the room for this pane, and back",
        Action::Arrange(Arranging::Maximise),
    ),
    bind(
        &["|"],
        "layout",
        "layout: by room, list alone, list and request, all panes",
        Action::Arrange(Arranging::Layout),
    ),
    bind(&["a"], "note", "a note on this request, beside the trace", Action::AskNote),
    bind(&["r"], "replay", "copy commands that replay from this request on", Action::Replay),
    bind(&["F"], "follow", "follow what is being recorded, or not", Action::Follow),
    bind(&["X"], "other-trace", "the next trace, of several", Action::Other),
    bind(&["?", "f1"], "help", "this help", Action::Help),
    bind(&["esc"], "cancel", "close what is open, cancel what goes on", Action::Cancel),
    bind(&["q"], "back", "the same; with nothing open, quit", Action::Back),
    bind(&["Q", "ctrl-c"], "quit", "quit at once", Action::Quit),
    bind(&["ctrl-z"], "suspend", "stop; fg goes on", Action::Suspend),
    bind(&["f2"], "mouse", "the mouse: ours, or the terminal's", Action::Mouse),
    bind(&["ctrl-l"], "redraw", "draw everything again; open a changed file anew", Action::Redraw),
];

const fn navigate(navigating: Navigating) -> Action {
    Action::Navigate(navigating)
}

const fn point(side: Side) -> Action {
    navigate(Navigating::Point(side))
}

const fn zoom(axis: Axis, direction: Direction) -> Action {
    Action::Chart(Charting::Zoom(axis, direction))
}

const fn arrange(direction: Direction) -> Action {
    Action::Arrange(Arranging::Pane(direction))
}

const fn bind(
    keys: &'static [&'static str],
    name: &'static str,
    help: &'static str,
    action: Action,
) -> Binding {
    Binding { keys, name, help, action }
}
