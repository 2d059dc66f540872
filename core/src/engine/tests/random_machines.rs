//! Machines that a seed makes up, recorded and replayed: whatever the world does and in whatever order the image
//! completes, a replay gives the guest what it got; and what it does otherwise never goes unnoticed.
//!
//! What the guest does next depends on all that it has seen. A test that fails prints its seed.

use super::clients::{arrival, flush, read};
use super::machines::*;
use super::monitors::Again;
use super::*;
use crate::device::Dice;
use crate::event::{ClockKind, EventData};

/// Things that a guest does in its life.
const TURNS: u64 = 40;

/// What is done otherwise in a replay, and in which turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Otherwise {
    /// A clock is read once more.
    Clock,
    /// A checkpoint is passed once more.
    Checkpoint,
    /// More instructions are executed.
    Instructions,
    /// A request is issued once more.
    Request,
}

const OTHERWISE: [Otherwise; 4] =
    [Otherwise::Clock, Otherwise::Checkpoint, Otherwise::Instructions, Otherwise::Request];

/// The guest with its world.
struct Life<'a> {
    engine: Arc<Engine>,
    monitor: &'a mut Monitor,
    device: Arc<Parked>,
    /// Decides what the guest does.
    guest: Dice,
    /// Decides what the world does.
    world: Dice,
    recording: bool,
    otherwise: Option<(u64, Otherwise)>,
    /// All that the guest has seen.
    seen: Vec<String>,
    requests: u64,
}

impl Life<'_> {
    /// Lives until the end, or until the replay stops.
    fn live(&mut self) -> Result<(), MonitorError> {
        for turn in 0..TURNS {
            self.world_turns();
            if let Some((when, what)) = self.otherwise
                && when == turn
            {
                self.do_otherwise(what)?;
            }
            self.monitor.executed(self.guest.below(3));
            match self.guest.below(8) {
                0 => self.read_clock()?,
                1 => self.draw()?,
                2 | 3 => self.request(),
                4 => self.monitor.queue(bh(turn)).unwrap(),
                _ => self.checkpoint()?,
            }
        }
        // Everything comes back.
        while self.monitor.in_flight() > 0 {
            self.world_turns();
            self.checkpoint()?;
        }
        Ok(())
    }

    fn see(&mut self, what: String) {
        for byte in what.bytes() {
            self.guest = Dice::new(self.guest.number() ^ u64::from(byte));
        }
        self.seen.push(what);
    }

    fn world_turns(&mut self) {
        for _ in 0..self.world.below(3) {
            self.complete_one();
        }
        if self.world.one_in(4) {
            let data = EventData::new(self.world.number().to_le_bytes().to_vec()).unwrap();
            let event = AsyncEvent::Net { filter: 0, flags: 0, frame: data };
            self.engine.queue(event).unwrap();
        }
    }

    /// Completes any request that is with the image. False if there is none.
    fn complete_one(&mut self) -> bool {
        let parked = self.device.parked();
        if parked.is_empty() {
            return false;
        }
        let which = self.world.below(parked.len() as u64);
        self.device.complete(parked[usize::try_from(which).unwrap()], Ok(()));
        true
    }

    fn read_clock(&mut self) -> Result<(), MonitorError> {
        let value = self.world.number().cast_signed();
        let value = self.monitor.clock(ClockKind::Host, || value)?;
        self.see(format!("clock {value}"));
        Ok(())
    }

    fn draw(&mut self) -> Result<(), MonitorError> {
        let mut bytes = vec![0; usize::try_from(self.guest.below(9)).unwrap()];
        let byte = self.world.number().to_le_bytes()[0];
        let recording = self.recording;
        let result = self.monitor.random(&mut bytes, |bytes| {
            assert!(recording, "the log has them");
            bytes.fill(byte);
            -3
        })?;
        self.see(format!("random {bytes:?} {result}"));
        Ok(())
    }

    fn request(&mut self) {
        let cookie = self.requests;
        self.requests += 1;
        let offset = self.guest.below(4) * 4;
        let request = match self.guest.below(4) {
            0 => flush(cookie),
            1 => read(cookie, offset, 8),
            _ => arrival(cookie, request(Operation::Write, offset, 8), &cookie.to_le_bytes()),
        };
        self.monitor.issue(DeviceId(0), &mut vec![request]);
    }

    fn checkpoint(&mut self) -> Result<(), MonitorError> {
        let which = if self.guest.one_in(2) { VIRTUAL } else { Checkpoint::ClockHost };
        while self.monitor.try_checkpoint(which)? == Passed::NotReady {
            if !self.complete_one() {
                // It will never be ready.
                return self.monitor.checkpoint(which).and_then(|()| self.run());
            }
        }
        self.run()
    }

    fn run(&mut self) -> Result<(), MonitorError> {
        while let Some(due) = self.monitor.next_due()? {
            match due {
                Due::Block { released, .. } => {
                    self.see(format!(
                        "{} {:?} {:?}",
                        released.cookie, released.result, released.data
                    ));
                }
                Due::Event(AsyncEvent::Bh { id }) => {
                    self.see(format!("bh {id}"));
                    match self.guest.below(4) {
                        0 => self.monitor.queue(bh(id + 100)).unwrap(),
                        1 => self.request(),
                        2 => self.read_clock()?,
                        _ => {}
                    }
                }
                Due::Event(event) => self.see(format!("{event:?}")),
            }
            self.world_turns();
        }
        Ok(())
    }

    fn do_otherwise(&mut self, what: Otherwise) -> Result<(), MonitorError> {
        match what {
            Otherwise::Clock => self.monitor.clock(ClockKind::Virtual, || 0).map(drop),
            Otherwise::Checkpoint => self.monitor.checkpoint(Checkpoint::Reset),
            Otherwise::Instructions => {
                self.monitor.executed(1000);
                Ok(())
            }
            Otherwise::Request => {
                let discard = request(Operation::Discard, 0, 8);
                self.monitor.issue(DeviceId(0), &mut vec![arrival(1 << 40, discard, b"")]);
                Ok(())
            }
        }
    }
}

