//! Recording under every seed: R3 and R4, seen from the client and the image.
//!
//! A world is played with an engine that records. Then what the client saw and what the images hold must be as if
//! its requests had been done one by one in the order in which they were issued, and the trace must say so.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use blkreplay_core::device::{BlockDevice, Dice, Rule};
use blkreplay_core::engine::{Engine, Identity, Recorder};
use blkreplay_core::format::{
    DeviceHeader, Fingerprint, FingerprintMethod, Header, LimitsHeader, PayloadPolicy,
};
use blkreplay_core::request::ConnectionId;
use blkreplay_core::units::{Clock, VirtualClock};

use super::client::{Client, History};
use super::device::{Device, solid};
use super::recorded::Recorded;
use super::script::{DEVICE_BYTES, Script, Shape};
use super::seeds::{for_seeds, run};
use super::world::World;
use super::{faults, oracle};

/// What is left of a world that was recorded.
pub(super) struct Recording {
    pub(super) trace: Vec<u8>,
    /// What the client was to do.
    pub(super) script: Script,
    /// Smallest block of all devices, in bytes.
    pub(super) block_min: u32,
    pub(super) history: History,
    /// The number of each session's connection.
    pub(super) connections: Vec<ConnectionId>,
    /// What the images held before the first request.
    pub(super) before: Vec<Vec<u8>>,
    /// And after the last.
    pub(super) after: Vec<Vec<u8>>,
}

/// A trace in memory.
#[derive(Clone, Default)]
pub(super) struct Tape(Arc<Mutex<Vec<u8>>>);

impl Tape {
    /// What is on it.
    pub(super) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is to be recorded.
pub(super) struct Take {
    pub(super) script: Script,
    pub(super) policy: PayloadPolicy,
    /// How each device goes wrong.
    pub(super) rules: Vec<Vec<Rule>>,
    /// Smallest block of all devices, in bytes.
    pub(super) block_min: u32,
    /// Decides what the images hold.
    pub(super) images: u64,
    /// Decides everything that timing decides in the real world.
    pub(super) timing: Dice,
}

impl Take {
    /// A take of everything a seed can bring.
    pub(super) fn usual(seed: u64, shape: Shape, rules: impl Fn(&mut Dice) -> Vec<Rule>) -> Take {
        let mut dice = Dice::new(seed);
        let script = Script::new(&mut dice, shape);
        let policies =
            [PayloadPolicy::None, PayloadPolicy::Hash, PayloadPolicy::Write, PayloadPolicy::All];
        Take {
            rules: (0..script.devices).map(|_| rules(&mut dice)).collect(),
            script,
            policy: *dice.pick(&policies).unwrap(),
            block_min: *dice.pick(&[1, 1, 512]).unwrap(),
            images: dice.number(),
            timing: dice,
        }
    }

