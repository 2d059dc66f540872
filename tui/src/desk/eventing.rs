//! Who reads events of a trace, once any are wished for.
//!
//! What the state wishes in, wishes to the thread out. Invariant: wishes that did not change are made once, unless the trace grew.

use std::sync::Arc;

use super::{Desk, Heard};
use crate::events;

impl Desk {
    /// Says which events the state wishes to be read now.
    pub(super) fn wish_events(&mut self) {
        self.app.want_checkpoints();
        let now = self.app.event_wishes();
        let growth = self.app.live.growth();
        let has_grown =
            self.app.log.is_none() && self.events_of != growth && self.app.shows_events();
        if has_grown {
            // Whoever reads knows the trace as it was.
            self.event_wishes = None;
            self.events_of = growth;
        }
        if now == self.events_wished && !has_grown {
            return;
        }
        let (sender, again) = (self.sender.clone(), Arc::clone(&self.again));
        let begin = || {
            let tell = move |told| sender.send(Heard::Events(told)).is_ok();
            events::of_trace(move || again(), tell)
        };
        // Who is gone has said why.
        let _ = self.event_wishes.get_or_insert_with(begin).send(now.clone());
        self.events_wished = now;
    }
}
