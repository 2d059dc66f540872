//! Answers that come whole, in pieces, and as no server may send them.

use proptest::prelude::*;

use super::*;
use crate::nbd::wire::{CHUNK_MAGIC, write_simple_reply};

const READ: ByteRange = ByteRange::new(1000, 10);

/// A server with structured replies, of which a read and a block status of [`READ`], and a flush, are awaited.
fn structured() -> Answers {
    let mut answers = Answers::new(Dialect::Structured, Some(5));
    answers.await_one(1, Operation::Read, READ);
    answers.await_one(2, Operation::BlockStatus, READ);
    answers.await_one(3, Operation::Flush, ByteRange::default());
    answers
}

fn chunk(flags: u16, kind: u16, cookie: u64, payload: &[&[u8]]) -> Vec<u8> {
    let payload = payload.concat();
    let length = u32::try_from(payload.len()).unwrap();
    let mut bytes = Vec::new();
    ChunkHeader { flags, kind, cookie, offset: 0, length }.write(Headers::Compact, &mut bytes);
    bytes.extend(payload);
    bytes
}

fn data(flags: u16, offset: u64, bytes: &[u8]) -> Vec<u8> {
    chunk(flags, chunk::OFFSET_DATA, 1, &[&offset.to_be_bytes(), bytes])
}

fn hole(flags: u16, offset: u64, length: u32) -> Vec<u8> {
    chunk(flags, chunk::OFFSET_HOLE, 1, &[&offset.to_be_bytes(), &length.to_be_bytes()])
}

fn error(flags: u16, cookie: u64, number: u32) -> Vec<u8> {
    chunk(flags, chunk::ERROR, cookie, &[&number.to_be_bytes(), &[0, 3], b"why"])
}

fn status(flags: u16, context: u32, runs: &[[u32; 2]]) -> Vec<u8> {
    let runs = runs.as_flattened().iter().flat_map(|number| number.to_be_bytes());
    chunk(flags, chunk::BLOCK_STATUS, 2, &[&context.to_be_bytes(), &runs.collect::<Vec<_>>()])
}

fn simple(error: u32, cookie: u64, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_simple_reply(&mut bytes, error, cookie);
    bytes.extend(data);
    bytes
}

fn inbox(bytes: &[u8]) -> Inbox {
    let mut inbox = Inbox::default();
    inbox.room(bytes.len()).extend_from_slice(bytes);
    inbox
}

/// All answers in `bytes`, which come one at a time: nothing may depend on how they are received.
fn heard(mut answers: Answers, bytes: &[u8]) -> Result<Vec<Answer>, AnswerError> {
    let mut inbox = Inbox::default();
    let mut all = Vec::new();
    for byte in bytes {
        inbox.room(1).push(*byte);
        while let Heard::Answer(answer) = answers.next(&mut inbox)? {
            all.push(answer);
        }
    }
    assert!(inbox.unread().len() < Headers::Compact.chunk_bytes(), "what is whole was taken");
    Ok(all)
}

fn answer(cookie: u64, result: Result<(), Errno>, data: &[u8]) -> Answer {
    Answer { cookie, result, data: Bytes::copy_from_slice(data), extents: Vec::new() }
}

#[test]
fn pieces_of_several_answers_come_in_any_order() {
    let bytes = [
        data(0, 1004, b"efgh"),
        status(0, 5, &[[4, 0], [100, 3]]),
        hole(0, 1008, 2),
        chunk(CHUNK_DONE, chunk::NONE, 3, &[]),
        chunk(CHUNK_DONE, chunk::NONE, 2, &[]),
        data(CHUNK_DONE, 1000, b"abcd"),
    ]
    .concat();
    let extents = vec![
        Extent { length: 4, hole: false, zero: false },
        Extent { length: 100, hole: true, zero: true },
    ];
    let status = Answer { extents, ..answer(2, Ok(()), b"") };
    let expected = [answer(3, Ok(()), b""), status, answer(1, Ok(()), b"abcdefgh\0\0")];
    assert_eq!(heard(structured(), &bytes).unwrap(), expected);
}

#[test]
fn one_piece_is_passed_on_as_it_was_received() {
    let mut answers = Answers::new(Dialect::Structured, None);
    answers.await_one(1, Operation::Read, ByteRange::new(0, 8192));
    let mut inbox = inbox(&data(CHUNK_DONE, 0, &[7; 8192]));
    let address = inbox.unread()[28..].as_ptr();
    let Ok(Heard::Answer(answer)) = answers.next(&mut inbox) else { panic!("it is whole") };
    assert_eq!((answer.data.as_ptr(), answer.data.len()), (address, 8192));
}

#[test]
fn errors_are_answers_whatever_came_before_them() {
    let bytes = [
        data(0, 1000, b"abcd"),
        error(CHUNK_DONE, 2, 95),
        simple(28, 3, b""),
        error(0, 1, 5),
        chunk(CHUNK_DONE, chunk::NONE, 1, &[]),
    ]
    .concat();
    let expected = [
        answer(2, Err(Errno::ENOTSUP), b""),
        answer(3, Err(Errno::ENOSPC), b""),
        answer(1, Err(Errno::EIO), b""),
    ];
    assert_eq!(heard(structured(), &bytes).unwrap(), expected);
}

