//! Images that fail and images that may not be changed, as clients of each dialect see them and as the trace has them.
//!
//! What each client should be told is written down here once more, from proto.md. Invariant: the trace has the image's own
//! error, whatever the client is told.

use std::io::Cursor;
use std::os::unix::net::UnixStream;
use std::sync::Mutex;

use super::*;
use crate::device::{
    Access, BlockDevice, Effect, Fault, Image, Memory, OpenOptions, Pool, Rule, Transfer, When,
    open,
};
use crate::engine::parked::header;
use crate::engine::{Engine, Identity, Recorder};
use crate::event::EventKind;
use crate::format::{PayloadPolicy, Reader};
use crate::nbd::asking::Dialect;
use crate::nbd::client::Client;
use crate::nbd::wire::transmission_flag;
use crate::request::{Errno, Flags, Operation, Request};
use crate::units::{ByteRange, Clock, VirtualClock};

const SIZE: usize = 1 << 20;

/// What a trace says of a completion: what was asked, what came of it, and whether the front refused it.
type Told = (Operation, Result<(), Errno>, bool);

/// A trace in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A recording of a device, on a socket.
struct Recording {
    directory: tempfile::TempDir,
    log: Log,
    engine: Arc<Engine>,
    server: Server,
}

impl Recording {
    fn of(device: Arc<dyn BlockDevice>) -> Recording {
        let directory = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(VirtualClock::default());
        let log = Log::default();
        let policy = PayloadPolicy::Hash;
        let (identity, trouble) = (Identity { salt: 1, uuid: 2 }, Box::new(|_: &_| {}));
        let out = Box::new(log.clone());
        let recorder =
            Recorder::start(out, &header(policy, 1), identity, Arc::clone(&clock), trouble);
        let engine = Engine::recording(clock, recorder.unwrap(), policy);
        let (description, disk) = (String::new(), engine.attach(device));
        let names = vec![String::new()];
        let exports = vec![Export { names, description, disk, extended_headers: true }];
        let listener = Listener::Unix(UnixListener::bind(directory.path().join("nbd")).unwrap());
        let server = Server::start(listener, exports, None, Box::new(|_| {})).unwrap();
        Recording { directory, log, engine, server }
    }

    fn client(&self, dialect: Dialect) -> Client<UnixStream> {
        let stream = UnixStream::connect(self.directory.path().join("nbd")).unwrap();
        Client::connect(stream, "", dialect).unwrap()
    }

    /// Ends it; the completions that its trace has.
    fn end(self) -> Vec<Told> {
        self.server.stop();
        self.engine.finish(None).unwrap().unwrap();
        let bytes = self.log.0.lock().unwrap().clone();
        let mut reader = Reader::open(Cursor::new(bytes)).unwrap();
        let mut told = Vec::new();
        while let Some((_, event)) = reader.next_event().unwrap() {
            if let EventKind::Block(block) = event.kind {
                told.push((block.operation, block.result, block.flags.refused));
            }
        }
        told
    }
}

/// A request of each kind, and zeroes that must be fast.
fn every_request() -> impl Iterator<Item = Request> {
    let all = Operation::NAMES.into_iter().map(|(operation, _)| (operation, Flags::NONE));
    all.chain([(Operation::WriteZeroes, Flags::FAST_ZERO)]).map(|(operation, flags)| {
        let length = if operation == Operation::Flush { 0 } else { 4096 };
        Request { operation, range: ByteRange::new(0, length), flags }
    })
}

fn data_of(request: &Request) -> Vec<u8> {
    vec![7; if request.operation == Operation::Write { 4096 } else { 0 }]
}

/// Errors of images, and what clients are told of each: proto.md, "Error values", has numbers of its own for eight, of which
/// two are for one purpose each.
const ERRORS: [(u16, u16); 14] = [
    (1, 1),
    (5, 5),
    (12, 12),
    (22, 22),
    (28, 28),
    (75, 5),
    (95, 22),
    (108, 108),
    // EROFS; EFBIG and EDQUOT.
    (30, 1),
    (27, 28),
    (122, 28),
    // ENOENT, ETIMEDOUT, and one that there is not.
    (2, 5),
    (110, 5),
    (4000, 5),
];

