//! TLS as a client and the front see it: a real client on one end, the plain side on the other.
//!
//! The client is rustls, too; other implementations are in the test suite.

mod outward;

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use blkreplay_core::nbd::{Secure, Tunnel};
use rcgen::CertifiedKey;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

use super::{Tls, TlsFiles};
use crate::failure::Failure;

/// A server of its own certificate, and what its clients need to know.
struct Pki {
    tls: Tls,
    certificate: CertificateDer<'static>,
}

impl Pki {
    fn new() -> Pki {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let files = TlsFiles {
            certificate: directory.path().join("cert.pem"),
            key: directory.path().join("key.pem"),
            authority: None,
        };
        fs::write(&files.certificate, cert.pem()).unwrap();
        fs::write(&files.key, signing_key.serialize_pem()).unwrap();
        Pki { tls: Tls::open(&files).unwrap(), certificate: cert.der().clone() }
    }

    fn client(&self, version: &'static SupportedProtocolVersion) -> ClientConnection {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap()
    }

    /// A client that has shaken hands, and the way to it.
    fn connected(
        &self,
        version: &'static SupportedProtocolVersion,
    ) -> (StreamOwned<ClientConnection, UnixStream>, UnixStream, Carrier) {
        let (ours, theirs) = pair();
        let mut client = StreamOwned::new(self.client(version), theirs);
        let shaking = thread::spawn(move || {
            client.flush().unwrap();
            client
        });
        let Tunnel { plain, carrier } = self.tls.secure(ours, &[]).unwrap();
        let plain = UnixStream::from(plain);
        plain.set_nonblocking(false).unwrap();
        (shaking.join().unwrap(), plain, carrier)
    }
}

type Carrier = thread::JoinHandle<io::Result<()>>;

/// The server's end does not block.
fn pair() -> (OwnedFd, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    (ours.into(), theirs)
}

/// Bytes that tell where they belong.
fn bytes(from: usize, count: usize) -> Vec<u8> {
    (from..from + count).map(|place| u8::try_from(place % 251).unwrap()).collect()
}

#[test]
fn bytes_go_both_ways_at_once_in_both_versions() {
    const COUNT: usize = 3 << 20;
    let pki = Pki::new();
    for version in [&TLS12, &TLS13] {
        let (mut client, mut plain, carrier) = pki.connected(version);
        let mut front_end = plain.try_clone().unwrap();
        let front = thread::spawn(move || {
            let mut heard = vec![0; COUNT];
            front_end.read_exact(&mut heard).unwrap();
            heard
        });
        let says = thread::spawn(move || {
            for (number, length) in [1, 4096, 65_537, 16_384, 0, 300_000].iter().enumerate() {
                plain.write_all(&bytes(number, *length)).unwrap();
            }
            plain
        });
        client.write_all(&bytes(0, COUNT)).unwrap();
        for (number, length) in [1, 4096, 65_537, 16_384, 0, 300_000].into_iter().enumerate() {
            let mut heard = vec![0; length];
            client.read_exact(&mut heard).unwrap();
            assert!(heard == bytes(number, length), "{length} bytes in {version:?}");
        }
        assert!(front.join().unwrap() == bytes(0, COUNT));
        // The front ends it, and the client is told so: an end without notice would be an error here.
        drop(says.join().unwrap());
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        carrier.join().unwrap().unwrap();
    }
}

#[test]
fn a_client_that_goes_is_seen_to_have_gone_after_its_last_word() {
    let pki = Pki::new();
    for takes_leave in [true, false] {
        let (mut client, mut plain, carrier) = pki.connected(&TLS13);
        client.write_all(b"last word").unwrap();
        if takes_leave {
            client.conn.send_close_notify();
            client.flush().unwrap();
        }
        drop(client);
        let mut heard = String::new();
        plain.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "last word");
        drop(plain);
        carrier.join().unwrap().unwrap();
    }
}

#[test]
fn a_client_that_says_goodbye_still_hears_the_answer() {
    let (mut client, mut plain, carrier) = Pki::new().connected(&TLS13);
    client.conn.send_close_notify();
    client.flush().unwrap();
    assert_eq!(plain.read(&mut [0]).unwrap(), 0);
    plain.write_all(b"answer").unwrap();
    drop(plain);
    let mut heard = String::new();
    client.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "answer");
    carrier.join().unwrap().unwrap();
}

#[test]
fn what_is_no_tls_ends_the_connection_and_reaches_nobody() {
    let (client, mut plain, carrier) = Pki::new().connected(&TLS13);
    let mut wire = client.sock;
    wire.write_all(b"IHAVEOPT in plain").unwrap();
    assert_eq!(plain.read(&mut [0; 64]).unwrap_or(0), 0);
    assert_eq!(carrier.join().unwrap().unwrap_err().kind(), ErrorKind::InvalidData);
}

/// How much is taken of 16 MiB before nothing is for a while; `write` writes some.
fn taken(socket: &UnixStream, mut write: impl FnMut() -> io::Result<usize>) -> usize {
    socket.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut taken = 0;
    while taken < 16 << 20 {
        match write() {
            Ok(count) => taken += count,
            Err(_) => break,
        }
    }
    taken
}

