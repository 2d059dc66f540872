//! What an event of a virtual machine carries, in words. The kind of an event comes in, words go out.
//!
//! Knows no requests. Invariant: the beginning of long data is told, and how long they are.

use std::fmt::Write as _;

use crate::event::{AudioIn, EventKind, Input};
use crate::qemu::{self, Layout};

use super::frame;

/// How much of its data a line of text shows, in bytes.
const SHOWN_BYTES: usize = 32;

/// The words of a line about an event, of a QEMU log in this layout or of a trace; none about those that are not of a virtual
/// machine.
pub(super) fn words(kind: &EventKind, layout: Option<&Layout>) -> Vec<String> {
    match kind {
        EventKind::Bh { id } | EventKind::BhOneshot { id } => vec![format!("id {id}")],
        EventKind::BlockId { id } => vec![id.to_string()],
        EventKind::Input(input) => vec![input.name().to_owned(), input_words(input, layout)],
        EventKind::CharRead { device, data } => vec![format!("device {device}"), quoted(data)],
        EventKind::Net { filter, flags, frame } => {
            let who = frame::words(frame);
            let words = [Some(format!("filter {filter} flags {flags:#x}")), who];
            words.into_iter().flatten().chain([hex_words(frame)]).collect()
        }
        EventKind::Clock { clock, value } => vec![clock.name().to_owned(), value.to_string()],
        EventKind::Random { result, data } => vec![format!("ret {result}"), hex_words(data)],
        EventKind::Instruction { count } => vec![count.to_string()],
        EventKind::Shutdown { cause } => vec![cause.name().to_owned()],
        EventKind::CharWrite { result, offset } => vec![format!("ret {result} offset {offset}")],
        EventKind::CharReadAll { data } => vec![quoted(data)],
        EventKind::CharReadAllError { error } => vec![error.to_string()],
        EventKind::AudioOut { played } => vec![played.to_string()],
        EventKind::AudioIn(audio) => audio_words(audio),
        _ => Vec::new(),
    }
}

fn input_words(input: &Input, layout: Option<&Layout>) -> String {
    let pressed = |down| if down { "down" } else { "up" };
    let named = |name: Option<&str>, number: u32| match name {
        Some(name) => name.to_owned(),
        None => number.to_string(),
    };
    match *input {
        Input::Key { key, down } => {
            let name = qemu::key_name(layout, key).map_or(String::new(), |name| format!("{name} "));
            format!("{name}({} {}) {}", key.name(), key.code(), pressed(down))
        }
        Input::Button { button, down } => {
            format!("{} {}", named(qemu::button_name(button), button), pressed(down))
        }
        Input::Relative { axis, value } | Input::Absolute { axis, value } => {
            format!("axis {} value {value}", named(qemu::axis_name(axis), axis))
        }
        Input::MultiTouch { phase, slot, tracking_id, axis, value } => {
            let (phase, axis) =
                (named(qemu::touch_name(phase), phase), named(qemu::axis_name(axis), axis));
            format!("{phase} slot {slot} id {tracking_id} axis {axis} value {value}")
        }
    }
}

fn audio_words(audio: &AudioIn) -> Vec<String> {
    let position = audio.position.map(|position| format!("position {position}"));
    let words = [Some(format!("recorded {}", audio.recorded)), position];
    words.into_iter().flatten().chain([format!("samples {}", audio.samples.len())]).collect()
}

/// Data as text between quotes, with all that steers a terminal as an escape.
fn quoted(data: &[u8]) -> String {
    let shown = &data[..data.len().min(SHOWN_BYTES)];
    let more = data.len() - shown.len();
    let text = shown.escape_ascii();
    if more > 0 { format!("\"{text}\" and {more} bytes") } else { format!("\"{text}\"") }
}

/// The length of data and their beginning.
fn hex_words(data: &[u8]) -> String {
    let shown = hex(&data[..data.len().min(SHOWN_BYTES)]);
    let more = if data.len() > SHOWN_BYTES { "…" } else { "" };
    let words = format!("{} bytes {shown}{more}", data.len());
    words.trim_end().to_owned()
}

/// Bytes as hex digits.
fn hex(data: &[u8]) -> String {
    let mut digits = String::with_capacity(data.len() * 2);
    for byte in data {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_data_are_cut_in_text_and_say_how_long_they_are() {
        assert_eq!(quoted(b"ls\r\x1b[2J\"\xff"), r#""ls\r\x1b[2J\"\xff""#);
        assert_eq!(quoted(&[b'a'; 40]), format!("\"{}\" and 8 bytes", "a".repeat(32)));
        assert_eq!(hex_words(&[0, 0xff]), "2 bytes 00ff");
        assert_eq!(hex_words(&[]), "0 bytes");
        assert_eq!(hex_words(&[1; 33]), format!("33 bytes {}…", "01".repeat(32)));
    }
}
