//! A connection to a server within a time limit: a place comes in, a socket goes out, and a stream over it whose reads and
//! writes end in time.
//!
//! It knows no protocol. Invariant: nothing here waits longer than it was told to, but for the names of hosts, for which
//! the system has limits of its own.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv,
    send, socket_with,
};

use super::address::Place;
use crate::nbd::stop::Deadline;

/// Addresses of a host that are tried.
const ADDRESSES_MAX: usize = 4;

/// A socket that is connected to a server and does not block.
pub(super) fn dial(place: &Place, time: Duration) -> io::Result<OwnedFd> {
    match place {
        Place::Unix(path) => dial_unix(path),
        Place::Tcp { host, port } => {
            let mut failed = io::Error::other("the host has no address");
            for address in (host.as_str(), *port).to_socket_addrs()?.take(ADDRESSES_MAX) {
                match TcpStream::connect_timeout(&address, time) {
                    Ok(stream) => {
                        stream.set_nodelay(true)?;
                        stream.set_nonblocking(true)?;
                        return Ok(stream.into());
                    }
                    Err(error) => failed = error,
                }
            }
            Err(failed)
        }
    }
}

/// A local socket connects at once or not at all: a blocking one would wait for a server that accepts nobody.
fn dial_unix(path: &Path) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match connect(&socket, &SocketAddrUnix::new(path)?) {
        Ok(()) => Ok(socket),
        Err(Errno::AGAIN) => Err(io::Error::other("as many clients as it lets wait are waiting")),
        Err(error) => Err(error.into()),
    }
}

/// A socket that does not block, as a stream that waits until a deadline.
pub(super) struct Timed<'a> {
    socket: &'a OwnedFd,
    deadline: &'a Deadline,
}

impl<'a> Timed<'a> {
    /// Everything on `socket` has to be done before `deadline`.
    pub(super) fn new(socket: &'a OwnedFd, deadline: &'a Deadline) -> Timed<'a> {
        Timed { socket, deadline }
    }

    fn wait(&self, interest: PollFlags) -> io::Result<()> {
        let mut fds = [
            PollFd::new(self.socket, interest),
            PollFd::from_borrowed_fd(self.deadline.as_fd(), PollFlags::IN),
        ];
        match poll(&mut fds, None) {
            Ok(_) if fds[1].revents().contains(PollFlags::IN) => {
                Err(io::ErrorKind::TimedOut.into())
            }
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match recv(self.socket, &mut *buffer, RecvFlags::empty()) {
                Ok((_, count)) => return Ok(count),
                Err(Errno::AGAIN) => self.wait(PollFlags::IN)?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match send(self.socket, bytes, SendFlags::NOSIGNAL) {
                Ok(count) => return Ok(count),
                Err(Errno::AGAIN) => self.wait(PollFlags::OUT)?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
