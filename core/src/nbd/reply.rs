//! Replies: what the engine released, as bytes for the client.
//!
//! No I/O, no decisions about requests. After structured replies were negotiated, reads and block status are
//! answered in chunks, their errors too; everything else is answered simply, as proto.md allows. With extended
//! headers everything is answered in chunks, as it demands.
//! Invariant: every reply is whole when it is begun, for an error found later could not be told.

use bytes::BufMut;

use crate::engine::Released;
use crate::nbd::export::PAYLOAD_ADVERTISED_BYTES;
use crate::nbd::outbox::Outbox;
use crate::nbd::transmission::{Rules, Subject};
use crate::nbd::wire::{
    BASE_ALLOCATION_ID, CHUNK_DONE, ChunkHeader, Headers, STATE_HOLE, STATE_ZERO, chunk,
    write_simple_reply,
};
use crate::request::{Errno, Extent, Flags, Operation, Request};

/// How requests are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replies {
    /// One header, then the data.
    Simple,
    /// Reads and block status in chunks.
    Structured,
    /// Everything in chunks, with extended headers.
    Extended,
}

impl From<&Rules> for Replies {
    fn from(rules: &Rules) -> Replies {
        match rules.headers {
            Headers::Extended => Replies::Extended,
            Headers::Compact if rules.structured_replies => Replies::Structured,
            Headers::Compact => Replies::Simple,
        }
    }
}

impl Replies {
    /// Appends the reply to `out`. `subject` is what it repeats of the request.
    pub(super) fn write(self, subject: Subject, released: Released, out: &mut Outbox) {
        let Released { request, result, .. } = released;
        let is_content = matches!(request.operation, Operation::Read | Operation::BlockStatus);
        let Some(chunks) = self.chunks(subject, is_content) else {
            let error = result.map_or_else(|errno| self.error(errno, &request), |()| 0);
            write_simple_reply(out.tail(), error, subject.cookie);
            if result.is_ok() {
                out.push(released.data);
            }
            return;
        };
        match result {
            Err(errno) => chunks.error(out, self.error(errno, &request)),
            Ok(()) => match request.operation {
                Operation::Read => chunks.data(out, released),
                Operation::BlockStatus => chunks.extents(out, &request, &released.extents),
                _ => chunks.header(out, CHUNK_DONE, chunk::NONE, 0),
            },
        }
    }

    /// Answers a command that is no request of ours.
    pub(super) fn write_refusal(self, subject: Subject, errno: Errno, out: &mut Outbox) {
        let error = u32::from(errno.0);
        match self.chunks(subject, false) {
            Some(chunks) => chunks.error(out, error),
            None => write_simple_reply(out.tail(), error, subject.cookie),
        }
    }

    /// The chunks of a reply; `None` if it is a simple one. `is_content`: the answer is data or extents.
    fn chunks(self, subject: Subject, is_content: bool) -> Option<Chunks> {
        match self {
            Replies::Structured if is_content => {
                Some(Chunks { headers: Headers::Compact, subject })
            }
            Replies::Extended => Some(Chunks { headers: Headers::Extended, subject }),
            Replies::Simple | Replies::Structured => None,
        }
    }

    /// proto.md, "Error values": the number that tells a client of this error.
    fn error(self, errno: Errno, request: &Request) -> u32 {
        const EFBIG: Errno = Errno(27);
        const EROFS: Errno = Errno(30);
        const EDQUOT: Errno = Errno(122);
        let told = match errno {
            Errno::EPERM
            | Errno::EIO
            | Errno::ENOMEM
            | Errno::EINVAL
            | Errno::ENOSPC
            | Errno::ESHUTDOWN => errno,
            EROFS => Errno::EPERM,
            EDQUOT | EFBIG => Errno::ENOSPC,
            // These two have one documented use each.
            Errno::EOVERFLOW if self != Replies::Simple && request.operation == Operation::Read => {
                errno
            }
            Errno::ENOTSUP if request.flags.contains(Flags::FAST_ZERO) => errno,
            Errno::ENOTSUP => Errno::EINVAL,
            _ => Errno::EIO,
        };
        u32::from(told.0)
    }
}

/// A reply in chunks.
#[derive(Debug, Clone, Copy)]
struct Chunks {
    headers: Headers,
    subject: Subject,
}

