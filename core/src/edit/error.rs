//! Why a trace cannot be made of another one.
//!
//! Invariant: what is wrong with the trace that is read is told from what is wrong with where the new one goes.

use crate::format::{Loss, ReadError, WriteError};
use crate::limits::{EDIT_OPEN_MAX, REQUEST_DATA_BYTES_MAX};
use crate::position::{Position, UnknownDevice};
use crate::request::Digest;

/// Why a trace cannot be made of another one.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The trace cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The new one cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A payload has more bytes than any request.
    #[error("payload {id} has {bytes} bytes, at most {REQUEST_DATA_BYTES_MAX} are allowed")]
    TooLong {
        /// Which.
        id: u64,
        /// Its length.
        bytes: usize,
    },
    /// An event names a payload by another digest than it has.
    #[error("payload {id} has the digest {found}, an event says {said}")]
    Digest {
        /// Which.
        id: u64,
        /// Of its bytes.
        found: Digest,
        /// In the event.
        said: Digest,
    },
    /// Whoever heard of the progress wanted no more.
    #[error("interrupted after {requests} requests")]
    Interrupted {
        /// Copied so far.
        requests: u64,
    },
    /// Something of it is missing.
    #[error("{0}")]
    Loss(Loss),
    /// More requests wait for their completion than any front allows.
    #[error("event {event}: more than {EDIT_OPEN_MAX} requests are in flight together")]
    TooManyOpen {
        /// The issue that was one too many.
        event: u64,
    },
    /// A position names a device that is not there.
    #[error(transparent)]
    Device(#[from] UnknownDevice),
    /// Nothing is at a position.
    #[error("it has nothing at {0}")]
    Nowhere(Position),
    /// The end of a cut lies before its beginning.
    #[error("{to} lies before {from}")]
    Backwards {
        /// The beginning.
        from: Position,
        /// The end.
        to: Position,
    },
    /// The two passes over a trace did not see the same.
    #[error("event {event} is another than it was before: the file is being changed")]
    Changed {
        /// The event's index.
        event: u64,
    },
}
