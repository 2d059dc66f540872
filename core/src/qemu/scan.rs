//! Counts the events of a log in one layout, as fast as bytes can be looked at. Bytes come in, counts go out.
//!
//! Most events have a size that their number tells; the others are parsed as `decode` does, without copying. Knows no
//! file. Invariants: it stops at the very byte at which `decode` would; nothing is allocated for an event.

use super::codes::{ASYNCS_MAX, Codes, Size};
use super::decode::{self, Fault};
use super::encode::HEADER_BYTES;
use super::kind::LogKind;
use super::layout::Layout;
use super::stop::{Stop, Why};

/// The most instructions that one event may count: QEMU keeps them in 31 bits, and writes no event for none.
const COUNT_MAX: u32 = i32::MAX.unsigned_abs();

/// What is in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// How often each kind occurs that does, in the order of their numbers.
    pub counts: Vec<(LogKind, u64)>,
    /// How many events there are.
    pub events: u64,
    /// How many bytes they and the header take.
    pub bytes: u64,
    /// How many instructions the guest executed.
    pub icount: u64,
    /// Completions of requests.
    pub blocks: Blocks,
    /// Events that decode and that QEMU never writes: of no instruction, or of more than 2^31 − 1.
    pub oddities: u64,
}

/// The completions of requests of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Blocks {
    /// How many.
    pub completions: u64,
    /// The first.
    pub first: Option<Completed>,
    /// The last.
    pub last: Option<Completed>,
    /// The highest number of a request.
    pub highest: u64,
    /// How many came after one with a higher number: requests that were in flight together.
    pub overtaken: u64,
}

/// One completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completed {
    /// The number of the request.
    pub id: u64,
    /// The index of the event.
    pub event: u64,
    /// How many instructions had been executed.
    pub icount: u64,
}

impl Blocks {
    fn add(&mut self, completed: Completed) {
        if self.completions > 0 && completed.id < self.highest {
            self.overtaken += 1;
        }
        self.completions += 1;
        self.highest = self.highest.max(completed.id);
        self.first = self.first.or(Some(completed));
        self.last = Some(completed);
    }
}

/// A scan of a log in one layout.
#[derive(Debug, Clone)]
pub(super) struct Scan {
    codes: Codes,
    /// The size of each event that its number tells; 0 for others.
    sizes: [u8; 256],
    /// How often each number occurs; there is room for numbers that no layout has, so that none is checked.
    counts: [u64; 256],
    asyncs: [u64; ASYNCS_MAX],
    at: u64,
    events: u64,
    icount: u64,
    oddities: u64,
    blocks: Blocks,
    fault: Option<Fault>,
    ended: bool,
}

impl Scan {
    pub(super) fn new(layout: &'static Layout) -> Scan {
        let codes = Codes::of(layout);
        let mut sizes = [0; 256];
        for (code, size) in (0..=u8::MAX).zip(&mut sizes) {
            if let Size::Fixed(fixed) = codes.size(code) {
                *size = fixed;
            }
        }
        Scan {
            codes,
            sizes,
            counts: [0; 256],
            asyncs: [0; ASYNCS_MAX],
            at: HEADER_BYTES as u64,
            events: 0,
            icount: 0,
            oddities: 0,
            blocks: Blocks::default(),
            fault: None,
            ended: false,
        }
    }

