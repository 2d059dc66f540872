//! The line that says that the trace may grow, and whether what comes is shown.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use crate::app::App;

/// Draws it, if there is anything to say.
pub(super) fn draw(app: &App, frame: &mut Frame<'_>, area: Rect) {
    if let Some(text) = app.growing() {
        let style = Style::new().fg(Color::Yellow);
        frame.render_widget(Paragraph::new(Line::styled(format!("~ {text}"), style)), area);
    }
}
