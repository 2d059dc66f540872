//! The list of requests.
//!
//! Columns that do not fit are left out, those that say least first; id and operation always stay, and so does the focused one.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::app::App;
use crate::state::cell::Cell;

/// Below this width operations are told by their letters.
const NARROW: u16 = 66;

/// How a column is drawn: its width, whether it is flush left, and how early it is left out.
#[derive(Debug, Clone, Copy)]
struct Column {
    cell: Cell,
    width: u16,
    is_left: bool,
    /// Columns with a higher one go first.
    drops: u8,
}

const COLUMNS: [Column; 9] = [
    column(Cell::Id, 8, false, 0),
    column(Cell::Time, 11, false, 2),
    column(Cell::Operation, 14, true, 0),
    column(Cell::Offset, 14, false, 1),
    column(Cell::Length, 7, false, 3),
    column(Cell::Latency, 8, false, 1),
    column(Cell::Epoch, 5, false, 4),
    column(Cell::Flags, 8, true, 5),
    column(Cell::Result, 9, true, 2),
];

const fn column(cell: Cell, width: u16, is_left: bool, drops: u8) -> Column {
    Column { cell, width, is_left, drops }
}

/// Draws the list.
pub(super) fn draw(app: &mut App, frame: &mut Frame<'_>, area: Rect) {
    app.requests.set_height(u64::from(area.height.saturating_sub(1)));
    let is_narrow = area.width < NARROW;
    let columns = fitting(area.width.saturating_sub(2), app.cell, is_narrow);
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut heading = vec![Span::styled(" ", bold)];
    for column in &columns {
        let style =
            if column.cell == app.cell { bold.add_modifier(Modifier::UNDERLINED) } else { bold };
        // The line under a name is no longer than the name.
        let text = column.text(column.cell.name());
        let (name, rest) = (text.trim_end(), text.len() - text.trim_end().len());
        let before = name.len() - name.trim_start().len();
        heading.push(Span::styled(" ".repeat(before), bold));
        heading.push(Span::styled(name.trim_start().to_owned(), style));
        heading.push(Span::styled(" ".repeat(rest), bold));
    }
    let mut lines = vec![Line::from(heading)];
    for place in app.requests.on_screen() {
        lines.push(line(app, &columns, place, area.width));
    }
    if app.requests.shown() == 0 {
        lines.push(Line::raw(nothing(app)));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn line(app: &App, columns: &[Column], place: u64, width: u16) -> Line<'static> {
    let is_focused = place == app.requests.focus();
    let mark = if is_focused { '>' } else { ' ' };
    let width = usize::from(width);
    let Some(row) = app.requests.row(place) else {
        return Line::raw(format!("{mark}       …"));
    };
    let cells: String = columns.iter().map(|column| column.text(&column.cell.text(row))).collect();
    let failed = row.completion.as_ref().is_some_and(|end| end.result.is_err());
    let warn = if failed { "!" } else { "" };
    let mut style = if failed { Style::new().fg(Color::Red) } else { Style::new() };
    if is_focused {
        style = style.add_modifier(Modifier::REVERSED);
    }
    Line::styled(format!("{:<width$}", format!("{mark}{cells}{warn}")), style)
}

/// Why the list is empty.
fn nothing(app: &App) -> String {
    match &app.filtering.applied {
        _ if app.requests.is_empty() => "  there are no requests in this trace".to_owned(),
        Some(applied) if !applied.is_done => "  nothing found yet; esc stops".to_owned(),
        _ => "  the filter leaves out all; backspace drops its last term".to_owned(),
    }
}

fn fitting(width: u16, focused: Cell, is_narrow: bool) -> Vec<Column> {
    let mut columns = COLUMNS.to_vec();
    if is_narrow && let Some(column) = columns.iter_mut().find(|one| one.cell == Cell::Operation) {
        // Its letter says it.
        column.width = 2;
    }
    let drops = |column: &Column| if column.cell == focused { 0 } else { column.drops };
    while columns.iter().map(|column| column.width + 1).sum::<u16>() > width {
        let Some(place) = (0..columns.len()).max_by_key(|place| drops(&columns[*place])) else {
            break;
        };
        if drops(&columns[place]) == 0 {
            break;
        }
        columns.remove(place);
    }
    columns
}

impl Column {
    fn text(self, text: &str) -> String {
        let width = usize::from(self.width);
        let text: String = text.chars().take(width).collect();
        if self.is_left { format!("{text:<width$} ") } else { format!("{text:>width$} ") }
    }
}
