//! Listens, gives each client a thread, and ends them all.
//!
//! What is said on a connection is the business of `connection`. Invariant: after `stop` no thread of the
//! server runs and its socket is closed; a client that does not read delays that by two seconds at most.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with, sockopt};

use crate::limits::CONNECTIONS_MAX;
use crate::nbd::connection::{ConnectionError, ConnectionReport, Shared, serve};
use crate::nbd::export::{Export, Offer};
use crate::nbd::stop::Stop;
use crate::nbd::transport::Transport;

/// How long to wait before the next try when the system cannot give us a connection.
const ACCEPT_NAP: Duration = Duration::from_millis(100);

/// Where clients come from.
#[derive(Debug)]
pub enum Listener {
    /// A socket in the file system.
    Unix(UnixListener),
    /// A port.
    Tcp(TcpListener),
}

impl Listener {
    /// The next client, if one is waiting. Its socket does not block.
    fn accept(&self) -> rustix::io::Result<OwnedFd> {
        let socket = accept_with(self, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
        if matches!(self, Listener::Tcp(_)) {
            // Replies are gathered by us; waiting for more would only add latency.
            sockopt::set_tcp_nodelay(&socket, true)?;
        }
        Ok(socket)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Listener::Unix(listener) => listener.as_fd(),
            Listener::Tcp(listener) => listener.as_fd(),
        }
    }
}

/// Called at the end of every connection, on its thread.
pub type OnEnd = Box<dyn Fn(&ConnectionReport) + Send + Sync>;

/// A running server. Dropping it stops it.
pub struct Server {
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves `exports` to whoever comes to `listener`. Fails when the process has no descriptors or threads
    /// left.
    pub fn start(listener: Listener, exports: Vec<Export>, on_end: OnEnd) -> io::Result<Server> {
        match &listener {
            Listener::Unix(listener) => listener.set_nonblocking(true)?,
            Listener::Tcp(listener) => listener.set_nonblocking(true)?,
        }
        let offers = exports.iter().map(Offer::from).collect();
        let shared = Arc::new(Shared { exports, offers, stop: Stop::new()?, on_end });
        let acceptor = Builder::new().name("nbd accept".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || accept_until_stopped(&listener, &shared)
        })?;
        Ok(Server { shared, acceptor: Some(acceptor) })
    }

    /// Takes no more clients, serves what has been sent, ends all connections, and waits for their threads.
    pub fn stop(self) {
        // Dropping does it.
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.begin();
        if let Some(acceptor) = self.acceptor.take() {
            // A thread that panicked has said so on its own.
            let _ = acceptor.join();
        }
    }
}

fn accept_until_stopped(listener: &Listener, shared: &Arc<Shared>) {
    let mut connections: Vec<JoinHandle<()>> = Vec::new();
    while !shared.stop.is_begun() {
        match listener.accept() {
            Ok(socket) => {
                connections.retain(|connection| !connection.is_finished());
                connections.extend(begin(socket, connections.len(), shared));
            }
            Err(Errno::AGAIN) => wait_for_client(listener, &shared.stop),
            // The client went before it was taken.
            Err(Errno::INTR | Errno::CONNABORTED) => {}
            // Out of descriptors, most likely; some come free when a connection ends.
            Err(_) => nap(&shared.stop),
        }
    }
    for connection in connections {
        let _ = connection.join();
    }
}

/// Gives a client a thread, if there is room for one more.
fn begin(socket: OwnedFd, others: usize, shared: &Arc<Shared>) -> Option<JoinHandle<()>> {
    let refuse = |error| {
        (shared.on_end)(&ConnectionReport { connection: None, export: None, end: Err(error) });
    };
    if others >= CONNECTIONS_MAX {
        refuse(ConnectionError::TooMany);
        return None;
    }
    let thread = Builder::new().name("nbd client".to_owned()).spawn({
        let shared = Arc::clone(shared);
        move || {
            let report = serve(Transport::new(socket), &shared);
            (shared.on_end)(&report);
        }
    });
    thread.map_err(|error| refuse(error.into())).ok()
}

fn wait_for_client(listener: &Listener, stop: &Stop) {
    let mut fds = [PollFd::new(listener, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
    // However it ends, the caller looks again.
    let _ = poll(&mut fds, None);
}

fn nap(stop: &Stop) {
    let timeout = Timespec::try_from(ACCEPT_NAP).ok();
    let _ = poll(&mut [PollFd::new(stop, PollFlags::IN)], timeout.as_ref());
}
