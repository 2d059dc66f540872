//! Raw events, a line each, and the focused one in full.
//!
//! ```text
//!    event       time kind       carries
//!  >   412   1.204613 issue      #1214 write 135266304+4096 fua
//! ── event 412 issue ────────────────────────────────────────── in full
//! ```

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line as Drawn;
use ratatui::widgets::Paragraph;

use super::line::{bold_rule, item_of};
use super::table::{self, Column, numbers};
use crate::app::App;
use crate::events::Line;
use crate::state::events::Known;
use crate::words;

/// The smallest screen that has the focused event in full below the list.
const WIDE: u16 = 60;
const HIGH: u16 = 14;

/// Lines for the focused event.
const DETAIL: u16 = 4;

/// Where the focused event is, for the title; nothing where requests are in focus.
pub(super) fn place(app: &App) -> Option<String> {
    if app.log.is_none() && !app.lists_events() {
        return None;
    }
    let place = match app.events.focused() {
        Some(line) if line.icount.is_none() => format!(" at {}", words::seconds(line.time)),
        _ => String::new(),
    };
    (!app.events.is_empty()).then(|| format!("  event {}{place}", app.events.focus()))
}

/// Draws the list.
pub(super) fn draw(app: &mut App, frame: &mut Frame<'_>, area: Rect) {
    let has_detail = area.width >= WIDE && area.height >= HIGH;
    let detail = if has_detail { DETAIL } else { 0 };
    let rows = [Constraint::Fill(1), Constraint::Length(detail)];
    let [list, below] = Layout::vertical(rows).areas(area);
    app.events.set_height(u64::from(list.height.saturating_sub(1)));
    let columns = columns(app.log.is_some());
    let fitting = table::fitting(&columns, area.width.saturating_sub(12));
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let heading = format!(" {}carries", table::heading(&columns, &fitting));
    let mut lines = vec![Drawn::styled(heading, bold)];
    for index in app.events.on_screen() {
        lines.push(line(app, index, (&columns, &fitting), usize::from(area.width)));
    }
    if app.events.is_empty() {
        lines.push(Drawn::raw(format!("  {}", nothing(app))));
    }
    frame.render_widget(Paragraph::new(lines), list);
    if has_detail {
        draw_detail(app, frame, below);
    }
}

fn columns(is_log: bool) -> [Column; 4] {
    let place = if is_log { numbers("icount", 13, 2) } else { numbers("time", 12, 2) };
    let at = numbers("byte", if is_log { 10 } else { 0 }, if is_log { 3 } else { 4 });
    let kind = Column { name: "kind", width: 19, is_left: true, drops: 0 };
    let kind = if is_log { kind } else { Column { width: 12, ..kind } };
    let at = if is_log { at } else { Column { name: "", ..at } };
    [numbers("event", 10, 0), at, place, kind]
}

fn line(
    app: &App,
    index: u64,
    (columns, fitting): (&[Column], &[usize]),
    width: usize,
) -> Drawn<'static> {
    let (text, failed) = match app.events.at(index) {
        Known::Line(line) => (cells(line, columns, fitting), line.failed),
        Known::NotYet => (format!("{index:>10} …"), false),
        Known::Lost(why) => (format!("{index:>10} cannot be read: {why}"), true),
        Known::Dropped => (format!("{index:>10} was dropped by the recorder"), true),
    };
    item_of(&text, index == app.events.focus(), failed, width)
}

fn cells(line: &Line, columns: &[Column], fitting: &[usize]) -> String {
    let place = match line.icount {
        Some(icount) => icount.to_string(),
        None => words::seconds(line.time),
    };
    let at = line.at.map_or_else(String::new, |at| at.to_string());
    let texts = [line.index.to_string(), at, place, line.kind.to_owned()];
    format!("{}{}", table::line(columns, fitting, &texts), line.words())
}

fn draw_detail(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let Some(line) = app.events.focused() else { return };
    let width = usize::from(area.width);
    let at = line.at.map_or_else(String::new, |at| format!(" at byte {}", words::count(at)));
    let mut lines = vec![bold_rule(&format!("event {} {}{at}", line.index, line.kind), width)];
    let full = if line.words().is_empty() { "carries nothing" } else { line.words() };
    let wrapped = words::wrapped(full, width.saturating_sub(1));
    lines.extend(wrapped.into_iter().map(|text| Drawn::raw(format!(" {text}"))));
    frame.render_widget(Paragraph::new(lines), area);
}

/// Why the list is empty.
fn nothing(app: &App) -> String {
    match (&app.events.error, &app.log) {
        (Some(error), _) => error.clone(),
        (None, Some(log)) if !log.is_whole => "no event was read yet".to_owned(),
        (None, Some(_)) => "there are no events in this log".to_owned(),
        (None, None) if app.events.extent().is_none() => "no event was read yet".to_owned(),
        (None, None) => "there are no events in this trace".to_owned(),
    }
}
