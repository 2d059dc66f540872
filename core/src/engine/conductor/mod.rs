//! The conductor of a replay: what the log expects, what comes, and when each goes to its image and back.
//!
//! ```text
//!  log ──load──▶ expected ◀──match── arrivals
//!                   │ its step has come, nothing that must be before it is left
//!                   ▼
//!                 image ──complete──▶ done ──release, in the order of the log──▶ client
//! ```
//!
//! `load` reads ahead, `arrive` matches, `go` sends to images, `release` gives `answers`, `extra` is for what the recording
//! does not have, `watch` has an eye on time; `monitor` follows a virtual machine monitor along its `track` of the log. All
//! is called under the engine's lock, does no I/O, and says in an [`Output`] what is to be done. Where a client is
//! replayed, requests come from its connections; where there is none, the log itself is the client. Invariant: whatever
//! waits has a name and a bound.

mod answers;
mod arrive;
mod crew;
mod extra;
mod go;
mod load;
mod monitor;
mod release;
mod track;
mod watch;

pub(in crate::engine) use load::Loaded;
pub(in crate::engine) use monitor::Met;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::Log;
use super::async_event::AsyncEvent;
use super::counterparts::Counterparts;
use super::divergence::{Asked, Divergence};
use super::driver::Released;
use super::expected::{Came, Window};
use super::late::Late;
use super::outbox::{Outbox, Work};
use super::plan::Plan;
use super::replay_error::ReplayError;
use super::rules::{Replayed, Rules};
use super::schedule::{Order, Schedule};
use crate::device::Geometry;
use crate::event::{Checkpoint, EventKind, Payload};
use crate::request::{DeviceId, Request};
use crate::units::Nanos;
use crew::Crew;
use monitor::Monitored;

/// Tickets from here on are requests that the recording does not have.
const EXTRA: u64 = 1 << 63;

/// How many requests are told of before a divergence.
const RECENT: usize = 3;

/// Data of divergent requests that are kept for the report, in bytes.
const EVIDENCE_BYTES_MAX: usize = 64 << 20;

/// What is to be done when the lock is free again, in order.
#[derive(Default)]
pub(in crate::engine) struct Output {
    /// For the log of the replay.
    pub(in crate::engine) log: Log,
    /// For the threads of ports.
    pub(in crate::engine) work: Vec<(Arc<Outbox>, Work)>,
    /// For clients.
    pub(in crate::engine) released: Vec<(Arc<Outbox>, Released)>,
    /// Completions of which a monitor's guest is told nothing, as none of its was when they were recorded.
    pub(in crate::engine) untold: Vec<(Arc<Outbox>, Released)>,
    /// For the monitor: each with how many of `released` come before it.
    pub(in crate::engine) due: Vec<(usize, AsyncEvent)>,
}

impl Output {
    /// Nothing yet; where no log is kept, nothing is put there.
    pub(in crate::engine) fn with_log(is_kept: bool) -> Output {
        let log = if is_kept { Log::default() } else { Log::off() };
        Output { log, ..Output::default() }
    }
}

/// A disk of the replay.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Stage {
    /// What clients are told of it.
    pub(in crate::engine) geometry: Geometry,
    /// There is an image behind it; else the trace answers.
    pub(in crate::engine) has_image: bool,
}

/// What lies between two checkpoints: issues, then what is released.
#[derive(Debug, Default)]
struct Step {
    /// Which it is, from 0.
    number: u64,
    /// Places of its issues: the first, and the one behind the last.
    first: u64,
    end: u64,
    /// Where the log makes the requests: issues before this place are in the log of the replay.
    entered: u64,
    /// Issues that must still come.
    awaited: usize,
    /// Its checkpoint has been read: another issue begins another step.
    closed: bool,
    checkpoint: Option<Checkpoint>,
    /// What is released, in order.
    items: VecDeque<Item>,
    /// How many of `items` are known to be ready.
    ready: usize,
    /// Its checkpoint is in the log of the replay.
    begun: bool,
    /// When the recording released it.
    time: Nanos,
    /// What the log of the replay takes over, when it comes to this step.
    notes: Vec<EventKind>,
    /// What notes and events carry, in bytes.
    bytes: u64,
}

