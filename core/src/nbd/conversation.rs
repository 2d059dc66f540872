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
use crate::nbd::asking::Dialect;
use crate::nbd::export::{Offer, advertised};
use crate::nbd::handshake::{Handshake, HandshakeError, Progress};
use crate::nbd::inbox::Inbox;
use crate::nbd::outbox::{Outbox, SLICES};
use crate::nbd::reply::Replies;
use crate::nbd::secure::Tls;
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
    /// Whether TLS began.
    pub secure: bool,
    /// Whether an export was chosen.
    pub chosen: bool,
    /// Requests that came whole.
    pub requests: usize,
    /// Bytes of all answers.
    pub answered_bytes: usize,
}

/// Plays the server to a client that says `input` and nothing more, from its first byte. Where TLS is `required`,
/// what comes behind `STARTTLS` is what came out of TLS.
pub fn from_greeting(input: &[u8], required: bool) -> Conversation {
    let geometry = geometry();
    let offer = |names: &[&str]| Offer {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        description: "disk".to_owned(),
        size: geometry.size,
        advertised: advertised(&geometry),
    };
    let offers: Arc<[Offer]> = Arc::new([offer(&["", "0"]), offer(&["1"])]);
    let mut output = BytesMut::new();
    let tls = if required { Tls::Required } else { Tls::Absent };
    let mut handshake = Handshake::new(offers, tls, &mut output);
    let mut told = Conversation::default();
    let mut rest = input;
    loop {
        let (used, progress) = match handshake.step(rest, &mut output) {
            Ok(step) => step,
            Err(HandshakeError::PlainBehindStartTls { bytes }) => {
                (rest.len() - bytes, Progress::Secure)
            }
            Err(_) => break,
        };
        rest = &rest[used..];
        told.answered_bytes += output.split().len();
        match progress {
            Progress::Going => told.options += 1,
            Progress::Secure => {
                assert!(required && !told.secure, "TLS begins once, and where there is some");
                told.options += 1;
                told.secure = true;
                handshake.begin_tls();
            }
            Progress::Chosen(chosen) => {
                assert_eq!(
                    told.secure, required,
                    "nothing is served in plain where TLS is required"
                );
                let rules = Rules {
                    geometry: geometry.clone(),
                    structured_replies: chosen.structured_replies,
                    headers: chosen.headers(),
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

/// The same, from the first request on, in the dialect that was negotiated.
pub fn from_requests(input: &[u8], dialect: Dialect) -> Conversation {
    let in_chunks = dialect != Dialect::Simple;
    let rules = Rules {
        geometry: geometry(),
        structured_replies: in_chunks,
        headers: dialect.headers(),
        block_status: in_chunks,
    };
    requests(&rules, input, Conversation { chosen: true, ..Conversation::default() })
}

fn geometry() -> Geometry {
    Geometry { size: SIZE, block_min: 1, block_preferred: 4096, read_only: false, discard: true }
}

fn requests(rules: &Rules, input: &[u8], mut told: Conversation) -> Conversation {
    let replies = Replies::from(rules);
    let mut inbox = Inbox::default();
    inbox.room(input.len()).extend_from_slice(input);
    let mut outbox = Outbox::default();
    loop {
        match rules.next(&mut inbox, ALLOWANCE) {
            Ok(Next::Request(incoming)) => {
                told.requests += 1;
                replies.write(incoming.subject, release(incoming), &mut outbox);
            }
            Ok(Next::Unknown(subject)) => {
                replies.write_refusal(subject, Errno::EINVAL, &mut outbox);
            }
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
    let Incoming { subject, request, data, refused, cost } = incoming;
    let range = request.range;
    if refused.is_none() {
        assert!(range.fits(SIZE), "a request beyond the export was let through: {request:?}");
    }
    let written = request.operation == Operation::Write && refused.is_none();
    assert!(!written || data.len() as u64 == range.length, "a write came without all its data");
    let read = request.operation == Operation::Read && refused.is_none();
    let length = usize::try_from(range.length).unwrap_or(usize::MAX);
    let status = request.operation == Operation::BlockStatus && refused.is_none();
    let extent = |length| Extent { length, hole: true, zero: true };
    let pieces = range.length.min(EXTENTS_MAX as u64);
    Released {
        tag: cost,
        cookie: subject.cookie,
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
    use crate::nbd::wire::{Headers, RequestHeader, command};

    fn header(headers: Headers, command: u16, length: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        RequestHeader { flags: 0, command, cookie: 7, offset: 0, length }
            .write(headers, &mut bytes);
        bytes
    }

    #[test]
    fn a_client_that_chooses_an_export_and_reads_is_answered() {
        let go = b"IHAVEOPT\0\0\0\x07\0\0\0\x06\0\0\0\0\0\0".as_slice();
        let extend = b"IHAVEOPT\0\0\0\x0b\0\0\0\0".as_slice();
        for (headers, options) in
            [(Headers::Compact, vec![go]), (Headers::Extended, vec![extend, go])]
        {
            let mut said = [b"\0\0\0\x03".as_slice(), &options.concat()].concat();
            said.extend(header(headers, command::READ, 512));
            said.extend(header(headers, command::FLUSH, 0));
            let told = from_greeting(&said, false);
            assert_eq!((told.options, told.chosen, told.requests), (options.len(), true, 2));
            assert!(told.answered_bytes > 16 + 512 + 16);
        }
    }

    #[test]
    fn a_client_gets_nothing_before_tls_where_that_is_required() {
        let go = b"IHAVEOPT\0\0\0\x07\0\0\0\x06\0\0\0\0\0\0";
        let said = |options: &[&[u8]]| [b"\0\0\0\x03", options.concat().as_slice()].concat();
        let plain = from_greeting(&said(&[go]), true);
        assert_eq!((plain.options, plain.secure, plain.chosen), (1, false, false));
        let secure = from_greeting(&said(&[b"IHAVEOPT\0\0\0\x05\0\0\0\0", go]), true);
        assert_eq!((secure.options, secure.secure, secure.chosen), (1, true, true));
    }

    #[test]
    fn requests_are_answered_without_a_handshake_too() {
        let said = |headers| {
            let requests = [(command::BLOCK_STATUS, 100), (command::CACHE, 1)];
            requests.map(|(command, length)| header(headers, command, length)).concat()
        };
        for (dialect, answered_bytes) in [
            (Dialect::Simple, 32),
            (Dialect::Structured, 20 + 4 + 800 + 16),
            (Dialect::Extended, 32 + 8 + 1600 + 32),
        ] {
            let told = from_requests(&said(dialect.headers()), dialect);
            assert_eq!((told.requests, told.answered_bytes), (2, answered_bytes));
        }
    }
}