#[test]
fn a_client_that_never_reads_holds_little_and_is_left_soon_after_the_end() {
    let (client, plain, carrier) = Pki::new().connected(&TLS13);
    let piece = bytes(0, 16 << 10);
    let held = taken(&plain, || (&plain).write(&piece));
    assert!(held < 4 << 20, "{held} bytes were taken for it");
    let began = Instant::now();
    drop(plain);
    carrier.join().unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_secs(30));
    drop(client);
}

#[test]
fn a_client_that_reads_late_hears_all_that_was_said_before_the_end() {
    let (mut client, mut plain, carrier) = Pki::new().connected(&TLS13);
    plain.write_all(&bytes(0, 150_000)).unwrap();
    drop(plain);
    // Less than the patience with a client that does not read.
    thread::sleep(Duration::from_millis(300));
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).unwrap();
    assert!(heard == bytes(0, 150_000), "{} bytes were heard", heard.len());
    carrier.join().unwrap().unwrap();
}

#[test]
fn a_front_that_does_not_read_holds_back_the_client_but_is_heard_by_it() {
    let (client, mut plain, carrier) = Pki::new().connected(&TLS13);
    let StreamOwned { mut conn, mut sock } = client;
    conn.set_buffer_limit(None);
    conn.writer().write_all(&bytes(0, 16 << 20)).unwrap();
    let socket = sock.try_clone().unwrap();
    let held = taken(&socket, || conn.write_tls(&mut sock));
    assert!(held < 4 << 20, "{held} bytes were taken from it");
    plain.write_all(b"meanwhile").unwrap();
    conn.read_tls(&mut sock).unwrap();
    conn.process_new_packets().unwrap();
    let mut heard = [0; 9];
    conn.reader().read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"meanwhile");
    drop((plain, sock, socket));
    carrier.join().unwrap().unwrap();
}

/// What a client says first.
fn client_hello(pki: &Pki) -> Vec<u8> {
    let mut hello = Vec::new();
    pki.client(&TLS13).write_tls(&mut hello).unwrap();
    hello
}

#[test]
fn a_client_that_goes_at_any_byte_of_the_handshake_is_an_error_and_no_more() {
    let pki = Pki::new();
    let hello = client_hello(&pki);
    for end in 0..=hello.len() {
        let (ours, mut theirs) = pair();
        theirs.write_all(&hello[..end]).unwrap();
        theirs.shutdown(Shutdown::Write).unwrap();
        let error = pki.tls.secure(ours, &[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "cut at byte {end}");
    }
}

#[test]
fn garbage_instead_of_a_handshake_is_an_error() {
    let pki = Pki::new();
    let hello = client_hello(&pki);
    for place in 0..hello.len().min(48) {
        let mut garbled = hello.clone();
        garbled[place] ^= 0xff;
        let (ours, mut theirs) = pair();
        theirs.write_all(&garbled).unwrap();
        theirs.shutdown(Shutdown::Write).unwrap();
        assert!(pki.tls.secure(ours, &[]).is_err(), "byte {place} was changed");
    }
    let (ours, mut theirs) = pair();
    theirs.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(pki.tls.secure(ours, &[]).unwrap_err().kind(), ErrorKind::InvalidData);
}

#[test]
fn a_client_that_stops_inside_the_handshake_is_waited_for_until_a_limit_is_reached() {
    let pki = Pki::new();
    let hello = client_hello(&pki);
    for said in [0, 7, hello.len()] {
        let (ours, mut theirs) = pair();
        theirs.write_all(&hello[..said]).unwrap();
        let (limit, mut ends) = UnixStream::pair().unwrap();
        let ending = thread::spawn(move || {
            thread::sleep(Duration::from_millis(30));
            ends.write_all(b"x").unwrap();
        });
        let error = pki.tls.secure(ours, &[limit.as_fd()]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{said} bytes were said");
        ending.join().unwrap();
    }
}

/// Why files with these texts are refused.
fn refusal(certificate: &str, key: &str) -> Failure {
    let directory = tempfile::tempdir().unwrap();
    let files = TlsFiles {
        certificate: directory.path().join("cert.pem"),
        key: directory.path().join("key.pem"),
        authority: None,
    };
    fs::write(&files.certificate, certificate).unwrap();
    fs::write(&files.key, key).unwrap();
    Tls::open(&files).unwrap_err()
}

#[test]
fn broken_pem_is_refused_wherever_it_breaks_off() {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (cert.pem(), signing_key.serialize_pem());
    // The line break at the very end may be missing.
    for end in (0..cert.trim_end().len() - 1).step_by(7) {
        assert!(refusal(&cert[..end], &key).to_string().contains("cert.pem"), "cut at {end}");
    }
    for end in (0..key.trim_end().len() - 1).step_by(7) {
        assert!(refusal(&cert, &key[..end]).to_string().contains("key.pem"), "cut at {end}");
    }
    let der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(refusal(der, &key).to_string().contains("cert.pem cannot be used"));
    let der = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert!(refusal(&cert, der).to_string().contains("key.pem cannot be used"));
}
