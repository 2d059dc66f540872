//! Replays with several clients that ask the same: each gets the answer that its counterpart got.

use super::clients::{connect, flush, live, write};
use super::*;

/// Clients on one device.
struct Clients {
    replay: Replay,
    device: Arc<Parked>,
    ports: Vec<Port>,
}

impl Clients {
    fn new(bytes: &[u8], count: usize) -> Clients {
        let device = Parked::new(1 << 20);
        let replay = Replay::new(bytes, live(), vec![device.clone()]);
        let ports = (0..count).map(|_| connect(&replay.disks[0])).collect();
        Clients { replay, device, ports }
    }

    fn send(&mut self, client: usize, arrival: Arrival) {
        self.ports[client].issue(&mut vec![arrival]);
        self.settle();
    }

    /// Completes whatever is with the image; the cookies that each client got.
    fn settle(&mut self) -> Vec<Vec<u64>> {
        let mut got = vec![Vec::new(); self.ports.len()];
        loop {
            self.replay.turn();
            for tag in self.device.parked() {
                self.device.complete(tag, Ok(()));
            }
            let mut released = Vec::new();
            for (port, got) in self.ports.iter_mut().zip(&mut got) {
                port.pump(&mut released);
                got.extend(released.drain(..).map(|one| one.cookie));
            }
            self.replay.turn();
            if self.device.parked().is_empty() && !self.replay.player.turn() {
                return got;
            }
        }
    }

    fn pass(&mut self, span: u64) {
        let now = self.replay.clock.now().0;
        self.replay.clock.set(now + span);
        self.replay.player.turn();
        self.settle();
    }
}

/// Two clients write and flush; the second one flushes only when the first one's flush is done.
fn two_that_flush() -> Vec<u8> {
    let done = |tape: Tape, id, operation| tape.checkpoint().done(id, operation);
    let tape = Tape::new().over(0).write(0, 0, b"one").over(1).write(1, 512, b"two");
    let tape = done(done(tape, 0, Operation::Write), 1, Operation::Write);
    let tape = done(tape.over(0).flush(2), 2, Operation::Flush);
    let tape = done(tape.over(0).write(3, 0, b"more").over(1).flush(4), 3, Operation::Write);
    done(tape, 4, Operation::Flush).end()
}

#[test]
fn equal_requests_are_told_apart_by_whose_counterpart_asks() {
    let mut clients = Clients::new(&two_that_flush(), 2);
    clients.send(1, write(0, 0, b"one"));
    clients.send(0, write(0, 512, b"two"));
    // In the recording the other one was first: whoever is answered now is to be that one.
    clients.send(0, flush(1));
    assert_eq!(clients.replay.replayed().requests, 2, "neither flush is answered");
    clients.send(1, flush(1));
    assert_eq!(clients.replay.replayed().requests, 3);
    clients.send(1, write(2, 0, b"more"));
    assert_eq!(clients.replay.replayed().requests, 5);
    assert_eq!(clients.replay.kinds(), [""; 0]);
}

#[test]
fn connections_of_which_any_may_bring_anything_are_found_out() {
    let mut clients = Clients::new(&two_that_flush(), 2);
    clients.send(0, write(0, 0, b"one"));
    clients.send(1, write(0, 512, b"two"));
    clients.send(1, flush(1));
    assert_eq!(clients.replay.replayed().requests, 2, "it is taken for the second flush");
    clients.pass(900_000_000);
    assert_eq!(clients.replay.replayed().requests, 2, "the first may still come");
    clients.pass(200_000_000);
    assert_eq!(clients.replay.replayed().requests, 3, "the first flush is the one that came");
    clients.send(1, flush(2));
    clients.send(1, write(3, 0, b"more"));
    assert_eq!(clients.replay.replayed().requests, 5);
    assert_eq!(clients.replay.kinds(), [""; 0]);
}
