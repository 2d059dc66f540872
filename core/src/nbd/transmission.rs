//! Requests: bytes of the client in, whole requests out, each already judged.
//!
//! No I/O, no disk. A request that the protocol forbids comes out with the error that answers it, so that it
//! is recorded too; only what cannot be understood ends the connection. Choices where proto.md leaves one:
//! a length of zero is EINVAL, so is a flush with a range; a read beyond `REQUEST_DATA_BYTES_MAX` is
//! EOVERFLOW (EINVAL without structured replies); more data than that behind a header are EINVAL and the end,
//! unread. With extended headers a write has its data whether it announces them or not, for QEMU's client does not;
//! data behind any other command are thrown away, and it is EINVAL.
//! Invariant: a request comes out when its last byte has come in, and what is cut off never does.

use bytes::Bytes;

use crate::device::Geometry;
use crate::limits::REQUEST_DATA_BYTES_MAX;
use crate::nbd::export::PAYLOAD_ADVERTISED_BYTES;
use crate::nbd::inbox::Inbox;
use crate::nbd::wire::{Headers, RequestHeader, command, command_flag};
use crate::request::{Errno, Flags, Operation, Request};
use crate::units::ByteRange;

/// What any request costs against a connection's allowance, in bytes: its reply's header, and our own notes.
pub(super) const REQUEST_COST_BYTES: u64 = 64;

/// Why a connection cannot go on.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TransmissionError {
    /// The client lost its place.
    #[error("bad request magic {found:#010x}; expected {expected:#010x} (a bug in the client)")]
    RequestMagic {
        /// As sent; zeroes for what did not come.
        found: u32,
        /// Of the headers that were agreed on.
        expected: u32,
    },
    /// More data than are read into memory.
    #[error("a request claims {length} bytes of data; limit {REQUEST_DATA_BYTES_MAX}")]
    DataTooLong {
        /// Of the request.
        subject: Subject,
        /// As claimed.
        length: u64,
    },
}

/// Whom an answer is for: what a reply repeats of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// The client's tag.
    pub cookie: u64,
    /// As sent.
    pub offset: u64,
}

/// What requests are judged by.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// Of the export.
    pub(super) geometry: Geometry,
    /// Reads are answered in chunks.
    pub(super) structured_replies: bool,
    /// What requests and replies begin with.
    pub(super) headers: Headers,
    /// Block status was negotiated.
    pub(super) block_status: bool,
}

