//! The log that a replay writes itself: what it says where the replay is not the recording.

use super::*;

#[test]
fn the_log_of_a_replay_has_what_was_read_now() {
    let bytes = Tape::new().read(0, 0, 4).block(0, Operation::Read, Ok(()), b"data").end();
    let rules = Rules { goes_on: true, ..Rules::of(Source::Log) };
    let device = Parked::new(1 << 20);
    let mut replay = Replay::new(&bytes, rules, vec![device.clone()]);
    replay.turn();
    device.deliver(0, b"dust".to_vec());
    replay.turn();
    assert_eq!(replay.kinds(), ["data"]);
    let mut log = reader(&replay.end());
    let mut read = None;
    while let Some((_, event)) = log.next_event().unwrap() {
        if let EventKind::Block(Block { payload: Payload::Stored(digest, id), .. }) = event.kind {
            read = Some((Payload::Digest(digest), log.payload(id).unwrap()));
        }
    }
    assert_eq!(read, Some((Payload::of(b"dust"), Bytes::from_static(b"dust"))));
}

#[test]
fn the_log_of_a_replay_keeps_the_data_of_writes_that_are_not_done_again() {
    let bytes = Tape::new()
        .write(0, 0, b"data")
        .checkpoint()
        .block(0, Operation::Write, Err(Errno::ENOSPC), b"")
        .end();
    let mut replay = Replay::new(&bytes, Rules::of(Source::Log), vec![Parked::new(1 << 20)]);
    replay.turn();
    assert!(replay.engine.replay_ended());
    plan(&replay.end()).needs_writes().unwrap();
}
