//! A request as it is compared: what of it is held against one of the other side, and a key that is equal where that is.
//!
//! Knows no traces. Invariant: two requests whose keys under one set of facts differ, differ in one of these facts; equal keys
//! say that the facts are equal, but for a collision of 128 bits.

use crate::event::Payload;
use crate::request::{DeviceId, Digest, Errno, Request, RequestId};
use crate::units::Nanos;

/// Something of a request that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Fact {
    /// The operation.
    Operation = 0,
    /// The first byte.
    Offset = 1,
    /// How many bytes.
    Length = 2,
    /// FUA, `NO_HOLE`, `FAST_ZERO`, `REQ_ONE`.
    Flags = 3,
    /// The data written or read.
    Payload = 4,
    /// How it ended.
    Result = 5,
}

impl Fact {
    /// All facts with their names, as the field of a filter has them.
    pub const NAMES: [(Fact, &'static str); 6] = [
        (Fact::Operation, "op"),
        (Fact::Offset, "off"),
        (Fact::Length, "len"),
        (Fact::Flags, "flags"),
        (Fact::Payload, "payload"),
        (Fact::Result, "result"),
    ];

    /// The name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

/// A set of facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts(u8);

impl Facts {
    /// No fact.
    pub const NONE: Facts = Facts(0);
    /// All of them.
    pub const ALL: Facts = Facts(63);

    /// Whether `fact` is in the set.
    pub fn has(self, fact: Fact) -> bool {
        self.0 & (1 << fact as u8) != 0
    }

    /// This set and `fact`.
    #[must_use]
    pub fn with(self, fact: Fact) -> Facts {
        Facts(self.0 | 1 << fact as u8)
    }

    /// This set without `fact`.
    #[must_use]
    pub fn without(self, fact: Fact) -> Facts {
        Facts(self.0 & !(1 << fact as u8))
    }

    /// Those of the set that are in `others` too.
    #[must_use]
    pub fn among(self, others: Facts) -> Facts {
        Facts(self.0 & others.0)
    }

    /// Those of the set, in the order of their table.
    pub fn iter(self) -> impl Iterator<Item = Fact> {
        Fact::NAMES.into_iter().map(|(fact, _)| fact).filter(move |fact| self.has(*fact))
    }
}

/// A request of one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compared {
    /// Its place among all requests of its side, from 0, in the order of issue. Of a text: of its lines.
    pub place: u64,
    /// Its name. Of a text, which has none: its line, from 1.
    pub id: RequestId,
    /// The device, by its number on the base side.
    pub device: DeviceId,
    /// Barriers of its device that had been released when it was issued.
    pub epoch: u64,
    /// It was in flight together with a barrier of its device, which does not cover it: it may belong to the epoch before or
    /// behind it.
    pub straddling: bool,
    /// When it arrived. 0 of a text.
    pub time: Nanos,
    /// What was asked.
    pub request: Request,
    /// The data; where bytes are masked, of what is left.
    pub payload: Payload,
    /// Bytes of the data were masked.
    pub masked: bool,
    /// How it ended; `None` if its side does not say.
    pub result: Option<Result<(), Errno>>,
}

/// Equal for two requests if all that is compared of them is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u128);

impl Compared {
    /// Its key by these facts, with its device.
    pub fn key(&self, facts: Facts) -> Key {
        let Request { operation, range, flags } = self.request;
        let mut bytes = [0; 41];
        let mut put = |at: usize, fact, value: &[u8]| {
            if facts.has(fact) {
                bytes[at..at + value.len()].copy_from_slice(value);
            }
        };
        put(0, Fact::Operation, &[operation as u8]);
        put(1, Fact::Offset, &range.offset.to_le_bytes());
        put(9, Fact::Length, &range.length.to_le_bytes());
        put(17, Fact::Flags, &[flags.bits()]);
        let (known, digest) = known(self.payload);
        put(18, Fact::Payload, &[known]);
        put(19, Fact::Payload, &digest.to_le_bytes());
        put(35, Fact::Result, &[u8::from(self.result.is_some())]);
        let errno = self.result.and_then(Result::err).unwrap_or(Errno(0));
        put(36, Fact::Result, &errno.0.to_le_bytes());
        bytes[39..].copy_from_slice(&self.device.0.to_le_bytes());
        Key(Digest::of(&bytes).0)
    }

    /// The facts in which the two differ.
    pub fn differing(&self, other: &Compared) -> Facts {
        let (one, two) = (&self.request, &other.request);
        let differ = [
            (Fact::Operation, one.operation != two.operation),
            (Fact::Offset, one.range.offset != two.range.offset),
            (Fact::Length, one.range.length != two.range.length),
            (Fact::Flags, one.flags != two.flags),
            (Fact::Payload, known(self.payload) != known(other.payload)),
            (Fact::Result, self.result != other.result),
        ];
        differ
            .into_iter()
            .filter(|(_, differ)| *differ)
            .fold(Facts::NONE, |facts, (fact, _)| facts.with(fact))
    }
}

/// What is known of data, whether they are stored or not.
fn known(payload: Payload) -> (u8, u128) {
    match payload {
        Payload::Absent => (0, 0),
        Payload::Zeroes => (1, 0),
        Payload::Digest(digest) | Payload::Stored(digest, _) => (2, digest.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::PayloadId;
    use crate::request::{Flags, Operation};
    use crate::units::ByteRange;

    fn write() -> Compared {
        Compared {
            place: 3,
            id: RequestId(3),
            device: DeviceId(0),
            epoch: 1,
            straddling: false,
            time: Nanos(9),
            request: Request {
                operation: Operation::Write,
                range: ByteRange::new(4096, 512),
                flags: Flags::NONE,
            },
            payload: Payload::Digest(Digest(7)),
            masked: false,
            result: Some(Ok(())),
        }
    }

    #[test]
    fn each_fact_changes_the_key_if_and_only_if_it_is_compared() {
        let one = write();
        let asked = |request| Compared { request, ..one };
        let others = [
            asked(Request { operation: Operation::Read, ..one.request }),
            asked(Request { range: ByteRange::new(0, 512), ..one.request }),
            asked(Request { range: ByteRange::new(4096, 1024), ..one.request }),
            asked(Request { flags: Flags::FUA, ..one.request }),
            Compared { payload: Payload::Zeroes, ..one },
            Compared { result: Some(Err(Errno::EIO)), ..one },
        ];
        for ((fact, name), other) in Fact::NAMES.into_iter().zip(others) {
            assert_ne!(one.key(Facts::ALL), other.key(Facts::ALL), "{name}");
            let rest = Facts::ALL.without(fact);
            assert_eq!(one.key(rest), other.key(rest), "{name}");
            assert_eq!(one.differing(&other), Facts::NONE.with(fact), "{name}");
            assert_eq!(fact.name(), name);
        }
    }

    #[test]
    fn a_request_is_the_same_whenever_and_by_whatever_name_it_comes_and_stored_or_not() {
        let one = write();
        let stored = Payload::Stored(Digest(7), PayloadId(2));
        let other = Compared { id: RequestId(9), time: Nanos(1), epoch: 4, payload: stored, ..one };
        assert_eq!(one.key(Facts::ALL), other.key(Facts::ALL));
        assert_eq!(one.differing(&other), Facts::NONE);
        let elsewhere = Compared { device: DeviceId(1), ..one };
        assert_ne!(one.key(Facts::NONE), elsewhere.key(Facts::NONE));
        let open = Compared { result: None, ..one };
        assert_ne!(one.key(Facts::ALL), open.key(Facts::ALL), "no answer is not a good one");
    }
}
