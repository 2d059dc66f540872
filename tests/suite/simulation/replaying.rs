//! How a recording is replayed in a world: with its client or on images alone, on what images, by which rules.
//!
//! A recording and a way to replay it come in; what the client saw, what the images hold and what the engine says go
//! out. Judges nothing. Invariant: whatever the engine does, the world comes to an end, or fails and says what waits.

use std::fs::File;
use std::io::Cursor;
use std::sync::Arc;

use blkreplay_core::device::{BlockDevice, Dice, Geometry, Rule};
use blkreplay_core::engine::Script as Replay;
use blkreplay_core::engine::{
    Disk, Engine, Fill, Identity, Plan, Player, Recorder, ReplayError, Replayed, Rules, Source,
};
use blkreplay_core::format::Reader;
use blkreplay_core::units::{Clock, Nanos, VirtualClock};

use super::client::{Client, History};
use super::device::Device;
use super::recording::{Recording, Tape};
use super::script::{DEVICE_BYTES, Script};
use super::turning::Turning;
use super::world::World;

/// How a recording is replayed.
pub(super) struct Way {
    pub(super) rules: Rules,
    /// What the clients do this time.
    pub(super) script: Script,
    /// What the images hold; without any, the trace answers.
    pub(super) images: Option<Vec<Vec<u8>>>,
    /// How each device goes wrong.
    pub(super) faults: Vec<Vec<Rule>>,
    /// A device that never answers.
    pub(super) dead: Option<usize>,
    pub(super) fill: Fill,
    /// Requests that conflict may be with an image together.
    pub(super) races: bool,
    /// The client is killed as soon as the replay is decided.
    pub(super) kills: bool,
    /// With which status the client ends.
    pub(super) status: u8,
    /// Decides everything that timing decides in the real world.
    pub(super) timing: Dice,
}

/// What is left of a world in which a replay was played.
pub(super) struct Outcome {
    pub(super) replayed: Result<Replayed, ReplayError>,
    /// The replay's own trace.
    pub(super) trace: Vec<u8>,
    pub(super) history: History,
    /// What the images hold; empty if there are none.
    pub(super) after: Vec<Vec<u8>>,
    /// How many requests devices made something of that they should not.
    pub(super) struck: u64,
    /// Bytes that memory had no room for.
    pub(super) spilled: u64,
}

impl Way {
    /// As it is done by default, with the same client and the same images.
    pub(super) fn of(recording: &Recording, source: Source, timing: Dice) -> Way {
        let script = match source {
            Source::Log => Script { sessions: Vec::new(), ..recording.script },
            _ => recording.script.clone(),
        };
        Way {
            rules: Rules::of(source),
            faults: vec![Vec::new(); script.devices],
            script,
            images: Some(recording.before.clone()),
            dead: None,
            fill: Fill::None,
            races: false,
            kills: false,
            status: 0,
            timing,
        }
    }

    /// Plays it.
    pub(super) fn replay(mut self, recording: &Recording) -> Outcome {
        let clock = Arc::new(VirtualClock::default());
        let plan = Plan::of(&mut reader(recording)).unwrap();
        let duration = plan.duration;
        let (tape, spill) = (Tape::default(), tempfile::tempfile().unwrap());
        let engine = self.engine(recording, plan, &clock, &tape, &spill);
        let devices = self.devices(recording, &clock);
        let disks = self.attach(recording, &engine, &devices);
        let player = Player::new(&engine, &disks, self.fill);
        // Five times what the recording can have waited anywhere.
        let beyond = self.rules.patience.0.max(5 * duration.0) + 1;
        let client = Client::telling(self.script, self.timing.split());
        let mut world = World::new(self.timing, clock, disks, devices, client);
        world.turning = Some(Turning::new(&engine, player, Nanos(beyond), self.kills));
        world.dead.extend(self.dead);
        world.races = self.races;
        world.play();
        let turning = world.turning.as_mut().unwrap();
        let mut replayed = turning.take_outcome();
        if let Ok(replayed) = &mut replayed {
            engine.client_status(self.status);
            replayed.divergences = engine.replayed().unwrap().divergences;
            engine.finish(Some(self.status)).unwrap().unwrap();
        }
        Outcome {
            replayed,
            trace: tape.take(),
            struck: world.devices().iter().map(Device::struck).sum(),
            after: world.devices().iter().map(Device::bytes).collect(),
            history: std::mem::take(&mut world.client.history),
            spilled: spill.metadata().unwrap().len(),
        }
    }

    fn engine(
        &self,
        recording: &Recording,
        plan: Plan,
        clock: &Arc<VirtualClock>,
        tape: &Tape,
        spill: &File,
    ) -> Arc<Engine> {
        let trace = reader(recording);
        let clock = Arc::clone(clock) as Arc<dyn Clock>;
        let recorder = Recorder::start(
            Box::new(tape.clone()),
            trace.header(),
            Identity { salt: 3, uuid: 4 },
            Arc::clone(&clock),
            Box::new(|error| panic!("{error}")),
        );
        let (rules, spill) = (self.rules.clone(), spill.try_clone().unwrap());
        let recorder = Some(recorder.unwrap());
        Engine::replaying(clock, Replay { trace, plan, rules, recorder, spill }).unwrap()
    }

    fn devices(&mut self, recording: &Recording, clock: &Arc<VirtualClock>) -> Vec<Device> {
        let images = self.images.take().unwrap_or_default();
        let faults = std::mem::take(&mut self.faults);
        let device = |(bytes, rules): (Vec<u8>, _)| {
            Device::new(&bytes, recording.block_min, rules, self.timing.number(), clock)
        };
        images.into_iter().zip(faults).map(device).collect()
    }

    fn attach(
        &self,
        recording: &Recording,
        engine: &Arc<Engine>,
        devices: &[Device],
    ) -> Vec<Arc<Disk>> {
        let told = Geometry {
            size: DEVICE_BYTES,
            block_min: recording.block_min,
            block_preferred: 4096,
            read_only: false,
            discard: true,
        };
        if devices.is_empty() {
            return (0..recording.before.len())
                .map(|_| engine.attach_trace(told.clone()))
                .collect();
        }
        let attach = |device: &Device| {
            let device = Arc::clone(&device.fault) as Arc<dyn BlockDevice>;
            match self.rules.source {
                Source::Log => engine.attach(device),
                _ => engine.attach_as(told.clone(), device),
            }
        };
        devices.iter().map(attach).collect()
    }
}

/// A recording's trace, from its begin.
pub(super) fn reader(recording: &Recording) -> Reader<Cursor<Vec<u8>>> {
    Reader::open(Cursor::new(recording.trace.clone())).unwrap()
}
