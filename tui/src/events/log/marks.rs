//! Where the blocks of a QEMU log begin, as far as is known. Marks come in, places to read from go out.
//!
//! Invariant: where marks are from an earlier look at the log, what is read from one is held against the next.

use blkreplay_core::qemu::{HEADER_BYTES, LogPlace};

use super::number;
use crate::events::PAGE;

/// Where a block begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) place: LogPlace,
    /// What comes first belongs to a checkpoint whose first event lies before.
    pub(super) is_inside: bool,
}

/// Where blocks begin, as far as is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// One a block, and one where the next would begin if the last is full.
    pub(super) all: Vec<Mark>,
    /// Up to here the log was read.
    pub(super) place: LogPlace,
    /// No more comes.
    pub(super) is_whole: bool,
    /// They were not found now.
    pub(super) is_recalled: bool,
}

impl Marks {
    /// Of a log of which nothing was read.
    pub(super) fn begin() -> Mark {
        let place = LogPlace { at: HEADER_BYTES as u64, event: 0, icount: 0 };
        Mark { place, is_inside: false }
    }

    /// Blocks of which all events are known.
    pub(super) fn blocks(&self) -> usize {
        let events = self.place.event;
        let whole = if self.is_whole { events.div_ceil(PAGE) } else { events / PAGE };
        usize::try_from(whole).unwrap_or(usize::MAX).min(self.all.len())
    }

    /// Where a block begins, or the last before it that is known.
    pub(super) fn mark(&self, block: usize) -> Option<Mark> {
        self.all.get(block).or(self.all.last()).copied()
    }

    /// Whether a reader can have come to this place; `is_inside` if that is known, `has_ended` if no event follows.
    pub(super) fn agree(&self, place: LogPlace, is_inside: Option<bool>, has_ended: bool) -> bool {
        if !self.is_recalled {
            return true;
        }
        if has_ended && place != self.place || place.event > self.place.event {
            return false;
        }
        if !place.event.is_multiple_of(PAGE) {
            return true;
        }
        let block = usize::try_from(place.event / PAGE).unwrap_or(usize::MAX);
        self.all.get(block).is_some_and(|mark| {
            mark.place == place && is_inside.is_none_or(|is_inside| is_inside == mark.is_inside)
        })
    }

    /// Adds them to bytes; those of a log that was read to its end.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_place(self.place, out);
        for (last, next) in self.all.iter().zip(self.all.iter().skip(1)) {
            let bytes = next.place.at - last.place.at;
            number::put(bytes << 1 | u64::from(next.is_inside), out);
            number::put(next.place.icount - last.place.icount, out);
        }
    }

    /// Takes them from bytes, of a log of so many; `None` if they can be of no such log.
    pub(super) fn take(input: &mut &[u8], log_bytes: u64) -> Option<Marks> {
        let place = take_place(input)?;
        let mut last = Marks::begin();
        let mut all = vec![last];
        // No event takes less than a byte, so that there are no more marks than a log of this length has.
        for block in 1..=place.event / PAGE {
            let (word, counted) = (number::take(input)?, number::take(input)?);
            let (bytes, is_inside) = (word >> 1, word & 1 == 1);
            let at = last.place.at.checked_add(bytes)?;
            let icount = last.place.icount.checked_add(counted)?;
            if bytes < PAGE || at > log_bytes {
                return None;
            }
            last = Mark { place: LogPlace { at, event: block * PAGE, icount }, is_inside };
            all.push(last);
        }
        let (bytes, events) =
            (place.at.checked_sub(last.place.at)?, place.event - last.place.event);
        let is_sound =
            events <= bytes && place.at <= log_bytes && place.icount >= last.place.icount;
        is_sound.then_some(Marks { all, place, is_whole: true, is_recalled: true })
    }
}

/// Adds a place.
pub(super) fn put_place(LogPlace { at, event, icount }: LogPlace, out: &mut Vec<u8>) {
    number::put_all(&[at, event, icount], out);
}

/// Takes a place.
pub(super) fn take_place(input: &mut &[u8]) -> Option<LogPlace> {
    let (at, event, icount) = (number::take(input)?, number::take(input)?, number::take(input)?);
    Some(LogPlace { at, event, icount })
}
