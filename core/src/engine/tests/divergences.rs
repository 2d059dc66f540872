//! Clients that do not do what they did: each divergence by its name.

use super::clients::*;
use super::*;

#[test]
fn a_moved_write_is_a_change_of_its_offset() {
    let mut client = Client::new(&two_writes_and_a_flush(), live());
    client.issue(vec![write(10, 0, b"one"), write(11, 1024, b"two")]);
    let replayed = client.replay.replayed();
    let [divergence] = &replayed.divergences[..] else { panic!("{replayed:?}") };
    assert_eq!(divergence.kind, DivergenceKind::Changed { fields: vec![AskedField::Offset] });
    assert_eq!(divergence.expected.unwrap().id, Some(RequestId(1)));
    assert_eq!(divergence.came.unwrap().request.range.offset, 1024);
    let released = client.released();
    assert!(released.iter().all(|released| released.result == Err(Errno::ESHUTDOWN)));
    assert_eq!(released[0].cookie, 11, "what is with the image comes when it is done");
    client.device.complete(0, Ok(()));
    assert_eq!(client.got(), [10]);
}

#[test]
fn a_changed_byte_is_a_change_of_data_that_names_it() {
    let bytes = two_writes_and_a_flush();
    let mut client = Client::new(&bytes, live());
    client.issue(vec![write(10, 0, b"ono")]);
    let replayed = client.replay.replayed();
    let [divergence] = &replayed.divergences[..] else { panic!("{replayed:?}") };
    assert_eq!(divergence.kind, DivergenceKind::Changed { fields: vec![AskedField::Data] });
    let found = evidence(&mut reader(&bytes), divergence).unwrap().bytes.unwrap();
    assert_eq!((found.first, found.count, found.of), (2, 1, 3));
    client.got();
}

#[test]
fn a_request_too_many_is_unexpected() {
    let mut client = Client::new(&two_writes_and_a_flush(), live());
    client.send(vec![write(10, 0, b"one"), write(11, 512, b"two")]);
    client.device.complete(0, Ok(()));
    client.complete(1);
    client.send(vec![flush(12)]);
    client.complete(2);
    client.issue(vec![flush(13)]);
    let replayed = client.replay.replayed();
    let kinds: Vec<_> = replayed.divergences.iter().map(|one| one.kind.clone()).collect();
    assert_eq!(kinds, [DivergenceKind::Unexpected { after_end: true }]);
    assert_eq!(client.got(), [13]);
}

#[test]
fn what_does_not_come_in_time_is_missing() {
    let mut client = Client::new(&two_writes_and_a_flush(), live());
    client.send(vec![write(10, 0, b"one")]);
    client.device.complete(0, Ok(()));
    client.got();
    client.replay.clock.set(10_000_000_000);
    client.replay.turn();
    assert_eq!(client.replay.kinds(), [""; 0]);
    client.replay.clock.set(10_000_000_001);
    client.replay.turn();
    let replayed = client.replay.replayed();
    let [divergence] = &replayed.divergences[..] else { panic!("{replayed:?}") };
    assert!(matches!(divergence.kind, DivergenceKind::Missing { clients_gone: false, .. }));
    assert_eq!(divergence.expected.unwrap().id, Some(RequestId(1)));
    client.got();
}

#[test]
fn what_waits_behind_a_missing_request_is_a_matter_of_order() {
    let mut client = Client::new(&two_writes_and_a_flush(), live());
    client.send(vec![write(10, 0, b"one"), flush(12)]);
    client.device.complete(0, Ok(()));
    client.got();
    client.replay.clock.set(10_000_000_001);
    client.replay.turn();
    let replayed = client.replay.replayed();
    let [divergence] = &replayed.divergences[..] else { panic!("{replayed:?}") };
    assert!(matches!(divergence.kind, DivergenceKind::Order { kept: 1, others: 0, .. }));
    client.got();
}

#[test]
fn patience_is_longer_where_the_recording_waited_longer() {
    let bytes = Tape::new().later(60_000_000_000).flush(0).done(0, Operation::Flush).end();
    let mut client = Client::new(&bytes, live());
    client.replay.clock.set(300_000_000_000);
    client.replay.turn();
    assert_eq!(client.replay.kinds(), [""; 0]);
    client.replay.clock.set(300_100_000_000);
    client.replay.turn();
    assert_eq!(client.replay.kinds(), ["missing"]);
}

#[test]
fn when_all_clients_have_gone_what_is_missing_will_not_come() {
    let mut client = Client::new(&two_writes_and_a_flush(), live());
    client.send(vec![write(10, 0, b"one"), write(11, 512, b"two")]);
    client.device.complete(0, Ok(()));
    client.complete(1);
    client.leave();
    let replayed = client.replay.replayed();
    let [divergence] = &replayed.divergences[..] else { panic!("{replayed:?}") };
    assert!(matches!(divergence.kind, DivergenceKind::Missing { clients_gone: true, .. }));
    assert_eq!(divergence.expected.unwrap().id, Some(RequestId(2)));
}

