//! Why a replay cannot go on, when it is not because it differs from the recording.
//!
//! Invariant: each names the place in the trace, or what the image owes.

use std::io;

use crate::format::ReadError;
use crate::limits::{REPLAY_REQUESTS_MAX, REQUEST_DATA_BYTES_MAX};
use crate::request::{Request, RequestId};
use crate::units::Nanos;

/// Why a replay could not go on. None of these says that it differs from the recording.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The trace cannot be read.
    #[error("the trace cannot be read")]
    Read(#[from] ReadError),
    /// The system has no thread for the player.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// Early arrivals could not be kept.
    #[error("requests that came early cannot be kept in a file")]
    Spill(#[source] io::Error),
    /// A request does not fit its image.
    #[error("event {event}: request {id} at {} reaches past the end of the image ({size} bytes)", request.range)]
    PastEnd {
        /// The event's place in the trace.
        event: u64,
        /// Which.
        id: RequestId,
        /// What it asks.
        request: Request,
        /// Of the image.
        size: u64,
    },
    /// No client could have sent such a request.
    #[error(
        "event {event}: request {id} has {length} bytes of data, the limit is {REQUEST_DATA_BYTES_MAX}"
    )]
    TooLong {
        /// The event's place in the trace.
        event: u64,
        /// Which.
        id: RequestId,
        /// Its length.
        length: u64,
    },
    /// The stored data of a write are not as long as the write.
    #[error("event {event}: write {id} of {expected} bytes has {found} bytes of data in the trace")]
    DataLength {
        /// The event's place in the trace.
        event: u64,
        /// Which.
        id: RequestId,
        /// Length of the write.
        expected: u64,
        /// Length of its data.
        found: u64,
    },
    /// Two requests have one id.
    #[error("event {event}: request {id} is issued a second time before it is complete")]
    Twice {
        /// The event's place in the trace.
        event: u64,
        /// Which.
        id: RequestId,
    },
    /// More requests are in flight together than any front allows.
    #[error("event {event}: more than {REPLAY_REQUESTS_MAX} requests are in flight together")]
    TooMany {
        /// The event's place in the trace.
        event: u64,
    },
    /// More is released at one checkpoint than any recording can.
    #[error("event {event}: more is released at one checkpoint than any recording can")]
    StepTooLong {
        /// The event's place in the trace.
        event: u64,
    },
    /// Nobody reads the trace.
    #[error("the next event of the trace was not read for {waited}")]
    LogSilent {
        /// How long it was waited for.
        waited: Nanos,
    },
    /// The image does not answer.
    #[error("the image has not completed {id} ({} at {}) for {waited}", request.operation, request.range)]
    Silent {
        /// What it owes.
        id: RequestId,
        /// What was asked.
        request: Request,
        /// How long it was waited for.
        waited: Nanos,
    },
    /// Somebody set `stop`.
    #[error("interrupted after {requests} requests")]
    Interrupted {
        /// Requests complete by then.
        requests: u64,
    },
}
