//! What lies between title and keys: one view, the list with the detail of the focused request, or all panes.
//!
//! ```text
//!  list        │ ── #121 write → EIO ───     where there is room for all panes
//!              │ …
//!  ── [2 Map] ─│── 3 Latency ─│── 5 Stats    keys go to the one in brackets
//! ```
//!
//! Invariant: each view is drawn as it is alone, only smaller.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Borders, Paragraph};

use super::{
    checkpoints, detail, diff, epochs, events, findings, latency, line, log, map, queue, requests,
    stats,
};
use crate::action::View;
use crate::app::App;
use crate::state::panes::{Arrangement, BELOW};
use crate::state::spots::What;

/// The smallest body that has the detail beside or below the list.
const DETAIL_WIDTH: u16 = 60;
const DETAIL_HEIGHT: u16 = 15;

/// From this width on the detail is beside the list.
const BESIDE_WIDTH: u16 = 120;

/// The part of the height that list and detail have where there are panes below them, in percent.
const UPPER: u16 = 58;

/// The part of the width that the list has, and the map below it, in percent.
const LEFT: u16 = 52;

/// Draws the view that keys go to, with what is beside it.
pub(super) fn draw(app: &mut App, frame: &mut Frame<'_>, body: Rect) {
    if app.log.is_some() || app.lists_events() {
        return draw_view(app.view, app, frame, body);
    }
    match app.panes.arrangement(app.view) {
        Arrangement::All => draw_all(app, frame, body),
        Arrangement::WithDetail if app.view == View::Requests => draw_requests(app, frame, body),
        Arrangement::WithDetail | Arrangement::Alone => draw_view(app.view, app, frame, body),
    }
}

fn draw_view(view: View, app: &mut App, frame: &mut Frame<'_>, area: Rect) {
    app.spots.put(area.left()..area.right(), area.top()..area.bottom(), What::Pane(view));
    match view {
        View::Checkpoints => checkpoints::draw(app, frame, area),
        View::Requests if app.lists_events() => events::draw(app, frame, area),
        _ if app.log.is_some() => log::draw(app, frame, area),
        View::Requests => requests::draw(app, frame, area),
        View::Map => map::draw(app, frame, area),
        View::Epochs => epochs::draw(app, frame, area),
        View::Diff => diff::draw(app, frame, area),
        View::Findings => findings::draw(app, frame, area),
        View::Latency => latency::draw(app, frame, area),
        View::Queue => queue::draw(app, frame, area),
        View::Stats => stats::draw(app, frame, area),
    }
    if view == View::Map {
        let (left, top) = (area.left() + map::LEFT, area.top() + map::ABOVE);
        let bottom = area.bottom().saturating_sub(map::BELOW).max(top);
        app.spots.put(left..area.right(), top..bottom, What::Cells);
    } else {
        put_lines(view, app, frame, area);
    }
}

/// Says where lines of a list are that can be clicked: those around the one that is looked at, which has its mark on the left.
pub(super) fn put_lines(view: View, app: &mut App, frame: &mut Frame<'_>, area: Rect) {
    let buffer = frame.buffer_mut();
    let first = |line: u16| &buffer[(area.x, line)];
    let is_looked_at = |line: &u16| {
        first(*line).symbol() == ">" && first(*line).modifier.contains(Modifier::REVERSED)
    };
    // Nothing is drawn on a screen of no columns.
    if area.is_empty() {
        return;
    }
    let Some(at) = (area.top()..area.bottom()).find(is_looked_at) else { return };
    let is_blank = |line: u16| {
        (area.left()..area.right()).all(|column| buffer[(column, line)].symbol() == " ")
    };
    // Headings are bold without a colour, and rules are no letters.
    let is_line = |line: &u16| {
        let cell = first(*line);
        let is_heading = cell.modifier.contains(Modifier::BOLD) && cell.fg == Color::Reset;
        *line == at || (cell.symbol() == " " && !is_heading && !is_blank(*line))
    };
    let top = (area.top()..at).rev().take_while(is_line).last().unwrap_or(at);
    let bottom = (at..area.bottom()).take_while(is_line).last().unwrap_or(at) + 1;
    app.spots.put(area.left()..area.right(), top..bottom, What::Line(view, at));
}

fn draw_requests(app: &mut App, frame: &mut Frame<'_>, body: Rect) {
    if body.width < DETAIL_WIDTH || body.height < DETAIL_HEIGHT {
        return draw_view(View::Requests, app, frame, body);
    }
    let (list, beside) = if body.width >= BESIDE_WIDTH {
        let columns = [Constraint::Percentage(LEFT), Constraint::Fill(1)];
        let [list, beside] = Layout::horizontal(columns).areas(body);
        (list, beside)
    } else {
        let rows = [Constraint::Fill(1), Constraint::Length(9.min(body.height / 2))];
        let [list, below] = Layout::vertical(rows).areas(body);
        (list, below)
    };
    draw_view(View::Requests, app, frame, list);
    detail::draw(app, frame, beside);
}

fn draw_all(app: &mut App, frame: &mut Frame<'_>, body: Rect) {
    let rows = [Constraint::Percentage(UPPER), Constraint::Fill(1)];
    let [upper, lower] = Layout::vertical(rows).areas(body);
    let columns = [Constraint::Percentage(LEFT), Constraint::Fill(1)];
    let [list, request] = Layout::horizontal(columns).areas(upper);
    draw_pane(View::Requests, app, frame, list);
    let request = edged(frame, request);
    detail::draw(app, frame, request);
    let columns = [Constraint::Percentage(LEFT), Constraint::Fill(1), Constraint::Fill(1)];
    let areas: [Rect; BELOW.len()] = Layout::horizontal(columns).areas(lower);
    for (place, (view, area)) in BELOW.into_iter().zip(areas).enumerate() {
        let area = if place > 0 { edged(frame, area) } else { area };
        draw_pane(view, app, frame, area);
    }
}

/// Draws a line on the left; what is left of the area.
fn edged(frame: &mut Frame<'_>, area: Rect) -> Rect {
    let block = Block::new().borders(Borders::LEFT);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    inner
}

/// Draws a view below a line that says which it is.
fn draw_pane(view: View, app: &mut App, frame: &mut Frame<'_>, area: Rect) {
    let [rule, inner] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
    let is_focused = view == app.view;
    let name = format!("{} {}", view.key(), view.name());
    let name = if is_focused { format!("[{name}]") } else { name };
    let style = if is_focused { Style::new().add_modifier(Modifier::BOLD) } else { Style::new() };
    let line = Line::styled(line::rule(&name, usize::from(rule.width)), style);
    frame.render_widget(Paragraph::new(line), rule);
    draw_view(view, app, frame, inner);
}
