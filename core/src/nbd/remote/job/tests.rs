//! What servers of different abilities are asked, and what becomes of their answers.

use std::sync::mpsc::{Receiver, channel};

use super::*;

const MIB: u64 = 1 << 20;

/// A server that can everything.
const ALL: Ability = Ability {
    block: 1,
    payload: 32 * MIB,
    range: u32::MAX as u64,
    zeroes: 1 << 30,
    fast_zero: true,
    flush: true,
    fua: true,
    cache: true,
    block_status: true,
    multi_conn: true,
};

/// A server that can only read and write.
const LITTLE: Ability = Ability {
    zeroes: 0,
    fast_zero: false,
    flush: false,
    fua: false,
    cache: false,
    block_status: false,
    ..ALL
};

/// Each byte is its offset.
fn bytes(range: ByteRange) -> Vec<u8> {
    (range.offset..range.end()).map(|offset| offset.to_le_bytes()[0]).collect()
}

fn job(request: Request, ability: &Ability) -> (Job, Receiver<Completion>) {
    let (sender, came) = channel();
    let data = match request.operation {
        Operation::Write => bytes(request.range).into(),
        _ => Bytes::new(),
    };
    let mut job = Job::new(7, request, data, Box::new(move |done| sender.send(done).unwrap()));
    job.begin(ability, false);
    (job, came)
}

fn request(operation: Operation, offset: u64, length: u64, flags: Flags) -> Request {
    Request { operation, range: ByteRange::new(offset, length), flags }
}

fn answer(result: Result<(), Errno>, data: &[u8], extents: &[Extent]) -> Answer {
    Answer { cookie: 0, result, data: Bytes::copy_from_slice(data), extents: extents.to_vec() }
}

/// All that the server is asked, if each part works at once, and the completion.
fn asked(request: Request, ability: &Ability) -> (Vec<Request>, Completion) {
    let (mut job, came) = job(request, ability);
    let mut asked = Vec::new();
    while let Some(part) = job.next_part() {
        let length = part.request.range.length;
        let carries = part.request.operation == Operation::Write;
        assert_eq!(part.data.len() as u64, if carries { length } else { 0 });
        let reads = part.request.operation == Operation::Read;
        let read = vec![9; if reads { index(length) } else { 0 }];
        job.answered(part.request.range, answer(Ok(()), &read, &[]));
        asked.push(part.request);
    }
    assert!(job.is_over());
    job.complete();
    (asked, came.try_recv().unwrap())
}

#[test]
fn what_the_server_can_is_asked_as_it_is() {
    let (fua, no_hole) = (Flags::FUA, Flags::NO_HOLE.with(Flags::FAST_ZERO));
    for wanted in [
        request(Operation::Read, 3, 100, Flags::NONE),
        request(Operation::Write, 3, 100, fua),
        request(Operation::WriteZeroes, 3, MIB, no_hole.with(fua)),
        request(Operation::Cache, 3, 100, Flags::NONE),
        request(Operation::BlockStatus, 3, 100, Flags::REQ_ONE),
        request(Operation::Flush, 0, 0, Flags::NONE),
    ] {
        let (asked, completion) = asked(wanted, &ALL);
        assert_eq!(asked, [wanted]);
        assert_eq!((completion.tag, completion.result), (7, Ok(())));
    }
}

#[test]
fn what_is_too_long_is_split_and_put_together() {
    let small = Ability { payload: 4096, ..ALL };
    let ranges = [(100, 4096), (4196, 4096), (8292, 1808)];
    for operation in [Operation::Read, Operation::Write] {
        let (asked, completion) = asked(request(operation, 100, 10_000, Flags::FUA), &small);
        let durable = if operation == Operation::Write { Flags::FUA } else { Flags::NONE };
        let parts = ranges.map(|(offset, length)| request(operation, offset, length, durable));
        assert_eq!(asked, parts);
        let read = if operation == Operation::Read { 10_000 } else { 0 };
        assert_eq!(completion.data.len(), read);
    }
}

