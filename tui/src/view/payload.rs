//! The data of a request, a line at a time: as digits, as text, what differs from those before, or how much there is to know in them.
//!
//! Data and a width in, lines out. Invariant: only lines that are asked for are made.

use std::fmt::Write as _;

use blkreplay_core::event::Payload;

use crate::app::{App, Before};
use crate::state::payload::{Differing, Mode};
use crate::words;

/// Bytes on a line of the dump.
const DUMPED: usize = 16;

/// The same where there is not room for so many.
const DUMPED_NARROW: usize = 8;

/// How wide a line of `DUMPED` bytes is.
const DUMP_WIDTH: u16 = 78;

/// Characters on a line of text, and where there is not room for so many.
const TEXT: usize = 64;
const TEXT_NARROW: usize = 24;

/// Bytes of a block whose entropy is shown, of data up to `SMALL` and beyond.
const BLOCK_SMALL: usize = 64;
const BLOCK: usize = 256;
const SMALL: usize = 4096;

/// How wide the bar of a block is.
const BAR: usize = 32;

/// Lines about data.
pub(super) struct Dump<'a> {
    title: Vec<String>,
    kind: Kind<'a>,
}

enum Kind<'a> {
    Nothing,
    Hex(&'a [u8], usize),
    Text(&'a [u8], usize),
    Entropy(&'a [u8], usize),
    Difference(Difference<'a>),
}

/// Two data side by side, and the lines in which they differ.
struct Difference<'a> {
    before: Before<'a>,
    differing: &'a Differing,
}

/// Bytes on a line of the dump, on a screen of this width.
pub(super) fn each(width: u16) -> usize {
    if width < DUMP_WIDTH { DUMPED_NARROW } else { DUMPED }
}

impl<'a> Dump<'a> {
    /// The data of the focused request, as far as they are known, on a screen of this width.
    pub(super) fn of(app: &'a App, width: u16) -> Dump<'a> {
        let nothing = || Dump { title: Vec::new(), kind: Kind::Nothing };
        let Some(row) = app.requests.focused() else { return nothing() };
        let title = match row.payload {
            Payload::Absent => return nothing(),
            Payload::Zeroes => " data     all zeroes".to_owned(),
            Payload::Digest(digest) => format!(" data     {digest}, not recorded"),
            Payload::Stored(digest, _) => format!(" data     {digest}"),
        };
        let mut title = vec![title];
        if app.payload.mode == Mode::Difference {
            let kind = difference(app, &mut title);
            return Dump { title, kind };
        }
        let Some(data) = app.data() else { return Dump { title, kind: Kind::Nothing } };
        let kind = match app.payload.mode {
            Mode::Hex | Mode::Difference => Kind::Hex(data, each(width)),
            Mode::Text => Kind::Text(data, if width < DUMP_WIDTH { TEXT_NARROW } else { TEXT }),
            Mode::Entropy => {
                let block = if data.len() > SMALL { BLOCK } else { BLOCK_SMALL };
                Kind::Entropy(data, block)
            }
        };
        if app.payload.mode != Mode::Hex {
            title[0] = format!("{}  {}", title[0], app.payload.mode.name());
        }
        Dump { title, kind }
    }

    /// How many lines there are.
    pub(super) fn lines(&self) -> usize {
        self.title.len()
            + match &self.kind {
                Kind::Nothing => 0,
                Kind::Hex(data, each) | Kind::Text(data, each) | Kind::Entropy(data, each) => {
                    data.len().div_ceil(*each)
                }
                Kind::Difference(difference) => 2 * difference.differing.lines.len(),
            }
    }

    /// One of them.
    pub(super) fn line(&self, at: usize) -> String {
        let Some(at) = at.checked_sub(self.title.len()) else { return self.title[at].clone() };
        let part = |data: &'a [u8], each: usize| {
            let begins = at * each;
            (begins, data.get(begins..data.len().min(begins + each)).unwrap_or_default())
        };
        match &self.kind {
            Kind::Nothing => String::new(),
            Kind::Hex(data, each) => {
                let (begins, bytes) = part(data, *each);
                hex(begins, bytes, *each)
            }
            Kind::Text(data, each) => {
                let (begins, bytes) = part(data, *each);
                format!(" {begins:08x}  |{}|", text(bytes))
            }
            Kind::Entropy(data, each) => {
                let (begins, bytes) = part(data, *each);
                entropy_line(begins, bytes)
            }
            Kind::Difference(difference) => difference.line(at),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    let shown = |byte: &u8| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' };
    bytes.iter().map(shown).collect()
}

fn hex(offset: usize, bytes: &[u8], each: usize) -> String {
    let mut digits = String::new();
    for (place, byte) in bytes.iter().enumerate() {
        digits.push_str(if place == each / 2 { "  " } else { " " });
        let _ = write!(digits, "{byte:02x}");
    }
    let width = 3 * each + 1;
    format!(" {offset:08x} {digits:<width$} |{}|", text(bytes))
}

/// Bits that a byte of these says, by how often each comes.
#[expect(clippy::cast_precision_loss, reason = "a block has few bytes")]
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in bytes {
        counts[usize::from(*byte)] += 1;
    }
    let all = bytes.len() as f64;
    let part = |count: &u32| {
        let share = f64::from(*count) / all;
        -share * share.log2()
    };
    counts.iter().filter(|count| **count > 0).map(part).sum::<f64>().max(0.0) + 0.0
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bars are a few cells long"
)]
fn entropy_line(offset: usize, bytes: &[u8]) -> String {
    let bits = entropy(bytes);
    // So few bytes cannot say more.
    let most = (bytes.len() as f64).log2().min(8.0);
    let eighths = if most > 0.0 { (bits / most * (8 * BAR) as f64).round() as usize } else { 0 };
    let part = u32::try_from(eighths % 8).ok().filter(|part| *part > 0);
    let part = part.and_then(|part| char::from_u32(0x2590 - part));
    let bar: String = std::iter::repeat_n('█', eighths / 8).chain(part).collect();
    format!(" {offset:08x}  {bits:.2} of {most:.0} bits  {bar}")
}

/// What of the data differs from those that were there before; why not, if that is not known.
fn difference<'a>(app: &'a App, title: &mut Vec<String>) -> Kind<'a> {
    let (before, differing) = match (app.before(), &app.payload.differing) {
        (Ok(before), Some(differing)) => (before, differing),
        (Err(why), _) => {
            title.push(format!("          {why}"));
            return Kind::Nothing;
        }
        (Ok(_), None) => return Kind::Nothing,
    };
    title.push(format!(
        "          {} of {} bytes differ from #{}: - its, + these, ~ before each",
        words::count(differing.count),
        words::count(before.length() as u64),
        before.id
    ));
    Kind::Difference(Difference { before, differing })
}

