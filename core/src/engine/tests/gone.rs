//! Requests whose clients had gone when they were recorded: they may come, late or never.

use super::clients::*;
use super::*;

const UNDELIVERED: CompletionFlags = CompletionFlags { undelivered: true, refused: false };

/// A write of whose data only the digest is known and whose client had gone, then a flush.
fn lost_write() -> Vec<u8> {
    Tape::of(PayloadPolicy::Hash, 1)
        .write(0, 0, b"lost")
        .checkpoint()
        .block_with(0, Operation::Write, Ok(()), b"", UNDELIVERED)
        .flush(1)
        .checkpoint()
        .done(1, Operation::Flush)
        .end()
}

#[test]
fn what_nobody_waited_for_and_comes_late_is_no_divergence() {
    let mut client = Client::new(&lost_write(), live());
    client.replay.turn();
    client.issue(vec![write(10, 0, b"lost"), flush(11)]);
    let late = client.released();
    assert_eq!((late.len(), late[0].cookie), (1, 10));
    assert_eq!(late[0].result, Err(Errno::ESHUTDOWN));
    assert_eq!(client.complete(1), [11]);
    client.leave();
    assert_eq!(client.replay.kinds(), [""; 0]);
    assert_eq!(client.replay.replayed().absent, 1);
}

#[test]
fn what_comes_late_with_other_data_is_unexpected() {
    let mut client = Client::new(&lost_write(), live());
    client.replay.turn();
    client.issue(vec![write(10, 0, b"lust")]);
    assert_eq!(client.got(), [10]);
    assert_eq!(client.replay.kinds(), ["unexpected"]);
}

#[test]
fn a_read_that_comes_behind_those_that_overtook_it_waits_for_them_and_proves_nothing() {
    let bytes = Tape::new()
        .read(0, 0, 4)
        .write(1, 0, b"data")
        .checkpoint()
        .done(1, Operation::Write)
        .flush(2)
        .checkpoint()
        .done(2, Operation::Flush)
        .block_with(0, Operation::Read, Ok(()), b"old.", UNDELIVERED)
        .end();
    let mut client = Client::new(&bytes, live());
    client.send(vec![write(11, 0, b"data")]);
    assert_eq!(client.device.parked(), [1], "nobody waits for the read");
    client.send(vec![read(10, 0, 4)]);
    assert_eq!(client.device.parked(), [1], "now it is behind the write");
    assert_eq!(client.complete(1), [11]);
    assert_eq!(client.device.parked(), [0]);
    client.send(vec![flush(12)]);
    client.device.deliver(0, b"data".to_vec());
    client.device.complete(2, Ok(()));
    assert_eq!(client.got(), [12, 10]);
    client.leave();
    let replayed = client.replay.replayed();
    assert_eq!(replayed.divergences, []);
    assert_eq!((replayed.verified, replayed.unverified), (0, 1));
}

#[test]
fn a_step_is_released_whole_though_one_of_it_comes_that_need_not() {
    let bytes = Tape::new()
        .write(0, 0, b"one")
        .read(1, 512, 4)
        .flush(2)
        .checkpoint()
        .done(0, Operation::Write)
        .block_with(1, Operation::Read, Ok(()), &[7; 4], UNDELIVERED)
        .done(2, Operation::Flush)
        .end();
    let mut client = Client::new(&bytes, live());
    client.send(vec![write(10, 0, b"one"), flush(12)]);
    assert_eq!(client.complete(0), [0; 0]);
    client.send(vec![read(11, 512, 4)]);
    assert_eq!(client.complete(2), [0; 0], "one of the step is with the image");
    assert_eq!(client.complete(1), [10, 11, 12]);
}
