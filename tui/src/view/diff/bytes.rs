//! The bytes of a difference: both sides in hex around what differs, who wrote there last, and what lies around it.
//!
//! What is known of a difference in, lines out. Invariant: a byte that differs has `~` before it, whatever its colour.

use blkreplay_core::diff::{Around, Compared, DifferingBytes, Evidence, Writer};
use blkreplay_core::request::Operation;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line as Text, Span};

use super::said;
use crate::compare::HexLine;
use crate::state::diff::Diff;
use crate::words::{self, cut};

/// From this width on a line has 16 bytes of each side.
const WHOLE: usize = 112;

/// From these widths on it has them as text, too: a line of 8 bytes, and one of 16.
const WITH_TEXT: [usize; 2] = [83, 147];

/// Below this height what is looked at is told in one line.
const HIGH: usize = 14;

/// Below this width a side has a line of its own.
const BESIDE: usize = 80;

/// Ranges that are told.
const RANGES: usize = 3;

/// All that is known of the difference of this number, below what is said of it, in so many lines at most.
pub(super) fn lines(
    diff: &Diff,
    number: usize,
    mut said: Vec<Text<'static>>,
    width: usize,
    room: usize,
) -> Vec<Text<'static>> {
    let rule = Text::styled("─".repeat(width), Style::new().add_modifier(Modifier::BOLD));
    let is_high = room >= HIGH;
    said.truncate(if is_high { said.len() } else { 1 });
    let mut lines: Vec<Text<'static>> = std::iter::once(rule).chain(said).collect();
    let told = |text: String| {
        let wrapped = words::wrapped(&text, width.saturating_sub(2));
        wrapped.into_iter().map(|line| Text::raw(format!(" {line}")))
    };
    let Some(difference) = diff.found.differences.get(number) else { return lines };
    let explained = match diff.known() {
        None => {
            lines.extend(told("looking which bytes differ".to_owned()));
            lines.truncate(room);
            return lines;
        }
        Some(Err(trouble)) => {
            lines.extend(told(trouble.message.clone()));
            lines.truncate(room);
            return lines;
        }
        Some(Ok(explained)) => explained,
    };
    let evidence = &explained.evidence;
    match &evidence.bytes {
        Some(bytes) => lines.extend(told(in_words(bytes))),
        None => lines.extend(told(no_bytes(difference).to_owned())),
    }
    if let Some(preset) = evidence.preset {
        let name = preset.name;
        lines.extend(told(format!("preset {name} masks all of it; i ignores it")));
    }
    let is_read = difference.base.first().or(difference.new.first());
    let is_read = is_read.is_some_and(|one| one.request.operation == Operation::Read);
    lines.extend(writers(evidence, is_read).into_iter().flat_map(told));
    let around = around(diff, evidence, (&difference.base, &difference.new), width);
    // Where there is little room, only what differs is shown.
    let is_shown = |line: &&HexLine| is_high || (0..line.base.len()).any(|at| line.differs(at));
    let hex: Vec<Text<'static>> = explained
        .lines
        .iter()
        .skip(diff.bytes_from)
        .filter(is_shown)
        .flat_map(|line| hex(line, width, is_high))
        .collect();
    // What lies around it goes before the last bytes do.
    let left = room.saturating_sub(lines.len());
    let kept =
        hex.len().min(left.saturating_sub(if left > 2 * around.len() { around.len() } else { 0 }));
    let is_cut = kept < hex.len() || explained.has_more;
    lines.extend(hex.into_iter().take(kept));
    if let Some(last) = lines.last_mut().filter(|_| is_cut && kept > 0) {
        last.spans.push(Span::raw(" …"));
    }
    lines.extend(around);
    lines.truncate(room);
    lines
}

/// Why no bytes are shown.
fn no_bytes(difference: &blkreplay_core::diff::Difference) -> &'static str {
    use blkreplay_core::diff::Fact;
    if !difference.facts.has(Fact::Payload) {
        "no data differ"
    } else if difference.base.len() != 1 || difference.new.len() != 1 {
        "the data of several requests are not shown"
    } else {
        "the data differ, but not both sides have them recorded"
    }
}

/// `bytes 0x42c..0x434 (8 of 4,096) differ`.
fn in_words(bytes: &DifferingBytes) -> String {
    let ranges = bytes
        .ranges
        .iter()
        .take(RANGES)
        .map(|range| format!("{:#x}..{:#x}", range.start, range.end));
    let more = bytes.ranges.len().saturating_sub(RANGES);
    let more = if more > 0 { format!(" and {more} more ranges") } else { String::new() };
    let (count, of) = (words::count(bytes.count), words::count(bytes.of));
    format!("bytes {}{more}: {count} of {of} differ", ranges.collect::<Vec<_>>().join(" "))
}

