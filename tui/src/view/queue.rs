//! The queue: how many requests of a device were in flight when, and for how long at which depth.
//!
//! ```text
//!  disk0  max 8  avg 1.32  longest stall 7.12ms at 0.048400                sums, and how far they are known
//!      8 │      ░                                                         full up to the average of a column, shaded up to its
//!        │▂▂█▂▂▂█▂▂▂▂▂▂                                                   greatest depth
//!        └──────▲──────────────────────────────────────────────────────   ▲ the column of the focused request, [═] the selection
//!         0.000000                                            3.812000
//!  0.0484..0.0491  max 8  avg 3.20  12 issued  9 released                  the column of the focus
//!  depth        time     %     issued     %                                where there is room
//! ```
//!
//! Invariant: what is not known to the end wears `~`, and what summaries cannot say is `…`.

use blkreplay_core::request::DeviceId;
use blkreplay_core::units::Nanos;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::selected::{self, Cover};
use super::{bars, filter};
use crate::app::App;
use crate::flight::{Flight, Lane, POWERS};
use crate::state::queue::Depth;
use crate::state::series::Series;
use crate::state::slices::Columns;
use crate::words;

/// Depths on the left.
const LABEL: usize = 6;

/// The smallest height that has a table of depths.
const TABLE_HEIGHT: u16 = 18;

/// Lines of the table at most, without its heading.
const TABLE_LINES: usize = 9;

/// Lines that are no plot: sums, axis, times, and the column of the focus.
const AROUND: usize = 4;

/// Draws the queue.
pub(super) fn draw(app: &mut App, frame: &mut Frame<'_>, area: Rect) {
    app.queue.width = usize::from(area.width).saturating_sub(LABEL + 2).max(1);
    app.follow_in_time();
    let Some((columns, at)) = app.queue_columns() else {
        let text = if app.requests.is_known() {
            "  there are no requests in this trace"
        } else {
            "  reading"
        };
        return frame.render_widget(Paragraph::new(text), area);
    };
    let height = usize::from(area.height);
    let table = if area.height >= TABLE_HEIGHT { table(app, height / 3) } else { Vec::new() };
    let depths = depths(app, &columns);
    let mut lines = vec![sums(app, area.width)];
    lines.extend(plot(&depths, at, height.saturating_sub(AROUND + table.len()).max(1)));
    lines.push(axis(app, &columns, at));
    lines.push(times(&columns));
    lines.push(column(app, &columns, at, &depths));
    lines.extend(table);
    frame.render_widget(Paragraph::new(lines), area);
}

/// What is known of each column: counted, or at least what summaries say of the ends of chunks.
fn depths(app: &App, columns: &Columns) -> Vec<Option<Depth>> {
    let is_said = app.header.devices.len() == 1 && app.filtering.applied.is_none();
    let said = if is_said {
        Series::outlined(app.outline.parts(), columns.clone()).depths
    } else {
        vec![None; columns.width()]
    };
    let at_least = |max: u64| Depth { max, ..Depth::default() };
    let depth = |column: usize| app.depth(columns, column).or_else(|| said[column].map(at_least));
    (0..columns.width()).map(depth).collect()
}

/// What the device amounts to, and how far that is known.
fn sums(app: &App, width: u16) -> Line<'static> {
    let shown = shown(app);
    let mut parts = Vec::new();
    if let Some(flight) = app.flight().filter(|flight| flight.lanes.len() > 1) {
        let at = flight.lanes.keys().position(|device| *device == shown).map_or(0, |at| at + 1);
        parts.push(format!("{}, {at} of {}", name(app, shown), flight.lanes.len()));
    }
    let (state, is_error) = state(app);
    let mark = if app.flight().is_some_and(Flight::is_exact) { "" } else { "~" };
    if let Some(flight) = counted(app) {
        parts.extend(of_lane(app, flight, shown, mark));
    } else {
        let is_said = app.header.devices.len() == 1 && app.filtering.applied.is_none();
        let most = app.outline.parts().iter().filter_map(|part| part.open).max();
        let most = most.filter(|_| is_said);
        let most = most.map_or_else(|| "…".to_owned(), |most| format!("~{}", words::count(most)));
        parts.extend([format!("max {most}"), "avg …".to_owned(), "longest stall …".to_owned()]);
    }
    if app.filtering.applied.is_some() {
        parts.push("only what the filter leaves".to_owned());
    }
    let style = if is_error { Style::new().fg(Color::Red) } else { Style::new() };
    // How far it is may not be cut off.
    let room = usize::from(width).saturating_sub(state.chars().count() + 1);
    let mut text = String::new();
    for part in parts {
        let gap = if text.is_empty() { " " } else { "  " };
        if text.chars().count() + gap.len() + part.chars().count() <= room {
            text = format!("{text}{gap}{part}");
        }
    }
    Line::from(vec![Span::raw(text), Span::styled(state, style)])
}

