//! What waits for what, for whoever asks an engine that seems to hang.
//!
//! Facts only; words are made elsewhere. Invariant: whatever waits is in one of the lists.

use super::divergence::Asked;
use super::{Engine, State};
use crate::event::{EventKind, Payload};
use crate::request::{ConnectionId, DeviceId, Request};
use crate::units::Nanos;

/// What an engine waits for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Waiting {
    /// The current step of a replay.
    pub step: u64,
    /// How long nothing has happened in it.
    pub since: Nanos,
    /// Requests of the recording that have not come and must.
    pub missing: Vec<Asked>,
    /// Requests that came early and wait for their turn.
    pub early: Vec<Asked>,
    /// Requests that wait for others, with which they conflict.
    pub held: Vec<Asked>,
    /// Requests that are with an image.
    pub away: Vec<Asked>,
    /// Requests that are complete and wait for their release.
    pub done: Vec<Asked>,
    /// What the log has next for a virtual machine monitor, as far as it was read.
    pub monitor: Option<EventKind>,
    /// Bytes that wait for the trace's disk.
    pub log_bytes: u64,
}

impl Engine {
    /// What waits for what.
    pub fn waiting(&self) -> Waiting {
        let now = self.now();
        let log_bytes = self.recorder().map_or(0, super::Recorder::backlog_bytes);
        let state = self.lock();
        let waiting = match &state.conductor {
            Some(conductor) => conductor.waiting(now),
            None => recording(&state),
        };
        Waiting { log_bytes, ..waiting }
    }
}

/// What waits while a client is served.
fn recording(state: &State) -> Waiting {
    let mut waiting = Waiting::default();
    for (device, conflicts) in (0..).zip(&state.conflicts) {
        for (request, held) in conflicts.pending() {
            let list = if held { &mut waiting.held } else { &mut waiting.away };
            list.push(unnamed(DeviceId(device), *request));
        }
    }
    waiting
}

fn unnamed(device: DeviceId, request: Request) -> Asked {
    let (connection, payload) = (ConnectionId(0), Payload::Absent);
    Asked { id: None, device, connection, request, payload, result: None }
}
