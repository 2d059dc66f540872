//! What is wrong with a QEMU log, as bytes and back.
//!
//! Invariant: what is taken is something that can be told of; all else is `None`.

use blkreplay_core::event::{Checkpoint, ClockKind};
use blkreplay_core::qemu::{Fault, LAYOUTS, Layout, LogFault, LogFinding, Stop, Why};

use super::marks::{put_place, take_place};
use super::number;

/// Adds the number of a layout.
pub(super) fn put_layout(layout: &Layout, out: &mut Vec<u8>) {
    let at = LAYOUTS.iter().position(|one| one.label == layout.label);
    number::put(at.unwrap_or(LAYOUTS.len()) as u64, out);
}

/// Takes a layout.
pub(super) fn take_layout(input: &mut &[u8]) -> Option<&'static Layout> {
    LAYOUTS.get(usize::try_from(number::take(input)?).ok()?)
}

/// Adds what was found.
pub(super) fn put(finding: &LogFinding, out: &mut Vec<u8>) {
    put_place(finding.place, out);
    let checkpoint = |one: Checkpoint| one as u64;
    let (code, numbers): (u64, &[u64]) = match finding.fault {
        LogFault::NoVersion => (0, &[]),
        LogFault::Version { found } => (1, &[found.into()]),
        LogFault::Layout { version, layout } => {
            let at = LAYOUTS.iter().position(|one| one.label == layout);
            (2, &[version.into(), at.unwrap_or(LAYOUTS.len()) as u64])
        }
        LogFault::Reserved { found } => (3, &[found]),
        LogFault::Stop(_) => (4, &[]),
        LogFault::BlockTwice { id } => (5, &[id]),
        LogFault::BlockMissing { first, count, behind } => (6, &[first, count, behind]),
        LogFault::TooManyOpen => (7, &[]),
        LogFault::ClockBackwards { clock, from, to } => {
            (8, &[clock as u64, from.cast_unsigned(), to.cast_unsigned()])
        }
        LogFault::Instructions { count } => (9, &[count]),
        LogFault::BottomHalf { id, icount } => (10, &[id, icount]),
        LogFault::CheckpointOrder { found, wanted } => {
            (11, &[checkpoint(found), checkpoint(wanted)])
        }
        LogFault::CheckpointTwice { found } => (12, &[checkpoint(found)]),
        LogFault::AsyncPlace { said, last } => (13, &[checkpoint(said), checkpoint(last)]),
        LogFault::NeverReleased => (14, &[]),
        LogFault::NoBlock => (15, &[]),
        LogFault::EndedBySignal => (16, &[]),
    };
    number::put(code, out);
    number::put_all(numbers, out);
    if let LogFault::Stop(stop) = finding.fault {
        put_stop(stop, out);
    }
}

/// Takes what was found.
pub(super) fn take(input: &mut &[u8]) -> Option<LogFinding> {
    let place = take_place(input)?;
    let code = number::take(input)?;
    let mut next = || number::take(input);
    let checkpoint = Checkpoint::from_number;
    let fault = match code {
        0 => LogFault::NoVersion,
        1 => LogFault::Version { found: next()?.try_into().ok()? },
        2 => {
            let version = next()?.try_into().ok()?;
            LogFault::Layout { version, layout: take_layout(input)?.label }
        }
        3 => LogFault::Reserved { found: next()? },
        4 => LogFault::Stop(take_stop(input)?),
        5 => LogFault::BlockTwice { id: next()? },
        6 => {
            let (first, count, behind) = (next()?, next()?, next()?);
            // It is told as a range of at least one.
            (count > 0).then_some(LogFault::BlockMissing { first, count, behind })?
        }
        7 => LogFault::TooManyOpen,
        8 => {
            let (clock, _) = *ClockKind::NAMES.get(usize::try_from(next()?).ok()?)?;
            let (from, to) = (next()?.cast_signed(), next()?.cast_signed());
            LogFault::ClockBackwards { clock, from, to }
        }
        9 => LogFault::Instructions { count: next()? },
        10 => LogFault::BottomHalf { id: next()?, icount: next()? },
        11 => {
            LogFault::CheckpointOrder { found: checkpoint(next()?)?, wanted: checkpoint(next()?)? }
        }
        12 => LogFault::CheckpointTwice { found: checkpoint(next()?)? },
        13 => LogFault::AsyncPlace { said: checkpoint(next()?)?, last: checkpoint(next()?)? },
        14 => LogFault::NeverReleased,
        15 => LogFault::NoBlock,
        16 => LogFault::EndedBySignal,
        _ => return None,
    };
    Some(LogFinding { place, fault })
}

