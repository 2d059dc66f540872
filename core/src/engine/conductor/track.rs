//! What a monitor did when it was recorded, as far as the log has been read: its checkpoints, the values it took, and
//! what was released at its checkpoints. Events of the log in, the next one out.
//!
//! ```text
//!  clock   random   checkpoint ─ block ─ bh ─ input   clock …
//!  ▲ the monitor does these      ▲ these are handed to it
//! ```
//!
//! Order and nothing else. Invariant: entries come out once, in the order of the log, and never so many are kept that
//! no recording could have them.

use std::collections::VecDeque;

use super::super::async_event::AsyncEvent;
use crate::event::{Checkpoint, EventKind};
use crate::limits::{
    ASYNC_BYTES_MAX, ASYNC_EVENTS_MAX, EVENT_BYTES_MAX, REPLAY_REQUESTS_MAX, TRACK_BYTES_MAX,
    TRACK_EVENTS_MAX,
};
use crate::units::Nanos;

/// Something that the log has next for the monitor.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    /// The monitor does it.
    Act(Act),
    /// The request at this place is complete.
    Block(u64),
    /// It is handed to the monitor.
    Event {
        /// Its place in the trace.
        event: u64,
        /// When it was run.
        time: Nanos,
        /// What.
        async_event: AsyncEvent,
    },
}

/// Something that the monitor did.
#[derive(Debug, Clone)]
pub(super) struct Act {
    /// Its place in the trace.
    pub(super) event: u64,
    /// When.
    pub(super) time: Nanos,
    /// How long the recording had waited for it since the entry before.
    pub(super) wait: Nanos,
    /// Instructions that the guest had executed since the act before.
    pub(super) executed: u64,
    /// The step that begins or is released there.
    pub(super) step: u64,
    /// What: a checkpoint, or a value.
    pub(super) kind: EventKind,
}

/// The entries that were read and are not over.
#[derive(Debug, Default)]
pub(super) struct Track {
    entries: VecDeque<Entry>,
    /// What they carry, in bytes.
    bytes: u64,
    /// Instructions that the log has had since the last act.
    executed: u64,
    /// Time of the last entry.
    last: Nanos,
}

impl Track {
    /// The next one.
    pub(super) fn front(&self) -> Option<&Entry> {
        self.entries.front()
    }

    /// The next thing that the monitor is to do, with all that is handed to it before passed over.
    pub(super) fn next_act(&self) -> Option<&Act> {
        self.entries.iter().find_map(|entry| match entry {
            Entry::Act(act) => Some(act),
            Entry::Block(_) | Entry::Event { .. } => None,
        })
    }

    /// The next one is over.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.bytes -= bytes_of(&entry);
        Some(entry)
    }

    /// Adds a request that is complete.
    pub(super) fn push_block(&mut self, place: u64) {
        self.entries.push_back(Entry::Block(place));
    }

    /// Adds an event of the log in this `step`, if it is one of a monitor.
    pub(super) fn push(&mut self, event: u64, time: Nanos, step: u64, kind: EventKind) {
        if let EventKind::Instruction { count } = kind {
            self.executed = self.executed.saturating_add(count);
            return;
        }
        let entry = if let Some(async_event) = AsyncEvent::of(&kind) {
            Entry::Event { event, time, async_event }
        } else if is_act(&kind) {
            let (wait, executed) = (time.since(self.last), std::mem::take(&mut self.executed));
            Entry::Act(Act { event, time, wait, executed, step, kind })
        } else {
            return;
        };
        self.last = time;
        self.bytes += bytes_of(&entry);
        self.entries.push_back(entry);
    }

    /// Whether there are enough to go on with.
    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= TRACK_EVENTS_MAX || self.bytes >= TRACK_BYTES_MAX
    }

    /// Whether there are more than any recording releases in one step.
    pub(super) fn is_impossible(&self) -> bool {
        self.entries.len() > TRACK_EVENTS_MAX + ASYNC_EVENTS_MAX + REPLAY_REQUESTS_MAX
            || self.bytes > TRACK_BYTES_MAX + ASYNC_BYTES_MAX + EVENT_BYTES_MAX as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Whether a monitor does it, and nothing hands it over.
pub(super) fn is_act(kind: &EventKind) -> bool {
    match kind {
        EventKind::Checkpoint(which) => *which != Checkpoint::Controller,
        EventKind::Clock { .. }
        | EventKind::Random { .. }
        | EventKind::Shutdown { .. }
        | EventKind::Interrupt
        | EventKind::Exception
        | EventKind::CharWrite { .. }
        | EventKind::CharReadAll { .. }
        | EventKind::CharReadAllError { .. }
        | EventKind::AudioOut { .. }
        | EventKind::AudioIn(_) => true,
        _ => false,
    }
}

fn bytes_of(entry: &Entry) -> u64 {
    match entry {
        Entry::Act(act) => act.kind.data_bytes(),
        Entry::Event { async_event, .. } => async_event.data_bytes(),
        Entry::Block(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{ClockKind, EventData};

    fn clock(value: i64) -> EventKind {
        EventKind::Clock { clock: ClockKind::Host, value }
    }

    #[test]
    fn instructions_belong_to_the_act_behind_them() {
        let mut track = Track::default();
        track.push(0, Nanos(1), 0, EventKind::Instruction { count: 3 });
        track.push(1, Nanos(2), 0, EventKind::Bh { id: 9 });
        track.push(2, Nanos(3), 0, EventKind::Instruction { count: 4 });
        track.push(3, Nanos(5), 0, clock(1));
        track.push(4, Nanos(6), 0, clock(2));
        track.push(5, Nanos(7), 0, EventKind::Checkpoint(Checkpoint::Controller));
        assert_eq!(track.next_act().unwrap().event, 3);
        assert!(matches!(track.pop(), Some(Entry::Event { event: 1, .. })));
        let executed = std::iter::from_fn(|| track.pop()).map(|entry| match entry {
            Entry::Act(act) => (act.event, act.executed, act.wait.0),
            other => panic!("{other:?}"),
        });
        assert_eq!(executed.collect::<Vec<_>>(), [(3, 7, 3), (4, 0, 1)]);
    }

    #[test]
    fn a_track_is_full_of_entries_or_of_bytes() {
        let mut track = Track::default();
        for event in 0..TRACK_EVENTS_MAX as u64 {
            assert!(!track.is_full());
            track.push(event, Nanos(0), 0, clock(0));
        }
        assert!(track.is_full());
        track.pop();
        assert!(!track.is_full());
        let mut track = Track::default();
        let data = EventData::new(vec![1; EVENT_BYTES_MAX]).unwrap();
        for event in 0..64 {
            assert!(!track.is_full());
            track.push(event, Nanos(0), 0, EventKind::Random { result: 0, data: data.clone() });
        }
        assert!(track.is_full() && !track.is_impossible());
        while track.pop().is_some() {}
        assert!(track.is_empty() && !track.is_full());
    }

    #[test]
    fn no_recording_has_more_in_one_step_than_its_queue_holds() {
        let mut track = Track::default();
        let frame = EventData::new(vec![1; EVENT_BYTES_MAX]).unwrap();
        let most = (TRACK_BYTES_MAX + ASYNC_BYTES_MAX) / EVENT_BYTES_MAX as u64 + 1;
        for event in 0..=most {
            assert!(!track.is_impossible(), "{event}");
            let frame = frame.clone();
            track.push(event, Nanos(0), 0, EventKind::Net { filter: 0, flags: 0, frame });
        }
        assert!(track.is_impossible());
    }
}
