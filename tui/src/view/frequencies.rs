//! How often each value of a column comes: a line a value, the most frequent first.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::tally;
use crate::app::App;
use crate::frequencies::{Counted, Table};
use crate::state::cell::Cell;
use crate::words;

/// What keys do here.
pub(super) const HINT: &str = " j k value  enter its requests  = - by it  esc back to the list";

/// What values are wide where there is room for it, and where there is not.
const VALUE: usize = 22;
const VALUE_NARROW: usize = 14;

/// Draws the table.
pub(super) fn draw(app: &mut App, frame: &mut Frame<'_>, area: Rect) {
    let Some(cell) = app.frequencies.order().map(|order| order.cell) else { return };
    let mut lines = vec![heading(app, cell, area.width)];
    lines.extend(notices(app));
    let height = usize::from(area.height).saturating_sub(lines.len());
    let all = app.frequencies.lines();
    let cursor = &mut app.frequencies.cursor;
    let (top, at) = (cursor.top(height, all), cursor.at(all));
    if let Some(table) = app.frequencies.table() {
        let shown = table.values.iter().enumerate().skip(top).take(height);
        lines.extend(shown.map(|(place, counted)| {
            let text = line(app, cell, table, counted, area.width);
            tally::line(&text, place == at, Style::new(), area.width)
        }));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn value_width(width: u16) -> usize {
    if width < 66 { VALUE_NARROW } else { VALUE }
}

fn heading(app: &App, cell: Cell, width: u16) -> Line<'static> {
    let value = value_width(width);
    let text = format!("  {:<value$} {:>12} {:>6}", cell.name(), "count", "%");
    let requests = app.frequencies.table().map_or(0, |table| table.requests);
    let mark = if app.frequencies.is_exact() { "" } else { "~" };
    let text = format!("{text}  of {mark}{} requests", words::count(requests));
    Line::styled(text, Style::new().add_modifier(Modifier::BOLD))
}

/// How far it is, what went wrong, and what the lines do not say.
fn notices(app: &App) -> Vec<Line<'static>> {
    let told = app.frequencies.told();
    let mut lines = Vec::new();
    if app.frequencies.goes_on() {
        let (done, all) = (told.map_or(0, |told| told.done), app.requests.len());
        let percent = words::progress(done, all);
        lines.push(Line::raw(format!("  counting: {percent} %; esc stops")));
    }
    if let Some(error) = told.and_then(|told| told.error.as_ref()) {
        let text = format!("! what lies behind was not counted: {error}");
        lines.push(Line::styled(text, Style::new().fg(Color::Red)));
    }
    let Some(Table { others, other_values, unkept, .. }) = app.frequencies.table() else {
        return lines;
    };
    if *others > 0 {
        let (others, values) = (words::count(*others), words::count(*other_values));
        let more = if *unkept > 0 { " and more" } else { "" };
        lines.push(Line::raw(format!("  {others} requests have {values}{more} other values")));
    }
    lines
}

fn line(app: &App, cell: Cell, table: &Table, counted: &Counted, width: u16) -> String {
    let text = match cell {
        Cell::Device => app.device_name(&counted.row),
        cell => cell.text(&counted.row),
    };
    let text = counted.value.text(&text);
    let value = value_width(width);
    let mark = if app.frequencies.is_exact() { "" } else { "~" };
    let count = format!("{mark}{}", words::count(counted.count));
    let share = share(counted.count, table.requests);
    let line = format!("{text:<value$} {count:>12} {share:>6}");
    let room = usize::from(width).saturating_sub(line.chars().count() + 5).min(40);
    let first = table.values.first().map_or(1, |first| first.count).max(1);
    let bar = u128::from(counted.count) * room as u128 / u128::from(first);
    // What is there can be seen.
    let bar = usize::try_from(bar).unwrap_or(room).max(usize::from(room > 0));
    format!("{line}  {}", "█".repeat(bar))
}

/// A part of all, in percent, with a digit behind the point.
fn share(part: u64, all: u64) -> String {
    let thousandths = (u128::from(part) * 1000).checked_div(u128::from(all)).unwrap_or(0);
    format!("{}.{}", thousandths / 10, thousandths % 10)
}