impl Chunks {
    fn header(self, out: &mut Outbox, flags: u16, kind: u16, length: u32) {
        let Subject { cookie, offset } = self.subject;
        ChunkHeader { flags, kind, cookie, offset, length }.write(self.headers, out.tail());
    }

    /// One chunk, unless the data are longer than the largest payload we advertise.
    fn data(self, out: &mut Outbox, released: Released) {
        let Released { request, mut data, .. } = released;
        let mut offset = request.range.offset;
        loop {
            let length = data.len().min(PAYLOAD_ADVERTISED_BYTES as usize);
            let piece = data.split_to(length);
            let flags = if data.is_empty() { CHUNK_DONE } else { 0 };
            let length = u32::try_from(length).expect("at most PAYLOAD_ADVERTISED_BYTES");
            self.header(out, flags, chunk::OFFSET_DATA, length + 8);
            out.tail().put_u64(offset);
            out.push(piece);
            offset += u64::from(length);
            if data.is_empty() {
                break;
            }
        }
    }

    fn error(self, out: &mut Outbox, error: u32) {
        self.header(out, CHUNK_DONE, chunk::ERROR, 6);
        out.tail().put_u32(error);
        out.tail().put_u16(0); // No message.
    }

    fn extents(self, out: &mut Outbox, request: &Request, extents: &[Extent]) {
        let wanted = if request.flags.contains(Flags::REQ_ONE) { 1 } else { extents.len() };
        let extents = &extents[..wanted.min(extents.len())];
        match self.headers {
            Headers::Compact => {
                // Only a replay of a made-up trace has a longer one; with it the answer ends, as it may anywhere.
                let long = extents.iter().position(|extent| extent.length > u32::MAX.into());
                let extents = &extents[..long.map_or(extents.len(), |at| at + 1)];
                let count = number_of(extents);
                self.header(out, CHUNK_DONE, chunk::BLOCK_STATUS, 4 + 8 * count);
                out.tail().put_u32(BASE_ALLOCATION_ID);
                for extent in extents {
                    out.tail().put_u32(u32::try_from(extent.length).unwrap_or(u32::MAX));
                    out.tail().put_u32(state(extent));
                }
            }
            Headers::Extended => {
                let count = number_of(extents);
                self.header(out, CHUNK_DONE, chunk::BLOCK_STATUS_EXT, 8 + 16 * count);
                out.tail().put_u32(BASE_ALLOCATION_ID);
                out.tail().put_u32(count);
                for extent in extents {
                    out.tail().put_u64(extent.length);
                    out.tail().put_u64(state(extent).into());
                }
            }
        }
    }
}

fn number_of(extents: &[Extent]) -> u32 {
    u32::try_from(extents.len()).expect("at most EXTENTS_MAX")
}

