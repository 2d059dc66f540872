//! Peers that break the handshake of TLS, stop inside it, or say something in plain that they hope counts under TLS.
//!
//! Each sends bytes made by hand.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::{Server, threads, wait_for_no};

/// Client flags, and `NBD_OPT_STARTTLS` (proto.md, option 5) without data.
const BEGINS_TLS: &[u8] = b"\0\0\0\x03IHAVEOPT\0\0\0\x05\0\0\0\0";

/// `NBD_OPT_GO` for the export without a name.
const GO: &[u8] = b"IHAVEOPT\0\0\0\x07\0\0\0\x06\0\0\0\0\0\0";

/// How a server acknowledges `NBD_OPT_STARTTLS`.
const ACKNOWLEDGED: &[u8] = b"\0\x03\xe8\x89\x04\x55\x65\xa9\0\0\0\x05\0\0\0\x01\0\0\0\0";

/// A connection on which the server has greeted.
fn greeted(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    // Longer than the server's own patience.
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut greeting = [0; 18];
    stream.read_exact(&mut greeting).unwrap();
    assert_eq!(greeting[..16], *b"NBDMAGICIHAVEOPT");
    stream
}

/// The same, with TLS to begin.
fn begun(server: &Server) -> TcpStream {
    let mut stream = greeted(server);
    stream.write_all(BEGINS_TLS).unwrap();
    let mut answer = [0; 20];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, ACKNOWLEDGED);
    stream
}

/// All that the server still says; it ends the connection.
fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    said
}

#[test]
fn garbage_in_the_handshake_of_tls_ends_that_connection_only() {
    let mut server = Server::lenient();
    let mut stream = begun(&server);
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    rest(stream);
    server.waits_to_say("warning: a client: TLS failed: received corrupt message");
    server.still_serves();
}

#[test]
fn options_in_plain_after_starttls_are_not_heard() {
    let mut server = Server::lenient();
    let mut stream = begun(&server);
    stream.write_all(GO).unwrap();
    let answer = rest(stream);
    assert!(!answer.windows(8).any(|bytes| bytes == &ACKNOWLEDGED[..8]), "{answer:?}");
    server.waits_to_say("TLS failed");
    server.still_serves();
}

#[test]
fn what_was_put_behind_starttls_before_tls_began_ends_the_connection() {
    let mut server = Server::lenient();
    let mut stream = greeted(&server);
    stream.write_all(&[BEGINS_TLS, GO].concat()).unwrap();
    let answer = rest(stream);
    assert!(ACKNOWLEDGED.starts_with(&answer), "nothing but an acknowledgement: {answer:?}");
    server.waits_to_say("in plain behind STARTTLS, before TLS began");
    server.still_serves();
}

#[test]
fn export_name_in_plain_ends_the_connection_without_an_answer() {
    let mut server = Server::lenient();
    let mut stream = greeted(&server);
    stream.write_all(b"\0\0\0\x03IHAVEOPT\0\0\0\x01\0\0\0\0").unwrap();
    assert_eq!(rest(stream), b"");
    server.waits_to_say("the client does not ask for TLS, which is required here");
    server.still_serves();
}

#[test]
fn a_client_that_stops_inside_the_handshake_of_tls_is_dropped_after_ten_seconds() {
    let mut server = Server::lenient();
    let mut stream = begun(&server);
    // A record of 256 bytes is announced, and begins.
    stream.write_all(b"\x16\x03\x01\x01\x00\x01").unwrap();
    rest(stream);
    server.waits_to_say("no handshake within 10 seconds");
    server.still_serves();
}

#[test]
fn the_end_of_the_recording_does_not_wait_for_a_handshake() {
    let mut server = Server::lenient();
    let stream = begun(&server);
    assert_eq!(threads(&server.recording, "nbd client"), 1);
    server.recording.signal(rustix::process::Signal::TERM);
    let finished = server.recording.finish().succeeds();
    assert!(!finished.stderr.contains("no handshake"), "it was not waited for: {finished}");
    drop(stream);
}

#[test]
fn a_flood_of_broken_handshakes_leaves_no_thread_behind() {
    let server = Server::strict();
    for number in 0..200 {
        let mut stream = begun(&server);
        let _ = stream.write_all(&[number; 40]);
    }
    wait_for_no(&server.recording, "nbd client");
    wait_for_no(&server.recording, "tls client");
    server.still_serves();
}
