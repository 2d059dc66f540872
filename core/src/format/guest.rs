//! The events of a virtual machine to bytes and back: bottom halves, input, clocks, and whatever else QEMU's logs have.
//!
//! Both directions in one place, so that they cannot drift. Knows no time and no chunk. Invariant: what is put is
//! taken as the same event, and no more than `EVENT_BYTES_MAX` is taken for one.

use bytes::Bytes;

use super::before as number;
use super::decode::{DecodeError, narrow, unknown};
use super::varint::{Source, put, put_difference};
use crate::event::{
    AudioIn, ClockKind, EventData, EventKind, Input, Key, Sample, Samples, ShutdownCause,
};
use crate::limits::EVENT_BYTES_MAX;
use crate::request::RequestId;

/// The number of a kind of these; `None` for all others.
pub(super) fn number_of(kind: &EventKind) -> Option<u8> {
    Some(match kind {
        EventKind::Bh { .. } => number::BH,
        EventKind::BhOneshot { .. } => number::BH_ONESHOT,
        EventKind::Input(_) => number::INPUT,
        EventKind::InputSync => number::INPUT_SYNC,
        EventKind::CharRead { .. } => number::CHAR_READ,
        EventKind::Net { .. } => number::NET,
        EventKind::Clock { .. } => number::CLOCK,
        EventKind::Random { .. } => number::RANDOM,
        EventKind::Instruction { .. } => number::INSTRUCTION,
        EventKind::Shutdown { .. } => number::SHUTDOWN,
        EventKind::Interrupt => number::INTERRUPT,
        EventKind::Exception => number::EXCEPTION,
        EventKind::CharWrite { .. } => number::CHAR_WRITE,
        EventKind::CharReadAll { .. } => number::CHAR_READ_ALL,
        EventKind::CharReadAllError { .. } => number::CHAR_READ_ALL_ERROR,
        EventKind::AudioOut { .. } => number::AUDIO_OUT,
        EventKind::AudioIn(_) => number::AUDIO_IN,
        EventKind::BlockId { .. } => number::BLOCK_ID,
        _ => return None,
    })
}

/// Appends the fields of an event whose kind has a number here; those of others are none.
pub(super) fn put_fields(out: &mut Vec<u8>, kind: &EventKind) {
    match kind {
        EventKind::Bh { id } | EventKind::BhOneshot { id } => put(out, *id),
        EventKind::BlockId { id } => put(out, id.0),
        EventKind::Input(input) => put_input(out, input),
        EventKind::CharRead { device, data } => {
            out.push(*device);
            put_data(out, data);
        }
        EventKind::Net { filter, flags, frame } => {
            out.push(*filter);
            put(out, u64::from(*flags));
            put_data(out, frame);
        }
        EventKind::Clock { clock, value } => {
            out.push(*clock as u8);
            put_signed(out, *value);
        }
        EventKind::Random { result, data } => {
            put_signed(out, i64::from(*result));
            put_data(out, data);
        }
        EventKind::Instruction { count } => put(out, *count),
        EventKind::Shutdown { cause } => out.push(*cause as u8),
        EventKind::CharWrite { result, offset } => {
            put_signed(out, i64::from(*result));
            put_signed(out, i64::from(*offset));
        }
        EventKind::CharReadAll { data } => put_data(out, data),
        EventKind::CharReadAllError { error } => put_signed(out, i64::from(*error)),
        EventKind::AudioOut { played } => put(out, *played),
        EventKind::AudioIn(audio) => put_audio(out, audio),
        _ => {}
    }
}

fn put_input(out: &mut Vec<u8>, input: &Input) {
    out.push(input.number());
    match input {
        Input::Key { key, down } => {
            out.push(key.number());
            put(out, key.code());
            out.push(u8::from(*down));
        }
        Input::Button { button, down } => {
            put(out, u64::from(*button));
            out.push(u8::from(*down));
        }
        Input::Relative { axis, value } | Input::Absolute { axis, value } => {
            put(out, u64::from(*axis));
            put_signed(out, *value);
        }
        Input::MultiTouch { phase, slot, tracking_id, axis, value } => {
            put(out, u64::from(*phase));
            put_signed(out, *slot);
            put_signed(out, *tracking_id);
            put(out, u64::from(*axis));
            put_signed(out, *value);
        }
    }
}

fn put_audio(out: &mut Vec<u8>, audio: &AudioIn) {
    put(out, audio.recorded);
    out.push(u8::from(audio.position.is_some()));
    if let Some(position) = audio.position {
        put(out, position);
    }
    put(out, audio.samples.len() as u64);
    for sample in &*audio.samples {
        put_signed(out, sample.left);
        put_signed(out, sample.right);
    }
}

fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_difference(out, value.cast_unsigned(), 0);
}

fn put_data(out: &mut Vec<u8>, data: &EventData) {
    put(out, data.len() as u64);
    out.extend_from_slice(data);
}

