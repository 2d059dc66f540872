//! The first line: which trace it is, where one is in it, and the views.
//!
//! Invariant: where there is room for the keys of all views they are all seen; what says less gives way to them.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::{events, findings, log};
use crate::action::View;
use crate::app::App;
use crate::state::spots::What;
use crate::words;

/// Draws it.
pub(super) fn draw(app: &mut App, frame: &mut Frame<'_>, area: Rect) {
    let width = usize::from(area.width);
    let (left, tabs) = fitting(app, width);
    // Either all are there, or the one that is shown.
    let all: Vec<View> = View::ALL.into_iter().map(|(view, ..)| view).collect();
    let seen = if tabs.spans.len() == all.len() { all } else { vec![app.view] };
    let room = width.saturating_sub(tabs.width());
    frame.render_widget(Paragraph::new(left), area);
    let x = area.x + u16::try_from(room).unwrap_or(0);
    let right = Rect { x, width: area.width.saturating_sub(x - area.x), ..area };
    let mut column = right.x;
    for (view, span) in seen.into_iter().zip(&tabs.spans) {
        let end = column + u16::try_from(span.width()).unwrap_or(0);
        app.spots.put(column..end, area.y..area.bottom(), What::Tab(view));
        column = end;
    }
    frame.render_widget(Paragraph::new(tabs), right);
}

/// How much is said of a view on its tab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tabs {
    Names,
    Short,
    Keys,
    Shown,
}

/// The most that fits, side by side.
fn fitting(app: &App, width: usize) -> (Line<'static>, Line<'static>) {
    let lefts = [4, 3, 2, 1].map(|parts| left(app, parts));
    let wanted = [
        (0, Tabs::Names),
        (0, Tabs::Short),
        (1, Tabs::Short),
        (2, Tabs::Short),
        (1, Tabs::Keys),
        (3, Tabs::Short),
        (2, Tabs::Keys),
        (3, Tabs::Keys),
        (1, Tabs::Shown),
        (2, Tabs::Shown),
        (3, Tabs::Shown),
    ];
    let fits = wanted.into_iter().map(|(left, how)| (lefts[left].clone(), tabs(app.view, how)));
    let fits = fits.into_iter().find(|(left, tabs)| left.width() + 1 + tabs.width() <= width);
    fits.unwrap_or_else(|| (lefts[3].clone(), Line::default()))
}

/// So many parts of what is said of the trace, what matters least left out.
fn left(app: &App, parts: u8) -> Line<'static> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut spans = Vec::new();
    if parts > 3 {
        spans.push(Span::styled(" blkreplay ", bold));
    }
    let name = match &app.beside {
        None => format!(" {}", app.name),
        Some((at, of, next)) if parts > 1 => format!(" {at}/{of} {}  X {next}", app.name),
        Some((at, of, _)) => format!(" {at}/{of} {}", app.name),
    };
    spans.push(Span::styled(name, bold));
    let requests = app.requests.len();
    if let Some(held) = log::held(app, parts > 2).filter(|_| parts > 1) {
        spans.push(Span::raw(format!("  {held}")));
    } else if parts > 2 {
        spans.push(Span::raw(format!("  {} requests", words::count(requests))));
    } else if parts > 1 {
        spans.push(Span::raw(format!("  {} req", words::count(requests))));
    }
    if let Some(findings) = findings::counted(app).filter(|_| parts > 1) {
        spans.push(Span::raw(format!("  {findings}")));
    }
    if let Some(place) = events::place(app) {
        spans.extend((parts > 3).then(|| Span::raw(place)));
    } else if let Some(row) = app.requests.focused().filter(|_| parts > 3) {
        spans.push(Span::raw(format!("  #{} at {}", row.id.0, words::seconds(row.time))));
    }
    if let Some(notice) = app.look.notice().filter(|_| parts > 1) {
        spans.push(Span::raw(format!("  {notice}")));
    }
    Line::from(spans)
}

/// The views, the one that is shown in brackets.
fn tabs(shown: View, how: Tabs) -> Line<'static> {
    let tab = |(view, key, name): (View, char, &str)| {
        let is_shown = view == shown;
        let text = match how {
            Tabs::Names => format!("{key} {name}"),
            Tabs::Short if is_shown => format!("{key} {name}"),
            Tabs::Keys if !is_shown => key.to_string(),
            _ => format!("{key} {}", view.short()),
        };
        let bold = Style::new().add_modifier(Modifier::BOLD);
        match (how, is_shown) {
            (Tabs::Shown, false) => None,
            (_, false) => Some(Span::raw(format!("{text} "))),
            (_, true) => Some(Span::styled(format!("[{text}] "), bold)),
        }
    };
    View::ALL.into_iter().filter_map(tab).collect()
}