/// "`base:allocation` metadata context".
fn state(extent: &Extent) -> u32 {
    let hole = if extent.hole { STATE_HOLE } else { 0 };
    let zero = if extent.zero { STATE_ZERO } else { 0 };
    hole | zero
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use bytes::Bytes;

    use super::*;
    use crate::nbd::outbox::SLICES;
    use crate::units::ByteRange;

    fn released(operation: Operation, length: u64, result: Result<(), Errno>) -> Released {
        let range = ByteRange::new(0x1000, length);
        let request = Request { operation, range, flags: Flags::NONE };
        let (data, extents) = (Bytes::new(), Vec::new());
        Released { tag: 0, cookie: 0x0102, request, result, data, extents }
    }

    fn written(replies: Replies, released: Released) -> Vec<u8> {
        let mut out = Outbox::default();
        let subject = Subject { cookie: released.cookie, offset: released.request.range.offset };
        replies.write(subject, released, &mut out);
        shown(&out)
    }

    fn shown(out: &Outbox) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = out.show(&mut slices);
        slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect()
    }

    #[test]
    fn a_simple_reply_is_a_header_and_the_data() {
        let mut read = released(Operation::Read, 4, Ok(()));
        read.data = Bytes::from_static(b"data");
        let expected = b"\x67\x44\x66\x98\0\0\0\0\0\0\0\0\0\0\x01\x02data";
        assert_eq!(written(Replies::Simple, read), expected);
    }

    #[test]
    fn a_simple_error_has_no_data() {
        let expected = b"\x67\x44\x66\x98\0\0\0\x05\0\0\0\0\0\0\x01\x02";
        for operation in [Operation::Read, Operation::Write, Operation::BlockStatus] {
            let failed = released(operation, 4, Err(Errno::EIO));
            assert_eq!(written(Replies::Simple, failed), expected);
        }
    }

    #[test]
    fn a_structured_read_is_one_last_chunk_with_its_offset() {
        let mut read = released(Operation::Read, 4, Ok(()));
        read.data = Bytes::from_static(b"data");
        let mut expected = b"\x66\x8e\x33\xef\0\x01\0\x01\0\0\0\0\0\0\x01\x02".to_vec();
        expected.extend(b"\0\0\0\x0c\0\0\0\0\0\0\x10\0data");
        assert_eq!(written(Replies::Structured, read), expected);
    }

    #[test]
    fn a_read_beyond_the_advertised_payload_comes_in_two_chunks() {
        let length = PAYLOAD_ADVERTISED_BYTES as usize + 3;
        let mut read = released(Operation::Read, length as u64, Ok(()));
        read.data = Bytes::from(vec![9; length]);
        let bytes = written(Replies::Structured, read);
        let second = 28 + PAYLOAD_ADVERTISED_BYTES as usize;
        assert_eq!(bytes.len(), second + 28 + 3);
        assert_eq!(bytes[4..6], [0, 0], "more is to come");
        assert_eq!(bytes[second + 4..second + 6], [0, 1]);
        assert_eq!(bytes[second + 20..second + 28], 0x0200_1000_u64.to_be_bytes());
    }

    #[test]
    fn a_structured_read_fails_in_a_chunk_and_a_write_simply() {
        let mut expected = b"\x66\x8e\x33\xef\0\x01\x80\x01\0\0\0\0\0\0\x01\x02".to_vec();
        expected.extend(b"\0\0\0\x06\0\0\0\x16\0\0");
        let failed = released(Operation::Read, 4, Err(Errno::EINVAL));
        assert_eq!(written(Replies::Structured, failed), expected);
        let done = written(Replies::Structured, released(Operation::Write, 4, Ok(())));
        assert_eq!(done, b"\x67\x44\x66\x98\0\0\0\0\0\0\0\0\0\0\x01\x02");
    }

    #[test]
    fn extents_go_with_their_context_and_only_one_if_one_is_wanted() {
        let mut status = released(Operation::BlockStatus, 8192, Ok(()));
        status.extents = vec![
            Extent { length: 4096, hole: true, zero: true },
            Extent { length: 4096, hole: false, zero: false },
        ];
        let header = b"\x66\x8e\x33\xef\0\x01\0\x05\0\0\0\0\0\0\x01\x02";
        let mut expected = [header.as_slice(), b"\0\0\0\x14\0\0\0\x01"].concat();
        expected.extend(b"\0\0\x10\0\0\0\0\x03\0\0\x10\0\0\0\0\0");
        let mut one = released(Operation::BlockStatus, 8192, Ok(()));
        one.extents.clone_from(&status.extents);
        assert_eq!(written(Replies::Structured, status), expected);
        one.request.flags = Flags::REQ_ONE;
        let expected = [header.as_slice(), b"\0\0\0\x0c\0\0\0\x01\0\0\x10\0\0\0\0\x03"].concat();
        assert_eq!(written(Replies::Structured, one), expected);
    }

    /// The header of an extended chunk for a request at 0x1000, the last of its reply.
    fn extended(kind: u16, length: u64) -> Vec<u8> {
        let mut header = b"\x6e\x8a\x27\x8c\0\x01".to_vec();
        header.put_u16(kind);
        header.extend(b"\0\0\0\0\0\0\x01\x02\0\0\0\0\0\0\x10\0");
        header.put_u64(length);
        header
    }

    #[test]
    fn with_extended_headers_every_answer_is_a_chunk_of_32_bytes_and_its_data() {
        let mut read = released(Operation::Read, 4, Ok(()));
        read.data = Bytes::from_static(b"data");
        let expected = [&extended(1, 12)[..], b"\0\0\0\0\0\0\x10\0data"].concat();
        assert_eq!(written(Replies::Extended, read), expected);
        for operation in [
            Operation::Write,
            Operation::WriteZeroes,
            Operation::Discard,
            Operation::Flush,
            Operation::Cache,
        ] {
            let done = written(Replies::Extended, released(operation, 4, Ok(())));
            assert_eq!(done, extended(0, 0), "{operation}");
        }
        for (operation, _) in Operation::NAMES {
            let failed = written(Replies::Extended, released(operation, 4, Err(Errno::EIO)));
            assert_eq!(failed, [&extended(0x8001, 6)[..], b"\0\0\0\x05\0\0"].concat());
        }
    }

    #[test]
    fn a_long_read_comes_in_two_extended_chunks_that_name_the_offset_of_the_request() {
        let length = PAYLOAD_ADVERTISED_BYTES as usize + 3;
        let mut read = released(Operation::Read, length as u64, Ok(()));
        read.data = Bytes::from(vec![9; length]);
        let bytes = written(Replies::Extended, read);
        let second = 40 + PAYLOAD_ADVERTISED_BYTES as usize;
        assert_eq!(bytes.len(), second + 40 + 3);
        assert_eq!(bytes[4..6], [0, 0], "more is to come");
        assert_eq!(bytes[second..second + 32], extended(1, 8 + 3));
        assert_eq!(bytes[second + 32..second + 40], 0x0200_1000_u64.to_be_bytes());
    }

    #[test]
    fn extents_of_64_bits_go_as_they_are_in_extended_chunks_and_end_the_answer_in_others() {
        let mut status = released(Operation::BlockStatus, 6 << 30, Ok(()));
        status.extents = vec![
            Extent { length: 5 << 30, hole: true, zero: true },
            Extent { length: 1 << 30, hole: false, zero: false },
        ];
        let mut one = released(Operation::BlockStatus, 6 << 30, Ok(()));
        one.extents.clone_from(&status.extents);
        one.request.flags = Flags::REQ_ONE;
        let mut compact = released(Operation::BlockStatus, 6 << 30, Ok(()));
        compact.extents.clone_from(&status.extents);
        let first = b"\0\0\0\x01\x40\0\0\0\0\0\0\0\0\0\0\x03";
        let expected = [
            &extended(6, 40)[..],
            b"\0\0\0\x01\0\0\0\x02",
            first,
            b"\0\0\0\0\x40\0\0\0\0\0\0\0\0\0\0\0",
        ];
        assert_eq!(written(Replies::Extended, status), expected.concat());
        let expected = [&extended(6, 24)[..], b"\0\0\0\x01\0\0\0\x01", first];
        assert_eq!(written(Replies::Extended, one), expected.concat());
        let bytes = written(Replies::Structured, compact);
        assert_eq!(bytes[16..], *b"\0\0\0\x0c\0\0\0\x01\xff\xff\xff\xff\0\0\0\x03");
    }

    #[test]
    fn what_is_no_request_is_refused_in_the_form_that_was_agreed_on() {
        let subject = Subject { cookie: 0x0102, offset: 0x1000 };
        let chunk = [&extended(0x8001, 6)[..], b"\0\0\0\x16\0\0"].concat();
        let simple = b"\x67\x44\x66\x98\0\0\0\x16\0\0\0\0\0\0\x01\x02".to_vec();
        for (replies, expected) in [
            (Replies::Simple, simple.clone()),
            (Replies::Structured, simple),
            (Replies::Extended, chunk),
        ] {
            let mut out = Outbox::default();
            replies.write_refusal(subject, Errno::EINVAL, &mut out);
            assert_eq!(shown(&out), expected);
        }
    }

    #[test]
    fn errors_are_told_in_the_numbers_that_clients_know() {
        for (errno, told) in [(1, 1), (5, 5), (12, 12), (22, 22), (28, 28), (108, 108)]
            .into_iter()
            .chain([(27, 28), (122, 28), (30, 1), (75, 5), (95, 22), (2, 5), (999, 5)])
        {
            let request = released(Operation::Write, 1, Ok(())).request;
            assert_eq!(Replies::Structured.error(Errno(errno), &request), told, "{errno}");
        }
        let read = released(Operation::Read, 1, Ok(())).request;
        assert_eq!(Replies::Structured.error(Errno::EOVERFLOW, &read), 75);
        assert_eq!(Replies::Extended.error(Errno::EOVERFLOW, &read), 75);
        assert_eq!(Replies::Simple.error(Errno::EOVERFLOW, &read), 5);
        let mut fast = released(Operation::WriteZeroes, 1, Ok(())).request;
        fast.flags = Flags::FAST_ZERO;
        assert_eq!(Replies::Structured.error(Errno::ENOTSUP, &fast), 95);
    }
}
