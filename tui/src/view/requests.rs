//! The list of requests.
//!
//! Columns that do not fit are left out, those that say least first; id and operation always stay, and so does the focused one.

use std::iter::repeat_n;

use blkreplay_core::rows::Row;
use blkreplay_core::units::Nanos;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::table::{self, Column};
use crate::app::App;
use crate::look;
use crate::state::cell::Cell;
use crate::state::columns::Clock;
use crate::words;

/// Below this width operations are told by their letters.
const NARROW: u16 = 66;

/// Columns of signs before the first: the focus, what is selected, and what is marked.
const SIGNS: u16 = 2;

/// A bar for the latency has room on a list of this width.
const BARRED: u16 = 92;

/// How wide the bar is: a cell for each power of ten from 1 µs to 10 s.
const BAR: u16 = 7;

/// The columns of a list, and which of them fit.
struct Columns {
    cells: Vec<Cell>,
    widths: Vec<Column>,
    fitting: Vec<usize>,
    has_bar: bool,
}

impl Columns {
    fn of(app: &App, width: u16) -> Columns {
        let cells = app.columns.chosen();
        let widths: Vec<Column> = cells.iter().map(|cell| column(app, *cell, width)).collect();
        let has_bar = width >= BARRED;
        let room = width.saturating_sub(SIGNS + 1 + if has_bar { BAR } else { 0 });
        let fitting = table::fitting(&widths, room);
        Columns { cells, widths, fitting, has_bar }
    }

    /// The cells that fit.
    fn shown(&self) -> impl Iterator<Item = (Cell, &Column)> {
        self.fitting.iter().map(|at| (self.cells[*at], &self.widths[*at]))
    }
}

/// A column is as wide as what the trace can have in it, as far as that is known.
fn column(app: &App, cell: Cell, list: u16) -> Column {
    let digits = |most: u64| u16::try_from(most.max(1).ilog10() + 1).unwrap_or(u16::MAX);
    let disk = || app.header.devices.iter().map(|device| device.size).max().unwrap_or(0);
    let (width, is_left, drops) = match cell {
        Cell::Id => (digits(app.requests.highest()).max(3), false, 0),
        Cell::Time => (time_width(app), false, 2),
        Cell::Gap => (7, false, 9),
        Cell::Device => (device_width(app), true, 7),
        Cell::Connection => (4, false, 8),
        Cell::Operation if list < NARROW => (2, true, 0),
        Cell::Operation => (14, true, 0),
        Cell::Offset => (digits(disk()).max(9), false, 1),
        Cell::End => (digits(disk()).max(9), false, 7),
        Cell::Lba => (digits(disk() / 512).max(7), false, 7),
        Cell::Length => (5, false, 3),
        Cell::Latency => (6, false, 1),
        Cell::Depth => (3, false, 4),
        Cell::Epoch => (4, false, 5),
        Cell::Flags => (7, true, 6),
        Cell::Result => (7, true, 2),
        Cell::Payload => (13, true, 8),
    };
    let name = match cell {
        Cell::Time => app.columns.clock.name(),
        cell => cell.name(),
    };
    let drops = if cell == app.cell { 0 } else { drops };
    Column { name, width, is_left, drops }
}

/// How wide times are.
fn time_width(app: &App) -> u16 {
    let last = app.requests.time().map_or(Nanos(0), |time| time.end);
    let since = u16::try_from(words::seconds(last).len()).unwrap_or(u16::MAX).max(8);
    match app.columns.clock {
        Clock::Start => since,
        Clock::Wall => 15,
        Clock::Previous | Clock::Reference => since + 1,
    }
}

fn device_width(app: &App) -> u16 {
    let longest = app.header.devices.iter().map(|device| device.name.chars().count()).max();
    u16::try_from(longest.unwrap_or(0)).unwrap_or(u16::MAX).clamp(4, 12)
}

/// Draws the list.
pub(super) fn draw(app: &mut App, frame: &mut Frame<'_>, area: Rect) {
    app.requests.set_height(u64::from(area.height.saturating_sub(1)));
    let columns = Columns::of(app, area.width);
    let mut lines = vec![heading(app, &columns)];
    for place in app.requests.on_screen() {
        lines.push(line(app, &columns, place, area.width));
    }
    if app.requests.shown() == 0 {
        let room = usize::from(area.width).saturating_sub(2);
        let nothing = words::wrapped(&nothing(app), room);
        lines.extend(nothing.into_iter().map(|line| Line::raw(format!("  {line}"))));
    }
    frame.render_widget(Paragraph::new(lines), area);
    color_operations(app, &columns, frame, area);
}

