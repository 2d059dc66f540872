//! A simulated client: plays a script over connections, and remembers what it saw.
//!
//! It says what could be issued now; somebody else decides who goes first, and brings the replies. Knows
//! neither engine nor image. Invariant: nothing is issued before the completions it waits for have been
//! received.

use std::collections::BTreeMap;

use blkreplay_core::device::Dice;
use blkreplay_core::engine::{Arrival, Released};
use blkreplay_core::request::{Errno, Extent, Request};
use blkreplay_core::units::Nanos;
use blkreplay_fixtures::workload::solid_bytes;
use bytes::Bytes;

use super::script::{Action, ActionId, Data, Ending, Script, Session};
use super::tempo::Move;

/// Cookies of a client that gives each request its own begin here: more than any other has.
const OWN_COOKIES: u64 = 1000;

/// A client at work.
pub(super) struct Client {
    script: Script,
    dice: Dice,
    sessions: Vec<State>,
    /// Whether each lock is held.
    locked: Vec<bool>,
    /// Where each action stands in the history, by its number.
    places: Vec<Places>,
    /// Each request has a cookie of its own.
    own_cookies: bool,
    pub(super) history: History,
}

/// How far one connection is.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    phase: Phase,
    /// Actions issued.
    issued: usize,
    /// Replies received.
    received: usize,
}

/// Where an action stands in the history.
#[derive(Debug, Clone, Copy, Default)]
struct Places {
    sent: Option<usize>,
    received: Option<usize>,
    lock: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Waiting,
    Open,
    Gone,
}

/// What a client did and saw, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct History {
    /// Requests, in the order in which they were issued.
    pub(super) sent: Vec<Sent>,
    /// Replies, in the order in which they were received.
    pub(super) received: Vec<Received>,
    /// Connections that broke, each with how many requests had been issued over all connections.
    pub(super) broken: Vec<(usize, usize)>,
}

/// A request on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) action: ActionId,
    pub(super) session: usize,
    pub(super) device: usize,
    pub(super) cookie: u64,
    pub(super) request: Request,
    pub(super) data: Bytes,
    pub(super) refused: Option<Errno>,
    /// How many replies the client had received.
    pub(super) had_received: usize,
}

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) action: ActionId,
    pub(super) session: usize,
    pub(super) result: Result<(), Errno>,
    pub(super) data: Bytes,
    pub(super) extents: Vec<Extent>,
    /// When it was received.
    pub(super) at: Nanos,
}

impl Received {
    /// What the client learns from it.
    pub(super) fn content(&self) -> (Result<(), Errno>, &Bytes, &[Extent]) {
        (self.result, &self.data, &self.extents)
    }
}

/// Which action a cookie is of, if the client gives each its own.
pub(super) fn action_of(cookie: u64) -> Option<ActionId> {
    u32::try_from(cookie.checked_sub(OWN_COOKIES)?).ok().map(ActionId)
}

impl History {
    /// The replies, by what they reply to.
    pub(super) fn replies(&self) -> BTreeMap<ActionId, &Received> {
        self.received.iter().map(|reply| (reply.action, reply)).collect()
    }
}

impl Client {
    /// A client that is about to play `script`. `dice` decide what timing decides in a real one.
    pub(super) fn new(script: Script, dice: Dice) -> Client {
        let actions = script.sessions.iter().flat_map(|session| &session.actions);
        let actions = actions.map(|action| action.id.place() + 1).max().unwrap_or_default();
        Client {
            dice,
            own_cookies: false,
            places: vec![Places::default(); actions],
            sessions: vec![State::default(); script.sessions.len()],
            locked: vec![false; script.locks],
            history: History::default(),
            script,
        }
    }

    /// The same, but each request has a cookie that says which it is.
    pub(super) fn telling(script: Script, dice: Dice) -> Client {
        Client { own_cookies: true, ..Client::new(script, dice) }
    }

    /// It is killed. Returns the connections that break.
    pub(super) fn die(&mut self) -> Vec<usize> {
        let mut broken = Vec::new();
        for (session, state) in self.sessions.iter_mut().enumerate() {
            if state.phase == Phase::Open {
                broken.push(session);
                self.script.sessions[session].ending = Ending::Aborted;
            }
            state.phase = Phase::Gone;
        }
        broken
    }

    /// Everything was asked, and everybody has gone.
    pub(super) fn is_done(&self) -> bool {
        self.sessions.iter().all(|state| state.phase == Phase::Gone)
    }

    /// What a connection could do next, which is one thing at most.
    pub(super) fn could(&self, session: usize) -> Option<Move> {
        match self.sessions[session].phase {
            Phase::Gone => None,
            Phase::Waiting => self.may_begin(session).then_some(Move::Begin(session)),
            Phase::Open if self.may_issue(session) => Some(Move::Issue(session)),
            Phase::Open => self.may_leave(session).then_some(Move::Leave(session)),
        }
    }

