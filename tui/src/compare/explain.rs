//! All that is known of a difference: which bytes differ, who wrote there last, what lies around it. Two sides and a difference in.
//!
//! Invariant: what is said is what `blkreplay diff` says; no more than [`LINES`] lines of bytes are kept.

use blkreplay_core::diff::{Compared, DiffError, Difference, Evidence, Kept, Report, Side};
use bytes::Bytes;

use super::Sides;

/// Bytes on a line.
const EACH: u64 = 16;

/// Lines of bytes that are kept.
const LINES: usize = 256;

/// Requests around it on each side.
const CONTEXT: usize = 3;

/// What is known of a difference.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Explained {
    /// Evidence, as a report has it.
    pub evidence: Evidence,
    /// Lines with bytes that differ, and one before and behind each.
    pub lines: Vec<HexLine>,
    /// There are more.
    pub has_more: bool,
}

/// A line of bytes of both sides, that lie at the same place of the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HexLine {
    /// Where the line begins in the data of base.
    pub at: u64,
    /// What base has there; nothing outside of its data.
    pub base: Vec<Option<u8>>,
    /// What new has.
    pub new: Vec<Option<u8>>,
}

impl HexLine {
    /// Whether the byte in this column differs.
    pub fn differs(&self, column: usize) -> bool {
        self.base.get(column) != self.new.get(column)
    }
}

/// Finds out what is known of a difference.
pub(super) fn explain(sides: &Sides<'_>, difference: &Difference) -> Result<Explained, DiffError> {
    let kept = Kept { difference: difference.clone(), evidence: Evidence::default() };
    let mut report = Report { first: Some(kept), ..Report::default() };
    report.explain(sides.base, sides.new, CONTEXT)?;
    let evidence = report.first.map(|first| first.evidence).unwrap_or_default();
    let mut explained = Explained { evidence, ..Explained::default() };
    if let (Some(differing), [one], [other]) =
        (&explained.evidence.bytes, difference.base.as_slice(), difference.new.as_slice())
    {
        let ranges = differing.ranges.clone();
        let data = (data(sides.base, one)?, data(sides.new, other)?);
        let starts = lines_of(&ranges);
        explained.has_more = starts.len() > LINES;
        let line = |at: &u64| line(*at, (one, &data.0), (other, &data.1));
        let has_bytes = |line: &HexLine| line.base.iter().chain(&line.new).any(Option::is_some);
        explained.lines = starts.iter().take(LINES).map(line).filter(has_bytes).collect();
    }
    Ok(explained)
}

fn data(side: &dyn Side, of: &Compared) -> Result<Bytes, DiffError> {
    Ok(side.compared_data(of)?.unwrap_or_default())
}

/// Where lines begin that hold these ranges, with one before and one behind each.
fn lines_of(ranges: &[std::ops::Range<u64>]) -> Vec<u64> {
    let mut starts: Vec<u64> = Vec::new();
    for range in ranges {
        let first = (range.start / EACH).saturating_sub(1);
        let last = range.end.saturating_sub(1) / EACH + 1;
        let next = starts.last().map_or(0, |last| last / EACH + 1);
        let room = (LINES + 1).saturating_sub(starts.len());
        starts.extend((first.max(next)..=last).take(room).map(|line| line * EACH));
    }
    starts
}

fn line(at: u64, base: (&Compared, &Bytes), new: (&Compared, &Bytes)) -> HexLine {
    let disk = base.0.request.range.offset.saturating_add(at);
    let bytes = |(of, data): (&Compared, &Bytes)| -> Vec<Option<u8>> {
        let byte = |place: u64| {
            let inside = place.checked_sub(of.request.range.offset)?;
            data.get(usize::try_from(inside).ok()?).copied()
        };
        (disk..disk.saturating_add(EACH)).map(byte).collect()
    };
    HexLine { at, base: bytes(base), new: bytes(new) }
}
