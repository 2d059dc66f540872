//! A world: a client, ports, an engine and simulated devices, on one thread and a virtual clock.
//!
//! Whatever can happen next is listed, and dice choose: a connection begins, issues, or leaves; a device completes
//! something; a port is pumped; the player of a replay takes a turn; time passes. Knows neither traces nor what a
//! replay must hold. Invariant: the same seed plays the same; when nothing can happen any more, a replay says what it
//! waits for, and a recording has a failure.

use std::sync::Arc;

use blkreplay_core::device::Dice;
use blkreplay_core::engine::{Disk, Negotiated, Port};
use blkreplay_core::event::Disconnect;
use blkreplay_core::request::ConnectionId;
use blkreplay_core::units::{Clock, Nanos, VirtualClock};

use super::client::Client;
use super::device::Device;
use super::script::Ending;
use super::tempo::{Move, Tempo};
use super::turning::Turning;

/// So many moves in a row that change nothing mean that nothing will change any more.
const QUIET_MAX: u32 = 4000;

pub(super) struct World {
    dice: Dice,
    clock: Arc<VirtualClock>,
    devices: Vec<Device>,
    disks: Vec<Arc<Disk>>,
    pub(super) client: Client,
    lines: Vec<Line>,
    /// Of a replay.
    pub(super) turning: Option<Turning>,
    /// Devices that complete nothing.
    pub(super) dead: Vec<usize>,
    /// Requests that conflict may be with an image together.
    pub(super) races: bool,
    tempo: Tempo,
    quiet: u32,
}

/// The front's end of one connection.
#[derive(Default)]
struct Line {
    port: Option<Port>,
    /// Its number, once it has begun.
    connection: Option<ConnectionId>,
}

impl Drop for World {
    /// A port that goes waits for its requests, and in a world that failed nobody completes them.
    fn drop(&mut self) {
        self.lines.iter_mut().for_each(|line| std::mem::forget(line.port.take()));
    }
}

impl World {
    /// A world in which nothing has happened yet. `devices` are those that have an image.
    pub(super) fn new(
        mut dice: Dice,
        clock: Arc<VirtualClock>,
        disks: Vec<Arc<Disk>>,
        devices: Vec<Device>,
        client: Client,
    ) -> World {
        World {
            disks,
            devices,
            clock,
            lines: client.script().sessions.iter().map(|_| Line::default()).collect(),
            client,
            turning: None,
            dead: Vec::new(),
            races: false,
            tempo: Tempo::new(&mut dice),
            dice,
            quiet: 0,
        }
    }

    /// Plays until the client is done, all ports are gone and, of a replay, nothing more can come; or until there is
    /// trouble.
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
        let gone = self.client.is_done() && self.lines.iter().all(|line| line.port.is_none());
        match &self.turning {
            None => gone,
            Some(turning) => turning.has_failed() || (gone && turning.outcome().is_some()),
        }
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
            Move::Turn => self.turn(),
            Move::Pass => self.pass(),
        };
        if !self.races && matches!(choice, Move::Issue(_) | Move::Pump(_) | Move::Turn) {
            self.check_conflicts();
        }
        if self.turning.as_ref().is_some_and(|turning| turning.kills && turning.is_decided()) {
            self.kill();
        }
        if self.client.is_done()
            && let Some(turning) = &mut self.turning
        {
            turning.close();
        }
        self.quiet = if changed { 0 } else { self.quiet + 1 };
        assert!(self.quiet < QUIET_MAX, "nothing can happen any more:\n{}", self.waits());
    }

    fn choose(&mut self) -> Move {
        let moves = self.moves();
        self.tempo.choose(&moves, &mut self.dice)
    }

    /// What could happen next.
    fn moves(&self) -> Vec<Move> {
        let mut moves = vec![Move::Pass];
        moves.extend(self.turning.as_ref().map(|_| Move::Turn));
        for (session, line) in self.lines.iter().enumerate() {
            moves.extend(self.client.could(session));
            moves.extend(line.port.as_ref().map(|_| Move::Pump(session)));
        }
        let busy = |device: &usize| {
            self.devices[*device].sim.parked_count() > 0 && !self.dead.contains(device)
        };
        moves.extend((0..self.devices.len()).filter(busy).map(Move::Complete));
        moves
    }

    fn begin(&mut self, session: usize) -> bool {
        self.client.begin(session);
        let device = self.client.script().sessions[session].device;
        let export = device.to_string();
        let negotiated = Negotiated {
            export,
            structured_replies: true,
            block_status: true,
            extended_headers: false,
        };
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
        self.tempo.complete(&self.devices[device].sim, &mut self.dice)
    }

    fn turn(&mut self) -> bool {
        self.turning.as_mut().is_some_and(Turning::turn)
    }

    /// The client is killed, whatever it was doing.
    fn kill(&mut self) {
        for session in self.client.die() {
            if let Some(port) = &mut self.lines[session].port {
                port.abandon();
            }
            self.close_when_quiet(session);
        }
    }

    /// Gives a connection what is there for it. What comes for a client that has gone is thrown away.
    fn pump(&mut self, session: usize) -> bool {
        let mut released = Vec::new();
        self.lines[session].port.as_mut().unwrap().pump(&mut released);
        let changed = !released.is_empty();
        if !self.close_when_quiet(session) {
            for reply in released {
                self.client.receive(session, reply, self.clock.now());
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

    /// Time passes: a little, or until something is due; or all patience, when nothing else can happen.
    fn pass(&mut self) -> bool {
        let due = self.due();
        match due.filter(|_| self.dice.one_in(2)) {
            Some(due) => self.clock.advance_to(due),
            None => self.clock.advance(Nanos(1 + self.dice.below(1_000_000))),
        }
        self.devices.iter().for_each(|device| device.fault.tick());
        if !self.is_stuck() || self.sweep() || !self.is_stuck() {
            return false;
        }
        let in_flight =
            self.lines.iter().filter_map(|line| line.port.as_ref().map(Port::in_flight));
        let in_flight = in_flight.sum();
        let waits = self.waits();
        let Some(turning) = &mut self.turning else {
            panic!("nothing can happen any more:\n{waits}");
        };
        turning.lose_patience(&self.clock, in_flight, &waits);
        true
    }

    /// When something is due of which is known when.
    fn due(&self) -> Option<Nanos> {
        let late = self.devices.iter().filter_map(|device| device.fault.next_due());
        late.chain(self.turning.as_ref().and_then(Turning::due)).min()
    }

    /// Whether nothing is sure to happen, now or later.
    fn is_stuck(&self) -> bool {
        let may = self.moves().into_iter().any(Move::is_certain) || self.due().is_some();
        !may && !self.is_over()
    }

    /// Looks everywhere for something to do, until there is nothing for three times. Whether there was anything.
    fn sweep(&mut self) -> bool {
        (0..3).any(|_| self.look_everywhere())
    }

    fn look_everywhere(&mut self) -> bool {
        let mut any = false;
        for session in 0..self.lines.len() {
            if self.lines[session].port.is_some() {
                any |= self.pump(session) || self.lines[session].port.is_none();
            }
        }
        // Last, so that it says what is due.
        any | self.turn()
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
