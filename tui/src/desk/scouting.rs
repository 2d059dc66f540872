//! Threads that look for places to go to: the first request that a filter means, slow ones, positions, and marks of the trace; and for the
//! term of a filter that leaves none.
//!
//! Wishes of the state in, threads begun and those let end that nobody wants any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Desk, Heard};
use crate::places;
use crate::sieve::{self, Pass, Sifted};
use crate::state::scout::Scout;

/// A thread of which there is one at a time.
#[derive(Default)]
struct One {
    /// The last that was begun with.
    begun: u64,
    /// The number of the one that is wanted.
    wanted: Arc<AtomicU64>,
}

/// Who looks for places.
#[derive(Default)]
pub(super) struct Scouts {
    first: One,
    slow: One,
    emptied: One,
    position: One,
    /// Marks of the trace were asked for.
    has_names: bool,
}

impl One {
    /// Whether a thread is to be begun for what has this number, if it is wanted; another one ends.
    fn begins(&mut self, number: u64, is_wanted: bool) -> bool {
        self.wanted.store(if is_wanted { number } else { 0 }, Ordering::Relaxed);
        let begins = is_wanted && number > self.begun;
        if begins {
            self.begun = number;
        }
        begins
    }

    fn is_wanted(&self, number: u64) -> impl Fn() -> bool + Send + 'static {
        let wanted = Arc::clone(&self.wanted);
        move || wanted.load(Ordering::Relaxed) == number
    }
}

impl Desk {
    /// Begins to look for what filters mean beside the one in force.
    pub(super) fn scout(&mut self) {
        self.app.want_emptied();
        let (first, slow) = (&self.app.going.scout, &self.app.slow.scout);
        let emptied = &self.app.emptied.scout;
        if self.scouts.first.begins(first.number, first.wanted().is_some()) {
            self.send_out(first, self.scouts.first.is_wanted(first.number), Heard::Scouted);
        }
        if self.scouts.slow.begins(slow.number, slow.wanted().is_some()) {
            self.send_out(slow, self.scouts.slow.is_wanted(slow.number), Heard::Slow);
        }
        if self.scouts.emptied.begins(emptied.number, emptied.wanted().is_some()) {
            self.send_out(emptied, self.scouts.emptied.is_wanted(emptied.number), Heard::Emptied);
        }
    }

    fn send_out(
        &self,
        scout: &Scout,
        is_wanted: impl Fn() -> bool + Send + 'static,
        heard: fn(Sifted) -> Heard,
    ) {
        let Some(filter) = scout.wanted().cloned() else { return };
        let (sender, again) = (self.sender.clone(), Arc::clone(&self.again));
        let tell = move |sifted| is_wanted() && sender.send(heard(sifted)).is_ok();
        let (number, from, near) = (scout.number, None, None);
        let pass = Pass { number, filter, from, near, pause: Duration::ZERO };
        sieve::start(pass, self.app.requests.pages().to_vec(), move || again(), tell);
    }

    /// Begins to look for a position, if there is a new one, and for marks of the trace.
    pub(super) fn resolve(&mut self) {
        let number = self.app.going.number;
        let position = self.app.going.position.clone();
        let begins = self.scouts.position.begins(number, position.is_some());
        if let Some(position) = position.filter(|_| begins) {
            let (sender, again) = (self.sender.clone(), Arc::clone(&self.again));
            let tell = move |found| {
                // If nobody hears it, nobody wants it.
                let _ = sender.send(Heard::Found(found));
            };
            let is_wanted = self.scouts.position.is_wanted(number);
            places::start(number, position, move || again(), is_wanted, tell);
        }
        if self.app.going.wants_names && !self.scouts.has_names {
            self.scouts.has_names = true;
            let (sender, again) = (self.sender.clone(), Arc::clone(&self.again));
            let tell = move |found| {
                let _ = sender.send(Heard::Found(found));
            };
            places::list(move || again(), tell);
        }
    }
}
