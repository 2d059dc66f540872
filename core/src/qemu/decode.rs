//! Bytes of a QEMU log to events. The beginning of the bytes that are left comes in, one event goes out.
//!
//! Parsed with nom, as streams are: too few bytes are told from wrong ones. Knows no file and no position. Source of
//! each payload: the functions of QEMU's `replay/` that are named beside it. Invariants: nothing is taken that
//! `encode` would not write the same; no more than `EVENT_BYTES_MAX` is copied for one event.
//!
//! One thing cannot be told: up to version 0xe0200c, sound that fills its ring is written without a sample, and the
//! size of the ring is not in the log. Samples are expected there.

use bytes::Bytes;
use nom::bytes::streaming::take;
use nom::combinator::map;
use nom::error::{ErrorKind, ParseError};
use nom::number::streaming::{be_i32, be_i64, be_u8, be_u32, be_u64};
use nom::sequence::pair;
use nom::{IResult, Parser};

use super::codes::Codes;
use super::kind::LogKind;
use super::layout::{Audio, Keys, Nesting};
use crate::event::{
    AudioIn, Checkpoint, EventData, EventKind, Input, Key, Sample, Samples, ShutdownCause,
};
use crate::limits::EVENT_BYTES_MAX;
use crate::request::RequestId;

/// Why bytes are no event.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No event has this number.
    #[error("no event has the number {0}")]
    Event(u8),
    /// No asynchronous event has this number.
    #[error("no asynchronous event has the number {0}")]
    Async(u8),
    /// No checkpoint has this number.
    #[error("no checkpoint has the number {0}")]
    Checkpoint(u8),
    /// No kind of input has this number.
    #[error("no kind of input has the number {0}")]
    Input(u32),
    /// A key is named in a way that has no number.
    #[error("no way to name a key has the number {0}")]
    Key(u32),
    /// A byte must be 0 or 1.
    #[error("a byte that says yes or no is {0}, not 0 or 1")]
    Flag(u8),
    /// Data are longer than any event's.
    #[error("an event of {found} bytes of data; at most {EVENT_BYTES_MAX} are read")]
    Long {
        /// How long they say to be, in bytes.
        found: u64,
    },
}

/// nom asks for this where one of its own parsers fails; those in use here only ask for more bytes.
impl ParseError<&[u8]> for Fault {
    fn from_error_kind(input: &[u8], _: ErrorKind) -> Fault {
        Fault::Event(input.first().copied().unwrap_or(0))
    }

    fn append(_: &[u8], _: ErrorKind, other: Fault) -> Fault {
        other
    }
}

/// What comes of bytes.
pub(super) type Parsed<'a, T> = IResult<&'a [u8], T, Fault>;

/// An event as it lies in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decoded {
    /// The checkpoint at which an asynchronous event was written, where the layout says it.
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) kind: EventKind,
}

/// Takes one event.
pub(super) fn event<'a>(codes: &Codes, input: &'a [u8]) -> Parsed<'a, Decoded> {
    let (rest, (checkpoint, kind)) = head(codes, input)?;
    let (rest, kind) = payload(codes, kind, rest)?;
    Ok((rest, Decoded { checkpoint, kind }))
}

/// Takes what says which kind an event is.
pub(super) fn head<'a>(
    codes: &Codes,
    input: &'a [u8],
) -> Parsed<'a, (Option<Checkpoint>, LogKind)> {
    let (rest, code) = be_u8(input)?;
    let kind = codes.kind(code).ok_or_else(|| failed(Fault::Event(code)))?;
    if kind != LogKind::Async {
        return Ok((rest, (None, kind)));
    }
    // The checkpoint comes first (QEMU: `replay_save_event`).
    let (rest, checkpoint) = match codes.layout.nesting {
        Nesting::Checkpoint => {
            let (rest, number) = be_u8(rest)?;
            let checkpoint = codes.checkpoint(number);
            (rest, Some(checkpoint.ok_or_else(|| failed(Fault::Checkpoint(number)))?))
        }
        Nesting::Kind | Nesting::Flat => (rest, None),
    };
    let (rest, code) = be_u8(rest)?;
    let kind = codes.async_kind(code).ok_or_else(|| failed(Fault::Async(code)))?;
    Ok((rest, (checkpoint, kind)))
}