#[test]
fn every_error_of_an_image_reaches_clients_of_each_dialect_and_the_trace() {
    for (errno, usual) in ERRORS {
        let memory = Arc::new(Memory::new(SIZE));
        let device = Pool::new(Arc::clone(&memory) as Arc<dyn Image>, 2);
        let effect = Effect::Error(Errno(errno));
        let rule = Rule { operation: None, range: None, when: When::Always, effect };
        let clock = Arc::new(VirtualClock::default());
        let recording = Recording::of(Fault::new(device, vec![rule], clock, 1));
        let mut expected = Vec::new();
        for dialect in [Dialect::Simple, Dialect::Structured, Dialect::Extended] {
            let mut client = recording.client(dialect);
            for request in every_request() {
                client.send(&request, &data_of(&request)).unwrap();
                let is_fast = request.flags.contains(Flags::FAST_ZERO);
                let is_read = request.operation == Operation::Read;
                let in_chunks = dialect != Dialect::Simple;
                let told = match errno {
                    75 if is_read && in_chunks => 75,
                    95 if is_fast => 95,
                    _ => usual,
                };
                // It was never agreed on, so it is the front that says no.
                let refused = request.operation == Operation::BlockStatus && !in_chunks;
                let (told, logged) = if refused { (22, 22) } else { (told, errno) };
                let answer = client.receive().unwrap();
                let what = format!("errno {errno} of {} for {dialect:?}", request.operation);
                assert_eq!(answer.result, Err(Errno(told)), "{what}");
                assert_eq!((answer.data.len(), answer.extents.len()), (0, 0), "{what}");
                expected.push((request.operation, Err(Errno(logged)), refused));
            }
            client.close().unwrap();
        }
        assert_eq!(recording.end(), expected, "errno {errno}");
        let mut held = vec![1; SIZE];
        memory.read(0, &mut held).unwrap();
        assert!(held == vec![0; SIZE], "nothing was changed");
    }
}

#[test]
fn an_error_in_the_middle_of_many_requests_is_that_of_its_own_and_no_other() {
    let memory = Arc::new(Memory::new(SIZE));
    let device = Pool::new(memory as Arc<dyn Image>, 2);
    let rules = [(5, 5), (28, 20), (12, 33)].map(|(errno, number)| {
        let effect = Effect::Error(Errno(errno));
        Rule { operation: None, range: None, when: When::Nth(number), effect }
    });
    let clock = Arc::new(VirtualClock::default());
    let recording = Recording::of(Fault::new(device, rules.to_vec(), clock, 1));
    let mut client = recording.client(Dialect::Extended);
    for number in 0..64 {
        let range = ByteRange::new(number * 4096, 4096);
        let operation = if number % 2 == 0 { Operation::Write } else { Operation::Read };
        let request = Request { operation, range, flags: Flags::NONE };
        client.send(&request, &data_of(&request)).unwrap();
    }
    for _ in 0..64 {
        let answer = client.receive().unwrap();
        let expected = match answer.cookie {
            5 => Err(Errno::EIO),
            20 => Err(Errno::ENOSPC),
            33 => Err(Errno::ENOMEM),
            _ => Ok(()),
        };
        assert_eq!(answer.result, expected, "request {}", answer.cookie);
    }
    client.close().unwrap();
    assert_eq!(recording.end().iter().filter(|(_, result, _)| result.is_err()).count(), 3);
}

#[test]
fn what_may_not_be_changed_is_offered_as_such_and_every_change_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("disk.img");
    std::fs::write(&path, vec![9; SIZE]).unwrap();
    let (format, create) = (None, None);
    let options =
        OpenOptions { access: Access::ReadOnly, format, transfer: Transfer::Buffered, create };
    let recording = Recording::of(Pool::new(open(&path, &options).unwrap().image, 2));
    let mut expected = Vec::new();
    for dialect in [Dialect::Simple, Dialect::Structured, Dialect::Extended] {
        let mut client = recording.client(dialect);
        let offered = client.transmission_flags();
        assert_ne!(offered & transmission_flag::READ_ONLY, 0);
        assert_eq!(offered & (transmission_flag::TRIM | transmission_flag::WRITE_ZEROES), 0);
        for request in every_request() {
            client.send(&request, &data_of(&request)).unwrap();
            let result = match request.operation {
                operation if operation.modifies() => Err(Errno::EPERM),
                Operation::BlockStatus if dialect == Dialect::Simple => Err(Errno::EINVAL),
                _ => Ok(()),
            };
            assert_eq!(client.receive().unwrap().result, result, "{request:?} in {dialect:?}");
            expected.push((request.operation, result, result.is_err()));
        }
        client.close().unwrap();
    }
    assert_eq!(recording.end(), expected);
    assert_eq!(std::fs::read(&path).unwrap(), vec![9; SIZE]);
}
