//! One client from its first byte to its last, on one thread: the handshake, then a session with a disk.
//!
//! It knows no other connection. What was said in the session is the business of `session`. Invariant: a
//! client that does not choose an export in time is dropped, whatever it sends.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::PollFlags;

use crate::engine::Negotiated;
use crate::event::Disconnect;
use crate::limits::CONNECTIONS_MAX;
use crate::nbd::export::{Export, Offer};
use crate::nbd::handshake::{Chosen, Handshake, HandshakeError, Progress};
use crate::nbd::server::OnEnd;
use crate::nbd::session::Session;
use crate::nbd::stop::{Deadline, Stop};
use crate::nbd::transmission::{Rules, TransmissionError};
use crate::nbd::transport::{Received, Sent, Transport};
use crate::request::ConnectionId;

/// How a connection ended, for whoever runs the server.
#[derive(Debug)]
pub struct ConnectionReport {
    /// Its number in the trace; `None` if it never chose an export.
    pub connection: Option<ConnectionId>,
    /// The export that it chose, by the name that it used.
    pub export: Option<String>,
    /// In order, or what went wrong.
    pub end: Result<Disconnect, ConnectionError>,
}

/// What can go wrong with a connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// More clients than we serve at once.
    #[error("{CONNECTIONS_MAX} connections are open already; this one was closed")]
    TooMany,
    /// It connected and did not choose an export.
    #[error("no handshake within {} seconds", .0.as_secs_f32())]
    Silent(Duration),
    /// It said what no client may in the handshake.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// It said what no client may afterwards.
    #[error(transparent)]
    Transmission(#[from] TransmissionError),
    /// It went inside a request.
    #[error("the client went inside a request; {received} bytes of it had come")]
    CutOff {
        /// How much of that request had come.
        received: usize,
    },
    /// The system failed us.
    #[error("the connection failed")]
    Io(#[from] io::Error),
}

impl ConnectionError {
    /// How the trace tells of it.
    pub(super) fn reason(&self) -> Disconnect {
        match self {
            ConnectionError::Handshake(_) | ConnectionError::Transmission(_) => {
                Disconnect::Protocol
            }
            _ => Disconnect::Closed,
        }
    }
}

/// What all connections of a server share.
pub(super) struct Shared {
    /// What is served.
    pub(super) exports: Vec<Export>,
    /// The same for the handshake.
    pub(super) offers: Arc<[Offer]>,
    /// How long a handshake may take.
    pub(super) handshake_time: Duration,
    /// When to end.
    pub(super) stop: Stop,
    /// Whom to tell of a connection's end.
    pub(super) on_end: OnEnd,
}

/// Serves a client to its end.
pub(super) fn serve(mut transport: Transport, shared: &Shared) -> ConnectionReport {
    let chosen = match shake_hands(&mut transport, shared) {
        Ok(Shaken::Chosen(chosen)) => chosen,
        Ok(Shaken::Gone(reason)) => return report(None, None, Ok(reason)),
        Err(error) => return report(None, None, Err(error)),
    };
    let disk = &shared.exports[chosen.offer].disk;
    let rules = Rules {
        geometry: disk.geometry().clone(),
        structured_replies: chosen.structured_replies,
        headers: chosen.headers(),
        block_status: chosen.block_status,
    };
    let negotiated = Negotiated {
        export: chosen.name.clone(),
        structured_replies: chosen.structured_replies,
        block_status: chosen.block_status,
        extended_headers: chosen.extended_headers,
    };
    match disk.connect(negotiated) {
        Ok(port) => {
            let connection = port.connection();
            let end = Session::new(transport, port, rules, &shared.stop).run();
            report(Some(connection), Some(chosen.name), end)
        }
        Err(error) => report(None, Some(chosen.name), Err(error.into())),
    }
}

fn report(
    connection: Option<ConnectionId>,
    export: Option<String>,
    end: Result<Disconnect, ConnectionError>,
) -> ConnectionReport {
    ConnectionReport { connection, export, end }
}

/// How a handshake ended in order.
enum Shaken {
    Chosen(Chosen),
    Gone(Disconnect),
}

fn shake_hands(transport: &mut Transport, shared: &Shared) -> Result<Shaken, ConnectionError> {
    let deadline = Deadline::after(shared.handshake_time)?;
    let tail = transport.outbox.tail();
    let mut handshake = Handshake::new(Arc::clone(&shared.offers), tail);
    loop {
        if shared.stop.is_begun() {
            return Ok(Shaken::Gone(Disconnect::Shutdown));
        }
        if deadline.passed() {
            return Err(ConnectionError::Silent(shared.handshake_time));
        }
        if transport.send()? == Sent::End {
            return Ok(Shaken::Gone(Disconnect::Closed));
        }
        // Each answer goes before the next option is looked at, so that answers do not pile up.
        let interest = if transport.outbox.is_empty() {
            match one_option(&mut handshake, transport)? {
                Progress::Chosen(chosen) => return Ok(Shaken::Chosen(chosen)),
                Progress::Aborted => return Ok(Shaken::Gone(Disconnect::Asked)),
                Progress::Going => continue,
                Progress::Starved => {}
            }
            match transport.receive(0)? {
                Received::Bytes(_) => continue,
                Received::End => return Ok(Shaken::Gone(Disconnect::Closed)),
                Received::Nothing => PollFlags::IN,
            }
        } else {
            PollFlags::OUT
        };
        transport.wait(interest, &[shared.stop.as_fd(), deadline.as_fd()], None)?;
    }
}

/// Looks at one option. If it is the last one, its answer is sent as far as that goes at once.
fn one_option(
    handshake: &mut Handshake,
    transport: &mut Transport,
) -> Result<Progress, ConnectionError> {
    let step = handshake.step(transport.inbox.unread(), transport.outbox.tail());
    if matches!(step, Err(_) | Ok((_, Progress::Aborted | Progress::Chosen(_)))) {
        // Should it fail, whoever uses the socket next will see it.
        let _ = transport.send();
    }
    let (used, progress) = step?;
    transport.inbox.skip(used);
    Ok(progress)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_client_that_says_nothing_is_dropped_in_time() {
        let (socket, client) = UnixStream::pair().unwrap();
        socket.set_nonblocking(true).unwrap();
        let shared = Shared {
            exports: Vec::new(),
            offers: Arc::new([]),
            handshake_time: Duration::from_millis(20),
            stop: Stop::new().unwrap(),
            on_end: Box::new(|_| {}),
        };
        let report = serve(Transport::new(socket.into()), &shared);
        assert!(matches!(report.end, Err(ConnectionError::Silent(_))));
        drop(client);
    }
}
