//! Which bytes of data are not compared. `0x42c..0x434`, `0..4 every 512`, `0x2c..0x34 in 1k` come in, data with zeroes
//! there go out.
//!
//! Knows no traces and no filters: who masks says which blocks are meant. Invariants: bytes outside of the ranges stay as they
//! are; what is masked does not depend on how requests cut the disk, but for ranges that count from the request and for
//! blocks that no request has whole.

use std::fmt;
use std::str::FromStr;

use crate::query;
use crate::units::ByteRange;

/// Ranges that a mask has at most.
const RANGES_MAX: usize = 64;

/// What a repeated range may repeat after at least, in bytes: each is gone to by itself.
const STEP_MIN: u64 = 16;

/// Which bytes are masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    ranges: Vec<ByteRange>,
    from: Count,
    repeats: Repeats,
}

/// Where a range begins to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Count {
    /// At the first byte of the disk.
    Disk,
    /// At the first byte of the request.
    Request,
}

/// Whether a range comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeats {
    Never,
    /// After so many bytes, again and again.
    Every(u64),
    /// In each block of the disk of so many bytes that is meant.
    Blocks(u64),
}

/// Why a text is no mask.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MaskError {
    /// Something is no range.
    #[error(
        "`{0}` is no range of bytes; write 0x42c..0x434, +0..8 from the request's first byte, 0..4 every 512, or 0..4 in 4k"
    )]
    Range(String),
    /// What should be a number of bytes is none.
    #[error("`{0}` is no number of bytes")]
    Number(String),
    /// A range has no bytes.
    #[error("nothing is in the range {0}")]
    Empty(String),
    /// What is repeated does not fit.
    #[error("the range {range} does not fit into {step} bytes")]
    Beyond {
        /// The range.
        range: String,
        /// How often it comes again.
        step: u64,
    },
    /// It comes again too soon.
    #[error("a range may come again after {STEP_MIN} bytes or more, not after {0}")]
    Step(u64),
    /// Blocks that count from requests.
    #[error("blocks are those of the disk: ranges in them have no `+`")]
    BlocksOfRequest,
    /// There are too many.
    #[error("more than {RANGES_MAX} ranges")]
    TooMany,
}

impl FromStr for Mask {
    type Err = MaskError;

    fn from_str(text: &str) -> Result<Mask, MaskError> {
        let repeated = |word| {
            text.split_once(word).map(|(ranges, size)| number(size).map(|size| (ranges, size)))
        };
        let (ranges, repeats) = if let Some(found) = repeated(" every ") {
            let (ranges, step) = found?;
            (ranges, Repeats::Every(step))
        } else if let Some(found) = repeated(" in ") {
            let (ranges, size) = found?;
            (ranges, Repeats::Blocks(size))
        } else {
            (text, Repeats::Never)
        };
        let ranges = ranges.trim();
        let (ranges, from) = match ranges.strip_prefix('+') {
            Some(ranges) => (ranges, Count::Request),
            None => (ranges, Count::Disk),
        };
        if let (Repeats::Blocks(_), Count::Request) = (repeats, from) {
            return Err(MaskError::BlocksOfRequest);
        }
        if let Repeats::Every(step) | Repeats::Blocks(step) = repeats
            && step < STEP_MIN
        {
            return Err(MaskError::Step(step));
        }
        let ranges = ranges.split(',').map(range).collect::<Result<Vec<_>, _>>()?;
        if ranges.len() > RANGES_MAX {
            return Err(MaskError::TooMany);
        }
        if let Repeats::Every(step) | Repeats::Blocks(step) = repeats
            && let Some(range) = ranges.iter().find(|range| range.end() > step)
        {
            return Err(MaskError::Beyond { range: shown(range), step });
        }
        Ok(Mask { ranges, from, repeats })
    }
}

