//! A client's socket with the bytes that came and the bytes that are to go. Never blocks but in `wait`.
//!
//! It knows no protocol. Invariant: nothing is sent to a socket whose peer has gone but an error comes back,
//! never a signal.

use std::io::{self, IoSlice};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg};

use crate::nbd::inbox::Inbox;
use crate::nbd::outbox::{Outbox, SLICES};

/// A socket and its two buffers.
#[derive(Debug)]
pub(super) struct Transport {
    socket: OwnedFd,
    /// What came.
    pub(super) inbox: Inbox,
    /// What is to go.
    pub(super) outbox: Outbox,
}

/// What a receive brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Received {
    /// This many bytes.
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// The client has gone.
    End,
}

/// What a send did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// Some bytes went.
    Some,
    /// There was nothing to send, or no room for it.
    Nothing,
    /// The client has gone.
    End,
}

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Woken {
    /// Something happened, or may have.
    Event,
    /// The time was up.
    Timeout,
}

impl Transport {
    /// Takes a socket that does not block.
    pub(super) fn new(socket: OwnedFd) -> Transport {
        Transport { socket, inbox: Inbox::default(), outbox: Outbox::default() }
    }

    /// The socket alone; what came and what is to go is forgotten.
    pub(super) fn into_socket(self) -> OwnedFd {
        self.socket
    }

    /// Receives once into the inbox; `missing` is how much the next message needs, as far as is known.
    pub(super) fn receive(&mut self, missing: usize) -> io::Result<Received> {
        let room = self.inbox.room(missing);
        match recv(&self.socket, spare_capacity(room), RecvFlags::empty()) {
            Ok((_, 0)) | Err(Errno::CONNRESET) => Ok(Received::End),
            Ok((_, count)) => Ok(Received::Bytes(count)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(Received::Nothing),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends from the outbox until it is empty or the socket is full.
    pub(super) fn send(&mut self) -> io::Result<Sent> {
        let mut sent = Sent::Nothing;
        while !self.outbox.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = self.outbox.show(&mut slices);
            let mut control = SendAncillaryBuffer::default();
            match sendmsg(&self.socket, &slices[..count], &mut control, SendFlags::NOSIGNAL) {
                Ok(count) => {
                    self.outbox.sent(count);
                    sent = Sent::Some;
                }
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(Errno::PIPE | Errno::CONNRESET) => return Ok(Sent::End),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(sent)
    }

    /// Bytes that the client has sent and that were not received yet.
    pub(super) fn receivable(&self) -> io::Result<u64> {
        Ok(rustix::io::ioctl_fionread(&self.socket)?)
    }

    /// Sleeps until the socket is ready as `interest` says, one of `others` is readable, or the time is up.
    pub(super) fn wait(
        &self,
        interest: PollFlags,
        others: &[BorrowedFd<'_>],
        timeout: Option<Duration>,
    ) -> io::Result<Woken> {
        let mut fds: Vec<PollFd<'_>> =
            others.iter().map(|other| PollFd::from_borrowed_fd(*other, PollFlags::IN)).collect();
        // A socket whose peer has gone is always ready; without interest that would be a busy loop.
        if !interest.is_empty() {
            fds.push(PollFd::new(&self.socket, interest));
        }
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Ok(0) => Ok(Woken::Timeout),
            Ok(_) | Err(Errno::INTR) => Ok(Woken::Event),
            Err(error) => Err(error.into()),
        }
    }
}