/// What comes next from the client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A whole request.
    Request(Incoming),
    /// A command that we do not know; it is answered with EINVAL and is no request.
    Unknown(Subject),
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
    /// Whom its answer is for.
    pub(super) subject: Subject,
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
        let expected = self.headers.request_magic();
        let Some(header) = RequestHeader::read(self.headers, unread) else {
            check_magic(unread, expected)?;
            return Ok(Next::Starved { missing: self.headers.request_bytes() - unread.len() });
        };
        let header = header.map_err(|found| TransmissionError::RequestMagic { found, expected })?;
        let RequestHeader { cookie, offset, length, .. } = header;
        if header.command == command::DISCONNECT {
            return Ok(Next::Disconnect);
        }
        let payload = if self.has_payload(&header) { length } else { 0 };
        if payload > REQUEST_DATA_BYTES_MAX.into() {
            let subject = Subject { cookie, offset };
            return Err(TransmissionError::DataTooLong { subject, length });
        }
        let payload_bytes = usize::try_from(payload).expect("at most REQUEST_DATA_BYTES_MAX");
        let whole = self.headers.request_bytes() + payload_bytes;
        let operation = operation(header.command);
        let refused = operation.map_or(Some(Errno::EINVAL), |one| self.refusal(one, &header));
        let is_read = operation == Some(Operation::Read) && refused.is_none();
        let cost = REQUEST_COST_BYTES + payload.max(if is_read { length } else { 0 });
        if cost > allowance {
            return Ok(Next::Held);
        }
        if unread.len() < whole {
            return Ok(Next::Starved { missing: whole - unread.len() });
        }
        inbox.skip(self.headers.request_bytes());
        let Some(operation) = operation else {
            inbox.skip(payload_bytes);
            return Ok(Next::Unknown(Subject { cookie, offset }));
        };
        let data = if operation == Operation::Write {
            inbox.take(payload_bytes)
        } else {
            inbox.skip(payload_bytes);
            Bytes::new()
        };
        let range = match operation {
            Operation::Flush => ByteRange::default(),
            _ => ByteRange::new(offset, length),
        };
        let request = Request { operation, range, flags: flags(operation, header.flags) };
        Ok(Next::Request(Incoming {
            subject: Subject { cookie, offset },
            request,
            data,
            refused,
            cost,
        }))
    }

    /// Whether data follow the header. Where an extended one must say so, by a flag, we do not insist: QEMU's client
    /// (10.0) writes without it, and takes it for granted that its data are read.
    fn has_payload(&self, header: &RequestHeader) -> bool {
        let announced = header.flags & command_flag::PAYLOAD_LEN != 0;
        header.command == command::WRITE || self.headers == Headers::Extended && announced
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
        let range = ByteRange::new(header.offset, header.length);
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
        if operation == Operation::Read && header.length > longest.into() {
            return Some(if self.structured_replies { Errno::EOVERFLOW } else { Errno::EINVAL });
        }
        None
    }

    /// proto.md, "Command flags".
    fn flags_allowed(&self, operation: Operation) -> u16 {
        command_flag::FUA
            | match operation {
                Operation::Read if self.structured_replies => command_flag::DF,
                Operation::Write if self.headers == Headers::Extended => command_flag::PAYLOAD_LEN,
                Operation::WriteZeroes => command_flag::NO_HOLE | command_flag::FAST_ZERO,
                Operation::BlockStatus => command_flag::REQ_ONE,
                _ => 0,
            }
    }
}

