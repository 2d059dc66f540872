//! A world: a client, ports, an engine and simulated devices, on one thread and a virtual clock.
//!
//! Whatever can happen next is listed, and dice choose: a connection begins, issues, or leaves; a device completes
//! something; a port is pumped; time passes. Knows not whether the engine records or replays. Invariant: the same
//! seed plays the same; when nothing can happen any more and the client is not done, that is a failure
//! that says who waits for what.

use std::sync::{Arc, LazyLock};

use blkreplay_core::device::{
    BlockDevice, Dice, Durable, Fault, Geometry, Image, Memory, Rule, Sim,
};
use blkreplay_core::engine::{Disk, Engine, Negotiated, Port};
use blkreplay_core::event::Disconnect;
use blkreplay_core::request::ConnectionId;
use blkreplay_core::units::{Clock, Nanos, VirtualClock};
use blkreplay_fixtures::workload::solid_bytes;

use super::client::Client;
use super::script::{DEVICE_BYTES, Ending};

/// So many moves in a row that change nothing mean that nothing will change any more.
const QUIET_MAX: u32 = 4000;

/// What images hold before the first request: each a part of these bytes, made once.
static SOLID: LazyLock<Vec<u8>> =
    LazyLock::new(|| solid_bytes(0, 2 * usize::try_from(DEVICE_BYTES).unwrap()));

pub(super) struct World {
    dice: Dice,
    clock: Arc<VirtualClock>,
    devices: Vec<Device>,
    disks: Vec<Arc<Disk>>,
    pub(super) client: Client,
    lines: Vec<Line>,
    tempo: Tempo,
    quiet: u32,
}

/// A simulated device, layer by layer.
pub(super) struct Device {
    memory: Arc<Memory>,
    sim: Arc<Sim>,
    fault: Arc<Fault>,
}

/// The front's end of one connection.
#[derive(Default)]
struct Line {
    port: Option<Port>,
    /// Its number, once it has begun.
    connection: Option<ConnectionId>,
}

/// How many kinds of moves there are.
const KINDS: usize = 6;

/// What can happen next.
#[derive(Debug, Clone, Copy)]
enum Move {
    Begin(usize),
    Issue(usize),
    Leave(usize),
    Complete(usize),
    Pump(usize),
    Pass,
}

/// How likely each kind of move is, and which request a device prefers: worlds with deep queues and worlds with
/// empty ones, patient ones and hasty ones.
struct Tempo {
    weights: [u64; KINDS],
    taste: Taste,
}

/// Which parked request completes next.
#[derive(Debug, Clone, Copy)]
enum Taste {
    Any,
    Oldest,
    /// Starves the first ones for as long as others come.
    Newest,
}

impl Tempo {
    fn new(dice: &mut Dice) -> Tempo {
        let weights = std::array::from_fn(|_| 1 << dice.below(5));
        let taste = *dice.pick(&[Taste::Any, Taste::Any, Taste::Oldest, Taste::Newest]).unwrap();
        Tempo { weights, taste }
    }
}

impl Move {
    fn kind(self) -> usize {
        match self {
            Move::Begin(_) => 0,
            Move::Issue(_) => 1,
            Move::Leave(_) => 2,
            Move::Complete(_) => 3,
            Move::Pump(_) => 4,
            Move::Pass => 5,
        }
    }
}

impl Device {
    /// A device with bytes made from `seed`, whose front goes wrong as `rules` say.
    pub(super) fn new(
        seed: u64,
        block_min: u32,
        rules: Vec<Rule>,
        clock: &Arc<VirtualClock>,
    ) -> Device {
        let size = usize::try_from(DEVICE_BYTES).unwrap();
        let memory = Arc::new(Memory::new(size));
        let start = usize::try_from(seed % DEVICE_BYTES).unwrap();
        memory.write(0, &SOLID[start..start + size], Durable::Later).unwrap();
        let sim = Sim::with_blocks(Arc::clone(&memory) as Arc<dyn Image>, block_min);
        let below = Arc::clone(&sim) as Arc<dyn BlockDevice>;
        let fault = Fault::new(below, rules, Arc::clone(clock) as Arc<dyn Clock>, seed);
        Device { memory, sim, fault }
    }

