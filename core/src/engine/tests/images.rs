//! Replays on images: the log itself makes the requests.

use std::sync::atomic::AtomicBool;

use super::*;
use crate::device::{Memory, Pool};

fn run_with(
    bytes: &[u8],
    rules: Rules,
    device: Arc<dyn BlockDevice>,
) -> Result<Replayed, ReplayError> {
    let replay = Replay::new(bytes, rules, vec![device]);
    replay.player.run(&AtomicBool::new(false), &mut |_| {})
}

fn run(bytes: &[u8]) -> Result<Replayed, ReplayError> {
    run_with(bytes, Rules::of(Source::Log), Pool::new(Arc::new(Memory::new(1 << 20)), 2))
}

#[test]
fn what_was_written_is_read_back_and_verified() {
    let bytes = Tape::new()
        .write(0, 512, b"data")
        .done(0, Operation::Write)
        .read(1, 512, 4)
        .block(1, Operation::Read, Ok(()), b"data")
        .end();
    let replayed = run(&bytes).unwrap();
    assert_eq!(replayed.divergences, []);
    assert_eq!((replayed.requests, replayed.verified, replayed.left_out), (2, 1, 0));
}

#[test]
fn other_data_are_a_divergence_that_names_the_bytes_and_the_last_writer() {
    let bytes = Tape::new()
        .write(0, 0, b"xxxx")
        .done(0, Operation::Write)
        .write(1, 512, b"data")
        .done(1, Operation::Write)
        .read(2, 512, 4)
        .block(2, Operation::Read, Ok(()), b"dust")
        .end();
    let replayed = run(&bytes).unwrap();
    let [divergence] = &replayed.divergences[..] else { panic!("{replayed:?}") };
    assert_eq!(divergence.kind.name(), "data");
    assert_eq!(divergence.expected.unwrap().id, Some(RequestId(2)));
    let found = evidence(&mut reader(&bytes), divergence).unwrap();
    let differ = found.bytes.unwrap();
    assert_eq!((differ.first, differ.count, differ.of), (1, 3, 4));
    let last = found.last_writer.unwrap();
    assert_eq!((last.id, last.result), (RequestId(1), Some(Ok(()))));
}

#[test]
fn a_request_that_failed_when_it_was_recorded_is_left_out() {
    let bytes = Tape::new()
        .write(0, 0, b"lost")
        .block(0, Operation::Write, Err(Errno::ENOSPC), b"")
        .read(1, 0, 4)
        .block(1, Operation::Read, Ok(()), b"\0\0\0\0")
        .end();
    let replayed = run(&bytes).unwrap();
    assert_eq!(replayed.divergences, []);
    assert_eq!((replayed.requests, replayed.verified, replayed.left_out), (1, 1, 1));
}

#[test]
fn an_image_that_fails_now_is_a_divergence() {
    let bytes = Tape::new().write(0, 0, b"data").done(0, Operation::Write).end();
    let device = Parked::new(1 << 20);
    let mut replay = Replay::new(&bytes, Rules::of(Source::Log), vec![device.clone()]);
    replay.turn();
    device.complete(0, Err(Errno::EIO));
    replay.turn();
    assert_eq!(replay.kinds(), ["result"]);
}

#[test]
fn an_image_that_never_answers_is_trouble_with_a_name() {
    let bytes = Tape::new().flush(0).done(0, Operation::Flush).end();
    let device = Parked::new(1 << 20);
    let mut replay = Replay::new(&bytes, Rules::of(Source::Log), vec![device.clone()]);
    replay.turn();
    replay.clock.set(10_000_000_001);
    let outcome = replay.player.run(&AtomicBool::new(false), &mut |_| {});
    let Err(ReplayError::Silent { id: RequestId(0), .. }) = outcome else { panic!("{outcome:?}") };
}

