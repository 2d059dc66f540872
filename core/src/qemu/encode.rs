//! Events to bytes of a QEMU log, in any layout. Events come in, bytes go out.
//!
//! The inverse of `decode`, with the same sources. Invariant: what is written decodes as the same event in the same
//! layout; what the layout has no place for is refused and nothing of it is written.

use super::codes::Codes;
use super::kind::LogKind;
use super::layout::{Audio, Keys, Layout, Nesting};
use crate::event::{AudioIn, Checkpoint, EventKind, Input, Key, ShutdownCause};

/// How long the header of a log is, in bytes: the version and a hole (QEMU: `HEADER_SIZE`).
pub const HEADER_BYTES: usize = 12;

/// Why an event cannot be written.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum EncodeError {
    /// The layout has no such event.
    #[error("layout {layout} has no place for {what}")]
    Absent {
        /// What there is no place for.
        what: &'static str,
        /// The layout's label.
        layout: &'static str,
    },
    /// A number is too large.
    #[error("{what} {found} does not fit into {bits} bits")]
    Wide {
        /// What it counts.
        what: &'static str,
        /// How much it is.
        found: u64,
        /// How many bits there are.
        bits: u32,
    },
    /// The layout says at which checkpoint an asynchronous event was written, and this one does not.
    #[error(
        "layout {layout} says the checkpoint of each asynchronous event, and this one has none"
    )]
    NoCheckpoint {
        /// The layout's label.
        layout: &'static str,
    },
    /// Sound whose samples are not as many as were recorded.
    #[error("{found} samples of {recorded} that were recorded")]
    Samples {
        /// How many there are.
        found: usize,
        /// How many there should be.
        recorded: u64,
    },
}

/// Writes events in one layout.
#[derive(Debug, Clone)]
pub struct Encoder {
    codes: Codes,
}

impl Encoder {
    /// Writes in `layout`.
    pub fn new(layout: &'static Layout) -> Encoder {
        Encoder { codes: Codes::of(layout) }
    }