    /// Plays it.
    pub(super) fn record(mut self) -> Recording {
        let clock = Arc::new(VirtualClock::default());
        let devices: Vec<Device> = (self.images..)
            .zip(self.rules)
            .map(|(seed, rules)| Device::new(solid(seed), self.block_min, rules, seed, &clock))
            .collect();
        let bytes = |devices: &[Device]| devices.iter().map(Device::bytes).collect();
        let before = bytes(&devices);
        let tape = Tape::default();
        let recorder = Recorder::start(
            Box::new(tape.clone()),
            &header(self.policy, &devices),
            Identity { salt: 1, uuid: 2 },
            Arc::clone(&clock) as Arc<dyn Clock>,
            Box::new(|error| panic!("{error}")),
        );
        let engine =
            Engine::recording(Arc::clone(&clock) as Arc<dyn Clock>, recorder.unwrap(), self.policy);
        let client = Client::new(self.script.clone(), self.timing.split());
        let attach =
            |device: &Device| engine.attach(Arc::clone(&device.fault) as Arc<dyn BlockDevice>);
        let disks = devices.iter().map(attach).collect();
        let mut world = World::new(self.timing, clock, disks, devices, client);
        world.play();
        engine.finish(Some(0)).unwrap().unwrap();
        let trace = tape.take();
        Recording {
            trace,
            script: self.script,
            block_min: self.block_min,
            before,
            after: bytes(world.devices()),
            connections: world.connections(),
            history: std::mem::take(&mut world.client.history),
        }
    }
}

fn header(payload: PayloadPolicy, devices: &[Device]) -> Header {
    let device = |number: usize, device: &Device| DeviceHeader {
        name: number.to_string(),
        image: format!("{number}.img"),
        format: "raw".to_owned(),
        size: DEVICE_BYTES,
        block_min: device.geometry().block_min,
        block_preferred: 4096,
        read_only: false,
        discard: true,
        fingerprint: Fingerprint { method: FingerprintMethod::None, digest: None },
    };
    Header {
        tool: "simulation".to_owned(),
        command: Vec::new(),
        wall_clock_ns: 0,
        payload,
        devices: devices.iter().enumerate().map(|(number, one)| device(number, one)).collect(),
        exports: Vec::new(),
        limits: LimitsHeader { request_data_bytes: 0, connection_requests: 0 },
        recovered: None,
        replay: None,
        edits: blkreplay_core::format::Edits::default(),
    }
}

/// Holds a recording against the order in which its client issued requests. Devices that are `faulty` may fail.
fn check(recording: &Recording, faulty: bool) -> Result<(), String> {
    let Recording { trace, history, connections, before, after, .. } = recording;
    oracle::check(history, before, after, faulty)?;
    let recorded = Recorded::read(trace.clone())?;
    recorded.check_ids()?;
    recorded.check_history(history, connections)
}

#[test]
fn whatever_the_order_of_completions_all_is_as_if_done_in_the_order_of_the_ids() {
    for_seeds(0..5_000, |seed| {
        let recording = Take::usual(seed, Shape::USUAL, |_| Vec::new()).record();
        check(&recording, false)
    });
}

#[test]
fn that_holds_on_devices_that_fail_tear_writes_and_are_late() {
    for_seeds(5_000..10_000, |seed| {
        check(&Take::usual(seed, Shape::USUAL, faults::honest).record(), true)
    });
}

#[test]
fn threads_that_share_locks_are_recorded_like_all_others() {
    let shape = Shape { devices: 1, locks: 2, ..Shape::USUAL };
    for_seeds(10_000..10_500, |seed| {
        check(&Take::usual(seed, shape, |_| Vec::new()).record(), false)
    });
}

#[test]
fn a_seed_plays_the_same_every_time() {
    for_seeds(10_500..10_600, |seed| {
        let take = || Take::usual(seed, Shape::USUAL, faults::honest).record();
        let (one, two) = (take(), take());
        // When chunks end depends on the thread that writes them; what is in them does not.
        let same = Recorded::read(one.trace) == Recorded::read(two.trace)
            && (one.history, one.after) == (two.history, two.after);
        if same { Ok(()) } else { Err("played twice, it differs".to_owned()) }
    });
}

#[test]
fn a_device_that_lies_is_seen() {
    let seen = AtomicU64::new(0);
    // Always these seeds: of a single one nothing is promised, for nobody may look at what was lost.
    let outcome = run(0..200, &|seed| {
        let recording = Take::usual(seed, Shape::USUAL, faults::lying).record();
        seen.fetch_add(u64::from(check(&recording, false).is_err()), Ordering::Relaxed);
        Ok(())
    });
    assert_eq!(outcome, Ok(()));
    assert!(seen.into_inner() > 150, "the oracle sleeps");
}

#[test]
fn worlds_have_everything_that_could_go_wrong() {
    let mut seen = BTreeMap::new();
    for seed in 0..200 {
        let take = Take::usual(seed, Shape::USUAL, faults::honest);
        let comes_back = take.script.sessions.iter().any(|session| session.after.is_some());
        let recording = take.record();
        let mut see =
            |what: &'static str, is: bool| *seen.entry(what).or_insert(0) += u32::from(is);
        see("four devices", recording.after.len() == 4);
        see("a client that comes back", comes_back);
        for sent in &recording.history.sent {
            see(sent.request.operation.name(), sent.refused.is_none());
            see("refused", sent.refused.is_some());
            sent.request.flags.names().for_each(|flag| see(flag, true));
        }
        let recorded = Recorded::read(recording.trace).unwrap();
        for (_, _, block, _) in &recorded.blocks {
            see("failed", block.result.is_err() && !block.flags.refused);
            see("undelivered", block.flags.undelivered);
        }
        // A device's conflicting requests of which the second was issued before the first was released.
        let released: BTreeMap<_, _> =
            recorded.blocks.iter().map(|one| (one.2.id, one.0)).collect();
        for (place, one, _) in &recorded.issues {
            let earlier = recorded.issues.iter().map(|(_, two, _)| two);
            let mut earlier = earlier.filter(|two| two.id < one.id && two.device == one.device);
            let waits = earlier
                .any(|two| released[&two.id] > *place && two.request.conflicts(&one.request, 1));
            see("a request that waits for another", waits);
        }
    }
    let rare: Vec<_> = seen.iter().filter(|(_, count)| **count < 20).collect();
    assert_eq!((rare, seen.len()), (vec![], 17), "{seen:?}");
}
