//! What is said of a completion: to its client, and in the log of the replay.
//!
//! Invariant: what the log says was read is what was read.

use bytes::Bytes;

use crate::engine::expected::{Answer, Came, Done};
use crate::event::{Block, CompletionFlags, Payload};
use crate::request::Operation;
use crate::units::Nanos;

/// The data that a client gets.
pub(super) fn data_of(block: &Block, done: &Done, came: &Came, length: u64) -> Bytes {
    if block.operation != Operation::Read || block.result.is_err() {
        return Bytes::new();
    }
    match (done, block.payload) {
        (Done::Answered(Answer { data, .. }), _) => data.clone(),
        // As long as a request that the front let pass.
        (Done::AsRecorded, Payload::Zeroes) if !came.own => {
            Bytes::from(vec![0; usize::try_from(length).unwrap_or(0)])
        }
        _ => Bytes::new(),
    }
}

/// What the log of the replay says of a completion.
pub(super) fn logged(block: &Block, came: &Came, done: &Done, now: Nanos) -> Block {
    let done_at = match done {
        Done::AsRecorded => came.went,
        Done::Answered(answer) => answer.at,
    };
    Block {
        // A latency counts from the arrival.
        latency: done_at.since(came.at),
        hold: now.since(done_at),
        flags: CompletionFlags {
            undelivered: if came.own || came.outbox.monitored().is_some() {
                block.flags.undelivered
            } else {
                came.outbox.is_gone()
            },
            refused: block.flags.refused,
        },
        payload: match done {
            // What was read now, where that may be something else.
            Done::Answered(answer) if answer.payload != Payload::Absent => {
                as_read(block.payload, answer.payload)
            }
            _ => block.payload,
        },
        ..block.clone()
    }
}

/// What the log of a replay says of data that were read `now`: what the recording says, unless they are others.
fn as_read(recorded: Payload, now: Payload) -> Payload {
    if recorded.differs(&now) { now } else { recorded }
}