fn payload<'a>(codes: &Codes, kind: LogKind, input: &'a [u8]) -> Parsed<'a, EventKind> {
    let empty = |kind| Ok((input, kind));
    match kind {
        LogKind::Instruction => {
            map(be_u32, |count| EventKind::Instruction { count: count.into() }).parse(input)
        }
        LogKind::Interrupt => empty(EventKind::Interrupt),
        LogKind::Exception => empty(EventKind::Exception),
        LogKind::Bh => map(be_u64, |id| EventKind::Bh { id }).parse(input),
        LogKind::BhOneshot => map(be_u64, |id| EventKind::BhOneshot { id }).parse(input),
        LogKind::Input => map(|input| pressed(codes, input), EventKind::Input).parse(input),
        LogKind::InputSync => empty(EventKind::InputSync),
        LogKind::CharRead => {
            map(pair(be_u8, array), |(device, data)| EventKind::CharRead { device, data })
                .parse(input)
        }
        LogKind::Block => map(be_u64, |id| EventKind::BlockId { id: RequestId(id) }).parse(input),
        LogKind::Net => map((be_u8, be_u32, array), |(filter, flags, frame)| EventKind::Net {
            filter,
            flags,
            frame,
        })
        .parse(input),
        LogKind::ShutdownUnsaid => empty(EventKind::Shutdown { cause: ShutdownCause::None }),
        LogKind::Shutdown(cause) => empty(EventKind::Shutdown { cause }),
        LogKind::CharWrite => {
            map(pair(be_i32, be_i32), |(result, offset)| EventKind::CharWrite { result, offset })
                .parse(input)
        }
        LogKind::CharReadAll => map(array, |data| EventKind::CharReadAll { data }).parse(input),
        LogKind::CharReadAllError => {
            map(be_i32, |error| EventKind::CharReadAllError { error }).parse(input)
        }
        LogKind::AudioOut => {
            map(|input| amount(codes, input), |played| EventKind::AudioOut { played }).parse(input)
        }
        LogKind::AudioIn => map(|input| sound(codes, input), EventKind::AudioIn).parse(input),
        LogKind::Random => {
            map(pair(be_i32, array), |(result, data)| EventKind::Random { result, data })
                .parse(input)
        }
        LogKind::Clock(clock) => {
            map(be_i64, |value| EventKind::Clock { clock, value }).parse(input)
        }
        LogKind::ClockWarp => empty(EventKind::Checkpoint(Checkpoint::ClockWarpStart)),
        LogKind::Checkpoint(checkpoint) => empty(EventKind::Checkpoint(checkpoint)),
        LogKind::End => empty(EventKind::End { status: None }),
        LogKind::Async | LogKind::ShutdownMax => unreachable!("`head` gives no such kind"),
    }
}

/// Takes a length and so many bytes (QEMU: `replay_get_array`).
fn array(input: &[u8]) -> Parsed<'_, EventData> {
    let (rest, length) = array_length(input)?;
    let (rest, bytes) = take(length)(rest)?;
    let data = EventData::new(Bytes::copy_from_slice(bytes));
    Ok((rest, data.map_err(|_| failed(Fault::Long { found: length.into() }))?))
}

/// Takes the length of an array, if it is not too long.
pub(super) fn array_length(input: &[u8]) -> Parsed<'_, u32> {
    let (rest, length) = be_u32(input)?;
    if length as usize > EVENT_BYTES_MAX {
        return Err(failed(Fault::Long { found: length.into() }));
    }
    Ok((rest, length))
}

/// Takes a byte that says whether something is pressed.
fn flag(input: &[u8]) -> Parsed<'_, bool> {
    let (rest, byte) = be_u8(input)?;
    match byte {
        0 | 1 => Ok((rest, byte == 1)),
        _ => Err(failed(Fault::Flag(byte))),
    }
}

