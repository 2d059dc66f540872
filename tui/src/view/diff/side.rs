//! A line of both sides. Requests in, lines out.
//!
//! Columns that do not fit are left out, those that say least first. Invariant: each side keeps to its half of the line; what does not
//! fit there ends with a mark that says so.

use blkreplay_core::diff::{Compared, Fact, Facts, Kind};
use blkreplay_core::event::Payload;
use blkreplay_core::request::Operation;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::bold;
use super::said;
use crate::app::App;
use crate::state::diff::Diff;
use crate::view::table::{self, Column};
use crate::words::{self, cut};

/// What stands between both sides.
const BETWEEN: &str = " │ ";

/// From this half on operations are told by their names.
const NAMED: usize = 64;

/// The columns of a side, each with what differs where it does.
const COLUMNS: [(Column, Option<Fact>); 7] = [
    (column("id", 6, false, 0), None),
    (column("op", 1, true, 0), Some(Fact::Operation)),
    (column("offset", 12, false, 0), Some(Fact::Offset)),
    (column("len", 5, false, 1), Some(Fact::Length)),
    (column("payload", 7, true, 3), Some(Fact::Payload)),
    (column("flags", 8, true, 4), Some(Fact::Flags)),
    (column("result", 7, true, 2), Some(Fact::Result)),
];

const fn column(name: &'static str, width: u16, is_left: bool, drops: u8) -> Column {
    Column { name, width, is_left, drops }
}

/// The columns of a half of this width.
fn columns(half: usize) -> ([Column; COLUMNS.len()], Vec<usize>) {
    let mut columns = COLUMNS.map(|(column, _)| column);
    if half >= NAMED {
        columns[1].width = 12;
    }
    let fitting = table::fitting(&columns, u16::try_from(half.saturating_sub(2)).unwrap_or(0));
    (columns, fitting)
}

/// How wide a side is.
fn half(width: usize) -> usize {
    width.saturating_sub(BETWEEN.chars().count()) / 2
}

/// What stands above both sides: what they are called.
pub(super) fn heading(app: &App, diff: &Diff, width: usize) -> Line<'static> {
    let half = half(width);
    let base = format!("{:<half$}", cut(&format!("   base {}", diff.base), half));
    let new = cut(&format!(" new {}", app.name), half);
    Line::from(vec![bold(base), Span::raw(BETWEEN), bold(new)])
}

/// Where the epochs of a section begin.
pub(super) fn separator(diff: &Diff, section: usize, width: usize, is_wide: bool) -> String {
    let Some(section) = diff.found.sections.get(section) else { return String::new() };
    let device = said::device(diff, section.first.device);
    let name = |epoch: Option<u64>| match epoch {
        Some(epoch) => format!(" {device}epoch {epoch} ──"),
        None => format!(" {device}no such epoch ──"),
    };
    let rule = |text: String, width: usize| {
        format!("{}{text}", "─".repeat(width.saturating_sub(text.chars().count())))
    };
    let (base, new) = (section.first.base_epoch, section.first.new_epoch);
    if is_wide {
        let half = half(width);
        return cut(&format!("{}─┼─{}", rule(name(base), half), rule(name(new), half)), width);
    }
    let text = match (base, new) {
        (base, new) if base == new => name(base),
        (base, None) => name(base),
        (None, new) => name(new),
        (Some(base), Some(new)) => format!(" {device}epoch {base} | {new} ──"),
    };
    cut(&rule(text, width), width)
}

/// Both sides of a line.
pub(super) fn both(
    kind: Option<Kind>,
    base: &[Compared],
    new: &[Compared],
    facts: Facts,
    width: usize,
) -> Line<'static> {
    let half = half(width);
    // Without a counterpart all of it is new, or gone.
    let facts = if base.is_empty() || new.is_empty() { Facts::NONE } else { facts };
    let mut spans = side(kind, base, facts, half);
    spans.push(Span::raw(BETWEEN));
    spans.extend(side(kind, new, facts, half));
    Line::from(spans)
}

