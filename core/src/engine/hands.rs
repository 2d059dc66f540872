//! More threads that do the requests of a log on its images, beside the player's.
//!
//! An image may do what it is asked at once, on the thread that asks: with one thread, one processor does all of it. Each
//! hand has queues of its own, and is told by the conductor, which hands a request to whoever has the fewest.
//! Invariant: a hand holds no lock while an image works, and it ends when the player does, unless an image keeps it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::disk::Disk;
use super::outbox::Outbox;
use super::replay_error::ReplayError;
use super::{Engine, Mode};
use crate::device::{Doorbell, Queue};

/// Longest sleep between two looks at whether it is over.
const NAP: Duration = Duration::from_millis(100);

/// The threads.
#[derive(Default)]
pub(super) struct Hands {
    over: Arc<AtomicBool>,
    threads: Vec<(Arc<Outbox>, JoinHandle<()>)>,
}

impl Hands {
    /// Starts so many threads, each with a queue to every disk.
    pub(super) fn start(
        engine: &Arc<Engine>,
        disks: &[Arc<Disk>],
        count: usize,
    ) -> Result<Hands, ReplayError> {
        let mut hands = Hands::default();
        for number in 0..count {
            let bell = Arc::new(Doorbell::new().map_err(ReplayError::Thread)?);
            let outbox = Arc::new(Outbox::new(Arc::clone(&bell)));
            let queues = disks.iter().map(|disk| disk.open_queue(&bell)).collect();
            let hand = Hand {
                engine: Arc::clone(engine),
                outbox: Arc::clone(&outbox),
                queues,
                over: Arc::clone(&hands.over),
            };
            let thread = thread::Builder::new().name(format!("player-{}", number + 2));
            let thread = thread.spawn(move || hand.work()).map_err(ReplayError::Thread)?;
            hands.threads.push((outbox, thread));
        }
        let outboxes = hands.threads.iter().map(|(outbox, _)| Arc::clone(outbox));
        if let Some(conductor) = engine.lock().conductor.as_mut() {
            outboxes.for_each(|outbox| conductor.add_hand(outbox));
        }
        Ok(hands)
    }

    /// All requests are done: waits until the threads have ended.
    pub(super) fn join(mut self) {
        self.dismiss();
        for (_, thread) in self.threads.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }

    fn dismiss(&self) {
        self.over.store(true, Ordering::SeqCst);
        for (outbox, _) in &self.threads {
            outbox.bell().ring();
        }
    }
}

impl Drop for Hands {
    /// The threads end by themselves, when their images let them.
    fn drop(&mut self) {
        self.dismiss();
    }
}

/// What one of the threads has.
struct Hand {
    engine: Arc<Engine>,
    outbox: Arc<Outbox>,
    queues: Vec<Option<Box<dyn Queue>>>,
    over: Arc<AtomicBool>,
}

impl Hand {
    fn work(mut self) {
        let engine = Arc::clone(&self.engine);
        let Mode::Replay(play) = &engine.mode else { return };
        let mut completions = Vec::new();
        while !self.over.load(Ordering::SeqCst) {
            self.outbox.bell().clear();
            while engine.play_pump(play, &mut self.queues, &self.outbox, &mut completions) {
                play.wait_for_log();
            }
            self.outbox.bell().wait(NAP);
        }
    }
}