/// Gives operations their colours, where nothing else has one.
fn color_operations(app: &App, columns: &Columns, frame: &mut Frame<'_>, area: Rect) {
    let shown: Vec<(Cell, u16)> =
        columns.shown().map(|(cell, column)| (cell, column.width)).collect();
    let Some(at) = shown.iter().position(|(cell, _)| *cell == Cell::Operation) else { return };
    let left = area.x + SIGNS + shown[..at].iter().map(|(_, width)| width + 1).sum::<u16>();
    let right = area.right().min(left + shown[at].1);
    for (y, place) in (area.y + 1..area.bottom()).zip(app.requests.on_screen()) {
        let row = app.requests.row(place).filter(|_| place != app.requests.focus());
        let Some(row) = row else { continue };
        for x in left..right {
            let cell = &mut frame.buffer_mut()[(x, y)];
            if cell.fg == Color::Reset {
                cell.set_fg(look::operation(row.request.operation));
            }
        }
    }
}

/// The names of the columns, that of the focused one underlined.
fn heading(app: &App, columns: &Columns) -> Line<'static> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut spans = vec![Span::styled("  ", bold)];
    for at in &columns.fitting {
        let text = table::heading(&columns.widths, &[*at]);
        let name = text.trim();
        let is_sorted = app.requests.is_sorted() && app.sorting.by == Some(columns.cells[*at]);
        let is_focused = columns.cells[*at] == app.cell;
        let style = if is_focused { bold.add_modifier(Modifier::UNDERLINED) } else { bold };
        // The line under a name is no longer than the name.
        let before = text.len() - text.trim_start().len();
        let behind = text.len() - text.trim_end().len();
        spans.push(Span::styled(" ".repeat(before), bold));
        spans.push(Span::styled(name.to_owned(), style));
        spans.push(if is_sorted {
            // In the space between two columns.
            Span::styled(format!("▼{}", " ".repeat(behind.saturating_sub(1))), bold)
        } else {
            Span::styled(" ".repeat(behind), bold)
        });
    }
    Line::from(spans)
}

fn line(app: &App, columns: &Columns, place: u64, width: u16) -> Line<'static> {
    let is_focused = place == app.requests.focus();
    let focus = match app.is_selected(place) {
        _ if is_focused => '>',
        true => '|',
        false => ' ',
    };
    let marked = app.points.sign(place).or_else(|| app.marks.at(place));
    let Some(row) = app.requests.row(place) else {
        let mark = marked.unwrap_or(' ');
        return Line::raw(format!("{focus}{mark}      …"));
    };
    let mark = marked.unwrap_or_else(|| if app.notes.contains_key(&row.id.0) { '"' } else { ' ' });
    let text = |cell: &Cell| match cell {
        Cell::Operation if width < NARROW => words::letter(row.request.operation).to_string(),
        cell => app.text_of(*cell, place, row),
    };
    let texts: Vec<String> = columns.cells.iter().map(text).collect();
    let cells = table::line(&columns.widths, &columns.fitting, &texts);
    let failed = row.completion.as_ref().is_some_and(|end| end.result.is_err());
    let warn = if failed { "!" } else { " " };
    let bar = if columns.has_bar { bar(row) } else { String::new() };
    let mut style = if failed { Style::new().fg(Color::Red) } else { Style::new() };
    if let Some(color) = app.coloring.color(row) {
        // Bold says it where there are no colours.
        style = Style::new().fg(look::named(color)).add_modifier(Modifier::BOLD);
    }
    if is_focused {
        style = style.add_modifier(Modifier::REVERSED);
    }
    let (text, width) = (format!("{focus}{mark}{cells}{warn}{bar}"), usize::from(width));
    Line::styled(format!("{text:<width$}"), style)
}

/// The latency as a bar that is a cell longer where it is ten times as long; a microsecond has none.
fn bar(row: &Row) -> String {
    let micros = row.completion.as_ref().map_or(0, |end| end.latency.0 / 1000);
    let Some(whole) = micros.checked_ilog10() else { return String::new() };
    let rest = micros / 10_u64.pow(whole);
    // A digit is about the logarithm of what it begins.
    let eighths = [0, 0, 2, 4, 5, 6, 6, 7, 7, 7][usize::try_from(rest).unwrap_or(0)];
    let part = char::from_u32(0x2590 - eighths).filter(|_| eighths > 0);
    let whole = usize::try_from(whole).unwrap_or(0).min(usize::from(BAR));
    repeat_n('█', whole).chain(part).take(usize::from(BAR)).collect()
}

/// Why the list is empty.
fn nothing(app: &App) -> String {
    match &app.filtering.applied {
        _ if app.requests.is_empty() => "there are no requests in this trace".to_owned(),
        Some(applied) if !applied.is_done => "nothing found yet; esc stops".to_owned(),
        _ => {
            let all = || format!("the filter leaves out all{}", app.so_far());
            format!("{}; backspace drops the last term", app.why_empty().unwrap_or_else(all))
        }
    }
}
