//! What a virtual machine monitor needs of the engine: a queue of its own async events, checkpoints at which they are
//! released, values from the world, and disks.
//!
//! ```text
//!  guest ──issue──▶ Monitor ──▶ image          world ──queue──▶ engine
//!                      │ ◀──────complete─┘                        │
//!                      ├─ checkpoint ◀───── what waits ───────────┘
//!  guest ◀──next_due───┘
//! ```
//!
//! | QEMU | here | what differs |
//! |---|---|---|
//! | `replay_mutex_lock` | `&mut Monitor` | one thread at a time is the monitor; the borrow checker holds the lock |
//! | `replay_enable_events`, `replay_disable_events` | [`Engine::enable_events`] | while off, values are not logged either |
//! | `replay_bh_schedule_event`, `replay_bh_schedule_oneshot_event` | [`Monitor::queue`], [`Engine::queue`] | what a bottom half does is the monitor's; the engine knows its id |
//! | `replay_input_event`, `replay_input_sync_event`, `replay_chr_be_write`, `replay_net_packet_event` | the same | |
//! | `replay_block_event` | [`Monitor::issue`], [`Due::Block`] | the request, its data and its result are in the trace, and compared |
//! | `replay_checkpoint` | [`Monitor::try_checkpoint`], [`Monitor::checkpoint`] | the second knows that it must be the next: another one is a divergence |
//! | `replay_async_events`, `replay_save_events`, `replay_read_events` | [`Monitor::next_due`] | all that was queued is logged before the first of it runs; what never comes is a divergence, where QEMU waits for ever |
//! | `replay_clock`, `REPLAY_CLOCK` | [`Monitor::clock`] | a reading that is not the next is a divergence; QEMU gives the last one again |
//! | `replay_save_random`, `replay_read_random` | [`Monitor::random`] | |
//! | `replay_save_instructions`, `replay_get_instructions` | [`Monitor::executed`], [`Monitor::instructions_left`] | a count that differs is a divergence |
//! | `replay_interrupt`, `replay_exception`, `replay_has_interrupt` | [`Monitor::interrupt`], [`Monitor::exception`], [`Monitor::next_recorded`] | |
//! | `replay_shutdown_request` | [`Monitor::shutdown`] | |
//! | `replay_finish` | dropping the [`Monitor`] | requests in flight are completed and logged as undelivered; QEMU runs the queue and logs nothing |
//!
//! It knows neither NBD nor what a machine is made of. Invariant: what a monitor gets, and when, is a function of the
//! log.

mod following;
mod handing;
mod values;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::async_event::{AsyncEvent, Due, QueueFull};
use super::conductor::Met;
use super::disk::Disk;
use super::driver::{Arrival, Negotiated, Port, Released};
use super::monitor_divergence::MonitorAct;
use super::outbox::Outbox;
use super::schedule::Order;
use super::{Engine, Mode};
use crate::device::Doorbell;
use crate::event::{Checkpoint, EventDataError, EventKind};
use crate::request::DeviceId;

pub(super) use handing::deliver;

/// A virtual machine monitor's way into an engine. There is one for each engine, and it belongs to one thread at a
/// time.
///
/// In a replay the engine's rules say [`Source::Monitor`](super::Source::Monitor), and a [`Player`](super::Player) runs
/// on a thread of its own, from before the monitor's first call until after it was dropped.
pub struct Monitor {
    engine: Arc<Engine>,
    bell: Arc<Doorbell>,
    /// Belongs to this thread, and holds nothing.
    own: Arc<Outbox>,
    ports: Vec<Port>,
    /// Completions of which the guest is told nothing: it had gone when they were recorded.
    untold: Vec<Released>,
    /// Instructions since the last act.
    executed: u64,
    /// A checkpoint was passed, and what it released is being run.
    running: bool,
}