/// Something that is released in a step.
#[derive(Debug)]
enum Item {
    /// The request at this place.
    Block(u64),
    /// What the log of the replay takes over.
    Event(EventKind),
}

impl Step {
    /// Whether it is over, and nothing happens in it.
    fn is_void(&self) -> bool {
        self.closed && self.first == self.end && self.items.is_empty() && self.notes.is_empty()
    }
}

/// How far the log has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LogState {
    /// There is more.
    Open,
    /// It ended in order.
    Ended,
    /// It was cut, or is to be replayed up to here.
    Cut,
}

/// Where a replay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Phase {
    /// Under way.
    Running,
    /// All of the log has been done.
    Over,
    /// It is not the recording, or there was trouble.
    Stopped,
}

/// A request of which nobody can say yet whether the recording has it.
#[derive(Debug)]
struct Unjudged {
    came: Came,
    device: DeviceId,
    request: Request,
    payload: Payload,
}

/// A request that the recording does not have, with its image.
#[derive(Debug)]
struct Extra {
    came: Came,
    asked: Asked,
}

/// See the module.
pub(in crate::engine) struct Conductor {
    plan: Arc<Plan>,
    rules: Rules,
    stages: Vec<Stage>,
    monitor: Monitored,
    /// The log's own connections, each with a queue to every image.
    crew: Crew,
    window: Window,
    /// One for each device.
    schedules: Vec<Schedule>,
    /// The current one and those behind it that were read.
    steps: VecDeque<Step>,
    /// Number of the current step.
    current: u64,
    log: LogState,
    /// Flushes that the log had released, by device, as far as it was read.
    flushes: Vec<u64>,
    /// When the log last released something, as far as it was read.
    last_release: Nanos,
    unjudged: VecDeque<Unjudged>,
    counterparts: Counterparts,
    /// Requests whose clients had gone and that did not come in their step: they may still.
    late: Late,
    extras: HashMap<u64, Extra>,
    next_extra: u64,
    /// Places that may go, and wait for their time or for room.
    ready: VecDeque<u64>,
    /// What is with an image, by place.
    away: BTreeMap<u64, (DeviceId, Request)>,
    /// Data of requests that were read ahead and have not gone, in bytes.
    ahead_bytes: u64,
    /// Requests that were read ahead and have not gone.
    ahead: usize,
    /// What the replay's clock and the recording's said when it began.
    origin: Option<(Nanos, Nanos)>,
    /// A release that waits for its recorded time waits for this one.
    held_until: Option<Nanos>,
    /// When something that was waited for last happened.
    moved: Nanos,
    /// Connections that may still bring something.
    inputs: usize,
    /// No more clients come.
    closing: bool,
    /// The last step was released, and the log has ended.
    steps_over: bool,
    /// What early arrivals hold of our memory, in bytes.
    kept_bytes: u64,
    phase: Phase,
    trouble: Option<ReplayError>,
    evidence_bytes: usize,
    recorded_before: VecDeque<Asked>,
    came_before: VecDeque<Asked>,
    /// Ranges whose data were made up, or were changed by two at once, by device: where each begins, and where it ends.
    unsure: Vec<BTreeMap<u64, u64>>,
    marks: HashMap<String, u64>,
    replayed: Replayed,
}

