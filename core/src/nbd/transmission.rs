//! Requests: bytes of the client in, whole requests out, each already judged.
//!
//! No I/O, no disk. A request that the protocol forbids comes out with the error that answers it, so that it
//! is recorded too; only what cannot be understood ends the connection. Choices where proto.md leaves one:
//! a length of zero is EINVAL, so is a flush with a range; a read beyond `REQUEST_DATA_BYTES_MAX` is
//! EOVERFLOW (EINVAL without structured replies), such a write EINVAL and the end, its data unread.
//! Invariant: a request comes out when its last byte has come in, and what is cut off never does.

use bytes::Bytes;

use crate::device::Geometry;
use crate::limits::REQUEST_DATA_BYTES_MAX;
use crate::nbd::export::PAYLOAD_ADVERTISED_BYTES;
use crate::nbd::inbox::Inbox;
use crate::nbd::wire::{REQUEST_MAGIC, RequestHeader, command, command_flag};
use crate::request::{Errno, Flags, Operation, Request};
use crate::units::ByteRange;

/// What any request costs against a connection's allowance, in bytes: its reply's header, and our own notes.
pub(super) const REQUEST_COST_BYTES: u64 = 64;

/// Why a connection cannot go on.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TransmissionError {
    /// The client lost its place.
    #[error(
        "bad request magic {found:#010x}; expected {REQUEST_MAGIC:#010x} (a bug in the client)"
    )]
    RequestMagic {
        /// As sent; zeroes for what did not come.
        found: u32,
    },
    /// More data than are read into memory.
    #[error("a write claims {length} bytes of data; limit {REQUEST_DATA_BYTES_MAX}")]
    WriteTooLong {
        /// The client's tag.
        cookie: u64,
        /// As claimed.
        length: u32,
    },
}

/// What requests are judged by.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// Of the export.
    pub(super) geometry: Geometry,
    /// Reads are answered in chunks.
    pub(super) structured_replies: bool,
    /// Block status was negotiated.
    pub(super) block_status: bool,
}

/// What comes next from the client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A whole request.
    Request(Incoming),
    /// A command that we do not know; it is answered with EINVAL and is no request.
    Unknown {
        /// The client's tag.
        cookie: u64,
    },
    /// More input is needed, at least this many bytes.
    Starved {
        /// Never zero.
        missing: usize,
    },
    /// The next request costs more than is allowed now.
    Held,
    /// The client goes.
    Disconnect,
}

/// A whole request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Incoming {
    /// The client's tag.
    pub(super) cookie: u64,
    /// What is asked.
    pub(super) request: Request,
    /// The data of a write.
    pub(super) data: Bytes,
    /// The error to answer with, if it must not reach the disk.
    pub(super) refused: Option<Errno>,
    /// What it holds of the connection's allowance until it is answered, in bytes.
    pub(super) cost: u64,
}

impl Rules {
    /// Takes the next request off `inbox`, if it is there and costs at most `allowance`.
    pub(super) fn next(
        &self,
        inbox: &mut Inbox,
        allowance: u64,
    ) -> Result<Next, TransmissionError> {
        let unread = inbox.unread();
        let Some(bytes) = unread.first_chunk() else {
            check_magic(unread)?;
            return Ok(Next::Starved { missing: RequestHeader::BYTES - unread.len() });
        };
        let header = RequestHeader::read(bytes)
            .map_err(|found| TransmissionError::RequestMagic { found })?;
        let RequestHeader { cookie, length, .. } = header;
        let Some(operation) = operation(header.command) else {
            return Ok(match header.command {
                command::DISCONNECT => Next::Disconnect,
                // Its answer takes room too.
                _ if REQUEST_COST_BYTES > allowance => Next::Held,
                _ => {
                    inbox.skip(RequestHeader::BYTES);
                    Next::Unknown { cookie }
                }
            });
        };
        let payload = if operation == Operation::Write { length } else { 0 };
        if payload > REQUEST_DATA_BYTES_MAX {
            return Err(TransmissionError::WriteTooLong { cookie, length });
        }
        let refused = self.refusal(operation, &header);
        let answer = if operation == Operation::Read && refused.is_none() { length } else { 0 };
        let cost = REQUEST_COST_BYTES + u64::from(payload.max(answer));
        if cost > allowance {
            return Ok(Next::Held);
        }
        let whole = RequestHeader::BYTES + payload as usize;
        if unread.len() < whole {
            return Ok(Next::Starved { missing: whole - unread.len() });
        }
        inbox.skip(RequestHeader::BYTES);
        let data = inbox.take(payload as usize);
        let request = Request {
            operation,
            range: match operation {
                Operation::Flush => ByteRange::default(),
                _ => ByteRange::new(header.offset, u64::from(length)),
            },
            flags: flags(operation, header.flags),
        };
        Ok(Next::Request(Incoming { cookie, request, data, refused, cost }))
    }

