//! The screen.
//!
//! ```text
//!  blkreplay  boot.blkr  12,431 req  3.81s                                 title
//!    id     time        op  offset       len   lat      ep  flags  result  list
//!  > 1214   1.204613    W   135266304    4k    7.12ms   11  fua    EIO !
//!  ── #1214 write → EIO ─────────────────────────────────────────────────  detail
//!  …
//!  j k move  : go  . , same range  e error  y copy  ? help  q quit         keys, or what is being written
//! ```
//!
//! Invariant: nothing is drawn outside the frame, however small it is.

mod detail;
mod epochs;
mod filter;
mod findings;
mod help;
mod latency;
mod map;
mod plot;
mod requests;
mod stats;
mod table;
mod tally;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use crate::action::View;
use crate::app::{App, Over};
use crate::keymap;
use crate::words;

/// The smallest screen that has the detail beside or below the list.
const DETAIL_WIDTH: u16 = 60;
const DETAIL_HEIGHT: u16 = 15;

/// Lines that a warning takes at most.
const BANNER_LINES: u16 = 3;

/// From this width on the detail is beside the list.
const BESIDE_WIDTH: u16 = 120;

/// Draws everything.
pub fn draw(app: &mut App, frame: &mut Frame<'_>) {
    let banner = app.banner.as_ref().map_or(0, |text| banner_lines(text, frame.area().width));
    let rows = [
        Constraint::Length(1),
        Constraint::Length(banner),
        Constraint::Length(u16::from(filter::is_there(app))),
        Constraint::Min(1),
        Constraint::Length(1),
    ];
    let [title, warning, filtered, body, bottom] = Layout::vertical(rows).areas(frame.area());
    draw_title(app, frame, title);
    if let Some(text) = &app.banner {
        let style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
        let banner = Paragraph::new(format!("! {text}")).wrap(Wrap { trim: true });
        frame.render_widget(banner.style(style), warning);
    }
    if filter::is_there(app) {
        filter::draw(app, frame, filtered);
    }
    match &mut app.over {
        Some(Over::Help(line)) => help::draw(line, frame, body),
        Some(Over::Detail) => detail::draw(app, frame, body),
        Some(Over::Place(_) | Over::Filter(_)) | None => match app.view {
            View::Requests => draw_requests(app, frame, body),
            View::Map => map::draw(app, frame, body),
            View::Epochs => epochs::draw(app, frame, body),
            View::Findings => findings::draw(app, frame, body),
            View::Latency => latency::draw(app, frame, body),
            View::Stats => stats::draw(app, frame, body),
        },
    }
    draw_bottom(app, frame, bottom);
}

/// How many lines a warning takes, as it breaks between words.
fn banner_lines(text: &str, width: u16) -> u16 {
    let mut lines = 1;
    let mut used = 1;
    for word in text.split(' ') {
        let wide = word.chars().count();
        if used + 1 + wide > usize::from(width) {
            lines += 1;
            used = wide;
        } else {
            used += 1 + wide;
        }
    }
    lines.min(BANNER_LINES)
}

fn draw_requests(app: &mut App, frame: &mut Frame<'_>, body: Rect) {
    if body.width < DETAIL_WIDTH || body.height < DETAIL_HEIGHT {
        return requests::draw(app, frame, body);
    }
    let (list, beside) = if body.width >= BESIDE_WIDTH {
        let columns = [Constraint::Percentage(52), Constraint::Fill(1)];
        let [list, beside] = Layout::horizontal(columns).areas(body);
        (list, beside)
    } else {
        let rows = [Constraint::Fill(1), Constraint::Length(9.min(body.height / 2))];
        let [list, below] = Layout::vertical(rows).areas(body);
        (list, below)
    };
    requests::draw(app, frame, list);
    detail::draw(app, frame, beside);
}

fn draw_title(app: &App, frame: &mut Frame<'_>, area: Rect) {
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

/// What may follow the keys that were pressed.
fn begun(app: &App) -> Line<'static> {
    let keys: Vec<String> = app.begun.iter().map(ToString::to_string).collect();
    let keys = keys.join(" ");
    let next: Vec<String> =
        keymap::following(&keys).map(|(key, name)| format!("{key} {name}")).collect();
    Line::raw(format!(" {keys} …  {}", next.join("  ")))
}

fn draw_bottom(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let line = if let Some(Over::Place(input)) = &app.over {
        let before = format!(" go to: {}", input.value());
        let cursor = u16::try_from(" go to: ".len() + input.visual_cursor()).unwrap_or(u16::MAX);
        if cursor < area.width {
            frame.set_cursor_position((area.x + cursor, area.y));
        }
        Line::raw(before)
    } else if let Some(Over::Filter(line)) = &app.over {
        filter::hint(line)
    } else if !app.begun.is_empty() {
        begun(app)
    } else if let Some(message) = &app.message {
        let style = if message.is_error { Style::new().fg(Color::Red) } else { Style::new() };
        Line::styled(format!(" {}", message.text), style)
    } else if app.findings.sought.is_some() {
        Line::raw(" looking for a finding; esc stops")
    } else if let Some((done, all)) = app.searching {
        Line::raw(format!(" searching: {done} of {all} pages; esc stops"))
    } else {
        Line::raw(match app.view {
            View::Requests => {
                " f filter  = - by value  . , same range  e error  : go  y copy  ? help  q quit"
            }
            View::Map => map::HINT,
            View::Latency => latency::HINT,
            View::Stats => stats::HINT,
            View::Epochs => {
                " enter goes to its requests  = - by it  w W finding  f filter  ? help  q quit"
            }
            View::Findings => {
                " enter goes to the request  = - by it  w W finding  f filter  ? help  q quit"
            }
        })
    };
    frame.render_widget(Paragraph::new(line), area);
}
