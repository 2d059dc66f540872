//! The player of a replay: reads the log ahead, keeps an eye on the clock, and does what no client does.
//!
//! Without clients that is everything: the requests of the log go to the images from here. One thread runs it, or
//! somebody with a loop of their own turns it by hand. Invariant: it never holds more of the log in memory than the
//! conductor asked for and one batch.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use bytes::Bytes;

use super::conductor::Loaded;
use super::disk::Disk;
use super::outbox::Outbox;
use super::play::{Play, is_too_long};
use super::replay_error::ReplayError;
use super::rules::{Replayed, Source};
use super::{Engine, Mode};
use crate::device::{Completion, Dice, Doorbell, Queue};
use crate::event::{EventKind, Issue, Payload};
use crate::request::Operation;
use crate::units::Nanos;

/// Longest sleep between two looks at the clock.
const NAP: Duration = Duration::from_millis(100);

/// Events that are read at once.
const BATCH: usize = 256;

/// Data that are read at once, in bytes.
const BATCH_BYTES: u64 = 8 << 20;

/// What takes the place of data that the trace does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// Nothing: the plan says that none are missing.
    None,
    /// Zeroes.
    Zero,
    /// Bytes that do not compress; the same for the same request.
    Random,
}

/// Where a replay stands between two turns of its player.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Requests that are done.
    pub requests: u64,
    /// Nothing more will happen: all of the log was done, or the replay stopped; no image owes anything, and where there
    /// are clients, [`Engine::no_more_clients`] was called and all have gone. What is left is [`Player::end`].
    pub ended: bool,
    /// When the next turn is due by the engine's clock, if the doorbell does not ring before. What waits for longer than
    /// patience is found in a turn, too: do not let more than a tenth of a second pass between two.
    pub due: Option<Nanos>,
}

/// Runs a replay. Make it when all devices are attached.
///
/// [`Player::run`] does it on a thread of its own. Whoever has a loop already, such as a virtual machine monitor, does
/// in it what that does: clear the [`doorbell`](Player::doorbell), [`turn`](Player::turn), look at the
/// [`standing`](Player::standing), and after a turn that did nothing wait for the doorbell, or until it is due.
pub struct Player {
    engine: Arc<Engine>,
    outbox: Arc<Outbox>,
    queues: Vec<Option<Box<dyn Queue>>>,
    completions: Vec<Completion>,
    /// Read, and not yet asked for by the conductor.
    read: VecDeque<Loaded>,
    /// Nothing more is to be read; whether the trace was whole.
    end: Option<Result<bool, ReplayError>>,
    fill: Fill,
    /// The first event that is not replayed any more.
    until: u64,
    zeroes: Bytes,
}

impl Player {
    /// For an engine that replays, with its disks in order.
    pub fn new(engine: &Arc<Engine>, disks: &[Arc<Disk>], fill: Fill) -> Player {
        let Mode::Replay(play) = &engine.mode else {
            panic!("only an engine that replays has a player");
        };
        let outbox = Arc::clone(&play.player);
        let queues = disks.iter().map(|disk| disk.open_queue(outbox.bell())).collect();
        Player {
            engine: Arc::clone(engine),
            outbox,
            queues,
            completions: Vec::new(),
            read: VecDeque::new(),
            end: None,
            fill,
            until: u64::MAX,
            zeroes: Bytes::new(),
        }
    }

    /// Ends the replay before the event with this index: what was issued before it is still completed.
    #[must_use]
    pub fn until(mut self, event: u64) -> Player {
        self.until = event;
        self
    }

    /// Rung when there is something to do for [`Player::turn`].
    pub fn doorbell(&self) -> &Arc<Doorbell> {
        self.outbox.bell()
    }

    /// Does what there is to do now. False if that is nothing. Never waits for an image; only while the replay's own log
    /// is too far behind.
    pub fn turn(&mut self) -> bool {
        let engine = Arc::clone(&self.engine);
        let Mode::Replay(play) = &engine.mode else { return false };
        play.wait_for_log();
        let mut any = false;
        while engine.play_pump(play, &mut self.queues, &self.outbox, &mut self.completions) {
            any = true;
        }
        if engine.conduct_wants_more() {
            self.read_ahead(&engine, play);
            any = true;
        }
        any | engine.conduct_quietly(play, super::Conductor::tick)
    }

