//! The data of the focused request, and those that were there before. What was read in, both sides out.
//!
//! Invariant: data that are not known are not guessed, and it is said why.

use std::ops::Range;

use blkreplay_core::event::{Payload, PayloadId};
use blkreplay_core::rows::Row;

use super::App;
use crate::around::Found;
use crate::known;
use crate::state::payload::{Differing, Mode, Pair};

/// Data of a request and those that were there before; zeroes where there are none.
pub(crate) struct Before<'a> {
    /// The request that wrote there.
    pub(crate) id: u64,
    /// Of the focused request.
    pub(crate) own: Option<&'a [u8]>,
    /// Of the one before.
    pub(crate) other: Option<&'a [u8]>,
    /// What both have.
    pub(crate) shared: Shared,
}

/// Which bytes two requests have both.
pub(crate) struct Shared {
    /// In the data of the focused request.
    pub(crate) own: Range<usize>,
    /// Where they begin in the data of the other.
    pub(crate) other: usize,
}

impl Before<'_> {
    /// Bytes that both have.
    pub(crate) fn length(&self) -> usize {
        self.shared.own.len()
    }

    /// One of them, of the focused request.
    pub(crate) fn own_byte(&self, at: usize) -> Option<u8> {
        byte(self.own, self.shared.own.start + at)
    }

    /// The same of the one before.
    pub(crate) fn other_byte(&self, at: usize) -> Option<u8> {
        byte(self.other, self.shared.other + at)
    }

    /// Whether it is another than before.
    pub(crate) fn differs(&self, at: usize) -> bool {
        self.own_byte(at) != self.other_byte(at)
    }
}

fn byte(data: Option<&[u8]>, at: usize) -> Option<u8> {
    data.map_or(Some(0), |data| data.get(at).copied())
}

impl App {
    /// Shows data in another way.
    pub(super) fn next_mode(&mut self) {
        self.payload.next_mode();
        self.say(format!("data are shown as {}", self.payload.mode.name()));
    }

    /// Data were read.
    pub(super) fn take_data(&mut self, id: PayloadId, data: Option<bytes::Bytes>) {
        self.payload.differing = None;
        let focused = self.requests.focused();
        let own = focused.filter(|row| matches!(row.payload, Payload::Stored(_, own) if own == id));
        match own {
            Some(row) => {
                let offset = row.request.range.offset;
                self.payload.named =
                    data.as_ref().map(|data| known::named(data, offset)).unwrap_or_default();
                self.data = Some((id, data));
            }
            None => self.payload.other = Some((id, data)),
        }
    }

    /// The data of the one that wrote before, if they are to be shown or compared and are not in memory.
    pub(super) fn missing_other(&self) -> Option<PayloadId> {
        let row = self.writer_before().ok()?;
        let Payload::Stored(_, id) = row.payload else { return None };
        let focused = self.requests.focused()?;
        let is_own = matches!(focused.payload, Payload::Stored(_, own) if own == id);
        let is_wanted = self.payload.mode == Mode::Difference || !self.payload.named.is_empty();
        let is_known = self.payload.other.as_ref().is_some_and(|(had, _)| *had == id);
        (is_wanted && !is_own && !is_known).then_some(id)
    }

    /// The last that wrote where the focused request is.
    fn writer_before(&self) -> Result<&Row, String> {
        let around = self.around().ok_or("the trace is still being read")?;
        match &around.before {
            Found::Neighbour(neighbour) => Ok(&neighbour.row),
            Found::Nothing => Err("nothing wrote there before in this trace".to_owned()),
            Found::NotNear(count) => {
                Err(format!("none of the {count} requests before wrote there"))
            }
            Found::Unreadable => Err("what lies before cannot be read".to_owned()),
        }
    }

    /// The data of the focused request beside those that were there before, or why that is not known.
    pub(crate) fn before(&self) -> Result<Before<'_>, String> {
        let row = self.requests.focused().ok_or("the trace is still being read")?;
        let other = self.writer_before()?;
        let has = |row: &Row, data: Option<&bytes::Bytes>| match (row.payload, data) {
            (Payload::Zeroes, _) | (Payload::Stored(..), Some(_)) => Ok(()),
            (Payload::Stored(..), None) => Err(format!("the data of {} are not read", row.id)),
            (Payload::Absent, _) if is_erased(row) => Ok(()),
            (Payload::Digest(_) | Payload::Absent, _) => {
                Err(format!("the trace does not have the data of {}", row.id))
            }
        };
        let own_data = self.data();
        let other_data = match (row.payload, other.payload) {
            (Payload::Stored(_, own), Payload::Stored(_, id)) if own == id => own_data,
            (_, Payload::Stored(_, id)) => {
                let had = self.payload.other.as_ref().filter(|(had, _)| *had == id);
                had.and_then(|(_, data)| data.as_ref())
            }
            _ => None,
        };
        has(row, own_data)?;
        has(other, other_data)?;
        let shared = shared(row, other).ok_or("they have no bytes in common")?;
        let own = own_data.map(|data| &data[..]);
        Ok(Before { id: other.id.0, own, other: other_data.map(|data| &data[..]), shared })
    }

    /// Finds the lines of so many bytes in which data differ from those before, if that is shown and they are not found yet.
    pub(crate) fn find_differing(&mut self, each: usize) {
        let is_shown = self.payload.mode == Mode::Difference;
        let found = match (self.requests.focused(), self.before()) {
            (Some(row), Ok(before)) if is_shown => {
                let shared = before.shared.own.clone();
                let of = Pair { ids: [row.id.0, before.id], shared, each };
                if self.payload.differing.as_ref().is_some_and(|known| known.of == of) {
                    return;
                }
                Some(differing(&before, of))
            }
            _ => None,
        };
        self.payload.differing = found;
    }

    /// What differs of a known structure of the data from the one that was there before.
    pub(crate) fn differing(&self, named: &known::Named) -> Option<Vec<&'static str>> {
        let Before { own, other, shared, .. } = self.before().ok()?;
        let (own, other) = (own?, other?);
        let aligned = shared.own.start == 0 && shared.other == 0;
        if aligned { named.differing(own, other) } else { None }
    }
}

fn differing(before: &Before<'_>, of: Pair) -> Differing {
    let (mut lines, mut count) = (Vec::new(), 0);
    for line in 0..before.length().div_ceil(of.each) {
        let begins = line * of.each;
        let places = begins..before.length().min(begins + of.each);
        let differ = places.filter(|at| before.differs(*at)).count() as u64;
        if differ > 0 {
            lines.push(line);
            count += differ;
        }
    }
    Differing { of, lines, count }
}

/// Whether what it asked leaves zeroes behind.
fn is_erased(row: &Row) -> bool {
    use blkreplay_core::request::Operation::{Discard, WriteZeroes};
    matches!(row.request.operation, Discard | WriteZeroes)
}

fn shared(row: &Row, other: &Row) -> Option<Shared> {
    let (one, two) = (row.request.range, other.request.range);
    let (start, end) = (one.offset.max(two.offset), one.end().min(two.end()));
    let from = |range_start: u64| usize::try_from(start.checked_sub(range_start)?).ok();
    let length = usize::try_from(end.checked_sub(start)?).ok().filter(|length| *length > 0)?;
    let begins = from(one.offset)?;
    Some(Shared { own: begins..begins + length, other: from(two.offset)? })
}