impl Difference<'_> {
    fn line(&self, at: usize) -> String {
        let Difference { before, differing } = self;
        let Some(line) = differing.lines.get(at / 2) else { return String::new() };
        let each = differing.of.each;
        let places = line * each..before.length().min((line + 1) * each);
        let is_other = at.is_multiple_of(2);
        let byte = |at| if is_other { before.other_byte(at) } else { before.own_byte(at) };
        let mut digits = String::new();
        for (nth, place) in places.clone().enumerate() {
            digits.push_str(if nth == each / 2 { " " } else { "" });
            digits.push(if before.differs(place) { '~' } else { ' ' });
            match byte(place) {
                Some(byte) => {
                    let _ = write!(digits, "{byte:02x}");
                }
                None => digits.push_str("  "),
            }
        }
        let bytes: Vec<u8> = places.clone().filter_map(byte).collect();
        let (width, offset) = (3 * each + 1, differing.of.shared.start + places.start);
        let sign = if is_other { '-' } else { '+' };
        format!("{sign}{offset:08x} {digits:<width$} |{}|", text(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_is_none_of_one_byte_again_and_again_and_most_of_all_different() {
        assert!(entropy(&[7; 64]) < f64::EPSILON);
        assert!((entropy(&(0..=255).collect::<Vec<u8>>()) - 8.0).abs() < 1e-9);
        let half: Vec<u8> = [0, 1].repeat(32);
        assert!((entropy(&half) - 1.0).abs() < 1e-9);
        let full = entropy_line(0, &(0..64).collect::<Vec<u8>>());
        assert_eq!(full, format!(" 00000000  6.00 of 6 bits  {}", "█".repeat(BAR)));
        assert_eq!(
            entropy_line(64, &half),
            format!(" 00000040  1.00 of 6 bits  {}▍", "█".repeat(5))
        );
        assert_eq!(entropy_line(0, &[1]), " 00000000  0.00 of 0 bits  ");
    }
}
