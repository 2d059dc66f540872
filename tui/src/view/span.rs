//! The line of A and B, or of the selection: how long it is, and what its requests ask for.
//!
//! Invariant: what does not fit is left out, that which says least first.

use blkreplay_core::units::{Nanos, Size};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span as Styled};
use ratatui::widgets::Paragraph;

use crate::app::App;
use crate::state::points::{Area, Span};
use crate::words;

/// Whether there is anything to say.
pub(super) fn is_there(app: &App) -> bool {
    let points = &app.points;
    points.a.is_some() || points.b.is_some() || points.anchor.is_some()
}

/// Draws the line.
pub(super) fn draw(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let mut text = String::new();
    for part in parts(app) {
        if text.chars().count() + 2 + part.chars().count() <= usize::from(area.width) {
            text = format!("{text}  {part}");
        }
    }
    let text = text.strip_prefix(' ').unwrap_or_default().to_owned();
    let bold = Style::new().add_modifier(Modifier::BOLD);
    frame.render_widget(Paragraph::new(Line::from(Styled::styled(text, bold))), area);
}

/// What there is to say, that which says most first.
fn parts(app: &App) -> Vec<String> {
    let points = &app.points;
    if let Some(Area { time, offsets, .. }) = app.area() {
        let [from, to] = [time.start, time.end].map(|time| at(Nanos(time)));
        return vec![
            format!("selected {from}..{to}"),
            format!("{}..{}", Size(offsets.start), Size(offsets.end)),
            format!("Δ {}", Nanos(time.end - time.start)),
        ];
    }
    let Some(span) = app.span() else {
        let (name, point, key) = match (points.a, points.b) {
            (Some(a), _) => ("A", a, "] sets B"),
            (_, Some(b)) => ("B", b, "[ sets A"),
            _ => return vec!["selecting".to_owned()],
        };
        return vec![format!("{name} {}", at(point.time)), key.to_owned()];
    };
    let apart = format!("Δ {}", Nanos(span.to.time.0.saturating_sub(span.from.time.0)));
    let mut parts = match (span.is_selected, points.a, points.b) {
        (false, Some(a), Some(b)) => {
            vec![format!("A {}", at(a.time)), format!("B {}", at(b.time)), apart]
        }
        _ => vec![format!("selected {}..{}", at(span.from.time), at(span.to.time)), apart],
    };
    parts.extend(amounts(app, &span));
    parts
}

/// How many requests there are, and how many bytes they ask for.
fn amounts(app: &App, span: &Span) -> [String; 2] {
    let requests = match app.requests_in(span) {
        Some(1) => "1 request".to_owned(),
        Some(count) => format!("{} requests", words::count(count)),
        None => "… requests".to_owned(),
    };
    let bytes = match app.sum_of(span) {
        Some(sum) if sum.is_done && !sum.is_short => Size(sum.bytes).to_string(),
        Some(sum) => format!("~{}", Size(sum.bytes)),
        None => "… B".to_owned(),
    };
    [requests, bytes]
}

fn at(time: Nanos) -> String {
    words::seconds(time)
}