/// What is parked at the device after each completion.
fn check_order(bytes: &[u8], rules: Rules, steps: &[(&[u64], u64)]) -> Vec<String> {
    let device = Parked::new(1 << 20);
    let mut replay = Replay::new(bytes, rules, vec![device.clone()]);
    for (parked, complete) in steps {
        replay.turn();
        assert_eq!(device.parked(), *parked);
        device.complete(*complete, Ok(()));
    }
    replay.turn();
    assert_eq!(device.parked(), [0; 0]);
    assert_eq!(replay.kinds(), [""; 0]);
    assert!(replay.engine.replay_ended());
    replay.events()
}

#[test]
fn in_the_recorded_order_a_request_waits_for_all_that_was_released_before_it_was_issued() {
    let bytes = Tape::new()
        .flush(0)
        .flush(1)
        .checkpoint()
        .done(1, Operation::Flush)
        .flush(2)
        .checkpoint()
        .done(2, Operation::Flush)
        .done(0, Operation::Flush)
        .end();
    let events = check_order(&bytes, Rules::of(Source::Log), &[(&[0, 1], 0), (&[1], 1), (&[2], 2)]);
    assert_eq!(
        events,
        [
            "issue #0",
            "issue #1",
            "checkpoint",
            "block #1",
            "issue #2",
            "checkpoint",
            "block #2",
            "block #0"
        ]
    );
}

#[test]
fn what_a_conflict_holds_back_is_in_the_log_before_what_was_issued_after_it() {
    let bytes = Tape::new()
        .write(0, 0, b"one")
        .write(1, 0, b"two")
        .write(2, 512, b"three")
        .checkpoint()
        .done(2, Operation::Write)
        .done(0, Operation::Write)
        .done(1, Operation::Write)
        .end();
    let issues = ["issue #0", "issue #1", "issue #2"];
    let whole = check_order(&bytes, Rules::of(Source::Log), &[(&[0, 2], 2), (&[0], 0), (&[1], 1)]);
    assert_eq!(whole[..3], issues);
    // Whatever else it waits for: here, for room.
    let rules = Rules { depth: 1, ..Rules::of(Source::Log) };
    let narrow = check_order(&bytes, rules, &[(&[0], 0), (&[2], 2), (&[1], 1)]);
    let asked: Vec<_> = narrow.iter().filter(|event| event.starts_with("issue")).collect();
    assert_eq!(asked, issues.iter().collect::<Vec<_>>());
}

#[test]
fn in_the_order_of_conflicts_only_conflicts_and_flushes_wait() {
    let bytes = Tape::new()
        .write(0, 0, b"data")
        .checkpoint()
        .done(0, Operation::Write)
        .write(1, 512, b"data")
        .read(2, 0, 4)
        .flush(3)
        .checkpoint()
        .done(3, Operation::Flush)
        .done(1, Operation::Write)
        .block(2, Operation::Read, Ok(()), &[7; 4])
        .end();
    let rules = Rules { order: Order::Conflict, ..Rules::of(Source::Log) };
    check_order(&bytes, rules, &[(&[0, 1], 0), (&[1, 2, 3], 3), (&[1, 2], 1), (&[2], 2)]);
}

#[test]
fn without_an_order_nothing_waits_but_for_room() {
    let bytes = Tape::new()
        .write(0, 0, b"data")
        .done(0, Operation::Write)
        .write(1, 0, b"data")
        .done(1, Operation::Write)
        .write(2, 0, b"data")
        .done(2, Operation::Write)
        .end();
    let rules = Rules { order: Order::None, depth: 2, ..Rules::of(Source::Log) };
    check_order(&bytes, rules, &[(&[0, 1], 1), (&[0, 2], 0), (&[2], 2)]);
}

#[test]
fn a_read_that_a_conflicting_write_could_touch_is_never_called_verified() {
    let bytes = Tape::new()
        .write(0, 0, b"data")
        .done(0, Operation::Write)
        .read(1, 0, 4)
        .block(1, Operation::Read, Ok(()), b"data")
        .read(2, 512, 4)
        .block(2, Operation::Read, Ok(()), &[7; 4])
        .end();
    let rules = Rules { order: Order::None, ..Rules::of(Source::Log) };
    let device = Parked::new(1 << 20);
    let mut replay = Replay::new(&bytes, rules, vec![device.clone()]);
    replay.turn();
    for id in [1, 0, 2] {
        device.complete(id, Ok(()));
    }
    replay.turn();
    let replayed = replay.replayed();
    assert_eq!((replayed.verified, replayed.unverified), (1, 1));
    assert_eq!(replayed.divergences, []);
}