    /// What the image holds.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0xee; usize::try_from(DEVICE_BYTES).unwrap()];
        self.memory.read(0, &mut bytes).unwrap();
        bytes
    }

    pub(super) fn geometry(&self) -> &Geometry {
        self.fault.geometry()
    }

    /// Whether two requests are with the image that may not be there together.
    fn check_conflicts(&self) {
        if self.sim.parked_count() < 2 {
            return;
        }
        let parked = self.sim.parked();
        let block = u64::from(self.sim.geometry().block_min);
        for (place, (_, one)) in parked.iter().enumerate() {
            for (_, two) in &parked[..place] {
                assert!(!one.conflicts(two, block), "in flight together: {two:?} and {one:?}");
            }
        }
    }
}

impl Drop for World {
    /// A port that goes waits for its requests, and in a world that failed nobody completes them.
    fn drop(&mut self) {
        self.lines.iter_mut().for_each(|line| std::mem::forget(line.port.take()));
    }
}

impl World {
    /// A world in which nothing has happened yet.
    pub(super) fn new(
        mut dice: Dice,
        clock: Arc<VirtualClock>,
        engine: &Arc<Engine>,
        devices: Vec<Device>,
        client: Client,
    ) -> World {
        let attach =
            |device: &Device| engine.attach(Arc::clone(&device.fault) as Arc<dyn BlockDevice>);
        World {
            disks: devices.iter().map(attach).collect(),
            devices,
            clock,
            lines: client.script().sessions.iter().map(|_| Line::default()).collect(),
            client,
            tempo: Tempo::new(&mut dice),
            dice,
            quiet: 0,
        }
    }

    /// Plays until the client is done and all ports are gone.
    pub(super) fn play(&mut self) {
        while !self.is_over() {
            self.step();
        }
    }

    pub(super) fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// The number that each connection had, in the order of the script's sessions.
    pub(super) fn connections(&self) -> Vec<ConnectionId> {
        self.lines.iter().map(|line| line.connection.unwrap()).collect()
    }

    fn is_over(&self) -> bool {
        self.client.is_done() && self.lines.iter().all(|line| line.port.is_none())
    }

    /// One move.
    fn step(&mut self) {
        let choice = self.choose();
        let changed = match choice {
            Move::Begin(session) => self.begin(session),
            Move::Issue(session) => self.issue(session),
            Move::Leave(session) => self.leave(session),
            Move::Complete(device) => self.complete(device),
            Move::Pump(session) => self.pump(session),
            Move::Pass => self.pass(),
        };
        if matches!(choice, Move::Issue(_) | Move::Pump(_)) {
            self.check_conflicts();
        }
        self.quiet = if changed { 0 } else { self.quiet + 1 };
        assert!(self.quiet < QUIET_MAX, "nothing can happen any more:\n{}", self.waits());
    }

    fn choose(&mut self) -> Move {
        let mut moves = vec![Move::Pass];
        for (session, line) in self.lines.iter().enumerate() {
            let could = [
                (self.client.may_begin(session), Move::Begin(session)),
                (self.client.may_issue(session), Move::Issue(session)),
                (self.client.may_leave(session), Move::Leave(session)),
                (line.port.is_some(), Move::Pump(session)),
            ];
            moves.extend(could.iter().filter(|(may, _)| *may).map(|(_, could)| *could));
        }
        let busy = |device: &usize| self.devices[*device].sim.parked_count() > 0;
        moves.extend((0..self.devices.len()).filter(busy).map(Move::Complete));
        self.choose_one(&moves)
    }

