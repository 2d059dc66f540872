//! One request with all that the trace says of it.

use blkreplay_core::rows::Row;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::line::bold_rule;
use super::payload::{self, Dump};
use super::{findings, lifecycle};
use crate::app::{App, Over};
use crate::around::{Around, Found, Likeness, Neighbour};
use crate::search::hex as hex_of;
use crate::words;

/// Bytes that were found of which it shows so many.
const SHOWN: usize = 8;

/// From this height on each step of a request has a line.
const TALL: u16 = 20;

/// Draws the focused request. Alone, its lines can be scrolled through.
pub(super) fn draw(app: &mut App, frame: &mut Frame<'_>, area: Rect) {
    let is_alone = matches!(app.over, Some(Over::Detail));
    let Some((title, head)) = head(app, area, is_alone) else { return };
    app.find_differing(payload::each(area.width));
    let all = head.len() + Dump::of(app, area.width).lines();
    let height = usize::from(area.height.saturating_sub(1));
    let place = app.requests.focus();
    let top = if is_alone { app.payload.top(place, height, all) } else { 0 };
    let dump = Dump::of(app, area.width);
    let line = |at: usize| match head.get(at) {
        Some(text) => text.clone(),
        None => dump.line(at - head.len()),
    };
    let shown = (top..all.min(top + height)).map(|at| Line::raw(line(at)));
    let rule = bold_rule(&title, usize::from(area.width));
    frame.render_widget(
        Paragraph::new(std::iter::once(rule).chain(shown).collect::<Vec<_>>()),
        area,
    );
}

/// The title above all, and what is said before the data.
fn head(app: &App, area: Rect, is_alone: bool) -> Option<(String, Vec<String>)> {
    let row = app.requests.focused()?;
    let title = format!("#{} {} → {}", row.id.0, row.request.operation, words::result(row));
    let is_tall = is_alone || area.height >= TALL;
    let mut lines = facts(row);
    if is_tall {
        lines.extend(lifecycle::lines(app, row, area.width));
    } else {
        lines.push(lifecycle::line(row, area.width));
    }
    if let Some(note) = app.notes.get(&row.id.0) {
        let wide = usize::from(area.width).saturating_sub(10).max(10);
        let parts = words::wrapped(note, wide).into_iter().enumerate();
        let label = |at| if at == 0 { " note     " } else { "          " };
        lines.extend(parts.map(|(at, text)| format!("{}{text}", label(at))));
    }
    lines.extend(app.around().map(around).into_iter().flatten());
    lines.extend(findings::of_request(app, area.width));
    lines.extend(app.found_bytes().map(|found| found_bytes(row, found)));
    lines.extend(structures(app, area.width, is_tall));
    Some((title, lines))
}

/// What is known of the data, and what of that differs from what was there before.
fn structures(app: &App, width: u16, is_tall: bool) -> Vec<String> {
    let Some(data) = app.data() else { return Vec::new() };
    let mut lines = Vec::new();
    for named in &app.payload.named {
        let differing = match app.differing(named) {
            None => String::new(),
            Some(fields) if fields.is_empty() => ", as it was".to_owned(),
            Some(fields) => format!(": {} differ", fields.join(", ")),
        };
        let said = format!("{} at {:#x}{differing}", named.name(), named.at);
        lines.push(format!(" known    {said}"));
        if is_tall {
            let fields = named.fields(data).join("  ");
            let room = usize::from(width).saturating_sub(11).max(1);
            let wrapped = words::wrapped(&fields, room);
            lines.extend(wrapped.into_iter().map(|line| format!("          {line}")));
        }
    }
    lines
}

fn facts(row: &Row) -> Vec<String> {
    let mut lines = Vec::new();
    if words::has_range(&row.request) {
        let range = row.request.range;
        lines.push(format!(
            " range    {range}  {} from {:#x}",
            words::size(range.length),
            range.offset
        ));
    }
    lines.push(format!(
        " flags    {}  epoch {}  connection {}  cookie {:#x}",
        words::flags(row.request.flags),
        row.epoch,
        row.connection.0,
        row.cookie
    ));
    lines
}

/// Who wrote there before, and who comes there next.
fn around(around: &Around) -> Vec<String> {
    let mut lines = Vec::new();
    let sides = [("before", &around.before, "written"), ("after", &around.after, "touched")];
    for (label, found, done) in sides {
        match found {
            Found::Nothing => {}
            Found::Unreadable => lines.push(format!(" {label:<8} cannot be read")),
            Found::NotNear(count) => {
                let count = words::count(*count);
                lines.push(format!(" {label:<8} not {done} by the {count} requests on this side"));
            }
            Found::Neighbour(neighbour) => lines.push(format!(" {label:<8} {}", beside(neighbour))),
        }
    }
    lines
}

fn beside(neighbour: &Neighbour) -> String {
    let row = &neighbour.row;
    let range = if neighbour.is_same_range {
        "the same range".to_owned()
    } else {
        row.request.range.to_string()
    };
    let likeness = match &neighbour.likeness {
        Likeness::Same => ", the same data".to_owned(),
        Likeness::Differs(count, of, range) => {
            let (count, of) = (words::count(*count), words::count(*of));
            format!(", {count} of {of} bytes differ: {:#x}..{:#x}", range.start, range.end)
        }
        Likeness::Other => ", other data".to_owned(),
        Likeness::Unknown => String::new(),
    };
    let operation = row.request.operation;
    format!("#{} {operation} {} {range}{likeness}", row.id.0, words::result(row))
}

/// Where bytes are that were searched for.
fn found_bytes(row: &Row, (at, bytes): (u64, &[u8])) -> String {
    let shown = hex_of(&bytes[..bytes.len().min(SHOWN)]);
    let more = if bytes.len() > SHOWN { " …" } else { "" };
    let offset = row.request.range.offset.saturating_add(at);
    format!(" found    {shown}{more} at {at:#x} of the data, offset {offset}")
}