impl Conductor {
    pub(in crate::engine) fn new(plan: Plan, rules: Rules, player: Arc<Outbox>) -> Conductor {
        Conductor {
            marks: plan.marks.clone(),
            plan: Arc::new(plan),
            rules,
            crew: Crew::of(player),
            stages: Vec::new(),
            monitor: Monitored::default(),
            window: Window::default(),
            schedules: Vec::new(),
            steps: VecDeque::from([Step::default()]),
            current: 0,
            log: LogState::Open,
            flushes: Vec::new(),
            last_release: Nanos::default(),
            unjudged: VecDeque::new(),
            counterparts: Counterparts::default(),
            late: Late::default(),
            extras: HashMap::new(),
            next_extra: EXTRA,
            ready: VecDeque::new(),
            away: BTreeMap::new(),
            ahead_bytes: 0,
            ahead: 0,
            origin: None,
            held_until: None,
            moved: Nanos::default(),
            inputs: 0,
            closing: false,
            steps_over: false,
            kept_bytes: 0,
            phase: Phase::Running,
            trouble: None,
            evidence_bytes: 0,
            recorded_before: VecDeque::new(),
            came_before: VecDeque::new(),
            unsure: Vec::new(),
            replayed: Replayed::default(),
        }
    }

    /// Takes the next device.
    pub(in crate::engine) fn attach(&mut self, geometry: Geometry, has_image: bool) {
        let block = u64::from(geometry.block_min);
        self.schedules.push(Schedule::new(self.rules.order, block));
        self.flushes.push(0);
        self.unsure.push(BTreeMap::new());
        self.stages.push(Stage { geometry, has_image });
    }

    /// Another thread does requests of the log from now on.
    pub(in crate::engine) fn add_hand(&mut self, outbox: Arc<Outbox>) {
        self.crew.add(outbox);
    }

    /// What there is to do.
    pub(in crate::engine) fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// How it goes about it.
    pub(in crate::engine) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Where the replay is.
    pub(in crate::engine) fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether nothing more will happen: all has been done, or the replay stopped, and nobody waits for an answer.
    pub(in crate::engine) fn has_ended(&self) -> bool {
        let gone = !self.rules.is_live() || (self.closing && self.inputs == 0);
        self.phase != Phase::Running && gone && self.is_idle()
    }

    /// How many steps are kept.
    #[cfg(test)]
    pub(in crate::engine) fn kept_steps(&self) -> usize {
        self.steps.len()
    }

    /// What was done so far.
    pub(in crate::engine) fn replayed(&self) -> &Replayed {
        &self.replayed
    }

    /// Why the replay could not go on; told once.
    pub(in crate::engine) fn take_trouble(&mut self) -> Option<ReplayError> {
        self.trouble.take()
    }

    /// Does all that can be done now.
    pub(in crate::engine) fn settle(&mut self, now: Nanos, out: &mut Output) {
        self.judge(now, out);
        loop {
            if self.rules.order == Order::Recorded {
                self.advance(now, out);
            }
            if !self.send_ready(now, out) {
                break;
            }
        }
        self.window.forget();
        self.check_left(now, out);
        self.check_over(now, out);
    }

    /// Notes a divergence. The replay stops, unless it is to go on.
    fn diverge(&mut self, mut divergence: Divergence, now: Nanos, out: &mut Output) {
        if self.phase == Phase::Stopped {
            return;
        }
        self.evidence_bytes += divergence.data.len();
        if self.evidence_bytes > EVIDENCE_BYTES_MAX {
            self.evidence_bytes -= divergence.data.len();
            divergence.data = bytes::Bytes::new();
        }
        divergence.recorded_before = self.recorded_before.iter().copied().collect();
        divergence.came_before = self.came_before.iter().copied().collect();
        self.replayed.divergences.push(divergence);
        if !self.rules.goes_on || self.replayed.divergences.len() >= Rules::DIVERGENCES_MAX {
            self.stop(now, out);
        }
    }

    /// The replay cannot go on, which says nothing about a difference.
    pub(in crate::engine) fn fail(&mut self, error: ReplayError, now: Nanos, out: &mut Output) {
        self.trouble.get_or_insert(error);
        self.stop(now, out);
    }

    fn remember(recent: &mut VecDeque<Asked>, asked: Asked) {
        if recent.len() == RECENT {
            recent.pop_front();
        }
        recent.push_back(asked);
    }
}
