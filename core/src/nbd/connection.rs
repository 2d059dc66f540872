//! One client from its first byte to its last, on one thread: the handshake, then a session with a disk.
//!
//! It knows no other connection. What was said in the session is the business of `session`. Invariants: a
//! client that does not choose an export in time is dropped, whatever it sends, under TLS or not; whoever carries
//! bytes for it is waited for.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::PollFlags;

use crate::engine::Negotiated;
use crate::event::Disconnect;
use crate::limits::CONNECTIONS_MAX;
use crate::nbd::export::{Export, Offer};
use crate::nbd::handshake::{Chosen, Handshake, HandshakeError, Progress};
use crate::nbd::secure::{Secure, Tls, Tunnel};
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
    /// TLS did not come about, or broke.
    #[error("TLS failed")]
    Tls(#[source] io::Error),
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
    /// Who knows TLS, where clients must talk it.
    pub(super) secure: Option<Arc<dyn Secure>>,
    /// How long a handshake may take, that of TLS included.
    pub(super) handshake_time: Duration,
    /// When to end.
    pub(super) stop: Stop,
    /// Whom to tell of a connection's end.
    pub(super) on_end: OnEnd,
}

/// Serves a client to its end.
pub(super) fn serve(transport: Transport, shared: &Shared) -> ConnectionReport {
    let mut carrier = None;
    let report = converse(transport, shared, &mut carrier);
    // The transport is gone by now, so that the carrier knows that no more is to come.
    match (carrier.map(JoinHandle::join), report.end) {
        // A client that went is told of by why it could not be heard any more.
        (Some(Ok(Err(error))), Ok(Disconnect::Closed)) => {
            ConnectionReport { end: Err(ConnectionError::Tls(error)), ..report }
        }
        (_, end) => ConnectionReport { end, ..report },
    }
}

/// What carries the bytes of a client under TLS.
type Carrier = JoinHandle<io::Result<()>>;

