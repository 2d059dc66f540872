//! How a connection becomes a secret one: what the front asks of whoever knows TLS. A socket goes in, another
//! comes out through which the same client is talked to in plain.
//!
//! No cryptography here, and no file: those are the caller's. Invariant: nothing of a connection is read in plain
//! once it was handed over.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::thread::JoinHandle;

/// Somebody who knows how to talk TLS as a server.
pub trait Secure: Send + Sync {
    /// Shakes hands with the client of `socket`, which does not block and on which nothing but the
    /// acknowledgement of `STARTTLS` was sent last. Gives up as soon as one of `limits` becomes readable.
    /// An error ends the connection.
    fn secure(&self, socket: OwnedFd, limits: &[BorrowedFd<'_>]) -> io::Result<Tunnel>;
}

/// The way to a client behind TLS.
#[derive(Debug)]
pub struct Tunnel {
    /// What the client says and hears, in plain. Does not block.
    pub plain: OwnedFd,
    /// Carries bytes between the client and the other end of `plain`. Ends soon after `plain` is closed, whether
    /// the client reads or not, and says if something other than the client's going ended it.
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
