//! The line of the filter: what is in force and how much it leaves, or what is being written and whether it can be understood.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::app::{App, Over};
use crate::state::filter;
use crate::words;

const LABEL: &str = " Filter: ";

/// Whether there is anything to say.
pub(super) fn is_there(app: &App) -> bool {
    matches!(app.over, Some(Over::Filter(_)))
        || app.filtering.applied.is_some()
        || app.filtering.off.is_some()
}

/// Why the filter keeps a view that counts what it leaves from having all, and whether something is wrong; nothing if it does not.
pub(super) fn holds_back(app: &App) -> Option<(&'static str, bool)> {
    let applied = app.filtering.applied.as_ref()?;
    if !applied.is_done {
        return Some(("waits for the filter", false));
    }
    applied.error.as_ref().map(|_| ("the filter did not see all", true))
}

/// Draws the line.
pub(super) fn draw(app: &App, frame: &mut Frame<'_>, area: Rect) {
    match &app.over {
        Some(Over::Filter(line)) => draw_written(line, frame, area),
        _ => draw_applied(app, frame, area),
    }
}

fn draw_written(line: &filter::Line, frame: &mut Frame<'_>, area: Rect) {
    let (verdict, style) = match &line.error {
        _ if line.text().trim().is_empty() => ("shows all", Style::new()),
        None => ("ok", Style::new().fg(Color::Green)),
        Some(_) => ("no filter yet", Style::new().fg(Color::Red)),
    };
    draw_sides(line.text(), &[Span::styled(verdict, style)], frame, area);
    let cursor = u16::try_from(LABEL.len() + line.prompt.input.visual_cursor()).unwrap_or(u16::MAX);
    if cursor < area.width {
        frame.set_cursor_position((area.x + cursor, area.y));
    }
}

fn draw_applied(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let Some(applied) = &app.filtering.applied else {
        let off = app.filtering.off.as_deref().unwrap_or_default();
        return draw_sides(off, &[Span::raw("off; ctrl-t")], frame, area);
    };
    let all = app.requests.len();
    let is_exact = applied.is_of(all) && !app.live.grows();
    let approximate = if is_exact { "" } else { "~" };
    let shown = words::count(applied.found.len());
    let mut said = format!("{approximate}{shown} of {}", words::count(all));
    if !applied.is_done && all > 0 {
        let percent = words::progress(applied.done, all);
        let what = if applied.is_first_pass { "first pass" } else { "looked at" };
        said = format!("{said}, {what} {percent} %");
    }
    let style = Style::new().fg(if applied.error.is_some() { Color::Red } else { Color::Green });
    let mut right = vec![Span::styled(said, style)];
    if let Some(error) = &applied.error {
        right.push(Span::styled(format!(", {error}"), style));
    }
    draw_sides(&applied.text, &right, frame, area);
}

/// A text on the left, and what is said of it on the right, which stays if there is not room for both.
fn draw_sides(text: &str, right: &[Span<'static>], frame: &mut Frame<'_>, area: Rect) {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let said: usize = right.iter().map(Span::width).sum();
    let width = usize::from(area.width);
    let left = Line::from(vec![Span::styled(LABEL, bold), Span::raw(text.to_owned())]);
    let room = width.saturating_sub(said + 2);
    let [at, behind] = [
        Rect { width: u16::try_from(room).unwrap_or(area.width).min(area.width), ..area },
        Rect {
            x: area.x + u16::try_from(room + 1).unwrap_or(0).min(area.width),
            width: area.width.saturating_sub(u16::try_from(room + 1).unwrap_or(0)),
            ..area
        },
    ];
    frame.render_widget(Paragraph::new(left), at);
    frame.render_widget(Paragraph::new(Line::from(right.to_vec())), behind);
}

/// What to say below the line that is being written.
pub(super) fn hint(line: &filter::Line) -> Line<'static> {
    let completions = line.completions();
    if !completions.is_empty() && (line.error.is_some() || line.text().is_empty()) {
        let names: Vec<_> = completions.into_iter().take(12).collect();
        return Line::raw(format!(" tab: {}", names.join(" ")));
    }
    match &line.error {
        Some(error) if !error.label.is_empty() => {
            Line::styled(format!(" {}: {}", error.what, error.label), Style::new().fg(Color::Red))
        }
        Some(error) => Line::styled(format!(" {}", error.what), Style::new().fg(Color::Red)),
        None => Line::raw(" enter applies  tab completes  up older  esc leaves it as it was"),
    }
}