    /// The layout that is written.
    pub fn layout(&self) -> &'static Layout {
        self.codes.layout
    }

    /// The header of a log that is finished; of one that is not, all is 0 (QEMU: `replay_finish`).
    pub fn header(&self) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        header[..4].copy_from_slice(&self.codes.layout.version.to_be_bytes());
        header
    }

    /// Appends an event; `checkpoint` is where an asynchronous one was written, for layouts that say it.
    pub fn put(
        &self,
        kind: &EventKind,
        checkpoint: Option<Checkpoint>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let start = out.len();
        let put = self.put_head(kind, checkpoint, out).and_then(|()| self.put_payload(kind, out));
        if put.is_err() {
            out.truncate(start);
        }
        put
    }

    fn put_head(
        &self,
        kind: &EventKind,
        checkpoint: Option<Checkpoint>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let layout = self.codes.layout.label;
        let absent = |what| EncodeError::Absent { what, layout };
        let own = self.kind_of(kind).ok_or_else(|| absent(kind.name()))?;
        if !(own.is_async() && self.codes.nests()) {
            out.push(self.codes.code(own).ok_or_else(|| absent(own.name()))?);
            return Ok(());
        }
        let code = self.codes.async_code(own).ok_or_else(|| absent(own.name()))?;
        out.extend(self.codes.code(LogKind::Async));
        if self.codes.layout.nesting == Nesting::Checkpoint {
            let checkpoint = checkpoint.ok_or(EncodeError::NoCheckpoint { layout })?;
            let number = self.codes.checkpoint_number(checkpoint);
            out.push(number.ok_or_else(|| absent(checkpoint.name()))?);
        }
        out.push(code);
        Ok(())
    }

    /// What QEMU calls an event in this layout; `None` if it knows no such thing.
    fn kind_of(&self, kind: &EventKind) -> Option<LogKind> {
        Some(match kind {
            EventKind::Instruction { .. } => LogKind::Instruction,
            EventKind::Interrupt => LogKind::Interrupt,
            EventKind::Exception => LogKind::Exception,
            EventKind::Bh { .. } => LogKind::Bh,
            EventKind::BhOneshot { .. } => LogKind::BhOneshot,
            EventKind::Input(_) => LogKind::Input,
            EventKind::InputSync => LogKind::InputSync,
            EventKind::CharRead { .. } => LogKind::CharRead,
            EventKind::BlockId { .. } => LogKind::Block,
            EventKind::Net { .. } => LogKind::Net,
            EventKind::Shutdown { cause: ShutdownCause::None } => {
                self.known(LogKind::ShutdownUnsaid, LogKind::Shutdown(ShutdownCause::None))
            }
            EventKind::Shutdown { cause } => LogKind::Shutdown(*cause),
            EventKind::CharWrite { .. } => LogKind::CharWrite,
            EventKind::CharReadAll { .. } => LogKind::CharReadAll,
            EventKind::CharReadAllError { .. } => LogKind::CharReadAllError,
            EventKind::AudioOut { .. } => LogKind::AudioOut,
            EventKind::AudioIn(_) => LogKind::AudioIn,
            EventKind::Random { .. } => LogKind::Random,
            EventKind::Clock { clock, .. } => LogKind::Clock(*clock),
            EventKind::Checkpoint(Checkpoint::ClockWarpStart) => {
                self.known(LogKind::ClockWarp, LogKind::Checkpoint(Checkpoint::ClockWarpStart))
            }
            EventKind::Checkpoint(checkpoint) => LogKind::Checkpoint(*checkpoint),
            EventKind::End { .. } => LogKind::End,
            _ => return None,
        })
    }

    /// `old` where the layout has it, else `new`.
    fn known(&self, old: LogKind, new: LogKind) -> LogKind {
        if self.codes.code(old).is_some() { old } else { new }
    }

    fn put_payload(&self, kind: &EventKind, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match kind {
            EventKind::Instruction { count } => put_u32("a number of instructions", *count, out)?,
            EventKind::Bh { id } | EventKind::BhOneshot { id } => out.extend(id.to_be_bytes()),
            EventKind::BlockId { id } => out.extend(id.0.to_be_bytes()),
            EventKind::Input(input) => self.put_input(input, out)?,
            EventKind::CharRead { device, data } => {
                out.push(*device);
                put_array(data, out);
            }
            EventKind::Net { filter, flags, frame } => {
                out.push(*filter);
                out.extend(flags.to_be_bytes());
                put_array(frame, out);
            }
            EventKind::CharWrite { result, offset } => {
                out.extend(result.to_be_bytes());
                out.extend(offset.to_be_bytes());
            }
            EventKind::CharReadAll { data } => put_array(data, out),
            EventKind::CharReadAllError { error } => out.extend(error.to_be_bytes()),
            EventKind::AudioOut { played } => self.put_amount(*played, out)?,
            EventKind::AudioIn(audio) => self.put_sound(audio, out)?,
            EventKind::Random { result, data } => {
                out.extend(result.to_be_bytes());
                put_array(data, out);
            }
            EventKind::Clock { value, .. } => out.extend(value.to_be_bytes()),
            _ => {}
        }
        Ok(())
    }

    fn put_input(&self, input: &Input, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.extend(u32::from(input.number()).to_be_bytes());
        match input {
            Input::Key { key, down } => {
                self.put_key(*key, out)?;
                out.push(u8::from(*down));
            }
            Input::Button { button, down } => {
                out.extend(button.to_be_bytes());
                out.push(u8::from(*down));
            }
            Input::Relative { axis, value } | Input::Absolute { axis, value } => {
                out.extend(axis.to_be_bytes());
                out.extend(value.to_be_bytes());
            }
            Input::MultiTouch { phase, slot, tracking_id, axis, value } => {
                out.extend(phase.to_be_bytes());
                out.extend(slot.to_be_bytes());
                out.extend(tracking_id.to_be_bytes());
                out.extend(axis.to_be_bytes());
                out.extend(value.to_be_bytes());
            }
        }
        Ok(())
    }

    fn put_key(&self, key: Key, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match (key, self.codes.layout.keys) {
            (Key::Number(number), Keys::Qcode) => {
                out.extend(0u32.to_be_bytes());
                out.extend(number.to_be_bytes());
            }
            (Key::Qcode(code), Keys::Qcode) => {
                out.extend(1u32.to_be_bytes());
                out.extend(code.to_be_bytes());
            }
            (Key::Linux(code), Keys::Linux) => out.extend(code.to_be_bytes()),
            (Key::Number(_) | Key::Qcode(_), Keys::Linux) | (Key::Linux(_), Keys::Qcode) => {
                let layout = self.codes.layout.label;
                return Err(EncodeError::Absent { what: "a key that is named this way", layout });
            }
        }
        Ok(())
    }

    fn put_amount(&self, amount: u64, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self.codes.layout.audio {
            Audio::Narrow => put_u32("a number of samples", amount, out)?,
            Audio::Wide | Audio::Unplaced => out.extend(amount.to_be_bytes()),
        }
        Ok(())
    }

    fn put_sound(&self, audio: &AudioIn, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let AudioIn { recorded, position, samples } = audio;
        let layout = self.codes.layout.label;
        if samples.len() as u64 != *recorded {
            return Err(EncodeError::Samples { found: samples.len(), recorded: *recorded });
        }
        self.put_amount(*recorded, out)?;
        match (position, self.codes.layout.audio) {
            (Some(position), Audio::Narrow | Audio::Wide) => self.put_amount(*position, out)?,
            (None, Audio::Unplaced) => {}
            (Some(_), Audio::Unplaced) => {
                return Err(EncodeError::Absent { what: "the place of sound in its ring", layout });
            }
            (None, Audio::Narrow | Audio::Wide) => {
                let what = "sound without a place in its ring";
                return Err(EncodeError::Absent { what, layout });
            }
        }
        for sample in &**samples {
            out.extend(sample.left.to_be_bytes());
            out.extend(sample.right.to_be_bytes());
        }
        Ok(())
    }
}

fn put_u32(what: &'static str, found: u64, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let narrow = u32::try_from(found).map_err(|_| EncodeError::Wide { what, found, bits: 32 })?;
    out.extend(narrow.to_be_bytes());
    Ok(())
}

/// Appends a length and bytes (QEMU: `replay_put_array`). An event's data are at most `EVENT_BYTES_MAX`.
fn put_array(data: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    out.extend(length.to_be_bytes());
    out.extend(data);
}
