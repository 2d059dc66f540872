//! What is noted of a client: how it came and how it went. For people; no replay compares it.
//!
//! Knows no protocol. Invariant: a reason stands in its table at its number in the trace file.

use crate::request::{ConnectionId, DeviceId};

/// What a client and the front agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// Its number from here on.
    pub connection: ConnectionId,
    /// The device behind the export it chose.
    pub device: DeviceId,
    /// The name it asked for.
    pub export: String,
    /// Replies are structured.
    pub structured_replies: bool,
    /// It may ask for `base:allocation`.
    pub block_status: bool,
    /// Requests and replies have extended headers (NBD): lengths of 64 bits.
    pub extended_headers: bool,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Disconnect {
    /// The client said so (NBD `DISC`).
    Asked,
    /// The client's end was closed without a word.
    Closed,
    /// The client broke the protocol.
    Protocol,
    /// We ended it: the recording was over.
    Shutdown,
}

impl Disconnect {
    /// All reasons with their printed names; the place in the table is the number in the trace file.
    pub const NAMES: [(Disconnect, &'static str); 4] = [
        (Disconnect::Asked, "asked"),
        (Disconnect::Closed, "closed"),
        (Disconnect::Protocol, "protocol"),
        (Disconnect::Shutdown, "shutdown"),
    ];

    /// The printed name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_stand_in_their_table_at_their_number() {
        for (number, (reason, name)) in Disconnect::NAMES.into_iter().enumerate() {
            assert_eq!(reason as usize, number);
            assert_eq!(reason.name(), name);
        }
    }
}