#[test]
fn other_data_are_found_before_the_client_sees_them() {
    let bytes = Tape::new().read(0, 0, 4).block(0, Operation::Read, Ok(()), b"data").end();
    let mut client = Client::new(&bytes, live());
    client.send(vec![read(10, 0, 4)]);
    client.device.complete(0, Ok(()));
    let released = client.released();
    assert_eq!(released[0].result, Err(Errno::ESHUTDOWN));
    assert_eq!(client.replay.kinds(), ["data"]);
}

#[test]
fn a_replay_that_goes_on_gives_the_client_what_was_recorded() {
    let bytes = Tape::new()
        .read(0, 0, 4)
        .block(0, Operation::Read, Ok(()), b"data")
        .flush(1)
        .done(1, Operation::Flush)
        .end();
    let mut client = Client::new(&bytes, Rules { goes_on: true, ..live() });
    client.send(vec![read(10, 0, 4)]);
    client.device.complete(0, Ok(()));
    let released = client.released();
    assert_eq!((released[0].result, &released[0].data[..]), (Ok(()), &b"data"[..]));
    client.send(vec![flush(11), flush(12)]);
    client.device.complete(1, Ok(()));
    assert_eq!(client.got(), [11]);
    assert_eq!(client.complete(1 << 63), [12], "one too many is answered by the image");
    assert_eq!(client.replay.kinds(), ["data", "unexpected"]);
    let replayed = client.replay.replayed();
    assert_eq!((replayed.requests, replayed.extra), (2, 1));
}

#[test]
fn a_replay_that_goes_on_gives_up_what_is_missing_and_takes_it_as_extra_later() {
    let mut client = Client::new(&two_writes_and_a_flush(), Rules { goes_on: true, ..live() });
    client.send(vec![write(10, 0, b"one"), flush(12)]);
    client.device.complete(0, Ok(()));
    client.got();
    client.replay.clock.set(10_000_000_001);
    assert_eq!(client.got(), [10]);
    assert_eq!(client.complete(2), [12]);
    assert!(client.replay.engine.replay_ended());
    client.send(vec![write(11, 512, b"two")]);
    assert_eq!(client.complete(1 << 63), [11]);
    assert_eq!(client.replay.kinds(), ["order", "unexpected"]);
    assert_eq!(client.replay.replayed().missing, 1);
}

#[test]
fn early_arrivals_beyond_the_window_are_told_apart_from_unexpected_ones() {
    let mut tape = Tape::new();
    for id in 0..10 {
        tape = match id {
            7 => tape.issue(7, request(Operation::Discard, 0, 512), b""),
            _ => tape.write(id, id * 512, b"data"),
        };
        tape = tape.checkpoint().done(id, Operation::Write);
    }
    let bytes = tape.end();
    let mut client = Client::new(&bytes, Rules { window: 4, ..live() });
    client.issue(vec![arrival(7, request(Operation::Discard, 0, 512), b"")]);
    let replayed = client.replay.replayed();
    let [divergence] = &replayed.divergences[..] else { panic!("{replayed:?}") };
    assert!(matches!(divergence.kind, DivergenceKind::Window { window: 4 }), "{divergence:?}");
    let later = evidence(&mut reader(&bytes), divergence).unwrap().later.unwrap();
    assert_eq!(later.id, RequestId(7));
    client.got();
}

#[test]
fn a_request_too_many_does_not_wait_for_what_comes_only_when_it_was_answered() {
    for order in [Order::Recorded, Order::Conflict] {
        let rules = Rules { goes_on: true, order, ..live() };
        let mut client = Client::new(&two_writes_and_a_flush(), rules);
        client.send(vec![read(13, 0, 3)]);
        assert_eq!(client.device.parked(), [1 << 63], "the write to its range has not come");
        let away = client.replay.engine.waiting().away;
        assert_eq!(away[0].request, request(Operation::Read, 0, 3));
        client.send(vec![write(10, 0, b"one"), write(11, 512, b"two")]);
        assert_eq!(client.device.parked(), [1 << 63, 1], "now the write waits for the read");
        assert_eq!(client.complete(1 << 63), [13]);
        assert_eq!(client.device.parked(), [1, 0]);
        client.device.complete(0, Ok(()));
        client.device.complete(1, Ok(()));
        let mut got = client.got();
        got.sort_unstable();
        assert_eq!(got, [10, 11]);
        client.send(vec![flush(12)]);
        assert_eq!(client.complete(2), [12]);
        client.leave();
        assert_eq!(client.replay.kinds(), ["unexpected"]);
    }
}

#[test]
fn what_waits_for_its_data_in_the_middle_of_a_step_has_a_checkpoint_of_its_own() {
    let bytes = Tape::new()
        .flush(0)
        .read(1, 0, 4)
        .checkpoint()
        .done(0, Operation::Flush)
        .block(1, Operation::Read, Ok(()), b"data")
        .end();
    let mut client = Client::new(&bytes, Rules { goes_on: true, ..live() });
    client.send(vec![flush(10), read(11, 0, 4)]);
    client.device.complete(0, Ok(()));
    client.device.deliver(1, b"dust".to_vec());
    assert_eq!(client.got(), [10, 11]);
    client.leave();
    // Whatever else came between the two, such as a request too many, is in the log there.
    assert_eq!(
        client.events(),
        ["issue #0", "issue #1", "checkpoint", "block #0", "checkpoint", "block #1"]
    );
}