/// One range: `FROM..TO` or `FROM..=TO`.
fn range(text: &str) -> Result<ByteRange, MaskError> {
    let text = text.trim();
    let (from, to) = text.split_once("..").ok_or_else(|| MaskError::Range(text.to_owned()))?;
    let (to, more) = match to.strip_prefix('=') {
        Some(to) => (to, 1),
        None => (to, 0),
    };
    if from.trim().is_empty() || to.trim().is_empty() {
        return Err(MaskError::Range(text.to_owned()));
    }
    let (from, to) = (number(from)?, number(to)?.saturating_add(more));
    match to.checked_sub(from) {
        None | Some(0) => Err(MaskError::Empty(text.to_owned())),
        Some(length) => Ok(ByteRange::new(from, length)),
    }
}

fn number(text: &str) -> Result<u64, MaskError> {
    let text = text.trim();
    query::size(text).ok_or_else(|| MaskError::Number(text.to_owned()))
}

fn shown(range: &ByteRange) -> String {
    format!("{:#x}..{:#x}", range.offset, range.end())
}

/// As it is written.
impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.from == Count::Request { "+" } else { "" })?;
        for (place, range) in self.ranges.iter().enumerate() {
            write!(f, "{}{}", if place > 0 { ", " } else { "" }, shown(range))?;
        }
        match self.repeats {
            Repeats::Never => Ok(()),
            Repeats::Every(step) => write!(f, " every {step}"),
            Repeats::Blocks(size) => write!(f, " in {size}"),
        }
    }
}

impl Mask {
    /// Whether a filter is asked of each block by itself, rather than of the request.
    pub fn asks_blocks(&self) -> bool {
        matches!(self.repeats, Repeats::Blocks(_))
    }

    /// Whether bytes of a request with this range can be masked.
    pub fn touches(&self, request: ByteRange) -> bool {
        let mut touches = false;
        self.each(request, &mut |_| true, &mut |_| {
            touches = true;
            false
        });
        touches
    }

    /// Writes zeroes over what is masked in `data`, which begin at the first byte of `request`. Of blocks, over those that
    /// `takes` says are meant. True if there was something.
    pub fn erase(
        &self,
        request: ByteRange,
        data: &mut [u8],
        takes: &mut dyn FnMut(ByteRange) -> bool,
    ) -> bool {
        let mut erased = false;
        self.each(request, takes, &mut |masked| {
            let place = |at: u64| usize::try_from(at - request.offset).unwrap_or(usize::MAX);
            if let Some(bytes) = data.get_mut(place(masked.offset)..place(masked.end())) {
                bytes.fill(0);
                erased = true;
            }
            true
        });
        erased
    }

