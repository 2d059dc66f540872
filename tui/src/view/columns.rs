//! The columns that the list can have, to choose from.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::tally;
use crate::app::App;
use crate::state::cell::Cell;

/// What keys do here.
pub(super) const HINT: &str = " j k column  space shows it or not  esc back to the list";

/// Draws them.
pub(super) fn draw(app: &mut App, frame: &mut Frame<'_>, area: Rect) {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut lines = vec![Line::styled("  columns of the list", bold)];
    let (height, all) = (usize::from(area.height).saturating_sub(1), Cell::ALL.len());
    let cursor = &mut app.columns.cursor;
    let (top, at) = (cursor.top(height, all), cursor.at(all));
    for (place, cell) in Cell::ALL.into_iter().enumerate().skip(top).take(height) {
        let mark = if app.columns.has(cell) { 'x' } else { ' ' };
        let text = format!("[{mark}] {:<8} {}", cell.name(), cell.about());
        lines.push(tally::line(&text, place == at, Style::new(), area.width));
    }
    frame.render_widget(Paragraph::new(lines), area);
}
