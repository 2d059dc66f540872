//! The map: offsets over time, each cell as dark as what it holds is much.
//!
//! ```text
//!  bytes a cell  . 4 KiB  @ 1 MiB  linear                                  what cells say, and how far that is known
//!  14 MiB  │  .:-= @                                                       the highest offsets first
//!       0 >│  ####                                                      ◂  > the row of the cursor, ◂ of the focused request
//!          └───▲──────────────────────────────────────────────────────     ^ the column of the cursor, ▲ of the focused request,
//!                                                                          [═] around those of the selection, | before its rows
//!           0.000000                                            3.812000
//!  12 requests  48 KiB  7.12ms at most  1.200000..1.210000  0 B..14 MiB    the cell under the cursor
//! ```
//!
//! Invariant: a cell is blank only if what it says is 0; what is not known to the end wears `~`.

use std::borrow::Cow;
use std::ops::Range;

use blkreplay_core::units::{Nanos, Size};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::filter;
use super::selected::{self, Cover};
use crate::app::App;
use crate::chart::{Chart, Sums};
use crate::look;
use crate::state::grid::{Grid, Scale};
use crate::state::map::{Value, Whole};
use crate::words;

/// From nothing to the most.
const SHADES: [char; look::SHADES as usize] = [' ', '.', ':', '-', '=', '+', '*', '#', '%', '@'];

/// Offsets on the left, and what stands beside cells.
const LABEL: u16 = 9;
const MARGIN: u16 = LABEL + 3;

/// What is on the left of cells, above, and below them.
pub(super) const LEFT: u16 = LABEL + 2;
pub(super) const ABOVE: u16 = 1;
pub(super) const BELOW: u16 = 3;

/// Lines that are not cells.
const AROUND: u16 = ABOVE + BELOW;

/// What there is to draw.
struct Picture<'a> {
    grid: &'a Grid,
    chart: Option<&'a Chart>,
    value: Value,
    cursor: (usize, usize),
    /// The column and the row of the focused request, as far as they are in the window.
    focus: (Option<usize>, Option<usize>),
    /// The columns that the selection touches, and its offsets; all, unless it began on the map.
    selected: Option<Cover>,
    offsets: Option<Range<u64>>,
}

/// Draws the map.
pub(super) fn draw(app: &mut App, frame: &mut Frame<'_>, area: Rect) {
    app.map.set_size(
        area.width.saturating_sub(MARGIN).max(1),
        area.height.saturating_sub(AROUND).max(1),
    );
    app.follow_on_map();
    let Some(whole) = app.whole() else {
        let text = if app.requests.is_known() {
            "  there are no requests in this trace"
        } else {
            "  reading"
        };
        return frame.render_widget(Paragraph::new(text), area);
    };
    let grid = app.map.grid(&whole);
    let is_done = app.map.known(&grid, app.counted()).is_some_and(|chart| chart.is_done);
    if !is_done && is_said(app) {
        app.map.say(&grid, app.outline.parts());
    }
    let chart = chart(app, &grid);
    let picture = Picture {
        grid: &grid,
        chart: chart.as_deref(),
        value: app.map.value,
        cursor: app.map.cursor(&grid),
        focus: focus(app, &grid),
        selected: Cover::of(app, grid.width(), |column| grid.times_of(column)),
        offsets: app.area().map(|area| area.offsets),
    };
    let mut lines = vec![heading(app, &picture, &whole)];
    let bounds = picture.bounds();
    lines.extend((0..grid.height()).rev().map(|row| picture.row(row, bounds)));
    lines.push(picture.axis());
    lines.push(picture.times());
    lines.push(picture.cell(area.width));
    frame.render_widget(Paragraph::new(lines), area);
}

/// What was counted, and before that what summaries say.
fn chart<'a>(app: &'a App, grid: &Grid) -> Option<Cow<'a, Chart>> {
    let known = app.map.known(grid, app.counted());
    let said = if is_said(app) { app.map.said(grid) } else { None };
    match (known, said) {
        (Some(known), Some(said)) if !known.is_done => Some(Cow::Owned(known.over(said))),
        (Some(known), _) => Some(Cow::Borrowed(known)),
        (None, said) => said.map(Cow::Borrowed),
    }
}

/// Whether summaries can say anything: they know nothing of devices and filters.
fn is_said(app: &App) -> bool {
    app.header.devices.len() == 1 && app.filtering.applied.is_none()
}

/// Where the focused request is.
fn focus(app: &App, grid: &Grid) -> (Option<usize>, Option<usize>) {
    let Some(row) = app.requests.focused() else { return (None, None) };
    let is_here = row.device.0 == grid.device && row.request.range.length > 0;
    let at = is_here.then_some(row.request.range.offset);
    (grid.column(row.time), at.and_then(|offset| grid.row(offset)))
}