/// Adds where reading stops.
pub(super) fn put_stop(Stop { at, event, icount, why }: Stop, out: &mut Vec<u8>) {
    let (code, value) = match why {
        Why::NoEnd => (0, 0),
        Why::Cut { bytes } => (1, bytes),
        Why::Trailing { bytes } => (2, bytes),
        Why::Fault(Fault::Event(number)) => (3, number.into()),
        Why::Fault(Fault::Async(number)) => (4, number.into()),
        Why::Fault(Fault::Checkpoint(number)) => (5, number.into()),
        Why::Fault(Fault::Input(number)) => (6, number.into()),
        Why::Fault(Fault::Key(number)) => (7, number.into()),
        Why::Fault(Fault::Flag(byte)) => (8, byte.into()),
        Why::Fault(Fault::Long { found }) => (9, found),
    };
    number::put_all(&[at, event, icount, code, value], out);
}

/// Takes where reading stops.
pub(super) fn take_stop(input: &mut &[u8]) -> Option<Stop> {
    let mut next = || number::take(input);
    let (at, event, icount, code, value) = (next()?, next()?, next()?, next()?, next()?);
    let byte = || u8::try_from(value).ok();
    let word = || u32::try_from(value).ok();
    let why = match code {
        0 => (value == 0).then_some(Why::NoEnd)?,
        1 => Why::Cut { bytes: value },
        2 => Why::Trailing { bytes: value },
        3 => Why::Fault(Fault::Event(byte()?)),
        4 => Why::Fault(Fault::Async(byte()?)),
        5 => Why::Fault(Fault::Checkpoint(byte()?)),
        6 => Why::Fault(Fault::Input(word()?)),
        7 => Why::Fault(Fault::Key(word()?)),
        8 => Why::Fault(Fault::Flag(byte()?)),
        9 => Why::Fault(Fault::Long { found: value }),
        _ => return None,
    };
    Some(Stop { at, event, icount, why })
}

#[cfg(test)]
mod tests {
    use super::*;
    use blkreplay_core::qemu::LogPlace;

    const STOP: Stop = Stop { at: 400, event: 31, icount: 9000, why: Why::NoEnd };

    /// One of each kind.
    fn all() -> Vec<LogFault> {
        let stops = [
            Why::NoEnd,
            Why::Cut { bytes: 3 },
            Why::Trailing { bytes: u64::MAX },
            Why::Fault(Fault::Event(255)),
            Why::Fault(Fault::Async(1)),
            Why::Fault(Fault::Checkpoint(2)),
            Why::Fault(Fault::Input(u32::MAX)),
            Why::Fault(Fault::Key(4)),
            Why::Fault(Fault::Flag(5)),
            Why::Fault(Fault::Long { found: 1 << 40 }),
        ];
        let mut all: Vec<LogFault> = stops.map(|why| LogFault::Stop(Stop { why, ..STOP })).to_vec();
        let (found, wanted) = (Checkpoint::Reset, Checkpoint::ClockHost);
        all.extend([
            LogFault::NoVersion,
            LogFault::Version { found: u32::MAX },
            LogFault::Layout { version: 7, layout: LAYOUTS[17].label },
            LogFault::Reserved { found: u64::MAX },
            LogFault::BlockTwice { id: 12 },
            LogFault::BlockMissing { first: u64::MAX, count: 1, behind: 300 },
            LogFault::TooManyOpen,
            LogFault::ClockBackwards { clock: ClockKind::VirtualRt, from: -1, to: i64::MIN },
            LogFault::Instructions { count: 0 },
            LogFault::BottomHalf { id: 5, icount: 4 },
            LogFault::CheckpointOrder { found, wanted },
            LogFault::CheckpointTwice { found },
            LogFault::AsyncPlace { said: found, last: wanted },
            LogFault::NeverReleased,
            LogFault::NoBlock,
            LogFault::EndedBySignal,
        ]);
        all
    }

    #[test]
    fn whatever_can_be_found_comes_back_as_it_was() {
        for fault in all() {
            let place = LogPlace { at: 1, event: u64::MAX, icount: 200 };
            let finding = LogFinding { place, fault };
            let mut bytes = Vec::new();
            put(&finding, &mut bytes);
            for length in 0..bytes.len() {
                assert_eq!(take(&mut &bytes[..length]), None, "{fault:?}");
            }
            let mut rest = &bytes[..];
            assert_eq!((take(&mut rest), rest), (Some(finding), &[][..]));
        }
    }

    #[test]
    fn whatever_is_taken_can_be_told_and_is_put_as_it_was() {
        let mut taken = 0;
        for code in 0..20 {
            for value in [0, 1, 2, 3, 9, 10, 17, 18, 127] {
                let bytes = [1, 2, 3, code, value, value, value, value, value];
                let mut rest = &bytes[..];
                let Some(finding) = take(&mut rest) else { continue };
                taken += usize::from(!finding.fault.to_string().is_empty());
                let mut again = Vec::new();
                put(&finding, &mut again);
                assert_eq!(again, bytes[..bytes.len() - rest.len()]);
            }
        }
        assert!(taken > 60, "{taken}");
    }
}
