//! Listens, gives each client a thread, and ends them all.
//!
//! What is said on a connection is the business of `connection`. Invariant: after `stop` no thread of the
//! server runs and its socket is closed; a client that does not read delays that by two seconds at most.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with, sockopt};

use crate::limits::CONNECTIONS_MAX;
use crate::nbd::connection::{ConnectionError, ConnectionReport, Shared, serve};
use crate::nbd::export::{Export, Offer};
use crate::nbd::secure::Secure;
use crate::nbd::stop::Stop;
use crate::nbd::transport::Transport;

/// How long a handshake may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// How long to wait before the next try when the system cannot give us a connection.
const ACCEPT_NAP: Duration = Duration::from_millis(100);

/// Where clients come from.
#[derive(Debug)]
pub enum Listener {
    /// A socket in the file system.
    Unix(UnixListener),
    /// A port.
    Tcp(TcpListener),
    /// No place at all, but the one client that there will be: a stream socket.
    Connected(OwnedFd),
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
            Listener::Connected(socket) => socket.as_fd(),
        }
    }
}

/// Called at the end of every connection, on its thread.
pub type OnEnd = Box<dyn Fn(&ConnectionReport) + Send + Sync>;

/// A running server. Dropping it stops it.
pub struct Server {
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
    /// Hung up when the acceptor and all that it let in have ended.
    over: Receiver<Infallible>,
}

impl Server {
    /// Serves `exports` to whoever comes to `listener`; where there is somebody who knows TLS, under TLS only. Fails
    /// when the process has no descriptors or threads left.
    pub fn start(
        listener: Listener,
        exports: Vec<Export>,
        secure: Option<Arc<dyn Secure>>,
        on_end: OnEnd,
    ) -> io::Result<Server> {
        rustix::io::ioctl_fionbio(&listener, true)?;
        let offers = exports.iter().map(Offer::from).collect();
        let shared = Arc::new(Shared {
            exports,
            offers,
            secure,
            handshake_time: HANDSHAKE_TIME,
            stop: Stop::new()?,
            on_end,
        });
        let (held, over) = channel();
        let acceptor = Builder::new().name("nbd accept".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || {
                match listener {
                    Listener::Connected(socket) => meet(socket, &shared),
                    Listener::Unix(_) | Listener::Tcp(_) => {
                        accept_until_stopped(&listener, &shared);
                    }
                }
                drop(held);
            }
        })?;
        Ok(Server { shared, acceptor: Some(acceptor), over })
    }

    /// Whether the only client that there could be has gone.
    pub fn is_over(&self) -> bool {
        self.acceptor.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Takes no more clients, and lets those that are there have answers to what they have sent. Does not wait.
    pub fn begin_stop(&self) {
        self.shared.stop.begin();
    }

    /// Waits until the last client has gone and nobody else can come, but no longer than `time`; whether that is so. It
    /// may take for ever while an image says nothing.
    pub fn wait(&self, time: Duration) -> bool {
        matches!(self.over.recv_timeout(time), Err(RecvTimeoutError::Disconnected))
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
        move || meet(socket, &shared)
    });
    thread.map_err(|error| refuse(error.into())).ok()
}

