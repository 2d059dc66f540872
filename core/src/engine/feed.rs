//! The log as a player gets it: events with the data that the replay needs of them, in batches.
//!
//! They are read when they are asked for, or where the log is the only client by a thread that is always a little ahead:
//! to unpack what writes carry takes about as long as to write it. Invariant: batches come in the order of the log, each
//! event in one of them, and the last one says how it ended.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;

use bytes::Bytes;

use super::conductor::Loaded;
use super::plan::Plan;
use super::play::{Play, is_too_long};
use super::player::Fill;
use super::replay_error::ReplayError;
use super::rules::Source;
use super::{Engine, Mode};
use crate::device::Dice;
use crate::event::{EventKind, Issue, Payload};
use crate::request::Operation;

/// Events that are read at once.
const BATCH: usize = 1024;

/// Data that are read at once, in bytes.
const BATCH_BYTES: u64 = 8 << 20;

/// Batches that may wait for the player.
const BATCHES: usize = 4;

/// What is read at once.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) read: VecDeque<Loaded>,
    /// Nothing more is to be read; whether the trace was whole.
    pub(super) end: Option<Result<bool, ReplayError>>,
}

/// Where a player's events come from.
pub(super) enum Feed {
    /// Read by whoever asks.
    Direct(Feeder),
    /// Read by a thread.
    Ahead(Ahead),
}

/// What a thread has read.
pub(super) struct Ahead {
    batches: Receiver<Batch>,
    /// The player found none, and is to be woken for the next one.
    hungry: Arc<AtomicBool>,
}

impl Feed {
    /// The next batch; `None` if the thread has not read it yet: it rings the player's bell when it has.
    pub(super) fn next(&mut self, play: &Play) -> Option<Batch> {
        match self {
            Feed::Direct(feeder) => Some(feeder.batch(play)),
            Feed::Ahead(ahead) => ahead.next(),
        }
    }

    /// The same, read by a thread from now on where the log is the only client; others need of it what nobody knows before.
    pub(super) fn ahead(self, engine: &Arc<Engine>) -> Result<Feed, ReplayError> {
        match self {
            Feed::Direct(feeder) if feeder.source == Source::Log => feeder.start(engine),
            feed => Ok(feed),
        }
    }
}

impl Ahead {
    fn next(&self) -> Option<Batch> {
        match self.batches.try_recv() {
            Err(TryRecvError::Empty) => {}
            came => return Ahead::batch(came),
        }
        self.hungry.store(true, Ordering::SeqCst);
        // One that came meanwhile rang nobody.
        Ahead::batch(self.batches.try_recv())
    }

    fn batch(came: Result<Batch, TryRecvError>) -> Option<Batch> {
        match came {
            Ok(batch) => Some(batch),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                let error = io::Error::other("the thread that reads the trace has panicked");
                Some(Batch { end: Some(Err(ReplayError::Thread(error))), ..Batch::default() })
            }
        }
    }
}

/// Reads events, with the data that the replay needs of them.
pub(super) struct Feeder {
    plan: Arc<Plan>,
    source: Source,
    fill: Fill,
    /// The first event that is not replayed any more.
    until: u64,
    zeroes: Bytes,
}

impl Feeder {
    pub(super) fn new(plan: Arc<Plan>, source: Source, fill: Fill) -> Feeder {
        Feeder { plan, source, fill, until: u64::MAX, zeroes: Bytes::new() }
    }

    /// Ends before the event with this index.
    pub(super) fn stop_before(&mut self, event: u64) {
        self.until = event;
    }

    /// A thread that reads from now on. It ends by itself when nobody wants what it reads.
    fn start(mut self, engine: &Arc<Engine>) -> Result<Feed, ReplayError> {
        let (sender, batches): (SyncSender<Batch>, _) = sync_channel(BATCHES);
        let (engine, hungry) = (Arc::clone(engine), Arc::new(AtomicBool::new(false)));
        let ahead = Ahead { batches, hungry: Arc::clone(&hungry) };
        let reads = move || {
            let Mode::Replay(play) = &engine.mode else { return };
            loop {
                let batch = self.batch(play);
                let is_last = batch.end.is_some();
                if sender.send(batch).is_err() {
                    return;
                }
                if hungry.swap(false, Ordering::SeqCst) {
                    play.player.bell().ring();
                }
                if is_last {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("trace".to_owned()).spawn(reads);
        thread.map(|_| Feed::Ahead(ahead)).map_err(ReplayError::Thread)
    }

    /// Reads the next batch.
    fn batch(&mut self, play: &Play) -> Batch {
        let (mut batch, mut bytes) = (Batch::default(), 0);
        while batch.read.len() < BATCH && bytes < BATCH_BYTES && batch.end.is_none() {
            match self.read_one(play) {
                Ok(Some(loaded)) => {
                    bytes += loaded.data.len() as u64;
                    batch.read.push_back(loaded);
                }
                Ok(None) => batch.end = Some(Ok(self.until == u64::MAX && play.log().is_whole())),
                Err(error) => batch.end = Some(Err(error)),
            }
        }
        batch
    }

    /// Reads one event, with the data that the replay needs of it.
    fn read_one(&mut self, play: &Play) -> Result<Option<Loaded>, ReplayError> {
        let Some((event, entry)) = play.log().next_event()? else { return Ok(None) };
        if event >= self.until {
            return Ok(None);
        }
        let (data, filled) = match &entry.kind {
            EventKind::Issue(issue)
                if issue.request.operation == Operation::Write
                    && (self.does_itself(issue) || self.logs_data_of(play, issue))
                    && !is_too_long(&issue.request) =>
            {
                self.data_of(play, event, issue)?
            }
            _ => (Bytes::new(), false),
        };
        Ok(Some(Loaded { event, entry, data, filled }))
    }

    /// Whether the replay does the request itself, so that the data of a write are needed.
    fn does_itself(&self, issue: &Issue) -> bool {
        let own = self.source == Source::Log || self.plan.is_optional(issue.id);
        own && !self.plan.leaves_out(issue.id)
    }

    /// Whether the replay's own log is to have the data of a write that no image gets, because it had failed.
    fn logs_data_of(&self, play: &Play, issue: &Issue) -> bool {
        play.recorder.is_some()
            && matches!(issue.payload, Payload::Stored(..))
            && self.source == Source::Log
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