    fn may_begin(&self, session: usize) -> bool {
        let Session { after, behind, .. } = self.script.sessions[session];
        let sent_all = |other: usize| {
            let whole = self.script.sessions[other].actions.len();
            self.sessions[other].issued == whole
        };
        after.is_none_or(|before| self.sessions[before].phase == Phase::Gone)
            && behind.is_none_or(sent_all)
    }

    pub(super) fn begin(&mut self, session: usize) {
        self.sessions[session].phase = Phase::Open;
    }

    /// Whether a connection could issue its next request.
    pub(super) fn may_issue(&self, session: usize) -> bool {
        self.next_action(session).is_some_and(|action| self.is_ready(action))
    }

    /// Whether a connection has nothing more to do.
    fn may_leave(&self, session: usize) -> bool {
        let State { issued, received, .. } = self.sessions[session];
        let asked_all = issued == self.script.sessions[session].actions.len();
        let has_all = received == issued || self.ending(session) == Ending::Aborted;
        asked_all && has_all
    }

    pub(super) fn leave(&mut self, session: usize) {
        self.sessions[session].phase = Phase::Gone;
        if self.ending(session) == Ending::Aborted {
            self.history.broken.push((session, self.history.sent.len()));
        }
    }

    /// Whether a client has gone, and hears nothing any more.
    pub(super) fn has_left(&self, session: usize) -> bool {
        self.sessions[session].phase == Phase::Gone
    }

    pub(super) fn ending(&self, session: usize) -> Ending {
        self.script.sessions[session].ending
    }

    pub(super) fn script(&self) -> &Script {
        &self.script
    }

    /// What a connection waits for, for a report.
    pub(super) fn waits(&self, session: usize) -> String {
        let state = self.sessions[session];
        format!("connection {session}: {state:?}, next {:?}", self.next_action(session))
    }

    fn next_action(&self, session: usize) -> Option<&Action> {
        let state = self.sessions[session];
        let open = state.phase == Phase::Open;
        self.script.sessions[session].actions.get(state.issued).filter(|_| open)
    }

    fn is_ready(&self, action: &Action) -> bool {
        let received = |id: &ActionId| self.places[id.place()].received.is_some();
        action.waits_for.iter().all(received) && action.lock.is_none_or(|lock| !self.locked[lock])
    }

    /// Issues the next request of a connection, which may be issued.
    pub(super) fn issue(&mut self, session: usize) -> Arrival {
        let action = self.next_action(session).unwrap().clone();
        assert!(self.is_ready(&action), "{action:?} is not to be issued yet");
        if let Some(lock) = action.lock {
            self.locked[lock] = true;
        }
        self.sessions[session].issued += 1;
        let Action { id, request, refused, .. } = action;
        let data = self.data(&action);
        let sent = Sent {
            action: id,
            session,
            device: self.script.sessions[session].device,
            cookie: if self.own_cookies {
                OWN_COOKIES + u64::from(id.0)
            } else {
                // Few of them, so that equal ones are in flight together: they name nothing.
                self.dice.below(4)
            },
            request,
            data: data.clone(),
            refused,
            had_received: self.history.received.len(),
        };
        let cookie = sent.cookie;
        let sent_at = Some(self.history.sent.len());
        self.places[id.place()] = Places { sent: sent_at, received: None, lock: action.lock };
        self.history.sent.push(sent);
        Arrival { tag: u64::from(id.0), cookie, request, data, refused }
    }

    fn data(&self, action: &Action) -> Bytes {
        let length = usize::try_from(action.request.range.length).unwrap();
        match action.data {
            Data::None => Bytes::new(),
            Data::Made(seed) => solid_bytes(seed, length).into(),
            Data::Copied(read) => {
                let place = self.places[read.place()].received.unwrap();
                let reply = &self.history.received[place];
                if reply.result.is_ok() { reply.data.clone() } else { vec![0; length].into() }
            }
        }
    }

    /// A reply came over a connection.
    pub(super) fn receive(&mut self, session: usize, released: Released, at: Nanos) {
        let action = ActionId(u32::try_from(released.tag).unwrap());
        let State { phase, received, .. } = &mut self.sessions[session];
        assert_eq!(*phase, Phase::Open, "nobody is there to receive {action:?}");
        *received += 1;
        let places = &mut self.places[action.place()];
        let sent = &self.history.sent[places.sent.unwrap()];
        assert_eq!(sent.session, session, "{action:?} was asked by another connection");
        assert_eq!((sent.cookie, sent.request), (released.cookie, released.request));
        assert_eq!(places.received, None, "{action:?} is answered twice");
        places.received = Some(self.history.received.len());
        if let Some(lock) = places.lock {
            self.locked[lock] = false;
        }
        let Released { result, data, extents, .. } = released;
        self.history.received.push(Received { action, session, result, data, extents, at });
    }
}
