//! The server's state machines without a socket, for the fuzzer in `tests/fuzz`: a client's bytes in, what
//! the server would answer out.
//!
//! No disk: every request that may reach one works and reads zeroes. Invariant: the bytes are taken as
//! `connection` and `session` take them, so that what breaks here would break there.

use std::io::IoSlice;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::device::Geometry;
use crate::engine::Released;
use crate::limits::{EXTENTS_MAX, NBD_OPTION_BYTES_MAX};
use crate::nbd::export::{Offer, advertised};
use crate::nbd::handshake::{Handshake, Progress};
use crate::nbd::inbox::Inbox;
use crate::nbd::outbox::{Outbox, SLICES};
use crate::nbd::reply::{Replies, write_refusal};
use crate::nbd::transmission::{Incoming, Next, Rules};
use crate::request::{Errno, Extent, Operation};

/// Bytes of the export.
const SIZE: u64 = 1 << 30;

/// What one request may cost, in bytes: a longer one ends the conversation.
const ALLOWANCE: u64 = 1 << 20;

/// What a client's bytes came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Conversation {
    /// Options that were answered.
    pub options: usize,
    /// Whether an export was chosen.
    pub chosen: bool,
    /// Requests that came whole.
    pub requests: usize,
    /// Bytes of all answers.
    pub answered_bytes: usize,
}

/// Plays the server to a client that says `input` and nothing more, from its first byte.
pub fn from_greeting(input: &[u8]) -> Conversation {
    let geometry = geometry();
    let offer = |names: &[&str]| Offer {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        description: "disk".to_owned(),
        size: geometry.size,
        advertised: advertised(&geometry),
    };
    let offers: Arc<[Offer]> = Arc::new([offer(&["", "0"]), offer(&["1"])]);
    let mut output = BytesMut::new();
    let mut handshake = Handshake::new(offers, &mut output);
    let mut told = Conversation::default();
    let mut rest = input;
    while let Ok((used, progress)) = handshake.step(rest, &mut output) {
        rest = &rest[used..];
        told.answered_bytes += output.split().len();
        match progress {
            Progress::Going => told.options += 1,
            Progress::Chosen(chosen) => {
                let rules = Rules {
                    geometry: geometry.clone(),
                    structured_replies: chosen.structured_replies,
                    block_status: chosen.block_status,
                };
                told.chosen = true;
                return requests(&rules, rest, told);
            }
            Progress::Starved => {
                let unread = rest.len();
                assert!(unread < 16 + NBD_OPTION_BYTES_MAX, "{unread} bytes are no option");
                break;
            }
            Progress::Aborted => break,
        }
    }
    told
}

/// The same, from the first request on; `structured` replies and block status were negotiated, or neither.
pub fn from_requests(input: &[u8], structured: bool) -> Conversation {
    let rules =
        Rules { geometry: geometry(), structured_replies: structured, block_status: structured };
    requests(&rules, input, Conversation { chosen: true, ..Conversation::default() })
}

fn geometry() -> Geometry {
    Geometry { size: SIZE, block_min: 1, block_preferred: 4096, read_only: false, discard: true }
}

fn requests(rules: &Rules, input: &[u8], mut told: Conversation) -> Conversation {
    let replies = if rules.structured_replies { Replies::Structured } else { Replies::Simple };
    let mut inbox = Inbox::default();
    inbox.room(input.len()).extend_from_slice(input);
    let mut outbox = Outbox::default();
    loop {
        match rules.next(&mut inbox, ALLOWANCE) {
            Ok(Next::Request(incoming)) => {
                told.requests += 1;
                replies.write(release(incoming), &mut outbox);
            }
            Ok(Next::Unknown { cookie }) => write_refusal(&mut outbox, cookie, Errno::EINVAL),
            Ok(Next::Starved { missing }) => {
                assert!(missing > 0, "it must say what it waits for");
                return told;
            }
            Ok(Next::Held | Next::Disconnect) | Err(_) => return told,
        }
        told.answered_bytes += send(&mut outbox);
    }
}

/// What the engine would release for a request, if the disk did all it may be asked.
fn release(incoming: Incoming) -> Released {
    let Incoming { cookie, request, data, refused, cost } = incoming;
    let range = request.range;
    if refused.is_none() {
        assert!(range.fits(SIZE), "a request beyond the export was let through: {request:?}");
    }
    let written = request.operation == Operation::Write;
    assert!(!written || data.len() as u64 == range.length, "a write came without all its data");
    let read = request.operation == Operation::Read && refused.is_none();
    let length = usize::try_from(range.length).unwrap_or(usize::MAX);
    let status = request.operation == Operation::BlockStatus && refused.is_none();
    let extent = |length| Extent { length, hole: true, zero: true };
    let pieces = range.length.min(EXTENTS_MAX as u64);
    Released {
        tag: cost,
        cookie,
        request,
        result: refused.map_or(Ok(()), Err),
        data: if read { Bytes::from(vec![0; length]) } else { Bytes::new() },
        extents: (0..if status { pieces } else { 0 }).map(|_| extent(1)).collect(),
    }
}

/// Sends everything, as a socket that takes all it is shown; gives how many bytes.
fn send(outbox: &mut Outbox) -> usize {
    let mut bytes = 0;
    while !outbox.is_empty() {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = outbox.show(&mut slices);
        let shown = slices[..count].iter().map(|slice| slice.len()).sum();
        assert!(shown > 0, "what waits is shown");
        outbox.sent(shown);
        bytes += shown;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nbd::wire::{RequestHeader, command};

    fn header(command: u16, length: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        RequestHeader { flags: 0, command, cookie: 7, offset: 0, length }.write(&mut bytes);
        bytes
    }

    #[test]
    fn a_client_that_chooses_an_export_and_reads_is_answered() {
        let mut said = b"\0\0\0\x03IHAVEOPT\0\0\0\x07\0\0\0\x06\0\0\0\0\0\0".to_vec();
        said.extend(header(command::READ, 512));
        said.extend(header(command::FLUSH, 0));
        let told = from_greeting(&said);
        assert_eq!((told.options, told.chosen, told.requests), (1, true, 2));
        assert!(told.answered_bytes > 16 + 512 + 16);
    }

    #[test]
    fn requests_are_answered_without_a_handshake_too() {
        let said = [header(command::BLOCK_STATUS, 100), header(command::CACHE, 1)].concat();
        let simple = from_requests(&said, false);
        let structured = from_requests(&said, true);
        assert_eq!((simple.requests, simple.answered_bytes), (2, 32));
        assert_eq!((structured.requests, structured.answered_bytes), (2, 20 + 4 + 800 + 16));
    }
}
