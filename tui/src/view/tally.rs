//! What the views of statistics and latencies have in common: how far the count is, and how numbers and lines are drawn.

use blkreplay_core::request::Operation;
use blkreplay_core::units::Nanos;
use ratatui::style::{Color, Style};
use ratatui::text::Line;

use super::line::item;
use crate::app::App;
use crate::words;

/// Below this width operations are told by their letters.
const NARROW: u16 = 66;

/// What to know of a count that is not done, or found nothing.
pub(super) fn notice(app: &App) -> Option<Line<'static>> {
    let tallying = &app.tallying;
    let told = tallying.told();
    if let Some(error) = told.and_then(|told| told.error.as_ref()) {
        return Some(Line::styled(format!("! {error}"), Style::new().fg(Color::Red)));
    }
    let (done, all) = (told.map_or(0, |told| told.done), app.requests.len());
    if tallying.is_stopped() {
        let done = words::count(done);
        return Some(Line::raw(format!("  stopped at {done} of {}", words::count(all))));
    }
    if tallying.goes_on() {
        let percent = words::progress(done, all);
        let is_first_pass = told.is_some_and(|told| told.is_first_pass);
        let what = if is_first_pass { "first pass" } else { "counting" };
        return Some(Line::raw(format!("  {what}: {percent} %; esc stops")));
    }
    let is_nothing = tallying.sums().is_some_and(|sums| sums.operations.is_empty());
    is_nothing.then(|| {
        Line::raw(if app.requests.is_empty() {
            "  there are no requests in this trace"
        } else {
            "  the filter leaves out all; backspace drops its last term"
        })
    })
}

/// What stands before a number that is not the last word.
pub(super) fn mark(app: &App) -> &'static str {
    let is_exact = app.tallying.is_exact() && app.live.is_final(app.tallying.growth());
    if is_exact { "" } else { "~" }
}

/// A text with what stands before a number before each of its numbers.
pub(super) fn marked(text: &str, mark: &str) -> String {
    if text == "none" && !mark.is_empty() {
        return "none yet".to_owned();
    }
    let word = |word: &str| {
        let mark = if word.starts_with(|first: char| first.is_ascii_digit()) { mark } else { "" };
        format!("{mark}{word}")
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// A span; a dash where there is none.
pub(super) fn span(mark: &str, nanos: Option<u64>) -> String {
    nanos.map_or_else(|| "-".to_owned(), |nanos| format!("{mark}{}", Nanos(nanos)))
}

/// An operation where there is room for it.
pub(super) fn operation(operation: Operation, width: u16) -> String {
    let letter = words::letter(operation);
    if width < NARROW { letter.to_string() } else { format!("{letter} {operation}") }
}

/// How wide an operation is.
pub(super) fn operation_width(width: u16) -> u16 {
    if width < NARROW { 2 } else { 14 }
}

/// A line of a list, with a mark and reversed if it is looked at. What does not fit is cut, and seen to be.
pub(super) fn line(text: &str, is_focused: bool, style: Style, width: u16) -> Line<'static> {
    let width = usize::from(width);
    let text = words::cut(format!(" {text}").trim_end(), width.saturating_sub(1));
    item(&text, is_focused, style, width)
}