/// Takes the fields of an event of this kind; `None` if it is none of these.
pub(super) fn take(kind: u8, source: &mut Source<'_>) -> Result<Option<EventKind>, DecodeError> {
    Ok(Some(match kind {
        number::BH => EventKind::Bh { id: source.number()? },
        number::BH_ONESHOT => EventKind::BhOneshot { id: source.number()? },
        number::INPUT => EventKind::Input(input(source)?),
        number::INPUT_SYNC => EventKind::InputSync,
        number::CHAR_READ => {
            let device = source.byte()?;
            EventKind::CharRead { device, data: data(source, "the content of char_read")? }
        }
        number::NET => {
            let (filter, flags) = (source.byte()?, narrow(source, "a set of flags of net")?);
            EventKind::Net { filter, flags, frame: data(source, "the frame of net")? }
        }
        number::CLOCK => {
            let (clock, _) = listed(&ClockKind::NAMES, source, "a clock")?;
            EventKind::Clock { clock, value: signed(source)? }
        }
        number::RANDOM => {
            let result = narrow_signed(source, "the result of random")?;
            EventKind::Random { result, data: data(source, "the content of random")? }
        }
        number::INSTRUCTION => EventKind::Instruction { count: source.number()? },
        number::SHUTDOWN => {
            let (cause, _) = listed(&ShutdownCause::NAMES, source, "the cause of a shutdown")?;
            EventKind::Shutdown { cause }
        }
        number::INTERRUPT => EventKind::Interrupt,
        number::EXCEPTION => EventKind::Exception,
        number::CHAR_WRITE => {
            let result = narrow_signed(source, "the result of char_write")?;
            EventKind::CharWrite { result, offset: narrow_signed(source, "an offset")? }
        }
        number::CHAR_READ_ALL => {
            EventKind::CharReadAll { data: data(source, "the content of char_read_all")? }
        }
        number::CHAR_READ_ALL_ERROR => EventKind::CharReadAllError {
            error: narrow_signed(source, "an error of char_read_all")?,
        },
        number::AUDIO_OUT => EventKind::AudioOut { played: source.number()? },
        number::AUDIO_IN => EventKind::AudioIn(audio(source)?),
        number::BLOCK_ID => EventKind::BlockId { id: RequestId(source.number()?) },
        _ => return Ok(None),
    }))
}

fn input(source: &mut Source<'_>) -> Result<Input, DecodeError> {
    let kind = source.byte()?;
    Ok(match kind {
        0 => {
            let named = source.byte()?;
            let key = match named {
                0 => Key::Number(source.number()?),
                1 => Key::Qcode(narrow(source, "a key")?),
                2 => Key::Linux(narrow(source, "a key")?),
                _ => return Err(unknown(source, "the way in which a key is named", named)),
            };
            Input::Key { key, down: bit(source, "whether a key is down")? }
        }
        1 => {
            let button = narrow(source, "a button")?;
            Input::Button { button, down: bit(source, "whether a button is down")? }
        }
        2 => Input::Relative { axis: narrow(source, "an axis")?, value: signed(source)? },
        3 => Input::Absolute { axis: narrow(source, "an axis")?, value: signed(source)? },
        4 => Input::MultiTouch {
            phase: narrow(source, "the phase of a touch")?,
            slot: signed(source)?,
            tracking_id: signed(source)?,
            axis: narrow(source, "an axis")?,
            value: signed(source)?,
        },
        _ => return Err(unknown(source, "the kind of an input", kind)),
    })
}

fn audio(source: &mut Source<'_>) -> Result<AudioIn, DecodeError> {
    let recorded = source.number()?;
    let has_position = bit(source, "whether the place of audio_in is there")?;
    let position = if has_position { Some(source.number()?) } else { None };
    let count = source.number()?;
    if count > Samples::MAX as u64 {
        return Err(unknown(source, "the number of samples", count));
    }
    let mut samples = Vec::new();
    for _ in 0..count {
        samples.push(Sample { left: signed(source)?, right: signed(source)? });
    }
    let samples = Samples::new(samples).expect("they were counted");
    Ok(AudioIn { recorded, position, samples })
}

/// Takes the number of an entry of a table.
fn listed<T: Copy>(
    table: &[T],
    source: &mut Source<'_>,
    what: &'static str,
) -> Result<T, DecodeError> {
    let number = source.byte()?;
    table.get(usize::from(number)).copied().ok_or_else(|| unknown(source, what, number))
}

fn bit(source: &mut Source<'_>, what: &'static str) -> Result<bool, DecodeError> {
    match source.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(unknown(source, what, other)),
    }
}

fn signed(source: &mut Source<'_>) -> Result<i64, DecodeError> {
    Ok(source.difference(0)?.cast_signed())
}

fn narrow_signed(source: &mut Source<'_>, what: &'static str) -> Result<i32, DecodeError> {
    let found = signed(source)?;
    i32::try_from(found).map_err(|_| unknown(source, what, found.cast_unsigned()))
}

/// Takes bytes with their number before them.
fn data(source: &mut Source<'_>, what: &'static str) -> Result<EventData, DecodeError> {
    let length = source.number()?;
    if length > EVENT_BYTES_MAX as u64 {
        let (at, bytes_max) = (source.at(), EVENT_BYTES_MAX);
        return Err(DecodeError::Long { at, what, found: length, bytes_max });
    }
    let data = EventData::new(Bytes::copy_from_slice(source.slice(length)?));
    Ok(data.expect("the length was checked"))
}
