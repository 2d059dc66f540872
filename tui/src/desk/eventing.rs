//! Who reads events of a trace, once any are wished for.
//!
//! What the state wishes in, wishes to the thread out. Invariants: one thread reads, unless it failed; wishes that did not change are made
//! once, unless the trace grew.

use std::sync::Arc;

use super::{Desk, Heard};
use crate::events::{self, Wish};

impl Desk {
    /// Says which events the state wishes to be read now.
    pub(super) fn wish_events(&mut self) {
        self.app.want_checkpoints();
        let mut now = self.app.event_wishes();
        let growth = self.app.live.growth();
        if self.app.log.is_none() && growth > 0 && self.app.shows_events() {
            // It goes with all wishes, as the newest take the place of others.
            now.insert(0, Wish::Grow(growth));
        }
        if now == self.events_wished {
            return;
        }
        let told = self.event_wishes.as_ref().map(|wishes| wishes.send(now.clone()));
        // Who is gone has said why; what could not be read may be there when the trace has grown.
        let begins_again = matches!(told, Some(Err(_))) && self.events_of != growth;
        if self.app.log.is_none() && (told.is_none() || begins_again) {
            let (sender, again) = (self.sender.clone(), Arc::clone(&self.again));
            let tell = move |told| sender.send(Heard::Events(told)).is_ok();
            let wishes = events::of_trace(move || again(), tell);
            // It waits for them.
            let _ = wishes.send(now.clone());
            self.event_wishes = Some(wishes);
        }
        self.events_of = growth;
        self.events_wished = now;
    }
}