    /// proto.md, "Error values": why this request must not reach the disk.
    fn refusal(&self, operation: Operation, header: &RequestHeader) -> Option<Errno> {
        if header.flags & !self.flags_allowed(operation) != 0 {
            return Some(Errno::EINVAL);
        }
        if self.geometry.read_only && operation.modifies() {
            return Some(Errno::EPERM);
        }
        let offered = match operation {
            Operation::Flush => {
                return (header.offset, header.length).ne(&(0, 0)).then_some(Errno::EINVAL);
            }
            Operation::Discard => self.geometry.discard,
            Operation::BlockStatus => self.block_status,
            _ => true,
        };
        if !offered || header.length == 0 {
            return Some(Errno::EINVAL);
        }
        self.refusal_by_range(operation, header)
    }

    fn refusal_by_range(&self, operation: Operation, header: &RequestHeader) -> Option<Errno> {
        let range = ByteRange::new(header.offset, u64::from(header.length));
        if !range.fits(self.geometry.size) {
            return Some(match operation {
                Operation::Write | Operation::WriteZeroes => Errno::ENOSPC,
                _ => Errno::EINVAL,
            });
        }
        let aligned = |place: u64| place.is_multiple_of(u64::from(self.geometry.block_min));
        if !aligned(range.offset) || !(aligned(range.end()) || range.end() == self.geometry.size) {
            return Some(Errno::EINVAL);
        }
        let whole = header.flags & command_flag::DF != 0;
        let longest = if whole { PAYLOAD_ADVERTISED_BYTES } else { REQUEST_DATA_BYTES_MAX };
        if operation == Operation::Read && header.length > longest {
            return Some(if self.structured_replies { Errno::EOVERFLOW } else { Errno::EINVAL });
        }
        None
    }

    /// proto.md, "Command flags".
    fn flags_allowed(&self, operation: Operation) -> u16 {
        command_flag::FUA
            | match operation {
                Operation::Read if self.structured_replies => command_flag::DF,
                Operation::WriteZeroes => command_flag::NO_HOLE | command_flag::FAST_ZERO,
                Operation::BlockStatus => command_flag::REQ_ONE,
                _ => 0,
            }
    }
}

/// Refuses what cannot become a request, as early as its first byte: who sends garbage may not send more.
fn check_magic(unread: &[u8]) -> Result<(), TransmissionError> {
    let seen = &unread[..unread.len().min(4)];
    if REQUEST_MAGIC.to_be_bytes().starts_with(seen) {
        return Ok(());
    }
    let mut found = [0; 4];
    found[..seen.len()].copy_from_slice(seen);
    Err(TransmissionError::RequestMagic { found: u32::from_be_bytes(found) })
}

fn operation(command: u16) -> Option<Operation> {
    Some(match command {
        command::READ => Operation::Read,
        command::WRITE => Operation::Write,
        command::FLUSH => Operation::Flush,
        command::TRIM => Operation::Discard,
        command::CACHE => Operation::Cache,
        command::WRITE_ZEROES => Operation::WriteZeroes,
        command::BLOCK_STATUS => Operation::BlockStatus,
        _ => return None,
    })
}

