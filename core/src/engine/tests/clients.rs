//! Replays with clients: requests come through ports, and must be those of the log.

use std::sync::atomic::AtomicBool;

use super::*;
use crate::device::{Image, Memory, Sim};

pub(super) fn live() -> Rules {
    Rules::of(Source::Clients)
}

pub(super) fn connect(disk: &Arc<Disk>) -> Port {
    disk.connect(Negotiated::usual()).unwrap()
}

pub(super) fn arrival(cookie: u64, request: Request, data: &[u8]) -> Arrival {
    let data = Bytes::copy_from_slice(data);
    Arrival { tag: cookie, cookie, request, data, refused: None }
}

pub(super) fn write(cookie: u64, offset: u64, data: &[u8]) -> Arrival {
    arrival(cookie, request(Operation::Write, offset, data.len() as u64), data)
}

pub(super) fn read(cookie: u64, offset: u64, length: u64) -> Arrival {
    arrival(cookie, request(Operation::Read, offset, length), b"")
}

pub(super) fn flush(cookie: u64) -> Arrival {
    arrival(cookie, request(Operation::Flush, 0, 0), b"")
}

/// A replay with one connection.
pub(super) struct Client {
    pub(super) replay: Replay,
    pub(super) device: Arc<Parked>,
    /// `None` once it has gone.
    pub(super) port: Option<Port>,
}

impl Client {
    pub(super) fn issue(&mut self, mut arrivals: Vec<Arrival>) {
        self.port.as_mut().unwrap().issue(&mut arrivals);
        self.replay.turn();
    }

    pub(super) fn new(bytes: &[u8], rules: Rules) -> Client {
        let device = Parked::new(1 << 20);
        let replay = Replay::new(bytes, rules, vec![device.clone()]);
        let port = Some(connect(&replay.disks[0]));
        Client { replay, device, port }
    }

    pub(super) fn send(&mut self, arrivals: Vec<Arrival>) {
        self.issue(arrivals);
        // What the conductor lets go waits for its port.
        assert_eq!(self.got(), [0; 0]);
    }

    /// The cookies of what came back.
    pub(super) fn got(&mut self) -> Vec<u64> {
        self.released().iter().map(|released| released.cookie).collect()
    }

    pub(super) fn released(&mut self) -> Vec<Released> {
        let mut released = Vec::new();
        loop {
            self.replay.turn();
            let before = released.len();
            let port = self.port.as_mut().unwrap();
            port.pump(&mut released);
            self.replay.turn();
            port.pump(&mut released);
            if released.len() == before {
                return released;
            }
        }
    }

    pub(super) fn complete(&mut self, ticket: u64) -> Vec<u64> {
        self.device.complete(ticket, Ok(()));
        self.got()
    }

    /// The client goes, and with it all that it could still bring.
    pub(super) fn leave(&mut self) {
        let mut port = self.port.take().unwrap();
        port.abandon();
        self.replay.engine.no_more_clients();
        self.replay.turn();
    }

    pub(super) fn events(&mut self) -> Vec<String> {
        self.replay.events()
    }
}

/// Two writes in flight together, the second released first, and a flush after both.
pub(super) fn two_writes_and_a_flush() -> Vec<u8> {
    Tape::new()
        .write(0, 0, b"one")
        .write(1, 512, b"two")
        .checkpoint()
        .done(1, Operation::Write)
        .checkpoint()
        .done(0, Operation::Write)
        .flush(2)
        .checkpoint()
        .done(2, Operation::Flush)
        .end()
}

#[test]
fn completions_are_released_in_the_recorded_order_whatever_the_image_does() {
    let mut client = Client::new(&two_writes_and_a_flush(), live());
    client.send(vec![write(10, 0, b"one"), write(11, 512, b"two")]);
    assert_eq!(client.device.parked(), [0, 1]);
    assert_eq!(client.complete(0), [0; 0], "the recording released the other one first");
    assert_eq!(client.complete(1), [11, 10]);
    client.send(vec![flush(12)]);
    assert_eq!(client.complete(2), [12]);
    client.leave();
    assert_eq!(client.replay.kinds(), [""; 0]);
    assert!(client.replay.engine.replay_ended());
    assert_eq!(
        client.events(),
        [
            "issue #0",
            "issue #1",
            "checkpoint",
            "block #1",
            "checkpoint",
            "block #0",
            "issue #2",
            "checkpoint",
            "block #2"
        ]
    );
}

