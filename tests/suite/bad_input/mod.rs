//! Everything that can be wrong: images, outputs, clients, traces, commands, signals. One file a subject.
//!
//! Invariant: whatever comes in, the program says what is wrong, ends with the documented code, and neither
//! panics nor hangs.

/// Clients that break the protocol, or use it to the limit.
mod clients;
/// COMMANDs that do not exist, fail, or are killed.
mod commands;
/// Everything that can be said, said wrong.
mod hostile;
/// Images that are missing, empty, unreadable, no files, shrinking, locked.
mod images;
/// Traces that cannot be written: the file exists, the disk is full.
mod outputs;
/// A client made by hand, so that it can say what no real client would.
mod raw_client;
/// What a client says, in pieces.
mod script;
/// Interrupted, terminated, killed.
mod signals;
/// Many clients for long, some of them bad.
mod soak;
/// Who can reach a socket, and what is left of it.
mod sockets;
/// What a tester of servers tries.
mod tester;
/// Traces that are cut, damaged, or none at all.
mod traces;
/// Images that are not the one that was recorded.
mod wrong_images;
