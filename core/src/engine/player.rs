//! The player of a replay: reads the log ahead, keeps an eye on the clock, and does what no client does.
//!
//! Without clients that is everything: the requests of the log go to the images from here. One thread runs it, or
//! somebody with a loop of their own turns it by hand. Invariant: it never holds more of the log in memory than the
//! conductor asked for and what `feed` reads ahead, a few batches.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use super::conductor::{Conductor, Loaded, Output};
use super::disk::Disk;
use super::feed::{Batch, Feed, Feeder};
use super::hands::Hands;
use super::outbox::Outbox;
use super::play::Play;
use super::replay_error::ReplayError;
use super::rules::{Replayed, Source};
use super::{Engine, Mode, State};
use crate::device::{Completion, Doorbell, Queue};
use crate::units::Nanos;

/// Longest sleep between two looks at the clock.
const NAP: Duration = Duration::from_millis(100);

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
    disks: Vec<Arc<Disk>>,
    feed: Feed,
    /// Read, and not yet asked for by the conductor.
    at_hand: Batch,
    /// There is nothing more to read.
    read_all: bool,
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
            disks: disks.to_vec(),
            feed: Feed::Direct(engine.feeder(fill)),
            at_hand: Batch::default(),
            read_all: false,
        }
    }

    /// Ends the replay before the event with this index: what was issued before it is still completed.
    #[must_use]
    pub fn until(mut self, event: u64) -> Player {
        if let Feed::Direct(feeder) = &mut self.feed {
            feeder.stop_before(event);
        }
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
        if self.at_hand.read.is_empty() && self.at_hand.end.is_none() && !self.read_all {
            // One batch more than is wanted, perhaps; to ask first would take the lock once more.
            self.at_hand = self.feed.next(play).unwrap_or_default();
        }
        let Batch { read, end } = &mut self.at_hand;
        let read_all = &mut self.read_all;
        any | engine.conduct_quietly(play, |conductor, now, out| {
            let loaded = load(conductor, read, end, read_all, now, out);
            conductor.tick(now, out);
            loaded
        })
    }

    /// Runs to the end of the replay: of the log, or with clients until they have gone. `stop` ends it from outside;
    /// `progress` is told how many requests are done.
    ///
    /// The player has a thread of its own, and this one watches it: an image may keep whoever asks it. Where the log is the
    /// only client, another one reads it, and as many as its rules say (`hands`) ask images.
    pub fn run(
        mut self,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Replayed, ReplayError> {
        let engine = Arc::clone(&self.engine);
        let bell = Arc::clone(self.doorbell());
        let wanted = Arc::new(AtomicBool::new(true));
        let (sender, outcome) = mpsc::sync_channel(1);
        self.feed = self.feed.ahead(&engine)?;
        let hands = Hands::start(&engine, &self.disks, engine.hands() - 1)?;
        let thread = thread::Builder::new().name("player".to_owned()).spawn({
            let wanted = Arc::clone(&wanted);
            move || {
                // Nobody is there to hear it if the thread came back too late.
                let _ = sender.send(self.play(&wanted, hands));
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
    fn play(mut self, wanted: &AtomicBool, hands: Hands) -> Result<Replayed, ReplayError> {
        loop {
            self.outbox.bell().clear();
            let busy = self.turn();
            let Standing { requests, ended, due } = self.standing()?;
            if ended {
                hands.join();
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
        match self.engine.standing_or_trouble() {
            Ok(standing) => Ok(standing),
            Err(error) => {
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
}

/// Hands the conductor as many events as it wants, of those that are at hand. False if it got none.
fn load(
    conductor: &mut Conductor,
    read: &mut VecDeque<Loaded>,
    end: &mut Option<Result<bool, ReplayError>>,
    read_all: &mut bool,
    now: Nanos,
    out: &mut Output,
) -> bool {
    let mut any = false;
    while conductor.wants_more() {
        let outcome = match read.pop_front() {
            Some(loaded) => conductor.load(loaded, now, out),
            None => match end.take() {
                Some(ending) => {
                    *read_all = true;
                    ending.map(|whole| conductor.log_ended(whole))
                }
                None => break,
            },
        };
        any = true;
        if let Err(error) = outcome {
            conductor.fail(error, now, out);
        }
    }
    any
}

impl Engine {
    /// Reads the log of a replay.
    fn feeder(&self, fill: Fill) -> Feeder {
        let state = self.lock();
        let conductor = state.conductor.as_ref().expect("only an engine that replays has a player");
        Feeder::new(Arc::clone(conductor.plan()), conductor.rules().source, fill)
    }

    /// How many threads are to ask images where the log is the only client; else one, which may have nothing to ask.
    fn hands(&self) -> usize {
        let state = self.lock();
        let rules = state.conductor.as_ref().map(Conductor::rules);
        rules.filter(|rules| rules.source == Source::Log).map_or(1, |rules| rules.hands.max(1))
    }

    /// Like [`Engine::conduct`], on the player's own thread. Whether it did something, or that thread has work to do now.
    fn conduct_quietly(
        &self,
        play: &Play,
        act: impl FnOnce(&mut Conductor, Nanos, &mut Output) -> bool,
    ) -> bool {
        let mut state = self.lock_soon();
        let now = self.now();
        let mut out = Output::with_log(play.recorder.is_some());
        let done = state.conductor.as_mut().is_some_and(|conductor| act(conductor, now, &mut out));
        let any = done || !out.work.is_empty();
        self.apply(play, &mut state, out, &play.player);
        any
    }

    /// Where a replay stands, or why it cannot go on, which is told once.
    fn standing_or_trouble(&self) -> Result<Standing, ReplayError> {
        let mut state = self.lock();
        let trouble = state.conductor.as_mut().and_then(Conductor::take_trouble);
        trouble.map_or_else(|| Ok(self.standing_of(&mut state)), Err)
    }

    /// Where a replay stands.
    fn standing(&self) -> Standing {
        self.standing_of(&mut self.lock())
    }

    fn standing_of(&self, state: &mut State) -> Standing {
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