fn converse(
    transport: Transport,
    shared: &Shared,
    carrier: &mut Option<Carrier>,
) -> ConnectionReport {
    let (transport, chosen) = match shake_hands(transport, shared, carrier) {
        Ok(Shaken::Chosen(transport, chosen)) => (transport, chosen),
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
            let end = Session::new(*transport, port, rules, &shared.stop).run();
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
    /// What follows is transmission, over this transport.
    Chosen(Box<Transport>, Chosen),
    Gone(Disconnect),
}

/// Agrees on an export; `carrier` is set where that is under TLS.
fn shake_hands(
    mut transport: Transport,
    shared: &Shared,
    carrier: &mut Option<Carrier>,
) -> Result<Shaken, ConnectionError> {
    let deadline = Deadline::after(shared.handshake_time)?;
    let tls = if shared.secure.is_some() { Tls::Required } else { Tls::Absent };
    let tail = transport.outbox.tail();
    let mut handshake = Handshake::new(Arc::clone(&shared.offers), tls, tail);
    loop {
        match haggle(&mut transport, &mut handshake, &deadline, shared)? {
            Haggled::Chosen(chosen) => return Ok(Shaken::Chosen(Box::new(transport), chosen)),
            Haggled::Gone(reason) => return Ok(Shaken::Gone(reason)),
            Haggled::Secure => {}
        }
        match secure(transport, &deadline, shared) {
            Ok(Tunnel { plain, carrier: thread }) => {
                transport = Transport::new(plain);
                *carrier = Some(thread);
                handshake.begin_tls();
            }
            // Being told to give up is no fault of the client's TLS.
            Err(_) if shared.stop.is_begun() => return Ok(Shaken::Gone(Disconnect::Shutdown)),
            Err(_) if deadline.passed() => {
                return Err(ConnectionError::Silent(shared.handshake_time));
            }
            Err(error) => return Err(ConnectionError::Tls(error)),
        }
    }
}

/// Puts TLS between the client and us.
fn secure(transport: Transport, deadline: &Deadline, shared: &Shared) -> io::Result<Tunnel> {
    // What came behind STARTTLS would have ended the connection, and what is to go has gone.
    let socket = transport.into_socket();
    let secure = shared.secure.as_ref().ok_or(io::ErrorKind::Unsupported)?;
    secure.secure(socket, &[shared.stop.as_fd(), deadline.as_fd()])
}

/// What options led to.
enum Haggled {
    Chosen(Chosen),
    Gone(Disconnect),
    /// `STARTTLS` was acknowledged, and nothing came behind it.
    Secure,
}

fn haggle(
    transport: &mut Transport,
    handshake: &mut Handshake,
    deadline: &Deadline,
    shared: &Shared,
) -> Result<Haggled, ConnectionError> {
    let mut secure = false;
    loop {
        if shared.stop.is_begun() {
            return Ok(Haggled::Gone(Disconnect::Shutdown));
        }
        if deadline.passed() {
            return Err(ConnectionError::Silent(shared.handshake_time));
        }
        if transport.send()? == Sent::End {
            return Ok(Haggled::Gone(Disconnect::Closed));
        }
        // Each answer goes before the next option is looked at, so that answers do not pile up.
        let interest = if !transport.outbox.is_empty() {
            PollFlags::OUT
        } else if secure {
            return Ok(Haggled::Secure);
        } else {
            match one_option(handshake, transport)? {
                Progress::Chosen(chosen) => return Ok(Haggled::Chosen(chosen)),
                Progress::Aborted => return Ok(Haggled::Gone(Disconnect::Asked)),
                Progress::Secure => {
                    secure = true;
                    continue;
                }
                Progress::Going => continue,
                Progress::Starved => {}
            }
            match transport.receive(0)? {
                Received::Bytes(_) => continue,
                Received::End => return Ok(Haggled::Gone(Disconnect::Closed)),
                Received::Nothing => PollFlags::IN,
            }
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
    use std::io::{Read, Write};
    use std::os::fd::{BorrowedFd, OwnedFd};
    use std::os::unix::net::UnixStream;

    use rustix::event::{PollFd, poll};

    use super::*;

    fn shared(secure: Option<Arc<dyn Secure>>, handshake_time: Duration) -> Shared {
        Shared {
            exports: Vec::new(),
            offers: Arc::new([]),
            secure,
            handshake_time,
            stop: Stop::new().unwrap(),
            on_end: Box::new(|_| {}),
        }
    }

    fn pair() -> (Transport, UnixStream) {
        let (socket, client) = UnixStream::pair().unwrap();
        socket.set_nonblocking(true).unwrap();
        (Transport::new(socket.into()), client)
    }

    /// Client flags, and `STARTTLS` with what comes behind it.
    fn begins_tls(behind: &[u8]) -> Vec<u8> {
        [b"\0\0\0\x03IHAVEOPT\0\0\0\x05\0\0\0\0", behind].concat()
    }

    #[test]
    fn a_client_that_says_nothing_is_dropped_in_time() {
        let (transport, client) = pair();
        let report = serve(transport, &shared(None, Duration::from_millis(20)));
        assert!(matches!(report.end, Err(ConnectionError::Silent(_))));
        drop(client);
    }

    /// No TLS at all: what is said goes through as it is, and the carrier ends as it was told.
    struct Through(Option<io::ErrorKind>);

    impl Secure for Through {
        fn secure(&self, plain: OwnedFd, _: &[BorrowedFd<'_>]) -> io::Result<Tunnel> {
            let end = self.0;
            let carrier = std::thread::spawn(move || end.map_or(Ok(()), |kind| Err(kind.into())));
            Ok(Tunnel { plain, carrier })
        }
    }

    #[test]
    fn under_tls_the_client_goes_on_with_its_options() {
        let (transport, mut client) = pair();
        let serving = std::thread::spawn(move || {
            serve(transport, &shared(Some(Arc::new(Through(None))), Duration::from_mins(1)))
        });
        client.write_all(&begins_tls(b"")).unwrap();
        let mut said = [0; 18 + 20];
        client.read_exact(&mut said).unwrap();
        assert_eq!(said[18..], *b"\0\x03\xe8\x89\x04\x55\x65\xa9\0\0\0\x05\0\0\0\x01\0\0\0\0");
        client.write_all(b"IHAVEOPT\0\0\0\x02\0\0\0\0").unwrap();
        client.read_exact(&mut said[..20]).unwrap();
        assert_eq!(said[8..16], *b"\0\0\0\x02\0\0\0\x01");
        assert!(matches!(serving.join().unwrap().end, Ok(Disconnect::Asked)));
    }

    #[test]
    fn tls_that_breaks_is_why_a_client_went() {
        let (transport, mut client) = pair();
        let secure = Arc::new(Through(Some(io::ErrorKind::InvalidData)));
        let serving = std::thread::spawn(move || {
            serve(transport, &shared(Some(secure), Duration::from_mins(1)))
        });
        client.write_all(&begins_tls(b"")).unwrap();
        client.read_exact(&mut [0; 38]).unwrap();
        drop(client);
        assert!(matches!(serving.join().unwrap().end, Err(ConnectionError::Tls(_))));
    }

    #[test]
    fn plain_bytes_behind_starttls_never_reach_tls_or_the_front() {
        let (transport, mut client) = pair();
        client.write_all(&begins_tls(b"IHAVEOPT")).unwrap();
        let secure = Arc::new(Through(Some(io::ErrorKind::InvalidData)));
        let report = serve(transport, &shared(Some(secure), Duration::from_mins(1)));
        let error = report.end.unwrap_err();
        assert_eq!(error.to_string(), "8 bytes in plain behind STARTTLS, before TLS began");
        assert_eq!(error.reason(), Disconnect::Protocol);
    }

    /// Waits until it is told to give up.
    struct Stuck;

    impl Secure for Stuck {
        fn secure(&self, _: OwnedFd, limits: &[BorrowedFd<'_>]) -> io::Result<Tunnel> {
            let mut fds: Vec<_> =
                limits.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
            poll(&mut fds, None)?;
            Err(io::ErrorKind::TimedOut.into())
        }
    }

    #[test]
    fn a_client_that_stops_inside_the_handshake_of_tls_is_dropped_in_time() {
        let (transport, mut client) = pair();
        client.write_all(&begins_tls(b"")).unwrap();
        let report = serve(transport, &shared(Some(Arc::new(Stuck)), Duration::from_millis(20)));
        assert!(matches!(report.end, Err(ConnectionError::Silent(_))), "{report:?}");
    }

    #[test]
    fn the_end_of_the_server_ends_the_handshake_of_tls() {
        let (transport, mut client) = pair();
        client.write_all(&begins_tls(b"")).unwrap();
        let shared = Arc::new(shared(Some(Arc::new(Stuck)), Duration::from_mins(1)));
        let serving = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || serve(transport, &shared)
        });
        client.read_exact(&mut [0; 38]).unwrap();
        shared.stop.begin();
        assert!(matches!(serving.join().unwrap().end, Ok(Disconnect::Shutdown)));
    }
}
