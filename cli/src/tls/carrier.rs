//! Bytes between a peer under TLS and the near side, the front or what asks another server, which talks to it in plain
//! through a pair of sockets: a thread for each such connection.
//!
//! Invariants: what it holds is bounded in both directions, and a direction whose reader does not read is not read
//! either, while the other goes on; once the near side has closed its end it ends within [`PARTING_TIME`] if the peer
//! does not read, and within [`PARTING_TIME_MAX`] if it does.

use std::io::{self, BufRead, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use blkreplay_core::nbd::Tunnel;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{Shutdown, shutdown};
use rustls::Connection;

use super::handshake::{Wire, flush, process};

/// Bytes taken from either side at once: what a connection holds is a few times this.
const PIECE_BYTES: usize = 64 << 10;

/// How long a peer may hear nothing of the last that the near side said.
const PARTING_TIME: Duration = Duration::from_secs(2);

/// How long it may take to hear all of it.
const PARTING_TIME_MAX: Duration = Duration::from_secs(10);

/// Carries bytes of the peer of `socket` from now on, on a thread of this name.
pub(super) fn start(mut tls: Connection, socket: OwnedFd, name: &str) -> io::Result<Tunnel> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    theirs.set_nonblocking(true)?;
    // More is taken only once all has gone, which is a closer limit.
    tls.set_buffer_limit(None);
    let carrier = Carrier {
        tls,
        peer: socket,
        near: ours.into(),
        heard: vec![0; PIECE_BYTES],
        unread: 0..0,
        said: vec![0; PIECE_BYTES],
        near_is_full: false,
        says: Says::More,
        parting: None,
        near_ended: false,
    };
    let carrier = thread::Builder::new().name(name.to_owned()).spawn(move || carrier.run())?;
    Ok(Tunnel { plain: theirs.into(), carrier })
}

/// Whether the peer says more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    More,
    /// No, and the near side is to be told.
    Nothing,
    /// No, as the near side knows.
    NothingAsTold,
}

struct Carrier {
    tls: Connection,
    peer: OwnedFd,
    near: OwnedFd,
    /// Taken from the peer and not looked at: `unread` of it.
    heard: Vec<u8>,
    unread: std::ops::Range<usize>,
    /// Room for what is taken from the near side.
    said: Vec<u8>,
    /// The near side has no room for what the peer said.
    near_is_full: bool,
    says: Says,
    /// Set when the near side closed its end.
    parting: Option<Parting>,
    /// The near side will be neither heard nor told.
    near_ended: bool,
}

/// The end of a connection, which takes its time.
#[derive(Debug, Clone, Copy)]
struct Parting {
    begun: Instant,
    last_moved: Instant,
}

impl Parting {
    fn begin() -> Parting {
        let now = Instant::now();
        Parting { begun: now, last_moved: now }
    }

    /// The peer has heard something more.
    fn moved(&mut self) {
        self.last_moved = Instant::now();
    }

    /// How long there is still to be waited.
    fn left(self) -> Duration {
        let end = (self.last_moved + PARTING_TIME).min(self.begun + PARTING_TIME_MAX);
        end.saturating_duration_since(Instant::now())
    }
}

/// Whether a step did anything.
type Moved = bool;

impl Carrier {
    /// Carries until the near side closes its end, or the peer cannot be reached any more.
    fn run(mut self) -> io::Result<()> {
        loop {
            let heard = self.hear()? | self.tell_near()?;
            let said = self.hear_near()?;
            let sent = match flush(&mut self.tls, &mut Wire(self.peer.as_fd())) {
                Ok(sent) => sent,
                Err(error) if is_gone(&error) => return Ok(()),
                Err(error) => return Err(error),
            };
            if let Some(parting) = self.parting.as_mut().filter(|_| sent) {
                parting.moved();
            }
            let is_late = self.parting.is_some_and(|parting| parting.left().is_zero());
            if is_late || (self.near_ended && !self.tls.wants_write()) {
                return Ok(());
            }
            if !(heard || said || sent) {
                self.wait()?;
            }
        }
    }

