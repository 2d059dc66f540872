//! What simulated clients are going to do: a seed comes in, a script goes out.
//!
//! A script says for each connection what it asks, in which order, and which completions it waits for before
//! it does. So what a client asks never depends on timing, and a client that is replayed does the same; only
//! [`Action::lock`] lets timing decide. Knows no engine. Invariant: every script can be played to its end,
//! whatever order completions come in: an action waits only for actions with smaller numbers.

use blkreplay_core::device::Dice;
use blkreplay_core::request::{Errno, Flags, Operation, Request};
use blkreplay_core::units::ByteRange;

/// Size of every device, in bytes.
pub(super) const DEVICE_BYTES: u64 = 16 << 10;

/// Most requests touch this many bytes at the start, so that they are in each other's way.
const BUSY_BYTES: u64 = 3 << 10;

/// Longest request within a device, in bytes.
const LENGTH_MAX: u64 = 1200;

/// Names an action within its script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ActionId(pub(super) u32);

impl ActionId {
    /// Its number, for a list of all actions.
    pub(super) fn place(self) -> usize {
        usize::try_from(self.0).unwrap()
    }
}

/// What all connections of a client do.
#[derive(Debug, Clone)]
pub(super) struct Script {
    pub(super) devices: usize,
    pub(super) sessions: Vec<Session>,
    /// How many locks its threads share.
    pub(super) locks: usize,
}

/// One connection, from its beginning to its end.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) device: usize,
    /// It begins when this one has ended: the client comes back.
    pub(super) after: Option<usize>,
    /// It begins when this one has sent all that it sends.
    pub(super) behind: Option<usize>,
    pub(super) actions: Vec<Action>,
    pub(super) ending: Ending,
}

/// How a client leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// When it has all its replies.
    Asked,
    /// When it has asked everything, whatever is still in flight.
    Aborted,
}

/// One request, and when it is issued: after the actions before it in its session, and when it has the
/// completions of those it waits for.
#[derive(Debug, Clone)]
pub(super) struct Action {
    pub(super) id: ActionId,
    pub(super) request: Request,
    pub(super) data: Data,
    /// The front refuses it.
    pub(super) refused: Option<Errno>,
    pub(super) waits_for: Vec<ActionId>,
    /// Taken before it is issued, given back when its completion came.
    pub(super) lock: Option<usize>,
}

/// Where the data of a write come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Data {
    /// It has none.
    None,
    /// From this seed.
    Made(u64),
    /// From what this read returned; zeroes if it failed.
    Copied(ActionId),
}

/// What a script may have in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Devices, at most.
    pub(super) devices: u64,
    /// Connections at a time to one device, at most.
    pub(super) connections: u64,
    /// Actions in all, at most.
    pub(super) actions: u64,
    /// Two actions that hold the same lock are never in flight together.
    pub(super) locks: usize,
}

impl Shape {
    /// What most tests take: everything but locks.
    pub(super) const USUAL: Shape = Shape { devices: 4, connections: 3, actions: 60, locks: 0 };
}

impl Script {
    /// The script that belongs to a seed.
    pub(super) fn new(dice: &mut Dice, shape: Shape) -> Script {
        let devices = 1 + index(dice.below(shape.devices));
        let script = Script { devices, sessions: Vec::new(), locks: shape.locks };
        let mut author = Author { dice, script, lanes: Vec::new(), known: Vec::new() };
        for device in 0..devices {
            for _ in 0..=author.dice.below(shape.connections) {
                let session = author.begin(device, None);
                author.lanes.push(session);
            }
        }
        let actions = author.lanes.len() as u64 + author.dice.below(shape.actions);
        for number in 0..actions {
            author.write_one(ActionId(u32::try_from(number).unwrap()));
        }
        author.script
    }
}

impl Script {
    /// Lets each connection begin with a request that no other makes, so that they can be told apart: who sends a flush
    /// can be known by what it sent before, and by nothing else.
    pub(super) fn greet(&mut self, dice: &mut Dice) {
        for session in 0..self.sessions.len() {
            while let Some(first) = self.sessions[session].actions.first()
                && self.askers(self.sessions[session].device, first.request) > 1
            {
                let first = &mut self.sessions[session].actions[0];
                if first.request.operation != Operation::Read {
                    let request = Request { operation: Operation::Read, ..request(dice) };
                    let length = request.range.length.max(1);
                    first.request = Request { flags: Flags::NONE, ..request };
                    first.request.range.length = length;
                    (first.data, first.refused) = (Data::None, None);
                }
                let length = first.request.range.length;
                first.request.range.offset = dice.below(DEVICE_BYTES - length + 1);
                first.refused = None;
            }
        }
    }

    /// How often this is asked of a device.
    fn askers(&self, device: usize, request: Request) -> usize {
        let sessions = self.sessions.iter().filter(|session| session.device == device);
        sessions.flat_map(|session| &session.actions).filter(|one| one.request == request).count()
    }
}