fn side(
    kind: Option<Kind>,
    requests: &[Compared],
    facts: Facts,
    half: usize,
) -> Vec<Span<'static>> {
    let style = style(kind);
    let mark = kind.map_or(' ', said::mark);
    let Some(one) = requests.first() else {
        let gap = "·".repeat(half.saturating_sub(3));
        return vec![Span::styled(cut(&format!(" {mark} {gap}"), half), style)];
    };
    let (columns, fitting) = columns(half.saturating_sub(1));
    let texts = texts(one, half > NAMED);
    let mut spans = vec![Span::styled(format!(" {mark} "), style)];
    let mut used = 3;
    for at in fitting {
        let cell = table::line(&columns, &[at], &texts);
        let room = half.saturating_sub(used);
        let length = cell.chars().count();
        let cell = if length > room { cut(&cell, room) } else { cell };
        used += cell.chars().count();
        let differs = COLUMNS[at].1.is_some_and(|fact| facts.has(fact));
        let style =
            if differs { style.add_modifier(Modifier::BOLD | Modifier::UNDERLINED) } else { style };
        // The line under a text is no longer than it.
        let text = cell.trim();
        let before = cell.len() - cell.trim_start().len();
        let behind = cell.len() - cell.trim_end().len();
        spans.push(Span::raw(" ".repeat(before)));
        spans.push(Span::styled(text.to_owned(), style));
        spans.push(Span::raw(" ".repeat(behind)));
    }
    let more = requests.len() - 1;
    let more = if more > 0 { format!("+{more} more") } else { String::new() };
    let room = half.saturating_sub(used);
    spans.push(Span::styled(format!("{:<room$}", cut(&more, room)), style));
    spans
}

fn style(kind: Option<Kind>) -> Style {
    match kind {
        None => Style::new(),
        Some(Kind::Changed) => Style::new().fg(Color::Yellow),
        Some(Kind::Added) => Style::new().fg(Color::Green),
        Some(Kind::Removed) => Style::new().fg(Color::Red),
        Some(Kind::Moved) => Style::new().fg(Color::Cyan),
    }
}

/// What stands in the columns.
fn texts(one: &Compared, is_named: bool) -> [String; COLUMNS.len()] {
    let request = &one.request;
    let ranged = |text: String| if words::has_range(request) { text } else { "-".to_owned() };
    let operation = request.operation;
    [
        one.id.0.to_string(),
        if is_named { name(operation) } else { words::letter(operation).to_string() },
        ranged(request.range.offset.to_string()),
        ranged(words::length(request.range.length)),
        payload(one.payload),
        words::flags(request.flags),
        result(one),
    ]
}

fn name(operation: Operation) -> String {
    operation.to_string()
}

/// What is known of data, in a word.
pub(super) fn payload(payload: Payload) -> String {
    match payload {
        Payload::Absent => "-".to_owned(),
        Payload::Zeroes => "zeroes".to_owned(),
        Payload::Digest(digest) | Payload::Stored(digest, _) => {
            let digits = digest.to_string();
            let digits = digits.rsplit(':').next().unwrap_or_default();
            format!("{}…", digits.chars().take(6).collect::<String>())
        }
    }
}

pub(super) fn result(one: &Compared) -> String {
    match one.result {
        Some(Ok(())) => "ok".to_owned(),
        Some(Err(errno)) => errno.to_string(),
        None => "-".to_owned(),
    }
}

/// A line that has the requests of both sides.
pub(super) fn one(
    kind: Option<Kind>,
    base: &[Compared],
    new: &[Compared],
    width: usize,
) -> Line<'static> {
    let mark = kind.map_or(' ', said::mark);
    let Some(asked) = base.first().or(new.first()) else { return Line::default() };
    let id = |side: &[Compared]| side.first().map_or("·".to_owned(), |one| one.id.0.to_string());
    let request = &asked.request;
    let mut text = format!(" {mark} {}|{}", id(base), id(new));
    text = format!("{text:<15} {}", words::letter(request.operation));
    if words::has_range(request) {
        let range = request.range;
        text = format!("{text} {}+{}", range.offset, words::length(range.length));
    }
    Line::styled(cut(&text, width), style(kind))
}
