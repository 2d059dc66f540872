//! One request with all that the trace says of it.

use std::fmt::Write as _;

use blkreplay_core::event::Payload;
use blkreplay_core::rows::Row;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::findings;
use crate::app::App;
use crate::around::{Around, Found, Likeness, Neighbour};
use crate::search::hex as hex_of;
use crate::words;

/// Bytes on a line of the dump.
const DUMPED: usize = 16;

/// The same where there is not room for so many.
const DUMPED_NARROW: usize = 8;

/// How wide a line of `DUMPED` bytes is.
const DUMP_WIDTH: u16 = 78;

/// Bytes that were found of which it shows so many.
const SHOWN: usize = 8;

/// Draws the focused request.
pub(super) fn draw(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let Some(row) = app.requests.focused() else { return };
    let rule = format!("── #{} {} → {} ", row.id.0, row.request.operation, words::result(row));
    let rule = format!(
        "{rule}{}",
        "─".repeat(usize::from(area.width).saturating_sub(rule.chars().count()))
    );
    let mut lines = vec![Line::styled(rule, Style::new().add_modifier(Modifier::BOLD))];
    lines.extend(facts(row).into_iter().map(Line::raw));
    if let Some(note) = app.notes.get(&row.id.0) {
        let wide = usize::from(area.width).saturating_sub(10).max(10);
        let parts = words::wrapped(note, wide).into_iter().enumerate();
        let label = |at| if at == 0 { " note     " } else { "          " };
        lines.extend(parts.map(|(at, text)| Line::raw(format!("{}{text}", label(at)))));
    }
    lines.extend(app.around().map(around).into_iter().flatten().map(Line::raw));
    lines.extend(findings::of_request(app, area.width).into_iter().map(Line::raw));
    lines.extend(app.found_bytes().map(|found| Line::raw(found_bytes(row, found))));
    let data = app.data().map(|data| &data[..]);
    let left = usize::from(area.height).saturating_sub(lines.len());
    let each = if area.width < DUMP_WIDTH { DUMPED_NARROW } else { DUMPED };
    lines.extend(dump(row, data, left, each).into_iter().map(Line::raw));
    frame.render_widget(Paragraph::new(lines), area);
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
    let flags = row.request.flags.names().collect::<Vec<_>>().join(",");
    let flags = if flags.is_empty() { "-".to_owned() } else { flags };
    lines.push(format!(
        " flags    {flags}  epoch {}  connection {}  cookie {:#x}",
        row.epoch, row.connection.0, row.cookie
    ));
    match &row.completion {
        Some(end) => lines.push(format!(
            " time     issued {}  image {}  held {}",
            words::seconds(row.time),
            end.latency,
            end.hold
        )),
        None => lines.push(format!(
            " time     issued {}  never completed in this trace",
            words::seconds(row.time)
        )),
    }
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

fn dump(row: &Row, data: Option<&[u8]>, lines: usize, each: usize) -> Vec<String> {
    let said = match (row.payload, data) {
        (Payload::Absent, _) => return Vec::new(),
        (Payload::Zeroes, _) => " data     all zeroes".to_owned(),
        (Payload::Digest(digest), _) => format!(" data     {digest}, not recorded"),
        (Payload::Stored(digest, _), None) => format!(" data     {digest}"),
        (Payload::Stored(digest, _), Some(data)) => {
            let mut dumped = vec![format!(" data     {digest}")];
            dumped.extend(
                data.chunks(each)
                    .enumerate()
                    .take(lines.saturating_sub(1))
                    .map(|(line, bytes)| hex(line * each, bytes, each)),
            );
            return dumped;
        }
    };
    vec![said]
}

fn hex(offset: usize, bytes: &[u8], each: usize) -> String {
    let mut digits = String::new();
    for (place, byte) in bytes.iter().enumerate() {
        digits.push_str(if place == each / 2 { "  " } else { " " });
        let _ = write!(digits, "{byte:02x}");
    }
    let text: String = bytes
        .iter()
        .map(|byte| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' })
        .collect();
    let width = 3 * each + 1;
    format!(" {offset:08x} {digits:<width$} |{text}|")
}
