//! Async events: what comes to a virtual machine at no time of its own, and waits until a checkpoint says when (QEMU:
//! replay/replay-events.c, `ReplayAsyncEventKind`).
//!
//! Events only; how they wait is the business of `queue`. Invariant: an async event and the event of the trace that
//! tells of it say the same.

use super::driver::Released;
use crate::event::{EventData, EventKind, Input};
use crate::limits::{ASYNC_BYTES_MAX, ASYNC_EVENTS_MAX};
use crate::request::DeviceId;

/// What waits for a checkpoint, beside completions of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AsyncEvent {
    /// A piece of work that the monitor put off (QEMU: `replay_bh_schedule_event`). The monitor queues it in a replay
    /// too; the log says when it is run.
    Bh {
        /// Names it in both runs. QEMU takes the number of instructions executed so far.
        id: u64,
    },
    /// The same, of work that nobody keeps (QEMU: `replay_bh_schedule_oneshot_event`).
    BhOneshot {
        /// As that of a bottom half.
        id: u64,
    },
    /// Somebody did something (QEMU: `replay_input_event`). As all that follow, it comes from the world; in a replay it
    /// comes from the log, and what the world brings is thrown away.
    Input(Input),
    /// The inputs so far belong together (QEMU: `replay_input_sync_event`).
    InputSync,
    /// A character device has something for the guest (QEMU: `replay_chr_be_write`).
    CharRead {
        /// Which, in the order in which they were registered.
        device: u8,
        /// What.
        data: EventData,
    },
    /// A frame came for the guest (QEMU: `replay_net_packet_event`).
    Net {
        /// Which filter let it through, in the order in which they were registered.
        filter: u8,
        /// Flags of the network layer.
        flags: u32,
        /// The frame.
        frame: EventData,
    },
}

/// What a monitor is to do now.
#[derive(Debug)]
pub enum Due {
    /// Tell the guest that a request is complete.
    Block {
        /// Of which disk.
        device: DeviceId,
        /// How it ended.
        released: Released,
    },
    /// Run an event.
    Event(AsyncEvent),
}

/// Too much waits for a checkpoint already. What comes from the world can be dropped, as a network card drops frames
/// that nobody takes; a monitor that puts off so much work never passes a checkpoint.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
#[error(
    "more than {ASYNC_EVENTS_MAX} events, or {ASYNC_BYTES_MAX} bytes of them, wait for a checkpoint"
)]
pub struct QueueFull;

impl AsyncEvent {
    /// The event of the trace that tells of it.
    pub(super) fn kind(&self) -> EventKind {
        match self.clone() {
            AsyncEvent::Bh { id } => EventKind::Bh { id },
            AsyncEvent::BhOneshot { id } => EventKind::BhOneshot { id },
            AsyncEvent::Input(input) => EventKind::Input(input),
            AsyncEvent::InputSync => EventKind::InputSync,
            AsyncEvent::CharRead { device, data } => EventKind::CharRead { device, data },
            AsyncEvent::Net { filter, flags, frame } => EventKind::Net { filter, flags, frame },
        }
    }

    /// What an event of the trace tells of; `None` if that is no async event, or a completion.
    pub(super) fn of(kind: &EventKind) -> Option<AsyncEvent> {
        Some(match kind.clone() {
            EventKind::Bh { id } => AsyncEvent::Bh { id },
            EventKind::BhOneshot { id } => AsyncEvent::BhOneshot { id },
            EventKind::Input(input) => AsyncEvent::Input(input),
            EventKind::InputSync => AsyncEvent::InputSync,
            EventKind::CharRead { device, data } => AsyncEvent::CharRead { device, data },
            EventKind::Net { filter, flags, frame } => AsyncEvent::Net { filter, flags, frame },
            _ => return None,
        })
    }

    /// Whether it is work of the monitor's own, which it queues in a replay too.
    pub(super) fn is_bottom_half(&self) -> bool {
        matches!(self, AsyncEvent::Bh { .. } | AsyncEvent::BhOneshot { .. })
    }

    /// What it carries, in bytes.
    pub(super) fn data_bytes(&self) -> u64 {
        match self {
            AsyncEvent::CharRead { data, .. } | AsyncEvent::Net { frame: data, .. } => {
                data.len() as u64
            }
            AsyncEvent::Bh { .. }
            | AsyncEvent::BhOneshot { .. }
            | AsyncEvent::Input(_)
            | AsyncEvent::InputSync => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Key;

    #[test]
    fn an_async_event_and_the_event_of_the_trace_say_the_same() {
        let data = EventData::new(&b"data"[..]).unwrap();
        for event in [
            AsyncEvent::Bh { id: 7 },
            AsyncEvent::BhOneshot { id: 8 },
            AsyncEvent::Input(Input::Key { key: Key::Linux(30), down: true }),
            AsyncEvent::InputSync,
            AsyncEvent::CharRead { device: 1, data: data.clone() },
            AsyncEvent::Net { filter: 2, flags: 3, frame: data },
        ] {
            assert_eq!(AsyncEvent::of(&event.kind()), Some(event));
        }
        assert_eq!(AsyncEvent::of(&EventKind::Interrupt), None);
    }
}
