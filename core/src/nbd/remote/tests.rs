//! Exports of our own server as devices and images, and servers that go wrong in every way.

mod secure;

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use bytes::{BufMut, Bytes};

use super::*;
use crate::device::contract::{
    Attached, Subject, blocking, checks, contents, contract, pooled, queues, random,
};
use crate::device::{Completion, Durable, Image, Memory, Pool, Submission, Zeroing};
use crate::engine::Engine;
use crate::nbd::wire::{
    FIXED_NEWSTYLE, GREETING_MAGIC, NO_ZEROES, OPTION_MAGIC, OPTION_REPLY_MAGIC, info, option,
    option_reply, transmission_flag as flag, write_simple_reply,
};
use crate::nbd::{Dialect, Export, Listener, Server};
use crate::request::{Errno, Flags, Operation, Request};
use crate::units::{ByteRange, VirtualClock};

/// Long enough for a machine that is busy, short enough for a test that fails.
const PATIENT: Patience =
    Patience { connect: Duration::from_secs(30), answer: Duration::from_secs(30) };

/// Of a server that is meant to say nothing.
const IMPATIENT: Patience =
    Patience { connect: Duration::from_millis(200), answer: Duration::from_millis(200) };

fn at(socket: &Path) -> Address {
    format!("nbd:unix:{}:exportname=disk", socket.display()).parse().unwrap()
}

/// A server of our own and where its socket is.
type Ours = Box<(Server, tempfile::TempDir)>;

/// Our own server of a memory image, and its export as it is seen from outside.
fn exported(size: u64) -> Option<(Arc<Remote>, Ours)> {
    exported_in(Dialect::Extended, size)
}

/// The same, in no better dialect than this one.
fn exported_in(best: Dialect, size: u64) -> Option<(Arc<Remote>, Ours)> {
    // The memory image is what it says.
    if size > 64 << 20 {
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(directory.path().join("nbd")).unwrap();
    let engine = Engine::off(Arc::new(VirtualClock::default()));
    let memory = Arc::new(Memory::new(usize::try_from(size).unwrap()));
    let disk = engine.attach(Pool::new(memory, 3));
    let names = vec!["disk".to_owned(), "0".to_owned()];
    let (description, extended_headers) = ("memory".to_owned(), best == Dialect::Extended);
    let exports = vec![Export { names, description, disk, extended_headers }];
    let server = Server::start(Listener::Unix(listener), exports, None, Box::new(|_| {})).unwrap();
    let address = at(&directory.path().join("nbd"));
    let remote = Remote::open(&address, None, Access::ReadWrite, PATIENT).unwrap();
    assert_eq!(remote.setting.terms.dialect, best);
    Some((remote, Box::new((server, directory))))
}

fn device(size: u64) -> Option<Attached> {
    exported(size).map(|(remote, held)| Attached::going_on(remote, held))
}

fn structured_device(size: u64) -> Option<Attached> {
    exported_in(Dialect::Structured, size).map(|(remote, held)| Attached::going_on(remote, held))
}

fn image(size: u64) -> Option<Subject> {
    exported(size).map(|(remote, held)| (held as Box<dyn std::any::Any>, remote as Arc<dyn Image>))
}

contract! {
    as_a_device: |size| blocking(device(size)), device;
    with_structured_replies: |size| blocking(structured_device(size)), structured_device;
    as_an_image: image, |size| pooled(image(size));
}

#[test]
fn the_geometry_is_what_the_server_says() {
    let (remote, held) = exported(1 << 20).unwrap();
    let expected = Geometry {
        size: 1 << 20,
        block_min: 1,
        block_preferred: 4096,
        read_only: false,
        discard: true,
    };
    assert_eq!(*BlockDevice::geometry(&*remote), expected);
    let reader = Remote::open(&remote.route.address, None, Access::ReadOnly, PATIENT).unwrap();
    let expected = Geometry { read_only: true, discard: false, ..expected };
    assert_eq!(*BlockDevice::geometry(&*reader), expected);
    assert_eq!(reader.write(0, b"x", Durable::Later), Err(Errno::EPERM));
    drop((reader, remote, held));
}

#[test]
fn an_export_that_is_not_there_is_told_with_those_that_are() {
    let (remote, _held) = exported(4096).unwrap();
    let other = Address { export: "disc".to_owned(), ..remote.route.address.clone() };
    let error = Remote::open(&other, None, Access::ReadOnly, PATIENT).err().unwrap();
    let RemoteError::Negotiation(why) = error else { panic!("{error}") };
    assert_eq!(why.to_string(), "it has no export \"disc\"; it has \"disk\"");
}

#[test]
fn nobody_at_the_socket_is_told_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let address = at(&directory.path().join("nbd"));
    let open = || Remote::open(&address, None, Access::ReadOnly, PATIENT).err().unwrap();
    assert!(
        matches!(open(), RemoteError::Connect(error) if error.kind() == io::ErrorKind::NotFound)
    );
    drop(UnixListener::bind(directory.path().join("nbd")).unwrap());
    let refused = io::ErrorKind::ConnectionRefused;
    assert!(matches!(open(), RemoteError::Connect(error) if error.kind() == refused));
}

