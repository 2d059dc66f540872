//! The list of keys, made from the table that keys are looked up in.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use crate::keymap::BINDINGS;

/// Draws the keys from a line on, which is kept within them.
pub(super) fn draw(from: &mut u16, frame: &mut Frame<'_>, area: Rect) {
    let lines: Vec<_> = lines().into_iter().map(Line::raw).collect();
    let most = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_sub(area.height);
    *from = (*from).min(most);
    frame.render_widget(Paragraph::new(lines).scroll((*from, 0)), area);
}

/// A line a binding.
fn lines() -> Vec<String> {
    let line = |keys: String, help: &str| format!(" {keys:<14} {help}");
    BINDINGS.iter().map(|binding| line(binding.keys.join("  "), binding.help)).collect()
}
