//! Where a replay is not the recording, with what a person needs to act on it.
//!
//! It holds facts; sentences are made from them elsewhere. Invariant: a divergence says both what was recorded and
//! what came, as far as there is either.

use bytes::Bytes;

use super::monitor_divergence::MonitorDivergence;
use crate::event::Payload;
use crate::request::{ConnectionId, DeviceId, Errno, Request, RequestId};
use crate::units::Nanos;

/// A point where a replay is not the recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// What went differently.
    pub kind: DivergenceKind,
    /// Where the recording was.
    pub at: Place,
    /// The request of the recording.
    pub expected: Option<Asked>,
    /// The request that came. The image's answer, if that is what differs, belongs to it.
    pub came: Option<Asked>,
    /// The data that came, of a write or of a read; empty if there are none, or too many to keep.
    pub data: Bytes,
    /// The last requests that the recording had released, oldest first.
    pub recorded_before: Vec<Asked>,
    /// The last requests that had come, oldest first.
    pub came_before: Vec<Asked>,
}

/// A place in the recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Index of the event.
    pub event: u64,
    /// Which step, from 0.
    pub step: u64,
    /// Flushes of the device that had been released by then.
    pub epoch: u64,
    /// Its time in the recording.
    pub time: Nanos,
}

/// A request, as it was recorded or as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Its id in the recording; `None` if it is in none.
    pub id: Option<RequestId>,
    /// Its device.
    pub device: DeviceId,
    /// The connection it came over.
    pub connection: ConnectionId,
    /// What it asked.
    pub request: Request,
    /// Its data: what was written or, of a completed read, what was read.
    pub payload: Payload,
    /// How it ended, if it had.
    pub result: Option<Result<(), Errno>>,
}

/// In what a replay can differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DivergenceKind {
    /// A request came that the recording does not have, or has no more of.
    Unexpected {
        /// The recording was over.
        after_end: bool,
    },
    /// A request came that differs from one that is expected now.
    Changed {
        /// In what.
        fields: Vec<AskedField>,
    },
    /// A request of the recording did not come.
    Missing {
        /// How long it was waited for.
        waited: Nanos,
        /// Every client had gone.
        clients_gone: bool,
        /// How many more of the same step did not come.
        others: u64,
        /// The first of those that came and have no answer, at most [`DivergenceKind::UNANSWERED_MAX`]. A request that is one
        /// too many may have taken the place of an equal one, and is among them.
        unanswered: Vec<Asked>,
    },
    /// A request did not come while later ones did: the client's own threads ran in another order.
    Order {
        /// How long it was waited for.
        waited: Nanos,
        /// How many later ones had come, and waited.
        kept: u64,
        /// How many more of the same step did not come.
        others: u64,
        /// The first of those that came and have no answer, at most [`DivergenceKind::UNANSWERED_MAX`]. A request that is one
        /// too many may have taken the place of an equal one, and is among them.
        unanswered: Vec<Asked>,
    },
    /// A request came that is expected later than any that may come now.
    Window {
        /// How many requests ahead are looked at.
        window: usize,
    },
    /// A read returned other data.
    Data {
        /// What was recorded.
        recorded: Payload,
        /// What came.
        now: Payload,
    },
    /// It worked when it was recorded, and fails now.
    Result {
        /// What the image, or the front, says now.
        now: Errno,
    },
    /// A virtual machine monitor does not do what it did.
    Monitor(Box<MonitorDivergence>),
    /// COMMAND ended otherwise.
    ClientStatus {
        /// Its recorded exit status.
        recorded: u8,
        /// Its exit status now.
        now: u8,
    },
}

impl DivergenceKind {
    /// How many requests without an answer are told of.
    pub const UNANSWERED_MAX: usize = 64;

    /// The printed name.
    pub fn name(&self) -> &'static str {
        match self {
            DivergenceKind::Unexpected { .. } => "unexpected",
            DivergenceKind::Changed { .. } => "changed",
            DivergenceKind::Missing { .. } => "missing",
            DivergenceKind::Order { .. } => "order",
            DivergenceKind::Window { .. } => "window",
            DivergenceKind::Data { .. } => "data",
            DivergenceKind::Result { .. } => "result",
            DivergenceKind::Monitor(monitor) => monitor.mismatch.name(),
            DivergenceKind::ClientStatus { .. } => "client status",
        }
    }
}