/// Why a monitor gets no answer.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// The replay is over: it has diverged, there was trouble, it was interrupted, or the trace is cut here.
    /// [`Engine::replayed`] has the divergences, and the player that was run has the trouble.
    #[error("the replay has stopped")]
    Stopped,
    /// More is asked for than an event of the trace can hold.
    #[error("the trace cannot hold it")]
    TooLong(#[from] EventDataError),
    /// The engine has, or had, a monitor.
    #[error("the engine has a monitor already")]
    Taken,
    /// The disk is connected already.
    #[error("disk {} is connected already", .0.0)]
    Connected(DeviceId),
    /// The process has no descriptors left.
    #[error("no way to be woken")]
    Doorbell(#[from] io::Error),
}

/// What came of trying to pass a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    /// It is passed. What it released comes from [`Monitor::next_due`].
    Yes,
    /// The log has something else next: not now.
    NotNext,
    /// The log has it next, but requests that were complete then are not, or the log has not been read so far.
    NotReady,
}

impl Monitor {
    /// The monitor of `engine`.
    pub fn new(engine: &Arc<Engine>) -> Result<Monitor, MonitorError> {
        let bell = Arc::new(Doorbell::new()?);
        let mut state = engine.lock();
        if let Some(conductor) = &state.conductor {
            let rules = conductor.rules();
            assert!(
                rules.is_monitored() && rules.order == Order::Recorded,
                "a monitor can be replayed only by rules made for it, in the recorded order"
            );
        }
        if state.monitor.is_some() {
            return Err(MonitorError::Taken);
        }
        state.monitor = Some(Arc::clone(&bell));
        drop(state);
        Ok(Monitor {
            engine: Arc::clone(engine),
            own: Arc::new(Outbox::new(Arc::clone(&bell))),
            bell,
            ports: Vec::new(),
            untold: Vec::new(),
            executed: 0,
            running: false,
        })
    }

    /// Connects a disk to the machine. In the trace that is a connection like any other.
    pub fn connect(&mut self, disk: &Arc<Disk>) -> Result<(), MonitorError> {
        if self.ports.iter().any(|port| port.disk.id() == disk.id()) {
            return Err(MonitorError::Connected(disk.id()));
        }
        let export = disk.id().0.to_string();
        let negotiated = Negotiated {
            export,
            structured_replies: false,
            block_status: false,
            extended_headers: false,
        };
        let port = disk.connect_with(negotiated, Arc::clone(&self.bell));
        port.serve_monitor();
        self.ports.push(port);
        Ok(())
    }

    /// Issues requests of the guest to a disk that is connected; they get their ids in this order. Waits only while the
    /// log is too far behind. Each comes back from [`Monitor::next_due`].
    pub fn issue(&mut self, device: DeviceId, arrivals: &mut Vec<Arrival>) {
        let port = self.ports.iter_mut().find(|port| port.disk.id() == device);
        port.expect("a guest can only see a disk that is connected").issue(arrivals);
    }

    /// Requests that were issued and have not come back.
    pub fn in_flight(&self) -> usize {
        self.ports.iter().map(Port::in_flight).sum()
    }

    /// Queues an event for the next checkpoint, as [`Engine::queue`] does; but what is queued by what a checkpoint
    /// released, that is before [`Monitor::next_due`] says that there is no more, is released at that checkpoint too.
    pub fn queue(&mut self, event: AsyncEvent) -> Result<(), QueueFull> {
        self.engine.queue_event(event, self.running)
    }

    /// Says that the guest has executed `instructions` more. How many they are is logged with the next checkpoint or
    /// value, and compared there. A monitor that does not count never calls it.
    pub fn executed(&mut self, instructions: u64) {
        self.executed = self.executed.saturating_add(instructions);
    }

    /// Passes a checkpoint: releases what is queued at this moment, completions of requests among it. All that it
    /// released is to be taken from [`Monitor::next_due`] before the next one. `which` is one of the nine of QEMU.
    ///
    /// In a replay it must be what the log has next, anything else is a divergence. It waits there for requests that
    /// were complete in the recording, as long as the rules' patience allows; what never comes is a divergence too.
    pub fn checkpoint(&mut self, which: Checkpoint) -> Result<(), MonitorError> {
        self.begin_checkpoint(which);
        if self.follows() {
            self.follow(MonitorAct::Checkpoint(which))?;
        } else {
            self.engine.pass_recording(which, &mut self.executed);
        }
        self.running = true;
        Ok(())
    }

