//! The threads that do the requests of a log, and how many each has with the images.
//!
//! Invariant: a request goes to whoever has the fewest, and counts there until it comes back.

use std::sync::Arc;

use crate::engine::outbox::Outbox;

/// The player's thread first, then the others.
pub(super) struct Crew(Vec<(Arc<Outbox>, usize)>);

impl Crew {
    /// The player alone.
    pub(super) fn of(player: Arc<Outbox>) -> Crew {
        Crew(vec![(player, 0)])
    }

    /// One more.
    pub(super) fn add(&mut self, outbox: Arc<Outbox>) {
        self.0.push((outbox, 0));
    }

    /// The player.
    pub(super) fn player(&self) -> Arc<Outbox> {
        Arc::clone(&self.0[0].0)
    }

    /// Whoever has the fewest, and has one more from now on.
    pub(super) fn choose(&mut self) -> Arc<Outbox> {
        let fewest = self.0.iter_mut().min_by_key(|(_, count)| *count);
        let (outbox, count) = fewest.expect("the player is always there");
        *count += 1;
        Arc::clone(outbox)
    }

    /// A request has come back from one of them.
    pub(super) fn came_back(&mut self, outbox: &Arc<Outbox>) {
        if let Some((_, count)) = self.0.iter_mut().find(|(one, _)| Arc::ptr_eq(one, outbox)) {
            *count = count.saturating_sub(1);
        }
    }
}