/// Refuses what cannot become a request, as early as its first byte: who sends garbage may not send more.
fn check_magic(unread: &[u8], expected: u32) -> Result<(), TransmissionError> {
    let seen = &unread[..unread.len().min(4)];
    if expected.to_be_bytes().starts_with(seen) {
        return Ok(());
    }
    let mut found = [0; 4];
    found[..seen.len()].copy_from_slice(seen);
    Err(TransmissionError::RequestMagic { found: u32::from_be_bytes(found), expected })
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
        let headers = Headers::Compact;
        Rules { geometry, structured_replies: true, headers, block_status: true }
    }

    fn extended() -> Rules {
        with(|rules| rules.headers = Headers::Extended)
    }

    fn with(change: impl FnOnce(&mut Rules)) -> Rules {
        let mut rules = rules();
        change(&mut rules);
        rules
    }

    fn header(command: u16, flags: u16, offset: u64, length: u64) -> RequestHeader {
        RequestHeader { flags, command, cookie: 7, offset, length }
    }

    fn inbox(bytes: &[u8]) -> Inbox {
        let mut inbox = Inbox::default();
        inbox.room(bytes.len()).extend_from_slice(bytes);
        inbox
    }

    /// `headers` as the client of `rules` sends them, each with the data that it claims.
    fn said(rules: &Rules, headers: &[RequestHeader]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for header in headers {
            header.write(rules.headers, &mut bytes);
            let data = if rules.has_payload(header) { header.length } else { 0 };
            bytes.resize(bytes.len() + usize::try_from(data).unwrap(), 5);
        }
        bytes
    }

    /// What becomes of `header`, of a write with its data, in either form: the same.
    fn whole(rules: &Rules, header: RequestHeader) -> Incoming {
        let [compact, extended] =
            [(Headers::Compact, 0), (Headers::Extended, command_flag::PAYLOAD_LEN)].map(
                |(headers, announced)| {
                    let rules = Rules { headers, ..rules.clone() };
                    let announced = if header.command == command::WRITE { announced } else { 0 };
                    let header = RequestHeader { flags: header.flags | announced, ..header };
                    let mut inbox = inbox(&said(&rules, &[header]));
                    match rules.next(&mut inbox, u64::MAX) {
                        Ok(Next::Request(incoming)) => {
                            assert_eq!(inbox.unread(), b"");
                            incoming
                        }
                        other => panic!("{other:?}"),
                    }
                },
            );
        assert_eq!(compact, extended, "{header:?}");
        compact
    }

    fn refused(rules: &Rules, command: u16, flags: u16, offset: u64, length: u64) -> Option<Errno> {
        whole(rules, header(command, flags, offset, length)).refused
    }

    /// What the next things are that `rules` make of `bytes`, to the first that is no request.
    fn all(rules: &Rules, bytes: &[u8]) -> Vec<Result<Next, TransmissionError>> {
        let mut inbox = inbox(bytes);
        let mut all = Vec::new();
        loop {
            let next = rules.next(&mut inbox, u64::MAX);
            let goes_on = matches!(next, Ok(Next::Request(_) | Next::Unknown(_)));
            all.push(next);
            if !goes_on {
                return all;
            }
        }
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
        let mut longer = b"\x21\xe4\x1c\x71\0\x21\0\x01\0\0\0\0\0\0\0\x09".to_vec();
        longer.extend(b"\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\0\x04data");
        for end in 0..longer.len() {
            let missing = if end < 32 { 32 - end } else { longer.len() - end };
            let next = extended().next(&mut inbox(&longer[..end]), u64::MAX);
            assert_eq!(next, Ok(Next::Starved { missing }), "cut at byte {end}");
        }
        let expected = || Incoming {
            subject: Subject { cookie: 9, offset: 4096 },
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
        assert_eq!(next, Ok(Next::Request(expected())));
        let next = extended().next(&mut inbox(&longer), u64::MAX);
        assert_eq!(next, Ok(Next::Request(expected())));
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
            for bit in (1..16).filter(|bit| 1 << bit != command_flag::PAYLOAD_LEN) {
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
        let limit = u64::from(REQUEST_DATA_BYTES_MAX);
        assert_eq!(refused(&rules(), command::READ, 0, 0, limit), None);
        assert_eq!(refused(&rules(), command::READ, 0, 0, limit + 1), Some(Errno::EOVERFLOW));
        assert_eq!(refused(&simple, command::READ, 0, 0, limit + 1), Some(Errno::EINVAL));
        let longest = u64::from(PAYLOAD_ADVERTISED_BYTES);
        let in_one = command_flag::DF;
        assert_eq!(refused(&rules(), command::READ, in_one, 0, longest), None);
        let found = refused(&rules(), command::READ, in_one, 0, longest + 1);
        assert_eq!(found, Some(Errno::EOVERFLOW));
        // Without data, length is no cost.
        assert_eq!(refused(&rules(), command::TRIM, 0, 0, u32::MAX.into()), None);
    }

    #[test]
    fn a_write_that_claims_too_much_ends_the_connection_unread() {
        for length in [u64::from(REQUEST_DATA_BYTES_MAX) + 1, 1 << 30, u32::MAX.into()] {
            let mut bytes = Vec::new();
            header(command::WRITE, 0, 512, length).write(Headers::Compact, &mut bytes);
            let next = rules().next(&mut inbox(&bytes), u64::MAX);
            let subject = Subject { cookie: 7, offset: 512 };
            assert_eq!(next, Err(TransmissionError::DataTooLong { subject, length }));
        }
    }

    #[test]
    fn extended_headers_reach_beyond_4_gib_where_no_data_are_sent() {
        let rules =
            Rules { geometry: Geometry { size: 8 << 30, ..rules().geometry }, ..extended() };
        for command in [
            command::TRIM,
            command::CACHE,
            command::WRITE_ZEROES,
            command::BLOCK_STATUS,
            command::READ,
        ] {
            let header = header(command, 0, 1 << 30, 5 << 30);
            let nexts = all(&rules, &said(&rules, &[header]));
            let Ok(Next::Request(incoming)) = &nexts[0] else { panic!("{nexts:?}") };
            assert_eq!(incoming.request.range, ByteRange::new(1 << 30, 5 << 30));
            let errno = (command == command::READ).then_some(Errno::EOVERFLOW);
            assert_eq!(incoming.refused, errno, "command {command}");
            assert_eq!(incoming.cost, REQUEST_COST_BYTES, "nothing is to be held for it");
        }
        let beyond = header(command::TRIM, 0, 4096, u64::MAX);
        let nexts = all(&rules, &said(&rules, &[beyond]));
        let Ok(Next::Request(incoming)) = &nexts[0] else { panic!("{nexts:?}") };
        assert_eq!(incoming.refused, Some(Errno::EINVAL));
    }

    #[test]
    fn data_that_a_command_does_not_take_are_thrown_away_and_the_next_one_is_heard() {
        let rules = extended();
        for command in (0..10).filter(|one| ![command::WRITE, command::DISCONNECT].contains(one)) {
            let odd = header(command, command_flag::PAYLOAD_LEN, 512, 4096);
            let flush = header(command::FLUSH, 0, 0, 0);
            let bytes = said(&rules, &[odd, flush]);
            let nexts = all(&rules, &bytes);
            match &nexts[0] {
                Ok(Next::Request(incoming)) => {
                    assert_eq!(incoming.refused, Some(Errno::EINVAL), "command {command}");
                    assert_eq!(incoming.data, Bytes::new());
                    assert_eq!(incoming.cost, REQUEST_COST_BYTES + 4096, "they are held till then");
                }
                Ok(Next::Unknown(subject)) => {
                    assert_eq!(*subject, Subject { cookie: 7, offset: 512 });
                    assert!(command > command::BLOCK_STATUS);
                }
                other => panic!("{other:?}"),
            }
            assert!(matches!(nexts[1], Ok(Next::Request(Incoming { refused: None, .. }))));
            let cut = all(&rules, &bytes[..32 + 4095]);
            assert_eq!(cut, [Ok(Next::Starved { missing: 1 })], "command {command}");
        }
    }

    #[test]
    fn too_much_data_behind_any_command_ends_the_connection_unread() {
        let rules = extended();
        for command in (0..10).filter(|one| *one != command::DISCONNECT) {
            for length in [u64::from(REQUEST_DATA_BYTES_MAX) + 1, 1 << 32, u64::MAX] {
                let mut bytes = Vec::new();
                let header = header(command, command_flag::PAYLOAD_LEN, 512, length);
                header.write(Headers::Extended, &mut bytes);
                let subject = Subject { cookie: 7, offset: 512 };
                let error = TransmissionError::DataTooLong { subject, length };
                assert_eq!(all(&rules, &bytes), [Err(error)]);
            }
        }
    }

    #[test]
    fn a_write_has_its_data_whether_it_announces_them_or_not() {
        let rules = extended();
        let announced = [0, command_flag::PAYLOAD_LEN].map(|flag| {
            let write = header(command::WRITE, command_flag::FUA | flag, 0, 4096);
            let nexts = all(&rules, &said(&rules, &[write, header(command::DISCONNECT, 0, 0, 0)]));
            assert_eq!(nexts[1], Ok(Next::Disconnect));
            nexts
        });
        assert_eq!(announced[0], announced[1]);
        let Ok(Next::Request(incoming)) = &announced[0][0] else { panic!("{announced:?}") };
        assert_eq!((incoming.refused, incoming.data.len()), (None, 4096));
    }

    #[test]
    fn data_are_announced_with_extended_headers_only() {
        for command in [command::READ, command::WRITE, command::BLOCK_STATUS] {
            let odd = header(command, command_flag::PAYLOAD_LEN, 0, 512);
            let nexts = all(&rules(), &said(&rules(), &[odd]));
            let Ok(Next::Request(incoming)) = &nexts[0] else { panic!("{nexts:?}") };
            assert_eq!(incoming.refused, Some(Errno::EINVAL), "command {command}");
            assert_eq!(nexts[1], Ok(Next::Starved { missing: 28 }));
        }
    }

    #[test]
    fn unknown_commands_are_no_requests_and_the_next_one_is_heard() {
        for rules in [rules(), extended()] {
            for unknown in [8, 9, u16::MAX] {
                let bytes = [header(unknown, 0, 5, 100), header(command::DISCONNECT, 0, 0, 0)];
                let mut inbox = inbox(&said(&rules, &bytes));
                let cost = REQUEST_COST_BYTES;
                let subject = Subject { cookie: 7, offset: 5 };
                assert_eq!(rules.next(&mut inbox, cost - 1), Ok(Next::Held));
                assert_eq!(rules.next(&mut inbox, cost), Ok(Next::Unknown(subject)));
                assert_eq!(rules.next(&mut inbox, 0), Ok(Next::Disconnect));
            }
        }
    }

    #[test]
    fn garbage_is_refused_at_its_first_byte_that_differs() {
        let expected = 0x2560_9513;
        let error = |found| Err(TransmissionError::RequestMagic { found, expected });
        assert_eq!(rules().next(&mut inbox(b"G"), u64::MAX), error(0x4700_0000));
        assert_eq!(rules().next(&mut inbox(b"\x25\x60\x95\x14"), 1), error(0x2560_9514));
        assert_eq!(rules().next(&mut inbox(&[b'x'; 28]), 1), error(0x7878_7878));
        let expected = 0x21e4_1c71;
        let error = |found| Err(TransmissionError::RequestMagic { found, expected });
        assert_eq!(extended().next(&mut inbox(b"G"), u64::MAX), error(0x4700_0000));
        assert_eq!(extended().next(&mut inbox(b"\x21\xe4\x1c\x70"), 1), error(0x21e4_1c70));
        let compact = said(&rules(), &[header(command::READ, 0, 0, 512)]);
        assert_eq!(extended().next(&mut inbox(&compact[..1]), 1), error(0x2500_0000));
        assert_eq!(extended().next(&mut inbox(&[b'x'; 32]), 1), error(0x7878_7878));
    }

    #[test]
    fn a_request_waits_while_it_costs_more_than_is_allowed() {
        for rules in [rules(), extended()] {
            let mut inbox = inbox(&said(&rules, &[header(command::READ, 0, 0, 4096)]));
            let cost = REQUEST_COST_BYTES + 4096;
            assert_eq!(rules.next(&mut inbox, cost - 1), Ok(Next::Held));
            assert!(matches!(rules.next(&mut inbox, cost), Ok(Next::Request(_))));
            // A write waits before its data have come.
            let mut bytes = Vec::new();
            let write = header(command::WRITE, command_flag::PAYLOAD_LEN, 0, 1 << 20);
            write.write(rules.headers, &mut bytes);
            assert_eq!(rules.next(&mut self::inbox(&bytes), 1 << 20), Ok(Next::Held));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_and_what_it_accepts_lies_within_the_device(
            headers in prop::collection::vec(
                (0_u16..10, any::<u16>(), 0_u64..9000, 0_u64..9000), 0..20,
            ),
            junk in prop::collection::vec(any::<u8>(), 0..4000),
            are_extended in any::<bool>(),
        ) {
            let mut rules = if are_extended { extended() } else { rules() };
            rules.geometry.size = 8192;
            let mut bytes = Vec::new();
            for (command, flags, offset, length) in headers {
                header(command, flags & 63, offset, length).write(rules.headers, &mut bytes);
            }
            bytes.extend(junk);
            let mut inbox = inbox(&bytes);
            loop {
                match rules.next(&mut inbox, u64::MAX) {
                    Ok(Next::Request(incoming)) if incoming.refused.is_none() => {
                        prop_assert!(incoming.request.range.fits(8192));
                    }
                    Ok(Next::Request(_) | Next::Unknown(_)) => {}
                    _ => break,
                }
            }
        }
    }
}
