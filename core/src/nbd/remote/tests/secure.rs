//! Servers under TLS, without any: what is said in plain before it, what behind it, and what is told when it breaks.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{RecvFlags, recv};

use super::*;
use crate::nbd::secure::Tunnel;

/// The option `STARTTLS`, as it is asked for.
const STARTTLS: [u8; 16] = *b"IHAVEOPT\0\0\0\x05\0\0\0\0";

/// What is said goes through as it is, and the carrier ends as it was told.
struct Through(Option<io::ErrorKind>);

impl Secure for Through {
    fn secure(&self, plain: OwnedFd, _: &[BorrowedFd<'_>]) -> io::Result<Tunnel> {
        let end = self.0;
        let carrier = thread::spawn(move || end.map_or(Ok(()), |kind| Err(kind.into())));
        Ok(Tunnel { plain, carrier })
    }
}

/// A server that greets and then does what a test says; nothing is done about later connections.
fn greets(act: impl FnOnce(&mut UnixStream) + Send + 'static) -> Served {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nbd");
    let listener = UnixListener::bind(&path).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // Who is not asked for TLS hangs up here.
        if greet(&mut stream).is_ok() {
            act(&mut stream);
        }
    });
    let address = format!("nbds+unix:///disk?socket={}", path.display()).parse().unwrap();
    Served { address, server, _directory: directory }
}

struct Served {
    address: Address,
    server: thread::JoinHandle<()>,
    _directory: tempfile::TempDir,
}

impl Served {
    fn open(&self, secure: impl Secure + 'static) -> Result<Arc<Remote>, RemoteError> {
        Remote::open(&self.address, Some(Arc::new(secure)), Access::ReadOnly, PATIENT)
    }

    #[track_caller]
    fn ends(self) {
        self.server.join().unwrap();
    }
}

fn answer(stream: &mut UnixStream, kind: u32, data: &[u8]) {
    let mut bytes = OPTION_REPLY_MAGIC.to_be_bytes().to_vec();
    for number in [option::STARTTLS, kind, u32::try_from(data.len()).unwrap()] {
        bytes.put_u32(number);
    }
    bytes.extend(data);
    stream.write_all(&bytes).unwrap();
}

/// Hears that TLS is asked for before anything else, and agrees.
fn begin_tls(stream: &mut UnixStream) {
    let mut asked = [0; 16];
    stream.read_exact(&mut asked).unwrap();
    assert_eq!(asked, STARTTLS);
    answer(stream, option_reply::ACK, b"");
}

#[test]
fn tls_is_asked_for_first_and_all_else_is_said_behind_it() {
    let served = greets(|stream| {
        begin_tls(stream);
        hear_options(stream, 0).unwrap();
        for cookie in three(stream) {
            stream.write_all(&simple(cookie, 512)).unwrap();
        }
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let remote = served.open(Through(None)).unwrap();
    assert!(read_thrice(&remote).iter().all(|completion| completion.result == Ok(())));
    drop(remote);
    served.ends();
}

#[test]
fn a_server_without_tls_hears_nothing_more() {
    let served = greets(|stream| {
        let mut asked = [0; 16];
        stream.read_exact(&mut asked).unwrap();
        answer(stream, option_reply::ERR_POLICY, b"not here");
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        assert!(rest.is_empty(), "{rest:?}");
    });
    let error = served.open(Through(None)).err().unwrap();
    let why = "cannot choose the export: it does not talk TLS: it refuses it with error 0x80000002: not here";
    assert_eq!(reasons(&error), why);
    assert!(error.hint().unwrap().contains("in plain"));
    served.ends();
}

#[test]
fn where_nobody_knows_tls_nothing_is_said_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nbd");
    let listener = UnixListener::bind(&path).unwrap();
    let address: Address = format!("nbds+unix:///?socket={}", path.display()).parse().unwrap();
    let error = Remote::open(&address, None, Access::ReadOnly, PATIENT).err().unwrap();
    assert!(matches!(error, RemoteError::Tls(_)), "{error}");
    let mut rest = Vec::new();
    listener.accept().unwrap().0.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty(), "{rest:?}");
}

/// Takes what is there for the handshake of TLS, and fails with it.
struct Reads;

impl Secure for Reads {
    fn secure(&self, socket: OwnedFd, _: &[BorrowedFd<'_>]) -> io::Result<Tunnel> {
        poll(&mut [PollFd::new(&socket, PollFlags::IN)], None)?;
        let mut buffer = [0; 64];
        let (_, count) = recv(&socket, &mut buffer, RecvFlags::empty())?;
        Err(io::Error::other(String::from_utf8_lossy(&buffer[..count]).into_owned()))
    }
}

#[test]
fn what_is_slipped_in_behind_the_answer_in_plain_is_for_tls_to_refuse() {
    let served = greets(|stream| {
        let mut asked = [0; 16];
        stream.read_exact(&mut asked).unwrap();
        let mut bytes = OPTION_REPLY_MAGIC.to_be_bytes().to_vec();
        bytes.extend([0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0]);
        bytes.extend(b"slipped in");
        stream.write_all(&bytes).unwrap();
    });
    let error = served.open(Reads).err().unwrap();
    assert_eq!(reasons(&error), "TLS with the server failed: slipped in");
    served.ends();
}

/// Waits until it is told to give up.
struct Stuck;

impl Secure for Stuck {
    fn secure(&self, socket: OwnedFd, limits: &[BorrowedFd<'_>]) -> io::Result<Tunnel> {
        let mut fds: Vec<_> =
            limits.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        fds.push(PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::empty()));
        poll(&mut fds, None)?;
        Err(io::ErrorKind::TimedOut.into())
    }
}

#[test]
fn a_server_that_stops_inside_the_handshake_of_tls_is_waited_for_and_no_longer() {
    let served = greets(|stream| {
        begin_tls(stream);
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let stuck = Some(Arc::new(Stuck) as Arc<dyn Secure>);
    let error = Remote::open(&served.address, stuck, Access::ReadOnly, IMPATIENT).err().unwrap();
    assert_eq!(error.to_string(), "the server did not let us in within 0.2 seconds");
    served.ends();
}

#[test]
fn tls_that_breaks_is_told_before_what_it_looks_like_from_inside() {
    let served = greets(begin_tls);
    let error = served.open(Through(Some(io::ErrorKind::InvalidData))).err().unwrap();
    assert!(matches!(error, RemoteError::Tls(_)), "{error}");
    served.ends();

    let served = greets(|stream| {
        begin_tls(stream);
        hear_options(stream, 0).unwrap();
        three(stream);
    });
    let remote = served.open(Through(Some(io::ErrorKind::InvalidData))).unwrap();
    assert!(read_thrice(&remote).iter().any(|one| one.result == Err(Errno::EIO)));
    let loss = remote.loss().unwrap();
    assert_eq!(reasons(&loss.error), "TLS with the server failed: invalid data");
    served.ends();
}