#[test]
fn simple_replies_bring_their_data_behind_them() {
    let mut answers = Answers::new(Dialect::Simple, None);
    answers.await_one(1, Operation::Read, READ);
    answers.await_one(2, Operation::Read, READ);
    answers.await_one(3, Operation::Write, READ);
    let bytes = [simple(0, 3, b""), simple(70_000, 2, b""), simple(0, 1, b"0123456789")].concat();
    let expected = [
        answer(3, Ok(()), b""),
        answer(2, Err(Errno::EINVAL), b""),
        answer(1, Ok(()), b"0123456789"),
    ];
    assert_eq!(heard(answers, &bytes).unwrap(), expected);
}

#[test]
fn what_no_server_may_send_is_told_by_what_it_is() {
    let long = [&error(0, 1, 5)[..16], &u32::MAX.to_be_bytes()].concat();
    for (bytes, why) in [
        (b"HTTP/1.1 400 Bad".to_vec(), "begins with 0x48545450"),
        (simple(0, 9, b""), "to request 9, which is not in flight"),
        (chunk(CHUNK_DONE, chunk::NONE, 9, &[]), "to request 9, which is not in flight"),
        ([simple(0, 3, b""), simple(0, 3, b"")].concat(), "to request 3, which is not in flight"),
        (simple(0, 1, b"0123456789"), "a read was answered by a reply of the other kind"),
        (simple(0, 2, b""), "a block_status was answered by a reply of the other kind"),
        (chunk(CHUNK_DONE, chunk::NONE, 1, &[]), "answered with 0 of its bytes"),
        (data(CHUNK_DONE, 1000, b"short"), "answered with 5 of its bytes"),
        (data(CHUNK_DONE, 1000, b"eleven bytes"), "chunk of type 1 and 20 bytes"),
        (data(0, 1001, b"0123456789"), "answered with bytes 1001+10"),
        (data(0, 999, b"x"), "answered with bytes 999+1"),
        (data(0, u64::MAX, b"x"), "answered with bytes"),
        (hole(0, 1000, u32::MAX), "answered with bytes 1000+4294967295"),
        (hole(0, 1000, 0), "answered with bytes 1000+0"),
        ([data(0, 1000, b"abc"), data(0, 1002, b"x")].concat(), "some bytes twice, at 1002"),
        ([data(0, 1005, b"abc"), hole(0, 1000, 6)].concat(), "some bytes twice, at 1000"),
        ([data(0, 1000, b"0123456789"), data(0, 1000, b"0")].concat(), "some bytes twice"),
        (chunk(0, chunk::NONE, 1, &[]), "chunk of type 0 and 0 bytes"),
        (chunk(CHUNK_DONE, 77, 1, &[]), "chunk of type 77"),
        (chunk(0, chunk::OFFSET_DATA, 3, &[&[0; 9]]), "to a flush of 0+0 has a chunk of type 1"),
        (chunk(0, chunk::OFFSET_DATA, 1, &[&[0; 8]]), "chunk of type 1 and 8 bytes"),
        (chunk(0, chunk::ERROR, 1, &[&[0; 5]]), "chunk of type 32769 and 5 bytes"),
        (error(CHUNK_DONE, 1, 0), "chunk of type 32769"),
        (long, "chunk of type 32769 and 4294967295 bytes"),
        (status(0, 6, &[[1, 0]]), "chunk of type 5"),
        (status(0, 5, &[[0, 0]]), "chunk of type 5"),
        (status(0, 5, &[]), "chunk of type 5 and 4 bytes"),
        ([status(0, 5, &[[1, 0]]), status(0, 5, &[[1, 0]])].concat(), "chunk of type 5"),
    ] {
        let error = heard(structured(), &bytes).unwrap_err().to_string();
        assert!(error.contains(why), "{error}, not {why}");
    }
    let error = heard(Answers::new(Dialect::Simple, None), &chunk(0, 0, 1, &[])).unwrap_err();
    assert_eq!(error, AnswerError::Magic(CHUNK_MAGIC), "it was not agreed on");
}

/// A server with extended headers, of which a read and a block status of [`READ`] are awaited.
fn extended() -> Answers {
    let mut answers = Answers::new(Dialect::Extended, Some(5));
    answers.await_one(1, Operation::Read, READ);
    answers.await_one(2, Operation::BlockStatus, READ);
    answers
}

/// The last chunk of a reply with extended headers, to a request that was at `offset`.
fn long_chunk(kind: u16, cookie: u64, offset: u64, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap();
    let mut bytes = Vec::new();
    let header = ChunkHeader { flags: CHUNK_DONE, kind, cookie, offset, length };
    header.write(Headers::Extended, &mut bytes);
    bytes.extend(payload);
    bytes
}