/// Takes what a person did (QEMU: `replay_read_input_event`).
fn pressed<'a>(codes: &Codes, input: &'a [u8]) -> Parsed<'a, Input> {
    let (rest, kind) = be_u32(input)?;
    match kind {
        0 => map(pair(|input| key(codes, input), flag), |(key, down)| Input::Key { key, down })
            .parse(rest),
        1 => map(pair(be_u32, flag), |(button, down)| Input::Button { button, down }).parse(rest),
        2 => map(pair(be_u32, be_i64), |(axis, value)| Input::Relative { axis, value }).parse(rest),
        3 => map(pair(be_u32, be_i64), |(axis, value)| Input::Absolute { axis, value }).parse(rest),
        4 => map(
            (be_u32, be_i64, be_i64, be_u32, be_i64),
            |(phase, slot, tracking_id, axis, value)| Input::MultiTouch {
                phase,
                slot,
                tracking_id,
                axis,
                value,
            },
        )
        .parse(rest),
        _ => Err(failed(Fault::Input(kind))),
    }
}

fn key<'a>(codes: &Codes, input: &'a [u8]) -> Parsed<'a, Key> {
    if codes.layout.keys == Keys::Linux {
        return map(be_u32, Key::Linux).parse(input);
    }
    let (rest, named) = be_u32(input)?;
    match named {
        0 => map(be_u64, Key::Number).parse(rest),
        1 => map(be_u32, Key::Qcode).parse(rest),
        _ => Err(failed(Fault::Key(named))),
    }
}

/// Takes a number of samples or a place among them.
pub(super) fn amount<'a>(codes: &Codes, input: &'a [u8]) -> Parsed<'a, u64> {
    match codes.layout.audio {
        Audio::Narrow => map(be_u32, u64::from).parse(input),
        Audio::Wide | Audio::Unplaced => be_u64(input),
    }
}

/// Takes how much sound was recorded and where it lies (QEMU: `replay_audio_in`).
pub(super) fn sound_head<'a>(codes: &Codes, input: &'a [u8]) -> Parsed<'a, (u64, Option<u64>)> {
    let (rest, recorded) = amount(codes, input)?;
    if recorded > Samples::MAX as u64 {
        let found = recorded.saturating_mul(size_of::<Sample>() as u64);
        return Err(failed(Fault::Long { found }));
    }
    match codes.layout.audio {
        Audio::Unplaced => Ok((rest, (recorded, None))),
        Audio::Narrow | Audio::Wide => {
            map(|input| amount(codes, input), |position| (recorded, Some(position))).parse(rest)
        }
    }
}

fn sound<'a>(codes: &Codes, input: &'a [u8]) -> Parsed<'a, AudioIn> {
    let (mut rest, (recorded, position)) = sound_head(codes, input)?;
    let mut samples = Vec::new();
    for _ in 0..recorded {
        let (behind, (left, right)) = pair(be_i64, be_i64).parse(rest)?;
        samples.push(Sample { left, right });
        rest = behind;
    }
    let found = recorded.saturating_mul(size_of::<Sample>() as u64);
    let samples = Samples::new(samples).map_err(|_| failed(Fault::Long { found }))?;
    Ok((rest, AudioIn { recorded, position, samples }))
}

fn failed(fault: Fault) -> nom::Err<Fault> {
    nom::Err::Failure(fault)
}

/// Takes one event without copying what it carries: gives its kind, and of a completion the number of the request.
pub(super) fn skip<'a>(codes: &Codes, input: &'a [u8]) -> Parsed<'a, (LogKind, Option<u64>)> {
    let (rest, (_, kind)) = head(codes, input)?;
    let (rest, id) = match kind {
        LogKind::Block => map(be_u64, Some).parse(rest)?,
        LogKind::CharRead => map(pair(be_u8, skip_array), |_| None).parse(rest)?,
        LogKind::Net => map((be_u8, be_u32, skip_array), |_| None).parse(rest)?,
        LogKind::CharReadAll => map(skip_array, |()| None).parse(rest)?,
        LogKind::Random => map(pair(be_i32, skip_array), |_| None).parse(rest)?,
        LogKind::AudioIn => {
            let (rest, (recorded, _)) = sound_head(codes, rest)?;
            map(take(recorded.saturating_mul(size_of::<Sample>() as u64)), |_: &[u8]| None)
                .parse(rest)?
        }
        _ => map(|input| payload(codes, kind, input), |_| None).parse(rest)?,
    };
    Ok((rest, (kind, id)))
}

fn skip_array(input: &[u8]) -> Parsed<'_, ()> {
    let (rest, length) = array_length(input)?;
    map(take(length), |_: &[u8]| ()).parse(rest)
}