    /// Runs to the end of the replay: of the log, or with clients until they have gone. `stop` ends it from outside;
    /// `progress` is told how many requests are done.
    ///
    /// The player has a thread of its own, and this one watches it: an image may keep whoever asks it.
    pub fn run(
        self,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Replayed, ReplayError> {
        let engine = Arc::clone(&self.engine);
        let bell = Arc::clone(self.doorbell());
        let wanted = Arc::new(AtomicBool::new(true));
        let (sender, outcome) = mpsc::sync_channel(1);
        let thread = thread::Builder::new().name("player".to_owned()).spawn({
            let wanted = Arc::clone(&wanted);
            move || {
                // Nobody is there to hear it if the thread came back too late.
                let _ = sender.send(self.play(&wanted));
            }
        });
        let thread = thread.map_err(ReplayError::Thread)?;
        loop {
            match outcome.recv_timeout(NAP) {
                Ok(outcome) => return outcome,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let panic = thread.join().expect_err("it ends with an outcome");
                    std::panic::resume_unwind(panic);
                }
            }
            progress(engine.standing().requests);
            let trouble = if stop.load(Ordering::Relaxed) {
                engine.stop_replay();
                let requests = engine.standing().requests;
                Some(ReplayError::Interrupted { requests })
            } else {
                engine.kept_player()
            };
            if let Some(trouble) = trouble {
                wanted.store(false, Ordering::Relaxed);
                bell.ring();
                // What it is about to log is logged, if it can.
                let _ = outcome.recv_timeout(NAP);
                return Err(trouble);
            }
        }
    }

    /// What [`Player::run`] does on the player's own thread, while it is `wanted`.
    fn play(mut self, wanted: &AtomicBool) -> Result<Replayed, ReplayError> {
        loop {
            self.outbox.bell().clear();
            let busy = self.turn();
            let Standing { requests, ended, due } = self.standing()?;
            if ended {
                return Ok(self.end());
            }
            if !wanted.load(Ordering::Relaxed) {
                self.leave_behind();
                return Err(ReplayError::Interrupted { requests });
            }
            if !busy {
                let now = self.engine.now();
                let nap = due.map_or(NAP, |due| Duration::from(due.since(now)).min(NAP));
                self.outbox.bell().wait(nap);
            }
        }
    }

    /// Where the replay stands. An error says why it cannot go on, once: it has stopped, what waited was refused, and the
    /// player leaves its images alone from now on, for they may never answer.
    pub fn standing(&mut self) -> Result<Standing, ReplayError> {
        let standing = self.engine.standing();
        match self.engine.take_trouble() {
            None => Ok(standing),
            Some(error) => {
                self.leave_behind();
                Err(error)
            }
        }
    }

    /// What the replay did, all of it, and how long it took. To be asked when it has [ended](Standing::ended).
    pub fn end(self) -> Replayed {
        self.engine.end_of_replay()
    }

    /// Dropping a queue waits for its requests, and its image may never answer.
    fn leave_behind(&mut self) {
        self.queues.drain(..).for_each(std::mem::forget);
    }

    /// Reads the next events, and hands the conductor as many as it wants.
    fn read_ahead(&mut self, engine: &Arc<Engine>, play: &Play) {
        let mut bytes = 0;
        while self.read.len() < BATCH && bytes < BATCH_BYTES && self.end.is_none() {
            match self.read_one(engine, play) {
                Ok(Some(loaded)) => {
                    bytes += loaded.data.len() as u64;
                    self.read.push_back(loaded);
                }
                Ok(None) => self.end = Some(Ok(self.until == u64::MAX && play.log().is_whole())),
                Err(error) => self.end = Some(Err(error)),
            }
        }
        let (read, end) = (&mut self.read, &mut self.end);
        engine.conduct_quietly(play, |conductor, now, out| {
            while conductor.wants_more() {
                let outcome = match read.pop_front() {
                    Some(loaded) => conductor.load(loaded, now, out),
                    None => match end.take() {
                        Some(Ok(whole)) => {
                            conductor.log_ended(whole);
                            Ok(())
                        }
                        Some(Err(error)) => Err(error),
                        None => break,
                    },
                };
                if let Err(error) = outcome {
                    conductor.fail(error, now, out);
                }
            }
            conductor.settle(now, out);
        });
    }