/// Writes a script, action by action, in an order in which it could be played.
struct Author<'a> {
    dice: &'a mut Dice,
    script: Script,
    /// The sessions that go on.
    lanes: Vec<usize>,
    /// Actions so far whose completion the client is sure to see, with their session.
    known: Vec<(usize, ActionId, Request)>,
}

impl Author<'_> {
    fn begin(&mut self, device: usize, after: Option<usize>) -> usize {
        let ending = if self.dice.one_in(4) { Ending::Aborted } else { Ending::Asked };
        let (behind, actions) = (None, Vec::new());
        self.script.sessions.push(Session { device, after, behind, actions, ending });
        self.script.sessions.len() - 1
    }

    fn write_one(&mut self, id: ActionId) {
        let lane = self.dice.place(self.lanes.len()).unwrap();
        let mut session = self.lanes[lane];
        if !self.script.sessions[session].actions.is_empty() && self.dice.one_in(10) {
            session = self.begin(self.script.sessions[session].device, Some(session));
            self.lanes[lane] = session;
        }
        let action = self.action(id, session);
        // Of a connection that may break, nobody can be sure.
        if self.script.sessions[session].ending == Ending::Asked {
            self.known.push((session, id, action.request));
        }
        self.script.sessions[session].actions.push(action);
    }

    fn action(&mut self, id: ActionId, session: usize) -> Action {
        let mut waits_for = Vec::new();
        for _ in 0..self.dice.below(3) {
            // Mostly for something recent, so that much is in flight and something still waits.
            let recent = self.known.len().saturating_sub(6);
            waits_for.extend(self.dice.pick(&self.known[recent..]).map(|(_, id, _)| *id));
        }
        let refused = self.dice.one_in(16);
        let (request, refused) =
            if refused { refused_request(self.dice) } else { (request(self.dice), None) };
        let mut action = Action { id, request, data: Data::None, refused, waits_for, lock: None };
        if request.operation == Operation::Write {
            self.give_data(&mut action);
        }
        let aborted = self.script.sessions[session].ending == Ending::Aborted;
        if !aborted && self.dice.one_in(2) {
            action.lock = self.dice.place(self.script.locks);
        }
        action
    }

    /// A write has data of its own, or copies what a read returned.
    fn give_data(&mut self, action: &mut Action) {
        action.data = Data::Made(self.dice.number());
        let reads: Vec<_> =
            self.known.iter().filter(|(_, _, read)| read.operation == Operation::Read).collect();
        if action.refused.is_none()
            && self.dice.one_in(4)
            && let Some((_, id, read)) = self.dice.pick(&reads)
            && read.range.fits(DEVICE_BYTES)
        {
            let length = read.range.length;
            let offset = self.dice.below(DEVICE_BYTES - length + 1);
            action.request.range = ByteRange::new(offset, length);
            action.data = Data::Copied(*id);
            action.waits_for.push(*id);
        }
    }
}

/// A request that fits its device.
pub(super) fn request(dice: &mut Dice) -> Request {
    let operation = match dice.below(32) {
        0..11 => Operation::Write,
        11..20 => Operation::Read,
        20..23 => Operation::WriteZeroes,
        23..26 => Operation::Discard,
        26..29 => Operation::Flush,
        29 => Operation::Cache,
        _ => Operation::BlockStatus,
    };
    let length = 1 + dice.below(LENGTH_MAX);
    let reach = if dice.one_in(4) { DEVICE_BYTES } else { BUSY_BYTES };
    let range = match operation {
        Operation::Flush => ByteRange::default(),
        _ => ByteRange::new(dice.below(reach - length + 1), length),
    };
    Request { operation, range, flags: flags(dice, operation) }
}

/// Flags that a client may set.
fn flags(dice: &mut Dice, operation: Operation) -> Flags {
    let possible: &[Flags] = match operation {
        Operation::Write | Operation::Discard => &[Flags::FUA],
        Operation::WriteZeroes => &[Flags::FUA, Flags::NO_HOLE, Flags::FAST_ZERO],
        Operation::BlockStatus => &[Flags::REQ_ONE],
        _ => &[],
    };
    let set = possible.iter().filter(|_| dice.one_in(3));
    set.fold(Flags::NONE, |flags, flag| flags.with(*flag))
}

/// A request that a front refuses, and with what.
fn refused_request(dice: &mut Dice) -> (Request, Option<Errno>) {
    let request = request(dice);
    let length = request.range.length.max(1);
    let past_end = ByteRange::new(DEVICE_BYTES - dice.below(length), length);
    match request.operation {
        operation if operation.modifies() && dice.one_in(2) => (request, Some(Errno::EPERM)),
        Operation::Write => (Request { range: past_end, ..request }, Some(Errno::ENOSPC)),
        // A flush that has a range.
        _ => (Request { range: past_end, ..request }, Some(Errno::EINVAL)),
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap()
}
