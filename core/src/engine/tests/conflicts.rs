//! Replays with clients in the order of conflicts: requests go ahead of those that they need not wait for.

use super::clients::*;
use super::*;

#[test]
fn in_the_order_of_conflicts_what_came_early_goes_ahead_of_what_it_does_not_conflict_with() {
    let bytes = Tape::new()
        .write(0, 0, b"one")
        .checkpoint()
        .done(0, Operation::Write)
        .write(1, 512, b"two")
        .checkpoint()
        .done(1, Operation::Write)
        .flush(2)
        .checkpoint()
        .done(2, Operation::Flush)
        .end();
    let mut client = Client::new(&bytes, Rules { order: Order::Conflict, ..live() });
    client.send(vec![write(11, 512, b"two"), flush(12)]);
    assert_eq!(client.device.parked(), [1], "the flush waits for both writes");
    assert_eq!(client.complete(1), [11]);
    client.send(vec![write(10, 0, b"one")]);
    assert_eq!(client.complete(0), [10]);
    assert_eq!(client.complete(2), [12]);
    client.leave();
    assert_eq!(client.replay.kinds(), [""; 0]);
    assert_eq!(
        client.events(),
        [
            "issue #1",
            "checkpoint",
            "block #1",
            "issue #0",
            "checkpoint",
            "block #0",
            "issue #2",
            "checkpoint",
            "block #2"
        ]
    );
}

#[test]
fn in_the_order_of_conflicts_the_trace_answers_too() {
    let bytes =
        Tape::new().read(0, 0, 4).checkpoint().block(0, Operation::Read, Ok(()), b"data").end();
    let rules = Rules { order: Order::Conflict, ..live() };
    let replay = Replay::new(&bytes, rules, Vec::new());
    let port = Some(connect(&replay.disks[0]));
    let mut client = Client { replay, device: Parked::new(1), port };
    client.issue(vec![read(10, 0, 4)]);
    let released = client.released();
    assert_eq!((released.len(), &released[0].data[..]), (1, &b"data"[..]));
}

#[test]
fn in_the_order_of_conflicts_it_is_told_what_is_waited_for() {
    let bytes = Tape::new()
        .write(0, 0, b"one")
        .checkpoint()
        .done(0, Operation::Write)
        .write(1, 0, b"two")
        .checkpoint()
        .done(1, Operation::Write)
        .end();
    let mut client = Client::new(&bytes, Rules { order: Order::Conflict, ..live() });
    client.send(vec![write(11, 0, b"two")]);
    let waiting = client.replay.engine.waiting();
    let ids = |asked: &[Asked]| asked.iter().map(|one| one.id.unwrap().0).collect::<Vec<_>>();
    assert_eq!((ids(&waiting.missing), ids(&waiting.held)), (vec![0], vec![1]));
    client.replay.engine.stop_replay();
    assert_eq!(client.got(), [11]);
}
