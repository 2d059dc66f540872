//! The first line: which trace it is, where one is in it, and the views.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::findings;
use crate::action::View;
use crate::app::App;
use crate::words;

/// Draws it.
pub(super) fn draw(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let requests = words::count(app.requests.len());
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut spans = vec![
        Span::styled(" blkreplay", bold),
        Span::raw(format!("  {}  {requests} requests", app.name)),
    ];
    if let Some(findings) = findings::counted(app) {
        spans.push(Span::raw(format!("  {findings}")));
    }
    if let Some(row) = app.requests.focused() {
        spans.push(Span::raw(format!("  #{} at {}", row.id.0, words::seconds(row.time))));
    }
    let title = Line::from(spans);
    let mut tabs = tabs(app.view);
    let [left, right] = Layout::horizontal([
        Constraint::Length(u16::try_from(title.width()).unwrap_or(u16::MAX).min(area.width)),
        Constraint::Fill(1),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(title), left);
    if tabs.width() >= usize::from(right.width) {
        // The one that is shown says most.
        tabs.spans.retain(|span| span.content.starts_with('['));
        tabs.spans
            .iter_mut()
            .for_each(|span| span.content = span.content.trim_end().to_owned().into());
    }
    if tabs.width() < usize::from(right.width) {
        frame.render_widget(Paragraph::new(tabs).right_aligned(), right);
    }
}

/// The views, the one that is shown in brackets.
fn tabs(shown: View) -> Line<'static> {
    let tab = |(view, key, name): (View, char, &str)| {
        if view == shown {
            let style = Style::new().add_modifier(Modifier::BOLD);
            Span::styled(format!("[{key} {name}] "), style)
        } else {
            Span::raw(format!("{key} {name} "))
        }
    };
    View::ALL.into_iter().map(tab).collect()
}