    /// Reads one event, with the data that the replay needs of it.
    fn read_one(&mut self, engine: &Engine, play: &Play) -> Result<Option<Loaded>, ReplayError> {
        let Some((event, entry)) = play.log().next_event()? else { return Ok(None) };
        if event >= self.until {
            return Ok(None);
        }
        let (data, filled) = match &entry.kind {
            EventKind::Issue(issue)
                if issue.request.operation == Operation::Write
                    && (engine.does_itself(issue) || engine.logs_data_of(play, issue))
                    && !is_too_long(&issue.request) =>
            {
                self.data_of(play, event, issue)?
            }
            _ => (Bytes::new(), false),
        };
        Ok(Some(Loaded { event, entry, data, filled }))
    }

    /// The data that a write is to carry, and whether they were made up.
    fn data_of(
        &mut self,
        play: &Play,
        event: u64,
        issue: &Issue,
    ) -> Result<(Bytes, bool), ReplayError> {
        let expected = issue.request.range.length;
        let length = usize::try_from(expected).unwrap_or(0);
        let data = match (issue.payload, self.fill) {
            (Payload::Stored(_, id), _) => play.log().payload(id)?,
            (Payload::Zeroes, _) => self.zeroes(length),
            (_, Fill::None) => return Ok((Bytes::new(), false)),
            (_, Fill::Zero) => return Ok((self.zeroes(length), true)),
            (_, Fill::Random) => return Ok((random(issue.id.0, length), true)),
        };
        let found = data.len() as u64;
        if found == expected {
            Ok((data, false))
        } else {
            Err(ReplayError::DataLength { event, id: issue.id, expected, found })
        }
    }

    /// So many zeroes; all share one piece of memory.
    fn zeroes(&mut self, length: usize) -> Bytes {
        if self.zeroes.len() < length {
            self.zeroes = Bytes::from(vec![0; length.next_power_of_two()]);
        }
        self.zeroes.slice(..length)
    }
}

/// Bytes that do not compress, the same for the same `seed`.
fn random(seed: u64, length: usize) -> Bytes {
    let mut dice = Dice::new(seed);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&dice.number().to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

impl Engine {
    fn conduct_wants_more(&self) -> bool {
        self.lock().conductor.as_ref().is_some_and(super::Conductor::wants_more)
    }

    fn does_itself(&self, issue: &Issue) -> bool {
        self.lock().conductor.as_ref().is_some_and(|conductor| conductor.does_itself(issue.id))
    }

    /// Whether the replay's own log is to have the data of a write that no image gets, because it had failed.
    fn logs_data_of(&self, play: &Play, issue: &Issue) -> bool {
        let alone = |conductor: &super::Conductor| conductor.rules().source == Source::Log;
        play.recorder.is_some()
            && matches!(issue.payload, Payload::Stored(..))
            && self.lock().conductor.as_ref().is_some_and(alone)
    }

    /// Like [`Engine::conduct`], on the player's own thread. Whether that has work to do now.
    fn conduct_quietly(
        &self,
        play: &Play,
        act: impl FnOnce(&mut super::Conductor, Nanos, &mut super::conductor::Output),
    ) -> bool {
        let mut state = self.lock();
        let now = self.now();
        let mut out = super::conductor::Output::default();
        if let Some(conductor) = state.conductor.as_mut() {
            act(conductor, now, &mut out);
        }
        let any = !out.work.is_empty();
        self.apply(play, &mut state, out, &play.player);
        any
    }

    fn take_trouble(&self) -> Option<ReplayError> {
        self.lock().conductor.as_mut().and_then(super::Conductor::take_trouble)
    }

    /// Where a replay stands.
    fn standing(&self) -> Standing {
        let mut state = self.lock();
        let now = self.now();
        match state.conductor.as_mut() {
            None => Standing { ended: true, ..Standing::default() },
            Some(conductor) => Standing {
                requests: conductor.replayed().requests,
                ended: conductor.has_ended(),
                due: conductor.next_tick(now),
            },
        }
    }

    /// Why the player's thread will not come back; `None` if it may.
    fn kept_player(&self) -> Option<ReplayError> {
        let Mode::Replay(play) = &self.mode else { return None };
        let (ticket, since) = play.asking.now()?;
        self.conduct(|conductor, now, out| {
            conductor.kept_player(ticket, now.since(since), now, out)
        })?
    }

    fn end_of_replay(&self) -> Replayed {
        let mut state = self.lock();
        let now = self.now();
        state.conductor.as_mut().map(|conductor| conductor.ended(now)).unwrap_or_default()
    }
}