/// Extents of 64 bits, of which so many are announced.
fn long_status(count: u32, runs: &[[u64; 2]]) -> Vec<u8> {
    let runs = runs.as_flattened().iter().flat_map(|number| number.to_be_bytes());
    let head = [5_u32.to_be_bytes(), count.to_be_bytes()].concat();
    let payload = head.into_iter().chain(runs).collect::<Vec<_>>();
    long_chunk(chunk::BLOCK_STATUS_EXT, 2, READ.offset, &payload)
}

#[test]
fn with_extended_headers_extents_may_be_longer_than_32_bits() {
    let data = [&READ.offset.to_be_bytes()[..], b"0123456789"].concat();
    let bytes = [
        long_status(2, &[[4, 0], [8 << 30, 1 << 40 | 3]]),
        long_chunk(chunk::OFFSET_DATA, 1, READ.offset, &data),
    ];
    let extents = vec![
        Extent { length: 4, hole: false, zero: false },
        Extent { length: 8 << 30, hole: true, zero: true },
    ];
    let status = Answer { extents, ..answer(2, Ok(()), b"") };
    let expected = [status, answer(1, Ok(()), b"0123456789")];
    assert_eq!(heard(extended(), &bytes.concat()).unwrap(), expected);
}

#[test]
fn what_no_server_may_send_with_extended_headers_is_told_by_what_it_is() {
    let mut long = long_chunk(chunk::ERROR, 1, READ.offset, b"");
    long[24..].copy_from_slice(&(1_u64 << 40).to_be_bytes());
    for (bytes, why) in [
        (simple(5, 1, &[0; 16]), "begins with 0x67446698"),
        (chunk(CHUNK_DONE, chunk::NONE, 1, &[&[0; 12]]), "begins with 0x668e33ef"),
        (long, "claims 1099511627776 bytes"),
        (long_chunk(chunk::ERROR, 1, 7, b"\0\0\0\x05\0\0"), "says that it was for offset 7"),
        (long_chunk(chunk::BLOCK_STATUS, 2, READ.offset, &[0; 12]), "chunk of type 5"),
        (long_chunk(chunk::BLOCK_STATUS_EXT, 1, READ.offset, &[0; 24]), "chunk of type 6"),
        (long_chunk(chunk::BLOCK_STATUS_EXT, 2, READ.offset, &[0; 20]), "chunk of type 6"),
        (long_status(2, &[[4, 0]]), "chunk of type 6"),
        (long_status(0, &[]), "chunk of type 6"),
        (long_status(1, &[[0, 0]]), "chunk of type 6"),
    ] {
        let error = heard(extended(), &bytes).unwrap_err().to_string();
        assert!(error.contains(why), "{error}, not {why}");
    }
    let compact = chunk(0, chunk::BLOCK_STATUS_EXT, 2, &[&[0; 24]]);
    let error = heard(structured(), &compact).unwrap_err().to_string();
    assert!(error.contains("chunk of type 6"), "{error}");
}

#[test]
fn an_answer_in_too_many_pieces_or_with_too_many_errors_ends() {
    let mut answers = Answers::new(Dialect::Structured, None);
    answers.await_one(1, Operation::Read, ByteRange::new(0, 1 << 20));
    let mut bytes = Vec::new();
    for piece in 0..=READ_PIECES_MAX as u64 {
        bytes.extend(data(0, piece * 2, b"x"));
    }
    let error = answers.next(&mut inbox(&bytes)).unwrap_err();
    assert!(error.to_string().ends_with("more than 4096 pieces"), "{error}");
    let many = error_chunks(READ_PIECES_MAX + 1);
    assert!(structured().next(&mut inbox(&many)).is_err());
    let as_many_as_allowed = error_chunks(READ_PIECES_MAX);
    let starved = Heard::Starved { missing: 16 };
    assert_eq!(structured().next(&mut inbox(&as_many_as_allowed)), Ok(starved));
}

fn error_chunks(count: usize) -> Vec<u8> {
    error(0, 1, 5).repeat(count)
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_or_answer_twice(
        pieces in prop::collection::vec((0_u16..2, 0_u16..8, 0_u64..5, any::<bool>(), 0_u64..30, 0_usize..30), 0..20),
        noise in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut bytes = Vec::new();
        for (flags, kind, cookie, is_error, offset, length) in pieces {
            let kind = if is_error { kind | chunk::ERROR_BIT } else { kind };
            let offset = (990 + offset).to_be_bytes();
            bytes.extend(chunk(flags, kind, cookie, &[&offset, &vec![1; length]]));
        }
        bytes.extend(noise);
        let mut answers = structured();
        let mut inbox = inbox(&bytes);
        let mut cookies = Vec::new();
        while let Ok(Heard::Answer(answer)) = answers.next(&mut inbox) {
            let read = answer.cookie == 1 && answer.result.is_ok();
            prop_assert_eq!(answer.data.len(), if read { 10 } else { 0 });
            prop_assert!(!cookies.contains(&answer.cookie));
            cookies.push(answer.cookie);
        }
    }
}