/// What cells say, of what, and how far that is known.
fn heading(app: &App, picture: &Picture<'_>, whole: &Whole) -> Line<'static> {
    let name = Value::ALL.iter().find(|(value, _)| *value == app.map.value).map_or("", |(_, n)| n);
    let (state, is_error) = state(app, picture.chart);
    let approximate = if state.is_empty() { "" } else { "~" };
    let mut text = format!(" {approximate}{name} a cell");
    match picture.bounds() {
        Some((least, most)) => {
            let said = |number| said(app.map.value, number);
            if least < most {
                text = format!("{text}  . {approximate}{}", said(least));
            }
            text = format!("{text}  @ {approximate}{}", said(most));
        }
        None if state.is_empty() => text = format!("{text}  {}", nothing(app, picture, whole)),
        None => {}
    }
    if app.map.scale == Scale::Log {
        text.push_str("  log");
    }
    let devices = app.header.devices.len();
    if devices > 1 {
        let device = usize::from(app.map.device);
        let name = app.header.devices.get(device).map_or("", |device| &device.name);
        text = format!("{text}  {name}, {} of {devices}", device + 1);
    }
    let style = if is_error { Style::new().fg(Color::Red) } else { Style::new() };
    Line::from(vec![Span::raw(text), Span::styled(state, style)])
}

/// Why what is drawn is not all; nothing if it is.
fn state(app: &App, chart: Option<&Chart>) -> (String, bool) {
    if let Some((why, is_error)) = filter::holds_back(app) {
        return (format!("  {why}"), is_error);
    }
    let Some(chart) = chart else { return ("  0 %, esc stops".to_owned(), false) };
    if let Some(error) = &chart.error {
        return (format!("  {error}"), true);
    }
    if !chart.is_done {
        let (done, all) = chart.pages;
        let percent = words::progress(done as u64, all as u64);
        return (format!("  {percent} %, esc stops"), false);
    }
    let unread = words::count(chart.unread);
    match app.map.value {
        _ if chart.unread > 0 => (format!("  {unread} requests cannot be read"), true),
        Value::Latency if chart.unended > 0 => {
            (format!("  {} without an end", words::count(chart.unended)), false)
        }
        Value::Rewrites if chart.rewritten_at_least => ("  at least".to_owned(), false),
        _ if !app.live.is_final(app.live.growth()) => ("  of the trace so far".to_owned(), false),
        _ => (String::new(), false),
    }
}

/// Why all cells are blank.
fn nothing(app: &App, picture: &Picture<'_>, whole: &Whole) -> &'static str {
    let is_all = picture.grid.time() == whole.time && picture.grid.offsets() == whole.offsets;
    let has_any = picture.chart.is_some_and(|chart| chart.sums.iter().any(|sum| sum.requests > 0));
    match app.map.value {
        _ if app.filtering.applied.is_some() && !has_any => "nothing that the filter leaves",
        Value::Rewrites if has_any => "nothing was written twice in an epoch",
        _ if has_any => "nothing",
        _ if is_all => "no request of this device has a range",
        _ => "nothing in this window",
    }
}

/// A number as what it says.
fn said(value: Value, number: u64) -> String {
    match value {
        Value::Bytes | Value::Rewrites => Size(number).to_string(),
        Value::Count => words::count(number),
        Value::Latency => Nanos(number).to_string(),
    }
}

impl Picture<'_> {
    fn sums(&self, column: usize, row: usize) -> Sums {
        self.chart.map_or_else(Sums::default, |chart| chart.sums(column, row))
    }

    /// The least and the most that a cell says which is not blank.
    fn bounds(&self) -> Option<(u64, u64)> {
        let numbers = self.chart?.sums.iter().map(|sums| self.value.of(sums));
        let mut bounds = None;
        for number in numbers.filter(|number| *number > 0) {
            let (least, most) = bounds.unwrap_or((number, number));
            bounds = Some((number.min(least), number.max(most)));
        }
        bounds
    }

    fn row(&self, row: usize, bounds: Option<(u64, u64)>) -> Line<'static> {
        let label = Size(self.grid.offsets_of(row).start).to_string();
        let mark = match self.is_selected(row) {
            _ if row == self.cursor.1 => '>',
            true => '|',
            false => ' ',
        };
        let label = format!("{label:>width$}{mark}│", width = usize::from(LABEL));
        let mut spans = vec![Span::raw(label)];
        for column in 0..self.grid.width() {
            let step = shade(self.value.of(&self.sums(column, row)), bounds);
            let mut style = Style::new().fg(look::shade(step));
            if self.focus == (Some(column), Some(row)) {
                style = style.add_modifier(Modifier::BOLD | Modifier::UNDERLINED);
            }
            if self.cursor == (column, row) {
                style = style.add_modifier(Modifier::REVERSED);
            }
            spans.push(Span::styled(SHADES[usize::from(step)].to_string(), style));
        }
        if self.focus.1 == Some(row) {
            spans.push(Span::raw("◂"));
        }
        Line::from(spans)
    }

    /// Whether the selection has offsets of a row.
    fn is_selected(&self, row: usize) -> bool {
        let bytes = self.grid.offsets_of(row);
        let is_in = |offsets: &Range<u64>| bytes.start < offsets.end && offsets.start < bytes.end;
        self.selected.is_some() && self.offsets.as_ref().is_none_or(is_in)
    }

    fn axis(&self) -> Line<'static> {
        let before = " ".repeat(usize::from(LABEL) + 1);
        let mark = |column| {
            if self.focus.0 == Some(column) {
                Some('▲')
            } else {
                (self.cursor.0 == column).then_some('^')
            }
        };
        let axis = selected::axis(self.selected.as_ref(), self.grid.width(), mark);
        Line::raw(format!("{before}{axis}"))
    }

    /// Times below the axis: of its ends, and of what lies between where there is room.
    fn times(&self) -> Line<'static> {
        let width = self.grid.width();
        let mut line = " ".repeat(usize::from(LABEL) + 2);
        let start = words::seconds(Nanos(self.grid.time().start));
        let end = words::seconds(Nanos(self.grid.time().end));
        let room = width.saturating_sub(start.len() + end.len());
        line.push_str(&start);
        let middle = words::seconds(Nanos(self.grid.times_of(width / 2).start));
        if room > middle.len() + 4 {
            // It begins below its column.
            line.push_str(&" ".repeat((width / 2).saturating_sub(start.len())));
            line.push_str(&middle);
        }
        let used = line.chars().count() - usize::from(LABEL) - 2;
        if used + end.len() < width {
            line = format!("{line}{end:>rest$}", rest = width - used);
        }
        Line::raw(line)
    }

    /// What the cell under the cursor holds, and where it is; as much as fits.
    fn cell(&self, width: u16) -> Line<'static> {
        let (column, row) = self.cursor;
        let sums = self.sums(column, row);
        let (times, bytes) = (self.grid.times_of(column), self.grid.offsets_of(row));
        let mut parts = Vec::new();
        if let Some(chart) = self.chart {
            let approximate = if chart.is_done && chart.error.is_none() { "" } else { "~" };
            let requests = if sums.requests == 1 { "request" } else { "requests" };
            parts.push(format!("{approximate}{} {requests}", words::count(sums.requests)));
            if sums.requests > 0 {
                parts.push(format!("{approximate}{}", Size(sums.bytes)));
            }
            if sums.latency > Nanos(0) {
                parts.push(format!("{approximate}{} at most", sums.latency));
            }
            if chart.rewrites {
                parts.push(format!("{approximate}{} rewritten", Size(sums.rewritten)));
            }
        }
        let [from, to] = [times.start, times.end].map(|time| words::seconds(Nanos(time)));
        parts.push(format!("{from}..{to}"));
        parts.push(format!("{}..{}", Size(bytes.start), Size(bytes.end)));
        let mut text = String::new();
        for part in parts {
            if text.chars().count() + 2 + part.chars().count() <= usize::from(width) {
                text = format!("{text}{}{part}", if text.is_empty() { " " } else { "  " });
            }
        }
        Line::raw(text)
    }
}

/// How dark a number is, between the least that is not 0 and the most: each shade is so many times the one before.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "it is one of ten shades"
)]
fn shade(number: u64, bounds: Option<(u64, u64)>) -> u8 {
    const MOST: u8 = look::SHADES - 1;
    let Some((least, most)) = bounds.filter(|_| number > 0) else { return 0 };
    if number >= most {
        return MOST;
    }
    let logarithm = |number: u64| (number as f64).ln();
    let (low, high) = (logarithm(least), logarithm(most));
    let step = ((logarithm(number) - low) / (high - low) * f64::from(MOST - 1)) as u8;
    1 + step.min(MOST - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shades_go_from_the_least_to_the_most_and_only_nothing_is_blank() {
        let bounds = Some((1, 1 << 18));
        // 9 is the edge between two.
        let powers = (0..=18).filter(|power| *power != 9);
        let sign = |number, bounds| SHADES[usize::from(shade(number, bounds))];
        let shades: String = powers.map(|power| sign(1 << power, bounds)).collect();
        assert_eq!(shades, "...::--==++**##%%@");
        assert_eq!((sign(0, bounds), sign(0, None), sign(7, Some((7, 7)))), (' ', ' ', '@'));
    }
}
