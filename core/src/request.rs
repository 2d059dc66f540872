//! What a client can ask of a block device, and how it is answered: the vocabulary of the whole project.
//!
//! No events, no files, no protocol here. A request is named by its [`RequestId`], which is neither the
//! NBD cookie (chosen by the client, may repeat) nor an event's index in the trace.

use std::fmt;
use std::str::FromStr;

use crate::units::ByteRange;

/// Names a request from its issue to its completion. From one counter per recording, from 0, shared by all
/// devices, so that ids never overlap (QEMU: `replay_state.block_request_id`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RequestId(pub u64);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// A device of the recording, numbered from 0 in the order of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub u16);

/// A connection of a client, numbered from 0 in the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u32);

/// The seven things a client can ask. The discriminant is the number used in the trace file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Operation {
    /// Read a range.
    Read = 0,
    /// Write a range with data of the client's.
    Write = 1,
    /// Make a range read as zeroes (NBD, QEMU: write zeroes).
    WriteZeroes = 2,
    /// Say that a range is unused (NBD TRIM). Here it reads as zeroes afterwards.
    Discard = 3,
    /// Make all writes completed so far durable.
    Flush = 4,
    /// Ask which parts of a range are allocated and which read as zeroes.
    BlockStatus = 5,
    /// Ask that a range be brought into a cache.
    Cache = 6,
}