    /// Passes a checkpoint if it is what the log has next. It never waits, and if it is not passed, nothing has happened:
    /// the monitor does not do what it does at this checkpoint, and tries later. While recording it is always passed.
    ///
    /// For monitors whose checkpoints lie where the host's time has them. Where nothing is passed and nothing else
    /// happens for longer than the rules' patience, what the log has next is missing.
    pub fn try_checkpoint(&mut self, which: Checkpoint) -> Result<Passed, MonitorError> {
        if !self.follows() {
            return self.checkpoint(which).map(|()| Passed::Yes);
        }
        self.begin_checkpoint(which);
        let passed = match self.meet(MonitorAct::Checkpoint(which)) {
            Met::Done(_) => Passed::Yes,
            Met::NotNext => Passed::NotNext,
            Met::Wait => Passed::NotReady,
            Met::Stopped => return Err(MonitorError::Stopped),
        };
        if passed == Passed::Yes {
            self.running = true;
        } else {
            self.look_at_clock();
        }
        Ok(passed)
    }

    fn begin_checkpoint(&mut self, which: Checkpoint) {
        assert!(
            which != Checkpoint::Controller,
            "that one is passed by fronts, at no time of a guest's"
        );
        assert!(
            !self.running,
            "what a checkpoint has released is run before the next one is passed"
        );
        self.pump();
    }

    /// What is to be run next, of what the last checkpoint released; `None` if that was all. While the engine is off or
    /// events are disabled: of what has happened.
    ///
    /// In a replay it waits for a bottom half that was run here and is not queued yet, as long as the rules' patience
    /// allows.
    pub fn next_due(&mut self) -> Result<Option<Due>, MonitorError> {
        let due = if matches!(self.engine.mode, Mode::Replay(_)) {
            self.next_replayed().inspect_err(|_| self.running = false)?
        } else {
            self.next_recorded_due()
        };
        match &due {
            Some(Due::Block { device, .. }) => {
                let port = self.ports.iter_mut().find(|port| port.disk.id() == *device);
                port.into_iter().for_each(Port::taken);
            }
            Some(Due::Event(_)) => {}
            None => self.running = false,
        }
        Ok(due)
    }

    fn next_recorded_due(&mut self) -> Option<Due> {
        loop {
            let due = self.engine.lock().queue.next_due();
            if due.is_some() {
                return due;
            }
            if !self.engine.run_joined() {
                break;
            }
        }
        self.pump();
        self.engine.lock().queue.next_due()
    }

    /// Waits until something has come that the next checkpoint releases, at most `timeout`: for a guest that sleeps. In
    /// a replay it does not wait: the log has what came.
    pub fn wait(&mut self, timeout: Duration) {
        self.bell.clear();
        self.pump();
        if !self.follows() && !self.engine.lock().queue.has_work() {
            self.bell.wait(timeout);
        }
    }

    /// What the log has next for the monitor to do, and after how many instructions since the last thing that it did;
    /// `None` while nothing is replayed, and at the end of the log.
    pub fn next_recorded(&mut self) -> Result<Option<(u64, EventKind)>, MonitorError> {
        if self.follows() { self.look_ahead() } else { Ok(None) }
    }

    /// How many instructions the guest may execute until the monitor must do what the log has next; `None` while nothing
    /// is replayed, and at the end of the log. For monitors whose checkpoints lie where the host's time has them.
    pub fn instructions_left(&mut self) -> Result<Option<u64>, MonitorError> {
        let next = self.next_recorded()?;
        Ok(next.map(|(executed, _)| executed.saturating_sub(self.executed)))
    }

    /// Brings what images have completed to the engine.
    fn pump(&mut self) {
        for port in &mut self.ports {
            port.pump(&mut self.untold);
        }
        self.untold.clear();
    }
}

impl Drop for Monitor {
    /// The machine is gone. Its requests in flight are completed, and nobody is told. What the log of a replay still
    /// has for it is missing.
    fn drop(&mut self) {
        self.leave();
    }
}
