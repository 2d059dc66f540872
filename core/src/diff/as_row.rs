//! What is compared of a request, and a block of one, as rows that filters can be asked of.
//!
//! A request as compared in, a row out. Invariant: a filter that asks only for [`COMPARED`] finds in it what it would find in the
//! request's own row; all else in it means nothing.

use super::compared::Compared;
use crate::event::{CompletionFlags, Payload, PayloadId};
use crate::request::{ConnectionId, Request};
use crate::rows::{Context, Row, RowCompletion};
use crate::units::{ByteRange, Nanos};

/// Fields that what is compared of a request says as its row does. Its device and its epoch may have other numbers there.
pub(super) const COMPARED: [&str; 17] = [
    "op",
    "off",
    "end",
    "len",
    "lba",
    "lba_end",
    "nlb",
    "fua",
    "no_hole",
    "fast_zero",
    "req_one",
    "done",
    "err",
    "result",
    "zeroes",
    "hash",
    "payload",
];

/// A request as a row with these data, for filters that ask for no more than is compared.
pub(super) fn as_row(of: &Compared, data: &[u8]) -> Row {
    let payload = match Payload::of(data) {
        Payload::Digest(digest) => Payload::Stored(digest, PayloadId(0)),
        payload => payload,
    };
    Row {
        id: of.id,
        device: of.device,
        connection: ConnectionId(0),
        cookie: 0,
        request: of.request,
        event: 0,
        time: of.time,
        early: Nanos(0),
        epoch: of.epoch,
        payload,
        completion: of.result.map(|result| RowCompletion {
            result,
            latency: Nanos(0),
            hold: Nanos(0),
            flags: CompletionFlags::default(),
            extents: Vec::new(),
        }),
        context: Context::default(),
    }
}

/// A block of a request, as if it were a request of its own.
pub(super) fn as_block(row: &Row, block: ByteRange, payload: Payload) -> Row {
    let request = Request { range: block, ..row.request };
    Row { request, payload, ..row.clone() }
}
