//! The way to an export: an address comes in, a line to its server on which the export is chosen goes out, under TLS where
//! the address asks for that.
//!
//! Invariants: where it does, nothing is said in plain but what leads to TLS; whether the server lets us in is known within
//! the time for it, however far it got.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread::JoinHandle;

use super::address::Address;
use super::dial::{Timed, dial};
use super::{Patience, RemoteError};
use crate::nbd::asking::Dialect;
use crate::nbd::negotiate::{NegotiationError, Terms, choose, negotiate, start_tls};
use crate::nbd::secure::{Secure, Tunnel};
use crate::nbd::stop::Deadline;

/// A socket through which a server is talked to in plain, and the thread that carries it on under TLS, if there is one.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) socket: OwnedFd,
    pub(super) carrier: Option<JoinHandle<io::Result<()>>>,
}

/// Waits until nothing is carried any more. The socket must be closed.
pub(super) fn await_end(carrier: Option<JoinHandle<io::Result<()>>>) -> io::Result<()> {
    let panicked = || Err(io::Error::other("the thread that carries it panicked"));
    carrier.map_or(Ok(()), |carrier| carrier.join().unwrap_or_else(|_| panicked()))
}

/// Where to go, how, and how long that may take.
pub(super) struct Route {
    pub(super) address: Address,
    /// Needed where the address asks for TLS, not used elsewhere.
    pub(super) secure: Option<Arc<dyn Secure>>,
    pub(super) patience: Patience,
}

impl Route {
    /// A line on which the export is chosen, and what the server says of it.
    pub(super) fn connect(&self) -> Result<(Line, Terms), RemoteError> {
        let time = self.patience.connect;
        let socket = dial(&self.address.place, time).map_err(RemoteError::Connect)?;
        let deadline = Deadline::after(time).map_err(RemoteError::System)?;
        if self.address.tls.is_some() {
            return self.under_tls(socket, &deadline);
        }
        let mut stream = Timed::new(&socket, &deadline);
        let terms = negotiate(&mut stream, &self.address.export, Dialect::Extended);
        let terms = terms.map_err(|error| self.refused(error))?;
        Ok((Line { socket, carrier: None }, terms))
    }

    fn under_tls(
        &self,
        socket: OwnedFd,
        deadline: &Deadline,
    ) -> Result<(Line, Terms), RemoteError> {
        let unsupported = || RemoteError::Tls(io::ErrorKind::Unsupported.into());
        let secure = self.secure.as_ref().ok_or_else(unsupported)?;
        let greeted = start_tls(&mut Timed::new(&socket, deadline));
        let greeted = greeted.map_err(|error| self.refused(error))?;
        let tunnel = secure.secure(socket, &[deadline.as_fd()]);
        let Tunnel { plain, carrier } =
            tunnel.map_err(|error| self.late(&error).unwrap_or(RemoteError::Tls(error)))?;
        let mut stream = Timed::new(&plain, deadline);
        match choose(&mut stream, greeted, &self.address.export, Dialect::Extended) {
            Ok(terms) => Ok((Line { socket: plain, carrier: Some(carrier) }, terms)),
            Err(error) => {
                drop(plain);
                // A server may look at our certificate only when the handshake is over for us.
                match await_end(Some(carrier)) {
                    Err(why)
                        if matches!(error, NegotiationError::Io(_) | NegotiationError::HungUp) =>
                    {
                        Err(RemoteError::Tls(why))
                    }
                    _ => Err(self.refused(error)),
                }
            }
        }
    }

    fn refused(&self, error: NegotiationError) -> RemoteError {
        let late = if let NegotiationError::Io(error) = &error { self.late(error) } else { None };
        late.unwrap_or(RemoteError::Negotiation(error))
    }

    /// That it took too long, if that is what is wrong.
    fn late(&self, error: &io::Error) -> Option<RemoteError> {
        let is_late = error.kind() == io::ErrorKind::TimedOut;
        is_late.then_some(RemoteError::Silent(self.patience.connect))
    }
}