#[test]
fn with_recorded_times_a_request_waits_for_its_own_and_slips_are_counted() {
    let bytes = Tape::new()
        .flush(0)
        .done(0, Operation::Flush)
        .later(1_000_000)
        .flush(1)
        .done(1, Operation::Flush)
        .end();
    let rules = Rules { timing: Timing::Scaled(2.0), ..Rules::of(Source::Log) };
    let device = Parked::new(1 << 20);
    let mut replay = Replay::new(&bytes, rules, vec![device.clone()]);
    replay.turn();
    device.complete(0, Ok(()));
    replay.turn();
    assert_eq!(device.parked(), [0; 0]);
    replay.clock.set(500_000);
    replay.turn();
    assert_eq!(device.parked(), [0; 0], "a thousand nanoseconds are missing");
    replay.clock.set(501_500);
    replay.turn();
    assert_eq!(device.parked(), [1]);
    device.complete(1, Ok(()));
    replay.turn();
    assert_eq!(replay.replayed().slip_max, Nanos(500));
    assert_eq!(replay.replayed().slip.total(), 2);
}

#[test]
fn data_that_the_trace_does_not_have_are_made_up_and_never_verified() {
    let bytes = Tape::of(PayloadPolicy::Hash, 1)
        .write(0, 0, b"data")
        .done(0, Operation::Write)
        .read(1, 2, 4)
        .block(1, Operation::Read, Ok(()), b"ta..")
        .read(2, 512, 4)
        .block(2, Operation::Read, Ok(()), b"\0\0\0\0")
        .end();
    let mut replay = Replay::new(
        &bytes,
        Rules::of(Source::Log),
        vec![Pool::new(Arc::new(Memory::new(4096)), 1)],
    );
    replay.player = Player::new(&replay.engine, &replay.disks, Fill::Random);
    let replayed = replay.player.run(&AtomicBool::new(false), &mut |_| {}).unwrap();
    assert_eq!(replayed.divergences, []);
    assert_eq!((replayed.filled, replayed.verified, replayed.unverified), (1, 1, 1));
}

#[test]
fn a_replay_ends_where_it_is_told_to_and_completes_what_it_has_begun() {
    let bytes = Tape::new()
        .write(0, 0, b"data")
        .write(1, 512, b"data")
        .done(0, Operation::Write)
        .done(1, Operation::Write)
        .end();
    let device = Parked::new(1 << 20);
    let mut replay = Replay::new(&bytes, Rules::of(Source::Log), vec![device.clone()]);
    replay.player = Player::new(&replay.engine, &replay.disks, Fill::None).until(1);
    replay.turn();
    assert_eq!(device.parked(), [0]);
    device.complete(0, Ok(()));
    replay.turn();
    assert!(replay.engine.replay_ended());
    let replayed = replay.replayed();
    assert!(replayed.cut);
    assert_eq!((replayed.requests, replayed.divergences), (1, Vec::new()));
}

#[test]
fn a_replay_that_goes_on_tells_every_difference() {
    let bytes = Tape::new()
        .read(0, 0, 4)
        .block(0, Operation::Read, Ok(()), b"data")
        .read(1, 0, 4)
        .block(1, Operation::Read, Ok(()), b"\0\0\0\0")
        .read(2, 0, 4)
        .block(2, Operation::Read, Ok(()), b"dust")
        .end();
    let rules = Rules { goes_on: true, ..Rules::of(Source::Log) };
    let device = Pool::new(Arc::new(Memory::new(1 << 20)), 2);
    let replayed = run_with(&bytes, rules, device).unwrap();
    let named: Vec<_> =
        replayed.divergences.iter().map(|one| one.expected.unwrap().id.unwrap().0).collect();
    assert_eq!(named, [0, 2]);
    assert_eq!((replayed.requests, replayed.verified), (3, 1));
}

