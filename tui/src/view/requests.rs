//! The list of requests.
//!
//! Columns that do not fit are left out, those that say least first; id and operation always stay, and so does the focused one.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::table::{self, Column};
use crate::app::App;
use crate::look;
use crate::state::cell::Cell;
use crate::words;

/// Below this width operations are told by their letters.
const NARROW: u16 = 66;

/// Columns of signs before the first: the focus, what is selected, and what is marked.
const SIGNS: u16 = 2;

/// The columns, in the order of [`Cell::ALL`].
fn columns(width: u16, focused: Cell, ids: u16) -> [Column; Cell::ALL.len()] {
    Cell::ALL.map(|cell| {
        let (width, is_left, drops) = match cell {
            Cell::Id => (ids, false, 0),
            Cell::Time => (11, false, 2),
            Cell::Operation if width < NARROW => (2, true, 0),
            Cell::Operation => (14, true, 0),
            Cell::Offset => (14, false, 1),
            Cell::Length => (7, false, 3),
            Cell::Latency => (8, false, 1),
            Cell::Epoch => (5, false, 4),
            Cell::Flags => (8, true, 5),
            Cell::Result => (9, true, 2),
        };
        let drops = if cell == focused { 0 } else { drops };
        Column { name: cell.name(), width, is_left, drops }
    })
}

/// Draws the list.
pub(super) fn draw(app: &mut App, frame: &mut Frame<'_>, area: Rect) {
    app.requests.set_height(u64::from(area.height.saturating_sub(1)));
    let digits = app.requests.highest().to_string().len();
    let ids = u16::try_from(digits).unwrap_or(u16::MAX).max(7);
    let columns = columns(area.width, app.cell, ids);
    let fitting = table::fitting(&columns, area.width.saturating_sub(SIGNS + 1));
    let mut lines = vec![heading(&columns, &fitting, app.cell)];
    for place in app.requests.on_screen() {
        lines.push(line(app, (&columns, &fitting), place, area.width));
    }
    if app.requests.shown() == 0 {
        lines.push(Line::raw(nothing(app)));
    }
    frame.render_widget(Paragraph::new(lines), area);
    color_operations(app, (&columns, &fitting), frame, area);
}

/// Gives operations their colours, where nothing else has one.
fn color_operations(
    app: &App,
    (columns, fitting): (&[Column], &[usize]),
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let Some(at) = fitting.iter().position(|at| Cell::ALL[*at] == Cell::Operation) else { return };
    let left = area.x + SIGNS + fitting[..at].iter().map(|at| columns[*at].width + 1).sum::<u16>();
    let right = area.right().min(left + columns[fitting[at]].width);
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
fn heading(columns: &[Column], fitting: &[usize], focused: Cell) -> Line<'static> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut spans = vec![Span::styled("  ", bold)];
    for at in fitting {
        let text = table::heading(columns, &[*at]);
        let name = text.trim();
        let style =
            if Cell::ALL[*at] == focused { bold.add_modifier(Modifier::UNDERLINED) } else { bold };
        // The line under a name is no longer than the name.
        let before = text.len() - text.trim_start().len();
        let behind = text.len() - text.trim_end().len();
        spans.push(Span::styled(" ".repeat(before), bold));
        spans.push(Span::styled(name.to_owned(), style));
        spans.push(Span::styled(" ".repeat(behind), bold));
    }
    Line::from(spans)
}

fn line(
    app: &App,
    (columns, fitting): (&[Column], &[usize]),
    place: u64,
    width: u16,
) -> Line<'static> {
    let is_focused = place == app.requests.focus();
    let focus = match app.is_selected(place) {
        _ if is_focused => '>',
        true => '|',
        false => ' ',
    };
    let mark = app.points.sign(place).or_else(|| app.marks.at(place)).unwrap_or(' ');
    let width = usize::from(width);
    let Some(row) = app.requests.row(place) else {
        return Line::raw(format!("{focus}{mark}      …"));
    };
    let text = |cell: Cell| match cell {
        Cell::Operation if width < usize::from(NARROW) => {
            words::letter(row.request.operation).to_string()
        }
        cell => cell.text(row),
    };
    let cells = table::line(columns, fitting, &Cell::ALL.map(text));
    let failed = row.completion.as_ref().is_some_and(|end| end.result.is_err());
    let warn = if failed { "!" } else { "" };
    let mut style = if failed { Style::new().fg(Color::Red) } else { Style::new() };
    if is_focused {
        style = style.add_modifier(Modifier::REVERSED);
    }
    Line::styled(format!("{:<width$}", format!("{focus}{mark}{cells}{warn}")), style)
}

/// Why the list is empty.
fn nothing(app: &App) -> String {
    match &app.filtering.applied {
        _ if app.requests.is_empty() => "  there are no requests in this trace".to_owned(),
        Some(applied) if !applied.is_done => "  nothing found yet; esc stops".to_owned(),
        _ => "  the filter leaves out all; backspace drops its last term".to_owned(),
    }
}