#[test]
fn a_server_that_lets_nobody_in_is_waited_for_and_no_longer() {
    let directory = tempfile::tempdir().unwrap();
    let _listener = UnixListener::bind(directory.path().join("nbd")).unwrap();
    let address = at(&directory.path().join("nbd"));
    let error = Remote::open(&address, None, Access::ReadOnly, IMPATIENT).err().unwrap();
    assert_eq!(error.to_string(), "the server did not let us in within 0.2 seconds");
    assert!(error.hint().unwrap().contains("--shared"));
}

/// A server that lets clients in as asked and then does what a test says, connection by connection.
struct Played {
    address: Address,
    connections: Arc<AtomicUsize>,
    _directory: tempfile::TempDir,
}

/// What a played server offers: without structured replies, 1 MiB.
fn play(flags: u16, mut act: impl FnMut(usize, UnixStream) + Send + 'static) -> Played {
    let directory = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(directory.path().join("nbd")).unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let address = at(&directory.path().join("nbd"));
    let count = Arc::clone(&connections);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // Before the handshake is over: whoever made the connection may ask for the count then.
            let number = count.fetch_add(1, Ordering::SeqCst);
            if let_in(&mut stream, flags).is_ok() {
                act(number, stream);
            }
        }
    });
    Played { address, connections, _directory: directory }
}

/// The server's side of a handshake with a client that is known.
fn let_in(stream: &mut UnixStream, flags: u16) -> io::Result<()> {
    greet(stream)?;
    hear_options(stream, flags)
}

fn greet(stream: &mut UnixStream) -> io::Result<()> {
    let mut greeting = GREETING_MAGIC.to_be_bytes().to_vec();
    greeting.put_u64(OPTION_MAGIC);
    greeting.put_u16(FIXED_NEWSTYLE | NO_ZEROES);
    stream.write_all(&greeting)?;
    stream.read_exact(&mut [0; 4])
}

/// What follows the greeting.
fn hear_options(stream: &mut UnixStream, flags: u16) -> io::Result<()> {
    loop {
        let mut header = [0; 16];
        stream.read_exact(&mut header)?;
        let number = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().unwrap());
        let (asked, length) = (number(8), number(12));
        stream.read_exact(&mut vec![0; length as usize])?;
        let mut reply = |kind: u32, data: &[u8]| {
            let mut bytes = OPTION_REPLY_MAGIC.to_be_bytes().to_vec();
            bytes.put_u32(asked);
            bytes.put_u32(kind);
            bytes.put_u32(u32::try_from(data.len()).unwrap());
            bytes.extend(data);
            stream.write_all(&bytes)
        };
        if asked != option::GO {
            reply(option_reply::ERR_UNSUP, b"")?;
            continue;
        }
        let mut export = info::EXPORT.to_be_bytes().to_vec();
        export.put_u64(1 << 20);
        export.put_u16(flags | flag::HAS_FLAGS);
        reply(option_reply::INFO, &export)?;
        return reply(option_reply::ACK, b"");
    }
}