#[test]
fn parts_that_come_back_in_another_order_are_one_read() {
    let (mut job, came) =
        job(request(Operation::Read, 0, 10, Flags::NONE), &Ability { payload: 4, ..ALL });
    let parts: Vec<_> = std::iter::from_fn(|| job.next_part()).collect();
    for part in parts.iter().rev() {
        let data = bytes(part.request.range);
        assert!(!job.is_over());
        job.answered(part.request.range, answer(Ok(()), &data, &[]));
    }
    job.complete();
    assert_eq!(came.recv().unwrap().data[..], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn only_so_many_parts_are_with_the_server_and_none_after_an_error() {
    let (mut job, came) =
        job(request(Operation::Write, 0, 4096, Flags::NONE), &Ability { payload: 1, ..ALL });
    let parts: Vec<_> = std::iter::from_fn(|| job.next_part()).collect();
    assert_eq!(parts.len(), PARTS_MAX);
    job.answered(parts[0].request.range, answer(Ok(()), b"", &[]));
    assert!(job.next_part().is_some(), "one came back");
    job.answered(parts[1].request.range, answer(Err(Errno::ENOSPC), b"", &[]));
    assert!(job.next_part().is_none() && !job.is_over());
    for _ in 0..PARTS_MAX - 1 {
        job.answered(parts[2].request.range, answer(Err(Errno::EIO), b"", &[]));
    }
    assert!(job.is_over());
    job.complete();
    assert_eq!(came.recv().unwrap().result, Err(Errno::ENOSPC), "the first error counts");
}

#[test]
fn durable_without_the_flag_is_a_flush_behind_all_parts() {
    let server = Ability { fua: false, payload: 60, ..ALL };
    let (mut job, came) = job(request(Operation::Write, 0, 100, Flags::FUA), &server);
    let parts = [job.next_part().unwrap(), job.next_part().unwrap()];
    assert!(parts.iter().all(|part| part.request.flags == Flags::NONE));
    job.answered(parts[0].request.range, answer(Ok(()), b"", &[]));
    assert!(job.next_part().is_none(), "a flush covers only what was answered");
    job.answered(parts[1].request.range, answer(Ok(()), b"", &[]));
    assert!(!job.is_over());
    let flush = job.next_part().unwrap().request;
    assert_eq!(flush, request(Operation::Flush, 0, 0, Flags::NONE));
    job.answered(flush.range, answer(Ok(()), b"", &[]));
    assert!(job.is_over());
    job.complete();
    assert_eq!(came.recv().unwrap().result, Ok(()));
}

#[test]
fn a_server_without_flush_is_not_asked_for_one() {
    let (asked_for, completion) = asked(request(Operation::Flush, 0, 0, Flags::NONE), &LITTLE);
    assert_eq!((asked_for.len(), completion.result), (0, Ok(())));
    let (asked_for, _) = asked(request(Operation::Write, 0, 9, Flags::FUA), &LITTLE);
    assert_eq!(asked_for, [request(Operation::Write, 0, 9, Flags::NONE)]);
}

#[test]
fn a_discard_is_zeroes_that_may_leave_holes_and_never_trim() {
    let long = request(Operation::Discard, 0, (2 << 30) + 5, Flags::NONE);
    let (parts, _) = asked(long, &ALL);
    let ranges = [(0, 1 << 30), (1 << 30, 1 << 30), (2 << 30, 5)];
    let zeroes = |(offset, length)| request(Operation::WriteZeroes, offset, length, Flags::NONE);
    assert_eq!(parts, ranges.map(zeroes));
    let (parts, completion) = asked(long, &LITTLE);
    assert_eq!((parts.len(), completion.result), (0, Err(Errno::ENOTSUP)));
}

#[test]
fn zeroes_without_a_request_for_them_are_written() {
    let (parts, completion) =
        asked(request(Operation::WriteZeroes, 7, 3 * MIB, Flags::NO_HOLE), &LITTLE);
    let write = |offset| request(Operation::Write, offset, MIB, Flags::NONE);
    assert_eq!(parts, [write(7), write(7 + MIB), write(7 + 2 * MIB)]);
    assert_eq!(completion.result, Ok(()));
}

#[test]
fn fast_zeroes_fail_at_once_where_they_could_be_slow_or_done_in_part() {
    let fast = |length| request(Operation::WriteZeroes, 0, length, Flags::FAST_ZERO);
    let without = Ability { fast_zero: false, ..ALL };
    for (wanted, ability) in [(fast(1), &without), (fast(1), &LITTLE), (fast((1 << 30) + 1), &ALL)]
    {
        let (parts, completion) = asked(wanted, ability);
        assert_eq!((parts.len(), completion.result), (0, Err(Errno::ENOTSUP)));
    }
}

#[test]
fn reads_and_questions_off_the_block_are_widened_and_cut() {
    let blocks = Ability { block: 512, payload: 512, ..ALL };
    let (parts, completion) = asked(request(Operation::Read, 500, 30, Flags::NONE), &blocks);
    let whole = |offset| request(Operation::Read, offset, 512, Flags::NONE);
    assert_eq!(parts, [whole(0), whole(512)]);
    assert_eq!(completion.data[..], [9; 30]);
    let (mut job, came) = job(request(Operation::BlockStatus, 500, 30, Flags::NONE), &blocks);
    let part = job.next_part().unwrap();
    assert_eq!(part.request.range, ByteRange::new(0, 1024));
    let run = |length, hole, zero| Extent { length, hole, zero };
    let told = [run(400, false, false), run(112, true, true), run(4096, true, false)];
    job.answered(part.request.range, answer(Ok(()), b"", &told));
    job.complete();
    let kept = came.recv().unwrap().extents;
    assert_eq!(kept, [run(12, true, true), run(18, false, false)], "a hole may hold anything");
}

#[test]
fn changes_off_the_block_or_of_what_is_read_only_are_refused() {
    let blocks = Ability { block: 512, ..ALL };
    for operation in [Operation::Write, Operation::WriteZeroes, Operation::Discard] {
        let (parts, completion) = asked(request(operation, 0, 100, Flags::NONE), &blocks);
        assert_eq!((parts.len(), completion.result), (0, Err(Errno::EINVAL)));
        let (sender, came) = channel();
        let done = Box::new(move |done| sender.send(done).unwrap());
        let data = Bytes::from_static(&[1; 100]);
        let mut job = Job::new(1, request(operation, 0, 100, Flags::NONE), data, done);
        job.begin(&ALL, true);
        assert!(job.is_over() && job.next_part().is_none());
        job.complete();
        assert_eq!(came.recv().unwrap().result, Err(Errno::EPERM));
    }
}

#[test]
fn what_is_not_known_is_data_and_what_is_empty_is_done() {
    let (parts, completion) = asked(request(Operation::BlockStatus, 5, 100, Flags::NONE), &LITTLE);
    let data = Extent { length: 100, hole: false, zero: false };
    assert_eq!((parts.len(), completion.extents), (0, vec![data]));
    let long = request(Operation::BlockStatus, 5, 8 << 30, Flags::NONE);
    let (parts, _) = asked(long, &ALL);
    assert_eq!(parts, [request(Operation::BlockStatus, 5, u32::MAX.into(), Flags::NONE)]);
    let (parts, _) = asked(long, &Ability { range: u64::MAX, ..ALL });
    assert_eq!(parts, [long], "with extended headers all at once");
    let (_, completion) = asked(request(Operation::BlockStatus, 5, 100, Flags::NONE), &ALL);
    assert_eq!(completion.extents, [data], "the server told nothing");
    for operation in [Operation::Read, Operation::Write, Operation::Cache, Operation::Discard] {
        let (parts, completion) = asked(request(operation, 5, 0, Flags::FUA), &ALL);
        assert_eq!((parts.len(), completion.result), (0, Ok(())));
    }
}

#[test]
fn a_job_that_is_dropped_has_failed() {
    let (job, came) = job(request(Operation::Read, 0, 1, Flags::NONE), &ALL);
    drop(job);
    assert_eq!(came.recv().unwrap().result, Err(Errno::EIO));
}
