//! TLS for the front and towards other servers: certificates and keys come in as files, somebody who shakes hands with
//! clients, or with a server, goes out.
//!
//! The protocol is rustls's, with the algorithms of ring; whom we trust and what is ours is read by `files`, what makes a
//! server the right one is decided by `trust`, and how bytes go to and fro afterwards is the business of `carrier`. It knows
//! no NBD. Invariant: whatever is wrong with a file is told before anybody is talked to.

mod carrier;
mod files;
mod handshake;
mod outward;
#[cfg(test)]
mod tests;
mod trust;

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use blkreplay_core::nbd::{Secure, Tunnel};
use rustls::server::NoServerSessionStorage;
use rustls::{ServerConfig, ServerConnection};

use crate::failure::Failure;

pub(crate) use outward::{TlsOutward, what_to_do};

/// What proves to clients who we are, and by whom clients are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// Our certificate, and those between it and one that clients know.
    pub(crate) certificate: PathBuf,
    /// Its private key.
    pub(crate) key: PathBuf,
    /// Who signs certificates of clients; `None` lets in clients without any.
    pub(crate) authority: Option<PathBuf>,
}

/// A server's side of TLS.
#[derive(Debug)]
pub(crate) struct Tls {
    config: Arc<ServerConfig>,
}

impl Tls {
    /// Reads the files, or says which of them is not good enough, and why.
    pub(crate) fn open(files: &TlsFiles) -> Result<Tls, Failure> {
        let mut config = files::server_config(files)?;
        // Each connection proves anew who it is: nothing of it is kept for a later one.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Tls { config: Arc::new(config) })
    }
}

impl Secure for Tls {
    fn secure(&self, socket: OwnedFd, limits: &[BorrowedFd<'_>]) -> io::Result<Tunnel> {
        let tls = ServerConnection::new(Arc::clone(&self.config)).map_err(io::Error::other)?;
        let mut tls = tls.into();
        handshake::shake_hands(&mut tls, &socket, limits)?;
        carrier::start(tls, socket, "tls client")
    }
}
