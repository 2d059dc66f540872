//! The handshake of TLS, on the thread of the connection. A peer's socket goes in; an agreement with it, or why there
//! is none, comes out.
//!
//! Invariant: it ends as soon as one of its limits is readable, whatever the peer does or does not.

use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg};
use rustls::Connection;

/// Agrees with the peer behind `socket`, which does not block.
pub(super) fn shake_hands(
    tls: &mut Connection,
    socket: &OwnedFd,
    limits: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut wire = Wire(socket.as_fd());
    loop {
        flush(tls, &mut wire)?;
        // What is still to go is the carrier's.
        if !tls.is_handshaking() {
            return Ok(());
        }
        if tls.wants_read() {
            match tls.read_tls(&mut wire) {
                Ok(0) => {
                    let what = match tls {
                        Connection::Server(_) => {
                            "the client went inside the handshake; it may not trust our certificate"
                        }
                        Connection::Client(_) => "the server hung up inside the handshake",
                    };
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
                }
                Ok(_) => {
                    process(tls, &mut wire)?;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        wait(tls, socket, limits)?;
    }
}

/// Looks at what came. A peer whose words make no sense is told so, as far as it listens.
pub(super) fn process(tls: &mut Connection, wire: &mut Wire<'_>) -> io::Result<bool> {
    match tls.process_new_packets() {
        Ok(state) => Ok(state.peer_has_closed()),
        Err(error) => {
            // Whether it hears it makes no difference to us.
            let _ = flush(tls, wire);
            Err(io::Error::new(io::ErrorKind::InvalidData, error))
        }
    }
}

/// Sends what is to go, as far as the socket takes it. Says if some of it went.
pub(super) fn flush(tls: &mut Connection, wire: &mut Wire<'_>) -> io::Result<bool> {
    let mut sent = false;
    while tls.wants_write() {
        match tls.write_tls(wire) {
            Ok(_) => sent = true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(sent)
}

fn wait(tls: &Connection, socket: &OwnedFd, limits: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut interest = PollFlags::empty();
    interest.set(PollFlags::IN, tls.wants_read());
    interest.set(PollFlags::OUT, tls.wants_write());
    let mut fds = vec![PollFd::new(socket, interest)];
    fds.extend(limits.iter().map(|limit| PollFd::from_borrowed_fd(*limit, PollFlags::IN)));
    match poll(&mut fds, None) {
        Ok(_) if fds[1..].iter().any(|limit| !limit.revents().is_empty()) => {
            Err(io::ErrorKind::TimedOut.into())
        }
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A socket as rustls wants to see it. Never a signal when the peer has gone.
pub(super) struct Wire<'a>(pub(super) BorrowedFd<'a>);

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (_, count) = recv(self.0, buffer, RecvFlags::empty())?;
        Ok(count)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut control = SendAncillaryBuffer::default();
        Ok(sendmsg(self.0, pieces, &mut control, SendFlags::NOSIGNAL)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
