//! Goes over parts of a side on a thread of its own, and makes keys there, while whoever compares deals with those before.
//!
//! A side and parts in, requests with keys out, in the same order. Invariant: so many requests wait at most as fit those batches, and the thread
//! ends when nobody wants more.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, Scope};

use super::compared::{Compared, Facts, Key};
use super::error::DiffError;
use super::side::{Part, Side};

/// Requests handed over at once.
const BATCH: usize = 512;

/// How many such batches may wait.
const BATCHES: usize = 32;

/// A request with its key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keyed {
    pub(super) key: Key,
    pub(super) one: Compared,
}

/// Requests that a thread reads.
pub(super) struct Ahead {
    batches: Receiver<Result<Vec<Keyed>, DiffError>>,
    batch: std::vec::IntoIter<Keyed>,
}

impl Ahead {
    /// Begins to go over `parts` of `side`, one after the other, for the requests that are `wanted`.
    pub(super) fn over<'scope>(
        scope: &'scope Scope<'scope, '_>,
        side: &'scope dyn Side,
        parts: Vec<Part>,
        facts: Facts,
        wanted: impl Fn(&Compared) -> bool + Send + 'scope,
    ) -> Result<Ahead, DiffError> {
        let (sender, batches) = sync_channel(BATCHES);
        let run = move || {
            if let Err(error) = go_over(side, &parts, facts, wanted, &sender) {
                // Whoever is gone does not want to know.
                let _ = sender.send(Err(error));
            }
        };
        let spawned = Builder::new().name("diff-ahead".to_owned()).spawn_scoped(scope, run);
        spawned.map_err(DiffError::Thread)?;
        Ok(Ahead { batches, batch: Vec::new().into_iter() })
    }

    /// The next request, which stays the next.
    pub(super) fn peek(&mut self) -> Result<Option<&Keyed>, DiffError> {
        while self.batch.as_slice().is_empty() {
            match self.batches.recv() {
                Ok(batch) => self.batch = batch?.into_iter(),
                Err(_) => return Ok(None),
            }
        }
        Ok(self.batch.as_slice().first())
    }

    /// The next request.
    pub(super) fn next(&mut self) -> Result<Option<Keyed>, DiffError> {
        self.peek()?;
        Ok(self.batch.next())
    }

    /// Takes the next requests, at most so many, as long as they are of this epoch.
    pub(super) fn take_epoch(
        &mut self,
        epoch: u64,
        most: u64,
        into: &mut Vec<Keyed>,
    ) -> Result<u64, DiffError> {
        let mut taken: u64 = 0;
        while taken < most && self.peek()?.is_some_and(|keyed| keyed.one.epoch == epoch) {
            let room = usize::try_from(most - taken).unwrap_or(usize::MAX);
            let found = self.batch.as_slice().iter().take(room);
            let found = found.take_while(|keyed| keyed.one.epoch == epoch).count();
            into.extend(self.batch.by_ref().take(found));
            taken += found as u64;
        }
        Ok(taken)
    }
}

fn go_over(
    side: &dyn Side,
    parts: &[Part],
    facts: Facts,
    wanted: impl Fn(&Compared) -> bool,
    sender: &SyncSender<Result<Vec<Keyed>, DiffError>>,
) -> Result<(), DiffError> {
    let mut batch = Vec::with_capacity(BATCH);
    for part in parts {
        let mut requests = side.requests(part)?;
        while let Some(one) = requests.next_request()? {
            if !wanted(&one) {
                continue;
            }
            batch.push(Keyed { key: one.key(facts), one });
            if batch.len() == BATCH {
                let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
                if sender.send(Ok(full)).is_err() {
                    return Ok(());
                }
            }
        }
    }
    // Whoever is gone does not want the rest either.
    let _ = sender.send(Ok(batch));
    Ok(())
}