#[test]
fn somebody_who_interrupts_need_not_wait_for_a_silent_image() {
    let bytes = Tape::new().flush(0).done(0, Operation::Flush).end();
    let mut replay = Replay::new(&bytes, Rules::of(Source::Log), vec![Parked::new(1 << 20)]);
    replay.turn();
    let outcome = replay.player.run(&AtomicBool::new(true), &mut |_| {});
    let Err(ReplayError::Interrupted { requests: 0 }) = outcome else { panic!("{outcome:?}") };
}

#[test]
fn what_no_client_could_have_sent_is_refused_with_its_place() {
    let past_end = Tape::new().read(0, 1 << 20, 1).end();
    let outcome = run(&past_end);
    let Err(ReplayError::PastEnd { event: 0, size: 0x10_0000, .. }) = outcome else {
        panic!("{outcome:?}");
    };
    let short = Tape::new().issue(0, request(Operation::Write, 0, 9), b"data").end();
    let outcome = run(&short);
    let Err(ReplayError::DataLength { event: 0, expected: 9, found: 4, .. }) = outcome else {
        panic!("{outcome:?}");
    };
    let twice = Tape::new().flush(0).flush(0).end();
    let outcome = run(&twice);
    let Err(ReplayError::Twice { event: 1, .. }) = outcome else { panic!("{outcome:?}") };
}

#[test]
fn to_what_requests_are_aligned_is_known_before_the_first_request() {
    let aligned = |offset, length| {
        let tape = Tape::new().write(0, 8192, &[1; 4096]).flush(1);
        plan(&tape.read(2, offset, length).end()).aligned_to
    };
    assert_eq!(aligned(4096, 8192), 4096);
    assert_eq!(aligned(4096, 512), 512);
    assert_eq!(aligned(3, 4096), 1);
    assert_eq!(plan(&Tape::new().flush(0).end()).aligned_to, 1 << 63);
}

#[test]
fn what_a_trace_does_not_hold_is_known_before_the_first_request() {
    let bytes = Tape::new().issue(0, request(Operation::Write, 0, 4), b"").end();
    let outcome = plan(&bytes).needs_writes();
    let Err(PlanError::NoWriteData(Incomplete { event: 0, .. })) = outcome else {
        panic!("{outcome:?}");
    };
    let bytes = Tape::new().read(0, 8, 4).done(0, Operation::Read).end();
    let outcome = plan(&bytes).needs_reads();
    let Err(PlanError::NoReadData(first)) = outcome else { panic!("{outcome:?}") };
    assert_eq!((first.event, first.request.range.offset), (0, 8));
}

#[test]
fn what_two_changes_at_once_leave_behind_is_never_called_verified() {
    let bytes = Tape::new()
        .write(0, 0, b"one.")
        .done(0, Operation::Write)
        .write(1, 2, b"two.")
        .done(1, Operation::Write)
        .read(2, 0, 4)
        .block(2, Operation::Read, Ok(()), b"ontw")
        .read(3, 512, 4)
        .block(3, Operation::Read, Ok(()), &[7; 4])
        .end();
    let rules = Rules { order: Order::None, depth: 2, ..Rules::of(Source::Log) };
    let device = Parked::new(1 << 20);
    let mut replay = Replay::new(&bytes, rules, vec![device.clone()]);
    replay.turn();
    for id in [1, 0] {
        device.complete(id, Ok(()));
    }
    replay.turn();
    assert_eq!(device.parked(), [2, 3], "nothing is in flight with the reads");
    for id in [2, 3] {
        device.complete(id, Ok(()));
    }
    replay.turn();
    let replayed = replay.replayed();
    assert_eq!(replayed.divergences, []);
    assert_eq!((replayed.verified, replayed.unverified), (1, 1));
}
