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

mod bars;
mod bottom;
mod checkpoints;
mod columns;
mod detail;
mod diff;
mod epochs;
mod events;
mod filter;
mod findings;
mod frequencies;
mod growing;
mod help;
mod hint;
mod latency;
mod lifecycle;
mod line;
mod log;
mod map;
mod panes;
mod payload;
mod plot;
mod queue;
mod requests;
mod selected;
mod span;
mod stats;
mod table;
mod tally;
mod timeline;
mod title;

#[cfg(test)]
pub(crate) use help::line as help_line;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::widgets::{Paragraph, Wrap};

use crate::app::{App, Over};

/// Lines that a warning takes at most.
const BANNER_LINES: u16 = 3;

/// Draws everything.
pub fn draw(app: &mut App, frame: &mut Frame<'_>) {
    app.panes.set_size(frame.area().width, frame.area().height);
    app.spots.clear();
    let said = app.warning();
    let banner = said.as_ref().map_or(0, |text| banner_lines(text, frame.area().width));
    let rows = [
        Constraint::Length(1),
        Constraint::Length(banner),
        Constraint::Length(u16::from(app.growing().is_some())),
        Constraint::Length(timeline::height(app, frame.area())),
        Constraint::Length(u16::from(filter::is_there(app))),
        Constraint::Length(u16::from(span::is_there(app))),
        Constraint::Min(1),
        Constraint::Length(1),
    ];
    let [title, warning, grows, times, filtered, spanned, body, bottom] =
        Layout::vertical(rows).areas(frame.area());
    title::draw(app, frame, title);
    if let Some(text) = said {
        let style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
        let banner = Paragraph::new(format!("! {text}")).wrap(Wrap { trim: true });
        frame.render_widget(banner.style(style), warning);
    }
    growing::draw(app, frame, grows);
    timeline::draw(app, frame, times);
    if filter::is_there(app) {
        filter::draw(app, frame, filtered);
    }
    if app.points.corner.is_some() {
        // Wherever the focus is moved, the selection goes along.
        app.follow_on_map();
    }
    if span::is_there(app) {
        span::draw(app, frame, spanned);
    }
    match &mut app.over {
        Some(Over::Help(help)) => help::draw(help, &app.keymap, frame, body),
        Some(Over::Columns) => columns::draw(app, frame, body),
        Some(Over::Frequencies) => frequencies::draw(app, frame, body),
        Some(Over::Detail) => detail::draw(app, frame, body),
        Some(
            Over::Place(_)
            | Over::Note(..)
            | Over::Search(_)
            | Over::Filter(_)
            | Over::File(_)
            | Over::Rules(..)
            | Over::Bless,
        )
        | None => panes::draw(app, frame, body),
    }
    if matches!(app.over, Some(Over::Help(_))) {
        panes::put_lines(app.view, app, frame, body);
    }
    bottom::draw(app, frame, bottom);
    app.look.paint(frame.buffer_mut());
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