    /// Calls `with` for each masked range of the disk that lies in `request`, cut to it, until it says false.
    fn each(
        &self,
        request: ByteRange,
        takes: &mut dyn FnMut(ByteRange) -> bool,
        with: &mut dyn FnMut(ByteRange) -> bool,
    ) {
        let zero = if self.from == Count::Request { request.offset } else { 0 };
        let mut at = |start: u64| {
            self.ranges.iter().all(|range| {
                let begin = start.saturating_add(range.offset);
                let end = begin.saturating_add(range.length).min(request.end());
                let begin = begin.max(request.offset);
                begin >= end || with(ByteRange::new(begin, end - begin))
            })
        };
        let (step, blocks) = match self.repeats {
            Repeats::Never => {
                at(zero);
                return;
            }
            Repeats::Every(step) => (step, false),
            Repeats::Blocks(step) => (step, true),
        };
        let mut start = zero + (request.offset - zero) / step * step;
        if blocks && start < request.offset {
            start = start.saturating_add(step);
        }
        while start < request.end() {
            let block = ByteRange::new(start, step);
            if blocks && block.end() > request.end() {
                return;
            }
            if (!blocks || takes(block)) && !at(start) {
                return;
            }
            let Some(next) = start.checked_add(step) else { return };
            start = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(text: &str) -> Mask {
        text.parse().unwrap()
    }

    /// The places of `data`, all ones before, that a mask writes zeroes to, from the disk's first byte.
    fn masked(text: &str, offset: u64, length: usize) -> Vec<u64> {
        let mut data = vec![1; length];
        let range = ByteRange::new(offset, length as u64);
        let erased = mask(text).erase(range, &mut data, &mut |_| true);
        assert_eq!(erased, data.contains(&0), "{text}");
        assert_eq!(erased, mask(text).touches(range), "{text}");
        let places = data.into_iter().zip(offset..);
        places.filter(|(byte, _)| *byte == 0).map(|(_, place)| place).collect()
    }

    #[test]
    fn a_range_means_bytes_of_the_disk_wherever_a_request_begins() {
        assert_eq!(masked("0x10..0x12", 0, 32), [16, 17]);
        assert_eq!(masked("0x10..0x12", 17, 32), [17]);
        assert_eq!(masked("0x10..=0x12, 40..41", 8, 64), [16, 17, 18, 40]);
        assert!(masked("0x10..0x12", 18, 32).is_empty());
        assert_eq!(masked("4k..4097", 4090, 7), [4096]);
    }

    #[test]
    fn a_plus_means_bytes_from_the_request_s_own_beginning() {
        assert_eq!(masked("+0..2", 4096, 8), [4096, 4097]);
        assert_eq!(masked("+6..12", 4096, 8), [4102, 4103], "it ends with the request");
    }

    #[test]
    fn a_repeated_range_comes_again_and_again() {
        assert_eq!(masked("0..2 every 16", 7, 40), [16, 17, 32, 33]);
        assert_eq!(masked("+1..2 every 16", 7, 40), [8, 24, 40]);
        assert!(masked("15..16 every 16", 8, 4).is_empty());
    }

    #[test]
    fn blocks_are_masked_where_a_request_has_them_whole_and_they_are_meant() {
        assert_eq!(masked("0..1 in 16", 8, 40), [16, 32]);
        assert_eq!(masked("0..1 in 16", 8, 39), [16], "the block at 32 is cut");
        let mut data = [1; 48];
        let second = &mut |block: ByteRange| block.offset == 16;
        assert!(mask("3..5 in 16").erase(ByteRange::new(0, 48), &mut data, second));
        assert_eq!(data.iter().position(|byte| *byte == 0), Some(19));
        assert_eq!(data.iter().rposition(|byte| *byte == 0), Some(20));
    }

    #[test]
    fn what_is_written_again_means_the_same() {
        for text in
            ["0x42c..0x434", "+0x0..0x8, 0x10..0x11", "0x0..0x4 every 512", "0x2..0x3 in 16"]
        {
            assert_eq!(mask(text).to_string(), text);
        }
        assert_eq!(mask("4k..=8k in 1M"), mask(&mask("4k..=8k in 1M").to_string()));
    }

    #[test]
    fn what_is_no_mask_is_refused_with_the_part_that_is_wrong() {
        let error = |text: &str| text.parse::<Mask>().unwrap_err().to_string();
        assert!(error("16").starts_with("`16` is no range of bytes"));
        assert!(error("..8").starts_with("`..8` is no range"));
        assert_eq!(error("0..8z"), "`8z` is no number of bytes");
        assert_eq!(error("0..1ms"), "`1ms` is no number of bytes");
        assert_eq!(error("8..8"), "nothing is in the range 8..8");
        assert_eq!(error("9..8"), "nothing is in the range 9..8");
        assert_eq!(error("8..40 every 32"), "the range 0x8..0x28 does not fit into 32 bytes");
        assert!(error("0..1 every 0").contains("not after 0"));
        assert!(error("+0..1 in 512").contains("no `+`"));
        assert_eq!(error(&vec!["0..1"; 65].join(",")), "more than 64 ranges");
    }

    #[test]
    fn ranges_at_the_end_of_what_a_number_can_say_do_no_harm() {
        let end = u64::MAX;
        assert_eq!(masked(&format!("{}..{end}", end - 1), end - 4, 4), [end - 1]);
        assert_eq!(masked("+0..1 every 16", end - 20, 20), [end - 20, end - 4]);
        assert!(masked(&format!("+{:#x}..{end:#x}", end - 1), 4, 4).is_empty());
    }
}