/// Three reads that are with the server together, and what becomes of them.
fn read_thrice(remote: &Arc<Remote>) -> Vec<Completion> {
    let doorbell = Arc::new(Doorbell::new().unwrap());
    let mut queue = Arc::clone(remote).open_queue(Arc::clone(&doorbell));
    for tag in 0..3 {
        let range = ByteRange::new(tag * 4096, 512);
        let request = Request { operation: Operation::Read, range, flags: Flags::NONE };
        queue.submit(Submission { tag, request, data: Bytes::new() });
    }
    queue.kick();
    let mut completions = Vec::new();
    loop {
        doorbell.clear();
        queue.poll(&mut completions);
        if queue.in_flight() == 0 {
            return completions;
        }
        doorbell.wait(Duration::from_mins(1));
    }
}

/// Reads the headers of three requests; gives their cookies.
fn three(stream: &mut UnixStream) -> [u64; 3] {
    [(); 3].map(|()| {
        let mut header = [0; 28];
        stream.read_exact(&mut header).unwrap();
        u64::from_be_bytes(header[8..16].try_into().unwrap())
    })
}

/// What a server does behind its answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Goes,
    Stays,
    /// It stays, and the client is not patient.
    Sleeps,
}

/// What the client says of a server that answers three reads with what `answer` gives for their cookies.
fn lost(then: Then, answer: fn([u64; 3]) -> Vec<u8>) -> String {
    let played = play(0, move |_, mut stream| {
        let cookies = three(&mut stream);
        stream.write_all(&answer(cookies)).unwrap();
        if then != Then::Goes {
            // Until the client goes.
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    let answer = if then == Then::Sleeps { IMPATIENT.answer } else { PATIENT.answer };
    let patience = Patience { answer, ..PATIENT };
    let remote = Remote::open(&played.address, None, Access::ReadWrite, patience).unwrap();
    let failed = read_thrice(&remote);
    assert!(failed.iter().any(|completion| completion.result == Err(Errno::EIO)));
    let loss = remote.loss().expect("it was noticed before the requests failed");
    let in_flight = failed.iter().filter(|one| one.result == Err(Errno::EIO)).count();
    assert_eq!(loss.requests, in_flight);
    let later = read_thrice(&remote);
    assert!(later.iter().all(|completion| completion.result == Err(Errno::ESHUTDOWN)));
    assert_eq!(remote.flush(), Err(Errno::ESHUTDOWN));
    reasons(&loss.error)
}

/// An error and what is behind it.
fn reasons(error: &dyn std::error::Error) -> String {
    let reasons = std::iter::successors(Some(error), |error| error.source());
    reasons.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn simple(cookie: u64, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_simple_reply(&mut bytes, 0, cookie);
    bytes.resize(bytes.len() + length, 7);
    bytes
}

#[test]
fn a_server_that_goes_fails_what_is_with_it_and_all_that_comes_later() {
    assert_eq!(lost(Then::Goes, |_| Vec::new()), "the server closed the connection");
    let one = |cookies: [u64; 3]| simple(cookies[1], 512);
    assert_eq!(lost(Then::Goes, one), "the server closed the connection");
    let half = |cookies: [u64; 3]| simple(cookies[0], 100);
    assert_eq!(lost(Then::Goes, half), "the server closed the connection");
}

#[test]
fn a_server_that_says_what_none_may_is_given_up() {
    let broke = |why: &str| format!("the server broke the protocol: {why}");
    let garbage = |_| b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    assert_eq!(lost(Then::Stays, garbage), broke("a reply begins with 0x48545450"));
    let unknown = |_| simple(u64::MAX, 512);
    let why = format!("a reply is to request {}, which is not in flight", u64::MAX);
    assert_eq!(lost(Then::Stays, unknown), broke(&why));
    let twice = |cookies: [u64; 3]| [simple(cookies[2], 512), simple(cookies[2], 0)].concat();
    assert!(lost(Then::Stays, twice).ends_with("which is not in flight"));
}

#[test]
fn a_server_that_never_answers_is_given_up_after_a_while() {
    let silent = "the server did not answer for 0.2 seconds";
    assert_eq!(lost(Then::Sleeps, |_| Vec::new()), silent);
    assert_eq!(lost(Then::Sleeps, |cookies| simple(cookies[0], 511)), silent);
}

#[test]
fn answers_come_in_any_order() {
    let played = play(0, |_, mut stream| {
        let [one, two, three] = three(&mut stream);
        for cookie in [three, one, two] {
            stream.write_all(&simple(cookie, 512)).unwrap();
        }
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let remote = Remote::open(&played.address, None, Access::ReadOnly, PATIENT).unwrap();
    let tags: Vec<u64> = read_thrice(&remote).iter().map(|completion| completion.tag).collect();
    assert_eq!(tags, [2, 0, 1]);
    assert!(remote.loss().is_none());
}

#[test]
fn a_server_takes_its_leave_hearing_that_nothing_more_comes() {
    let (sender, heard) = channel();
    let played = play(0, move |_, mut stream| {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        sender.send(rest).unwrap();
    });
    drop(Remote::open(&played.address, None, Access::ReadOnly, PATIENT).unwrap());
    let last = heard.recv().unwrap();
    assert_eq!((last.len(), &last[6..8]), (28, &[0, 2][..]), "a disconnect and nothing else");
}

/// A served stream, kept open.
fn keep(sender: &Sender<UnixStream>, stream: UnixStream) {
    let _ = sender.send(stream);
}

#[test]
fn queues_have_connections_of_their_own_where_one_flush_covers_all() {
    for (flags, expected) in [(flag::MULTI_CONN, 3), (0, 1)] {
        let (sender, streams) = channel();
        let played = play(flags, move |_, stream| keep(&sender, stream));
        let remote = Remote::open(&played.address, None, Access::ReadOnly, PATIENT).unwrap();
        let open = || Arc::clone(&remote).open_queue(Arc::new(Doorbell::new().unwrap()));
        let queues = [open(), open(), open()];
        assert_eq!(played.connections.load(Ordering::SeqCst), expected, "the first has the first");
        drop(queues);
        let again = open();
        assert_eq!(played.connections.load(Ordering::SeqCst), expected, "it is free again");
        drop((again, streams));
    }
}

#[test]
fn queues_share_a_connection_where_the_server_lets_no_more_in() {
    let directory = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(directory.path().join("nbd")).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let_in(&mut stream, flag::MULTI_CONN).unwrap();
        let mut refused = Vec::new();
        for _ in 0..2 {
            for cookie in three(&mut stream) {
                stream.write_all(&simple(cookie, 512)).unwrap();
            }
            // The second comes while the first has a queue, and is hung up on.
            if refused.is_empty() {
                refused.push(listener.accept().unwrap());
                refused[0].0.shutdown(std::net::Shutdown::Both).unwrap();
            }
        }
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let address = at(&directory.path().join("nbd"));
    let remote = Remote::open(&address, None, Access::ReadOnly, PATIENT).unwrap();
    let doorbell = Arc::new(Doorbell::new().unwrap());
    assert!(read_thrice(&remote).iter().all(|completion| completion.result == Ok(())));
    let first = Arc::clone(&remote).open_queue(doorbell);
    assert!(read_thrice(&remote).iter().all(|completion| completion.result == Ok(())));
    assert!(remote.is_full.load(Ordering::Relaxed), "it is not asked again");
    drop((first, remote));
    server.join().unwrap();
}

#[test]
fn fast_zeroes_of_a_server_without_them_fail_and_touch_nothing() {
    let (sender, streams) = channel();
    let played = play(flag::WRITE_ZEROES, move |_, stream| keep(&sender, stream));
    let remote = Remote::open(&played.address, None, Access::ReadWrite, PATIENT).unwrap();
    let how = Zeroing { keep_allocated: false, fast_only: true, durable: Durable::Later };
    let refused = remote.write_zeroes(ByteRange::new(0, 4096), how);
    assert_eq!(refused, Err(Errno::ENOTSUP));
    let mut stream: UnixStream = streams.recv().unwrap();
    drop(remote);
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).unwrap();
    assert_eq!(heard.len(), 28, "a disconnect and nothing else");
}
