//! How the client's side asks: what it and its server agreed to talk, and requests of ours as headers of the protocol.
//!
//! For `client` and for `remote` alike. No I/O. Invariant: what is asked of our own server comes out of `transmission`
//! as the request that it was.

use crate::nbd::wire::{Headers, RequestHeader, command, command_flag};
use crate::request::{Flags, Operation, Request};

/// How a client and its server talk; each can all that those before it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Dialect {
    /// Simple replies; no block status.
    #[default]
    Simple,
    /// Structured replies and, where the server has it, `base:allocation`.
    Structured,
    /// Extended headers, and what comes with structured replies.
    Extended,
}

impl Dialect {
    /// What requests and replies begin with.
    pub(super) fn headers(self) -> Headers {
        match self {
            Dialect::Simple | Dialect::Structured => Headers::Compact,
            Dialect::Extended => Headers::Extended,
        }
    }

    /// The header that asks for `request`, whose answer is to bear `cookie`.
    pub(super) fn header(self, request: &Request, cookie: u64) -> RequestHeader {
        let announced = match (self, request.operation) {
            (Dialect::Extended, Operation::Write) => command_flag::PAYLOAD_LEN,
            _ => 0,
        };
        RequestHeader {
            flags: wire_flags(request.flags) | announced,
            command: wire_command(request.operation),
            cookie,
            offset: request.range.offset,
            length: request.range.length,
        }
    }
}

/// The header that says that nothing more will come.
pub(super) fn leave(cookie: u64) -> RequestHeader {
    RequestHeader { flags: 0, command: command::DISCONNECT, cookie, offset: 0, length: 0 }
}

fn wire_command(operation: Operation) -> u16 {
    match operation {
        Operation::Read => command::READ,
        Operation::Write => command::WRITE,
        Operation::WriteZeroes => command::WRITE_ZEROES,
        Operation::Discard => command::TRIM,
        Operation::Flush => command::FLUSH,
        Operation::BlockStatus => command::BLOCK_STATUS,
        Operation::Cache => command::CACHE,
    }
}

fn wire_flags(flags: Flags) -> u16 {
    let bits = [
        (Flags::FUA, command_flag::FUA),
        (Flags::NO_HOLE, command_flag::NO_HOLE),
        (Flags::FAST_ZERO, command_flag::FAST_ZERO),
        (Flags::REQ_ONE, command_flag::REQ_ONE),
    ];
    bits.into_iter().filter(|(flag, _)| flags.contains(*flag)).fold(0, |set, (_, bit)| set | bit)
}