#[test]
fn two_requests_that_arrive_the_other_way_round_keep_their_recorded_ids() {
    let mut client = Client::new(&two_writes_and_a_flush(), live());
    client.send(vec![write(11, 512, b"two")]);
    client.send(vec![write(10, 0, b"one")]);
    assert_eq!(client.device.parked(), [1, 0]);
    assert_eq!(client.complete(0), [0; 0]);
    assert_eq!(client.complete(1), [11, 10]);
}

#[test]
fn what_comes_early_is_kept_until_its_step() {
    let mut client = Client::new(&two_writes_and_a_flush(), live());
    client.send(vec![flush(12), write(10, 0, b"one")]);
    assert_eq!(client.device.parked(), [0], "the flush was issued after the writes were released");
    client.send(vec![write(11, 512, b"two")]);
    client.device.complete(0, Ok(()));
    assert_eq!(client.complete(1), [11, 10]);
    assert_eq!(client.device.parked(), [2]);
    assert_eq!(client.complete(2), [12]);
}

#[test]
fn conflicting_requests_go_to_the_image_in_the_order_of_their_recorded_ids() {
    let bytes = Tape::new()
        .write(0, 0, b"one")
        .write(1, 0, b"two")
        .checkpoint()
        .done(0, Operation::Write)
        .done(1, Operation::Write)
        .end();
    let mut client = Client::new(&bytes, live());
    client.send(vec![write(11, 0, b"two")]);
    assert_eq!(client.device.parked(), [0; 0], "the one before it has not come");
    client.send(vec![write(10, 0, b"one")]);
    assert_eq!(client.device.parked(), [0]);
    assert_eq!(client.complete(0), [0; 0]);
    assert_eq!(client.complete(1), [10, 11]);
}

#[test]
fn without_an_image_the_trace_answers() {
    let bytes = Tape::new()
        .write(0, 0, b"data")
        .done(0, Operation::Write)
        .read(1, 0, 4)
        .block(1, Operation::Read, Ok(()), b"data")
        .read(2, 512, 8)
        .block(2, Operation::Read, Ok(()), &[0; 8])
        .read(3, 1 << 30, 8)
        .block(3, Operation::Read, Err(Errno::EINVAL), b"")
        .end();
    let replay = Replay::new(&bytes, live(), Vec::new());
    let port = Some(connect(&replay.disks[0]));
    let device = Parked::new(1);
    let mut client = Client { replay, device, port };
    let mut answers = Vec::new();
    for arrival in [
        write(10, 0, b"data"),
        read(11, 0, 4),
        read(12, 512, 8),
        Arrival { refused: Some(Errno::EINVAL), ..read(13, 1 << 30, 8) },
    ] {
        client.issue(vec![arrival]);
        answers.extend(client.released());
    }
    let answers: Vec<_> =
        answers.iter().map(|one| (one.cookie, one.result, &one.data[..])).collect();
    assert_eq!(
        answers,
        [
            (10, Ok(()), &b""[..]),
            (11, Ok(()), b"data"),
            (12, Ok(()), &[0; 8]),
            (13, Err(Errno::EINVAL), b"")
        ]
    );
    client.leave();
    let replayed = client.replay.replayed();
    assert_eq!(replayed.divergences, []);
    assert_eq!((replayed.requests, replayed.left_out, replayed.verified), (3, 1, 0));
}

#[test]
fn a_write_whose_client_had_gone_is_done_from_the_trace_if_it_does_not_come() {
    let undelivered = CompletionFlags { undelivered: true, refused: false };
    let bytes = Tape::new()
        .write(0, 0, b"lost")
        .checkpoint()
        .block_with(0, Operation::Write, Ok(()), b"", undelivered)
        .read(1, 512, 4)
        .checkpoint()
        .block(1, Operation::Read, Ok(()), &[7; 4])
        .end();
    let mut client = Client::new(&bytes, live());
    client.replay.turn();
    assert_eq!(client.device.parked(), [0], "nobody waits for the client");
    client.device.complete(0, Ok(()));
    client.send(vec![read(11, 512, 4)]);
    assert_eq!(client.complete(1), [11]);
    client.leave();
    let replayed = client.replay.replayed();
    assert_eq!(replayed.divergences, []);
    assert_eq!((replayed.requests, replayed.absent), (2, 1));
}

#[test]
fn with_recorded_times_a_release_waits_for_its_own() {
    let bytes = Tape::new().flush(0).later(5_000_000).done(0, Operation::Flush).end();
    let mut client = Client::new(&bytes, Rules { timing: Timing::Scaled(1.0), ..live() });
    client.replay.clock.set(1_000);
    client.send(vec![flush(10)]);
    assert_eq!(client.complete(0), [0; 0]);
    client.replay.clock.set(5_001_999);
    assert_eq!(client.got(), [0; 0]);
    client.replay.clock.set(5_002_000);
    assert_eq!(client.got(), [10]);
}

