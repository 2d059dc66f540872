//! Bytes between a client under TLS and the front, which talks to it in plain through a pair of sockets: a thread for
//! each such connection.
//!
//! Invariants: what it holds is bounded in both directions, and a direction whose reader does not read is not read
//! either, while the other goes on; once the front has closed its end it ends within [`PARTING_TIME`] if the client
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
use rustls::ServerConnection;

use super::handshake::{Wire, flush, process};

/// Bytes taken from either side at once: what a connection holds is a few times this.
const PIECE_BYTES: usize = 64 << 10;

/// How long a client may hear nothing of the last that the front said.
const PARTING_TIME: Duration = Duration::from_secs(2);

/// How long it may take to hear all of it.
const PARTING_TIME_MAX: Duration = Duration::from_secs(10);

/// Carries bytes of the client of `socket` from now on.
pub(super) fn start(mut tls: ServerConnection, socket: OwnedFd) -> io::Result<Tunnel> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    theirs.set_nonblocking(true)?;
    // More is taken only once all has gone, which is a closer limit.
    tls.set_buffer_limit(None);
    let carrier = Carrier {
        tls,
        client: socket,
        front: ours.into(),
        heard: vec![0; PIECE_BYTES],
        unread: 0..0,
        said: vec![0; PIECE_BYTES],
        front_is_full: false,
        says: Says::More,
        parting: None,
        front_ended: false,
    };
    let carrier =
        thread::Builder::new().name("tls client".to_owned()).spawn(move || carrier.run())?;
    Ok(Tunnel { plain: theirs.into(), carrier })
}

/// Whether the client says more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    More,
    /// No, and the front is to be told.
    Nothing,
    /// No, as the front knows.
    NothingAsTold,
}

struct Carrier {
    tls: ServerConnection,
    client: OwnedFd,
    front: OwnedFd,
    /// Taken from the client and not looked at: `unread` of it.
    heard: Vec<u8>,
    unread: std::ops::Range<usize>,
    /// Room for what is taken from the front.
    said: Vec<u8>,
    /// The front has no room for what the client said.
    front_is_full: bool,
    says: Says,
    /// Set when the front closed its end.
    parting: Option<Parting>,
    /// The front will be neither heard nor told.
    front_ended: bool,
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

    /// The client has heard something more.
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
    /// Carries until the front closes its end, or the client cannot be reached any more.
    fn run(mut self) -> io::Result<()> {
        loop {
            let heard = self.hear()? | self.tell_front()?;
            let said = self.hear_front()?;
            let sent = match flush(&mut self.tls, &mut Wire(self.client.as_fd())) {
                Ok(sent) => sent,
                Err(error) if is_gone(&error) => return Ok(()),
                Err(error) => return Err(error),
            };
            if let Some(parting) = self.parting.as_mut().filter(|_| sent) {
                parting.moved();
            }
            let is_late = self.parting.is_some_and(|parting| parting.left().is_zero());
            if is_late || (self.front_ended && !self.tls.wants_write()) {
                return Ok(());
            }
            if !(heard || said || sent) {
                self.wait()?;
            }
        }
    }

    /// Takes what the client sent, unless something of it still waits for the front.
    fn hear(&mut self) -> io::Result<Moved> {
        if !self.wants_client() {
            return Ok(false);
        }
        let mut wire = Wire(self.client.as_fd());
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

    /// Whether more of what the client says is wanted now.
    fn wants_client(&self) -> bool {
        self.says == Says::More && !self.front_ended && self.tls.wants_read()
    }

    /// Passes on what the client said.
    fn tell_front(&mut self) -> io::Result<Moved> {
        let (mut moved, mut gone) = (false, self.front_ended);
        self.front_is_full = false;
        let mut reader = self.tls.reader();
        while !gone && !self.front_is_full {
            let piece = match reader.fill_buf() {
                Ok([]) => break,
                Ok(piece) => piece,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            };
            match Wire(self.front.as_fd()).write(piece) {
                Ok(count) => {
                    reader.consume(count);
                    moved = true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.front_is_full = true;
                }
                Err(error) if is_gone(&error) => gone = true,
                Err(error) => return Err(error),
            }
        }
        if gone && !self.front_ended {
            self.end_front();
        }
        if self.says == Says::Nothing && !self.front_is_full {
            self.says = Says::NothingAsTold;
            // A front that closed its end already needs no telling.
            let _ = shutdown(&self.front, Shutdown::Write);
        }
        Ok(moved)
    }

    /// Takes what the front says, once all that it said before has gone.
    fn hear_front(&mut self) -> io::Result<Moved> {
        if self.front_ended || self.tls.wants_write() {
            return Ok(false);
        }
        match Wire(self.front.as_fd()).read(&mut self.said) {
            Ok(0) => self.end_front(),
            Ok(count) => self.tls.writer().write_all(&self.said[..count])?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if is_gone(&error) => self.end_front(),
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// The front has closed its end: the client is told that nothing more will come.
    fn end_front(&mut self) {
        self.front_ended = true;
        self.part();
        self.tls.send_close_notify();
    }

    fn part(&mut self) {
        self.parting.get_or_insert_with(Parting::begin);
    }

    /// Sleeps until one side says or takes something, or it is time to be done.
    fn wait(&mut self) -> io::Result<()> {
        let (mut client, mut front) = (PollFlags::empty(), PollFlags::empty());
        client.set(PollFlags::IN, self.wants_client());
        client.set(PollFlags::OUT, self.tls.wants_write());
        front.set(PollFlags::IN, !self.front_ended && !self.tls.wants_write());
        front.set(PollFlags::OUT, self.front_is_full);
        let mut fds = Vec::with_capacity(2);
        // That the front closed its end is always told of: it must be seen even while nothing else is wanted of it,
        // and not again once it was. So it is with the client, which is not looked for.
        let looks_at_front = !front.is_empty() || self.parting.is_none();
        if looks_at_front {
            fds.push(PollFd::new(&self.front, front));
        }
        if !client.is_empty() {
            fds.push(PollFd::new(&self.client, client));
        }
        let left = self.parting.map(Parting::left);
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if looks_at_front && fds[0].revents().contains(PollFlags::HUP) {
            self.part();
        }
        Ok(())
    }
}

/// Whether nothing is wrong but that the other side has gone.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}