/// The flags that mean something for the operation. FUA is valid everywhere and matters where data change.
fn flags(operation: Operation, wire: u16) -> Flags {
    let meaning = [
        (command_flag::FUA, Flags::FUA, operation.modifies()),
        (command_flag::NO_HOLE, Flags::NO_HOLE, operation == Operation::WriteZeroes),
        (command_flag::FAST_ZERO, Flags::FAST_ZERO, operation == Operation::WriteZeroes),
        (command_flag::REQ_ONE, Flags::REQ_ONE, operation == Operation::BlockStatus),
    ];
    meaning.into_iter().fold(Flags::NONE, |set, (bit, flag, applies)| {
        if applies && wire & bit != 0 { set.with(flag) } else { set }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIZE: u64 = 1 << 32;

    fn rules() -> Rules {
        let geometry = Geometry {
            size: SIZE,
            block_min: 1,
            block_preferred: 4096,
            read_only: false,
            discard: true,
        };
        Rules { geometry, structured_replies: true, block_status: true }
    }

    fn with(change: impl FnOnce(&mut Rules)) -> Rules {
        let mut rules = rules();
        change(&mut rules);
        rules
    }

    fn header(command: u16, flags: u16, offset: u64, length: u32) -> RequestHeader {
        RequestHeader { flags, command, cookie: 7, offset, length }
    }

    fn inbox(bytes: &[u8]) -> Inbox {
        let mut inbox = Inbox::default();
        inbox.room(bytes.len()).extend_from_slice(bytes);
        inbox
    }

    /// The request behind `header`, with as much data as a write of at most 4 KiB claims.
    fn whole(rules: &Rules, header: RequestHeader) -> Incoming {
        let mut bytes = Vec::new();
        header.write(&mut bytes);
        if header.command == command::WRITE {
            bytes.resize(bytes.len() + header.length as usize, 5);
        }
        let mut inbox = inbox(&bytes);
        match rules.next(&mut inbox, u64::MAX) {
            Ok(Next::Request(incoming)) => {
                assert_eq!(inbox.unread(), b"");
                incoming
            }
            other => panic!("{other:?}"),
        }
    }

    fn refused(rules: &Rules, command: u16, flags: u16, offset: u64, length: u32) -> Option<Errno> {
        whole(rules, header(command, flags, offset, length)).refused
    }

    #[test]
    fn a_write_comes_out_with_its_data_when_its_last_byte_is_in() {
        let mut bytes = b"\x25\x60\x95\x13\0\x01\0\x01\0\0\0\0\0\0\0\x09".to_vec();
        bytes.extend(b"\0\0\0\0\0\0\x10\0\0\0\0\x04data");
        for end in 0..bytes.len() {
            let missing = if end < 28 { 28 - end } else { bytes.len() - end };
            let next = rules().next(&mut inbox(&bytes[..end]), u64::MAX);
            assert_eq!(next, Ok(Next::Starved { missing }), "cut at byte {end}");
        }
        let expected = Incoming {
            cookie: 9,
            request: Request {
                operation: Operation::Write,
                range: ByteRange::new(4096, 4),
                flags: Flags::FUA,
            },
            data: Bytes::from_static(b"data"),
            refused: None,
            cost: REQUEST_COST_BYTES + 4,
        };
        let next = rules().next(&mut inbox(&bytes), u64::MAX);
        assert_eq!(next, Ok(Next::Request(expected)));
    }

    #[test]
    fn every_command_is_the_operation_of_its_name_and_keeps_the_flags_that_matter() {
        let all = [Flags::FUA, Flags::NO_HOLE, Flags::FAST_ZERO, Flags::REQ_ONE];
        let [fua, no_hole, fast_zero, req_one] = all;
        let zeroes = command_flag::FUA | command_flag::NO_HOLE | command_flag::FAST_ZERO;
        let status = command_flag::FUA | command_flag::REQ_ONE;
        for (command, wire, operation, flags) in [
            (command::READ, 1, Operation::Read, Flags::NONE),
            (command::READ, command_flag::DF, Operation::Read, Flags::NONE),
            (command::WRITE, 1, Operation::Write, fua),
            (command::TRIM, 1, Operation::Discard, fua),
            (command::CACHE, 1, Operation::Cache, Flags::NONE),
            (
                command::WRITE_ZEROES,
                zeroes,
                Operation::WriteZeroes,
                fua.with(no_hole).with(fast_zero),
            ),
            (command::BLOCK_STATUS, status, Operation::BlockStatus, req_one),
        ] {
            let incoming = whole(&rules(), header(command, wire, 512, 512));
            assert_eq!(incoming.refused, None, "{operation}");
            let range = ByteRange::new(512, 512);
            assert_eq!(incoming.request, Request { operation, range, flags });
        }
        let flush = whole(&rules(), header(command::FLUSH, 1, 0, 0));
        assert_eq!((flush.request.operation, flush.refused), (Operation::Flush, None));
    }

    #[test]
    fn what_reaches_past_the_end_is_refused_as_the_protocol_says() {
        for (command, errno) in [
            (command::READ, Errno::EINVAL),
            (command::TRIM, Errno::EINVAL),
            (command::CACHE, Errno::EINVAL),
            (command::BLOCK_STATUS, Errno::EINVAL),
            (command::WRITE, Errno::ENOSPC),
            (command::WRITE_ZEROES, Errno::ENOSPC),
        ] {
            for (offset, length) in [(SIZE - 1, 2), (SIZE, 1), (u64::MAX, 4096)] {
                let found = refused(&rules(), command, 0, offset, length);
                assert_eq!(found, Some(errno), "command {command} at {offset}");
            }
            assert_eq!(refused(&rules(), command, 0, SIZE - 1, 1), None);
        }
    }

    #[test]
    fn a_read_only_export_refuses_what_modifies_with_its_data_taken() {
        let rules = with(|rules| rules.geometry.read_only = true);
        for command in [command::WRITE, command::TRIM, command::WRITE_ZEROES] {
            assert_eq!(refused(&rules, command, 0, 0, 512), Some(Errno::EPERM));
        }
        assert_eq!(refused(&rules, command::READ, 0, 0, 512), None);
        assert_eq!(refused(&rules, command::FLUSH, 0, 0, 0), None);
    }

    #[test]
    fn flags_that_do_not_belong_to_the_command_are_refused() {
        let commands = [
            (command::READ, command_flag::DF),
            (command::WRITE, 0),
            (command::TRIM, 0),
            (command::CACHE, 0),
            (command::WRITE_ZEROES, command_flag::NO_HOLE | command_flag::FAST_ZERO),
            (command::BLOCK_STATUS, command_flag::REQ_ONE),
        ];
        for (command, own) in commands {
            for bit in 1..16 {
                let flag = 1 << bit;
                let expected = (own & flag == 0).then_some(Errno::EINVAL);
                assert_eq!(refused(&rules(), command, flag, 0, 512), expected, "{command} {bit}");
            }
        }
        let simple = with(|rules| rules.structured_replies = false);
        let found = refused(&simple, command::READ, command_flag::DF, 0, 512);
        assert_eq!(found, Some(Errno::EINVAL));
    }

    #[test]
    fn a_length_of_zero_is_refused_and_the_connection_goes_on() {
        for command in [
            command::READ,
            command::WRITE,
            command::TRIM,
            command::CACHE,
            command::WRITE_ZEROES,
            command::BLOCK_STATUS,
        ] {
            assert_eq!(refused(&rules(), command, 0, 0, 0), Some(Errno::EINVAL));
        }
    }

    #[test]
    fn a_flush_with_a_range_is_refused_and_recorded_without_it() {
        for (offset, length) in [(1, 0), (0, 1)] {
            let flush = whole(&rules(), header(command::FLUSH, 0, offset, length));
            assert_eq!(flush.refused, Some(Errno::EINVAL));
            assert_eq!(flush.request.range, ByteRange::default());
        }
    }

    #[test]
    fn what_was_not_offered_is_refused() {
        let no_trim = with(|rules| rules.geometry.discard = false);
        assert_eq!(refused(&no_trim, command::TRIM, 0, 0, 512), Some(Errno::EINVAL));
        let no_status = with(|rules| rules.block_status = false);
        assert_eq!(refused(&no_status, command::BLOCK_STATUS, 0, 0, 512), Some(Errno::EINVAL));
    }

    #[test]
    fn requests_off_the_advertised_block_are_refused_but_for_the_last_bytes() {
        let rules = with(|rules| {
            rules.geometry.block_min = 512;
            rules.geometry.size = 1000;
        });
        assert_eq!(refused(&rules, command::READ, 0, 1, 512), Some(Errno::EINVAL));
        assert_eq!(refused(&rules, command::WRITE, 0, 0, 100), Some(Errno::EINVAL));
        assert_eq!(refused(&rules, command::WRITE, 0, 512, 488), None);
    }

    #[test]
    fn long_reads_are_served_to_the_limit_and_refused_beyond() {
        let simple = with(|rules| rules.structured_replies = false);
        let limit = REQUEST_DATA_BYTES_MAX;
        assert_eq!(refused(&rules(), command::READ, 0, 0, limit), None);
        assert_eq!(refused(&rules(), command::READ, 0, 0, limit + 1), Some(Errno::EOVERFLOW));
        assert_eq!(refused(&simple, command::READ, 0, 0, limit + 1), Some(Errno::EINVAL));
        let longest = PAYLOAD_ADVERTISED_BYTES;
        let in_one = command_flag::DF;
        assert_eq!(refused(&rules(), command::READ, in_one, 0, longest), None);
        let found = refused(&rules(), command::READ, in_one, 0, longest + 1);
        assert_eq!(found, Some(Errno::EOVERFLOW));
        // Without data, length is no cost.
        assert_eq!(refused(&rules(), command::TRIM, 0, 0, u32::MAX), None);
    }

    #[test]
    fn a_write_that_claims_too_much_ends_the_connection_unread() {
        for length in [REQUEST_DATA_BYTES_MAX + 1, 1 << 30, u32::MAX] {
            let mut bytes = Vec::new();
            header(command::WRITE, 0, 0, length).write(&mut bytes);
            let next = rules().next(&mut inbox(&bytes), u64::MAX);
            assert_eq!(next, Err(TransmissionError::WriteTooLong { cookie: 7, length }));
        }
    }

    #[test]
    fn unknown_commands_are_no_requests_and_the_next_one_is_heard() {
        for unknown in [8, 9, u16::MAX] {
            let mut bytes = Vec::new();
            header(unknown, 0, 0, 100).write(&mut bytes);
            header(command::DISCONNECT, 0, 0, 0).write(&mut bytes);
            let mut inbox = inbox(&bytes);
            let cost = REQUEST_COST_BYTES;
            assert_eq!(rules().next(&mut inbox, cost - 1), Ok(Next::Held));
            assert_eq!(rules().next(&mut inbox, cost), Ok(Next::Unknown { cookie: 7 }));
            assert_eq!(rules().next(&mut inbox, 0), Ok(Next::Disconnect));
        }
    }

    #[test]
    fn garbage_is_refused_at_its_first_byte_that_differs() {
        let error = |found| Err(TransmissionError::RequestMagic { found });
        assert_eq!(rules().next(&mut inbox(b"G"), u64::MAX), error(0x4700_0000));
        assert_eq!(rules().next(&mut inbox(b"\x25\x60\x95\x14"), 1), error(0x2560_9514));
        assert_eq!(rules().next(&mut inbox(&[b'x'; 28]), 1), error(0x7878_7878));
    }

    #[test]
    fn a_request_waits_while_it_costs_more_than_is_allowed() {
        let mut bytes = Vec::new();
        header(command::READ, 0, 0, 4096).write(&mut bytes);
        let mut inbox = inbox(&bytes);
        let cost = REQUEST_COST_BYTES + 4096;
        assert_eq!(rules().next(&mut inbox, cost - 1), Ok(Next::Held));
        assert!(matches!(rules().next(&mut inbox, cost), Ok(Next::Request(_))));
        // A write waits before its data have come.
        let mut bytes = Vec::new();
        header(command::WRITE, 0, 0, 1 << 20).write(&mut bytes);
        assert_eq!(rules().next(&mut self::inbox(&bytes), 1 << 20), Ok(Next::Held));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_and_what_it_accepts_lies_within_the_device(
            headers in prop::collection::vec(
                (0_u16..10, any::<u16>(), 0_u64..9000, 0_u32..9000), 0..20,
            ),
            junk in prop::collection::vec(any::<u8>(), 0..4000),
        ) {
            let rules = with(|rules| rules.geometry.size = 8192);
            let mut bytes = Vec::new();
            for (command, flags, offset, length) in headers {
                header(command, flags & 31, offset, length).write(&mut bytes);
            }
            bytes.extend(junk);
            let mut inbox = inbox(&bytes);
            loop {
                match rules.next(&mut inbox, u64::MAX) {
                    Ok(Next::Request(incoming)) if incoming.refused.is_none() => {
                        prop_assert!(incoming.request.range.fits(8192));
                    }
                    Ok(Next::Request(_) | Next::Unknown { .. }) => {}
                    _ => break,
                }
            }
        }
    }
}
