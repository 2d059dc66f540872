//! What a trace has beside requests, in the own log of a replay on images.

use super::*;

#[test]
fn however_many_marks_lie_behind_a_request_under_way_all_are_taken_over() {
    let mark = || EventKind::Mark { name: "here".parse().unwrap() };
    let mut tape = Tape::new().write(0, 0, b"data").checkpoint().done(0, Operation::Write);
    tape = tape.write(1, 512, b"more");
    for _ in 0..10_000 {
        tape = tape.event(mark(), b"");
    }
    let bytes = tape.checkpoint().done(1, Operation::Write).end();
    let device = Parked::new(1 << 20);
    let mut replay = Replay::new(&bytes, Rules::of(Source::Log), vec![device.clone()]);
    for ticket in 0..2 {
        replay.turn();
        assert_eq!(device.parked(), [ticket]);
        device.complete(ticket, Ok(()));
    }
    replay.turn();
    assert!(replay.engine.replay_ended());
    let own = replay.end();
    let mut own = reader(&own);
    let mut marks = 0;
    while let Some((_, event)) = own.next_event().unwrap() {
        marks += u64::from(event.kind == mark());
    }
    assert_eq!(marks, 10_000);
}
