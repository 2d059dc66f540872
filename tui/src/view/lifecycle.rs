//! What became of a request, from its arrival to its release, as bars on one scale.
//!
//! A row in, lines out. Invariant: what the trace does not know is not drawn.

use blkreplay_core::rows::{Row, RowCompletion};
use blkreplay_core::units::Nanos;

use crate::app::App;
use crate::words;

/// A bar is no wider.
const BAR_MAX: usize = 40;

/// One of a line of its own is no narrower.
const BAR_MIN: usize = 7;

/// Below this width there are words alone.
const DRAWN: u16 = 60;

/// What is beside the bars.
const BESIDE: u16 = 44;

/// In one line, where there is not room for more.
pub(super) fn line(row: &Row, width: u16) -> String {
    let issued = words::seconds(row.time);
    let Some(end) = &row.completion else {
        return format!(" time     issued {issued}  never completed in this trace");
    };
    if width < DRAWN {
        return format!(" time     issued {issued}  image {}  held {}", end.latency, end.hold);
    }
    let released = words::seconds(row.time.after(end.latency).after(end.hold));
    let room = usize::from(width.saturating_sub(BESIDE)).clamp(1, BAR_MAX);
    let (image, held) = parts(end, room);
    let stroke = |text: String, wide: usize| {
        let free = wide.saturating_sub(text.chars().count());
        format!("{}{text}{}", "─".repeat(free / 2), "─".repeat(free - free / 2))
    };
    let (image, held) =
        (stroke(format!(" {} ", end.latency), image), stroke(format!(" held {} ", end.hold), held));
    format!(" time     {issued} ├{image}┼{held}┤ {released}")
}

/// In a line for each step.
pub(super) fn lines(app: &App, row: &Row, width: u16) -> Vec<String> {
    let depth = row.context.depth.map(|depth| format!("  {depth} in flight")).unwrap_or_default();
    let early = if row.early == Nanos(0) {
        String::new()
    } else {
        format!("  {} before its step of the replay", row.early)
    };
    let issued = words::seconds(row.time);
    let Some(end) = &row.completion else {
        return vec![format!(" issued   {issued}{depth}{early}  never completed in this trace")];
    };
    let room = usize::from(width.saturating_sub(BESIDE)).clamp(BAR_MIN, BAR_MAX);
    let (image, held) = parts(end, room);
    let done = row.time.after(end.latency);
    let released = words::seconds(done.after(end.hold));
    let rank = rank(app, row, end).unwrap_or_default();
    let (own, rest) = ("█".repeat(image), " ".repeat(held));
    vec![
        format!(" issued   {issued}{depth}{early}"),
        format!(" image    {} │{own}{rest}│ {}{rank}", words::seconds(done), end.latency),
        format!(
            " released {released} │{}{}│ held {}",
            "·".repeat(image),
            "█".repeat(held),
            end.hold
        ),
    ]
}

/// How much of so many cells the image took, and the time until the release.
fn parts(end: &RowCompletion, cells: usize) -> (usize, usize) {
    let (latency, hold) = (u128::from(end.latency.0), u128::from(end.hold.0));
    let share = hold * cells as u128 / (latency + hold).max(1);
    let share = usize::try_from(share).unwrap_or(cells);
    // What is there can be seen.
    let rest = if hold > 0 { share.clamp(1, cells.saturating_sub(1).max(1)) } else { 0 };
    (cells - rest.min(cells), rest)
}

/// Which part of the requests of its operation took no longer, as far as they were counted; `None` where no latency is known.
fn rank(app: &App, row: &Row, end: &RowCompletion) -> Option<String> {
    let operation = row.request.operation;
    let sum = app.tallying.operations().iter().find(|sum| sum.operation == operation)?;
    sum.latency.min()?;
    let within = |thousandths: u32| {
        let number = sum.latency.quantile(f64::from(thousandths) / 1000.0);
        number.is_some_and(|number| number <= end.latency.0)
    };
    let (mut least, mut most) = (0, 1001);
    while most - least > 1 {
        let middle = u32::midpoint(least, most);
        if within(middle) { least = middle } else { most = middle }
    }
    let mark = if app.tallying.is_exact() { "" } else { "~" };
    Some(format!("  {mark}p{}.{} of {operation}", least / 10, least % 10))
}
