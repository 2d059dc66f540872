//! Requests in words, as the screen and the clipboard have them. Rows in, text out.

use blkreplay_core::format;
use blkreplay_core::request::{Flags, Operation, Request};
use blkreplay_core::rows::Row;
use blkreplay_core::units::{Nanos, Size};
use blkreplay_core::view::findings::Level;

/// Seconds and microseconds since the recording began.
pub(crate) fn seconds(time: Nanos) -> String {
    format!("{}.{:06}", time.0 / 1_000_000_000, time.0 % 1_000_000_000 / 1000)
}

/// A count with its thousands apart.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// That the recorder dropped so many events.
pub(crate) fn dropped(events: u64) -> String {
    format!("the recorder dropped {} events", count(events))
}

/// A part of a whole, in percent; a dash of nothing.
#[expect(clippy::cast_precision_loss, reason = "whole numbers are printed")]
pub(crate) fn percent(part: u64, whole: u64) -> String {
    match whole {
        0 => "-".to_owned(),
        _ => format!("{:.0}", part as f64 / whole as f64 * 100.0),
    }
}

/// How far something is that has done so much of all, in whole percent.
pub(crate) fn progress(done: u64, all: u64) -> u64 {
    let percent = (u128::from(done) * 100).checked_div(u128::from(all)).unwrap_or(0).min(100);
    u64::try_from(percent).unwrap_or(100)
}

/// A length, in the largest unit in which it is whole.
pub(crate) fn length(bytes: u64) -> String {
    match bytes {
        0 => "0".to_owned(),
        bytes if bytes.is_multiple_of(1 << 30) => format!("{}G", bytes >> 30),
        bytes if bytes.is_multiple_of(1 << 20) => format!("{}M", bytes >> 20),
        bytes if bytes.is_multiple_of(1 << 10) => format!("{}k", bytes >> 10),
        bytes => bytes.to_string(),
    }
}

/// How many bytes, for people.
pub(crate) fn size(bytes: u64) -> String {
    Size(bytes).to_string()
}

/// Whether offset and length say anything.
pub(crate) fn has_range(request: &Request) -> bool {
    request.operation != Operation::Flush
}

/// The letter of an operation: what colour repeats.
pub(crate) fn letter(operation: Operation) -> char {
    match operation {
        Operation::Read => 'R',
        Operation::Write => 'W',
        Operation::WriteZeroes => 'Z',
        Operation::Discard => 'D',
        Operation::Flush => 'F',
        Operation::BlockStatus => 'B',
        Operation::Cache => 'C',
    }
}

/// The sign of a level: what colour repeats.
pub(crate) fn sign(level: Level) -> char {
    match level {
        Level::Info => '·',
        Level::Warn => '*',
        Level::Error => '!',
    }
}

/// The sign of a level of what is wrong with a file: what colour repeats.
pub(crate) fn level(level: format::Level) -> char {
    match level {
        format::Level::Note => sign(Level::Info),
        format::Level::Fault => sign(Level::Error),
    }
}

/// How it ended; a dash if the trace does not say.
pub(crate) fn result(row: &Row) -> String {
    match row.completion.as_ref().map(|end| end.result) {
        Some(Ok(())) => "ok".to_owned(),
        Some(Err(errno)) => errno.to_string(),
        None => "-".to_owned(),
    }
}

/// What it is, in one line.
pub(crate) fn line(row: &Row) -> String {
    let mut words = vec![row.id.to_string(), seconds(row.time), row.request.operation.to_string()];
    if has_range(&row.request) {
        words.push(row.request.range.to_string());
    }
    words.extend(row.request.flags.names().map(str::to_owned));
    words.push(result(row));
    words.extend(row.completion.as_ref().map(|end| end.latency.to_string()));
    words.join(" ")
}

/// How long it took until its image was done; a dash if the trace does not say.
pub(crate) fn latency(row: &Row) -> String {
    row.completion.as_ref().map_or_else(|| "-".to_owned(), |end| end.latency.to_string())
}

/// The names of flags; a dash for none.
pub(crate) fn flags(flags: Flags) -> String {
    let names = flags.names().collect::<Vec<_>>().join(",");
    if names.is_empty() { "-".to_owned() } else { names }
}

/// A text as the filter language takes it.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A text in lines of at most so many characters, broken between words; a word that is longer is cut.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let word: String = word.chars().take(width).collect();
        let last = lines.len() - 1;
        let used = lines[last].chars().count();
        if used == 0 {
            lines[last] = word;
        } else if used + 1 + word.chars().count() <= width {
            lines[last] = format!("{} {word}", lines[last]);
        } else {
            lines.push(word);
        }
    }
    lines
}

/// A text that is seen to be cut where it is longer than so many characters.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain((width > 0).then_some('…')).collect()
}