    pub(super) fn layout(&self) -> &'static Layout {
        self.codes.layout
    }

    /// The byte of the file that it wants next.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    pub(super) fn events(&self) -> u64 {
        self.events
    }

    pub(super) fn oddities(&self) -> u64 {
        self.oddities
    }

    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Whether it came to the end event.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether it wants more bytes.
    pub(super) fn is_live(&self) -> bool {
        self.fault.is_none() && !self.ended
    }

    /// Counts the whole events at the beginning of `bytes`, which lie at [`Scan::at`] in the file.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while self.is_live() {
            rest = self.plain(rest);
            match self.looked(rest) {
                Some(behind) => rest = behind,
                None => break,
            }
        }
    }

    /// Counts events as long as their numbers tell their sizes; gives what follows.
    fn plain<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Scan { sizes, counts, .. } = self;
        let (mut at, mut icount, mut oddities) = (0, 0, 0);
        let mut events: u64 = 0;
        // Most of a log is counts of instructions, each with an event of one byte behind it: both are looked at in
        // one word.
        while let Some(word) = word_at(bytes, at) {
            let [code, a, b, c, d, next, ..] = word;
            if code == 0 {
                let count = u32::from_be_bytes([a, b, c, d]);
                icount += u64::from(count);
                oddities += u64::from(count.wrapping_sub(1) >= COUNT_MAX);
                counts[0] += 1;
                let single = sizes[usize::from(next)] == 1;
                counts[usize::from(next)] += u64::from(single);
                events += 1 + u64::from(single);
                at += 5 + usize::from(single);
                continue;
            }
            let size = usize::from(sizes[usize::from(code)]);
            if size == 0 || bytes.len() - at < size {
                break;
            }
            counts[usize::from(code)] += 1;
            events += 1;
            at += size;
        }
        while let Some(&code) = bytes.get(at) {
            let size = usize::from(sizes[usize::from(code)]);
            let Some(event) = bytes.get(at..at + size).filter(|_| size > 0) else { break };
            if let [0, count @ ..] = event {
                let count = count.first_chunk().map_or(0, |count| u32::from_be_bytes(*count));
                icount += u64::from(count);
                oddities += u64::from(count.wrapping_sub(1) >= COUNT_MAX);
            }
            counts[usize::from(code)] += 1;
            events += 1;
            at += size;
        }
        self.at += at as u64;
        self.events += events;
        self.icount += icount;
        self.oddities += oddities;
        &bytes[at..]
    }

    /// Counts one event that has to be looked at; gives what follows, or nothing where there is none or not all of it.
    fn looked<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let (rest, skipped) = match decode::skip(&self.codes, bytes) {
            Ok(taken) => taken,
            Err(nom::Err::Incomplete(_)) => return None,
            Err(nom::Err::Error(fault) | nom::Err::Failure(fault)) => {
                self.fault = Some(fault);
                return None;
            }
        };
        let (kind, id) = skipped;
        if let Some(id) = id {
            self.blocks.add(Completed { id, event: self.events, icount: self.icount });
        }
        if kind.is_async() && self.codes.nests() {
            let code = self.codes.async_code(kind).unwrap_or_default();
            self.asyncs[usize::from(code) % ASYNCS_MAX] += 1;
        } else {
            self.counts[usize::from(bytes[0])] += 1;
        }
        self.at += (bytes.len() - rest.len()) as u64;
        self.events += 1;
        self.ended = kind == LogKind::End;
        Some(rest)
    }

    /// What was counted.
    pub(super) fn tally(&self) -> Tally {
        let numbered =
            (0..=u8::MAX).zip(self.counts).map(|(code, count)| (self.codes.kind(code), count));
        let nested =
            (0..).zip(self.asyncs).map(|(code, count)| (self.codes.async_kind(code), count));
        let mut counts = Vec::new();
        for (kind, count) in numbered.chain(nested) {
            counts.extend(kind.filter(|_| count > 0).map(|kind| (kind, count)));
        }
        Tally {
            counts,
            events: self.events,
            bytes: self.at,
            icount: self.icount,
            blocks: self.blocks,
            oddities: self.oddities,
        }
    }

    /// Why the log is not whole, if its file has `length` bytes and all were fed.
    pub(super) fn stop(&self, length: u64) -> Option<Stop> {
        let left = length.saturating_sub(self.at);
        let why = match (self.fault, self.ended, left) {
            (Some(fault), _, _) => Why::Fault(fault),
            (None, true, 0) => return None,
            (None, true, bytes) => Why::Trailing { bytes },
            (None, false, 0) => Why::NoEnd,
            (None, false, bytes) => Why::Cut { bytes },
        };
        Some(Stop { at: self.at, event: self.events, icount: self.icount, why })
    }
}

/// The eight bytes at a place; `None` where there are not so many.
fn word_at(bytes: &[u8], at: usize) -> Option<[u8; 8]> {
    bytes.get(at..)?.first_chunk().copied()
}