/// Serves a client to its end, and tells of that.
fn meet(socket: OwnedFd, shared: &Shared) {
    let report = serve(Transport::new(socket), shared);
    (shared.on_end)(&report);
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

#[cfg(test)]
mod faults;
#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpStream};
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::device::{BlockDevice, Dice, Effect, Fault, Image, Memory, Pool, Rule, Sim, When};
    use crate::engine::Engine;
    use crate::event::Disconnect;
    use crate::limits::{CONNECTION_REQUESTS_MAX, REQUEST_DATA_BYTES_MAX};
    use crate::nbd::asking::Dialect;
    use crate::nbd::client::{Client, ClientError};
    use crate::nbd::negotiate::NegotiationError;
    use crate::nbd::wire::{Headers, RequestHeader, command};
    use crate::request::{Errno as RequestErrno, Flags, Operation, Request};
    use crate::units::{ByteRange, Clock, Nanos};

    struct Stopped;

    impl Clock for Stopped {
        fn now(&self) -> Nanos {
            Nanos(0)
        }
    }

    /// A server of one memory device on a socket of its own.
    struct Served {
        directory: tempfile::TempDir,
        memory: Arc<Memory>,
        engine: Arc<Engine>,
        server: Server,
        reports: Receiver<Result<Disconnect, String>>,
    }

    fn export(memory: &Arc<Memory>, engine: &Arc<Engine>) -> Export {
        export_of(Pool::new(Arc::clone(memory) as Arc<dyn Image>, 2), engine)
    }

    fn export_of(device: Arc<dyn BlockDevice>, engine: &Arc<Engine>) -> Export {
        let names = vec![String::new(), "0".to_owned()];
        let (description, disk) = ("memory".to_owned(), engine.attach(device));
        Export { names, description, disk, extended_headers: true }
    }

    fn serve_memory(size: usize) -> Served {
        serve_memory_with(size, |device| device)
    }

    /// With something between the server and the memory.
    fn serve_memory_with(
        size: usize,
        over: impl FnOnce(Arc<dyn BlockDevice>) -> Arc<dyn BlockDevice>,
    ) -> Served {
        let directory = tempfile::tempdir().unwrap();
        let memory = Arc::new(Memory::new(size));
        let engine = Engine::off(Arc::new(Stopped));
        let listener = UnixListener::bind(directory.path().join("nbd")).unwrap();
        let (sender, reports) = channel();
        let on_end = Box::new(move |report: &ConnectionReport| {
            let _ = sender.send(report.end.as_ref().map_err(ToString::to_string).copied());
        });
        let device = Pool::new(Arc::clone(&memory) as Arc<dyn Image>, 2);
        let exports = vec![export_of(over(device), &engine)];
        let server = Server::start(Listener::Unix(listener), exports, None, on_end).unwrap();
        Served { directory, memory, engine, server, reports }
    }

    impl Served {
        fn stream(&self) -> UnixStream {
            UnixStream::connect(self.directory.path().join("nbd")).unwrap()
        }

        fn client(&self, dialect: Dialect) -> Client<UnixStream> {
            Client::connect(self.stream(), "", dialect).unwrap()
        }

        fn held(&self, offset: u64, length: usize) -> Vec<u8> {
            let mut bytes = vec![0; length];
            self.memory.read(offset, &mut bytes).unwrap();
            bytes
        }

        /// How the next connection to end did.
        fn end(&self) -> Result<Disconnect, String> {
            self.reports.recv().unwrap()
        }
    }

    fn request(operation: Operation, offset: u64, length: u64) -> Request {
        Request { operation, range: ByteRange::new(offset, length), flags: Flags::NONE }
    }

    #[test]
    fn every_operation_works_in_each_dialect() {
        let served = serve_memory(1 << 20);
        for dialect in [Dialect::Simple, Dialect::Structured, Dialect::Extended] {
            let mut client = served.client(dialect);
            assert_eq!(client.size(), 1 << 20);
            client.write(1000, &[7; 9000], Flags::FUA).unwrap();
            assert_eq!(client.read(ByteRange::new(999, 3)).unwrap(), [0, 7, 7]);
            client.call(&request(Operation::WriteZeroes, 1000, 1000), &[]).unwrap();
            client.call(&request(Operation::Discard, 2000, 1000), &[]).unwrap();
            client.call(&request(Operation::Cache, 0, 1 << 20), &[]).unwrap();
            client.flush().unwrap();
            assert_eq!(client.read(ByteRange::new(1000, 9000)).unwrap()[..2000], [0; 2000]);
            let status = client.call(&request(Operation::BlockStatus, 0, 1 << 20), &[]);
            if dialect == Dialect::Simple {
                assert!(matches!(status, Err(ClientError::Failed(RequestErrno::EINVAL))));
            } else {
                let covered: u64 = status.unwrap().extents.iter().map(|one| one.length).sum();
                assert!(covered > 0 && covered <= 1 << 20, "{covered}");
            }
            let past_end = client.write((1 << 20) - 1, &[1, 2], Flags::NONE);
            assert!(matches!(past_end, Err(ClientError::Failed(RequestErrno::ENOSPC))));
            client.call(&request(Operation::WriteZeroes, 0, 1 << 20), &[]).unwrap();
            client.close().unwrap();
            assert_eq!(served.end(), Ok(Disconnect::Asked));
        }
    }

    #[test]
    fn several_connections_and_many_requests_in_flight_get_the_right_answers() {
        let served = serve_memory(1 << 20);
        let mut clients: Vec<_> = (0..4).map(|_| served.client(Dialect::Structured)).collect();
        let mut expected = Vec::new();
        for round in 0..64_u64 {
            for (number, client) in (0..).zip(&mut clients) {
                let offset = (round * 4 + number) * 4096;
                let data = [u8::try_from(round + number).unwrap(); 4096];
                client.send(&request(Operation::Write, offset, 4096), &data).unwrap();
                client.send(&request(Operation::Read, offset, 4096), &[]).unwrap();
                expected.push(data.to_vec());
            }
        }
        for (number, client) in clients.iter_mut().enumerate() {
            for _ in 0..128 {
                let answer = client.receive().unwrap();
                let round = usize::try_from(answer.cookie / 2).unwrap();
                if answer.cookie % 2 == 1 {
                    assert_eq!(answer.data, expected[round * 4 + number]);
                }
            }
        }
        assert_eq!(served.held(0, 1 << 20), expected.concat());
        assert_eq!(served.engine.totals().requests, 512);
    }

    #[test]
    fn the_longest_write_is_served_and_read_back_whole() {
        let length = REQUEST_DATA_BYTES_MAX as usize;
        let served = serve_memory(length);
        let mut data = vec![7; length];
        data[0] = 1;
        data[length / 2] = 2;
        data[length - 1] = 3;
        for dialect in [Dialect::Simple, Dialect::Structured, Dialect::Extended] {
            let mut client = served.client(dialect);
            client.write(0, &data, Flags::NONE).unwrap();
            assert!(client.read(ByteRange::new(0, length as u64)).unwrap() == data);
        }
    }

    #[test]
    fn a_claim_of_a_gigabyte_is_answered_and_ends_that_connection_only() {
        let served = serve_memory(1 << 20);
        let mut bystander = served.client(Dialect::Simple);
        let mut stream = served.client(Dialect::Simple).close_quietly();
        let header = RequestHeader {
            flags: 0,
            command: command::WRITE,
            cookie: 5,
            offset: 0,
            length: 1 << 30,
        };
        let mut bytes = Vec::new();
        header.write(Headers::Compact, &mut bytes);
        stream.write_all(&bytes).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, b"\x67\x44\x66\x98\0\0\0\x16\0\0\0\0\0\0\0\x05");
        let error = served.end().unwrap_err();
        assert_eq!(error, "a request claims 1073741824 bytes of data; limit 67108864");
        bystander.write(0, b"still here", Flags::NONE).unwrap();
    }

    #[test]
    fn garbage_ends_the_connection_that_sent_it() {
        let served = serve_memory(1 << 20);
        let mut bystander = served.client(Dialect::Simple);
        let mut stranger = served.stream();
        stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        assert!(served.end().unwrap_err().contains("client flags 0x47455420"));
        let mut stream = served.client(Dialect::Simple).close_quietly();
        stream.write_all(b"rubbish").unwrap();
        assert!(served.end().unwrap_err().contains("bad request magic 0x72756262"));
        bystander.flush().unwrap();
    }

    #[test]
    fn a_request_that_is_cut_off_is_never_issued() {
        let served = serve_memory(1 << 20);
        let mut stream = served.client(Dialect::Simple).close_quietly();
        let header =
            RequestHeader { flags: 0, command: command::WRITE, cookie: 0, offset: 0, length: 512 };
        let mut bytes = Vec::new();
        header.write(Headers::Compact, &mut bytes);
        bytes.extend([9; 511]);
        stream.write_all(&bytes).unwrap();
        drop(stream);
        let error = served.end().unwrap_err();
        assert_eq!(error, "the client went inside a request; 539 bytes of it had come");
        assert_eq!(served.engine.totals().requests, 0);
        assert_eq!(served.held(0, 512), [0; 512]);
    }

    #[test]
    fn stop_serves_what_has_been_sent_and_ends_the_rest() {
        let served = serve_memory(1 << 20);
        let mut client = served.client(Dialect::Structured);
        for block in 0..200 {
            client.send(&request(Operation::Write, block * 512, 512), &[3; 512]).unwrap();
        }
        let path = served.directory.path().join("nbd");
        served.server.stop();
        for _ in 0..200 {
            assert_eq!(client.receive().unwrap().result, Ok(()));
        }
        assert!(matches!(client.receive(), Err(ClientError::Io(_))));
        assert!(UnixStream::connect(path).is_err(), "nobody listens any more");
        assert_eq!(served.reports.recv().unwrap(), Ok(Disconnect::Shutdown));
        assert_eq!(served.engine.totals().requests, 200);
    }

    #[test]
    fn a_client_that_never_reads_is_held_back_and_dropped_at_the_stop() {
        let served = serve_memory(1 << 20);
        let mut client = served.client(Dialect::Structured);
        client.stream().set_nonblocking(true).unwrap();
        let read = request(Operation::Read, 0, 1 << 20);
        let mut sent = 0;
        while sent < 5000 && client.send(&read, &[]).is_ok() {
            sent += 1;
        }
        let engine = Arc::clone(&served.engine);
        served.server.stop();
        let answered = engine.totals().requests;
        assert!(answered <= 64, "{answered} answers of a megabyte were held for it");
    }

    #[test]
    fn a_client_that_never_reads_is_held_back_whatever_it_asks() {
        let served = serve_memory(1 << 20);
        let stream = served.client(Dialect::Simple).close_quietly();
        let header = RequestHeader { flags: 0, command: 99, cookie: 0, offset: 0, length: 1 };
        let mut bytes = Vec::new();
        (0..1000).for_each(|_| header.write(Headers::Compact, &mut bytes));
        stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        // Ten times what may be held of answers, each 16 bytes to a request of 28.
        let enough = 10 * crate::limits::CONNECTION_BYTES_MAX / 16_000;
        let sent = (0..enough).take_while(|_| (&stream).write_all(&bytes).is_ok()).count() as u64;
        assert!(sent < enough / 2, "{sent} thousand requests were taken");
        served.server.stop();
    }

    /// What every connection asks of a device that does nothing by itself, up to the limit in flight.
    #[test]
    fn a_client_has_so_many_requests_in_flight_and_the_rest_when_answers_have_gone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("nbd");
        let sim = Sim::new(Arc::new(Memory::new(4096)));
        let device = Arc::clone(&sim) as Arc<dyn BlockDevice>;
        let exports = vec![export_of(device, &Engine::off(Arc::new(Stopped)))];
        let listener = Listener::Unix(UnixListener::bind(&path).unwrap());
        let _server = Server::start(listener, exports, None, Box::new(|_| {})).unwrap();
        let stream = UnixStream::connect(path).unwrap();
        let client = Client::connect(stream, "", Dialect::Extended).unwrap();
        let mut stream = client.close_quietly();
        let all = 2 * CONNECTION_REQUESTS_MAX;
        let flush = command::FLUSH;
        let header = RequestHeader { flags: 0, command: flush, cookie: 5, offset: 0, length: 0 };
        let mut bytes = Vec::new();
        (0..all).for_each(|_| header.write(Headers::Extended, &mut bytes));
        // At once: one by one they would fill the socket, however short they are.
        stream.write_all(&bytes).unwrap();
        let mut dice = Dice::new(1);
        let mut answer = |count: usize| {
            let begun = std::time::Instant::now();
            for _ in 0..count {
                while sim.complete_next(&mut dice).is_none() {
                    assert!(begun.elapsed() < Duration::from_mins(1), "nothing more came");
                    std::thread::yield_now();
                }
            }
            let mut answers = vec![0; 32 * count];
            stream.read_exact(&mut answers).unwrap();
            let done = b"\x6e\x8a\x27\x8c\0\x01\0\0\0\0\0\0\0\0\0\x05";
            assert!(answers.chunks(32).all(|answer| answer.starts_with(done)));
        };
        let settles = || {
            let begun = std::time::Instant::now();
            while sim.parked_count() < CONNECTION_REQUESTS_MAX {
                assert!(begun.elapsed() < Duration::from_mins(1), "{}", sim.parked_count());
                std::thread::yield_now();
            }
            // What would come in spite of the limit has had its time.
            std::thread::sleep(Duration::from_millis(50));
            assert_eq!(sim.parked_count(), CONNECTION_REQUESTS_MAX);
        };
        settles();
        answer(10);
        settles();
        answer(all - 10);
    }

    #[test]
    fn a_stop_waits_for_an_image_that_says_nothing_and_whoever_wants_to_can_look() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("nbd");
        let sim = Sim::new(Arc::new(Memory::new(4096)));
        let device = Arc::clone(&sim) as Arc<dyn BlockDevice>;
        let engine = Engine::off(Arc::new(Stopped));
        let exports = vec![export_of(device, &engine)];
        let listener = Listener::Unix(UnixListener::bind(&path).unwrap());
        let server = Server::start(listener, exports, None, Box::new(|_| {})).unwrap();
        let mut client =
            Client::connect(UnixStream::connect(path).unwrap(), "", Dialect::Structured).unwrap();
        for (operation, length) in [(Operation::Read, 512), (Operation::Flush, 0)] {
            client.send(&request(operation, 0, length), &[]).unwrap();
        }
        while sim.parked_count() < 2 {
            std::thread::yield_now();
        }
        server.begin_stop();
        assert!(!server.wait(Duration::from_millis(50)));
        let away: Vec<_> = engine.waiting().away.iter().map(|one| one.request.operation).collect();
        assert_eq!(away, [Operation::Read, Operation::Flush]);
        while sim.complete_next(&mut Dice::new(1)).is_some() {}
        assert!(server.wait(Duration::from_mins(1)));
        for _ in 0..2 {
            assert_eq!(client.receive().unwrap().result, Ok(()), "what was asked is answered");
        }
    }

    #[test]
    fn an_image_that_cannot_zero_fast_is_told_of_as_such_to_those_who_asked_only() {
        let served = serve_memory_with(1 << 20, |device| {
            let effect = Effect::Error(RequestErrno::ENOTSUP);
            let (operation, range) = (Some(Operation::WriteZeroes), None);
            let rule = Rule { operation, range, when: When::Always, effect };
            Fault::new(device, vec![rule], Arc::new(Stopped), 1)
        });
        for dialect in [Dialect::Simple, Dialect::Structured, Dialect::Extended] {
            let mut client = served.client(dialect);
            client.write(0, &[7; 4096], Flags::NONE).unwrap();
            let zeroes = request(Operation::WriteZeroes, 0, 4096);
            for (flags, errno) in [
                (Flags::FAST_ZERO, RequestErrno::ENOTSUP),
                (Flags::FAST_ZERO.with(Flags::NO_HOLE), RequestErrno::ENOTSUP),
                (Flags::NO_HOLE, RequestErrno::EINVAL),
            ] {
                let failed = client.call(&Request { flags, ..zeroes }, &[]);
                let found = matches!(failed, Err(ClientError::Failed(found)) if found == errno);
                assert!(found, "{flags:?}: {failed:?}");
            }
            assert_eq!(client.read(ByteRange::new(0, 4096)).unwrap(), [7; 4096], "untouched");
        }
    }

    #[test]
    fn a_client_that_half_closes_has_gone() {
        let served = serve_memory(1 << 20);
        let stream = served.client(Dialect::Simple).close_quietly();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(served.end(), Ok(Disconnect::Closed));
    }

    #[test]
    fn one_client_too_many_is_closed_and_the_others_are_served() {
        let served = serve_memory(1 << 20);
        let mut clients: Vec<_> =
            (0..CONNECTIONS_MAX).map(|_| served.client(Dialect::Simple)).collect();
        assert!(Client::connect(served.stream(), "", Dialect::Simple).is_err());
        assert!(served.end().unwrap_err().contains("128 connections are open already"));
        for client in &mut clients {
            client.read(ByteRange::new(0, 1)).unwrap();
        }
        drop(clients.pop());
        assert_eq!(served.end(), Ok(Disconnect::Closed));
    }

    #[test]
    fn a_client_that_is_there_already_is_served_and_is_the_only_one() {
        let memory = Arc::new(Memory::new(4096));
        let exports = vec![export(&memory, &Engine::off(Arc::new(Stopped)))];
        let (ours, theirs) = UnixStream::pair().unwrap();
        let on_end = Box::new(|_: &ConnectionReport| {});
        let server =
            Server::start(Listener::Connected(ours.into()), exports, None, on_end).unwrap();
        let mut client = Client::connect(theirs, "", Dialect::Structured).unwrap();
        client.write(0, b"x", Flags::NONE).unwrap();
        assert!(!server.is_over());
        client.close().unwrap();
        while !server.is_over() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn tcp_is_served_too_and_an_unknown_export_is_refused_by_name() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let memory = Arc::new(Memory::new(4096));
        let exports = vec![export(&memory, &Engine::off(Arc::new(Stopped)))];
        let on_end = Box::new(|_: &ConnectionReport| {});
        let _server = Server::start(Listener::Tcp(listener), exports, None, on_end).unwrap();
        let connect = || TcpStream::connect(address).unwrap();
        let mut client = Client::connect(connect(), "0", Dialect::Structured).unwrap();
        client.write(4095, b"x", Flags::NONE).unwrap();
        let refused = Client::connect(connect(), "1", Dialect::Structured);
        let Err(ClientError::Negotiation(NegotiationError::NoExport { listed, .. })) = refused
        else {
            panic!("{refused:?}")
        };
        assert_eq!(listed, [""]);
    }
}