    /// Takes what the peer sent, unless something of it still waits for the near side.
    fn hear(&mut self) -> io::Result<Moved> {
        if !self.wants_peer() {
            return Ok(false);
        }
        let mut wire = Wire(self.peer.as_fd());
        if self.unread.is_empty() {
            match wire.read(&mut self.heard) {
                Ok(0) => {
                    self.says = Says::Nothing;
                    return Ok(true);
                }
                Ok(count) => self.unread = 0..count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if is_gone(&error) => {
                    self.says = Says::Nothing;
                    return Ok(true);
                }
                Err(error) => return Err(error),
            }
        }
        let mut unread = &self.heard[self.unread.clone()];
        self.unread.start += self.tls.read_tls(&mut unread)?;
        if process(&mut self.tls, &mut wire)? {
            self.says = Says::Nothing;
        }
        Ok(true)
    }

    /// Whether more of what the peer says is wanted now.
    fn wants_peer(&self) -> bool {
        self.says == Says::More && !self.near_ended && self.tls.wants_read()
    }

    /// Passes on what the peer said.
    fn tell_near(&mut self) -> io::Result<Moved> {
        let (mut moved, mut gone) = (false, self.near_ended);
        self.near_is_full = false;
        let mut reader = self.tls.reader();
        while !gone && !self.near_is_full {
            let piece = match reader.fill_buf() {
                Ok([]) => break,
                Ok(piece) => piece,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            };
            match Wire(self.near.as_fd()).write(piece) {
                Ok(count) => {
                    reader.consume(count);
                    moved = true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.near_is_full = true;
                }
                Err(error) if is_gone(&error) => gone = true,
                Err(error) => return Err(error),
            }
        }
        if gone && !self.near_ended {
            self.end_near();
        }
        if self.says == Says::Nothing && !self.near_is_full {
            self.says = Says::NothingAsTold;
            // A near side that closed its end already needs no telling.
            let _ = shutdown(&self.near, Shutdown::Write);
        }
        Ok(moved)
    }

    /// Takes what the near side says, once all that it said before has gone.
    fn hear_near(&mut self) -> io::Result<Moved> {
        if self.near_ended || self.tls.wants_write() {
            return Ok(false);
        }
        match Wire(self.near.as_fd()).read(&mut self.said) {
            Ok(0) => self.end_near(),
            Ok(count) => self.tls.writer().write_all(&self.said[..count])?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if is_gone(&error) => self.end_near(),
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// The near side has closed its end: the peer is told that nothing more will come.
    fn end_near(&mut self) {
        self.near_ended = true;
        self.part();
        self.tls.send_close_notify();
    }

    fn part(&mut self) {
        self.parting.get_or_insert_with(Parting::begin);
    }

    /// Sleeps until one side says or takes something, or it is time to be done.
    fn wait(&mut self) -> io::Result<()> {
        let (mut peer, mut near) = (PollFlags::empty(), PollFlags::empty());
        peer.set(PollFlags::IN, self.wants_peer());
        peer.set(PollFlags::OUT, self.tls.wants_write());
        near.set(PollFlags::IN, !self.near_ended && !self.tls.wants_write());
        near.set(PollFlags::OUT, self.near_is_full);
        let mut fds = Vec::with_capacity(2);
        // That the near side closed its end is always told of: it must be seen even while nothing else is wanted of it,
        // and not again once it was. So it is with the peer, which is not looked for.
        let looks_near = !near.is_empty() || self.parting.is_none();
        if looks_near {
            fds.push(PollFd::new(&self.near, near));
        }
        if !peer.is_empty() {
            fds.push(PollFd::new(&self.peer, peer));
        }
        let left = self.parting.map(Parting::left);
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if looks_near && fds[0].revents().contains(PollFlags::HUP) {
            self.part();
        }
        Ok(())
    }
}

/// Whether nothing is wrong but that the other side has gone.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}
