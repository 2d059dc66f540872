//! How many requests came when, over all of the trace or a part of it, and where in it the list is.
//!
//! ```text
//!  ▁▁▂▇█▅▂▁▁▁▁▂▂▃▃▂▁▁▁▁▁▂▃▅▆█▇▅▃▂▁▁▁▁▁▁▁▂▂▂▃▃▄▄▃▂▂▁▁▁▁▁▁▁▂▃▃▂▁▁▁▁▁▁▁▂▂▁▁▁▁▁▁▁▁▁     ~ before it: as summaries say it
//!                          ▲1.204613                    list 1.200180..1.212211       ▲ the focus, ═ what the list shows,
//!                                                                                      [ ] around the selection
//! ```
//!
//! Where there is room it is a box with a line an operation, and one for requests in flight. Invariant: a column is blank only if
//! nothing came in it.

use std::ops::Range;

use blkreplay_core::request::Operation;
use blkreplay_core::units::Nanos;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Paragraph};

use super::bars;
use super::selected::Cover;
use crate::action::View;
use crate::app::{App, Over};
use crate::outline::OPERATIONS;
use crate::state::series::Series;
use crate::state::slices::Columns;
use crate::words;

/// The smallest screen that has one.
const LEAST_WIDTH: u16 = 60;
const LEAST_HEIGHT: u16 = 15;

/// The smallest screen on which it is a box.
const BOX_WIDTH: u16 = 180;
const BOX_HEIGHT: u16 = 45;

/// What stands before columns of a box.
const LABEL: usize = 5;

/// The lines of a box, and which operations each counts.
const ROWS: [(&str, &[Operation]); 5] = [
    ("R", &[Operation::Read]),
    ("W", &[Operation::Write]),
    ("F", &[Operation::Flush]),
    ("D/Z", &[Operation::Discard, Operation::WriteZeroes]),
    ("B/C", &[Operation::BlockStatus, Operation::Cache]),
];

/// How many lines it takes on a screen of this size.
pub(super) fn height(app: &App, screen: Rect) -> u16 {
    let is_small = screen.width < LEAST_WIDTH || screen.height < LEAST_HEIGHT;
    let is_covered = matches!(app.over, Some(Over::Help(_) | Over::Detail));
    let is_beside = app.panes.shown(app.view).contains(&View::Requests);
    if is_small || is_covered || !is_beside || app.requests.is_empty() {
        return 0;
    }
    if is_box(screen) {
        // Borders, requests in flight, and the axis.
        return 4 + u16::try_from(rows(app).len()).unwrap_or(0);
    }
    2
}

fn is_box(screen: Rect) -> bool {
    screen.width >= BOX_WIDTH && screen.height >= BOX_HEIGHT
}

/// The lines of operations: the last only where there are any of it.
fn rows(app: &App) -> &'static [(&'static str, &'static [Operation])] {
    let counts = &app.outline.total().operations;
    let has_last = ROWS[4].1.iter().any(|operation| counts[*operation as usize].issues > 0);
    if has_last { &ROWS } else { &ROWS[..4] }
}

/// Draws it.
pub(super) fn draw(app: &mut App, frame: &mut Frame<'_>, area: Rect) {
    if area.height == 0 {
        app.queue.timeline = 0;
        return;
    }
    app.follow_in_time();
    let is_box = area.height > 2;
    let around = if is_box { LABEL + 3 } else { 2 };
    let width = usize::from(area.width).saturating_sub(around);
    app.queue.timeline = width;
    let Some(series) = app.series(width) else { return };
    if is_box { draw_box(app, &series, frame, area) } else { draw_lines(app, &series, frame, area) }
}

fn draw_lines(app: &App, series: &Series, frame: &mut Frame<'_>, area: Rect) {
    let mark = if series.is_exact { ' ' } else { '~' };
    let line = format!("{mark}{}", line(series.requests.iter().copied()));
    let [marks, said] = [marker(app, &series.columns), said(app)];
    let below = with_said(marks, &said, usize::from(area.width));
    frame.render_widget(Paragraph::new(vec![Line::raw(line), Line::raw(below)]), area);
}

