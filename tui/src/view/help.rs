//! The list of commands with their keys, and what is searched for in it.
//!
//! ```text
//!  search: copy                                     6 found    type; enter does it, esc closes
//!  > y l       copy-line         copy its line
//! ```

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::line::item;
use crate::keymap::{Bound, Keymap};
use crate::state::help::Help;
use crate::words;

/// From this width on commands are told by their names, too.
const WIDE: u16 = 90;

const LABEL: &str = " search: ";

/// Draws the list.
pub(super) fn draw(help: &mut Help, keymap: &Keymap, frame: &mut Frame<'_>, area: Rect) {
    let [top, list] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
    let bound = help.lines(keymap);
    draw_search(help, bound.len(), frame, top);
    if bound.is_empty() {
        let text = format!("  no key does anything like `{}`", help.input.value());
        return frame.render_widget(Paragraph::new(text), list);
    }
    let (shown, at) = help.on_screen(bound.len(), usize::from(list.height));
    let width = usize::from(area.width);
    let lines = shown.map(|place| {
        let text = words::cut(&line(bound[place], area.width >= WIDE), width.saturating_sub(1));
        item(&text, place == at, Style::new(), width)
    });
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), list);
}

fn draw_search(help: &Help, found: usize, frame: &mut Frame<'_>, area: Rect) {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let said = format!("{found} found  enter does it  esc closes ");
    let written =
        Line::from(vec![Span::styled(LABEL, bold), Span::raw(help.input.value().to_owned())]);
    let room = usize::from(area.width).saturating_sub(written.width() + 1);
    frame.render_widget(Paragraph::new(written), area);
    if said.len() <= room {
        frame.render_widget(Paragraph::new(said).right_aligned(), area);
    }
    let cursor = LABEL.len() + help.input.visual_cursor();
    let cursor = u16::try_from(cursor).unwrap_or(u16::MAX);
    if cursor < area.width {
        frame.set_cursor_position((area.x + cursor, area.y));
    }
}

/// The keys of a command, its name where there is room, and what it does.
pub(crate) fn line(bound: &Bound, is_wide: bool) -> String {
    let keys = if bound.keys.is_empty() { "-".to_owned() } else { bound.keys.join("  ") };
    let (name, help) = (bound.binding.name, bound.binding.help);
    if is_wide { format!(" {keys:<14} {name:<20} {help}") } else { format!(" {keys:<14} {help}") }
}
