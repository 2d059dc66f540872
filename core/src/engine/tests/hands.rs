//! Replays by several threads: the same as by one.

use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::device::{Dice, Durable, Image, Memory, Pool, Zeroing};
use crate::request::Extent;

const SIZE: u64 = 64 << 10;

/// Many requests over a small disk, so many in a step, with the data that they have where the order of ids is kept.
fn crowd(seed: u64, steps: u64, together: u64) -> Vec<u8> {
    let mut dice = Dice::new(seed);
    let disk = Memory::new(usize::try_from(SIZE).unwrap());
    let mut tape = Tape::new();
    for step in 0..steps {
        let mut released = Vec::new();
        for id in step * together..(step + 1) * together {
            let length = 512 * (1 + dice.number() % 8);
            let offset = dice.number() % (SIZE - length);
            let mut data = vec![0; usize::try_from(length).unwrap()];
            tape = if dice.number().is_multiple_of(3) {
                data.fill(u8::try_from(1 + id % 255).unwrap());
                disk.write(offset, &data, Durable::Later).unwrap();
                released.push((id, Operation::Write, Vec::new()));
                tape.write(id, offset, &data)
            } else {
                disk.read(offset, &mut data).unwrap();
                released.push((id, Operation::Read, data));
                tape.read(id, offset, length)
            };
        }
        tape = tape.checkpoint();
        for (id, operation, data) in released {
            tape = tape.block(id, operation, Ok(()), &data);
        }
    }
    tape.end()
}

fn image_of(memory: &Memory) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(SIZE).unwrap()];
    memory.read(0, &mut bytes).unwrap();
    bytes
}

/// What was replayed, what the image is then, and the replay's own log.
fn replayed(bytes: &[u8], order: Order, hands: usize) -> (Replayed, Vec<u8>, Vec<String>) {
    let memory = Arc::new(Memory::new(usize::try_from(SIZE).unwrap()));
    let device = Pool::new(Arc::clone(&memory) as Arc<dyn Image>, 2);
    let rules = Rules { order, hands, ..Rules::of(Source::Log) };
    let mut replay = Replay::new(bytes, rules, vec![device]);
    let other = Player::new(&replay.engine, &replay.disks, Fill::None);
    let player = std::mem::replace(&mut replay.player, other);
    let replayed = player.run(&AtomicBool::new(false), &mut |_| {}).unwrap();
    (replayed, image_of(&memory), replay.events())
}

#[test]
fn several_threads_leave_what_one_leaves_and_log_what_one_logs() {
    for seed in 0..8 {
        let bytes = crowd(seed, 40, 24);
        for order in [Order::Recorded, Order::Conflict] {
            let (by_one, image, log) = replayed(&bytes, order, 1);
            assert_eq!(by_one.divergences, [], "seed {seed}");
            for hands in 2..=4 {
                let (by_many, image_by_many, log_by_many) = replayed(&bytes, order, hands);
                assert_eq!(by_many.divergences, [], "seed {seed}");
                let counts = |one: &Replayed| (one.requests, one.verified, one.unverified);
                assert_eq!(counts(&by_many), counts(&by_one), "seed {seed}");
                assert!(image_by_many == image, "seed {seed}, {order:?}, {hands} threads");
                if order == Order::Recorded {
                    assert_eq!(log_by_many, log, "seed {seed}");
                }
            }
        }
    }
}

#[test]
fn without_an_order_several_threads_do_every_request_once() {
    let bytes = crowd(1, 40, 24);
    let (replayed, _, log) = replayed(&bytes, Order::None, 4);
    assert_eq!(replayed.divergences, []);
    assert_eq!(replayed.requests, 40 * 24);
    for id in 0..replayed.requests {
        let count =
            |word: &str| log.iter().filter(|line| **line == format!("{word} #{id}")).count();
        assert_eq!((count("issue"), count("block")), (1, 1), "#{id}");
    }
}

/// An image that keeps whoever reads its second half, and says that it does.
struct Keeping {
    memory: Memory,
    asked: Sender<()>,
    let_go: Mutex<Receiver<()>>,
}

impl Image for Keeping {
    fn geometry(&self) -> &crate::device::Geometry {
        self.memory.geometry()
    }
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Errno> {
        self.memory.read(offset, buffer)
    }
    fn read_now(&self, offset: u64, buffer: &mut [u8]) -> Option<Result<(), Errno>> {
        if offset >= SIZE / 2 {
            let _ = self.asked.send(());
            let _ = self.let_go.lock().unwrap().recv();
        }
        Some(self.memory.read(offset, buffer))
    }
    fn write(&self, offset: u64, data: &[u8], durable: Durable) -> Result<(), Errno> {
        self.memory.write(offset, data, durable)
    }
    fn write_now(&self, _: u64, _: &[u8]) -> Option<Result<(), Errno>> {
        None
    }
    fn write_zeroes(&self, range: ByteRange, how: Zeroing) -> Result<(), Errno> {
        self.memory.write_zeroes(range, how)
    }
    fn discard(&self, range: ByteRange, durable: Durable) -> Result<(), Errno> {
        self.memory.discard(range, durable)
    }
    fn flush(&self) -> Result<(), Errno> {
        Ok(())
    }
    fn block_status(&self, range: ByteRange) -> Result<Vec<Extent>, Errno> {
        self.memory.block_status(range)
    }
    fn cache(&self, _: ByteRange) -> Result<(), Errno> {
        Ok(())
    }
}

#[test]
fn an_image_that_keeps_any_of_the_threads_is_trouble_with_a_name() {
    // The first request goes to the player's thread, the second to the other one.
    for kept in [0, 1] {
        let place = |id| if id == kept { SIZE / 2 } else { 0 };
        let bytes = Tape::new()
            .read(0, place(0), 4)
            .read(1, place(1), 4)
            .checkpoint()
            .block(0, Operation::Read, Ok(()), b"\0\0\0\0")
            .block(1, Operation::Read, Ok(()), b"\0\0\0\0")
            .end();
        let ((asked, was_asked), (release, let_go)) = (channel(), channel());
        let memory = Memory::new(usize::try_from(SIZE).unwrap());
        let image = Keeping { memory, asked, let_go: Mutex::new(let_go) };
        let rules = Rules { hands: 2, ..Rules::of(Source::Log) };
        let replay = Replay::new(&bytes, rules, vec![Pool::new(Arc::new(image), 1)]);
        let clock = Arc::clone(&replay.clock);
        let later = std::thread::spawn(move || {
            was_asked.recv().unwrap();
            clock.set(11_000_000_000);
        });
        let outcome = replay.player.run(&AtomicBool::new(false), &mut |_| {});
        let Err(ReplayError::Silent { id, .. }) = outcome else { panic!("{outcome:?}") };
        assert_eq!(id, RequestId(kept));
        later.join().unwrap();
        drop(release);
    }
}