fn draw_box(app: &App, series: &Series, frame: &mut Frame<'_>, area: Rect) {
    let mark = if series.is_exact { "" } else { "~ as summaries say, " };
    let filtered = if app.filtering.applied.is_some() { ", what the filter leaves" } else { "" };
    let title = format!(" Timeline  {mark}requests over time (log){filtered} ");
    let keys = " z Z zoom  alt-h alt-l move ";
    let block = Block::bordered().title_top(title).title_bottom(Line::raw(keys).right_aligned());
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let label = |name: &str| format!(" {name:<width$}", width = LABEL - 1);
    let mut lines = Vec::new();
    for (name, operations) in rows(app) {
        let bars = if series.operations.is_empty() {
            "…".to_owned()
        } else {
            let sum = |counts: &[u64; OPERATIONS]| {
                operations.iter().map(|operation| counts[*operation as usize]).sum()
            };
            line(series.operations.iter().map(sum))
        };
        lines.push(Line::raw(format!("{}{bars}", label(name))));
    }
    let depths = match series.depths.iter().flatten().next() {
        Some(_) => line(series.depths.iter().map(|depth| depth.unwrap_or(0))),
        None => "…".to_owned(),
    };
    lines.push(Line::raw(format!("{}{depths}", label("qd"))));
    let marks = format!("{}{}", " ".repeat(LABEL - 1), marker(app, &series.columns));
    let below = with_said(marks, &said(app), usize::from(inner.width));
    lines.push(Line::styled(below, Style::new().add_modifier(Modifier::BOLD)));
    frame.render_widget(Paragraph::new(lines), inner);
}

/// Bars, the highest for the most.
fn line(numbers: impl Iterator<Item = u64> + Clone) -> String {
    let most = numbers.clone().max().unwrap_or(0);
    numbers.map(|number| bars::logarithmic(number, most)).collect()
}

/// Where the focus, the selection and the list are, from the place before the first column to that behind the last.
fn marker(app: &App, columns: &Columns) -> String {
    let width = columns.width();
    let mut marks = vec![' '; width + 2];
    let cover = Cover::of(app, width, |column| columns.times_of(column));
    let listed = listed(app);
    for (at, mark) in marks.iter_mut().enumerate() {
        let column = at.checked_sub(1).filter(|column| *column < width);
        let is_listed = column.zip(listed.as_ref()).is_some_and(|(column, times)| {
            let Range { start, end } = columns.times_of(column);
            times.start < end && start <= times.end
        });
        let is_selected =
            column.zip(cover.as_ref()).is_some_and(|(column, cover)| cover.holds(column));
        *mark = match cover.as_ref().and_then(|cover| cover.bracket(at)) {
            Some(bracket) => bracket,
            None if is_listed => '═',
            None if is_selected => '─',
            None => ' ',
        };
    }
    if let Some(row) = app.requests.focused()
        && let Some(column) = columns.holding(row.time)
    {
        put_focus(&mut marks[..=width], column + 1, &words::seconds(row.time));
    }
    marks.into_iter().collect()
}

/// Marks the focus, with its time behind the mark, or before it where there is no room; a bracket is never covered.
fn put_focus(marks: &mut [char], at: usize, time: &str) {
    marks[at] = '▲';
    let behind = if marks.get(at + 1) == Some(&']') { at + 2 } else { at + 1 };
    let has_room = behind + time.len() <= marks.len();
    let from = if has_room { behind } else { at.saturating_sub(time.len()) };
    let place = &mut marks[from..];
    if place.iter().take(time.len()).all(|mark| !matches!(mark, '[' | ']')) {
        for (mark, character) in place.iter_mut().zip(time.chars()) {
            *mark = character;
        }
    }
}

/// From the first to the last request on the screen, as far as they were read.
fn listed(app: &App) -> Option<Range<u64>> {
    let places = app.requests.on_screen();
    let time = |place: &u64| app.requests.row(*place).map(|row| row.time.0);
    Some(places.first().and_then(time)?..places.last().and_then(time)?)
}

/// Which times are shown.
fn said(app: &App) -> String {
    let [list, window] = [listed(app), app.all_time().map(|whole| app.queue.window(&whole))];
    let times = |name: &str, times: Option<Range<u64>>| {
        let Range { start, end } = times?;
        Some(format!("{name} {}..{}", words::seconds(Nanos(start)), words::seconds(Nanos(end))))
    };
    let window = times("of", window.filter(|_| app.queue.is_zoomed()));
    [times("list", list), window].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// A line with a text at its right end, or at its left one where nothing else would be left of it.
fn with_said(marks: String, said: &str, width: usize) -> String {
    let cells: Vec<char> = marks.chars().collect();
    let room = |range: &[char]| range.iter().all(|cell| matches!(cell, ' ' | '═'));
    let long = said.chars().count() + 2;
    if long > width || said.is_empty() {
        return marks;
    }
    let padded =
        |from: usize, to: usize| -> String { cells.iter().skip(from).take(to - from).collect() };
    let right = width - long;
    if cells.len() <= right || room(&cells[right..]) {
        return format!("{:<right$}  {said}", padded(0, right));
    }
    if cells.len() > long && room(&cells[..long]) {
        return format!(" {said} {}", padded(long, cells.len()));
    }
    marks
}
