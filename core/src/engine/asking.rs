//! What the player's thread asks of an image right now.
//!
//! An image may do what it is asked at once, on the thread that asks, and one whose file system hangs keeps that thread.
//! Somebody else has to see it. It knows no image. Invariant: what it tells was asked at the time that it tells.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::units::Nanos;

/// No request has this ticket.
const NOTHING: u64 = u64::MAX;

/// A request that is being handed to its image.
#[derive(Debug)]
pub(super) struct Asking {
    ticket: AtomicU64,
    since: AtomicU64,
}

impl Asking {
    pub(super) fn new() -> Asking {
        Asking { ticket: AtomicU64::new(NOTHING), since: AtomicU64::new(0) }
    }

    /// The request with this ticket, which has not been asked before, is handed over from now on.
    pub(super) fn begin(&self, ticket: u64, now: Nanos) {
        self.since.store(now.0, Ordering::SeqCst);
        self.ticket.store(ticket, Ordering::SeqCst);
    }

    /// It is with the image, or done.
    pub(super) fn end(&self) {
        self.ticket.store(NOTHING, Ordering::SeqCst);
    }

    /// What is being handed over, and since when; `None` if that is nothing.
    pub(super) fn now(&self) -> Option<(u64, Nanos)> {
        let ticket = self.ticket.load(Ordering::SeqCst);
        let since = Nanos(self.since.load(Ordering::SeqCst));
        let same = self.ticket.load(Ordering::SeqCst) == ticket;
        (ticket != NOTHING && same).then_some((ticket, since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_told_until_it_is_with_the_image() {
        let asking = Asking::new();
        assert_eq!(asking.now(), None);
        asking.begin(7, Nanos(5));
        assert_eq!(asking.now(), Some((7, Nanos(5))));
        asking.end();
        assert_eq!(asking.now(), None);
    }
}