/// Records the machine of a seed; the trace, and what the guest has seen.
fn record(seed: u64) -> (Vec<u8>, Vec<String>) {
    let mut machine = Machine::recorded();
    let mut life = Life {
        engine: Arc::clone(&machine.engine),
        monitor: &mut machine.monitor,
        device: Arc::clone(&machine.device),
        guest: Dice::new(seed),
        world: Dice::new(!seed),
        recording: true,
        otherwise: None,
        seen: Vec::new(),
        requests: 0,
    };
    life.live().unwrap();
    let history = std::mem::take(&mut life.seen);
    (machine.end(), history)
}

/// Replays it in another world; what the guest has seen.
fn replay(again: &mut Again, seed: u64, otherwise: Option<(u64, Otherwise)>) -> Vec<String> {
    let engine = Arc::clone(&again.replay.engine);
    let device = Arc::clone(&again.device);
    let mut life = Life {
        engine,
        monitor: again.monitor(),
        device,
        guest: Dice::new(seed),
        world: Dice::new(seed ^ 0x5eed),
        recording: false,
        otherwise,
        seen: Vec::new(),
        requests: 0,
    };
    let outcome = life.live();
    assert!(otherwise.is_some() || outcome.is_ok(), "seed {seed}: {outcome:?}");
    // Whatever is with the image comes back, so that the machine can go.
    loop {
        life.monitor.wait(std::time::Duration::ZERO);
        if !life.complete_one() {
            break;
        }
    }
    std::mem::take(&mut life.seen)
}

#[test]
fn a_replay_gives_a_guest_what_it_got_whatever_the_world_does() {
    for seed in 0..1000 {
        let (bytes, seen) = record(seed);
        let mut again = Again::new(&bytes);
        let seen_again = replay(&mut again, seed, None);
        assert_eq!(seen_again, seen, "seed {seed}");
        assert_eq!(again.end_well(), events_of(&bytes), "seed {seed}");
    }
}

/// The events in turns: in any order what was done, in its order what was released then.
fn turns_of(bytes: &[u8]) -> Vec<(Vec<String>, Vec<String>)> {
    let mut turns = vec![(Vec::new(), Vec::new())];
    for event in events_of(bytes) {
        let kind = event.split(' ').next().unwrap();
        let is_done = matches!(kind, "issue" | "clock" | "random" | "instruction");
        let (done, released) = turns.last_mut().unwrap();
        match is_done {
            true if released.is_empty() => done.push(event),
            true => turns.push((vec![event], Vec::new())),
            false => released.push(event),
        }
    }
    for (done, _) in &mut turns {
        done.sort();
    }
    turns
}

#[test]
fn a_replay_on_the_image_of_a_machine_has_all_of_its_events_in_its_own_log() {
    for seed in 0..200 {
        let (bytes, _) = record(seed);
        let device = Parked::new(1 << 20);
        let rules = Rules { verify: false, ..Rules::of(Source::Log) };
        let mut again = Replay::new(&bytes, rules, vec![device.clone()]);
        let mut world = Dice::new(seed ^ 0x5eed);
        loop {
            again.turn();
            let parked = device.parked();
            let Some(tag) = world.pick(&parked) else { break };
            device.complete(*tag, Ok(()));
        }
        assert!(again.engine.replay_ended(), "seed {seed}: {:?}", again.replayed());
        let own = again.end();
        assert_eq!(turns_of(&own), turns_of(&bytes), "seed {seed}");
    }
}

#[test]
fn a_guest_that_does_something_otherwise_is_told_so() {
    for seed in 0..1000 {
        let (bytes, _) = record(seed);
        let mut again = Again::new(&bytes);
        again.replay.clock.run(10_000_000);
        let what = *Dice::new(seed).pick(&OTHERWISE).unwrap();
        replay(&mut again, seed, Some((seed % TURNS, what)));
        again.leave();
        let kinds = again.replay.kinds();
        assert!(!kinds.is_empty(), "seed {seed}: {what:?} in turn {} went unnoticed", seed % TURNS);
    }
}