/// What of a request can differ from another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskedField {
    /// The device.
    Device,
    /// What to do.
    Operation,
    /// Where.
    Offset,
    /// How much.
    Length,
    /// How.
    Flags,
    /// The data of a write.
    Data,
}

impl AskedField {
    /// All fields with their printed names.
    pub const NAMES: [(AskedField, &'static str); 6] = [
        (AskedField::Device, "device"),
        (AskedField::Operation, "operation"),
        (AskedField::Offset, "offset"),
        (AskedField::Length, "length"),
        (AskedField::Flags, "flags"),
        (AskedField::Data, "data"),
    ];

    /// The printed name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

impl Asked {
    /// In what two requests differ.
    pub fn differing(&self, other: &Asked) -> Vec<AskedField> {
        let (one, two) = (&self.request, &other.request);
        let data = self.payload.differs(&other.payload);
        [
            (AskedField::Device, self.device != other.device),
            (AskedField::Operation, one.operation != two.operation),
            (AskedField::Offset, one.range.offset != two.range.offset),
            (AskedField::Length, one.range.length != two.range.length),
            (AskedField::Flags, one.flags != two.flags),
            // Of two lengths the data differ anyway.
            (AskedField::Data, data && one.range.length == two.range.length),
        ]
        .into_iter()
        .filter_map(|(field, differs)| differs.then_some(field))
        .collect()
    }
}

/// How much two payloads of one length differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DifferentBytes {
    /// Place of the first byte that differs, from the start of the request.
    pub first: u64,
    /// How many differ.
    pub count: u64,
    /// Length of both, in bytes.
    pub of: u64,
    /// The recorded bytes from the first that differs on, as many as are shown.
    pub recorded: Shown,
    /// The same of what came.
    pub came: Shown,
}

/// A few bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    bytes: [u8; Shown::BYTES],
    count: usize,
}

impl Shown {
    /// How many are shown, at most.
    pub const BYTES: usize = 16;

    fn of(data: &[u8]) -> Shown {
        let count = data.len().min(Shown::BYTES);
        let mut bytes = [0; Shown::BYTES];
        bytes[..count].copy_from_slice(&data[..count]);
        Shown { bytes, count }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.count]
    }
}

impl DifferentBytes {
    /// Compares two payloads; `None` if they are equal.
    pub fn between(recorded: &[u8], came: &[u8]) -> Option<DifferentBytes> {
        let mut differ = recorded.iter().zip(came).enumerate().filter(|(_, (one, two))| one != two);
        let (first, _) = differ.next()?;
        Some(DifferentBytes {
            first: first as u64,
            count: 1 + differ.count() as u64,
            of: recorded.len() as u64,
            recorded: Shown::of(&recorded[first..]),
            came: Shown::of(&came[first..]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Flags, Operation};
    use crate::units::ByteRange;

    #[test]
    fn different_bytes_are_counted_from_the_first() {
        assert_eq!(DifferentBytes::between(b"disk", b"disk"), None);
        let differ = DifferentBytes::between(b"disk", b"dosh").unwrap();
        assert_eq!((differ.first, differ.count, differ.of), (1, 2, 4));
        assert_eq!(differ.recorded.bytes(), b"isk");
        assert_eq!(differ.came.bytes(), b"osh");
    }

    #[test]
    fn fields_stand_in_their_table_at_their_number() {
        for (number, (field, name)) in AskedField::NAMES.into_iter().enumerate() {
            assert_eq!(field as usize, number);
            assert_eq!(field.name(), name);
        }
    }

    #[test]
    fn a_moved_write_differs_in_its_offset_and_nothing_else() {
        let asked = |offset, data: &[u8]| Asked {
            id: None,
            device: DeviceId(0),
            connection: ConnectionId(0),
            request: Request {
                operation: Operation::Write,
                range: ByteRange::new(offset, 4),
                flags: Flags::NONE,
            },
            payload: Payload::of(data),
            result: None,
        };
        assert_eq!(asked(0, b"data").differing(&asked(512, b"data")), [AskedField::Offset]);
        assert_eq!(asked(0, b"data").differing(&asked(0, b"dada")), [AskedField::Data]);
        assert_eq!(asked(0, b"data").differing(&asked(0, b"data")), []);
    }
}
