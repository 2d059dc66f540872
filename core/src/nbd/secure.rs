//! How a connection becomes a secret one: what is asked of whoever knows TLS, by the front towards its clients, and by
//! `remote` towards another server. A socket goes in, another comes out through which the same peer is talked to in plain.
//!
//! No cryptography here, and no file: those are the caller's. Invariant: nothing of a connection is read in plain
//! once it was handed over.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::thread::JoinHandle;

/// Somebody who knows how to talk TLS, as a server or as a client.
pub trait Secure: Send + Sync {
    /// Shakes hands with the peer of `socket`, which does not block and on which nothing but the acknowledgement of
    /// `STARTTLS` was said last. Gives up with [`io::ErrorKind::TimedOut`] as soon as one of `limits` becomes readable. An
    /// error ends the connection.
    fn secure(&self, socket: OwnedFd, limits: &[BorrowedFd<'_>]) -> io::Result<Tunnel>;
}

/// The way to a peer behind TLS.
#[derive(Debug)]
pub struct Tunnel {
    /// What the peer says and hears, in plain. Does not block.
    pub plain: OwnedFd,
    /// Carries bytes between the peer and the other end of `plain`. Ends soon after `plain` is closed, whether
    /// the peer reads or not, and says if something other than the peer's going ended it.
    pub carrier: JoinHandle<io::Result<()>>,
}

/// Whether a client is to talk TLS, and whether it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tls {
    /// There is none here (proto.md, "NOTLS mode").
    Absent,
    /// It must come first ("FORCEDTLS mode").
    Required,
    /// It is there.
    Begun,
}