/// What was counted, if anything was.
fn counted(app: &App) -> Option<&Flight> {
    app.flight().filter(|flight| flight.done.0 > 0 || flight.is_done)
}

fn shown(app: &App) -> DeviceId {
    app.queue.shown(app.requests.focused().map(|row| row.device))
}

fn name(app: &App, device: DeviceId) -> String {
    let known = app.header.devices.get(usize::from(device.0));
    known.map_or_else(|| format!("device {}", device.0), |device| device.name.clone())
}

fn of_lane(app: &App, flight: &Flight, device: DeviceId, mark: &str) -> Vec<String> {
    let Some(lane) = flight.lanes.get(&device) else {
        return vec!["nothing was in flight".to_owned()];
    };
    let mut parts = vec![format!("max {mark}{}", words::count(lane.max))];
    if let Some(mean) = mean(app, flight, lane) {
        parts.push(format!("avg {mark}{mean:.2}"));
    }
    if let Some(stall) = lane.stall.filter(|stall| stall.span.0 > 0) {
        parts.push(format!("longest stall {mark}{} at {}", stall.span, words::seconds(stall.from)));
    }
    parts
}

/// How many were in flight on average: of all of the trace as `stats` has it, of a part by the time that was counted.
#[expect(clippy::cast_precision_loss, reason = "an average that is looked at")]
fn mean(app: &App, flight: &Flight, lane: &Lane) -> Option<f64> {
    if app.queue.is_zoomed() {
        let counted = lane.counted();
        return (counted > 0).then(|| lane.held() as f64 / counted as f64);
    }
    let (first, last) = flight.span?;
    let span = last.since(first);
    (span.0 > 0).then(|| lane.waited as f64 / span.0 as f64)
}

/// Why what is drawn is not all; nothing if it is.
fn state(app: &App) -> (String, bool) {
    if let Some((why, is_error)) = filter::holds_back(app) {
        return (format!("  {why}"), is_error);
    }
    if app.queue.is_stopped() {
        return ("  stopped; 4 begins anew".to_owned(), false);
    }
    let Some(flight) = app.flight() else { return ("  0 %, esc stops".to_owned(), false) };
    if let Some(error) = &flight.error {
        return (format!("  {error}"), true);
    }
    if !flight.is_done {
        let percent = words::progress(flight.done.0, flight.done.1);
        return (format!("  {percent} %, esc stops"), false);
    }
    if flight.is_gapped {
        return ("  a part cannot be read".to_owned(), true);
    }
    if flight.is_crowded {
        return ("  at least".to_owned(), false);
    }
    (String::new(), false)
}

/// The plot, the uppermost line first.
fn plot(depths: &[Option<Depth>], at: Option<usize>, height: usize) -> Vec<Line<'static>> {
    let most = depths.iter().flatten().map(|depth| depth.max).max().unwrap_or(0);
    let columns: Vec<Vec<char>> = depths
        .iter()
        .map(|depth| match depth {
            Some(depth) => bars::column(depth.mean, depth.max, most, height),
            None => vec![' '; height],
        })
        .collect();
    let line = |line: usize| {
        let label = if line + 1 == height { words::count(most) } else { String::new() };
        let mut spans = vec![Span::raw(format!("{label:>LABEL$} │"))];
        let cells =
            |columns: &[Vec<char>]| columns.iter().map(|cells| cells[line]).collect::<String>();
        match at {
            Some(at) => {
                let bold = Style::new().add_modifier(Modifier::BOLD).fg(Color::Cyan);
                spans.push(Span::raw(cells(&columns[..at])));
                spans.push(Span::styled(cells(&columns[at..=at]), bold));
                spans.push(Span::raw(cells(&columns[at + 1..])));
            }
            None => spans.push(Span::raw(cells(&columns))),
        }
        Line::from(spans)
    };
    (0..height).rev().map(line).collect()
}

