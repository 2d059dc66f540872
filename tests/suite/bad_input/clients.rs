//! Hostile and broken clients. Each harms only itself: afterwards another client is served, the recording
//! ends in order, and the trace is whole.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use blkreplay_fixtures::workload::solid_bytes;
use rustix::process::Signal;

use super::raw_client::{DISCONNECT, READ, RawClient, TIME_LIMIT, WRITE};
use crate::support::{PROGRAM_TIME_LIMIT, Running, Sandbox};
use crate::trace::Trace;

pub(super) const MIB: u64 = 1 << 20;
const EINVAL: u32 = 22;
const ENOSPC: u32 = 28;

/// A recording that serves `run/s`.
pub(super) struct Server {
    pub(super) sandbox: Sandbox,
    recording: Running,
}

impl Server {
    pub(super) fn start(size: u64) -> Server {
        let sandbox = Sandbox::new();
        sandbox.blank("disk.img", size);
        let mut recording =
            sandbox.blkreplay("record disk.img -o t.blkr --write --listen unix:run/s").start();
        recording.wait_for_stderr("serving");
        Server { sandbox, recording }
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.sandbox.path("run/s")
    }

    /// The most memory the server ever had, in bytes.
    pub(super) fn memory_peak(&self) -> u64 {
        let pid = self.recording.pid().as_raw_nonzero();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// Asserts that a well-behaved client is served, ends the recording and reads its trace. The last two
    /// requests are that client's: a write and a read of the last 512 bytes.
    pub(super) fn still_serves(self) -> Trace {
        self.serves_once_more().end().1
    }

    fn serves_once_more(self) -> Server {
        let mut client = RawClient::ready(&self.socket());
        let last = client.size - 512;
        client.ask(WRITE, last, 512);
        client.send(&[7; 512]);
        assert_eq!(client.reply().unwrap(), (last, 0));
        client.ask(READ, last, 512);
        assert_eq!(client.reply().unwrap(), (last, 0));
        assert_eq!(client.receive(512).unwrap(), [7; 512]);
        client.ask(DISCONNECT, 0, 0);
        assert!(client.is_ended());
        self
    }

    fn end(mut self) -> (Sandbox, Trace) {
        self.recording.signal(Signal::INT);
        self.recording.finish().succeeds();
        let trace = Trace::whole(&self.sandbox, "t.blkr");
        (self.sandbox, trace)
    }

    /// The same; what the trace says, done to this image, must make it the one that was served.
    pub(super) fn still_serves_on(self, image: &str) -> Trace {
        self.still_serves_on_within(image, PROGRAM_TIME_LIMIT)
    }

    /// The same, where that is much to do.
    pub(super) fn still_serves_on_within(self, image: &str, limit: Duration) -> Trace {
        let (sandbox, trace) = self.serves_once_more().end();
        let replay = sandbox.blkreplay(&format!("replay t.blkr {image} --write"));
        replay.start().finish_within(limit).succeeds();
        sandbox.assert_same(image, "disk.img");
        trace
    }
}

#[test]
fn a_client_that_says_nothing_is_shown_out_and_holds_up_nobody() {
    let server = Server::start(MIB);
    let mut silent = RawClient::silent(&server.socket());
    let mut half = RawClient::silent(&server.socket());
    half.send(&[0, 0]);
    let mut busy = RawClient::ready(&server.socket());
    busy.ask(READ, 0, 512);
    assert_eq!(busy.reply().unwrap(), (0, 0));
    assert!(silent.is_ended(), "the handshake has a time limit");
    assert!(half.is_ended(), "half a word is not enough");
    assert_eq!(server.still_serves().rows.len(), 3);
}

#[test]
fn a_recording_ends_at_once_whatever_a_silent_client_does() {
    let server = Server::start(MIB);
    let _silent = RawClient::silent(&server.socket());
    let _idle = RawClient::ready(&server.socket());
    let started = std::time::Instant::now();
    assert_eq!(server.still_serves().rows.len(), 2);
    assert!(started.elapsed().as_secs() < 8, "it took {:?}", started.elapsed());
}

#[test]
fn a_client_that_sends_garbage_is_shown_out() {
    let server = Server::start(MIB);
    // In the handshake, and in the transmission phase.
    let mut early = RawClient::silent(&server.socket());
    let _ = early.stream.write_all(&solid_bytes(50, 64 << 10));
    assert!(early.is_ended());
    let mut late = RawClient::ready(&server.socket());
    let _ = late.stream.write_all(&solid_bytes(51, 64 << 10));
    assert!(late.is_ended());
    assert_eq!(server.still_serves().rows.len(), 2, "garbage is no request");
}

#[test]
fn a_request_cut_off_in_the_middle_was_never_made() {
    let server = Server::start(MIB);
    for sent in [1, 27] {
        let mut client = RawClient::ready(&server.socket());
        client.send(
            &[
                0x25, 0x60, 0x95, 0x13, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                0, 0, 2,
            ][..sent],
        );
    }
    let mut client = RawClient::ready(&server.socket());
    client.ask(WRITE, 0, 64 << 10);
    client.send(&[1; 1000]);
    drop(client);
    let trace = server.still_serves();
    assert_eq!(trace.rows.len(), 2, "{:?}", trace.rows);
}

#[test]
fn requests_past_the_end_are_refused_and_recorded() {
    let server = Server::start(MIB);
    let mut client = RawClient::ready(&server.socket());
    client.ask(READ, MIB - 512, 1024);
    assert_eq!(client.reply().unwrap(), (MIB - 512, EINVAL));
    client.ask(WRITE, MIB, 512);
    client.send(&[1; 512]);
    assert_eq!(client.reply().unwrap(), (MIB, ENOSPC));
    client.ask(READ, u64::MAX - 511, 512);
    assert_eq!(client.reply().unwrap(), (u64::MAX - 511, EINVAL));
    // The connection goes on.
    client.ask(READ, 0, 512);
    assert_eq!(client.reply().unwrap(), (0, 0));
    assert_eq!(client.receive(512).unwrap(), [0; 512]);
    drop(client);
    let trace = server.still_serves();
    let results: Vec<_> = trace.rows.iter().map(|row| row.result.as_deref().unwrap()).collect();
    assert_eq!(results, ["EINVAL", "ENOSPC", "EINVAL", "ok", "ok", "ok"]);
}

#[test]
fn a_write_of_64_mib_is_served_and_recorded() {
    let server = Server::start(80 * MIB);
    let mut client = RawClient::ready(&server.socket());
    let data = solid_bytes(52, 64 << 20);
    client.ask(WRITE, 4096, 64 << 20);
    client.send(&data);
    assert_eq!(client.reply().unwrap(), (4096, 0));
    client.ask(READ, 4096, 64 << 20);
    assert_eq!(client.reply().unwrap(), (4096, 0));
    assert!(client.receive(64 << 20).unwrap() == data, "it reads back");
    drop(client);
    assert_eq!(server.still_serves().bytes("write"), 64 * MIB + 512);
}

#[test]
fn a_claim_of_a_gigabyte_takes_no_memory_and_ends_the_connection() {
    let server = Server::start(MIB);
    drop(RawClient::ready(&server.socket()));
    let before = server.memory_peak();
    for command in [WRITE, READ] {
        let mut client = RawClient::ready(&server.socket());
        client.ask(command, 0, 1 << 30);
        if command == WRITE {
            // Some of what it promised, which the server need not take.
            let _ = client.stream.write_all(&vec![1; 256 << 10]);
            let reply = client.reply();
            let refused =
                reply.as_ref().is_ok_and(|(cookie, error)| *cookie == 0 && *error == EINVAL);
            assert!(refused, "an error comes before the end: {reply:?}");
            assert!(client.is_ended(), "nobody reads a gigabyte to throw it away");
        } else {
            assert_eq!(client.reply().unwrap().1, EINVAL);
        }
    }
    let mut option = RawClient::silent(&server.socket());
    option.send(&3u32.to_be_bytes());
    option.send(b"IHAVEOPT");
    option.send(&7u32.to_be_bytes());
    option.send(&(1u32 << 30).to_be_bytes());
    assert!(option.is_ended(), "nor a gigabyte of options");
    let grown = server.memory_peak() - before;
    assert!(grown < 16 * MIB, "{grown} bytes were taken");
    server.still_serves();
}

#[test]
fn more_connections_than_there_is_room_for_harm_nobody() {
    let server = Server::start(MIB);
    let mut connections = Vec::new();
    for _ in 0..300 {
        connections.push(std::os::unix::net::UnixStream::connect(server.socket()).unwrap());
    }
    drop(connections);
    // That they are gone is noticed a moment later. So many at once are let in when there is room for one more.
    let begun = Instant::now();
    let mut let_in = Vec::new();
    while let_in.len() < 64 {
        assert!(begun.elapsed() < TIME_LIMIT, "only {} are let in", let_in.len());
        let_in.extend(RawClient::greeted(&server.socket()));
    }
    drop(let_in);
    server.still_serves();
}