#[test]
fn the_player_is_woken_for_a_release_that_waits_for_its_time() {
    let bytes = Tape::new().flush(0).later(5_000_000).done(0, Operation::Flush).end();
    let mut client = Client::new(&bytes, Rules { timing: Timing::Scaled(1.0), ..live() });
    client.send(vec![flush(10)]);
    let engine = Arc::clone(&client.replay.engine);
    let Mode::Replay(play) = &engine.mode else { panic!("it replays") };
    play.player.bell().clear();
    client.device.complete(0, Ok(()));
    client.port.as_mut().unwrap().pump(&mut Vec::new());
    let woken = !play.player.bell().park();
    client.replay.clock.set(5_002_000);
    assert_eq!(client.got(), [10]);
    assert!(woken, "it sleeps until something else happens");
}

#[test]
fn marks_are_counted_and_never_a_divergence() {
    let mark = |name: &str| EventKind::Mark { name: name.parse().unwrap() };
    let bytes = Tape::new().event(mark("a"), b"").event(mark("b"), b"").end();
    let mut client = Client::new(&bytes, live());
    for name in ["a", "a"] {
        client.replay.engine.mark(name.parse().unwrap()).unwrap();
    }
    client.leave();
    let player = client.replay.player;
    let replayed = player.run(&AtomicBool::new(false), &mut |_| {}).unwrap();
    assert_eq!((replayed.marks_missing, replayed.marks_extra), (1, 1));
    assert_eq!(replayed.divergences, []);
}

#[test]
fn early_data_that_memory_has_no_room_for_come_back_from_a_file() {
    let large = vec![7_u8; 40 << 20];
    let bytes = Tape::of(PayloadPolicy::Hash, 1)
        .flush(0)
        .checkpoint()
        .done(0, Operation::Flush)
        .write(1, 0, &large)
        .write(2, 40 << 20, &large)
        .write(3, 80 << 20, b"tail")
        .checkpoint()
        .done(1, Operation::Write)
        .done(2, Operation::Write)
        .done(3, Operation::Write)
        .end();
    let memory = Arc::new(Memory::new(81 << 20));
    let sim = Sim::new(Arc::clone(&memory) as Arc<dyn Image>);
    let replay = Replay::new(&bytes, live(), vec![sim.clone()]);
    let port = Some(connect(&replay.disks[0]));
    let mut client = Client { replay, device: Parked::new(1), port };
    client.issue(vec![write(11, 0, &large), write(12, 40 << 20, &large)]);
    client.issue(vec![write(13, 80 << 20, b"tail")]);
    let Mode::Replay(play) = &client.replay.engine.mode else { unreachable!("it is a replay") };
    assert_eq!(play.kept_bytes(), 80 << 20, "the last one is not in memory");
    client.issue(vec![flush(10)]);
    let mut got = client.got();
    for _ in 0..4 {
        let parked: Vec<u64> = sim.parked().iter().map(|(tag, _)| *tag).collect();
        for tag in parked {
            assert!(sim.complete(tag));
        }
        got.extend(client.got());
    }
    assert_eq!(got, [10, 11, 12, 13]);
    let mut tail = [0; 4];
    memory.read(80 << 20, &mut tail).unwrap();
    assert_eq!(&tail, b"tail");
    client.leave();
    assert_eq!(client.replay.kinds(), [""; 0]);
}

#[test]
fn however_many_checkpoints_release_nothing_they_are_counted_and_not_kept() {
    let mut tape = Tape::new().write(0, 0, b"one").checkpoint().done(0, Operation::Write);
    for _ in 0..10_000 {
        tape = tape.checkpoint();
    }
    let bytes = tape.write(1, 512, b"two").checkpoint().done(1, Operation::Write).end();
    let mut client = Client::new(&bytes, live());
    client.replay.turn();
    let kept = client.replay.engine.lock().conductor.as_ref().unwrap().kept_steps();
    assert!(kept < 10, "{kept}");
    client.send(vec![write(10, 0, b"one")]);
    assert_eq!(client.complete(0), [10]);
    client.leave();
    let [divergence] = &client.replay.replayed().divergences[..] else { panic!("one is missing") };
    assert_eq!((divergence.kind.name(), divergence.at.step), ("missing", 10_001));
}