fn axis(app: &App, columns: &Columns, at: Option<usize>) -> Line<'static> {
    let cover = Cover::of(app, columns.width(), |column| columns.times_of(column));
    let mark = |column| (at == Some(column)).then_some('▲');
    let axis = selected::axis(cover.as_ref(), columns.width(), mark);
    Line::raw(format!("{:>LABEL$} {axis}", ""))
}

/// Times below the axis: of its ends, as far as there is room.
fn times(columns: &Columns) -> Line<'static> {
    let window = columns.window();
    let [start, end] = [window.start, window.end].map(|time| words::seconds(Nanos(time)));
    let before = " ".repeat(LABEL + 2);
    let rest = columns.width().saturating_sub(start.len());
    if end.len() < rest {
        return Line::raw(format!("{before}{start}{end:>rest$}"));
    }
    Line::raw(format!("{before}{start}"))
}

/// What is known of the column of the focus.
fn column(
    app: &App,
    columns: &Columns,
    at: Option<usize>,
    depths: &[Option<Depth>],
) -> Line<'static> {
    let Some(at) = at else { return Line::raw(" the focus is not in this window") };
    let times = columns.times_of(at);
    let [from, to] = [times.start, times.end].map(|time| words::seconds(Nanos(time)));
    let times = format!(" {from}..{to}");
    let counted = app.depth(columns, at);
    Line::raw(match (counted, depths[at]) {
        (Some(depth), _) => format!(
            "{times}  max {}  avg {:.2}  {} issued  {} released",
            words::count(depth.max),
            depth.mean,
            words::count(depth.issued),
            words::count(depth.released)
        ),
        (None, Some(depth)) => format!("{times}  max ~{}  avg …", words::count(depth.max)),
        (None, None) => format!("{times}  …"),
    })
}

/// How long so many were in flight, and how often so many were when one was issued; then other devices.
fn table(app: &App, room: usize) -> Vec<Line<'static>> {
    let flight = app.flight().filter(|flight| flight.done.0 > 0 || flight.is_done);
    let Some((flight, lane)) =
        flight.and_then(|flight| Some((flight, flight.lanes.get(&shown(app))?)))
    else {
        return Vec::new();
    };
    let mark = if flight.is_exact() { "" } else { "~" };
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let heading = format!("{:>12} {:>10} {:>5} {:>13} {:>5}", "depth", "time", "%", "issued", "%");
    let mut lines = vec![Line::styled(heading, bold)];
    let issued = lane.issued_at.powers();
    let (time, count) = (lane.counted(), lane.issued_at.count());
    let rows: Vec<_> = (0..POWERS)
        .map(|power| {
            let low = power.checked_sub(1).map_or(0, |power| 1_u64 << power);
            let issued = issued.iter().find(|(from, _)| *from == low && power > 0);
            (power, lane.time_at[power], issued.map_or(0, |(_, count)| *count))
        })
        .filter(|(_, time, issued)| *time > 0 || *issued > 0)
        .collect();
    // The deepest say most.
    let skipped = rows.len().saturating_sub(room.clamp(1, TABLE_LINES));
    lines.extend(rows.iter().skip(skipped).map(|(power, spent, issued)| {
        Line::raw(format!(
            "{:>12} {:>10} {:>5} {:>13} {:>5}",
            depths_of(*power),
            format!("{mark}{}", Nanos(*spent)),
            words::percent(*spent, time),
            format!("{mark}{}", words::count(*issued)),
            words::percent(*issued, count)
        ))
    }));
    if flight.lanes.len() > 1 {
        lines.extend(others(app, flight, mark, room / 2));
    }
    lines
}

/// The depths of a power of two.
fn depths_of(power: usize) -> String {
    let Some(power) = power.checked_sub(1) else { return "0".to_owned() };
    let low = 1_u64 << power;
    let high = low + (low - 1);
    if low == high {
        low.to_string()
    } else {
        format!("{}..{}", words::count(low), words::count(high))
    }
}

fn others(app: &App, flight: &Flight, mark: &str, room: usize) -> Vec<Line<'static>> {
    let line = |device: &DeviceId| {
        let focus = if *device == shown(app) { '>' } else { ' ' };
        let parts = of_lane(app, flight, *device, mark);
        Line::raw(format!("{focus} {}  {}", name(app, *device), parts.join("  ")))
    };
    flight.lanes.keys().take(room.max(2)).map(line).collect()
}