    /// First the kind, then one of it, so that many connections do not drown one device.
    fn choose_one(&mut self, moves: &[Move]) -> Move {
        let mut counts = [0; KINDS];
        for one in moves {
            counts[one.kind()] += 1;
        }
        let weight = |kind: usize| if counts[kind] > 0 { self.tempo.weights[kind] } else { 0 };
        let mut left = self.dice.below((0..KINDS).map(weight).sum());
        let mut kind = 0;
        while left >= weight(kind) {
            left -= weight(kind);
            kind += 1;
        }
        let place = self.dice.place(counts[kind]).unwrap();
        *moves.iter().filter(|one| one.kind() == kind).nth(place).unwrap()
    }

    fn begin(&mut self, session: usize) -> bool {
        self.client.begin(session);
        let device = self.client.script().sessions[session].device;
        let export = device.to_string();
        let negotiated = Negotiated { export, structured_replies: true, block_status: true };
        let port = self.disks[device].connect(negotiated).unwrap();
        self.lines[session] = Line { connection: Some(port.connection()), port: Some(port) };
        true
    }

    /// Requests that come together are issued together.
    fn issue(&mut self, session: usize) -> bool {
        let mut arrivals = vec![self.client.issue(session)];
        while self.client.may_issue(session) && self.dice.one_in(2) {
            arrivals.push(self.client.issue(session));
        }
        self.lines[session].port.as_mut().unwrap().issue(&mut arrivals);
        true
    }

    fn leave(&mut self, session: usize) -> bool {
        self.client.leave(session);
        if self.client.ending(session) == Ending::Aborted {
            self.lines[session].port.as_mut().unwrap().abandon();
        }
        self.close_when_quiet(session);
        true
    }

    fn complete(&mut self, device: usize) -> bool {
        let Device { sim, .. } = &self.devices[device];
        let parked = sim.parked();
        match self.tempo.taste {
            // Now and then another one, so that everything ends.
            Taste::Oldest if !self.dice.one_in(8) => sim.complete(parked[0].0),
            Taste::Newest if !self.dice.one_in(8) => sim.complete(parked[parked.len() - 1].0),
            _ => sim.complete_next(&mut self.dice).is_some(),
        }
    }

    /// Gives a connection what is there for it. What comes for a client that has gone is thrown away.
    fn pump(&mut self, session: usize) -> bool {
        let mut released = Vec::new();
        self.lines[session].port.as_mut().unwrap().pump(&mut released);
        let changed = !released.is_empty();
        if !self.close_when_quiet(session) {
            for reply in released {
                self.client.receive(session, reply);
            }
        }
        changed
    }

    /// Closes the port of a connection whose client has gone, once the image is done with it. Says whether the
    /// client has gone.
    fn close_when_quiet(&mut self, session: usize) -> bool {
        if !self.client.has_left(session) {
            return false;
        }
        let line = &mut self.lines[session];
        if let Some(port) = line.port.take_if(|port| port.in_flight() == 0) {
            port.disconnect(match self.client.ending(session) {
                Ending::Asked => Disconnect::Asked,
                Ending::Aborted => Disconnect::Closed,
            });
        }
        true
    }

    /// Time passes: a little, or until somebody is due.
    fn pass(&mut self) -> bool {
        let due = self.devices.iter().filter_map(|device| device.fault.next_due()).min();
        match due.filter(|_| self.dice.one_in(2)) {
            Some(due) => self.clock.advance_to(due),
            None => self.clock.advance(Nanos(1 + self.dice.below(1_000_000))),
        }
        self.devices.iter().for_each(|device| device.fault.tick());
        false
    }

    fn check_conflicts(&self) {
        self.devices.iter().for_each(Device::check_conflicts);
    }

    /// Who waits for what.
    fn waits(&self) -> String {
        let sessions = (0..self.lines.len()).map(|session| {
            let in_flight = self.lines[session].port.as_ref().map(Port::in_flight);
            format!("{}, in flight {in_flight:?}\n", self.client.waits(session))
        });
        let devices = self.devices.iter().map(|device| format!("{:?}\n", device.sim.parked()));
        sessions.chain(devices).collect()
    }
}