/// Who wrote there last, in base and in new.
fn writers(evidence: &Evidence, is_read: bool) -> Option<String> {
    let writer = |around: &Option<Around>| match around.as_ref()?.writer? {
        Writer::Request(id) => Some(id.to_string()),
        Writer::Before if is_read => Some("before the recording".to_owned()),
        Writer::Before => None,
    };
    let told = match (writer(&evidence.base), writer(&evidence.new)) {
        (Some(base), Some(new)) => format!("{base} | {new}"),
        (Some(base), None) => format!("{base} in base"),
        (None, Some(new)) => format!("{new} in new"),
        (None, None) => return None,
    };
    Some(format!("last written before it by {told}"))
}

/// Requests before and behind it on both sides.
fn around(
    diff: &Diff,
    evidence: &Evidence,
    (base, new): (&[Compared], &[Compared]),
    width: usize,
) -> Vec<Text<'static>> {
    let cells = |around: &Option<Around>, own: &[Compared]| -> (Vec<String>, Vec<String>) {
        let cell =
            |mark: char, one: &Compared| format!("{mark} {} {}", one.id, said::asked(diff, one));
        let Some(around) = around else { return (vec!["·".to_owned()], Vec::new()) };
        let mut before: Vec<String> = around.before.iter().map(|one| cell(' ', one)).collect();
        before.extend(own.first().map(|one| cell('>', one)));
        (before, around.after.iter().map(|one| cell(' ', one)).collect())
    };
    let (base, new) = (cells(&evidence.base, base), cells(&evidence.new, new));
    let half = width.saturating_sub(5) / 2;
    let above = base.0.len().max(new.0.len());
    let nearest = |all: &[String], place: usize| {
        // What is nearest stands in the last line.
        (all.len() + place)
            .checked_sub(above)
            .and_then(|at| all.get(at))
            .cloned()
            .unwrap_or_default()
    };
    let row = |base: &str, new: &str| {
        Text::raw(format!(" {:<half$} │ {}", cut(base, half), cut(new, half)))
    };
    let title = row("  around it in base", "  in new");
    let rows = (0..above).map(|place| row(&nearest(&base.0, place), &nearest(&new.0, place)));
    let below = (0..base.1.len().max(new.1.len())).map(|place| {
        let of = |all: &[String]| all.get(place).cloned().unwrap_or_default();
        row(&of(&base.1), &of(&new.1))
    });
    std::iter::once(title).chain(rows).chain(below).collect()
}

/// A line of bytes: both sides beside each other, or one below the other.
fn hex(line: &HexLine, width: usize, with_same: bool) -> Vec<Text<'static>> {
    let each = if width >= WHOLE { 16 } else { 8 };
    let with_text = width >= WITH_TEXT[usize::from(each == 16)];
    let mut lines = Vec::new();
    let count = line.base.len().max(line.new.len());
    for from in (0..count).step_by(each) {
        let to = (from + each).min(count);
        let has_bytes = |bytes: &[Option<u8>]| {
            bytes[from.min(bytes.len())..to.min(bytes.len())].iter().any(Option::is_some)
        };
        let differs = (from..to).any(|column| line.differs(column));
        if !differs && (!with_same || !has_bytes(&line.base) && !has_bytes(&line.new)) {
            continue;
        }
        let at = line.at + from as u64;
        let side = |bytes: &[Option<u8>]| bytes_of(line, bytes, from..to, with_text);
        if width >= BESIDE {
            let mut spans = vec![Span::raw(format!(" {at:08x} "))];
            spans.extend(side(&line.base));
            spans.push(Span::raw(" │ "));
            spans.extend(side(&line.new));
            lines.push(Text::from(spans));
        } else {
            for (name, bytes) in [("-", &line.base), ("+", &line.new)] {
                let mut spans = vec![Span::raw(format!(" {name} {at:06x} "))];
                spans.extend(side(bytes));
                lines.push(Text::from(spans));
            }
        }
    }
    lines
}

/// Bytes of one side, and as text.
fn bytes_of(
    line: &HexLine,
    bytes: &[Option<u8>],
    columns: std::ops::Range<usize>,
    with_text: bool,
) -> Vec<Span<'static>> {
    let differs = Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD);
    let mut spans = Vec::new();
    let mut text = String::new();
    for column in columns {
        let byte = bytes.get(column).copied().flatten();
        let digits = byte.map_or_else(|| "  ".to_owned(), |byte| format!("{byte:02x}"));
        if line.differs(column) {
            spans.push(Span::styled(format!("~{digits}"), differs));
        } else {
            spans.push(Span::raw(format!(" {digits}")));
        }
        text.push(match byte {
            Some(byte) if (0x20..0x7f).contains(&byte) => char::from(byte),
            Some(_) => '.',
            None => ' ',
        });
    }
    if with_text {
        spans.push(Span::raw(format!(" |{text}|")));
    }
    spans
}
