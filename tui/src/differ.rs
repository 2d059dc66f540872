//! Whoever compares for the state: hands over what it asks, and lets others end. The state in, threads begun.
//!
//! Invariant: nothing here waits for the traces.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;

use crate::app::App;
use crate::compare::{self, Ask, Comparison};
use crate::desk::Heard;

/// Who compares.
pub(crate) struct Differ {
    comparison: Arc<dyn Comparison>,
    /// The last comparison that was begun with.
    begun: u64,
    /// The number of the comparison that is to go on.
    comparing: Arc<AtomicU64>,
    asks: Option<Sender<Ask>>,
}

impl Differ {
    /// Compares by this.
    pub(crate) fn new(comparison: Arc<dyn Comparison>) -> Differ {
        Differ { comparison, begun: 0, comparing: Arc::default(), asks: None }
    }

    /// Hands over what the state asks.
    pub(crate) fn wish(&mut self, app: &mut App, sender: &Sender<Heard>) {
        let Some(diff) = &mut app.diff else { return };
        let number = diff.number;
        self.comparing.store(diff.comparing(), Ordering::Relaxed);
        let tell = || {
            let sender = sender.clone();
            move |told| sender.send(Heard::Compared(number, told)).is_ok()
        };
        if number > self.begun {
            self.begun = number;
            let (comparison, comparing) =
                (Arc::clone(&self.comparison), Arc::clone(&self.comparing));
            self.asks = Some(compare::start(number, comparison, comparing, tell()));
        }
        for ask in diff.asks.drain(..) {
            // Who is gone has said why.
            let _ = self.asks.as_ref().map(|asks| asks.send(ask));
        }
        if let Some(change) = diff.change.take() {
            compare::change(change, Arc::clone(&self.comparison), tell());
        }
    }
}