impl Operation {
    /// All operations with their printed names, in the order of their numbers. Both directions of every
    /// conversion go through this table.
    pub const NAMES: [(Operation, &'static str); 7] = [
        (Operation::Read, "read"),
        (Operation::Write, "write"),
        (Operation::WriteZeroes, "write_zeroes"),
        (Operation::Discard, "discard"),
        (Operation::Flush, "flush"),
        (Operation::BlockStatus, "block_status"),
        (Operation::Cache, "cache"),
    ];

    /// The operation with this number in the trace file.
    pub fn from_number(number: u8) -> Option<Operation> {
        Self::NAMES.get(usize::from(number)).map(|(operation, _)| *operation)
    }

    /// The printed name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }

    /// Whether the operation changes what a later read returns.
    pub fn modifies(self) -> bool {
        matches!(self, Operation::Write | Operation::WriteZeroes | Operation::Discard)
    }

    /// Whether two requests can conflict at all: block status and cache conflict with nothing, and a
    /// flush has no range.
    pub fn touches_data(self) -> bool {
        self.modifies() || self == Operation::Read
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A set of request flags. Bits as in the trace file; not those of NBD.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Flags(u8);

impl Flags {
    /// No flag.
    pub const NONE: Flags = Flags(0);
    /// The data must be durable before the reply (force unit access).
    pub const FUA: Flags = Flags(1);
    /// Write zeroes must not unmap the range.
    pub const NO_HOLE: Flags = Flags(2);
    /// Write zeroes must fail rather than be as slow as a write.
    pub const FAST_ZERO: Flags = Flags(4);
    /// Block status wants exactly one extent.
    pub const REQ_ONE: Flags = Flags(8);

    /// All flags with their printed names, in the order of their bits.
    pub const NAMES: [(Flags, &'static str); 4] = [
        (Flags::FUA, "fua"),
        (Flags::NO_HOLE, "no_hole"),
        (Flags::FAST_ZERO, "fast_zero"),
        (Flags::REQ_ONE, "req_one"),
    ];

    /// The set with exactly these bits; `None` if one of them is unknown.
    pub fn from_bits(bits: u8) -> Option<Flags> {
        (bits < 16).then_some(Flags(bits))
    }

    /// The bits as in the trace file.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Whether every flag of `other` is in this set.
    pub fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// This set and `other` together.
    #[must_use]
    pub fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// The printed names of the flags in this set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(flag, _)| self.contains(*flag)).map(|(_, name)| name)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// What was asked of one device. The data of a write travels beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Request {
    /// What to do.
    pub operation: Operation,
    /// Where. Offset and length are 0 for a flush.
    pub range: ByteRange,
    /// How.
    pub flags: Flags,
}

impl Request {
    /// Bytes of data that travel with it or with its answer.
    pub fn data_bytes(&self) -> u64 {
        match self.operation {
            Operation::Read | Operation::Write => self.range.length,
            _ => 0,
        }
    }

    /// Whether the two may not be in flight together on one device whose blocks have `block` bytes: their
    /// ranges, widened to blocks, overlap, and one of them modifies.
    pub fn conflicts(&self, other: &Request, block: u64) -> bool {
        (self.operation.modifies() || other.operation.modifies())
            && self.operation.touches_data()
            && other.operation.touches_data()
            && self.range.widened(block).overlaps(other.range.widened(block))
    }
}

/// An error number, as Linux numbers them, whatever the system we run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Errno(pub u16);

impl Errno {
    /// Operation not permitted: a write to a read-only export.
    pub const EPERM: Errno = Errno(1);
    /// Input/output error.
    pub const EIO: Errno = Errno(5);
    /// Cannot allocate memory.
    pub const ENOMEM: Errno = Errno(12);
    /// Invalid argument: past the end, or an unknown flag.
    pub const EINVAL: Errno = Errno(22);
    /// No space left on device, or a write past its end.
    pub const ENOSPC: Errno = Errno(28);
    /// Value too large: an answer that does not fit its reply.
    pub const EOVERFLOW: Errno = Errno(75);
    /// Operation not supported: fast zeroes that would have to be written.
    pub const ENOTSUP: Errno = Errno(95);
    /// The server is shutting down.
    pub const ESHUTDOWN: Errno = Errno(108);

    /// Error numbers with their printed names. One that is missing prints as `errno-N`.
    pub const NAMES: [(Errno, &'static str); 22] = [
        (Errno::EPERM, "EPERM"),
        (Errno(2), "ENOENT"),
        (Errno(4), "EINTR"),
        (Errno::EIO, "EIO"),
        (Errno(6), "ENXIO"),
        (Errno(9), "EBADF"),
        (Errno(11), "EAGAIN"),
        (Errno::ENOMEM, "ENOMEM"),
        (Errno(13), "EACCES"),
        (Errno(16), "EBUSY"),
        (Errno(19), "ENODEV"),
        (Errno::EINVAL, "EINVAL"),
        (Errno(27), "EFBIG"),
        (Errno::ENOSPC, "ENOSPC"),
        (Errno(30), "EROFS"),
        (Errno(61), "ENODATA"),
        (Errno::EOVERFLOW, "EOVERFLOW"),
        (Errno::ENOTSUP, "ENOTSUP"),
        (Errno::ESHUTDOWN, "ESHUTDOWN"),
        (Errno(110), "ETIMEDOUT"),
        (Errno(116), "ESTALE"),
        (Errno(122), "EDQUOT"),
    ];
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMES.iter().find(|(errno, _)| errno == self) {
            Some((_, name)) => f.pad(name),
            None => f.pad(&format!("errno-{}", self.0)),
        }
    }
}

/// A text that names no error number.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not the name of an error such as EIO")]
pub struct UnknownErrno(String);

impl FromStr for Errno {
    type Err = UnknownErrno;

    fn from_str(text: &str) -> Result<Errno, UnknownErrno> {
        let named = Self::NAMES.iter().find(|(_, name)| *name == text).map(|(errno, _)| *errno);
        named
            .or_else(|| text.strip_prefix("errno-")?.parse().ok().map(Errno))
            .ok_or_else(|| UnknownErrno(text.to_owned()))
    }
}

/// The error of a system call, as a client is told it: an error without a number is an I/O error.
impl From<std::io::Error> for Errno {
    fn from(error: std::io::Error) -> Errno {
        let number = error.raw_os_error().and_then(|number| u16::try_from(number).ok());
        number.map_or(Errno::EIO, Errno)
    }
}

/// A run of bytes with one allocation state, in answer to block status (NBD `base:allocation`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Extent {
    /// How many bytes; never 0.
    pub length: u64,
    /// Nothing is allocated there.
    pub hole: bool,
    /// It reads as zeroes.
    pub zero: bool,
}

/// The xxh3-128 of the bytes of one payload. Equal digests say that data are very likely equal; they
/// never stand in for the data.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub u128);

impl Digest {
    /// The digest of `data`.
    pub fn of(data: &[u8]) -> Digest {
        Digest(twox_hash::XxHash3_128::oneshot(data))
    }
}

/// `xxh3:` and 32 hex digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("xxh3:{:032x}", self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no digest.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a digest: expected xxh3: and 32 hex digits")]
pub struct MalformedDigest(String);

impl FromStr for Digest {
    type Err = MalformedDigest;

    fn from_str(text: &str) -> Result<Digest, MalformedDigest> {
        text.strip_prefix("xxh3:")
            .filter(|hex| hex.len() == 32)
            .and_then(|hex| u128::from_str_radix(hex, 16).ok())
            .map(Digest)
            .ok_or_else(|| MalformedDigest(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_in_the_table_at_their_number() {
        for (number, (operation, _)) in Operation::NAMES.into_iter().enumerate() {
            assert_eq!(operation as usize, number);
            assert_eq!(Operation::from_number(u8::try_from(number).unwrap()), Some(operation));
        }
        assert_eq!(Operation::from_number(7), None);
    }

    #[test]
    fn error_names_read_back_and_unknown_numbers_survive() {
        for (errno, name) in Errno::NAMES {
            assert_eq!(errno.to_string(), name);
            assert_eq!(name.parse(), Ok(errno));
        }
        assert_eq!(Errno(999).to_string().parse(), Ok(Errno(999)));
        assert!("EFOO".parse::<Errno>().is_err());
    }

    #[test]
    fn digests_read_back() {
        let digest = Digest::of(b"flush");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert!("xxh3:12".parse::<Digest>().is_err());
    }

    #[test]
    fn flags_name_each_bit_once_and_refuse_the_rest() {
        let all = Flags::NAMES.into_iter().fold(Flags::NONE, |set, (flag, _)| set.with(flag));
        assert_eq!(all.bits(), 15);
        assert_eq!(all.names().count(), 4);
        assert_eq!(Flags::from_bits(16), None);
    }

    #[test]
    fn two_requests_conflict_when_blocks_overlap_and_one_modifies() {
        let request = |operation, offset, length| Request {
            operation,
            range: ByteRange::new(offset, length),
            flags: Flags::NONE,
        };
        let write = request(Operation::Write, 0, 512);
        assert!(write.conflicts(&request(Operation::Read, 511, 1), 1));
        assert!(!write.conflicts(&request(Operation::Read, 512, 1), 1));
        assert!(write.conflicts(&request(Operation::Read, 512, 1), 4096));
        assert!(!write.conflicts(&request(Operation::BlockStatus, 0, 512), 1));
        assert!(!write.conflicts(&request(Operation::Flush, 0, 0), 1));
        let read = request(Operation::Read, 0, 512);
        assert!(!read.conflicts(&read, 4096));
    }
}
